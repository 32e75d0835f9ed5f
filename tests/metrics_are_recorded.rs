//! Promise: what the refresh does is recorded with the meter provider of the AWS SDK, by the names and units
//! of the table in the documentation, and nothing per request.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/meter.rs"]
mod meter;
mod support;

use aws_credential_strategies::{Error, RefreshMode, RefreshPolicy};
use meter::Recorder;
use std::collections::BTreeMap;
use support::{HOUR, World, pass, seconds, settle};

#[tokio::test(start_paused = true)]
async fn each_attempt_each_wait_and_each_rejection() {
    let recorder = Recorder::of_the_process();

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

    let expected = [
        (
            "aws.credentials.attempt.duration [s] GatedSource failed",
            vec![2.0],
        ),
        (
            "aws.credentials.attempt.duration [s] GatedSource replaced",
            vec![0.0, 0.0, 0.0],
        ),
        (
            "aws.credentials.attempts [{attempt}] GatedSource failed",
            vec![1.0],
        ),
        (
            "aws.credentials.attempts [{attempt}] GatedSource replaced",
            vec![1.0, 1.0, 1.0],
        ),
        (
            "aws.credentials.rejections [{rejection}] GatedSource invalidated",
            vec![1.0],
        ),
        (
            "aws.credentials.rejections [{rejection}] GatedSource suspected",
            vec![1.0],
        ),
        (
            "aws.credentials.seconds_left [s] GatedSource",
            vec![0.0, 0.0, 3599.0],
        ),
        (
            "aws.credentials.served_expired [{call}] GatedSource",
            vec![2.0],
        ),
        (
            "aws.credentials.waits [{call}] GatedSource",
            vec![1.0, 1.0, 1.0],
        ),
    ];
    let expected = expected.map(|(name, values)| (name.to_owned(), values));
    assert_eq!(recorder.records(), BTreeMap::from(expected));
    assert_eq!(recorder.meters(), 1);
}
