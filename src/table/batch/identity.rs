//! Whether two keys name the same item.

use crate::table::number::plain;
use aws_sdk_dynamodb::types::AttributeValue;

/// A key as a value that can be hashed: every attribute with its name and its type, since `"1"` and `1`
/// are two keys, and one string must not pass for two.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Identity(Vec<(String, char, Vec<u8>)>);

pub(crate) fn identity_of<'a>(
    attributes: impl IntoIterator<Item = (&'a str, &'a AttributeValue)>,
) -> Identity {
    let parts = attributes.into_iter().map(|(name, value)| {
        let (kind, bytes) = match value {
            AttributeValue::S(text) => ('S', text.as_bytes().to_vec()),
            AttributeValue::N(number) => ('N', plain(number).into_bytes()),
            AttributeValue::B(binary) => ('B', binary.as_ref().to_vec()),
            // no key attribute is of another type
            other => ('?', format!("{other:?}").into_bytes()),
        };
        (name.to_owned(), kind, bytes)
    });
    let mut parts: Vec<_> = parts.collect();
    parts.sort();
    Identity(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_and_name_are_part_of_a_key() {
        let text = AttributeValue::S("1".into());
        let number = AttributeValue::N("1".into());
        assert_ne!(identity_of([("a", &text)]), identity_of([("a", &number)]));
        assert_ne!(identity_of([("a", &text)]), identity_of([("b", &text)]));
        assert_eq!(
            identity_of([("a", &text), ("b", &number)]),
            identity_of([("b", &number), ("a", &text)])
        );
    }
}
