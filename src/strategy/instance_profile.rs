//! Option A: the role of the EC2 instance.

use super::CredentialStrategy;
use crate::error::Result;
use crate::refresh::{Clock, CredentialCache, Jitter, RefreshPolicy, Rejection, Status};
use crate::source::{INSTANCE_PROFILE_NAME, ImdsSource, ImdsSourceBuilder};
use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, future};
use aws_smithy_runtime_api::client::identity::Identity;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Option A: the credentials of the role that is attached to the EC2 instance this code runs on, kept
/// valid.
///
/// The application knows nothing: neither role nor account. It is the recommended way for code on EC2
/// that uses services of the same account.
///
/// Cloning is cheap and shares one cache: however many clones and SDK clients, there is one fetch per
/// refresh.
///
/// # Example
///
/// ```no_run
/// use aws_credential_strategies::{CredentialStrategy, InstanceProfile};
///
/// # async fn example() -> aws_credential_strategies::Result<()> {
/// let strategy = InstanceProfile::new()?;
/// let credentials = strategy.credentials().await?;
/// println!("{}", credentials.access_key_id());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct InstanceProfile {
    cache: CredentialCache<ImdsSource>,
}

impl InstanceProfile {
    /// The role that the instance has, from the endpoint that the environment names or the default.
    ///
    /// No I/O; no runtime is needed yet.
    ///
    /// # Errors
    ///
    /// [`Usage`](crate::ErrorKind::Usage) for an environment variable of the metadata service that is
    /// not as expected; [`Error::field`](crate::Error::field) names it.
    pub fn new() -> Result<Self> {
        InstanceProfile::builder().build()
    }

    /// Starts from the environment and the defaults.
    pub fn builder() -> InstanceProfileBuilder {
        InstanceProfileBuilder {
            source: ImdsSource::builder(),
            refresh: RefreshPolicy::default(),
            clock: None,
            jitter: None,
        }
    }

    /// Fetches now, whatever pause is in force, and returns what came; see
    /// [`CredentialCache::refresh`].
    ///
    /// # Errors
    ///
    /// That of the fetch, even while the credentials held are valid, of the kinds that
    /// [`CredentialCache::refresh`] names.
    ///
    /// # Panics
    ///
    /// In a tokio runtime without its time driver, as every tokio timer does.
    ///
    /// # Cancel safety
    ///
    /// The fetch goes on without the caller, for all others and for the cache.
    ///
    /// # Concurrent calls
    ///
    /// Share one fetch; there is at most one a second.
    pub async fn refresh(&self) -> Result<Credentials> {
        self.cache.refresh().await
    }

    /// Credentials that live for at least `min`, for presigned URLs and long uploads; see
    /// [`CredentialCache::credentials_valid_for`].
    ///
    /// # Errors
    ///
    /// [`Usage`](crate::ErrorKind::Usage) when even new credentials live shorter; else as in
    /// [`refresh`](Self::refresh).
    ///
    /// # Panics
    ///
    /// As in [`refresh`](Self::refresh).
    ///
    /// # Cancel safety
    ///
    /// As in [`refresh`](Self::refresh).
    ///
    /// # Concurrent calls
    ///
    /// Share one fetch.
    pub async fn credentials_valid_for(&self, min: Duration) -> Result<Credentials> {
        self.cache.credentials_valid_for(min).await
    }

    /// News of every fetch that ended and every rejection that counted, as a [`Status`] at that moment;
    /// see [`CredentialCache::subscribe`].
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Status> {
        self.cache.subscribe()
    }

    /// The source below, for its checks of the metadata service.
    #[must_use]
    pub fn source(&self) -> &ImdsSource {
        self.cache.source()
    }
}

#[async_trait]
impl CredentialStrategy for InstanceProfile {
    fn name(&self) -> &'static str {
        INSTANCE_PROFILE_NAME
    }

    async fn credentials(&self) -> Result<Credentials> {
        self.cache.credentials().await
    }

    async fn credentials_valid_for(&self, min: Duration) -> Result<Credentials> {
        self.cache.credentials_valid_for(min).await
    }

    async fn refresh(&self) -> Result<Credentials> {
        self.cache.refresh().await
    }

    fn current(&self) -> Option<Arc<Credentials>> {
        self.cache.current()
    }

    fn current_identity(&self) -> Option<Identity> {
        self.cache.current_identity()
    }

    fn invalidate(&self, rejected: &str) -> Rejection {
        self.cache.invalidate(rejected)
    }

    fn accepted(&self, key_id: &str) {
        CredentialStrategy::accepted(&self.cache, key_id);
    }

    fn status(&self) -> Status {
        self.cache.status()
    }

    fn subscribe(&self) -> watch::Receiver<Status> {
        self.cache.subscribe()
    }
}

impl ProvideCredentials for InstanceProfile {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        self.cache.provide_credentials()
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.cache.fallback_on_interrupt()
    }
}

/// Builds an [`InstanceProfile`]; every setting has a default.
#[derive(Clone, Debug)]
#[must_use = "nothing is fetched before `build` and a first call"]
pub struct InstanceProfileBuilder {
    source: ImdsSourceBuilder,
    refresh: RefreshPolicy,
    clock: Option<Clock>,
    jitter: Option<Jitter>,
}

impl InstanceProfileBuilder {
    /// The role whose credentials are asked for, so that the list of roles is not; default: the one
    /// that is attached.
    pub fn profile(mut self, role: impl Into<String>) -> Self {
        self.source = self.source.profile(role);
        self
    }

    /// Where the metadata service is, as an `http` URI; default: what the environment says, else
    /// [`DEFAULT_ENDPOINT`](crate::source::DEFAULT_ENDPOINT).
    pub fn endpoint(mut self, uri: impl Into<String>) -> Self {
        self.source = self.source.endpoint(uri);
        self
    }

    /// How long connecting may take, up to 30 seconds; default: what the environment says, else
    /// [`DEFAULT_CONNECT_TIMEOUT`](crate::source::DEFAULT_CONNECT_TIMEOUT).
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.source = self.source.connect_timeout(limit);
        self
    }

    /// How long one answer may take, body included, up to 30 seconds; default: what the environment
    /// says, else [`DEFAULT_ANSWER_TIMEOUT`](crate::source::DEFAULT_ANSWER_TIMEOUT).
    pub fn answer_timeout(mut self, limit: Duration) -> Self {
        self.source = self.source.answer_timeout(limit);
        self
    }

    /// How many attempts one fetch has in all, 1 to 10; default: what the environment says, else
    /// [`DEFAULT_MAX_ATTEMPTS`](crate::source::DEFAULT_MAX_ATTEMPTS).
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.source = self.source.max_attempts(attempts);
        self
    }

    /// How long a session token of the metadata service is asked to live, 1 second to 6 hours;
    /// default: [`DEFAULT_TOKEN_TTL`](crate::source::DEFAULT_TOKEN_TTL).
    pub fn token_ttl(mut self, ttl: Duration) -> Self {
        self.source = self.source.token_ttl(ttl);
        self
    }

    /// When to refresh; default: [`RefreshPolicy::default`].
    pub fn refresh(mut self, policy: RefreshPolicy) -> Self {
        self.refresh = policy;
        self
    }

    /// The clocks, for tests and simulations; default: this host's.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Where random numbers come from, for tests and simulations; default: this host's.
    pub fn jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = Some(jitter);
        self
    }

    /// The strategy, without any I/O; no runtime is needed yet.
    ///
    /// # Errors
    ///
    /// [`Usage`](crate::ErrorKind::Usage) for a setting or environment variable that is not as
    /// expected; [`Error::field`](crate::Error::field) names it.
    pub fn build(self) -> Result<InstanceProfile> {
        let InstanceProfileBuilder {
            source,
            refresh,
            clock,
            jitter,
        } = self;
        refresh.validate()?;
        Ok(InstanceProfile {
            cache: super::cache(source.build()?, refresh, clock, jitter),
        })
    }
}
