//! No value changes in silence: what DynamoDB holds comes back from every way of reading and writing as it
//! was, or is refused, with the attribute named.
#![cfg(feature = "table")]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/table.rs"]
mod support;

use aws_credential_strategies::table::{
    Attempt, AttributeValue, Item, Number, Update, Value, binary_set, from_item, number_set,
    string_set, to_item,
};
use aws_credential_strategies::{Dynamo, Error, ErrorKind, Table};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::error::Error as _;
use support::{Embedded, Fixed, create_table};
use tokio::runtime::Runtime;

/// Numbers of up to 38 digits, all over DynamoDB's range.
fn number() -> impl Strategy<Value = String> {
    let long = ("-?[1-9][0-9]{0,37}", -80..80_i32).prop_map(|(digits, exponent)| {
        // 38 digits and an exponent stay within 1E-130 and 9.99E125
        format!("{digits}e{exponent}")
    });
    let fraction = "-?[1-9][0-9]{0,18}\\.[0-9]{1,18}[1-9]";
    prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        any::<u64>().prop_map(|n| n.to_string()),
        "-?[1-9][0-9]{37}",
        long,
        fraction,
        Just("0".to_owned()),
        Just("12345678901234567890.123456789".to_owned()),
    ]
}

fn distinct_numbers() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(number(), 1..4).prop_map(|numbers| {
        let mut kept: Vec<Number> = Vec::new();
        for number in numbers.iter().map(|n| n.parse::<Number>().unwrap()) {
            if !kept.contains(&number) {
                kept.push(number);
            }
        }
        kept.into_iter().map(Number::into_string).collect()
    })
}

fn attribute() -> impl Strategy<Value = AttributeValue> {
    let leaf = prop_oneof![
        any::<String>().prop_map(AttributeValue::S),
        number().prop_map(AttributeValue::N),
        any::<bool>().prop_map(AttributeValue::Bool),
        any::<Vec<u8>>().prop_map(|bytes| Value::bytes(bytes).0),
        Just(AttributeValue::Null(true)),
        prop::collection::btree_set("[a-z]{1,5}", 1..4).prop_map(|set| Value::strings(set).0),
        distinct_numbers().prop_map(|set| Value::numbers(set).0),
        prop::collection::btree_set(
            any::<Vec<u8>>().prop_filter("not empty", |b| !b.is_empty()),
            1..4
        )
        .prop_map(|set| Value::binaries(set).0),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(AttributeValue::L),
            prop::collection::hash_map("[a-z.#:]{1,6}", inner, 0..4).prop_map(AttributeValue::M),
        ]
    })
}

fn item() -> impl Strategy<Value = Item> {
    prop::collection::hash_map("[a-h]{1,2}", attribute(), 0..5).prop_map(|mut attributes| {
        attributes.insert("id".to_owned(), AttributeValue::S("1".into()));
        Item::from(attributes)
    })
}

/// One form for what is the same: sets have no order, and a number has many texts.
fn plain(value: &AttributeValue) -> String {
    match value {
        AttributeValue::N(n) => format!("{:?}", canonical(n)),
        AttributeValue::Ns(set) => {
            let mut set: Vec<_> = set.iter().map(|n| canonical(n)).collect();
            set.sort();
            format!("NS{set:?}")
        }
        AttributeValue::Ss(set) => {
            let mut set = set.clone();
            set.sort();
            format!("SS{set:?}")
        }
        AttributeValue::Bs(set) => {
            let mut set: Vec<_> = set.iter().map(|b| b.as_ref().to_vec()).collect();
            set.sort();
            format!("BS{set:?}")
        }
        AttributeValue::L(list) => format!("L{:?}", list.iter().map(plain).collect::<Vec<_>>()),
        AttributeValue::M(map) => {
            let map: BTreeMap<_, _> = map
                .iter()
                .map(|(name, value)| (name, plain(value)))
                .collect();
            format!("M{map:?}")
        }
        other => format!("{other:?}"),
    }
}

/// Sign, digits and the power of ten of the first: written apart from the crate's own.
fn canonical(number: &str) -> (bool, String, i64) {
    let (negative, number) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number),
    };
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0');
    let zeros = i64::try_from(all.len() - digits.len()).unwrap();
    let first = i64::try_from(whole.len()).unwrap() - zeros;
    let digits = digits.trim_end_matches('0');
    if digits.is_empty() {
        return (false, String::new(), 0);
    }
    (
        negative,
        digits.to_owned(),
        exponent.parse::<i64>().unwrap() + first,
    )
}

fn plain_item(item: &Item) -> BTreeMap<&str, String> {
    item.iter()
        .map(|(name, value)| (name.as_str(), plain(value)))
        .collect()
}

/// Reads into `T` and writes it back: the item is the same after that, or reading names what stands in the
/// way.
async fn there_and_back<T>(table: &Table<Fixed>, before: &Item) -> Result<bool, TestCaseError>
where
    T: Serialize + serde::de::DeserializeOwned,
{
    let read = table.get(("id", "1")).consistent().send::<T>().await;
    let value = match read {
        Ok(value) => value.unwrap(),
        Err(error) => {
            prop_assert_eq!(error.kind(), &ErrorKind::Decode);
            prop_assert!(error.to_string().contains("attribute "), "{}", error);
            prop_assert_eq!(plain_item(error.item().unwrap()), plain_item(before));
            return Ok(false);
        }
    };
    table.put(&value).send().await.unwrap();
    let after: Item = table
        .get(("id", "1"))
        .consistent()
        .send()
        .await
        .unwrap()
        .unwrap();
    prop_assert_eq!(plain_item(&after), plain_item(before));
    Ok(true)
}

#[derive(Debug, Serialize, Deserialize)]
struct WithValues {
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    a: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    b: Option<Value>,
}

#[derive(Debug, Serialize, Deserialize)]
struct FlatJson {
    id: String,
    #[serde(flatten)]
    rest: HashMap<String, Json>,
}

/// serde makes `None` of what does not fit.
#[derive(Debug, Serialize, Deserialize)]
struct Perhaps {
    id: String,
    #[serde(flatten)]
    rest: Option<HashMap<String, Json>>,
}

/// A kind that every item has.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "id")]
enum Entity {
    #[serde(rename = "1")]
    One(HashMap<String, Json>),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Truth(bool),
    Whole(i64),
    Any(Json),
}

/// Takes anything, as `toml::Value` and others do.
#[derive(Debug)]
enum Untyped {
    Nothing,
    Truth(bool),
    Number(Number),
    Text(String),
    List(Vec<Untyped>),
    Map(BTreeMap<String, Untyped>),
}

impl Serialize for Untyped {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Untyped::Nothing => serializer.serialize_unit(),
            Untyped::Truth(truth) => truth.serialize(serializer),
            Untyped::Number(number) => number.serialize(serializer),
            Untyped::Text(text) => text.serialize(serializer),
            Untyped::List(list) => list.serialize(serializer),
            Untyped::Map(map) => map.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Untyped {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::{Error, MapAccess, SeqAccess, Visitor};
        struct Anything;
        impl<'de> Visitor<'de> for Anything {
            type Value = Untyped;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("any value")
            }

            fn visit_unit<E: Error>(self) -> Result<Untyped, E> {
                Ok(Untyped::Nothing)
            }

            fn visit_bool<E: Error>(self, truth: bool) -> Result<Untyped, E> {
                Ok(Untyped::Truth(truth))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Untyped, E> {
                Ok(Untyped::Number(number.into()))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Untyped, E> {
                Ok(Untyped::Number(number.into()))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Untyped, E> {
                number
                    .to_string()
                    .parse()
                    .map(Untyped::Number)
                    .map_err(E::custom)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Untyped, E> {
                Ok(Untyped::Text(text.to_owned()))
            }

            fn visit_newtype_struct<D: serde::Deserializer<'de>>(
                self,
                deserializer: D,
            ) -> Result<Untyped, D::Error> {
                Untyped::deserialize(deserializer)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Untyped, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = list.next_element()? {
                    elements.push(element);
                }
                Ok(Untyped::List(elements))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Untyped, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((name, member)) = map.next_entry()? {
                    members.insert(name, member);
                }
                Ok(Untyped::Map(members))
            }
        }
        deserializer.deserialize_any(Anything)
    }
}

#[test]
fn any_item_survives_every_untyped_way_or_is_refused_by_name() {
    let runtime = Runtime::new().unwrap();
    let db = runtime.block_on(async {
        let db = Embedded::start().await.dynamo();
        create_table(db.client(), "Any", "id", None).await;
        db
    });
    let mut config = Config::with_cases(48);
    config.failure_persistence = None;
    let test = |item: Item| runtime.block_on(every_way(&db, item));
    TestRunner::new(config).run(&item(), test).unwrap();
}

async fn every_way(db: &Dynamo<Fixed>, item: Item) -> Result<(), TestCaseError> {
    let table = db.table("Any");
    // in memory, to the letter
    let copy: Item = from_item(to_item(&item).unwrap()).unwrap();
    prop_assert_eq!(&copy, &item);
    let whole: Value = serde_value(&item);
    prop_assert_eq!(whole.0, AttributeValue::M(item.clone().into_attributes()));

    table.put(&item).send().await.unwrap();
    let before: Item = table
        .get(("id", "1"))
        .consistent()
        .send()
        .await
        .unwrap()
        .unwrap();
    prop_assert_eq!(plain_item(&before), plain_item(&item));

    prop_assert!(there_and_back::<Item>(&table, &before).await?);
    prop_assert!(there_and_back::<HashMap<String, Value>>(&table, &before).await?);
    there_and_back::<Json>(&table, &before).await?;
    there_and_back::<FlatJson>(&table, &before).await?;
    there_and_back::<Entity>(&table, &before).await?;
    there_and_back::<Perhaps>(&table, &before).await?;
    there_and_back::<HashMap<String, Untagged>>(&table, &before).await?;
    there_and_back::<HashMap<String, Untyped>>(&table, &before).await?;
    there_and_back::<HashMap<String, Json>>(&table, &before).await?;

    let all = table
        .scan()
        .all::<Item>()
        .await
        .unwrap()
        .complete()
        .unwrap();
    prop_assert_eq!(plain_item(&all[0]), plain_item(&before));
    let mut stream = table.query("id", "1").stream::<Item>();
    let streamed = stream.next().await.unwrap().unwrap();
    prop_assert_eq!(plain_item(&streamed), plain_item(&before));
    let batch = table.batch_write().put(&streamed).send().await.unwrap();
    batch.complete().unwrap();
    let batch = table.batch_get([("id", "1")]).send::<Item>().await.unwrap();
    let batched = batch.complete().unwrap().remove(0);
    prop_assert_eq!(plain_item(&batched), plain_item(&before));
    let write = db.transact_write().put(table.put(&batched));
    write.send().await.unwrap();
    let read = db.transact_get().get(table.get(("id", "1")));
    let read = read.send::<Item>().await.unwrap().remove(0).unwrap();
    prop_assert_eq!(plain_item(&read), plain_item(&before));

    let old: Option<Item> = table.delete(("id", "1")).returning_old().await.unwrap();
    prop_assert_eq!(plain_item(old.as_ref().unwrap()), plain_item(&before));
    let new: Option<Item> = set_each(&table, &before).returning_new().await.unwrap();
    prop_assert_eq!(plain_item(new.as_ref().unwrap()), plain_item(&before));
    table.delete(("id", "1")).send().await.unwrap();
    let write = db.transact_write();
    // an update in a transaction needs something to change
    let write = match before.len() {
        1 => write.put(table.put(&before)),
        _ => write.update(set_each(&table, &before)),
    };
    write.send().await.unwrap();
    let mut stream = table.scan().stream::<HashMap<String, Value>>();
    let streamed = stream.next().await.unwrap().unwrap();
    let streamed = streamed.into_iter().map(|(name, value)| (name, value.0));
    let streamed = Item::from(streamed.collect::<HashMap<_, _>>());
    prop_assert_eq!(plain_item(&streamed), plain_item(&before));
    let taken = table.put(&before).if_absent("id").attempt::<Item>().await;
    let Attempt::Rejected(Some(there)) = taken.unwrap() else {
        panic!("expected the item that is there");
    };
    prop_assert_eq!(plain_item(&there), plain_item(&before));
    every_reading_of_json(db, &before).await?;

    let mut few = before.clone();
    // serde makes `None` of NULL, which is then left out.
    few.retain(|name, value| {
        ["id", "a", "b"].contains(&name.as_str()) && *value != AttributeValue::Null(true)
    });
    table.put(&few).send().await.unwrap();
    prop_assert!(there_and_back::<WithValues>(&table, &few).await?);
    Ok(())
}

/// The item, attribute by attribute.
fn set_each(table: &Table<Fixed>, item: &Item) -> Update {
    let attributes = item.iter().filter(|(name, _)| *name != "id");
    attributes.fold(table.update(("id", "1")), |update, (name, value)| {
        update.set(name.as_str(), Value(value.clone()))
    })
}

/// `serde_json::Value` holds an item or it does not, whichever way it is read; where it does not, the error
/// has the item.
async fn every_reading_of_json(db: &Dynamo<Fixed>, before: &Item) -> Result<(), TestCaseError> {
    let table = db.table("Any");
    let got = table.get(("id", "1")).send::<Json>().await;
    let got = got.map(Option::unwrap);
    let batch = table.batch_get([("id", "1")]).send::<Json>().await.unwrap();
    let (batch, undecoded) = (batch.items, batch.undecoded);
    let pages = [
        table.query("id", "1").page::<Json>().await.unwrap(),
        table.scan().page::<Json>().await.unwrap(),
        table.query("id", "1").all::<Json>().await.unwrap(),
        table.scan().all::<Json>().await.unwrap(),
    ];
    let mut readings: Vec<_> = pages.map(|page| (page.items, page.undecoded)).into();
    readings.push((batch, undecoded));
    let mut stream = table.scan().stream::<Json>();
    let read = db.transact_get().get(table.get(("id", "1")));
    let read = read.send::<Json>().await;
    for one in [
        stream.next().await.unwrap(),
        read.map(|mut items| items.remove(0).unwrap()),
    ] {
        readings.push(match one {
            Ok(item) => (vec![item], Vec::new()),
            Err(error) => (Vec::new(), vec![error]),
        });
    }
    for (items, undecoded) in readings {
        match &got {
            Ok(item) => {
                let names = |json: &Json| json.as_object().unwrap().len();
                prop_assert_eq!(items.len(), 1);
                prop_assert_eq!(names(&items[0]), names(item));
                prop_assert!(undecoded.is_empty());
            }
            Err(_) => {
                prop_assert!(items.is_empty());
                prop_assert_eq!(undecoded.len(), 1);
                prop_assert_eq!(undecoded[0].kind(), &ErrorKind::Decode);
                prop_assert!(undecoded[0].to_string().contains("attribute "));
                let held = undecoded[0].item().unwrap();
                prop_assert_eq!(plain_item(held), plain_item(before));
            }
        }
    }
    Ok(())
}

/// Binary, as `serde_bytes` has it.
#[derive(Debug, PartialEq)]
struct Bytes(Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Binary;
        impl serde::de::Visitor<'_> for Binary {
            type Value = Bytes;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("binary")
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }
        }
        deserializer.deserialize_byte_buf(Binary)
    }
}

/// The item as an attribute of another, and back.
fn serde_value(item: &Item) -> Value {
    #[derive(Serialize, Deserialize)]
    struct Outer<T> {
        inner: T,
    }
    let outer = to_item(&Outer { inner: item }).unwrap();
    from_item::<Outer<Value>>(outer).unwrap().inner
}

/// Reads the one attribute `n` of this value.
fn read<T: serde::de::DeserializeOwned>(value: AttributeValue) -> Result<T, Error> {
    from_item::<HashMap<String, T>>(Item::from([("n", value)]))
        .map(|mut map| map.remove("n").unwrap())
}

#[test]
fn numbers_are_exact_or_refused_in_every_type() {
    let exact = "12345678901234567890.123456789";
    let n = |text: &str| AttributeValue::N(text.to_owned());
    assert_eq!(read::<Number>(n(exact)).unwrap().as_str(), exact);
    let largest = "9".repeat(38);
    assert_eq!(read::<u128>(n(&largest)).unwrap().to_string(), largest);
    assert_eq!(
        read::<i128>(n(&format!("-{largest}"))).unwrap().to_string(),
        format!("-{largest}")
    );
    assert_eq!(
        to_item(&HashMap::from([("n", u128::from(u64::MAX) * 3)])).unwrap()["n"],
        n("55340232221128654845")
    );
    let integer: i128 = -12_345_678_901_234_567_890_123_456_789;
    assert_eq!(
        to_item(&HashMap::from([("n", integer)])).unwrap()["n"],
        n(&integer.to_string())
    );
    for (name, error) in [
        ("f64", read::<f64>(n(exact)).map(|_| ()).unwrap_err()),
        (
            "f32",
            read::<f32>(n("0.123456789")).map(|_| ()).unwrap_err(),
        ),
        (
            "serde_json",
            read::<Json>(n(exact)).map(|_| ()).unwrap_err(),
        ),
        (
            "list",
            read::<Vec<Json>>(AttributeValue::L(vec![n("1"), n(exact)]))
                .map(|_| ())
                .unwrap_err(),
        ),
        (
            "u64",
            read::<u64>(n("18446744073709551616"))
                .map(|_| ())
                .unwrap_err(),
        ),
        (
            "set",
            read::<Json>(AttributeValue::Ss(vec!["a".into()]))
                .map(|_| ())
                .unwrap_err(),
        ),
    ] {
        assert_eq!(*error.kind(), ErrorKind::Decode, "{name}");
        let place = if name == "list" {
            "attribute n[1]"
        } else {
            "attribute n"
        };
        assert!(error.to_string().contains(place), "{error}");
        assert!(
            !error.to_string().contains("1234567"),
            "the value is not shown: {error}"
        );
        assert!(error.source().is_some(), "{name}");
    }
    let cause = read::<Json>(n(exact)).unwrap_err();
    assert!(cause.source().unwrap().to_string().contains("Number"));
    assert!(read::<f64>(n("0.1")).unwrap() == 0.1);
    assert_eq!(read::<Json>(n("0.1")).unwrap(), serde_json::json!(0.1));
    assert_eq!(
        read::<Json>(n("18446744073709551615")).unwrap(),
        serde_json::json!(u64::MAX)
    );
}

#[test]
fn numbers_that_dynamodb_cannot_hold_are_refused_in_writing() {
    let refused = |result: aws_credential_strategies::Result<Item>| {
        let error = result.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Encode, "{error}");
        assert!(error.to_string().contains("attribute n"), "{error}");
    };
    refused(to_item(&HashMap::from([("n", u128::MAX)])));
    refused(to_item(&HashMap::from([("n", i128::MIN)])));
    refused(to_item(&HashMap::from([("n", 1e300)])));
    refused(to_item(&HashMap::from([("n", f64::MIN_POSITIVE)])));
    refused(to_item(&HashMap::from([("n", f32::NAN)])));
    for text in [
        "10e9223372036854775807",
        "1e-9223372036854775808",
        "NaN",
        "1,5",
        "",
    ] {
        assert!(text.parse::<Number>().is_err(), "{text}");
        refused(to_item(&Item::from([(
            "n",
            AttributeValue::N(text.to_owned()),
        )])));
        let set = AttributeValue::Ns(vec!["1".into(), text.to_owned()]);
        refused(to_item(&Item::from([("n", set)])));
        let key = Item::from([("n", AttributeValue::N(text.to_owned()))]);
        assert!(aws_credential_strategies::table::Key::new(key).is_err());
    }
}

#[test]
fn a_map_whose_keys_are_no_strings_is_refused_without_a_panic() {
    let refused = |result: aws_credential_strategies::Result<Item>| {
        let error = result.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Encode);
        assert!(error.to_string().contains("keys are strings"), "{error}");
    };
    refused(to_item(&BTreeMap::from([(vec![1, 2], 1)])));
    refused(to_item(&BTreeMap::from([((1, 2), 1)])));
    refused(to_item(&BTreeMap::from([(None::<&str>, 1)])));
    refused(to_item(&BTreeMap::from([((), 1)])));
    refused(to_item(&BTreeMap::from([(BTreeMap::from([("a", 1)]), 1)])));
    let nested = HashMap::from([("outer", BTreeMap::from([(vec![1_u8], 1)]))]);
    let error = to_item(&nested).unwrap_err();
    assert!(error.to_string().contains("attribute outer"), "{error}");
    let keys = BTreeMap::from([(7_u128, true), (u128::from(u64::MAX) + 1, false)]);
    let item = to_item(&keys).unwrap();
    assert_eq!(from_item::<BTreeMap<u128, bool>>(item).unwrap(), keys);
}

#[test]
fn a_number_of_serde_json_is_one_also_with_arbitrary_precision() {
    // what serde_json hands over when some crate of the program has switched that on
    #[derive(Serialize)]
    #[serde(rename = "$serde_json::private::Number")]
    struct Arbitrary {
        #[serde(rename = "$serde_json::private::Number")]
        digits: &'static str,
    }
    let digits = "12345678901234567890.123456789";
    let item = to_item(&HashMap::from([("n", Arbitrary { digits })])).unwrap();
    assert_eq!(item["n"], AttributeValue::N(digits.to_owned()));
    let error = to_item(&HashMap::from([("n", Arbitrary { digits: "1e999" })])).unwrap_err();
    assert!(error.to_string().contains("attribute n"), "{error}");
}

#[test]
fn sets_are_sets_where_asked() {
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Tagged {
        #[serde(with = "string_set")]
        tags: HashSet<String>,
        #[serde(with = "number_set")]
        numbers: Vec<Number>,
        #[serde(with = "number_set")]
        wide: Vec<u128>,
    }
    let tagged = Tagged {
        tags: HashSet::from(["a".to_owned(), "b".to_owned()]),
        numbers: vec![
            "1.5".parse().unwrap(),
            "12345678901234567890.123".parse().unwrap(),
        ],
        wide: vec![u128::from(u64::MAX) + 1],
    };
    let item = to_item(&tagged).unwrap();
    assert!(item["tags"].is_ss() && item["numbers"].is_ns() && item["wide"].is_ns());
    assert_eq!(from_item::<Tagged>(item).unwrap(), tagged);
    let empty = Tagged {
        tags: HashSet::new(),
        ..tagged
    };
    let error = to_item(&empty).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("attribute tags: DynamoDB has no empty sets"),
        "{error}"
    );
}

#[test]
fn what_serde_hides_is_refused_instead_of_changed() {
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only decoded")]
    struct Flat {
        #[serde(flatten)]
        rest: HashMap<String, Value>,
    }
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only decoded")]
    struct FlatItem {
        #[serde(flatten)]
        rest: Item,
    }
    let item = || Item::from([("n", AttributeValue::Ss(vec!["a".into()]))]);
    for error in [
        from_item::<Flat>(item()).unwrap_err(),
        from_item::<FlatItem>(item()).unwrap_err(),
    ] {
        assert_eq!(*error.kind(), ErrorKind::Decode);
        assert!(
            error.source().unwrap().to_string().contains("flatten"),
            "{error:?}"
        );
        assert_eq!(error.item(), Some(&item()));
    }
    // a field of its own holds anything
    let value: WithValues = from_item(Item::from([
        ("id", AttributeValue::S("1".into())),
        ("a", AttributeValue::Ss(vec!["a".into()])),
    ]))
    .unwrap();
    assert_eq!(value.a, Some(Value::strings(["a"])));
    assert_eq!(to_item(&value).unwrap().len(), 2);
    // in JSON an item is what JSON has
    let json = serde_json::to_value(item()).unwrap();
    assert_eq!(json, serde_json::json!({ "n": ["a"] }));
    assert!(serde_json::from_value::<Item>(json).is_err());
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct At<T> {
    at: T,
}

/// `at` of an item, read into this.
fn at<T: serde::de::DeserializeOwned>(value: AttributeValue) -> Result<T, Error> {
    from_item::<At<T>>(Item::from([("at", value)])).map(|item| item.at)
}

fn list(elements: impl IntoIterator<Item = i32>) -> AttributeValue {
    let elements = elements.into_iter();
    AttributeValue::L(elements.map(|n| AttributeValue::N(n.to_string())).collect())
}

fn map(name: &str, value: AttributeValue) -> AttributeValue {
    AttributeValue::M(HashMap::from([(name.to_owned(), value)]))
}

#[track_caller]
fn does_not_fit<T: std::fmt::Debug>(read: Result<T, Error>, place: &str, why: &str) {
    let error = read.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Decode);
    assert!(
        error.to_string().contains(&format!("attribute {place} ")),
        "{error}"
    );
    assert!(format!("{error:#}").contains(why), "{error:#}");
    assert!(error.item().is_some());
}

#[test]
fn no_element_of_a_list_is_dropped() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Pair(f64, f64);
    #[derive(Debug, PartialEq, Deserialize)]
    struct Named {
        x: f64,
        y: f64,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    enum Shape {
        Point(f64, f64),
        Struct { x: f64, y: f64 },
    }
    let three = || list([1, 2, 3]);
    let why = "1 element more than";
    does_not_fit(at::<(f64, f64)>(three()), "at", why);
    does_not_fit(at::<[f64; 2]>(three()), "at", why);
    does_not_fit(at::<[f64; 0]>(list([1])), "at", why);
    does_not_fit(at::<Pair>(three()), "at", why);
    does_not_fit(at::<Named>(three()), "at", why);
    does_not_fit(at::<Shape>(map("Point", three())), "at.Point", why);
    does_not_fit(at::<Shape>(map("Struct", three())), "at.Struct", "L");
    does_not_fit(
        at::<Option<Vec<(f64, f64)>>>(AttributeValue::L(vec![list([1, 2]), three()])),
        "at[1]",
        why,
    );
    let set = AttributeValue::Ss(vec!["a".into(), "b".into(), "c".into()]);
    does_not_fit(at::<(String,)>(set), "at", "2 elements more than");
    // as serde_json does
    assert!(serde_json::from_str::<(f64, f64)>("[1, 2, 3]").is_err());
    assert_eq!(at::<(f64, f64)>(list([1, 2])).unwrap(), (1.0, 2.0));
    assert_eq!(at::<Pair>(list([1, 2])).unwrap(), Pair(1.0, 2.0));
    let point = at::<Shape>(map("Point", list([1, 2]))).unwrap();
    assert_eq!(point, Shape::Point(1.0, 2.0));
    let named = map(
        "Struct",
        AttributeValue::M(HashMap::from([
            ("x".to_owned(), AttributeValue::N("1".into())),
            ("y".to_owned(), AttributeValue::N("2".into())),
        ])),
    );
    assert_eq!(
        at::<Shape>(named).unwrap(),
        Shape::Struct { x: 1.0, y: 2.0 }
    );
}

#[test]
fn a_key_of_a_map_is_read_as_it_would_be_written() {
    let member = |key: &str| map(key, AttributeValue::Bool(true));
    let why = "the key does not fit its type";
    for key in ["01", "+1", "-0", "1.0", " 1"] {
        does_not_fit(
            at::<HashMap<u32, bool>>(member(key)),
            &format!("at.{key}"),
            why,
        );
        does_not_fit(
            at::<HashMap<i128, bool>>(member(key)),
            &format!("at.{key}"),
            why,
        );
    }
    assert_eq!(
        at::<HashMap<u32, bool>>(member("10")).unwrap(),
        HashMap::from([(10, true)])
    );
    assert_eq!(
        at::<HashMap<i8, bool>>(member("-1")).unwrap(),
        HashMap::from([(-1, true)])
    );
    // two texts of one number would be one key
    let two = || {
        AttributeValue::M(HashMap::from([
            ("1".to_owned(), AttributeValue::Bool(true)),
            ("1.0".to_owned(), AttributeValue::Bool(false)),
        ]))
    };
    assert!(at::<HashMap<Number, bool>>(two()).is_err());
    assert_eq!(
        at::<HashMap<Number, bool>>(member("1.50")).unwrap().len(),
        1
    );
}

fn set(members: &[&str], of: fn(Vec<String>) -> AttributeValue) -> AttributeValue {
    of(members.iter().map(|member| (*member).to_owned()).collect())
}

fn sets() -> [AttributeValue; 3] {
    [
        set(&["a", "b"], AttributeValue::Ss),
        set(&["1", "2"], AttributeValue::Ns),
        Value::binaries([b"a".to_vec()]).0,
    ]
}

#[test]
fn no_set_becomes_a_list_behind_what_serde_hides() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Nested {
        #[serde(flatten)]
        inner: FlatJson,
    }
    let item = |set: &AttributeValue| {
        Item::from([
            ("id", AttributeValue::S("1".into())),
            ("tags", set.clone()),
            ("n", AttributeValue::N("7".into())),
        ])
    };
    #[track_caller]
    fn refused<T: std::fmt::Debug>(read: Result<T, Error>) {
        let error = read.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Decode);
        assert!(error.to_string().contains("attribute tags "), "{error:#}");
        assert!(error.item().is_some());
    }
    for set in sets() {
        refused(from_item::<FlatJson>(item(&set)));
        refused(from_item::<Nested>(item(&set)));
        refused(from_item::<Perhaps>(item(&set)));
        refused(from_item::<Entity>(item(&set)));
        refused(from_item::<HashMap<String, Untagged>>(item(&set)));
        refused(from_item::<HashMap<String, Untyped>>(item(&set)));
        let nested = AttributeValue::L(vec![map("x", set)]);
        refused(from_item::<FlatJson>(item(&nested)));
        refused(from_item::<HashMap<String, Untagged>>(item(&nested)));
    }
    // what is asked for by its name is not lost either
    #[derive(Debug, Deserialize)]
    struct Scores {
        #[expect(dead_code, reason = "only decoded")]
        tags: HashSet<u32>,
    }
    #[derive(Debug, Deserialize)]
    struct PerhapsScores {
        #[expect(dead_code, reason = "only decoded")]
        #[serde(flatten)]
        scores: Option<Scores>,
    }
    refused(from_item::<PerhapsScores>(item(&sets()[1])));
    // nor binary
    let binary = || Value::bytes(vec![255]).0;
    refused(from_item::<FlatJson>(item(&binary())));
    refused(from_item::<Perhaps>(item(&binary())));
    // and what nobody asks for is no matter
    #[derive(Debug, Deserialize)]
    struct Id {
        id: String,
    }
    #[derive(Debug, Deserialize)]
    struct FlatId {
        #[serde(flatten)]
        id: Id,
    }
    for set in sets() {
        assert_eq!(from_item::<FlatId>(item(&set)).unwrap().id.id, "1");
    }
    let read: FlatJson = from_item(item(&list([1, 2]))).unwrap();
    assert_eq!(to_item(&read).unwrap(), item(&list([1, 2])));
}

#[test]
fn sets_that_are_asked_for_are_read_behind_what_serde_hides() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Sets {
        #[serde(with = "string_set")]
        strings: HashSet<String>,
        #[serde(with = "number_set")]
        numbers: HashSet<u32>,
        #[serde(with = "number_set")]
        exact: Vec<Number>,
        #[serde(with = "binary_set")]
        binaries: Vec<Bytes>,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Flat {
        id: String,
        #[serde(flatten)]
        sets: Sets,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "kind")]
    enum Tagged {
        Sets(Sets),
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u8),
        Sets(Sets),
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "kind")]
    enum Plain {
        Tags { tags: HashSet<String> },
    }
    let sets = || Sets {
        strings: HashSet::from(["a".to_owned(), "ä".to_owned()]),
        numbers: HashSet::from([1, 2]),
        exact: vec!["1.5".parse().unwrap(), 7.into()],
        binaries: vec![Bytes(vec![0, 255])],
    };
    #[track_caller]
    fn same<T: Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(value: T) {
        let item = to_item(&value).unwrap();
        assert_eq!(from_item::<T>(item.clone()).unwrap(), value);
        let again = to_item(&from_item::<T>(item.clone()).unwrap()).unwrap();
        assert_eq!(plain_item(&again), plain_item(&item));
    }
    same(sets());
    same(Flat {
        id: "1".into(),
        sets: sets(),
    });
    same(Tagged::Sets(sets()));
    same(At {
        at: Either::Sets(sets()),
    });
    same(At {
        at: Either::Number(7),
    });
    let kind = ("kind", AttributeValue::S("Tags".into()));
    let tags = ("tags", set(&["a"], AttributeValue::Ss));
    let Plain::Tags { tags } = from_item(Item::from([kind, tags])).unwrap();
    assert_eq!(tags, HashSet::from(["a".to_owned()]));
    // other formats have lists
    let json = serde_json::to_value(sets()).unwrap();
    assert_eq!(json["exact"], serde_json::json!(["1.5", "7"]));
    let numbers =
        serde_json::json!({ "strings": ["a"], "numbers": [1], "exact": [], "binaries": [] });
    assert_eq!(
        serde_json::from_value::<Sets>(numbers).unwrap().numbers,
        HashSet::from([1])
    );
}

#[test]
fn a_list_is_not_made_a_set() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Tags {
        #[serde(with = "string_set")]
        at: HashSet<String>,
    }
    #[derive(Debug, Serialize, Deserialize)]
    struct Numbers {
        #[serde(with = "number_set")]
        at: Vec<u8>,
    }
    let strings = AttributeValue::L(vec![AttributeValue::S("a".into())]);
    let item = |value: AttributeValue| Item::from([("at", value)]);
    does_not_fit(from_item::<Tags>(item(strings)), "at", "expected SS, not L");
    does_not_fit(
        from_item::<Numbers>(item(list([1, 1]))),
        "at",
        "expected NS, not L",
    );
    let other = set(&["1"], AttributeValue::Ss);
    does_not_fit(
        from_item::<Numbers>(item(other)),
        "at",
        "expected NS, not SS",
    );
}

#[test]
fn a_number_and_a_string_stay_apart_behind_what_serde_hides() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Flat {
        #[serde(flatten)]
        rest: HashMap<String, Number>,
    }
    #[derive(Debug, Serialize, Deserialize)]
    #[serde(tag = "kind")]
    enum Tagged {
        A { n: Option<Number> },
    }
    #[derive(Debug, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(Number),
        Text(String),
    }
    let text = || AttributeValue::S("12".into());
    let number = |text: &str| AttributeValue::N(text.into());
    let flat = from_item::<Flat>(Item::from([("n", text())])).unwrap_err();
    assert_eq!(*flat.kind(), ErrorKind::Decode);
    let kind = || ("kind", AttributeValue::S("A".into()));
    from_item::<Tagged>(Item::from([kind(), ("n", text())])).unwrap_err();
    let read: At<Either> = from_item(Item::from([("at", text())])).unwrap();
    assert!(matches!(&read.at, Either::Text(text) if text == "12"));
    assert_eq!(to_item(&read).unwrap()["at"], text());
    for digits in [
        "12",
        "-9223372036854775808",
        "18446744073709551615",
        "0.1",
        "1e20",
    ] {
        let item = Item::from([("n", number(digits))]);
        let flat = to_item(&from_item::<Flat>(item.clone()).unwrap()).unwrap();
        assert_eq!(plain_item(&flat), plain_item(&item));
        let item = Item::from([kind(), ("n", number(digits))]);
        let tagged = to_item(&from_item::<Tagged>(item.clone()).unwrap()).unwrap();
        assert_eq!(plain_item(&tagged), plain_item(&item));
    }
    // in JSON it is a string
    assert_eq!(serde_json::from_str::<Number>("\"12\"").unwrap(), 12.into());
    assert_eq!(serde_json::from_str::<Number>("12").unwrap(), 12.into());
}

#[test]
fn no_member_is_written_over_another() {
    #[derive(PartialEq, Eq, PartialOrd, Ord, Serialize)]
    #[serde(untagged)]
    enum Name {
        Number(u8),
        Text(&'static str),
    }
    #[derive(Serialize)]
    struct Inner {
        kind: &'static str,
    }
    #[derive(Serialize)]
    #[serde(tag = "kind")]
    enum Tagged {
        A(Inner),
    }
    #[track_caller]
    fn refused(written: aws_credential_strategies::Result<Item>, place: &str) {
        let error = written.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Encode);
        assert!(
            error.to_string().contains(&format!("attribute {place}: ")),
            "{error}"
        );
        assert!(error.to_string().contains("twice"), "{error}");
    }
    let rest = HashMap::from([("id".to_owned(), Json::from("2"))]);
    let flat = FlatJson {
        id: "1".into(),
        rest,
    };
    refused(to_item(&flat), "id");
    refused(to_item(&At { at: [flat] }), "at[0].id");
    let names = || BTreeMap::from([(Name::Number(1), true), (Name::Text("1"), true)]);
    refused(to_item(&names()), "1");
    refused(to_item(&At { at: names() }), "at.1");
    refused(to_item(&Tagged::A(Inner { kind: "B" })), "kind");
}

/// What the documentation of `Item` says that nobody can tell behind `flatten`: when serde learns to, it is
/// to be said no longer.
#[test]
fn what_cannot_be_told_is_as_documented() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Flat<T> {
        #[serde(flatten)]
        rest: T,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Set {
        #[serde(with = "string_set")]
        at: Vec<String>,
    }
    fn behind<T: serde::de::DeserializeOwned>(value: AttributeValue) -> Result<T, Error> {
        from_item::<Flat<At<T>>>(Item::from([("at", value)])).map(|flat| flat.rest.at)
    }
    let n = |digits: &str| AttributeValue::N(digits.to_owned());
    assert_eq!(
        behind::<f64>(n("9007199254740993")).unwrap(),
        9_007_199_254_740_992.0
    );
    assert_eq!(behind::<f32>(n("16777217")).unwrap(), 16_777_216.0);
    assert_eq!(behind::<f32>(n("0.123456789")).unwrap(), 0.123_456_79);
    assert_eq!(
        behind::<u64>(n("9007199254740993")).unwrap(),
        9_007_199_254_740_993
    );
    let exact = behind::<Number>(n("9007199254740993")).unwrap();
    assert_eq!(exact.as_str(), "9007199254740993");
    does_not_fit(behind::<Number>(n("12345678901234567890.5")), "at", "round");
    assert_eq!(behind::<String>(Value::bytes(*b"text").0).unwrap(), "text");
    assert!(behind::<String>(Value::bytes([255]).0).is_err());
    let listed = AttributeValue::L(vec![AttributeValue::S("a".into())]);
    let set: Flat<Set> = from_item(Item::from([("at", listed)])).unwrap();
    assert!(to_item(&set).unwrap()["at"].is_ss());
    let text = Item::from([("at", AttributeValue::S("a".into()))]);
    let none: Flat<Option<At<u8>>> = from_item(text).unwrap();
    assert!(none.rest.is_none());
    // a field that serde does not hide
    for (digits, why) in [
        ("9007199254740993", "f64"),
        ("0.12345678901234567890", "f64"),
    ] {
        does_not_fit(at::<f64>(n(digits)), "at", why);
    }
    does_not_fit(at::<f32>(n("16777217")), "at", "f32");
    does_not_fit(
        at::<String>(Value::bytes(*b"text").0),
        "at",
        "expected S, not B",
    );
    does_not_fit(
        at::<Bytes>(AttributeValue::S("a".into())),
        "at",
        "expected B, not S",
    );
    does_not_fit(at::<Bytes>(list([1])), "at", "expected B, not L");
}
