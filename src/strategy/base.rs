//! Any strategy as the base of an assumed role.

use super::CredentialStrategy;
use crate::error::Result;
use crate::refresh::Rejection;
use crate::source::{ASSUME_ROLE, Base, BaseCredentials, INSTANCE_PROFILE, Origin};
use async_trait::async_trait;
use aws_credential_types::Credentials;

struct StrategyBase<S>(S);

impl<S: CredentialStrategy> From<S> for Base {
    fn from(strategy: S) -> Self {
        Base::new(StrategyBase(strategy))
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
            INSTANCE_PROFILE => Origin::InstanceProfile,
            ASSUME_ROLE => Origin::AssumedRole,
            _ => Origin::Unknown,
        }
    }

    async fn credentials(&self) -> Result<Credentials> {
        self.0.credentials().await
    }

    fn invalidate(&self, key_id: &str) -> bool {
        self.0.invalidate(key_id) != Rejection::SameKeyAgain
    }
}
