//! The line of an error of the table says what happened, to whom, where, and what mends it, also when the
//! reason lies layers below; and `{:?}`, which `fn main() -> Result` prints, is the whole chain in
//! sentences.
#![cfg(all(feature = "table", feature = "https", feature = "local"))]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod source_support;
#[path = "support/table.rs"]
mod support;

use aws_credential_strategies::local::{Fault, ImdsCall, LocalCloud};
use aws_credential_strategies::table::Item;
use aws_credential_strategies::{AssumeRole, CredentialStrategy, Dynamo, Error, InstanceProfile};
use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
use aws_smithy_types::retry::RetryConfig;
use aws_types::SdkConfig;
use source_support::stand_in::{StandIn, answer};
use std::net::TcpListener;
use support::Fixed;

/// The same on every machine and at every speed.
fn plain(text: &str, ports: &[u16]) -> String {
    let mut text = text.to_owned();
    for port in ports {
        text = text.replace(&format!(":{port}"), ":PORT");
    }
    let mut plain = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find("after ") {
        let (before, from) = rest.split_at(at + "after ".len());
        plain.push_str(before);
        let figure = from
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(0);
        plain.push_str(if figure > 0 { "N" } else { "" });
        let from = &from[figure..];
        rest = from
            .strip_prefix(" ms")
            .or_else(|| from.strip_prefix(" s"))
            .filter(|_| figure > 0)
            .unwrap_or(from);
    }
    plain + rest
}

fn closed_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

fn settings(endpoint: &str) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .endpoint_url(endpoint)
        .retry_config(RetryConfig::disabled())
        .build()
}

async fn error(strategy: impl CredentialStrategy, settings: &SdkConfig) -> Error {
    let db = Dynamo::new(strategy, settings);
    let get = db.table("MyTable").get(("id", "123"));
    get.send::<Item>().await.unwrap_err()
}

#[tokio::test]
async fn no_name_and_nobody_there() {
    let unknown = error(Fixed::new(), &settings("http://dynamodb.invalid:8000")).await;
    insta::assert_snapshot!(plain(&unknown.to_string(), &[]), @"get on table MyTable via Fixed at http://dynamodb.invalid:8000: the name of the endpoint does not resolve (after N); check the region and the endpoint, and whether this host can resolve names: DNS of the VPC, resolv.conf, VPC endpoint");
    let port = closed_port();
    let refused = error(Fixed::new(), &settings(&format!("http://127.0.0.1:{port}"))).await;
    insta::assert_snapshot!(plain(&refused.to_string(), &[port]), @"get on table MyTable via Fixed at http://127.0.0.1:PORT: nobody listens at the endpoint: connection refused (after N); is it the right port, and is the service or proxy running there?");
    insta::assert_snapshot!(plain(&format!("{refused:?}"), &[port]), @r"
    get on table MyTable via Fixed at http://127.0.0.1:PORT: nobody listens at the endpoint: connection refused (after N); is it the right port, and is the service or proxy running there?

    Caused by:
        Connection refused (os error 111)
    ");
}

#[tokio::test]
async fn option_b_off_ec2() {
    let port = closed_port();
    let instance = InstanceProfile::builder().endpoint(format!("http://127.0.0.1:{port}"));
    let role = AssumeRole::builder("arn:aws:iam::123456789012:role/App")
        .region("us-east-1")
        .base(instance.build().unwrap())
        .build();
    let error = error(role.unwrap(), &settings("http://127.0.0.1:1")).await;
    let line = error.to_string();
    let start = "get on table MyTable via AssumeRole (arn:aws:iam::123456789012:role/App): the strategy has no credentials: ";
    assert!(line.starts_with(start), "{line}");
    let chain = plain(&format!("{error:?}"), &[port]);
    for said in [
        "

Caused by:
",
        "not on EC2",
        "--http-endpoint enabled",
        "127.0.0.1:PORT",
    ] {
        assert!(chain.contains(said), "{chain}");
    }
}

#[tokio::test]
async fn a_role_that_does_not_admit_and_a_metadata_service_that_is_off() {
    let cloud = LocalCloud::start().await.unwrap();
    let port = |endpoint: &str| {
        endpoint
            .rsplit_once(':')
            .unwrap()
            .1
            .trim_end_matches('/')
            .parse::<u16>()
            .unwrap()
    };
    let ports = [port(cloud.imds_endpoint()), port(cloud.sts_endpoint())];
    let instance = || {
        InstanceProfile::builder()
            .endpoint(cloud.imds_endpoint())
            .build()
            .unwrap()
    };
    let role = AssumeRole::builder(cloud.role_arn("NotThere"))
        .region("us-east-1")
        .sts_endpoint(cloud.sts_endpoint())
        .base(instance())
        .build();
    let refused = error(role.unwrap(), &cloud.sdk_config()).await;
    let line = plain(&refused.to_string(), &ports);
    for said in [
        "the strategy has no credentials: User: arn:aws:sts::",
        "is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/NotThere",
        "; check in this order: 1. the trust policy of the role names this caller",
    ] {
        assert!(line.contains(said), "{line}");
    }
    let chain = format!("{refused:#}");
    let said = "sts:AssumeRole on resource";
    assert_eq!(
        chain.matches(said).count(),
        1,
        "nothing is told twice: {chain}"
    );
    assert!(
        chain.contains("; caused by: ") && chain.contains("AccessDenied"),
        "{chain}"
    );

    cloud.imds().fail_on(ImdsCall::Token, Fault::Status(403));
    let off = error(instance(), &cloud.sdk_config()).await;
    let line = off.to_string();
    assert!(
        line.contains("the strategy has no credentials: IMDS refused a session token"),
        "{line}"
    );
    assert!(line.contains("--http-endpoint enabled"), "{line}");
}

#[tokio::test]
async fn when_the_service_wants_to_be_asked_again_is_told() {
    let body = r#"{"__type":"ThrottlingException","message":"slow down"}"#;
    let service = StandIn::start(move |_| answer(400, &["retry-after: 7"], body)).await;
    let error = error(Fixed::new(), &settings(&service.uri)).await;
    assert_eq!(error.retry_after(), Some(std::time::Duration::from_secs(7)));
    assert!(
        error.to_string().contains("not again before 7.0 s"),
        "{error}"
    );
    assert!(error.is_throttled());
}
