//! The credentials that sign the `AssumeRole` call.

use super::provider_failure::ProviderFailure;
use crate::error::Result;
use crate::source::provider_kind::ProviderKind;
use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use std::fmt;
use std::sync::Arc;

/// Who signs the `AssumeRole` call: any strategy, or any of the SDK's credential providers.
///
/// ```
/// use aws_credential_strategies::source::Base;
/// use aws_credential_strategies::{CredentialStrategy, InstanceProfile};
/// use std::sync::Arc;
///
/// # fn example() -> aws_credential_strategies::Result<()> {
/// let profile = InstanceProfile::new()?;
/// let by_reference = Base::from(&profile); // shares its cache
/// let any: Arc<dyn CredentialStrategy> = Arc::new(profile);
/// let chosen_at_run_time = Base::from(any);
/// # Ok(())
/// # }
/// ```
///
/// A strategy is told when STS finds its session expired, so that it fetches another; a provider is
/// only asked again.
///
/// From a strategy of this crate, a reference to one that can be cloned, an `Arc` or a `Box`;
/// [`Base::strategy`] takes any.
#[derive(Clone)]
pub struct Base(Arc<dyn BaseCredentials>);

/// What assuming a role needs of its base; strategies implement it in their own room.
#[async_trait]
pub(crate) trait BaseCredentials: Send + Sync {
    /// For errors.
    fn name(&self) -> &str;

    fn origin(&self) -> Origin;

    async fn credentials(&self) -> Result<Credentials>;

    /// Whether they are known to be there without waiting.
    fn is_at_hand(&self) -> bool {
        false
    }

    /// As far as it can get ready for [`credentials`](Self::credentials).
    async fn warm(&self) -> Result<()> {
        Ok(())
    }

    /// The key has expired; says whether another one may come.
    fn invalidate(&self, key_id: &str) -> bool;

    /// STS took the key: one that is rejected later is no second in a row.
    fn accepted(&self, key_id: &str) {
        let _ = key_id;
    }
}

/// What is known of base credentials before the first fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The session of the instance's role.
    InstanceProfile,
    /// The session of a role that was assumed.
    AssumedRole,
    Unknown,
}

impl Origin {
    /// Whether AWS counts assuming a role from there as chaining.
    pub(crate) fn is_role_session(self) -> bool {
        self != Origin::Unknown
    }
}

impl Base {
    /// Any of the SDK's credential providers.
    #[must_use]
    pub fn provider(provider: impl ProvideCredentials + 'static) -> Self {
        Base::from(SharedCredentialsProvider::new(provider))
    }

    pub(crate) fn new(credentials: impl BaseCredentials + 'static) -> Self {
        Base(Arc::new(credentials))
    }

    pub(super) fn name(&self) -> &str {
        self.0.name()
    }

    pub(super) fn origin(&self) -> Origin {
        self.0.origin()
    }

    pub(super) async fn credentials(&self) -> Result<Credentials> {
        self.0.credentials().await
    }

    pub(super) fn is_at_hand(&self) -> bool {
        self.0.is_at_hand()
    }

    pub(super) async fn warm(&self) -> Result<()> {
        self.0.warm().await
    }

    pub(super) fn invalidate(&self, key_id: &str) -> bool {
        self.0.invalidate(key_id)
    }

    pub(super) fn accepted(&self, key_id: &str) {
        self.0.accepted(key_id);
    }
}

impl From<SharedCredentialsProvider> for Base {
    fn from(provider: SharedCredentialsProvider) -> Self {
        Base::new(Provider(provider))
    }
}

impl fmt::Debug for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Base({})", self.name())
    }
}

/// A provider keeps what it likes, so it cannot be told of an expired key; it is asked each time.
struct Provider(SharedCredentialsProvider);

#[async_trait]
impl BaseCredentials for Provider {
    fn name(&self) -> &str {
        "a credentials provider"
    }

    fn origin(&self) -> Origin {
        Origin::Unknown
    }

    async fn credentials(&self) -> Result<Credentials> {
        self.0
            .provide_credentials()
            .await
            .map_err(|error| ProviderFailure::read(&error).into_error(&ProviderKind::Other))
    }

    fn invalidate(&self, _key_id: &str) -> bool {
        true
    }
}
