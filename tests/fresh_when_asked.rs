//! `refresh` and `credentials_valid_for` fetch when they are asked to, and no more often than that.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use aws_credential_strategies::{ErrorKind, RefreshMode, RefreshPolicy};
use futures_util::FutureExt;
use std::time::Duration;
use support::{HOUR, World, pass, seconds, settle};

fn forced(
    world: &World,
) -> tokio::task::JoinHandle<
    aws_credential_strategies::Result<aws_credential_strategies::Credentials>,
> {
    let cache = world.cache.clone();
    tokio::spawn(async move { cache.refresh().await })
}

#[tokio::test(start_paused = true)]
async fn a_forced_refresh_asks_although_nothing_is_due_and_all_share_it() {
    let mut world = World::new(RefreshPolicy::default())
        .filled("KEY-1", HOUR)
        .await;
    pass(seconds(2)).await;
    let asked: Vec<_> = (0..64).map(|_| forced(&world)).collect();
    let call = world.gate.call().await;
    settle().await;
    call.answer(Ok(world.session("KEY-2", HOUR)));
    for asked in asked {
        assert_eq!(asked.await.unwrap().unwrap().access_key_id(), "KEY-2");
    }
    assert_eq!(world.gate.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn within_a_second_the_last_answer_stands() {
    let mut world = World::new(RefreshPolicy::default())
        .filled("KEY-1", HOUR)
        .await;
    pass(Duration::from_millis(999)).await;
    let again = world.cache.refresh().now_or_never().expect("no fetch");
    assert_eq!(again.unwrap().access_key_id(), "KEY-1");
    assert_eq!(world.gate.count(), 1);

    pass(Duration::from_millis(1)).await;
    let asked = forced(&world);
    world.gate.call().await.fail();
    let error = asked.await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "fetch credentials: the test said no");
    let again = world.cache.refresh().now_or_never().expect("no fetch");
    assert!(again.is_err(), "the failure is the last answer");
    assert_eq!(world.gate.count(), 2);
    // What is valid is served all the same.
    assert_eq!(world.cache.current().unwrap().access_key_id(), "KEY-1");
}

#[tokio::test(start_paused = true)]
async fn credentials_that_live_long_enough_are_served_at_once() {
    let world = World::new(RefreshPolicy::default())
        .filled("KEY-1", HOUR)
        .await;
    pass(seconds(600)).await;
    let served = world
        .cache
        .credentials_valid_for(seconds(3000))
        .now_or_never();
    assert_eq!(served.unwrap().unwrap().access_key_id(), "KEY-1");
    assert_eq!(world.gate.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn also_shortly_before_they_expire_while_the_refresh_is_started() {
    let policy = RefreshPolicy::default().mode(RefreshMode::OnDemand);
    let mut world = World::new(policy).filled("KEY-1", HOUR).await;
    pass(seconds(3570)).await;
    let served = world
        .cache
        .credentials_valid_for(seconds(30))
        .now_or_never()
        .expect("a call had to wait");
    assert_eq!(served.unwrap().access_key_id(), "KEY-1");
    settle().await;
    assert_eq!(world.gate.count(), 2);
    world.gate.call().await.fail();
    settle().await;
    // The failure is no reason to wait or to fail, as long as there is life enough.
    pass(seconds(1)).await;
    let served = world
        .cache
        .credentials_valid_for(seconds(29))
        .now_or_never()
        .expect("a call had to wait");
    assert_eq!(served.unwrap().access_key_id(), "KEY-1");
}

#[tokio::test(start_paused = true)]
async fn neither_what_was_rejected_nor_what_has_expired_lives_long_enough() {
    for rejected in [true, false] {
        let mut world = World::new(RefreshPolicy::default())
            .filled("KEY-1", HOUR)
            .await;
        pass(seconds(2)).await;
        if rejected {
            world.cache.invalidate("KEY-1");
        } else {
            world.wall.step_forward(HOUR);
        }
        let asked = tokio::spawn({
            let cache = world.cache.clone();
            async move { cache.credentials_valid_for(Duration::ZERO).await }
        });
        let fetched = world.session("KEY-2", HOUR);
        world.gate.call().await.answer(Ok(fetched));
        assert_eq!(asked.await.unwrap().unwrap().access_key_id(), "KEY-2");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_taken_since_it_ends_sooner_is_too_short() {
    let mut world = World::new(RefreshPolicy::default())
        .filled("KEY-1", HOUR)
        .await;
    pass(seconds(1600)).await;
    let asked = tokio::spawn({
        let cache = world.cache.clone();
        async move { cache.credentials_valid_for(seconds(3000)).await }
    });
    let shorter = world.session("KEY-2", seconds(1000));
    world.gate.call().await.answer(Ok(shorter));
    let error = asked.await.unwrap().unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::TooShort, "{error}");
    assert_eq!(world.cache.current().unwrap().access_key_id(), "KEY-1");
}

#[tokio::test(start_paused = true)]
async fn those_that_do_not_are_replaced_by_one_refresh() {
    let mut world = World::new(RefreshPolicy::default())
        .filled("KEY-1", HOUR)
        .await;
    pass(seconds(601)).await;
    let asked = tokio::spawn({
        let cache = world.cache.clone();
        async move { cache.credentials_valid_for(seconds(3000)).await }
    });
    let call = world.gate.call().await;
    call.answer(Ok(world.session("KEY-2", HOUR)));
    assert_eq!(asked.await.unwrap().unwrap().access_key_id(), "KEY-2");
    assert_eq!(world.gate.count(), 2);
}

fn valid_for(
    world: &World,
    min: Duration,
) -> tokio::task::JoinHandle<
    aws_credential_strategies::Result<aws_credential_strategies::Credentials>,
> {
    let cache = world.cache.clone();
    tokio::spawn(async move { cache.credentials_valid_for(min).await })
}

#[tokio::test(start_paused = true)]
async fn a_life_longer_than_any_seen_is_refused_with_both_figures_and_no_fetch() {
    let mut world = World::new(RefreshPolicy::default().mode(RefreshMode::OnDemand))
        .filled("KEY-1", HOUR)
        .await;
    for _ in 0..400 {
        pass(seconds(1)).await;
        let error = world
            .cache
            .credentials_valid_for(2 * HOUR)
            .now_or_never()
            .expect("no fetch")
            .unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::TooShort);
        let line = error.to_string();
        assert!(
            line.contains("live for 7200 s, new ones live for 3600 s"),
            "{line}"
        );
    }
    assert_eq!(world.gate.count(), 1);
    // Tried again after the middle of 300–600 s: the role may have been given longer sessions.
    pass(seconds(51)).await;
    let asked = valid_for(&world, 2 * HOUR);
    let call = world.gate.call().await;
    call.answer(Ok(world.session("KEY-2", 3 * HOUR)));
    assert_eq!(asked.await.unwrap().unwrap().access_key_id(), "KEY-2");
}

#[tokio::test(start_paused = true)]
async fn a_life_that_only_the_newest_session_has_is_asked_for_at_the_pace_of_failures() {
    // Once a second for ten minutes, as long as the sessions, and longer.
    for (lifetime, min) in [(3600, 3600), (900, 900), (900, 1800)] {
        let world = World::new(RefreshPolicy::default());
        let mut world = world.filled("KEY-0", seconds(lifetime)).await;
        let (mut met, mut refused) = (0, 0);
        for number in 1..=600 {
            pass(seconds(1)).await;
            let asked = valid_for(&world, seconds(min));
            settle().await;
            if let Some(call) = world.gate.pending() {
                call.answer(Ok(
                    world.session(&format!("KEY-{number}"), seconds(lifetime))
                ));
            }
            match asked.await.unwrap() {
                // What it lived when it came decides.
                Ok(served) => {
                    assert_eq!(served.access_key_id(), format!("KEY-{number}"));
                    met += 1;
                }
                Err(error) => {
                    assert_eq!(*error.kind(), ErrorKind::TooShort, "{error}");
                    // Sessions do live that long: the next one will do, and not a shorter life.
                    let too_soon = error.to_string().contains("it is too soon");
                    assert_eq!(too_soon, min <= lifetime, "{error}");
                    refused += 1;
                }
            }
        }
        assert_eq!(met + refused, 600);
        assert!(world.gate.count() <= 46, "{}", world.gate.count());
        assert_eq!(met > 0, min <= lifetime);
    }
}

#[tokio::test(start_paused = true)]
async fn forced_refreshes_stay_within_46_in_ten_minutes_and_leave_room_for_the_plan() {
    let world = World::new(RefreshPolicy::default());
    let mut world = world.filled("KEY-0", HOUR).await;
    let mut at = Vec::new();
    for number in 1..=1800 {
        pass(seconds(1)).await;
        let asked = forced(&world);
        settle().await;
        if let Some(call) = world.gate.pending() {
            at.push(call.at);
            call.answer(Ok(world.session(&format!("KEY-{number}"), HOUR)));
        }
        // The last answer stands.
        assert!(asked.await.unwrap().is_ok());
    }
    for many in at.windows(47) {
        assert!(many[46] - many[0] >= seconds(600), "{many:?}");
    }
    assert!(at.len() > 60, "{}", at.len());
    // A service rejects what came: it is replaced all the same.
    let held = world.cache.status().key_id.unwrap();
    world.cache.invalidate(&held);
    let caller = tokio::spawn({
        let cache = world.cache.clone();
        async move { cache.credentials().await }
    });
    let held = world.cache.status();
    assert!(held.invalidated || held.suspected, "{held:?}");
    drop(caller);
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_does_not_pass_is_named_before_anything_is_asked() {
    let policy = RefreshPolicy::default().advisory_window(Duration::ZERO);
    let world = World::new(policy);
    let error = world.cache.credentials().await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Usage);
    assert_eq!(error.field(), Some("advisory_window"));
    assert!(world.cache.refresh().await.is_err());
    assert_eq!(world.gate.count(), 0);
}
