//! The recorder sees every call of a DynamoDB client and prints the least policy that would do.
#![cfg(feature = "table")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use aws_credential_strategies::Credentials;
use aws_credential_strategies::iam::{
    Grant, PermissionPolicy, PolicyRecorder, Requires, Statement,
};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{
    BehaviorVersion, Region, retry::RetryConfig, timeout::TimeoutConfig,
};
use aws_sdk_dynamodb::types::{
    AttributeValue, BatchStatementRequest, ConditionCheck, Delete, DeleteRequest, Get,
    KeysAndAttributes, ParameterizedStatement, Put, PutRequest, Tag, TransactGetItem,
    TransactWriteItem, Update, WriteRequest,
};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use std::collections::HashMap;

/// Answers every request with an empty object.
#[derive(Debug)]
struct EmptyAnswer;

impl HttpConnector for EmptyAnswer {
    fn call(&self, _request: HttpRequest) -> HttpConnectorFuture {
        let status = 200.try_into().unwrap();
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from("{}"))))
    }
}

fn client(recorder: &PolicyRecorder) -> Client {
    let mut config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(
            "AKIDEXAMPLE",
            "secret",
            None,
            None,
            "test",
        ))
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::disabled())
        .http_client(http_client_fn(|_, _| SharedHttpConnector::new(EmptyAnswer)));
    config.push_interceptor(recorder.interceptor());
    Client::from_conf(config.build())
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn recorded(recorder: &PolicyRecorder) -> Vec<String> {
    recorder.grants().iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn calls_on_single_items_need_their_own_action_on_the_table() {
    let recorder = PolicyRecorder::new();
    let client = client(&recorder);
    let id = || text("1");
    let _ = client
        .get_item()
        .table_name("MyTable")
        .key("id", id())
        .send()
        .await;
    let _ = client
        .put_item()
        .table_name("MyTable")
        .item("id", id())
        .send()
        .await;
    let _ = client
        .update_item()
        .table_name("MyTable")
        .key("id", id())
        .send()
        .await;
    let _ = client
        .delete_item()
        .table_name("MyTable")
        .key("id", id())
        .send()
        .await;
    assert_eq!(
        recorded(&recorder),
        [
            "dynamodb:DeleteItem on table/MyTable",
            "dynamodb:GetItem on table/MyTable",
            "dynamodb:PutItem on table/MyTable",
            "dynamodb:UpdateItem on table/MyTable",
        ]
    );
}

#[tokio::test]
async fn a_query_of_an_index_needs_the_index_and_not_the_table() {
    let recorder = PolicyRecorder::new();
    let client = client(&recorder);
    let _ = client.query().table_name("MyTable").send().await;
    let _ = client.scan().table_name("Other").send().await;
    let _ = client
        .query()
        .table_name("MyTable")
        .index_name("byDate")
        .send()
        .await;
    let mut pages = client
        .scan()
        .table_name("MyTable")
        .index_name("byDate")
        .into_paginator()
        .send();
    while pages.next().await.is_some() {}
    assert_eq!(
        recorded(&recorder),
        [
            "dynamodb:Query on table/MyTable",
            "dynamodb:Query on table/MyTable/index/byDate",
            "dynamodb:Scan on table/MyTable/index/byDate",
            "dynamodb:Scan on table/Other",
        ]
    );
}

#[tokio::test]
async fn batches_need_the_batch_actions_on_each_table() {
    let recorder = PolicyRecorder::new();
    let client = client(&recorder);
    let keys = KeysAndAttributes::builder()
        .keys(HashMap::from([("id".into(), text("1"))]))
        .build()
        .unwrap();
    let _ = client
        .batch_get_item()
        .request_items("One", keys.clone())
        .request_items("Two", keys)
        .send()
        .await;
    let put = PutRequest::builder().item("id", text("1")).build().unwrap();
    let delete = DeleteRequest::builder()
        .key("id", text("1"))
        .build()
        .unwrap();
    let _ = client
        .batch_write_item()
        .request_items(
            "One",
            vec![WriteRequest::builder().put_request(put).build()],
        )
        .request_items(
            "Three",
            vec![WriteRequest::builder().delete_request(delete).build()],
        )
        .send()
        .await;
    assert_eq!(
        recorded(&recorder),
        [
            "dynamodb:BatchGetItem on table/One",
            "dynamodb:BatchWriteItem on table/One",
            "dynamodb:BatchWriteItem on table/Three",
            "dynamodb:BatchGetItem on table/Two",
        ]
    );
}

#[tokio::test]
async fn transactions_need_the_action_of_each_item() {
    let recorder = PolicyRecorder::new();
    let client = client(&recorder);
    let get = Get::builder()
        .table_name("Read")
        .key("id", text("1"))
        .build()
        .unwrap();
    let _ = client
        .transact_get_items()
        .transact_items(TransactGetItem::builder().get(get).build())
        .send()
        .await;
    let put = Put::builder()
        .table_name("AAA")
        .item("id", text("1"))
        .build()
        .unwrap();
    let update = Update::builder()
        .table_name("BBB")
        .key("id", text("1"))
        .update_expression("SET a = :a")
        .build()
        .unwrap();
    let delete = Delete::builder()
        .table_name("CCC")
        .key("id", text("1"))
        .build()
        .unwrap();
    let check = ConditionCheck::builder()
        .table_name("DDD")
        .key("id", text("1"))
        .condition_expression("attribute_exists(id)")
        .build()
        .unwrap();
    let item = TransactWriteItem::builder;
    let _ = client
        .transact_write_items()
        .transact_items(item().put(put).build())
        .transact_items(item().update(update).build())
        .transact_items(item().delete(delete).build())
        .transact_items(item().condition_check(check).build())
        .send()
        .await;
    assert_eq!(
        recorded(&recorder),
        [
            "dynamodb:PutItem on table/AAA",
            "dynamodb:UpdateItem on table/BBB",
            "dynamodb:DeleteItem on table/CCC",
            "dynamodb:ConditionCheckItem on table/DDD",
            "dynamodb:GetItem on table/Read",
        ]
    );
}

#[tokio::test]
async fn partiql_needs_the_action_of_each_statement() {
    let recorder = PolicyRecorder::new();
    let client = client(&recorder);
    let _ = client
        .execute_statement()
        .statement(r#"SELECT * FROM "AAA"."byDate""#)
        .send()
        .await;
    let insert = BatchStatementRequest::builder().statement("INSERT INTO BBB VALUE {'id': '1'}");
    let _ = client
        .batch_execute_statement()
        .statements(insert.build().unwrap())
        .send()
        .await;
    let update = ParameterizedStatement::builder().statement("UPDATE CCC SET a = 1 WHERE id = '1'");
    let delete = ParameterizedStatement::builder().statement("DELETE FROM CCC WHERE id = '2'");
    let _ = client
        .execute_transaction()
        .transact_statements(update.build().unwrap())
        .transact_statements(delete.build().unwrap())
        .send()
        .await;
    assert_eq!(
        recorded(&recorder),
        [
            "dynamodb:PartiQLSelect on table/AAA/index/byDate",
            "dynamodb:PartiQLInsert on table/BBB",
            "dynamodb:PartiQLDelete on table/CCC",
            "dynamodb:PartiQLUpdate on table/CCC",
        ]
    );
}

#[tokio::test]
async fn operations_on_tables_name_the_table_and_others_any_resource() {
    let recorder = PolicyRecorder::new();
    let client = client(&recorder);
    let table = "arn:aws:dynamodb:eu-west-1:111122223333:table/Shared";
    let _ = client.describe_table().table_name("MyTable").send().await;
    let _ = client
        .describe_time_to_live()
        .table_name(table)
        .send()
        .await;
    let _ = client
        .list_tags_of_resource()
        .resource_arn(table)
        .send()
        .await;
    let _ = client.list_tables().send().await;
    let _ = client
        .query()
        .table_name(table)
        .index_name("byDate")
        .send()
        .await;
    assert_eq!(
        recorded(&recorder),
        [
            "dynamodb:ListTables on *".to_owned(),
            format!("dynamodb:DescribeTimeToLive on {table}"),
            format!("dynamodb:ListTagsOfResource on {table}"),
            format!("dynamodb:Query on {table}/index/byDate"),
            "dynamodb:DescribeTable on table/MyTable".to_owned(),
        ]
    );
}

#[tokio::test]
async fn a_table_born_with_tags_and_a_policy_needs_their_actions_too() {
    let recorder = PolicyRecorder::new();
    let client = client(&recorder);
    let tag = Tag::builder()
        .key("team")
        .value("payments")
        .build()
        .unwrap();
    let _ = client.create_table().table_name("Plain").send().await;
    let _ = client
        .create_table()
        .table_name("Full")
        .tags(tag)
        .resource_policy("{}")
        .send()
        .await;
    assert_eq!(
        recorded(&recorder),
        [
            "dynamodb:CreateTable on table/Full",
            "dynamodb:PutResourcePolicy on table/Full",
            "dynamodb:TagResource on table/Full",
            "dynamodb:CreateTable on table/Plain",
        ]
    );
}

#[tokio::test]
async fn no_table_name_becomes_a_wildcard() {
    let recorder = PolicyRecorder::new();
    let client = client(&recorder);
    for name in [
        "*",
        "My*",
        "My?able",
        "a/b",
        "${aws:username}",
        "arn:aws:dynamodb:*:*:table/*",
    ] {
        let _ = client
            .get_item()
            .table_name(name)
            .key("id", text("1"))
            .send()
            .await;
        let _ = client.describe_table().table_name(name).send().await;
        let _ = client
            .query()
            .table_name("MyTable")
            .index_name(name)
            .send()
            .await;
        let _ = client
            .list_tags_of_resource()
            .resource_arn(name)
            .send()
            .await;
    }
    assert_eq!(recorded(&recorder), Vec::<String>::new());
    let unnamed = [
        "dynamodb:DescribeTable",
        "dynamodb:GetItem",
        "dynamodb:ListTagsOfResource",
        "dynamodb:Query",
    ];
    assert_eq!(recorder.unnamed(), unnamed);
    assert!(format!("{recorder:?}").contains("dynamodb:ListTagsOfResource"));
    recorder.clear();
    assert!(recorder.unnamed().is_empty());
}

#[tokio::test]
async fn what_it_cannot_tell_is_said_instead_of_left_out() {
    let recorder = PolicyRecorder::new();
    let client = client(&recorder);
    let _ = client
        .get_item()
        .table_name("MyTable")
        .key("id", text("1"))
        .send()
        .await;
    let policy = recorder.policy("aws", "us-east-1", "123456789012").unwrap();
    let _ = client
        .execute_statement()
        .statement("EXPLAIN 'my secret'")
        .send()
        .await;
    let error = recorder
        .policy("aws", "us-east-1", "123456789012")
        .unwrap_err()
        .to_string();
    insta::assert_snapshot!(error, @"derive policy: recorder: cannot tell which permissions were used: ExecuteStatement (a PartiQL statement that is not understood)");
    assert_eq!(
        recorder.assert_within(&policy).unwrap_err().to_string(),
        error
    );
    recorder.clear();
    assert_eq!(recorded(&recorder), Vec::<String>::new());
}

#[tokio::test]
async fn the_calls_of_another_service_are_said_too() {
    let recorder = PolicyRecorder::new();
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(aws_sdk_sqs::config::BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(
            "AKIDEXAMPLE",
            "secret",
            None,
            None,
            "test",
        ))
        .timeout_config(TimeoutConfig::disabled())
        .http_client(http_client_fn(|_, _| SharedHttpConnector::new(EmptyAnswer)))
        .interceptor(recorder.clone())
        .build();
    let _ = aws_sdk_sqs::Client::from_conf(config)
        .list_queues()
        .send()
        .await;
    let error = recorder
        .policy("aws", "us-east-1", "123456789012")
        .unwrap_err();
    insta::assert_snapshot!(error, @"derive policy: recorder: cannot tell which permissions were used: SQS ListQueues (only DynamoDB is recorded)");
}

#[tokio::test]
async fn the_policy_is_the_least_that_covers_what_was_seen() {
    let recorder = PolicyRecorder::new();
    let client = client(&recorder);
    let _ = client.query().table_name("MyTable").send().await;
    let _ = client
        .get_item()
        .table_name("MyTable")
        .key("id", text("1"))
        .send()
        .await;
    let _ = client
        .get_item()
        .table_name("MyTable")
        .key("id", text("2"))
        .send()
        .await;
    let _ = client
        .query()
        .table_name("MyTable")
        .index_name("byDate")
        .send()
        .await;
    let _ = client
        .get_item()
        .table_name("Other")
        .key("id", text("1"))
        .send()
        .await;
    let _ = client.query().table_name("Other").send().await;
    let policy = recorder.policy("aws", "us-east-1", "123456789012").unwrap();
    insta::assert_snapshot!(policy, @r#"
{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Action": [
        "dynamodb:GetItem",
        "dynamodb:Query"
      ],
      "Resource": [
        "arn:aws:dynamodb:us-east-1:123456789012:table/MyTable",
        "arn:aws:dynamodb:us-east-1:123456789012:table/Other"
      ]
    },
    {
      "Effect": "Allow",
      "Action": "dynamodb:Query",
      "Resource": "arn:aws:dynamodb:us-east-1:123456789012:table/MyTable/index/byDate"
    }
  ]
}
"#);
    recorder.assert_within(&policy).unwrap();

    // no statement is superfluous
    let statements: Vec<Statement> = policy.statements().cloned().collect();
    assert_eq!(statements.len(), 2);
    for without in 0..statements.len() {
        let mut fewer = statements.clone();
        fewer.remove(without);
        let fewer = PermissionPolicy::new(fewer).unwrap();
        assert!(
            recorder.assert_within(&fewer).is_err(),
            "without statement {without}"
        );
    }
}

#[tokio::test]
async fn a_new_call_that_the_policy_does_not_cover_is_listed_with_the_statement_to_add() {
    let policy = PermissionPolicy::new([Statement::allow(
        ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"],
        ["arn:aws:dynamodb:us-east-1:123456789012:table/MyTable"],
    )])
    .unwrap();
    let recorder = PolicyRecorder::new();
    let client = client(&recorder);
    let _ = client
        .get_item()
        .table_name("MyTable")
        .key("id", text("1"))
        .send()
        .await;
    let _ = client.query().table_name("MyTable").send().await;
    recorder.assert_within(&policy).unwrap();
    let _ = client
        .query()
        .table_name("MyTable")
        .index_name("byDate")
        .send()
        .await;
    let _ = client.scan().table_name("MyTable").send().await;
    insta::assert_snapshot!(recorder.assert_within(&policy).unwrap_err(), @r#"check policy: policy: does not cover dynamodb:Scan on table/MyTable (not allowed by any statement), dynamodb:Query on table/MyTable/index/byDate (not allowed by any statement); add {"Effect":"Allow","Action":"dynamodb:Scan","Resource":"arn:aws:dynamodb:us-east-1:123456789012:table/MyTable"},{"Effect":"Allow","Action":"dynamodb:Query","Resource":"arn:aws:dynamodb:us-east-1:123456789012:table/MyTable/index/byDate"}"#);
}

#[test]
fn clones_share_what_they_have_seen_and_many_threads_lose_nothing() {
    let recorder = PolicyRecorder::new();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let recorder = recorder.clone();
            scope.spawn(move || {
                for table in 0..50 {
                    recorder.record(Grant::on_table(
                        "dynamodb:GetItem",
                        format!("T{thread}-{table}"),
                    ));
                }
            });
        }
    });
    assert_eq!(recorder.grants().len(), 400);
}
