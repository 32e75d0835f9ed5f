//! Promise: what the refresh does is recorded with the meter provider of the AWS SDK, by the names and units
//! of the table in the documentation, and nothing per request.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use aws_credential_strategies::{Error, RefreshMode, RefreshPolicy};
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
use support::{HOUR, World, pass, seconds, settle};

type Records = Arc<Mutex<BTreeMap<String, Vec<f64>>>>;

#[derive(Clone, Debug, Default)]
struct Recorder(Records);

#[derive(Debug)]
struct Instrument {
    name: String,
    records: Records,
}

impl Instrument {
    fn note(&self, value: f64, attributes: Option<&Attributes>) {
        let attributes = attributes.unwrap();
        let of = |name: &str| match attributes.get(name) {
            Some(AttributeValue::String(text)) => format!(" {text}"),
            _ => String::new(),
        };
        assert_eq!(of("source"), " GatedSource");
        let key = format!("{}{}{}", self.name, of("outcome"), of("verdict"));
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
    fn instrument<T>(&self, builder: &InstrumentBuilder<'_, T>) -> Arc<Instrument> {
        let unit = builder.get_units().as_deref().unwrap_or("none");
        Arc::new(Instrument {
            name: format!("{} [{unit}]", builder.get_name()),
            records: Arc::clone(&self.0),
        })
    }
}

impl ProvideMeter for Recorder {
    fn get_meter(&self, scope: &'static str, _: Option<&Attributes>) -> Meter {
        assert_eq!(scope, "aws_credential_strategies");
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

#[tokio::test(start_paused = true)]
async fn each_attempt_each_wait_and_each_rejection() {
    let recorder = Recorder::default();
    let provider = TelemetryProvider::builder()
        .meter_provider(Arc::new(recorder.clone()))
        .build();
    set_telemetry_provider(provider).unwrap();

    let policy = RefreshPolicy::default().mode(RefreshMode::OnDemand);
    let mut world = World::new(policy).filled("KEY-1", HOUR).await;
    for _ in 0..1000 {
        assert!(world.cache.current().is_some());
    }
    pass(seconds(3600)).await;
    let caller = world.call();
    let call = world.gate.call().await;
    pass(seconds(2)).await;
    call.answer(Err(Error::recoverable("down")));
    assert!(caller.await.unwrap().is_ok(), "with what has expired");
    pass(seconds(1)).await;
    drop(world.call());
    let call = world.gate.call().await;
    call.answer(Ok(world.session("KEY-2", HOUR)));
    settle().await;
    pass(seconds(1)).await;
    world.cache.invalidate("KEY-2");
    let caller = world.call();
    let call = world.gate.call().await;
    call.answer(Ok(world.session("KEY-3", HOUR)));
    caller.await.unwrap().unwrap();
    world.cache.invalidate("KEY-3");

    let records = recorder.0.lock().unwrap().clone();
    let expected = [
        ("aws.credentials.attempt.duration [s] failed", vec![2.0]),
        (
            "aws.credentials.attempt.duration [s] replaced",
            vec![0.0, 0.0, 0.0],
        ),
        ("aws.credentials.attempts [{attempt}] failed", vec![1.0]),
        (
            "aws.credentials.attempts [{attempt}] replaced",
            vec![1.0, 1.0, 1.0],
        ),
        (
            "aws.credentials.rejections [{rejection}] invalidated",
            vec![1.0],
        ),
        (
            "aws.credentials.rejections [{rejection}] suspected",
            vec![1.0],
        ),
        ("aws.credentials.seconds_left [s]", vec![0.0, 0.0, 3599.0]),
        ("aws.credentials.served_expired [{call}]", vec![2.0]),
        ("aws.credentials.waits [{call}]", vec![1.0, 1.0, 1.0]),
    ];
    let expected = expected.map(|(name, values)| (name.to_owned(), values));
    assert_eq!(records, BTreeMap::from(expected));
}
