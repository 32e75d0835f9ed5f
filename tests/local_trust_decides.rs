//! Promise: a role of the embedded cloud admits whom its trust policy admits on AWS: principals,
//! actions and conditions, denials included; what would not be evaluated so is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod local_support;

use aws_credential_strategies::iam::TrustPolicy;
use aws_credential_strategies::local::{DEFAULT_ROLE, LocalCloud, Role, Trust};
use aws_credential_strategies::{Credentials, ErrorKind};
use aws_sdk_sts::Client;
use aws_sdk_sts::error::ProvideErrorMetadata;
use aws_sdk_sts::operation::assume_role::AssumeRoleOutput;
use aws_sdk_sts::operation::assume_role::builders::AssumeRoleFluentBuilder;
use aws_sdk_sts::types::Tag;
use aws_smithy_types::retry::RetryConfig;
use serde_json::{Value, json};

const USER: &str = "arn:aws:iam::123456789012:user/deployer";

struct Caller {
    cloud: LocalCloud,
    sts: Client,
}

impl Caller {
    async fn user() -> Self {
        let cloud = LocalCloud::start().await.unwrap();
        let sts = client(&cloud, cloud.create_access_key("deployer"));
        Caller { cloud, sts }
    }

    /// A session `first` of the role `Base`.
    async fn session() -> Self {
        let caller = Caller::user().await;
        let base = caller.cloud.add_role(Role::new("Base")).unwrap();
        let output = caller
            .sts
            .assume_role()
            .role_arn(base)
            .role_session_name("first")
            .send()
            .await
            .unwrap();
        let sts = client(&caller.cloud, keys_of(&output));
        Caller { sts, ..caller }
    }

    /// A call to a role with this trust.
    fn to(&self, trust: impl Into<Trust>) -> AssumeRoleFluentBuilder {
        let role = self
            .cloud
            .add_role(Role::new("Target").trust(trust))
            .unwrap();
        self.sts
            .assume_role()
            .role_arn(role)
            .role_session_name("session")
    }
}

fn client(cloud: &LocalCloud, credentials: Credentials) -> Client {
    Client::from_conf(
        aws_sdk_sts::config::Builder::from(&cloud.sdk_config())
            .retry_config(RetryConfig::disabled())
            .credentials_provider(credentials)
            .build(),
    )
}

fn keys_of(output: &AssumeRoleOutput) -> Credentials {
    let keys = output.credentials().unwrap();
    Credentials::new(
        keys.access_key_id(),
        keys.secret_access_key(),
        Some(keys.session_token().to_owned()),
        None,
        "test",
    )
}

/// The action that was refused, or nothing.
async fn refused(call: AssumeRoleFluentBuilder) -> Option<String> {
    let error = call.send().await.err()?;
    let meta = error.meta();
    assert_eq!(meta.code(), Some("AccessDenied"), "{meta:?}");
    let message = meta.message().unwrap();
    let action = message.split("perform: ").nth(1).unwrap();
    Some(action.split(' ').next().unwrap().to_owned())
}

fn statement(effect: &str, principal: &str, actions: &[&str]) -> Value {
    json!({ "Effect": effect, "Principal": { "AWS": principal }, "Action": actions })
}

fn policy(statements: &[Value]) -> TrustPolicy {
    let document = json!({ "Version": "2012-10-17", "Statement": statements });
    TrustPolicy::from_json(&document.to_string()).unwrap()
}

const ASSUME: &[&str] = &["sts:AssumeRole"];

#[tokio::test]
async fn a_session_is_admitted_as_itself_as_its_role_and_as_its_account() {
    let caller = Caller::session().await;
    for (principal, admitted) in [
        ("123456789012", true),
        ("arn:aws:iam::123456789012:root", true),
        ("arn:aws:iam::123456789012:role/Base", true),
        ("arn:aws:sts::123456789012:assumed-role/Base/first", true),
        ("arn:aws:sts::123456789012:assumed-role/Base/second", false),
        ("arn:aws:iam::123456789012:role/Other", false),
        (USER, false),
        ("210987654321", false),
    ] {
        let trust = policy(&[statement("Allow", principal, ASSUME)]);
        let expected = (!admitted).then(|| "sts:AssumeRole".to_owned());
        assert_eq!(refused(caller.to(trust)).await, expected, "{principal}");
    }
}

#[tokio::test]
async fn a_denial_outweighs() {
    let caller = Caller::user().await;
    let trust = policy(&[
        statement("Allow", "123456789012", ASSUME),
        statement("Deny", USER, &["sts:*"]),
    ]);
    assert_eq!(refused(caller.to(trust)).await.unwrap(), "sts:AssumeRole");
    let trust = policy(&[
        statement("Allow", "123456789012", ASSUME),
        statement("Deny", "arn:aws:iam::123456789012:user/eve", &["sts:*"]),
    ]);
    assert_eq!(refused(caller.to(trust)).await, None);
}

#[tokio::test]
async fn conditions_hold() {
    let caller = Caller::user().await;
    let trust = TrustPolicy::builder()
        .user(USER)
        .external_id("partner-7f3a");
    let trust = trust.build().unwrap();
    assert!(refused(caller.to(trust.clone())).await.is_some());
    let wrong = caller.to(trust.clone()).external_id("partner-7f3b");
    assert!(refused(wrong).await.is_some());
    let right = caller.to(trust).external_id("partner-7f3a");
    assert_eq!(refused(right).await, None);

    let trust = TrustPolicy::builder().user(USER).mfa().build().unwrap();
    caller.cloud.add_mfa_device("device-01", "123456");
    assert!(refused(caller.to(trust.clone())).await.is_some());
    let with_code = caller
        .to(trust)
        .serial_number("device-01")
        .token_code("123456");
    assert_eq!(refused(with_code).await, None);

    let named =
        TrustPolicy::builder()
            .user(USER)
            .condition("StringLike", "sts:RoleSessionName", ["sess*"]);
    assert_eq!(refused(caller.to(named.build().unwrap())).await, None);
}

#[tokio::test]
async fn a_variable_stands_for_what_the_caller_is() {
    let caller = Caller::user().await;
    let named = |value: &str| {
        TrustPolicy::builder()
            .account("123456789012")
            .condition("StringLike", "sts:RoleSessionName", [value])
            .build()
            .unwrap()
    };
    // the example of AWS's documentation: a session is named after its user
    let trust = named("${aws:username}");
    let other = caller.to(trust.clone()).role_session_name("somebody");
    assert_eq!(refused(other).await.unwrap(), "sts:AssumeRole");
    let own = caller.to(trust).role_session_name("deployer");
    assert_eq!(refused(own).await, None);
    let tagged = caller.to(named("${aws:PrincipalTag/team}"));
    assert!(refused(tagged).await.is_some(), "a user without the tag");
}

#[tokio::test]
async fn tags_that_are_inherited_have_to_be_let_through_too() {
    let caller = Caller::user().await;
    let tag = Tag::builder().key("team").value("red").build().unwrap();
    let output = caller
        .to(Trust::principal(USER))
        .tags(tag)
        .transitive_tag_keys("Team")
        .send()
        .await
        .unwrap();
    let session = Caller {
        sts: client(&caller.cloud, keys_of(&output)),
        ..caller
    };
    let silent = policy(&[statement("Allow", "123456789012", ASSUME)]);
    assert_eq!(refused(session.to(silent)).await.unwrap(), "sts:TagSession");
    assert_eq!(
        refused(session.to(Trust::account("123456789012"))).await,
        None
    );
}

#[tokio::test]
async fn tags_and_source_identity_are_actions_of_their_own() {
    let caller = Caller::user().await;
    let tag = || Tag::builder().key("team").value("red").build().unwrap();
    let plain = || policy(&[statement("Allow", USER, ASSUME)]);
    assert_eq!(
        refused(caller.to(plain()).tags(tag())).await.unwrap(),
        "sts:TagSession"
    );
    assert_eq!(
        refused(caller.to(plain()).source_identity("alice"))
            .await
            .unwrap(),
        "sts:SetSourceIdentity"
    );
    let trust = TrustPolicy::builder()
        .user(USER)
        .session_tag("team", ["red"]);
    let trust = trust.build().unwrap();
    assert_eq!(refused(caller.to(trust.clone()).tags(tag())).await, None);
    assert!(
        refused(caller.to(trust)).await.is_some(),
        "the tag is asked for"
    );
    let shorthand = caller.to(Trust::principal(USER)).tags(tag());
    assert_eq!(refused(shorthand.source_identity("alice")).await, None);
}

#[tokio::test]
async fn the_source_identity_of_a_session_must_be_let_through() {
    let caller = Caller::user().await;
    let output = caller
        .to(Trust::principal(USER))
        .source_identity("alice")
        .send()
        .await
        .unwrap();
    let session = Caller {
        sts: client(&caller.cloud, keys_of(&output)),
        ..caller
    };
    let silent = policy(&[statement("Allow", "123456789012", ASSUME)]);
    assert_eq!(
        refused(session.to(silent)).await.unwrap(),
        "sts:SetSourceIdentity"
    );
    assert_eq!(
        refused(session.to(Trust::account("123456789012"))).await,
        None
    );
}

#[tokio::test]
async fn the_default_role_admits_ec2_and_its_account() {
    let caller = Caller::user().await;
    let call = caller
        .sts
        .assume_role()
        .role_arn(caller.cloud.role_arn(DEFAULT_ROLE))
        .role_session_name("session");
    assert_eq!(refused(call).await, None);
    let only_ec2 = caller.to(TrustPolicy::ec2());
    assert!(refused(only_ec2).await.is_some(), "a service is no caller");
}

#[tokio::test]
async fn a_trust_that_would_not_be_evaluated_as_on_aws_is_refused() {
    let cloud = LocalCloud::start().await.unwrap();
    let with = |key: &str, value: &str| {
        TrustPolicy::builder()
            .user(USER)
            .condition("StringEquals", key, [value])
            .build()
            .unwrap()
    };
    for (trust, reason) in [
        (
            Trust::from(with("aws:PrincipalOrgID", "o-a1b2c3d4e5")),
            "aws:PrincipalOrgID",
        ),
        (
            Trust::from(with("sts:RoleSessionName", "${saml:sub}")),
            "saml:sub",
        ),
        // the one mistake that many make
        (
            Trust::principal("arn:aws:ec2:us-east-1:123456789012:instance/i-1234567890abcdef0"),
            "an EC2 instance is not a principal",
        ),
        (Trust::account("nobody"), "nobody"),
    ] {
        let error = cloud.add_role(Role::new("App").trust(trust)).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Usage);
        assert!(error.to_string().contains(reason), "{error}");
    }
}
