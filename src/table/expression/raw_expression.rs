//! An expression in DynamoDB's own words.

use super::expressions::Expressions;
use crate::error::{Error, Result};
use crate::table::item::Attributes;
use crate::table::value::{IntoValue, Value};
use aws_sdk_dynamodb::types::AttributeValue;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

/// What the placeholders of a raw expression stand for: an array of pairs, also of none, a `Vec` or a map.
///
/// An array of none is one of [`Value`]s, so that `[]` needs no type.
pub trait RawValues {
    /// The pairs.
    fn into_pairs(self) -> Vec<(String, Result<AttributeValue>)>;
}

/// The names that the placeholders of a raw expression stand for: an array of pairs, also of none, a `Vec`
/// or a map.
pub trait RawNames {
    /// The pairs.
    fn into_pairs(self) -> Vec<(String, String)>;
}

fn values<K: Into<String>, V: IntoValue>(
    pairs: impl IntoIterator<Item = (K, V)>,
) -> Vec<(String, Result<AttributeValue>)> {
    let pairs = pairs.into_iter();
    pairs.map(|(k, v)| (k.into(), v.into_value())).collect()
}

fn names<K: Into<String>, N: Into<String>>(
    pairs: impl IntoIterator<Item = (K, N)>,
) -> Vec<(String, String)> {
    let pairs = pairs.into_iter();
    pairs.map(|(k, n)| (k.into(), n.into())).collect()
}

impl RawValues for [(&'static str, Value); 0] {
    fn into_pairs(self) -> Vec<(String, Result<AttributeValue>)> {
        Vec::new()
    }
}

impl RawNames for [(&'static str, &'static str); 0] {
    fn into_pairs(self) -> Vec<(String, String)> {
        Vec::new()
    }
}

// an array of any length would leave the types of an empty one open
macro_rules! pairs {
    ($($type:ty),+ $(,)?) => {
        $(impl<K: Into<String>, V: IntoValue> RawValues for $type {
            fn into_pairs(self) -> Vec<(String, Result<AttributeValue>)> {
                values(self)
            }
        }

        impl<K: Into<String>, V: Into<String>> RawNames for $type {
            fn into_pairs(self) -> Vec<(String, String)> {
                names(self)
            }
        })+
    };
}

pairs! {
    [(K, V); 1], [(K, V); 2], [(K, V); 3], [(K, V); 4], [(K, V); 5], [(K, V); 6], [(K, V); 7], [(K, V); 8],
    [(K, V); 9], [(K, V); 10], [(K, V); 11], [(K, V); 12], [(K, V); 13], [(K, V); 14], [(K, V); 15],
    [(K, V); 16], Vec<(K, V)>, BTreeMap<K, V>, HashMap<K, V>,
}

/// The text, and what its placeholders stand for.
#[derive(Clone)]
pub(crate) struct RawExpression {
    /// What the caller gave it as.
    field: &'static str,
    text: String,
    names: Vec<(String, String)>,
    values: Vec<(String, Result<AttributeValue>)>,
}

impl RawExpression {
    pub(crate) fn new(
        field: &'static str,
        text: impl Into<String>,
        names: impl RawNames,
        values: impl RawValues,
    ) -> Self {
        RawExpression {
            field,
            text: text.into(),
            names: names.into_pairs(),
            values: values.into_pairs(),
        }
    }

    /// Replaces each placeholder of the caller's by one of ours.
    pub(crate) fn render(self, out: &mut String, expressions: &mut Expressions) -> Result<()> {
        if self.text.trim().is_empty() {
            return Err(problem(
                self.field,
                "expected an expression, not an empty text",
            ));
        }
        let placeholders = self.names.iter().map(|(placeholder, _)| placeholder);
        let placeholders =
            placeholders.chain(self.values.iter().map(|(placeholder, _)| placeholder));
        let mut given = HashSet::new();
        // one of the two would stand for both
        for placeholder in placeholders {
            if !given.insert(placeholder) {
                let twice = format!("the placeholder {placeholder:?} is given twice");
                return Err(problem(self.field, twice));
            }
        }
        let mut values = Attributes::new();
        for (placeholder, value) in self.values {
            let value = value.map_err(|error| error.naming(format!("value {placeholder}")))?;
            values.insert(placeholder, value);
        }
        let mut written = Vec::new();
        let mut rest = self.text.as_str();
        while let Some(at) = rest.find(['#', ':']) {
            let (before, from) = rest.split_at(at);
            out.push_str(before);
            let word = from.char_indices().skip(1);
            let end = word
                .into_iter()
                .find(|(_, c)| !c.is_ascii_alphanumeric() && *c != '_')
                .map_or(from.len(), |(end, _)| end);
            let (placeholder, after) = from.split_at(end);
            let known = if placeholder.starts_with('#') {
                let name = self.names.iter().find(|(known, _)| known == placeholder);
                name.map(|(_, name)| expressions.name(name, out))
            } else {
                let value = values.get(placeholder).cloned();
                value.map(|value| expressions.value(value, out))
            };
            if known.is_none() {
                return Err(problem(
                    self.field,
                    format!("the placeholder {placeholder} stands for nothing that was given"),
                ));
            }
            written.push(placeholder);
            rest = after;
        }
        out.push_str(rest);
        let names = self.names.iter().map(|(name, _)| name);
        match names
            .chain(values.keys())
            .find(|p| !written.contains(&p.as_str()))
        {
            Some(unused) => Err(problem(
                self.field,
                format!("the placeholder {unused:?} is not in the expression"),
            )),
            None => Ok(()),
        }
    }

    /// Whether one pair of parentheses holds the whole text already.
    pub(crate) fn is_enclosed(&self) -> bool {
        is_enclosed(self.text.trim())
    }
}

impl fmt::Debug for RawExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn problem(field: &'static str, problem: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::usage(field, problem)
}

/// Whether one pair of parentheses holds the whole text.
fn is_enclosed(text: &str) -> bool {
    let Some(inner) = text.strip_prefix('(').and_then(|t| t.strip_suffix(')')) else {
        return false;
    };
    let mut depth = 0_usize;
    for c in inner.chars() {
        match c {
            '(' => depth += 1,
            ')' if depth == 0 => return false,
            ')' => depth -= 1,
            _ => {}
        }
    }
    depth == 0
}
