//! DynamoDB's numbers: decimal, of 38 digits, more than any of Rust's own types holds.

use super::fault::is_of_an_item;
use crate::error::{Error, ErrorKind, Operation, Result};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

/// How many significant digits a number may have;
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html>.
pub const MOST_DIGITS: usize = 38;
/// The powers of ten of the first digit: 1E-130 to 9.99…E+125, both signs, and zero.
const MAGNITUDES: std::ops::RangeInclusive<i64> = -130..=125;
/// By this name a number is known to the encoder and the decoder; no type of Rust is called so.
pub(crate) const NUMBER: &str = "\u{37E}NUMBER\u{37E}";
/// Any decimal of so many digits is the same again after a way through `f64`.
const DIGITS_OF_F64: usize = 15;
/// The same of `f32`.
const DIGITS_OF_F32: usize = 6;

/// A number as DynamoDB holds it, to the last of its [`MOST_DIGITS`] digits.
///
/// For what `f64` would round and `u64` cannot hold: money, identifiers of other systems, counters in
/// lists of unknown items, and for any number behind `flatten` or in a tagged or untagged enum, where serde
/// [rounds](super::Item#behind-flatten-and-in-tagged-and-untagged-enums) what goes into a float. Two are equal if their values are: `1`, `1.0` and `10e-1` are. Other formats
/// than items, JSON for example, have it as a string.
///
/// ```
/// use aws_credential_strategies::table::Number;
///
/// let exact: Number = "12345678901234567890.123456789".parse()?;
/// assert_eq!(exact.as_str(), "12345678901234567890.123456789");
/// assert_eq!(Number::from(7), "7.0".parse()?);
/// assert!("1e400".parse::<Number>().is_err());
/// # Ok::<_, aws_credential_strategies::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Number(String);

impl Number {
    /// The digits, as they were given or read.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The digits, to keep.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

impl FromStr for Number {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        check(text).map_err(|why| {
            Error::new(ErrorKind::Encode, Operation::CONFIGURE, why).needs_human()
        })?;
        Ok(Number(text.to_owned()))
    }
}

macro_rules! from_integers {
    ($($integer:ty),+) => {
        $(impl From<$integer> for Number {
            fn from(integer: $integer) -> Self {
                Number(integer.to_string())
            }
        })+
    };
}

// of 128 bits only some fit
from_integers!(i8, i16, i32, i64, isize, u8, u16, u32, u64, usize);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0 || plain(&self.0) == plain(&other.0)
    }
}

impl Eq for Number {}

impl Hash for Number {
    fn hash<H: Hasher>(&self, state: &mut H) {
        plain(&self.0).hash(state);
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(NUMBER, &self.0)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Digits;

        impl<'de> Visitor<'de> for Digits {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Number, E> {
                check(text).map_err(E::custom)?;
                Ok(Number(text.to_owned()))
            }

            fn visit_i64<E: de::Error>(self, integer: i64) -> Result<Number, E> {
                Ok(Number::from(integer))
            }

            fn visit_u64<E: de::Error>(self, integer: u64) -> Result<Number, E> {
                Ok(Number::from(integer))
            }

            fn visit_f64<E: de::Error>(self, float: f64) -> Result<Number, E> {
                self.visit_str(&float.to_string())
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(
                self,
                deserializer: D,
            ) -> Result<Number, D::Error> {
                if is_of_an_item::<D::Error>() {
                    // takes any number that serde kept, and no string: that would be written as a number
                    return deserializer.deserialize_f64(self);
                }
                deserializer.deserialize_any(self)
            }
        }

        deserializer.deserialize_newtype_struct(NUMBER, Digits)
    }
}

/// Whether DynamoDB takes this number as it is; else why not.
pub(crate) fn check(text: &str) -> Result<(), &'static str> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let short = !digits.is_empty() && digits.len() <= MOST_DIGITS;
    if short && digits.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(());
    }
    let Some(decimal) = Decimal::parse(text) else {
        let letters = digits.trim_start_matches('+').to_ascii_lowercase();
        return Err(match letters.as_str() {
            "nan" | "inf" | "infinity" => "DynamoDB has no NaN and no infinity",
            _ => "expected a decimal number, such as 12, -0.5 or 1.5e20",
        });
    };
    if decimal.digits.len() > MOST_DIGITS {
        return Err(
            "expected a number of at most 38 significant digits, which is what DynamoDB holds",
        );
    }
    if !decimal.digits.is_empty() && !MAGNITUDES.contains(&decimal.magnitude) {
        return Err("DynamoDB's numbers go from 1E-130 to 9.99E+125");
    }
    Ok(())
}

/// The same number in the same text: DynamoDB takes `1`, `1.0` and `10e-1` for one.
pub(crate) fn plain(number: &str) -> String {
    match Decimal::parse(number) {
        Some(decimal) if decimal.digits.is_empty() => "0".to_owned(),
        Some(decimal) => {
            let sign = if decimal.negative { "-" } else { "" };
            format!("{sign}{}e{}", decimal.digits, decimal.magnitude)
        }
        None => number.to_owned(),
    }
}

/// The number as `f64`, if it comes back as the same number.
pub(crate) fn exact_f64(number: &str) -> Option<f64> {
    let float: f64 = number
        .parse()
        .ok()
        .filter(|float: &f64| float.is_finite())?;
    (is_short(number, DIGITS_OF_F64) || is_same(number, &float)).then_some(float)
}

/// The number as `f32`, if it comes back as the same number.
pub(crate) fn exact_f32(number: &str) -> Option<f32> {
    let float: f32 = number
        .parse()
        .ok()
        .filter(|float: &f32| float.is_finite())?;
    (is_short(number, DIGITS_OF_F32) || is_same(number, &float)).then_some(float)
}

fn is_short(number: &str, digits: usize) -> bool {
    number.len() <= digits && !number.contains(['e', 'E'])
}

fn is_same(number: &str, float: &impl fmt::Display) -> bool {
    plain(number) == plain(&float.to_string())
}

/// A decimal number taken apart.
struct Decimal {
    negative: bool,
    /// Without zeros at either end; none for zero.
    digits: String,
    /// The power of ten of the first digit.
    magnitude: i64,
}

impl Decimal {
    fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        if all.is_empty() || !all.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let significant = all.trim_start_matches('0');
        let leading = all.len() - significant.len();
        // both are lengths of texts in memory, far below what 64 bits hold
        let first = whole.len() as i64 - 1 - leading as i64;
        Some(Decimal {
            negative,
            digits: significant.trim_end_matches('0').to_owned(),
            magnitude: exponent.saturating_add(first),
        })
    }
}

/// An exponent beyond 64 bits is one beyond DynamoDB's range as well.
fn parse_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let beyond = if text.starts_with('-') {
        i64::MIN
    } else {
        i64::MAX
    };
    Some(text.parse().unwrap_or(beyond))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_has_one_form() {
        for same in ["1", "1.0", "+1", "01", "10e-1", "0.1E1", "1.000"] {
            assert_eq!(plain(same), plain("1"), "{same}");
        }
        for other in ["-1", "10", "1.1", "0", "0.1", "11"] {
            assert_ne!(plain(other), plain("1"), "{other}");
        }
        assert_eq!(plain("-0.0"), plain("0"));
    }

    #[test]
    fn the_range_is_dynamodbs() {
        let long = "9".repeat(38);
        let longer = "9".repeat(39);
        let zeros = format!("{long}{}", "0".repeat(80));
        for fine in [
            "0",
            "-0.0",
            "0e9999999999999999999",
            "1e-130",
            "9.9e125",
            "+1",
            ".5",
            "5.",
            &long,
            &zeros,
        ] {
            assert_eq!(check(fine), Ok(()), "{fine}");
        }
        for refused in [
            "",
            "-",
            "+",
            ".",
            "e1",
            "1e",
            "1e+",
            "0x1",
            "1_000",
            " 1",
            "NaN",
            "inf",
            "-Infinity",
            "--1",
            "1e126",
            "1e-131",
            "10e9223372036854775807",
            "1e-9223372036854775808",
            "1e99999999999999999999",
            &longer,
            "1.2.3",
            "१",
        ] {
            assert!(check(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn floats_hold_what_comes_back_the_same() {
        for exact in [
            "0.1",
            "1e100",
            "18446744073709551615e0",
            "123456789012345",
            "0.30000000000000004",
        ] {
            let held = exact_f64(exact).map(|float| plain(&float.to_string()));
            let rounded = exact == "18446744073709551615e0";
            assert_eq!(held.is_none(), rounded, "{exact}");
        }
        assert_eq!(exact_f64("12345678901234567890.123456789"), None);
        assert_eq!(exact_f64("18446744073709551616"), None);
        assert_eq!(exact_f32("0.1"), Some(0.1));
        assert_eq!(exact_f32("0.123456789"), None);
        assert_eq!(exact_f32("1e100"), None);
    }
}
