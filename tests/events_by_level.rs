//! Each end of a fetch is one event, at the level of what a person has to do about it; no request is
//! logged.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use aws_credential_strategies::refresh::Backoff;
use aws_credential_strategies::{CredentialCache, Error, RefreshMode, RefreshPolicy, Rejection};
use aws_smithy_async::time::TimeSource;
use futures_util::FutureExt;
use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{GatedSource, HOUR, SECRET, TOKEN, World, pass, seconds, settle};
use tokio::runtime::{Builder, Runtime};
use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// What this crate logs, an event a line: `LEVEL message | field=value …`.
#[derive(Clone, Default)]
struct Events(Arc<Mutex<Vec<String>>>);

impl<S: tracing::Subscriber> Layer<S> for Events {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        if metadata.target().starts_with("aws_credential_strategies") {
            let mut line = Line::default();
            event.record(&mut line);
            let Line { message, fields } = line;
            let line = format!("{} {message} |{fields}", metadata.level());
            self.0.lock().unwrap().push(line);
        }
    }
}

#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        write!(self.fields, " {}={value}", field.name()).unwrap();
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            name => write!(self.fields, " {name}={value:?}").unwrap(),
        }
    }
}

impl Events {
    /// Records this thread's events from here on; each test runs on one thread.
    fn recorded() -> (Self, DefaultGuard) {
        let events = Events::default();
        let subscriber = tracing_subscriber::registry().with(events.clone());
        (events, tracing::subscriber::set_default(subscriber))
    }

    /// The events since the last look.
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A cache with a session of an hour, and what is logged from then on.
async fn filled(policy: RefreshPolicy) -> (World, Events, DefaultGuard) {
    let (events, guard) = Events::recorded();
    let world = World::new(policy).filled("KEY-1", HOUR).await;
    events.take();
    (world, events, guard)
}

fn on_demand() -> RefreshPolicy {
    RefreshPolicy::default().mode(RefreshMode::OnDemand)
}

/// One call of an empty or expired cache, answered so by the source.
async fn attempt(world: &mut World, answer: Result<(), Error>) {
    let caller = world.call();
    let call = world.gate.call().await;
    call.answer(answer.map(|()| world.session("KEY-2", HOUR)));
    let _ = caller.await.unwrap();
    settle().await;
}

#[tokio::test(start_paused = true)]
async fn a_success_is_one_debug_event_with_its_figures() {
    let (events, _guard) = Events::recorded();
    let mut world = World::new(RefreshPolicy::default());
    let caller = world.call();
    let call = world.gate.call().await;
    pass(seconds(2)).await;
    assert_eq!(events.take(), [""; 0], "nothing when a fetch starts");
    call.answer(Ok(world.session("KEY-1", HOUR)));
    caller.await.unwrap().unwrap();
    // The draw for jitter 0.5 lies in the middle of [E − 900 s, E − 300 s].
    assert_eq!(
        events.take(),
        [
            "DEBUG credentials refreshed | source=GatedSource attempt=1 elapsed=2s next=Some(3000s) landing=Replaced"
        ]
    );

    pass(seconds(3000)).await;
    let call = world.gate.call().await;
    pass(Duration::from_millis(1500)).await;
    call.answer(Ok(world.session("KEY-2", seconds(900))));
    settle().await;
    // 15 min is short: the middle of [E − 300 s, E − 100 s].
    assert_eq!(
        events.take(),
        [
            "DEBUG credentials refreshed | source=GatedSource attempt=2 elapsed=1.5s next=Some(700s) landing=Replaced"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn the_same_document_is_a_success_that_says_so() {
    let (mut world, events, _guard) = filled(RefreshPolicy::default()).await;
    let expiry = world.cache.status().expires_at.unwrap();
    pass(seconds(3000)).await;
    world
        .gate
        .call()
        .await
        .answer(Ok(support::session("KEY-1", expiry)));
    settle().await;
    // Half of the 600 s that are left.
    assert_eq!(
        events.take(),
        [
            "DEBUG credentials refreshed | source=GatedSource attempt=2 elapsed=0ns next=Some(300s) landing=SameDocument"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn credentials_that_never_expire_have_no_next_attempt() {
    let (events, _guard) = Events::recorded();
    let mut world = World::new(RefreshPolicy::default());
    let caller = world.call();
    let keys = aws_credential_strategies::Credentials::new("KEY-1", SECRET, None, None, "test");
    world.gate.call().await.answer(Ok(keys));
    caller.await.unwrap().unwrap();
    assert_eq!(
        events.take(),
        [
            "DEBUG credentials refreshed | source=GatedSource attempt=1 elapsed=0ns next=None landing=Replaced"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_failure_while_valid_is_a_warning() {
    let (mut world, events, _guard) = filled(RefreshPolicy::default()).await;
    pass(seconds(3000)).await;
    let call = world.gate.call().await;
    pass(seconds(1)).await;
    call.fail();
    settle().await;
    // The first pause: 0.5–1 s.
    assert_eq!(
        events.take(),
        [
            "WARN credential refresh failed, the present credentials are still valid | source=GatedSource attempt=2 elapsed=1s next=Some(750ms) error=fetch credentials: the test said no"
        ]
    );

    world
        .gate
        .call()
        .await
        .answer(Err(Error::throttled("slow down")));
    settle().await;
    // The second: twice that, and five times that where fewer calls were asked for.
    assert_eq!(
        events.take(),
        [
            "WARN credential refresh failed, the present credentials are still valid | source=GatedSource attempt=3 elapsed=0ns next=Some(7.5s) error=fetch credentials: slow down"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_failure_in_the_mandatory_window_is_a_warning_still() {
    let (mut world, events, _guard) = filled(on_demand()).await;
    pass(seconds(3599)).await;
    attempt(&mut world, Err(Error::recoverable("not now"))).await;
    assert_eq!(
        events.take(),
        [
            "WARN credential refresh failed, the present credentials are still valid | source=GatedSource attempt=2 elapsed=0ns next=Some(750ms) error=fetch credentials: not now"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_hang_is_a_failure_after_the_time_out() {
    let (mut world, events, _guard) = filled(RefreshPolicy::default()).await;
    pass(seconds(3000)).await;
    let _unanswered = world.gate.call().await;
    pass(seconds(30)).await;
    assert_eq!(
        events.take(),
        [
            "WARN credential refresh failed, the present credentials are still valid | source=GatedSource attempt=2 elapsed=30s next=Some(750ms) error=fetch credentials via GatedSource: the source did not answer within 30s; raise `fetch_timeout` if the source is that slow by nature"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_terminal_failure_is_an_error_even_while_valid() {
    let (mut world, events, _guard) = filled(RefreshPolicy::default()).await;
    pass(seconds(3000)).await;
    world
        .gate
        .call()
        .await
        .answer(Err(Error::terminal("denied")));
    settle().await;
    // The middle of 300–600 s.
    assert_eq!(
        events.take(),
        [
            "ERROR credential refresh failed, somebody has to mend it | source=GatedSource attempt=2 elapsed=0ns next=Some(450s) error=fetch credentials: denied"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_failure_when_expired_is_an_error() {
    let (mut world, events, _guard) = filled(on_demand()).await;
    pass(HOUR).await;
    attempt(&mut world, Err(Error::recoverable("not now"))).await;
    assert_eq!(
        events.take(),
        [
            "ERROR credential refresh failed, there are no valid credentials | source=GatedSource attempt=2 elapsed=0ns next=Some(750ms) error=fetch credentials: not now"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_an_empty_cache_is_an_error() {
    let (events, _guard) = Events::recorded();
    let mut world = World::new(RefreshPolicy::default());
    attempt(&mut world, Err(Error::recoverable("not now"))).await;
    // Two failures of an empty cache are free: the next call tries again.
    assert_eq!(
        events.take(),
        [
            "ERROR credential refresh failed, there are no valid credentials | source=GatedSource attempt=1 elapsed=0ns next=None error=fetch credentials: not now"
        ]
    );
    attempt(&mut world, Err(Error::terminal("denied"))).await;
    // The second terminal one: the upper half of 5 s.
    assert_eq!(
        events.take(),
        [
            "ERROR credential refresh failed, somebody has to mend it | source=GatedSource attempt=2 elapsed=0ns next=Some(3.75s) error=fetch credentials: denied"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn an_adopted_expired_document_is_one_warning_with_the_two_causes() {
    let (events, _guard) = Events::recorded();
    let mut world = World::new(RefreshPolicy::default());
    let caller = world.call();
    let over = support::session("KEY-1", world.wall.now() - seconds(10));
    world.gate.call().await.answer(Ok(over));
    assert_eq!(caller.await.unwrap().unwrap().access_key_id(), "KEY-1");
    assert_eq!(
        events.take(),
        [
            "WARN expired credentials adopted, there is nothing better | source=GatedSource attempt=1 elapsed=0ns next=Some(750ms) error=fetch credentials: the source answered with credentials that have expired already; either the source keeps serving old credentials because it cannot issue new ones (static stability), or the clock of this host is ahead: check it with `chronyc tracking`"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn an_expired_document_that_is_not_adopted_is_a_failure_like_any_other() {
    let (mut world, events, _guard) = filled(RefreshPolicy::default()).await;
    pass(seconds(3000)).await;
    let over = support::session("KEY-2", world.wall.now());
    world.gate.call().await.answer(Ok(over));
    settle().await;
    assert_eq!(
        events.take(),
        [
            "WARN credential refresh failed, the present credentials are still valid | source=GatedSource attempt=2 elapsed=0ns next=Some(750ms) error=fetch credentials: the source answered with credentials that have expired already; either the source keeps serving old credentials because it cannot issue new ones (static stability), or the clock of this host is ahead: check it with `chronyc tracking`"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn the_next_attempt_is_the_entry_to_the_mandatory_window_where_that_comes_first() {
    let policy = RefreshPolicy::default().backoff(Backoff::fixed(HOUR));
    let (mut world, events, _guard) = filled(policy).await;
    pass(seconds(3000)).await;
    world.gate.call().await.fail();
    settle().await;
    // 600 s left, and the mandatory window is 60 s wide.
    assert_eq!(
        events.take(),
        [
            "WARN credential refresh failed, the present credentials are still valid | source=GatedSource attempt=2 elapsed=0ns next=Some(540s) error=fetch credentials: the test said no"
        ]
    );
    pass(seconds(540)).await;
    assert_eq!(world.gate.count(), 3, "and so it is");
}

#[tokio::test(start_paused = true)]
async fn the_next_attempt_for_nobody_is_minutes_away() {
    let (mut world, events, _guard) = filled(RefreshPolicy::default()).await;
    // Past expiry the source is asked each 22.5 s; the attempt at 4,215 s is the first that comes more
    // than 10 min after expiry, with no call since.
    world.outage(seconds(4210)).await;
    events.take();
    world.outage(seconds(20)).await;
    // The middle of 300–600 s.
    assert_eq!(
        events.take(),
        [
            "ERROR credential refresh failed, there are no valid credentials | source=GatedSource attempt=38 elapsed=0ns next=Some(450s) error=fetch credentials: the test said no"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_window_that_was_cut_is_one_warning_per_cache() {
    for _ in 0..2 {
        let (events, _guard) = Events::recorded();
        let world = World::new(RefreshPolicy::default())
            .filled("KEY-1", seconds(300))
            .await;
        // Three quarters of 300 s, where 5 min were wished for.
        assert_eq!(
            events.take(),
            [
                "DEBUG credentials refreshed | source=GatedSource attempt=1 elapsed=0ns next=Some(150s) landing=Replaced",
                "WARN the session is short for its refresh window, which was cut to three quarters of it | source=GatedSource lifetime=300s advisory_window=225s",
            ]
        );
        let mut world = world;
        pass(seconds(150)).await;
        let next = world.session("KEY-2", seconds(200));
        world.gate.call().await.answer(Ok(next));
        settle().await;
        assert_eq!(
            events.take(),
            [
                "DEBUG credentials refreshed | source=GatedSource attempt=2 elapsed=0ns next=Some(100s) landing=Replaced"
            ]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_configured_window_is_cut_too() {
    let (events, _guard) = Events::recorded();
    let policy = RefreshPolicy::default().advisory_window(seconds(3000));
    World::new(policy).filled("KEY-1", HOUR).await;
    // The middle of [E − 2700 s, E − 900 s].
    assert_eq!(
        events.take(),
        [
            "DEBUG credentials refreshed | source=GatedSource attempt=1 elapsed=0ns next=Some(1800s) landing=Replaced",
            "WARN the session is short for its refresh window, which was cut to three quarters of it | source=GatedSource lifetime=3600s advisory_window=2700s",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_window_that_just_fits_is_no_matter_for_a_warning() {
    let (events, _guard) = Events::recorded();
    // Three quarters of 400 s are the 5 min of a short session.
    World::new(RefreshPolicy::default())
        .filled("KEY-1", seconds(400))
        .await;
    // The middle of [E − 300 s, E − 100 s].
    assert_eq!(
        events.take(),
        [
            "DEBUG credentials refreshed | source=GatedSource attempt=1 elapsed=0ns next=Some(200s) landing=Replaced"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_row_of_rejected_keys_is_warned_of_with_the_second() {
    let (mut world, events, _guard) = filled(RefreshPolicy::default()).await;
    let mut warned = Vec::new();
    for rejected in 1..5 {
        world.cache.invalidate(&format!("KEY-{rejected}"));
        let row = |event: &String| event.contains("rejected also the key");
        warned.push(events.take().iter().filter(|event| row(event)).count());
        let next = world.session(&format!("KEY-{}", rejected + 1), HOUR);
        world.gate.call().await.answer(Ok(next));
        settle().await;
    }
    assert_eq!(warned, [0, 1, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_rejections_of_one_key_are_one_warning() {
    let (mut world, events, _guard) = filled(RefreshPolicy::default()).await;
    assert_eq!(world.cache.invalidate("KEY-0"), Rejection::NotCurrent);
    assert_eq!(events.take(), [""; 0], "not the key in use");
    for _ in 0..1000 {
        assert_eq!(world.cache.invalidate("KEY-1"), Rejection::Invalidated);
    }
    assert_eq!(
        events.take(),
        [
            "WARN a service rejected the credentials in use, they are being replaced | source=GatedSource key_id=KEY-1"
        ]
    );

    // The source has nothing but the same key: a rejection of it changes nothing, and says nothing.
    let expiry = world.cache.status().expires_at.unwrap();
    world
        .gate
        .call()
        .await
        .answer(Ok(support::session("KEY-1", expiry)));
    settle().await;
    // Asked again after the middle of 300–600 s.
    assert_eq!(
        events.take(),
        [
            "DEBUG credentials refreshed | source=GatedSource attempt=2 elapsed=0ns next=Some(450s) landing=SameDocument"
        ]
    );
    assert_eq!(world.cache.invalidate("KEY-1"), Rejection::SameKeyAgain);
    assert_eq!(events.take(), [""; 0]);
}

#[test]
fn an_abandoned_fetch_is_no_event() {
    let (events, _guard) = Events::recorded();
    let (source, mut gate) = GatedSource::pair();
    let cache = CredentialCache::new(source, RefreshPolicy::default());
    for attempt in 1..=2 {
        let runtime = runtime();
        runtime.block_on(async {
            let cache = cache.clone();
            let caller = tokio::spawn(async move { cache.credentials().await });
            let call = gate.call().await;
            assert_eq!(call.number, attempt);
            if attempt == 2 {
                call.fail();
                assert!(caller.await.unwrap().is_err());
            }
            settle().await;
        });
        // The first one is dropped with its fetch.
        drop(runtime);
    }
    let events = events.take();
    assert_eq!(events.len(), 1, "{events:?}");
    assert!(events[0].contains(" attempt=2 "), "{events:?}");
}

#[test]
fn an_abandoned_fetch_is_no_event_after_a_failure_either() {
    let (events, _guard) = Events::recorded();
    let (source, mut gate) = GatedSource::pair();
    let cache = CredentialCache::new(source, RefreshPolicy::default());
    let runtime = runtime();
    runtime.block_on(async {
        let (answer, _) = tokio::join!(cache.credentials(), async { gate.call().await.fail() });
        assert!(answer.is_err());
        events.take();
        let cache = cache.clone();
        let _caller = tokio::spawn(async move { cache.credentials().await });
        gate.call().await
    });
    drop(runtime);
    assert_eq!(events.take(), [""; 0]);
}

/// 1,000 calls of both kinds, none of which may wait.
fn thousand_calls(world: &World) {
    for _ in 0..1000 {
        let _ = world.cache.credentials().now_or_never().expect("at once");
        let _ = world.cache.current();
        let _ = world.cache.current_identity();
        let _ = world.cache.status();
    }
}

#[tokio::test(start_paused = true)]
async fn no_request_is_logged_while_fresh_or_advisory() {
    let (mut world, events, _guard) = filled(RefreshPolicy::default()).await;
    thousand_calls(&world);
    pass(seconds(2999)).await;
    thousand_calls(&world);
    pass(seconds(1)).await;
    let under_way = world.gate.call().await;
    thousand_calls(&world);
    assert_eq!(events.take(), [""; 0]);
    under_way.fail();
    settle().await;
    assert_eq!(events.take().len(), 1, "the failure");
    thousand_calls(&world);
    assert_eq!(events.take(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn no_request_is_logged_while_a_wait_is_in_force() {
    let (events, _guard) = Events::recorded();
    let mut world = World::new(on_demand());
    // Three failures of an empty cache, then the fourth has to wait.
    for _ in 0..3 {
        attempt(&mut world, Err(Error::recoverable("not now"))).await;
    }
    assert_eq!(events.take().len(), 3);
    thousand_calls(&world);
    assert_eq!(events.take(), [""; 0], "cold");

    pass(seconds(1)).await;
    attempt(&mut world, Ok(())).await;
    pass(seconds(3599)).await;
    attempt(&mut world, Err(Error::recoverable("not now"))).await;
    assert_eq!(events.take().len(), 2);
    thousand_calls(&world);
    assert_eq!(events.take(), [""; 0], "mandatory");

    pass(seconds(1)).await;
    attempt(&mut world, Err(Error::recoverable("not now"))).await;
    assert_eq!(events.take().len(), 1);
    thousand_calls(&world);
    assert_eq!(events.take(), [""; 0], "expired");
    assert_eq!(world.gate.count(), 6);
}

#[tokio::test(start_paused = true)]
async fn callers_that_wait_are_not_logged_either() {
    let (events, _guard) = Events::recorded();
    let mut world = World::new(RefreshPolicy::default());
    let callers: Vec<_> = (0..1000).map(|_| world.call()).collect();
    let call = world.gate.call().await;
    settle().await;
    assert_eq!(events.take(), [""; 0]);
    call.answer(Ok(world.session("KEY-1", HOUR)));
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    assert_eq!(events.take().len(), 1, "one fetch");
}

#[tokio::test(start_paused = true)]
async fn no_event_holds_a_secret() {
    let (events, _guard) = Events::recorded();
    let mut world = World::new(RefreshPolicy::default())
        .filled("KEY-1", seconds(300))
        .await;
    world.cache.invalidate("KEY-1");
    world.gate.call().await.fail();
    settle().await;
    let events = events.take().join("\n");
    assert_eq!(events.lines().count(), 4, "{events}");
    assert!(!events.contains(SECRET), "{events}");
    assert!(!events.contains(TOKEN), "{events}");
}
