//! Policy JSON, read strictly: whatever is not understood is refused by name, never dropped.

use crate::error::{Error, Result};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// A piece of a document and the way to it, for errors: `Statement[0].Principal.AWS`.
pub(super) struct Element<'a> {
    path: String,
    value: &'a Value,
}

/// Parses a whole document; the error names what is not JSON, or what stands there twice.
pub(super) fn document(field: &'static str, json: &str) -> Result<Value> {
    serde_json::from_str::<Strict>(json)
        .map(|strict| strict.0)
        .map_err(|e| Error::usage(field, "expected a policy document in JSON").caused_by(e))
}

impl<'a> Element<'a> {
    pub(super) fn new(path: impl Into<String>, value: &'a Value) -> Self {
        Element {
            path: path.into(),
            value,
        }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// An error about this element.
    pub(super) fn refuse(&self, expected: impl fmt::Display) -> Error {
        Error::usage(self.path.clone(), expected.to_string())
    }

    /// The members of an object, each an element of its own.
    pub(super) fn members(&self) -> Result<Vec<(&'a str, Element<'a>)>> {
        Ok(self
            .object()?
            .iter()
            .map(|(name, value)| {
                let element = Element::new(format!("{}.{name}", self.path), value);
                (name.as_str(), element)
            })
            .collect())
    }

    fn object(&self) -> Result<&'a Map<String, Value>> {
        match self.value {
            Value::Object(members) => Ok(members),
            other => Err(self.refuse(format_args!("expected an object, not {}", kind(other)))),
        }
    }

    /// The elements of an array, or the element itself: IAM takes both.
    pub(super) fn one_or_many(&self) -> Vec<Element<'a>> {
        match self.value {
            Value::Array(values) => values
                .iter()
                .enumerate()
                .map(|(i, value)| Element::new(format!("{}[{i}]", self.path), value))
                .collect(),
            one => vec![Element::new(self.path.clone(), one)],
        }
    }

    pub(super) fn text(&self) -> Result<&'a str> {
        match self.value {
            Value::String(text) => Ok(text),
            other => Err(self.refuse(format_args!("expected a string, not {}", kind(other)))),
        }
    }

    pub(super) fn is_text(&self) -> bool {
        self.value.is_string()
    }

    /// One string or several, at least one.
    pub(super) fn texts(&self) -> Result<Vec<(Element<'a>, String)>> {
        let texts = self
            .one_or_many()
            .into_iter()
            .map(|element| {
                element
                    .text()
                    .map(str::to_owned)
                    .map(|text| (element, text))
            })
            .collect::<Result<Vec<_>>>()?;
        if texts.is_empty() {
            return Err(self.refuse("expected at least one"));
        }
        Ok(texts)
    }

    /// A condition value: IAM also takes booleans and numbers, and reads them as text.
    pub(super) fn scalar(&self) -> Result<String> {
        match self.value {
            Value::String(text) => Ok(text.clone()),
            Value::Bool(truth) => Ok(truth.to_string()),
            Value::Number(number) => Ok(number.to_string()),
            other => Err(self.refuse(format_args!(
                "expected a string, a boolean or a number, not {}",
                kind(other)
            ))),
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Array(_) => "an array",
        Value::Bool(_) => "a boolean",
        Value::Null => "null",
        Value::Number(_) => "a number",
        Value::Object(_) => "an object",
        Value::String(_) => "a string",
    }
}

/// A JSON value in which no object names a member twice: the second would hide the first.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Strict;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Strict, E> {
        Ok(Strict(Value::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Strict, A::Error> {
        let mut values = Vec::new();
        while let Some(Strict(value)) = seq.next_element()? {
            values.push(value);
        }
        Ok(Strict(Value::Array(values)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Strict, A::Error> {
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            if members.contains_key(&name) {
                return Err(de::Error::custom(format_args!("`{name}` stands twice")));
            }
            let Strict(value) = map.next_value()?;
            members.insert(name, value);
        }
        Ok(Strict(Value::Object(members)))
    }
}
