//! After an answer the source is asked again at the point that this answer calls for: the same document,
//! a new one, one that is dead already, and what comes after a rejection.
//!
//! Where three figures stand together they belong to the lowest draw, the middle one and the highest.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/pace.rs"]
mod pace;
mod support;

use aws_credential_strategies::refresh::{Backoff, Rejection, Stage};
use aws_credential_strategies::{
    CredentialFault, Credentials, Error, ErrorKind, RefreshMode, RefreshPolicy,
};
use aws_smithy_async::time::TimeSource;
use futures_util::FutureExt;
use pace::{HIGHEST, LOWEST, Log, MIDDLE, MILLI, NANO, all, recoverable, s, terminal, throttled};
use std::time::Duration;
use support::{HOUR, World, pass, seconds, session, settle};
use tokio::time::Instant;

const AT_ONCE: Duration = Duration::ZERO;
const TWELVE_HOURS: Duration = Duration::from_secs(43_200);

fn on_demand() -> RefreshPolicy {
    RefreshPolicy::default().mode(RefreshMode::OnDemand)
}

/// A cache that holds a session of this length, and the document that it came with.
async fn filled(policy: RefreshPolicy, jitter: f64, lifetime: Duration) -> (World, Credentials) {
    let mut world = World::with_jitter(policy, jitter);
    let document = world.session("KEY-1", lifetime);
    drop(world.call());
    world.gate.call().await.answer(Ok(document.clone()));
    settle().await;
    (world, document)
}

/// The pauses before so many attempts, of which each is answered with this document.
async fn pauses_with<const N: usize>(world: &mut World, document: &Credentials) -> [Duration; N] {
    let mut pauses = [Duration::ZERO; N];
    for pause in &mut pauses {
        let (after, call) = world.asked_after().await;
        call.answer(Ok(document.clone()));
        settle().await;
        *pause = after;
    }
    pauses
}

/// A call asks the source now, and is answered so.
async fn call_brings(world: &mut World, answer: Credentials) {
    let call = world.call_asks().await.expect("the call did not ask");
    call.answer(Ok(answer));
    settle().await;
}

#[tokio::test(start_paused = true)]
async fn the_same_document_is_asked_for_again_after_half_of_what_is_left() {
    // An hour, first tried in the advisory window: half of what is left, the attempt on entering the
    // mandatory window at 3540 s, then after 15–30 s, or half of what is left where that is less.
    for (jitter, expected) in [
        (LOWEST, [2700.0, 450.0, 225.0, 112.5, 52.5, 15.0, 15.0]),
        (MIDDLE, [3000.0, 300.0, 150.0, 75.0, 15.0, 22.5, 18.75]),
        (HIGHEST, [3300.0, 150.0, 75.0, 15.0, 30.0, 15.0, 7.5]),
    ] {
        let (mut world, document) = filled(RefreshPolicy::default(), jitter, HOUR).await;
        let pauses = pauses_with::<7>(&mut world, &document).await;
        assert_eq!(pauses.to_vec(), all(expected), "jitter {jitter}");
        assert_eq!(
            world.cache.status().generation,
            1,
            "it is no new credential"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn but_after_a_minute_or_a_quarter_of_the_window_at_least() {
    // Seen where nothing is asked on entering the mandatory window. 70 s are left: half is 35 s.
    for (window, pause) in [(900, 60), (240, 60), (200, 50), (160, 40), (100, 35)] {
        let policy = RefreshPolicy::aws_spec().advisory_window(seconds(window));
        let (mut world, document) = filled(policy, MIDDLE, HOUR).await;
        pass(seconds(3530)).await;
        call_brings(&mut world, document).await;
        let _question = world.call_asks_after(seconds(pause)).await;
    }
    // 0.25 s of one second are left, A = 0.75 s: 0.25 s comes before the eighth and the 0.1875 s.
    let (mut world, document) = filled(RefreshPolicy::default(), HIGHEST, seconds(1)).await;
    let pauses = pauses_with::<2>(&mut world, &document).await;
    assert_eq!(pauses.to_vec(), all([0.75, 0.25]));
}

#[tokio::test(start_paused = true)]
async fn the_same_document_once_mandatory_is_asked_for_every_15_to_30_seconds() {
    for (jitter, pause) in [(LOWEST, 15.0), (MIDDLE, 22.5), (HIGHEST, 30.0)] {
        for policy in [on_demand(), RefreshPolicy::aws_spec()] {
            let (mut world, document) = filled(policy, jitter, HOUR).await;
            pass(seconds(3540)).await;
            call_brings(&mut world, document).await;
            assert_eq!(world.cache.status().stage, Stage::Mandatory);
            let _question = world.call_asks_after(s(pause)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_document_is_a_success() {
    let (mut world, document) = filled(RefreshPolicy::default(), LOWEST, HOUR).await;
    let failures = [recoverable(), recoverable(), recoverable()];
    world.pauses(failures).await;
    assert_eq!(world.cache.status().consecutive_failures, 3);
    // At 2911.125 s, 688.875 s are left.
    let [pause] = pauses_with(&mut world, &document).await;
    assert_eq!(pause, s(209.625));
    let status = world.cache.status();
    assert_eq!(status.consecutive_failures, 0);
    assert!(status.last_error.is_none());
    assert_eq!(status.generation, 1);
    // The next failures are the first, the second, and the third, whose quarter is of 282.937 s.
    let again = world
        .pauses([recoverable(), recoverable(), recoverable(), recoverable()])
        .await;
    assert_eq!(again, all([344.438, 0.5, 1.0, 70.735]));
}

#[tokio::test(start_paused = true)]
async fn the_same_document_keeps_its_windows() {
    // 600 s are left of an hour: those of a session of 600 s would be 300 s and, of 15 s, 2.8 s.
    let (mut world, document) = filled(RefreshPolicy::default(), MIDDLE, HOUR).await;
    pauses_with::<1>(&mut world, &document).await;
    assert_eq!(world.cache.status().advisory_window, Some(seconds(900)));
    assert_eq!(world.cache.status().stage, Stage::Advisory);
    let (mut world, document) = filled(RefreshPolicy::default(), HIGHEST, seconds(60)).await;
    // M = 11.25 s opens at 48.75 s.
    let pauses = pauses_with::<2>(&mut world, &document).await;
    assert_eq!(pauses.to_vec(), all([45.0, 3.75]));
    assert_eq!(world.cache.status().advisory_window, Some(seconds(45)));
    assert_eq!(world.cache.status().stage, Stage::Mandatory);
}

#[tokio::test(start_paused = true)]
async fn the_same_document_starts_the_monotonic_reading_anew() {
    // The wall clock was 1000 s ahead at the first answer: what looked like 900 s are 1900 s.
    let (mut world, document) = filled(RefreshPolicy::default(), LOWEST, HOUR).await;
    world.wall.step_back(seconds(1000));
    let pauses = pauses_with::<1>(&mut world, &document).await;
    assert_eq!(pauses, [seconds(2700)]);
    assert_eq!(world.cache.status().stage, Stage::Fresh);
    assert_eq!(world.cache.status().generation, 1);
    // Half of 1900 s.
    let (pause, _call) = world.asked_after().await;
    assert_eq!(pause, seconds(950));

    // On demand, the first call past the fresh stage asks: 1900 − 900 s later, by either clock.
    for ahead in [0, 500] {
        let (mut world, document) = filled(on_demand(), LOWEST, HOUR).await;
        world.wall.step_back(seconds(1000));
        pass(seconds(2700)).await;
        call_brings(&mut world, document).await;
        pass(seconds(1)).await;
        world.wall.step_forward(seconds(ahead));
        let _question = world.call_asks_after(seconds(999 - ahead)).await;
    }
    // A part of a second counts as a whole one: 1899.5 s by the wall clock are 1900 s by the other.
    let (mut world, document) = filled(on_demand(), LOWEST, HOUR).await;
    world.wall.step_back(s(999.5));
    pass(seconds(2700)).await;
    call_brings(&mut world, document).await;
    world.wall.step_back(HOUR);
    let _question = world.call_asks_after(seconds(1000)).await;
}

#[tokio::test(start_paused = true)]
async fn the_monotonic_reading_may_become_shorter_with_it() {
    // The wall clock is 500 s ahead when the document comes again at 100 s: 3000 s are left by it.
    let (mut world, document) = filled(on_demand(), MIDDLE, HOUR).await;
    pass(seconds(100)).await;
    world.wall.step_forward(seconds(500));
    let cache = world.cache.clone();
    let forced = tokio::spawn(async move { cache.refresh().await });
    world.gate.call().await.answer(Ok(document));
    assert!(forced.await.unwrap().is_ok());
    world.wall.step_back(seconds(500));
    let _question = world.call_asks_after(seconds(2100)).await;
}

#[tokio::test(start_paused = true)]
async fn another_key_or_another_expiry_is_a_new_credential() {
    // Each is answered at 3000 s and lives for an hour and so much from there.
    for (key_id, more) in [("KEY-2", 0), ("KEY-1", 0), ("KEY-1", 60)] {
        let (mut world, _) = filled(RefreshPolicy::default(), MIDDLE, HOUR).await;
        let (_, call) = world.asked_after().await;
        call.answer(Ok(world.session(key_id, HOUR + seconds(more))));
        settle().await;
        let status = world.cache.status();
        assert_eq!(status.generation, 2, "{key_id} + {more} s");
        assert_eq!(world.planned(), Some(seconds(3000 + more)));
    }
    // The same expiry, another key.
    let (mut world, document) = filled(RefreshPolicy::default(), MIDDLE, HOUR).await;
    let (_, call) = world.asked_after().await;
    call.answer(Ok(session("KEY-2", document.expiry().unwrap())));
    settle().await;
    assert_eq!(world.cache.status().generation, 2);
    // L = 600 s.
    assert_eq!(world.planned(), Some(seconds(400)));
    assert_eq!(world.cache.status().advisory_window, Some(seconds(300)));
}

#[tokio::test(start_paused = true)]
async fn nearly_dead_answers_are_asked_for_four_times_a_second() {
    for jitter in [LOWEST, MIDDLE, HIGHEST] {
        for life in [NANO, MILLI, s(0.1), s(0.24)] {
            let mut world = World::with_jitter(RefreshPolicy::default(), jitter);
            drop(world.call());
            let mut pauses = Vec::new();
            for number in 0..8 {
                let (pause, call) = world.asked_after().await;
                call.answer(Ok(world.session(&format!("KEY-{number}"), life)));
                settle().await;
                pauses.push(pause);
            }
            assert_eq!(pauses[1..], all([0.25; 7]), "{life:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_does_not_ask_sooner_after_a_nearly_dead_answer() {
    let (mut world, _) = filled(on_demand(), MIDDLE, s(0.1)).await;
    assert_eq!(world.cache.status().stage, Stage::Mandatory);
    let _question = world.call_asks_after(s(0.25)).await;
}

#[tokio::test(start_paused = true)]
async fn an_expired_document_is_adopted_by_an_empty_cache_and_counts_as_a_failure() {
    for age in [AT_ONCE, NANO, HOUR] {
        let log = Log::default();
        let _guard = log.collecting(tracing::Level::WARN);
        let mut world = World::new(RefreshPolicy::default());
        let served = world.call();
        let (_, call) = world.asked_after().await;
        let expiry = world.wall.now() - age;
        call.answer(Ok(session("KEY-1", expiry)));
        assert_eq!(served.await.unwrap().unwrap().access_key_id(), "KEY-1");
        let status = world.cache.status();
        assert_eq!(status.stage, Stage::Expired);
        assert_eq!(status.generation, 1);
        assert_eq!(status.consecutive_failures, 1);
        let error = status.last_error.unwrap();
        assert_eq!(error.kind, ErrorKind::Credential(CredentialFault::Expired));
        assert!(!error.terminal);
        // One warning, which names both causes.
        assert_eq!(log.lines_with("WARN"), 1);
        assert_eq!(log.lines_with("static stability"), 1);
        assert_eq!(log.lines_with("the clock of this host is ahead"), 1);
        // The first failure after expiry: ½–1 × 1 s.
        assert_eq!(world.planned(), Some(s(0.75)));
    }
    // A moment later it would be live.
    let (world, _) = filled(RefreshPolicy::default(), MIDDLE, NANO).await;
    assert_eq!(world.cache.status().consecutive_failures, 0);
    assert_eq!(world.cache.status().stage, Stage::Mandatory);
}

#[tokio::test(start_paused = true)]
async fn under_the_rules_of_aws_an_empty_cache_raises_it() {
    let mut world = World::new(RefreshPolicy::aws_spec());
    let raised = world.call();
    let (_, call) = world.asked_after().await;
    call.answer(Ok(world.session("KEY-1", AT_ONCE)));
    let error = raised.await.unwrap().unwrap_err();
    assert_eq!(
        *error.kind(),
        ErrorKind::Credential(CredentialFault::Expired)
    );
    let status = world.cache.status();
    assert_eq!((status.stage, status.generation), (Stage::Cold, 0));
    assert_eq!(status.consecutive_failures, 1);
    // Not paced.
    pass(MILLI * 20).await;
    assert!(world.call_asks().await.is_some());
}

/// What is held, and how many failures there were, after an answer of this key that ended at `expiry`.
async fn after_expired_answer(
    world: &mut World,
    (key_id, expiry): (&str, std::time::SystemTime),
) -> (String, u64, u32) {
    let call = world.call_asks().await.expect("the call did not ask");
    call.answer(Ok(session(key_id, expiry)));
    settle().await;
    let status = world.cache.status();
    let held = status.key_id.unwrap();
    (held, status.generation, status.consecutive_failures)
}

#[tokio::test(start_paused = true)]
async fn an_expired_document_does_not_replace_a_live_credential() {
    for policy in [on_demand(), RefreshPolicy::aws_spec()] {
        // Advisory, and one millisecond before the end.
        for age in [seconds(3000), HOUR - MILLI] {
            let (mut world, _) = filled(policy, MIDDLE, HOUR).await;
            pass(age).await;
            let now = world.wall.now();
            let held = after_expired_answer(&mut world, ("KEY-2", now)).await;
            assert_eq!(held, ("KEY-1".to_owned(), 1, 1), "{age:?}");
        }
    }
    // It is a failure like any other: ½–1 × 1 s in the advisory window.
    let (mut world, _) = filled(RefreshPolicy::default(), HIGHEST, HOUR).await;
    let (_, call) = world.asked_after().await;
    call.answer(Ok(world.session("KEY-2", AT_ONCE)));
    let (pause, _call) = world.asked_after().await;
    assert_eq!(pause, seconds(1));
}

#[tokio::test(start_paused = true)]
async fn nor_one_that_never_expires() {
    for policy in [RefreshPolicy::default(), RefreshPolicy::aws_spec()] {
        let mut world = World::new(policy);
        drop(world.call());
        let (_, call) = world.asked_after().await;
        call.answer(Ok(Credentials::new("KEY-1", "secret", None, None, "test")));
        settle().await;
        pass(seconds(1)).await;
        world.cache.invalidate("KEY-1");
        let now = world.wall.now();
        let held = after_expired_answer(&mut world, ("KEY-2", now)).await;
        assert_eq!(held, ("KEY-1".to_owned(), 1, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn an_expired_document_replaces_an_expired_credential_if_it_ends_later() {
    for policy in [on_demand(), RefreshPolicy::aws_spec()] {
        let (mut world, first) = filled(policy, MIDDLE, HOUR).await;
        let ended = first.expiry().unwrap();
        pass(2 * HOUR).await;
        let mut failures = 0;
        for (key_id, expiry, held, generation) in [
            ("KEY-2", ended - NANO, "KEY-1", 1),
            ("KEY-2", ended, "KEY-1", 1),
            ("KEY-1", ended, "KEY-1", 1),
            ("KEY-3", ended + NANO, "KEY-3", 2),
            ("KEY-4", ended, "KEY-3", 2),
            ("KEY-5", ended + HOUR, "KEY-5", 3),
        ] {
            failures += 1;
            let got = after_expired_answer(&mut world, (key_id, expiry)).await;
            assert_eq!(got, (held.to_owned(), generation, failures), "{key_id}");
            assert_eq!(world.cache.status().stage, Stage::Expired);
            // No pause is longer than 10 min.
            pass(seconds(600)).await;
        }
    }
    // At the very moment at which the held one ends it may be replaced.
    let (mut world, first) = filled(on_demand(), MIDDLE, HOUR).await;
    let ended = first.expiry().unwrap();
    pass(HOUR).await;
    world.wall.step_forward(seconds(1));
    let got = after_expired_answer(&mut world, ("KEY-2", ended + NANO)).await;
    assert_eq!(got, ("KEY-2".to_owned(), 2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_rejection_is_followed_by_one_refresh_at_once() {
    let (mut world, _) = filled(RefreshPolicy::default(), MIDDLE, HOUR).await;
    pass(seconds(10)).await;
    for _ in 0..1000 {
        assert_eq!(world.cache.invalidate("KEY-1"), Rejection::Invalidated);
    }
    let status = world.cache.status();
    assert!(status.invalidated);
    assert_eq!(status.stage, Stage::Mandatory);
    let (pause, call) = world.asked_after().await;
    assert_eq!(pause, AT_ONCE);
    call.answer(Ok(world.session("KEY-2", HOUR)));
    settle().await;
    let status = world.cache.status();
    assert_eq!(status.stage, Stage::Fresh);
    assert!(!status.invalidated && !status.rejected_key_returned);
    assert_eq!(world.cache.invalidate("KEY-1"), Rejection::NotCurrent);
    assert_eq!(world.planned(), Some(seconds(3000)));
    world.quiet_for(seconds(2999)).await;
    assert_eq!(world.gate.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn on_demand_the_next_call_makes_it() {
    for policy in [on_demand(), RefreshPolicy::aws_spec()] {
        let (mut world, _) = filled(policy, MIDDLE, HOUR).await;
        pass(seconds(10)).await;
        world.cache.invalidate("KEY-1");
        world.quiet_for(seconds(1000)).await;
        let _question = world.call_asks_after(AT_ONCE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_not_held_is_not_rejected() {
    let mut world = World::new(RefreshPolicy::default());
    assert_eq!(world.cache.invalidate("KEY-1"), Rejection::NotCurrent);
    world.quiet_for(HOUR).await;
    let (mut world, _) = filled(RefreshPolicy::default(), MIDDLE, HOUR).await;
    assert_eq!(world.cache.invalidate("KEY-2"), Rejection::NotCurrent);
    assert_eq!(world.cache.status().stage, Stage::Fresh);
    world.quiet_for(seconds(2999)).await;
}

#[tokio::test(start_paused = true)]
async fn a_credential_is_rejected_once() {
    let (mut world, _) = filled(RefreshPolicy::default(), HIGHEST, TWELVE_HOURS).await;
    pass(seconds(10)).await;
    world.cache.invalidate("KEY-1");
    // 1, 2, 4 s after failures; rejections between them change nothing. Once one has failed for it, a repeat
    // would go out with the same key.
    for (number, pause) in all([0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0])
        .into_iter()
        .enumerate()
    {
        let said = if number == 0 {
            Rejection::Invalidated
        } else {
            Rejection::SameKeyAgain
        };
        assert_eq!(world.cache.invalidate("KEY-1"), said);
        assert_eq!(world.pauses([recoverable()]).await, [pause]);
    }
    // The value stays.
    let served = world.cache.credentials().now_or_never().unwrap().unwrap();
    assert_eq!(served.access_key_id(), "KEY-1");
    assert!(world.cache.status().invalidated);
}

#[tokio::test(start_paused = true)]
async fn a_rejection_ends_a_wait_that_no_failure_set() {
    // The same document came in the mandatory window: 30 s, but for the rejection.
    let (mut world, document) = filled(on_demand(), HIGHEST, HOUR).await;
    pass(seconds(3540)).await;
    call_brings(&mut world, document).await;
    assert_eq!(world.planned(), Some(seconds(30)));
    pass(seconds(1)).await;
    world.cache.invalidate("KEY-1");
    let _question = world.call_asks_after(AT_ONCE).await;
}

/// A terminal failure in the advisory window, of an attempt that began as one in the mandatory window, so
/// that there is no other on entering it: the wall clock jumped there and back.
async fn failed_after_entry(policy: RefreshPolicy) -> World {
    let (mut world, _) = filled(policy, HIGHEST, HOUR).await;
    pass(seconds(2750)).await;
    world.wall.step_forward(seconds(800));
    assert_eq!(world.cache.status().stage, Stage::Mandatory);
    let call = world.call_asks().await.expect("the call did not ask");
    world.wall.step_back(seconds(800));
    call.answer(Err(terminal()));
    settle().await;
    assert_eq!(world.cache.status().stage, Stage::Advisory);
    world
}

#[tokio::test(start_paused = true)]
async fn so_does_one_in_the_mandatory_window_whose_one_attempt_has_been_made() {
    let (mut world, document) = filled(RefreshPolicy::default(), MIDDLE, HOUR).await;
    pauses_with::<5>(&mut world, &document).await;
    assert_eq!(world.cache.status().stage, Stage::Mandatory);
    pass(seconds(1)).await;
    world.cache.invalidate("KEY-1");
    assert_eq!(world.asked_after().await.0, AT_ONCE, "without a call");
}

#[tokio::test(start_paused = true)]
async fn a_rejection_is_a_need_of_its_own_whatever_failed_before_it() {
    for since in [0, 5, 30, 200] {
        let mut world = failed_after_entry(on_demand()).await;
        assert_eq!(world.planned(), Some(seconds(600)));
        pass(seconds(since)).await;
        assert_eq!(world.cache.invalidate("KEY-1"), Rejection::Invalidated);
        // Who was rejected waits for its attempt, and is served from it.
        let caller = world.call();
        let call = world.gate.call().await;
        call.answer(Ok(world.session("KEY-2", HOUR)));
        assert_eq!(caller.await.unwrap().unwrap().access_key_id(), "KEY-2");
    }
    let (mut world, _) = filled(on_demand(), HIGHEST, HOUR).await;
    pass(seconds(3540)).await;
    world.call_fails(recoverable()).await;
    pass(MILLI * 20).await;
    world.cache.invalidate("KEY-1");
    let _question = world.call_asks_after(AT_ONCE).await;
}

#[tokio::test(start_paused = true)]
async fn nor_a_forced_refresh_that_failed_half_an_hour_ago() {
    let (mut world, _) = filled(RefreshPolicy::default(), MIDDLE, TWELVE_HOURS).await;
    pass(seconds(2)).await;
    let cache = world.cache.clone();
    let forced = tokio::spawn(async move { cache.refresh().await });
    world.gate.call().await.fail();
    assert!(forced.await.unwrap().is_err());
    // What failed is nobody's present need: no red light.
    let last = world.cache.status().last_error.unwrap();
    assert!(!last.for_present_need);
    pass(seconds(1800)).await;
    assert_eq!(world.cache.invalidate("KEY-1"), Rejection::Invalidated);
    let caller = world.call();
    let call = world.gate.call().await;
    settle().await;
    assert!(!caller.is_finished(), "it waits for its attempt");
    call.answer(Ok(world.session("KEY-2", HOUR)));
    assert_eq!(caller.await.unwrap().unwrap().access_key_id(), "KEY-2");
}

#[tokio::test(start_paused = true)]
async fn nor_an_attempt_that_was_under_way_and_brings_the_old_key_or_fails() {
    for fails in [false, true] {
        for policy in [RefreshPolicy::default(), on_demand()] {
            let (mut world, document) = filled(policy, MIDDLE, HOUR).await;
            pass(seconds(2)).await;
            let cache = world.cache.clone();
            let forced = tokio::spawn(async move { cache.refresh().await });
            let before = world.gate.call().await;
            assert_eq!(world.cache.invalidate("KEY-1"), Rejection::Invalidated);
            let rejected: Vec<_> = (0..50).map(|_| world.call()).collect();
            settle().await;
            if fails {
                before.fail();
            } else {
                before.answer(Ok(document));
            }
            let _ = forced.await.unwrap();
            let (pause, call) = world.asked_after().await;
            assert!(pause <= MILLI * 20, "asked again at once: {pause:?}");
            assert!(world.cache.status().invalidated);
            call.answer(Ok(world.session("KEY-2", HOUR)));
            for caller in rejected {
                assert_eq!(caller.await.unwrap().unwrap().access_key_id(), "KEY-2");
            }
            assert_eq!(world.gate.count(), 3);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_rejection_cuts_neither_a_fixed_wait_nor_those_of_aws() {
    let mut world = failed_after_entry(on_demand().backoff(Backoff::fixed(seconds(420)))).await;
    pass(seconds(5)).await;
    world.cache.invalidate("KEY-1");
    let _question = world.call_asks_after(seconds(415)).await;

    for (policy, pause) in [
        (RefreshPolicy::aws_spec(), 600),
        (
            RefreshPolicy::aws_spec().backoff(Backoff::fixed(seconds(420))),
            420,
        ),
    ] {
        let (mut world, _) = filled(policy, HIGHEST, HOUR).await;
        pass(seconds(2700)).await;
        world.call_fails(recoverable()).await;
        pass(seconds(5)).await;
        assert_eq!(world.cache.invalidate("KEY-1"), Rejection::Invalidated);
        let _question = world.call_asks_after(seconds(pause - 5)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_rejection_after_failures_is_one_attempt_at_once() {
    // It makes the credential mandatory, and what is mandatory is tried on entry whatever wait is in force.
    for policy in [
        RefreshPolicy::default(),
        RefreshPolicy::default().backoff(Backoff::fixed(seconds(420))),
    ] {
        let (mut world, _) = filled(policy, LOWEST, HOUR).await;
        assert_eq!(world.pauses([terminal()]).await, all([2700.0]));
        pass(seconds(5)).await;
        world.cache.invalidate("KEY-1");
        let (pause, _call) = world.asked_after().await;
        assert_eq!(pause, AT_ONCE);
    }
}

/// Rejects what is held and answers the refresh that follows.
async fn rejected_and_answered(world: &mut World, answer: &Credentials) {
    pass(seconds(1)).await;
    assert_eq!(world.cache.invalidate("KEY-1"), Rejection::Invalidated);
    let pauses = pauses_with::<1>(world, answer).await;
    assert_eq!(pauses, [AT_ONCE]);
}

#[tokio::test(start_paused = true)]
async fn a_rejected_key_that_comes_back_is_asked_for_again_within_five_to_ten_minutes() {
    for (jitter, pause) in [(LOWEST, 300), (MIDDLE, 450), (HIGHEST, 600)] {
        // Hours are left of the same document, and of one that ends later.
        for longer in [AT_ONCE, HOUR] {
            let (mut world, document) =
                filled(RefreshPolicy::default(), jitter, TWELVE_HOURS).await;
            let answer = session("KEY-1", document.expiry().unwrap() + longer);
            rejected_and_answered(&mut world, &answer).await;
            let status = world.cache.status();
            assert!(!status.invalidated);
            assert!(status.rejected_key_returned);
            assert_eq!(status.stage, Stage::Fresh);
            assert_eq!(status.generation, if longer.is_zero() { 1 } else { 2 });
            // And again, for as long as it comes back.
            let pauses = pauses_with::<3>(&mut world, &answer).await;
            assert_eq!(pauses, [seconds(pause); 3]);
            assert!(world.cache.status().rejected_key_returned);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_rejected_key_that_comes_back_never_waits_longer_than_it_would_have() {
    // 400 s less a second are left: half of them.
    let (mut world, document) = filled(RefreshPolicy::default(), HIGHEST, seconds(400)).await;
    rejected_and_answered(&mut world, &document).await;
    assert_eq!(world.planned(), Some(s(199.5)));
    // A later end, a new draw: L = 500 s less the window's third.
    let (mut world, document) = filled(RefreshPolicy::default(), HIGHEST, seconds(401)).await;
    let later = session("KEY-1", document.expiry().unwrap() + seconds(100));
    rejected_and_answered(&mut world, &later).await;
    assert_eq!(world.planned(), Some(seconds(400)));
}

#[tokio::test(start_paused = true)]
async fn a_rejected_key_without_expiry_is_asked_for_again_too() {
    let mut world = World::with_jitter(RefreshPolicy::default(), HIGHEST);
    let endless = Credentials::new("KEY-1", "secret", None, None, "test");
    drop(world.call());
    let (_, call) = world.asked_after().await;
    call.answer(Ok(endless.clone()));
    settle().await;
    rejected_and_answered(&mut world, &endless).await;
    assert_eq!(world.cache.status().generation, 1);
    assert_eq!(world.planned(), Some(seconds(600)));
    // A new one that never expires ends it.
    let (_, call) = world.asked_after().await;
    call.answer(Ok(Credentials::new("KEY-2", "secret", None, None, "test")));
    settle().await;
    assert_eq!(world.planned(), None);
}

#[tokio::test(start_paused = true)]
async fn rejecting_a_returned_key_again_changes_nothing_until_a_new_one_has_come() {
    for policy in [RefreshPolicy::default(), on_demand()] {
        let (mut world, document) = filled(policy, MIDDLE, TWELVE_HOURS).await;
        pass(seconds(1)).await;
        world.cache.invalidate("KEY-1");
        call_brings(&mut world, document).await;
        let planned = world.planned();
        assert_eq!(planned, Some(seconds(450)));
        assert_eq!(world.cache.invalidate("KEY-1"), Rejection::SameKeyAgain);
        assert_eq!(world.planned(), planned);
        assert!(!world.cache.status().invalidated);
        world.quiet_for(seconds(449)).await;
    }
    // Where calls drive, the first one then looks for another key, and is answered at once.
    for policy in [on_demand(), RefreshPolicy::aws_spec()] {
        for lifetime in [Some(TWELVE_HOURS), None] {
            let (mut world, document) = filled(policy, MIDDLE, TWELVE_HOURS).await;
            let document = lifetime.map_or_else(
                || Credentials::new("KEY-1", "secret", None, None, "test"),
                |_| document,
            );
            if lifetime.is_none() {
                pass(seconds(2)).await;
                let asked = tokio::spawn({
                    let cache = world.cache.clone();
                    async move { cache.refresh().await }
                });
                world.gate.call().await.answer(Ok(document.clone()));
                asked.await.unwrap().unwrap();
            }
            pass(seconds(1)).await;
            world.cache.invalidate("KEY-1");
            call_brings(&mut world, document).await;
            assert!(world.cache.status().rejected_key_returned);
            let pause = world.planned().unwrap();
            let _question = world.call_asks_after(pause).await;
            assert!(world.cache.current().is_some());
        }
    }
    let (mut world, document) = filled(RefreshPolicy::default(), MIDDLE, TWELVE_HOURS).await;
    rejected_and_answered(&mut world, &document).await;
    let new = world.session("KEY-2", TWELVE_HOURS);
    let pauses = pauses_with::<1>(&mut world, &new).await;
    assert_eq!(pauses, [seconds(450)]);
    assert!(!world.cache.status().rejected_key_returned);
    // L = 43,200 s less the 450 s that it took to come, less the middle of 1200–3600 s.
    assert_eq!(world.planned(), Some(seconds(40_350)));
    pass(seconds(1)).await;
    assert_eq!(world.cache.invalidate("KEY-2"), Rejection::Invalidated);
    let (pause, _call) = world.asked_after().await;
    assert_eq!(pause, AT_ONCE);
}

/// Endless keys, of which two were rejected; then the source is down.
#[tokio::test(start_paused = true)]
async fn keys_that_never_expire_are_replaced_at_the_same_pace() {
    let endless = |key: &str| Credentials::new(key, "secret", None, None, "test");
    let fixed = RefreshPolicy::default().backoff(Backoff::fixed(seconds(7)));
    for policy in [RefreshPolicy::default(), fixed] {
        for returned in [false, true] {
            let mut world = World::with_jitter(policy, MIDDLE);
            drop(world.call());
            world.gate.call().await.answer(Ok(endless("KEY-1")));
            settle().await;
            pass(seconds(2)).await;
            world.cache.invalidate("KEY-1");
            if returned {
                call_brings(&mut world, endless("KEY-1")).await;
            } else {
                call_brings(&mut world, endless("KEY-2")).await;
                world.cache.invalidate("KEY-2");
            }
            let before = world.gate.count();
            world.outage(seconds(1_200)).await;
            let asked = world.gate.count() - before;
            // 46 in ten minutes
            let most = if returned && policy == RefreshPolicy::default() {
                4
            } else {
                92
            };
            assert!((1..=most).contains(&asked), "{asked}, returned {returned}");
            assert!(world.planned().is_some(), "and goes on");
        }
    }
}

/// A forced refresh was under way when the key that it brings was taken for suspected.
#[tokio::test(start_paused = true)]
async fn an_attempt_of_before_puts_off_no_suspected_key() {
    let (mut world, _) = filled(RefreshPolicy::default(), MIDDLE, HOUR).await;
    pass(seconds(1)).await;
    world.cache.invalidate("KEY-1");
    let second = world.session("KEY-2", HOUR);
    call_brings(&mut world, second.clone()).await;
    pass(seconds(10)).await;
    let asked = tokio::spawn({
        let cache = world.cache.clone();
        async move { cache.refresh().await }
    });
    let call = world.gate.call().await;
    assert_eq!(world.cache.invalidate("KEY-2"), Rejection::Suspected);
    call.answer(Ok(second));
    asked.await.unwrap().unwrap();
    assert!(
        world.planned().unwrap() <= seconds(1),
        "{:?}",
        world.planned()
    );
}

/// A forced refresh was under way when the key that it brings was rejected, in the very same document.
#[tokio::test(start_paused = true)]
async fn an_attempt_of_before_puts_off_no_rejected_key() {
    let fixed = RefreshPolicy::default().backoff(Backoff::fixed(seconds(7)));
    let policies = [
        RefreshPolicy::default(),
        on_demand(),
        fixed,
        RefreshPolicy::aws_spec(),
    ];
    for policy in policies {
        let (mut world, document) = filled(policy, MIDDLE, HOUR).await;
        pass(seconds(10)).await;
        let cache = world.cache.clone();
        let forced = tokio::spawn(async move { cache.refresh().await });
        let under_way = world.gate.call().await;
        assert_eq!(world.cache.invalidate("KEY-1"), Rejection::Invalidated);
        let read = world.call();
        settle().await;
        under_way.answer(Ok(document));
        forced.await.unwrap().unwrap();
        let (after, call) = world.asked_after().await;
        assert!(after < seconds(1), "{policy:?}: {after:?}");
        call.answer(Ok(world.session("KEY-2", HOUR)));
        assert_eq!(read.await.unwrap().unwrap().access_key_id(), "KEY-2");
    }
}

/// So many keys are rejected, each two seconds after it came, and replaced.
async fn rejected_in_a_row(world: &mut World, keys: u32) {
    for number in 1..=keys {
        pass(seconds(2)).await;
        world.cache.invalidate(&format!("KEY-{number}"));
        let next = world.session(&format!("KEY-{}", number + 1), TWELVE_HOURS);
        pauses_with::<1>(world, &next).await;
    }
    pass(seconds(2)).await;
}

/// Seven keys were rejected in a row; the next is asked for in minutes.
#[tokio::test(start_paused = true)]
async fn a_forced_refresh_that_fails_shortens_no_pause_of_a_long_row() {
    for began_before in [false, true] {
        let (mut world, _) = filled(RefreshPolicy::default(), LOWEST, TWELVE_HOURS).await;
        rejected_in_a_row(&mut world, 6).await;
        let cache = world.cache.clone();
        let force = async move { cache.refresh().await };
        let (forced, call) = if began_before {
            let forced = tokio::spawn(force);
            let call = world.gate.call().await;
            assert_eq!(world.cache.invalidate("KEY-7"), Rejection::Suspected);
            (forced, call)
        } else {
            assert_eq!(world.cache.invalidate("KEY-7"), Rejection::Suspected);
            let forced = tokio::spawn(force);
            (forced, world.gate.call().await)
        };
        assert_eq!(world.cache.status().rejections_in_a_row, 7);
        call.answer(Err(recoverable()));
        forced.await.unwrap().unwrap_err();
        assert_eq!(world.planned(), Some(seconds(300)), "{began_before}");
    }
}

/// The third of a row, and an attempt that began before it was rejected.
#[tokio::test(start_paused = true)]
async fn nor_does_an_attempt_of_before_shorten_any_pause_of_a_row() {
    let (mut world, _) = filled(RefreshPolicy::default(), HIGHEST, TWELVE_HOURS).await;
    rejected_in_a_row(&mut world, 2).await;
    let cache = world.cache.clone();
    let forced = tokio::spawn(async move { cache.refresh().await });
    let call = world.gate.call().await;
    assert_eq!(world.cache.invalidate("KEY-3"), Rejection::Suspected);
    call.answer(Err(recoverable()));
    forced.await.unwrap().unwrap_err();
    assert_eq!(world.planned(), Some(seconds(2)), "as after three in a row");
}

#[tokio::test(start_paused = true)]
async fn a_row_of_rejected_keys_is_replaced_ever_less_often() {
    // Every key that comes is rejected in the same instant: by whom is not known, so it is served on.
    for (jitter, factor, long) in [(LOWEST, 0.5, 300.0), (HIGHEST, 1.0, 600.0)] {
        for policy in [
            RefreshPolicy::default(),
            RefreshPolicy::default().backoff(Backoff::fixed(seconds(7))),
        ] {
            let (mut world, _) = filled(policy, jitter, TWELVE_HOURS).await;
            pass(seconds(1)).await;
            let mut pauses = Vec::new();
            for number in 1..=8 {
                let key = format!("KEY-{number}");
                let said = world.cache.invalidate(&key);
                let status = world.cache.status();
                assert_eq!(status.rejections_in_a_row, number);
                if number == 1 {
                    assert_eq!(said, Rejection::Invalidated);
                } else {
                    assert_eq!(said, Rejection::Suspected);
                    assert_eq!(world.cache.invalidate(&key), Rejection::Suspected);
                    assert!(status.suspected && !status.invalidated);
                    assert_eq!(status.stage, Stage::Fresh);
                    // Nobody waits.
                    let served = world.cache.credentials().now_or_never().unwrap();
                    assert_eq!(served.unwrap().access_key_id(), key);
                    assert!(world.cache.current().is_some());
                }
                let (pause, call) = world.asked_after().await;
                pauses.push(pause);
                let next = world.session(&format!("KEY-{}", number + 1), TWELVE_HOURS);
                call.answer(Ok(next));
                settle().await;
            }
            let [one, two, four, eight] = [1.0, 2.0, 4.0, 8.0].map(|pause| pause * factor);
            let expected = [0.0, one, two, four, eight, long, long, long];
            assert_eq!(pauses, all(expected), "jitter {jitter}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn on_demand_a_suspected_key_is_replaced_by_the_first_call_after_its_pause() {
    for policy in [on_demand(), RefreshPolicy::aws_spec()] {
        let (mut world, _) = filled(policy, HIGHEST, TWELVE_HOURS).await;
        pass(seconds(1)).await;
        world.cache.invalidate("KEY-1");
        let second = world.session("KEY-2", TWELVE_HOURS);
        call_brings(&mut world, second).await;
        assert_eq!(world.cache.invalidate("KEY-2"), Rejection::Suspected);
        pass(MILLI * 999).await;
        assert!(world.call_asks().await.is_none());
        pass(MILLI).await;
        let served = world
            .cache
            .credentials()
            .now_or_never()
            .expect("nobody waits");
        assert_eq!(served.unwrap().access_key_id(), "KEY-2");
        settle().await;
        assert_eq!(world.gate.count(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn anybodys_success_ends_the_row() {
    let (mut world, _) = filled(RefreshPolicy::default(), HIGHEST, TWELVE_HOURS).await;
    pass(seconds(1)).await;
    world.cache.invalidate("KEY-1");
    let second = world.session("KEY-2", TWELVE_HOURS);
    assert_eq!(pauses_with::<1>(&mut world, &second).await, [AT_ONCE]);
    world.cache.accepted("KEY-1");
    assert_eq!(
        world.cache.status().rejections_in_a_row,
        1,
        "not the key in use"
    );
    world.cache.accepted("KEY-2");
    assert_eq!(world.cache.status().rejections_in_a_row, 0);
    pass(seconds(1)).await;
    assert_eq!(world.cache.invalidate("KEY-2"), Rejection::Invalidated);
    let third = world.session("KEY-3", HOUR);
    assert_eq!(pauses_with::<1>(&mut world, &third).await, [AT_ONCE]);
    // And so does a life that ended without a rejection.
    let fourth = world.session("KEY-4", 2 * HOUR);
    pauses_with::<1>(&mut world, &fourth).await;
    assert_eq!(world.cache.status().rejections_in_a_row, 0);
}

#[tokio::test(start_paused = true)]
async fn keys_that_are_accepted_and_rejected_in_turn_cost_46_attempts_in_ten_minutes_at_most() {
    let (mut world, _) = filled(RefreshPolicy::default(), MIDDLE, TWELVE_HOURS).await;
    let mut at = Vec::new();
    let end = Instant::now() + seconds(3000);
    let mut number = 1;
    while Instant::now() < end {
        let key = format!("KEY-{number}");
        world.cache.accepted(&key);
        world.cache.invalidate(&key);
        let (_, call) = world.asked_after().await;
        at.push(call.at);
        number += 1;
        let next = world.session(&format!("KEY-{number}"), TWELVE_HOURS);
        call.answer(Ok(next));
        settle().await;
    }
    for many in at.windows(47) {
        assert!(many[46] - many[0] >= seconds(600));
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_or_a_token_changed_in_place_is_a_new_credential() {
    let (mut world, document) = filled(RefreshPolicy::default(), MIDDLE, HOUR).await;
    let with = |secret: &str, token: &str, account: Option<&str>| {
        let mut changed = Credentials::builder()
            .access_key_id("KEY-1")
            .secret_access_key(secret)
            .session_token(token)
            .expiry(document.expiry().unwrap())
            .provider_name("test");
        if let Some(account) = account {
            changed = changed.account_id(account);
        }
        changed.build()
    };
    let (secret, token) = (
        document.secret_access_key().to_owned(),
        document.session_token().unwrap().to_owned(),
    );
    for (changed, generation) in [
        (with("mended", &token, None), 2),
        (with("mended", "another", None), 3),
        (with(&secret, &token, None), 4),
        // What only decorates comes from the newest answer.
        (with(&secret, &token, Some("123456789012")), 4),
    ] {
        pass(seconds(2)).await;
        let cache = world.cache.clone();
        let forced = tokio::spawn(async move { cache.refresh().await });
        world.gate.call().await.answer(Ok(changed.clone()));
        let served = forced.await.unwrap().unwrap();
        assert_eq!(served.secret_access_key(), changed.secret_access_key());
        assert_eq!(served.session_token(), changed.session_token());
        let status = world.cache.status();
        assert_eq!(status.generation, generation);
        let account = changed.account_id().map(|account| account.as_str());
        assert_eq!(status.account_id.as_deref(), account);
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_renews_ten_seconds_before_expiry_is_noticed_before_expiry() {
    for tenth in 0..=10 {
        for (lifetime, ahead) in [(900, 10), (3600, 10), (43_200, 10), (3600, 0), (60, 10)] {
            let jitter = f64::from(tenth) / 10.0;
            let mut world = World::with_jitter(RefreshPolicy::default(), jitter);
            let document = world.session("KEY-1", seconds(lifetime));
            let ends = Instant::now() + seconds(lifetime);
            drop(world.call());
            world.gate.call().await.answer(Ok(document.clone()));
            settle().await;
            let mut attempts = 0;
            loop {
                let (_, call) = world.asked_after().await;
                attempts += 1;
                if Instant::now() + seconds(ahead) >= ends {
                    let late = Instant::now().saturating_duration_since(ends);
                    let at_most = if ahead == 0 { seconds(1) } else { AT_ONCE };
                    assert!(late <= at_most, "{late:?} at jitter {jitter}");
                    call.answer(Ok(world.session("KEY-2", seconds(lifetime))));
                    break;
                }
                call.answer(Ok(document.clone()));
                settle().await;
            }
            assert!(attempts <= 10, "{attempts} in one window of {lifetime} s");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_changes_with_each_answer_is_no_reason_to_ask_more_often() {
    for lifetime in [60, 90, 900, 3600] {
        let (mut world, document) =
            filled(RefreshPolicy::default(), MIDDLE, seconds(lifetime)).await;
        let ends = Instant::now() + seconds(lifetime);
        for attempt in 1.. {
            let (_, call) = world.asked_after().await;
            if Instant::now() >= ends {
                call.answer(Ok(world.session("KEY-2", seconds(lifetime))));
                break;
            }
            assert!(attempt < 10, "{attempt} in one window of {lifetime} s");
            let mended = Credentials::new(
                "KEY-1",
                format!("mended-{attempt}"),
                document.session_token().map(str::to_owned),
                document.expiry(),
                "test",
            );
            call.answer(Ok(mended));
            settle().await;
            let served = world.cache.current().unwrap();
            assert_eq!(served.secret_access_key(), format!("mended-{attempt}"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_fails_and_brings_the_same_in_turn_is_asked_ten_times_in_a_window() {
    let failures: [fn() -> Error; 3] = [recoverable, throttled, terminal];
    for (lifetime, failure) in [5, 60, 300, 900, 3600, 43_200]
        .into_iter()
        .flat_map(|lifetime| failures.map(|failure| (seconds(lifetime), failure)))
    {
        for (jitter, in_turn) in [LOWEST, MIDDLE, HIGHEST]
            .into_iter()
            .flat_map(|jitter| (1..=6).map(move |in_turn| (jitter, in_turn)))
        {
            let (mut world, document) = filled(RefreshPolicy::default(), jitter, lifetime).await;
            let ends = Instant::now() + lifetime;
            for attempt in 1.. {
                let (_, call) = world.asked_after().await;
                if Instant::now() >= ends {
                    break;
                }
                assert!(
                    attempt <= 10,
                    "an eleventh in a window of {lifetime:?}, {in_turn} failures at a time, jitter {jitter}"
                );
                let brings = attempt % (in_turn + 1) == 0;
                call.answer(if brings {
                    Ok(document.clone())
                } else {
                    Err(failure())
                });
                settle().await;
            }
        }
    }
}

/// Two failures and the same document, in turn.
#[tokio::test(start_paused = true)]
async fn two_of_the_ten_are_kept_for_the_last_minute() {
    let (mut world, document) = filled(RefreshPolicy::default(), LOWEST, HOUR).await;
    let ends = Instant::now() + HOUR;
    let mut left = Vec::new();
    for attempt in 1.. {
        let (_, call) = world.asked_after().await;
        left.push(ends.saturating_duration_since(Instant::now()));
        if Instant::now() >= ends {
            break;
        }
        call.answer(if attempt % 3 == 0 {
            Ok(document.clone())
        } else {
            Err(recoverable())
        });
        settle().await;
    }
    // Half of what is left each time, to the eighth; one on entering the last minute, and one for a source that
    // renews late.
    let expected = [
        900.0, 899.5, 898.5, 449.25, 448.75, 447.75, 223.875, 223.375, 60.0, 9.0, 0.0,
    ];
    assert_eq!(left, all(expected));
}

#[tokio::test(start_paused = true)]
async fn forced_refreshes_take_nothing_of_the_ten() {
    // On demand: nothing but what is forced.
    let (mut world, document) = filled(on_demand(), HIGHEST, HOUR).await;
    pass(seconds(2800)).await;
    for number in 0..12 {
        pass(seconds(2)).await;
        let cache = world.cache.clone();
        let forced = tokio::spawn(async move { cache.refresh().await });
        let brings = number % 3 == 2;
        world.gate.call().await.answer(if brings {
            Ok(document.clone())
        } else {
            Err(recoverable())
        });
        assert_eq!(forced.await.unwrap().is_ok(), brings);
    }
    // Half of the 776 s that are left, and not only in the last minute.
    let _question = world.call_asks_after(seconds(388)).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_ends_sooner_is_not_taken_while_nothing_has_to_be_replaced() {
    let log = Log::default();
    let _guard = log.collecting(tracing::Level::WARN);
    let (mut world, _) = filled(RefreshPolicy::default(), MIDDLE, HOUR).await;
    for _ in 0..2 {
        pass(seconds(2)).await;
        let cache = world.cache.clone();
        let forced = tokio::spawn(async move { cache.refresh().await });
        let sooner = world.session("KEY-2", seconds(900));
        world.gate.call().await.answer(Ok(sooner));
        assert_eq!(forced.await.unwrap().unwrap().access_key_id(), "KEY-1");
    }
    assert_eq!(log.lines_with("end sooner than those held"), 1);
    // A rejection asks for any other.
    world.cache.invalidate("KEY-1");
    let sooner = world.session("KEY-2", seconds(900));
    pauses_with::<1>(&mut world, &sooner).await;
    assert_eq!(world.cache.status().key_id.as_deref(), Some("KEY-2"));
}

#[tokio::test(start_paused = true)]
async fn a_session_token_without_an_expiry_is_warned_of_once() {
    let log = Log::default();
    let _guard = log.collecting(tracing::Level::WARN);
    let mut world = World::new(RefreshPolicy::default());
    for number in 1..=2 {
        let cache = world.cache.clone();
        let forced = tokio::spawn(async move { cache.refresh().await });
        let endless =
            Credentials::new(format!("KEY-{number}"), "s", Some("t".into()), None, "test");
        world.gate.call().await.answer(Ok(endless));
        assert!(forced.await.unwrap().is_ok());
        pass(seconds(2)).await;
    }
    assert_eq!(log.lines_with("without its expiry"), 1);
}

#[tokio::test(start_paused = true)]
async fn attempts_keep_20_ms_apart_and_no_more_than_eight_come_in_a_second() {
    // Every key that comes is accepted by one service and rejected by another in the same instant, and lives
    // so short that no ten minutes are counted.
    let (mut world, _) = filled(RefreshPolicy::default(), MIDDLE, seconds(50)).await;
    let first = Instant::now();
    let mut starts = vec![AT_ONCE];
    for number in 1..16 {
        let key = format!("KEY-{number}");
        world.cache.accepted(&key);
        world.cache.invalidate(&key);
        let (_, call) = world.asked_after().await;
        starts.push(call.at - first);
        let next = world.session(&format!("KEY-{}", number + 1), seconds(50));
        call.answer(Ok(next));
        settle().await;
        // Nor does a clock that leaps make them more.
        world.wall.step_forward(seconds(60));
    }
    let expected: Vec<_> = (0..2)
        .flat_map(|second| (0..8).map(move |nth| (second, nth)))
        .map(|(second, nth)| seconds(second) + MILLI * 20 * nth)
        .collect();
    assert_eq!(starts, expected);
}
