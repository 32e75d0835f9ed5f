//! ElastiCache and MemoryDB.

use super::signer::{Signer, encoded, host, region, user, ways_to_a_token, without_scheme};
use crate::error::Result;
use crate::refresh::Clock;
use crate::strategy::CredentialStrategy;

/// Which service keeps the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Service {
    ElastiCache,
    ElastiCacheServerless,
    MemoryDb,
}

/// Passwords for a user of ElastiCache or MemoryDB (Valkey or Redis OSS 7 and later) that has IAM
/// authentication; serverless caches too.
///
/// ```
/// use aws_credential_strategies::token::ElastiCacheToken;
/// use aws_credential_strategies::{CredentialCache, CredentialSource, RefreshPolicy};
///
/// # async fn example<F: CredentialSource>(source: F) -> aws_credential_strategies::Result<()> {
/// let passwords = ElastiCacheToken::builder(CredentialCache::new(source, RefreshPolicy::default()))
///     .serverless_cache("sessions")
///     .user("app")
///     .region("eu-central-1")
///     .build()?;
/// let password = passwords.token().await?;
/// # Ok(())
/// # }
/// ```
///
/// The identity needs `elasticache:Connect` on the cache and on the user, or `memorydb:connect` on the
/// cluster and the user. The connection has to use TLS, and the name of the user to be its id, in lower
/// case. The service ends an authenticated connection after 12 hours unless it authenticates again: send
/// `AUTH` or `HELLO` with a new token before. Form and limits: [ElastiCache], [MemoryDB].
///
/// [ElastiCache]: https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/auth-iam.html
/// [MemoryDB]: https://docs.aws.amazon.com/memorydb/latest/devguide/auth-iam.html
#[derive(Clone, Debug)]
pub struct ElastiCacheToken<S>(Signer<S>);

impl<S: CredentialStrategy> ElastiCacheToken<S> {
    /// For the users that `strategy`'s identity may connect as.
    pub fn builder(strategy: S) -> ElastiCacheTokenBuilder<S> {
        ElastiCacheTokenBuilder {
            strategy,
            clock: Clock::system(),
            cache: None,
            service: Service::ElastiCache,
            region: None,
            user: None,
        }
    }
}

ways_to_a_token!(ElastiCacheToken, without_scheme);

/// What an [`ElastiCacheToken`] is for.
#[derive(Clone, Debug)]
#[must_use]
pub struct ElastiCacheTokenBuilder<S> {
    strategy: S,
    clock: Clock,
    cache: Option<String>,
    service: Service,
    region: Option<String>,
    user: Option<String>,
}

impl<S: CredentialStrategy> ElastiCacheTokenBuilder<S> {
    /// The id of an ElastiCache replication group; not its endpoint.
    pub fn replication_group(self, id: impl Into<String>) -> Self {
        self.cache(Service::ElastiCache, id.into())
    }

    /// The name of an ElastiCache serverless cache.
    pub fn serverless_cache(self, name: impl Into<String>) -> Self {
        self.cache(Service::ElastiCacheServerless, name.into())
    }

    /// The name of a MemoryDB cluster.
    pub fn memory_db_cluster(self, name: impl Into<String>) -> Self {
        self.cache(Service::MemoryDb, name.into())
    }

    /// The services keep names in lower case, and compare them so.
    fn cache(mut self, service: Service, name: String) -> Self {
        self.service = service;
        self.cache = Some(name.to_ascii_lowercase());
        self
    }

    /// The id of the user.
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// The region of the cache.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// The clock that tokens are dated by; the host's unless set.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// [`Usage`](crate::ErrorKind::Usage), naming the setting that is missing or cannot be.
    pub fn build(self) -> Result<ElastiCacheToken<S>> {
        let ElastiCacheTokenBuilder {
            strategy,
            clock,
            cache,
            service,
            region: at,
            user: of,
        } = self;
        let cache = host(cache, "cache", "the name of the cache or cluster")?;
        if cache.contains('.') {
            return Err(crate::Error::usage(
                "cache",
                format!(
                    "expected the name of the cache or cluster, not its endpoint, got {cache:?}"
                ),
            ));
        }
        let region = region(at)?;
        let user = encoded(&user(of)?);
        let (name, kind) = match service {
            Service::ElastiCache => ("elasticache", ""),
            Service::ElastiCacheServerless => ("elasticache", "&ResourceType=ServerlessCache"),
            Service::MemoryDb => ("memorydb", ""),
        };
        let url = format!("http://{cache}/?Action=connect&User={user}{kind}");
        Ok(ElastiCacheToken(Signer::new(
            strategy, clock, region, name, url,
        )))
    }
}
