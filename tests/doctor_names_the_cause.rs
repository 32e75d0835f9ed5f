//! Promise: whatever is broken on the way to credentials, the doctor names the step and the cause, prints
//! what mends it, and recommends the option that fits.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod source_support;

use aws_credential_strategies::ErrorKind;
use aws_credential_strategies::diagnose::{Choice, Diagnosis, Doctor, Outcome, StepKind};
use aws_credential_strategies::local::{
    DEFAULT_ROLE, Fault, ImdsCall, LocalCloud, Role, StsCall, Trust,
};
use aws_smithy_async::time::{SystemTimeSource, TimeSource};
use source_support::{BRIEF, imds};
use std::time::{Duration, SystemTime};

const OTHER_ACCOUNT: &str = "999999999999";

fn doctor(cloud: &LocalCloud) -> Doctor {
    Doctor::new()
        .imds(imds(cloud))
        .sdk_config(&cloud.sdk_config())
}

/// The one step that failed, its cause, and what mends it.
fn failure(diagnosis: &Diagnosis) -> (StepKind, String, String) {
    let mut failed = diagnosis.steps().iter().filter(|step| step.is_failed());
    let step = failed
        .next()
        .unwrap_or_else(|| panic!("nothing failed: {diagnosis}"));
    assert!(failed.next().is_none(), "more than one failed: {diagnosis}");
    assert!(!diagnosis.is_healthy());
    match step.outcome() {
        Outcome::Failed { cause, remedy, .. } => {
            assert!(!cause.contains('\n'), "{cause}");
            assert!(!remedy.is_empty(), "{diagnosis}");
            (step.kind(), cause.clone(), remedy.clone())
        }
        other => panic!("{other:?}"),
    }
}

fn passed(diagnosis: &Diagnosis) -> Vec<StepKind> {
    diagnosis
        .steps()
        .iter()
        .filter(|step| matches!(step.outcome(), Outcome::Passed(_)))
        .map(|step| step.kind())
        .collect()
}

#[tokio::test]
async fn a_healthy_instance_passes_every_step_and_needs_option_a() {
    let cloud = LocalCloud::start().await.unwrap();
    let mut told = Vec::new();
    let diagnosis = doctor(&cloud)
        .examine_with(|step| told.push(step.kind()))
        .await
        .unwrap();
    assert!(diagnosis.is_healthy(), "{diagnosis}");
    let all = [
        StepKind::Reachable,
        StepKind::Token,
        StepKind::HopLimit,
        StepKind::Role,
        StepKind::Document,
        StepKind::Clock,
        StepKind::Caller,
    ];
    assert_eq!(passed(&diagnosis), all);
    assert_eq!(told, all);
    let recommendation = diagnosis.recommendation();
    assert_eq!(recommendation.choice(), Choice::InstanceProfile);
    assert_eq!(recommendation.objection(), None);
    assert!(diagnosis.to_string().contains("✓ clock agreement"));
}

#[tokio::test]
async fn nobody_there_means_not_ec2_and_no_option_yet() {
    let cloud = LocalCloud::start().await.unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let diagnosis = doctor(&cloud)
        .imds(imds(&cloud).endpoint(closed).max_attempts(1))
        .examine()
        .await
        .unwrap();
    let (step, cause, remedy) = failure(&diagnosis);
    assert_eq!(step, StepKind::Reachable);
    assert!(cause.contains("not on EC2"), "{cause}");
    assert!(remedy.contains("--http-endpoint enabled"), "{remedy}");
    assert!(passed(&diagnosis).is_empty());
    let recommendation = diagnosis.recommendation();
    assert_eq!(recommendation.choice(), Choice::Open);
    assert!(
        recommendation
            .reason()
            .contains("no other AWS identity could be seen"),
        "{recommendation}"
    );
}

#[tokio::test]
async fn a_lost_token_answer_is_the_hop_limit() {
    let cloud = LocalCloud::start().await.unwrap();
    cloud.imds().fail_on(ImdsCall::Token, Fault::Hang);
    let hasty = imds(&cloud).answer_timeout(BRIEF);
    let diagnosis = doctor(&cloud).imds(hasty).examine().await.unwrap();
    let (step, cause, remedy) = failure(&diagnosis);
    assert_eq!(step, StepKind::HopLimit);
    assert!(cause.contains("hop limit 1 in a container?"), "{cause}");
    assert!(
        remedy.contains("--http-put-response-hop-limit 2"),
        "{remedy}"
    );
    assert_eq!(passed(&diagnosis), [StepKind::Reachable, StepKind::Token]);
}

#[tokio::test]
async fn each_fault_fails_its_own_step_with_what_mends_it() {
    type Break = fn(&LocalCloud);
    let cases: [(Break, StepKind, &str, &str); 5] = [
        (
            |cloud| cloud.imds().fail_on(ImdsCall::Token, Fault::Status(403)),
            StepKind::Token,
            "IMDS refused a session token",
            "--http-endpoint enabled",
        ),
        (
            |cloud| cloud.detach_role(),
            StepKind::Role,
            "no role is attached",
            "aws ec2 associate-iam-instance-profile",
        ),
        (
            |cloud| {
                let mine = Role::new(DEFAULT_ROLE).trust(Trust::account(cloud.account()));
                cloud.add_role(mine).unwrap();
            },
            StepKind::Document,
            "does not admit ec2.amazonaws.com",
            "--role-name EC2DynamoDBRole",
        ),
        (
            |cloud| {
                let fault = Fault::DocumentWithout("Token".into());
                cloud.imds().fail_on(ImdsCall::ExtendedDocument, fault);
            },
            StepKind::Document,
            "lacks Token",
            "replace-iam-instance-profile-association",
        ),
        (
            |cloud| {
                let fault = Fault::error(403, "InvalidClientTokenId");
                cloud.sts().fail_on(StsCall::CallerIdentity, fault);
            },
            StepKind::Caller,
            "The security token included in the request is invalid",
            "session token",
        ),
    ];
    for (spoil, expected, cause_part, remedy_part) in cases {
        let cloud = LocalCloud::start().await.unwrap();
        spoil(&cloud);
        let diagnosis = doctor(&cloud).examine().await.unwrap();
        let (step, cause, remedy) = failure(&diagnosis);
        assert_eq!(step, expected, "{diagnosis}");
        assert!(cause.contains(cause_part), "{cause}");
        assert!(remedy.contains(remedy_part), "{remedy}");
        assert_eq!(diagnosis.recommendation().choice(), Choice::Open);
    }
}

#[tokio::test]
async fn the_trust_policy_to_set_is_shown_as_a_document() {
    let cloud = LocalCloud::start().await.unwrap();
    let mine = Role::new(DEFAULT_ROLE).trust(Trust::account(cloud.account()));
    cloud.add_role(mine).unwrap();
    let (_, _, remedy) = failure(&doctor(&cloud).examine().await.unwrap());
    let document: serde_json::Value = json_in(&remedy, 0);
    assert_eq!(
        document["Statement"][0]["Principal"]["Service"],
        "ec2.amazonaws.com"
    );
    keeps_statements(&remedy, DEFAULT_ROLE);
}

/// A trust policy is replaced as a whole, so whom the role admits already has to be read first.
fn keeps_statements(remedy: &str, role: &str) {
    let read = format!("aws iam get-role --role-name {role} --query Role.AssumeRolePolicyDocument");
    let set = format!("aws iam update-assume-role-policy --role-name {role} ");
    let (before, after) = remedy
        .split_once(&read)
        .unwrap_or_else(|| panic!("{remedy}"));
    assert!(before.contains("keep"), "{remedy}");
    assert!(after.contains(&set), "{remedy}");
}

/// The `n`th JSON document among other lines.
fn json_in(text: &str, n: usize) -> serde_json::Value {
    let start = text.match_indices("{\n  \"Version\"").nth(n).unwrap().0;
    let mut documents = serde_json::Deserializer::from_str(&text[start..]).into_iter();
    documents.next().unwrap().unwrap()
}

#[derive(Debug)]
struct Off(i64);

impl TimeSource for Off {
    fn now(&self) -> SystemTime {
        let now = SystemTimeSource::new().now();
        let by = Duration::from_secs(self.0.unsigned_abs());
        if self.0 < 0 { now - by } else { now + by }
    }
}

#[tokio::test]
async fn a_clock_that_is_off_is_measured_against_the_service() {
    let cloud = LocalCloud::start().await.unwrap();
    for (seconds, part) in [(-900, "behind"), (900, "ahead of")] {
        let diagnosis = doctor(&cloud)
            .time_source(Off(seconds))
            .examine()
            .await
            .unwrap();
        let (step, cause, remedy) = failure(&diagnosis);
        assert_eq!(step, StepKind::Clock);
        assert!(cause.contains(part), "{cause}");
        assert!(remedy.contains("chronyc makestep"), "{remedy}");
    }
    let diagnosis = doctor(&cloud)
        .time_source(Off(-60))
        .examine()
        .await
        .unwrap();
    assert!(diagnosis.is_healthy(), "{diagnosis}");
}

#[tokio::test]
async fn option_b_in_the_instances_own_account_is_named_a_detour() {
    let cloud = LocalCloud::start().await.unwrap();
    let diagnosis = doctor(&cloud)
        .role_arn(cloud.role_arn(DEFAULT_ROLE))
        .examine()
        .await
        .unwrap();
    assert!(diagnosis.is_healthy(), "{diagnosis}");
    assert!(passed(&diagnosis).contains(&StepKind::Assume));
    let recommendation = diagnosis.recommendation();
    assert_eq!(recommendation.choice(), Choice::InstanceProfile);
    let objection = recommendation.objection().expect("an objection");
    assert!(objection.contains("chaining for nothing"), "{objection}");
}

#[tokio::test]
async fn a_role_in_another_account_is_what_option_b_is_for() {
    let cloud = LocalCloud::start().await.unwrap();
    let trust = Trust::account(cloud.account()).external_id("42");
    let role = Role::new("App").account(OTHER_ACCOUNT).trust(trust);
    let arn = cloud.add_role(role).unwrap();
    let diagnosis = doctor(&cloud)
        .role_arn(&arn)
        .external_id("42")
        .examine()
        .await
        .unwrap();
    assert!(diagnosis.is_healthy(), "{diagnosis}");
    assert_eq!(diagnosis.recommendation().choice(), Choice::AssumeRole);
    assert_eq!(diagnosis.recommendation().objection(), None);

    let diagnosis = doctor(&cloud)
        .role_arn(&arn)
        .external_id("43")
        .examine()
        .await;
    let (step, cause, remedy) = failure(&diagnosis.unwrap());
    assert_eq!(step, StepKind::Assume);
    assert!(
        cause.contains("is not authorized to perform: sts:AssumeRole"),
        "{cause}"
    );
    let trust = json_in(&remedy, 0);
    assert_eq!(
        trust["Statement"][0]["Principal"]["AWS"],
        "arn:aws:iam::123456789012:role/EC2DynamoDBRole"
    );
    assert!(trust.to_string().contains("sts:ExternalId"), "{trust}");
    keeps_statements(&remedy, "App");
    let permission = json_in(&remedy, 1);
    assert_eq!(permission["Statement"][0]["Resource"], arn.as_str());
}

#[tokio::test]
async fn an_identity_from_elsewhere_takes_option_b() {
    let cloud = LocalCloud::start().await.unwrap();
    let diagnosis = doctor(&cloud)
        .base_provider(cloud.create_access_key("deployer"))
        .role_arn(cloud.role_arn(DEFAULT_ROLE))
        .examine()
        .await
        .unwrap();
    assert!(diagnosis.is_healthy(), "{diagnosis}");
    assert!(
        diagnosis.to_string().contains("user/deployer"),
        "{diagnosis}"
    );
    assert_eq!(diagnosis.recommendation().choice(), Choice::AssumeRole);
}

#[tokio::test]
async fn with_an_unknown_account_the_choice_stays_open() {
    let cloud = LocalCloud::start().await.unwrap();
    cloud.detach_role();
    let diagnosis = doctor(&cloud)
        .role_arn(cloud.role_arn("App"))
        .examine()
        .await
        .unwrap();
    assert_eq!(failure(&diagnosis).0, StepKind::Role);
    assert_eq!(diagnosis.recommendation().choice(), Choice::Open);
}

#[tokio::test]
async fn what_is_not_a_role_is_refused_before_anything_is_sent() {
    let cloud = LocalCloud::start().await.unwrap();
    let of_aws = Doctor::new().imds(imds(&cloud)).region("us-east-1");
    let user = of_aws.role_arn("arn:aws:iam::123456789012:user/alice");
    // another vendor's STS may call a role what it likes, though not just anything
    let of_another = doctor(&cloud).role_arn("a role");
    for doctor in [user, of_another] {
        let error = doctor.examine().await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Usage);
        assert_eq!(error.field(), Some("role_arn"));
    }
    assert_eq!(cloud.imds().calls().total(), 0);
    let ceph = doctor(&cloud).role_arn("arn:aws:iam:::role/S3Access");
    assert!(ceph.examine().await.is_ok());
}

#[tokio::test]
async fn without_a_region_sts_is_left_alone() {
    let cloud = LocalCloud::start().await.unwrap();
    let diagnosis = Doctor::new().imds(imds(&cloud)).examine().await.unwrap();
    assert!(diagnosis.is_healthy(), "{diagnosis}");
    assert!(!passed(&diagnosis).contains(&StepKind::Caller));
    assert_eq!(cloud.sts().calls().total(), 0);
}
