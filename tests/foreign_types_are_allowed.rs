//! Promise: the public API shows types of other crates only where they are meant, and none of a crate that may
//! change them in a minor version.
//!
//! Ignored unless asked for, as `.ci/run` does: it reads rustdoc's JSON, whose path is in `PUBLIC_API`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Crates whose types the public API may show, and why. `std` and its like need no mention.
const ALLOWED: [(&str, &str); 13] = [
    (
        "async_trait",
        "the macro that strategies are written with; its output is std's",
    ),
    ("aws_credential_types", "what every SDK client signs with"),
    (
        "aws_sdk_dynamodb",
        "feature `table`: the client below the table, and its raw builders",
    ),
    ("aws_smithy_async", "clocks"),
    ("aws_smithy_runtime", "the retry partition of an SDK client"),
    (
        "aws_smithy_runtime_api",
        "interceptors, classifiers, identities of SDK clients",
    ),
    ("aws_smithy_types", "error metadata, configuration bags"),
    ("aws_types", "`SdkConfig`, `Region`"),
    ("bytes", "binary values"),
    ("futures_core", "`Stream`, until std has it"),
    ("serde_core", "configuration and items are serde types"),
    ("serde_dynamo", "feature `table`: sets as attributes"),
    ("tokio", "runtime handles, watch channels"),
];

/// Crates before 1.0 among them: what they show has not changed for years, and cannot be had elsewhere.
const BEFORE_1_0: [&str; 2] = ["async_trait", "futures_core"];

const OF_RUST: [&str; 3] = ["alloc", "core", "std"];

/// Each foreign path, and the items that show it.
type Shown = BTreeMap<String, BTreeSet<String>>;

fn foreign(api: &Value) -> Shown {
    let mut shown = Shown::new();
    for item in api["index"].as_object().unwrap().values() {
        if item["crate_id"] != 0 {
            continue;
        }
        let (kind, inner) = item["inner"].as_object().unwrap().iter().next().unwrap();
        let name = item["name"].as_str().unwrap_or(kind);
        match kind.as_str() {
            "module" => {}
            // what the compiler or another crate implements for everything
            "impl" if inner["is_synthetic"] == true || !inner["blanket_impl"].is_null() => {}
            "impl" => {
                let of = inner["trait"]["path"].as_str().unwrap_or("an impl");
                show(api, &inner["trait"], of, &mut shown);
                for part in ["generics", "trait", "for"] {
                    search(api, &inner[part], of, &mut shown);
                }
            }
            "use" => show(api, inner, name, &mut shown),
            _ => search(api, inner, name, &mut shown),
        }
    }
    shown
}

/// Types and traits anywhere in a signature.
fn search(api: &Value, part: &Value, item: &str, shown: &mut Shown) {
    match part {
        Value::Object(fields) => {
            for (name, value) in fields {
                if name == "resolved_path" || name == "trait" {
                    show(api, value, item, shown);
                }
                search(api, value, item, shown);
            }
        }
        Value::Array(parts) => {
            for part in parts {
                search(api, part, item, shown);
            }
        }
        _ => {}
    }
}

fn show(api: &Value, reference: &Value, item: &str, shown: &mut Shown) {
    let target = &api["paths"][reference["id"].to_string()];
    if target["crate_id"]
        .as_u64()
        .is_some_and(|number| number != 0)
    {
        let path: Vec<_> = target["path"]
            .as_array()
            .unwrap()
            .iter()
            .map(|part| part.as_str().unwrap())
            .collect();
        if !OF_RUST.contains(&path[0]) {
            shown
                .entry(path.join("::"))
                .or_default()
                .insert(item.to_owned());
        }
    }
}

/// The versions of each crate in the lock file.
fn versions() -> BTreeMap<String, Vec<String>> {
    let lock =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock")).unwrap();
    let mut versions = BTreeMap::<_, Vec<_>>::new();
    for package in lock.split("[[package]]") {
        let field = |name: &str| {
            let mut lines = package.lines();
            lines.find_map(|line| {
                line.strip_prefix(name)?
                    .strip_prefix(" = ")
                    .map(|value| value.trim_matches('"'))
            })
        };
        if let (Some(name), Some(version)) = (field("name"), field("version")) {
            versions
                .entry(name.replace('-', "_"))
                .or_default()
                .push(version.to_owned());
        }
    }
    versions
}

#[test]
#[ignore = "reads rustdoc's JSON: PUBLIC_API"]
fn types_of_others_are_those_that_are_meant() {
    let path = std::env::var_os("PUBLIC_API").expect("PUBLIC_API: the path of rustdoc's JSON");
    let api: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let shown = foreign(&api);
    let (mut wrong, mut used) = (String::new(), BTreeSet::new());
    let versions = versions();
    for (path, items) in &shown {
        let name = path.split("::").next().unwrap();
        let before_1_0 = versions[name]
            .iter()
            .any(|version| version.starts_with("0."));
        if !ALLOWED.iter().any(|(allowed, _)| *allowed == name) {
            wrong += &format!("{path} is shown by {items:?}, and its crate is not allowed\n");
        } else if before_1_0 && !BEFORE_1_0.contains(&name) {
            wrong += &format!(
                "{path} is shown by {items:?}, and {name} is {:?}\n",
                versions[name]
            );
        }
        used.insert(name);
    }
    for (name, _) in ALLOWED {
        if !used.contains(name) {
            wrong += &format!("{name} is allowed, and nothing shows it\n");
        }
    }
    assert!(
        shown.len() > 30,
        "the reader has found what there is: {shown:?}"
    );
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_type_in_the_depth_of_a_signature_is_found() {
    let api = serde_json::json!({
        "index": {"1": {"crate_id": 0, "name": "page", "inner": {"function": {"sig": {"output":
            {"resolved_path": {"id": 7, "args": {"angle_bracketed": {"args": [{"type":
                {"borrowed_ref": {"type": {"resolved_path": {"id": 8}}}}}]}}}}}}}},
            "2": {"crate_id": 0, "name": null, "inner": {"impl": {"is_synthetic": false, "blanket_impl": null,
                "trait": {"path": "Draw", "id": 9}, "for": {"generic": "T"}, "generics": {"params": []}}}},
            "3": {"crate_id": 0, "name": null, "inner": {"impl": {"is_synthetic": true, "blanket_impl": null,
                "trait": {"path": "Auto", "id": 10}}}}},
        "paths": {"7": {"crate_id": 1, "path": ["core", "option", "Option"]},
            "8": {"crate_id": 2, "path": ["canvas", "Page"]}, "9": {"crate_id": 2, "path": ["canvas", "Draw"]},
            "10": {"crate_id": 2, "path": ["canvas", "Auto"]}},
    });
    let shown: Vec<_> = foreign(&api)
        .into_iter()
        .map(|(path, items)| (path, items.into_iter().collect()))
        .collect();
    let expected: [(String, Vec<String>); 2] = [
        ("canvas::Draw".to_owned(), vec!["Draw".to_owned()]),
        ("canvas::Page".to_owned(), vec!["page".to_owned()]),
    ];
    assert_eq!(shown, expected);
}
