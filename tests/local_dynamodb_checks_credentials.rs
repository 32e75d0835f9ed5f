//! Promise: the embedded DynamoDB serves whoever holds a valid session of this cloud, refuses anybody
//! else with DynamoDB's code, and is DynamoDB in all other respects.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod local_support;

use aws_credential_strategies::local::{
    DEFAULT_ROLE, Fault, KeyType, LocalCloud, NewIndex, NewTable, Role, Trust,
};
use aws_credential_strategies::{Credentials, ErrorKind};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::RequestId;
use aws_sdk_dynamodb::types::{
    AttributeValue, Get, KeysAndAttributes, TableStatus, TransactGetItem,
};
use aws_smithy_types::retry::RetryConfig;
use local_support::{Answer, Clock, send};
use serde_json::json;
use std::collections::HashMap;
use std::time::Duration;

fn client(cloud: &LocalCloud, credentials: Credentials) -> Client {
    Client::from_conf(
        aws_sdk_dynamodb::config::Builder::from(&cloud.sdk_config())
            .retry_config(RetryConfig::disabled())
            .credentials_provider(credentials)
            .build(),
    )
}

async fn session(cloud: &LocalCloud, role: &str) -> Credentials {
    let sts = aws_sdk_sts::Client::from_conf(
        aws_sdk_sts::config::Builder::from(&cloud.sdk_config())
            .credentials_provider(cloud.create_access_key("deployer"))
            .build(),
    );
    let output = sts
        .assume_role()
        .role_arn(role)
        .role_session_name("session")
        .duration_seconds(900)
        .send()
        .await
        .unwrap();
    let credentials = output.credentials().unwrap();
    Credentials::new(
        credentials.access_key_id(),
        credentials.secret_access_key(),
        Some(credentials.session_token().to_owned()),
        None,
        "test",
    )
}

fn refusal<O, E>(result: Result<O, SdkError<E>>) -> (u16, String, String)
where
    E: ProvideErrorMetadata + RequestId + std::error::Error + 'static,
{
    let Err(error) = result else {
        panic!("it was granted");
    };
    assert!(error.request_id().is_some_and(|id| !id.is_empty()));
    let status = error.raw_response().unwrap().status().as_u16();
    (
        status,
        error.meta().code().unwrap().to_owned(),
        error.meta().message().unwrap_or_default().to_owned(),
    )
}

fn refused(code: &str, message: &str) -> (u16, String, String) {
    (400, code.to_owned(), message.to_owned())
}

#[tokio::test]
async fn a_session_and_a_long_lived_key_both_read_and_write() {
    let cloud = LocalCloud::start().await.unwrap();
    cloud.create_table(("MyTable", "id")).unwrap();
    let session = session(&cloud, &cloud.role_arn(DEFAULT_ROLE)).await;
    for (id, credentials) in [("1", session), ("2", cloud.create_access_key("deployer"))] {
        let client = client(&cloud, credentials);
        client
            .put_item()
            .table_name("MyTable")
            .item("id", AttributeValue::S(id.to_owned()))
            .send()
            .await
            .unwrap();
        let got = client
            .get_item()
            .table_name("MyTable")
            .key("id", AttributeValue::S(id.to_owned()))
            .send()
            .await
            .unwrap();
        assert!(got.item().is_some());
    }
    let calls = cloud.dynamodb().calls();
    assert_eq!((calls.of("PutItem"), calls.of("GetItem")), (2, 2));
    assert_eq!(calls.total(), 4);
}

#[tokio::test]
async fn credentials_that_do_not_hold_are_refused_with_dynamodbs_codes() {
    let clock = Clock::new();
    let cloud = LocalCloud::builder()
        .clock(clock.clone())
        .start()
        .await
        .unwrap();
    let session = session(&cloud, &cloud.role_arn(DEFAULT_ROLE)).await;
    let ask = async |credentials: Credentials| {
        refusal(client(&cloud, credentials).list_tables().send().await)
    };
    let (key, secret) = (session.access_key_id(), session.secret_access_key());
    let unrecognized = refused(
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
    );
    let with = |key: &str, secret: &str, token: Option<&str>| {
        Credentials::new(key, secret, token.map(str::to_owned), None, "test")
    };
    assert_eq!(
        ask(with("ASIAUNKNOWNUNKNOWN77", secret, None)).await,
        unrecognized
    );
    assert_eq!(ask(with(key, secret, None)).await, unrecognized, "no token");
    assert_eq!(
        ask(with(key, secret, Some("another"))).await,
        unrecognized,
        "not its token"
    );
    let (status, code, _) = ask(with(key, "wrong", session.session_token())).await;
    assert_eq!((status, code.as_str()), (400, "InvalidSignatureException"));

    let expired = refused(
        "ExpiredTokenException",
        "The security token included in the request is expired",
    );
    clock.advance(Duration::from_secs(899));
    assert!(
        client(&cloud, session.clone())
            .list_tables()
            .send()
            .await
            .is_ok()
    );
    clock.advance(Duration::from_secs(1));
    assert_eq!(ask(session).await, expired);
}

#[tokio::test]
async fn sessions_end_and_keys_vanish_on_demand() {
    let cloud = LocalCloud::start().await.unwrap();
    let role = cloud.role_arn(DEFAULT_ROLE);
    let long_lived = cloud.create_access_key("deployer");
    let (old, other) = (session(&cloud, &role).await, session(&cloud, &role).await);
    assert!(cloud.revoke(other.access_key_id()));
    let code = async |credentials: &Credentials| {
        let result = client(&cloud, credentials.clone())
            .list_tables()
            .send()
            .await;
        result
            .err()
            .map(|error| error.meta().code().unwrap().to_owned())
    };
    assert_eq!(code(&other).await.unwrap(), "UnrecognizedClientException");
    assert_eq!(code(&old).await, None);
    cloud.expire_sessions();
    assert_eq!(code(&old).await.unwrap(), "ExpiredTokenException");
    assert_eq!(code(&other).await.unwrap(), "UnrecognizedClientException");
    assert_eq!(code(&long_lived).await, None);
    let new = session(&cloud, &role).await;
    assert_eq!(code(&new).await, None);
}

#[tokio::test]
async fn a_clock_that_is_off_is_refused() {
    let clock = Clock::new();
    let cloud = LocalCloud::builder()
        .clock(clock.clone())
        .start()
        .await
        .unwrap();
    let config = aws_sdk_dynamodb::config::Builder::from(&cloud.sdk_config())
        .retry_config(RetryConfig::disabled())
        .time_source(Clock::new())
        .credentials_provider(cloud.create_access_key("deployer"))
        .build();
    clock.advance(Duration::from_secs(301));
    let result = Client::from_conf(config).list_tables().send().await;
    assert_eq!(
        refusal(result),
        refused(
            "InvalidSignatureException",
            "Signature expired: 20270115T080000Z is now earlier than 20270115T080001Z (20270115T080501Z - 5 min.)"
        )
    );
}

async fn post(cloud: &LocalCloud, headers: &[(&str, &str)]) -> Answer {
    let mut all = vec![
        ("content-type", "application/x-amz-json-1.0"),
        ("x-amz-target", "DynamoDB_20120810.ListTables"),
    ];
    all.extend_from_slice(headers);
    send("POST", cloud.dynamodb_endpoint(), &all, "{}").await
}

#[tokio::test]
async fn a_request_without_a_complete_signature_is_refused() {
    let cloud = LocalCloud::start().await.unwrap();
    let missing = post(&cloud, &[]).await;
    assert_eq!(missing.status, 400);
    assert_eq!(
        missing.json(),
        json!({
            "__type": "com.amazon.coral.service#MissingAuthenticationTokenException",
            "message": "Request is missing Authentication Token"
        })
    );
    let key = cloud.create_access_key("deployer");
    let authorization = format!("AWS4-HMAC-SHA256 Credential={}", key.access_key_id());
    for authorization in [authorization.as_str(), "AWS4-HMAC-SHA256", "Bearer x"] {
        let answer = post(
            &cloud,
            &[
                ("authorization", authorization),
                ("x-amz-date", "20270115T080000Z"),
            ],
        )
        .await;
        assert_eq!(answer.status, 400);
        let code = answer.json()["__type"].as_str().unwrap().to_owned();
        assert!(code.ends_with("Exception"), "{code}");
    }
}

#[tokio::test]
async fn every_answer_carries_a_request_id_and_its_checksum() {
    let cloud = LocalCloud::start().await.unwrap();
    let refused = post(&cloud, &[]).await;
    cloud.dynamodb().fail_next(1, Fault::Status(503));
    let failed = post(&cloud, &[]).await;
    assert_eq!(failed.status, 503);
    let healthy = send("GET", cloud.dynamodb_endpoint(), &[], "").await;
    assert_eq!(healthy.status, 200);
    for answer in [refused, failed, healthy] {
        assert!(answer.header("x-amzn-requestid").len() > 30);
        assert_eq!(
            answer.header("x-amz-crc32"),
            crc32fast::hash(answer.body.as_bytes()).to_string()
        );
        assert!(!answer.header("date").is_empty());
    }
}

#[tokio::test]
async fn tables_have_keys_indexes_and_the_clouds_arns() {
    let cloud = LocalCloud::builder()
        .account("210987654321")
        .region("eu-west-1")
        .start()
        .await
        .unwrap();
    cloud
        .create_table(
            NewTable::new("Sessions", "id")
                .sort_key("at", KeyType::Number)
                .index(NewIndex::new("byUser", "user").sort_key("at", KeyType::Number)),
        )
        .unwrap();
    for at in 1..=3 {
        cloud
            .put_item("Sessions", &json!({ "id": "s", "at": at, "user": "ada", "tags": ["a", null, true, {"n": 1.5}] }))
            .unwrap();
    }
    let client = client(&cloud, cloud.create_access_key("deployer"));
    let table = client
        .describe_table()
        .table_name("Sessions")
        .send()
        .await
        .unwrap()
        .table
        .unwrap();
    assert_eq!(table.table_status(), Some(&TableStatus::Active));
    let arn = "arn:aws:dynamodb:eu-west-1:210987654321:table/Sessions";
    assert_eq!(table.table_arn(), Some(arn));
    assert_eq!(
        table.global_secondary_indexes()[0].index_arn(),
        Some("arn:aws:dynamodb:eu-west-1:210987654321:table/Sessions/index/byUser")
    );
    let found = client
        .query()
        .table_name("Sessions")
        .index_name("byUser")
        .key_condition_expression("#u = :u AND #a > :a")
        .expression_attribute_names("#u", "user")
        .expression_attribute_names("#a", "at")
        .expression_attribute_values(":u", AttributeValue::S("ada".to_owned()))
        .expression_attribute_values(":a", AttributeValue::N("1".to_owned()))
        .send()
        .await
        .unwrap();
    assert_eq!(found.count(), 2);
    let by_arn = client.scan().table_name(arn).send().await.unwrap();
    assert_eq!(by_arn.count(), 3);
    assert_eq!(cloud.dynamodb().calls().of("PutItem"), 0, "not counted");
}

#[tokio::test]
async fn set_up_that_dynamodb_would_refuse_is_an_error() {
    let cloud = LocalCloud::start().await.unwrap();
    cloud.create_table(("MyTable", "id")).unwrap();
    let again = cloud.create_table(("MyTable", "id")).unwrap_err();
    assert_eq!(again.kind(), &ErrorKind::Invalid);
    assert!(again.to_string().contains("MyTable"), "{again}");
    let no_table = cloud
        .put_item("Nowhere", &json!({ "id": "1" }))
        .unwrap_err();
    assert_eq!(no_table.kind(), &ErrorKind::NoSuchTable);
    let no_key = cloud
        .put_item("MyTable", &json!({ "name": "x" }))
        .unwrap_err();
    assert_eq!(no_key.kind(), &ErrorKind::Invalid);
    let no_object = cloud.put_item("MyTable", &json!([1])).unwrap_err();
    assert_eq!(no_object.kind(), &ErrorKind::Encode);
}

#[tokio::test]
async fn each_account_has_tables_of_its_own() {
    let cloud = LocalCloud::start().await.unwrap();
    cloud.create_table(("MyTable", "id")).unwrap();
    let role = cloud
        .add_role(
            Role::new("Partner")
                .account("210987654321")
                .trust(Trust::account(cloud.account())),
        )
        .unwrap();
    let partner = client(&cloud, session(&cloud, &role).await);
    assert!(
        partner
            .list_tables()
            .send()
            .await
            .unwrap()
            .table_names()
            .is_empty()
    );
    let (_, code, _) = refusal(
        partner
            .get_item()
            .table_name("MyTable")
            .key("id", AttributeValue::S("1".to_owned()))
            .send()
            .await,
    );
    assert_eq!(code, "ResourceNotFoundException");
}

#[tokio::test]
async fn tables_can_be_named_by_arn_and_batches_answer_with_the_arn() {
    let cloud = LocalCloud::start().await.unwrap();
    cloud.create_table(("MyTable", "id")).unwrap();
    cloud.put_item("MyTable", &json!({ "id": "1" })).unwrap();
    let client = client(&cloud, cloud.create_access_key("deployer"));
    let key = HashMap::from([("id".to_owned(), AttributeValue::S("1".to_owned()))]);
    let arn = "arn:aws:dynamodb:us-east-1:123456789012:table/MyTable";
    let table = client
        .describe_table()
        .table_name(arn)
        .send()
        .await
        .unwrap();
    assert_eq!(table.table().unwrap().table_name(), Some("MyTable"));

    let keys = KeysAndAttributes::builder()
        .keys(key.clone())
        .build()
        .unwrap();
    let batch = client
        .batch_get_item()
        .request_items(arn, keys)
        .send()
        .await
        .unwrap();
    assert_eq!(batch.responses().unwrap()[arn].len(), 1);

    let get = Get::builder()
        .table_name(arn)
        .set_key(Some(key.clone()))
        .build()
        .unwrap();
    let transaction = client
        .transact_get_items()
        .transact_items(TransactGetItem::builder().get(get).build())
        .send()
        .await
        .unwrap();
    assert!(transaction.responses()[0].item().is_some());

    let foreign = "arn:aws:dynamodb:us-east-1:210987654321:table/MyTable";
    let result = client
        .get_item()
        .table_name(foreign)
        .set_key(Some(key))
        .send()
        .await;
    assert_eq!(
        refusal(result),
        refused(
            "AccessDeniedException",
            &format!(
                "User: arn:aws:iam::123456789012:user/deployer is not authorized to perform: dynamodb:GetItem on resource: {foreign} because no resource-based policy allows the dynamodb:GetItem action"
            )
        )
    );
}

#[tokio::test]
async fn an_arn_in_an_item_is_data() {
    let cloud = LocalCloud::start().await.unwrap();
    cloud.create_table(("MyTable", "id")).unwrap();
    let client = client(&cloud, cloud.create_access_key("deployer"));
    for arn in [
        "arn:aws:dynamodb:us-east-1:123456789012:table/MyTable",
        "arn:aws:dynamodb:dynoxide:000000000000:table/MyTable",
    ] {
        let id = AttributeValue::S(arn.to_owned());
        client
            .put_item()
            .table_name("MyTable")
            .item("id", id.clone())
            .send()
            .await
            .unwrap();
        let got = client
            .get_item()
            .table_name("MyTable")
            .key("id", id.clone())
            .send()
            .await
            .unwrap();
        assert_eq!(got.item().unwrap()["id"], id);
    }
}

#[tokio::test]
async fn any_error_code_can_be_asked_for() {
    let cloud = LocalCloud::start().await.unwrap();
    cloud.create_table(("MyTable", "id")).unwrap();
    let client = client(&cloud, cloud.create_access_key("deployer"));
    let get = || {
        client
            .get_item()
            .table_name("MyTable")
            .key("id", AttributeValue::S("1".to_owned()))
            .send()
    };
    cloud.dynamodb().fail_on(
        "GetItem",
        Fault::error(400, "ProvisionedThroughputExceededException"),
    );
    let Err(error) = get().await else {
        panic!("it was granted");
    };
    assert!(
        error
            .as_service_error()
            .unwrap()
            .is_provisioned_throughput_exceeded_exception(),
        "as the SDK models it"
    );
    assert!(client.list_tables().send().await.is_ok());
    cloud.dynamodb().heal();
    assert!(get().await.is_ok());
    assert_eq!(cloud.dynamodb().calls().of("GetItem"), 2);
}
