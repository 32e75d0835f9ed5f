//! Promise: trust in an identity provider outside of AWS is written as AWS takes it, for GitHub, EKS,
//! Entra and any other, in every partition; and an issuer that many share is trusted for a subject, or
//! by name for all of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use aws_credential_strategies::iam::{OidcProvider, Partition, TrustPolicy, TrustPolicyBuilder};
use serde_json::{Value, json};

const ACCOUNT: &str = "123456789012";
const ISSUER: &str = "token.actions.githubusercontent.com";

fn github() -> TrustPolicyBuilder {
    TrustPolicy::builder().web_identity(&OidcProvider::github(), ACCOUNT)
}

fn compact(builder: TrustPolicyBuilder) -> String {
    builder.build().unwrap().to_compact_json()
}

fn wrong(builder: TrustPolicyBuilder) -> String {
    builder.build().unwrap_err().to_string()
}

#[test]
fn each_provider_has_its_document() {
    insta::assert_snapshot!(
        compact(github().subject("repo:example/app:*")),
        @r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"token.actions.githubusercontent.com:aud":"sts.amazonaws.com"},"StringLike":{"token.actions.githubusercontent.com:sub":"repo:example/app:*"}}}]}"#
    );
    let eks = OidcProvider::eks("https://oidc.eks.cn-north-1.amazonaws.com.cn/id/EXAMPLE").unwrap();
    let trust = TrustPolicy::builder()
        .partition(Partition::of_region("cn-north-1"))
        .web_identity(&eks, ACCOUNT)
        .subject("system:serviceaccount:default:app");
    insta::assert_snapshot!(
        compact(trust),
        @r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws-cn:iam::123456789012:oidc-provider/oidc.eks.cn-north-1.amazonaws.com.cn/id/EXAMPLE"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"oidc.eks.cn-north-1.amazonaws.com.cn/id/EXAMPLE:aud":"sts.amazonaws.com"},"StringLike":{"oidc.eks.cn-north-1.amazonaws.com.cn/id/EXAMPLE:sub":"system:serviceaccount:default:app"}}}]}"#
    );
    let tenant = "33e01921-4d64-4f8c-a055-5bdaffd5e33d";
    let entra = OidcProvider::entra(tenant, "api://AWS").unwrap();
    insta::assert_snapshot!(
        compact(TrustPolicy::builder().web_identity(&entra, ACCOUNT)),
        @r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::123456789012:oidc-provider/sts.windows.net/33e01921-4d64-4f8c-a055-5bdaffd5e33d/"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"sts.windows.net/33e01921-4d64-4f8c-a055-5bdaffd5e33d/:aud":"api://AWS"}}}]}"#
    );
    let pods = TrustPolicy::builder()
        .eks_pods()
        .session_tag("kubernetes-namespace", ["default"]);
    insta::assert_snapshot!(
        compact(pods),
        @r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"pods.eks.amazonaws.com"},"Action":["sts:AssumeRole","sts:TagSession"],"Condition":{"StringEquals":{"aws:RequestTag/kubernetes-namespace":"default"}}}]}"#
    );
}

#[test]
fn a_provider_is_made_known_by_one_line() {
    let line = |provider: OidcProvider| provider.create_command();
    insta::assert_snapshot!(line(OidcProvider::github()), @"aws iam create-open-id-connect-provider --url https://token.actions.githubusercontent.com --client-id-list sts.amazonaws.com");
    let odd = OidcProvider::new("https://id.example.com/a", "app's $(id)").unwrap();
    insta::assert_snapshot!(line(odd), @r"aws iam create-open-id-connect-provider --url https://id.example.com/a --client-id-list 'app'\''s $(id)'");
    let github = OidcProvider::github();
    assert_eq!(
        github
            .arn(Partition::of_region("us-gov-west-1"), ACCOUNT)
            .unwrap(),
        format!("arn:aws-us-gov:iam::{ACCOUNT}:oidc-provider/{ISSUER}")
    );
}

#[test]
fn what_iam_takes_for_no_provider_is_refused() {
    let url = |url: &str| OidcProvider::new(url, "app").unwrap_err().to_string();
    insta::assert_snapshot!(url("token.actions.githubusercontent.com"), @"configure: url: expected the URL that tokens name in iss, beginning with https://, not `token.actions.githubusercontent.com`");
    insta::assert_snapshot!(url("https://localhost:8080"), @"configure: url: IAM takes no port, query, fragment or wildcard in the URL of a provider, not `https://localhost:8080`");
    insta::assert_snapshot!(url("https:///a"), @"configure: url: expected a host, and no more than 255 characters in all, not `https:///a`");
    let audience = OidcProvider::new("https://a", "").unwrap_err();
    insta::assert_snapshot!(audience, @"configure: audience: expected what tokens name in aud, for example sts.amazonaws.com");
    let tenant = OidcProvider::entra("contoso.com", "api://AWS").unwrap_err();
    insta::assert_snapshot!(tenant, @"configure: tenant: expected the id of a tenant, a UUID, not `contoso.com`");
    let account = TrustPolicy::builder().web_identity(&OidcProvider::github(), "me");
    insta::assert_snapshot!(wrong(account), @"configure: account: expected the 12 digits of an account, not `me`");
}

#[test]
fn a_shared_issuer_is_trusted_for_a_subject() {
    insta::assert_snapshot!(wrong(github()), @r#"configure: subject: every customer of token.actions.githubusercontent.com gets tokens of this audience, so the role is open to all of them; ask whose they are: {"StringLike": {"token.actions.githubusercontent.com:sub": "repo:ORG/REPO:*"}} (if it is meant: `any_subject`, `from_json_allowing_anyone`)"#);
    assert!(github().any_subject().build().is_ok());
    for (subject, taken) in [
        ("repo:example/app:ref:refs/heads/main", true),
        ("repo:example/*", true),
        ("*", false),
        ("repo:*", false),
        ("repo:*/app:*", false),
        ("repo:exam*/app:*", false),
        ("re*:example/app", false),
        ("*:example/app:*", false),
        ("repo:?xample/app", false),
    ] {
        let built = github().subject(subject).build();
        assert_eq!(built.is_ok(), taken, "{subject}: {built:?}");
    }
    for issuer in ["gitlab.com", "app.terraform.io", "agent.buildkite.com"] {
        let provider = OidcProvider::new(&format!("https://{issuer}"), "aws").unwrap();
        let trust = TrustPolicy::builder().web_identity(&provider, ACCOUNT);
        assert!(wrong(trust).contains(issuer));
    }
    // an issuer of one's own may vouch for whom it likes
    let own = OidcProvider::new("https://id.example.com", "aws").unwrap();
    assert!(
        TrustPolicy::builder()
            .web_identity(&own, ACCOUNT)
            .build()
            .is_ok()
    );
}

#[test]
fn documents_are_held_to_the_same() {
    let document = |effect: &str, conditions: Value| {
        json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": effect,
            "Principal": { "Federated": format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}") },
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": conditions,
        }] })
        .to_string()
    };
    let sub = format!("{ISSUER}:sub");
    let aud = format!("{ISSUER}:aud");
    for (conditions, taken) in [
        (
            json!({ "StringEquals": { &sub: "repo:example/app:environment:production" } }),
            true,
        ),
        (
            json!({ "StringLike": { sub.to_uppercase(): "repo:example/*" } }),
            true,
        ),
        (
            json!({ "ForAnyValue:StringLike": { &sub: "repo:example/*" } }),
            true,
        ),
        (
            json!({ "StringEquals": { &aud: "sts.amazonaws.com" } }),
            false,
        ),
        // anybody's repository has these, where it may say what its subjects begin with
        (
            json!({ "StringEquals": { &sub: "environment:production" } }),
            false,
        ),
        (
            json!({ "StringLike": { &sub: "ref:refs/heads/main" } }),
            false,
        ),
        (
            json!({ "StringEquals": { &sub: "event_name:push" } }),
            false,
        ),
        (
            json!({ "StringLike": { &sub: "repository_owner:example:*" } }),
            true,
        ),
        // a workflow that is public and reusable runs for whoever calls it, in a repository of his own
        (
            json!({ "StringLike": { &sub: "job_workflow_ref:example/app/.github/workflows/deploy.yml@*" } }),
            false,
        ),
        (
            json!({ "StringLike": { &sub: "repository_owner:example:job_workflow_ref:example/app/*" } }),
            true,
        ),
        // these hold where there is none
        (
            json!({ "StringEqualsIfExists": { &sub: "repo:example/app" } }),
            false,
        ),
        (
            json!({ "ForAllValues:StringLike": { &sub: "repo:example/*" } }),
            false,
        ),
        (
            json!({ "StringNotEquals": { &sub: "repo:example/app" } }),
            false,
        ),
        // one value is enough to let everybody in
        (
            json!({ "StringLike": { &sub: ["repo:example/*", "repo:*"] } }),
            false,
        ),
    ] {
        let text = document("Allow", conditions.clone());
        let read = TrustPolicy::from_json(&text);
        assert_eq!(read.is_ok(), taken, "{conditions}: {read:?}");
        if let Err(error) = read {
            assert!(
                error
                    .to_string()
                    .starts_with("configure: trust policy.Statement[0].Condition: "),
                "{error}"
            );
        }
        assert!(TrustPolicy::from_json_allowing_anyone(&text).is_ok());
    }
    let deny = document("Deny", json!({ "StringEquals": { &aud: "other" } }));
    assert!(TrustPolicy::from_json(&deny).is_ok());
}

#[test]
fn accounts_and_sign_ins_follow_the_partition() {
    let china = Partition::of_region("cn-north-1");
    let trust = TrustPolicy::builder().partition(china).account(ACCOUNT);
    assert!(compact(trust).contains("arn:aws-cn:iam::123456789012:root"));
    for (partition, audience) in [
        ("aws", "https://signin.aws.amazon.com/saml"),
        ("aws-cn", "https://signin.amazonaws.cn/saml"),
        ("aws-us-gov", "https://signin.amazonaws-us-gov.com/saml"),
    ] {
        let provider = format!("arn:{partition}:iam::{ACCOUNT}:saml-provider/Example");
        let policy = compact(TrustPolicy::builder().saml(&provider));
        assert!(policy.contains(audience), "{policy}");
    }
    let secret = format!("arn:aws-iso:iam::{ACCOUNT}:saml-provider/Example");
    let unknown = wrong(TrustPolicy::builder().saml(&secret));
    assert!(unknown.contains("aws-iso"), "{unknown}");
}
