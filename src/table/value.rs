//! Rust values as attribute values and items, and back.

use crate::error::{Error, ErrorKind, Operation, Result};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde_dynamo::aws_sdk_dynamodb_1 as dynamo;
use std::fmt;

/// An item as DynamoDB has it: attributes by name.
pub type Item = std::collections::HashMap<String, AttributeValue>;

/// What can stand for an attribute's value: anything that serde can serialise, or a [`Value`].
///
/// A `Vec<u8>` is a list of numbers to serde; for binary use [`Value::bytes`] or `serde_bytes`. Sets
/// are [`Value::strings`], [`Value::numbers`] and [`Value::binaries`].
pub trait IntoValue {
    /// The attribute value.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Encode`] when the value cannot be stored.
    fn into_value(self) -> Result<AttributeValue>;
}

impl<T: Serialize> IntoValue for T {
    fn into_value(self) -> Result<AttributeValue> {
        let value = dynamo::to_attribute_value(self).map_err(encode)?;
        check_value(&value, &Trail::Root)?;
        Ok(value)
    }
}

/// An attribute value as the SDK has it, for what serde has no type for: binary and sets.
///
/// ```
/// use aws_credential_strategies::table::Value;
///
/// let tags = Value::strings(["red", "green"]);
/// assert!(tags.0.is_ss());
/// ```
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "a plain wrapper for ever")]
pub struct Value(pub AttributeValue);

impl Value {
    /// Binary.
    #[must_use]
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Value(AttributeValue::B(Blob::new(bytes)))
    }

    /// A set of strings.
    #[must_use]
    pub fn strings<T: Into<String>>(strings: impl IntoIterator<Item = T>) -> Self {
        Value(AttributeValue::Ss(
            strings.into_iter().map(Into::into).collect(),
        ))
    }

    /// A set of numbers.
    #[must_use]
    pub fn numbers<T: fmt::Display>(numbers: impl IntoIterator<Item = T>) -> Self {
        Value(AttributeValue::Ns(
            numbers.into_iter().map(|n| n.to_string()).collect(),
        ))
    }

    /// A set of binaries.
    #[must_use]
    pub fn binaries<T: Into<Vec<u8>>>(binaries: impl IntoIterator<Item = T>) -> Self {
        Value(AttributeValue::Bs(
            binaries.into_iter().map(Blob::new).collect(),
        ))
    }
}

impl From<AttributeValue> for Value {
    fn from(value: AttributeValue) -> Self {
        Value(value)
    }
}

impl IntoValue for Value {
    fn into_value(self) -> Result<AttributeValue> {
        check_value(&self.0, &Trail::Root)?;
        Ok(self.0)
    }
}

/// An item of anything that serialises as a map: what [`Table::put`](crate::table::Table::put) writes.
///
/// # Errors
///
/// [`ErrorKind::Encode`] when it is not a map, or an attribute cannot be stored; the error names the
/// attribute.
pub fn to_item<T: Serialize + ?Sized>(item: &T) -> Result<Item> {
    let item: Item = dynamo::to_item(item).map_err(encode)?;
    for (name, value) in &item {
        check_value(value, &Trail::Member(&Trail::Root, name))?;
    }
    Ok(item)
}

fn encode(error: serde_dynamo::Error) -> Error {
    Error::new(
        ErrorKind::Encode,
        Operation::CONFIGURE,
        "the value cannot be written as DynamoDB attributes",
    )
    .needs_human()
    .caused_by(error)
}

/// What may be shown of a value: its type, or why there is none.
pub(crate) fn kind_of(value: &Result<AttributeValue>) -> Result<&'static str, &Error> {
    value.as_ref().map(|value| match value {
        AttributeValue::B(_) => "B",
        AttributeValue::Bool(_) => "BOOL",
        AttributeValue::Bs(_) => "BS",
        AttributeValue::L(_) => "L",
        AttributeValue::M(_) => "M",
        AttributeValue::N(_) => "N",
        AttributeValue::Ns(_) => "NS",
        AttributeValue::Null(_) => "NULL",
        AttributeValue::S(_) => "S",
        AttributeValue::Ss(_) => "SS",
        _ => "?",
    })
}

/// Where in a value the check is, so that the error can say it; built on the stack.
enum Trail<'a> {
    Root,
    Member(&'a Trail<'a>, &'a str),
    Element(&'a Trail<'a>, usize),
}

impl fmt::Display for Trail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trail::Root => Ok(()),
            Trail::Member(Trail::Root, name) => f.write_str(name),
            Trail::Member(parent, name) => write!(f, "{parent}.{name}"),
            Trail::Element(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// Finds what DynamoDB would refuse without saying where: NaN, infinities, empty sets.
fn check_value(value: &AttributeValue, trail: &Trail<'_>) -> Result<()> {
    match value {
        AttributeValue::N(number) => check_number(number, trail),
        AttributeValue::M(members) => members
            .iter()
            .try_for_each(|(name, value)| check_value(value, &Trail::Member(trail, name))),
        AttributeValue::L(elements) => elements
            .iter()
            .enumerate()
            .try_for_each(|(index, value)| check_value(value, &Trail::Element(trail, index))),
        AttributeValue::Ns(numbers) if !numbers.is_empty() => {
            numbers.iter().try_for_each(|n| check_number(n, trail))
        }
        AttributeValue::Ss(set) if !set.is_empty() => Ok(()),
        AttributeValue::Bs(set) if !set.is_empty() => Ok(()),
        AttributeValue::Ss(_) | AttributeValue::Ns(_) | AttributeValue::Bs(_) => {
            Err(refused(trail, "DynamoDB has no empty sets"))
        }
        _ => Ok(()),
    }
}

fn check_number(number: &str, trail: &Trail<'_>) -> Result<()> {
    let digits = number.strip_prefix(['-', '+']).unwrap_or(number);
    if digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Ok(());
    }
    Err(refused(trail, "DynamoDB has no NaN and no infinity"))
}

fn refused(trail: &Trail<'_>, why: &'static str) -> Error {
    let error = Error::new(ErrorKind::Encode, Operation::CONFIGURE, why).needs_human();
    match trail {
        Trail::Root => error,
        _ => error.naming(format!("attribute {trail}")),
    }
}
