//! `Retry-After`: how long a service asks to be left alone.

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use std::time::{Duration, SystemTime};

/// Nobody means to be left alone for longer.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// The pause in a header's value: seconds, by some with a fraction, or a date as HTTP writes it.
pub(crate) fn pause(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    let pause = match value.parse().map(Duration::try_from_secs_f64) {
        Ok(Ok(pause)) => pause,
        // less than none
        Ok(Err(_)) if value.starts_with('-') => return None,
        Ok(Err(_)) => LONGEST,
        Err(_) => {
            let date = DateTime::from_str(value, Format::HttpDate).ok()?;
            let date = SystemTime::try_from(date).ok()?;
            date.duration_since(now).unwrap_or_default()
        }
    };
    Some(pause.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_read() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000);
        assert_eq!(pause(" 7 ", now), Some(Duration::from_secs(7)));
        assert_eq!(pause("0", now), Some(Duration::ZERO));
        assert_eq!(pause("99999999999", now), Some(LONGEST));
        let date = "Thu, 01 Jan 1970 00:01:40 GMT";
        assert_eq!(
            pause(date, SystemTime::UNIX_EPOCH),
            Some(Duration::from_secs(100))
        );
        assert_eq!(pause(date, now), Some(Duration::ZERO));
        assert_eq!(pause("1.5", now), Some(Duration::from_millis(1_500)));
        assert_eq!(pause("1e99", now), Some(LONGEST));
        for nonsense in ["", "soon", "-1", "-0.5"] {
            assert_eq!(pause(nonsense, now), None, "{nonsense}");
        }
    }
}
