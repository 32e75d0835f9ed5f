//! What the tests of the refresh engine share: a source whose every call the test answers itself, and a
//! wall clock that it steps against the monotonic one.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

use aws_credential_strategies::refresh::{Clock, Jitter};
use aws_credential_strategies::{
    CredentialCache, CredentialSource, Credentials, Error, RefreshPolicy, Result,
};
use aws_smithy_async::time::TimeSource;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// What every secret in the tests contains, for the greps.
pub const SECRET: &str = "wJalrXUtnFEMI-do-not-show";
/// What every session token in the tests contains.
pub const TOKEN: &str = "FQoGZXIvYXdz-do-not-show";

pub const HOUR: Duration = Duration::from_secs(3600);

pub fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A wall clock that runs with tokio's clock, paused or not, and can be stepped against it.
#[derive(Clone, Debug)]
pub struct Wall(Arc<WallState>);

#[derive(Debug)]
struct WallState {
    start: Instant,
    at_start: Mutex<SystemTime>,
}

impl Wall {
    pub fn starting() -> Self {
        Wall(Arc::new(WallState {
            start: Instant::now(),
            at_start: Mutex::new(UNIX_EPOCH + Duration::from_secs(1_800_000_000)),
        }))
    }

    pub fn step_forward(&self, by: Duration) {
        *self.0.at_start.lock().unwrap() += by;
    }

    pub fn step_back(&self, by: Duration) {
        let mut at_start = self.0.at_start.lock().unwrap();
        *at_start = at_start.checked_sub(by).unwrap_or(UNIX_EPOCH);
    }

    pub fn set(&self, to: SystemTime) {
        let ran = self.0.start.elapsed();
        *self.0.at_start.lock().unwrap() = to.checked_sub(ran).unwrap_or(UNIX_EPOCH);
    }
}

impl TimeSource for Wall {
    fn now(&self) -> SystemTime {
        *self.0.at_start.lock().unwrap() + self.0.start.elapsed()
    }
}

/// A session with this key id, expiring at `expiry`.
pub fn session(key_id: &str, expiry: SystemTime) -> Credentials {
    Credentials::new(
        key_id,
        format!("{SECRET}-{key_id}"),
        Some(format!("{TOKEN}-{key_id}")),
        Some(expiry),
        "test",
    )
}

/// A source whose every call the test answers itself, in its own time.
#[derive(Debug)]
pub struct GatedSource {
    calls: AtomicU64,
    gate: mpsc::UnboundedSender<Call>,
}

/// One call of the source, waiting for the test.
#[derive(Debug)]
pub struct Call {
    pub number: u64,
    pub at: Instant,
    answer: oneshot::Sender<Result<Credentials>>,
}

impl Call {
    /// Answers; `false` if nobody waits for the answer any more.
    pub fn answer(self, answer: Result<Credentials>) -> bool {
        self.answer.send(answer).is_ok()
    }

    pub fn fail(self) -> bool {
        self.answer(Err(Error::recoverable("the test said no")))
    }
}

/// The test's side of a [`GatedSource`].
#[derive(Debug)]
pub struct Gate {
    pub source: Arc<GatedSource>,
    calls: mpsc::UnboundedReceiver<Call>,
}

impl GatedSource {
    pub fn pair() -> (Shared<GatedSource>, Gate) {
        let (sender, calls) = mpsc::unbounded_channel();
        let source = Arc::new(GatedSource {
            calls: AtomicU64::new(0),
            gate: sender,
        });
        (Shared(Arc::clone(&source)), Gate { source, calls })
    }
}

impl CredentialSource for GatedSource {
    fn name(&self) -> &'static str {
        "GatedSource"
    }

    async fn fetch(&self) -> Result<Credentials> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let (answer, answered) = oneshot::channel();
        let call = Call {
            number,
            at: Instant::now(),
            answer,
        };
        self.gate.send(call).expect("the test holds the gate");
        answered
            .await
            .unwrap_or_else(|_| Err(Error::recoverable("the test dropped the call")))
    }
}

impl Gate {
    /// Calls of the source so far.
    pub fn count(&self) -> u64 {
        self.source.calls.load(Ordering::SeqCst)
    }

    /// The next call, as soon as there is one.
    pub async fn call(&mut self) -> Call {
        self.calls.recv().await.expect("the cache lives")
    }

    /// A call that has been made already.
    pub fn pending(&mut self) -> Option<Call> {
        self.calls.try_recv().ok()
    }
}

/// A source that the test keeps a handle of.
#[derive(Debug)]
pub struct Shared<F>(pub Arc<F>);

impl<F: CredentialSource> CredentialSource for Shared<F> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    async fn fetch(&self) -> Result<Credentials> {
        self.0.fetch().await
    }
}

/// A cache on a gated source, a steppable wall clock and chosen jitter.
pub struct World {
    pub cache: CredentialCache<Shared<GatedSource>>,
    pub gate: Gate,
    pub wall: Wall,
}

impl World {
    pub fn new(policy: RefreshPolicy) -> Self {
        Self::with_jitter(policy, 0.5)
    }

    pub fn with_jitter(policy: RefreshPolicy, jitter: f64) -> Self {
        let wall = Wall::starting();
        let (source, gate) = GatedSource::pair();
        let cache = CredentialCache::new(source, policy)
            .with_clock(Clock::with_wall(wall.clone()))
            .with_jitter(Jitter::from_fn(move || jitter));
        World { cache, gate, wall }
    }

    /// A session that lives for `lifetime` from now on.
    pub fn session(&self, key_id: &str, lifetime: Duration) -> Credentials {
        session(key_id, self.wall.now() + lifetime)
    }

    /// Fills the empty cache with one fetch.
    pub async fn filled(mut self, key_id: &str, lifetime: Duration) -> Self {
        let first = tokio::spawn({
            let cache = self.cache.clone();
            async move { cache.credentials().await }
        });
        let call = self.gate.call().await;
        assert!(call.answer(Ok(self.session(key_id, lifetime))));
        assert_eq!(first.await.unwrap().unwrap().access_key_id(), key_id);
        self
    }

    /// An outage: whatever the source is asked in this time fails at once.
    pub async fn outage(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while let Ok(call) = tokio::time::timeout_at(end, self.gate.call()).await {
            call.fail();
            settle().await;
        }
    }

    /// A call on a task of its own.
    pub fn call(&self) -> tokio::task::JoinHandle<Result<Credentials>> {
        let cache = self.cache.clone();
        tokio::spawn(async move { cache.credentials().await })
    }
}

/// Lets every task that can run do so, without moving the clock.
pub async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

/// Lets time pass; with a paused clock, tasks run in order at their own points of it.
pub async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
    settle().await;
}
