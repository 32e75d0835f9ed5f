//! A new credential is replaced at a point drawn within its advisory window, and not before; how long that
//! window is, and what stage a moment falls in, is exact on both clocks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/pace.rs"]
mod pace;
mod support;

use aws_credential_strategies::refresh::Stage;
use aws_credential_strategies::{Credentials, RefreshMode, RefreshPolicy};
use aws_smithy_async::time::TimeSource;
use pace::{HIGHEST, LOWEST, Log, MIDDLE, MILLI, NANO, all, first_tries, s};
use std::time::{Duration, UNIX_EPOCH};
use support::{HOUR, World, pass, seconds, session, settle};

const AT_ONCE: Duration = Duration::ZERO;
const DAY: Duration = Duration::from_secs(86_400);

fn on_demand() -> RefreshPolicy {
    RefreshPolicy::default().mode(RefreshMode::OnDemand)
}

/// The advisory window of a session of this length.
async fn window_of(policy: RefreshPolicy, lifetime: Duration) -> Option<Duration> {
    let world = World::new(policy).filled_in(AT_ONCE, lifetime).await;
    world.cache.status().advisory_window
}

#[tokio::test(start_paused = true)]
async fn the_first_try_is_drawn_between_the_advisory_window_and_a_third_of_it() {
    // [E − A, E − A/3]; A = 5 min up to 20 min, 15 min below 90 min, else 60 min.
    for (lifetime, expected) in [
        (600, [300.0, 400.0, 500.0]),
        (1200, [900.0, 1000.0, 1100.0]),
        (1201, [301.0, 601.0, 901.0]),
        (3600, [2700.0, 3000.0, 3300.0]),
        (5399, [4499.0, 4799.0, 5099.0]),
        (5400, [1800.0, 3000.0, 4200.0]),
        (43_200, [39_600.0, 40_800.0, 42_000.0]),
    ] {
        let drawn = first_tries(RefreshPolicy::default(), AT_ONCE, seconds(lifetime)).await;
        assert_eq!(drawn, all(expected), "lifetime {lifetime} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_window_is_never_more_than_three_quarters_of_the_lifetime() {
    // 5 min are three quarters of 400 s: below, A = ¾ L, so the draw is from [L/4, ¾ L].
    for (lifetime, expected) in [
        (401, [101.0, 201.0, 301.0]),
        (400, [100.0, 200.0, 300.0]),
        (399, [99.75, 199.5, 299.25]),
        (60, [15.0, 30.0, 45.0]),
        (8, [2.0, 4.0, 6.0]),
    ] {
        let drawn = first_tries(RefreshPolicy::default(), AT_ONCE, seconds(lifetime)).await;
        assert_eq!(drawn, all(expected), "lifetime {lifetime} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_configured_window_overrides_the_tier_and_is_clamped_like_it() {
    // (window, lifetime): the draw from [E − A, E − max(A/3, M)], M = min(60 s, A/4).
    for (window, lifetime, expected) in [
        (600, 3600, [3000.0, 3200.0, 3400.0]),
        // A/4 = 12 s is the mandatory window, A/3 = 16 s the reserve.
        (48, 3600, [3552.0, 3568.0, 3584.0]),
        // Wider than the tier's 15 min, and no clamp: A/3 = 800 s.
        (2400, 3600, [1200.0, 2000.0, 2800.0]),
        (2700, 3600, [900.0, 1800.0, 2700.0]),
        // Clamped to ¾ of an hour: A/3 = 900 s.
        (2701, 3600, [900.0, 1800.0, 2700.0]),
        (3600, 3600, [900.0, 1800.0, 2700.0]),
        (86_400, 3600, [900.0, 1800.0, 2700.0]),
    ] {
        let policy = RefreshPolicy::default().advisory_window(seconds(window));
        let drawn = first_tries(policy, AT_ONCE, seconds(lifetime)).await;
        assert_eq!(drawn, all(expected), "window {window} s");
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_slow_fetch_the_draw_leaves_room_for_one_twice_as_slow() {
    // L = 600 s: A = 300 s, A/3 = 100 s, M = 60 s; M + 2 × 25 s = 110 s comes first.
    let slow = first_tries(RefreshPolicy::default(), seconds(25), seconds(600)).await;
    assert_eq!(slow, all([300.0, 395.0, 490.0]));
    // M + 2 × 20 s is A/3.
    let limit = first_tries(RefreshPolicy::default(), seconds(20), seconds(600)).await;
    assert_eq!(limit, all([300.0, 400.0, 500.0]));
    let above = first_tries(RefreshPolicy::default(), s(20.001), seconds(600)).await;
    assert_eq!(above, all([300.0, 399.999, 499.998]));
    // L = 60 s: A = 45 s, M = 11.25 s; M + 2 × 20 s is more than A, and E − A is the earliest.
    let too_slow = first_tries(RefreshPolicy::default(), seconds(20), seconds(60)).await;
    assert_eq!(too_slow, all([15.0, 15.0, 15.0]));
}

#[tokio::test(start_paused = true)]
async fn only_the_last_fetch_counts_for_the_reserve() {
    let mut world = World::with_jitter(RefreshPolicy::default(), HIGHEST)
        .filled_in(seconds(25), seconds(600))
        .await;
    let (pause, call) = world.asked_after().await;
    assert_eq!(pause, seconds(490));
    call.answer(Ok(world.session("KEY-2", seconds(600))));
    let (pause, _call) = world.asked_after().await;
    assert_eq!(pause, seconds(500));
}

#[tokio::test(start_paused = true)]
async fn the_status_shows_the_window_and_the_plan_to_the_nanosecond() {
    for (lifetime, window) in [
        (1200.0, 300.0),
        // The lifetime is rounded up to whole seconds before the tier is chosen.
        (1199.5, 300.0),
        (1_200.000_000_001, 900.0),
        (5399.0, 900.0),
        (5_399.000_000_001, 3600.0),
        // ¾ of 2 s.
        (1.5, 1.5),
    ] {
        assert_eq!(
            window_of(RefreshPolicy::default(), s(lifetime)).await,
            Some(s(window)),
            "lifetime {lifetime} s"
        );
    }
    // The plan starts from what the wall clock says is left, here half a second less than L = 1200 s.
    let world = World::with_jitter(RefreshPolicy::default(), LOWEST)
        .filled_in(AT_ONCE, s(1199.5))
        .await;
    assert_eq!(world.planned(), Some(s(899.5)));
    let world = World::with_jitter(RefreshPolicy::default(), MIDDLE)
        .filled_in(AT_ONCE, s(599.999_999_998))
        .await;
    assert_eq!(world.planned(), Some(s(399.999_999_998)));
}

#[tokio::test(start_paused = true)]
async fn jitter_outside_its_range_is_brought_into_it() {
    for (jitter, expected) in [
        (-1.0, 2700.0),
        (f64::NAN, 3000.0),
        (f64::INFINITY, 3000.0),
        (7.0, 3300.0),
    ] {
        let mut world = World::with_jitter(RefreshPolicy::default(), jitter)
            .filled("KEY-1", HOUR)
            .await;
        assert_eq!(world.asked_after().await.0, s(expected), "jitter {jitter}");
    }
}

/// The stage, by the wall clock alone, with this much left of an hour.
async fn stage_by_wall(policy: RefreshPolicy, lifetime: Duration, left: Duration) -> Stage {
    let world = World::new(policy).filled_in(AT_ONCE, lifetime).await;
    world.wall.step_forward(lifetime - left);
    world.cache.status().stage
}

/// The stage, by the monotonic clock alone, at this age: the wall clock was set back.
async fn stage_by_mono(policy: RefreshPolicy, lifetime: Duration, age: Duration) -> Stage {
    let world = World::new(policy).filled_in(AT_ONCE, lifetime).await;
    world.wall.step_back(30 * DAY);
    pass(age).await;
    world.cache.status().stage
}

#[tokio::test(start_paused = true)]
async fn each_stage_begins_at_its_very_moment_on_the_wall_clock() {
    // A = 900 s, M = 60 s.
    for (left, stage) in [
        (HOUR, Stage::Fresh),
        (seconds(900) + NANO, Stage::Fresh),
        (seconds(900), Stage::Advisory),
        (seconds(60) + NANO, Stage::Advisory),
        (seconds(60), Stage::Mandatory),
        (NANO, Stage::Mandatory),
        (Duration::ZERO, Stage::Expired),
    ] {
        assert_eq!(
            stage_by_wall(on_demand(), HOUR, left).await,
            stage,
            "{left:?} left"
        );
    }
    let world = World::new(on_demand()).filled("KEY-1", HOUR).await;
    world.wall.step_forward(HOUR + DAY);
    assert_eq!(world.cache.status().stage, Stage::Expired);
}

#[tokio::test(start_paused = true)]
async fn each_stage_begins_at_its_very_moment_on_the_monotonic_clock() {
    for (age, stage) in [
        (0.0, Stage::Fresh),
        (2699.999, Stage::Fresh),
        (2700.0, Stage::Advisory),
        (3539.999, Stage::Advisory),
        (3540.0, Stage::Mandatory),
        (3599.999, Stage::Mandatory),
        (3600.0, Stage::Expired),
        (7200.0, Stage::Expired),
    ] {
        assert_eq!(
            stage_by_mono(on_demand(), HOUR, s(age)).await,
            stage,
            "{age} s old"
        );
    }
    // A part of a second counts as a whole one here: 3599.2 s are L = 3600 s.
    let lifetime = s(3599.2);
    let last = stage_by_mono(on_demand(), lifetime, s(3599.999)).await;
    assert_eq!(last, Stage::Mandatory);
    let over = stage_by_mono(on_demand(), lifetime, s(3600.0)).await;
    assert_eq!(over, Stage::Expired);
}

#[tokio::test(start_paused = true)]
async fn the_mandatory_window_is_a_quarter_of_a_short_advisory_window() {
    // (lifetime, configured A, M)
    for (lifetime, window, mandatory) in [
        (3600, Some(240), 60.0),
        (3600, Some(239), 59.75),
        (3600, Some(40), 10.0),
        (200, None, 37.5),
        (1, None, 0.1875),
    ] {
        let policy = match window {
            Some(window) => on_demand().advisory_window(seconds(window)),
            None => on_demand(),
        };
        let lifetime = seconds(lifetime);
        let before = stage_by_wall(policy, lifetime, s(mandatory) + NANO).await;
        assert_eq!(before, Stage::Advisory, "{window:?}");
        let at = stage_by_wall(policy, lifetime, s(mandatory)).await;
        assert_eq!(at, Stage::Mandatory, "{window:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_mandatory_window_of_aws_is_a_minute_and_not_above_the_advisory_one() {
    let aws = RefreshPolicy::aws_spec();
    for (lifetime, window, mandatory, before) in [
        (3600, 900, 60, Stage::Advisory),
        (3600, 61, 60, Stage::Advisory),
        // Both windows open together: there is no advisory stage.
        (3600, 60, 60, Stage::Fresh),
        (3600, 40, 40, Stage::Fresh),
        (40, 900, 30, Stage::Fresh),
    ] {
        let policy = aws.advisory_window(seconds(window));
        let mandatory = seconds(mandatory);
        let lifetime = seconds(lifetime);
        let sooner = stage_by_wall(policy, lifetime, mandatory + NANO).await;
        assert_eq!(sooner, before, "window {window} s");
        let at = stage_by_wall(policy, lifetime, mandatory).await;
        assert_eq!(at, Stage::Mandatory, "window {window} s");
    }
}

#[tokio::test(start_paused = true)]
async fn credentials_without_expiry_are_fresh_for_good_and_never_asked_for_again() {
    for policy in [
        RefreshPolicy::default(),
        RefreshPolicy::default().advisory_window(DAY),
        on_demand(),
        RefreshPolicy::aws_spec(),
    ] {
        let mut world = World::new(policy);
        drop(world.call());
        let endless = Credentials::new("KEY-1", "secret", None, None, "test");
        world.gate.call().await.answer(Ok(endless));
        settle().await;
        assert_eq!(world.planned(), None);
        assert_eq!(world.cache.status().advisory_window, None);
        world.quiet_for(3 * DAY).await;
        world.wall.step_forward(10_000 * DAY);
        assert!(world.call_asks().await.is_none());
        world.wall.set(UNIX_EPOCH);
        world.quiet_for(DAY).await;
        assert!(world.call_asks().await.is_none());
        assert_eq!(world.cache.status().stage, Stage::Fresh);
        assert_eq!(world.gate.count(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_plan_looks_ten_years_ahead_at_the_most() {
    let mut world = World::new(RefreshPolicy::default());
    drop(world.call());
    let year_9999 = UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    let call = world.gate.call().await;
    call.answer(Ok(session("KEY-1", year_9999)));
    settle().await;
    // Ten times 365 days.
    assert_eq!(world.planned(), Some(Duration::from_secs(315_360_000)));
    assert_eq!(world.cache.status().stage, Stage::Fresh);
}

#[tokio::test(start_paused = true)]
async fn on_demand_the_point_is_drawn_and_a_call_at_it_asks() {
    for (jitter, point) in [(LOWEST, 2700), (MIDDLE, 3000), (HIGHEST, 3300)] {
        let mut world = World::with_jitter(on_demand(), jitter)
            .filled("KEY-1", HOUR)
            .await;
        assert_eq!(world.planned(), Some(seconds(point)));
        let _question = world.call_asks_after(seconds(point)).await;
        assert_eq!(world.gate.count(), 2, "jitter {jitter}");
    }
}

#[tokio::test(start_paused = true)]
async fn on_demand_nobody_asks_without_a_call() {
    let mut world = World::new(on_demand()).filled("KEY-1", HOUR).await;
    world.quiet_for(2 * DAY).await;
    let _question = world.call_asks_after(AT_ONCE).await;
    assert_eq!(world.gate.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn on_demand_either_clock_brings_the_point() {
    // With the lowest draw the point is where the fresh stage ends.
    let mut world = World::with_jitter(on_demand(), LOWEST)
        .filled("KEY-1", HOUR)
        .await;
    pass(seconds(1)).await;
    world.wall.step_forward(seconds(2699) - NANO);
    assert!(world.call_asks().await.is_none(), "the wall clock, before");
    world.wall.step_forward(NANO);
    assert!(world.call_asks().await.is_some(), "the wall clock");

    let mut world = World::with_jitter(on_demand(), LOWEST)
        .filled("KEY-1", HOUR)
        .await;
    world.wall.step_back(DAY);
    let _question = world.call_asks_after(seconds(2700)).await;
    assert_eq!(world.gate.count(), 2, "the monotonic clock");

    let mut world = World::with_jitter(on_demand(), LOWEST)
        .filled("KEY-1", HOUR)
        .await;
    world.wall.step_back(DAY);
    pass(seconds(2701)).await;
    assert!(world.call_asks().await.is_some(), "and past it");
}

#[tokio::test(start_paused = true)]
async fn under_the_rules_of_aws_nothing_is_drawn() {
    // The first call in the advisory window asks, whatever jitter says.
    let mut world = World::with_jitter(RefreshPolicy::aws_spec(), HIGHEST)
        .filled("KEY-1", HOUR)
        .await;
    assert_eq!(world.planned(), None);
    let _question = world.call_asks_after(seconds(2700)).await;
    assert_eq!(world.gate.count(), 2);

    let mut world = World::with_jitter(RefreshPolicy::aws_spec(), LOWEST)
        .filled("KEY-1", HOUR)
        .await;
    world.quiet_for(DAY).await;
    let _question = world.call_asks_after(AT_ONCE).await;
}

/// Warnings of a cut window after two sessions of this length in one cache.
async fn clamp_warnings(policy: RefreshPolicy, lifetime: Duration) -> usize {
    let log = Log::default();
    let _guard = log.collecting(tracing::Level::WARN);
    let mut world = World::new(policy).filled_in(AT_ONCE, lifetime).await;
    let (_, call) = world.asked_after().await;
    call.answer(Ok(world.session("KEY-2", lifetime)));
    settle().await;
    log.lines_with("cut to three quarters")
}

#[tokio::test(start_paused = true)]
async fn a_clamped_window_is_warned_of_once() {
    let policy = RefreshPolicy::default();
    assert_eq!(clamp_warnings(policy, seconds(400)).await, 0);
    assert_eq!(clamp_warnings(policy, seconds(399)).await, 1);
    let configured = |window| policy.advisory_window(seconds(window));
    assert_eq!(clamp_warnings(configured(2700), HOUR).await, 0);
    assert_eq!(clamp_warnings(configured(2701), HOUR).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_timer_reads_both_clocks_at_least_once_a_minute() {
    // The host was suspended: the wall clock ran on, the timer's did not.
    let mut world = World::new(RefreshPolicy::default())
        .filled("KEY-1", HOUR)
        .await;
    // Readings at 0, 60, 120 s after the answer.
    pass(seconds(61)).await;
    world.wall.step_forward(seconds(2999));
    world.quiet_for(seconds(59) - MILLI).await;
    let (pause, _call) = world.asked_after().await;
    assert_eq!(pause, MILLI);
    assert_eq!(
        world.wall.now().duration_since(UNIX_EPOCH).unwrap(),
        seconds(1_800_000_000 + 120 + 2999)
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_makes_up_for_a_timer_that_is_more_than_five_seconds_late() {
    // The point is at 3000 s; the wall clock jumps past it, and the timer sleeps until 60 s.
    let mut world = World::new(RefreshPolicy::default())
        .filled("KEY-1", HOUR)
        .await;
    pass(seconds(1)).await;
    world.wall.step_forward(seconds(3004));
    assert!(world.call_asks().await.is_none(), "5 s late");
    world.wall.step_forward(NANO);
    assert!(world.call_asks().await.is_some(), "a moment later");
}
