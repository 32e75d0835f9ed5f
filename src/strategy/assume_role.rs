//! Option B: the session of a role that is assumed.

use super::{CredentialStrategy, InstanceProfile};
use crate::error::Result;
use crate::refresh::{
    Clock, CredentialCache, INTERACTIVE_WAIT_TIMEOUT, Jitter, RefreshMode, RefreshPolicy,
    Rejection, Status,
};
use crate::source::{ASSUME_ROLE_NAME, Base, StsSource, StsSourceBuilder};
use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, future};
use aws_smithy_runtime_api::client::http::HttpClient;
use aws_smithy_runtime_api::client::identity::Identity;
use aws_types::SdkConfig;
use aws_types::region::Region;
use std::error::Error as StdError;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Option B: the credentials of a role that is assumed with `sts:AssumeRole`, kept valid.
///
/// It is the way into another account, and for an identity outside of EC2. On EC2 within one account
/// it is a detour: there [`InstanceProfile`] needs none of this.
///
/// The call is signed with the credentials of a [base](AssumeRoleBuilder::base): any strategy, so that
/// roles chain, or any of the SDK's providers. Cloning is cheap and shares one cache: however many
/// clones and SDK clients, there is one call per refresh.
///
/// # Example
///
/// ```no_run
/// use aws_credential_strategies::{AssumeRole, CredentialStrategy};
/// use aws_types::region::Region;
///
/// # async fn example() -> aws_credential_strategies::Result<()> {
/// let strategy = AssumeRole::builder("arn:aws:iam::123456789012:role/App")
///     .region(Region::new("us-east-1"))
///     .session_name("EC2Session")
///     .external_id("42")
///     .build()?;
/// let credentials = strategy.credentials().await?;
/// println!("{}", credentials.access_key_id());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct AssumeRole {
    cache: CredentialCache<StsSource>,
}

impl AssumeRole {
    /// Starts with the ARN of the role, for example `arn:aws:iam::123456789012:role/App`.
    pub fn builder(role_arn: impl Into<String>) -> AssumeRoleBuilder {
        AssumeRoleBuilder {
            source: StsSource::builder(role_arn),
            refresh: RefreshPolicy::default(),
            clock: None,
            jitter: None,
        }
    }

    /// The ARN of the role.
    #[must_use]
    pub fn role_arn(&self) -> &str {
        self.cache.source().role_arn()
    }

    /// Assumes the role now, whatever pause is in force, and returns what came; see
    /// [`CredentialCache::refresh`].
    ///
    /// # Errors
    ///
    /// That of the call, even while the credentials held are valid, of the kinds that
    /// [`CredentialCache::refresh`] names.
    ///
    /// # Panics
    ///
    /// In a tokio runtime without its time driver, as every tokio timer does.
    ///
    /// # Cancel safety
    ///
    /// The call goes on without the caller, for all others and for the cache.
    ///
    /// # Concurrent calls
    ///
    /// Share one call to STS; there is at most one a second.
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
    /// Share one call to STS.
    pub async fn credentials_valid_for(&self, min: Duration) -> Result<Credentials> {
        self.cache.credentials_valid_for(min).await
    }

    /// News of every call that ended and every rejection that counted, as a [`Status`] at that moment;
    /// see [`CredentialCache::subscribe`].
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Status> {
        self.cache.subscribe()
    }

    /// The source below, for its check of the caller's identity.
    #[must_use]
    pub fn source(&self) -> &StsSource {
        self.cache.source()
    }
}

#[async_trait]
impl CredentialStrategy for AssumeRole {
    fn name(&self) -> &'static str {
        ASSUME_ROLE_NAME
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

impl ProvideCredentials for AssumeRole {
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

/// Builds an [`AssumeRole`]; the region is required, the rest has defaults.
#[derive(Clone, Debug)]
#[must_use = "nothing is fetched before `build` and a first call"]
pub struct AssumeRoleBuilder {
    source: StsSourceBuilder,
    refresh: RefreshPolicy,
    clock: Option<Clock>,
    jitter: Option<Jitter>,
}

impl AssumeRoleBuilder {
    /// The region whose STS is asked; required here or in the `SdkConfig`. It belongs to the partition
    /// of the role.
    pub fn region(mut self, region: impl Into<Region>) -> Self {
        self.source = self.source.region(region);
        self
    }

    /// Who signs the call: any strategy, whose session is replaced when STS finds it expired, or a
    /// [`SharedCredentialsProvider`](aws_credential_types::provider::SharedCredentialsProvider);
    /// default: an [`InstanceProfile`], as on EC2.
    pub fn base(mut self, base: impl Into<Base>) -> Self {
        self.source = self.source.base(base);
        self
    }

    /// Who signs the call: any of the SDK's credential providers.
    pub fn base_provider(mut self, provider: impl ProvideCredentials + 'static) -> Self {
        self.source = self.source.base_provider(provider);
        self
    }

    /// Who signs the call, and how STS is reached: credentials, region, endpoint, retry, timeout and
    /// transport settings of this configuration, as far as they are not set here.
    pub fn base_from(mut self, config: &SdkConfig) -> Self {
        self.source = self.source.base_from(config);
        self
    }

    /// How STS is reached: region, endpoint, retry, timeout and transport settings of this
    /// configuration, as far as they are not set here; its credentials play no part.
    pub fn sdk_config(mut self, config: &SdkConfig) -> Self {
        self.source = self.source.sdk_config(config);
        self
    }

    /// The name of the session, 2 to 64 of `A-Z a-z 0-9 _ + = , . @ -`, as it stands in CloudTrail;
    /// default: this crate's name, the host's where known, and the process id.
    pub fn session_name(mut self, name: impl Into<String>) -> Self {
        self.source = self.source.session_name(name);
        self
    }

    /// The external id that the trust policy of a third party's role asks for, 2 to 1224 of
    /// `A-Z a-z 0-9 _ + = , . @ : / -`; default: none.
    pub fn external_id(mut self, id: impl Into<String>) -> Self {
        self.source = self.source.external_id(id);
        self
    }

    /// How long a session lasts, [`MIN_SESSION_DURATION`](crate::source::MIN_SESSION_DURATION) to
    /// [`MAX_SESSION_DURATION`](crate::source::MAX_SESSION_DURATION) in whole seconds, at most 1 hour
    /// from another role session; default:
    /// [`DEFAULT_SESSION_DURATION`](crate::source::DEFAULT_SESSION_DURATION).
    pub fn duration(mut self, duration: Duration) -> Self {
        self.source = self.source.duration(duration);
        self
    }

    /// A session policy, a JSON object of at most 2048 characters, that narrows what the session may
    /// do; default: none.
    pub fn policy(mut self, json: impl Into<String>) -> Self {
        self.source = self.source.policy(json);
        self
    }

    /// Managed policies, at most 10, that narrow what the session may do; default: none.
    pub fn policy_arns<A: Into<String>>(mut self, arns: impl IntoIterator<Item = A>) -> Self {
        self.source = self.source.policy_arns(arns);
        self
    }

    /// Session tags, at most 50; default: none.
    pub fn tags<K: Into<String>, V: Into<String>>(
        mut self,
        tags: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.source = self.source.tags(tags);
        self
    }

    /// The keys of those session tags that go on to sessions assumed from this one; default: none.
    pub fn transitive_tags<K: Into<String>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.source = self.source.transitive_tags(keys);
        self
    }

    /// The source identity, 2 to 64 of `A-Z a-z 0-9 _ + = , . @ -`, which later role sessions keep;
    /// default: none.
    pub fn source_identity(mut self, identity: impl Into<String>) -> Self {
        self.source = self.source.source_identity(identity);
        self
    }

    /// The MFA device by serial number or ARN, and an async function that gives its 6-digit code each
    /// time the role is assumed; default: no MFA. When it fails, STS is not asked.
    ///
    /// A background refresh cannot ask a person, so with MFA the refresh is
    /// [on demand](RefreshMode::OnDemand), and a fetch, with those who wait for it, has
    /// [`INTERACTIVE_WAIT_TIMEOUT`], whatever the policy says.
    pub fn mfa<A, F, E>(mut self, serial: impl Into<String>, code: A) -> Self
    where
        A: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<String, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.source = self.source.mfa(serial, code);
        self
    }

    /// Where STS is, as an `http` or `https` URI; default: the regional endpoint, or that of the
    /// `SdkConfig`.
    pub fn sts_endpoint(mut self, uri: impl Into<String>) -> Self {
        self.source = self.source.sts_endpoint(uri);
        self
    }

    /// What carries the requests to STS; default: that of the `SdkConfig`, else the SDK's own HTTPS
    /// client with the cargo feature `https`. Required without that feature.
    pub fn http_client(mut self, client: impl HttpClient + 'static) -> Self {
        self.source = self.source.http_client(client);
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
    /// [`Usage`](crate::ErrorKind::Usage) for an option that is missing or not as expected, or, where no
    /// base was given, an environment variable of the metadata service;
    /// [`Error::field`](crate::Error::field) names it.
    pub fn build(self) -> Result<AssumeRole> {
        let AssumeRoleBuilder {
            source,
            mut refresh,
            clock,
            jitter,
        } = self;
        refresh.validate()?;
        if source.has_mfa() {
            refresh = refresh
                .mode(RefreshMode::OnDemand)
                .fetch_timeout(INTERACTIVE_WAIT_TIMEOUT)
                .wait_timeout(INTERACTIVE_WAIT_TIMEOUT);
        }
        let source = if source.has_base() {
            source
        } else {
            source.base(InstanceProfile::new()?)
        };
        Ok(AssumeRole {
            cache: super::cache(source.build()?, refresh, clock, jitter),
        })
    }
}
