//! Rust values as attribute values, and attribute values as they are.

use super::encode::{self, BINARY_SET, NUMBER_SET, STRING_SET, encode, type_of};
use super::fault::Fault;
use super::number::{NUMBER, Number};
use crate::error::{Error, ErrorKind, Operation, Result};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::de::{self, Deserialize, Deserializer, EnumAccess, VariantAccess, Visitor};
use serde::ser::{SerializeMap as _, SerializeSeq as _};
use serde::{Serialize, Serializer};
use std::collections::HashMap;
use std::fmt;

/// By this name a value with its type is asked of the decoder.
pub(crate) const VALUE: &str = "\u{37E}VALUE\u{37E}";

/// What can stand for an attribute's value: anything that serde can serialise, a [`Value`] and a
/// [`Number`] among them.
///
/// A `Vec<u8>` is a list of numbers to serde; for binary use [`Value::bytes`] or `serde_bytes`. A
/// `HashSet` is a list too; sets are [`Value::strings`], [`Value::numbers`] and [`Value::binaries`], and in
/// a type of yours `#[serde(with = "aws_credential_strategies::table::string_set")]`, `number_set` and
/// `binary_set`, which take no list. A set that is read into a collection without that attribute is written
/// back as a list; and a list that is read into a `HashSet` or a `BTreeSet`, without its order and with each
/// element once.
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
        encode(&self).map_err(refused)
    }
}

/// An attribute value as the SDK has it: for what serde has no type for, and for attributes that are only
/// passed on.
///
/// In a type of yours it holds any attribute, whatever its type, and gives it back as it was; see
/// [`Item`](super::Item) for where serde does not let it.
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

    /// A set of strings, of a `HashSet` for example.
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

impl From<Number> for Value {
    fn from(number: Number) -> Self {
        Value(AttributeValue::N(number.into_string()))
    }
}

/// What may be shown of a value: its type, or why there is none.
pub(crate) fn kind_of(value: &Result<AttributeValue>) -> Result<&'static str, &Error> {
    value.as_ref().map(type_of)
}

/// A value that was made elsewhere, if DynamoDB takes it.
pub(crate) fn checked(value: AttributeValue) -> Result<AttributeValue> {
    encode::check(&value).map_err(refused)?;
    Ok(value)
}

/// Why a value cannot be stored, and which attribute of it.
pub(crate) fn refused(fault: Fault) -> Error {
    let error =
        Error::new(ErrorKind::Encode, Operation::CONFIGURE, fault.to_string()).needs_human();
    match fault.place() {
        Some(place) => error.naming(format!("attribute {place}")),
        None => error,
    }
}

/// A value that has no attributes.
pub(crate) fn no_item(value: &AttributeValue) -> Error {
    refused(Fault::new(format!(
        "expected an item, that is a struct or a map, not {}",
        type_of(value)
    )))
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(&self.0, serializer)
    }
}

struct Ref<'a>(&'a AttributeValue);

impl Serialize for Ref<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(self.0, serializer)
    }
}

fn serialize<S: Serializer>(value: &AttributeValue, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        AttributeValue::B(bytes) => serializer.serialize_bytes(bytes.as_ref()),
        AttributeValue::Bool(flag) => serializer.serialize_bool(*flag),
        AttributeValue::Bs(set) => {
            let set = Members(set, |blob: &Blob| Bytes(blob.as_ref().to_vec()));
            serializer.serialize_newtype_struct(BINARY_SET, &set)
        }
        AttributeValue::L(elements) => Members(elements, Ref).serialize(serializer),
        AttributeValue::M(members) => serialize_members(members, serializer),
        AttributeValue::N(number) => serializer.serialize_newtype_struct(NUMBER, number),
        AttributeValue::Ns(set) => {
            let set = Members(set, Digits);
            serializer.serialize_newtype_struct(NUMBER_SET, &set)
        }
        AttributeValue::Null(_) => serializer.serialize_unit(),
        AttributeValue::S(text) => serializer.serialize_str(text),
        AttributeValue::Ss(set) => serializer.serialize_newtype_struct(STRING_SET, set),
        _ => Err(serde::ser::Error::custom(
            "expected an attribute of a type that this version knows",
        )),
    }
}

pub(crate) fn serialize_members<S: Serializer>(
    members: &HashMap<String, AttributeValue>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(members.len()))?;
    for (name, value) in members {
        map.serialize_entry(name, &Ref(value))?;
    }
    map.end()
}

/// A sequence, each element as something that serialises.
struct Members<'a, T, A>(&'a [T], fn(&'a T) -> A);

impl<T, A: Serialize> Serialize for Members<'_, T, A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sequence = serializer.serialize_seq(Some(self.0.len()))?;
        for element in self.0 {
            sequence.serialize_element(&(self.1)(element))?;
        }
        sequence.end()
    }
}

struct Digits<'a>(&'a String);

impl Serialize for Digits<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(NUMBER, self.0)
    }
}

/// Binary, which a `Vec<u8>` is not to serde.
struct Bytes(Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Binary;

        impl Visitor<'_> for Binary {
            type Value = Bytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("binary")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }
        }

        deserializer.deserialize_byte_buf(Binary)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(VALUE, Typed)
    }
}

/// Takes a value with its type, which only the decoder of items tells.
struct Typed;

impl<'de> Visitor<'de> for Typed {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "an attribute straight from DynamoDB, not through flatten, a tagged or untagged enum, or another format",
        )
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<Value, A::Error> {
        let (kind, content) = data.variant::<String>()?;
        Ok(Value(match kind.as_str() {
            "B" => AttributeValue::B(Blob::new(content.newtype_variant::<Bytes>()?.0)),
            "BOOL" => AttributeValue::Bool(content.newtype_variant()?),
            "BS" => {
                let set = content.newtype_variant::<Vec<Bytes>>()?.into_iter();
                AttributeValue::Bs(set.map(|bytes| Blob::new(bytes.0)).collect())
            }
            "L" => {
                let list = content.newtype_variant::<Vec<Value>>()?.into_iter();
                AttributeValue::L(list.map(|value| value.0).collect())
            }
            "M" => {
                let members = content
                    .newtype_variant::<HashMap<String, Value>>()?
                    .into_iter();
                AttributeValue::M(members.map(|(name, value)| (name, value.0)).collect())
            }
            "N" => AttributeValue::N(content.newtype_variant::<Number>()?.into_string()),
            "NS" => {
                let set = content.newtype_variant::<Vec<Number>>()?.into_iter();
                AttributeValue::Ns(set.map(Number::into_string).collect())
            }
            "NULL" => AttributeValue::Null(true),
            "S" => AttributeValue::S(content.newtype_variant()?),
            "SS" => AttributeValue::Ss(content.newtype_variant()?),
            other => {
                let message = format!("expected a known type of attribute, not {other:?}");
                return Err(de::Error::custom(message));
            }
        }))
    }
}
