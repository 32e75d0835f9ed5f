//! One role of a pool, as an application holds it.

use super::key::RoleKey;
use super::source::PooledSource;
use crate::error::Result;
use crate::refresh::{CredentialCache, Rejection, Remembered, Status};
use crate::source::{Base, CredentialSource};
use crate::strategy::{CredentialStrategy, WeakStrategy};
use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, future};
use aws_smithy_runtime_api::client::identity::Identity;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// The session of one request of a [`RolePool`](super::RolePool): a strategy as any other.
///
/// Cloning shares the session. Who holds one keeps it, whatever the pool has let go.
#[derive(Clone)]
pub struct PooledRole {
    pub(super) cache: CredentialCache<PooledSource>,
}

impl PooledRole {
    /// The ARN of the role.
    #[must_use]
    pub fn role_arn(&self) -> &str {
        &self.key().role
    }

    /// Whether both are of one session.
    #[must_use]
    pub fn is_same_session(&self, other: &PooledRole) -> bool {
        std::ptr::eq(self.cache.source(), other.cache.source())
    }

    pub(super) fn key(&self) -> &RoleKey<'static> {
        self.source().key()
    }

    fn source(&self) -> &PooledSource {
        self.cache.source()
    }
}

#[async_trait]
impl CredentialStrategy for PooledRole {
    fn name(&self) -> &'static str {
        self.source().name()
    }

    async fn credentials(&self) -> Result<Credentials> {
        if let Some(credentials) = self.cache.current() {
            return Ok((*credentials).clone());
        }
        let _waiting = self.source().gate().wait(self.source().line());
        self.cache.credentials().await
    }

    async fn warm(&self) -> Result<()> {
        let _waiting = self.source().gate().wait(self.source().line());
        self.cache.warm().await
    }

    async fn credentials_valid_for(&self, min: Duration) -> Result<Credentials> {
        let _waiting = self.source().gate().wait(self.source().line());
        self.cache.credentials_valid_for(min).await
    }

    async fn refresh(&self) -> Result<Credentials> {
        let _waiting = self.source().gate().wait(self.source().line());
        self.cache.refresh().await
    }

    fn current(&self) -> Option<Arc<Credentials>> {
        self.cache.current()
    }

    #[inline(always)]
    fn current_identity(&self) -> Option<Identity> {
        self.cache.current_identity()
    }

    fn invalidate(&self, rejected: &str) -> Rejection {
        self.cache.invalidate(rejected)
    }

    fn accepted(&self, key_id: &str) {
        self.cache.accepted(key_id);
    }

    fn disputed_identity(&self) -> Option<Identity> {
        self.cache.disputed_identity()
    }

    fn weak(&self) -> Option<WeakStrategy> {
        let weak = self.cache.downgrade();
        Some(WeakStrategy::new(move || {
            weak.upgrade().map(|cache| PooledRole { cache })
        }))
    }

    fn remembered(&self) -> Option<&Remembered> {
        Some(self.cache.remembered())
    }

    fn status(&self) -> Status {
        self.cache.status()
    }

    fn subscribe(&self) -> watch::Receiver<Status> {
        self.cache.subscribe()
    }
}

impl ProvideCredentials for PooledRole {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        if let Some(credentials) = self.cache.current() {
            return future::ProvideCredentials::ready(Ok((*credentials).clone()));
        }
        future::ProvideCredentials::new(async {
            let _waiting = self.source().gate().wait(self.source().line());
            self.cache.provide_credentials().await
        })
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.cache.fallback_on_interrupt()
    }
}

impl From<PooledRole> for Base {
    fn from(strategy: PooledRole) -> Self {
        Base::strategy(strategy)
    }
}

impl fmt::Debug for PooledRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PooledRole")
            .field("role_arn", &self.role_arn())
            .field("session_name", &self.key().session_name)
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
