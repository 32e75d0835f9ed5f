//! The cache around a source, as an application holds it.

use super::clock::{Clock, Jitter};
use super::policy::RefreshPolicy;
use super::rejection::Rejection;
use super::remembered::Remembered;
use super::shared::Shared;
use super::status::Status;
#[cfg(feature = "pool")]
use super::timetable::Timetable;
use crate::error::Result;
use crate::source::CredentialSource;
use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::identity::Identity;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch;

/// Keeps the credentials of one source valid, for any number of callers.
///
/// While credentials are valid calls are answered at once, and a task replaces them ahead of time; once
/// they are not, all callers wait for the same single fetch, for a bounded time
/// ([by stage](crate::refresh)). Cloning shares the cache: one fetch, however many clients hold a clone.
///
/// The constructor does no I/O, spawns nothing and needs no runtime; the first call starts the task. The
/// last clone dropped ends it.
///
/// A third strategy is a [`CredentialSource`] in this cache:
///
/// ```
/// use aws_credential_strategies::{CredentialCache, CredentialSource, Credentials, RefreshPolicy};
///
/// #[derive(Debug)]
/// struct FromVault;
///
/// impl CredentialSource for FromVault {
///     fn name(&self) -> &'static str {
///         "FromVault"
///     }
///     async fn fetch(&self) -> aws_credential_strategies::Result<Credentials> {
///         Ok(Credentials::new("AKIAEXAMPLE", "secret", None, None, "FromVault"))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> aws_credential_strategies::Result<()> {
/// let cache = CredentialCache::new(FromVault, RefreshPolicy::default());
/// assert_eq!(cache.credentials().await?.access_key_id(), "AKIAEXAMPLE");
/// # Ok(())
/// # }
/// ```
///
/// # Known limit
///
/// A host clock that is *behind* when the answer arrives cannot be seen locally: dead credentials then
/// live longer by that much, until a service rejects them and
/// [`Recovery`](crate::sdk::Recovery) replaces them.
pub struct CredentialCache<F>(Arc<Shared<F>>);

impl<F: CredentialSource> CredentialCache<F> {
    /// A cache around `source`: no I/O, no task, no runtime needed yet.
    #[must_use]
    pub fn new(source: F, policy: RefreshPolicy) -> Self {
        CredentialCache(Arc::new(Shared::new(
            Arc::new(source),
            policy,
            (Clock::system(), Jitter::random()),
            None,
        )))
    }

    /// An empty cache around the same source and policy, on another clock; for tests and simulations.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        self.anew(|shared| (clock, shared.jitter.clone(), shared.runtime.clone()))
    }

    /// An empty cache around the same source and policy, with random numbers from elsewhere; for tests
    /// and simulations.
    #[must_use]
    pub fn with_jitter(self, jitter: Jitter) -> Self {
        self.anew(|shared| (shared.clock.clone(), jitter, shared.runtime.clone()))
    }

    /// An empty cache around the same source and policy whose fetches and timer run on this runtime, instead
    /// of where the call is made that starts them.
    ///
    /// For a runtime of its own beside busy ones, or where calls are made on runtimes that come and go.
    /// Should it not be driven, or end, a fetch that somebody waits for is taken over by the caller's
    /// runtime ([`RUNNING_WITHIN`](super::RUNNING_WITHIN), [`ALIVE_WITHIN`](super::ALIVE_WITHIN)).
    #[must_use]
    pub fn on(self, runtime: Handle) -> Self {
        self.anew(|shared| (shared.clock.clone(), shared.jitter.clone(), Some(runtime)))
    }

    /// An empty cache around the same source and policy that this timetable wakes, instead of a task of its
    /// own.
    #[cfg(feature = "pool")]
    pub(crate) fn on_timetable(self, timetable: &Arc<Timetable>) -> Self {
        let shared = &self.0;
        let fresh = Shared::new(
            Arc::clone(&shared.source),
            shared.policy,
            (shared.clock.clone(), shared.jitter.clone()),
            shared.runtime.clone(),
        );
        CredentialCache(fresh.on_timetable(timetable))
    }

    /// What other rooms remember of it.
    pub(crate) fn remembered(&self) -> &Remembered {
        &self.0.remembered
    }

    /// What does not keep the cache.
    pub(crate) fn downgrade(&self) -> WeakCache<F> {
        WeakCache(Arc::downgrade(&self.0))
    }

    fn anew(self, settings: impl FnOnce(&Shared<F>) -> (Clock, Jitter, Option<Handle>)) -> Self {
        let (clock, jitter, runtime) = settings(&self.0);
        let (source, policy) = (Arc::clone(&self.0.source), self.0.policy);
        CredentialCache(Arc::new(Shared::new(
            source,
            policy,
            (clock, jitter),
            runtime,
        )))
    }

    /// What [`credentials`](Self::credentials) would return at once, if it is valid: no I/O, no waiting,
    /// no lock, no allocation.
    ///
    /// `None` when nothing has been fetched yet, when the credentials held have expired, and when a
    /// refresh comes first because they are about to expire or a service rejected them.
    ///
    /// The one call that finds a refresh due and nobody at it, as in
    /// [`RefreshMode::OnDemand`](super::RefreshMode::OnDemand), starts it on a task, which allocates.
    #[must_use]
    pub fn current(&self) -> Option<Arc<Credentials>> {
        self.0.at_once(|held| Arc::clone(&held.credentials))
    }

    /// A copy of what is [current](Self::current).
    #[inline(always)] // one with who asks for it, as an identity is
    pub(crate) fn at_once(&self) -> Option<Credentials> {
        self.0.at_once(|held| Credentials::clone(&held.credentials))
    }

    /// The same as an SDK identity, built once per fetch; its clone allocates once at most.
    #[must_use]
    #[inline(always)]
    pub fn current_identity(&self) -> Option<Identity> {
        self.0.at_once(|held| held.identity.clone())
    }

    /// Credentials to sign a request with, now.
    ///
    /// Valid ones are returned at once, whatever the source does, unless a service rejected them or
    /// their last minute has come ([`MAX_MANDATORY_WINDOW`](super::MAX_MANDATORY_WINDOW)), and no attempt
    /// has failed yet. Then, and when there are none, the call starts or joins the one fetch and waits
    /// for it, until that fetch is [`wait_timeout`](RefreshPolicy::wait_timeout) old. After that, or
    /// after its failure, it is answered with the credentials held, even if they have expired
    /// ([`serve_expired`](RefreshPolicy::serve_expired)).
    ///
    /// # Errors
    ///
    /// Only when nothing is held, or what is held has expired and `serve_expired` is off or the last
    /// error terminal; under [`aws_spec`](RefreshPolicy::aws_spec), also for
    /// [some seconds](super::TERMINAL_RERAISE) after a terminal error:
    ///
    /// - the error of the last fetch, of whatever kind the source gave it;
    ///   [`Timeout`](crate::ErrorKind::Timeout) when the fetch took too long or is still under way,
    ///   [`Panicked`](crate::ErrorKind::Panicked) when the source did,
    ///   [`Credential`](crate::ErrorKind::Credential) when it answered with expired credentials;
    /// - [`NoRuntime`](crate::ErrorKind::NoRuntime) outside a tokio runtime, or in one that is shutting down;
    /// - [`Usage`](crate::ErrorKind::Usage) for a policy that does not pass its
    ///   [check](RefreshPolicy::validate).
    ///
    /// # Panics
    ///
    /// In a tokio runtime that was built without its time driver (`enable_time`), as every tokio timer
    /// does, when it has to wait.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing for other callers: the fetch goes on, and the next call is
    /// served from it.
    ///
    /// # Concurrent calls
    ///
    /// Any number; they share one fetch.
    pub async fn credentials(&self) -> Result<Credentials> {
        if let Some(credentials) = self.at_once() {
            return Ok(credentials);
        }
        // In a box: what waits is large, and would be moved about with each call that does not.
        Box::pin(self.0.settle())
            .await
            .map(|credentials| (*credentials).clone())
    }

    /// Fetches now, whatever pause is in force, and returns what came, or what is held where that lives longer.
    ///
    /// Joins a fetch under way. Asks the source at most once a second
    /// ([`MIN_FORCED_SPACING`](super::MIN_FORCED_SPACING)) and [`FORCED_ATTEMPTS`](super::FORCED_ATTEMPTS)
    /// times in ten minutes, all attempts of the cache counted, or
    /// [`FORCED_ATTEMPTS_IN_TROUBLE`](super::FORCED_ATTEMPTS_IN_TROUBLE) while they fail: beyond that the last
    /// answer stands.
    ///
    /// # Errors
    ///
    /// That of the fetch, even while the credentials held are valid; [`ErrorKind::Timeout`](crate::ErrorKind::Timeout),
    /// [`ErrorKind::NoRuntime`](crate::ErrorKind::NoRuntime) and [`ErrorKind::Usage`](crate::ErrorKind::Usage) as in [`credentials`](Self::credentials).
    ///
    /// # Panics
    ///
    /// As in [`credentials`](Self::credentials).
    ///
    /// # Cancel safety
    ///
    /// As in [`credentials`](Self::credentials).
    ///
    /// # Concurrent calls
    ///
    /// Any number; they share one fetch.
    pub async fn refresh(&self) -> Result<Credentials> {
        self.0.forced().await.map(|fetched| (*fetched).clone())
    }

    /// Credentials that live for at least `min`: for presigned URLs and long uploads.
    ///
    /// At once if those held do, be they about to expire; else, and where a service rejected those held,
    /// after one fetch. What the answer lived when it came decides, so one hour of one-hour sessions can be had.
    /// What only a new session can meet is fetched at the pace of failures, not once a call; a life longer than
    /// any seen of this source is refused without a fetch, and tried again every 5–10 min.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooShort`](crate::ErrorKind::TooShort), with both figures, when new credentials live shorter,
    /// or when it is too soon to ask for others; else as in [`refresh`](Self::refresh).
    ///
    /// # Panics
    ///
    /// As in [`credentials`](Self::credentials).
    ///
    /// # Cancel safety
    ///
    /// As in [`credentials`](Self::credentials).
    ///
    /// # Concurrent calls
    ///
    /// Any number; they share one fetch.
    pub async fn credentials_valid_for(&self, min: Duration) -> Result<Credentials> {
        self.0
            .valid_for(min)
            .await
            .map(|fetched| (*fetched).clone())
    }

    /// Tells the cache that a service rejected the credentials with this access key id.
    ///
    /// Ignored unless it is the key in use. The first rejection of a key is a need: the next call waits for
    /// its one refresh, whatever failed before; the value stays as what is served should the refresh fail, or
    /// while a pause of [`aws_spec`](crate::RefreshPolicy::aws_spec) or of a
    /// [fixed back-off](crate::refresh::Backoff::fixed) is in force, which no rejection cuts. Any
    /// number of rejections of one key make one refresh. A key that replaced a rejected one is
    /// [`Suspected`](Rejection::Suspected) instead: [why](crate::refresh#needs).
    pub fn invalidate(&self, rejected: &str) -> Rejection {
        self.0.invalidate(rejected)
    }

    /// Tells the cache that a service accepted the credentials with this access key id.
    ///
    /// A success with the key in use, anybody's, ends a row of rejections: the next one is taken for
    /// evidence against the key again, and a key that was [`Suspected`](Rejection::Suspected) is no more.
    /// Any other key id is ignored. Once per key and client is enough;
    /// it costs no more than a look while there is no row to end.
    pub fn accepted(&self, key_id: &str) {
        self.0.accepted(key_id);
    }

    /// What is held while it is being replaced because a service [rejected](Self::invalidate) it: good enough
    /// for the client of another service, which then need not wait. `None` at any other time, and within the
    /// mandatory window.
    #[must_use]
    pub fn disputed_identity(&self) -> Option<Identity> {
        self.0.disputed(|held| held.identity.clone())
    }

    /// A snapshot; no I/O, no lock.
    #[must_use]
    pub fn status(&self) -> Status {
        self.0.status()
    }

    /// News of every fetch that ended and every rejection that counted, as a [`Status`] at that moment;
    /// also of the nearer plan when somebody asks again for what has long expired.
    ///
    /// Like any `watch` channel it holds the latest news only. A receiver does not keep the cache alive: it
    /// is closed with the last handle. Clone what it [borrows](watch::Receiver::borrow) and let go: while
    /// it is held, no fetch can end.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Status> {
        self.0.subscribe()
    }

    /// The source, for what it can tell beyond credentials.
    #[must_use]
    pub fn source(&self) -> &F {
        &self.0.source
    }
}

/// A cache that others keep or nobody does.
pub(crate) struct WeakCache<F>(std::sync::Weak<Shared<F>>);

impl<F> WeakCache<F> {
    pub(crate) fn upgrade(&self) -> Option<CredentialCache<F>> {
        self.0.upgrade().map(CredentialCache)
    }

    /// Whether nobody keeps it any more; without keeping it for a moment, and so without being its last user.
    #[cfg(feature = "pool")]
    pub(crate) fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }
}

impl<F> Clone for CredentialCache<F> {
    fn clone(&self) -> Self {
        CredentialCache(Arc::clone(&self.0))
    }
}

impl<F: CredentialSource> fmt::Debug for CredentialCache<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialCache")
            .field("source", &self.0.source)
            .field("policy", &self.0.policy)
            .field("status", &self.status())
            .finish()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::shared::tests::NeverAsked;
    use super::*;
    use std::sync::atomic::AtomicU64;

    #[test]
    fn what_does_not_keep_a_cache_finds_it_while_somebody_does() {
        let cache = CredentialCache::new(NeverAsked, RefreshPolicy::default());
        let weak = cache.downgrade();
        let found = weak.upgrade().unwrap();
        assert!(Arc::ptr_eq(&found.0, &cache.0));
        drop((cache, found));
        assert!(weak.upgrade().is_none());
    }

    #[test]
    fn what_others_remember_of_a_cache_is_the_same_for_all_its_handles() {
        let cache = CredentialCache::new(NeverAsked, RefreshPolicy::default());
        let remembered = cache.remembered().of_all::<AtomicU64>();
        let again = cache.clone().remembered().of_all::<AtomicU64>();
        assert!(Arc::ptr_eq(&remembered, &again));
        assert_eq!(format!("{:?}", cache.remembered()), "Remembered");
    }
}
