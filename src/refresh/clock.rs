//! Time, from outside: a wall clock, a monotonic clock, and random numbers.

use crate::jitter;
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::time::Instant;

/// The two clocks a cache reads.
///
/// The wall clock is any SDK [`TimeSource`] and may step either way; the monotonic one is tokio's
/// [`Instant`], which tests pause. Remaining life is the smaller of the two readings, so neither a
/// suspended host nor a clock set back makes dead credentials look alive.
///
/// ```
/// use aws_credential_strategies::refresh::Clock;
/// use aws_credential_strategies::{CredentialCache, CredentialSource, RefreshPolicy};
/// use aws_smithy_async::time::StaticTimeSource;
///
/// # fn example(source: impl CredentialSource) {
/// // a test that wants a wall clock that stands still
/// let wall = StaticTimeSource::from_secs(1_800_000_000);
/// let cache = CredentialCache::new(source, RefreshPolicy::default())
///     .with_clock(Clock::with_wall(wall));
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Clock {
    /// `None` for the host's, which is read without a call through the interface.
    wall: Option<SharedTimeSource>,
}

impl Clock {
    /// The clock of this host.
    #[must_use]
    pub fn system() -> Self {
        Clock { wall: None }
    }

    /// A wall clock of your own, beside tokio's monotonic one.
    #[must_use]
    pub fn with_wall(wall: impl TimeSource + 'static) -> Self {
        Clock {
            wall: Some(SharedTimeSource::new(wall)),
        }
    }

    /// Both readings.
    #[inline]
    pub(crate) fn now(&self) -> Now {
        Now {
            wall: self
                .wall
                .as_ref()
                .map_or_else(SystemTime::now, TimeSource::now),
            mono: Instant::now(),
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Clock::system()
    }
}

/// One reading of both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Now {
    pub(crate) wall: SystemTime,
    pub(crate) mono: Instant,
}

impl Now {
    /// This earlier point on both clocks, by today's wall clock, which may have been stepped since.
    pub(super) fn back_at(self, mono: Instant) -> Now {
        let ago = self.mono.saturating_duration_since(mono);
        Now {
            wall: self.wall.checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH),
            mono,
        }
    }

    /// The earlier point on each clock.
    pub(super) fn earlier(self, other: Now) -> Now {
        Now {
            wall: self.wall.min(other.wall),
            mono: self.mono.min(other.mono),
        }
    }
}

/// Where the cache takes random numbers from, in `[0, 1)`.
///
/// The default is seeded by the operating system, not by the clock, so that hosts that fail together do
/// not retry together.
///
/// ```
/// use aws_credential_strategies::refresh::Jitter;
/// use aws_credential_strategies::{CredentialCache, CredentialSource, RefreshPolicy};
///
/// # fn example(source: impl CredentialSource) {
/// // a test that wants each pause to be the middle of its range
/// let cache = CredentialCache::new(source, RefreshPolicy::default())
///     .with_jitter(Jitter::from_fn(|| 0.5));
/// # }
/// ```
#[derive(Clone)]
pub struct Jitter(Arc<dyn Fn() -> f64 + Send + Sync>);

impl Jitter {
    /// Random numbers of this host.
    #[must_use]
    pub fn random() -> Self {
        Jitter(Arc::new(jitter::unit))
    }

    /// Numbers in `[0, 1)` of your own, for tests and simulations; others are brought into that range.
    #[must_use]
    pub fn from_fn(next: impl Fn() -> f64 + Send + Sync + 'static) -> Self {
        Jitter(Arc::new(next))
    }

    pub(crate) fn unit(&self) -> f64 {
        let drawn = (self.0)();
        if drawn.is_finite() {
            drawn.clamp(0.0, 1.0)
        } else {
            0.5
        }
    }
}

impl Default for Jitter {
    fn default() -> Self {
        Jitter::random()
    }
}

impl fmt::Debug for Jitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Jitter")
    }
}

#[cfg(test)]
mod tests {
    use super::Jitter;

    #[test]
    fn jitter_shows_nothing_of_itself() {
        assert_eq!(format!("{:?}", Jitter::from_fn(|| 0.25)), "Jitter");
    }
}
