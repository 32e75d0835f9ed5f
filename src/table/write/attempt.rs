//! What the writes have in common: conditions, versions, and a failed condition as a value.

use crate::error::{Error, ErrorKind, Result};
use crate::table::decode::decode;
use crate::table::error::Call;
use crate::table::expression::condition::{Cond, attr};
use crate::table::expression::expressions::Expressions;
use crate::table::expression::path::Path;
use crate::table::item::Attributes;
use crate::table::target::Target;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::de::DeserializeOwned;
use std::collections::HashMap;

/// What became of a write with a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a condition holds or does not; there is no third"
)]
#[must_use = "a rejected write is a value, no error"]
pub enum Attempt<T> {
    /// The condition held.
    Written,
    /// It did not; this is the item that was there, if any.
    Rejected(Option<T>),
}

impl<T> Attempt<T> {
    /// Whether the condition held.
    pub fn is_written(&self) -> bool {
        matches!(self, Attempt::Written)
    }
}

impl<T: DeserializeOwned> Attempt<T> {
    /// Makes a value of a failed condition; every other error stays one.
    pub(crate) fn from_result<O>(target: &Target, result: Result<O>) -> Result<Self> {
        match result {
            Ok(_) => Ok(Attempt::Written),
            Err(error) if *error.kind() == ErrorKind::Conflict => {
                let there = error.conflict_item().filter(|item| !item.is_empty());
                let there = there.cloned().map(|item| decode(item, None)).transpose();
                there
                    .map(Attempt::Rejected)
                    .map_err(|decode| Call::on(target, error.operation()).explain(decode))
            }
            Err(error) => Err(error),
        }
    }
}

/// The condition of a write, with what its placeholders stand for.
#[derive(Debug, Default)]
pub(crate) struct Rendered {
    pub(crate) condition: Option<String>,
    pub(crate) names: Option<HashMap<String, String>>,
    pub(crate) values: Option<Attributes>,
}

impl Rendered {
    pub(crate) fn of(condition: Option<Cond>) -> Result<Self> {
        let Some(condition) = condition else {
            return Ok(Rendered::default());
        };
        Rendered::with(Some(condition), Expressions::default())
    }

    /// The condition beside other expressions of the same request.
    pub(crate) fn with(condition: Option<Cond>, mut expressions: Expressions) -> Result<Self> {
        let condition = condition
            .map(|condition| {
                let mut text = String::new();
                condition.render(&mut text, &mut expressions).map(|()| text)
            })
            .transpose()?;
        let (names, values) = expressions.into_maps();
        Ok(Rendered {
            condition,
            names,
            values,
        })
    }
}

/// An optimistic version: what the item must hold, and what it will hold.
pub(crate) struct Version {
    pub(crate) condition: Cond,
    pub(crate) next: AttributeValue,
}

/// `None` expects an item without a version, a new one as a rule.
pub(crate) fn version(attribute: &str, expected: Option<u64>) -> Result<Version> {
    let held = attr(Path::attribute(attribute));
    let condition = match expected {
        Some(expected) => held.eq(expected),
        None => held.not_exists(),
    };
    let next = expected.map_or(Some(1), |expected| expected.checked_add(1));
    let next = next.ok_or_else(|| {
        Error::usage(
            "version",
            "expected a version below the largest 64-bit number",
        )
    })?;
    Ok(Version {
        condition,
        next: AttributeValue::N(next.to_string()),
    })
}
