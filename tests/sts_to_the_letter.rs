//! Promise: `StsSource` keeps the rules for `AssumeRole`, row by row, over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod source_support;

use aws_credential_strategies::local::{DEFAULT_ROLE, Fault, LocalCloud, Role, StsCall, Trust};
use aws_credential_strategies::source::{Base, StsSource, StsSourceBuilder};
use aws_credential_strategies::{
    AssumeRole, CredentialFault, CredentialSource, CredentialStrategy, Credentials, Dynamo, Error,
    ErrorKind, InstanceProfile,
};
use aws_credential_types::credential_feature::AwsCredentialFeature;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;

use serde_json::Value;
use source_support::{BRIEF, PATIENCE, Recorder, golden};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

const OTHER_ACCOUNT: &str = "999999999999";

async fn cloud_with_role() -> LocalCloud {
    let cloud = LocalCloud::start().await.unwrap();
    cloud
        .add_role(Role::new("App").trust(Trust::account(cloud.account())))
        .unwrap();
    cloud
}

/// The cloud's settings, with pauses between attempts that a test can wait for.
fn quick(cloud: &LocalCloud) -> SdkConfig {
    let retry = RetryConfig::standard()
        .with_max_attempts(3)
        .with_initial_backoff(Duration::from_millis(1));
    let mut settings = cloud.sdk_config().into_builder();
    settings.set_retry_config(Some(retry));
    settings.build()
}

fn by_user(cloud: &LocalCloud) -> StsSourceBuilder {
    StsSource::builder(cloud.role_arn("App"))
        .sdk_config(&quick(cloud))
        .base_provider(cloud.create_access_key("deployer"))
        .session_name("session")
}

fn instance_profile(cloud: &LocalCloud) -> InstanceProfile {
    InstanceProfile::builder()
        .endpoint(cloud.imds_endpoint())
        .connect_timeout(PATIENCE)
        .answer_timeout(PATIENCE)
        .build()
        .unwrap()
}

fn by_instance(cloud: &LocalCloud) -> StsSourceBuilder {
    StsSource::builder(cloud.role_arn("App"))
        .sdk_config(&quick(cloud))
        .base(instance_profile(cloud))
        .session_name("session")
}

async fn fails(source: &StsSource) -> Error {
    source.fetch().await.expect_err("this fetch fails")
}

/// Who STS takes the holder for.
async fn arn_of(cloud: &LocalCloud, credentials: Credentials) -> String {
    let holder = StsSource::builder(cloud.role_arn("App"))
        .sdk_config(&cloud.sdk_config())
        .base_provider(credentials)
        .build()
        .unwrap();
    holder.caller_identity().await.unwrap().arn
}

// A healthy service.

#[tokio::test]
async fn a_fetch_is_one_call_and_the_answer_is_whole() {
    let cloud = cloud_with_role().await;
    let credentials = by_user(&cloud).build().unwrap().fetch().await.unwrap();
    assert_eq!(cloud.sts().calls().total(), 1);
    assert_eq!(cloud.sts().calls().assume_role, 1);
    assert_eq!(credentials.account_id().unwrap().as_str(), cloud.account());
    assert!(credentials.session_token().is_some());
    let life = credentials
        .expiry()
        .unwrap()
        .duration_since(SystemTime::now());
    let life = life.unwrap();
    // STS writes whole seconds.
    assert!(life > Duration::from_secs(3_500) && life <= Duration::from_secs(3_601));
    assert_eq!(
        credentials.get_property::<Vec<AwsCredentialFeature>>(),
        Some(&vec![AwsCredentialFeature::CredentialsStsAssumeRole])
    );
    assert_eq!(
        arn_of(&cloud, credentials).await,
        "arn:aws:sts::123456789012:assumed-role/App/session"
    );
}

#[tokio::test]
async fn the_account_id_is_the_roles_not_the_callers() {
    let cloud = cloud_with_role().await;
    let role = Role::new("Far")
        .account(OTHER_ACCOUNT)
        .trust(Trust::account(cloud.account()));
    let arn = cloud.add_role(role).unwrap();
    let source = StsSource::builder(arn)
        .sdk_config(&cloud.sdk_config())
        .base(instance_profile(&cloud))
        .build()
        .unwrap();
    let credentials = source.fetch().await.unwrap();
    assert_eq!(credentials.account_id().unwrap().as_str(), OTHER_ACCOUNT);
}

#[tokio::test]
async fn sessions_of_different_processes_have_different_names() {
    let cloud = cloud_with_role().await;
    let source = StsSource::builder(cloud.role_arn("App"))
        .sdk_config(&cloud.sdk_config())
        .base_provider(cloud.create_access_key("deployer"))
        .build()
        .unwrap();
    let arn = arn_of(&cloud, source.fetch().await.unwrap()).await;
    let name = arn.rsplit('/').next().unwrap();
    assert!(name.starts_with("aws-credential-strategies-"), "{name}");
    assert!(name.ends_with(&std::process::id().to_string()), "{name}");
    assert!(name.len() <= 64);
}

#[tokio::test]
async fn the_user_agent_says_where_credentials_come_from() {
    let cloud = cloud_with_role().await;
    // The feature ids of the AWS SDKs for credentials from IMDS and from AssumeRole.
    let strategies = || {
        let role = AssumeRole::builder(cloud.role_arn("App"))
            .sdk_config(&cloud.sdk_config())
            .base(instance_profile(&cloud));
        [
            (
                Arc::new(instance_profile(&cloud)) as Arc<dyn CredentialStrategy>,
                "0",
            ),
            (Arc::new(role.build().unwrap()), "i"),
        ]
    };
    let says = |recorder: &Recorder, id: &str, name: &str| {
        let seen = recorder.seen();
        let features = seen[0]
            .user_agent
            .split(' ')
            .find_map(|part| part.strip_prefix("m/"))
            .unwrap_or_default();
        assert!(
            features.split(',').any(|feature| feature == id),
            "{name}: {features}"
        );
    };
    // In a client of its own: of the request that waits for the first credentials, and of the next one.
    for (strategy, id) in strategies() {
        for _ in 0..2 {
            let recorder = Recorder::before(cloud.sdk_config().http_client().unwrap());
            let settings = cloud.sdk_config().into_builder();
            let settings = settings.http_client(recorder.clone()).build();
            let db = Dynamo::new(Arc::clone(&strategy), &settings);
            let _ = db.table("MyTable").get(("id", "1")).send::<Value>().await;
            says(&recorder, id, strategy.name());
        }
    }
    // As the base of a role.
    for (strategy, id) in strategies() {
        let recorder = Recorder::before(cloud.sdk_config().http_client().unwrap());
        let name = strategy.name();
        let caller = StsSource::builder(cloud.role_arn("App"))
            .sdk_config(&cloud.sdk_config())
            .http_client(recorder.clone())
            .base(strategy)
            .build()
            .unwrap();
        caller.caller_identity().await.unwrap();
        says(&recorder, id, name);
    }
}

#[tokio::test]
async fn the_callers_identity_needs_no_role() {
    let cloud = cloud_with_role().await;
    let source = by_user(&cloud).build().unwrap();
    let identity = source.caller_identity().await.unwrap();
    assert_eq!(identity.account, cloud.account());
    assert_eq!(identity.arn, "arn:aws:iam::123456789012:user/deployer");
    assert!(!identity.user_id.is_empty());
    assert_eq!(cloud.sts().calls().caller_identity, 1);
    assert_eq!(cloud.sts().calls().assume_role, 0);
}

// Where STS is.

#[tokio::test]
async fn the_regional_endpoint_is_the_default() {
    for (region, role, uri) in [
        (
            "eu-west-1",
            "arn:aws:iam::123456789012:role/App",
            "https://sts.eu-west-1.amazonaws.com/",
        ),
        (
            "us-east-1",
            "arn:aws:iam::123456789012:role/App",
            "https://sts.us-east-1.amazonaws.com/",
        ),
        (
            "cn-north-1",
            "arn:aws-cn:iam::123456789012:role/App",
            "https://sts.cn-north-1.amazonaws.com.cn/",
        ),
    ] {
        let recorder = Recorder::refusing();
        let source = StsSource::builder(role)
            .region(Region::new(region))
            .http_client(recorder.clone())
            .base_provider(Credentials::new(
                "AKIDEXAMPLE",
                "secret",
                None,
                None,
                "test",
            ))
            .build()
            .unwrap();
        fails(&source).await;
        assert_eq!(recorder.seen()[0].uri, uri);
    }
}

#[tokio::test]
async fn an_endpoint_given_comes_before_all_others() {
    let cloud = cloud_with_role().await;
    let elsewhere = SdkConfig::builder()
        .endpoint_url("http://127.0.0.1:9")
        .region(Region::new("eu-west-1"))
        .build();
    let source = StsSource::builder(cloud.role_arn("App"))
        .sdk_config(&elsewhere)
        .http_client(cloud.sdk_config().http_client().unwrap())
        .sts_endpoint(cloud.sts_endpoint())
        .region(Region::new("us-east-1"))
        .base_provider(cloud.create_access_key("deployer"))
        .build()
        .unwrap();
    source.fetch().await.unwrap();
    assert_eq!(cloud.sts().calls().assume_role, 1);
}

// Who signs.

#[tokio::test]
async fn a_configuration_gives_credentials_region_and_endpoint() {
    let cloud = cloud_with_role().await;
    let key = cloud.create_access_key("deployer");
    let config = cloud
        .sdk_config()
        .into_builder()
        .credentials_provider(SharedCredentialsProvider::new(key))
        .build();
    let source = StsSource::builder(cloud.role_arn("App"))
        .base_from(&config)
        .build()
        .unwrap();
    source.fetch().await.unwrap();
    assert_eq!(cloud.sts().calls().assume_role, 1);
}

#[tokio::test]
async fn credentials_of_settings_play_no_part() {
    let cloud = cloud_with_role().await;
    let unknown = Credentials::new("AKIDUNKNOWN", "secret", None, None, "test");
    let settings = cloud
        .sdk_config()
        .into_builder()
        .credentials_provider(SharedCredentialsProvider::new(unknown))
        .build();
    let source = by_user(&cloud).sdk_config(&settings).build().unwrap();
    source.fetch().await.unwrap();
}

#[tokio::test]
async fn roles_chain() {
    let cloud = cloud_with_role().await;
    let middle = AssumeRole::builder(cloud.role_arn("App"))
        .sdk_config(&cloud.sdk_config())
        .base(instance_profile(&cloud))
        .session_name("middle")
        .build()
        .unwrap();
    cloud
        .add_role(Role::new("End").trust(Trust::principal(cloud.role_arn("App"))))
        .unwrap();
    let end = AssumeRole::builder(cloud.role_arn("End"))
        .sdk_config(&cloud.sdk_config())
        .base(middle)
        .session_name("end")
        .build()
        .unwrap();
    let arn = arn_of(&cloud, end.credentials().await.unwrap()).await;
    assert_eq!(arn, "arn:aws:sts::123456789012:assumed-role/End/end");
    assert_eq!(cloud.sts().calls().assume_role, 2);
    assert_eq!(cloud.imds().calls().documents(), 1);
}

#[tokio::test]
async fn an_expired_base_session_is_replaced_and_the_call_made_once_more() {
    let cloud = cloud_with_role().await;
    let source = by_instance(&cloud).build().unwrap();
    source.fetch().await.unwrap();
    // as often as it happens: a key that STS took ends the row
    for _ in 0..4 {
        cloud.expire_sessions();
        cloud.sts().reset_counts();
        cloud.imds().reset_counts();
        source.fetch().await.unwrap();
        assert_eq!(cloud.sts().calls().assume_role, 2);
        assert_eq!(cloud.imds().calls().documents(), 1);
    }
}

#[tokio::test]
async fn a_base_that_expires_again_is_not_tried_a_third_time() {
    for code in ["ExpiredToken", "ExpiredTokenException"] {
        let cloud = cloud_with_role().await;
        let source = by_instance(&cloud).build().unwrap();
        source.fetch().await.unwrap();
        cloud.expire_sessions();
        cloud
            .sts()
            .fail_on(StsCall::AssumeRole, Fault::error(403, code));
        cloud.sts().reset_counts();
        let error = fails(&source).await;
        assert_eq!(
            *error.kind(),
            ErrorKind::Credential(CredentialFault::Expired)
        );
        assert!(error.is_retryable());
        assert_eq!(cloud.sts().calls().assume_role, 2, "{code}");
    }
}

#[tokio::test]
async fn a_base_with_the_same_key_again_is_not_tried_again() {
    let cloud = cloud_with_role().await;
    cloud
        .sts()
        .fail_on(StsCall::AssumeRole, Fault::error(403, "ExpiredToken"));
    let error = fails(&by_user(&cloud).build().unwrap()).await;
    assert_eq!(error.code(), Some("ExpiredToken"));
    assert_eq!(cloud.sts().calls().assume_role, 1);
}

#[tokio::test]
async fn a_base_without_credentials_is_named_and_its_error_kept() {
    let cloud = cloud_with_role().await;
    cloud.detach_role();
    let source = by_instance(&cloud).build().unwrap();
    let error = fails(&source).await;
    assert_eq!(*error.kind(), ErrorKind::NoRole);
    assert!(error.is_retryable());
    assert_eq!(cloud.sts().calls().total(), 0);
    insta::assert_snapshot!(golden(&cloud, &error), @r##"
    assume role on arn:aws:iam::123456789012:role/App via InstanceProfile at us-east-1: no base credentials to sign the call with: no role is attached to this instance (after [elapsed]); attach one with aws iam add-role-to-instance-profile --instance-profile-name PROFILE --role-name ROLE and aws ec2 associate-iam-instance-profile --instance-id INSTANCE --iam-instance-profile Name=PROFILE
      <- fetch credentials at http://imds/latest/meta-data/iam/security-credentials/ (http 404, after [elapsed])
    "##);
}

/// A provider whose error has an AWS code deep in its chain.
#[derive(Debug)]
struct Refused;

impl ProvideCredentials for Refused {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let cause = aws_smithy_types::error::ErrorMetadata::builder()
            .code("AccessDeniedException")
            .message("no")
            .build();
        future::ProvideCredentials::ready(Err(CredentialsError::provider_error(cause)))
    }
}

#[tokio::test]
async fn what_only_a_person_can_mend_is_found_wherever_it_stands_in_the_chain() {
    let cloud = cloud_with_role().await;
    let source = by_user(&cloud).base_provider(Refused).build().unwrap();
    let error = fails(&source).await;
    assert!(error.is_terminal());
    insta::assert_snapshot!(golden(&cloud, &error), @r##"
    assume role on arn:aws:iam::123456789012:role/App via a credentials provider at us-east-1: no base credentials to sign the call with: the credentials provider gave none (after [elapsed])
      <- fetch credentials (code AccessDeniedException)
      <- Error { code: "AccessDeniedException", message: "no" }
    "##);
}

// What goes with the call.

#[tokio::test]
async fn every_option_reaches_sts() {
    let cloud = cloud_with_role().await;
    let recorder = Recorder::before(cloud.sdk_config().http_client().unwrap());
    cloud.add_mfa_device("arn:aws:iam::123456789012:mfa/alice", "123456");
    let source = by_user(&cloud)
        .http_client(recorder.clone())
        .session_name("Ada@example.org")
        .external_id("partner:42/x")
        .duration(Duration::from_secs(900))
        .policy(r#"{"Version":"2012-10-17","Statement":[]}"#)
        .policy_arns(["arn:aws:iam::aws:policy/ReadOnlyAccess"])
        .tags([("team", "red"), ("cost", "")])
        .transitive_tags(["team"])
        .source_identity("ada")
        .mfa("arn:aws:iam::123456789012:mfa/alice", || async {
            Ok(" 123456\n".to_owned())
        })
        .build()
        .unwrap();
    source.fetch().await.unwrap();
    let body = recorder.seen()[0].body.replace('&', "\n");
    insta::assert_snapshot!(body, @r##"
    Action=AssumeRole
    Version=2011-06-15
    RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2FApp
    RoleSessionName=Ada%40example.org
    PolicyArns.member.1.arn=arn%3Aaws%3Aiam%3A%3Aaws%3Apolicy%2FReadOnlyAccess
    Policy=%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%5D%7D
    DurationSeconds=900
    Tags.member.1.Key=team
    Tags.member.1.Value=red
    Tags.member.2.Key=cost
    Tags.member.2.Value=
    TransitiveTagKeys.member.1=team
    ExternalId=partner%3A42%2Fx
    SerialNumber=arn%3Aaws%3Aiam%3A%3A123456789012%3Amfa%2Falice
    TokenCode=123456
    SourceIdentity=ada
    "##);
}

#[tokio::test]
async fn without_options_nothing_but_role_name_and_duration_is_sent() {
    let cloud = cloud_with_role().await;
    let recorder = Recorder::before(cloud.sdk_config().http_client().unwrap());
    let source = by_user(&cloud)
        .http_client(recorder.clone())
        .build()
        .unwrap();
    source.fetch().await.unwrap();
    let body = recorder.seen()[0].body.replace('&', "\n");
    insta::assert_snapshot!(body, @r##"
    Action=AssumeRole
    Version=2011-06-15
    RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2FApp
    RoleSessionName=session
    DurationSeconds=3600
    "##);
}

#[tokio::test]
async fn the_external_id_opens_the_role_of_a_third_party() {
    let cloud = cloud_with_role().await;
    let trust = Trust::account(cloud.account()).external_id("42");
    let role = Role::new("Partner").account(OTHER_ACCOUNT).trust(trust);
    let arn = cloud.add_role(role).unwrap();
    let build = |id: &str| {
        StsSource::builder(&arn)
            .sdk_config(&cloud.sdk_config())
            .base(instance_profile(&cloud))
            .external_id(id)
            .build()
            .unwrap()
    };
    build("42").fetch().await.unwrap();
    let error = fails(&build("43")).await;
    assert!(matches!(error.kind(), ErrorKind::AccessDenied(_)));
}

#[tokio::test]
async fn transitive_tags_go_on_to_the_next_role() {
    let cloud = cloud_with_role().await;
    let first = AssumeRole::builder(cloud.role_arn("App"))
        .sdk_config(&cloud.sdk_config())
        .base(instance_profile(&cloud))
        .tags([("team", "red")])
        .transitive_tags(["team"])
        .build()
        .unwrap();
    let second = StsSource::builder(cloud.role_arn("App"))
        .sdk_config(&cloud.sdk_config())
        .base(first)
        .tags([("team", "blue")])
        .build()
        .unwrap();
    let error = fails(&second).await;
    assert_eq!(error.code(), Some("ValidationError"), "{error}");
    assert!(error.is_terminal());
}

#[tokio::test]
async fn long_sessions_from_long_lived_keys_are_granted_where_the_role_allows_them() {
    let cloud = cloud_with_role().await;
    let role = Role::new("Long").max_session(Duration::from_secs(43_200));
    let arn = cloud.add_role(role).unwrap();
    let source = StsSource::builder(arn)
        .sdk_config(&cloud.sdk_config())
        .base_provider(cloud.create_access_key("deployer"))
        .duration(Duration::from_secs(43_200))
        .build()
        .unwrap();
    let expiry = source.fetch().await.unwrap().expiry().unwrap();
    let life = expiry.duration_since(SystemTime::now()).unwrap();
    assert!(life > Duration::from_secs(43_000));
}

#[tokio::test]
async fn the_cap_on_chained_sessions_is_explained_when_sts_refuses() {
    let cloud = cloud_with_role().await;
    let role = Role::new("Long").max_session(Duration::from_secs(43_200));
    let arn = cloud.add_role(role).unwrap();
    // Session credentials from somewhere: that they are a role's is not known before STS says so.
    let session = instance_profile(&cloud).credentials().await.unwrap();
    let source = StsSource::builder(arn)
        .sdk_config(&cloud.sdk_config())
        .base_provider(session)
        .duration(Duration::from_secs(7_200))
        .build()
        .unwrap();
    let error = fails(&source).await;
    assert!(error.is_terminal());
    insta::assert_snapshot!(golden(&cloud, &error), @r##"assume role on arn:aws:iam::123456789012:role/Long via a credentials provider of account 123456789012 at http://sts in us-east-1: The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining (http 400, code ValidationError, request id [id], after [elapsed]); a session of more than 1 hour needs long-lived base keys, since a role session assumes another role for 1 hour at most, and a role that allows it: aws iam update-role --role-name Long --max-session-duration 7200"##);
}

// MFA.

fn with_code(
    cloud: &LocalCloud,
    code: Result<&'static str, &'static str>,
    asked: &Arc<AtomicU64>,
) -> StsSource {
    let asked = Arc::clone(asked);
    by_user(cloud)
        .mfa("arn:aws:iam::123456789012:mfa/alice", move || {
            asked.fetch_add(1, Ordering::SeqCst);
            async move { Ok(code.map(ToOwned::to_owned)?) }
        })
        .build()
        .unwrap()
}

#[tokio::test]
async fn the_mfa_code_is_asked_for_once_per_call() {
    let cloud = cloud_with_role().await;
    let trust = Trust::account(cloud.account()).mfa();
    cloud.add_role(Role::new("App").trust(trust)).unwrap();
    cloud.add_mfa_device("arn:aws:iam::123456789012:mfa/alice", "123456");
    let asked = Arc::default();
    let source = with_code(&cloud, Ok("123456"), &asked);
    source.fetch().await.unwrap();
    source.fetch().await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    assert!(matches!(
        fails(&by_user(&cloud).build().unwrap()).await.kind(),
        ErrorKind::AccessDenied(_)
    ));
}

#[tokio::test]
async fn without_a_usable_mfa_code_sts_is_not_asked() {
    let cloud = cloud_with_role().await;
    let asked = Arc::default();
    let mut texts = Vec::new();
    for code in [
        Err("the prompt was closed"),
        Ok("12345"),
        Ok("12345a"),
        Ok(""),
    ] {
        let error = fails(&with_code(&cloud, code, &asked)).await;
        assert!(error.is_retryable());
        texts.push(golden(&cloud, &error));
    }
    assert_eq!(cloud.sts().calls().total(), 0);
    texts.dedup();
    insta::assert_snapshot!(texts.join("\n"), @r##"
    assume role on arn:aws:iam::123456789012:role/App via arn:aws:iam::123456789012:mfa/alice: there is no MFA code, so STS was not asked
      <- the prompt was closed
    assume role on arn:aws:iam::123456789012:role/App via arn:aws:iam::123456789012:mfa/alice: what was given as MFA code is not 6 digits, so STS was not asked
    "##);
}

#[tokio::test]
async fn a_wrong_mfa_code_is_told_from_other_denials() {
    let cloud = cloud_with_role().await;
    cloud.add_mfa_device("arn:aws:iam::123456789012:mfa/alice", "123456");
    let error = fails(&with_code(&cloud, Ok("654321"), &Arc::default())).await;
    assert!(error.is_terminal());
    insta::assert_snapshot!(golden(&cloud, &error), @r##"assume role on arn:aws:iam::123456789012:role/App via a credentials provider of account 123456789012 at http://sts in us-east-1: MultiFactorAuthentication failed with invalid MFA one time pass code. (http 403, code AccessDenied, request id [id], after [elapsed]); the MFA code was not accepted: each is taken once, and only for half a minute"##);
}

#[tokio::test]
async fn with_mfa_nobody_is_asked_in_the_background_and_there_is_time_to_answer() {
    let cloud = cloud_with_role().await;
    let asked: Arc<AtomicU64> = Arc::default();
    let count = Arc::clone(&asked);
    let strategy = AssumeRole::builder(cloud.role_arn("App"))
        .base_from(
            &cloud
                .sdk_config()
                .into_builder()
                .credentials_provider(SharedCredentialsProvider::new(
                    cloud.create_access_key("deployer"),
                ))
                .build(),
        )
        .mfa("arn:aws:iam::123456789012:mfa/alice", move || {
            count.fetch_add(1, Ordering::SeqCst);
            async { Ok("123456".to_owned()) }
        })
        .build()
        .unwrap();
    let debug = format!("{strategy:?}");
    assert!(debug.contains("mode: OnDemand"), "{debug}");
    assert!(debug.contains("wait_timeout: 120s"), "{debug}");
    assert!(debug.contains("fetch_timeout: 120s"), "{debug}");
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

// What the answer lacks.

const WHOLE: &str = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
    <AssumeRoleResult><Credentials><AccessKeyId>ASIAEXAMPLE</AccessKeyId>\
    <SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>\
    <Expiration>2099-01-31T12:00:00.5Z</Expiration></Credentials><AssumedRoleUser>\
    <AssumedRoleId>AROA:s</AssumedRoleId><Arn>arn:aws:sts::123456789012:assumed-role/App/s</Arn>\
    </AssumedRoleUser></AssumeRoleResult></AssumeRoleResponse>";

#[tokio::test]
async fn what_the_answer_lacks_is_named() {
    let cloud = cloud_with_role().await;
    let source = by_user(&cloud).build().unwrap();
    let answer = |xml: &str| {
        let fault = Fault::body(200, "text/xml", xml.to_owned());
        cloud.sts().fail_on(StsCall::AssumeRole, fault);
    };
    answer(WHOLE);
    assert_eq!(source.fetch().await.unwrap().access_key_id(), "ASIAEXAMPLE");
    for (part, missing) in [
        (
            "<AccessKeyId>ASIAEXAMPLE</AccessKeyId>",
            "Credentials.AccessKeyId",
        ),
        (
            "<SecretAccessKey>secret</SecretAccessKey>",
            "Credentials.SecretAccessKey",
        ),
        (
            "<SessionToken>token</SessionToken>",
            "Credentials.SessionToken",
        ),
        (
            "<Expiration>2099-01-31T12:00:00.5Z</Expiration>",
            "Credentials.Expiration",
        ),
    ] {
        answer(&WHOLE.replace(part, ""));
        let error = fails(&source).await;
        assert_eq!(*error.kind(), ErrorKind::Malformed);
        assert!(error.is_retryable());
        assert!(error.to_string().contains(missing), "{missing}: {error}");
    }
    let user = WHOLE.find("<AssumedRoleUser>").unwrap();
    let credentials = WHOLE.find("<Credentials>").unwrap();
    let end = WHOLE.find("</AssumeRoleResult>").unwrap();
    // what decorates is not required
    answer(&format!("{}{}", &WHOLE[..user], &WHOLE[end..]));
    assert_eq!(source.fetch().await.unwrap().account_id(), None);
    answer(&format!("{}{}", &WHOLE[..credentials], &WHOLE[user..]));
    let error = fails(&source).await;
    assert!(error.to_string().contains("lacks Credentials"), "{error}");
}

#[tokio::test]
async fn an_answer_without_end_is_not_read() {
    let cloud = cloud_with_role().await;
    cloud
        .sts()
        .fail_on(StsCall::AssumeRole, Fault::Oversized(3 * 1024 * 1024));
    let error = fails(&by_user(&cloud).build().unwrap()).await;
    assert_eq!(*error.kind(), ErrorKind::Malformed, "{error}");
}

// What STS says, and what becomes of it.

#[tokio::test]
async fn codes_are_told_apart_by_what_mends_them() {
    let cloud = cloud_with_role().await;
    let long_lived = by_user(&cloud).build().unwrap();
    let session = by_instance(&cloud).build().unwrap();
    let invalid = ErrorKind::Invalid;
    let credential = ErrorKind::Credential;
    for (code, kind, terminal) in [
        ("IDPRejectedClaim", invalid.clone(), true),
        ("IDPRejectedClaimException", invalid.clone(), true),
        ("InvalidIdentityToken", invalid.clone(), true),
        ("MalformedPolicyDocument", invalid.clone(), true),
        ("PackedPolicyTooLarge", invalid.clone(), true),
        ("PackedPolicyTooLargeException", invalid.clone(), true),
        ("RegionDisabled", invalid.clone(), true),
        ("RegionDisabledException", invalid.clone(), true),
        ("ValidationError", invalid.clone(), true),
        (
            "InvalidClientTokenId",
            credential(CredentialFault::Unrecognized),
            true,
        ),
        ("ExpiredToken", credential(CredentialFault::Expired), false),
        (
            "SignatureDoesNotMatch",
            credential(CredentialFault::Signature),
            true,
        ),
        (
            "IncompleteSignature",
            credential(CredentialFault::Malformed),
            true,
        ),
        ("SomethingNew", ErrorKind::Other, true),
    ] {
        cloud
            .sts()
            .fail_on(StsCall::AssumeRole, Fault::error(400, code));
        let error = fails(&long_lived).await;
        assert_eq!(*error.kind(), kind, "{code}");
        assert_eq!(error.is_terminal(), terminal, "{code}");
        assert_eq!(error.code(), Some(code));
        assert_eq!(error.http_status(), Some(400));
        assert!(error.request_id().is_some(), "{code}");
    }
    for code in ["AccessDenied", "AccessDeniedException"] {
        cloud
            .sts()
            .fail_on(StsCall::AssumeRole, Fault::error(403, code));
        let error = fails(&long_lived).await;
        assert!(matches!(error.kind(), ErrorKind::AccessDenied(_)), "{code}");
        assert!(error.is_terminal(), "{code}");
    }
    let unknown = Fault::error(403, "InvalidClientTokenId");
    cloud.sts().fail_on(StsCall::AssumeRole, unknown);
    let error = fails(&session).await;
    assert!(error.is_retryable(), "a session can be replaced: {error}");
}

#[tokio::test]
async fn throttling_and_failures_of_the_service_are_retried_twice() {
    let cloud = cloud_with_role().await;
    let source = by_user(&cloud).build().unwrap();
    for (fault, kind) in [
        (Fault::error(400, "Throttling"), ErrorKind::Throttled),
        (Fault::Status(500), ErrorKind::Service),
        (Fault::Status(503), ErrorKind::Service),
    ] {
        cloud.sts().heal();
        cloud.sts().reset_counts();
        cloud.sts().fail_next(2, fault.clone());
        source.fetch().await.unwrap();
        assert_eq!(cloud.sts().calls().assume_role, 3);
        cloud.sts().fail(fault);
        cloud.sts().reset_counts();
        let error = fails(&source).await;
        assert_eq!(*error.kind(), kind, "{error}");
        assert!(error.is_retryable());
        assert_eq!(error.is_throttled(), kind == ErrorKind::Throttled);
        assert_eq!(cloud.sts().calls().assume_role, 3);
        assert!(error.to_string().contains("attempts 3"), "{error}");
    }
}

#[tokio::test]
async fn three_attempts_are_the_default() {
    let cloud = cloud_with_role().await;
    cloud.sts().fail(Fault::Status(500));
    let source = StsSource::builder(cloud.role_arn("App"))
        .sdk_config(&cloud.sdk_config())
        .base_provider(cloud.create_access_key("deployer"))
        .build()
        .unwrap();
    fails(&source).await;
    assert_eq!(cloud.sts().calls().assume_role, 3);
}

#[tokio::test]
async fn other_refusals_are_not_repeated() {
    let cloud = cloud_with_role().await;
    cloud.sts().fail(Fault::error(403, "AccessDenied"));
    fails(&by_user(&cloud).build().unwrap()).await;
    assert_eq!(cloud.sts().calls().assume_role, 1);
}

#[tokio::test]
async fn the_texts_of_refusals() {
    let cloud = cloud_with_role().await;
    let source = by_user(&cloud).build().unwrap();
    let mut texts = Vec::new();
    for (status, code) in [
        (403, "ExpiredToken"),
        (403, "InvalidClientTokenId"),
        (403, "SignatureDoesNotMatch"),
        (400, "MalformedPolicyDocument"),
        (400, "PackedPolicyTooLarge"),
        (403, "RegionDisabledException"),
        (400, "Throttling"),
        (503, "ServiceUnavailable"),
    ] {
        cloud
            .sts()
            .fail_on(StsCall::AssumeRole, Fault::error(status, code));
        texts.push(golden(&cloud, &fails(&source).await));
    }
    insta::assert_snapshot!(texts.join("\n"), @r##"
    assume role on arn:aws:iam::123456789012:role/App via a credentials provider of account 123456789012 at http://sts in us-east-1: The security token included in the request is expired (http 403, code ExpiredToken, request id [id], after [elapsed]); the base credentials have expired: their own refresh fails, or this host's clock is off
    assume role on arn:aws:iam::123456789012:role/App via a credentials provider of account 123456789012 at http://sts in us-east-1: The security token included in the request is invalid. (http 403, code InvalidClientTokenId, request id [id], after [elapsed]); the access key is deleted, inactive, or of another partition
    assume role on arn:aws:iam::123456789012:role/App via a credentials provider of account 123456789012 at http://sts in us-east-1: The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details. (http 403, code SignatureDoesNotMatch, request id [id], after [elapsed]); the secret key is not the one of this key id, or this host's clock is off
    assume role on arn:aws:iam::123456789012:role/App via a credentials provider of account 123456789012 at http://sts in us-east-1: Syntax errors in policy. (http 400, code MalformedPolicyDocument, request id [id], after [elapsed])
    assume role on arn:aws:iam::123456789012:role/App via a credentials provider of account 123456789012 at http://sts in us-east-1: Packed policy consumes 105% of allotted space, please use smaller policy. (http 400, code PackedPolicyTooLarge, request id [id], after [elapsed]); session policy, policy ARNs and tags share one packed limit: shorten them
    assume role on arn:aws:iam::123456789012:role/App via a credentials provider of account 123456789012 at http://sts in us-east-1: STS is not activated in this region for account:123456789012. Your account administrator can activate STS in this region using the IAM Console. (http 403, code RegionDisabledException, request id [id], after [elapsed]); activate STS in us-east-1 in the account settings of the IAM console, or choose another region
    assume role on arn:aws:iam::123456789012:role/App via a credentials provider of account 123456789012 at http://sts in us-east-1: Rate exceeded (http 400, code Throttling, request id [id], attempts 3, after [elapsed])
    assume role on arn:aws:iam::123456789012:role/App via a credentials provider of account 123456789012 at http://sts in us-east-1: The request has failed due to a temporary failure of the server. (http 503, code ServiceUnavailable, request id [id], attempts 3, after [elapsed])
    "##);
}

#[tokio::test]
async fn a_denial_names_the_caller_and_the_three_causes_in_order() {
    let cloud = cloud_with_role().await;
    cloud
        .add_role(Role::new("App").trust(Trust::nobody()))
        .unwrap();
    let error = fails(&by_user(&cloud).build().unwrap()).await;
    let ErrorKind::AccessDenied(denied) = error.kind() else {
        panic!("{error}");
    };
    assert_eq!(
        denied.principal.as_deref(),
        Some("arn:aws:iam::123456789012:user/deployer")
    );
    assert_eq!(denied.action.as_deref(), Some("sts:AssumeRole"));
    assert_eq!(
        denied.resource.as_deref(),
        Some(cloud.role_arn("App").as_str())
    );
    insta::assert_snapshot!(golden(&cloud, &error), @r##"assume role on arn:aws:iam::123456789012:role/App via a credentials provider of account 123456789012 at http://sts in us-east-1: User: arn:aws:iam::123456789012:user/deployer is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/App (http 403, code AccessDenied, request id [id], after [elapsed]); check in this order: 1. the trust policy of the role names this caller, 2. the caller's own policy allows sts:AssumeRole on the role, 3. the trust policy's conditions hold (external id, MFA, session tags, source identity)"##);
}

#[tokio::test]
async fn a_denial_in_the_instances_own_account_points_to_option_a() {
    let cloud = cloud_with_role().await;
    cloud
        .add_role(Role::new("App").trust(Trust::nobody()))
        .unwrap();
    let error = fails(&by_instance(&cloud).build().unwrap()).await;
    insta::assert_snapshot!(golden(&cloud, &error), @r##"assume role on arn:aws:iam::123456789012:role/App via InstanceProfile of account 123456789012 at http://sts in us-east-1: User: arn:aws:sts::123456789012:assumed-role/EC2DynamoDBRole/i-1234567890abcdef0 is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/App (http 403, code AccessDenied, request id [id], after [elapsed]); check in this order: 1. the trust policy of the role names this caller, 2. the caller's own policy allows sts:AssumeRole on the role, 3. the trust policy's conditions hold (external id, MFA, session tags, source identity); the role is of the instance's own account: on EC2 in one account, Option A (InstanceProfile) with the permissions on the instance's role needs none of this"##);
}

#[tokio::test]
async fn a_denial_in_another_account_does_not() {
    let cloud = cloud_with_role().await;
    let role = Role::new("Far")
        .account(OTHER_ACCOUNT)
        .trust(Trust::nobody());
    let arn = cloud.add_role(role).unwrap();
    let source = StsSource::builder(arn)
        .sdk_config(&cloud.sdk_config())
        .base(instance_profile(&cloud))
        .build()
        .unwrap();
    let error = fails(&source).await;
    assert!(!error.to_string().contains("Option A"), "{error}");
}

#[tokio::test]
async fn a_service_that_is_not_there_hangs_or_is_another_is_told_apart() {
    let cloud = cloud_with_role().await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let away = by_user(&cloud).sts_endpoint(&closed).build().unwrap();
    let error = fails(&away).await;
    assert_eq!(*error.kind(), ErrorKind::Unreachable, "{error}");
    let mut texts = vec![golden(&cloud, &error).replace(&closed, "http://closed")];

    let mut hasty = quick(&cloud).into_builder();
    hasty.set_timeout_config(Some(
        TimeoutConfig::builder()
            .operation_attempt_timeout(BRIEF)
            .build(),
    ));
    let hasty = by_user(&cloud).sdk_config(&hasty.build()).build().unwrap();
    cloud.sts().fail(Fault::Hang);
    let error = fails(&hasty).await;
    assert_eq!(*error.kind(), ErrorKind::Timeout, "{error}");
    texts.push(golden(&cloud, &error));

    let source = by_user(&cloud).build().unwrap();
    for fault in [Fault::web_page(), Fault::Disconnect, Fault::Truncated] {
        cloud.sts().fail(fault);
        let error = fails(&source).await;
        assert_eq!(*error.kind(), ErrorKind::Malformed, "{error}");
        texts.push(golden(&cloud, &error));
    }
    insta::assert_snapshot!(texts.join("\n"), @r##"
    assume role on arn:aws:iam::123456789012:role/App via a credentials provider of account 123456789012 at http://closed in us-east-1: nobody listens at the endpoint: connection refused (attempts 3, after [elapsed]); is it the right port, and is the service or proxy running there?
      <- Connection refused (os error 111)
    assume role on arn:aws:iam::123456789012:role/App via a credentials provider of account 123456789012 at http://sts in us-east-1: no answer in time (attempts 3, after [elapsed])
      <- operation attempt timeout (single attempt) occurred after [elapsed]
    assume role on arn:aws:iam::123456789012:role/App via a credentials provider of account 123456789012 at http://sts in us-east-1: the answer is not one of STS (http 200, after [elapsed])
    assume role on arn:aws:iam::123456789012:role/App via a credentials provider of account 123456789012 at http://sts in us-east-1: the answer of STS could not be read (http 200, request id [id], attempts 3, after [elapsed])
      <- error reading a body from connection
      <- end of file before message length reached
    assume role on arn:aws:iam::123456789012:role/App via a credentials provider of account 123456789012 at http://sts in us-east-1: the answer of STS lacks Credentials.Expiration (after [elapsed])
    "##);
}

#[tokio::test]
async fn a_source_needs_no_runtime_before_its_first_fetch() {
    let cloud = cloud_with_role().await;
    let (endpoint, settings) = (cloud.imds_endpoint().to_owned(), cloud.sdk_config());
    let arn = cloud.role_arn(DEFAULT_ROLE);
    let built = std::thread::spawn(move || {
        let base = InstanceProfile::builder().endpoint(endpoint).build()?;
        AssumeRole::builder(arn)
            .sdk_config(&settings)
            .base(base)
            .build()
    });
    let strategy = built.join().unwrap().unwrap();
    assert_eq!(
        cloud.imds().calls().total() + cloud.sts().calls().total(),
        0
    );
    strategy.credentials().await.unwrap();
}

#[test]
fn whatever_signs_becomes_a_base() {
    fn takes(_: impl Into<Base>) {}
    let strategy = InstanceProfile::builder()
        .endpoint("http://127.0.0.1:9")
        .build()
        .unwrap();
    takes(strategy.clone());
    takes(Arc::new(strategy.clone()));
    takes(Arc::new(strategy) as Arc<dyn CredentialStrategy>);
    let key = Credentials::new("AKIDEXAMPLE", "secret", None, None, "test");
    takes(SharedCredentialsProvider::new(key.clone()));
    takes(Base::provider(key));
}
