//! Any of the SDK's credential providers as a source: what else AWS gives an application, chosen explicitly.

use super::CredentialSource;
use super::provider_kind::ProviderKind;
use super::sts::ProviderFailure;
use crate::error::{BoxError, Error, ErrorKind, Operation, Result};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The name of credentials in hand.
const FIXED_NAME: &str = "Fixed";

/// Credentials from any provider of the AWS SDK: one call of [`fetch`](CredentialSource::fetch) is one
/// question to the provider.
///
/// ```
/// use aws_credential_strategies::source::ProviderSource;
/// use aws_credential_strategies::{CredentialCache, Credentials, RefreshPolicy};
///
/// let source = ProviderSource::from_fn("vault", || async {
///     // made anew after each failure
///     Ok(Credentials::new("AKIAEXAMPLE", "secret", None, None, "vault"))
/// });
/// let strategy = CredentialCache::new(source, RefreshPolicy::default());
/// ```
///
/// Errors are told apart as those of the other sources are: by the AWS code wherever it stands in the chain
/// of causes, by whether the provider found nothing, was misconfigured, or got no answer in time. It
/// remembers no credentials; what the provider itself keeps is the provider's.
pub struct ProviderSource {
    name: &'static str,
    kind: ProviderKind,
    make: Make,
    /// Made at the first fetch, and again after one that failed: some providers keep what they read first,
    /// failures included.
    provider: Mutex<Option<SharedCredentialsProvider>>,
}

type Made =
    Pin<Box<dyn Future<Output = std::result::Result<SharedCredentialsProvider, BoxError>> + Send>>;
type Make = Arc<dyn Fn() -> Made + Send + Sync>;

impl ProviderSource {
    /// Any provider. `name` stands in logs and errors.
    pub fn new(name: &'static str, provider: impl ProvideCredentials + 'static) -> Self {
        Self::of(name, ProviderKind::Other, provider)
    }

    /// A provider from an async function, called for the first fetch and again after each that failed: for
    /// providers that keep for good what they read first, such as aws-config's of a profile.
    pub fn from_fn<A, F, P>(name: &'static str, make: A) -> Self
    where
        A: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = std::result::Result<P, BoxError>> + Send + 'static,
        P: ProvideCredentials + 'static,
    {
        Self::made(name, ProviderKind::Other, make)
    }

    /// Credentials in hand, for DynamoDB Local and tests.
    #[must_use]
    pub fn fixed(credentials: Credentials) -> Self {
        Self::of(FIXED_NAME, ProviderKind::Other, credentials)
    }

    pub(super) fn of(
        name: &'static str,
        kind: ProviderKind,
        provider: impl ProvideCredentials + 'static,
    ) -> Self {
        let provider = SharedCredentialsProvider::new(provider);
        Self::made(name, kind, move || {
            let provider = provider.clone();
            async move { Ok(provider) }
        })
    }

    pub(super) fn made<A, F, P>(name: &'static str, kind: ProviderKind, make: A) -> Self
    where
        A: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = std::result::Result<P, BoxError>> + Send + 'static,
        P: ProvideCredentials + 'static,
    {
        let make: Make = Arc::new(move || {
            let provider = make();
            Box::pin(async move { Ok(SharedCredentialsProvider::new(provider.await?)) })
        });
        ProviderSource {
            name,
            kind,
            make,
            provider: Mutex::new(None),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Option<SharedCredentialsProvider>> {
        // One value, set whole: there is nothing a panic could leave half done.
        self.provider.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn provider(&self) -> Result<SharedCredentialsProvider> {
        let kept = self.kept().clone();
        if let Some(provider) = kept {
            return Ok(provider);
        }
        let provider = (self.make)().await.map_err(|cause| {
            Error::new(
                ErrorKind::Invalid,
                Operation::FETCH,
                "the credentials provider could not be made",
            )
            .via(self.name)
            .caused_by(cause)
        })?;
        *self.kept() = Some(provider.clone());
        Ok(provider)
    }
}

impl CredentialSource for ProviderSource {
    fn name(&self) -> &'static str {
        self.name
    }

    fn subject(&self) -> Option<String> {
        self.kind.subject()
    }

    async fn fetch(&self) -> Result<Credentials> {
        let provider = self.provider().await?;
        match provider.provide_credentials().await {
            Ok(credentials) => Ok(credentials),
            Err(error) => {
                *self.kept() = None;
                let failure = ProviderFailure::read(&error);
                Err(failure.into_error(&self.kind).via(self.name))
            }
        }
    }
}

impl fmt::Debug for ProviderSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderSource")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}
