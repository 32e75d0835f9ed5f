//! What every strategy's builder has beside its source's settings.

use crate::error::Result;
use crate::refresh::{Clock, CredentialCache, Jitter, RefreshPolicy};
use crate::source::CredentialSource;

/// When a strategy refreshes, and on which clocks: what its builder has beside the settings of its source.
#[derive(Clone, Debug, Default)]
pub struct WithRefresh {
    pub(super) policy: RefreshPolicy,
    pub(super) clock: Option<Clock>,
    pub(super) jitter: Option<Jitter>,
}

impl WithRefresh {
    /// Refuses a policy that contradicts itself.
    pub(super) fn validate(&self) -> Result<()> {
        self.policy.validate()
    }

    /// A cache around a source, on these clocks and with this jitter.
    pub(super) fn cache<F: CredentialSource>(self, source: F) -> CredentialCache<F> {
        let WithRefresh {
            policy,
            clock,
            jitter,
        } = self;
        let mut cache = CredentialCache::new(source, policy);
        if let Some(clock) = clock {
            cache = cache.with_clock(clock);
        }
        if let Some(jitter) = jitter {
            cache = cache.with_jitter(jitter);
        }
        cache
    }
}

/// The setters of [`WithRefresh`], on a builder with a field `with`.
macro_rules! refresh_setters {
    ($builder:ty) => {
        impl $builder {
            /// When to refresh; default: [`RefreshPolicy::default`](crate::RefreshPolicy::default).
            pub fn refresh(mut self, policy: $crate::refresh::RefreshPolicy) -> Self {
                self.with.policy = policy;
                self
            }

            /// The clocks, for tests and simulations; default: this host's.
            pub fn clock(mut self, clock: $crate::refresh::Clock) -> Self {
                self.with.clock = Some(clock);
                self
            }

            /// Where random numbers come from, for tests and simulations; default: this host's.
            pub fn jitter(mut self, jitter: $crate::refresh::Jitter) -> Self {
                self.with.jitter = Some(jitter);
                self
            }
        }
    };
}
pub(super) use refresh_setters;
