//! After a failed attempt the source is left alone for as long as the table of pauses says, to the
//! millisecond, and then asked once.
//!
//! Where three figures stand together they belong to the lowest draw, the middle one and the highest.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/pace.rs"]
mod pace;
mod support;

use aws_credential_strategies::refresh::{Backoff, Stage};
use aws_credential_strategies::{Credentials, Error, RefreshMode, RefreshPolicy, Result};
use aws_smithy_async::time::TimeSource;
use futures_util::FutureExt;
use pace::{HIGHEST, JITTERS, LOWEST, MIDDLE, MILLI, all, recoverable, s, terminal, throttled};
use std::iter::repeat_with;
use std::time::Duration;
use support::{HOUR, World, pass, seconds, session, settle};
use tokio::time::Instant;

const DAY: Duration = Duration::from_secs(86_400);
const TWELVE_HOURS: Duration = Duration::from_secs(43_200);
/// No two attempts are closer together than 20 ms, and no more than eight come in a second.
const SPACING: Duration = Duration::from_millis(125);

fn on_demand() -> RefreshPolicy {
    RefreshPolicy::default().mode(RefreshMode::OnDemand)
}

fn fixed(pause: u64) -> RefreshPolicy {
    RefreshPolicy::default().backoff(Backoff::fixed(seconds(pause)))
}

/// A filled cache, at a point where the next attempt need not keep its distance from the first.
async fn filled(policy: RefreshPolicy, jitter: f64, lifetime: Duration) -> World {
    World::with_jitter(policy, jitter)
        .filled_in(Duration::ZERO, lifetime)
        .await
}

/// The pauses before as many attempts as are expected, from the first try on, each of which fails so.
async fn assert_pauses<const N: usize>(
    world: &mut World,
    failure: fn() -> Error,
    expected: [f64; N],
) {
    let pauses = world.pauses(repeat_with(failure).take(N)).await;
    assert_eq!(pauses, all(expected));
}

/// The same for a credential that a service rejects at once: mandatory from the start, no failures yet.
async fn assert_pauses_once_rejected<const N: usize>(
    (jitter, lifetime): (f64, Duration),
    failure: fn() -> Error,
    expected: [f64; N],
) {
    let mut world = filled(RefreshPolicy::default(), jitter, lifetime).await;
    pass(SPACING).await;
    world.cache.invalidate("KEY-1");
    assert_pauses(&mut world, failure, expected).await;
}

/// A refresh that is asked for out of turn.
async fn forced(world: &mut World, answer: Result<Credentials>) {
    let cache = world.cache.clone();
    let forced = tokio::spawn(async move { cache.refresh().await });
    let failed = answer.is_err();
    world.gate.call().await.answer(answer);
    assert_eq!(forced.await.unwrap().is_err(), failed);
}

#[tokio::test(start_paused = true)]
async fn in_the_advisory_window_two_short_pauses_then_quarters_of_the_time_until_it_is_urgent() {
    // An hour: A = 900 s, M = 60 s. ½–1 × 1 s, twice that, then ¼ of (left − 60 s) as it was at the third
    // failure, up to the attempt at 3540 s; from there, seven failures on, ½–1 × 30 s.
    let hour = |jitter| filled(RefreshPolicy::default(), jitter, HOUR);
    let lowest = [
        2700.0, 0.5, 1.0, 209.625, 209.625, 209.625, 209.625, 15.0, 15.0, 15.0, 15.0, 15.0,
    ];
    assert_pauses(&mut hour(LOWEST).await, recoverable, lowest).await;
    // ¼ of 537.75 s is 134.4375 s; the last one ends where the mandatory window begins.
    let middle = [
        3000.0, 0.75, 1.5, 134.438, 134.438, 134.438, 134.436, 22.5, 22.5, 22.5, 22.5,
    ];
    assert_pauses(&mut hour(MIDDLE).await, recoverable, middle).await;
    let highest = [
        3300.0, 1.0, 2.0, 59.25, 59.25, 59.25, 59.25, 30.0, 30.0, 30.0, 30.0,
    ];
    assert_pauses(&mut hour(HIGHEST).await, recoverable, highest).await;
}

#[tokio::test(start_paused = true)]
async fn the_quarter_is_at_least_four_seconds_or_an_eighth_of_a_short_window() {
    // L = 52 s: A = 39 s, M = 9.75 s. ¼ of 14 s is less than 4 s.
    let mut short = filled(RefreshPolicy::default(), MIDDLE, seconds(52)).await;
    let expected = [26.0, 0.75, 1.5, 4.0, 4.0, 4.0, 2.0, 19.5];
    assert_pauses(&mut short, recoverable, expected).await;
    // L = 32 s: A = 24 s, M = 6 s. ¼ of 7.75 s is less than A/8 = 3 s.
    let mut shorter = filled(RefreshPolicy::default(), MIDDLE, seconds(32)).await;
    let expected = [16.0, 0.75, 1.5, 3.0, 3.0, 1.75, 12.0];
    assert_pauses(&mut shorter, recoverable, expected).await;
}

#[tokio::test(start_paused = true)]
async fn in_a_very_short_window_the_first_pauses_are_a_sixteenth_of_it() {
    // L = 16 s: A = 12 s, M = 3 s, A/16 = 0.75 s; ¼ of 7.875 s is 1.96875 s.
    let mut lowest = filled(RefreshPolicy::default(), LOWEST, seconds(16)).await;
    let expected = [4.0, 0.375, 0.75, 1.969, 1.969, 1.969, 1.968, 4.0];
    assert_pauses(&mut lowest, recoverable, expected).await;
    // The second pause would be 1.5 s, and end after the mandatory window has opened.
    let mut highest = filled(RefreshPolicy::default(), HIGHEST, seconds(16)).await;
    let expected = [12.0, 0.75, 0.25, 4.0, 8.0, 8.0];
    assert_pauses(&mut highest, recoverable, expected).await;
}

#[tokio::test(start_paused = true)]
async fn throttled_the_first_two_pauses_are_five_times_as_long() {
    // The third is ¼ of (left − 60 s) as ever: of 832.5 s, 528.75 s, 225 s.
    for (jitter, expected) in [
        (LOWEST, [2700.0, 2.5, 5.0, 208.125, 208.125]),
        (MIDDLE, [3000.0, 3.75, 7.5, 132.188, 132.188]),
        (HIGHEST, [3300.0, 5.0, 10.0, 56.25, 56.25]),
    ] {
        let mut world = filled(RefreshPolicy::default(), jitter, HOUR).await;
        assert_pauses(&mut world, throttled, expected).await;
    }
    // L = 16 s: five times A/16 = 0.75 s; then A/8 = 1.5 s, and the rest until 3 s are left.
    let mut short = filled(RefreshPolicy::default(), LOWEST, seconds(16)).await;
    let expected = [4.0, 1.875, 3.75, 1.5, 1.5, 0.375];
    assert_pauses(&mut short, throttled, expected).await;
}

#[tokio::test(start_paused = true)]
async fn the_kind_of_the_last_failure_decides_and_the_count_goes_on() {
    let mut world = filled(RefreshPolicy::default(), HIGHEST, HOUR).await;
    let ends = [
        recoverable(),
        throttled(),
        recoverable(),
        throttled(),
        recoverable(),
    ];
    // ¼ of (289 − 60) s at the third.
    let expected = all([3300.0, 1.0, 10.0, 57.25, 57.25]);
    assert_eq!(world.pauses(ends).await, expected);
}

#[tokio::test(start_paused = true)]
async fn in_the_advisory_window_a_terminal_failure_is_followed_by_minutes() {
    // 300–600 s, but the attempt on entering the mandatory window comes at 3540 s; four failures on,
    // ½–1 × 8 s, 16 s, 30 s.
    for (jitter, expected) in [
        (LOWEST, [2700.0, 300.0, 300.0, 240.0, 4.0, 8.0, 15.0]),
        (MIDDLE, [3000.0, 450.0, 90.0, 3.0, 6.0, 12.0, 22.5]),
        (HIGHEST, [3300.0, 240.0, 2.0, 4.0, 8.0, 16.0, 30.0]),
    ] {
        let mut world = filled(RefreshPolicy::default(), jitter, HOUR).await;
        assert_pauses(&mut world, terminal, expected).await;
    }
}

#[tokio::test(start_paused = true)]
async fn or_by_a_sixth_of_a_long_window() {
    // A = 3600 s: 600 s, whatever jitter says.
    for (jitter, first) in [(LOWEST, 39_600.0), (MIDDLE, 40_800.0), (HIGHEST, 42_000.0)] {
        let mut world = filled(RefreshPolicy::default(), jitter, TWELVE_HOURS).await;
        assert_pauses(&mut world, terminal, [first, 600.0]).await;
    }
    // A = 7200 s: 1200 s. A = 2400 s: 400 s, more than the lowest 300 s.
    for (window, jitter, expected) in [
        (7200, HIGHEST, [40_800.0, 1200.0]),
        (2400, LOWEST, [40_800.0, 400.0]),
        (2400, MIDDLE, [41_600.0, 450.0]),
    ] {
        let policy = RefreshPolicy::default().advisory_window(seconds(window));
        let mut world = filled(policy, jitter, TWELVE_HOURS).await;
        assert_pauses(&mut world, terminal, expected).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_just_short_of_the_mandatory_window_waits_for_it() {
    // A pause of 1 s, and an eighth of it: with 1.125 s until the window, the two attempts become one.
    for (until_window, expected) in [(1.125, 1.125), (1.126, 1.0), (0.5, 0.5)] {
        let mut world = filled(on_demand(), HIGHEST, HOUR).await;
        pass(seconds(3540) - s(until_window)).await;
        world.call_fails(recoverable()).await;
        assert_eq!(world.planned(), Some(s(expected)), "{until_window} s");
    }
}

#[tokio::test(start_paused = true)]
async fn entering_the_mandatory_window_is_one_attempt_whatever_pause_is_in_force() {
    let mut world = filled(fixed(420), HIGHEST, HOUR).await;
    assert_pauses(&mut world, recoverable, [3300.0, 240.0, 420.0]).await;
    assert_eq!(world.gate.count(), 4);
    // On demand it is the first call in the window that asks, and only the first.
    let policy = fixed(420).mode(RefreshMode::OnDemand);
    let mut world = filled(policy, HIGHEST, HOUR).await;
    pass(seconds(3300)).await;
    world.call_fails(recoverable()).await;
    let call = world.call_asks_after(seconds(240)).await;
    call.answer(Err(recoverable()));
    settle().await;
    let _question = world.call_asks_after(seconds(420)).await;
    assert_eq!(world.gate.count(), 4);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_while_the_clock_was_ahead_is_not_that_one() {
    // 900 s of life: urgent from 840 s on. At 500 s the wall clock is ahead by 370 s, for one attempt.
    for (policy, attempts) in [(RefreshPolicy::default(), 2), (fixed(420), 1)] {
        let mut world = filled(policy, HIGHEST, seconds(900)).await;
        pass(seconds(500)).await;
        world.wall.step_forward(seconds(370));
        world.call_fails(recoverable()).await;
        assert_eq!(world.cache.status().stage, Stage::Mandatory);
        world.wall.step_back(seconds(370));
        let mut until_urgent = s(340.0);
        for _ in 1..attempts {
            let (pause, call) = world.asked_after().await;
            call.answer(Err(recoverable()));
            settle().await;
            until_urgent -= pause;
        }
        assert_eq!(world.cache.status().stage, Stage::Fresh);
        let (pause, call) = world.asked_after().await;
        assert_eq!(pause, until_urgent);
        // Nor is it made twice.
        call.answer(Err(recoverable()));
        settle().await;
        assert!(world.planned().unwrap() >= seconds(1));
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_in_the_window_is_that_one_unless_the_clock_is_set_back_before_it() {
    for (back, again) in [(0, false), (20, false), (31, true)] {
        // 30 s into the window.
        let mut world = filled(fixed(420), HIGHEST, seconds(900)).await;
        pass(seconds(500)).await;
        world.wall.step_forward(seconds(370));
        world.call_fails(recoverable()).await;
        world.wall.step_back(seconds(back));
        let at_once = world.planned() == Some(seconds(back.saturating_sub(30)));
        assert_eq!(at_once, again, "{back} s back");
    }
}

#[tokio::test(start_paused = true)]
async fn once_mandatory_pauses_double_from_one_second_to_thirty() {
    let lowest = [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0];
    let middle = [0.0, 0.75, 1.5, 3.0, 6.0, 12.0, 22.5, 22.5];
    let highest = [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0];
    for failure in [recoverable, terminal] {
        for (jitter, expected) in [(LOWEST, lowest), (MIDDLE, middle), (HIGHEST, highest)] {
            assert_pauses_once_rejected((jitter, TWELVE_HOURS), failure, expected).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn throttled_from_five_seconds() {
    for (jitter, expected) in [
        (LOWEST, [0.0, 2.5, 5.0, 10.0, 15.0, 15.0]),
        (MIDDLE, [0.0, 3.75, 7.5, 15.0, 22.5, 22.5]),
        (HIGHEST, [0.0, 5.0, 10.0, 20.0, 30.0, 30.0]),
    ] {
        assert_pauses_once_rejected((jitter, TWELVE_HOURS), throttled, expected).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_pauses_stay_at_thirty_seconds_however_long_it_lasts() {
    let mut world = filled(RefreshPolicy::default(), HIGHEST, TWELVE_HOURS).await;
    pass(SPACING).await;
    world.cache.invalidate("KEY-1");
    let pauses = world.pauses(repeat_with(recoverable).take(106)).await;
    // 0, 1, 2, 4, 8, 16 s, and a hundred more; nobody called, but what is valid is never idle.
    assert_eq!(pauses[6..], all([30.0; 100]));
}

#[tokio::test(start_paused = true)]
async fn below_a_minute_of_life_the_pauses_end_at_half_of_it() {
    for (lifetime, expected) in [
        (60, [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]),
        (59, [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 29.5, 29.5]),
        (30, [0.0, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0]),
        (8, [0.0, 1.0, 2.0, 4.0, 4.0, 4.0, 4.0, 4.0]),
        (3, [0.0, 1.0, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5]),
        // Never less than a second.
        (1, [0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]),
    ] {
        assert_pauses_once_rejected((HIGHEST, seconds(lifetime)), recoverable, expected).await;
    }
}

#[tokio::test(start_paused = true)]
async fn expired_credentials_keep_the_pace_of_the_mandatory_window() {
    // The first call comes in the last minute: 1, 2, 4, 8, 16 s, then over the expiry at 60 s every 30 s.
    let mut world = filled(on_demand(), HIGHEST, HOUR).await;
    pass(seconds(3540)).await;
    world.call_fails(recoverable()).await;
    for pause in all([1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]) {
        let call = world.call_asks_after(pause).await;
        call.answer(Err(recoverable()));
        settle().await;
    }
    assert_eq!(world.cache.status().stage, Stage::Expired);
    assert_eq!(world.gate.count(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_first_failure_after_expiry_is_followed_by_a_second_or_five() {
    for (failure, pause) in [(recoverable(), 1), (terminal(), 1), (throttled(), 5)] {
        let mut world = filled(on_demand(), HIGHEST, HOUR).await;
        pass(2 * HOUR).await;
        world.call_fails(failure).await;
        let _question = world.call_asks_after(seconds(pause)).await;
    }
}

/// Fails every attempt on a session of a minute until a pause is longer than 30 s; when, from the start,
/// the attempt before it was, and how long the pause is. The next attempt is under way then.
async fn until_idle(world: &mut World) -> (Duration, Duration) {
    let start = Instant::now();
    loop {
        let before = start.elapsed();
        let (pause, call) = world.asked_after().await;
        call.fail();
        settle().await;
        if before > seconds(60) && pause > seconds(30) {
            return (before, pause);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn expired_for_ten_minutes_without_a_caller_the_source_is_asked_every_five_to_ten() {
    for (jitter, pause) in [(LOWEST, 300), (MIDDLE, 450), (HIGHEST, 600)] {
        let mut world = filled(RefreshPolicy::default(), jitter, seconds(60)).await;
        let (_, first) = until_idle(&mut world).await;
        let pauses = world.pauses(repeat_with(recoverable).take(3)).await;
        assert_eq!(first, seconds(pause));
        assert_eq!(pauses, vec![seconds(pause); 3]);
    }
    // 45, 46, 48 s in the advisory window, 48.75 s on entering the next, then 8, 16 and each 30 s on: the
    // first attempt later than 60 + 600 s is the one at 672.75 s.
    let mut world = filled(RefreshPolicy::default(), HIGHEST, seconds(60)).await;
    let (last_pressing, _) = until_idle(&mut world).await;
    assert_eq!(last_pressing, s(672.75));
    assert_eq!(
        world.gate.count(),
        28,
        "the first, 26 until then, and one idle"
    );
}

/// A metadata service in static stability, that moves the expiry of what it serves along with the clock.
#[tokio::test(start_paused = true)]
async fn so_it_is_where_each_answer_has_expired_already() {
    for cold in [false, true] {
        let mut world = World::with_jitter(RefreshPolicy::default(), MIDDLE);
        if cold {
            drop(world.call());
        } else {
            world = filled(RefreshPolicy::default(), MIDDLE, seconds(60)).await;
        }
        let mut last = seconds(0);
        let until = Instant::now() + seconds(3600);
        while Instant::now() < until {
            let (pause, call) = world.asked_after().await;
            let expiry = world.wall.now() - seconds(1);
            call.answer(Ok(session("KEY-OLD", expiry)));
            settle().await;
            last = pause;
        }
        assert_eq!(last, seconds(450), "cold: {cold}");
        assert_eq!(world.cache.status().stage, Stage::Expired);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_brings_the_pace_of_a_need_back() {
    // A pause of 30 s was in force behind the long one: a call within it moves the timer there.
    let mut world = filled(RefreshPolicy::default(), HIGHEST, seconds(60)).await;
    until_idle(&mut world).await;
    assert_eq!(world.planned(), Some(seconds(600)));
    pass(seconds(10)).await;
    assert!(world.call_asks().await.is_none());
    assert_eq!(world.planned(), Some(seconds(20)));
    assert_pauses(&mut world, recoverable, [20.0, 30.0, 30.0]).await;

    // A call after those 30 s asks at once.
    let mut world = filled(RefreshPolicy::default(), HIGHEST, seconds(60)).await;
    until_idle(&mut world).await;
    pass(seconds(30)).await;
    world.call_fails(recoverable()).await;
    assert_pauses(&mut world, recoverable, [30.0, 30.0]).await;
    // The last call was a minute ago: ten minutes after it, the long pauses are back.
    let pauses = world.pauses(repeat_with(recoverable).take(20)).await;
    assert_eq!(pauses[..19], all([30.0; 19]));
    assert_eq!(pauses[19], seconds(600));
}

#[tokio::test(start_paused = true)]
async fn so_does_a_rejection() {
    let mut world = filled(RefreshPolicy::default(), HIGHEST, seconds(60)).await;
    until_idle(&mut world).await;
    pass(seconds(10)).await;
    world.cache.invalidate("KEY-1");
    // A new need: at once. Nobody has called since, so it is 600 s from there.
    assert_pauses(&mut world, recoverable, [0.0, 600.0]).await;
}

/// What an empty cache does after each failure of this kind, driven by calls.
async fn assert_cold_pauses<const N: usize>(
    (policy, jitter): (RefreshPolicy, f64),
    failure: fn() -> Error,
    expected: [f64; N],
) {
    let mut world = World::with_jitter(policy, jitter);
    world.call_fails(failure()).await;
    for pause in all(expected) {
        let call = if pause.is_zero() {
            assert_eq!(world.planned(), None);
            pass(SPACING).await;
            world.call_asks().await.expect("a free attempt")
        } else {
            assert_eq!(world.planned(), Some(pause));
            let repeated = world.cache.credentials().now_or_never();
            let repeated = repeated.expect("the pause is no wait").unwrap_err();
            assert_eq!(repeated.kind(), failure().kind());
            world.call_asks_after(pause).await
        };
        call.answer(Err(failure()));
        settle().await;
    }
    assert_eq!(world.gate.count(), 1 + N as u64);
}

#[tokio::test(start_paused = true)]
async fn with_nothing_cached_two_failures_are_free_then_pauses_double_to_thirty_seconds() {
    let lowest = [0.0, 0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0];
    let middle = [0.0, 0.0, 0.75, 1.5, 3.0, 6.0, 12.0, 22.5, 22.5];
    let highest = [0.0, 0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0];
    for failure in [recoverable, throttled] {
        for (jitter, expected) in [(LOWEST, lowest), (MIDDLE, middle), (HIGHEST, highest)] {
            assert_cold_pauses((RefreshPolicy::default(), jitter), failure, expected).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn with_nothing_cached_a_terminal_failure_is_repeated_for_seconds() {
    // 1–5 s, then ½–1 × 5 s, doubling to 30 s.
    for (jitter, expected) in [
        (LOWEST, [1.0, 2.5, 5.0, 10.0, 15.0, 15.0]),
        (MIDDLE, [3.0, 3.75, 7.5, 15.0, 22.5, 22.5]),
        (HIGHEST, [5.0, 5.0, 10.0, 20.0, 30.0, 30.0]),
    ] {
        assert_cold_pauses((RefreshPolicy::default(), jitter), terminal, expected).await;
    }
}

#[tokio::test(start_paused = true)]
async fn with_nothing_cached_nobody_asks_but_callers() {
    for failures in 1..=4 {
        let mut world = World::new(RefreshPolicy::default());
        for _ in 0..failures {
            pass(seconds(30)).await;
            world.call_fails(recoverable()).await;
        }
        world.quiet_for(DAY).await;
        assert!(world.call_asks().await.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn a_fixed_pause_stands_in_for_all_others() {
    for failure in [recoverable, throttled, terminal] {
        for (jitter, first) in [(LOWEST, 2700.0), (MIDDLE, 3000.0), (HIGHEST, 3300.0)] {
            let mut world = filled(fixed(70), jitter, HOUR).await;
            assert_pauses(&mut world, failure, [first, 70.0, 70.0]).await;
        }
        // It puts off neither the first try nor the attempt on entering the mandatory window, at 3540 s.
        let mut world = filled(fixed(100), HIGHEST, HOUR).await;
        let expected = [3300.0, 100.0, 100.0, 40.0, 100.0, 100.0, 100.0];
        assert_pauses(&mut world, failure, expected).await;
    }
    // Where nothing is cached two failures are free all the same; a terminal one is not.
    let chosen = (fixed(7), HIGHEST);
    assert_cold_pauses(chosen, recoverable, [0.0, 0.0, 7.0, 7.0, 7.0]).await;
    assert_cold_pauses(chosen, terminal, [7.0, 7.0, 7.0]).await;
}

#[tokio::test(start_paused = true)]
async fn a_fixed_pause_holds_for_what_nobody_asks_for() {
    // A session of a minute, expired for an hour and more: neither every 600 s nor every 30 s.
    let mut world = filled(fixed(3600), HIGHEST, seconds(60)).await;
    let expected = [45.0, 3.75, 3600.0, 3600.0, 3600.0];
    assert_pauses(&mut world, recoverable, expected).await;
    let mut world = filled(fixed(20), HIGHEST, seconds(60)).await;
    let pauses = world.pauses(repeat_with(recoverable).take(50)).await;
    assert_eq!(pauses[2..], all([20.0; 48]));
}

#[tokio::test(start_paused = true)]
async fn a_fixed_pause_may_be_longer_than_clocks_reach() {
    let policy = RefreshPolicy::default().backoff(Backoff::fixed(Duration::MAX));
    let mut world = filled(policy, HIGHEST, HOUR).await;
    assert_pauses(&mut world, recoverable, [3300.0, 240.0]).await;
    // Ten years of 365 days.
    assert_eq!(world.planned(), Some(seconds(315_360_000)));
}

#[tokio::test(start_paused = true)]
async fn under_the_rules_of_aws_every_failure_is_followed_by_five_to_ten_minutes() {
    // Over all stages: advisory from 2700 s, mandatory from 3540 s, expired from 3600 s.
    for (jitter, pause) in [(LOWEST, 300), (MIDDLE, 450), (HIGHEST, 600)] {
        for failure in [recoverable, throttled] {
            let mut world = filled(RefreshPolicy::aws_spec(), jitter, HOUR).await;
            pass(seconds(2700)).await;
            world.call_fails(failure()).await;
            for _ in 0..5 {
                let call = world.call_asks_after(seconds(pause)).await;
                call.answer(Err(failure()));
                settle().await;
            }
            world.quiet_for(DAY).await;
        }
    }
    // Entering the mandatory window changes nothing, even if it is the first failure there.
    let mut world = filled(RefreshPolicy::aws_spec(), LOWEST, HOUR).await;
    pass(seconds(3539)).await;
    world.call_fails(recoverable()).await;
    let _question = world.call_asks_after(seconds(300)).await;
}

#[tokio::test(start_paused = true)]
async fn under_the_rules_of_aws_the_pause_holds_from_the_fresh_stage_on() {
    let mut world = filled(RefreshPolicy::aws_spec(), LOWEST, HOUR).await;
    pass(seconds(2600)).await;
    forced(&mut world, Err(recoverable())).await;
    let _question = world.call_asks_after(seconds(300)).await;
}

#[tokio::test(start_paused = true)]
async fn under_the_rules_of_aws_a_fixed_pause_replaces_it_where_something_is_cached() {
    let policy = RefreshPolicy::aws_spec().backoff(Backoff::fixed(seconds(420)));
    for age in [2700, 3540, 3600] {
        let mut world = filled(policy, HIGHEST, HOUR).await;
        pass(seconds(age)).await;
        world.call_fails(recoverable()).await;
        let _question = world.call_asks_after(seconds(420)).await;
    }
    assert_cold_pauses((policy, HIGHEST), recoverable, [0.0; 8]).await;
}

#[tokio::test(start_paused = true)]
async fn under_the_rules_of_aws_an_empty_cache_is_never_paced() {
    for jitter in JITTERS {
        let aws = (RefreshPolicy::aws_spec(), jitter);
        assert_cold_pauses(aws, recoverable, [0.0; 12]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn under_the_rules_of_aws_a_terminal_error_is_raised_again_for_seconds() {
    for (jitter, pause) in [(LOWEST, 1.0), (MIDDLE, 3.0), (HIGHEST, 5.0)] {
        let aws = RefreshPolicy::aws_spec();
        assert_cold_pauses((aws, jitter), terminal, [pause; 4]).await;
        for policy in [aws, aws.backoff(Backoff::fixed(seconds(420)))] {
            for age in [2700, 3540, 3600] {
                let mut world = filled(policy, jitter, HOUR).await;
                pass(seconds(age)).await;
                world.call_fails(terminal()).await;
                let raised = world.cache.credentials().now_or_never().unwrap();
                assert!(raised.unwrap_err().is_terminal());
                let _question = world.call_asks_after(s(pause)).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_wall_clock_set_forward_ends_a_pause_but_not_within_a_quarter_of_a_second() {
    // A service rejected the key; one failure, a pause of 1 s.
    for ahead in [1, 5000] {
        let mut world = filled(on_demand(), HIGHEST, TWELVE_HOURS).await;
        pass(SPACING).await;
        world.cache.invalidate("KEY-1");
        world.call_fails(recoverable()).await;
        world.wall.step_forward(seconds(ahead));
        let _question = world.call_asks_after(s(0.25)).await;
    }
    // Not far enough: 0.6 s of the second are left.
    let mut world = filled(on_demand(), HIGHEST, TWELVE_HOURS).await;
    pass(SPACING).await;
    world.cache.invalidate("KEY-1");
    world.call_fails(recoverable()).await;
    world.wall.step_forward(s(0.4));
    let _question = world.call_asks_after(s(0.6)).await;
}

#[tokio::test(start_paused = true)]
async fn a_wall_clock_set_back_makes_no_pause_longer() {
    let mut world = filled(RefreshPolicy::default(), HIGHEST, HOUR).await;
    assert_pauses(&mut world, recoverable, [3300.0, 1.0, 2.0]).await;
    world.wall.step_back(DAY);
    assert_pauses(&mut world, recoverable, [59.25, 59.25, 59.25, 59.25, 30.0]).await;
}

#[tokio::test(start_paused = true)]
async fn the_timer_notices_within_a_minute_that_the_wall_clock_ended_a_pause() {
    let mut world = filled(RefreshPolicy::default(), LOWEST, HOUR).await;
    assert_pauses(&mut world, recoverable, [2700.0, 0.5, 1.0]).await;
    // 209.625 s from here, read again at 60, 120, 180 s.
    pass(seconds(70)).await;
    world.wall.step_forward(seconds(200));
    assert_pauses(&mut world, recoverable, [50.0]).await;
}

#[tokio::test(start_paused = true)]
async fn a_forced_refresh_that_fails_long_before_expiry_changes_no_plan() {
    for failure in [recoverable, throttled, terminal] {
        let mut world = filled(RefreshPolicy::default(), MIDDLE, HOUR).await;
        pass(seconds(1000)).await;
        forced(&mut world, Err(failure())).await;
        assert_eq!(world.planned(), Some(seconds(2000)));
        // It counts: the next failure is the second.
        let (pause, call) = world.asked_after().await;
        call.fail();
        settle().await;
        assert_eq!(pause, seconds(2000));
        assert_pauses(&mut world, recoverable, [1.5]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_planned_attempt_that_fails_long_before_expiry_is_followed_by_minutes() {
    // A forced refresh brought the same document, so the next attempt comes after half of what is left.
    for (jitter, pause) in [(LOWEST, 300.0), (MIDDLE, 450.0), (HIGHEST, 600.0)] {
        for failure in [recoverable, throttled, terminal] {
            let mut world = filled(RefreshPolicy::default(), jitter, TWELVE_HOURS).await;
            let expiry = world.cache.status().expires_at.unwrap();
            pass(seconds(1200)).await;
            forced(&mut world, Ok(session("KEY-1", expiry))).await;
            assert_pauses(&mut world, failure, [21_000.0, pause, pause]).await;
            assert_eq!(world.cache.status().stage, Stage::Fresh);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_success_starts_the_count_and_the_quarter_anew() {
    let mut world = filled(RefreshPolicy::default(), HIGHEST, HOUR).await;
    assert_pauses(&mut world, recoverable, [3300.0, 1.0, 2.0, 59.25]).await;
    let (pause, call) = world.asked_after().await;
    assert_eq!(pause, s(59.25));
    call.answer(Ok(world.session("KEY-2", seconds(600))));
    settle().await;
    assert_eq!(world.cache.status().consecutive_failures, 0);
    // L = 600 s, first try at 500 s; ¼ of (97 − 60) s.
    let expected = [500.0, 1.0, 2.0, 9.25, 9.25, 9.25, 9.25, 30.0];
    assert_pauses(&mut world, recoverable, expected).await;
}

#[tokio::test(start_paused = true)]
async fn an_expired_document_in_an_empty_cache_is_retried_like_a_failure_after_expiry() {
    // Its lifetime of nothing does not shorten the pauses.
    let mut world = World::with_jitter(RefreshPolicy::default(), HIGHEST);
    let expired = |world: &World, number| session(&format!("KEY-{number}"), world.wall.now());
    drop(world.call());
    let (_, call) = world.asked_after().await;
    call.answer(Ok(expired(&world, 1)));
    settle().await;
    assert_eq!(world.cache.status().consecutive_failures, 1);
    let expected = [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0];
    assert_pauses(&mut world, recoverable, expected).await;
}

#[tokio::test(start_paused = true)]
async fn whoever_calls_within_a_minute_of_a_failure_after_expiry_does_not_wait() {
    for (age, waits) in [(s(59.999), false), (seconds(60), true)] {
        let mut world = filled(on_demand(), HIGHEST, HOUR).await;
        pass(HOUR).await;
        world.call_fails(recoverable()).await;
        pass(age).await;
        let answer = world.cache.credentials().now_or_never();
        assert_eq!(answer.is_none(), waits, "{age:?} after");
        pass(MILLI).await;
        assert_eq!(world.gate.count(), 3, "it asks either way");
    }
}

#[tokio::test(start_paused = true)]
async fn what_never_expires_is_not_asked_for_again_after_a_forced_refresh_failed() {
    for policy in [RefreshPolicy::default(), fixed(7)] {
        let mut world = World::new(policy);
        let first = world.call();
        let for_ever = Credentials::new("KEY-1", "secret", None, None, "test");
        world.gate.call().await.answer(Ok(for_ever));
        first.await.unwrap().unwrap();
        pass(seconds(2)).await;
        let cache = world.cache.clone();
        let forced = tokio::spawn(async move { cache.refresh().await });
        world.gate.call().await.answer(Err(recoverable()));
        assert!(forced.await.unwrap().is_err());
        assert_eq!(world.planned(), None);
        world.quiet_for(DAY).await;
        // A rejection makes it due.
        world.cache.invalidate("KEY-1");
        assert!(world.asked_after().await.0 < SPACING);
    }
}
