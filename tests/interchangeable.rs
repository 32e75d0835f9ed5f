//! Promise: the two options are interchangeable. One suite, written over `CredentialStrategy` alone,
//! passes for each of them, for one on top of the other, and behind `Arc<dyn CredentialStrategy>`.
#![cfg(feature = "table")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use aws_credential_strategies::local::{DEFAULT_REGION, DEFAULT_ROLE, LocalCloud, Role, Trust};
use aws_credential_strategies::source::Base;
use aws_credential_strategies::{
    AssumeRole, CredentialStrategy, InstanceProfile, Rejection, SdkProvider, StrategyConfig,
};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;
use std::sync::Arc;

async fn cloud_with_item() -> LocalCloud {
    cloud_in(DEFAULT_REGION).await
}

async fn cloud_in(region: &str) -> LocalCloud {
    let cloud = LocalCloud::builder().region(region).start().await.unwrap();
    cloud.create_table(("MyTable", "id")).unwrap();
    cloud
        .put_item("MyTable", &json!({ "id": "123", "name": "Ada" }))
        .unwrap();
    cloud
        .add_role(Role::new("App").trust(Trust::account(cloud.account())))
        .unwrap();
    cloud
}

/// Source calls so far that hand out credentials of this strategy.
type Count = fn(&LocalCloud) -> u64;

fn documents(cloud: &LocalCloud) -> u64 {
    cloud.imds().calls().documents()
}

fn assumptions(cloud: &LocalCloud) -> u64 {
    cloud.sts().calls().assume_role
}

/// What a program may rely on, whichever strategy it was given.
async fn suite<S: CredentialStrategy + Clone>(cloud: &LocalCloud, strategy: S, fetches: Count) {
    let name = strategy.name();
    assert!(!name.is_empty());
    assert!(
        strategy.current().is_none(),
        "{name}: constructors do no I/O"
    );
    assert_eq!(fetches(cloud), 0, "{name}: constructors do no I/O");

    // However many callers and clones: one fetch.
    let callers: Vec<_> = (0..16)
        .map(|_| {
            let strategy = strategy.clone();
            tokio::spawn(async move { strategy.credentials().await })
        })
        .collect();
    let mut keys = Vec::new();
    for caller in callers {
        keys.push(caller.await.unwrap().unwrap().access_key_id().to_owned());
    }
    keys.dedup();
    assert_eq!(keys.len(), 1, "{name}: one key for all");
    assert_eq!(fetches(cloud), 1, "{name}: one fetch for all");

    // What they hold is whole, current and reported.
    let credentials = strategy.credentials().await.unwrap();
    assert!(credentials.access_key_id().starts_with("ASIA"), "{name}");
    assert!(credentials.session_token().is_some(), "{name}");
    assert!(credentials.expiry().is_some(), "{name}");
    assert_eq!(
        credentials
            .account_id()
            .map(|account| account.as_str().to_owned()),
        Some(cloud.account().to_owned()),
        "{name}"
    );
    let current = strategy.current().expect("current after a fetch");
    assert_eq!(current.access_key_id(), credentials.access_key_id());
    assert!(strategy.current_identity().is_some(), "{name}");
    let status = strategy.status();
    assert_eq!(status.key_id.as_deref(), Some(credentials.access_key_id()));
    assert_eq!(status.expires_at, credentials.expiry());
    assert_eq!(status.account_id.as_deref(), Some(cloud.account()));
    assert!(status.last_error.is_none(), "{name}");
    assert_eq!(
        fetches(cloud),
        1,
        "{name}: valid credentials are not fetched again"
    );

    // The item of the seed, by any SDK client.
    let config = cloud
        .sdk_config()
        .into_builder()
        .credentials_provider(SharedCredentialsProvider::new(SdkProvider::new(
            strategy.clone(),
        )))
        .build();
    let item = aws_sdk_dynamodb::Client::new(&config)
        .get_item()
        .table_name("MyTable")
        .key("id", AttributeValue::S("123".to_owned()))
        .send()
        .await
        .unwrap()
        .item
        .expect("item 123 is there");
    assert_eq!(item["name"].as_s().unwrap(), "Ada");

    // A key that a service rejected is replaced, once; a key of others is not.
    assert_eq!(strategy.invalidate("AKIDOTHER"), Rejection::NotCurrent);
    assert!(cloud.revoke(credentials.access_key_id()));
    assert_eq!(
        strategy.invalidate(credentials.access_key_id()),
        Rejection::Invalidated
    );
    let renewed = strategy.credentials().await.unwrap();
    assert_ne!(renewed.access_key_id(), credentials.access_key_id());
    assert_eq!(fetches(cloud), 2, "{name}");
    assert_eq!(
        strategy.invalidate(credentials.access_key_id()),
        Rejection::NotCurrent
    );

    // The source may fail while credentials are valid: nobody notices.
    cloud
        .imds()
        .fail(aws_credential_strategies::local::Fault::Reset);
    cloud
        .sts()
        .fail(aws_credential_strategies::local::Fault::Reset);
    let served = strategy.credentials().await.unwrap();
    assert_eq!(served.access_key_id(), renewed.access_key_id());
    cloud.imds().heal();
    cloud.sts().heal();
}

fn instance_profile(cloud: &LocalCloud) -> InstanceProfile {
    InstanceProfile::builder()
        .endpoint(cloud.imds_endpoint())
        .build()
        .unwrap()
}

fn assume_role(cloud: &LocalCloud, base: impl Into<Base>) -> AssumeRole {
    AssumeRole::builder(cloud.role_arn("App"))
        .sdk_config(&cloud.sdk_config())
        .base(base)
        .session_name("interchangeable")
        .build()
        .unwrap()
}

fn user(cloud: &LocalCloud) -> SharedCredentialsProvider {
    SharedCredentialsProvider::new(cloud.create_access_key("deployer"))
}

#[tokio::test]
async fn instance_profile_keeps_the_promises() {
    let cloud = cloud_with_item().await;
    suite(&cloud, instance_profile(&cloud), documents).await;
}

#[tokio::test]
async fn assume_role_keeps_the_promises() {
    let cloud = cloud_with_item().await;
    suite(&cloud, assume_role(&cloud, user(&cloud)), assumptions).await;
}

#[tokio::test]
async fn assume_role_over_instance_profile_keeps_the_promises() {
    let cloud = cloud_with_item().await;
    let strategy = assume_role(&cloud, instance_profile(&cloud));
    suite(&cloud, strategy, assumptions).await;
}

#[tokio::test]
async fn instance_profile_behind_the_trait_object_keeps_the_promises() {
    let cloud = cloud_with_item().await;
    let strategy: Arc<dyn CredentialStrategy> = Arc::new(instance_profile(&cloud));
    suite(&cloud, strategy, documents).await;
}

#[tokio::test]
async fn assume_role_behind_the_trait_object_keeps_the_promises() {
    let cloud = cloud_with_item().await;
    let strategy: Arc<dyn CredentialStrategy> = Arc::new(assume_role(&cloud, user(&cloud)));
    suite(&cloud, strategy, assumptions).await;
}

#[tokio::test]
async fn assume_role_over_instance_profile_behind_the_trait_object_keeps_the_promises() {
    let cloud = cloud_with_item().await;
    let base: Arc<dyn CredentialStrategy> = Arc::new(instance_profile(&cloud));
    let strategy: Arc<dyn CredentialStrategy> = Arc::new(assume_role(&cloud, base));
    suite(&cloud, strategy, assumptions).await;
}

#[tokio::test]
async fn strategies_chosen_by_configuration_keep_the_promises() {
    let cloud = cloud_with_item().await;
    let imds = cloud.imds_endpoint();
    let option_a =
        json!({ "strategy": "instance_profile", "endpoint": imds, "profile": DEFAULT_ROLE });
    let option_b = json!({
        "strategy": "assume_role",
        "role_arn": cloud.role_arn("App"),
        "region": "us-east-1",
        "base": option_a,
    });
    let settings = cloud.sdk_config();
    let strategy = StrategyConfig::from_json(&option_a.to_string()).unwrap();
    suite(&cloud, strategy.build_with(&settings).unwrap(), documents).await;
    cloud.imds().reset_counts();
    let strategy = StrategyConfig::from_json(&option_b.to_string()).unwrap();
    suite(&cloud, strategy.build_with(&settings).unwrap(), assumptions).await;
}

/// A region of each partition that is not `aws`, and how ARNs name the partition.
const ELSEWHERE: [(&str, &str); 3] = [
    ("cn-north-1", "aws-cn"),
    ("us-gov-west-1", "aws-us-gov"),
    ("eusc-de-east-1", "aws-eusc"),
];

#[tokio::test]
async fn the_promises_hold_in_every_partition() {
    for (region, partition) in ELSEWHERE {
        let cloud = cloud_in(region).await;
        let arn = format!("arn:{partition}:iam::{}:role/App", cloud.account());
        assert_eq!(cloud.role_arn("App"), arn);
        suite(&cloud, instance_profile(&cloud), documents).await;
        suite(&cloud, assume_role(&cloud, user(&cloud)), assumptions).await;
        cloud.sts().reset_counts();
        let chained = assume_role(&cloud, instance_profile(&cloud));
        suite(&cloud, chained, assumptions).await;
    }
}
