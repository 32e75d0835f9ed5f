//! Promise: what was before a rejection says nothing about it. A refresh that failed long ago, and one that was
//! under way, whatever it brings, leave it to a new one to bring another key, and the read succeeds.
#![cfg(feature = "table")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod recovery_support;
mod support;

use aws_credential_strategies::refresh::Backoff;
use aws_credential_strategies::{CredentialCache, CredentialSource, RefreshMode, RefreshPolicy};
use recovery_support::{Issuer, LIFE, Service, StillTime, down, get, list};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use support::{HOUR, World, seconds};
use tokio::task::JoinHandle;

/// What is tried of each wiring: the client that reads, and those of another service beside it.
fn policies() -> [(&'static str, RefreshPolicy); 4] {
    let ours = RefreshPolicy::default();
    [
        ("background", ours),
        ("on demand", ours.mode(RefreshMode::OnDemand)),
        ("fixed", ours.backoff(Backoff::fixed(seconds(5)))),
        ("aws_spec", RefreshPolicy::aws_spec()),
    ]
}

fn assert_healed<F: CredentialSource>(cache: &CredentialCache<F>, key: &str, case: &str) {
    let status = cache.status();
    assert_eq!(status.key_id.as_deref(), Some(key), "{case}");
    assert!(status.last_error.is_none(), "{case}: {status:?}");
    assert_eq!(status.consecutive_failures, 0, "{case}");
    assert!(!status.invalidated && !status.suspected, "{case}");
    assert!(!status.rejected_key_returned, "{case}");
    assert_eq!(status.rejections_in_a_row, 0, "{case}");
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_failed_long_ago_costs_no_read_now() {
    let time = StillTime::begin();
    for (name, policy) in policies() {
        let is_down = Arc::new(AtomicBool::new(false));
        let fails = Arc::clone(&is_down);
        let issuer = Issuer::issuing(move |number| match fails.load(Ordering::SeqCst) {
            true => Err(down()),
            false => Ok(format!("KEY-{number}")),
        });
        let cache = issuer.cache(policy);
        cache.credentials().await.unwrap();
        time.pass(seconds(2)).await;
        is_down.store(true, Ordering::SeqCst);
        for _ in 0..3 {
            cache.refresh().await.unwrap_err();
            time.pass(seconds(2)).await;
        }
        is_down.store(false, Ordering::SeqCst);
        time.pass_fast(HOUR / 2).await;
        let service = Service::refusing_keys(["KEY-1"]).await;
        get(&service.dynamodb(cache.clone())).await.unwrap();
        let fetched = issuer.fetches();
        let new = format!("KEY-{fetched}");
        assert_eq!(service.keys(), ["KEY-1", &new], "{name}");
        // Under the AWS rules the pause after the first failure lets none of the others ask.
        assert!(fetched <= 5, "{name}");
        assert_healed(&cache, &new, name);
    }
}

/// Holding `KEY-1`, with a forced refresh under way; then `KEY-1` is rejected.
async fn rejected_during_a_refresh(
    time: &StillTime,
    policy: RefreshPolicy,
) -> (
    World,
    Service,
    support::Call,
    JoinHandle<Result<(), String>>,
) {
    let mut world = World::new(policy).filled("KEY-1", LIFE).await;
    time.pass(seconds(2)).await;
    let forced = world.cache.clone();
    tokio::spawn(async move { forced.refresh().await });
    let under_way = world.gate.call().await;
    let service = Service::refusing_keys(["KEY-1"]).await;
    let client = service.sqs(world.cache.clone());
    let read = tokio::spawn(async move { list(&client).await });
    // It has been rejected, and waits.
    let waits = world.cache.status().waits;
    while !world.cache.status().invalidated || world.cache.status().waits <= waits {
        tokio::task::yield_now().await;
    }
    (world, service, under_way, read)
}

/// Answers the fetch that was under way, and expects that the source is asked again at once, which mends it.
async fn asked_again(
    name: &str,
    time: &StillTime,
    scene: (World, Service, JoinHandle<Result<(), String>>),
) {
    let (mut world, service, read) = scene;
    let before = tokio::time::Instant::now();
    let again = loop {
        if let Some(call) = world.gate.pending() {
            break call;
        }
        assert!(!read.is_finished(), "{name}: nobody asked again");
        tokio::task::yield_now().await;
        // The source is not asked twice within 20 ms.
        if before.elapsed() < seconds(1) {
            time.pass(StillTime::STEP / 20).await;
        }
    };
    let waited = before.elapsed();
    again.answer(Ok(world.session("KEY-2", LIFE)));
    read.await.unwrap().unwrap();
    assert_eq!(service.keys(), ["KEY-1", "KEY-2"], "{name}");
    assert!(waited <= seconds(1), "{name}: {waited:?}");
    assert_eq!(world.gate.count(), 3, "{name}");
    assert_healed(&world.cache, "KEY-2", name);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_under_way_that_brings_the_old_key_is_not_the_key_coming_back() {
    let time = StillTime::begin();
    for (name, policy) in policies() {
        let (world, service, under_way, read) = rejected_during_a_refresh(&time, policy).await;
        under_way.answer(Ok(world.session("KEY-1", LIFE)));
        asked_again(name, &time, (world, service, read)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_refresh_under_way_that_fails_is_no_reason_to_give_up() {
    let time = StillTime::begin();
    // Under the AWS rules and with a fixed back-off any failure is followed by a pause.
    for (name, policy) in policies().into_iter().take(2) {
        let (world, service, under_way, read) = rejected_during_a_refresh(&time, policy).await;
        under_way.fail();
        asked_again(name, &time, (world, service, read)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_refresh_under_way_that_brings_another_key_will_do() {
    let time = StillTime::begin();
    for (name, policy) in policies() {
        let (world, service, under_way, read) = rejected_during_a_refresh(&time, policy).await;
        under_way.answer(Ok(world.session("KEY-2", LIFE)));
        read.await.unwrap().unwrap();
        assert_eq!(service.keys(), ["KEY-1", "KEY-2"], "{name}");
        assert_eq!(world.gate.count(), 2, "{name}");
        assert_healed(&world.cache, "KEY-2", name);
    }
}
