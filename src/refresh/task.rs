//! The task of one attempt: bounded in time, ended with the last handle, never forgotten, and polled by one
//! runtime at a time.

use super::attempt::{Attempt, Outcome, Pulse};
use super::news::Listener;
use super::policy::HEARTBEAT;
use crate::error::{Error, ErrorKind, Operation};
use crate::source::{CredentialSource, Progress};
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// Whom an attempt reports to.
pub(super) trait Reports: Send + Sync + 'static {
    /// It runs: when it asks the source, or `None` if another has taken its place.
    fn runs(&self, number: u64) -> Option<Instant>;

    /// It is over.
    fn landed(&self, number: u64, outcome: Outcome);
}

/// Reports the end of an attempt, whatever becomes of its task: done, or dropped with its runtime.
pub(super) struct Booking<R: Reports> {
    to: Weak<R>,
    number: u64,
    over: bool,
}

impl<R: Reports> Booking<R> {
    pub(super) fn new(to: &Arc<R>, attempt: &Attempt) -> Self {
        Booking {
            to: Arc::downgrade(to),
            number: attempt.number,
            over: false,
        }
    }

    fn runs(&self) -> Option<Instant> {
        self.to.upgrade()?.runs(self.number)
    }

    /// Nobody is left to report to.
    fn is_orphaned(&self) -> bool {
        self.to.strong_count() == 0
    }

    fn land(&mut self, outcome: Outcome) {
        self.over = true;
        if let Some(to) = self.to.upgrade() {
            to.landed(self.number, outcome);
        }
    }
}

impl<R: Reports> Drop for Booking<R> {
    fn drop(&mut self) {
        if !self.over {
            self.land(Outcome::Abandoned);
        }
    }
}

/// Runs the attempt; ends early when the last handle of the cache is gone, or when it was taken over.
pub(super) async fn run<F: CredentialSource, R: Reports>(
    source: Arc<F>,
    attempt: Attempt,
    mut booking: Booking<R>,
    fetch_timeout: Duration,
    news: Listener,
) {
    let Attempt {
        pulse, progress, ..
    } = attempt;
    let ended = {
        let fetch = pin!(caught(async {
            let asks_at = booking.runs()?;
            // A timer of tokio's takes up to a millisecond even for a point that has come.
            if asks_at > Instant::now() {
                sleep_until(asks_at).await;
            }
            Some(timeout(fetch_timeout, progress.of(source.fetch())).await)
        }));
        let orphaned = pin!(async {
            loop {
                let next = news.next();
                if booking.is_orphaned() {
                    return;
                }
                next.await;
            }
        });
        beating(&pulse, unless(orphaned, fetch)).await
    };
    let outcome = match ended {
        // Taken over, orphaned, or late: no verdict on the source.
        None | Some(None) | Some(Some(Some(None))) => Outcome::Abandoned,
        Some(Some(None)) => Outcome::Failed(
            Error::new(ErrorKind::Panicked, Operation::FETCH, "the source panicked").hint(
                "its message is where panics of this process go; the next attempt asks it again",
            ),
        ),
        Some(Some(Some(Some(Ok(Ok(credentials)))))) => Outcome::Fetched(credentials),
        Some(Some(Some(Some(Ok(Err(error)))))) => Outcome::Failed(error),
        Some(Some(Some(Some(Err(_))))) => {
            let seen = progress.step();
            let seen = seen.map_or_else(String::new, |step| format!("; it was last seen {step}"));
            let message = format!(
                "the source did not answer within {fetch_timeout:?}{seen}{}",
                after_failure(&progress)
            );
            let error = Error::new(ErrorKind::Timeout, Operation::FETCH, message);
            Outcome::Failed(
                about(&*source, error)
                    .hint("raise `fetch_timeout` if the source is that slow by nature"),
            )
        }
    };
    booking.land(outcome);
}

/// What is known of the source, for an error that is not its own.
pub(super) fn about<F: CredentialSource>(source: &F, error: Error) -> Error {
    let mut error = error.via(source.name());
    if let Some(subject) = told(|| source.subject()) {
        error = error.on(subject);
    }
    if let Some(endpoint) = told(|| source.endpoint()) {
        error = error.at(endpoint);
    }
    error
}

/// What a source tells of itself. One that panics here, as over a lock that its fetch has poisoned, takes nobody with it.
pub(super) fn told(tells: impl FnOnce() -> Option<String>) -> Option<String> {
    catch_unwind(AssertUnwindSafe(tells)).unwrap_or_default()
}

/// The try before the one that goes on, if one has failed.
pub(super) fn after_failure(progress: &Progress) -> String {
    let failure = progress.failure();
    failure.map_or_else(String::new, |failure| {
        format!(", after a try that failed: {failure}")
    })
}

/// The output of `work`, or `None` if it panics: caught here, so that what follows does not run in the
/// middle of an unwinding, where a second panic would end the process.
async fn caught<T>(work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)));
        polled.map_or(Poll::Ready(None), |polled| polled.map(Some))
    })
    .await
}

/// The output of `work`, which is polled at every beat at least and shows it; `None` once it was taken over,
/// from when on it is not polled any more.
async fn beating<T>(pulse: &Pulse, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    let mut beat = pin!(sleep(HEARTBEAT));
    poll_fn(|context| {
        if !pulse.enter() {
            return Poll::Ready(None);
        }
        let polled = work.as_mut().poll(context);
        let now = Instant::now();
        while polled.is_pending() && beat.as_mut().poll(context).is_ready() {
            beat.as_mut().reset(now + HEARTBEAT);
        }
        // What is done stays entered: nobody takes over between here and the landing.
        if polled.is_pending() {
            pulse.leave(now);
        }
        polled.map(Some)
    })
    .await
}

/// The output of `work`, or `None` once `end` is over.
async fn unless<T>(
    mut end: std::pin::Pin<&mut impl Future<Output = ()>>,
    mut work: std::pin::Pin<&mut impl Future<Output = T>>,
) -> Option<T> {
    poll_fn(|context| {
        if let Poll::Ready(output) = work.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        end.as_mut().poll(context).map(|()| None)
    })
    .await
}
