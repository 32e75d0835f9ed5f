//! Who waits for a fetch, for how long at most, and what the call is answered then.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use aws_credential_strategies::refresh::{self, Backoff, Clock, Jitter};
use aws_credential_strategies::{
    CredentialCache, Credentials, Error, ErrorKind, RefreshMode, RefreshPolicy, Result,
};
use aws_smithy_async::time::TimeSource;
use futures_util::FutureExt;
use std::future::Future;
use std::time::Duration;
use support::{GatedSource, HOUR, SECRET, Shared, Wall, World, pass, seconds, settle};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

/// What whoever has waited in vain is told of an attempt of this number and age.
fn timed_out(attempt: u32, age: &str) -> String {
    format!(
        "fetch credentials via GatedSource: the source has not answered within 10s; attempt {attempt} is {age} s old and waits for the source; the fetch goes on; the next call is served from it, or ask again with a longer `wait_timeout`"
    )
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn on_demand() -> RefreshPolicy {
    RefreshPolicy::default().mode(RefreshMode::OnDemand)
}

/// A session of an hour, fetched so long ago.
async fn aged(policy: RefreshPolicy, age: Duration) -> World {
    let world = World::new(policy).filled("KEY-1", HOUR).await;
    pass(age).await;
    world
}

/// What came, and how long it took.
async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let before = Instant::now();
    let output = work.await;
    (output, before.elapsed())
}

/// A call that may not wait.
#[track_caller]
fn at_once(world: &World) -> Result<Credentials> {
    let answer = world.cache.credentials().now_or_never();
    answer.expect("a call had to wait")
}

#[track_caller]
fn assert_serves(answer: Result<Credentials>, key_id: &str) {
    assert_eq!(answer.unwrap().access_key_id(), key_id);
}

#[track_caller]
fn assert_fails(answer: Result<Credentials>, line: &str) {
    assert_eq!(answer.unwrap_err().to_string(), line);
}

/// A call that starts the fetch and waits for it, answered so by the source.
async fn attempt(world: &mut World, error: Error) -> Result<Credentials> {
    let caller = world.call();
    // Attempts start 20 ms apart at least.
    let asked = timeout(millis(21), world.gate.call()).await;
    asked.expect("the source was not asked").answer(Err(error));
    settle().await;
    caller.await.unwrap()
}

fn forced(world: &World) -> JoinHandle<Result<Credentials>> {
    let cache = world.cache.clone();
    tokio::spawn(async move { cache.refresh().await })
}

fn paused() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.enable_all().start_paused(true).build().unwrap()
}

/// Starts a fetch on a runtime that never gets to run it; at this point of that runtime's clock.
fn start_in_vain<T>(stuck: &Runtime, call: impl Future<Output = T>) -> Instant {
    let _context = stuck.enter();
    assert!(call.now_or_never().is_none(), "a call did not wait");
    Instant::now()
}

// Mandatory

#[tokio::test(start_paused = true)]
async fn in_the_mandatory_window_a_call_waits_until_the_fetch_is_ten_seconds_old() {
    let world = aged(on_demand(), seconds(3545)).await;
    assert!(world.cache.current().is_none(), "a refresh comes first");
    assert!(world.cache.current_identity().is_none());
    let first = world.call();
    pass(seconds(4)).await;
    let (answer, waited) = timed(world.cache.credentials()).await;
    assert_serves(answer, "KEY-1");
    assert_eq!(waited, seconds(6), "counted from the start of the fetch");
    assert_serves(first.await.unwrap(), "KEY-1");
    assert_serves(at_once(&world), "KEY-1");
    assert_eq!(world.gate.count(), 2, "one fetch for them all");
    assert_eq!(world.cache.status().waits, 3);
}

#[tokio::test(start_paused = true)]
async fn one_millisecond_before_that_a_call_waits_one_millisecond() {
    let world = aged(on_demand(), seconds(3545)).await;
    let _first = world.call();
    pass(millis(9999)).await;
    let (answer, waited) = timed(world.cache.credentials()).await;
    assert_serves(answer, "KEY-1");
    assert_eq!(waited, millis(1));
}

#[tokio::test(start_paused = true)]
async fn in_the_mandatory_window_nobody_waits_after_a_failure() {
    let mut world = aged(on_demand(), seconds(3545)).await;
    let answer = attempt(&mut world, Error::recoverable("not now")).await;
    assert_serves(answer, "KEY-1");
    // The first pause: the middle of 0.5–1 s.
    pass(millis(749)).await;
    assert_serves(at_once(&world), "KEY-1");
    settle().await;
    assert_eq!(world.gate.count(), 2, "the wait is in force");
    pass(millis(1)).await;
    assert_serves(at_once(&world), "KEY-1");
    settle().await;
    assert_eq!(world.gate.count(), 3);
    assert_serves(at_once(&world), "KEY-1");
    assert_eq!(world.cache.current().unwrap().access_key_id(), "KEY-1");
}

#[tokio::test(start_paused = true)]
async fn a_failure_before_the_mandatory_window_says_nothing_about_it() {
    let mut world = aged(on_demand(), seconds(3000)).await;
    assert_serves(at_once(&world), "KEY-1");
    world.gate.call().await.answer(Err(Error::terminal("no")));
    settle().await;
    pass(seconds(540)).await;
    // The last minute is a new need: one attempt at once, and calls wait for that.
    let caller = world.call();
    let call = world.gate.call().await;
    assert_eq!(world.gate.count(), 3, "the attempt on entering it");
    call.fail();
    assert_serves(caller.await.unwrap(), "KEY-1");
    assert_serves(at_once(&world), "KEY-1");
}

#[tokio::test(start_paused = true)]
async fn in_the_mandatory_window_nobody_waits_while_a_wait_is_in_force() {
    let mut world = aged(on_demand(), seconds(3550)).await;
    let expiry = world.cache.status().expires_at.unwrap();
    let caller = world.call();
    let call = world.gate.call().await;
    call.answer(Ok(support::session("KEY-1", expiry)));
    assert_serves(caller.await.unwrap(), "KEY-1");
    // The same document came: the middle of 15–30 s.
    pass(millis(22_499)).await;
    assert_serves(at_once(&world), "KEY-1");
    settle().await;
    assert_eq!(world.gate.count(), 2);
    pass(millis(1)).await;
    let (answer, waited) = timed(world.cache.credentials()).await;
    assert_serves(answer, "KEY-1");
    assert_eq!(waited, seconds(10), "nothing has failed, so it waits");
    assert_eq!(world.gate.count(), 3);
}

// Expired

#[tokio::test(start_paused = true)]
async fn expired_credentials_are_served_when_the_wait_is_over() {
    let world = aged(on_demand(), HOUR).await;
    let (answer, waited) = timed(world.cache.credentials()).await;
    assert_serves(answer, "KEY-1");
    assert_eq!(waited, seconds(10));
    assert_serves(at_once(&world), "KEY-1");
    assert!(world.cache.current().is_none(), "not valid");
    assert!(world.cache.current_identity().is_none());
}

#[tokio::test(start_paused = true)]
async fn once_expired_nobody_waits_for_sixty_seconds_after_a_failure() {
    let mut world = aged(on_demand(), HOUR).await;
    let answer = attempt(&mut world, Error::recoverable("not now")).await;
    assert_serves(answer, "KEY-1");
    pass(millis(59_900)).await;
    assert_serves(at_once(&world), "KEY-1");
    settle().await;
    assert_eq!(world.gate.count(), 3, "it starts the fetch all the same");
    pass(millis(99)).await;
    assert_serves(at_once(&world), "KEY-1");
    pass(millis(1)).await;
    // From then on calls wait for the fetch, which is 0.1 s old.
    let (answer, waited) = timed(world.cache.credentials()).await;
    assert_serves(answer, "KEY-1");
    assert_eq!(waited, millis(9900));
    assert_eq!(world.gate.count(), 3);
}

#[tokio::test(start_paused = true)]
async fn sixty_seconds_after_a_failure_a_call_starts_the_fetch_and_waits() {
    let mut world = aged(on_demand(), HOUR).await;
    let answer = attempt(&mut world, Error::recoverable("not now")).await;
    assert_serves(answer, "KEY-1");
    pass(seconds(60)).await;
    let caller = world.call();
    let call = world.gate.call().await;
    call.answer(Ok(world.session("KEY-2", HOUR)));
    assert_serves(caller.await.unwrap(), "KEY-2");
}

#[tokio::test(start_paused = true)]
async fn who_wants_nothing_expired_gets_the_last_error() {
    let mut world = aged(on_demand().serve_expired(false), seconds(3590)).await;
    let answer = attempt(&mut world, Error::recoverable("not now")).await;
    assert_serves(answer, "KEY-1");
    pass(millis(9999)).await;
    // Still valid: a call starts the next fetch, which hangs.
    assert_serves(at_once(&world), "KEY-1");
    pass(millis(1)).await;
    assert_fails(at_once(&world), "fetch credentials: not now");
}

#[tokio::test(start_paused = true)]
async fn who_wants_nothing_expired_gets_a_time_out_where_nothing_has_failed() {
    let world = aged(on_demand().serve_expired(false), HOUR).await;
    let (answer, waited) = timed(world.cache.credentials()).await;
    assert_eq!(waited, seconds(10));
    assert_fails(answer, &timed_out(2, "10.0"));
}

#[tokio::test(start_paused = true)]
async fn who_wants_nothing_expired_waits_for_the_attempt_on_expiring() {
    let mut world = aged(on_demand().serve_expired(false), seconds(3590)).await;
    let caller = world.call();
    let same = world.session("KEY-1", seconds(10));
    world.gate.call().await.answer(Ok(same));
    assert_serves(caller.await.unwrap(), "KEY-1");
    // Whatever pause the same document set: it is over with the credentials.
    pass(seconds(10)).await;
    let caller = world.call();
    let call = world.gate.call().await;
    call.answer(Ok(world.session("KEY-2", HOUR)));
    assert_serves(caller.await.unwrap(), "KEY-2");
    assert_eq!(world.gate.count(), 3);
}

// Cold

#[tokio::test(start_paused = true)]
async fn an_empty_cache_times_out_with_the_figure_in_the_text() {
    let mut world = World::new(RefreshPolicy::default());
    let first = world.call();
    let call = world.gate.call().await;
    pass(seconds(4)).await;
    let (answer, waited) = timed(world.cache.credentials()).await;
    assert_eq!(waited, seconds(6));
    assert_fails(answer, &timed_out(1, "10.0"));
    let error = first.await.unwrap().unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Timeout);
    assert_fails(at_once(&world), &timed_out(1, "10.0"));
    // The fetch goes on.
    call.answer(Ok(world.session("KEY-1", HOUR)));
    settle().await;
    assert_serves(at_once(&world), "KEY-1");
    assert_eq!(world.gate.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_ends_after_thirty_seconds_and_the_next_call_tries_again() {
    let mut world = World::new(RefreshPolicy::default());
    let _first = world.call();
    let hung = world.gate.call().await;
    pass(seconds(25)).await;
    assert_fails(at_once(&world), &timed_out(1, "25.0"));
    pass(millis(4999)).await;
    assert_eq!(world.cache.status().consecutive_failures, 0);
    pass(millis(1)).await;
    let last = world.cache.status().last_error.expect("it has failed");
    assert_eq!(last.kind, ErrorKind::Timeout);
    assert_eq!(
        last.line,
        "fetch credentials via GatedSource: the source did not answer within 30s; raise `fetch_timeout` if the source is that slow by nature"
    );
    assert!(!hung.fail(), "nobody listens any more");
    let _next = world.call();
    assert_eq!(world.gate.call().await.number, 2);
}

#[tokio::test(start_paused = true)]
async fn an_empty_cache_raises_the_error_and_repeats_it_while_a_wait_is_in_force() {
    let mut world = World::new(RefreshPolicy::default());
    for _ in 0..3 {
        let answer = attempt(&mut world, Error::recoverable("not now")).await;
        assert_fails(answer, "fetch credentials: not now");
    }
    assert_eq!(world.gate.count(), 3, "two are free");
    // The third one: the middle of 0.5–1 s.
    pass(millis(749)).await;
    assert_fails(at_once(&world), "fetch credentials: not now");
    settle().await;
    assert_eq!(world.gate.count(), 3);
    pass(millis(1)).await;
    let answer = attempt(&mut world, Error::recoverable("still not")).await;
    assert_fails(answer, "fetch credentials: still not");
}

// Terminal

#[tokio::test(start_paused = true)]
async fn an_empty_cache_repeats_a_terminal_error_until_the_next_attempt_is_due() {
    let mut world = World::new(RefreshPolicy::default());
    let answer = attempt(&mut world, Error::terminal("denied")).await;
    assert_fails(answer, "fetch credentials: denied");
    // The first time: the middle of 1–5 s.
    pass(millis(2999)).await;
    assert_fails(at_once(&world), "fetch credentials: denied");
    settle().await;
    assert_eq!(world.gate.count(), 1);
    pass(millis(1)).await;
    let answer = attempt(&mut world, Error::terminal("still denied")).await;
    assert_fails(answer, "fetch credentials: still denied");
}

#[tokio::test(start_paused = true)]
async fn a_terminal_error_is_raised_once_the_credentials_have_expired() {
    let mut world = aged(on_demand(), HOUR).await;
    let answer = attempt(&mut world, Error::terminal("denied")).await;
    assert_fails(answer, "fetch credentials: denied");
    // The first pause: the middle of 0.5–1 s.
    pass(millis(749)).await;
    assert_fails(at_once(&world), "fetch credentials: denied");
    settle().await;
    assert_eq!(world.gate.count(), 2);
    pass(millis(1)).await;
    assert_fails(at_once(&world), "fetch credentials: denied");
    let call = world.gate.call().await;
    call.answer(Ok(world.session("KEY-2", HOUR)));
    settle().await;
    assert_serves(at_once(&world), "KEY-2");
}

#[tokio::test(start_paused = true)]
async fn a_terminal_error_while_valid_is_raised_when_the_credentials_expire() {
    let mut world = aged(on_demand(), seconds(3599)).await;
    let answer = attempt(&mut world, Error::terminal("denied")).await;
    assert_serves(answer, "KEY-1");
    pass(millis(999)).await;
    assert_serves(at_once(&world), "KEY-1");
    pass(millis(1)).await;
    assert_fails(at_once(&world), "fetch credentials: denied");
}

// The rules of AWS

#[tokio::test(start_paused = true)]
async fn under_the_aws_rules_the_first_call_of_the_advisory_window_waits_and_no_other() {
    let world = aged(RefreshPolicy::aws_spec(), millis(2_699_999)).await;
    assert_serves(at_once(&world), "KEY-1");
    pass(millis(1)).await;
    assert!(world.cache.current().is_none());
    assert_eq!(
        world.gate.count(),
        1,
        "a look starts no fetch it must wait for"
    );
    let before = Instant::now();
    let first = world.call();
    settle().await;
    for _ in 0..64 {
        assert_serves(at_once(&world), "KEY-1");
    }
    assert_serves(first.await.unwrap(), "KEY-1");
    assert_eq!(before.elapsed(), seconds(10), "not longer than any wait");
    assert_eq!(world.gate.count(), 2);
    assert_eq!(
        world.cache.status().waits,
        2,
        "the filling call and this one"
    );
}

#[tokio::test(start_paused = true)]
async fn under_the_aws_rules_a_terminal_error_is_raised_while_valid() {
    // Drawn from 1–5 s.
    for (jitter, repeated_for) in [(0.0, seconds(1)), (0.5, seconds(3)), (1.0, seconds(5))] {
        for age in [2700, 3540, 3600] {
            let mut world = World::with_jitter(RefreshPolicy::aws_spec(), jitter)
                .filled("KEY-1", HOUR)
                .await;
            pass(seconds(age)).await;
            let answer = attempt(&mut world, Error::terminal("denied")).await;
            assert_fails(answer, "fetch credentials: denied");
            pass(repeated_for - millis(1)).await;
            assert_fails(at_once(&world), "fetch credentials: denied");
            assert!(world.cache.current().is_none(), "{age} s");
            settle().await;
            assert_eq!(world.gate.count(), 2, "{age} s");
            pass(millis(1)).await;
            let caller = world.call();
            let call = world.gate.call().await;
            call.answer(Ok(world.session("KEY-2", HOUR)));
            assert_serves(caller.await.unwrap(), "KEY-2");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn under_the_aws_rules_a_hang_after_a_terminal_error_is_answered_with_what_has_expired() {
    let mut world = aged(RefreshPolicy::aws_spec(), HOUR).await;
    let answer = attempt(&mut world, Error::terminal("denied")).await;
    assert_fails(answer, "fetch credentials: denied");
    // Repeated for 3 s; then a call asks again, and what came before is no verdict on that.
    pass(seconds(3)).await;
    let (answer, waited) = timed(world.cache.credentials()).await;
    assert_serves(answer, "KEY-1");
    assert_eq!(waited, seconds(10));
    assert_eq!(world.gate.count(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_was_denied_before_it_was_needed_is_no_verdict_on_a_hang() {
    let policy = RefreshPolicy::default().mode(RefreshMode::OnDemand);
    let mut world = aged(policy, seconds(10)).await;
    let asked = forced(&world);
    let call = world.gate.call().await;
    call.answer(Err(Error::terminal("denied")));
    assert_fails(asked.await.unwrap(), "fetch credentials: denied");
    // Expired, and the source hangs.
    pass(seconds(3_700)).await;
    let (answer, waited) = timed(world.cache.credentials()).await;
    assert_serves(answer, "KEY-1");
    assert_eq!(waited, seconds(10));
    pass(seconds(1)).await;
    assert_serves(at_once(&world), "KEY-1");
}

#[tokio::test(start_paused = true)]
async fn under_the_aws_rules_a_forced_refresh_that_is_denied_is_raised_for_as_long() {
    let mut world = aged(RefreshPolicy::aws_spec(), seconds(10)).await;
    let asked = forced(&world);
    world
        .gate
        .call()
        .await
        .answer(Err(Error::terminal("denied")));
    assert_fails(asked.await.unwrap(), "fetch credentials: denied");
    pass(millis(2999)).await;
    assert_fails(at_once(&world), "fetch credentials: denied");
    assert!(world.cache.current_identity().is_none());
    pass(millis(1)).await;
    // Fresh, and no longer repeated.
    assert_serves(at_once(&world), "KEY-1");
    assert_eq!(world.gate.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn under_the_aws_rules_nobody_waits_while_a_back_off_is_in_force() {
    let mut world = aged(RefreshPolicy::aws_spec(), seconds(3540)).await;
    let answer = attempt(&mut world, Error::recoverable("not now")).await;
    assert_serves(answer, "KEY-1");
    // The middle of 300–600 s; the credentials expire meanwhile.
    for passed in [millis(59_999), millis(1), millis(389_999)] {
        pass(passed).await;
        assert_serves(at_once(&world), "KEY-1");
    }
    settle().await;
    assert_eq!(world.gate.count(), 2);
    pass(millis(1)).await;
    let (answer, waited) = timed(world.cache.credentials()).await;
    assert_serves(answer, "KEY-1");
    assert_eq!(waited, seconds(10));
    assert_eq!(world.gate.count(), 3);
}

#[tokio::test(start_paused = true)]
async fn under_the_aws_rules_an_empty_cache_is_never_paced() {
    let mut world = World::new(RefreshPolicy::aws_spec());
    for _ in 0..5 {
        let answer = attempt(&mut world, Error::recoverable("not now")).await;
        assert_fails(answer, "fetch credentials: not now");
    }
    assert_eq!(world.gate.count(), 5);
    // Nothing that has expired is adopted.
    let caller = world.call();
    let over = support::session("KEY-1", world.wall.now());
    world.gate.call().await.answer(Ok(over));
    let error = caller.await.unwrap().unwrap_err();
    assert!(
        error.to_string().contains("have expired already"),
        "{error}"
    );
    assert_eq!(world.cache.status().key_id, None);
}

#[tokio::test(start_paused = true)]
async fn the_aws_rules_are_driven_by_calls_whatever_the_mode() {
    let policy = RefreshPolicy::aws_spec().mode(RefreshMode::Background);
    let world = aged(policy, 2 * HOUR).await;
    assert_eq!(world.gate.count(), 1);
}

// Settings

#[tokio::test(start_paused = true)]
async fn both_time_outs_can_be_set() {
    let policy = RefreshPolicy::default()
        .wait_timeout(seconds(3))
        .fetch_timeout(seconds(7));
    let mut world = World::new(policy);
    let (answer, waited) = timed(world.cache.credentials()).await;
    assert_eq!(waited, seconds(3));
    let line = answer.unwrap_err().to_string();
    assert!(line.contains("has not answered within 3s"), "{line}");
    pass(millis(3999)).await;
    assert_eq!(world.cache.status().consecutive_failures, 0);
    pass(millis(1)).await;
    let line = world.cache.status().last_error.unwrap().line;
    assert!(line.contains("did not answer within 7s"), "{line}");
    assert_eq!(world.gate.call().await.number, 1);
    assert!(world.gate.pending().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_outlasts_the_fetch_ends_with_it() {
    let policy = RefreshPolicy::default()
        .wait_timeout(seconds(60))
        .fetch_timeout(seconds(7));
    let world = World::new(policy);
    let (answer, waited) = timed(world.cache.credentials()).await;
    assert_eq!(waited, seconds(7));
    let line = answer.unwrap_err().to_string();
    assert!(line.contains("did not answer within 7s"), "{line}");
}

#[tokio::test(start_paused = true)]
async fn a_wait_time_out_of_zero_never_waits() {
    let mut world = World::new(RefreshPolicy::default().wait_timeout(Duration::ZERO));
    let error = at_once(&world).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Timeout);
    let call = world.gate.call().await;
    assert_eq!(at_once(&world).unwrap_err().kind(), error.kind());
    call.answer(Ok(world.session("KEY-1", HOUR)));
    settle().await;
    assert_serves(at_once(&world), "KEY-1");
    assert_eq!(world.cache.status().waits, 0);
    assert_eq!(world.gate.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn no_time_out_is_too_long_to_reckon_with() {
    let for_ever = RefreshPolicy::default()
        .wait_timeout(Duration::MAX)
        .fetch_timeout(Duration::MAX);
    let mut world = World::new(for_ever);
    let first = world.call();
    let call = world.gate.call().await;
    // One that joins a fetch reckons with its age.
    let second = world.call();
    pass(HOUR).await;
    call.answer(Ok(world.session("KEY-1", HOUR)));
    assert_serves(first.await.unwrap(), "KEY-1");
    assert_serves(second.await.unwrap(), "KEY-1");
    // And so does the timer.
    let call = world.gate.call().await;
    pass(seconds(1)).await;
    call.answer(Ok(world.session("KEY-2", HOUR)));
    settle().await;
    assert_eq!(world.cache.status().key_id.as_deref(), Some("KEY-2"));
    world.gate.call().await;
}

#[test]
fn a_setting_of_zero_is_refused_by_name() {
    for (policy, field, line) in [
        (
            RefreshPolicy::default().fetch_timeout(Duration::ZERO),
            "fetch_timeout",
            "configure: fetch_timeout: must be longer than zero",
        ),
        (
            RefreshPolicy::default().advisory_window(Duration::ZERO),
            "advisory_window",
            "configure: advisory_window: must be longer than zero; leave it unset for 5, 15 or 60 min by lifetime",
        ),
    ] {
        let error = policy.validate().unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Usage);
        assert_eq!(error.field(), Some(field));
        assert_eq!(error.to_string(), line);
    }
    for policy in [
        RefreshPolicy::default(),
        RefreshPolicy::aws_spec(),
        RefreshPolicy::default().wait_timeout(Duration::ZERO),
        RefreshPolicy::default().backoff(Backoff::fixed(Duration::ZERO)),
        RefreshPolicy::default().fetch_timeout(Duration::from_nanos(1)),
        RefreshPolicy::default().advisory_window(Duration::from_nanos(1)),
    ] {
        assert!(policy.validate().is_ok(), "{policy:?}");
    }
}

#[test]
fn each_setting_changes_itself_alone() {
    let default = RefreshPolicy::new();
    assert_eq!(RefreshPolicy::default(), default);
    assert_ne!(RefreshPolicy::aws_spec(), default);
    assert_ne!(RefreshPolicy::aws_spec(), on_demand());
    for (changed, changed_back) in [
        (
            default.mode(RefreshMode::OnDemand),
            on_demand().mode(RefreshMode::Background),
        ),
        (
            default.backoff(Backoff::fixed(seconds(420))),
            default
                .backoff(Backoff::fixed(seconds(420)))
                .backoff(Backoff::adaptive()),
        ),
        (
            default.serve_expired(false),
            default.serve_expired(false).serve_expired(true),
        ),
        (
            default.fetch_timeout(seconds(31)),
            default
                .fetch_timeout(seconds(31))
                .fetch_timeout(seconds(30)),
        ),
        (
            default.wait_timeout(seconds(11)),
            default.wait_timeout(seconds(11)).wait_timeout(seconds(10)),
        ),
    ] {
        assert_ne!(changed, default);
        assert_eq!(changed_back, default);
    }
    // The window has no way back: unset is by lifetime.
    assert_ne!(default.advisory_window(seconds(300)), default);
    assert_eq!(
        default.advisory_window(seconds(1)).advisory_window(HOUR),
        default.advisory_window(HOUR)
    );
}

#[test]
fn the_figures_are_those_of_the_documentation() {
    for (named, figure) in [
        (refresh::DEFAULT_WAIT_TIMEOUT, seconds(10)),
        (refresh::DEFAULT_FETCH_TIMEOUT, seconds(30)),
        (refresh::INTERACTIVE_WAIT_TIMEOUT, seconds(120)),
        (refresh::SHORT_LIFETIME, seconds(1200)),
        (refresh::LONG_LIFETIME, seconds(5400)),
        (refresh::SHORT_ADVISORY_WINDOW, seconds(300)),
        (refresh::MEDIUM_ADVISORY_WINDOW, seconds(900)),
        (refresh::LONG_ADVISORY_WINDOW, seconds(3600)),
        (refresh::MAX_MANDATORY_WINDOW, seconds(60)),
        (refresh::OVERDUE, seconds(5)),
        (refresh::RUNNING_WITHIN, millis(100)),
        (refresh::ALIVE_WITHIN, seconds(1)),
        (refresh::ATTEMPT_PERIOD, seconds(600)),
        (refresh::LAST_LOOK, seconds(9)),
        (refresh::NO_WAIT_AFTER_FAILURE, seconds(60)),
        (refresh::MAX_URGENT_WAIT, seconds(30)),
        (refresh::IDLE_AFTER, seconds(600)),
        (refresh::MAX_TIMER_SLEEP, seconds(60)),
        (refresh::MIN_PAUSE_AFTER_ANSWER, millis(250)),
        (refresh::MIN_ATTEMPT_SPACING, millis(20)),
        (refresh::MIN_FORCED_SPACING, seconds(1)),
        (refresh::AWS_BACKOFF.0, seconds(300)),
        (refresh::AWS_BACKOFF.1, seconds(600)),
        (refresh::TERMINAL_RERAISE.0, seconds(1)),
        (refresh::TERMINAL_RERAISE.1, seconds(5)),
    ] {
        assert_eq!(named, figure);
    }
    assert_eq!(refresh::FREE_COLD_FAILURES, 2);
    assert_eq!(refresh::MAX_ATTEMPTS_PER_SECOND, 8);
}

// A timer or a fetch that is gone

#[tokio::test(start_paused = true)]
async fn a_refresh_that_is_five_seconds_late_is_left_to_the_timer_and_no_longer() {
    let mut world = aged(RefreshPolicy::default(), seconds(1)).await;
    // The wall clock alone runs on, to 5 s past the draw at 3,000 s.
    world.wall.step_forward(seconds(3004));
    assert_serves(at_once(&world), "KEY-1");
    assert_eq!(world.cache.status().fetches, 1);
    world.wall.step_forward(millis(1));
    assert_serves(at_once(&world), "KEY-1");
    assert_eq!(world.cache.status().fetches, 2);
    assert_eq!(world.gate.call().await.number, 2);
}

#[test]
fn an_attempt_that_does_not_run_is_taken_over_by_who_waits() {
    let (stuck, driven) = (paused(), paused());
    let mut world = World::new(on_demand());
    let booked = start_in_vain(&stuck, world.cache.credentials());
    driven.block_on(async {
        let caller = world.call();
        let call = world.gate.call().await;
        // The clocks of two runtimes start a moment apart.
        let after = call.at - booked;
        assert!((millis(100)..millis(102)).contains(&after), "{after:?}");
        call.answer(Ok(world.session("KEY-2", HOUR)));
        assert_serves(caller.await.unwrap(), "KEY-2");
    });
    assert_eq!(world.cache.status().fetches, 2);
    // Driven at last, the task finds its place taken, and the source is not asked.
    stuck.block_on(settle());
    assert_eq!(world.gate.count(), 1);
}

#[test]
fn an_attempt_that_stops_running_is_taken_over_after_a_second() {
    let (stuck, driven) = (paused(), paused());
    let mut world = World::new(on_demand());
    let (first, polled) = stuck.block_on(async {
        drop(world.call());
        let call = world.gate.call().await;
        pass(seconds(2)).await;
        (call, Instant::now())
    });
    let second = driven.block_on(async {
        pass(seconds(2)).await;
        let caller = world.call();
        let call = world.gate.call().await;
        let after = call.at - polled;
        // It shows itself every 0.3 s, the last time up to that long before.
        assert!((millis(699)..millis(1002)).contains(&after), "{after:?}");
        call.answer(Ok(world.session("KEY-2", HOUR)));
        caller.await.unwrap()
    });
    assert_serves(second, "KEY-2");
    // Its own answer is not polled any more.
    let late = first.answer(Ok(world.session("KEY-1", HOUR)));
    stuck.block_on(settle());
    assert!(late, "nobody dropped the fetch yet");
    assert_serves(at_once(&world), "KEY-2");
}

#[test]
fn the_timer_takes_over_an_attempt_that_does_not_run() {
    let (timers, stuck) = (paused(), paused());
    let mut world = timers.block_on(aged(RefreshPolicy::default(), seconds(2999)));
    stuck.block_on(pass(seconds(2999)));
    let started = start_in_vain(&stuck, world.cache.refresh());
    // The draw comes a second later, and finds an attempt that was booked and never run.
    let call = timers.block_on(world.gate.call());
    assert!((call.at - started).as_millis() <= 1000);
    assert_eq!(world.cache.status().fetches, 3);
}

// `refresh` and `credentials_valid_for`

#[tokio::test(start_paused = true)]
async fn a_forced_refresh_waits_as_long_as_any_call() {
    let world = aged(RefreshPolicy::default(), seconds(10)).await;
    let first = forced(&world);
    pass(seconds(4)).await;
    let (answer, waited) = timed(world.cache.refresh()).await;
    assert_eq!(waited, seconds(6), "it joins the fetch under way");
    assert_fails(answer, &timed_out(2, "10.0"));
    assert_eq!(
        *first.await.unwrap().unwrap_err().kind(),
        ErrorKind::Timeout
    );
    assert_eq!(world.gate.count(), 2);
    assert_serves(at_once(&world), "KEY-1");
}

#[tokio::test(start_paused = true)]
async fn a_forced_refresh_asks_whatever_wait_is_in_force() {
    let mut world = World::new(RefreshPolicy::default());
    let answer = attempt(&mut world, Error::terminal("denied")).await;
    assert_fails(answer, "fetch credentials: denied");
    pass(seconds(1)).await;
    let asked = forced(&world);
    let call = world.gate.call().await;
    call.answer(Ok(world.session("KEY-1", HOUR)));
    assert_serves(asked.await.unwrap(), "KEY-1");
}

#[tokio::test(start_paused = true)]
async fn credentials_that_never_expire_are_valid_for_any_time() {
    let mut world = World::new(RefreshPolicy::default());
    let caller = world.call();
    let keys = Credentials::new("KEY-1", SECRET, None, None, "test");
    world.gate.call().await.answer(Ok(keys));
    caller.await.unwrap().unwrap();
    pass(HOUR * 24).await;
    let served = world.cache.credentials_valid_for(Duration::MAX);
    assert_serves(served.now_or_never().expect("at once"), "KEY-1");
    assert_eq!(world.gate.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_identity_is_that_of_the_credentials() {
    let mut world = aged(RefreshPolicy::default(), seconds(3000)).await;
    let served = |world: &World| {
        let identity = world.cache.current_identity().expect("valid");
        let credentials: &Credentials = identity.data().unwrap();
        credentials.access_key_id().to_owned()
    };
    assert_eq!(served(&world), "KEY-1");
    let call = world.gate.call().await;
    call.answer(Ok(world.session("KEY-2", HOUR)));
    settle().await;
    assert_eq!(served(&world), "KEY-2");
}

// Jitter

/// The draw for a session of an hour, in seconds before its expiry.
async fn drawn(
    jitter: impl FnOnce(CredentialCache<Shared<GatedSource>>) -> CredentialCache<Shared<GatedSource>>,
) -> f64 {
    let (source, mut gate) = GatedSource::pair();
    let wall = Wall::starting();
    let cache =
        CredentialCache::new(source, on_demand()).with_clock(Clock::with_wall(wall.clone()));
    let cache = jitter(cache);
    let expiry = wall.now() + HOUR;
    let answering = async {
        gate.call()
            .await
            .answer(Ok(support::session("KEY-1", expiry)))
    };
    let (served, _) = tokio::join!(cache.credentials(), answering);
    served.unwrap();
    let planned = cache.status().next_attempt_at.unwrap();
    expiry.duration_since(planned).unwrap().as_secs_f64()
}

#[tokio::test(start_paused = true)]
async fn caches_draw_for_themselves() {
    let mut draws = Vec::new();
    for _ in 0..8 {
        draws.push(drawn(|cache| cache).await);
        draws.push(drawn(|cache| cache.with_jitter(Jitter::random())).await);
        draws.push(drawn(|cache| cache.with_jitter(Jitter::default())).await);
    }
    for (number, draw) in draws.iter().enumerate() {
        assert!((300.0..=900.0).contains(draw), "{draws:?}");
        assert!(!draws[..number].contains(draw), "{draws:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn jitter_out_of_range_is_brought_into_it() {
    // Drawn from [E − 900 s, E − 300 s].
    for (jitter, before_expiry) in [
        (0.0, 900.0),
        (0.25, 750.0),
        (-1.0, 900.0),
        (1.0, 300.0),
        (7.0, 300.0),
    ] {
        let draw = drawn(|cache| cache.with_jitter(Jitter::from_fn(move || jitter))).await;
        assert_eq!(draw, before_expiry, "{jitter}");
    }
    for jitter in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let draw = drawn(|cache| cache.with_jitter(Jitter::from_fn(move || jitter))).await;
        assert!((300.0..=900.0).contains(&draw), "{jitter}: {draw}");
    }
}

#[tokio::test(start_paused = true)]
async fn clocks_and_jitter_set_one_after_the_other_both_hold() {
    let wall = Wall::starting();
    wall.step_back(seconds(1_000_000));
    let (source, mut gate) = GatedSource::pair();
    let cache = CredentialCache::new(source, on_demand())
        .with_jitter(Jitter::from_fn(|| 0.0))
        .with_clock(Clock::with_wall(wall.clone()));
    let expiry = wall.now() + HOUR;
    let answering = async {
        gate.call()
            .await
            .answer(Ok(support::session("KEY-1", expiry)))
    };
    let (served, _) = tokio::join!(cache.credentials(), answering);
    served.unwrap();
    let told = cache.status();
    assert_eq!(told.fetched_at, Some(wall.now()));
    assert_eq!(told.next_attempt_at, Some(wall.now() + seconds(2700)));
    assert_eq!(format!("{:?}", Jitter::random()), "Jitter");
}
