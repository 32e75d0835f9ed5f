//! A condition in DynamoDB's own words.

use super::expressions::Expressions;
use crate::error::{Error, Result};
use crate::table::item::Attributes;
use aws_sdk_dynamodb::types::AttributeValue;
use std::fmt;

/// The text, and what its placeholders stand for.
#[derive(Clone)]
pub(crate) struct RawCondition {
    pub(crate) text: String,
    pub(crate) names: Vec<(String, String)>,
    pub(crate) values: Vec<(String, Result<AttributeValue>)>,
}

impl RawCondition {
    /// Replaces each placeholder of the caller's by one of ours.
    pub(crate) fn render(self, out: &mut String, expressions: &mut Expressions) -> Result<()> {
        if self.text.trim().is_empty() {
            return Err(raw_problem("expected an expression, not an empty text"));
        }
        let mut values = Attributes::new();
        for (placeholder, value) in self.values {
            values.insert(placeholder, value?);
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
                return Err(raw_problem(format!(
                    "the placeholder {placeholder} stands for nothing that was given"
                )));
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
            Some(unused) => Err(raw_problem(format!(
                "the placeholder {unused:?} is not in the expression"
            ))),
            None => Ok(()),
        }
    }

    /// Whether one pair of parentheses holds the whole text already.
    pub(crate) fn is_enclosed(&self) -> bool {
        is_enclosed(self.text.trim())
    }
}

impl fmt::Debug for RawCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn raw_problem(problem: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::usage("raw condition", problem)
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
