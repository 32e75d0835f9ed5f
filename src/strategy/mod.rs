//! The strategies, and the one trait they stand behind.

mod assume_role;
mod base;
mod config;
mod instance_profile;

pub use assume_role::{AssumeRole, AssumeRoleBuilder};
pub use config::StrategyConfig;
pub use instance_profile::{InstanceProfile, InstanceProfileBuilder};

use crate::error::Result;
use crate::refresh::{Clock, CredentialCache, Jitter, RefreshPolicy, Rejection, Status};
use crate::source::CredentialSource;
use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::identity::Identity;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

/// One explicit way to get AWS credentials, kept valid.
///
/// Object-safe, so that a program can choose at run time: `Arc<dyn CredentialStrategy>` is a strategy
/// too.
#[async_trait]
pub trait CredentialStrategy: fmt::Debug + Send + Sync + 'static {
    /// A short name for logs and errors; log-safe, the same for the life of the process.
    fn name(&self) -> &'static str;

    /// Credentials to sign a request with, now.
    ///
    /// Valid ones are returned at once, unless they are about to expire or a service rejected them.
    /// Otherwise it waits for the one fetch that all callers share. The strategies of this crate do as
    /// [`CredentialCache::credentials`] says.
    ///
    /// # Errors
    ///
    /// When there is nothing to serve: the error of the last fetch, or why there was none.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing for other callers and does not stop the fetch.
    ///
    /// # Concurrent calls
    ///
    /// Any number; they share one fetch.
    async fn credentials(&self) -> Result<Credentials>;

    /// What could be used now, if anything: no I/O, no waiting, no lock, no allocation, but for the one
    /// call that finds a refresh due and nobody at it: it starts it on a task.
    fn current(&self) -> Option<Arc<Credentials>>;

    /// The same as an SDK identity, for request signing; built once per fetch where the strategy can.
    fn current_identity(&self) -> Option<Identity> {
        self.current()
            .map(|credentials| Identity::from((*credentials).clone()))
    }

    /// Tells the strategy that a service rejected the credentials with this access key id.
    ///
    /// Only the key in use is invalidated, so a thousand late rejections of one old key cost nothing.
    fn invalidate(&self, rejected: &str) -> Rejection;

    /// A snapshot for dashboards and health checks; no I/O.
    fn status(&self) -> Status;
}

impl<S: CredentialStrategy + ?Sized> CredentialStrategy for Arc<S> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    /// Written out: the macro would put the strategy's box into another one.
    fn credentials<'life0, 'async_trait>(
        &'life0 self,
    ) -> Pin<Box<dyn Future<Output = Result<Credentials>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        (**self).credentials()
    }

    fn current(&self) -> Option<Arc<Credentials>> {
        (**self).current()
    }

    fn current_identity(&self) -> Option<Identity> {
        (**self).current_identity()
    }

    fn invalidate(&self, rejected: &str) -> Rejection {
        (**self).invalidate(rejected)
    }

    fn status(&self) -> Status {
        (**self).status()
    }
}

#[async_trait]
impl<F: CredentialSource> CredentialStrategy for CredentialCache<F> {
    fn name(&self) -> &'static str {
        self.source().name()
    }

    async fn credentials(&self) -> Result<Credentials> {
        CredentialCache::credentials(self).await
    }

    fn current(&self) -> Option<Arc<Credentials>> {
        CredentialCache::current(self)
    }

    fn current_identity(&self) -> Option<Identity> {
        CredentialCache::current_identity(self)
    }

    fn invalidate(&self, rejected: &str) -> Rejection {
        CredentialCache::invalidate(self, rejected)
    }

    fn status(&self) -> Status {
        CredentialCache::status(self)
    }
}

/// A cache around a source, on the clocks and with the chance that its builder was given.
fn cache<F: CredentialSource>(
    source: F,
    policy: RefreshPolicy,
    clock: Option<Clock>,
    jitter: Option<Jitter>,
) -> CredentialCache<F> {
    let mut cache = CredentialCache::new(source, policy);
    if let Some(clock) = clock {
        cache = cache.with_clock(clock);
    }
    if let Some(jitter) = jitter {
        cache = cache.with_jitter(jitter);
    }
    cache
}
