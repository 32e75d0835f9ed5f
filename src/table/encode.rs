//! Rust values as attributes: serde's side of writing.
//!
//! `serde_dynamo` knows no 128 bits, no numbers beyond `f64`, and panics on a map whose keys are lists;
//! its sets are taken here by the names that it gives them.

use super::fault::Fault;
use super::number::{self, NUMBER};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::ser::{self, Serialize, Serializer};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// What the names begin with that mean something to the encoder.
const MARK: char = '\u{37E}';
/// The names under which `serde_dynamo` and [`Value`](super::Value) announce a set.
pub(crate) const STRING_SET: &str = "\u{37E}STRINGSET\u{37E}";
pub(crate) const NUMBER_SET: &str = "\u{37E}NUMBERSET\u{37E}";
pub(crate) const BINARY_SET: &str = "\u{37E}BYTESSET\u{37E}";
/// How `serde_json` hands over a number when somebody has switched `arbitrary_precision` on.
const JSON_NUMBER: &str = "$serde_json::private::Number";
const NO_EMPTY_SETS: &str = "DynamoDB has no empty sets";

type Members = HashMap<String, AttributeValue>;

pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<AttributeValue, Fault> {
    value.serialize(Encoder)
}

/// Finds in a value that was made elsewhere what DynamoDB would refuse without saying where.
pub(crate) fn check(value: &AttributeValue) -> Result<(), Fault> {
    match value {
        AttributeValue::N(number) => number::check(number).map_err(Fault::new),
        AttributeValue::M(members) => members
            .iter()
            .try_for_each(|(name, value)| check(value).map_err(|fault| fault.in_member(name))),
        AttributeValue::L(elements) => elements
            .iter()
            .enumerate()
            .try_for_each(|(at, value)| check(value).map_err(|fault| fault.in_element(at))),
        AttributeValue::Ns(numbers) if !numbers.is_empty() => numbers
            .iter()
            .try_for_each(|number| number::check(number).map_err(Fault::new)),
        AttributeValue::Ss(set) if set.is_empty() => Err(Fault::new(NO_EMPTY_SETS)),
        AttributeValue::Ns(_) => Err(Fault::new(NO_EMPTY_SETS)),
        AttributeValue::Bs(set) if set.is_empty() => Err(Fault::new(NO_EMPTY_SETS)),
        _ => Ok(()),
    }
}

/// A set of the members of a list: serde has no sets. `None` unless they are all strings, all numbers or
/// all binary, and at least one.
pub(crate) fn set_of(members: Vec<AttributeValue>) -> Option<AttributeValue> {
    let (mut strings, mut numbers, mut binaries) = (Vec::new(), Vec::new(), Vec::new());
    for member in members {
        match member {
            AttributeValue::S(string) => strings.push(string),
            AttributeValue::N(number) => numbers.push(number),
            AttributeValue::B(binary) => binaries.push(binary),
            _ => return None,
        }
    }
    match (strings.is_empty(), numbers.is_empty(), binaries.is_empty()) {
        (false, true, true) => Some(AttributeValue::Ss(strings)),
        (true, false, true) => Some(AttributeValue::Ns(numbers)),
        (true, true, false) => Some(AttributeValue::Bs(binaries)),
        _ => None,
    }
}

/// DynamoDB's name of a value's type.
pub(crate) fn type_of(value: &AttributeValue) -> &'static str {
    match value {
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
    }
}

struct Encoder;

fn checked_number(number: String) -> Result<AttributeValue, Fault> {
    number::check(&number).map_err(Fault::new)?;
    Ok(AttributeValue::N(number))
}

/// A value that its type's name says more about.
fn marked(name: &'static str, value: AttributeValue) -> Result<AttributeValue, Fault> {
    let (kind, what) = match name {
        NUMBER => {
            return match value {
                AttributeValue::S(number) => checked_number(number),
                _ => Err(Fault::new("expected a number")),
            };
        }
        STRING_SET => ("SS", "strings"),
        NUMBER_SET => ("NS", "numbers"),
        BINARY_SET => ("BS", "binary"),
        _ => return Ok(value),
    };
    let AttributeValue::L(members) = value else {
        return Err(Fault::new("expected a sequence, to make a set of it"));
    };
    if members.is_empty() {
        return Err(Fault::new(NO_EMPTY_SETS));
    }
    let set = set_of(members).filter(|set| type_of(set) == kind);
    set.ok_or_else(|| Fault::new(format!("expected a set of {what} only")))
}

fn variant(name: Option<&'static str>, value: AttributeValue) -> AttributeValue {
    match name {
        Some(name) => AttributeValue::M(HashMap::from([(name.to_owned(), value)])),
        None => value,
    }
}

macro_rules! short_numbers {
    ($($method:ident: $number:ty),+ $(,)?) => {
        $(fn $method(self, number: $number) -> Result<AttributeValue, Fault> {
            Ok(AttributeValue::N(number.to_string()))
        })+
    };
}

macro_rules! long_numbers {
    ($($method:ident: $number:ty),+ $(,)?) => {
        $(fn $method(self, number: $number) -> Result<AttributeValue, Fault> {
            checked_number(number.to_string())
        })+
    };
}

impl Serializer for Encoder {
    type Ok = AttributeValue;
    type Error = Fault;
    type SerializeSeq = Elements;
    type SerializeTuple = Elements;
    type SerializeTupleStruct = Elements;
    type SerializeTupleVariant = Elements;
    type SerializeMap = Entries;
    type SerializeStruct = Entries;
    type SerializeStructVariant = Entries;

    short_numbers! {
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64,
    }

    long_numbers! { serialize_i128: i128, serialize_u128: u128, serialize_f32: f32, serialize_f64: f64 }

    fn serialize_bool(self, flag: bool) -> Result<AttributeValue, Fault> {
        Ok(AttributeValue::Bool(flag))
    }

    fn serialize_char(self, letter: char) -> Result<AttributeValue, Fault> {
        Ok(AttributeValue::S(letter.to_string()))
    }

    fn serialize_str(self, text: &str) -> Result<AttributeValue, Fault> {
        Ok(AttributeValue::S(text.to_owned()))
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<AttributeValue, Fault> {
        Ok(AttributeValue::B(Blob::new(bytes)))
    }

    fn serialize_none(self) -> Result<AttributeValue, Fault> {
        Ok(AttributeValue::Null(true))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<AttributeValue, Fault> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<AttributeValue, Fault> {
        Ok(AttributeValue::Null(true))
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<AttributeValue, Fault> {
        Ok(AttributeValue::Null(true))
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<AttributeValue, Fault> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<AttributeValue, Fault> {
        let value = value.serialize(self)?;
        if name.starts_with(MARK) {
            return marked(name, value);
        }
        Ok(value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        name: &'static str,
        value: &T,
    ) -> Result<AttributeValue, Fault> {
        let value = encode(value).map_err(|fault| fault.in_member(name))?;
        Ok(variant(Some(name), value))
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Elements, Fault> {
        Ok(Elements {
            elements: Vec::with_capacity(len.unwrap_or_default()),
            variant: None,
        })
    }

    fn serialize_tuple(self, len: usize) -> Result<Elements, Fault> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_struct(self, _name: &'static str, len: usize) -> Result<Elements, Fault> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Elements, Fault> {
        let elements = self.serialize_seq(Some(len))?;
        Ok(Elements {
            variant: Some(variant),
            ..elements
        })
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Entries, Fault> {
        Ok(Entries {
            members: Members::with_capacity(len.unwrap_or_default()),
            key: None,
            name: None,
            variant: None,
        })
    }

    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Entries, Fault> {
        let entries = self.serialize_map(Some(len))?;
        Ok(Entries {
            name: Some(name),
            ..entries
        })
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Entries, Fault> {
        let entries = self.serialize_map(Some(len))?;
        Ok(Entries {
            variant: Some(variant),
            ..entries
        })
    }
}

/// A list that is being written.
struct Elements {
    elements: Vec<AttributeValue>,
    variant: Option<&'static str>,
}

impl Elements {
    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        let at = self.elements.len();
        let value = encode(value).map_err(|fault| fault.in_element(at))?;
        self.elements.push(value);
        Ok(())
    }

    fn finish(self) -> Result<AttributeValue, Fault> {
        Ok(variant(self.variant, AttributeValue::L(self.elements)))
    }
}

macro_rules! writes_elements {
    ($($access:ident: $method:ident),+ $(,)?) => {
        $(impl ser::$access for Elements {
            type Ok = AttributeValue;
            type Error = Fault;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
                self.push(value)
            }

            fn end(self) -> Result<AttributeValue, Fault> {
                self.finish()
            }
        })+
    };
}

writes_elements! {
    SerializeSeq: serialize_element,
    SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field,
    SerializeTupleVariant: serialize_field,
}

/// A map, a struct or a whole item that is being written.
struct Entries {
    members: Members,
    key: Option<String>,
    name: Option<&'static str>,
    variant: Option<&'static str>,
}

impl Entries {
    fn insert<T: Serialize + ?Sized>(&mut self, key: String, value: &T) -> Result<(), Fault> {
        match (encode(value), self.members.entry(key)) {
            (Ok(value), Entry::Vacant(place)) => {
                place.insert(value);
                Ok(())
            }
            (Ok(_), Entry::Occupied(earlier)) => {
                let fault = Fault::new("written twice, and one of the values would be lost");
                Err(fault.in_member(earlier.key()))
            }
            (Err(fault), place) => Err(fault.in_member(place.key())),
        }
    }

    fn finish(mut self) -> Result<AttributeValue, Fault> {
        if self.name == Some(JSON_NUMBER)
            && let Some(AttributeValue::S(number)) = self.members.remove(JSON_NUMBER)
        {
            return checked_number(number);
        }
        Ok(variant(self.variant, AttributeValue::M(self.members)))
    }
}

impl ser::SerializeMap for Entries {
    type Ok = AttributeValue;
    type Error = Fault;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Fault> {
        self.key = Some(self::key(key)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        let key = self.key.take();
        let key = key.ok_or_else(|| Fault::new("expected a key before its value"))?;
        self.insert(key, value)
    }

    fn end(self) -> Result<AttributeValue, Fault> {
        self.finish()
    }
}

macro_rules! writes_fields {
    ($($access:ident),+ $(,)?) => {
        $(impl ser::$access for Entries {
            type Ok = AttributeValue;
            type Error = Fault;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Fault> {
                self.insert(name.to_owned(), value)
            }

            fn end(self) -> Result<AttributeValue, Fault> {
                self.finish()
            }
        })+
    };
}

writes_fields!(SerializeStruct, SerializeStructVariant);

/// The key of a map, which is a string in DynamoDB: of what is written as one, as a number or as a flag.
fn key<T: Serialize + ?Sized>(key: &T) -> Result<String, Fault> {
    match encode(key)? {
        AttributeValue::S(key) | AttributeValue::N(key) => Ok(key),
        AttributeValue::Bool(key) => Ok(key.to_string()),
        _ => Err(Fault::new(
            "expected a map whose keys are strings, numbers, booleans or names of variants",
        )),
    }
}
