//! The meter provider of the SDK as a test sees it: what was recorded, by name, unit and attributes.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use aws_smithy_observability::instruments::{
    AsyncInstrumentBuilder, AsyncMeasure, Histogram, InstrumentBuilder, MonotonicCounter,
    ProvideInstrument, UpDownCounter,
};
use aws_smithy_observability::meter::{Meter, ProvideMeter};
use aws_smithy_observability::{
    AttributeValue, Attributes, Context, TelemetryProvider, global::set_telemetry_provider,
};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

type Records = Arc<Mutex<BTreeMap<String, Vec<f64>>>>;

#[derive(Clone, Debug, Default)]
pub struct Recorder {
    records: Records,
    meters: Arc<Mutex<usize>>,
}

#[derive(Debug)]
struct Instrument {
    name: String,
    records: Records,
}

impl Instrument {
    fn note(&self, value: f64, attributes: Option<&Attributes>) {
        let of = |name: &str| match attributes.and_then(|all| all.get(name)) {
            Some(AttributeValue::String(text)) => format!(" {text}"),
            Some(AttributeValue::Bool(is)) => format!(" {name}={is}"),
            _ => String::new(),
        };
        let attributes = ["source", "outcome", "verdict", "throttled"].map(of);
        let key = format!("{}{}", self.name, attributes.concat());
        self.records
            .lock()
            .unwrap()
            .entry(key)
            .or_default()
            .push(value);
    }
}

impl Histogram for Instrument {
    fn record(&self, value: f64, attributes: Option<&Attributes>, _: Option<&dyn Context>) {
        self.note(value, attributes);
    }
}

impl MonotonicCounter for Instrument {
    fn add(&self, value: u64, attributes: Option<&Attributes>, _: Option<&dyn Context>) {
        self.note(value as f64, attributes);
    }
}

impl Recorder {
    /// The one that the SDK gives to whoever asks; a process has one, so a test of it has its process for itself.
    pub fn of_the_process() -> Self {
        let recorder = Recorder::default();
        let provider = TelemetryProvider::builder()
            .meter_provider(Arc::new(recorder.clone()))
            .build();
        set_telemetry_provider(provider).unwrap();
        recorder
    }

    pub fn records(&self) -> BTreeMap<String, Vec<f64>> {
        self.records.lock().unwrap().clone()
    }

    /// How many meters this crate asked for.
    pub fn meters(&self) -> usize {
        *self.meters.lock().unwrap()
    }

    fn instrument<T>(&self, builder: &InstrumentBuilder<'_, T>) -> Arc<Instrument> {
        let unit = builder.get_units().as_deref().unwrap_or("none");
        Arc::new(Instrument {
            name: format!("{} [{unit}]", builder.get_name()),
            records: Arc::clone(&self.records),
        })
    }
}

impl ProvideMeter for Recorder {
    fn get_meter(&self, scope: &'static str, _: Option<&Attributes>) -> Meter {
        // The SDK's clients have theirs.
        if scope == "aws_credential_strategies" {
            *self.meters.lock().unwrap() += 1;
        }
        Meter::new(Arc::new(self.clone()))
    }
}

type Async<T> = Arc<dyn AsyncMeasure<Value = T>>;

impl ProvideInstrument for Recorder {
    fn create_gauge(&self, _: AsyncInstrumentBuilder<'_, Async<f64>, f64>) -> Async<f64> {
        unreachable!("no gauge is made")
    }

    fn create_up_down_counter(
        &self,
        _: InstrumentBuilder<'_, Arc<dyn UpDownCounter>>,
    ) -> Arc<dyn UpDownCounter> {
        unreachable!("no counter goes down")
    }

    fn create_async_up_down_counter(
        &self,
        _: AsyncInstrumentBuilder<'_, Async<i64>, i64>,
    ) -> Async<i64> {
        unreachable!("no counter goes down")
    }

    fn create_monotonic_counter(
        &self,
        builder: InstrumentBuilder<'_, Arc<dyn MonotonicCounter>>,
    ) -> Arc<dyn MonotonicCounter> {
        self.instrument(&builder)
    }

    fn create_async_monotonic_counter(
        &self,
        _: AsyncInstrumentBuilder<'_, Async<u64>, u64>,
    ) -> Async<u64> {
        unreachable!("nothing is asked for")
    }

    fn create_histogram(
        &self,
        builder: InstrumentBuilder<'_, Arc<dyn Histogram>>,
    ) -> Arc<dyn Histogram> {
        self.instrument(&builder)
    }
}
