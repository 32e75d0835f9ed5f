//! While credentials are valid every call is answered at once, whatever the source does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use aws_credential_strategies::refresh::{Backoff, Stage};
use aws_credential_strategies::{Credentials, RefreshMode, RefreshPolicy};
use futures_util::FutureExt;
use support::{HOUR, World, pass, seconds, settle};

/// 64 callers, of whom none may yield.
fn assert_all_served_at_once(world: &World, key_id: &str) {
    for _ in 0..64 {
        let served = world.cache.credentials().now_or_never();
        let served = served.expect("a call had to wait").expect("a call failed");
        assert_eq!(served.access_key_id(), key_id);
        let current = world.cache.current().expect("nothing usable at once");
        assert_eq!(current.access_key_id(), key_id);
    }
}

#[tokio::test(start_paused = true)]
async fn through_a_refresh_that_takes_its_time() {
    let mut world = World::new(RefreshPolicy::default())
        .filled("KEY-1", HOUR)
        .await;
    assert_eq!(world.gate.count(), 1);
    assert_all_served_at_once(&world, "KEY-1");

    // The draw for jitter 0.5 lies in the middle of [E − 900 s, E − 300 s].
    pass(seconds(2999)).await;
    assert_eq!(world.gate.count(), 1);
    assert_eq!(world.cache.status().stage, Stage::Advisory);
    pass(seconds(2)).await;
    let refresh = world.gate.call().await;
    assert_eq!(world.gate.count(), 2);
    assert_all_served_at_once(&world, "KEY-1");

    refresh.answer(Ok(world.session("KEY-2", HOUR)));
    settle().await;
    assert_all_served_at_once(&world, "KEY-2");
    assert_eq!(world.gate.count(), 2);
    assert_eq!(
        world.cache.status().waits,
        1,
        "only the first call of all waited"
    );
}

/// What one service rejected, for the clients of another while it is being replaced, as long as it would be served.
#[tokio::test(start_paused = true)]
async fn what_one_service_rejected_is_there_for_the_clients_of_another() {
    let world = World::new(RefreshPolicy::default().mode(RefreshMode::OnDemand))
        .filled("KEY-1", HOUR)
        .await;
    assert!(
        world.cache.disputed_identity().is_none(),
        "nobody rejected it"
    );
    world.cache.invalidate("KEY-1");
    let disputed = world
        .cache
        .disputed_identity()
        .expect("it is being replaced");
    let disputed = disputed.data::<Credentials>().unwrap();
    assert_eq!(disputed.access_key_id(), "KEY-1");
    pass(seconds(3000)).await;
    assert_eq!(world.cache.status().stage, Stage::Mandatory);
    assert!(
        world.cache.disputed_identity().is_some(),
        "ten minutes are left"
    );
    pass(seconds(539)).await;
    assert!(world.cache.disputed_identity().is_some());
    pass(seconds(1)).await;
    assert!(world.cache.disputed_identity().is_none(), "the last minute");
}

#[tokio::test(start_paused = true)]
async fn through_an_outage_up_to_the_last_second() {
    let mut world = World::new(RefreshPolicy::default())
        .filled("KEY-1", HOUR)
        .await;
    let mut failures = 0;
    for _ in 0..3599 {
        pass(seconds(1)).await;
        while let Some(call) = world.gate.pending() {
            call.fail();
            failures += 1;
            settle().await;
        }
        assert_all_served_at_once(&world, "KEY-1");
    }
    // One at the draw, two soon after it, four at quarters of what was left until the mandatory
    // window, of which the last opens it, and in it, with the count carried over, one each 22.5 s.
    assert_eq!(failures, 9);
    assert_eq!(world.gate.count(), 10);
    assert_eq!(world.cache.status().consecutive_failures, 9);
}

#[tokio::test(start_paused = true)]
async fn on_demand_the_first_call_past_the_draw_starts_the_refresh() {
    let mut world = World::new(RefreshPolicy::default().mode(RefreshMode::OnDemand))
        .filled("KEY-1", HOUR)
        .await;
    pass(seconds(3100)).await;
    assert_eq!(world.gate.count(), 1, "no traffic while idle");
    assert_all_served_at_once(&world, "KEY-1");
    let refresh = world.gate.call().await;
    assert_eq!(world.gate.count(), 2, "one fetch for 128 calls");
    refresh.answer(Ok(world.session("KEY-2", HOUR)));
    settle().await;
    assert_all_served_at_once(&world, "KEY-2");
}

#[tokio::test(start_paused = true)]
async fn a_hang_that_outlasts_the_credentials_costs_one_wait_in_all() {
    let policy = RefreshPolicy::default()
        .mode(RefreshMode::OnDemand)
        .backoff(Backoff::adaptive());
    let world = World::new(policy).filled("KEY-1", HOUR).await;
    pass(seconds(3545)).await;
    assert_eq!(world.cache.status().stage, Stage::Mandatory);

    let before = tokio::time::Instant::now();
    let waiting: Vec<_> = (0..64).map(|_| world.call()).collect();
    for call in waiting {
        assert_eq!(call.await.unwrap().unwrap().access_key_id(), "KEY-1");
    }
    assert_eq!(before.elapsed(), seconds(10));
    assert_eq!(world.gate.count(), 2);
    // The fetch still hangs; nobody waits for it again.
    assert_all_served_at_once(&world, "KEY-1");
}
