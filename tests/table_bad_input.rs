//! Bad input is an error at `send` that names operation, table and attribute; nothing is sent.
#![cfg(feature = "table")]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/table.rs"]
mod support;

use aws_credential_strategies::table::{
    AttributeValue, Cond, Cursor, IntoKey, Item, Key, Path, Value, attr, size, sort,
};
use aws_credential_strategies::{Error, ErrorKind, Result, path};
use serde_json::{Value as Json, json};
use std::collections::HashMap;
use std::time::Duration;
use support::Transport;

/// What an error must name: operation, table and the rest.
#[track_caller]
fn refused<T>(result: Result<T>, operation: &str, names: &[&str]) {
    let error = result.err().expect("it must be refused");
    assert!(
        matches!(error.kind(), ErrorKind::Usage | ErrorKind::Encode),
        "{error:?}"
    );
    assert!(!error.is_retryable());
    assert_eq!(error.operation().as_str(), operation);
    let line = error.to_string();
    for name in [&[operation, "via Fixed"], names].concat() {
        assert!(line.contains(name), "{line} does not name {name}");
    }
}

#[tokio::test]
async fn keys_are_checked() {
    let transport = Transport::silent();
    let table = transport.dynamo().table("MyTable");
    let get = |key: Result<Key>| table.get(key_or(key)).send::<Json>();
    fn key_or(key: Result<Key>) -> impl IntoKey {
        struct Given(Result<Key>);
        impl IntoKey for Given {
            fn into_key(self) -> Result<Key> {
                self.0
            }
        }
        Given(key)
    }
    let names = |what| ["table MyTable", what];
    refused(
        get(("id", true).into_key()).await,
        "get",
        &names("key attribute \"id\""),
    );
    refused(
        get(("id", None::<String>).into_key()).await,
        "get",
        &names("NULL"),
    );
    refused(
        get(("id", f64::NAN).into_key()).await,
        "get",
        &names("key attribute \"id\""),
    );
    refused(
        get(("", "x").into_key()).await,
        "get",
        &names("key attribute"),
    );
    refused(
        get((("a", 1), ("a", 2)).into_key()).await,
        "get",
        &names("\"a\" twice"),
    );
    refused(
        get((("a", 1), ("b", [1])).into_key()).await,
        "get",
        &names("key attribute \"b\""),
    );
    refused(get(Item::new().into_key()).await, "get", &names("key"));
    refused(
        get((&json!({ "a": 1, "b": 2, "c": 3 })).into_key()).await,
        "get",
        &names("not 3 attributes"),
    );
    refused(
        get((&json!("text")).into_key()).await,
        "get",
        &names("MyTable"),
    );
    let wrong = AttributeValue::Bool(true);
    refused(
        get(HashMap::from([("id".to_owned(), wrong)]).into_key()).await,
        "get",
        &names("\"id\""),
    );

    refused(
        table.delete(("id", true)).send().await,
        "delete",
        &names("key attribute \"id\""),
    );
    refused(
        table.update(("id", true)).set("a", 1).send().await,
        "update",
        &names("key attribute \"id\""),
    );
    let keys = [("id", Some("a")), ("id", None)];
    refused(
        table.batch_get(keys).send::<Json>().await,
        "batch get",
        &names("key 1, key attribute \"id\""),
    );
    assert_eq!(transport.count(), 0);
}

#[tokio::test]
async fn values_are_checked_and_named() {
    let transport = Transport::silent();
    let table = transport.dynamo().table("MyTable");
    #[derive(serde::Serialize)]
    struct Deep {
        id: &'static str,
        list: Vec<HashMap<&'static str, f64>>,
    }
    let deep = Deep {
        id: "1",
        list: vec![HashMap::new(), HashMap::from([("x", f64::INFINITY)])],
    };
    refused(
        table.put(&deep).send().await,
        "put",
        &["table MyTable", "attribute list[1].x", "infinity"],
    );
    refused(
        table.put("not a map").send().await,
        "put",
        &["table MyTable"],
    );
    let update = || table.update(("id", "1"));
    refused(
        update().set("a.b", f64::NAN).send().await,
        "update",
        &["attribute a.b", "NaN"],
    );
    let no_strings = Value::strings(Vec::<String>::new());
    refused(
        update().set("tags", no_strings).send().await,
        "update",
        &["attribute tags", "empty sets"],
    );
    refused(
        update().add("n", "one").send().await,
        "update",
        &["attribute n", "a number"],
    );
    refused(
        update().add("n", json!([1, "a"])).send().await,
        "update",
        &["attribute n"],
    );
    refused(
        update().delete_from_set("t", true).send().await,
        "update",
        &["attribute t", "members of a set"],
    );
    refused(
        update().delete_from_set("t", [0; 0]).send().await,
        "update",
        &["attribute t"],
    );
    refused(
        update().append("l", f64::NAN).send().await,
        "update",
        &["attribute l"],
    );
    refused(
        update().version("v", Some(u64::MAX)).send().await,
        "update",
        &["version"],
    );
    refused(
        table
            .put(&json!({ "id": 1 }))
            .version("v", Some(u64::MAX))
            .send()
            .await,
        "put",
        &["version"],
    );
    refused(
        table
            .delete(("id", 1))
            .version("v", Some(u64::MAX))
            .send()
            .await,
        "delete",
        &["version"],
    );
    let query = table.query("id", f64::NAN).all::<Json>().await;
    refused(query, "query", &["table MyTable", "key attribute \"id\""]);
    let nan = table
        .query("id", 1)
        .sort(sort("n").between(1, f64::NAN))
        .count()
        .await;
    refused(nan, "query", &["NaN"]);
    assert_eq!(transport.count(), 0);
}

#[tokio::test]
async fn paths_and_conditions_are_checked() {
    let transport = Transport::silent();
    let table = transport.dynamo().table("MyTable");
    for bad in [
        "",
        ".",
        "a.",
        ".a",
        "a..b",
        "a[",
        "a[]",
        "a[x]",
        "a[-1]",
        "a]b[",
        "[0]",
        "a[0]b",
        "a[99999999999999999999]",
    ] {
        let names = ["table MyTable", "attribute", "path!"];
        refused(
            table.scan().filter(attr(bad).exists()).all::<Json>().await,
            "scan",
            &names,
        );
        refused(
            table.update(("id", 1)).remove(bad).send().await,
            "update",
            &names,
        );
        refused(
            table
                .get(("id", 1))
                .project(["ok", bad])
                .send::<Json>()
                .await,
            "get",
            &names,
        );
        refused(
            table
                .delete(("id", 1))
                .only_if(size(bad).gt(1))
                .send()
                .await,
            "delete",
            &names,
        );
    }
    refused(
        table
            .scan()
            .filter(attr(path![0, "a"]).exists())
            .count()
            .await,
        "scan",
        &["name first"],
    );
    refused(
        table.scan().filter(attr(path![""]).exists()).count().await,
        "scan",
        &["not empty"],
    );
    refused(
        table
            .scan()
            .filter(attr(Path::new([])).exists())
            .count()
            .await,
        "scan",
        &["at least one"],
    );
    refused(
        table.put(&json!({ "id": 1 })).if_absent("").send().await,
        "put",
        &["not empty"],
    );
    refused(
        table.get(("id", 1)).project([""; 0]).send::<Json>().await,
        "get",
        &["project"],
    );
    refused(
        table.query("", 1).count().await,
        "query",
        &["partition key attribute"],
    );

    let filter = |condition: Cond| table.scan().filter(condition).count();
    refused(
        filter(attr("a").is_in(Vec::<i32>::new())).await,
        "scan",
        &["is_in"],
    );
    refused(filter(attr("a").gt(f64::NAN)).await, "scan", &["NaN"]);
    let none = || Vec::<(String, String)>::new();
    refused(
        filter(Cond::raw("a = :b", none(), none())).await,
        "scan",
        &[":b stands for nothing"],
    );
    refused(
        filter(Cond::raw("#a = b", none(), none())).await,
        "scan",
        &["#a stands for nothing"],
    );
    refused(
        filter(Cond::raw(" ", none(), none())).await,
        "scan",
        &["raw condition"],
    );
    refused(
        filter(Cond::raw("a = b", none(), [(":x", 1)])).await,
        "scan",
        &["\":x\" is not in"],
    );
    refused(
        filter(Cond::raw("a = b", [("#x", "a")], none())).await,
        "scan",
        &["\"#x\" is not in"],
    );
    refused(
        filter(Cond::raw("a = :b", none(), [(":b", 1), (":b", 2)])).await,
        "scan",
        &["raw condition", "\":b\" is given twice"],
    );
    refused(
        filter(Cond::raw("#a = a", [("#a", "x"), ("#a", "y")], none())).await,
        "scan",
        &["raw condition", "\"#a\" is given twice"],
    );
    assert_eq!(transport.count(), 0);
}

#[tokio::test]
async fn tables_and_indexes_are_checked() {
    let transport = Transport::silent();
    let db = transport.dynamo();
    let long = "x".repeat(256);
    let arn = "arn:aws:dynamodb:us-east-1:123456789012:table/MyTable";
    let arns = [
        "arn:aws:dynamodb:us-east-1:123456789012:table/",
        "arn:aws:dynamodb:us-east-1:1234:table/MyTable",
        "arn:aws:s3:us-east-1:123456789012:table/MyTable",
        "arn:aws:dynamodb::123456789012:table/MyTable",
        "arn:aws:dynamodb:us-east-1:123456789012:index/MyTable",
        "arn:aws",
        &format!("{arn}/index/byDay"),
    ];
    for name in ["", "ab", "my table", "tablé", "a/b", long.as_str()]
        .into_iter()
        .chain(arns)
    {
        let table = db.table(name);
        refused(
            table.get(("id", 1)).send::<Json>().await,
            "get",
            &["table: "],
        );
        refused(
            table.put(&json!({ "id": 1 })).send().await,
            "put",
            &["table: "],
        );
        refused(table.update(("id", 1)).send().await, "update", &["table: "]);
        refused(table.delete(("id", 1)).send().await, "delete", &["table: "]);
        refused(table.query("id", 1).count().await, "query", &["table: "]);
        refused(table.scan().page::<Json>().await, "scan", &["table: "]);
        refused(table.scan().output().await, "scan", &["table: "]);
        refused(
            table.batch_get([("id", 1)]).send::<Json>().await,
            "batch get",
            &["table: "],
        );
        refused(
            table.batch_write().delete(("id", 1)).send().await,
            "batch write",
            &["table: "],
        );
        let write = db.transact_write().put(table.put(&json!({ "id": 1 })));
        refused(write.send().await, "transact write", &["item 0, table: "]);
        let read = db.transact_get().get(table.get(("id", 1)));
        refused(
            read.send::<Json>().await,
            "transact get",
            &["item 0, table: "],
        );
        refused(
            table.wait_until_active(Duration::ZERO).await,
            "describe",
            &["table: "],
        );
        let mut stream = table.scan().stream::<Json>();
        refused(stream.next().await.unwrap(), "scan", &["table: "]);
        assert!(stream.next().await.is_none());
    }
    refused(
        db.table("MyTable").scan().index("a b").count().await,
        "scan",
        &["index: "],
    );
    assert_eq!(transport.count(), 0);
}

#[tokio::test]
async fn limits_are_checked() {
    let transport = Transport::silent();
    let db = transport.dynamo();
    let table = db.table("MyTable");
    refused(
        table.scan().segments(0).count().await,
        "scan",
        &["segments"],
    );
    refused(
        table.scan().segments(1_000_001).count().await,
        "scan",
        &["segments"],
    );
    refused(
        table.scan().segments(2).page::<Json>().await,
        "scan",
        &["segments"],
    );
    refused(
        table.scan().segments(2).output().await,
        "scan",
        &["segments"],
    );
    let cursor: Cursor = "eyJhIjp7IlMiOiJ4In19".parse().unwrap();
    refused(
        table.scan().segments(2).start_at(cursor).count().await,
        "scan",
        &["start_at"],
    );
    refused(
        table.scan().page_size(0).count().await,
        "scan",
        &["page_size"],
    );
    refused(
        table.scan().page_size(0).take(0).all::<Json>().await,
        "scan",
        &["page_size"],
    );
    refused(
        table.scan().max_requests(0).count().await,
        "scan",
        &["max_requests"],
    );
    refused(table.scan().take(1).count().await, "scan", &["take"]);
    refused(table.scan().take(0).page::<Json>().await, "scan", &["take"]);
    let filtered = table.query("id", 1).filter(attr("a").exists()).take(1);
    refused(filtered.page::<Json>().await, "query", &["take"]);

    let put = |n: usize| table.put(&json!({ "id": n }));
    let many = (0..101).fold(db.transact_write(), |all, n| all.put(put(n)));
    refused(
        many.send().await,
        "transact write",
        &["table MyTable", "at most 100, not 101"],
    );
    let many = (0..101).fold(db.transact_get(), |all, n| all.get(table.get(("id", n))));
    refused(
        many.send::<Json>().await,
        "transact get",
        &["at most 100, not 101"],
    );
    for token in [String::new(), "t".repeat(37)] {
        let transaction = db.transact_write().put(put(1)).token(&token);
        refused(transaction.send().await, "transact write", &["token"]);
    }
    assert_eq!(transport.count(), 0);
}

#[tokio::test]
async fn an_operation_is_refused_where_it_cannot_be_carried_out() {
    let transport = Transport::silent();
    let db = transport.dynamo();
    let (table, other) = (db.table("MyTable"), db.table("OtherTable"));
    let put = || table.put(&json!({ "id": 1 }));
    let batch = || table.batch_write().put(&json!({ "id": 0 }));
    let conditional = batch()
        .write(put().only_if(attr("a").exists()))
        .send()
        .await;
    refused(
        conditional,
        "batch write",
        &["table MyTable", "write 1, condition"],
    );
    let versioned = batch()
        .write(table.delete(("id", 1)).version("v", None))
        .send()
        .await;
    refused(versioned, "batch write", &["write 1, condition"]);
    let elsewhere = batch().write(other.delete(("id", 1))).send().await;
    refused(elsewhere, "batch write", &["write 1", "OtherTable"]);
    let raw = batch().write(put().raw(|put| put)).send().await;
    refused(raw, "batch write", &["write 1, raw"]);
    let bad = batch()
        .put(&json!({ "id": 1 }))
        .put("text")
        .delete(("id", true))
        .send()
        .await;
    refused(bad, "batch write", &["write 2"]);
    let keyless = batch()
        .put(&json!({ "name": 1 }))
        .dedupe_by(["id"])
        .send()
        .await;
    refused(keyless, "batch write", &["write 1, attribute id"]);

    let raw = db
        .transact_write()
        .put(put())
        .update(table.update(("id", 2)).set("a", 1).raw(|u| u));
    refused(
        raw.send().await,
        "transact write",
        &["table MyTable", "item 1, raw"],
    );
    let empty = db.transact_write().update(table.update(("id", 2)));
    refused(empty.send().await, "transact write", &["item 0, update"]);
    let strange = transport.dynamo().table("MyTable");
    let mixed = db
        .transact_write()
        .check(strange.check(("id", 1), attr("a").exists()));
    refused(
        mixed.send().await,
        "transact write",
        &["item 0, operation", "same client"],
    );
    let bad: Error = db
        .transact_get()
        .get(table.get(("id", true)))
        .output()
        .await
        .unwrap_err();
    assert!(
        bad.to_string().contains("item 0, key attribute \"id\""),
        "{bad}"
    );
    assert_eq!(transport.count(), 0);
}

#[tokio::test]
async fn a_key_without_a_name_is_told_what_to_write() {
    let transport = Transport::silent();
    let table = transport.dynamo().table("MyTable");
    let names = ["table MyTable", "key: ", "(\"id\", \"123\")"];
    refused(table.get("123").send::<Json>().await, "get", &names);
    refused(table.get(&123).send::<Json>().await, "get", &names);
    refused(
        table.get(&["id", "123"]).send::<Json>().await,
        "get",
        &names,
    );
    refused(table.delete("123").send().await, "delete", &names);
    refused(
        table.update(&["id", "123"]).set("a", 1).send().await,
        "update",
        &names,
    );
    refused(
        table.batch_get(["123"]).send::<Json>().await,
        "batch get",
        &names[2..],
    );
    refused(
        table.put("123").send().await,
        "put",
        &["expected an item", "not S"],
    );
    assert_eq!(transport.count(), 0);
}
