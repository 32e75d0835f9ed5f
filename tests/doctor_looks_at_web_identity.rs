//! Promise: the doctor looks at a token of an identity provider before and after STS does, and names what is
//! wrong with it: missing, empty, too large, no token, over, for somebody else, of an unknown issuer, not
//! admitted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use aws_credential_strategies::diagnose::{Choice, Diagnosis, Doctor, Host, Outcome, StepKind};
use aws_credential_strategies::iam::TrustPolicy;
use aws_credential_strategies::local::{LocalCloud, Role};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

const SUBJECT: &str = "system:serviceaccount:shop:checkout";
const AUDIENCE: &str = "sts.amazonaws.com";

struct Pod {
    cloud: LocalCloud,
    file: PathBuf,
    role: String,
}

impl Pod {
    /// A pod whose service account may be this role.
    async fn start(name: &str) -> Self {
        let cloud = LocalCloud::start().await.unwrap();
        let trust = TrustPolicy::builder()
            .oidc(&cloud.oidc_provider_arn(), AUDIENCE)
            .subject(SUBJECT)
            .build()
            .unwrap();
        let role = cloud.add_role(Role::new("Checkout").trust(trust)).unwrap();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("doctor-token-{name}"));
        let _ = fs::remove_dir_all(&folder);
        // as EKS mounts it
        let folder = folder.join("eks.amazonaws.com/serviceaccount");
        fs::create_dir_all(&folder).unwrap();
        Pod {
            cloud,
            file: folder.join("token"),
            role,
        }
    }

    fn write(&self, others: Value) {
        let mut claims = json!({ "sub": SUBJECT, "aud": AUDIENCE });
        claims
            .as_object_mut()
            .unwrap()
            .extend(others.as_object().unwrap().clone());
        let token = self.cloud.oidc_issuer().token(&claims).unwrap();
        fs::write(&self.file, format!("{token}\n")).unwrap();
    }

    fn doctor(&self) -> Doctor {
        Doctor::new()
            .sdk_config(&self.cloud.sdk_config())
            .environment([
                ("AWS_WEB_IDENTITY_TOKEN_FILE", self.file.to_str().unwrap()),
                ("AWS_ROLE_ARN", &self.role),
                ("AWS_ROLE_SESSION_NAME", "checkout"),
            ])
    }

    async fn examine(&self) -> Diagnosis {
        let diagnosis = self.doctor().examine().await.unwrap();
        // never the role of the node
        assert_eq!(self.cloud.imds().calls().total(), 0);
        assert_eq!(diagnosis.host(), Some(Host::EksServiceAccount));
        diagnosis
    }
}

fn failures(diagnosis: &Diagnosis) -> Vec<(StepKind, String, String)> {
    let steps = diagnosis.steps().iter();
    steps
        .filter_map(|step| match step.outcome() {
            Outcome::Failed { cause, remedy, .. } => {
                Some((step.kind(), cause.clone(), remedy.clone()))
            }
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn a_good_token_is_option_b_without_a_base() {
    let pod = Pod::start("good").await;
    pod.write(json!({}));
    let diagnosis = pod.examine().await;
    assert!(diagnosis.is_healthy(), "{diagnosis}");
    let recommendation = diagnosis.recommendation();
    assert_eq!(recommendation.choice(), Choice::AssumeRole, "{diagnosis}");
    let code = recommendation.code().unwrap();
    assert!(code.contains(".web_identity_from_env()"), "{code}");
    assert!(code.contains(&pod.role), "{code}");
    let text = diagnosis.to_string();
    assert!(text.contains(&format!("sub {SUBJECT}")), "{text}");
    assert!(text.contains("assumed-role/Checkout/checkout"), "{text}");
    let token = fs::read_to_string(&pod.file).unwrap();
    assert!(!text.contains(token.trim()), "{text}");
}

#[tokio::test]
async fn what_is_no_token_is_said_before_sts_is_asked() {
    let pod = Pod::start("none").await;
    let large = "a".repeat(20_001);
    let cases: [(Option<&str>, &str); 4] = [
        (None, "the file of the web identity token is not there"),
        (Some(" \n"), "the web identity token is empty"),
        (Some(&large), "longer than 20000 bytes"),
        (Some("two words"), "not one line of printable characters"),
    ];
    for (content, cause) in cases {
        if let Some(content) = content {
            fs::write(&pod.file, content).unwrap();
        }
        let diagnosis = pod.examine().await;
        let failed = failures(&diagnosis);
        assert_eq!(failed.len(), 1, "{diagnosis}");
        assert_eq!(failed[0].0, StepKind::IdentityToken);
        assert!(failed[0].1.contains(cause), "{}", failed[0].1);
        assert!(failed[0].1.contains("token"), "{}", failed[0].1);
        assert!(!failed[0].2.is_empty());
        assert_eq!(diagnosis.recommendation().choice(), Choice::Open);
        assert!(!diagnosis.to_string().contains("aaaa"), "{diagnosis}");
    }
    assert_eq!(pod.cloud.sts().calls().total(), 0);
}

#[tokio::test]
async fn what_sts_refuses_is_named_with_what_mends_it() {
    let pod = Pod::start("refused").await;
    let cases: [(Value, &str, &str); 3] = [
        (
            json!({ "aud": "somebody-else" }),
            "token audience",
            "add-client-id-to-open-id-connect-provider",
        ),
        (
            json!({ "iss": "https://issuer.example.com" }),
            "No OpenIDConnect provider",
            "create-open-id-connect-provider",
        ),
        (
            json!({ "sub": "system:serviceaccount:shop:other" }),
            "Not authorized to perform sts:AssumeRoleWithWebIdentity",
            "\"Federated\"",
        ),
    ];
    for (claims, cause, remedy) in cases {
        pod.write(claims);
        let diagnosis = pod.examine().await;
        let failed = failures(&diagnosis);
        assert_eq!(failed.len(), 1, "{diagnosis}");
        assert_eq!(failed[0].0, StepKind::WebIdentity, "{diagnosis}");
        assert!(failed[0].1.contains(cause), "{}", failed[0].1);
        assert!(failed[0].2.contains(remedy), "{}", failed[0].2);
        assert_eq!(diagnosis.recommendation().choice(), Choice::Open);
    }
    // the trust policy that is shown is one that would do
    let (_, _, remedy) = failures(&pod.examine().await).remove(0);
    // setting it drops whom the role admits already, which is said, with how to read them
    let read = "aws iam get-role --role-name Checkout --query Role.AssumeRolePolicyDocument";
    let (before, after) = remedy.split_once(read).unwrap();
    assert!(before.contains("keep"), "{remedy}");
    assert!(after.contains("update-assume-role-policy"), "{remedy}");
    let start = remedy.find('{').unwrap();
    let document = serde_json::Deserializer::from_str(&remedy[start..])
        .into_iter::<Value>()
        .next()
        .unwrap()
        .unwrap();
    let trust: TrustPolicy = document.to_string().parse().unwrap();
    pod.cloud
        .add_role(Role::new("Checkout").trust(trust))
        .unwrap();
    let diagnosis = pod.examine().await;
    assert!(diagnosis.is_healthy(), "{diagnosis}");
}

#[tokio::test]
async fn a_token_that_is_over_is_said_to_be_whoever_can_be_asked() {
    let pod = Pod::start("over").await;
    pod.write(json!({ "exp": 1_500_000_000 }));
    let diagnosis = pod.examine().await;
    let failed = failures(&diagnosis);
    assert_eq!(failed[0].0, StepKind::IdentityToken);
    assert!(failed[0].1.contains("min ago"), "{}", failed[0].1);
    assert!(
        failed[0].1.contains("exp 2017-07-14T02:40:00Z"),
        "{}",
        failed[0].1
    );
    assert_eq!(failed[1].0, StepKind::WebIdentity);
    assert!(failed[1].1.contains("ExpiredToken"), "{}", failed[1].1);

    // without a region nobody is asked, and it is seen all the same
    let diagnosis = Doctor::new()
        .environment([
            ("AWS_WEB_IDENTITY_TOKEN_FILE", pod.file.to_str().unwrap()),
            ("AWS_ROLE_ARN", &pod.role),
        ])
        .examine()
        .await
        .unwrap();
    assert_eq!(failures(&diagnosis).len(), 1, "{diagnosis}");
    assert!(
        diagnosis.to_string().contains("no region was given"),
        "{diagnosis}"
    );
}

#[tokio::test]
async fn opaque_tokens_and_missing_roles_are_named() {
    let pod = Pod::start("opaque").await;
    fs::write(&pod.file, "ya29.opaque").unwrap();
    let diagnosis = pod.examine().await;
    assert!(
        failures(&diagnosis)[0].1.contains("no JSON web token"),
        "{diagnosis}"
    );
    assert!(!diagnosis.to_string().contains("ya29"), "{diagnosis}");
    let diagnosis = Doctor::new()
        .environment([("AWS_WEB_IDENTITY_TOKEN_FILE", pod.file.to_str().unwrap())])
        .examine()
        .await
        .unwrap();
    assert!(
        failures(&diagnosis)[0].1.contains("AWS_ROLE_ARN is not"),
        "{diagnosis}"
    );
}
