//! Promise: one call starts the embedded cloud, on loopback only; dropping it ends it; settings that
//! AWS would not know are refused by name; no secret shows in its `Debug`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod local_support;

use aws_credential_strategies::ErrorKind;
use aws_credential_strategies::local::{
    DEFAULT_ACCOUNT, DEFAULT_REGION, DEFAULT_ROLE, LocalCloud, Role,
};
use aws_credential_types::provider::SharedCredentialsProvider;
use local_support::try_send;
use std::collections::HashMap;
use std::time::Duration;

#[tokio::test]
async fn the_defaults_are_the_documented_constants() {
    let cloud = LocalCloud::start().await.unwrap();
    assert_eq!(cloud.account(), DEFAULT_ACCOUNT);
    assert_eq!(cloud.region(), DEFAULT_REGION);
    assert_eq!(
        cloud.role_arn(DEFAULT_ROLE),
        "arn:aws:iam::123456789012:role/EC2DynamoDBRole"
    );
    let config = cloud.sdk_config();
    assert_eq!(config.region().unwrap().as_ref(), DEFAULT_REGION);
    assert!(config.credentials_provider().is_none());
}

#[tokio::test]
async fn the_environment_names_all_that_a_client_reads() {
    let cloud = LocalCloud::start().await.unwrap();
    let environment: HashMap<_, _> = cloud.environment().into_iter().collect();
    for (name, value) in [
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", cloud.imds_endpoint()),
        ("AWS_ENDPOINT_URL_STS", cloud.sts_endpoint()),
        ("AWS_ENDPOINT_URL_DYNAMODB", cloud.dynamodb_endpoint()),
        ("AWS_EC2_METADATA_DISABLED", "false"),
        ("AWS_REGION", DEFAULT_REGION),
        ("AWS_DEFAULT_REGION", DEFAULT_REGION),
    ] {
        assert_eq!(environment[name], value, "{name}");
    }
    for endpoint in [
        cloud.imds_endpoint(),
        cloud.sts_endpoint(),
        cloud.dynamodb_endpoint(),
    ] {
        assert!(endpoint.starts_with("http://127.0.0.1:"), "{endpoint}");
    }
}

#[tokio::test]
async fn dropping_it_ends_every_server_and_frees_its_port() {
    let cloud = LocalCloud::start().await.unwrap();
    let endpoints = [
        cloud.imds_endpoint().to_owned(),
        cloud.sts_endpoint().to_owned(),
        cloud.dynamodb_endpoint().to_owned(),
    ];
    for endpoint in &endpoints {
        assert!(try_send("GET", endpoint, &[], "").await.is_ok());
    }
    drop(cloud);
    // the servers end when the runtime next gets to them
    for endpoint in &endpoints {
        while try_send("GET", endpoint, &[], "").await.is_ok() {
            tokio::task::yield_now().await;
        }
    }
    let port = |endpoint: &str| endpoint.rsplit(':').next().unwrap().parse().unwrap();
    let again = LocalCloud::builder()
        .imds_port(port(&endpoints[0]))
        .sts_port(port(&endpoints[1]))
        .dynamodb_port(port(&endpoints[2]))
        .start()
        .await
        .unwrap();
    assert_eq!(again.imds_endpoint(), endpoints[0]);
}

#[test]
fn it_can_be_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<LocalCloud>();
}

#[tokio::test]
async fn two_clouds_run_side_by_side_and_know_nothing_of_each_other() {
    let (one, two) = (
        LocalCloud::start().await.unwrap(),
        LocalCloud::start().await.unwrap(),
    );
    let key = one.create_access_key("deployer");
    assert!(!two.revoke(key.access_key_id()));
    assert!(one.revoke(key.access_key_id()));
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let cloud = LocalCloud::start().await.unwrap();
    let port = cloud.imds_endpoint().rsplit(':').next().unwrap();
    let error = LocalCloud::builder()
        .sts_port(port.parse().unwrap())
        .start()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Unreachable);
    assert_eq!(
        error.to_string(),
        format!("start the embedded cloud at 127.0.0.1:{port}: cannot listen")
    );
}

#[tokio::test]
async fn settings_that_aws_would_not_know_are_refused_by_name() {
    let builder = LocalCloud::builder;
    for (field, builder) in [
        ("account", builder().account("12345")),
        ("account", builder().account("12345678901x")),
        ("region", builder().region("nowhere")),
        ("region", builder().region("us-east-")),
        ("region", builder().region("")),
        (
            "session_lifetime",
            builder().session_lifetime(Duration::from_millis(999)),
        ),
    ] {
        let error = builder.start().await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Usage);
        assert_eq!(error.field(), Some(field), "{error}");
    }
    let cloud = builder().region("us-gov-west-1").start().await.unwrap();
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    for (field, role) in [
        ("name", Role::new("")),
        ("name", Role::new("a/b")),
        ("name", Role::new("x".repeat(65))),
        ("path", Role::new("App").path("service")),
        ("max_session", Role::new("App").max_session(hours(13))),
        (
            "max_session",
            Role::new("App").max_session(Duration::from_secs(60)),
        ),
        ("account", Role::new("App").account("1")),
    ] {
        let error = cloud.add_role(role).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Usage);
        assert_eq!(error.field(), Some(field), "{error}");
    }
    let error = cloud.attach_role("Nobody").unwrap_err();
    assert_eq!(error.field(), Some("role"));
}

#[test]
fn outside_of_a_runtime_it_says_so() {
    let mut start = std::pin::pin!(LocalCloud::start());
    let waker = std::task::Waker::noop();
    let mut context = std::task::Context::from_waker(waker);
    let std::task::Poll::Ready(result) = start.as_mut().poll(&mut context) else {
        panic!("it waits");
    };
    assert_eq!(result.unwrap_err().kind(), &ErrorKind::NoRuntime);
}

#[tokio::test]
async fn no_secret_shows_in_debug() {
    let cloud = LocalCloud::start().await.unwrap();
    let key = cloud.create_access_key("deployer");
    let shown = format!("{cloud:?}");
    assert!(!shown.contains(key.secret_access_key()));
    assert!(shown.contains("http://127.0.0.1:"));
}

#[tokio::test]
async fn every_partition_names_what_is_its_own() {
    for (region, partition) in [
        ("us-east-1", "aws"),
        ("cn-northwest-1", "aws-cn"),
        ("us-gov-east-1", "aws-us-gov"),
        ("us-iso-east-1", "aws-iso"),
        ("us-isob-east-1", "aws-iso-b"),
        ("eu-isoe-west-1", "aws-iso-e"),
        ("us-isof-south-1", "aws-iso-f"),
        ("eusc-de-east-1", "aws-eusc"),
    ] {
        let cloud = LocalCloud::builder().region(region).start().await.unwrap();
        cloud.create_table(("MyTable", "id")).unwrap();
        let root = format!("arn:{partition}:iam::123456789012:");
        assert_eq!(cloud.role_arn("App"), format!("{root}role/App"));
        let role = cloud.add_role(Role::new("App").path("/team/")).unwrap();
        assert_eq!(role, format!("{root}role/team/App"));
        assert!(cloud.oidc_provider_arn().starts_with(&root));
        let config = cloud.sdk_config().into_builder();
        let keys = SharedCredentialsProvider::new(cloud.create_access_key("deployer"));
        let config = config.credentials_provider(keys).build();
        let table = aws_sdk_dynamodb::Client::new(&config)
            .describe_table()
            .table_name(format!(
                "arn:{partition}:dynamodb:{region}:123456789012:table/MyTable"
            ))
            .send()
            .await
            .unwrap();
        assert_eq!(
            table.table().unwrap().table_arn().unwrap(),
            format!("arn:{partition}:dynamodb:{region}:123456789012:table/MyTable")
        );
        let whoami = aws_sdk_sts::Client::new(&config).get_caller_identity();
        let arn = whoami.send().await.unwrap().arn().unwrap().to_owned();
        assert_eq!(arn, format!("{root}user/deployer"));
    }
}
