//! A store that signs with a strategy.

use super::credentials::StrategyCredentials;
use super::object_store::aws::AmazonS3Builder;
use super::recovery::Recovery;
use aws_credential_strategies::CredentialStrategy;
use std::sync::Arc;

/// One call that wires a store.
pub trait WithStrategy: Sized {
    /// Signs with the credentials of `strategy`, and repeats a request whose key is rejected.
    ///
    /// It takes the place of all credentials that the builder was given or read, and of its
    /// [HTTP connector](AmazonS3Builder::with_http_connector): a connector of your own goes into
    /// [`Recovery::over`] instead.
    #[must_use]
    fn with_strategy<S: CredentialStrategy>(self, strategy: S) -> Self;
}

impl WithStrategy for AmazonS3Builder {
    fn with_strategy<S: CredentialStrategy>(self, strategy: S) -> Self {
        let credentials = StrategyCredentials::new(strategy);
        self.with_http_connector(Recovery::new(credentials.clone()))
            .with_credentials(Arc::new(credentials))
    }
}
