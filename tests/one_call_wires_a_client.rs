//! Promise: `sdk::client_config!` wires the client of any service in one call. Nothing of it can be
//! forgotten: credentials, the one cache, recovery from rejected keys, and its retry quota.
#![cfg(feature = "table")]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use aws_credential_strategies::aws_sdk_dynamodb;
use aws_credential_strategies::aws_sdk_dynamodb::types::AttributeValue;
use aws_credential_strategies::local::LocalCloud;
use aws_credential_strategies::{CredentialStrategy, InstanceProfile, SdkConfig, sdk};
use serde_json::json;
use std::sync::Arc;

async fn cloud_with_item() -> LocalCloud {
    let cloud = LocalCloud::start().await.unwrap();
    cloud.create_table(("MyTable", "id")).unwrap();
    cloud
        .put_item("MyTable", &json!({ "id": "123", "name": "Ada" }))
        .unwrap();
    cloud
}

async fn read(client: &aws_sdk_dynamodb::Client) {
    let answer = client
        .get_item()
        .table_name("MyTable")
        .key("id", AttributeValue::S("123".to_owned()))
        .send()
        .await
        .unwrap();
    assert!(answer.item.is_some());
}

#[tokio::test]
async fn a_client_that_is_wired_in_one_call_recovers_from_rejected_keys() {
    let cloud = cloud_with_item().await;
    let strategy: Arc<dyn CredentialStrategy> = Arc::new(
        InstanceProfile::builder()
            .endpoint(cloud.imds_endpoint())
            .build()
            .unwrap(),
    );
    let settings = cloud.sdk_config();
    let clients: Vec<_> = (0..60)
        .map(|_| {
            let config = sdk::client_config!(aws_sdk_dynamodb, &settings, Arc::clone(&strategy));
            aws_sdk_dynamodb::Client::from_conf(config)
        })
        .collect();
    for client in &clients {
        read(client).await;
    }
    assert_eq!(
        cloud.imds().calls().documents(),
        1,
        "one fetch for all clients"
    );

    let key = strategy.current().unwrap().access_key_id().to_owned();
    assert!(cloud.revoke(&key));
    let reads: Vec<_> = clients
        .into_iter()
        .map(|client| tokio::spawn(async move { read(&client).await }))
        .collect();
    for read in reads {
        read.await.unwrap();
    }
    assert_eq!(
        cloud.imds().calls().documents(),
        2,
        "and one for all that were rejected"
    );
}

#[tokio::test]
async fn settings_without_a_behaviour_version_and_a_crate_by_its_path_will_do() {
    let cloud = cloud_with_item().await;
    let given = cloud.sdk_config();
    let mut settings = SdkConfig::builder().region(given.region().cloned());
    settings.set_endpoint_url(Some(cloud.dynamodb_endpoint().to_owned()));
    settings.set_http_client(given.http_client());
    let strategy = InstanceProfile::builder()
        .endpoint(cloud.imds_endpoint())
        .build()
        .unwrap();
    let config = sdk::client_config!(
        aws_credential_strategies::aws_sdk_dynamodb,
        &settings.build(),
        strategy.clone(),
    );
    read(&aws_sdk_dynamodb::Client::from_conf(config)).await;
    assert!(strategy.current().is_some());
}
