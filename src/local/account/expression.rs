//! The attributes that the expressions of a DynamoDB request name, and the partition key that a `Query`
//! asks for. Nothing else of an expression is read; whether it is well-formed is DynamoDB's to say.

use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// What stands for a value that cannot be told: no condition names it, so none that restricts holds.
pub(super) const UNKNOWN: &str = "\u{0}unknown";

/// Members that hold an expression.
const EXPRESSIONS: [&str; 5] = [
    "ConditionExpression",
    "FilterExpression",
    "KeyConditionExpression",
    "ProjectionExpression",
    "UpdateExpression",
];

/// Members of the time before expressions whose members are attributes.
const BY_ATTRIBUTE: [&str; 5] = [
    "AttributeUpdates",
    "Expected",
    "KeyConditions",
    "QueryFilter",
    "ScanFilter",
];

const KEYWORDS: [&str; 9] = [
    "ADD", "AND", "BETWEEN", "DELETE", "IN", "NOT", "OR", "REMOVE", "SET",
];

/// The top-level attributes that a request names outside of keys and items.
pub(super) fn names(request: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for member in EXPRESSIONS {
        if let Some(expression) = request.get(member).and_then(Value::as_str) {
            found.extend(named_in(expression, request));
        }
    }
    for member in BY_ATTRIBUTE {
        let attributes = request.get(member).and_then(Value::as_object);
        found.extend(attributes.into_iter().flat_map(Map::keys).cloned());
    }
    let listed = request.get("AttributesToGet").and_then(Value::as_array);
    let listed = listed.into_iter().flatten().filter_map(Value::as_str);
    found.extend(listed.map(str::to_owned));
    found
}

fn named_in(expression: &str, request: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut rest = expression;
    let mut nested = false;
    while let Some(at) = rest.find(begins_name) {
        let (before, after) = rest.split_at(at);
        // what follows a dot is within the attribute before it
        nested = before.ends_with('.') || (before.is_empty() && nested);
        let end = after
            .char_indices()
            .skip(1)
            .find(|(_, c)| !continues_name(*c))
            .map_or(after.len(), |(at, _)| at);
        let (word, after) = after.split_at(end);
        rest = after;
        let function = after.trim_start().starts_with('(');
        let keyword = KEYWORDS
            .iter()
            .any(|known| known.eq_ignore_ascii_case(word));
        let value = word.starts_with(':');
        if !nested && !value && !keyword && !function {
            found.insert(resolved(word, request));
        }
        nested = false;
    }
    found
}

fn begins_name(c: char) -> bool {
    c.is_alphabetic() || matches!(c, '#' | ':' | '_')
}

fn continues_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-')
}

/// The attribute behind a name that may stand for another.
fn resolved(name: &str, request: &Value) -> String {
    if !name.starts_with('#') {
        return name.to_owned();
    }
    request
        .get("ExpressionAttributeNames")
        .and_then(|names| names.get(name))
        .and_then(Value::as_str)
        .unwrap_or(UNKNOWN)
        .to_owned()
}

/// The value that a `Query` asks for in its partition key.
pub(super) fn partition_value(request: &Value, key: &str) -> String {
    let legacy = request
        .get("KeyConditions")
        .and_then(|conditions| conditions.get(key))
        .and_then(|condition| condition.get("AttributeValueList")?.get(0));
    if legacy.is_some() {
        return plain(legacy);
    }
    let expression = request
        .get("KeyConditionExpression")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let value = equal_to(expression, key, request)
        .and_then(|value| request.get("ExpressionAttributeValues")?.get(value));
    plain(value)
}

/// The placeholder that the key has to be equal to: `#k = :v`, somewhere among conditions joined by
/// `AND`.
fn equal_to<'a>(expression: &'a str, key: &str, request: &Value) -> Option<&'a str> {
    for (at, _) in expression.match_indices('=') {
        let (before, after) = expression.split_at(at);
        let after = after.get(1..).unwrap_or_default().trim_start();
        // not one of <=, >=, <>
        if before.ends_with(['<', '>']) {
            continue;
        }
        let before = before.trim_end();
        let start = before
            .char_indices()
            .rev()
            .take_while(|(_, c)| continues_name(*c) || *c == '#')
            .last()
            .map_or(before.len(), |(at, _)| at);
        let name = before.get(start..).unwrap_or_default();
        if resolved(name, request) != key || !after.starts_with(':') {
            continue;
        }
        let end = after
            .char_indices()
            .skip(1)
            .find(|(_, c)| !continues_name(*c))
            .map_or(after.len(), |(at, _)| at);
        return after.get(..end);
    }
    None
}

/// A typed value as a policy writes it: text as it is, numbers as DynamoDB writes them, bytes in base64.
pub(super) fn plain(value: Option<&Value>) -> String {
    let text = |kind| value?.get(kind)?.as_str();
    match (text("S"), text("N"), text("B")) {
        (Some(text), None, None) | (None, None, Some(text)) => text.to_owned(),
        (None, Some(text), None) => number(text),
        _ => UNKNOWN.to_owned(),
    }
}

/// A number as DynamoDB writes it, however it was written.
pub(super) fn number(text: &str) -> String {
    dynoxide::types::normalize_dynamo_number(text)
}

#[cfg(test)]
mod tests {
    use super::{UNKNOWN, names, partition_value, plain};
    use proptest::prelude::*;
    use serde_json::json;

    proptest! {
        #[test]
        fn any_text_is_read(text in r"(#n|:v|id|é|_|-| |=|<|\.|\(|\)|\[0\]|AND|SET|,){0,20}") {
            let request = json!({
                "KeyConditionExpression": text,
                "ExpressionAttributeNames": { "#n": "name" },
            });
            names(&request);
            partition_value(&request, "id");
        }
    }

    #[test]
    fn a_value_is_told_as_dynamodb_writes_it() {
        for (value, expected) in [
            (json!({ "S": "01" }), "01"),
            (json!({ "N": "01.50" }), "1.5"),
            (json!({ "N": "-1e2" }), "-100"),
            (json!({ "B": "AQ==" }), "AQ=="),
            (json!({ "BOOL": true }), UNKNOWN),
            (json!({ "S": "a", "N": "1" }), UNKNOWN),
            (json!(["S", "a"]), UNKNOWN),
        ] {
            assert_eq!(plain(Some(&value)), expected, "{value}");
        }
        assert_eq!(plain(None), UNKNOWN);
    }

    #[test]
    fn each_expression_names_its_attributes() {
        let of = |member: &str, expression: &str| {
            let request = json!({
                member: expression,
                "ExpressionAttributeNames": { "#n": "name", "#m": "map" },
            });
            names(&request).into_iter().collect::<Vec<_>>()
        };
        for (member, expression, expected) in [
            (
                "ProjectionExpression",
                "id, #n, #m.inner[0].id, tags[1]",
                vec!["id", "map", "name", "tags"],
            ),
            (
                "ConditionExpression",
                "attribute_not_exists(id) AND size(#n) > :v",
                vec!["id", "name"],
            ),
            (
                "FilterExpression",
                "NOT a between :x and :y or b in (:z, :id)",
                vec!["a", "b"],
            ),
            (
                "UpdateExpression",
                "SET #n = if_not_exists(#n, :v), a.b = c + :one REMOVE d ADD e :f DELETE g :h",
                vec!["a", "c", "d", "e", "g", "name"],
            ),
            ("ConditionExpression", "begins_with ( id , :v )", vec!["id"]),
            ("ProjectionExpression", "#unknown", vec![UNKNOWN]),
        ] {
            assert_eq!(of(member, expression), expected, "{expression}");
        }
    }

    #[test]
    fn a_query_asks_for_one_partition() {
        let of = |expression: &str| {
            let request = json!({
                "KeyConditionExpression": expression,
                "ExpressionAttributeNames": { "#k": "id", "#o": "at" },
                "ExpressionAttributeValues": { ":a": { "S": "x" }, ":b": { "N": "1" } },
            });
            partition_value(&request, "id")
        };
        for expression in [
            "id = :a",
            "#k=:a",
            "(#k = :a) AND #o >= :b",
            "#o = :b AND id = :a",
        ] {
            assert_eq!(of(expression), "x", "{expression}");
        }
        for expression in [
            "",
            "id > :a",
            "id >= :a",
            "other = :a",
            "id = :c",
            "xid = :a",
        ] {
            assert_eq!(of(expression), UNKNOWN, "{expression}");
        }
    }
}
