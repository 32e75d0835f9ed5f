//! An item without a type of its own.

use super::encode::encode;
use super::value::{Value, refused};
use crate::error::Result;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::{Serialize, Serializer};
use std::collections::{HashMap, hash_map};
use std::fmt;
use std::ops::{Deref, DerefMut};

/// Attributes by name, as the SDK has them.
pub(crate) type Attributes = HashMap<String, AttributeValue>;

/// An item as DynamoDB has it: attributes by name, every type and every digit kept.
///
/// It can be read, streamed, put, batched and put in a transaction like any type of yours, and is a map
/// besides. It is read from DynamoDB only, and whole: of a tagged or untagged enum or behind `flatten`,
/// [`Value`] and `Item` are refused, because serde tells neither the type of a set nor all digits of a number
/// there. Written into another format, JSON for example, sets are lists and numbers are strings.
///
/// ```no_run
/// # use aws_credential_strategies::{CredentialStrategy, Result, Table, table::{AttributeValue, Item}};
/// # async fn example<S: CredentialStrategy>(table: Table<S>) -> Result<()> {
/// if let Some(mut item) = table.get(("id", "123")).send::<Item>().await? {
///     item.insert("seen".into(), AttributeValue::Bool(true));
///     table.put(&item).send().await?;
/// }
/// # Ok(()) }
/// ```
///
/// # Behind `flatten`, and in tagged and untagged enums
///
/// There serde keeps values in a form of its own before it knows the type of your field, for any type of
/// yours. What comes through, and what does not:
///
/// - A set of strings is taken by a collection of `String`, not of other types; a set of numbers by
///   [`number_set`](super::number_set) only; a set of binaries by a collection of binary. What takes any
///   value, as `serde_json::Value` does, is given no set and no binary: that is an error, also where serde
///   would make `None` of it.
/// - Whole numbers of 64 bits and what an `f64` gives back are exact; of others the error names the attribute.
///   But serde turns them into the type of a float field without a word: **an `f64` rounds whole numbers beyond
///   2^53, and an `f32` any number that it does not hold**. [`Number`](super::Number) keeps all these, and takes
///   no string.
/// - **A `String` takes binary that is UTF-8, a type of bytes takes a string or a list of small numbers, and
///   [`string_set`](super::string_set) and its like take a list**; each is written back as what the type is. Types
///   of others, of decimal numbers for example, may take a number for a string, or a string for a number.
/// - **An `Option` behind `flatten` is `None` when anything else in it does not fit**, and is written back as such.
///
/// A field outside of these is refused where its type does not fit, with its attribute.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Item(Attributes);

impl Item {
    /// An item without attributes.
    #[must_use]
    pub fn new() -> Self {
        Item::default()
    }

    /// The attributes, as the SDK has them.
    #[must_use]
    pub fn into_attributes(self) -> HashMap<String, AttributeValue> {
        self.0
    }
}

/// An item of anything that serialises as a map: what [`Table::put`](super::Table::put) writes.
///
/// # Errors
///
/// [`ErrorKind::Encode`](crate::ErrorKind::Encode) when it is not a map, or an attribute cannot be stored;
/// the error names the attribute.
pub fn to_item<T: Serialize + ?Sized>(item: &T) -> Result<Item> {
    to_attributes(item).map(Item)
}

pub(crate) fn to_attributes<T: Serialize + ?Sized>(item: &T) -> Result<Attributes> {
    match encode(item).map_err(refused)? {
        AttributeValue::M(attributes) => Ok(attributes),
        other => Err(super::value::no_item(&other)),
    }
}

impl Deref for Item {
    type Target = HashMap<String, AttributeValue>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Item {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl From<HashMap<String, AttributeValue>> for Item {
    fn from(attributes: HashMap<String, AttributeValue>) -> Self {
        Item(attributes)
    }
}

impl From<Item> for HashMap<String, AttributeValue> {
    fn from(item: Item) -> Self {
        item.0
    }
}

impl<K: Into<String>, const N: usize> From<[(K, AttributeValue); N]> for Item {
    fn from(attributes: [(K, AttributeValue); N]) -> Self {
        attributes.into_iter().collect()
    }
}

impl<K: Into<String>> FromIterator<(K, AttributeValue)> for Item {
    fn from_iter<I: IntoIterator<Item = (K, AttributeValue)>>(attributes: I) -> Self {
        let attributes = attributes.into_iter();
        Item(
            attributes
                .map(|(name, value)| (name.into(), value))
                .collect(),
        )
    }
}

impl IntoIterator for Item {
    type Item = (String, AttributeValue);
    type IntoIter = hash_map::IntoIter<String, AttributeValue>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl Serialize for Item {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        super::value::serialize_members(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Attributes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an item of DynamoDB")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Attributes, A::Error> {
                let mut attributes = Attributes::with_capacity(map.size_hint().unwrap_or_default());
                while let Some((name, Value(value))) = map.next_entry()? {
                    attributes.insert(name, value);
                }
                Ok(attributes)
            }
        }

        deserializer.deserialize_map(Members).map(Item)
    }
}
