//! What an operation says it needs is what it uses.
#![cfg(feature = "table")]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/table.rs"]
mod support;

use aws_credential_strategies::iam::{Grant, Requires};
use aws_credential_strategies::table::attr;
use serde_json::{Value as Json, json};
use std::time::Duration;
use support::{Answer, Transport};

const ARN: &str = "arn:aws:dynamodb:eu-west-1:444455556666:table/Elsewhere";

/// Sends an operation, and compares what it said with what was recorded.
macro_rules! needs {
    ($operation:expr, $send:ident $(::<$item:ty>)?, [$($grant:expr),*]) => {{
        let transport = Transport::new(|_| Answer::ok(json!({})));
        let db = transport.dynamo();
        let operation = ($operation)(&db);
        let said = operation.grants();
        assert_eq!(said, [$($grant),*]);
        assert!(db.recorder().grants().is_empty(), "nothing was sent yet");
        let _ = operation.$send$(::<$item>)?().await.unwrap();
        assert_eq!(db.recorder().grants(), said);
    }};
}

type Db = aws_credential_strategies::Dynamo<support::Fixed>;

#[tokio::test]
async fn each_operation_needs_what_it_says() {
    let on = |action: &'static str| Grant::on_table(action, "MyTable");
    let item = json!({ "id": 1 });
    needs!(
        |db: &Db| db.table("MyTable").get(("id", 1)),
        send::<Json>,
        [on("dynamodb:GetItem")]
    );
    needs!(
        |db: &Db| db.table("MyTable").put(&item).if_absent("id"),
        attempt::<Json>,
        [on("dynamodb:PutItem")]
    );
    needs!(
        |db: &Db| db.table("MyTable").update(("id", 1)),
        returning_new::<Json>,
        [on("dynamodb:UpdateItem")]
    );
    needs!(
        |db: &Db| db.table("MyTable").delete(("id", 1)),
        returning_old::<Json>,
        [on("dynamodb:DeleteItem")]
    );
    needs!(
        |db: &Db| db.table("MyTable").query("id", 1),
        count,
        [on("dynamodb:Query")]
    );
    needs!(
        |db: &Db| db.table("MyTable").query("id", 1).index("byDay"),
        all::<Json>,
        [Grant::on_index("dynamodb:Query", "MyTable", "byDay")]
    );
    needs!(
        |db: &Db| db.table("MyTable").scan(),
        page::<Json>,
        [on("dynamodb:Scan")]
    );
    needs!(
        |db: &Db| db.table(ARN).scan().index("byDay"),
        output,
        [Grant::on_arn("dynamodb:Scan", format!("{ARN}/index/byDay"))]
    );
    needs!(
        |db: &Db| db.table("MyTable").batch_get([("id", 1)]),
        send::<Json>,
        [on("dynamodb:BatchGetItem")]
    );
    needs!(
        |db: &Db| db.table("MyTable").batch_write().put(&item),
        send,
        [on("dynamodb:BatchWriteItem")]
    );
    needs!(
        |db: &Db| {
            let (table, other) = (db.table("MyTable"), db.table("Another"));
            db.transact_get()
                .get(table.get(("id", 1)))
                .get(table.get(("id", 2)))
                .get(other.get(("id", 1)))
        },
        send::<Json>,
        [
            Grant::on_table("dynamodb:GetItem", "Another"),
            on("dynamodb:GetItem")
        ]
    );
    needs!(
        |db: &Db| {
            let table = db.table("MyTable");
            db.transact_write()
                .put(table.put(&item))
                .update(table.update(("id", 2)).set("a", 1))
                .delete(table.delete(("id", 3)))
                .check(table.check(("id", 4), attr("a").exists()))
        },
        send,
        [
            on("dynamodb:ConditionCheckItem"),
            on("dynamodb:DeleteItem"),
            on("dynamodb:PutItem"),
            on("dynamodb:UpdateItem")
        ]
    );
}

#[tokio::test]
async fn waiting_for_a_table_is_the_only_call_that_describes_it() {
    let active = json!({ "Table": { "TableStatus": "ACTIVE" } });
    let transport = Transport::new(move |_| Answer::ok(active.clone()));
    let db = transport.dynamo();
    db.table("MyTable")
        .wait_until_active(Duration::from_secs(1))
        .await
        .unwrap();
    let grants = db.recorder().grants();
    assert_eq!(
        grants,
        [Grant::on_table("dynamodb:DescribeTable", "MyTable")]
    );
}

#[tokio::test]
async fn a_changed_request_and_the_raw_client_are_recorded_too() {
    let transport = Transport::new(|_| Answer::ok(json!({})));
    let db = transport.dynamo();
    let query = db
        .table("MyTable")
        .query("id", 1)
        .raw(|query| query.index_name("byName"));
    let _ = query.all::<Json>().await.unwrap();
    db.client().list_tables().send().await.unwrap();
    let policy = db
        .recorder()
        .policy("aws", "us-east-1", "123456789012")
        .unwrap()
        .to_string();
    assert!(policy.contains("table/MyTable/index/byName"), "{policy}");
    assert!(policy.contains("dynamodb:ListTables"), "{policy}");
    assert!(!policy.contains("DescribeTable"), "{policy}");
}
