//! The placeholders of one request: every name and every value of every expression is one.

use crate::table::item::Attributes;
use aws_sdk_dynamodb::types::AttributeValue;
use std::collections::HashMap;
use std::fmt::Write as _;

/// Hands out `#n0`, `:v0` and so on, and keeps what they stand for.
///
/// All expressions of one request share one of these, because DynamoDB has one table of names and one
/// of values per request.
#[derive(Debug, Default)]
pub(crate) struct Expressions {
    names: Vec<String>,
    values: Vec<AttributeValue>,
}

impl Expressions {
    /// Writes the placeholder of a name; the same name gets the same one.
    pub(crate) fn name(&mut self, name: &str, out: &mut String) {
        let position = self.names.iter().position(|known| known == name);
        let index = position.unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        });
        // writing to a String does not fail
        let _ = write!(out, "#n{index}");
    }

    /// Writes a new placeholder for a value.
    pub(crate) fn value(&mut self, value: AttributeValue, out: &mut String) {
        let _ = write!(out, ":v{}", self.values.len());
        self.values.push(value);
    }

    pub(crate) fn into_maps(self) -> (Option<HashMap<String, String>>, Option<Attributes>) {
        (numbered("#n", self.names), numbered(":v", self.values))
    }
}

/// DynamoDB refuses an empty table of names or values, so nothing is `None`.
fn numbered<T>(prefix: &str, entries: Vec<T>) -> Option<HashMap<String, T>> {
    if entries.is_empty() {
        return None;
    }
    let numbered = entries.into_iter().enumerate();
    Some(
        numbered
            .map(|(i, entry)| (format!("{prefix}{i}"), entry))
            .collect(),
    )
}
