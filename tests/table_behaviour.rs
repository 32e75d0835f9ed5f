//! Every operation does what it says: on the embedded DynamoDB, and again on a tape of it.
#![cfg(feature = "table")]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/table.rs"]
mod support;

use aws_credential_strategies::table::{
    AnyStrategy, Attempt, Cursor, Item, Page, attr, size, sort,
};
use aws_credential_strategies::{Dynamo, ErrorKind};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use support::{Embedded, create_table, create_table_with};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct User {
    id: String,
    age: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    tags: Vec<String>,
}

fn user(id: &str, age: u32) -> User {
    User {
        id: id.to_owned(),
        age,
        status: None,
        tags: vec!["a".into(), "b".into()],
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    customer: String,
    day: String,
    total: u32,
}

fn order(customer: &str, day: &str, total: u32) -> Order {
    Order {
        customer: customer.to_owned(),
        day: day.to_owned(),
        total,
    }
}

#[tokio::test]
async fn the_suite_passes_on_the_embedded_dynamodb_and_on_its_tape() {
    let embedded = Embedded::start().await;
    suite(&embedded.dynamo().erase()).await;
    suite(&embedded.replayed().dynamo().erase()).await;
}

#[cfg(feature = "local")]
#[tokio::test]
async fn the_suite_passes_on_the_embedded_cloud_with_both_strategies() {
    use aws_credential_strategies::local::{DEFAULT_ROLE, LocalCloud};
    use aws_credential_strategies::{AssumeRole, InstanceProfile};
    let profile = |cloud: &LocalCloud| {
        let profile = InstanceProfile::builder().endpoint(cloud.imds_endpoint());
        profile.build().unwrap()
    };
    let cloud = LocalCloud::start().await.unwrap();
    suite(&Dynamo::new(profile(&cloud), &cloud.sdk_config()).erase()).await;
    let cloud = LocalCloud::start().await.unwrap();
    let role = AssumeRole::builder(cloud.role_arn(DEFAULT_ROLE))
        .region(aws_types::region::Region::new(cloud.region().to_owned()))
        .sts_endpoint(cloud.sts_endpoint())
        .base(profile(&cloud))
        .build()
        .unwrap();
    suite(&Dynamo::new(role, &cloud.sdk_config()).erase()).await;
    assert_eq!(cloud.sts().calls().total(), 1);
}

async fn suite(db: &Dynamo<AnyStrategy>) {
    create_table(db.client(), "Users", "id", None).await;
    create_table_with(
        db.client(),
        "Orders",
        "customer",
        Some("day"),
        Some(("byDay", "day", "customer")),
    )
    .await;
    gets_what_was_put(db).await;
    puts_on_conditions(db).await;
    queries(db).await;
    updates(db).await;
    deletes(db).await;
    scans(db).await;
    batches(db).await;
    transactions(db).await;
    waits_for_a_table(db).await;
}

async fn gets_what_was_put(db: &Dynamo<AnyStrategy>) {
    let users = db.table("Users");
    let none: Option<User> = users.get(("id", "nobody")).send().await.unwrap();
    assert_eq!(none, None);
    users.put(&user("u1", 30)).send().await.unwrap();
    let found: Option<User> = users.get(("id", "u1")).consistent().send().await.unwrap();
    assert_eq!(found, Some(user("u1", 30)));
    let part = users.get(("id", "u1")).project(["age", "tags[1]"]);
    let part = part.output().await.unwrap().item.unwrap();
    assert_eq!(part["age"].as_n().unwrap(), "30");
    assert_eq!(part["tags"].as_l().unwrap().len(), 1);
    let capacity = users.get(("id", "u1")).consumed_capacity().output().await;
    assert!(capacity.unwrap().consumed_capacity.is_some());
}

async fn puts_on_conditions(db: &Dynamo<AnyStrategy>) {
    let users = db.table("Users");
    users
        .put(&user("c1", 30))
        .if_absent("id")
        .send()
        .await
        .unwrap();
    let again = users.put(&user("c1", 31)).if_absent("id").send().await;
    let again = again.unwrap_err();
    assert_eq!(*again.kind(), ErrorKind::Conflict);
    assert!(
        again.conflict::<User>().is_none(),
        "the item was not asked for"
    );

    let rejected = users.put(&user("c1", 31)).if_absent("id").attempt::<User>();
    assert_eq!(
        rejected.await.unwrap(),
        Attempt::Rejected(Some(user("c1", 30)))
    );
    let grown_up = attr("age").gt(21) & !attr("status").exists() & size("tags").le(2);
    let written = users
        .put(&user("c1", 32))
        .only_if(grown_up)
        .attempt::<User>();
    assert_eq!(written.await.unwrap(), Attempt::Written);
    let old = users.put(&user("c1", 33)).returning_old::<User>().await;
    assert_eq!(old.unwrap(), Some(user("c1", 32)));

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Versioned {
        id: String,
        version: u64,
    }
    let mut held = Versioned {
        id: "v1".into(),
        version: 0,
    };
    users
        .put(&held)
        .version("version", None)
        .send()
        .await
        .unwrap();
    users
        .put(&held)
        .version("version", Some(1))
        .send()
        .await
        .unwrap();
    let late = users
        .put(&held)
        .version("version", Some(1))
        .returning_old::<Versioned>();
    held.version = 2;
    assert_eq!(
        late.await
            .unwrap_err()
            .conflict::<Versioned>()
            .unwrap()
            .unwrap(),
        held
    );
}

async fn queries(db: &Dynamo<AnyStrategy>) {
    let orders = db.table("Orders");
    for day in 1..=9 {
        let order = order("ann", &format!("2026-01-0{day}"), day * 10);
        orders.put(&order).send().await.unwrap();
    }
    orders
        .put(&order("bob", "2026-01-01", 5))
        .send()
        .await
        .unwrap();

    let all: Vec<Order> = orders
        .query("customer", "ann")
        .page_size(4)
        .all()
        .await
        .and_then(Page::complete)
        .unwrap();
    assert_eq!(all.len(), 9);
    let days = |orders: &[Order]| orders.iter().map(|o| o.total / 10).collect::<Vec<_>>();
    assert_eq!(days(&all), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let some: Vec<Order> = orders
        .query("customer", "ann")
        .sort(sort("day").between("2026-01-03", "2026-01-07"))
        .filter(attr("total").is_in([30, 40, 50, 70]))
        .descending()
        .take(3)
        .all()
        .await
        .and_then(Page::complete)
        .unwrap();
    assert_eq!(days(&some), [7, 5, 4]);

    let first = orders.query("customer", "ann").take(4).page::<Order>();
    let first = first.await.unwrap();
    assert_eq!((days(&first.items), first.scanned), (vec![1, 2, 3, 4], 4));
    let cursor: Cursor = first.next.unwrap().to_string().parse().unwrap();
    let rest = orders
        .query("customer", "ann")
        .start_at(cursor)
        .all::<Order>();
    assert_eq!(days(&rest.await.unwrap().items), [5, 6, 7, 8, 9]);

    let begins = orders
        .query("customer", "ann")
        .sort(sort("day").begins_with("2026-01-0"));
    assert_eq!(begins.page_size(2).count().await.unwrap(), 9);
    let by_day = orders
        .query("day", "2026-01-01")
        .index("byDay")
        .all::<Order>();
    assert_eq!(by_day.await.unwrap().items.len(), 2);
}

async fn updates(db: &Dynamo<AnyStrategy>) {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Counter {
        hits: i64,
        first: String,
        log: Vec<String>,
        #[serde(with = "serde_dynamo::string_set")]
        tags: Vec<String>,
        nested: Nested,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Nested {
        list: Vec<u32>,
    }
    let users = db.table("Users");
    let made = users
        .update(("id", "n1"))
        .set(
            "nested",
            Nested {
                list: vec![1, 2, 3],
            },
        )
        .set_if_absent("first", "mine")
        .add("hits", 5)
        .add("tags", ["x", "y", "z"])
        .append("log", "made")
        .set("gone", true);
    made.send().await.unwrap();
    let changed = users
        .update(("id", "n1"))
        .set("nested.list[1]", 20)
        .remove("nested.list[2]")
        .remove("gone")
        .set_if_absent("first", "yours")
        .add("hits", -2)
        .delete_from_set("tags", "y")
        .append_all("log", ["changed", "twice"])
        .only_if(attr("gone").eq(true))
        .returning_new::<Counter>();
    let expected = Counter {
        hits: 3,
        first: "mine".into(),
        log: vec!["made".into(), "changed".into(), "twice".into()],
        tags: vec!["x".into(), "z".into()],
        nested: Nested { list: vec![1, 20] },
    };
    assert_eq!(changed.await.unwrap(), Some(expected));
    let rejected = users
        .update(("id", "n1"))
        .set("hits", 0)
        .only_if(attr("hits").gt(3));
    let rejected = rejected.attempt::<Item>().await.unwrap();
    let Attempt::Rejected(Some(there)) = rejected else {
        panic!("{rejected:?}");
    };
    assert_eq!(there["hits"].as_n().unwrap(), "3");
    users
        .update(("id", "n2"))
        .version("v", None)
        .set("a", 1)
        .send()
        .await
        .unwrap();
    users
        .update(("id", "n2"))
        .version("v", Some(1))
        .set("a", 2)
        .send()
        .await
        .unwrap();
    let late = users
        .update(("id", "n2"))
        .version("v", Some(1))
        .set("a", 3)
        .send()
        .await;
    assert_eq!(*late.unwrap_err().kind(), ErrorKind::Conflict);
}

async fn deletes(db: &Dynamo<AnyStrategy>) {
    let users = db.table("Users");
    users.put(&user("d1", 40)).send().await.unwrap();
    let kept = users.delete(("id", "d1")).only_if(attr("age").lt(40));
    assert_eq!(
        kept.attempt::<User>().await.unwrap(),
        Attempt::Rejected(Some(user("d1", 40)))
    );
    let old = users
        .delete(("id", "d1"))
        .returning_old::<User>()
        .await
        .unwrap();
    assert_eq!(old, Some(user("d1", 40)));
    users.delete(("id", "d1")).send().await.unwrap();
    let absent = users.delete(("id", "d1")).only_if(attr("id").exists());
    assert_eq!(
        absent.attempt::<User>().await.unwrap(),
        Attempt::Rejected(None)
    );
}

async fn scans(db: &Dynamo<AnyStrategy>) {
    create_table(db.client(), "Numbers", "id", None).await;
    let numbers = db.table("Numbers");
    for n in 0..40 {
        numbers
            .put(&user(&format!("{n:02}"), n))
            .send()
            .await
            .unwrap();
    }
    let all = numbers.scan().page_size(7).count().await.unwrap();
    assert_eq!(all, 40);
    let mut ids = Vec::new();
    let mut stream = numbers
        .scan()
        .segments(5)
        .page_size(3)
        .filter(attr("age").ge(20))
        .project(["id", "age", "tags"])
        .consumed_capacity()
        .stream::<User>();
    while let Some(user) = stream.next().await {
        ids.push(user.unwrap().id);
    }
    ids.sort();
    let expected: Vec<_> = (20..40).map(|n| format!("{n:02}")).collect();
    assert_eq!(ids, expected);
    assert!(stream.requests() >= 5);
    assert!(stream.capacity().unwrap() > 0.0);

    let mut seen = Vec::new();
    let mut cursor: Option<Cursor> = None;
    loop {
        let mut scan = numbers.scan().page_size(9);
        if let Some(cursor) = cursor.take() {
            scan = scan.start_at(cursor);
        }
        let page = scan.page::<User>().await.unwrap();
        seen.extend(page.items.into_iter().map(|user| user.age));
        let Some(next) = page.next else { break };
        cursor = Some(next);
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..40).collect::<Vec<_>>());
}

async fn batches(db: &Dynamo<AnyStrategy>) {
    create_table(db.client(), "Batch", "id", None).await;
    let table = db.table("Batch");
    let mut batch = table.batch_write();
    for n in 0..60 {
        batch = batch.put(&user(&format!("b{n}"), n));
    }
    let report = batch.concurrency(1).send().await.unwrap();
    assert_eq!((report.written, report.requests), (60, 3));
    report.complete().unwrap();
    let report = table
        .batch_write()
        .write(table.put(&user("b0", 100)))
        .write(table.delete(("id", "b1")))
        .put(&user("b0", 200))
        .delete(("id", "b2"))
        .dedupe_by(["id"])
        .send()
        .await
        .unwrap();
    assert_eq!(report.written, 3);
    assert!(report.is_complete());

    let keys = (0..60).chain(0..60).map(|n| ("id", format!("b{n}")));
    let found = table
        .batch_get(keys)
        .consistent()
        .concurrency(1)
        .send::<User>();
    let mut found = found.await.unwrap().complete().unwrap();
    found.sort_by_key(|user| user.age);
    assert_eq!(found.len(), 58);
    assert_eq!(found.last().unwrap(), &user("b0", 200));
    let none = table.batch_get(Vec::<(&str, &str)>::new()).send::<User>();
    assert!(none.await.unwrap().items.is_empty());
    assert_eq!(table.batch_write().send().await.unwrap().requests, 0);
}

async fn transactions(db: &Dynamo<AnyStrategy>) {
    let users = db.table("Users");
    let orders = db.table("Orders");
    users.put(&user("t1", 1)).send().await.unwrap();
    users.put(&user("t2", 2)).send().await.unwrap();
    let transfer = |cents: i64| {
        db.transact_write()
            .update(
                users
                    .update(("id", "t1"))
                    .add("age", cents)
                    .only_if(attr("age").le(1)),
            )
            .delete(users.delete(("id", "t2")))
            .put(orders.put(&order("ann", "t", 7)))
            .check(users.check(("id", "u1"), attr("id").exists()))
    };
    transfer(10).token("first").send().await.unwrap();
    let again = transfer(10).token("second").send().await.unwrap_err();
    let ErrorKind::Canceled(reasons) = again.kind() else {
        panic!("{again}");
    };
    let codes: Vec<_> = reasons
        .iter()
        .map(|reason| reason.code.as_deref())
        .collect();
    assert_eq!(codes, [Some("ConditionalCheckFailed"), None, None, None]);
    assert!(
        again.to_string().contains("tables Users, Orders"),
        "{again}"
    );

    let read = db
        .transact_get()
        .get(users.get(("id", "t1")).project(["id", "age", "tags"]))
        .get(users.get(("id", "t2")));
    let read = read.send::<User>().await.unwrap();
    assert_eq!(read, [Some(user("t1", 11)), None]);
    db.transact_write().send().await.unwrap();
    assert!(db.transact_get().send::<User>().await.unwrap().is_empty());
}

async fn waits_for_a_table(db: &Dynamo<AnyStrategy>) {
    db.table("Users")
        .wait_until_active(Duration::from_secs(5))
        .await
        .unwrap();
}
