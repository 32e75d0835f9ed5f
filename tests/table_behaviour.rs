//! Every operation does what it says: on the embedded DynamoDB, and again on a tape of it.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/table.rs"]
mod support;

use aws_credential_strategies::table::{Attempt, Cursor, attr, size, sort};
use aws_credential_strategies::{Dynamo, ErrorKind};
use serde::{Deserialize, Serialize};
use support::{Embedded, Fixed, create_table, create_table_with};

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
    suite(&embedded.dynamo()).await;
    suite(&embedded.replayed().dynamo()).await;
}

async fn suite(db: &Dynamo<Fixed>) {
    create_table(db, "Users", "id", None).await;
    create_table_with(
        db,
        "Orders",
        "customer",
        Some("day"),
        Some(("byDay", "day", "customer")),
    )
    .await;
    gets_what_was_put(db).await;
    puts_on_conditions(db).await;
    queries(db).await;
}

async fn gets_what_was_put(db: &Dynamo<Fixed>) {
    let users = db.table("Users");
    let none: Option<User> = users.get(("id", "nobody")).send().await.unwrap();
    assert_eq!(none, None);
    users.put(&user("u1", 30)).send().await.unwrap();
    let found: Option<User> = users.get(("id", "u1")).consistent().send().await.unwrap();
    assert_eq!(found, Some(user("u1", 30)));
    let part = users.get(("id", "u1")).project(&["age", "tags[1]"]);
    let part = part.output().await.unwrap().item.unwrap();
    assert_eq!(part["age"].as_n().unwrap(), "30");
    assert_eq!(part["tags"].as_l().unwrap().len(), 1);
    let capacity = users.get(("id", "u1")).consumed_capacity().output().await;
    assert!(capacity.unwrap().consumed_capacity.is_some());
}

async fn puts_on_conditions(db: &Dynamo<Fixed>) {
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

async fn queries(db: &Dynamo<Fixed>) {
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
    assert_eq!(days(&rest.await.unwrap()), [5, 6, 7, 8, 9]);

    let begins = orders
        .query("customer", "ann")
        .sort(sort("day").begins_with("2026-01-0"));
    assert_eq!(begins.page_size(2).count().await.unwrap(), 9);
    let by_day = orders
        .query("day", "2026-01-01")
        .index("byDay")
        .all::<Order>();
    assert_eq!(by_day.await.unwrap().len(), 2);
}
