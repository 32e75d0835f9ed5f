//! The `Condition` element.

use super::OneOrMany;
use crate::error::{Error, Result};
use crate::iam::decode::Element;
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::collections::BTreeMap;

/// The `Condition` element: operator → key → values. All operators and keys must hold, one value each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::iam) struct Conditions(BTreeMap<String, BTreeMap<String, Vec<String>>>);

/// Condition operators without `ForAllValues:`, `ForAnyValue:` and `IfExists`
/// (IAM User Guide, "Condition operators").
const OPERATORS: [&str; 27] = [
    "ArnEquals",
    "ArnLike",
    "ArnNotEquals",
    "ArnNotLike",
    "BinaryEquals",
    "Bool",
    "DateEquals",
    "DateGreaterThan",
    "DateGreaterThanEquals",
    "DateLessThan",
    "DateLessThanEquals",
    "DateNotEquals",
    "IpAddress",
    "NotIpAddress",
    "Null",
    "NumericEquals",
    "NumericGreaterThan",
    "NumericGreaterThanEquals",
    "NumericLessThan",
    "NumericLessThanEquals",
    "NumericNotEquals",
    "StringEquals",
    "StringEqualsIgnoreCase",
    "StringLike",
    "StringNotEquals",
    "StringNotEqualsIgnoreCase",
    "StringNotLike",
];

impl Conditions {
    pub(in crate::iam) fn add(
        &mut self,
        operator: String,
        key: String,
        values: impl IntoIterator<Item: Into<String>>,
    ) {
        self.0
            .entry(operator)
            .or_default()
            .entry(key)
            .or_default()
            .extend(values.into_iter().map(Into::into));
    }

    pub(in crate::iam) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(in crate::iam) fn validate(&self, path: &str) -> Result<()> {
        for (operator, keys) in &self.0 {
            let base = operator
                .strip_prefix("ForAllValues:")
                .or_else(|| operator.strip_prefix("ForAnyValue:"))
                .unwrap_or(operator);
            let plain = base.strip_suffix("IfExists").unwrap_or(base);
            // `Null` asks whether a key is there, so it has no `IfExists`
            if !OPERATORS.contains(&plain) || base == "NullIfExists" {
                return Err(Error::usage(
                    format!("{path}.Condition.{operator}"),
                    "no such condition operator",
                ));
            }
            for (key, values) in keys {
                let expected = if key.is_empty() {
                    "expected the name of a condition key"
                } else if values.is_empty() {
                    "expected at least one value"
                } else {
                    continue;
                };
                return Err(Error::usage(
                    format!("{path}.Condition.{operator}.{key}"),
                    expected,
                ));
            }
        }
        Ok(())
    }

    pub(in crate::iam) fn decode(element: &Element<'_>) -> Result<Self> {
        let mut conditions = Conditions::default();
        for (operator, keys) in element.members()? {
            for (key, values) in keys.members()? {
                let values = values
                    .one_or_many()
                    .iter()
                    .map(Element::scalar)
                    .collect::<Result<Vec<_>>>()?;
                conditions.add(operator.to_owned(), key.to_owned(), values);
            }
        }
        Ok(conditions)
    }

    /// The values of each condition that only holds where the request carries the key with one of them.
    pub(in crate::iam) fn demanding<'a>(
        &'a self,
        key: &'a str,
    ) -> impl Iterator<Item = &'a [String]> {
        const DEMANDING: [&str; 3] = ["StringEquals", "StringEqualsIgnoreCase", "StringLike"];
        self.0
            .iter()
            .filter(|(operator, _)| {
                let plain = operator.strip_prefix("ForAnyValue:").unwrap_or(operator);
                DEMANDING.contains(&plain)
            })
            .flat_map(|(_, keys)| keys)
            .filter(move |(known, _)| known.eq_ignore_ascii_case(key))
            .map(|(_, values)| values.as_slice())
    }

    /// The policy variables in the values, without `${` and `}`, each once.
    ///
    /// `${*}`, `${?}` and `${$}` are no variables but the plain character.
    pub(in crate::iam) fn variables(&self) -> Vec<&str> {
        let mut found = Vec::new();
        for value in self.0.values().flat_map(BTreeMap::values).flatten() {
            let mut rest = value.as_str();
            while let Some((_, after)) = rest.split_once("${") {
                let (name, after) = after.split_once('}').unwrap_or((after, ""));
                if !matches!(name, "*" | "?" | "$") && !found.contains(&name) {
                    found.push(name);
                }
                rest = after;
            }
        }
        found
    }
}

impl Serialize for Conditions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (operator, keys) in &self.0 {
            let keys: BTreeMap<_, _> = keys
                .iter()
                .map(|(key, values)| (key, OneOrMany(values)))
                .collect();
            map.serialize_entry(operator, &keys)?;
        }
        map.end()
    }
}
