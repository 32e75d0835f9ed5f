//! The primary key of an item.

use super::encode::{encode, type_of};
use super::item::{Attributes, Item};
use super::value::{IntoValue, checked, refused};
use crate::error::{Error, Result};
use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use std::collections::HashMap;
use std::fmt;

/// A key has a partition key attribute, and in some tables a sort key attribute.
const MOST_KEY_ATTRIBUTES: usize = 2;

/// A primary key: one attribute, or two where the table has a sort key.
///
/// ```
/// use aws_credential_strategies::table::{Key, to_item};
/// use serde_json::json;
///
/// let key = Key::new(to_item(&json!({ "pk": "a", "sk": 1 }))?)?;
/// assert_eq!(key.attributes().len(), 2);
/// assert!(Key::new(to_item(&json!({ "pk": true }))?).is_err());
/// # Ok::<(), aws_credential_strategies::Error>(())
/// ```
///
/// Its `Debug` shows the attribute names only.
#[derive(Clone, PartialEq)]
pub struct Key(Attributes);

impl Key {
    /// The key of these attributes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) unless there are one or two, each a string, a
    /// number or binary.
    pub fn new(attributes: impl Into<Item>) -> Result<Self> {
        let attributes = attributes.into().into_attributes();
        if attributes.is_empty() || attributes.len() > MOST_KEY_ATTRIBUTES {
            return Err(Error::usage(
                "key",
                format!(
                    "expected the partition key attribute and, where the table has one, the sort key attribute, not {} attributes",
                    attributes.len()
                ),
            ));
        }
        let attributes = attributes.into_iter();
        let attributes = attributes.map(|(name, value)| key_attribute(name, Given(value)));
        Ok(Key(attributes.collect::<Result<_>>()?))
    }

    /// The attributes.
    #[must_use]
    pub fn attributes(&self) -> &HashMap<String, AttributeValue> {
        &self.0
    }

    /// The attributes, to keep.
    #[must_use]
    pub fn into_attributes(self) -> HashMap<String, AttributeValue> {
        self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key")
            .field(&self.0.keys().collect::<Vec<_>>())
            .finish()
    }
}

/// What can name an item: `("id", "123")`, two such pairs, a map of attributes, or a reference to any
/// serde value that has the key's attributes and no others.
///
/// ```
/// use aws_credential_strategies::table::IntoKey;
///
/// #[derive(serde::Serialize)]
/// struct Line { order: String, line: u32 }
///
/// assert!(("id", "123").into_key().is_ok());
/// assert!((("order", "o-1"), ("line", 2)).into_key().is_ok());
/// assert!((&Line { order: "o-1".into(), line: 2 }).into_key().is_ok());
/// assert!(("id", true).into_key().is_err());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no key",
    label = "expected each attribute of the key with its name, such as `(\"id\", \"123\")`"
)]
pub trait IntoKey {
    /// The key.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) when it is none, naming the attribute.
    fn into_key(self) -> Result<Key>;
}

impl IntoKey for Key {
    fn into_key(self) -> Result<Key> {
        Ok(self)
    }
}

impl IntoKey for Item {
    fn into_key(self) -> Result<Key> {
        Key::new(self)
    }
}

impl IntoKey for HashMap<String, AttributeValue> {
    fn into_key(self) -> Result<Key> {
        Key::new(self)
    }
}

impl<T: Serialize + ?Sized> IntoKey for &T {
    fn into_key(self) -> Result<Key> {
        match encode(self).map_err(refused)? {
            AttributeValue::M(attributes) => Key::new(attributes),
            other => Err(Error::usage(
                "key",
                format!(
                    "expected the name of each attribute of the key with its value, such as (\"id\", \"123\"), not {} alone",
                    type_of(&other)
                ),
            )),
        }
    }
}

impl<V: IntoValue> IntoKey for (&str, V) {
    fn into_key(self) -> Result<Key> {
        (self.0.to_owned(), self.1).into_key()
    }
}

impl<V: IntoValue> IntoKey for (String, V) {
    fn into_key(self) -> Result<Key> {
        let (name, value) = key_attribute(self.0, self.1)?;
        Ok(Key(Attributes::from([(name, value)])))
    }
}

impl<P: IntoValue, S: IntoValue> IntoKey for ((&str, P), (&str, S)) {
    fn into_key(self) -> Result<Key> {
        let ((partition, p), (sort, s)) = self;
        ((partition.to_owned(), p), (sort.to_owned(), s)).into_key()
    }
}

impl<P: IntoValue, S: IntoValue> IntoKey for ((String, P), (String, S)) {
    fn into_key(self) -> Result<Key> {
        let ((partition, p), (sort, s)) = self;
        if partition == sort {
            return Err(Error::usage(
                "key",
                format!("expected two different attributes, not {partition:?} twice"),
            ));
        }
        Ok(Key(Attributes::from([
            key_attribute(partition, p)?,
            key_attribute(sort, s)?,
        ])))
    }
}

/// An attribute that was made elsewhere.
struct Given(AttributeValue);

impl IntoValue for Given {
    fn into_value(self) -> Result<AttributeValue> {
        checked(self.0)
    }
}

fn key_attribute(name: String, value: impl IntoValue) -> Result<(String, AttributeValue)> {
    let value = value
        .into_value()
        .map_err(|e| e.naming(format!("key attribute {name:?}")))?;
    check_key_attribute(&name, &value)?;
    Ok((name, value))
}

pub(crate) fn check_key_attribute(name: &str, value: &AttributeValue) -> Result<()> {
    match value {
        AttributeValue::S(_) | AttributeValue::N(_) | AttributeValue::B(_) if !name.is_empty() => {
            Ok(())
        }
        AttributeValue::Null(_) => Err(Error::usage(
            format!("key attribute {name:?}"),
            "expected a string, a number or binary, not NULL (a None in Rust)",
        )),
        _ => Err(Error::usage(
            format!("key attribute {name:?}"),
            "expected a name that is not empty, and a string, a number or binary",
        )),
    }
}
