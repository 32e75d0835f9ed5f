//! Items as Rust values: `serde_dynamo`, with the attribute named where one does not fit.

use super::value::Item;
use crate::error::{Error, ErrorKind, Operation, Result};
use aws_sdk_dynamodb::types::AttributeValue;
use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_path_to_error::Track;
use std::collections::hash_map;

type DecodeError = serde_dynamo::Error;

/// A value of an item: for what [`output`](crate::table::Get::output) returned.
///
/// # Errors
///
/// [`ErrorKind::Decode`] when the item does not fit `T`; the error names the attribute.
pub fn from_item<T: DeserializeOwned>(item: Item) -> Result<T> {
    let mut place = None;
    T::deserialize(Whole {
        item,
        place: &mut place,
    })
    .map_err(|error| {
        let message = match place {
            Some(place) => format!("attribute {place} does not fit the type it is read into"),
            // an absent attribute, as a rule: it has no place
            None => "the item does not fit the type it is read into".to_owned(),
        };
        Error::new(ErrorKind::Decode, Operation::CONFIGURE, message)
            .needs_human()
            .caused_by(error)
    })
}

/// An item that is being read.
///
/// A struct, which nearly every item is read into, takes its attributes one by one; `serde_dynamo` by
/// itself would first build the whole item again, and a trail kept for every attribute costs more than
/// the attributes. Anything else goes that way.
struct Whole<'a> {
    item: Item,
    /// Which attribute did not fit.
    place: &'a mut Option<String>,
}

impl Whole<'_> {
    fn read<T>(
        self,
        read: impl FnOnce(
            serde_path_to_error::Deserializer<'_, '_, serde_dynamo::Deserializer>,
        ) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        let members = self.item.into_iter();
        let members = members.map(|(name, value)| (name, value.into())).collect();
        let whole = serde_dynamo::AttributeValue::M(members);
        let mut track = Track::new();
        let deserializer = serde_dynamo::Deserializer::from_attribute_value(whole);
        let read = read(serde_path_to_error::Deserializer::new(
            deserializer,
            &mut track,
        ));
        if read.is_err() {
            let path = track.path();
            *self.place = path.iter().next().is_some().then(|| path.to_string());
        }
        read
    }
}

macro_rules! by_serde_dynamo {
    ($($method:ident($($argument:ident: $type:ty),*)),+ $(,)?) => {
        $(fn $method<V: Visitor<'de>>(
            self,
            $($argument: $type,)*
            visitor: V,
        ) -> Result<V::Value, DecodeError> {
            self.read(|deserializer| deserializer.$method($($argument,)* visitor))
        })+
    };
}

impl<'de> Deserializer<'de> for Whole<'_> {
    type Error = DecodeError;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_map(Attributes {
            rest: self.item.into_iter(),
            name: String::new(),
            value: None,
            place: self.place,
        })
    }

    by_serde_dynamo! {
        deserialize_any(),
        deserialize_bool(),
        deserialize_i8(),
        deserialize_i16(),
        deserialize_i32(),
        deserialize_i64(),
        deserialize_i128(),
        deserialize_u8(),
        deserialize_u16(),
        deserialize_u32(),
        deserialize_u64(),
        deserialize_u128(),
        deserialize_f32(),
        deserialize_f64(),
        deserialize_char(),
        deserialize_str(),
        deserialize_string(),
        deserialize_bytes(),
        deserialize_byte_buf(),
        deserialize_option(),
        deserialize_unit(),
        deserialize_unit_struct(name: &'static str),
        deserialize_newtype_struct(name: &'static str),
        deserialize_seq(),
        deserialize_tuple(len: usize),
        deserialize_tuple_struct(name: &'static str, len: usize),
        deserialize_map(),
        deserialize_enum(name: &'static str, variants: &'static [&'static str]),
        deserialize_identifier(),
        deserialize_ignored_any(),
    }
}

/// The attributes of an item, as the fields of a struct.
struct Attributes<'a> {
    rest: hash_map::IntoIter<String, AttributeValue>,
    /// The attribute under way.
    name: String,
    value: Option<AttributeValue>,
    place: &'a mut Option<String>,
}

impl<'de> MapAccess<'de> for Attributes<'_> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, DecodeError> {
        let Some((name, value)) = self.rest.next() else {
            return Ok(None);
        };
        self.name = name;
        self.value = Some(value);
        let key = seed.deserialize(StrDeserializer::new(&self.name));
        if key.is_err() {
            *self.place = Some(std::mem::take(&mut self.name));
        }
        key.map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, DecodeError> {
        // serde asks for a value after its key only; anything else would be read as NULL
        let value = self.value.take().unwrap_or(AttributeValue::Null(true));
        let nested = matches!(value, AttributeValue::M(_) | AttributeValue::L(_));
        let deserializer = serde_dynamo::Deserializer::from_attribute_value(value.into());
        if !nested {
            let read = seed.deserialize(deserializer);
            if read.is_err() {
                *self.place = Some(std::mem::take(&mut self.name));
            }
            return read;
        }
        let mut track = Track::new();
        let read = seed.deserialize(serde_path_to_error::Deserializer::new(
            deserializer,
            &mut track,
        ));
        if read.is_err() {
            let name = std::mem::take(&mut self.name);
            *self.place = Some(match track.path().to_string() {
                at_the_root if at_the_root == "." => name,
                index if index.starts_with('[') => format!("{name}{index}"),
                member => format!("{name}.{member}"),
            });
        }
        read
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}
