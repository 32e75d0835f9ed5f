//! What holds whatever happens: the invariants of a refresh, over random schedules of faults, latencies,
//! hangs, clock steps both ways, suspends, cancellations, rejections of key after key, forced refreshes,
//! wishes for long lives, and runtimes that stall, end or are driven only now and then, with lifetimes from
//! 1 s to 12 h and up to 64 callers. The oracle is a model of its own: what the source delivered, and when.
//!
//! 2,000 schedules, always the same ones: `SCHEDULE_SEED` takes others, `PROPTEST_CASES` more
//! (`.ci/soak` does both). A schedule that breaks an invariant is shrunk and printed with its seed, and
//! kept beside this file, to be run first the next time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use aws_credential_strategies::refresh::{
    Clock, Jitter, MAX_ATTEMPTS_PER_SECOND, MIN_ATTEMPT_SPACING, Stage,
};
use aws_credential_strategies::{
    CredentialCache, CredentialSource, Credentials, Error, RefreshMode, RefreshPolicy, Result,
};
use aws_smithy_async::time::TimeSource;
use futures_util::FutureExt;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use support::{SECRET, TOKEN, Wall, seconds, settle};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// The policy's defaults, by which callers and fetches are bounded.
const WAIT_TIMEOUT: Duration = Duration::from_secs(10);
const FETCH_TIMEOUT: Duration = Duration::from_secs(30);
const TEN_MINUTES: Duration = Duration::from_secs(600);

#[derive(Clone, Debug)]
struct Schedule {
    aws_spec: bool,
    background: bool,
    lifetime: Duration,
    seed: u64,
    events: Vec<Event>,
}

#[derive(Clone, Debug)]
enum Event {
    /// So many callers at once; those with a budget give up after it.
    Calls {
        callers: u8,
        budget_millis: Option<u16>,
    },
    /// Time passes on both clocks, by so many thousandths of the lifetime.
    Pass {
        thousandths: u16,
    },
    PassMillis(u16),
    Source(Behaviour),
    LatencyMillis(u16),
    /// The wall clock steps: forward is also what a suspended host sees.
    StepForward(Step),
    StepBack(Step),
    ToTheEpoch,
    /// A service rejects the key in use, as seen by so many requests.
    Reject {
        requests: u8,
    },
    /// A service rejects every key that comes, for so many keys, while a call is made beside it.
    RejectEach {
        keys: u8,
    },
    /// Another service accepts the key in use.
    Accept,
    /// Forced refreshes, once in so many milliseconds.
    Force {
        times: u8,
        every_millis: u16,
    },
    /// Credentials are asked for that live for so many thousandths of the lifetime.
    ValidFor {
        thousandths: u16,
        times: u8,
    },
    /// A call on another runtime, which then ends, or stands still until it is driven.
    Elsewhere {
        ends: bool,
    },
    /// One of the runtimes that stand still is driven for so many turns, with a call of its own beside what it
    /// was left with.
    Drive {
        which: u8,
        turns: u8,
    },
}

/// By how much a wall clock is stepped.
#[derive(Clone, Copy, Debug)]
enum Step {
    Seconds { seconds: u32 },
    OfLifetime { thousandths: u16 },
}

impl Step {
    fn length(self, lifetime: Duration) -> Duration {
        match self {
            Step::Seconds { seconds: by } => seconds(by.into()),
            Step::OfLifetime { thousandths } => lifetime / 1000 * u32::from(thousandths),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Behaviour {
    Healthy,
    Fails,
    Throttles,
    Refuses,
    Hangs,
    Panics,
    SameDocument,
    SameKeyLater,
    /// The same key and expiry, with its secret and token changed in place.
    Mended,
    /// The same document until shortly before it ends.
    RenewsLate,
    /// So many failures, then the same document, and again.
    Flickers {
        failures: u8,
    },
    ExpiredDocument,
    NearlyDead,
    NeverExpires,
    ExpiresIn1970,
    ExpiresIn9999,
}

impl Behaviour {
    /// Whether what it does is within the lifetime that the schedule is about.
    fn is_ordinary(self) -> bool {
        !matches!(
            self,
            // Under a clock before the epoch, 1970 may be seconds ahead.
            Behaviour::NearlyDead
                | Behaviour::NeverExpires
                | Behaviour::ExpiresIn1970
                | Behaviour::ExpiresIn9999
        )
    }
}

fn behaviours() -> impl Strategy<Value = Behaviour> {
    prop_oneof![
        6 => Just(Behaviour::Healthy),
        4 => Just(Behaviour::Fails),
        1 => Just(Behaviour::Throttles),
        1 => Just(Behaviour::Refuses),
        3 => Just(Behaviour::Hangs),
        1 => Just(Behaviour::Panics),
        2 => Just(Behaviour::SameDocument),
        1 => Just(Behaviour::SameKeyLater),
        1 => Just(Behaviour::Mended),
        2 => Just(Behaviour::RenewsLate),
        2 => (1..7_u8).prop_map(|failures| Behaviour::Flickers { failures }),
        1 => Just(Behaviour::ExpiredDocument),
        1 => Just(Behaviour::NearlyDead),
        1 => Just(Behaviour::NeverExpires),
        1 => Just(Behaviour::ExpiresIn1970),
        1 => Just(Behaviour::ExpiresIn9999),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => (1..10_000_u32).prop_map(|seconds| Step::Seconds { seconds }),
        2 => (1..1_200_u16).prop_map(|thousandths| Step::OfLifetime { thousandths }),
    ]
}

fn events() -> impl Strategy<Value = Event> {
    let budget = prop_oneof![
        2 => Just(None),
        1 => (1..15_000_u16).prop_map(Some),
    ];
    prop_oneof![
        8 => (1..=64_u8, budget).prop_map(|(callers, budget_millis)| Event::Calls { callers, budget_millis }),
        6 => (1..600_u16).prop_map(|thousandths| Event::Pass { thousandths }),
        4 => (0..2_000_u16).prop_map(Event::PassMillis),
        5 => behaviours().prop_map(Event::Source),
        2 => (0..20_000_u16).prop_map(Event::LatencyMillis),
        2 => steps().prop_map(Event::StepForward),
        2 => steps().prop_map(Event::StepBack),
        1 => Just(Event::ToTheEpoch),
        2 => (1..100_u8).prop_map(|requests| Event::Reject { requests }),
        2 => (2..30_u8).prop_map(|keys| Event::RejectEach { keys }),
        1 => Just(Event::Accept),
        2 => (1..80_u8, 1..3000_u16).prop_map(|(times, every_millis)| Event::Force { times, every_millis }),
        2 => (1..2000_u16, 1..40_u8).prop_map(|(thousandths, times)| Event::ValidFor { thousandths, times }),
        1 => prop::bool::weighted(0.3).prop_map(|ends| Event::Elsewhere { ends }),
        2 => (any::<u8>(), 1..12_u8).prop_map(|(which, turns)| Event::Drive { which, turns }),
    ]
}

/// Clocks that go right, a source that answers within the lifetime or not, and nobody who rejects or asks for
/// more: what a credential's ten attempts are counted over.
fn of_the_source_alone() -> impl Strategy<Value = Schedule> {
    let ordinary = behaviours().prop_filter("not within the lifetime", |own| own.is_ordinary());
    let event = prop_oneof![
        2 => (1..=8_u8).prop_map(|callers| Event::Calls { callers, budget_millis: None }),
        8 => (1..600_u16).prop_map(|thousandths| Event::Pass { thousandths }),
        4 => ordinary.prop_map(Event::Source),
        1 => (0..20_000_u16).prop_map(Event::LatencyMillis),
    ];
    let events = prop::collection::vec(event, 1..40);
    (any::<bool>(), lifetimes(), any::<u64>(), events).prop_map(
        |(background, lifetime, seed, events)| Schedule {
            aws_spec: false,
            background,
            lifetime,
            seed,
            events,
        },
    )
}

fn lifetimes() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (1..60_u64).prop_map(seconds),
        (60..900_u64).prop_map(seconds),
        (900..43_200_u64).prop_map(seconds),
    ]
}

fn schedules() -> impl Strategy<Value = Schedule> {
    (
        prop::bool::weighted(0.25),
        any::<bool>(),
        lifetimes(),
        any::<u64>(),
        prop::collection::vec(events(), 1..40),
    )
        .prop_map(|(aws_spec, background, lifetime, seed, events)| Schedule {
            aws_spec,
            background,
            lifetime,
            seed,
            events,
        })
}

/// What the source delivered, with its times as the answer arrived.
#[derive(Clone, Debug)]
struct Delivery {
    key_id: String,
    expiry: Option<SystemTime>,
    lifetime: Duration,
    at: Instant,
}

impl Delivery {
    fn is_live(&self, wall: SystemTime, now: Instant) -> bool {
        self.expiry
            .is_none_or(|expiry| expiry > wall && now - self.at < self.lifetime)
    }
}

#[derive(Clone, Debug)]
struct Attempt {
    at: Instant,
    wall: SystemTime,
    /// Deliveries before it, so that what was held then is the last of them.
    delivered: usize,
}

#[derive(Debug)]
struct Script {
    behaviour: Behaviour,
    latency: Duration,
    last: Option<Credentials>,
    made: u64,
    mended: u64,
    attempts: Vec<Attempt>,
    deliveries: Vec<Delivery>,
}

/// Plays a schedule's behaviours, and keeps the books that the invariants are checked against.
#[derive(Debug)]
struct ScriptedSource {
    lifetime: Duration,
    wall: Wall,
    script: Mutex<Script>,
    /// Fetches begun; the number of each is how many there were with it.
    fetches: AtomicU64,
    overlaps: AtomicU64,
    invalidations: AtomicU64,
}

impl ScriptedSource {
    fn new(lifetime: Duration, wall: Wall) -> Self {
        ScriptedSource {
            lifetime,
            wall,
            script: Mutex::new(Script {
                behaviour: Behaviour::Healthy,
                latency: Duration::ZERO,
                last: None,
                made: 0,
                mended: 0,
                attempts: Vec::new(),
                deliveries: Vec::new(),
            }),
            fetches: AtomicU64::new(0),
            overlaps: AtomicU64::new(0),
            invalidations: AtomicU64::new(0),
        }
    }

    /// The last live answer, if it still lives.
    fn newest_live(&self) -> Option<Delivery> {
        let script = self.script.lock().unwrap();
        let newest = script.deliveries.last()?;
        newest
            .is_live(self.wall.now(), Instant::now())
            .then(|| newest.clone())
    }

    /// Whether this key came and lives, and longer than that answer, so that it may have been kept.
    fn outlives(&self, key_id: &str, other: &Delivery) -> bool {
        let script = self.script.lock().unwrap();
        let (wall, now) = (self.wall.now(), Instant::now());
        let left = |delivery: &Delivery| {
            let by_mono = delivery.lifetime.saturating_sub(now - delivery.at);
            let by_wall = delivery.expiry.map_or(Duration::MAX, |expiry| {
                expiry.duration_since(wall).unwrap_or_default()
            });
            by_mono.min(by_wall)
        };
        script
            .deliveries
            .iter()
            .any(|own| own.key_id == key_id && own.is_live(wall, now) && left(own) > left(other))
    }

    fn new_session(&self, script: &mut Script, expiry: Option<SystemTime>) -> Credentials {
        script.made += 1;
        let number = script.made;
        Credentials::new(
            format!("KEY-{number}"),
            format!("{SECRET}-KEY-{number}"),
            Some(format!("{TOKEN}-KEY-{number}")),
            expiry,
            "test",
        )
    }

    async fn answer_in_time(&self) -> Result<Credentials> {
        let (behaviour, latency) = {
            let mut script = self.script.lock().unwrap();
            let attempt = Attempt {
                at: Instant::now(),
                wall: self.wall.now(),
                delivered: script.deliveries.len(),
            };
            script.attempts.push(attempt);
            (script.behaviour, script.latency)
        };
        if behaviour == Behaviour::Hangs {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(latency).await;
        if behaviour == Behaviour::Panics {
            panic!("this panic is part of the test");
        }
        self.answer()
    }

    fn answer(&self) -> Result<Credentials> {
        let script = &mut *self.script.lock().unwrap();
        let wall = self.wall.now();
        let in_time = Some(wall + self.lifetime);
        let year_9999 = UNIX_EPOCH + seconds(253_370_764_800);
        let fetched = match (script.behaviour, script.last.clone()) {
            (Behaviour::Fails | Behaviour::Panics, _) => return Err(Error::recoverable("down")),
            (Behaviour::Throttles, _) => return Err(Error::throttled("slow down")),
            (Behaviour::Refuses, _) => return Err(Error::terminal("not allowed")),
            (Behaviour::Flickers { failures }, Some(_))
                if !script
                    .attempts
                    .len()
                    .is_multiple_of(usize::from(failures) + 1) =>
            {
                return Err(Error::recoverable("down"));
            }
            (Behaviour::SameDocument | Behaviour::Flickers { .. }, Some(last)) => last,
            (Behaviour::Mended, Some(last)) => {
                script.mended += 1;
                let version = script.mended;
                let key_id = last.access_key_id();
                Credentials::new(
                    key_id,
                    format!("{SECRET}-{key_id}+{version}"),
                    Some(format!("{TOKEN}-{key_id}+{version}")),
                    last.expiry(),
                    "test",
                )
            }
            (Behaviour::RenewsLate, Some(last))
                if last
                    .expiry()
                    .is_none_or(|expiry| expiry > wall + seconds(10)) =>
            {
                last
            }
            (Behaviour::SameKeyLater, Some(mut last)) => {
                *last.expiry_mut() = in_time;
                last
            }
            (Behaviour::ExpiredDocument, _) => {
                self.new_session(script, wall.checked_sub(seconds(1)))
            }
            (Behaviour::ExpiresIn1970, _) => self.new_session(script, Some(UNIX_EPOCH)),
            (Behaviour::NearlyDead, _) => {
                self.new_session(script, Some(wall + Duration::from_millis(7)))
            }
            (Behaviour::NeverExpires, _) => self.new_session(script, None),
            (Behaviour::ExpiresIn9999, _) => self.new_session(script, Some(year_9999)),
            (Behaviour::Healthy | Behaviour::Hangs, _)
            | (Behaviour::RenewsLate, _)
            | (
                Behaviour::SameDocument
                | Behaviour::Flickers { .. }
                | Behaviour::SameKeyLater
                | Behaviour::Mended,
                None,
            ) => self.new_session(script, in_time),
        };
        script.last = Some(fetched.clone());
        let now = Instant::now();
        let left = fetched.expiry().map(|expiry| expiry.duration_since(wall));
        let lifetime = match left {
            None => Duration::MAX,
            Some(Ok(left)) => seconds(left.as_secs() + u64::from(left.subsec_nanos() > 0)),
            Some(Err(_)) => Duration::ZERO,
        };
        // What has expired already may take the place of what has expired too, never of what is live.
        let newest = script.deliveries.last();
        if !lifetime.is_zero() || newest.is_none_or(|newest| !newest.is_live(wall, now)) {
            script.deliveries.push(Delivery {
                key_id: fetched.access_key_id().to_owned(),
                expiry: fetched.expiry(),
                lifetime,
                at: now,
            });
        }
        Ok(fetched)
    }
}

#[derive(Debug)]
struct Source(Arc<ScriptedSource>);

impl CredentialSource for Source {
    fn name(&self) -> &'static str {
        "ScriptedSource"
    }

    async fn fetch(&self) -> Result<Credentials> {
        let source = &self.0;
        let number = source.fetches.fetch_add(1, Ordering::SeqCst) + 1;
        let mut answer = pin!(source.answer_in_time());
        poll_fn(|context| {
            // 1. Once a later one has begun, this one is not polled any more.
            if source.fetches.load(Ordering::SeqCst) != number {
                source.overlaps.fetch_add(1, Ordering::SeqCst);
            }
            answer.as_mut().poll(context)
        })
        .await
    }
}

type Cache = CredentialCache<Source>;

/// One call, and what holds of its answer at the moment it comes.
async fn checked_call(
    cache: Cache,
    source: Arc<ScriptedSource>,
    serves_through_errors: bool,
    budget: Option<Duration>,
) -> std::result::Result<(), String> {
    let called = Instant::now();
    let answer = match budget {
        None => cache.credentials().await,
        Some(budget) => match tokio::time::timeout(budget, cache.credentials()).await {
            Ok(answer) => answer,
            Err(_) => return Ok(()),
        },
    };
    let waited = called.elapsed();
    // 8. Time-outs end on whole milliseconds of tokio's timer.
    if waited > WAIT_TIMEOUT + Duration::from_millis(1) {
        return Err(format!("8: a call waited {waited:?}"));
    }
    let live = source.newest_live();
    match (answer, live) {
        (Ok(served), live) => {
            // 4.
            let number = served.access_key_id();
            let (secret, token) = (format!("{SECRET}-{number}"), format!("{TOKEN}-{number}"));
            let version = served.secret_access_key().strip_prefix(&*secret);
            let of_token = served
                .session_token()
                .and_then(|own| own.strip_prefix(&*token));
            if version.is_none() || version != of_token {
                return Err("4: key id, secret and token of different answers".to_owned());
            }
            // 3, and 5a: what is live is served, whatever failed since.
            match live {
                Some(live) if live.key_id != number && !source.outlives(number, &live) => {
                    Err(format!(
                        "3, 5a: {number} was served although {} is live",
                        live.key_id
                    ))
                }
                _ => Ok(()),
            }
        }
        (Err(error), Some(live)) if serves_through_errors => {
            Err(format!("5b: {} is live, yet: {error}", live.key_id))
        }
        (Err(error), _) => {
            let shown = format!("{error} {error:?}");
            if shown.contains(SECRET) || shown.contains(TOKEN) {
                return Err("11: a secret in an error".to_owned());
            }
            Ok(())
        }
    }
}

/// A call that asks for more than what is held, and what holds of its answer.
async fn checked_wish(
    cache: Cache,
    source: Arc<ScriptedSource>,
    min: Option<Duration>,
) -> std::result::Result<(), String> {
    let called = Instant::now();
    let answer = match min {
        None => cache.refresh().await,
        Some(min) => cache.credentials_valid_for(min).await,
    };
    let waited = called.elapsed();
    if waited > WAIT_TIMEOUT + Duration::from_millis(1) {
        return Err(format!("8: a wish waited {waited:?}"));
    }
    match answer {
        Ok(served) => {
            let script = source.script.lock().unwrap();
            let lived = script
                .deliveries
                .iter()
                .filter(|own| own.key_id == served.access_key_id())
                .map(|own| own.lifetime)
                .max();
            if lived < min {
                return Err(format!("{lived:?} were given where {min:?} were asked for"));
            }
        }
        Err(error) => {
            let shown = format!("{error} {error:?}");
            if shown.contains(SECRET) || shown.contains(TOKEN) {
                return Err("11: a secret in an error".to_owned());
            }
        }
    }
    Ok(())
}

/// Another runtime, with a paused clock of its own. It ends when it is dropped, also within this one.
struct Elsewhere(Option<Runtime>);

impl Elsewhere {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build();
        Elsewhere(Some(runtime.unwrap()))
    }

    /// Drives it while this one stands still, beginning by its clock at the time of this one.
    fn drive(&self, work: impl Future<Output = ()> + Send) {
        let now = Instant::now();
        std::thread::scope(|threads| {
            threads.spawn(|| {
                self.0.as_ref().unwrap().block_on(async {
                    let behind = now.saturating_duration_since(Instant::now());
                    tokio::time::advance(behind).await;
                    work.await;
                });
            });
        });
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        self.0.take().unwrap().shutdown_background();
    }
}

/// Makes a call, gives it so many turns of the runtime, and lets go of it.
async fn call_for(cache: Cache, turns: u8) {
    let call = tokio::spawn(async move { cache.credentials().await });
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
    call.abort();
}

/// The invariants, over one schedule; the error names the one that broke.
async fn play(schedule: &Schedule) -> std::result::Result<(), String> {
    // The clock of a runtime that is made later begins later: by less than this.
    tokio::time::advance(seconds(86_400)).await;
    let wall = Wall::starting();
    let source = Arc::new(ScriptedSource::new(schedule.lifetime, wall.clone()));
    let policy = if schedule.aws_spec {
        RefreshPolicy::aws_spec()
    } else if schedule.background {
        RefreshPolicy::default()
    } else {
        RefreshPolicy::default().mode(RefreshMode::OnDemand)
    };
    let ours = !schedule.aws_spec;
    let jitter = Mutex::new(fastrand::Rng::with_seed(schedule.seed));
    let cache = CredentialCache::new(Source(Arc::clone(&source)), policy)
        .with_clock(Clock::with_wall(wall.clone()))
        .with_jitter(Jitter::from_fn(move || jitter.lock().unwrap().f64()));

    let mut stalled = Vec::new();
    let mut callers: Vec<JoinHandle<std::result::Result<(), String>>> = Vec::new();
    let call = |budget| {
        tokio::spawn(checked_call(
            cache.clone(),
            Arc::clone(&source),
            ours,
            budget,
        ))
    };
    for event in &schedule.events {
        match event {
            Event::Calls {
                callers: number,
                budget_millis,
            } => {
                let stage = cache.status().stage;
                if ours && matches!(stage, Stage::Fresh | Stage::Advisory) {
                    // 2.
                    match cache.credentials().now_or_never() {
                        Some(Ok(_)) => {}
                        Some(Err(error)) => return Err(format!("5b: {stage:?}, yet: {error}")),
                        None => return Err(format!("2: a call in {stage:?} awaited")),
                    }
                    if cache.current().is_none() {
                        return Err(format!("2: nothing current in {stage:?}"));
                    }
                }
                let budget = budget_millis.map(|millis| Duration::from_millis(millis.into()));
                for caller in 0..*number {
                    // Half of those with a budget; the others wait for what they asked.
                    callers.push(call(budget.filter(|_| caller % 2 == 0)));
                }
                settle().await;
            }
            Event::Pass { thousandths } => {
                tokio::time::sleep(schedule.lifetime / 1000 * u32::from(*thousandths)).await;
            }
            Event::PassMillis(millis) => {
                tokio::time::sleep(Duration::from_millis((*millis).into())).await;
            }
            Event::Source(behaviour) => source.script.lock().unwrap().behaviour = *behaviour,
            Event::LatencyMillis(millis) => {
                source.script.lock().unwrap().latency = Duration::from_millis((*millis).into());
            }
            Event::StepForward(by) => wall.step_forward(by.length(schedule.lifetime)),
            Event::StepBack(by) => wall.step_back(by.length(schedule.lifetime)),
            Event::ToTheEpoch => wall.set(UNIX_EPOCH),
            Event::Reject { requests } => {
                if let Some(key_id) = cache.status().key_id {
                    for _ in 0..*requests {
                        let before = cache.status().invalidated;
                        cache.invalidate(&key_id);
                        if !before && cache.status().invalidated {
                            source.invalidations.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                }
            }
            Event::RejectEach { keys } => {
                for _ in 0..*keys {
                    if let Some(key_id) = cache.status().key_id {
                        cache.invalidate(&key_id);
                        source.invalidations.fetch_add(1, Ordering::SeqCst);
                    }
                    callers.push(call(None));
                    settle().await;
                    let status = cache.status();
                    // 14.
                    if ours
                        && status.suspected
                        && matches!(status.stage, Stage::Fresh | Stage::Advisory)
                        && cache.credentials().now_or_never().is_none()
                    {
                        return Err(
                            "14: a call waits beside a client that is always refused".to_owned()
                        );
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
            Event::Accept => {
                if let Some(key_id) = cache.status().key_id {
                    cache.accepted(&key_id);
                }
            }
            Event::Force {
                times,
                every_millis,
            } => {
                source.invalidations.fetch_add(1, Ordering::SeqCst);
                for _ in 0..*times {
                    callers.push(tokio::spawn(checked_wish(
                        cache.clone(),
                        Arc::clone(&source),
                        None,
                    )));
                    tokio::time::sleep(Duration::from_millis((*every_millis).into())).await;
                }
            }
            Event::ValidFor { thousandths, times } => {
                source.invalidations.fetch_add(1, Ordering::SeqCst);
                let min = schedule.lifetime / 1000 * u32::from(*thousandths);
                for _ in 0..*times {
                    callers.push(tokio::spawn(checked_wish(
                        cache.clone(),
                        Arc::clone(&source),
                        Some(min),
                    )));
                    tokio::time::sleep(Duration::from_millis(700)).await;
                }
            }
            Event::Elsewhere { ends } => {
                let other = Elsewhere::new();
                other.drive(async {
                    let _ = cache.credentials().now_or_never();
                });
                if !*ends {
                    stalled.push(other);
                }
            }
            Event::Drive { which, turns } => {
                let many = stalled.len().max(1);
                if let Some(other) = stalled.get(usize::from(*which) % many) {
                    other.drive(call_for(cache.clone(), *turns));
                    settle().await;
                }
            }
        }
        // 11.
        let shown = format!("{cache:?} {:?}", cache.status());
        if shown.contains(SECRET) || shown.contains(TOKEN) {
            return Err("11: a secret in a Debug".to_owned());
        }
    }

    // 7. The source is healthy again.
    {
        let mut script = source.script.lock().unwrap();
        script.behaviour = Behaviour::Healthy;
        script.latency = Duration::from_millis(10);
    }
    let needed = cache.status().stage >= Stage::Mandatory;
    let made_before = source.script.lock().unwrap().made;
    if ours && needed {
        // The last hang ends, the wait in force ends, and one fetch; a clock that was stepped is read
        // again within a minute.
        callers.push(call(None));
        tokio::time::sleep(FETCH_TIMEOUT + seconds(30 + 1)).await;
        // Where the timer stands still with the runtime that it is on, nobody knows it before the next call.
        if !schedule.background || !stalled.is_empty() {
            callers.push(call(None));
            tokio::time::sleep(seconds(2)).await;
        }
        if source.script.lock().unwrap().made == made_before {
            return Err(format!("7: not healed: {:?}", cache.status()));
        }
    }

    // 8 again: whoever waits is answered by now.
    tokio::time::sleep(WAIT_TIMEOUT + FETCH_TIMEOUT).await;
    for caller in callers {
        if !caller.is_finished() {
            return Err("8: a call still waits".to_owned());
        }
        caller
            .await
            .map_err(|panicked| format!("12: {panicked}"))??;
    }
    // 9: the next caller is served from what was fetched while others gave up.
    let comfortable = matches!(cache.status().stage, Stage::Fresh | Stage::Advisory);
    if ours && comfortable && cache.current().is_none() {
        return Err("9: a fetch completed, and the next caller is not served from it".to_owned());
    }

    // 1.
    if source.overlaps.load(Ordering::SeqCst) > 0 {
        return Err("1: two fetches in flight".to_owned());
    }
    check_pace(schedule, &source)?;

    drop(stalled);
    // 10.
    drop(cache);
    settle().await;
    let alive = tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks();
    if alive > 0 {
        return Err(format!("10: {alive} tasks survive the last handle"));
    }
    Ok(())
}

/// 6 and 12: how often the source was asked.
fn check_pace(schedule: &Schedule, source: &ScriptedSource) -> std::result::Result<(), String> {
    let script = source.script.lock().unwrap();
    let attempts = &script.attempts;
    for pair in attempts.windows(2) {
        let apart = pair[1].at - pair[0].at;
        if apart < MIN_ATTEMPT_SPACING {
            return Err(format!("12: attempts {apart:?} apart"));
        }
    }
    for many in attempts.windows(MAX_ATTEMPTS_PER_SECOND + 1) {
        let within = many[MAX_ATTEMPTS_PER_SECOND].at - many[0].at;
        if within < seconds(1) {
            return Err(format!("12: nine attempts within {within:?}"));
        }
    }
    if schedule.aws_spec {
        return Ok(());
    }
    let held = |attempt: &Attempt| {
        let delivery = script.deliveries[..attempt.delivered].last()?;
        delivery
            .is_live(attempt.wall, attempt.at)
            .then_some(attempt.delivered)
    };
    // 6, per credential: not invalidated, and its windows as the lifetime gives them.
    let steps = schedule.events.iter().any(|event| {
        matches!(
            event,
            Event::StepForward(_) | Event::StepBack(_) | Event::ToTheEpoch
        )
    });
    let ordinary = schedule.events.iter().all(|event| match event {
        Event::Source(behaviour) => behaviour.is_ordinary(),
        _ => true,
    });
    let invalidated = source.invalidations.load(Ordering::SeqCst) > 0;
    if !steps && !invalidated && ordinary {
        // The same document again, or its secret mended in place, begins no new one.
        let mut in_windows = HashMap::new();
        for delivered in attempts.iter().filter_map(held) {
            let delivery = &script.deliveries[delivered - 1];
            let window = (&delivery.key_id, delivery.expiry);
            *in_windows.entry(window).or_insert(0) += 1;
        }
        for in_window in in_windows.into_values() {
            if in_window > 10 {
                return Err(format!("6: {in_window} attempts in one window"));
            }
        }
        if schedule.lifetime >= seconds(900) {
            let valid = attempts.iter().filter(|attempt| held(attempt).is_some());
            most_within(TEN_MINUTES, valid, 10).map_err(|error| format!("6, valid: {error}"))?;
        }
    }
    // A clock that is stepped can make less than a minute of any session.
    let short = |own: &Delivery| !own.lifetime.is_zero() && own.lifetime < seconds(60);
    let short = script.deliveries.iter().any(short);
    if schedule.lifetime >= seconds(60) && !short {
        most_within(TEN_MINUTES, attempts.iter(), 46).map_err(|error| format!("6: {error}"))?;
    }
    Ok(())
}

fn most_within<'a>(
    period: Duration,
    attempts: impl Iterator<Item = &'a Attempt>,
    most: usize,
) -> std::result::Result<(), String> {
    let at: Vec<_> = attempts.map(|attempt| attempt.at).collect();
    for many in at.windows(most + 1) {
        if many[most] - many[0] < period {
            return Err(format!(
                "{} attempts within {:?}",
                most + 1,
                many[most] - many[0]
            ));
        }
    }
    Ok(())
}

fn cases() -> u32 {
    let asked = std::env::var("PROPTEST_CASES").ok();
    asked.and_then(|cases| cases.parse().ok()).unwrap_or(2000)
}

fn seed() -> u64 {
    let asked = std::env::var("SCHEDULE_SEED").ok();
    asked.and_then(|seed| seed.parse().ok()).unwrap_or(2026)
}

fn config(cases: u32) -> Config {
    Config {
        cases,
        rng_seed: RngSeed::Fixed(seed()),
        ..Config::default()
    }
}

fn in_paused_time<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(work)
}

/// The panics that a schedule asks for are part of the test, and so are not shown.
fn quiet_about_planned_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let shown = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let planned = panic
                .payload()
                .downcast_ref::<&str>()
                .is_some_and(|message| message.contains("part of the test"));
            if !planned {
                shown(panic);
            }
        }));
    });
}

/// What a long run found: forced refreshes beside a credential that never expires took the room of the
/// sessions of two minutes that came before and after it.
#[test]
fn hold_on_a_schedule_of_brief_sessions_with_one_that_never_expires() {
    let force = |times, every_millis| Event::Force {
        times,
        every_millis,
    };
    let schedule = Schedule {
        aws_spec: false,
        background: true,
        lifetime: seconds(132),
        seed: 1_720_174_576_675_377_785,
        events: vec![
            Event::StepForward(Step::Seconds { seconds: 1 }),
            force(23, 2179),
            force(17, 46),
            Event::RejectEach { keys: 20 },
            Event::Pass { thousandths: 145 },
            Event::Source(Behaviour::NeverExpires),
            Event::Pass { thousandths: 588 },
            Event::Source(Behaviour::Fails),
            Event::Reject { requests: 1 },
            Event::Pass { thousandths: 23 },
            Event::Source(Behaviour::Healthy),
            force(57, 1892),
        ],
    };
    assert_eq!(in_paused_time(play(&schedule)), Ok(()));
}

#[test]
fn hold_on_a_step_of_the_clock_after_another_runtime_was_driven() {
    let schedule = Schedule {
        aws_spec: false,
        background: true,
        lifetime: seconds(17),
        seed: 0,
        events: vec![
            Event::Elsewhere { ends: false },
            Event::Pass { thousandths: 1 },
            Event::Calls {
                callers: 1,
                budget_millis: None,
            },
            Event::Drive { which: 0, turns: 1 },
            Event::PassMillis(1),
            Event::Drive { which: 0, turns: 1 },
            Event::StepForward(Step::Seconds { seconds: 14 }),
        ],
    };
    assert_eq!(in_paused_time(play(&schedule)), Ok(()));
}

proptest! {
    #![proptest_config(config(cases()))]

    #[test]
    fn hold_on_any_schedule(schedule in schedules()) {
        quiet_about_planned_panics();
        let played = in_paused_time(play(&schedule));
        prop_assert!(played.is_ok(), "seed {}: {}", seed(), played.unwrap_err());
    }

    #[test]
    fn hold_on_a_schedule_of_the_source_alone(schedule in of_the_source_alone()) {
        quiet_about_planned_panics();
        let played = in_paused_time(play(&schedule));
        prop_assert!(played.is_ok(), "seed {}: {}", seed(), played.unwrap_err());
    }
}

proptest! {
    #![proptest_config(config(cases() / 4))]

    /// 2, its second half: with a source that answers within a tenth of the lifetime, nobody waits at
    /// any refresh.
    #[test]
    fn nobody_waits_at_any_refresh(
        // Half a day is for the schedules above: ten of those are 14,400 looks of the timer.
        lifetime in (1..3_600_u64).prop_map(seconds),
        latency in 0..100_u32,
        seed in any::<u64>(),
    ) {
        let waits = in_paused_time(async {
            let wall = Wall::starting();
            let source = Arc::new(ScriptedSource::new(lifetime, wall.clone()));
            // Ten seconds at most: an attempt under way shows every quarter of a second that it is alive.
            source.script.lock().unwrap().latency = (lifetime / 1000 * latency).min(seconds(10));
            let jitter = Mutex::new(fastrand::Rng::with_seed(seed));
            let cache = CredentialCache::new(Source(source), RefreshPolicy::default().fetch_timeout(lifetime))
                .with_clock(Clock::with_wall(wall.clone()))
                .with_jitter(Jitter::from_fn(move || jitter.lock().unwrap().f64()));
            let _ = cache.refresh().await;
            let before = cache.status();
            // Ten lifetimes; an uneven beat, so that calls fall anywhere.
            for _ in 0..337 {
                tokio::time::sleep(lifetime * 3 / 101).await;
                prop_assert!(cache.credentials().now_or_never().is_some(), "{:?}", cache.status());
            }
            let after = cache.status();
            prop_assert!(after.generation >= before.generation + 9, "{}", after.generation);
            // One fetch a refresh; the last one may be under way.
            prop_assert!(after.fetches - after.generation <= 1, "{after:?}");
            Ok(after.waits - before.waits)
        });
        prop_assert_eq!(waits?, 0);
    }
}
