//! The strategies, and the one trait they stand behind.
//!
//! ```no_run
//! use aws_credential_strategies::{AssumeRole, CredentialStrategy, InstanceProfile, Provided};
//! use std::sync::Arc;
//!
//! # fn example(kind: &str) -> Result<(), aws_credential_strategies::BoxError> {
//! // chosen in code; `StrategyConfig` chooses by configuration
//! let strategy: Arc<dyn CredentialStrategy> = match kind {
//!     "ec2" => Arc::new(InstanceProfile::new()?),
//!     "role" => {
//!         let role = AssumeRole::builder("arn:aws:iam::123456789012:role/App");
//!         Arc::new(role.region("us-east-1").build()?)
//!     }
//!     _ => Arc::new(Provided::container()),
//! };
//! println!("{} holds {:?}", strategy.name(), strategy.status().key_id);
//! # Ok(())
//! # }
//! ```

mod assume_role;
mod base;
mod cached;
mod config;
mod forward;
mod instance_profile;
#[cfg(feature = "pool")]
mod pool;
mod provided;
mod with_refresh;

pub use assume_role::{AssumeRole, AssumeRoleBuilder};
pub use config::StrategyConfig;
pub use instance_profile::{InstanceProfile, InstanceProfileBuilder};
#[cfg(feature = "pool")]
pub use pool::{
    DEFAULT_MAX_IN_FLIGHT, DEFAULT_MAX_ROLES, DEFAULT_POOL_IDLE_AFTER, DEFAULT_POOL_WAIT_TIMEOUT,
    FailingRole, MAX_FAILING_TOLD, PoolStatus, PooledRole, RolePool, RolePoolBuilder, RoleRequest,
    WithPool,
};
pub use provided::{Provided, ProvidedBuilder};
pub use with_refresh::WithRefresh;

use crate::connect::with_beside;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::refresh::{CredentialCache, Rejection, Remembered, Status};
use crate::source::CredentialSource;
use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::identity::Identity;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::watch;

/// One explicit way to get AWS credentials, kept valid.
///
/// Object-safe, so that a program can choose at run time: `Arc<dyn CredentialStrategy>` is a strategy
/// too, and so are `Box<dyn CredentialStrategy>` and a `&'static` reference.
///
/// A strategy of your own is at best a [`CredentialSource`] in a [`CredentialCache`], which is one. Written
/// by hand it needs five methods; the others have a default, which says what it does.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no credential strategy",
    label = "expected a strategy: `InstanceProfile`, `AssumeRole`, `Provided`, or one of them in an `Arc` or a `Box`",
    note = "`Provided::new(name, provider)` makes one of any provider of the AWS SDK"
)]
#[async_trait]
pub trait CredentialStrategy: fmt::Debug + Send + Sync + 'static {
    /// A short name for logs and errors; log-safe, the same for the life of the process.
    fn name(&self) -> &'static str;

    /// Credentials to sign a request with, now.
    ///
    /// Valid ones are returned at once, unless they are about to expire or a service rejected them.
    /// Otherwise it waits for the one fetch that all callers share. The strategies of this crate do as
    /// [`CredentialCache::credentials`] says.
    ///
    /// # Errors
    ///
    /// When there is nothing to serve: the error of the last fetch, or why there was none.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing for other callers and does not stop the fetch.
    ///
    /// # Concurrent calls
    ///
    /// Any number; they share one fetch.
    async fn credentials(&self) -> Result<Credentials>;

    /// Gets ready for the first request: credentials, and beside them what else takes time at a start. For a program
    /// that has something else to do until then, or that is not to be sent requests before it is ready.
    ///
    /// [`AssumeRole`] opens the connection to STS while it waits for the credentials of its base: one request more,
    /// `GET /`, which bears no signature. With credentials at hand there is nothing to do. The default waits for
    /// [`credentials`](Self::credentials), and so does whatever has nothing else to open.
    ///
    /// [`Dynamo::warm`](crate::Dynamo::warm) does the same, and opens the connection to DynamoDB.
    ///
    /// # Errors
    ///
    /// As in [`credentials`](Self::credentials). A connection that cannot be opened is no error here: the first
    /// request opens it, or says why not.
    ///
    /// # Cancel safety
    ///
    /// As in [`credentials`](Self::credentials).
    ///
    /// # Concurrent calls
    ///
    /// Any number; they share one fetch, and open a connection each.
    async fn warm(&self) -> Result<()> {
        self.credentials().await.map(drop)
    }

    /// Credentials that live for at least `min`, for presigned URLs and long uploads.
    ///
    /// At once where those at hand do, else after one [`refresh`](Self::refresh). Those without an expiry
    /// live for ever. The default measures on the wall clock of this host; the strategies of this crate do
    /// as [`CredentialCache::credentials_valid_for`] says.
    ///
    /// # Errors
    ///
    /// When even new credentials live shorter; else as in [`refresh`](Self::refresh).
    ///
    /// # Cancel safety
    ///
    /// As in [`credentials`](Self::credentials).
    ///
    /// # Concurrent calls
    ///
    /// Any number; they share one fetch.
    async fn credentials_valid_for(&self, min: Duration) -> Result<Credentials> {
        let held = self.credentials().await?;
        if wall_life_of(&held) >= min {
            return Ok(held);
        }
        let fetched = self.refresh().await?;
        let left = wall_life_of(&fetched);
        if left >= min {
            return Ok(fetched);
        }
        Err(too_short(self.name(), min, left))
    }

    /// Fetches now, whatever the strategy's plan is, and returns what came.
    ///
    /// The default, for a strategy of your own that has nothing better, [rejects](Self::invalidate) the
    /// credentials in use and asks for [others](Self::credentials). The strategies of this crate do as
    /// [`CredentialCache::refresh`] says, and keep what they hold when the fetch fails.
    ///
    /// # Errors
    ///
    /// That of the fetch, even while the credentials held are valid.
    ///
    /// # Cancel safety
    ///
    /// As in [`credentials`](Self::credentials).
    ///
    /// # Concurrent calls
    ///
    /// Any number; they share one fetch.
    async fn refresh(&self) -> Result<Credentials> {
        if let Some(current) = self.current() {
            self.invalidate(current.access_key_id());
        }
        self.credentials().await
    }

    /// What could be used now, if anything: no I/O, no waiting, no lock, no allocation, but for the one
    /// call that finds a refresh due and nobody at it: it starts it on a task.
    fn current(&self) -> Option<Arc<Credentials>>;

    /// The same as an SDK identity, for request signing; built once per fetch where the strategy can.
    fn current_identity(&self) -> Option<Identity> {
        self.current()
            .map(|credentials| Identity::from((*credentials).clone()))
    }

    /// Tells the strategy that a service rejected the credentials with this access key id.
    ///
    /// Only the key in use is invalidated, so a thousand late rejections of one old key cost nothing.
    fn invalidate(&self, rejected: &str) -> Rejection;

    /// Tells the strategy that a service accepted the credentials with this access key id, so that an
    /// earlier [rejection](Self::invalidate) of it was about something else. The default does nothing.
    fn accepted(&self, key_id: &str) {
        let _ = key_id;
    }

    /// What is held while it is being replaced because a service [rejected](Self::invalidate) it: good enough
    /// for the client of another service, which then need not wait
    /// ([`Recovery`](crate::sdk::Recovery#restraint)). The default is `None`: everybody waits.
    fn disputed_identity(&self) -> Option<Identity> {
        None
    }

    /// The same strategy for what must not keep it alive; `None` where it has no such handle, and is kept.
    #[doc(hidden)]
    fn weak(&self) -> Option<WeakStrategy> {
        None
    }

    /// What other rooms remember of the strategy as long as it lives; `None` where it has no place for it.
    #[doc(hidden)]
    fn remembered(&self) -> Option<&Remembered> {
        None
    }

    /// A snapshot for dashboards and health checks; no I/O.
    fn status(&self) -> Status;

    /// News of what becomes of the credentials, as a [`Status`] at that moment; see
    /// [`CredentialCache::subscribe`].
    ///
    /// The default is a channel that holds the [status](Self::status) of now and is closed: there will be no
    /// news.
    fn subscribe(&self) -> watch::Receiver<Status> {
        watch::Sender::new(self.status()).subscribe()
    }
}

/// A strategy that its users keep alive, and this does not.
#[doc(hidden)]
#[derive(Clone)]
pub struct WeakStrategy(Arc<dyn Fn() -> Option<Arc<dyn CredentialStrategy>> + Send + Sync>);

impl WeakStrategy {
    fn of<F: CredentialSource>(cache: &CredentialCache<F>) -> Self {
        let weak = cache.downgrade();
        WeakStrategy::new(move || weak.upgrade())
    }

    /// Of a handle that gives the strategy as long as somebody keeps it.
    pub(crate) fn new<S: CredentialStrategy>(
        upgrade: impl Fn() -> Option<S> + Send + Sync + 'static,
    ) -> Self {
        WeakStrategy(Arc::new(move || Some(Arc::new(upgrade()?))))
    }

    /// `None` when its last user is gone.
    pub(crate) fn upgrade(&self) -> Option<Arc<dyn CredentialStrategy>> {
        (self.0)()
    }
}

impl fmt::Debug for WeakStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WeakStrategy")
    }
}

/// What a strategy served, as an identity; with what the SDK's user agent tells of its source, where that is still
/// what is held.
pub(crate) fn identity_of<S: CredentialStrategy + ?Sized>(
    strategy: &S,
    served: Credentials,
) -> Identity {
    strategy
        .current_identity()
        .filter(|held| held.data::<Credentials>() == Some(&served))
        .unwrap_or_else(|| Identity::from(served))
}

/// The first credentials of a cache, and beside them what its source opens.
async fn warm<F: CredentialSource>(cache: &CredentialCache<F>) -> Result<()> {
    let credentials = async { cache.credentials().await.map(drop) };
    with_beside(credentials, cache.source().connect()).await
}

/// How long credentials live by this host's wall clock; without an expiry for ever.
fn wall_life_of(credentials: &Credentials) -> Duration {
    let Some(expiry) = credentials.expiry() else {
        return Duration::MAX;
    };
    expiry
        .duration_since(SystemTime::now())
        .unwrap_or(Duration::ZERO)
}

fn too_short(name: &'static str, min: Duration, left: Duration) -> Error {
    let message = format!(
        "asked for credentials that live for {} s, new ones live for {} s",
        min.as_secs(),
        left.as_secs()
    );
    Error::new(ErrorKind::TooShort, Operation::FETCH, message)
        .naming("min")
        .needs_human()
        .via(name)
}

#[async_trait]
impl<F: CredentialSource> CredentialStrategy for CredentialCache<F> {
    fn name(&self) -> &'static str {
        self.source().name()
    }

    async fn credentials(&self) -> Result<Credentials> {
        CredentialCache::credentials(self).await
    }

    async fn warm(&self) -> Result<()> {
        warm(self).await
    }

    async fn credentials_valid_for(&self, min: Duration) -> Result<Credentials> {
        CredentialCache::credentials_valid_for(self, min).await
    }

    async fn refresh(&self) -> Result<Credentials> {
        CredentialCache::refresh(self).await
    }

    fn current(&self) -> Option<Arc<Credentials>> {
        CredentialCache::current(self)
    }

    #[inline(always)]
    fn current_identity(&self) -> Option<Identity> {
        CredentialCache::current_identity(self)
    }

    fn invalidate(&self, rejected: &str) -> Rejection {
        CredentialCache::invalidate(self, rejected)
    }

    fn accepted(&self, key_id: &str) {
        CredentialCache::accepted(self, key_id);
    }

    fn disputed_identity(&self) -> Option<Identity> {
        CredentialCache::disputed_identity(self)
    }

    fn weak(&self) -> Option<WeakStrategy> {
        Some(WeakStrategy::of(self))
    }

    fn remembered(&self) -> Option<&Remembered> {
        Some(CredentialCache::remembered(self))
    }

    fn status(&self) -> Status {
        CredentialCache::status(self)
    }

    fn subscribe(&self) -> watch::Receiver<Status> {
        CredentialCache::subscribe(self)
    }
}
