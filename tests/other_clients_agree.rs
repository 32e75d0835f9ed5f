//! Promise: clients that know nothing of this crate get credentials from the embedded cloud and read
//! an item with them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use aws_config::imds;
use aws_config::provider_config::ProviderConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_credential_strategies::local::{DEFAULT_ROLE, LocalCloud, Role, Trust};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_types::SdkConfig;
use serde_json::json;
use std::time::Duration;

async fn cloud_with_item() -> LocalCloud {
    let cloud = LocalCloud::start().await.unwrap();
    cloud.create_table(("MyTable", "id")).unwrap();
    cloud
        .put_item("MyTable", &json!({ "id": "123", "name": "Ada" }))
        .unwrap();
    cloud
}

async fn name_of_item_123(config: &SdkConfig) -> String {
    let item = aws_sdk_dynamodb::Client::new(config)
        .get_item()
        .table_name("MyTable")
        .key("id", AttributeValue::S("123".to_owned()))
        .send()
        .await
        .unwrap()
        .item
        .expect("item 123 is there");
    item["name"].as_s().unwrap().clone()
}

fn signed_by(cloud: &LocalCloud, provider: impl ProvideCredentials + 'static) -> SdkConfig {
    cloud
        .sdk_config()
        .into_builder()
        .credentials_provider(SharedCredentialsProvider::new(provider))
        .build()
}

async fn instance_profile(cloud: &LocalCloud) -> imds::credentials::ImdsCredentialsProvider {
    let config = ProviderConfig::empty()
        .with_http_client(cloud.sdk_config().http_client().unwrap())
        .with_region(cloud.sdk_config().region().cloned());
    let client = imds::Client::builder()
        .configure(&config)
        .endpoint(cloud.imds_endpoint())
        .unwrap()
        .build();
    imds::credentials::ImdsCredentialsProvider::builder()
        .configure(&config)
        .imds_client(client)
        .build()
}

#[tokio::test]
async fn the_sdks_imds_provider_reads_the_item() {
    let cloud = cloud_with_item().await;
    let provider = instance_profile(&cloud).await;

    let credentials = provider.provide_credentials().await.unwrap();
    assert!(credentials.access_key_id().starts_with("ASIA"));
    assert!(credentials.session_token().is_some());

    let config = signed_by(&cloud, provider);
    assert_eq!(name_of_item_123(&config).await, "Ada");
    let calls = cloud.imds().calls();
    assert_eq!((calls.token, calls.documents()), (1, 2));
    assert_eq!(cloud.dynamodb().calls().of("GetItem"), 1);
}

#[tokio::test]
async fn the_sdks_assume_role_provider_reads_the_item() {
    let cloud = cloud_with_item().await;
    let role = cloud
        .add_role(Role::new("App").trust(Trust::account(cloud.account()).external_id("42")))
        .unwrap();
    let base = cloud.create_access_key("deployer");
    let provider = AssumeRoleProvider::builder(role)
        .session_name("app-session")
        .external_id("42")
        .session_length(Duration::from_secs(900))
        .configure(&cloud.sdk_config())
        .build_from_provider(base)
        .await;

    let config = signed_by(&cloud, provider);
    assert_eq!(name_of_item_123(&config).await, "Ada");
    assert_eq!(cloud.sts().calls().assume_role, 1);

    let identity = aws_sdk_sts::Client::new(&config)
        .get_caller_identity()
        .send()
        .await
        .unwrap();
    assert_eq!(
        identity.arn(),
        Some("arn:aws:sts::123456789012:assumed-role/App/app-session")
    );
    assert_eq!(identity.account(), Some("123456789012"));
}

#[tokio::test]
async fn the_sdks_assume_role_provider_chains_onto_the_imds_provider() {
    let cloud = cloud_with_item().await;
    let base = instance_profile(&cloud).await;
    let provider = AssumeRoleProvider::builder(cloud.role_arn(DEFAULT_ROLE))
        .session_name("EC2Session")
        .configure(&cloud.sdk_config())
        .build_from_provider(base)
        .await;
    let config = signed_by(&cloud, provider);
    assert_eq!(name_of_item_123(&config).await, "Ada");
}
