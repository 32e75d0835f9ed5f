//! When credentials end, in whatever form a service writes it.

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use std::borrow::Cow;
use std::time::SystemTime;

/// `2026-01-31`, which every form with a date begins with.
const DATE: usize = 10;
/// Fewer seconds since 1970 are a duration, or nothing at all.
const EARLIEST: f64 = 1e9;
/// More are milliseconds.
const LATEST: f64 = 1e11;

/// A date and time as AWS writes it (RFC 3339), or as emulators and other vendors do: without a zone or
/// with one of another form, with a space in place of the `T`, as HTTP writes it, or as seconds or
/// milliseconds since 1970.
pub(super) fn moment(text: &str) -> Option<SystemTime> {
    let text = text.trim();
    let when = in_rfc_3339(text)
        .and_then(|text| DateTime::from_str(&text, Format::DateTimeWithOffset).ok())
        .or_else(|| DateTime::from_str(text, Format::HttpDate).ok())
        .or_else(|| since_1970(text.parse().ok()?))?;
    SystemTime::try_from(when).ok()
}

/// The same time in the form that the parser takes; `None` for what does not begin with a date.
fn in_rfc_3339(text: &str) -> Option<Cow<'_, str>> {
    let (date, rest) = text.split_at_checked(DATE)?;
    let rest = rest.strip_prefix([' ', 'T', 't'])?;
    let end = rest
        .find(|c: char| !(c.is_ascii_digit() || ":.".contains(c)))
        .unwrap_or(rest.len());
    let (time, zone) = rest.split_at_checked(end)?;
    // what Go prints has the name of the zone behind the offset
    let zone = zone.split_whitespace().next().unwrap_or_default();
    let zone = match zone {
        // AWS means UTC always
        "" | "Z" | "z" | "UTC" | "GMT" => Cow::Borrowed("Z"),
        offset => {
            let (sign, digits) = offset.split_at_checked(1)?;
            let digits = digits.replace(':', "");
            let (hours, minutes) = digits.split_at_checked(2)?;
            let minutes = if minutes.is_empty() { "00" } else { minutes };
            Cow::Owned(format!("{sign}{hours}:{minutes}"))
        }
    };
    Some(Cow::Owned(format!("{date}T{time}{zone}")))
}

fn since_1970(number: f64) -> Option<DateTime> {
    let seconds = if number < LATEST {
        number
    } else {
        number / 1_000.0
    };
    (EARLIEST..LATEST)
        .contains(&seconds)
        .then(|| DateTime::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn one_moment_in_many_forms() {
        let new_year = SystemTime::UNIX_EPOCH + Duration::from_secs(4_070_908_800);
        for text in [
            "2099-01-01T00:00:00Z",
            "2099-01-01t00:00:00z",
            " 2099-01-01T00:00:00Z\n",
            "2099-01-01T00:00:00.000Z",
            "2099-01-01T00:00:00+00:00",
            "2099-01-01T02:00:00+02:00",
            "2098-12-31T17:00:00-07:00",
            "2099-01-01T02:00:00+0200",
            "2099-01-01T02:00:00+02",
            "2099-01-01T00:00:00",
            "2099-01-01 00:00:00",
            "2099-01-01 00:00:00Z",
            "2099-01-01 00:00:00+00:00",
            "2099-01-01 00:00:00 UTC",
            "2099-01-01 00:00:00 +0000 UTC",
            "2099-01-01 00:00:00.000000 +0000 UTC",
            "Thu, 01 Jan 2099 00:00:00 GMT",
            "4070908800",
            "4070908800.0",
            "4.0709088E9",
            "4070908800000",
        ] {
            assert_eq!(moment(text), Some(new_year), "{text}");
        }
        assert_eq!(
            moment("2099-01-01T00:00:00.123456789Z"),
            Some(new_year + Duration::from_nanos(123_456_789))
        );
        for text in [
            "",
            "never",
            "0",
            "3600",
            "-1",
            "inf",
            "NaN",
            "1e300",
            "2099-01-01",
            "2099-13-01T00:00:00Z",
            "2099-01-01T00:00:00+2",
            "2099-01-01T00:00:00 tomorrow",
            "ää-01-01T00:00:00Z",
        ] {
            assert_eq!(moment(text), None, "{text}");
        }
    }
}
