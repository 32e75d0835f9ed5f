//! One fetch, on a task of its own: bounded in time, ended with the last handle, never forgotten.

use super::cache::Shared;
use super::clock::Now;
use super::policy::RefreshPolicy;
use super::state::{Attempt, Landing, Outcome, State};
use crate::error::{Error, ErrorKind, Operation};
use crate::source::CredentialSource;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

/// Clears the in-attempt mark whatever becomes of the task: done, or dropped with its runtime.
pub(super) struct AttemptGuard<F: CredentialSource> {
    shared: Weak<Shared<F>>,
    attempt: Attempt,
    landed: bool,
}

impl<F: CredentialSource> AttemptGuard<F> {
    pub(super) fn new(shared: &Arc<Shared<F>>, attempt: Attempt) -> Self {
        AttemptGuard {
            shared: Arc::downgrade(shared),
            attempt,
            landed: false,
        }
    }

    fn land(&mut self, outcome: Outcome) {
        self.landed = true;
        if let Some(shared) = self.shared.upgrade() {
            shared.land(self.attempt, outcome);
        }
    }
}

impl<F: CredentialSource> Drop for AttemptGuard<F> {
    fn drop(&mut self) {
        if !self.landed {
            self.land(Outcome::Abandoned);
        }
    }
}

/// Runs the fetch; ends early when the last handle of the cache is gone.
pub(super) async fn run<F: CredentialSource>(
    source: Arc<F>,
    mut guard: AttemptGuard<F>,
    fetch_timeout: Duration,
    mut handles: watch::Receiver<super::Status>,
) {
    let asks_at = guard.attempt.asks_at;
    let outcome = {
        let fetch = pin!(caught(async {
            // A timer of tokio's takes up to a millisecond even for a point that has come.
            if !asks_at.saturating_duration_since(Instant::now()).is_zero() {
                sleep_until(asks_at).await;
            }
            timeout(fetch_timeout, source.fetch()).await
        }));
        let orphaned = pin!(async { while handles.changed().await.is_ok() {} });
        unless(orphaned, fetch).await
    };
    let outcome = match outcome {
        None => Outcome::Abandoned,
        Some(None) => Outcome::Failed(
            Error::new(ErrorKind::Panicked, Operation::FETCH, "the source panicked").hint(
                "its message is where panics of this process go; the next attempt asks it again",
            ),
        ),
        Some(Some(Ok(Ok(credentials)))) => Outcome::Fetched(credentials),
        Some(Some(Ok(Err(error)))) => Outcome::Failed(error),
        Some(Some(Err(_))) => Outcome::Failed(
            Error::new(
                ErrorKind::Timeout,
                Operation::FETCH,
                format!("the source did not answer within {fetch_timeout:?}"),
            )
            .via(source.name())
            .hint("raise `fetch_timeout` if the source is that slow by nature"),
        ),
    };
    guard.land(outcome);
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

/// One event a fetch; nothing is logged per request.
pub(super) fn log_landing(
    source: &'static str,
    attempt: u64,
    landing: Landing,
    state: &State,
    policy: &RefreshPolicy,
    now: Now,
    elapsed: Duration,
) {
    let next = state.until_next(policy, now);
    let Some(failure) = &state.failure else {
        match landing {
            Landing::Ignored => {}
            _ => tracing::debug!(
                source,
                attempt,
                ?elapsed,
                ?next,
                ?landing,
                "credentials refreshed"
            ),
        }
        return;
    };
    let error = &failure.error;
    let live = state
        .held
        .as_ref()
        .is_some_and(|held| !held.life.left(now).is_over());
    match landing {
        Landing::Ignored => {}
        Landing::ExpiredDocumentAdopted => tracing::warn!(
            source, attempt, ?elapsed, ?next, %error,
            "expired credentials adopted, there is nothing better"
        ),
        _ if error.is_terminal() => tracing::error!(
            source, attempt, ?elapsed, ?next, %error,
            "credential refresh failed, somebody has to mend it"
        ),
        _ if live => tracing::warn!(
            source, attempt, ?elapsed, ?next, %error,
            "credential refresh failed, the present credentials are still valid"
        ),
        _ => tracing::error!(
            source, attempt, ?elapsed, ?next, %error,
            "credential refresh failed, there are no valid credentials"
        ),
    }
}
