//! What an operator's dashboard gets, through the meter provider of the AWS SDK.

use super::state::Landing;
use aws_smithy_observability::global::get_telemetry_provider;
use aws_smithy_observability::instruments::{Histogram, MonotonicCounter};
use aws_smithy_observability::{AttributeValue, Attributes};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The scope of the meter.
const SCOPE: &str = "aws_credential_strategies";

/// What one cache tells of itself.
#[derive(Default)]
pub(super) struct Metrics {
    meter: SharedMeter,
    told: Told,
}

/// The instruments of one cache, or of all caches of a pool, made when the first attempt ends: an application that
/// sets the SDK's global telemetry provider does so before.
#[derive(Clone, Default)]
pub(crate) struct SharedMeter(Arc<OnceLock<Option<Instruments>>>);

struct Instruments {
    attempts: Arc<dyn MonotonicCounter>,
    duration: Arc<dyn Histogram>,
    seconds_left: Arc<dyn Histogram>,
    waits: Arc<dyn MonotonicCounter>,
    served_expired: Arc<dyn MonotonicCounter>,
    rejections: Arc<dyn MonotonicCounter>,
}

/// What the counters of calls were when they were last told: nothing is recorded per request.
#[derive(Default)]
struct Told {
    waits: AtomicU64,
    served_expired: AtomicU64,
}

/// What is recorded when an attempt ends.
pub(super) struct Ended {
    pub(super) landing: Landing,
    pub(super) duration: Duration,
    /// Life left of what was held; `None` where nothing was, or it never ends.
    pub(super) left: Option<Duration>,
    pub(super) waits: u64,
    pub(super) served_expired: u64,
}

impl Metrics {
    pub(super) fn by(meter: SharedMeter) -> Self {
        Metrics {
            meter,
            told: Told::default(),
        }
    }

    fn instruments(&self) -> Option<&Instruments> {
        let made = self.meter.0.get_or_init(|| {
            let provider = get_telemetry_provider().ok()?;
            let meter = provider.meter_provider().get_meter(SCOPE, None);
            let counter = |name: &'static str, unit: &'static str| {
                meter.create_monotonic_counter(name).set_units(unit).build()
            };
            let seconds = |name: &'static str| meter.create_histogram(name).set_units("s").build();
            Some(Instruments {
                attempts: counter("aws.credentials.attempts", "{attempt}"),
                duration: seconds("aws.credentials.attempt.duration"),
                seconds_left: seconds("aws.credentials.seconds_left"),
                waits: counter("aws.credentials.waits", "{call}"),
                served_expired: counter("aws.credentials.served_expired", "{call}"),
                rejections: counter("aws.credentials.rejections", "{rejection}"),
            })
        });
        made.as_ref()
    }

    /// An attempt ended.
    pub(super) fn ended(&self, source: &'static str, ended: &Ended) {
        let Some(instruments) = self.instruments() else {
            return;
        };
        let of_source = attributes(&[("source", source)]);
        let outcome = match ended.landing {
            Landing::Replaced => "replaced",
            Landing::SameDocument => "same_document",
            Landing::KeptLonger | Landing::ReplacedSooner => "ends_sooner",
            Landing::ExpiredDocumentAdopted => "expired_document",
            Landing::Failed => "failed",
            Landing::Ignored => return,
        };
        let of_outcome = attributes(&[("source", source), ("outcome", outcome)]);
        instruments.attempts.add(1, Some(&of_outcome), None);
        let duration = ended.duration.as_secs_f64();
        instruments
            .duration
            .record(duration, Some(&of_outcome), None);
        if let Some(left) = ended.left {
            let left = left.as_secs_f64();
            instruments
                .seconds_left
                .record(left, Some(&of_source), None);
        }
        for (counter, told, total) in [
            (&instruments.waits, &self.told.waits, ended.waits),
            (
                &instruments.served_expired,
                &self.told.served_expired,
                ended.served_expired,
            ),
        ] {
            // Only this counts up to a total; a lower one was read before another attempt's end told more.
            let before = told.fetch_max(total, Ordering::Relaxed);
            if total > before {
                counter.add(total - before, Some(&of_source), None);
            }
        }
    }

    /// A rejection counted, as the first of its row or as a later one.
    pub(super) fn rejected(&self, source: &'static str, suspected: bool) {
        if let Some(instruments) = self.instruments() {
            let verdict = if suspected {
                "suspected"
            } else {
                "invalidated"
            };
            let attributes = attributes(&[("source", source), ("verdict", verdict)]);
            instruments.rejections.add(1, Some(&attributes), None);
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

fn attributes(pairs: &[(&'static str, &'static str)]) -> Attributes {
    let mut attributes = Attributes::new();
    for (name, value) in pairs {
        attributes.set(*name, AttributeValue::String((*value).to_owned()));
    }
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caches_of_one_meter_share_its_instruments() {
        let meter = SharedMeter::default();
        let metrics = Metrics::by(meter.clone());
        assert!(Arc::ptr_eq(&metrics.meter.0, &meter.0));
        assert_eq!(format!("{metrics:?}"), "Metrics");
    }
}
