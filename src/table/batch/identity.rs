//! Whether two keys name the same item.

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
            AttributeValue::N(number) => ('N', plain_number(number).into_bytes()),
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

/// The same number in the same digits: DynamoDB takes `1`, `1.0` and `10e-1` for one key.
fn plain_number(number: &str) -> String {
    let (sign, digits) = match number.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", number.strip_prefix('+').unwrap_or(number)),
    };
    let (mantissa, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let Ok(exponent) = exponent.parse::<i64>() else {
        return number.to_owned();
    };
    let all = format!("{whole}{fraction}");
    let significant = all.trim_start_matches('0');
    let trimmed = significant.trim_end_matches('0');
    if trimmed.is_empty() {
        return "0".to_owned();
    }
    let zeros = significant.len() - trimmed.len();
    let scale = exponent + zeros as i64 - fraction.len() as i64;
    format!("{sign}{trimmed}e{scale}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_has_one_form() {
        for same in ["1", "1.0", "+1", "01", "10e-1", "0.1E1", "1.000"] {
            assert_eq!(plain_number(same), plain_number("1"), "{same}");
        }
        for other in ["-1", "10", "1.1", "0", "0.1", "11"] {
            assert_ne!(plain_number(other), plain_number("1"), "{other}");
        }
        assert_eq!(plain_number("-0.0"), plain_number("0"));
    }

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
