//! Where a query or a scan goes on, as a text that can leave the process.

use crate::base64url;
use crate::error::{Error, Result};
use crate::table::item::Attributes;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_types::base64;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Value as Json, json};
use std::fmt;
use std::str::FromStr;

/// The most segments that DynamoDB divides a scan into;
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Scan.html>.
pub const MOST_SEGMENTS: u32 = 1_000_000;

/// Where a reading goes on: opaque, fit for a URL, good for the same query or scan only.
///
/// ```
/// use aws_credential_strategies::table::Cursor;
///
/// let parts = Cursor::segments(4).split(); // one for each of four processes
/// let sent = parts[0].to_string();
/// assert_eq!(sent.parse::<Cursor>()?, parts[0]);
/// # Ok::<(), aws_credential_strategies::Error>(())
/// ```
///
/// That of a scan in segments is of all of them, so that it goes on where it was interrupted; and it can
/// be [`split`](Self::split) into one a segment, for as many processes.
///
/// It holds the keys of the last items read, encoded, not encrypted: whoever has the cursor can read those
/// keys, or make some up. Give it to people who may see keys, and check what they may query regardless.
#[derive(Clone, PartialEq)]
pub struct Cursor(Positions);

/// How far each segment of a table is read; without segments there is one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Positions {
    /// Into how many segments the table is divided.
    pub(super) total: u32,
    /// The segments that are begun and not finished, each with the key that it goes on after.
    pub(super) open: Vec<(u32, Option<Attributes>)>,
    /// From this segment on none is begun.
    pub(super) rest: u32,
}

impl Positions {
    pub(super) fn beginning(total: u32) -> Self {
        Positions {
            total,
            open: Vec::new(),
            rest: 0,
        }
    }

    /// Of a reading that has one segment, or one left: which, and where it goes on.
    pub(super) fn only(&self) -> Option<(u32, Option<Attributes>)> {
        match (self.open.as_slice(), self.total - self.rest) {
            ([one], 0) => Some(one.clone()),
            ([], 1) => Some((self.rest, None)),
            _ => None,
        }
    }
}

impl Cursor {
    /// The beginning of a scan in so many segments, 1 to [`MOST_SEGMENTS`]: to be
    /// [`split`](Self::split) among processes.
    ///
    /// ```
    /// use aws_credential_strategies::table::Cursor;
    ///
    /// let texts: Vec<String> = Cursor::segments(4).split().iter().map(Cursor::to_string).collect();
    /// assert_eq!(texts.len(), 4);
    /// // each process reads its own: table.scan().start_at(text.parse()?)
    /// ```
    #[must_use]
    pub fn segments(total: u32) -> Self {
        Cursor(Positions::beginning(total.clamp(1, MOST_SEGMENTS)))
    }

    /// One cursor for each segment that is not read to its end.
    #[must_use]
    pub fn split(self) -> Vec<Cursor> {
        let Positions { total, open, rest } = self.0;
        let not_begun = (rest..total).map(|segment| (segment, None));
        let each = open.into_iter().chain(not_begun).map(|one| {
            Cursor(Positions {
                total,
                open: vec![one],
                rest: total,
            })
        });
        each.collect()
    }

    /// After this key in a segment, which is the only one left; without segments in the first of one.
    pub(super) fn after(segment: u32, total: u32, last_key: Attributes) -> Self {
        Cursor(Positions {
            total,
            open: vec![(segment, Some(last_key))],
            rest: total,
        })
    }

    /// `None` where nothing is left to read.
    pub(super) fn of(positions: Positions) -> Option<Self> {
        let is_left = !positions.open.is_empty() || positions.rest < positions.total;
        is_left.then_some(Cursor(positions))
    }

    pub(super) fn into_positions(self) -> Positions {
        self.0
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Positions { total, open, rest } = &self.0;
        let json = match (open.as_slice(), total) {
            ([(0, Some(key))], 1) => key_to_json(key),
            (open, _) => {
                let open = open
                    .iter()
                    .map(|(segment, key)| json!([segment, key.as_ref().map(key_to_json)]));
                json!([total, rest, open.collect::<Vec<_>>()])
            }
        };
        f.write_str(&base64url::encode(json.to_string()))
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // the text is the keys, as good as in the clear
        let open = self.0.open.iter().map(|(segment, key)| {
            let names = key.iter().flat_map(|key| key.keys());
            (segment, names.collect::<Vec<_>>())
        });
        f.debug_struct("Cursor")
            .field("segments", &self.0.total)
            .field("begun", &self.0.rest)
            .field("open", &open.collect::<Vec<_>>())
            .finish()
    }
}

impl FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parse = || {
            let json = base64url::decode(text)?;
            match serde_json::from_slice(&json).ok()? {
                Json::Array(parts) => positions_from_json(&parts).and_then(Cursor::of),
                key => key_from_json(&key).map(|key| Cursor::after(0, 1, key)),
            }
        };
        parse().ok_or_else(|| {
            let expected = "expected a cursor that a page or a stream of this query returned";
            Error::usage("cursor", expected)
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

fn positions_from_json(parts: &[Json]) -> Option<Positions> {
    let [total, rest, Json::Array(open)] = parts else {
        return None;
    };
    let number = |json: &Json| json.as_u64().and_then(|number| u32::try_from(number).ok());
    let (total, rest) = (number(total)?, number(rest)?);
    if !(1..=MOST_SEGMENTS).contains(&total) || rest > total {
        return None;
    }
    let segment = |json: &Json| {
        let [segment, key] = json.as_array()?.as_slice() else {
            return None;
        };
        let segment = number(segment).filter(|segment| *segment < rest)?;
        match key {
            Json::Null => Some((segment, None)),
            key => Some((segment, Some(key_from_json(key)?))),
        }
    };
    let open: Vec<_> = open.iter().map(segment).collect::<Option<_>>()?;
    let mut segments: Vec<u32> = open.iter().map(|(segment, _)| *segment).collect();
    segments.sort_unstable();
    segments.dedup();
    (segments.len() == open.len()).then_some(Positions { total, open, rest })
}

/// Sorted by name, so that one position has one text.
fn key_to_json(key: &Attributes) -> Json {
    let mut members: Vec<_> = key.iter().collect();
    members.sort_by_key(|(name, _)| name.as_str());
    let members = members
        .into_iter()
        .filter_map(|(name, value)| Some((name.clone(), to_json(value)?)));
    Json::Object(members.collect())
}

fn key_from_json(json: &Json) -> Option<Attributes> {
    let members = json.as_object()?.iter();
    let members = members.map(|(name, value)| Some((name.clone(), from_json(value)?)));
    let key: Attributes = members.collect::<Option<_>>()?;
    (!key.is_empty()).then_some(key)
}

/// Key attributes are strings, numbers and binary; there are no others in a key.
fn to_json(value: &AttributeValue) -> Option<Json> {
    let (kind, text) = match value {
        AttributeValue::S(text) => ("S", text.clone()),
        AttributeValue::N(number) => ("N", number.clone()),
        AttributeValue::B(bytes) => ("B", base64::encode(bytes)),
        _ => return None,
    };
    Some(json!({ kind: text }))
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
        "B" => Some(AttributeValue::B(Blob::new(base64::decode(text).ok()?))),
        _ => None,
    }
}
