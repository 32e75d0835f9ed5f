//! A request says what the caller asked for and no more, with every name and value as a placeholder.
#![cfg(feature = "table")]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/table.rs"]
mod support;

use aws_credential_strategies::table::{Cond, attr, size, sort};
use aws_credential_strategies::{Table, path};
use aws_sdk_dynamodb::types::{ReturnConsumedCapacity, ReturnItemCollectionMetrics, ReturnValue};
use serde_json::{Value as Json, json};
use support::{Answer, Fixed, Transport};

fn obliging() -> (Transport, Table<Fixed>) {
    let transport = Transport::new(|_| Answer::ok(json!({})));
    let table = transport.dynamo().table("MyTable");
    (transport, table)
}

fn only(transport: &Transport) -> (String, Json) {
    let mut sent = transport.sent();
    assert_eq!(sent.len(), 1);
    let sent = sent.remove(0);
    (sent.operation, sent.body)
}

#[tokio::test]
async fn nothing_is_asked_that_the_caller_did_not_ask() {
    let key = json!({ "id": { "S": "1" } });
    let item = json!({ "id": "1" });

    let (transport, table) = obliging();
    table.get(("id", "1")).send::<Json>().await.unwrap();
    let plain = json!({ "TableName": "MyTable", "Key": key });
    assert_eq!(only(&transport), ("GetItem".into(), plain.clone()));

    let (transport, table) = obliging();
    table.delete(("id", "1")).send().await.unwrap();
    assert_eq!(only(&transport), ("DeleteItem".into(), plain.clone()));

    let (transport, table) = obliging();
    table.update(("id", "1")).send().await.unwrap();
    assert_eq!(only(&transport), ("UpdateItem".into(), plain));

    let (transport, table) = obliging();
    table.put(&item).send().await.unwrap();
    let put = json!({ "TableName": "MyTable", "Item": key });
    assert_eq!(only(&transport), ("PutItem".into(), put));

    let (transport, table) = obliging();
    let _ = table.scan().all::<Json>().await.unwrap();
    assert_eq!(
        only(&transport),
        ("Scan".into(), json!({ "TableName": "MyTable" }))
    );

    let (transport, table) = obliging();
    let _ = table.query("id", "1").all::<Json>().await.unwrap();
    let query = json!({
        "TableName": "MyTable",
        "KeyConditionExpression": "#n0 = :v0",
        "ExpressionAttributeNames": { "#n0": "id" },
        "ExpressionAttributeValues": { ":v0": { "S": "1" } },
    });
    assert_eq!(only(&transport), ("Query".into(), query));

    let (transport, table) = obliging();
    table
        .batch_get([("id", "1")])
        .send::<Json>()
        .await
        .unwrap()
        .complete()
        .unwrap();
    let batch = json!({ "RequestItems": { "MyTable": { "Keys": [key] } } });
    assert_eq!(only(&transport), ("BatchGetItem".into(), batch));

    let (transport, table) = obliging();
    table
        .batch_write()
        .delete(("id", "1"))
        .send()
        .await
        .unwrap()
        .complete()
        .unwrap();
    let batch = json!({ "RequestItems": { "MyTable": [{ "DeleteRequest": { "Key": key } }] } });
    assert_eq!(only(&transport), ("BatchWriteItem".into(), batch));
}

#[tokio::test]
async fn attempts_and_returned_items_are_asked_for_by_name() {
    let item = json!({ "id": "1" });
    let (transport, table) = obliging();
    assert!(
        table
            .put(&item)
            .attempt::<Json>()
            .await
            .unwrap()
            .is_written()
    );
    table.put(&item).returning_old::<Json>().await.unwrap();
    assert!(
        table
            .update(("id", "1"))
            .attempt::<Json>()
            .await
            .unwrap()
            .is_written()
    );
    table
        .update(("id", "1"))
        .returning_new::<Json>()
        .await
        .unwrap();
    assert!(
        table
            .delete(("id", "1"))
            .attempt::<Json>()
            .await
            .unwrap()
            .is_written()
    );
    table
        .delete(("id", "1"))
        .returning_old::<Json>()
        .await
        .unwrap();
    let asked: Vec<_> = transport.sent().into_iter().map(|sent| sent.body).collect();
    assert!(
        asked
            .iter()
            .all(|body| body["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD")
    );
    let returned: Vec<_> = asked
        .iter()
        .map(|body| body["ReturnValues"].clone())
        .collect();
    let none = Json::Null;
    assert_eq!(
        returned,
        [
            none.clone(),
            "ALL_OLD".into(),
            none.clone(),
            "ALL_NEW".into(),
            none,
            "ALL_OLD".into()
        ]
    );

    let (transport, table) = obliging();
    let db = transport.dynamo();
    let transact_table = db.table("MyTable");
    table
        .get(("id", 1))
        .consumed_capacity()
        .send::<Json>()
        .await
        .unwrap();
    table.put(&item).consumed_capacity().send().await.unwrap();
    table
        .update(("id", 1))
        .consumed_capacity()
        .send()
        .await
        .unwrap();
    table
        .delete(("id", 1))
        .consumed_capacity()
        .send()
        .await
        .unwrap();
    let query = table.query("id", 1).consumed_capacity();
    let _ = query.page::<Json>().await.unwrap();
    table.scan().consumed_capacity().count().await.unwrap();
    let get = table.batch_get([("id", 1)]).consumed_capacity();
    drop(get.send::<Json>().await.unwrap());
    let write = table.batch_write().put(&item).consumed_capacity();
    drop(write.send().await.unwrap());
    let get = db
        .transact_get()
        .get(transact_table.get(("id", 1)))
        .consumed_capacity();
    get.send::<Json>().await.unwrap();
    let write = db
        .transact_write()
        .put(transact_table.put(&item))
        .consumed_capacity();
    write.send().await.unwrap();
    let sent = transport.sent();
    assert_eq!(sent.len(), 10);
    assert!(
        sent.iter()
            .all(|sent| sent.body["ReturnConsumedCapacity"] == "TOTAL")
    );
}

/// The filter that a condition becomes, its names and its values.
async fn filter(condition: Cond) -> (String, Json, Json) {
    let (transport, table) = obliging();
    table.scan().filter(condition).count().await.unwrap();
    let (_, mut body) = only(&transport);
    (
        body["FilterExpression"].as_str().unwrap().to_owned(),
        body["ExpressionAttributeNames"].take(),
        body["ExpressionAttributeValues"].take(),
    )
}

#[tokio::test]
async fn parentheses_stand_only_where_operators_mix() {
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| move || attr(name).exists());
    let cases = [
        (a() & b() & c(), "A AND B AND C"),
        (a() & (b() & c()), "A AND B AND C"),
        (a() | b() | (c() | d()), "A OR B OR C OR D"),
        (a() & b() | c(), "A AND B OR C"),
        (a() & (b() | c()), "A AND (B OR C)"),
        ((a() | b()) & (c() | d()), "(A OR B) AND (C OR D)"),
        (!a() & b(), "NOT A AND B"),
        (!(a() & b()), "NOT (A AND B)"),
        (!(a() | !(b() & c())), "NOT (A OR NOT (B AND C))"),
        (!!a(), "A"),
        (!!!a(), "NOT A"),
    ];
    for (condition, expected) in cases {
        let (text, names, _) = filter(condition).await;
        let mut text = text.replace("attribute_exists", "");
        for (placeholder, name) in names.as_object().unwrap() {
            let name = name.as_str().unwrap().to_uppercase();
            text = text.replace(&format!("({placeholder})"), &name);
        }
        assert_eq!(text, expected);
    }
}

#[tokio::test]
async fn names_are_placeholders_and_each_stands_once() {
    let condition = attr("status").eq(attr("size"))
        & size("status").between(1, 2)
        & attr("a.status[3]").contains("x");
    let (text, names, values) = filter(condition).await;
    let expected = "#n0 = #n1 AND size(#n0) BETWEEN :v0 AND :v1 AND contains(#n2.#n0[3], :v2)";
    assert_eq!(text, expected);
    assert_eq!(names, json!({ "#n0": "status", "#n1": "size", "#n2": "a" }));
    assert_eq!(
        values,
        json!({ ":v0": { "N": "1" }, ":v1": { "N": "2" }, ":v2": { "S": "x" } })
    );
    let (text, names, _) = filter(attr(path!["a.b", 0, "c[1]"]).is_in(["x"])).await;
    assert_eq!(text, "#n0[0].#n1 IN (:v0)");
    assert_eq!(names, json!({ "#n0": "a.b", "#n1": "c[1]" }));
}

#[tokio::test]
async fn raw_conditions_keep_their_meaning_beside_others() {
    let raw = Cond::raw(
        "#v0 = :n0 OR #n1 > :n0",
        [("#v0", "x"), ("#n1", "y")],
        [(":n0", 7)],
    );
    let (text, names, values) = filter(attr("y").lt(1) & raw.clone() & !raw).await;
    assert_eq!(
        text,
        "#n0 < :v0 AND (#n1 = :v1 OR #n0 > :v2) AND NOT (#n1 = :v3 OR #n0 > :v4)"
    );
    assert_eq!(names, json!({ "#n0": "y", "#n1": "x" }));
    assert_eq!(values[":v4"], json!({ "N": "7" }));
    let none = Vec::<(String, String)>::new;
    let enclosed = Cond::raw("(a = b) OR (c = d)", none(), none());
    let whole = Cond::raw("((a = b) OR (c = d))", none(), none());
    let (text, ..) = filter(attr("e").exists() & enclosed & whole).await;
    assert_eq!(
        text,
        "attribute_exists(#n0) AND ((a = b) OR (c = d)) AND ((a = b) OR (c = d))"
    );
}

#[tokio::test]
async fn an_update_has_each_clause_once() {
    let (transport, table) = obliging();
    let update = table
        .update(("id", "1"))
        .remove("old")
        .set("name", "x")
        .add("hits", 1)
        .append("log", "e")
        .delete_from_set("tags", ["a", "b"])
        .remove("older")
        .set_if_absent("made", 5)
        .add("seen", ["c"])
        .version("v", Some(3));
    update.send().await.unwrap();
    let (_, body) = only(&transport);
    assert_eq!(
        body["UpdateExpression"],
        "SET #n1 = :v0, #n3 = list_append(if_not_exists(#n3, :v2), :v3), #n6 = if_not_exists(#n6, :v5), #n8 = :v7 \
         REMOVE #n0, #n5 ADD #n2 :v1, #n7 :v6 DELETE #n4 :v4"
    );
    assert_eq!(body["ConditionExpression"], "#n8 = :v8");
    assert_eq!(
        body["ExpressionAttributeValues"][":v4"],
        json!({ "SS": ["a", "b"] })
    );
    assert_eq!(
        body["ExpressionAttributeValues"][":v7"],
        json!({ "N": "4" })
    );
}

#[tokio::test]
async fn raw_changes_the_request_of_every_operation_last() {
    let (transport, table) = obliging();
    let capacity = ReturnConsumedCapacity::Indexes;
    let metrics = ReturnItemCollectionMetrics::Size;
    let (c, m) = (capacity.clone(), metrics.clone());
    table
        .get(("id", 1))
        .consumed_capacity()
        .raw(move |get| get.return_consumed_capacity(c))
        .send::<Json>()
        .await
        .unwrap();
    table
        .put(&json!({ "id": 1 }))
        .raw(move |put| put.return_item_collection_metrics(m))
        .send()
        .await
        .unwrap();
    table
        .update(("id", 1))
        .raw(|update| update.return_values(ReturnValue::UpdatedNew))
        .output()
        .await
        .unwrap();
    table
        .delete(("id", 1))
        .raw(|delete| delete.return_values(ReturnValue::AllOld))
        .raw(move |delete| delete.return_consumed_capacity(capacity))
        .output()
        .await
        .unwrap();
    table
        .query("id", 1)
        .raw(|query| query.limit(3))
        .output()
        .await
        .unwrap();
    let scan = table.scan().raw(|scan| scan.limit(4));
    let _ = scan.page::<Json>().await.unwrap();
    let query = table.query("id", 1).raw(|query| query.limit(5));
    let _ = query.all::<Json>().await.unwrap();
    let sent = transport.sent();
    assert_eq!(sent[0].body["ReturnConsumedCapacity"], "INDEXES");
    assert_eq!(sent[1].body["ReturnItemCollectionMetrics"], "SIZE");
    assert_eq!(sent[2].body["ReturnValues"], "UPDATED_NEW");
    assert_eq!(
        (
            &sent[3].body["ReturnValues"],
            &sent[3].body["ReturnConsumedCapacity"]
        ),
        (&json!("ALL_OLD"), &json!("INDEXES"))
    );
    assert_eq!(
        [4, 5, 6].map(|n: usize| sent[n].body["Limit"].clone()),
        [3, 4, 5]
    );
}

#[tokio::test]
async fn a_put_writes_versions_and_leaves_out_nulls_as_told() {
    #[derive(serde::Serialize)]
    struct Sparse {
        id: u8,
        index: Option<String>,
        deep: Vec<Option<u8>>,
    }
    let sparse = Sparse {
        id: 1,
        index: None,
        deep: vec![None],
    };
    let (transport, table) = obliging();
    table.put(&sparse).send().await.unwrap();
    table
        .put(&sparse)
        .omit_null()
        .version("v", None)
        .if_absent("a.b")
        .send()
        .await
        .unwrap();
    let sent = transport.sent();
    assert_eq!(sent[0].body["Item"]["index"], json!({ "NULL": true }));
    let item =
        json!({ "id": { "N": "1" }, "deep": { "L": [{ "NULL": true }] }, "v": { "N": "1" } });
    assert_eq!(sent[1].body["Item"], item);
    let condition = "attribute_not_exists(#n0) AND attribute_not_exists(#n1)";
    assert_eq!(sent[1].body["ConditionExpression"], condition);
    assert_eq!(
        sent[1].body["ExpressionAttributeNames"],
        json!({ "#n0": "v", "#n1": "a.b" })
    );
}

#[tokio::test]
async fn a_query_says_all_it_was_told() {
    let (transport, table) = obliging();
    let query = table
        .query("customer", "ann")
        .sort(sort("day").between("a", "b"))
        .index("byDay")
        .filter(attr("total").gt(1))
        .filter(attr("paid").eq(true))
        .project(["day", "items[0].name"])
        .descending()
        .consistent()
        .page_size(7);
    query.output().await.unwrap();
    let (_, body) = only(&transport);
    let expected = json!({
        "TableName": "MyTable",
        "IndexName": "byDay",
        "KeyConditionExpression": "#n0 = :v0 AND #n1 BETWEEN :v1 AND :v2",
        "FilterExpression": "#n2 > :v3 AND #n3 = :v4",
        "ProjectionExpression": "#n1, #n4[0].#n5",
        "ScanIndexForward": false,
        "ConsistentRead": true,
        "Limit": 7,
        "ExpressionAttributeNames": {
            "#n0": "customer", "#n1": "day", "#n2": "total", "#n3": "paid", "#n4": "items", "#n5": "name",
        },
        "ExpressionAttributeValues": {
            ":v0": { "S": "ann" }, ":v1": { "S": "a" }, ":v2": { "S": "b" }, ":v3": { "N": "1" }, ":v4": { "BOOL": true },
        },
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn a_transaction_without_a_token_gets_one_per_send() {
    let (transport, _) = obliging();
    let db = transport.dynamo();
    let table = db.table("MyTable");
    let write = || db.transact_write().put(table.put(&json!({ "id": 1 })));
    write().send().await.unwrap();
    write().send().await.unwrap();
    write().token("mine").send().await.unwrap();
    let tokens: Vec<_> = transport
        .sent()
        .into_iter()
        .map(|sent| sent.body["ClientRequestToken"].clone())
        .collect();
    assert!(tokens[0].is_string() && tokens[0] != tokens[1]);
    assert_eq!(tokens[2], "mine");
}

#[tokio::test]
async fn raw_changes_batches_and_transactions_too() {
    let (transport, _) = obliging();
    let db = transport.dynamo();
    let table = db.table("MyTable");
    let item = json!({ "id": 1 });
    let size = || ReturnItemCollectionMetrics::Size;
    let many = (0..60).fold(table.batch_write(), |batch, n| {
        batch.put(&json!({ "id": n }))
    });
    let batch = many.raw(move |batch| batch.return_item_collection_metrics(size()));
    batch.send().await.unwrap().complete().unwrap();
    let indexes = ReturnConsumedCapacity::Indexes;
    let capacity = indexes.clone();
    let keys = (0..150).map(|n| ("id", n));
    let batch = table
        .batch_get(keys)
        .raw(move |batch| batch.return_consumed_capacity(capacity.clone()));
    batch.send::<Json>().await.unwrap().complete().unwrap();
    let capacity = indexes.clone();
    let write = db.transact_write().put(table.put(&item));
    write
        .raw(|write| write.return_item_collection_metrics(ReturnItemCollectionMetrics::Size))
        .send()
        .await
        .unwrap();
    let read = db.transact_get().get(table.get(("id", 1)));
    read.raw(|read| read.return_consumed_capacity(capacity))
        .send::<Json>()
        .await
        .unwrap();
    let sent = transport.sent();
    assert_eq!(sent.len(), 3 + 2 + 1 + 1);
    for sent in sent {
        let body = &sent.body;
        let asked = body["ReturnItemCollectionMetrics"] == "SIZE"
            || body["ReturnConsumedCapacity"] == "INDEXES";
        assert!(asked, "{sent:?}");
    }
}
