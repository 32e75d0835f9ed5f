//! Any strategy as the base of an assumed role.

use super::{CredentialStrategy, identity_of};
use crate::error::Result;
use crate::refresh::{CredentialCache, Rejection};
use crate::source::{
    ASSUME_ROLE_NAME, Base, BaseCredentials, CredentialSource, INSTANCE_PROFILE_NAME, Origin,
};
use async_trait::async_trait;
use aws_credential_types::Credentials;
use std::sync::Arc;

struct StrategyBase<S>(S);

impl Base {
    /// Any strategy, by value. One in an `Arc` or a `Box`, and any of this crate, is a `Base` by `into()`.
    #[must_use]
    pub fn strategy(strategy: impl CredentialStrategy) -> Self {
        Base::new(StrategyBase(strategy))
    }
}

impl<S: CredentialStrategy + ?Sized> From<Arc<S>> for Base {
    fn from(strategy: Arc<S>) -> Self {
        Base::strategy(strategy)
    }
}

impl<S: CredentialStrategy + ?Sized> From<Box<S>> for Base {
    fn from(strategy: Box<S>) -> Self {
        Base::strategy(strategy)
    }
}

/// A clone, which in every strategy of this crate shares the cache.
impl<S: CredentialStrategy + Clone> From<&S> for Base {
    fn from(strategy: &S) -> Self {
        Base::strategy(strategy.clone())
    }
}

impl<F: CredentialSource> From<CredentialCache<F>> for Base {
    fn from(cache: CredentialCache<F>) -> Self {
        Base::strategy(cache)
    }
}

#[async_trait]
impl<S: CredentialStrategy> BaseCredentials for StrategyBase<S> {
    fn name(&self) -> &str {
        self.0.name()
    }

    /// By name, which `Arc<dyn CredentialStrategy>` forwards.
    fn origin(&self) -> Origin {
        match self.0.name() {
            INSTANCE_PROFILE_NAME => Origin::InstanceProfile,
            ASSUME_ROLE_NAME => Origin::AssumedRole,
            _ => Origin::Unknown,
        }
    }

    async fn credentials(&self) -> Result<Credentials> {
        let served = self.0.credentials().await?;
        let identity = identity_of(&self.0, served.clone());
        Ok(identity.data().cloned().unwrap_or(served))
    }

    fn is_at_hand(&self) -> bool {
        self.0.current().is_some()
    }

    async fn warm(&self) -> Result<()> {
        self.0.warm().await
    }

    fn invalidate(&self, key_id: &str) -> bool {
        matches!(
            self.0.invalidate(key_id),
            Rejection::Invalidated | Rejection::NotCurrent
        )
    }

    fn accepted(&self, key_id: &str) {
        self.0.accepted(key_id);
    }
}
