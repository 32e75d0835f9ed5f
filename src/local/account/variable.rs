//! Policy variables: `${aws:PrincipalTag/tenant}` in a resource or in the value of a condition.
//!
//! After the IAM user guide, "Policy variables and tags": one whose key the request does not carry
//! matches nothing, unless it has a default value.

use super::expression::UNKNOWN;
use iam_rs::{Context, ContextValue};
use serde_json::Value;

/// Condition keys with several values, which therefore make no variables.
const MULTIVALUED: [&str; 4] = [
    "aws:TagKeys",
    "dynamodb:Attributes",
    "dynamodb:LeadingKeys",
    "sts:TransitiveTagKeys",
];

/// Whether a document has variables where they count.
pub(super) fn has_any(document: &Value) -> bool {
    let mut document = document.clone();
    let mut found = false;
    for_each_text(&mut document, |text| {
        found |= text.contains("${");
        true
    });
    found
}

/// Refuses a document with variables that would not be replaced as AWS does.
///
/// # Errors
///
/// Why it is not taken, in one line.
pub(super) fn check(document: &Value, is_known: impl Fn(&str) -> bool) -> Result<(), String> {
    let mut document = document.clone();
    let mut wrong = None;
    for_each_text(&mut document, |text| {
        for part in parts(text) {
            let Part::Variable {
                key,
                default,
                whole,
            } = part
            else {
                continue;
            };
            let multivalued = MULTIVALUED
                .iter()
                .any(|known| known.eq_ignore_ascii_case(key));
            if !is_known(key) || multivalued || default == Default::Malformed {
                wrong.get_or_insert_with(|| {
                    format!("policy variable {whole} is not evaluated by the embedded cloud")
                });
            }
        }
        true
    });
    wrong.map_or(Ok(()), Err)
}

/// The document with the values that a request gives to its variables.
pub(super) fn put_in(document: &Value, context: &Context) -> Value {
    let mut document = document.clone();
    for_each_text(&mut document, |text| {
        let mut filled = String::new();
        for part in parts(text) {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Variable { key, default, .. } => {
                    match value(context, key).or_else(|| default.text()) {
                        // a wildcard in a value would match what the policy does not say
                        Some(value) if !value.contains(['*', '?']) => filled.push_str(&value),
                        _ => return false,
                    }
                }
            }
        }
        *text = filled;
        true
    });
    document
}

pub(super) fn statements_mut(document: &mut Value) -> impl Iterator<Item = &mut Value> {
    match document.get_mut("Statement") {
        Some(Value::Array(statements)) => statements.iter_mut().collect::<Vec<_>>(),
        Some(one) => vec![one],
        None => Vec::new(),
    }
    .into_iter()
}

/// Shows each text in which variables count to `change`, which says whether it still matches something.
///
/// A value of a condition that matches nothing becomes one that equals nothing; a statement all of whose
/// resources match nothing, or one of whose exceptions cannot be told, goes.
fn for_each_text(document: &mut Value, mut change: impl FnMut(&mut String) -> bool) {
    let keep = |statement: &mut Value| {
        if let Some(conditions) = statement
            .get_mut("Condition")
            .and_then(Value::as_object_mut)
        {
            let values = conditions
                .values_mut()
                .filter_map(Value::as_object_mut)
                .flat_map(|keys| keys.values_mut());
            for value in values.flat_map(texts) {
                if !change(value) {
                    UNKNOWN.clone_into(value);
                }
            }
        }
        let mut all = |element: &str| {
            let resources = statement.get_mut(element).map(texts).unwrap_or_default();
            let mut gone = Vec::new();
            let mut left = 0;
            for resource in resources {
                if change(resource) {
                    left += 1;
                } else {
                    gone.push(resource.clone());
                }
            }
            if let Some(Value::Array(values)) = statement.get_mut(element) {
                values.retain(|value| !gone.iter().any(|gone| value == gone));
            }
            (left, gone.len())
        };
        let (left, gone) = all("Resource");
        let (_, unclear) = all("NotResource");
        unclear == 0 && (left > 0 || gone == 0)
    };
    // one statement may stand without an array
    if let Some(statement) = document.get_mut("Statement") {
        if !statement.is_array() {
            *statement = Value::Array(vec![statement.take()]);
        }
        if let Some(statements) = statement.as_array_mut() {
            statements.retain_mut(keep);
        }
    }
}

/// One text or several.
fn texts(value: &mut Value) -> Vec<&mut String> {
    match value {
        Value::String(one) => vec![one],
        Value::Array(several) => several
            .iter_mut()
            .filter_map(|value| match value {
                Value::String(text) => Some(text),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}

enum Part<'a> {
    Text(&'a str),
    Variable {
        key: &'a str,
        default: Default<'a>,
        whole: &'a str,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Default<'a> {
    None,
    /// `${key, 'text'}`
    Text(&'a str),
    Malformed,
}

impl Default<'_> {
    fn text(self) -> Option<String> {
        match self {
            Default::Text(text) => Some(text.to_owned()),
            Default::None | Default::Malformed => None,
        }
    }
}

fn parts(mut rest: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    while let Some(at) = rest.find("${") {
        let (before, variable) = rest.split_at(at);
        parts.push(Part::Text(before));
        let end = variable.find('}').map_or(variable.len(), |end| end + 1);
        let (whole, after) = variable.split_at(end);
        let inner = whole.strip_prefix("${").unwrap_or_default();
        let closed = inner.strip_suffix('}');
        let inner = closed.unwrap_or(inner);
        let (key, default) = match inner.split_once(',') {
            None if closed.is_none() => (inner, Default::Malformed),
            None => (inner, Default::None),
            Some((key, default)) => {
                let text = default.trim().strip_prefix('\'');
                let text = text.and_then(|text| text.strip_suffix('\''));
                (key, text.map_or(Default::Malformed, Default::Text))
            }
        };
        parts.push(Part::Variable {
            key: key.trim(),
            default,
            whole,
        });
        rest = after;
    }
    parts.push(Part::Text(rest));
    parts
}

fn value(context: &Context, key: &str) -> Option<String> {
    match context.get(key)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Boolean(truth) => Some(truth.to_string()),
        ContextValue::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{check, put_in};
    use iam_rs::Context;
    use serde_json::{Value, json};

    fn resources(statement: Value) -> Value {
        let context = Context::new()
            .with_string("aws:PrincipalTag/tenant", "a")
            .with_string("aws:PrincipalTag/star", "a*");
        let document = json!({ "Statement": [statement] });
        put_in(&document, &context)["Statement"].clone()
    }

    #[test]
    fn values_are_put_in_where_the_request_has_them() {
        for (resource, expected) in [
            (
                json!("arn:${aws:PrincipalTag/tenant}/x"),
                json!([{ "Resource": "arn:a/x" }]),
            ),
            (
                json!("${AWS:principaltag/Tenant}"),
                json!([{ "Resource": "a" }]),
            ),
            (
                json!("${aws:PrincipalTag/other, 'b'}"),
                json!([{ "Resource": "b" }]),
            ),
            (
                json!(["${aws:PrincipalTag/other}", "c"]),
                json!([{ "Resource": ["c"] }]),
            ),
            (json!("${aws:PrincipalTag/other}"), json!([])),
            (json!("${aws:PrincipalTag/star}"), json!([])),
        ] {
            let statement = json!({ "Resource": resource });
            assert_eq!(resources(statement), expected, "{resource}");
        }
        let except = json!({ "NotResource": ["a", "${aws:PrincipalTag/other}"] });
        assert_eq!(
            resources(except),
            json!([]),
            "what is excepted cannot be told"
        );
        let condition =
            json!({ "Condition": { "StringNotEquals": { "k": "${aws:PrincipalTag/other}" } } });
        let value = &resources(condition)[0]["Condition"]["StringNotEquals"]["k"];
        assert!(
            value
                .as_str()
                .is_some_and(|value| value.starts_with('\u{0}')),
            "equals nothing"
        );
    }

    #[test]
    fn what_is_not_replaced_is_refused() {
        let known = |key: &str| key == "aws:username" || key == "dynamodb:LeadingKeys";
        let check = |text: &str| check(&json!({ "Statement": { "Resource": text } }), known);
        for text in [
            "a",
            "${aws:username}",
            "${aws:username, 'x'}",
            "a${aws:username}b",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        for text in [
            "${s3:prefix}",
            "${*}",
            "${$}",
            "${",
            "${aws:username, x}",
            "${dynamodb:LeadingKeys}",
        ] {
            assert!(check(text).is_err(), "{text}");
        }
    }
}
