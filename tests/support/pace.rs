//! What the tests of the pace share: jitter at its ends, and exact times between attempts.
//!
//! Tokio's timers fire on whole milliseconds: an attempt that is due a fraction of one later comes at the
//! next. `World::planned` shows the plan to the nanosecond.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

use crate::support::{Call, World, pass, settle};
use aws_credential_strategies::{Error, RefreshPolicy};
use aws_smithy_async::time::TimeSource;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// The lowest draw, the middle one, and the highest: jitter lies in `[0, 1)`.
pub const LOWEST: f64 = 0.0;
pub const MIDDLE: f64 = 0.5;
pub const HIGHEST: f64 = 1.0 - f64::EPSILON;
pub const JITTERS: [f64; 3] = [LOWEST, MIDDLE, HIGHEST];

pub const MILLI: Duration = Duration::from_millis(1);
pub const NANO: Duration = Duration::from_nanos(1);

/// Seconds with a fraction, to the nanosecond.
pub fn s(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// Several of them.
pub fn all<const N: usize>(seconds: [f64; N]) -> Vec<Duration> {
    seconds.into_iter().map(s).collect()
}

pub fn recoverable() -> Error {
    Error::recoverable("the test said no")
}

pub fn throttled() -> Error {
    Error::throttled("the test asked for fewer calls")
}

pub fn terminal() -> Error {
    Error::terminal("the test wants a person")
}

impl World {
    /// Fills the empty cache with a session of `lifetime` that took `latency` to come.
    pub async fn filled_in(mut self, latency: Duration, lifetime: Duration) -> Self {
        drop(self.call());
        let call = self.gate.call().await;
        pass(latency).await;
        assert!(call.answer(Ok(self.session("KEY-1", lifetime))));
        settle().await;
        self
    }

    /// The next call of the source, and how long from now it comes.
    pub async fn asked_after(&mut self) -> (Duration, Call) {
        let from = Instant::now();
        let thirteen_hours = Duration::from_secs(13 * 3600);
        let call = timeout(thirteen_hours, self.gate.call())
            .await
            .expect("the source was never asked");
        (call.at - from, call)
    }

    /// The pauses before the next attempts, of which each ends as told.
    pub async fn pauses(&mut self, ends: impl IntoIterator<Item = Error>) -> Vec<Duration> {
        let mut pauses = Vec::new();
        for end in ends {
            let (pause, call) = self.asked_after().await;
            assert!(call.answer(Err(end)));
            settle().await;
            pauses.push(pause);
        }
        pauses
    }

    /// Whether a call, now, asks the source; the question stays open.
    pub async fn call_asks(&mut self) -> Option<Call> {
        drop(self.call());
        settle().await;
        self.gate.pending()
    }

    /// A call asks the source now; it is told no.
    pub async fn call_fails(&mut self, end: Error) {
        let call = self.call_asks().await.expect("the call did not ask");
        assert!(call.answer(Err(end)));
        settle().await;
    }

    /// A call asks once `pause` is over, and not a millisecond sooner; the question stays open.
    pub async fn call_asks_after(&mut self, pause: Duration) -> Call {
        if !pause.is_zero() {
            pass(pause - MILLI).await;
            assert!(self.call_asks().await.is_none(), "asked before {pause:?}");
            pass(MILLI).await;
        }
        self.call_asks()
            .await
            .unwrap_or_else(|| panic!("not asked after {pause:?}"))
    }

    /// Time passes, in which the source is not asked.
    pub async fn quiet_for(&mut self, time: Duration) {
        let before = self.gate.count();
        pass(time).await;
        assert_eq!(self.gate.count(), before, "the source was asked");
    }

    /// When the source is asked next, as planned, from now.
    pub fn planned(&self) -> Option<Duration> {
        let at = self.cache.status().next_attempt_at?;
        Some(at.duration_since(self.wall.now()).unwrap())
    }
}

/// A session of `lifetime` under `policy` with each of the three draws: the pause before its first try.
pub async fn first_tries(
    policy: RefreshPolicy,
    latency: Duration,
    lifetime: Duration,
) -> Vec<Duration> {
    let mut pauses = Vec::new();
    for jitter in JITTERS {
        let world = World::with_jitter(policy, jitter);
        let mut world = world.filled_in(latency, lifetime).await;
        pauses.push(world.asked_after().await.0);
    }
    pauses
}

/// What was logged.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Collects this thread's log until the guard is dropped; the tests run on one thread each.
    pub fn collecting(&self, level: tracing::Level) -> tracing::subscriber::DefaultGuard {
        let log = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_ansi(false)
            .with_writer(move || log.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    pub fn lines_with(&self, text: &str) -> usize {
        let log = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        log.lines().filter(|line| line.contains(text)).count()
    }
}
