//! Whatever DynamoDB can hold survives put and get, under any attribute name; whatever condition the API
//! builds is accepted by DynamoDB's parser.
#![cfg(feature = "table")]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/table.rs"]
mod support;

use aws_credential_strategies::table::{AttributeValue, Cond, Path, Step, Value, attr, size};
use aws_credential_strategies::{Dynamo, ErrorKind};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseResult, TestRunner};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use support::{Embedded, Fixed, create_table};
use tokio::runtime::Runtime;

/// One of everything that serde has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Anything {
    id: String,
    flag: bool,
    byte: u8,
    small: i16,
    integer: i64,
    natural: u64,
    real: f64,
    letter: char,
    text: String,
    unit: (),
    none: Option<String>,
    some: Option<Box<Anything>>,
    bytes: Bytes,
    pair: (i32, String),
    list: Vec<Shape>,
    map: BTreeMap<String, Shape>,
    #[serde(with = "serde_dynamo::string_set")]
    strings: Vec<String>,
    #[serde(with = "serde_dynamo::number_set")]
    numbers: Vec<i32>,
    #[serde(flatten)]
    more: BTreeMap<String, String>,
}

/// The same without `flatten`, which serde reads in another way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Plain {
    id: String,
    flag: bool,
    integer: i64,
    natural: u64,
    real: f64,
    letter: char,
    text: String,
    unit: (),
    none: Option<String>,
    some: Option<Box<Anything>>,
    bytes: Bytes,
    pair: (i32, String),
    list: Vec<Shape>,
    map: BTreeMap<String, Shape>,
    shape: Option<Shape>,
    #[serde(with = "serde_dynamo::string_set")]
    strings: Vec<String>,
    #[serde(with = "serde_dynamo::number_set")]
    numbers: Vec<i32>,
    #[serde(default)]
    absent: Option<Bytes>,
}

impl From<Anything> for Plain {
    fn from(anything: Anything) -> Self {
        Plain {
            id: "p".into(),
            flag: anything.flag,
            integer: anything.integer,
            natural: anything.natural,
            real: anything.real,
            letter: anything.letter,
            text: anything.text,
            unit: (),
            none: anything.none,
            some: anything.some,
            bytes: anything.bytes,
            pair: anything.pair,
            shape: anything.list.first().cloned(),
            list: anything.list,
            map: anything.map,
            strings: anything.strings,
            numbers: anything.numbers,
            absent: None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Unit,
    Newtype(String),
    Tuple(i64, bool),
    Struct { x: f64, y: Option<u32> },
}

#[derive(Clone, Debug, PartialEq)]
struct Bytes(Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Binary;
        impl Visitor<'_> for Binary {
            type Value = Bytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("binary")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }

            fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
                Ok(Bytes(bytes))
            }
        }
        deserializer.deserialize_byte_buf(Binary)
    }
}

/// Within what a DynamoDB number holds: 1E-130 to 9.99E125.
fn real() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(0.0),
        any::<i32>().prop_map(f64::from),
        any::<f64>().prop_filter("DynamoDB's range", |x| (1e-129..1e125).contains(&x.abs())),
    ]
}

/// Any string, with the awkward ones often: reserved words, dots, quotes, brackets, emoji.
fn name() -> impl Strategy<Value = String> {
    let awkward = [
        "name",
        "size",
        "SELECT",
        "status",
        "a.b",
        "a[0]",
        "\"quoted\"",
        "it's",
        "#n0",
        ":v0",
        "🦀.🦀",
        "with space",
        "%",
        "\\",
        "\u{7}",
        "null",
        "AND",
        "(",
        "é",
        "0",
        "-",
    ];
    prop_oneof![
        prop::sample::select(awkward.to_vec()).prop_map(str::to_owned),
        prop::collection::vec(any::<char>(), 1..12).prop_map(String::from_iter),
    ]
}

fn shape() -> impl Strategy<Value = Shape> {
    prop_oneof![
        Just(Shape::Unit),
        any::<String>().prop_map(Shape::Newtype),
        any::<(i64, bool)>().prop_map(|(n, flag)| Shape::Tuple(n, flag)),
        (real(), any::<Option<u32>>()).prop_map(|(x, y)| Shape::Struct { x, y }),
    ]
}

fn anything() -> impl Strategy<Value = Anything> {
    let numbers = any::<(bool, u8, i16, i64, u64)>();
    let texts = (
        any::<char>(),
        any::<String>(),
        any::<Option<String>>(),
        any::<Vec<u8>>(),
    );
    let shapes = (
        prop::collection::vec(shape(), 0..4),
        prop::collection::btree_map(name(), shape(), 0..4),
        any::<(i32, String)>(),
    );
    let sets = (
        prop::collection::btree_set("[a-z]{1,5}", 1..4),
        prop::collection::btree_set(any::<i32>(), 1..4),
        prop::collection::btree_map(name().prop_map(|n| format!("~{n}")), any::<String>(), 0..3),
    );
    let leaf = (numbers, real(), texts, shapes, sets).prop_map(
        |((flag, byte, small, integer, natural), real, texts, shapes, sets)| Anything {
            id: "1".into(),
            flag,
            byte,
            small,
            integer,
            natural,
            real,
            letter: texts.0,
            text: texts.1,
            unit: (),
            none: texts.2,
            some: None,
            bytes: Bytes(texts.3),
            pair: shapes.2,
            list: shapes.0,
            map: shapes.1,
            strings: sets.0.into_iter().collect(),
            numbers: sets.1.into_iter().collect(),
            more: sets.2,
        },
    );
    leaf.prop_recursive(3, 4, 1, |inner| {
        (inner.clone(), inner).prop_map(|(mut outer, inner)| {
            outer.some = Some(Box::new(inner));
            outer
        })
    })
}

/// Runs so many cases on one embedded table `Any` with the key `id`.
fn on_embedded<T: fmt::Debug>(
    cases: u32,
    strategy: impl Strategy<Value = T>,
    property: impl Fn(&Runtime, &Dynamo<Fixed>, T) -> TestCaseResult,
) {
    let runtime = Runtime::new().unwrap();
    let db = runtime.block_on(async {
        let db = Embedded::start().await.dynamo();
        create_table(db.client(), "Any", "id", None).await;
        db
    });
    let mut config = Config::with_cases(cases);
    config.failure_persistence = None;
    let test = |value| property(&runtime, &db, value);
    TestRunner::new(config).run(&strategy, test).unwrap();
}

fn sorted(mut anything: Anything) -> Anything {
    anything.strings.sort();
    anything.numbers.sort_unstable();
    anything.some = anything.some.map(|inner| Box::new(sorted(*inner)));
    anything
}

#[test]
fn any_serde_value_survives_put_and_get() {
    on_embedded(64, anything(), |runtime, db, value| {
        let found = runtime.block_on(async {
            let table = db.table("Any");
            table.put(&value).send().await.unwrap();
            table.get(("id", "1")).send::<Anything>().await.unwrap()
        });
        prop_assert_eq!(sorted(found.unwrap()), sorted(value.clone()));

        let plain = Plain::from(sorted(value));
        let found = runtime.block_on(async {
            let table = db.table("Any");
            table.put(&plain).send().await.unwrap();
            table.get(("id", "p")).send::<Plain>().await.unwrap()
        });
        let mut found = found.unwrap();
        found.strings.sort();
        found.numbers.sort_unstable();
        found.some = found.some.map(|inner| Box::new(sorted(*inner)));
        prop_assert_eq!(found, plain);
        Ok(())
    });
}

/// A whole item may be an enum or an option too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Tagged {
    User { id: String, age: u8 },
    Order { id: String, total: f64 },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Newtype(BTreeMap<String, String>);

#[test]
fn an_item_may_be_an_enum_an_option_a_newtype_or_a_map() {
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        let db = Embedded::start().await.dynamo();
        create_table(db.client(), "Any", "id", None).await;
        let table = db.table("Any");
        let order = Tagged::Order {
            id: "o".into(),
            total: 1.5,
        };
        table.put(&order).send().await.unwrap();
        let get = || table.get(("id", "o"));
        assert_eq!(get().send().await.unwrap(), Some(order.clone()));
        assert_eq!(get().send().await.unwrap(), Some(Some(order)));
        let names = Newtype(BTreeMap::from([
            ("id".into(), "n".into()),
            ("a".into(), "b".into()),
        ]));
        table.put(&names).send().await.unwrap();
        let get = || table.get(("id", "n"));
        assert_eq!(get().send().await.unwrap(), Some(names.clone()));
        assert_eq!(get().send().await.unwrap(), Some(names.0));
    });
}

#[test]
fn any_attribute_value_survives_under_any_name() {
    let leaf = prop_oneof![
        any::<String>().prop_map(AttributeValue::S),
        any::<i64>().prop_map(|n| AttributeValue::N(n.to_string())),
        any::<bool>().prop_map(AttributeValue::Bool),
        any::<Vec<u8>>().prop_map(|bytes| Value::bytes(bytes).0),
        Just(AttributeValue::Null(true)),
    ];
    let value = leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(AttributeValue::L),
            prop::collection::hash_map(name(), inner, 0..4).prop_map(AttributeValue::M),
        ]
    });
    let cases = (name().prop_filter("the key's", |name| name != "id"), value);
    on_embedded(64, cases, |runtime, db, (name, value)| {
        let found = runtime.block_on(async {
            let table = db.table("Any");
            table.delete(("id", "2")).send().await.unwrap();
            let path = Path::new([Step::from(name.as_str())]);
            let update = table.update(("id", "2")).set(&path, Value(value.clone()));
            let update = update.only_if(attr(&path).not_exists());
            update.send().await.unwrap();
            table.get(("id", "2")).output().await.unwrap().item.unwrap()
        });
        prop_assert_eq!(
            found,
            HashMap::from([
                ("id".to_owned(), AttributeValue::S("2".into())),
                (name, value),
            ])
        );
        Ok(())
    });
}

/// A path of one to three steps; each from its own alphabet, so that two sides of a comparison differ,
/// as DynamoDB requires.
fn path(prefix: &'static str) -> impl Strategy<Value = Path> {
    let rest = prop_oneof![
        name().prop_map(|name| Step::from(name.as_str())),
        (0_usize..9).prop_map(Step::from)
    ];
    (name(), prop::collection::vec(rest, 0..3)).prop_map(move |(first, rest)| {
        let first = Step::from(format!("{prefix}{first}"));
        Path::new(std::iter::once(first).chain(rest))
    })
}

fn condition() -> impl Strategy<Value = Cond> {
    let simple = (
        path("a"),
        path("b"),
        any::<i32>(),
        any::<i32>(),
        any::<String>(),
        0..19,
    );
    let simple = simple.prop_map(|(a, b, n, m, text, which)| {
        let (a, b, other) = (attr(a.clone()), size(a), attr(b));
        let (low, high) = (n.min(m), n.max(m));
        match which {
            0 => a.eq(n),
            1 => a.ne(text),
            2 => a.lt(n),
            3 => a.le(other),
            4 => a.gt(n),
            5 => a.ge(other),
            6 => a.between(low, high),
            7 => a.is_in([n, m]),
            8 => a.begins_with(text),
            9 => a.contains(text),
            10 => a.exists(),
            11 => a.not_exists(),
            12 => a.is_type("NS"),
            13 => b.eq(n),
            14 => b.ge(other),
            15 => b.between(low, high),
            16 => a.eq(b),
            17 => Cond::raw(
                "#a = :b OR NOT (#a < :c AND id <> :b)",
                [("#a", text + "x")],
                [(":b", n), (":c", m)],
            ),
            _ => Cond::raw(
                "(attribute_exists(#n0) AND #n0 = :v0)",
                [("#n0", "a")],
                [(":v0", n)],
            ),
        }
    });
    simple.prop_recursive(4, 12, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| a & b),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| a | b),
            inner.prop_map(|a| !a),
        ]
    })
}

#[test]
fn any_condition_is_accepted_by_the_parser() {
    on_embedded(256, condition(), |runtime, db, condition| {
        let table = db.table("Any");
        let shown = format!("{condition:?}");
        let write = table
            .update(("id", "3"))
            .set("touched", true)
            .only_if(condition.clone());
        let read = table.scan().filter(condition);
        let results = runtime.block_on(async { (write.send().await, read.count().await) });
        if let Err(error) = results.0 {
            prop_assert_eq!(error.kind(), &ErrorKind::Conflict, "{}: {}", shown, error);
        }
        if let Err(error) = results.1 {
            prop_assert!(false, "{}: {}", shown, error);
        }
        Ok(())
    });
}
