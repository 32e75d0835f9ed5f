//! Where a query or a scan goes on, as a text that can leave the process.

use crate::error::{Error, Result};
use crate::table::item::Attributes;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value as Json;
use std::fmt;
use std::str::FromStr;

/// Where the next page begins: opaque, fit for a URL, good for the same query only.
///
/// It holds the key of the last item read, encoded, not encrypted: whoever has the cursor can read that
/// key, or make one up. Give it to people who may see keys, and check what they may query regardless.
#[derive(Clone, PartialEq)]
pub struct Cursor(Attributes);

impl Cursor {
    pub(crate) fn new(last_key: Attributes) -> Self {
        Cursor(last_key)
    }

    pub(crate) fn into_key(self) -> Attributes {
        self.0
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // sorted, so that one position has one text
        let mut members: Vec<_> = self.0.iter().collect();
        members.sort_by_key(|(name, _)| name.as_str());
        let members = members
            .into_iter()
            .filter_map(|(name, value)| Some((name.clone(), to_json(value)?)));
        let json = Json::Object(members.collect());
        f.write_str(&URL_SAFE_NO_PAD.encode(json.to_string()))
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // the text is the key, as good as in the clear
        f.debug_tuple("Cursor")
            .field(&self.0.keys().collect::<Vec<_>>())
            .finish()
    }
}

impl FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parse = || -> Option<Attributes> {
            let json = URL_SAFE_NO_PAD.decode(text).ok()?;
            let Json::Object(members) = serde_json::from_slice(&json).ok()? else {
                return None;
            };
            let members = members
                .into_iter()
                .map(|(name, value)| Some((name, from_json(&value)?)));
            let key: Attributes = members.collect::<Option<_>>()?;
            (!key.is_empty()).then_some(key)
        };
        parse().map(Cursor).ok_or_else(|| {
            Error::usage(
                "cursor",
                "expected a cursor that a page of this query returned",
            )
        })
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

/// Key attributes are strings, numbers and binary; there are no others in a key.
fn to_json(value: &AttributeValue) -> Option<Json> {
    let (kind, text) = match value {
        AttributeValue::S(text) => ("S", text.clone()),
        AttributeValue::N(number) => ("N", number.clone()),
        AttributeValue::B(bytes) => ("B", STANDARD.encode(bytes)),
        _ => return None,
    };
    Some(serde_json::json!({ kind: text }))
}

fn from_json(value: &Json) -> Option<AttributeValue> {
    let Json::Object(typed) = value else {
        return None;
    };
    if typed.len() != 1 {
        return None;
    }
    let (kind, text) = typed.iter().next()?;
    let text = text.as_str()?;
    match kind.as_str() {
        "S" => Some(AttributeValue::S(text.to_owned())),
        "N" => Some(AttributeValue::N(text.to_owned())),
        "B" => Some(AttributeValue::B(Blob::new(STANDARD.decode(text).ok()?))),
        _ => None,
    }
}
