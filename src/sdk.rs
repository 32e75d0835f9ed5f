//! How a strategy plugs into any AWS SDK client.

use crate::strategy::CredentialStrategy;
use aws_credential_types::provider::{self, ProvideCredentials, error::CredentialsError, future};

/// Any strategy as the SDK's credentials provider, `Arc<dyn CredentialStrategy>` included.
#[derive(Clone, Debug)]
pub struct SdkProvider<S>(S);

impl<S: CredentialStrategy> SdkProvider<S> {
    /// Wraps a strategy.
    #[must_use]
    pub fn new(strategy: S) -> Self {
        SdkProvider(strategy)
    }

    async fn provide(&self) -> provider::Result {
        self.0
            .credentials()
            .await
            .map_err(CredentialsError::provider_error)
    }
}

impl<S: CredentialStrategy> ProvideCredentials for SdkProvider<S> {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.provide())
    }
}
