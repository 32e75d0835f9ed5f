//! The embedded DynamoDB refuses what DynamoDB refuses, where the engine below would let it pass.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use aws_credential_strategies::local::LocalCloud;
use aws_credential_strategies::table::{Cond, Item, Value, attr};
use aws_credential_strategies::{
    CredentialCache, CredentialSource, Credentials, Dynamo, ErrorKind, RefreshPolicy, Result, Table,
};
use serde_json::json;

/// A key of a user of the cloud.
#[derive(Debug)]
struct Known(Credentials);

impl CredentialSource for Known {
    fn name(&self) -> &'static str {
        "Known"
    }

    async fn fetch(&self) -> Result<Credentials> {
        Ok(self.0.clone())
    }
}

async fn table(cloud: &LocalCloud) -> Table<CredentialCache<Known>> {
    cloud.create_table(("MyTable", "id")).unwrap();
    let item = json!({ "id": "1", "n": 5, "flag": true, "none": null, "list": [1], "s": "x" });
    cloud.put_item("MyTable", &item).unwrap();
    let source = Known(cloud.create_access_key("strict"));
    let strategy = CredentialCache::new(source, RefreshPolicy::default());
    Dynamo::new(strategy, &cloud.sdk_config()).table("MyTable")
}

fn refused() -> Vec<(Cond, &'static str)> {
    vec![
        (attr("n").is_type("T"), "Invalid attribute type name found"),
        (attr("n").eq(attr("n")), "must be distinct"),
        (
            attr("n").between(9, 1),
            "upper bound to be greater than or equal to lower bound",
        ),
        (
            attr("s").between("b", "a"),
            "upper bound to be greater than or equal to lower bound",
        ),
        (attr("n").between(1, "a"), "same data type"),
        (attr("flag").lt(true), "operand type: BOOL"),
        (attr("none").ge(None::<String>), "operand type: NULL"),
        (attr("list").gt(json!([1])), "operand type: L"),
        (attr("n").le(Value::numbers([1])), "operand type: NS"),
    ]
}

#[tokio::test]
async fn conditions_and_filters_are_checked_whatever_the_operation() {
    let cloud = LocalCloud::start().await.unwrap();
    let table = table(&cloud).await;
    for (condition, words) in refused() {
        let one = || condition.clone();
        let update = || table.update(("id", "1")).set("touched", 1);
        let delete = || table.delete(("id", "other"));
        let put = || table.put(&json!({ "id": "2" }));
        for outcome in [
            update().only_if(one()).send().await,
            delete().only_if(one()).send().await,
            put().only_if(one()).send().await,
            table.query("id", "1").filter(one()).count().await.map(drop),
            table.scan().filter(one()).count().await.map(drop),
        ] {
            let error = outcome.expect_err(words);
            assert_eq!(*error.kind(), ErrorKind::Invalid, "{error}");
            assert!(error.to_string().contains(words), "{error}");
        }
    }
    // the same with two that hold stays as it was
    let fine = attr("n").between(5, 5) & attr("n").is_type("N") & attr("n").is_in(0..100);
    let update = table.update(("id", "1")).set("touched", 1).only_if(fine);
    update.send().await.unwrap();
}

#[tokio::test]
async fn a_transaction_does_not_write_a_key() {
    let cloud = LocalCloud::start().await.unwrap();
    let table = table(&cloud).await;
    let client = {
        let source = Known(cloud.create_access_key("strict"));
        let strategy = CredentialCache::new(source, RefreshPolicy::default());
        Dynamo::new(strategy, &cloud.sdk_config())
    };
    let table_of_client = client.table("MyTable");
    let write = client
        .transact_write()
        .put(table_of_client.put(&json!({ "id": "new" })))
        .update(table_of_client.update(("id", "1")).set("id", "2"));
    let error = write.send().await.unwrap_err();
    let ErrorKind::Canceled(reasons) = error.kind() else {
        panic!("{error}");
    };
    assert_eq!(reasons[0].code, None);
    assert_eq!(reasons[1].code.as_deref(), Some("ValidationError"));
    assert!(error.to_string().contains("part of the key"), "{error}");
    let new = table.get(("id", "new")).send::<Item>().await.unwrap();
    assert!(new.is_none(), "nothing was written");
}

#[tokio::test]
async fn nesting_that_would_overflow_a_stack_is_refused_and_what_is_allowed_is_followed() {
    let cloud = LocalCloud::start().await.unwrap();
    let table = table(&cloud).await;
    let nested = |depth: usize| {
        let mut text = "#n = :v".to_owned();
        for _ in 0..depth {
            text = format!("NOT (#n = :v AND {text})");
        }
        table.scan().raw(move |scan| {
            scan.filter_expression(text)
                .expression_attribute_names("#n", "n")
                .expression_attribute_values(
                    ":v",
                    aws_sdk_dynamodb::types::AttributeValue::N("5".into()),
                )
        })
    };
    nested(15).count().await.unwrap();
    let open = |text: &'static str, times: usize| {
        table.scan().raw(move |scan| {
            let text = format!("{}#n = :v", text.repeat(times));
            scan.filter_expression(text)
                .expression_attribute_names("#n", "n")
                .expression_attribute_values(
                    ":v",
                    aws_sdk_dynamodb::types::AttributeValue::N("5".into()),
                )
        })
    };
    open("NOT ", 31).count().await.unwrap();
    // 299 of the 300 operators that DynamoDB takes
    open("#n = :v AND ", 149).count().await.unwrap();
    for hostile in [
        nested(101),
        open("NOT ", 298),
        open("#n = :v OR ", 150),
        open("(", 3_000),
        open("NOT(", 900),
    ] {
        let error = hostile.count().await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Invalid, "{error}");
    }
    // and it is still there
    assert_eq!(table.scan().count().await.unwrap(), 1);
}
