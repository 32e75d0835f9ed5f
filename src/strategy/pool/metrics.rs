//! What an operator's dashboard gets of a pool, through the meter provider of the AWS SDK.

use aws_smithy_observability::global::get_telemetry_provider;
use aws_smithy_observability::instruments::MonotonicCounter;
use aws_smithy_observability::{AttributeValue, Attributes};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// The scope of the meter, that of the crate.
const SCOPE: &str = "aws_credential_strategies";

#[derive(Default)]
pub(super) struct Metrics(OnceLock<Option<Instruments>>);

struct Instruments {
    calls: Arc<dyn MonotonicCounter>,
    evicted: Arc<dyn MonotonicCounter>,
}

impl Metrics {
    fn instruments(&self) -> Option<&Instruments> {
        let made = self.0.get_or_init(|| {
            let provider = get_telemetry_provider().ok()?;
            let meter = provider.meter_provider().get_meter(SCOPE, None);
            let counter = |name: &'static str, unit: &'static str| {
                meter.create_monotonic_counter(name).set_units(unit).build()
            };
            Some(Instruments {
                calls: counter("aws.credentials.pool.calls", "{call}"),
                evicted: counter("aws.credentials.pool.evicted", "{role}"),
            })
        });
        made.as_ref()
    }

    pub(super) fn called(&self, throttled: bool) {
        if let Some(instruments) = self.instruments() {
            let mut attributes = Attributes::new();
            attributes.set("throttled", AttributeValue::Bool(throttled));
            instruments.calls.add(1, Some(&attributes), None);
        }
    }

    pub(super) fn evicted(&self) {
        if let Some(instruments) = self.instruments() {
            instruments.evicted.add(1, None, None);
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}
