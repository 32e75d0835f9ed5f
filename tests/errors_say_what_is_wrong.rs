//! Promise: an error says what is wrong and what mends it, in `{}`, in `{:#}` with its causes, and in
//! `{:?}`, which `fn main() -> Result` prints.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod source_support;

use aws_credential_strategies::local::{Fault, ImdsCall, LocalCloud, Role, Trust};
use aws_credential_strategies::{
    AssumeRole, CredentialStrategy, Credentials, Denied, Dynamo, Error, InstanceProfile,
};
use aws_credential_types::provider::SharedCredentialsProvider;
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

/// What the system's resolver says differs from one to the other.
fn without_the_resolver(error: &Error) -> String {
    let mut layer: &dyn std::error::Error = error;
    while let Some(below) = layer.source() {
        layer = below;
    }
    let said = layer.to_string();
    assert!(said.contains("lookup address"), "{said}");
    forms(error, &[(&said, "[the resolver's words]")])
}

#[tokio::test]
async fn a_name_that_does_not_resolve() {
    let error = role_at("http://sts.invalid")
        .credentials()
        .await
        .unwrap_err();
    tells_nothing_twice(&error);
    insta::assert_snapshot!(without_the_resolver(&error), @r##"
    {}  assume role on arn:aws:iam::123456789012:role/App via a credentials provider at http://sts.invalid in us-east-1: the name of the endpoint does not resolve (attempts 3, after [time]); check the region and the endpoint, and whether this host can resolve names: DNS of the VPC, resolv.conf, VPC endpoint
    {:#} assume role on arn:aws:iam::123456789012:role/App via a credentials provider at http://sts.invalid in us-east-1: the name of the endpoint does not resolve (attempts 3, after [time]); check the region and the endpoint, and whether this host can resolve names: DNS of the VPC, resolv.conf, VPC endpoint; caused by: [the resolver's words]
    {:?} assume role on arn:aws:iam::123456789012:role/App via a credentials provider at http://sts.invalid in us-east-1: the name of the endpoint does not resolve (attempts 3, after [time]); check the region and the endpoint, and whether this host can resolve names: DNS of the VPC, resolv.conf, VPC endpoint

    Caused by:
        [the resolver's words]
    "##);
    let error = profile_at("http://imds.invalid")
        .credentials()
        .await
        .unwrap_err();
    tells_nothing_twice(&error);
    insta::assert_snapshot!(without_the_resolver(&error), @r##"
    {}  fetch credentials at http://imds.invalid/latest/api/token: the name of the endpoint does not resolve (attempts 3, after [time]); check the region and the endpoint, and whether this host can resolve names: DNS of the VPC, resolv.conf, VPC endpoint
    {:#} fetch credentials at http://imds.invalid/latest/api/token: the name of the endpoint does not resolve (attempts 3, after [time]); check the region and the endpoint, and whether this host can resolve names: DNS of the VPC, resolv.conf, VPC endpoint; caused by: [the resolver's words]
    {:?} fetch credentials at http://imds.invalid/latest/api/token: the name of the endpoint does not resolve (attempts 3, after [time]); check the region and the endpoint, and whether this host can resolve names: DNS of the VPC, resolv.conf, VPC endpoint

    Caused by:
        [the resolver's words]
    "##);
}

/// A listener whose queue is full: the kernel drops each further SYN, as a firewall would.
async fn full() -> (tokio::net::TcpListener, Vec<tokio::net::TcpStream>, String) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queued = Vec::new();
    loop {
        let connecting = tokio::net::TcpStream::connect(address);
        match tokio::time::timeout(Duration::from_millis(300), connecting).await {
            Ok(connected) => queued.push(connected.unwrap()),
            Err(_) => return (listener, queued, format!("http://{address}")),
        }
        assert!(queued.len() < 100, "the queue has no end");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_packet_that_nobody_answers() {
    let (_listener, _queued, uri) = full().await;
    let error = role_at(&uri).credentials().await.unwrap_err();
    tells_nothing_twice(&error);
    insta::assert_snapshot!(forms(&error, &[(&uri, "http://dropped")]), @r##"
    {}  assume role on arn:aws:iam::123456789012:role/App via a credentials provider at http://dropped in us-east-1: connecting took too long: nobody answers at the endpoint (attempts 3, after [time]); is the endpoint reachable from here: route, security group, VPC endpoint, proxy?
    {:#} assume role on arn:aws:iam::123456789012:role/App via a credentials provider at http://dropped in us-east-1: connecting took too long: nobody answers at the endpoint (attempts 3, after [time]); is the endpoint reachable from here: route, security group, VPC endpoint, proxy?; caused by: HTTP connect timeout occurred after [time]
    {:?} assume role on arn:aws:iam::123456789012:role/App via a credentials provider at http://dropped in us-east-1: connecting took too long: nobody answers at the endpoint (attempts 3, after [time]); is the endpoint reachable from here: route, security group, VPC endpoint, proxy?

    Caused by:
        HTTP connect timeout occurred after [time]
    "##);
    let error = profile_at(&uri).credentials().await.unwrap_err();
    tells_nothing_twice(&error);
    insta::assert_snapshot!(forms(&error, &[(&uri, "http://dropped")]), @r##"
    {}  fetch credentials at http://dropped/latest/api/token: connecting timed out: not on EC2, or the metadata service is off (attempts 3, after [time]); is the service on? aws ec2 modify-instance-metadata-options --instance-id INSTANCE --http-endpoint enabled
    {:#} fetch credentials at http://dropped/latest/api/token: connecting timed out: not on EC2, or the metadata service is off (attempts 3, after [time]); is the service on? aws ec2 modify-instance-metadata-options --instance-id INSTANCE --http-endpoint enabled
    {:?} fetch credentials at http://dropped/latest/api/token: connecting timed out: not on EC2, or the metadata service is off (attempts 3, after [time]); is the service on? aws ec2 modify-instance-metadata-options --instance-id INSTANCE --http-endpoint enabled
    "##);
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

/// Without the number of each request.
fn denial(cloud: &LocalCloud, error: &Error) -> String {
    let id = error.request_id().unwrap().to_owned();
    forms(
        error,
        &[(cloud.sts_endpoint(), "http://sts"), (&id, "[id]")],
    )
}

#[tokio::test]
async fn a_role_that_cannot_be_assumed() {
    let cloud = LocalCloud::start().await.unwrap();
    cloud
        .add_role(Role::new("Target").trust(Trust::account("210987654321")))
        .unwrap();
    let error = denied(&cloud, |role| role).await;
    tells_nothing_twice(&error);
    insta::assert_snapshot!(denial(&cloud, &error), @r##"
    {}  assume role on arn:aws:iam::123456789012:role/Target via InstanceProfile of account 123456789012 at http://sts in us-east-1: User: arn:aws:sts::123456789012:assumed-role/EC2DynamoDBRole/i-1234567890abcdef0 is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/Target (http 403, code AccessDenied, request id [id], after [time]); check in this order: 1. the trust policy of the role names this caller, 2. the caller's own policy allows sts:AssumeRole on the role, 3. the trust policy's conditions hold (external id, MFA, session tags, source identity); the role is of the instance's own account: on EC2 in one account, Option A (InstanceProfile) with the permissions on the instance's role needs none of this
    {:#} assume role on arn:aws:iam::123456789012:role/Target via InstanceProfile of account 123456789012 at http://sts in us-east-1: User: arn:aws:sts::123456789012:assumed-role/EC2DynamoDBRole/i-1234567890abcdef0 is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/Target (http 403, code AccessDenied, request id [id], after [time]); check in this order: 1. the trust policy of the role names this caller, 2. the caller's own policy allows sts:AssumeRole on the role, 3. the trust policy's conditions hold (external id, MFA, session tags, source identity); the role is of the instance's own account: on EC2 in one account, Option A (InstanceProfile) with the permissions on the instance's role needs none of this
    {:?} assume role on arn:aws:iam::123456789012:role/Target via InstanceProfile of account 123456789012 at http://sts in us-east-1: User: arn:aws:sts::123456789012:assumed-role/EC2DynamoDBRole/i-1234567890abcdef0 is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/Target (http 403, code AccessDenied, request id [id], after [time]); check in this order: 1. the trust policy of the role names this caller, 2. the caller's own policy allows sts:AssumeRole on the role, 3. the trust policy's conditions hold (external id, MFA, session tags, source identity); the role is of the instance's own account: on EC2 in one account, Option A (InstanceProfile) with the permissions on the instance's role needs none of this
    "##);
}

#[tokio::test]
async fn a_wrong_external_id() {
    let cloud = LocalCloud::start().await.unwrap();
    let trust = Trust::account(cloud.account()).external_id("right-external-id");
    cloud.add_role(Role::new("Target").trust(trust)).unwrap();
    let error = denied(&cloud, |role| role.external_id("wrong-external-id")).await;
    tells_nothing_twice(&error);
    insta::assert_snapshot!(denial(&cloud, &error), @r##"
    {}  assume role on arn:aws:iam::123456789012:role/Target via InstanceProfile of account 123456789012 at http://sts in us-east-1: User: arn:aws:sts::123456789012:assumed-role/EC2DynamoDBRole/i-1234567890abcdef0 is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/Target (http 403, code AccessDenied, request id [id], after [time]); check in this order: 1. the trust policy of the role names this caller, 2. the caller's own policy allows sts:AssumeRole on the role, 3. the trust policy's conditions hold (external id, MFA, session tags, source identity); the role is of the instance's own account: on EC2 in one account, Option A (InstanceProfile) with the permissions on the instance's role needs none of this
    {:#} assume role on arn:aws:iam::123456789012:role/Target via InstanceProfile of account 123456789012 at http://sts in us-east-1: User: arn:aws:sts::123456789012:assumed-role/EC2DynamoDBRole/i-1234567890abcdef0 is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/Target (http 403, code AccessDenied, request id [id], after [time]); check in this order: 1. the trust policy of the role names this caller, 2. the caller's own policy allows sts:AssumeRole on the role, 3. the trust policy's conditions hold (external id, MFA, session tags, source identity); the role is of the instance's own account: on EC2 in one account, Option A (InstanceProfile) with the permissions on the instance's role needs none of this
    {:?} assume role on arn:aws:iam::123456789012:role/Target via InstanceProfile of account 123456789012 at http://sts in us-east-1: User: arn:aws:sts::123456789012:assumed-role/EC2DynamoDBRole/i-1234567890abcdef0 is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/Target (http 403, code AccessDenied, request id [id], after [time]); check in this order: 1. the trust policy of the role names this caller, 2. the caller's own policy allows sts:AssumeRole on the role, 3. the trust policy's conditions hold (external id, MFA, session tags, source identity); the role is of the instance's own account: on EC2 in one account, Option A (InstanceProfile) with the permissions on the instance's role needs none of this
    "##);
}

/// Runs one test of this file in a process with other variables, since those of a process are shared.
fn in_a_process_of_its_own(test: &str, variable: &str, value: &str) {
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    let output = child
        .args(["--exact", test, "--nocapture"])
        .env("TEST_IN_CHILD", test)
        .env(variable, value)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
}

#[tokio::test]
async fn a_container() {
    if std::env::var_os("TEST_IN_CHILD").is_none() {
        let variable = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
        return in_a_process_of_its_own("a_container", variable, "/v2/credentials/1");
    }
    let uri = closed().await;
    let error = profile_at(&uri).credentials().await.unwrap_err();
    tells_nothing_twice(&error);
    insta::assert_snapshot!(forms(&error, &[(&uri, "http://closed")]), @r##"
    {}  fetch credentials at http://closed/latest/api/token: cannot connect: this is a container (ECS or EKS): its role comes from there (attempts 3, after [time]); Provided::container()
    {:#} fetch credentials at http://closed/latest/api/token: cannot connect: this is a container (ECS or EKS): its role comes from there (attempts 3, after [time]); Provided::container(); caused by: Connection refused (os error 111)
    {:?} fetch credentials at http://closed/latest/api/token: cannot connect: this is a container (ECS or EKS): its role comes from there (attempts 3, after [time]); Provided::container()

    Caused by:
        Connection refused (os error 111)
    "##);
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
