//! A strategy as a credentials provider of the SDK.

use crate::error::{Error, ErrorKind};
use crate::refresh::CredentialCache;
use crate::source::CredentialSource;
use crate::strategy::CredentialStrategy;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{self, ProvideCredentials, error::CredentialsError, future};
use aws_smithy_runtime_api::client::identity::Identity;
#[cfg(feature = "table")]
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Any strategy as the SDK's credentials provider, `Arc<dyn CredentialStrategy>` included.
///
/// ```
/// use aws_credential_strategies::{CredentialStrategy, Credentials, Provided, SdkProvider};
/// use aws_credential_strategies::SharedCredentialsProvider;
/// use std::sync::Arc;
///
/// let keys = Credentials::new("AKIAEXAMPLE", "secret", None, None, "vault");
/// let strategy: Arc<dyn CredentialStrategy> = Arc::new(Provided::fixed(keys));
/// let provider = SharedCredentialsProvider::new(SdkProvider::new(strategy));
/// ```
///
/// The future is ready at once while the strategy has [current](CredentialStrategy::current) credentials.
/// Its error has the strategy's [`Error`] as its source.
#[derive(Clone, Debug)]
pub struct SdkProvider<S>(S);

impl<S: CredentialStrategy> SdkProvider<S> {
    /// Wraps a strategy.
    #[must_use]
    pub fn new(strategy: S) -> Self {
        SdkProvider(strategy)
    }
}

impl<S: CredentialStrategy> ProvideCredentials for SdkProvider<S> {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        provide(&self.0)
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.0.current().map(|current| marked((*current).clone()))
    }
}

impl<F: CredentialSource> ProvideCredentials for CredentialCache<F> {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        match self.at_once() {
            Some(credentials) => future::ProvideCredentials::ready(Ok(marked(credentials))),
            None => future::ProvideCredentials::new(wait_for(self)),
        }
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.current().map(|current| marked((*current).clone()))
    }
}

/// So that a boxed strategy goes where the SDK wants a provider. For an `Arc` the language has no such door,
/// it is foreign as the trait is: there `SdkProvider::new(strategy)`.
impl ProvideCredentials for Box<dyn CredentialStrategy> {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        provide(&**self)
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.current().map(|current| marked((*current).clone()))
    }
}

impl ProvideCredentials for dyn CredentialStrategy {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        provide(self)
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.current().map(|current| marked((*current).clone()))
    }
}

/// What every strategy does as a provider.
fn provide<S: CredentialStrategy + ?Sized>(strategy: &S) -> future::ProvideCredentials<'_> {
    match strategy.current() {
        Some(current) => future::ProvideCredentials::ready(Ok(marked((*current).clone()))),
        None => future::ProvideCredentials::new(wait_for(strategy)),
    }
}

async fn wait_for<S: CredentialStrategy + ?Sized>(strategy: &S) -> provider::Result {
    match strategy.credentials().await {
        Ok(credentials) => Ok(marked(credentials)),
        Err(error) => Err(provider_error(error)),
    }
}

/// On credentials that a strategy gave as a provider: whoever wraps the provider, they are from one, and
/// need no cache beside the strategy's own.
#[derive(Clone, Copy, Debug)]
struct FromStrategy;

/// How many are finding out whose provider it is that they ask.
static FINDING_OUT: AtomicUsize = AtomicUsize::new(0);

/// While there is one, what strategies give as providers is [marked](is_from_strategy). Only then: a mark costs
/// two allocations, as does each copy of what is marked.
pub(super) struct FindingOut(());

impl FindingOut {
    pub(super) fn start() -> Self {
        FINDING_OUT.fetch_add(1, Ordering::Relaxed);
        FindingOut(())
    }
}

impl Drop for FindingOut {
    fn drop(&mut self) {
        FINDING_OUT.fetch_sub(1, Ordering::Relaxed);
    }
}

#[inline(always)]
fn marked(mut credentials: Credentials) -> Credentials {
    // Relaxed is enough: who finds out has added itself before it asks, and whatever carries the question to
    // another thread carries that along.
    if FINDING_OUT.load(Ordering::Relaxed) != 0 {
        credentials.set_property(FromStrategy);
    }
    credentials
}

/// Whether a strategy gave it [while somebody found out](FindingOut), as a provider that the SDK or the application
/// may have wrapped.
pub(super) fn is_from_strategy(identity: &Identity) -> bool {
    identity
        .data::<Credentials>()
        .is_some_and(|credentials| credentials.get_property::<FromStrategy>().is_some())
}

/// The SDK's words for why there are no credentials; ours is the cause.
/// What the SDK says of a request for which no credentials could be had.
#[cfg(feature = "table")]
pub(crate) fn not_signed<E, R>(error: Error) -> SdkError<E, R> {
    let error = ConnectorError::other(provider_error(error).into(), None);
    SdkError::dispatch_failure(error)
}

pub(super) fn provider_error(error: Error) -> CredentialsError {
    match error.kind() {
        ErrorKind::Usage => CredentialsError::invalid_configuration(error),
        ErrorKind::Disabled | ErrorKind::NoRole | ErrorKind::Unreachable => {
            CredentialsError::not_loaded(error)
        }
        _ => CredentialsError::provider_error(error),
    }
}
