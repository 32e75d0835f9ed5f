//! When credentials are refreshed, and what a caller gets meanwhile.

mod clock;

pub use clock::{Clock, Jitter};

use crate::error::Result;
use crate::source::CredentialSource;
use aws_credential_types::Credentials;
use std::sync::Arc;
use std::time::Duration;

/// When to refresh.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RefreshPolicy {}

/// Background or on demand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefreshMode {
    /// A timer refreshes even if nobody calls.
    #[default]
    Background,
    /// No traffic while idle.
    OnDemand,
}

impl RefreshPolicy {
    /// `mode`.
    #[must_use]
    pub const fn mode(self, _mode: RefreshMode) -> Self {
        self
    }
    /// Wait timeout.
    #[must_use]
    pub const fn wait_timeout(self, _wait: Duration) -> Self {
        self
    }
}

/// What became of an [`invalidate`](crate::CredentialStrategy::invalidate).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rejection {
    /// The key was in use and is now being replaced: repeat the request.
    Invalidated,
    /// The key is not the one in use, it has been replaced already: repeat the request.
    NotCurrent,
    /// A refresh since the last rejection brought the same key again: do not repeat.
    SameKeyAgain,
}

/// A snapshot.
#[derive(Clone, Debug, Default, serde::Serialize)]
#[non_exhaustive]
pub struct Status {}

/// One cache around one source.
#[derive(Debug)]
pub struct CredentialCache<F>(Arc<F>);

impl<F> Clone for CredentialCache<F> {
    fn clone(&self) -> Self {
        CredentialCache(Arc::clone(&self.0))
    }
}

impl<F: CredentialSource> CredentialCache<F> {
    /// A cache.
    #[must_use]
    pub fn new(source: F, _policy: RefreshPolicy) -> Self {
        CredentialCache(Arc::new(source))
    }

    /// The same cache on other clocks; for tests and simulations. Before its first use.
    #[must_use]
    pub fn with_clock(self, _clock: Clock) -> Self {
        self
    }

    /// The same cache with other chance; for tests and simulations. Before its first use.
    #[must_use]
    pub fn with_jitter(self, _jitter: Jitter) -> Self {
        self
    }

    /// # Errors
    /// x
    pub async fn credentials(&self) -> Result<Credentials> {
        self.0.fetch().await
    }
}
