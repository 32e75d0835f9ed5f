//! What one of put, update and delete can, all can where DynamoDB can: conditions, what is returned, a
//! failed condition as a value, and the same as parts of a transaction.
#![cfg(feature = "table")]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/table.rs"]
mod support;

use aws_credential_strategies::table::{
    Attempt, AttributeValue, Item, Update, Verb, Write, attr, list_append,
};
use aws_credential_strategies::{CancellationReason, ErrorKind, Table};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use support::{Answer, Embedded, Fixed, Transport, create_table};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Row {
    id: String,
    n: i64,
}

fn row(n: i64) -> Row {
    Row { id: "1".into(), n }
}

async fn table() -> (aws_credential_strategies::Dynamo<Fixed>, Table<Fixed>) {
    let db = Embedded::start().await.dynamo();
    create_table(db.client(), "Rows", "id", None).await;
    let table = db.table("Rows");
    (db, table)
}

/// What every write does, whichever it is: `write` makes it anew, each time on the row that holds 1.
async fn suite<V: Verb>(table: &Table<Fixed>, write: impl Fn() -> Write<V> + Send + Sync) {
    let reset = async || table.put(&row(1)).send().await.unwrap();
    let fails = || write().only_if(attr("n").gt(5));
    let holds = || {
        write()
            .only_if(attr("n").eq(1))
            .only_if(attr("id").exists())
    };

    reset().await;
    holds().send().await.unwrap();
    reset().await;
    assert_eq!(holds().attempt::<Row>().await.unwrap(), Attempt::Written);
    reset().await;
    let old = holds().attempt_returning_old::<Row>().await.unwrap();
    assert_eq!(old, Attempt::Returned(Some(row(1))));
    assert!(old.is_written());
    reset().await;
    assert_eq!(holds().returning_old::<Row>().await.unwrap(), Some(row(1)));
    reset().await;
    let output = holds().consumed_capacity().output().await;
    output.unwrap();

    reset().await;
    let error = fails().send().await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Conflict);
    assert!(error.conflict::<Row>().is_none(), "it was not asked for");
    assert!(!error.may_be_done());
    let error = fails().returning_conflict().send().await.unwrap_err();
    assert_eq!(error.conflict::<Row>().unwrap().unwrap(), row(1));
    let error = fails().returning_old::<Row>().await.unwrap_err();
    assert_eq!(error.conflict::<Row>().unwrap().unwrap(), row(1));
    for attempt in [
        fails().attempt::<Row>().await.unwrap(),
        fails().attempt_returning_old::<Row>().await.unwrap(),
    ] {
        assert_eq!(attempt, Attempt::Rejected(Some(row(1))));
        assert!(!attempt.is_written());
    }
    let none: Row = table.get(("id", "1")).send().await.unwrap().unwrap();
    assert_eq!(none, row(1), "nothing was written");
}

#[tokio::test]
async fn every_verb_passes_the_same_suite() {
    let (_, table) = table().await;
    suite(&table, || table.put(&row(2))).await;
    suite(&table, || table.update(("id", "1")).add("n", 1)).await;
    suite(&table, || table.delete(("id", "1"))).await;
}

#[tokio::test]
async fn every_part_of_a_transaction_can_return_what_stood_in_its_way() {
    let (db, table) = table().await;
    table.put(&row(1)).send().await.unwrap();
    let there = attr("n").gt(5);
    let parts = [
        db.transact_write().put(
            table
                .put(&row(2))
                .only_if(there.clone())
                .returning_conflict(),
        ),
        db.transact_write().update(
            table
                .update(("id", "1"))
                .set("n", 2)
                .only_if(there.clone())
                .returning_conflict(),
        ),
        db.transact_write().delete(
            table
                .delete(("id", "1"))
                .only_if(there.clone())
                .returning_conflict(),
        ),
        db.transact_write()
            .check(table.check(("id", "1"), there.clone()).returning_conflict()),
    ];
    for part in parts {
        let other = table.put(&Row {
            id: "2".into(),
            n: 7,
        });
        let error = part.put(other).send().await.unwrap_err();
        let ErrorKind::Canceled(reasons) = error.kind() else {
            panic!("{error}");
        };
        assert_eq!(reasons[0].item::<Row>().unwrap().unwrap(), row(1));
        assert!(reasons[1].item::<Row>().is_none());
        assert_eq!(error.conflict::<Row>().unwrap().unwrap(), row(1));
        assert!(
            !format!("{error:?}").contains("\"1\""),
            "the item is shown nowhere"
        );
    }
    let silent = db
        .transact_write()
        .delete(table.delete(("id", "1")).only_if(there));
    let error = silent.send().await.unwrap_err();
    assert!(error.conflict::<Row>().is_none());
    assert_eq!(
        CancellationReason::default()
            .item::<Row>()
            .map(drop)
            .ok_or(()),
        Err(())
    );
}

#[tokio::test]
async fn an_update_returns_old_and_new_whole_and_in_part() {
    let (_, table) = table().await;
    let update = || table.update(("id", "1")).add("n", 1);
    table
        .put(&json!({ "id": "1", "n": 1, "other": true }))
        .send()
        .await
        .unwrap();
    let old: Json = update().returning_old().await.unwrap().unwrap();
    assert_eq!(old, json!({ "id": "1", "n": 1, "other": true }));
    let new: Json = update().returning_new().await.unwrap().unwrap();
    assert_eq!(new, json!({ "id": "1", "n": 3, "other": true }));
    let old: Json = update().returning_updated_old().await.unwrap().unwrap();
    assert_eq!(old, json!({ "n": 3 }));
    let new: Json = update().returning_updated_new().await.unwrap().unwrap();
    assert_eq!(new, json!({ "n": 5 }));
    let new = update()
        .only_if(attr("n").eq(5))
        .attempt_returning_new::<Row>();
    assert_eq!(new.await.unwrap(), Attempt::Returned(Some(row(6))));
    let there = update()
        .only_if(attr("n").eq(5))
        .attempt_returning_new::<Row>();
    assert_eq!(there.await.unwrap(), Attempt::Rejected(Some(row(6))));
    for nothing in [json!({}), json!({ "Attributes": {} })] {
        let transport = Transport::replay([Answer::ok(nothing)]);
        let table = transport.dynamo().table("Rows");
        let none = table.update(("id", "2")).set("a", 1).returning_old::<Row>();
        assert_eq!(none.await.unwrap(), None);
    }
}

#[tokio::test]
async fn an_update_computes_from_the_item() {
    let (db, table) = table().await;
    table
        .put(&json!({ "id": "1", "a": 1, "b": 7, "list": ["m"], "deep": { "x": 1 } }))
        .send()
        .await
        .unwrap();
    let update = || -> Update {
        table
            .update(("id", "1"))
            .set("a", attr("b"))
            .set("c", attr("b") - 2)
            .set("d", attr("none").or(10) + attr("a"))
            .set("e", attr("none").or(attr("deep.x")))
            .set(
                "f",
                aws_credential_strategies::table::Operand::value(100) - attr("b"),
            )
            .prepend("list", "l")
            .append("g", "only")
            .prepend_all("h", ["x", "y"])
            .set("i", list_append(attr("list"), ["n", "o"]))
            .set("j", attr("none").or("text"))
            .expression(
                "set #n0[0] = :v0, #deep.y = :v1 remove #x.x",
                [("#n0", "array"), ("#deep", "deep"), ("#x", "deep")],
                [(":v0", 1), (":v1", 2)],
            )
    };
    // a list that is not there has no first element
    assert_eq!(
        *update().send().await.unwrap_err().kind(),
        ErrorKind::Invalid
    );
    table
        .update(("id", "1"))
        .set("array", [0])
        .send()
        .await
        .unwrap();
    db.transact_write().update(update()).send().await.unwrap();
    let now: Json = table.get(("id", "1")).send().await.unwrap().unwrap();
    let expected = json!({
        "id": "1", "a": 7, "b": 7, "c": 5, "d": 11, "e": 1, "f": 93, "list": ["l", "m"], "g": ["only"],
        "h": ["x", "y"], "i": ["m", "n", "o"], "j": "text", "array": [1], "deep": { "y": 2 },
    });
    assert_eq!(now, expected);
    let alone = table.update(("id", "1")).expression("REMOVE a, b", [], []);
    let now: Item = alone.returning_new().await.unwrap().unwrap();
    assert!(!now.contains_key("a") && !now.contains_key("b"));
}

#[tokio::test]
async fn an_update_from_a_struct_and_from_a_patch() {
    #[derive(Serialize)]
    struct Change {
        id: &'static str,
        name: Option<&'static str>,
        nested: Json,
        #[serde(skip_serializing_if = "Option::is_none")]
        untouched: Option<u8>,
    }
    let (_, table) = table().await;
    let held =
        json!({ "id": "1", "name": "x", "untouched": 1, "nested": { "a": 1, "b": { "c": 2 } } });
    table.put(&held).send().await.unwrap();
    let change = Change {
        id: "1",
        name: None,
        nested: json!({ "z": 1 }),
        untouched: None,
    };
    let now: Json = table
        .update(("id", "1"))
        .set_all(&change)
        .returning_new()
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        now,
        json!({ "id": "1", "untouched": 1, "nested": { "z": 1 } })
    );

    table.put(&held).send().await.unwrap();
    let patch = json!({ "name": null, "nested": { "a": null, "b": { "c": 3, "d.e": [1] }, "f": {} }, "new": "n" });
    let now: Json = table
        .update(("id", "1"))
        .patch(&patch)
        .returning_new()
        .await
        .unwrap()
        .unwrap();
    let expected =
        json!({ "id": "1", "untouched": 1, "new": "n", "nested": { "b": { "c": 3, "d.e": [1] } } });
    assert_eq!(now, expected);
    let other = table
        .update(("id", "1"))
        .set_all(&json!({ "id": "2", "a": 1 }))
        .send()
        .await;
    let error = other.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Usage);
    assert!(
        error.to_string().contains("key attribute \"id\""),
        "{error}"
    );
}

#[tokio::test]
async fn a_cancellation_without_reasons_keeps_the_message() {
    let message = "Transaction cancelled, please refer cancellation reasons for specific reasons [TransactionConflict]";
    let transport = Transport::replay([Answer::error("TransactionCanceledException", message)]);
    let db = transport.dynamo();
    let error = db
        .transact_write()
        .put(db.table("Rows").put(&row(1)))
        .send()
        .await
        .unwrap_err();
    assert!(error.to_string().contains(message), "{error}");
}

#[tokio::test]
async fn what_an_update_cannot_compute_is_refused_before_it_is_sent() {
    use aws_credential_strategies::table::size;
    let transport = Transport::silent();
    let table = transport.dynamo().table("Rows");
    let update = || table.update(("id", "1"));
    let refused = [
        update().set("a", size("b")),
        update().set("a", attr("b") + attr("c") + 1),
        update().set("a", list_append(attr("b") + 1, [1])),
        update().set("a", attr("b").or(size("c"))),
        update().expression("a = b", [], []),
        update().expression("SET", [], []),
        update().expression("SET REMOVE a", [], []),
        update().expression("SET #a = :b", [("#a", "a")], []),
        update().expression("SET a = :b", [("#a", "a")], [(":b", 1)]),
        update().set("a", 1).only_if(attr("a").eq(attr("b") + 1)),
        update().set("x".repeat(255) + &".a".repeat(2000), 1),
    ];
    for update in refused {
        let shown = format!("{update:?}");
        let error = update
            .send()
            .await
            .err()
            .unwrap_or_else(|| panic!("{shown}"));
        assert_eq!(*error.kind(), ErrorKind::Usage, "{error}");
        assert_eq!(error.operation().as_str(), "update");
    }
    let shown = format!(
        "{:?}",
        table.put(&Item::from([("id", AttributeValue::S("secret".into()))]))
    );
    assert!(
        shown.contains("\"id\"") && !shown.contains("secret"),
        "{shown}"
    );
}

#[tokio::test]
async fn parts_that_only_raw_knows_of_are_sent() {
    use aws_sdk_dynamodb::types::{Delete, Get, TransactGetItem, TransactWriteItem};
    let transport = Transport::replay([
        Answer::ok(json!({})),
        Answer::ok(json!({})),
        Answer::ok(json!({ "Responses": [{ "Item": { "id": { "S": "1" }, "n": { "N": "7" } } }] })),
        Answer::ok(json!({ "Responses": [{}] })),
    ]);
    let db = transport.dynamo();
    let id = || AttributeValue::S("1".into());
    let write = || {
        db.transact_write().raw(move |request| {
            let delete = Delete::builder().table_name("Rows").key("id", id());
            let part = TransactWriteItem::builder().delete(delete.build().unwrap());
            request.transact_items(part.build())
        })
    };
    write().send().await.unwrap();
    write().token("once").output().await.unwrap();
    let read = || {
        db.transact_get().raw(move |request| {
            let get = Get::builder().table_name("Rows").key("id", id());
            let part = TransactGetItem::builder().get(get.build().unwrap());
            request.transact_items(part.build())
        })
    };
    assert_eq!(read().send::<Row>().await.unwrap(), [Some(row(7))]);
    assert_eq!(read().output().await.unwrap().responses().len(), 1);
    let sent = transport.sent();
    let operations: Vec<_> = sent.iter().map(|sent| sent.operation.as_str()).collect();
    assert_eq!(
        operations,
        [
            "TransactWriteItems",
            "TransactWriteItems",
            "TransactGetItems",
            "TransactGetItems"
        ]
    );
    for sent in &sent {
        assert_eq!(sent.body["TransactItems"].as_array().unwrap().len(), 1);
    }
    // nothing at all is done at once, raw or not
    db.transact_write().send().await.unwrap();
    db.transact_write()
        .raw(|request| request)
        .send()
        .await
        .unwrap();
    let nothing = db.transact_get().raw(|request| request).send::<Row>();
    assert!(nothing.await.unwrap().is_empty());
    assert_eq!(transport.count(), 4);
}
