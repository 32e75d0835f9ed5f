//! A cache lives exactly as long as it is needed: callers, runtimes and handles come and go, and neither
//! a fetch nor the process hangs on them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use aws_credential_strategies::refresh::{Clock, Stage};
use aws_credential_strategies::{
    CredentialCache, CredentialSource, Credentials, Error, ErrorKind, RefreshMode, RefreshPolicy,
    Result,
};
use aws_smithy_async::time::TimeSource;
use futures_util::FutureExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::{Duration, SystemTime};
use support::{GatedSource, HOUR, Wall, World, pass, seconds, settle};
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn a_constructor_needs_no_runtime_and_asks_nobody() {
    let (source, gate) = GatedSource::pair();
    let cache = CredentialCache::new(source, RefreshPolicy::default());
    assert!(cache.current().is_none());
    assert_eq!(cache.status().stage, Stage::Cold);
    assert_eq!(gate.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn callers_that_give_up_change_nothing_for_the_next_one() {
    let mut world = World::new(RefreshPolicy::default());
    // 64 callers with a budget of 50 ms, on a source that takes 200 ms.
    let hurried: Vec<_> = (0..64)
        .map(|_| {
            let cache = world.cache.clone();
            tokio::spawn(async move {
                tokio::time::timeout(Duration::from_millis(50), cache.credentials()).await
            })
        })
        .collect();
    let call = world.gate.call().await;
    for caller in hurried {
        assert!(caller.await.unwrap().is_err(), "the budget was too short");
    }
    pass(Duration::from_millis(150)).await;
    assert!(
        call.answer(Ok(world.session("KEY-1", HOUR))),
        "the fetch went on"
    );
    settle().await;
    assert_eq!(world.cache.current().unwrap().access_key_id(), "KEY-1");
    assert_eq!(world.gate.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_callers_share_one_fetch() {
    let mut world = World::new(RefreshPolicy::default());
    let callers: Vec<_> = (0..1000).map(|_| world.call()).collect();
    let call = world.gate.call().await;
    settle().await;
    call.answer(Ok(world.session("KEY-1", HOUR)));
    for caller in callers {
        assert_eq!(caller.await.unwrap().unwrap().access_key_id(), "KEY-1");
    }
    assert_eq!(world.gate.count(), 1);
    assert_eq!(world.cache.status().waits, 1000);
}

/// Answers at once, with a new key each time.
#[derive(Debug, Default)]
struct Counting(AtomicU64);

impl CredentialSource for Counting {
    fn name(&self) -> &'static str {
        "Counting"
    }

    async fn fetch(&self) -> Result<Credentials> {
        let number = self.0.fetch_add(1, Ordering::SeqCst) + 1;
        Ok(support::session(
            &format!("KEY-{number}"),
            SystemTime::now() + HOUR,
        ))
    }
}

/// Wants a person the first time.
#[derive(Debug, Default)]
struct FailsAtFirst(AtomicU64);

impl CredentialSource for FailsAtFirst {
    fn name(&self) -> &'static str {
        "FailsAtFirst"
    }

    async fn fetch(&self) -> Result<Credentials> {
        if self.0.fetch_add(1, Ordering::SeqCst) == 0 {
            return Err(Error::terminal("the test wants a person"));
        }
        Ok(support::session("KEY-1", SystemTime::now() + HOUR))
    }
}

#[test]
fn cached_credentials_survive_their_runtime_and_a_second_one_resumes() {
    let cache = CredentialCache::new(Counting::default(), RefreshPolicy::default());
    let first = runtime();
    let served = first.block_on(cache.credentials()).unwrap();
    assert_eq!(served.access_key_id(), "KEY-1");
    drop(first);
    // No runtime at all: what is valid is served all the same.
    assert_eq!(cache.current().unwrap().access_key_id(), "KEY-1");
    // A second runtime: a rejection is followed by a fetch there.
    cache.invalidate("KEY-1");
    let second = runtime();
    let served = second.block_on(cache.credentials()).unwrap();
    assert_eq!(served.access_key_id(), "KEY-2");
    assert_eq!(cache.status().fetches, 2);
}

#[test]
fn a_second_runtime_gets_a_timer_of_its_own() {
    let cache = CredentialCache::new(Counting::default(), RefreshPolicy::default());
    runtime().block_on(cache.credentials()).unwrap();
    cache.invalidate("KEY-1");
    let mut second = Builder::new_current_thread();
    let second = second.enable_all().start_paused(true).build().unwrap();
    second.block_on(async {
        assert_eq!(cache.credentials().await.unwrap().access_key_id(), "KEY-2");
        // Nobody calls: the timer alone refreshes, once in an hour.
        pass(HOUR).await;
    });
    assert_eq!(cache.status().fetches, 3);
}

#[test]
fn without_a_runtime_what_has_expired_is_served_where_that_is_wanted() {
    for serve in [true, false] {
        let policy = RefreshPolicy::default().serve_expired(serve);
        let wall = support::Wall::starting();
        let (source, mut gate) = GatedSource::pair();
        let cache = CredentialCache::new(source, policy).with_clock(Clock::with_wall(wall.clone()));
        runtime().block_on(async {
            let answering = async {
                let session = support::session("KEY-1", wall.now() + HOUR);
                gate.call().await.answer(Ok(session));
            };
            let (served, ()) = tokio::join!(cache.credentials(), answering);
            served.unwrap()
        });
        wall.step_forward(HOUR);
        cache.invalidate("KEY-1");
        let answer = cache.credentials().now_or_never().expect("at once");
        if serve {
            assert_eq!(answer.unwrap().access_key_id(), "KEY-1");
        } else {
            assert_eq!(*answer.unwrap_err().kind(), ErrorKind::NoRuntime);
        }
    }
}

#[test]
fn without_a_runtime_nobody_can_wait_for_a_fetch_either() {
    let (source, mut gate) = GatedSource::pair();
    let cache = CredentialCache::new(source, RefreshPolicy::default());
    let first = runtime();
    let _unanswered = first.block_on(async {
        let cache = cache.clone();
        tokio::spawn(async move { cache.credentials().await });
        gate.call().await
    });
    let error = cache.credentials().now_or_never().expect("at once");
    assert_eq!(*error.unwrap_err().kind(), ErrorKind::NoRuntime);
    assert_eq!(gate.count(), 1);
}

#[test]
fn a_fetch_dropped_with_its_runtime_is_started_again_in_the_next() {
    let (source, mut gate) = GatedSource::pair();
    let cache = CredentialCache::new(source, RefreshPolicy::default());
    let first = runtime();
    first.block_on(async {
        let waiting = tokio::spawn({
            let cache = cache.clone();
            async move { cache.credentials().await }
        });
        let _unanswered = gate.call().await;
        waiting.abort();
    });
    drop(first);
    let second = runtime();
    let served = second.block_on(async {
        let answering = async {
            let call = gate.call().await;
            assert_eq!(call.number, 2);
            call.answer(Ok(support::session("KEY-2", SystemTime::now() + HOUR)));
        };
        let (served, ()) = tokio::join!(cache.credentials(), answering);
        served.unwrap()
    });
    assert_eq!(served.access_key_id(), "KEY-2");
    assert_eq!(
        cache.status().consecutive_failures,
        0,
        "an abandoned fetch is no verdict"
    );
}

/// Both ways to wait for a fetch.
async fn ask<F: CredentialSource>(cache: CredentialCache<F>, forced: bool) -> Result<Credentials> {
    if forced {
        cache.refresh().await
    } else {
        cache.credentials().await
    }
}

#[test]
fn a_caller_waits_on_through_the_end_of_another_runtime() {
    for forced in [false, true] {
        let (source, mut gate) = GatedSource::pair();
        let cache = CredentialCache::new(source, RefreshPolicy::default());
        let first = runtime();
        let _unanswered = first.block_on(async {
            tokio::spawn(ask(cache.clone(), forced));
            gate.call().await
        });
        let second = runtime();
        let waiting = second.spawn(ask(cache.clone(), forced));
        second.block_on(settle());
        drop(first);
        let served = second.block_on(async {
            let call = gate.call().await;
            call.answer(Ok(support::session("KEY-2", SystemTime::now() + HOUR)));
            waiting.await.unwrap().unwrap()
        });
        assert_eq!(served.access_key_id(), "KEY-2");
        assert_eq!(gate.count(), 2);
    }
}

#[test]
fn a_forced_refresh_after_an_abandoned_one_asks_again_at_once() {
    let (source, mut gate) = GatedSource::pair();
    let cache = CredentialCache::new(source, RefreshPolicy::default());
    let first = runtime();
    first.block_on(async {
        let cache = cache.clone();
        tokio::spawn(async move { cache.refresh().await });
        gate.call().await
    });
    drop(first);
    // Well within the second in which an answer would stand; there was none.
    let served = runtime().block_on(async {
        let answering = async {
            let call = gate.call().await;
            call.answer(Ok(support::session("KEY-2", SystemTime::now() + HOUR)));
        };
        let (served, ()) = tokio::join!(cache.refresh(), answering);
        served.unwrap()
    });
    assert_eq!(served.access_key_id(), "KEY-2");
}

#[test]
fn a_runtime_that_is_shutting_down_is_an_error_that_says_so() {
    let gone = runtime();
    let handle = gone.handle().clone();
    drop(gone);
    let _context = handle.enter();
    for forced in [false, true] {
        let cache = CredentialCache::new(Counting::default(), RefreshPolicy::default());
        let answer = ask(cache.clone(), forced).now_or_never();
        let error = answer.expect("at once").unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::NoRuntime);
        assert_eq!(
            error.to_string(),
            "fetch credentials: the fetch was dropped with its runtime, each time it was started; make the call on a tokio runtime that is not shutting down"
        );
        assert_eq!(cache.status().fetches, 4, "three more starts, and no loop");
        assert_eq!(cache.source().0.load(Ordering::SeqCst), 0);
    }
}

#[test]
fn no_runtime_is_an_error_that_says_so() {
    let cache = CredentialCache::new(Counting::default(), RefreshPolicy::default());
    let error = cache
        .credentials()
        .now_or_never()
        .expect("at once")
        .unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::NoRuntime);
    assert_eq!(
        error.to_string(),
        "fetch credentials: there is no tokio runtime to fetch on; make the first call from within a tokio runtime"
    );
    // It poisons nothing.
    assert_eq!(
        runtime()
            .block_on(cache.credentials())
            .unwrap()
            .access_key_id(),
        "KEY-1"
    );
}

/// Panics on its first call, then answers.
#[derive(Debug, Default)]
struct PanicsOnce(Counting);

impl CredentialSource for PanicsOnce {
    fn name(&self) -> &'static str {
        "PanicsOnce"
    }

    async fn fetch(&self) -> Result<Credentials> {
        if self.0.0.fetch_add(1, Ordering::SeqCst) == 0 {
            panic!("this panic is part of the test");
        }
        self.0.fetch().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_panics_is_an_error_and_never_a_poisoned_cache() {
    let cache = CredentialCache::new(PanicsOnce::default(), RefreshPolicy::default());
    let error = cache.credentials().await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Panicked);
    assert!(error.to_string().contains("the source panicked"), "{error}");
    assert!(cache.credentials().await.is_ok());
    assert_eq!(cache.status().fetches, 2);
}

/// Hangs, and says when its future is dropped.
#[derive(Debug)]
struct Hanging(Arc<AtomicU64>);

impl CredentialSource for Hanging {
    fn name(&self) -> &'static str {
        "Hanging"
    }

    async fn fetch(&self) -> Result<Credentials> {
        struct Dropped(Arc<AtomicU64>);
        impl Drop for Dropped {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let _dropped = Dropped(Arc::clone(&self.0));
        std::future::pending().await
    }
}

/// Panics while it holds a lock that it needs to say whom it asks for.
#[derive(Debug, Default)]
struct Poisoned(Mutex<String>);

impl CredentialSource for Poisoned {
    fn name(&self) -> &'static str {
        "Poisoned"
    }

    fn subject(&self) -> Option<String> {
        Some(self.0.lock().unwrap().clone())
    }

    async fn fetch(&self) -> Result<Credentials> {
        let _held = self.0.lock().unwrap();
        panic!("this panic is the test");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_the_fetch_has_poisoned_ends_neither_the_wait_nor_the_process() {
    let cache = CredentialCache::new(Poisoned::default(), RefreshPolicy::default());
    let start = Instant::now();
    let error = cache.credentials().await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Panicked);
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(cache.status().subject, None);
    assert_eq!(cache.status().consecutive_failures, 1);
}

#[test]
fn a_panic_of_the_application_is_not_taken_for_one_of_the_source() {
    let (source, mut gate) = GatedSource::pair();
    let cache = CredentialCache::new(source, RefreshPolicy::default());
    let waiting = cache.clone();
    let ended = catch_unwind(AssertUnwindSafe(|| {
        runtime().block_on(async {
            tokio::spawn(async move { waiting.credentials().await });
            let _unanswered = gate.call().await;
            panic!("this panic is the test");
        })
    }));
    assert!(ended.is_err());
    assert!(cache.status().last_error.is_none());
    assert_eq!(cache.status().consecutive_failures, 0);
}

#[test]
fn fetches_that_came_to_nothing_do_not_put_off_the_next_one() {
    let (source, mut gate) = GatedSource::pair();
    let cache = CredentialCache::new(source, RefreshPolicy::default());
    let ended = runtime();
    let ending = ended.handle().clone();
    ended.shutdown_background();
    for _ in 0..50 {
        let error = ending.block_on(cache.credentials()).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::NoRuntime);
    }
    let living = Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    living.block_on(async {
        let start = Instant::now();
        let caller = tokio::spawn(async move { cache.credentials().await });
        let call = gate.call().await;
        // Of the 8 attempts that a second allows, all have been made, so it may take one.
        assert!(start.elapsed() <= seconds(1), "{:?}", start.elapsed());
        call.answer(Ok(support::session("KEY-1", SystemTime::now() + HOUR)));
        assert_eq!(caller.await.unwrap().unwrap().access_key_id(), "KEY-1");
    });
}

#[tokio::test(start_paused = true)]
async fn the_last_handle_dropped_ends_the_fetch_the_timer_and_the_subscription() {
    let dropped = Arc::new(AtomicU64::new(0));
    let cache = CredentialCache::new(Hanging(Arc::clone(&dropped)), RefreshPolicy::default());
    let mut news = cache.subscribe();
    let caller = tokio::spawn({
        let cache = cache.clone();
        async move { cache.credentials().await }
    });
    settle().await;
    let alive = tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks();
    assert_eq!(alive, 3, "the caller, the fetch, the timer");
    caller.abort();
    settle().await;
    assert_eq!(dropped.load(Ordering::SeqCst), 0, "a handle is left");
    drop(cache);
    settle().await;
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
    assert!(news.changed().await.is_err(), "closed");
    let alive = tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks();
    assert_eq!(alive, 0);
}

#[tokio::test(start_paused = true)]
async fn the_timer_ends_with_the_last_handle() {
    let world = World::new(RefreshPolicy::default())
        .filled("KEY-1", HOUR)
        .await;
    let World { cache, gate, .. } = world;
    let alive = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    assert_eq!(alive(), 1, "the timer");
    drop(cache);
    settle().await;
    assert_eq!(alive(), 0);
    pass(HOUR).await;
    assert_eq!(gate.count(), 1);
}

#[test]
fn neither_a_hanging_fetch_nor_the_timer_delays_the_end_of_a_runtime() {
    let dropped = Arc::new(AtomicU64::new(0));
    let cache = CredentialCache::new(Hanging(Arc::clone(&dropped)), RefreshPolicy::default());
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.spawn({
        let cache = cache.clone();
        async move { cache.credentials().await }
    });
    while cache.status().fetches == 0 {
        std::thread::yield_now();
    }
    // Returns only when every task is dropped: would hang here for ever.
    drop(runtime);
    drop(cache);
}

#[tokio::test(start_paused = true)]
async fn an_overdue_timer_is_made_up_for_by_the_next_call() {
    // The process was frozen, or the runtime of the timer is gone: here, the wall clock alone ran on.
    let mut world = World::new(RefreshPolicy::default())
        .filled("KEY-1", HOUR)
        .await;
    pass(seconds(1)).await;
    world.wall.step_forward(seconds(3006));
    settle().await;
    assert_eq!(world.gate.count(), 1);
    let served = world.cache.credentials().now_or_never();
    assert_eq!(
        served.unwrap().unwrap().access_key_id(),
        "KEY-1",
        "and returns at once"
    );
    assert_eq!(world.gate.call().await.number, 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_leaves_the_refresh_to_a_timer_that_is_less_than_five_seconds_late() {
    let world = World::new(RefreshPolicy::default())
        .filled("KEY-1", HOUR)
        .await;
    pass(seconds(1)).await;
    world.wall.step_forward(seconds(3004));
    world.cache.credentials().await.unwrap();
    settle().await;
    assert_eq!(world.gate.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_outlived_its_time_out_by_far_counts_as_gone() {
    // Started on a runtime that is never driven again.
    let stuck = runtime();
    let mut world = World::new(RefreshPolicy::default().mode(RefreshMode::OnDemand));
    {
        let _context = stuck.enter();
        let first = world.cache.credentials();
        assert!(first.now_or_never().is_none());
    }
    settle().await;
    assert_eq!(world.cache.status().fetches, 1);
    assert_eq!(world.gate.count(), 0, "spawned, but never run");

    pass(seconds(36)).await;
    let served = world.call();
    let call = world.gate.call().await;
    call.answer(Ok(world.session("KEY-2", HOUR)));
    assert_eq!(served.await.unwrap().unwrap().access_key_id(), "KEY-2");
    assert_eq!(world.cache.status().fetches, 2);
    // Thawed: the old fetch finds itself replaced, and changes nothing.
    tokio::task::spawn_blocking(move || stuck.shutdown_background())
        .await
        .unwrap();
    assert_eq!(world.cache.current().unwrap().access_key_id(), "KEY-2");
}

#[test]
fn attempts_of_runtimes_that_end_are_no_reason_to_fail_on_one_that_lives() {
    let cache = CredentialCache::new(Counting::default(), RefreshPolicy::default());
    let begin_elsewhere = || {
        let other = runtime();
        let context = other.enter();
        let _ = cache.credentials().now_or_never();
        drop(context);
        other
    };
    let mut other = begin_elsewhere();
    // The call on the healthy runtime joins one attempt after the other, each of which ends with its runtime.
    let healthy = runtime();
    let mut call = pin!(cache.credentials());
    for _ in 0..20 {
        let joined = healthy.block_on(async { (&mut call).now_or_never() });
        assert!(joined.is_none(), "{joined:?}");
        other.shutdown_background();
        other = begin_elsewhere();
    }
    other.shutdown_background();
    let served = healthy.block_on(call);
    assert_eq!(served.unwrap().access_key_id(), "KEY-1");
}

#[test]
fn a_runtime_that_computes_does_not_hold_up_the_others() {
    // One runtime a core: the first caller's is busy for good, as far as the others can see.
    let busy = runtime();
    let cache = CredentialCache::new(Counting::default(), RefreshPolicy::default());
    {
        let _context = busy.enter();
        assert!(cache.credentials().now_or_never().is_none());
    }
    let other = runtime();
    let served = other.block_on(cache.credentials()).unwrap();
    assert_eq!(served.access_key_id(), "KEY-1");
    assert_eq!(cache.source().0.load(Ordering::SeqCst), 1, "asked once");
    // Driven again, the first attempt ends without asking the source.
    busy.block_on(settle());
    assert_eq!(cache.source().0.load(Ordering::SeqCst), 1);
}

/// Answers once, and then never; notices a fetch that is polled although a later one has begun.
#[derive(Debug)]
struct Watching {
    wall: Wall,
    begun: AtomicU64,
    together: AtomicU64,
}

impl CredentialSource for Watching {
    fn name(&self) -> &'static str {
        "Watching"
    }

    async fn fetch(&self) -> Result<Credentials> {
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        if number == 1 {
            return Ok(support::session("KEY-1", self.wall.now() + HOUR));
        }
        loop {
            if self.begun.load(Ordering::SeqCst) != number {
                self.together.fetch_add(1, Ordering::SeqCst);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[test]
fn driven_a_call_at_a_time_attempts_do_not_pile_up() {
    for mode in [RefreshMode::Background, RefreshMode::OnDemand] {
        let now_and_then = Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        // Time passes while nobody drives the runtime.
        let pass_undriven = |time| {
            let _ = now_and_then.block_on(async { tokio::time::advance(time).now_or_never() });
        };
        let wall = now_and_then.block_on(async { Wall::starting() });
        let source = Watching {
            wall: wall.clone(),
            begun: AtomicU64::new(0),
            together: AtomicU64::new(0),
        };
        let cache = CredentialCache::new(source, RefreshPolicy::default().mode(mode))
            .with_clock(Clock::with_wall(wall));
        now_and_then.block_on(cache.credentials()).unwrap();
        // Served at once, each of these calls leaves what it began to a runtime that stands still again.
        for _ in 0..70 {
            pass_undriven(seconds(50));
            let call = now_and_then.block_on(async { cache.credentials().now_or_never() });
            assert!(call.is_some_and(|served| served.is_ok()));
        }
        pass_undriven(seconds(100));
        let _ = now_and_then.block_on(cache.credentials());
        assert_eq!(cache.source().together.load(Ordering::SeqCst), 0);
        assert_eq!(cache.source().begun.load(Ordering::SeqCst), 2, "{mode:?}");
        // What was taken over is gone as soon as its runtime is driven: one fetch, and perhaps the timer.
        let alive = now_and_then.metrics().num_alive_tasks();
        assert!(alive <= 2, "{alive} tasks");
    }
}

#[test]
fn fetches_run_where_they_are_pinned_to() {
    let chosen = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let cache = CredentialCache::new(Counting::default(), RefreshPolicy::default())
        .on(chosen.handle().clone());
    let here = runtime();
    let served = here.block_on(cache.credentials()).unwrap();
    assert_eq!(served.access_key_id(), "KEY-1");
    assert_eq!(here.metrics().num_alive_tasks(), 0, "nothing runs here");
    // The task of the attempt is over when its worker has put it away.
    let until = std::time::Instant::now() + seconds(10);
    while chosen.metrics().num_alive_tasks() != 1 {
        assert!(std::time::Instant::now() < until, "the timer alone is left");
        std::thread::yield_now();
    }
    // It ends: who waits runs the next one.
    chosen.shutdown_background();
    cache.invalidate("KEY-1");
    let served = here.block_on(cache.credentials()).unwrap();
    assert_eq!(served.access_key_id(), "KEY-2");
}

/// Notes on which thread it was asked.
#[derive(Debug, Default)]
struct Where(Mutex<Option<ThreadId>>);

impl CredentialSource for Where {
    fn name(&self) -> &'static str {
        "Where"
    }

    async fn fetch(&self) -> Result<Credentials> {
        *self.0.lock().unwrap() = Some(thread::current().id());
        Ok(support::session("KEY-1", SystemTime::now() + HOUR))
    }
}

#[test]
fn whatever_the_call_the_fetch_runs_where_it_is_pinned_to_and_here_once_that_has_ended() {
    let elsewhere = || {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1).enable_all().build().unwrap()
    };
    for way in 0..3 {
        for has_ended in [false, true] {
            let chosen = elsewhere();
            let cache = CredentialCache::new(Where::default(), RefreshPolicy::default())
                .on(chosen.handle().clone());
            let _chosen = if has_ended {
                chosen.shutdown_background();
                None
            } else {
                Some(chosen)
            };
            let served = runtime().block_on(async {
                match way {
                    0 => cache.credentials().await,
                    1 => cache.refresh().await,
                    _ => cache.credentials_valid_for(seconds(60)).await,
                }
            });
            served.unwrap();
            let on_this_thread = *cache.source().0.lock().unwrap() == Some(thread::current().id());
            assert_eq!(on_this_thread, has_ended, "way {way}");
        }
    }
}

fn paused_runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap()
}

/// Credentials are valid, so nobody who waits would notice.
#[test]
fn the_window_is_not_missed_where_the_chosen_runtime_has_ended() {
    for mode in [RefreshMode::Background, RefreshMode::OnDemand] {
        let (chosen, here) = (paused_runtime(), paused_runtime());
        let policy = RefreshPolicy::default().mode(mode);
        let cache = CredentialCache::new(Counting::default(), policy).on(chosen.handle().clone());
        chosen.block_on(cache.credentials()).unwrap();
        drop(chosen);
        here.block_on(async {
            // The draw is past, and a timer that would have looked.
            pass(HOUR - seconds(200)).await;
            for _ in 0..20 {
                assert!(cache.current().is_some());
                settle().await;
            }
        });
        let status = cache.status();
        assert_eq!((status.fetches, status.waits), (3, 1), "{mode:?}");
        assert_eq!(status.generation, 2, "{mode:?}");
    }
}

/// Nothing was sent for the wish that was booked where nothing runs, so it is none that was answered.
#[test]
fn a_wish_for_a_life_is_taken_over_where_the_chosen_runtime_is_not_driven() {
    let (chosen, here) = (paused_runtime(), paused_runtime());
    let cache = CredentialCache::new(Counting::default(), RefreshPolicy::default())
        .on(chosen.handle().clone());
    chosen.block_on(cache.credentials()).unwrap();
    let served = here.block_on(async {
        pass(seconds(60)).await;
        cache.credentials_valid_for(HOUR - seconds(30)).await
    });
    served.unwrap();
    assert_eq!(cache.source().0.load(Ordering::SeqCst), 2);
}

#[test]
fn a_wish_that_came_to_nothing_with_its_runtime_is_granted_to_the_next_who_has_it() {
    let (first, ends, here) = (paused_runtime(), paused_runtime(), paused_runtime());
    let cache = CredentialCache::new(Counting::default(), RefreshPolicy::default());
    first.block_on(cache.credentials()).unwrap();
    let wish = HOUR - seconds(30);
    ends.block_on(async {
        pass(seconds(60)).await;
        assert!(cache.credentials_valid_for(wish).now_or_never().is_none());
    });
    drop(ends);
    here.block_on(async {
        pass(seconds(61)).await;
        cache.credentials_valid_for(wish).await.unwrap();
    });
    assert_eq!(cache.source().0.load(Ordering::SeqCst), 2);
}

#[test]
fn a_chosen_runtime_that_stood_still_once_keeps_the_timer() {
    let chosen = paused_runtime();
    let cache = CredentialCache::new(Counting::default(), RefreshPolicy::default())
        .on(chosen.handle().clone());
    // Not driven at the first call, which fetches where it is made: on a runtime that is never driven again.
    let here = paused_runtime();
    here.block_on(cache.credentials()).unwrap();
    chosen.block_on(pass(HOUR));
    assert_eq!(cache.source().0.load(Ordering::SeqCst), 2, "one refresh");
}

#[tokio::test(start_paused = true)]
async fn a_wall_clock_that_was_stepped_makes_no_news_of_each_call() {
    let idle = RefreshPolicy::default().idle_after(seconds(600));
    let world = World::new(idle).filled("KEY-1", HOUR).await;
    world.wall.step_forward(seconds(300));
    pass(seconds(2_150)).await;
    assert!(world.cache.current().is_some());
    let mut news = world.cache.subscribe();
    for _ in 0..3 {
        assert!(world.cache.current().is_some());
    }
    assert!(!news.has_changed().unwrap());
    let _ = news.borrow_and_update();
}

#[test]
fn a_timer_with_nothing_to_do_stays_where_it_is() {
    // Needs a person: nobody asks again but who calls.
    let cache = CredentialCache::new(FailsAtFirst::default(), RefreshPolicy::default());
    let long_lived = paused_runtime();
    let first = long_lived.block_on(cache.credentials());
    assert!(first.unwrap_err().is_terminal());
    let short_lived = paused_runtime();
    let served = short_lived.block_on(async {
        pass(seconds(20)).await;
        cache.credentials().await
    });
    served.unwrap();
    drop(short_lived);
    long_lived.block_on(pass(HOUR));
    assert_eq!(cache.source().0.load(Ordering::SeqCst), 3, "one refresh");
}

#[test]
fn a_timer_that_is_not_driven_any_more_is_replaced_by_the_call_that_does_its_work() {
    let cache = CredentialCache::new(Counting::default(), RefreshPolicy::default());
    let first = paused_runtime();
    first.block_on(cache.credentials()).unwrap();
    let second = paused_runtime();
    second.block_on(async {
        // beyond the latest draw, and a timer's five seconds
        pass(seconds(3306)).await;
        let served = cache
            .credentials()
            .now_or_never()
            .expect("at once")
            .unwrap();
        assert_eq!(served.access_key_id(), "KEY-1");
        settle().await;
        assert_eq!(cache.current().unwrap().access_key_id(), "KEY-2");
        // Nobody calls.
        pass(HOUR).await;
    });
    assert_eq!(cache.source().0.load(Ordering::SeqCst), 3);
    // The first one's has nothing to do when it is driven again.
    first.block_on(settle());
    assert_eq!(first.metrics().num_alive_tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_asks_for_is_left_alone_until_somebody_does() {
    let idle = RefreshPolicy::default().idle_after(seconds(600));
    let mut world = World::new(idle).filled("KEY-1", HOUR).await;
    // Due at 3000 s, with no call since the first.
    pass(seconds(3500)).await;
    assert_eq!(world.gate.count(), 1);
    assert_eq!(world.cache.status().next_attempt_at, None);
    // The call is served at once, and the refresh comes.
    let served = world.cache.credentials().now_or_never().expect("at once");
    assert_eq!(served.unwrap().access_key_id(), "KEY-1");
    let call = world.gate.call().await;
    call.answer(Ok(world.session("KEY-2", HOUR)));
    settle().await;
    // A call within ten minutes of the plan keeps it going, also one of the hot path.
    pass(seconds(2500)).await;
    assert!(world.cache.current().is_some());
    pass(seconds(501)).await;
    let call = world.gate.call().await;
    call.answer(Ok(world.session("KEY-3", HOUR)));
    settle().await;
    // Then nobody asks for days: nothing, until a call waits for a fetch.
    pass(HOUR * 50).await;
    assert_eq!(world.gate.count(), 3);
    let caller = world.call();
    let call = world.gate.call().await;
    call.answer(Ok(world.session("KEY-4", HOUR)));
    assert_eq!(caller.await.unwrap().unwrap().access_key_id(), "KEY-4");
}

#[tokio::test(start_paused = true)]
async fn constant_calls_never_look_idle() {
    let idle = RefreshPolicy::default().idle_after(seconds(60));
    let mut world = World::new(idle).filled("KEY-0", HOUR).await;
    for second in 1..=20_000_u64 {
        pass(seconds(1)).await;
        assert!(world.cache.current().is_some(), "{second}");
        if let Some(call) = world.gate.pending() {
            call.answer(Ok(world.session(&format!("KEY-{second}"), HOUR)));
            settle().await;
        }
    }
    assert!(world.cache.status().generation >= 6);
    assert_eq!(world.cache.status().waits, 1, "the first call of all");
}
