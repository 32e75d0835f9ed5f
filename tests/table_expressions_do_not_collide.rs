//! One namespace: whatever placeholders a caller writes, a value never lands in another attribute, and a
//! condition never asks about another.
#![cfg(feature = "table")]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/table.rs"]
mod support;

use aws_credential_strategies::table::{Cond, Item, Update, attr};
use aws_credential_strategies::{Error, ErrorKind, Table, path};
use aws_sdk_dynamodb::types::AttributeValue;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value as Json, json};
use support::{Embedded, Fixed, Transport, create_table};
use tokio::runtime::Runtime;

fn obliging() -> (Transport, Table<Fixed>) {
    let transport = Transport::new(|_| support::Answer::ok(json!({})));
    let table = transport.dynamo().table("MyTable");
    (transport, table)
}

#[track_caller]
fn refused<T>(result: Result<T, Error>, transport: &Transport, names: &[&str]) {
    let error = result.err().expect("it must be refused");
    assert_eq!(*error.kind(), ErrorKind::Usage, "{error}");
    for name in names {
        assert!(
            error.to_string().contains(name),
            "{error} does not name {name}"
        );
    }
    assert_eq!(transport.count(), 0, "it was sent");
}

#[tokio::test]
async fn a_raw_request_that_replaces_a_placeholder_is_refused_by_name() {
    let (transport, table) = obliging();
    let set = || table.update(("id", "1")).set("owner", "bob");
    let state = set().raw(|update| {
        update
            .condition_expression("#n0 = :state")
            .expression_attribute_names("#n0", "state")
            .expression_attribute_values(":state", AttributeValue::S("open".into()))
    });
    refused(
        state.send().await,
        &transport,
        &["raw", "#n0", "owner", "update"],
    );
    let value = set().raw(|update| {
        update
            .condition_expression("#s = :v0")
            .expression_attribute_names("#s", "state")
            .expression_attribute_values(":v0", AttributeValue::S("open".into()))
    });
    refused(value.send().await, &transport, &["raw", ":v0"]);
    let all = set().raw(|update| update.set_expression_attribute_names(None));
    refused(all.send().await, &transport, &["#n0"]);
    let unused = set().raw(|update| update.update_expression("SET #n0 = :v01"));
    refused(unused.send().await, &transport, &[":v0", "unused"]);
    let unused = set().raw(|update| update.set_update_expression(None));
    refused(unused.returning_new::<Json>().await, &transport, &["#n0"]);

    let item = json!({ "id": "1" });
    let put = table.put(&item).only_if(attr("owner").eq("bob"));
    let put = put.raw(|put| put.expression_attribute_names("#n0", "state"));
    refused(
        put.attempt::<Json>().await,
        &transport,
        &["#n0", "owner", "put"],
    );
    let put = table
        .put(&item)
        .if_absent("id")
        .raw(|put| put.set_condition_expression(None));
    refused(put.send().await, &transport, &["#n0", "unused"]);
    let delete = table.delete(("id", "1")).version("v", Some(1));
    let delete = delete.raw(|delete| delete.condition_expression("#n0 = :mine"));
    refused(delete.output().await, &transport, &[":v0", "delete"]);
}

#[tokio::test]
async fn so_is_one_of_a_read() {
    let (transport, table) = obliging();
    let state = |names: &str| AttributeValue::S(names.into());
    let filtered = table.query("id", "1").filter(attr("owner").eq("bob"));
    let query = filtered.raw(move |query| query.expression_attribute_values(":v1", state("x")));
    refused(query.count().await, &transport, &["query", ":v1"]);
    let query = table
        .query("id", "1")
        .raw(|query| query.key_condition_expression("id = :id"));
    refused(query.all::<Json>().await, &transport, &["#n0", "unused"]);
    let scan = table.scan().filter(attr("owner").eq("bob"));
    let scan = scan.raw(|scan| scan.expression_attribute_names("#n0", "state"));
    refused(
        scan.stream::<Json>().next().await.unwrap(),
        &transport,
        &["scan", "#n0", "owner"],
    );
    let get = table.get(("id", "1")).project(["owner"]);
    let get = get.raw(|get| get.set_projection_expression(Some("state".into())));
    refused(
        get.send::<Json>().await,
        &transport,
        &["get", "#n0", "owner"],
    );
    let beside = table.scan().filter(attr("a").eq(1)).raw(|scan| {
        let text = scan.get_filter_expression().clone().unwrap();
        scan.filter_expression(format!("({text}) OR attribute_exists(b)"))
    });
    beside.count().await.unwrap();
    assert_eq!(transport.count(), 1);
}

#[tokio::test]
async fn a_raw_request_beside_the_placeholders_is_sent() {
    let (transport, table) = obliging();
    let set = table.update(("id", "1")).set("owner", "bob").raw(|update| {
        update
            .condition_expression("#s = :s")
            .expression_attribute_names("#s", "state")
            .expression_attribute_values(":s", AttributeValue::S("open".into()))
    });
    set.send().await.unwrap();
    let extended = table.update(("id", "1")).set("owner", "bob").raw(|update| {
        let text = update.get_update_expression().clone().unwrap() + " REMOVE old";
        update.update_expression(text)
    });
    extended.send().await.unwrap();
    let plain = table.put(&json!({ "id": "1" })).raw(|put| {
        put.condition_expression("attribute_not_exists(#n0)")
            .expression_attribute_names("#n0", "id")
    });
    plain.send().await.unwrap();
    assert_eq!(transport.count(), 3);
}

#[tokio::test]
async fn raw_expressions_need_no_types_for_nothing() {
    let (transport, table) = obliging();
    let absent = Cond::raw("attribute_not_exists(id)", [], []);
    let named = Cond::raw("attribute_exists(#a)", [("#a", "b.c")], []);
    let valued = Cond::raw("n > :n", [], [(":n", 1)]);
    let put = table
        .put(&json!({ "id": 1 }))
        .only_if(absent & named & valued);
    put.send().await.unwrap();
    let body = &transport.sent()[0].body;
    assert_eq!(
        body["ConditionExpression"],
        "(attribute_not_exists(id)) AND (attribute_exists(#n0)) AND (n > :v0)"
    );
    assert_eq!(body["ExpressionAttributeNames"], json!({ "#n0": "b.c" }));
}

#[tokio::test]
async fn all_and_any_are_what_they_say() {
    let (transport, table) = obliging();
    let [a, b, c] = ["a", "b", "c"].map(|name| move || attr(name).exists());
    let cases = [
        (Cond::all([a()]), "A"),
        (Cond::any([a(), b()]), "A OR B"),
        (Cond::all([a(), b() | c()]), "A AND (B OR C)"),
        (Cond::all(vec![a() & b(), c()]), "A AND B AND C"),
        (!Cond::any([a(), b()]), "NOT (A OR B)"),
        (!Cond::all([a()]), "NOT A"),
        (Cond::any([Cond::all([a(), b()]), c()]), "A AND B OR C"),
        (Cond::all([a()]) & b(), "A AND B"),
    ];
    let count = cases.len();
    for (condition, _) in cases.clone() {
        table
            .delete(("id", 1))
            .only_if(condition)
            .send()
            .await
            .unwrap();
    }
    for (sent, (_, expected)) in transport.sent().iter().zip(cases) {
        let mut text = sent.body["ConditionExpression"]
            .as_str()
            .unwrap()
            .to_owned();
        text = text.replace("attribute_exists", "");
        for (placeholder, name) in sent.body["ExpressionAttributeNames"].as_object().unwrap() {
            let name = name.as_str().unwrap().to_uppercase();
            text = text.replace(&format!("({placeholder})"), &name);
        }
        assert_eq!(text, expected);
    }
    for empty in [
        Cond::all([]),
        Cond::any([]),
        !Cond::all([]),
        a() & Cond::any([]),
    ] {
        let error = table
            .delete(("id", 1))
            .only_if(empty)
            .send()
            .await
            .unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Usage);
    }
    assert_eq!(transport.count(), count);
}

#[tokio::test]
async fn what_is_too_long_for_dynamodb_is_not_sent() {
    let transport = Transport::silent();
    let table = transport.dynamo().table("MyTable");
    let error = |result: aws_credential_strategies::Result<()>| {
        let error = result.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Usage);
        error.to_string()
    };
    let condition = attr("a").is_in(0..101);
    let line = error(table.delete(("id", 1)).only_if(condition).send().await);
    assert!(
        line.contains("is_in") && line.contains("100") && line.contains("101"),
        "{line}"
    );
    let many = Cond::any((0..400).map(|n| attr(path![format!("a{n}")]).eq(n)));
    let line = error(table.delete(("id", 1)).only_if(many).send().await);
    assert!(
        line.contains("condition") && line.contains("4096"),
        "{line}"
    );
    let many = || Cond::all((0..400).map(|n| attr(path![format!("a{n}")]).eq(n)));
    let line = error(table.scan().filter(many()).count().await.map(|_| ()));
    assert!(line.contains("filter") && line.contains("4096"), "{line}");
    let line = error(table.query("id", 1).key(many()).count().await.map(|_| ()));
    assert!(
        line.contains("key condition") && line.contains("4096"),
        "{line}"
    );
    let paths = (0..900).map(|n| format!("a{n}"));
    let line = error(
        table
            .get(("id", 1))
            .project(paths)
            .send::<Json>()
            .await
            .map(|_| ()),
    );
    assert!(line.contains("project") && line.contains("4096"), "{line}");
    let many = (0..400).fold(table.update(("id", 1)), |update, n| {
        update.set(format!("a{n}"), n)
    });
    let line = error(many.send().await);
    assert!(line.contains("update") && line.contains("4096"), "{line}");
}

/// A change of one attribute, written with the crate's words or in DynamoDB's with pasted placeholders.
#[derive(Clone, Debug)]
struct Written {
    attribute: usize,
    value: i64,
    raw: Option<(usize, usize)>,
}

const NAMES: [&str; 6] = ["owner", "state", "n0", "v0", "#n0", ":v0"];

fn written() -> impl Strategy<Value = Vec<Written>> {
    let one = (any::<i64>(), prop::option::of((0..4_usize, 0..4_usize)));
    prop::collection::vec(one, NAMES.len()).prop_map(|changes| {
        let changes = changes.into_iter().enumerate();
        let changes = changes.map(|(attribute, (value, raw))| Written {
            attribute,
            value,
            raw,
        });
        changes.collect()
    })
}

fn apply(update: Update, change: &Written) -> Update {
    let name = NAMES[change.attribute];
    match change.raw {
        None => update.set(path![name], change.value),
        Some((n, v)) => {
            let (n, v) = (format!("#n{n}"), format!(":v{v}"));
            update.expression(format!("SET {n} = {v}"), [(n, name)], [(v, change.value)])
        }
    }
}

fn condition(change: &Written) -> Cond {
    let name = NAMES[change.attribute];
    match change.raw {
        None => attr(path![name]).eq(change.value),
        Some((n, v)) => {
            let (n, v) = (format!("#n{n}"), format!(":v{v}"));
            Cond::raw(format!("{n} = {v}"), [(n, name)], [(v, change.value)])
        }
    }
}

#[test]
fn no_attribute_gets_the_value_of_another_whatever_placeholders_are_pasted() {
    let runtime = Runtime::new().unwrap();
    let table = runtime.block_on(async {
        let db = Embedded::start().await.dynamo();
        create_table(db.client(), "Any", "id", None).await;
        db.table("Any")
    });
    let mut config = Config::with_cases(64);
    config.failure_persistence = None;
    let test = |changes: Vec<Written>| {
        let item: Item = runtime.block_on(async {
            let key = ("id", "1");
            let update = changes.iter().fold(table.update(key), apply);
            update.send().await.unwrap();
            // the conditions hold of exactly these values
            let all = Cond::all(changes.iter().map(condition));
            let again = changes
                .iter()
                .fold(table.update(key), apply)
                .only_if(all.clone());
            again.send().await.unwrap();
            assert_eq!(table.scan().filter(all).count().await.unwrap(), 1);
            table.get(key).send().await.unwrap().unwrap()
        });
        for change in &changes {
            let held = item[NAMES[change.attribute]].as_n().unwrap();
            prop_assert_eq!(held, &change.value.to_string());
        }
        prop_assert_eq!(item.len(), NAMES.len() + 1);
        Ok(())
    };
    TestRunner::new(config).run(&written(), test).unwrap();
}
