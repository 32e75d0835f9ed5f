//! What people write by hand: an `RwLock` around the session, an `ArcSwap` that somebody else fills.

use super::{Resolve, key_id};
use crate::source::Source;
use arc_swap::ArcSwap;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, future};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::RwLock;
use tokio::time::Instant;

/// Read lock to look, write lock to fetch, and a second look before the fetch.
pub(crate) struct NaiveRwLock {
    source: Source,
    held: RwLock<Option<Credentials>>,
    /// Fetched anew this long before expiry.
    buffer: Duration,
}

impl NaiveRwLock {
    pub(crate) fn new(source: Source, buffer: Duration) -> Self {
        NaiveRwLock {
            source,
            held: RwLock::new(None),
            buffer,
        }
    }

    async fn credentials(&self) -> Option<Credentials> {
        if let Some(held) = self.fresh(&*self.held.read().await) {
            return Some(held);
        }
        let mut held = self.held.write().await;
        if let Some(held) = self.fresh(&held) {
            return Some(held);
        }
        let fetched = self.source.provide_credentials().await.ok()?;
        *held = Some(fetched.clone());
        Some(fetched)
    }

    fn fresh(&self, held: &Option<Credentials>) -> Option<Credentials> {
        let soon = SystemTime::now() + self.buffer;
        held.clone()
            .filter(|held| held.expiry().is_none_or(|expiry| expiry > soon))
    }
}

impl Resolve for NaiveRwLock {
    async fn resolve(&self) -> Option<String> {
        self.credentials().await.as_ref().map(key_id)
    }

    async fn once(&self) {
        black_box(self.credentials().await);
    }
}

/// A provider that a task of its own would fill: the least that a provider can do.
#[derive(Debug)]
pub(crate) struct ArcSwapProvider(ArcSwap<Credentials>);

impl ArcSwapProvider {
    pub(crate) fn holding(session: Credentials) -> Self {
        ArcSwapProvider(ArcSwap::from_pointee(session))
    }
}

impl ProvideCredentials for ArcSwapProvider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Ok(Credentials::clone(&self.0.load())))
    }
}

/// What `current()` cannot do without: the load, the count, and a look at both clocks.
pub(crate) struct Floor(ArcSwap<Credentials>);

impl Floor {
    pub(crate) fn holding(session: Credentials) -> Self {
        Floor(ArcSwap::from_pointee(session))
    }

    fn read(&self) -> (Arc<Credentials>, SystemTime, Instant) {
        (self.0.load_full(), SystemTime::now(), Instant::now())
    }
}

impl Resolve for Floor {
    async fn resolve(&self) -> Option<String> {
        Some(key_id(&self.read().0))
    }

    async fn once(&self) {
        black_box(self.read());
    }
}
