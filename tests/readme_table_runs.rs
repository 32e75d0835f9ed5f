//! Every right-hand side of README's table for who knows boto3 is compiled and run here.
#![cfg(all(feature = "table", feature = "env", feature = "https"))]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/table.rs"]
mod support;

use aws_credential_strategies::table::{
    Attempt, Cond, Cursor, Item, Number, Select, Value, attr, list_append, sort, string_set,
};
use aws_credential_strategies::{Dynamo, ErrorKind, Result, path};
use aws_sdk_dynamodb::types::ReturnItemCollectionMetrics::Size;
use aws_types::SdkConfig;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{BTreeSet, HashSet};
use std::time::Duration;
use support::{Answer, Embedded, Fixed, Transport, create_table, create_table_with};

const README: &str = include_str!("../README.md");
const HERE: &str = include_str!("readme_table_runs.rs");

/// Words that stand in backticks and are no code of ours to run.
const WORDS: [&str; 3] = ["attempt", "None", "UnprocessedKeys"];

/// Without white space and without the commas that formatting adds.
fn squeezed(code: &str) -> String {
    let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    [",)", ",]", ",}"]
        .iter()
        .fold(code, |code, end| code.replace(end, &end[1..]))
}

#[test]
fn every_right_hand_side_stands_in_this_file() {
    let (_, rest) = README.split_once("| boto3 (`table").expect("the table");
    let (table, _) = rest.split_once("\n\n").expect("its end");
    let (_, code) = HERE.split_once("// from here on").expect("the code");
    let code = squeezed(code);
    let rows: Vec<_> = table.lines().skip(2).collect();
    assert!(rows.len() > 35, "{}", rows.len());
    let mut missing = BTreeSet::new();
    for row in rows {
        let row = row.replace("\\|", "\u{1}");
        let right = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        for span in right.split('`').skip(1).step_by(2) {
            let span = span.replace('\u{1}', "|");
            if !code.contains(&squeezed(&span)) && !WORDS.contains(&span.as_str()) {
                missing.insert(span);
            }
        }
    }
    assert_eq!(missing, BTreeSet::new(), "compiled nowhere");
}

// from here on: the lines of the table

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct User {
    id: String,
    n: i64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Tagged {
    id: String,
    #[serde(with = "string_set")]
    tags: HashSet<String>,
}

fn user(id: &str, n: i64) -> User {
    User {
        id: id.to_owned(),
        n,
    }
}

#[tokio::test]
async fn clients_are_made() {
    let sdk_config = SdkConfig::builder().build();
    let strategy = Fixed::new();
    drop(Dynamo::new(strategy, &sdk_config));
    let strategy = Fixed::new();
    drop(Dynamo::from_env(strategy).await);
    let strategy = Fixed::new();
    drop(Dynamo::local(strategy, "http://localhost:8000"));
}

async fn database() -> Dynamo<Fixed> {
    let db = Embedded::start().await.dynamo();
    create_table(db.client(), "MyTable", "id", None).await;
    let index = Some(("byDay", "day", "sk"));
    create_table_with(db.client(), "Sorted", "pk", Some("sk"), index).await;
    db
}

#[tokio::test]
async fn items_are_read_and_written() -> Result<()> {
    let db = database().await;
    let table = db.table("MyTable");
    let user = user("123", 1);
    table.put(&user).send().await?;
    let found: Option<User> = table.get(("id", "123")).send::<User>().await?;
    assert_eq!(found, Some(user.clone()));
    let part = table
        .get(("id", "123"))
        .project(["name", "tags[0]"])
        .send::<Item>()
        .await?;
    assert_eq!(part, Some(Item::new()));
    table
        .get(("id", "123"))
        .project([path!["a.b"]])
        .send::<Item>()
        .await?;
    let mut item = table.get(("id", "123")).send::<Item>().await?.unwrap();
    let exact: Number = "12345678901234567890.123456789".parse()?;
    item.insert("exact".into(), Value::from(exact.clone()).0);
    item.insert("raw".into(), Value::bytes(*b"raw").0);
    item.insert("tags".into(), Value::strings(["a", "b"]).0);
    table.put(&item).send().await?;
    let tagged: Tagged = table.get(("id", "123")).send().await?.unwrap();
    assert_eq!(tagged.tags.len(), 2);

    let sorted = db.table("Sorted");
    sorted.put(&json!({ "pk": "a", "sk": "1" })).send().await?;
    let none: Option<Item> = {
        let transport = Transport::replay([Answer::ok(json!({}))]);
        let table = transport.dynamo().table("Numbered");
        table
            .get((("pk", "a"), ("sk", 1)))
            .consistent()
            .send()
            .await?
    };
    assert_eq!(none, None);
    let output = table
        .get(("id", "123"))
        .consumed_capacity()
        .output()
        .await?;
    assert!(output.consumed_capacity.is_some());
    Ok(())
}

#[tokio::test]
async fn writes_have_conditions_and_return_what_is_asked() -> Result<()> {
    let db = database().await;
    let table = db.table("MyTable");
    let user = user("1", 1);
    match table.put(&user).if_absent("id").attempt::<User>().await? {
        Attempt::Written => {}
        Attempt::Rejected(Some(there)) => panic!("{there:?}"),
        Attempt::Unclear(Some(there)) => panic!("{there:?}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(
        table.put(&user).returning_old::<User>().await?,
        Some(user.clone())
    );
    let late = table.put(&user).version("version", Some(7)).send().await;
    assert_eq!(*late.unwrap_err().kind(), ErrorKind::Conflict);
    {
        let transport = Transport::replay([Answer::ok(json!({}))]);
        let table = transport.dynamo().table("MyTable");
        table.put(&user).version("version", Some(7)).send().await?;
    }
    let never = attr("n").gt(9);
    let error = table
        .delete(("id", "1"))
        .only_if(never.clone())
        .returning_conflict()
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.conflict::<User>().unwrap()?, user);
    let write = db.transact_write().delete(
        table
            .delete(("id", "1"))
            .only_if(never)
            .returning_conflict(),
    );
    let error = write.send().await.unwrap_err();
    let ErrorKind::Canceled(reasons) = error.kind() else {
        panic!("{error}");
    };
    for reason in reasons {
        assert_eq!(reason.item::<User>().unwrap()?, user);
    }
    table
        .delete(("id", "1"))
        .only_if(attr("n").lt(5))
        .send()
        .await?;
    let put = table
        .put(&user)
        .raw(|request| request.return_item_collection_metrics(Size));
    put.send().await?;
    Ok(())
}

#[tokio::test]
async fn updates_do_what_expressions_do() -> Result<()> {
    let db = database().await;
    let table = db.table("MyTable");
    let v = "v";
    table
        .put(&json!({ "id": "1", "old": 1, "list": [0], "m": ["m"], "b": "b", "deep": { "b": 1 } }))
        .send()
        .await?;
    table
        .update(("id", "1"))
        .set("status", "on")
        .add("hits", 1)
        .remove("old")
        .send()
        .await?;
    table
        .update(("id", "1"))
        .add("tags", ["t", "u"])
        .send()
        .await?;
    let update = table
        .update(("id", "1"))
        .append("l", v)
        .set_if_absent("c", v)
        .delete_from_set("tags", ["t"]);
    update.set_if_absent("a", v).send().await?;
    table.update(("id", "1")).prepend("l", v).send().await?;
    let update = table
        .update(("id", "1"))
        .set("l", list_append(attr("l"), attr("m")));
    let update = update.set("a", attr("b")).set("n", attr("n").or(0) + 1);
    update
        .expression("SET #a[0] = :b", [("#a", "list")], [(":b", 1)])
        .send()
        .await?;
    #[derive(Serialize)]
    struct Changes {
        status: Option<String>,
        more: u8,
    }
    let changes = Changes {
        status: None,
        more: 1,
    };
    table.update(("id", "1")).set_all(&changes).send().await?;
    let update = table
        .update(("id", "1"))
        .patch(&json!({ "deep": { "a": 1, "b": null } }));
    update.send().await?;
    let now: User = table
        .update(("id", "1"))
        .add("n", 1)
        .returning_new::<User>()
        .await?
        .unwrap();
    assert_eq!(now, user("1", 2));
    match table
        .update(("id", "1"))
        .add("n", 1)
        .attempt_returning_new::<User>()
        .await?
    {
        Attempt::Returned(Some(now)) => assert_eq!(now.n, 3),
        other => panic!("{other:?}"),
    }
    let old = table
        .update(("id", "1"))
        .add("n", 1)
        .returning_updated_old::<Item>()
        .await?;
    let new = table
        .update(("id", "1"))
        .add("n", 1)
        .returning_updated_new::<Item>()
        .await?;
    assert_eq!(
        (&old.unwrap()["n"], &new.unwrap()["n"]),
        (
            &Value::from(Number::from(3)).0,
            &Value::from(Number::from(5)).0
        )
    );
    let item: Item = table.get(("id", "1")).send().await?.unwrap();
    let list = item["l"].as_l().unwrap().len();
    assert_eq!(
        (
            list,
            item["a"].as_s().unwrap().as_str(),
            item["deep"].as_m().unwrap().len()
        ),
        (3, "b", 1)
    );
    assert!(!item.contains_key("status"));
    let conditions = [attr("n").eq(5), attr("a").eq("b")];
    table
        .update(("id", "1"))
        .set("x", 1)
        .only_if(Cond::all(conditions))
        .send()
        .await?;
    let conditions = [attr("n").eq(0), attr("a").eq("b")];
    table
        .update(("id", "1"))
        .set("x", 1)
        .only_if(Cond::any(conditions))
        .send()
        .await?;
    let raw = !Cond::raw("attribute_exists(#a)", [("#a", "a.b")], []);
    table
        .update(("id", "1"))
        .set("x", 1)
        .only_if(raw)
        .send()
        .await?;
    Ok(())
}

#[tokio::test]
async fn queries_and_scans_read_what_is_there() -> Result<()> {
    let db = database().await;
    let table = db.table("Sorted");
    for day in 1..=3 {
        let item = json!({ "pk": "a", "sk": format!("2026-{day}"), "id": "x", "n": day, "day": "d", "age": 20 + day });
        table.put(&item).send().await?;
    }
    let query = || table.query("pk", "a").sort(sort("sk").begins_with("2026-"));
    let stream = query().stream::<User>();
    drop(stream);
    assert_eq!(query().all::<User>().await?.complete()?.len(), 3);
    assert_eq!(query().first::<User>().await?, Some(user("x", 1)));
    let only = query()
        .filter(attr("age").gt(21) & !attr("banned").exists())
        .filter(attr("n").eq(3));
    assert_eq!(only.one::<User>().await?, Some(user("x", 3)));
    let page = query().page_size(1).page::<User>().await?;
    let cursor: Cursor = page.next.unwrap();
    let page = query()
        .page_size(10)
        .start_at(cursor)
        .page::<User>()
        .await?;
    assert_eq!((page.items.len(), page.next), (2, None));
    assert_eq!(query().count().await?, 3);
    let by_day = table
        .query("day", "d")
        .index("byDay")
        .descending()
        .first::<User>()
        .await?;
    assert_eq!(by_day, Some(user("x", 3)));
    let whole = table
        .query("day", "d")
        .index("byDay")
        .select(Select::AllAttributes);
    assert_eq!(whole.count().await?, 3);
    {
        let transport = Transport::replay([Answer::ok(json!({ "Count": 0, "ScannedCount": 0 }))]);
        let table = transport.dynamo().table("MyTable");
        let query = table
            .query("a", 1)
            .index("byAbc")
            .key(attr("b").eq(2) & attr("c").ge(3));
        assert_eq!(query.first::<User>().await?, None);
    }
    let mut stream = table.scan().segments(4).stream::<User>();
    let mut read = 0;
    while let Some(user) = stream.next().await {
        user?;
        read += 1;
    }
    assert_eq!((read, stream.cursor()), (3, None));
    for cursor in Cursor::segments(4).split() {
        read += table
            .scan()
            .start_at(cursor)
            .all::<User>()
            .await?
            .complete()?
            .len();
    }
    assert_eq!(read, 6);
    Ok(())
}

#[tokio::test]
async fn batches_and_transactions_write_and_read() -> Result<()> {
    let db = database().await;
    let table = db.table("MyTable");
    let other = db.table("MyTable");
    let a = user("a", 1);
    table.put(&user("b", 2)).send().await?;
    table
        .batch_write()
        .put(&a)
        .delete(("id", "b"))
        .dedupe_by(["id"])
        .send()
        .await?
        .complete()?;
    let keys = [("id", "a"), ("id", "b")];
    assert_eq!(
        table.batch_get(keys).send::<User>().await?.complete()?,
        std::slice::from_ref(&a)
    );
    table.put(&user("b", 2)).send().await?;
    db.transact_write()
        .put(table.put(&a))
        .check(other.check(("id", "b"), attr("id").exists()))
        .send()
        .await?;
    table
        .put(&json!({ "id": "1", "n": "no number" }))
        .send()
        .await?;
    let read = db
        .transact_get()
        .get(table.get(("id", "a")))
        .get(table.get(("id", "1")))
        .each::<User>()
        .await?;
    assert_eq!(read[0].as_ref().unwrap(), &Some(a));
    assert!(
        read[1]
            .as_ref()
            .unwrap_err()
            .item()
            .unwrap()
            .contains_key("n")
    );
    table.put(&user("1", 1)).send().await?;
    let read = db
        .transact_get()
        .get(table.get(("id", "1")))
        .send::<User>()
        .await?;
    assert_eq!(read, [Some(user("1", 1))]);
    table.wait_until_active(Duration::from_secs(60)).await?;
    let answer = db.client().list_tables().send().await.unwrap();
    assert_eq!(answer.table_names().len(), 2);
    Ok(())
}

#[tokio::test]
async fn batches_are_of_several_tables_and_of_what_comes() -> Result<()> {
    let db = database().await;
    create_table(db.client(), "Other", "id", None).await;
    let (table, other) = (db.table("MyTable"), db.table("Other"));
    let a = user("a", 1);
    db.batch_write()
        .write(table.put(&a))
        .write(other.delete(("id", "b")))
        .send()
        .await?
        .complete()?;
    let users = (0..60).map(|n| user(&format!("u{n}"), n));
    table
        .batch_write()
        .send_iter(users.map(|user| table.put(&user)))
        .await?
        .complete()?;
    let users = (60..70).map(|n| user(&format!("u{n}"), n));
    let stream = futures_util::stream::iter(users.map(|user| other.put(&user)));
    let batch = other.batch_write();
    batch.send_stream(stream).await?.complete()?;
    let keys = [("id", "a"), ("id", "u7")];
    let more = [("id", "u61"), ("id", "nobody")];
    let mut found = db
        .batch_get()
        .table(table.batch_get(keys))
        .table(other.batch_get(more))
        .send()
        .await?;
    assert_eq!(found.items::<User>("MyTable")?.complete()?.len(), 2);
    assert_eq!(found.items::<User>("Other")?.complete()?.len(), 1);
    Ok(())
}
