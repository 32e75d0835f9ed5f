//! What every strategy's builder has beside its source's settings.

use crate::error::Result;
use crate::refresh::{Clock, CredentialCache, Jitter, RefreshPolicy};
use crate::source::CredentialSource;
use tokio::runtime::Handle;

/// When a strategy refreshes, and on which clocks: what its builder has beside the settings of its source.
#[derive(Clone, Debug, Default)]
pub struct WithRefresh {
    pub(super) policy: RefreshPolicy,
    pub(super) clock: Option<Clock>,
    pub(super) jitter: Option<Jitter>,
    pub(super) runtime: Option<Handle>,
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
            runtime,
        } = self;
        let mut cache = CredentialCache::new(source, policy);
        if let Some(clock) = clock {
            cache = cache.with_clock(clock);
        }
        if let Some(jitter) = jitter {
            cache = cache.with_jitter(jitter);
        }
        if let Some(runtime) = runtime {
            cache = cache.on(runtime);
        }
        cache
    }
}

/// The setters of [`WithRefresh`], on a builder with a field `with`.
macro_rules! refresh_setters {
    ($builder:ty) => {
        impl $builder {
            /// When to refresh; default: [`RefreshPolicy::default`](crate::RefreshPolicy::default), for a pool with
            /// a `wait_timeout` of 60 s and an `idle_after` of 15 min. A policy that is given stands as it is, with
            /// its own `wait_timeout`.
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

            /// The runtime that fetches and timer run on; default: that of the call that starts them. See
            /// [`CredentialCache::on`](crate::CredentialCache::on).
            pub fn runtime(mut self, runtime: tokio::runtime::Handle) -> Self {
                self.with.runtime = Some(runtime);
                self
            }
        }
    };
}
pub(super) use refresh_setters;
