//! The time of a fetch: what base or token take of it, the call to STS has no more.

use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How long a fetch may take in all: under the time that callers wait
/// ([`DEFAULT_WAIT_TIMEOUT`](crate::refresh::DEFAULT_WAIT_TIMEOUT)), so that the error is the one that says
/// who is late, and over what the metadata service and STS take each for themselves, so that theirs comes
/// first.
const FETCH_LIMIT: Duration = Duration::from_millis(9_500);

/// The time that a fetch has left. A person who is asked for a code has their own.
pub(super) struct Budget {
    limit: Duration,
    left: Duration,
}

impl Budget {
    /// `call` is what one call to STS may take; `None` where no limit is wished.
    pub(super) fn of_fetch(call: Option<Duration>) -> Self {
        let limit = call.map_or(Duration::MAX, |call| call.max(FETCH_LIMIT));
        Budget { limit, left: limit }
    }

    /// Runs one step of the fetch; `None` when the time is over before it is done.
    pub(super) async fn spend<T>(&mut self, step: impl Future<Output = T>) -> Option<T> {
        let begun = Instant::now();
        let outcome = timeout(self.left, step).await;
        self.left = self.left.saturating_sub(begun.elapsed());
        outcome.ok()
    }

    pub(super) fn left(&self) -> Duration {
        self.left
    }

    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// What the steps so far have taken.
    pub(super) fn spent(&self) -> Duration {
        self.limit.saturating_sub(self.left)
    }
}
