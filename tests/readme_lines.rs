//! Promise: every line of code in the tables of the README compiles. They stand here, and a line that is in
//! the README and not here fails; whole programs are run by `.ci/readme_crates`.
#![cfg(all(feature = "table", feature = "env"))]
#![allow(
    dead_code,
    unused_must_use,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::too_many_lines,
    missing_docs
)]

use aws_credential_strategies::table::{Attempt, Cursor, Select, attr, sort};
use aws_credential_strategies::{
    AssumeRole, BoxError, CredentialStrategy, Credentials, Dynamo, InstanceProfile, Provided,
    SdkConfig, SdkProvider, StrategyConfig, Table, sdk,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

type Outcome = Result<(), BoxError>;

async fn entra_token() -> Result<String, BoxError> {
    Err("this is never asked".into())
}

async fn where_your_code_runs(role_arn: &str, keys: Credentials, json: &str) -> Outcome {
    InstanceProfile::new()?;
    AssumeRole::builder(role_arn)
        .external_id("42")
        .from_env()
        .await
        .build()?;
    Provided::container();
    AssumeRole::web_identity_from_env()
        .from_env()
        .await
        .build()?;
    Provided::environment();
    AssumeRole::builder(role_arn)
        .web_identity_token_file("token")
        .from_env()
        .await
        .build()?;
    AssumeRole::builder(role_arn)
        .web_identity(entra_token)
        .from_env()
        .await
        .build()?;
    Provided::profile("dev");
    Provided::process("my-vault aws");
    AssumeRole::builder(role_arn)
        .base(Provided::profile("dev"))
        .from_env()
        .await
        .build()?;
    let provider = keys.clone();
    Provided::new("vault", provider);
    Provided::fixed(keys);
    StrategyConfig::from_json(json)?.build()?;
    AssumeRole::builder(role_arn).region("us-east-1");
    Ok(())
}

async fn any_client(settings: SdkConfig, strategy: Arc<dyn CredentialStrategy>) {
    sdk::client_config!(aws_sdk_sqs, &settings, strategy);
    let strategy: Arc<dyn CredentialStrategy> = Arc::new(Provided::container());
    SdkProvider::new(strategy);
}

#[derive(Deserialize, Serialize)]
struct User {
    id: String,
}

async fn clients(strategy: InstanceProfile, sdk_config: SdkConfig) {
    let again = strategy.clone();
    Dynamo::new(strategy, &sdk_config);
    let strategy = again.clone();
    Dynamo::from_env(strategy).await;
    let strategy = again;
    Dynamo::local(strategy, "http://localhost:8000");
}

type Db = Dynamo<InstanceProfile>;
type Any = Table<InstanceProfile>;

fn in_each_process(table: Any, cursor: Cursor) {
    table.scan().start_at(cursor);
}

async fn reads(table: Any, db: Db, cursor: Cursor) -> Outcome {
    let _: Option<User> = table.get(("id", "123")).send::<User>().await?;
    let _: Option<User> = table
        .get((("pk", "a"), ("sk", 1)))
        .consistent()
        .send()
        .await?;
    let _: Option<User> = table
        .get(("id", "1"))
        .project(&["name", "tags[0]"])
        .send()
        .await?;
    table.query("pk", "a").sort(sort("sk").begins_with("2026-"));
    table.query("pk", "a").index("byDay").descending();
    table
        .query("pk", "a")
        .filter(attr("age").gt(21) & !attr("banned").exists());
    let all = || table.query("pk", "a");
    all().stream::<User>();
    all().all::<User>().await?.complete()?;
    all().first::<User>().await?;
    all().one::<User>().await?;
    let page = all().page_size(10).start_at(cursor).page::<User>().await?;
    let _: Option<Cursor> = page.next;
    all().count().await?;
    all().index("byDay").select(Select::AllAttributes);
    table
        .query("a", 1)
        .index("byAbc")
        .key(attr("b").eq(2) & attr("c").ge(3));
    let stream = table.scan().segments(4).stream::<User>();
    stream.cursor();
    Cursor::segments(4).split();
    let keys = [("id", "1"), ("id", "2")];
    table.batch_get(keys).send::<User>().await?.complete()?;
    db.transact_get()
        .get(table.get(("id", "1")))
        .send::<User>()
        .await?;
    table.wait_until_active(Duration::from_secs(60)).await?;
    table.get(("id", "1")).consumed_capacity();
    all().output().await?;
    db.client();
    Ok(())
}

async fn writes(db: Db, user: User, a: User, v: u32) -> Outcome {
    let table = db.table("T");
    let other = db.table("Other");
    table.put(&user).send().await?;
    match table.put(&user).if_absent("id").attempt::<User>().await? {
        Attempt::Written => {}
        Attempt::Rejected(Some(there)) => drop(there),
        _ => {}
    }
    table.put(&user).returning_old::<User>().await?;
    table.put(&user).version("version", Some(7)).send().await?;
    table
        .update(("id", "1"))
        .set("status", "on")
        .add("hits", 1)
        .remove("old")
        .send()
        .await?;
    table.update(("id", "1")).append("l", v);
    table
        .update(("id", "1"))
        .set_if_absent("a", v)
        .delete_from_set("tags", ["t"]);
    table
        .update(("id", "1"))
        .set("a", 1)
        .returning_new::<User>()
        .await?;
    table
        .delete(("id", "1"))
        .only_if(attr("n").lt(5))
        .send()
        .await?;
    table
        .batch_write()
        .put(&a)
        .delete(("id", "b"))
        .dedupe_by(["id"])
        .send()
        .await?
        .complete()?;
    db.transact_write()
        .put(table.put(&a))
        .check(other.check(("id", "b"), attr("id").exists()))
        .send()
        .await?;
    use aws_credential_strategies::aws_sdk_dynamodb::types::ReturnItemCollectionMetrics::Size;
    table
        .put(&user)
        .raw(|request| request.return_item_collection_metrics(Size));
    Ok(())
}

/// Without white space, line breaks and trailing commas, which formatting moves about.
fn bare(code: &str) -> String {
    let bare: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    bare.replace(",)", ")").replace("\\|", "|")
}

/// The code in the last column of each row of the tables that show code to write.
fn shown() -> Vec<&'static str> {
    let readme = include_str!("../README.md");
    let headings = ["| the strategy |", "| here (`let table"];
    let mut shown = Vec::new();
    let mut inside = false;
    for line in readme.lines() {
        if !line.starts_with('|') {
            inside = false;
        } else if headings.iter().any(|heading| line.contains(heading)) {
            inside = true;
        } else if inside && !line.starts_with("|---") {
            let row = line.trim_end_matches('|').trim_end();
            let (_, code) = row.rsplit_once(" | ").unwrap();
            shown.extend(code.split('`').skip(1).step_by(2));
        }
    }
    shown
}

#[test]
fn every_line_of_the_readmes_tables_stands_here() {
    let here = bare(include_str!("readme_lines.rs"));
    let lines = shown();
    assert!(lines.len() > 40, "the tables are found: {lines:?}");
    for line in lines {
        for part in line.split('…') {
            assert!(here.contains(&bare(part)), "{line}");
        }
    }
}
