//! No value changes in silence: what DynamoDB holds comes back from every way of reading and writing as it
//! was, or is refused, with the attribute named.
#![cfg(feature = "table")]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/table.rs"]
mod support;

use aws_credential_strategies::table::{
    Attempt, AttributeValue, Item, Number, Update, Value, from_item, number_set, string_set,
    to_item,
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
    few.retain(|name, _| ["id", "a", "b"].contains(&name.as_str()));
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
