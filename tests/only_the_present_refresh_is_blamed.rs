//! Promise: an error about a rejected key names a failed refresh as its cause only where that refresh was to
//! replace this key. What failed before is history.
#![cfg(feature = "table")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod recovery_support;
mod support;

use aws_credential_strategies::{Dynamo, RefreshPolicy};
use aws_smithy_types::retry::RetryConfig;
use recovery_support::{LIFE, Service, StillTime, list, said};
use std::error::Error as _;
use support::{Call, World, seconds};
use tokio::task::yield_now;

/// The old failure says this, and the new one something else.
const OLD: &str = "the test said no";

/// Holding `KEY-1`, with a forced refresh that failed half an hour ago.
async fn after_a_failed_refresh(time: &StillTime) -> World {
    let mut world = World::new(RefreshPolicy::default())
        .filled("KEY-1", LIFE)
        .await;
    time.pass(seconds(2)).await;
    let forced = tokio::spawn({
        let cache = world.cache.clone();
        async move { cache.refresh().await }
    });
    world.gate.call().await.fail();
    forced.await.unwrap().unwrap_err();
    time.pass(seconds(1800)).await;
    let failed = world.cache.status().last_error.unwrap();
    assert!(failed.line.contains(OLD) && !failed.for_present_need);
    world
}

/// The fetch that a rejection brought about, left open for longer than anybody waits for it.
async fn left_open(world: &mut World, time: &StillTime) -> Call {
    let fetch = world.gate.call().await;
    while world.cache.status().waits < 2 {
        yield_now().await;
    }
    time.pass(seconds(12)).await;
    fetch
}

#[tokio::test(start_paused = true)]
async fn a_repeat_that_waited_in_vain_blames_no_older_failure() {
    let time = StillTime::begin();
    let mut world = after_a_failed_refresh(&time).await;
    let refusing = Service::refusing().await;
    let client = refusing.sqs(world.cache.clone());
    let request = tokio::spawn(async move { list(&client).await });
    let _fetch = left_open(&mut world, &time).await;
    while !request.is_finished() {
        time.pass(StillTime::STEP).await;
    }
    let error = request.await.unwrap().unwrap_err();
    assert!(!error.contains(OLD), "{error}");
    assert!(
        error.contains("rejects the key KEY-1, and no other came in time"),
        "{error}"
    );
    assert_eq!(refusing.keys(), ["KEY-1"], "not repeated with the same key");
}

#[tokio::test(start_paused = true)]
async fn nor_does_that_of_a_table() {
    let time = StillTime::begin();
    let mut world = after_a_failed_refresh(&time).await;
    let refusing = Service::refusing().await;
    let settings = refusing.settings().into_builder();
    // Time stands still while bytes travel, so no deadline of a request is part of this.
    let settings = settings.timeout_config(aws_smithy_types::timeout::TimeoutConfig::disabled());
    let db = Dynamo::new(world.cache.clone(), &settings.build());
    let request =
        tokio::spawn(async move { db.table("MyTable").get(("id", "1")).send::<()>().await });
    let _fetch = left_open(&mut world, &time).await;
    while !request.is_finished() {
        time.pass(StillTime::STEP).await;
    }
    let error = request.await.unwrap().unwrap_err();
    assert!(!said(error.clone()).contains(OLD), "{error:?}");
    assert!(error.is_credential(), "{error:?}");
    assert_eq!(refusing.keys(), ["KEY-1"]);
}

#[tokio::test(start_paused = true)]
async fn a_table_that_may_not_repeat_blames_no_older_failure() {
    let time = StillTime::begin();
    let world = after_a_failed_refresh(&time).await;
    let refusing = Service::refusing().await;
    let settings = refusing.settings().into_builder();
    let settings = settings.retry_config(RetryConfig::standard().with_max_attempts(1));
    let db = Dynamo::new(world.cache.clone(), &settings.build());
    let get = db.table("MyTable").get(("id", "1"));
    let error = get.send::<()>().await.unwrap_err();
    assert!(error.is_credential(), "{error:?}");
    assert!(error.source().is_none(), "{error:?}");
    assert_eq!(refusing.keys(), ["KEY-1"]);
}

#[tokio::test(start_paused = true)]
async fn the_refresh_that_was_to_replace_the_key_is_the_cause() {
    let time = StillTime::begin();
    let mut world = after_a_failed_refresh(&time).await;
    let refusing = Service::refusing().await;
    let client = refusing.sqs(world.cache.clone());
    let request = tokio::spawn(async move { list(&client).await });
    let down = Err(recovery_support::down());
    world.gate.call().await.answer(down);
    let error = request.await.unwrap().unwrap_err();
    assert!(error.contains("the source is down"), "{error}");
    assert!(!error.contains(OLD), "{error}");
    assert_eq!(refusing.keys(), ["KEY-1"]);
}
