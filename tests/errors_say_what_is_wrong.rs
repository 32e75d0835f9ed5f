//! Promise: an error says what is wrong and what mends it, in `{}`, in `{:#}` with its causes, and in
//! `{:?}`, which `fn main() -> Result` prints; and nothing that a service says brings a secret of the
//! request or of the cache into any of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod source_support;

use aws_credential_strategies::local::{Fault, ImdsCall, LocalCloud, Role, Trust};
use aws_credential_strategies::{
    AssumeRole, CredentialStrategy, Credentials, Denied, Dynamo, Error, InstanceProfile,
};
use aws_credential_types::provider::SharedCredentialsProvider;
use proptest::prelude::*;
use source_support::stand_in::{StandIn, answer};
use std::error::Error as _;
use std::time::Duration;

/// The three forms of an error, without what differs from run to run.
fn forms(error: &Error, replaced: &[(&str, &str)]) -> String {
    let text = format!("{{}}  {error}\n{{:#}} {error:#}\n{{:?}} {error:?}");
    let text = replaced
        .iter()
        .fold(text, |text, (from, to)| text.replace(from, to));
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find("after ") {
        let (before, after) = rest.split_at(at + "after ".len());
        out.push_str(before);
        rest = after;
        if rest.starts_with(|c: char| c.is_ascii_digit()) {
            out.push_str("[time]");
            rest = &rest[rest.find([')', ',', '\n']).unwrap_or(rest.len())..];
        }
    }
    out.push_str(rest);
    out
}

/// Whatever the form, no message stands in it twice.
fn tells_nothing_twice(error: &Error) {
    let mut layers = vec![error.to_string()];
    let mut next = error.source();
    while let Some(layer) = next {
        layers.push(layer.to_string());
        next = layer.source();
    }
    for form in [format!("{error:#}"), format!("{error:?}")] {
        for layer in &layers {
            assert_eq!(
                form.matches(layer.as_str()).count(),
                1,
                "{layer}\nin {form}"
            );
        }
    }
    assert!(!format!("{error:#}").contains('\n'));
}

fn role_at(endpoint: &str) -> AssumeRole {
    AssumeRole::builder("arn:aws:iam::123456789012:role/App")
        .region("us-east-1")
        .sts_endpoint(endpoint)
        .base(SharedCredentialsProvider::new(Credentials::for_tests()))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build()
        .unwrap()
}

/// A port that nobody listens at.
async fn closed() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn profile_at(endpoint: &str) -> InstanceProfile {
    InstanceProfile::builder()
        .endpoint(endpoint)
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_refused_port() {
    let uri = closed().await;
    let error = role_at(&uri).credentials().await.unwrap_err();
    tells_nothing_twice(&error);
    insta::assert_snapshot!(forms(&error, &[(&uri, "http://closed")]), @r##"
    {}  assume role on arn:aws:iam::123456789012:role/App via a credentials provider at http://closed in us-east-1: nobody listens at the endpoint: connection refused (attempts 3, after [time]); is it the right port, and is the service or proxy running there?
    {:#} assume role on arn:aws:iam::123456789012:role/App via a credentials provider at http://closed in us-east-1: nobody listens at the endpoint: connection refused (attempts 3, after [time]); is it the right port, and is the service or proxy running there?; caused by: Connection refused (os error 111)
    {:?} assume role on arn:aws:iam::123456789012:role/App via a credentials provider at http://closed in us-east-1: nobody listens at the endpoint: connection refused (attempts 3, after [time]); is it the right port, and is the service or proxy running there?

    Caused by:
        Connection refused (os error 111)
    "##);
    let error = profile_at(&uri).credentials().await.unwrap_err();
    tells_nothing_twice(&error);
    insta::assert_snapshot!(forms(&error, &[(&uri, "http://closed")]), @r##"
    {}  fetch credentials at http://closed/latest/api/token: cannot connect: not on EC2, or the metadata service is off (attempts 3, after [time]); is the service on? aws ec2 modify-instance-metadata-options --instance-id INSTANCE --http-endpoint enabled
    {:#} fetch credentials at http://closed/latest/api/token: cannot connect: not on EC2, or the metadata service is off (attempts 3, after [time]); is the service on? aws ec2 modify-instance-metadata-options --instance-id INSTANCE --http-endpoint enabled; caused by: Connection refused (os error 111)
    {:?} fetch credentials at http://closed/latest/api/token: cannot connect: not on EC2, or the metadata service is off (attempts 3, after [time]); is the service on? aws ec2 modify-instance-metadata-options --instance-id INSTANCE --http-endpoint enabled

    Caused by:
        Connection refused (os error 111)
    "##);
}

#[tokio::test]
async fn a_name_that_does_not_resolve() {
    let error = role_at("http://sts.invalid")
        .credentials()
        .await
        .unwrap_err();
    tells_nothing_twice(&error);
    let line = error.to_string();
    assert!(
        line.contains("the name of the endpoint does not resolve"),
        "{line}"
    );
    assert!(line.contains("check the region and the endpoint"), "{line}");
    let error = profile_at("http://imds.invalid")
        .credentials()
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the name of the endpoint does not resolve"),
        "{error}"
    );
}

#[tokio::test]
async fn option_b_off_ec2() {
    let uri = closed().await;
    let role = AssumeRole::builder("arn:aws:iam::123456789012:role/App")
        .region("us-east-1")
        .base(profile_at(&uri))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build()
        .unwrap();
    let error = role.credentials().await.unwrap_err();
    tells_nothing_twice(&error);
    insta::assert_snapshot!(forms(&error, &[(&uri, "http://closed")]), @r##"
    {}  assume role on arn:aws:iam::123456789012:role/App via InstanceProfile at us-east-1: no base credentials to sign the call with: cannot connect: not on EC2, or the metadata service is off (after [time]); is the service on? aws ec2 modify-instance-metadata-options --instance-id INSTANCE --http-endpoint enabled
    {:#} assume role on arn:aws:iam::123456789012:role/App via InstanceProfile at us-east-1: no base credentials to sign the call with: cannot connect: not on EC2, or the metadata service is off (after [time]); is the service on? aws ec2 modify-instance-metadata-options --instance-id INSTANCE --http-endpoint enabled; caused by: fetch credentials at http://closed/latest/api/token (attempts 3, after [time]); caused by: Connection refused (os error 111)
    {:?} assume role on arn:aws:iam::123456789012:role/App via InstanceProfile at us-east-1: no base credentials to sign the call with: cannot connect: not on EC2, or the metadata service is off (after [time]); is the service on? aws ec2 modify-instance-metadata-options --instance-id INSTANCE --http-endpoint enabled

    Caused by:
        fetch credentials at http://closed/latest/api/token (attempts 3, after [time])
        Connection refused (os error 111)
    "##);
}

#[tokio::test]
async fn a_table_without_credentials() {
    let uri = closed().await;
    let sdk = aws_types::SdkConfig::builder()
        .region(aws_types::region::Region::new("us-east-1"))
        .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let db = Dynamo::new(profile_at(&uri), &sdk);
    let found = db
        .table("MyTable")
        .get(("id", "123"))
        .send::<serde_json::Value>()
        .await;
    let error = found.unwrap_err();
    tells_nothing_twice(&error);
    insta::assert_snapshot!(forms(&error, &[(&uri, "http://closed")]), @r##"
    {}  get on table MyTable via InstanceProfile: the strategy has no credentials: cannot connect: not on EC2, or the metadata service is off (after [time]); is the service on? aws ec2 modify-instance-metadata-options --instance-id INSTANCE --http-endpoint enabled
    {:#} get on table MyTable via InstanceProfile: the strategy has no credentials: cannot connect: not on EC2, or the metadata service is off (after [time]); is the service on? aws ec2 modify-instance-metadata-options --instance-id INSTANCE --http-endpoint enabled; caused by: fetch credentials at http://closed/latest/api/token (attempts 3, after [time]); caused by: Connection refused (os error 111)
    {:?} get on table MyTable via InstanceProfile: the strategy has no credentials: cannot connect: not on EC2, or the metadata service is off (after [time]); is the service on? aws ec2 modify-instance-metadata-options --instance-id INSTANCE --http-endpoint enabled

    Caused by:
        fetch credentials at http://closed/latest/api/token (attempts 3, after [time])
        Connection refused (os error 111)
    "##);
}

async fn denied(
    cloud: &LocalCloud,
    change: impl FnOnce(
        aws_credential_strategies::strategy::AssumeRoleBuilder,
    ) -> aws_credential_strategies::strategy::AssumeRoleBuilder,
) -> Error {
    let base = InstanceProfile::builder()
        .endpoint(cloud.imds_endpoint())
        .build()
        .unwrap();
    let role = AssumeRole::builder(cloud.role_arn("Target"))
        .sdk_config(&cloud.sdk_config())
        .base(base);
    change(role)
        .build()
        .unwrap()
        .credentials()
        .await
        .unwrap_err()
}

#[tokio::test]
async fn denials_name_the_policy_that_lacks_the_statement() {
    let denied = Denied::parse(
        "User: arn:aws:sts::123456789012:assumed-role/Web/i-0abc is not authorized to perform: sts:TagSession \
         on resource: arn:aws:iam::210987654321:role/App",
    );
    assert_eq!(
        denied.remedy().unwrap(),
        "add to the trust policy of the role App: {\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::123456789012:role/Web\"},\"Action\":[\"sts:AssumeRole\",\"sts:TagSession\"]}"
    );
    for (message, place) in [
        (
            "sts:SetSourceIdentity on resource: arn:aws:iam::210987654321:role/App",
            "add to the trust policy of the role App: ",
        ),
        (
            "sts:AssumeRoleWithWebIdentity on resource: arn:aws:iam::210987654321:role/App",
            "add to the trust policy of the role App: ",
        ),
        (
            "sts:AssumeRole on resource: arn:aws:iam::210987654321:role/App because no resource-based policy allows the sts:AssumeRole action",
            "add to the trust policy of the role App: ",
        ),
        (
            "sts:AssumeRole on resource: arn:aws:iam::210987654321:role/App",
            "add to the caller's permission policy, and see that the role's trust policy",
        ),
        (
            "kms:Decrypt on resource: arn:aws:kms:us-east-1:123456789012:key/1 because no resource-based policy allows the kms:Decrypt action",
            "add to the key policy, with the caller as principal: ",
        ),
        (
            "kms:Decrypt on resource: arn:aws:kms:us-east-1:123456789012:key/1",
            "add to the caller's permission policy, and see that the key policy",
        ),
        (
            "s3:GetObject on resource: arn:aws:s3:::b/k because no resource-based policy allows the s3:GetObject action",
            "add to the policy of the resource, with the caller as principal: ",
        ),
        (
            "dynamodb:GetItem on resource: arn:aws:dynamodb:us-east-1:210987654321:table/T",
            "add to the caller's permission policy, and to the policy of the resource, which is of another account",
        ),
        (
            "dynamodb:GetItem on resource: arn:aws:dynamodb:us-east-1:123456789012:table/T",
            "add to the caller's permission policy: ",
        ),
    ] {
        let text = format!(
            "User: arn:aws:sts::123456789012:assumed-role/Web/i-0abc is not authorized to perform: {message}"
        );
        let remedy = Denied::parse(&text).remedy().unwrap();
        assert!(remedy.starts_with(place), "{message}\n{remedy}");
    }
}

#[tokio::test]
async fn a_tag_session_that_is_denied_shows_the_statement_of_the_trust_policy() {
    let body = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>User: arn:aws:sts::123456789012:assumed-role/Web/i-0abc \
                is not authorized to perform: sts:TagSession on resource: arn:aws:iam::123456789012:role/App</Message></Error></ErrorResponse>";
    let server = StandIn::start(move |_| answer(403, &[], body)).await;
    let error = role_at(&server.uri).credentials().await.unwrap_err();
    tells_nothing_twice(&error);
    insta::assert_snapshot!(forms(&error, &[(&server.uri, "http://sts")]), @r##"
    {}  assume role on arn:aws:iam::123456789012:role/App via a credentials provider at http://sts in us-east-1: User: arn:aws:sts::123456789012:assumed-role/Web/i-0abc is not authorized to perform: sts:TagSession on resource: arn:aws:iam::123456789012:role/App (http 403, code AccessDenied, after [time]); add to the trust policy of the role App: {"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/Web"},"Action":["sts:AssumeRole","sts:TagSession"]}
    {:#} assume role on arn:aws:iam::123456789012:role/App via a credentials provider at http://sts in us-east-1: User: arn:aws:sts::123456789012:assumed-role/Web/i-0abc is not authorized to perform: sts:TagSession on resource: arn:aws:iam::123456789012:role/App (http 403, code AccessDenied, after [time]); add to the trust policy of the role App: {"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/Web"},"Action":["sts:AssumeRole","sts:TagSession"]}
    {:?} assume role on arn:aws:iam::123456789012:role/App via a credentials provider at http://sts in us-east-1: User: arn:aws:sts::123456789012:assumed-role/Web/i-0abc is not authorized to perform: sts:TagSession on resource: arn:aws:iam::123456789012:role/App (http 403, code AccessDenied, after [time]); add to the trust policy of the role App: {"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/Web"},"Action":["sts:AssumeRole","sts:TagSession"]}
    "##);
}

#[tokio::test]
async fn a_role_that_cannot_be_assumed() {
    let cloud = LocalCloud::start().await.unwrap();
    let trust = Trust::account("210987654321").external_id("right-id");
    cloud.add_role(Role::new("Target").trust(trust)).unwrap();
    let error = denied(&cloud, |role| role).await;
    tells_nothing_twice(&error);
    assert!(
        format!("{error:?}").contains("check in this order: 1. the trust policy"),
        "{error:?}"
    );
    let error = denied(&cloud, |role| role.external_id("wrong-id")).await;
    assert!(error.to_string().contains("external id"), "{error}");
}

#[tokio::test]
async fn the_metadata_service_off_and_the_hop_limit() {
    let cloud = LocalCloud::start().await.unwrap();
    cloud.imds().fail_on(ImdsCall::Token, Fault::Status(403));
    let error = profile_at(cloud.imds_endpoint())
        .credentials()
        .await
        .unwrap_err();
    insta::assert_snapshot!(forms(&error, &[(cloud.imds_endpoint(), "http://imds")]), @r##"
    {}  fetch credentials at http://imds/latest/api/token: IMDS refused a session token (http 403, after [time]); is the service on? aws ec2 modify-instance-metadata-options --instance-id INSTANCE --http-endpoint enabled
    {:#} fetch credentials at http://imds/latest/api/token: IMDS refused a session token (http 403, after [time]); is the service on? aws ec2 modify-instance-metadata-options --instance-id INSTANCE --http-endpoint enabled
    {:?} fetch credentials at http://imds/latest/api/token: IMDS refused a session token (http 403, after [time]); is the service on? aws ec2 modify-instance-metadata-options --instance-id INSTANCE --http-endpoint enabled
    "##);
    cloud.imds().fail_on(ImdsCall::Token, Fault::Hang);
    let source = InstanceProfile::builder()
        .endpoint(cloud.imds_endpoint())
        .answer_timeout(Duration::from_millis(200))
        .build()
        .unwrap();
    let error = source.credentials().await.unwrap_err();
    insta::assert_snapshot!(forms(&error, &[(cloud.imds_endpoint(), "http://imds")]), @r##"
    {}  fetch credentials at http://imds/latest/api/token: IMDS reachable, token response lost: hop limit 1 in a container? (attempts 3, after [time]); raise it with aws ec2 modify-instance-metadata-options --instance-id INSTANCE --http-put-response-hop-limit 2
    {:#} fetch credentials at http://imds/latest/api/token: IMDS reachable, token response lost: hop limit 1 in a container? (attempts 3, after [time]); raise it with aws ec2 modify-instance-metadata-options --instance-id INSTANCE --http-put-response-hop-limit 2
    {:?} fetch credentials at http://imds/latest/api/token: IMDS reachable, token response lost: hop limit 1 in a container? (attempts 3, after [time]); raise it with aws ec2 modify-instance-metadata-options --instance-id INSTANCE --http-put-response-hop-limit 2
    "##);
}

#[tokio::test]
async fn a_web_server_is_not_ec2() {
    let server = StandIn::start(|_| answer(404, &["server: nginx"], "<html>")).await;
    let error = profile_at(&server.uri).credentials().await.unwrap_err();
    insta::assert_snapshot!(forms(&error, &[(&server.uri, "http://imds")]), @r##"
    {}  fetch credentials at http://imds/latest/api/token: this is not EC2's metadata service, it looks like a web server's (nginx); it does not speak IMDSv2 (http 404, after [time]); Option A needs an EC2 instance; elsewhere choose Option B (AssumeRole) or Provided, or set the endpoint
    {:#} fetch credentials at http://imds/latest/api/token: this is not EC2's metadata service, it looks like a web server's (nginx); it does not speak IMDSv2 (http 404, after [time]); Option A needs an EC2 instance; elsewhere choose Option B (AssumeRole) or Provided, or set the endpoint
    {:?} fetch credentials at http://imds/latest/api/token: this is not EC2's metadata service, it looks like a web server's (nginx); it does not speak IMDSv2 (http 404, after [time]); Option A needs an EC2 instance; elsewhere choose Option B (AssumeRole) or Provided, or set the endpoint
    "##);
}

const KEY_ID: &str = "ASIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const SESSION: &str = "IQoJb3JpZ2luX2VjEJ//////////wEaCXVzLWVhc3QtMSJHMEUCIQDx+abc/def0123456789==";

/// However a service may quote a part of a request.
fn quoted() -> impl proptest::strategy::Strategy<Value = String> {
    let secret = proptest::sample::select(vec![
        KEY_ID,
        SECRET,
        SESSION,
        "%SIGNATURE%",
        "%AUTHORIZATION%",
    ]);
    let form = 0..7usize;
    let around = proptest::sample::select(vec![
        "The request was {}",
        "The Canonical String for this request should have been\n'POST\n/\nx-amz-security-token:{}\n'",
        "no\n{}",
        "x-amz-security-token:{}",
        "{} {} {}",
        "User: {} is not authorized to perform: sts:AssumeRole on resource: {} because {}",
        "{\"a\":\"{}\"}",
    ]);
    (secret, form, around).prop_map(|(secret, form, around)| {
        let secret = match form {
            0 => secret.to_owned(),
            1 => secret
                .replace('/', "%2F")
                .replace('+', "%2B")
                .replace('=', "%3D"),
            2 => secret.replace('/', "\\/"),
            3 => secret.replace('/', "&#x2F;"),
            4 => secret.to_lowercase(),
            5 => secret.chars().take(secret.len() - 6).collect(),
            _ => format!("{}\n{}", &secret[..10], &secret[10..]),
        };
        around.replace("{}", &secret)
    })
}

/// No run of it that would tell anything.
fn shows_none(text: &str, secret: &str) {
    let squeeze = |text: &str| -> String {
        text.chars()
            .filter(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_lowercase()
    };
    let (text_, secret) = (squeeze(text), squeeze(secret));
    for part in secret.as_bytes().windows(12) {
        let part = std::str::from_utf8(part).unwrap();
        assert!(!text_.contains(part), "{part} in {text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_of_a_service_brings_a_secret_into_an_output(
        said in quoted(),
        code in proptest::sample::select(vec!["AccessDenied", "SignatureDoesNotMatch", "ValidationError", "InvalidClientTokenId", "BrandNew", "Throttling"]),
        filler in 0..3_000usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = StandIn::start(move |request| {
                let authorization = request.lines().find_map(|line| line.strip_prefix("authorization: ")).unwrap_or_default();
                let signature = authorization.split("Signature=").nth(1).unwrap_or_default();
                let said = said.replace("%SIGNATURE%", signature).replace("%AUTHORIZATION%", authorization);
                let said = format!("{}{said}{}", "x".repeat(filler % 7), "y ".repeat(filler));
                let said = said.replace('&', "&amp;").replace('<', "&lt;");
                answer(403, &["retry-after: 60"], &format!("<ErrorResponse><Error><Code>{code}</Code><Message>{said}</Message></Error></ErrorResponse>"))
            }).await;
            let base = Credentials::builder()
                .access_key_id(KEY_ID)
                .secret_access_key(SECRET)
                .session_token(SESSION)
                .provider_name("test")
                .build();
            let role = AssumeRole::builder("arn:aws:iam::123456789012:role/App")
                .region("us-east-1")
                .sts_endpoint(&*server.uri)
                .base(SharedCredentialsProvider::new(base))
                .http_client(aws_smithy_http_client::Builder::new().build_http())
                .build()
                .unwrap();
            let error = role.credentials().await.unwrap_err();
            let sent = server.seen().remove(0);
            let signature = sent.split("Signature=").nth(1).unwrap().lines().next().unwrap();
            let status = serde_json::to_string(&role.status()).unwrap();
            let kind = format!("{:?}", error.kind());
            for text in [format!("{error}"), format!("{error:#}"), format!("{error:?}"), format!("{role:?}"), status, kind] {
                for secret in [SECRET, SESSION, signature] {
                    shows_none(&text, secret);
                }
                assert!(!text.contains(KEY_ID), "{text}");
                assert!(text.len() < 4_000, "{}", text.len());
            }
        });
    }
}
