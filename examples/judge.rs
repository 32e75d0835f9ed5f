//! Every operation of `Table` against any DynamoDB, with what came of it as data: one line of JSON a label.
//!
//! `cargo run --example judge -- --endpoint http://localhost:8000` asks what listens there (DynamoDB Local,
//! dynalite, moto, …); without it, the embedded DynamoDB. Two runs are compared with `diff`.

mod support;

use aws_credential_strategies::local::LocalCloud;
use aws_credential_strategies::table::{
    Attempt, Backoff, Cond, Cursor, IntoValue, Item, Number, Select, SortCond, Value, attr, size,
    sort,
};
use aws_credential_strategies::{Credentials, Dynamo, Error, Provided, Result, Table};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement,
    KeyType, Projection, ProjectionType, ScalarAttributeType,
};
use serde::Serialize;
use serde_json::{Value as Json, json};
use std::time::Duration;
use support::arguments::{Opt, Program};
use support::screen::warn;
use support::{Failure, NAME, tell};

const PROGRAM: Program = Program {
    name: NAME,
    about: "Every operation of the table against any DynamoDB, with what came of it as data: one line of JSON for each, \
            however long. Two runs are compared with diff.",
    options: &[Opt::value(
        "endpoint",
        "URL",
        "what to ask, as http://localhost:8000; it is given keys that are none, and two tables are created there, \
         Judged and Other, and deleted (default: the embedded DynamoDB)",
    )],
    notes: "takes: some seconds\ncosts: nothing",
};

type Db = Dynamo<Provided>;
type Items = Table<Provided>;

#[tokio::main]
async fn main() -> std::result::Result<(), Failure> {
    let given = PROGRAM.read_or_exit();
    let mut judge = Judge::default();
    match given.value("endpoint") {
        Some(endpoint) => {
            let keys =
                Credentials::new("AKIAIOSFODNN7EXAMPLE", "not-a-secret", None, None, "judge");
            let db = Dynamo::local(Provided::fixed(keys), endpoint);
            judge.run(&db).await?;
        }
        None => {
            let cloud = LocalCloud::start().await?;
            let keys = cloud.create_access_key("judge");
            let db = Dynamo::new(Provided::fixed(keys), &cloud.sdk_config());
            judge.run(&db).await?;
        }
    }
    warn(&format!(
        "{} labels, {} refused",
        judge.labels, judge.refused
    ));
    Ok(())
}

#[derive(Default)]
struct Judge {
    labels: usize,
    refused: usize,
}

impl Judge {
    /// Tells what became of a call: what it returned, or the kind and the code of its error.
    fn tell<T: Serialize>(&mut self, label: &str, outcome: Result<T>) {
        self.labels += 1;
        let outcome = match outcome {
            Ok(value) => json!({ "ok": value }),
            Err(error) => {
                self.refused += 1;
                refusal(&error)
            }
        };
        tell!("{}", json!({ "label": label, "outcome": outcome }));
    }

    async fn run(&mut self, db: &Db) -> std::result::Result<(), Failure> {
        create(db, "Judged").await?;
        create(db, "Other").await?;
        let (table, other) = (db.table("Judged"), db.table("Other"));
        let active = table.wait_until_active(Duration::from_secs(20)).await;
        self.tell("wait_until_active", active);
        self.puts(&table).await;
        self.gets(&table).await;
        self.updates(&table).await;
        self.conditions(&table).await;
        self.deletes(&table).await;
        self.queries(&table).await;
        self.scans(&table).await;
        self.batches(db, &table, &other).await;
        self.transactions(db, &table, &other).await;
        for name in ["Judged", "Other"] {
            db.client().delete_table().table_name(name).send().await?;
        }
        Ok(())
    }

    async fn puts(&mut self, table: &Items) {
        for (label, value) in values() {
            let put = table.put(&item("values", label, value)).send().await;
            self.tell(&format!("put: {label}"), put);
            let read = table.get(key("values", label)).send::<Item>().await;
            self.tell(&format!("put, then get: {label}"), read.map(shown));
        }
        let one = || item("put", "one", json!(1));
        let put = table.put(&one());
        self.tell(
            "put: if_absent, nothing there",
            outcome(put.if_absent("sk").attempt().await),
        );
        let put = table.put(&one());
        self.tell(
            "put: if_absent, something there",
            outcome(put.if_absent("sk").attempt().await),
        );
        let put = table.put(&one()).if_absent("sk").send().await;
        self.tell("put: if_absent, as an error", put);
        let put = table
            .put(&one())
            .if_absent("sk")
            .returning_conflict()
            .send()
            .await;
        let conflict = put.map_err(|error| error.conflict::<Item>());
        let there = conflict
            .err()
            .flatten()
            .transpose()
            .map(|there| there.map(shown_item));
        self.tell("put: returning_conflict", there);
        let put = table.put(&item("put", "one", json!(2)));
        self.tell(
            "put: returning_old",
            put.returning_old::<Item>().await.map(shown),
        );
        for (label, expected) in [("none", None), ("right", Some(1)), ("wrong", Some(7))] {
            let put = table.put(&item("put", "versioned", json!(1)));
            let put = put.version("version", expected).attempt().await;
            self.tell(&format!("put: version, {label}"), outcome(put));
        }
        let null = json!({ "pk": "put", "sk": "null", "gone": null });
        self.tell("put: omit_null", table.put(&null).omit_null().send().await);
        let read = table.get(key("put", "null")).send::<Item>().await;
        self.tell("put: omit_null, then get", read.map(shown));
        let whole = table.put(&one()).consumed_capacity().output().await;
        let units = whole.map(|whole| whole.consumed_capacity().and_then(|c| c.capacity_units()));
        self.tell("put: consumed_capacity", units);
        let numeric = json!({ "pk": 1, "sk": "x" });
        self.tell(
            "put: a key of another type",
            table.put(&numeric).send().await,
        );
        let keyless = json!({ "pk": "put" });
        self.tell(
            "put: without its sort key",
            table.put(&keyless).send().await,
        );
        let empty = json!({ "pk": "", "sk": "x" });
        self.tell("put: an empty key", table.put(&empty).send().await);
        let elsewhere = table.clone();
        let elsewhere = elsewhere.put(&item("put", "x", json!("x".repeat(410_000))));
        self.tell("put: more than 400 KB", elsewhere.send().await);
    }

    async fn gets(&mut self, table: &Items) {
        let get = || table.get(key("put", "one"));
        self.tell("get: there", get().send::<Item>().await.map(shown));
        let nobody = table.get(key("nobody", "here")).send::<Item>().await;
        self.tell("get: not there", nobody.map(shown));
        self.tell(
            "get: consistent",
            get().consistent().send::<Item>().await.map(shown),
        );
        let nested = table.get(key("values", "map"));
        let part = nested.project(["v.list[1]", "v.name"]).send::<Item>().await;
        self.tell("get: project", part.map(shown));
        let half = table.get(("pk", "put")).send::<Item>().await;
        self.tell("get: half a key", half.map(shown));
    }

    async fn updates(&mut self, table: &Items) {
        let update = |sk: &str| table.update(key("update", sk));
        let begin =
            json!({ "pk": "update", "sk": "u", "n": 1, "list": [1, 2], "m": { "a": 1 }, "s": "x" });
        self.tell(
            "update: an item to begin with",
            table.put(&begin).send().await,
        );
        let updates = [
            ("set", update("u").set("s", "y")),
            ("set a member", update("u").set("m.b", 2)),
            ("set an element", update("u").set("list[0]", 9)),
            (
                "set to another attribute",
                update("u").set("copy", attr("s")),
            ),
            ("set with arithmetic", update("u").set("n", attr("n") + 5)),
            (
                "set or otherwise",
                update("u").set("other", attr("missing").or(3)),
            ),
            ("set_if_absent, there", update("u").set_if_absent("s", "z")),
            (
                "set_if_absent, not there",
                update("u").set_if_absent("new", "z"),
            ),
            ("append", update("u").append("list", 3)),
            ("append to nothing", update("u").append("fresh", 3)),
            ("prepend", update("u").prepend("list", 0)),
            ("append_all", update("u").append_all("list", [7, 8])),
            ("add a number", update("u").add("n", 2)),
            ("add to nothing", update("u").add("count", 1)),
            (
                "add to a set",
                update("u").add("tags", Value::strings(["a", "b"])),
            ),
            (
                "delete_from_set",
                update("u").delete_from_set("tags", Value::strings(["a"])),
            ),
            (
                "delete the last of a set",
                update("u").delete_from_set("tags", Value::strings(["b"])),
            ),
            ("remove", update("u").remove("copy")),
            ("remove an element", update("u").remove("list[0]")),
            ("remove what is not there", update("u").remove("nowhere")),
            ("patch", update("u").patch(&json!({ "s": null, "p": 1 }))),
            (
                "set_all",
                update("u").set_all(&json!({ "q": 1, "r": [true] })),
            ),
            ("create by update", update("fresh").set("a", 1)),
            ("nothing", update("bare")),
            (
                "several clauses",
                update("u").set("a", 1).remove("q").add("n", 1),
            ),
            ("set a member of nothing", update("u").set("nowhere.a", 1)),
            ("add to a text", update("u").add("r", 1)),
            ("set the key", update("u").set("sk", "other")),
            (
                "two paths that overlap",
                update("u").set("m", 1).set("m.a", 2),
            ),
        ];
        for (label, update) in updates {
            let new = update.returning_new::<Item>().await;
            self.tell(&format!("update: {label}"), new.map(shown));
        }
        let old = update("u").set("s", 1).returning_old::<Item>().await;
        self.tell("update: returning_old", old.map(shown));
        let old = update("u")
            .set("s", 2)
            .returning_updated_old::<Item>()
            .await;
        self.tell("update: returning_updated_old", old.map(shown));
        let new = update("u")
            .set("s", 3)
            .returning_updated_new::<Item>()
            .await;
        self.tell("update: returning_updated_new", new.map(shown));
        let rejected = update("u")
            .set("s", 4)
            .only_if(attr("s").eq(7))
            .attempt()
            .await;
        self.tell("update: only_if, attempt", outcome(rejected));
        for (label, expected) in [("none", None), ("right", Some(1)), ("wrong", Some(7))] {
            let versioned = update("v").set("a", 1).version("version", expected);
            self.tell(
                &format!("update: version, {label}"),
                outcome(versioned.attempt().await),
            );
        }
        let raw = update("u").expression("SET #mine = :mine", [("#mine", "raw")], [(":mine", 1)]);
        self.tell(
            "update: in DynamoDB's own words",
            raw.returning_new::<Item>().await.map(shown),
        );
    }

    /// Each condition as that of an update that would change nothing else.
    async fn conditions(&mut self, table: &Items) {
        let begin = json!({
            "pk": "cond", "sk": "c", "n": 5, "s": "text", "list": [1, "a"], "m": { "k": true }, "flag": false, "none": null,
        });
        let begun = table.put(&begin).send().await;
        self.tell("conditions: an item to begin with", begun);
        let tags = table.update(key("cond", "c"));
        let tags = tags
            .add("tags", Value::strings(["red", "green"]))
            .send()
            .await;
        self.tell("conditions: a set in it", tags);
        for (label, condition) in conditions() {
            let update = table.update(key("cond", "c")).set("touched", 1);
            let attempt = update.only_if(condition).attempt::<Item>().await;
            let held = attempt.map(|attempt| attempt.is_written());
            self.tell(&format!("condition: {label}"), held);
        }
    }

    async fn deletes(&mut self, table: &Items) {
        let delete = |sk: &str| table.delete(key("put", sk));
        let old = delete("one").only_if(attr("v").eq(7)).attempt().await;
        self.tell("delete: only_if, does not hold", outcome(old));
        let old = delete("one")
            .only_if(attr("v").exists())
            .returning_old::<Item>()
            .await;
        self.tell("delete: returning_old", old.map(shown));
        self.tell("delete: not there", delete("one").send().await);
        let version = delete("versioned")
            .version("version", Some(2))
            .attempt()
            .await;
        self.tell("delete: version", outcome(version));
    }

    async fn queries(&mut self, table: &Items) {
        for n in 0..25 {
            let line =
                json!({ "pk": "q", "sk": format!("{n:02}"), "day": format!("d{}", n % 3), "n": n });
            if let Err(error) = table.put(&line).send().await {
                self.tell::<()>("query: items to begin with", Err(error));
            }
        }
        let query = || table.query("pk", "q");
        self.tell(
            "query: all",
            query().all::<Item>().await.map(|all| texts(&all.items)),
        );
        let sorts: [(&str, SortCond); 7] = [
            ("eq", sort("sk").eq("05")),
            ("lt", sort("sk").lt("05")),
            ("le", sort("sk").le("05")),
            ("gt", sort("sk").gt("20")),
            ("ge", sort("sk").ge("20")),
            ("between", sort("sk").between("05", "08")),
            ("begins_with", sort("sk").begins_with("1")),
        ];
        for (label, condition) in sorts {
            let found = query().sort(condition).all::<Item>().await;
            self.tell(
                &format!("query: sort {label}"),
                found.map(|all| texts(&all.items)),
            );
        }
        let down = query().descending().take(3).all::<Item>().await;
        self.tell("query: descending, take", down.map(|all| texts(&all.items)));
        let filtered = query().filter(attr("n").gt(21)).all::<Item>().await;
        self.tell(
            "query: filter",
            filtered.map(|all| (texts(&all.items), all.scanned)),
        );
        let part = query().project(["n"]).take(1).all::<Item>().await;
        self.tell(
            "query: project",
            part.map(|all| all.items.into_iter().map(shown_item).collect::<Vec<_>>()),
        );
        self.tell("query: count", query().count().await);
        self.tell(
            "query: count of a projection",
            query().project(["n"]).count().await,
        );
        self.tell("query: first", query().first::<Item>().await.map(shown));
        let one = query().sort(sort("sk").eq("07")).one::<Item>().await;
        self.tell("query: one", one.map(shown));
        self.tell(
            "query: one of several",
            query().one::<Item>().await.map(shown),
        );
        let page = query().page_size(10).page::<Item>().await;
        let next = page.as_ref().ok().and_then(|page| page.next.clone());
        self.tell(
            "query: a page",
            page.map(|page| (page.items.len(), page.next.is_some())),
        );
        if let Some(cursor) = next {
            let rest = query().start_at(cursor).all::<Item>().await;
            self.tell("query: the rest", rest.map(|all| texts(&all.items)));
        }
        let index = || table.query("day", "d1").index("byDay");
        let found = index().all::<Item>().await;
        self.tell("query: an index", found.map(|all| texts(&all.items)));
        let whole = index().select(Select::AllAttributes).count().await;
        self.tell("query: an index, counted", whole);
        let consistent = index().consistent().count().await;
        self.tell("query: an index, consistently", consistent);
        let nowhere = table.query("day", "d1").index("nowhere").count().await;
        self.tell("query: an index that is not there", nowhere);
        let key = query()
            .key(attr("sk").between("10", "12"))
            .all::<Item>()
            .await;
        self.tell("query: key", key.map(|all| texts(&all.items)));
        let capacity = query().consumed_capacity().all::<Item>().await;
        self.tell(
            "query: consumed_capacity",
            capacity.map(|all| all.capacity.is_some()),
        );
        let wrong = table.query("n", 1).count().await;
        self.tell("query: not by the key", wrong);
        let reversed = query().sort(sort("sk").between("08", "05")).count().await;
        self.tell("query: between, reversed", reversed);
    }

    async fn scans(&mut self, table: &Items) {
        let scan = || table.scan().filter(attr("pk").eq("q"));
        self.tell("scan: count", scan().count().await);
        let all = scan().all::<Item>().await;
        self.tell("scan: all", all.map(|all| sorted(texts(&all.items))));
        for segments in [2, 4, 7] {
            let all = scan().segments(segments).all::<Item>().await;
            self.tell(
                &format!("scan: {segments} segments"),
                all.map(|all| sorted(texts(&all.items))),
            );
        }
        let mut parts = Vec::new();
        let mut problem = None;
        for cursor in Cursor::segments(3).split() {
            match scan().start_at(cursor).all::<Item>().await {
                Ok(all) => parts.extend(texts(&all.items)),
                Err(error) => problem = Some(error),
            }
        }
        let parts = problem.map_or(Ok(sorted(parts)), Err);
        self.tell("scan: split", parts);
        let mut stream = table.scan().segments(3).take(10).stream::<Item>();
        let mut taken = 0;
        while let Some(Ok(_)) = stream.next().await {
            taken += 1;
        }
        self.tell(
            "scan: take, and a cursor",
            Ok((taken, stream.cursor().is_some())),
        );
        let index = table.scan().index("byDay").count().await;
        self.tell("scan: an index", index);
    }

    async fn batches(&mut self, db: &Db, table: &Items, other: &Items) {
        let batch = (0..60).fold(table.batch_write(), |batch, n| {
            batch.put(&item("b", &format!("{n:02}"), json!(n)))
        });
        let report = batch.consumed_capacity().send().await;
        let report =
            report.map(|report| (report.written, report.requests, report.capacity.is_some()));
        self.tell("batch write: 60 puts", report);
        let deletes = (0..10).map(|n| table.delete(key("b", &format!("{n:02}"))));
        let report = table.batch_write().send_iter(deletes).await;
        self.tell(
            "batch write: 10 deletes",
            report.map(|report| report.written),
        );
        let mixed = (0..30).map(|n| {
            let sk = if n == 17 {
                json!(17)
            } else {
                json!(format!("m{n}"))
            };
            table.put(&json!({ "pk": "b", "sk": sk }))
        });
        let report = table.batch_write().send_iter(mixed).await;
        let report = report.map(|report| {
            let refused: Vec<_> = report.refused.iter().map(|one| one.position).collect();
            (report.written, refused)
        });
        self.tell("batch write: one that is not valid", report);
        let twice = table.batch_write().put(&item("b", "x", json!(1)));
        let twice = twice.put(&item("b", "x", json!(2))).send().await;
        self.tell(
            "batch write: one key twice",
            twice.and_then(|report| report.complete()),
        );
        let twice = table.batch_write().put(&item("b", "x", json!(1)));
        let twice = twice.put(&item("b", "x", json!(2))).dedupe_by(["pk", "sk"]);
        let written = twice.send().await.map(|report| report.written);
        self.tell("batch write: dedupe_by", written);
        let both = db.batch_write().write(table.put(&item("b", "t", json!(1))));
        let both = both
            .write(other.put(&item("b", "o", json!(1))))
            .send()
            .await;
        self.tell(
            "batch write: two tables",
            both.map(|report| (report.written, report.requests)),
        );
        let missing = db
            .table("Missing")
            .batch_write()
            .put(&item("a", "b", json!(1)));
        let missing = missing.backoff(Backoff::new().idle_rounds(1)).send().await;
        self.tell(
            "batch write: a table that is not there",
            missing.and_then(|report| report.complete()),
        );

        let keys = (0..130).map(|n| key("b", &format!("{n:02}")));
        let found = table.batch_get(keys).send::<Item>().await;
        self.tell(
            "batch get: 130 keys",
            found.map(|found| sorted(texts(&found.items)).len()),
        );
        let part = table
            .batch_get([key("b", "20")])
            .project(["v"])
            .consistent();
        let part = part.send::<Item>().await;
        self.tell(
            "batch get: project",
            part.map(|found| found.items.into_iter().map(shown_item).collect::<Vec<_>>()),
        );
        let none = table
            .batch_get(Vec::<(&str, &str)>::new())
            .send::<Item>()
            .await;
        self.tell(
            "batch get: nothing",
            none.map(|found| (found.items.len(), found.requests)),
        );
        let both = db.batch_get().table(table.batch_get([key("b", "t")]));
        let both = both.table(other.batch_get([key("b", "o")])).send().await;
        let both = both.and_then(|mut found| {
            let ours = found.items::<Item>("Judged")?.complete()?;
            let theirs = found.items::<Item>("Other")?.complete()?;
            Ok((texts(&ours), texts(&theirs)))
        });
        self.tell("batch get: two tables", both);
        let half = [("pk", "b")];
        let half = table.batch_get(half).send::<Item>().await;
        self.tell(
            "batch get: half a key",
            half.and_then(|found| found.complete())
                .map(|found| found.len()),
        );
    }

    async fn transactions(&mut self, db: &Db, table: &Items, other: &Items) {
        let whole = db
            .transact_write()
            .put(table.put(&item("t", "a", json!(1))))
            .put(other.put(&item("t", "a", json!(1))))
            .update(table.update(key("t", "b")).set("v", 1))
            .delete(table.delete(key("t", "nowhere")))
            .check(table.check(key("b", "20"), attr("v").exists()));
        self.tell("transact write", whole.send().await);
        let rejected = db
            .transact_write()
            .put(table.put(&item("t", "c", json!(1))))
            .update(
                table
                    .update(key("t", "b"))
                    .set("v", 2)
                    .only_if(attr("v").eq(7)),
            );
        self.tell(
            "transact write: a condition that does not hold",
            rejected.send().await,
        );
        let read = table.get(key("t", "c")).send::<Item>().await;
        self.tell("transact write: and nothing was written", read.map(shown));
        let twice = db
            .transact_write()
            .put(table.put(&item("t", "d", json!(1))));
        let twice = twice.delete(table.delete(key("t", "d"))).send().await;
        self.tell("transact write: one item twice", twice);
        let set_key = table.update(key("t", "b")).set("sk", "other");
        self.tell(
            "transact write: SET of a key",
            db.transact_write().update(set_key).send().await,
        );
        let token = || {
            db.transact_write()
                .token("judge-0001")
                .put(table.put(&item("t", "e", json!(1))))
        };
        self.tell("transact write: token", token().send().await);
        self.tell("transact write: the same token again", token().send().await);
        let changed = db.transact_write().token("judge-0001");
        let changed = changed
            .put(table.put(&item("t", "e", json!(2))))
            .send()
            .await;
        self.tell("transact write: the same token, other items", changed);
        let read = db
            .transact_get()
            .get(table.get(key("t", "a")))
            .get(other.get(key("t", "a")).project(["v"]))
            .get(table.get(key("t", "nowhere")));
        let read = read.send::<Item>().await;
        self.tell(
            "transact get",
            read.map(|read| read.into_iter().map(shown).collect::<Vec<_>>()),
        );
    }
}

fn key(pk: &str, sk: &str) -> ((String, String), (String, String)) {
    (
        ("pk".to_owned(), pk.to_owned()),
        ("sk".to_owned(), sk.to_owned()),
    )
}

fn item(pk: &str, sk: &str, value: impl IntoValue) -> Item {
    let mut item = Item::new();
    item.insert("pk".to_owned(), AttributeValue::S(pk.to_owned()));
    item.insert("sk".to_owned(), AttributeValue::S(sk.to_owned()));
    if let Ok(value) = value.into_value() {
        item.insert("v".to_owned(), value);
    }
    item
}

/// Every type, and the ends of numbers.
fn values() -> Vec<(&'static str, Value)> {
    let of = |value: Json| Value(value.into_value().unwrap_or(AttributeValue::Null(true)));
    let number = |text: &str| Value(AttributeValue::N(text.to_owned()));
    vec![
        ("text", of(json!("grüße"))),
        ("empty text", of(json!(""))),
        ("number", of(json!(-12.5))),
        (
            "38 digits",
            number("12345678901234567890.123456789012345678"),
        ),
        (
            "39 digits",
            number("123456789012345678901234567890123456789"),
        ),
        (
            "largest number",
            number("9.9999999999999999999999999999999999999E+125"),
        ),
        ("too large a number", number("1E+126")),
        ("smallest number", number("1E-130")),
        ("too small a number", number("1E-131")),
        ("negative zero", number("-0")),
        ("binary", Value::bytes([0, 255, 7])),
        ("empty binary", Value::bytes([])),
        ("true", of(json!(true))),
        ("null", of(json!(null))),
        ("list", of(json!([1, "a", [null, {}]]))),
        ("empty list", of(json!([]))),
        (
            "map",
            of(json!({ "name": "x", "list": [1, 2], "deep": { "a": { "b": 1 } } })),
        ),
        ("empty map", of(json!({}))),
        ("string set", Value::strings(["b", "a"])),
        ("number set", Value::numbers([3, 1])),
        ("binary set", Value::binaries([[1_u8], [2]])),
        ("a string twice in a set", Value::strings(["a", "a"])),
        (
            "a number twice in a set",
            Value(AttributeValue::Ns(vec!["1".into(), "1.0".into()])),
        ),
    ]
}

fn conditions() -> Vec<(&'static str, Cond)> {
    let type_of = |path: &str, name: &str| attr(path).is_type(name);
    let raw =
        |text: &str, value: Json| Cond::raw(text, [("#n", "n"), ("#s", "s")], [(":v", value)]);
    vec![
        ("eq", attr("n").eq(5)),
        ("ne", attr("n").ne(5)),
        ("lt", attr("n").lt(6)),
        ("le", attr("n").le(4)),
        ("gt", attr("n").gt(4)),
        ("ge", attr("n").ge(6)),
        ("between", attr("n").between(1, 5)),
        ("is_in", attr("n").is_in([1, 5])),
        ("exists", attr("m.k").exists()),
        ("not_exists", attr("m.none").not_exists()),
        ("begins_with", attr("s").begins_with("te")),
        ("contains in a text", attr("s").contains("ex")),
        ("contains in a set", attr("tags").contains("red")),
        ("contains in a list", attr("list").contains("a")),
        ("type S", type_of("s", "S")),
        ("type SS", type_of("tags", "SS")),
        ("size of a text", size("s").eq(4)),
        ("size of a set", size("tags").lt(3)),
        ("size of a list", size("list").ge(2)),
        ("size of a map", size("m").le(0)),
        ("and", attr("n").eq(5) & attr("s").eq("text")),
        ("or", attr("n").eq(6) | attr("s").eq("text")),
        ("not", !attr("n").eq(6)),
        (
            "mixed",
            (attr("n").eq(6) | attr("s").eq("text")) & !attr("flag").eq(true),
        ),
        ("an element", attr("list[0]").eq(1)),
        ("null", attr("none").eq(None::<String>)),
        ("a list", attr("list").eq(json!([1, "a"]))),
        ("a map", attr("m").eq(json!({ "k": true }))),
        ("a set", attr("tags").eq(Value::strings(["green", "red"]))),
        ("another attribute", attr("n").lt(attr("s"))),
        (
            "in its own words",
            raw("#n = :v AND attribute_exists(#s)", json!(5)),
        ),
        (
            "38 digits",
            attr("n").lt("5.0000000000000000000000000000000000001"
                .parse::<Number>()
                .ok()),
        ),
        ("a hundred in IN", attr("n").is_in(0..100)),
        ("an unknown type", type_of("s", "T")),
        ("an attribute and itself", attr("n").eq(attr("n"))),
        ("between, reversed", attr("n").between(9, 1)),
        ("between of two types", attr("n").between(1, "a")),
        ("less than BOOL", attr("flag").lt(true)),
        ("less than NULL", attr("none").lt(None::<String>)),
        ("less than a list", attr("list").lt(json!([2]))),
        ("begins_with a number", attr("s").begins_with(1)),
    ]
}

/// What came back, as data that compares: attributes by name, sets in order.
fn shown(item: Option<Item>) -> Json {
    item.map_or(Json::Null, shown_item)
}

fn shown_item(item: Item) -> Json {
    let members = item.into_attributes().into_iter();
    Json::Object(
        members
            .map(|(name, value)| (name, shown_value(value)))
            .collect(),
    )
}

fn shown_value(value: AttributeValue) -> Json {
    let set = |mut set: Vec<String>| {
        set.sort_unstable();
        set
    };
    match value {
        AttributeValue::B(bytes) => json!({ "B": bytes.into_inner() }),
        AttributeValue::Bool(flag) => json!({ "BOOL": flag }),
        AttributeValue::Bs(members) => {
            let mut members: Vec<_> = members.into_iter().map(|b| b.into_inner()).collect();
            members.sort_unstable();
            json!({ "BS": members })
        }
        AttributeValue::L(elements) => {
            json!({ "L": elements.into_iter().map(shown_value).collect::<Vec<_>>() })
        }
        AttributeValue::M(members) => {
            let members = members.into_iter();
            let members = members.map(|(name, value)| (name, shown_value(value)));
            json!({ "M": members.collect::<serde_json::Map<_, _>>() })
        }
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::Ns(members) => json!({ "NS": set(members) }),
        AttributeValue::Null(_) => json!({ "NULL": true }),
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::Ss(members) => json!({ "SS": set(members) }),
        other => json!({ "?": format!("{other:?}") }),
    }
}

fn texts(items: &[Item]) -> Vec<String> {
    let sk = items.iter().filter_map(|item| item.get("sk"));
    sk.filter_map(|sk| sk.as_s().ok().cloned()).collect()
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort_unstable();
    texts
}

fn outcome(attempt: Result<Attempt<Item>>) -> Result<Json> {
    Ok(match attempt? {
        Attempt::Rejected(there) => json!({ "rejected": shown(there) }),
        Attempt::Returned(item) => json!({ "returned": shown(item) }),
        Attempt::Unclear(there) => json!({ "unclear": shown(there) }),
        Attempt::Written => json!("written"),
        _ => json!("unknown"),
    })
}

fn refusal(error: &Error) -> Json {
    let kind = format!("{:?}", error.kind());
    let kind = kind.split(['(', '{', ' ']).next().unwrap_or_default();
    json!({ "refused": kind, "code": error.code() })
}

async fn create(db: &Db, name: &str) -> std::result::Result<(), Failure> {
    let element = |name: &str, role: KeyType| {
        KeySchemaElement::builder()
            .attribute_name(name)
            .key_type(role)
            .build()
    };
    let text = |name: &str| {
        AttributeDefinition::builder()
            .attribute_name(name)
            .attribute_type(ScalarAttributeType::S)
            .build()
    };
    let by_day = GlobalSecondaryIndex::builder()
        .index_name("byDay")
        .key_schema(element("day", KeyType::Hash)?)
        .key_schema(element("sk", KeyType::Range)?)
        .projection(
            Projection::builder()
                .projection_type(ProjectionType::All)
                .build(),
        );
    db.client()
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .key_schema(element("pk", KeyType::Hash)?)
        .key_schema(element("sk", KeyType::Range)?)
        .attribute_definitions(text("pk")?)
        .attribute_definitions(text("sk")?)
        .attribute_definitions(text("day")?)
        .global_secondary_indexes(by_day.build()?)
        .send()
        .await?;
    Ok(())
}
