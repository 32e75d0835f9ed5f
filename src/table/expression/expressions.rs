//! The placeholders of one request: every name and every value of every expression is one.

use crate::error::{Error, Result};
use crate::table::item::Attributes;
use aws_sdk_dynamodb::types::AttributeValue;
use std::collections::HashMap;
use std::fmt::Write as _;

/// The longest expression, in bytes;
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>.
pub const LONGEST_EXPRESSION: usize = 4096;

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

/// An expression that DynamoDB's parser would read.
pub(crate) fn checked_length(field: &'static str, text: String) -> Result<String> {
    if text.len() <= LONGEST_EXPRESSION {
        return Ok(text);
    }
    let expected = format!(
        "expected an expression of at most {LONGEST_EXPRESSION} bytes, not {}; names and values do not count, each is a placeholder of 3 to 5 bytes",
        text.len()
    );
    Err(Error::usage(field, expected))
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
