//! A role per tenant: many assumed roles behind one client, one limit and one timer.

mod gate;
mod key;
mod metrics;
mod role;
mod sessions;
mod source;
mod status;

pub use role::PooledRole;
pub use status::{FailingRole, MAX_FAILING_TOLD, PoolStatus};

use self::gate::Gate;
use self::key::{Defaults, KeptKey, RoleKey, Terms};
use self::metrics::Metrics;
use self::sessions::Sessions;
use self::source::{Common, PooledSource};
use super::InstanceProfile;
use super::with_refresh::refresh_setters;
use crate::arn::Partition;
use crate::error::{Error, Result};
use crate::refresh::{Clock, CredentialCache, Jitter, RefreshPolicy, Timetable};
use crate::source::{CredentialSource, StsSourceBuilder};
use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;

/// So many roles a pool holds, if nothing else is said: 10,000.
pub const DEFAULT_MAX_ROLES: usize = 10_000;
/// So many calls to STS are under way at once, if nothing else is said: 50. At the 50 ms or so of a call it is
/// more than STS admits an account by default, so the pool finds STS's limit and not its own.
pub const DEFAULT_MAX_IN_FLIGHT: usize = 50;
/// What nobody asked for in this time is not refreshed any more, if nothing else is said: 15 min.
pub const DEFAULT_POOL_IDLE_AFTER: Duration = Duration::from_secs(15 * 60);
/// So long a caller waits for a session, its turn at STS included, if nothing else is said: 60 s. A pool that
/// starts with thousands of tenants has to wait for STS, not for any one call.
pub const DEFAULT_POOL_WAIT_TIMEOUT: Duration = Duration::from_secs(60);
/// A fetch that has not had its turn by then ends: 10 min.
const LONGEST_FETCH: Duration = Duration::from_secs(600);

/// Sessions of many roles, or of one role with many narrowings: one for each request that differs.
///
/// ```no_run
/// use aws_credential_strategies::strategy::RolePool;
/// use aws_credential_strategies::{CredentialStrategy, InstanceProfile};
///
/// # async fn example() -> aws_credential_strategies::Result<()> {
/// let pool = RolePool::builder().base(InstanceProfile::new()?).region("us-east-1").build()?;
///
/// let tenant = pool.role("arn:aws:iam::123456789012:role/App").external_id("42").session_name("tenant-a").build()?;
/// let credentials = tenant.credentials().await?;
/// # Ok(())
/// # }
/// ```
///
/// For a service that assumes a role in each customer's account, or one role with a session policy or tags per
/// tenant. What all requests have in common is said once, on the [builder](Self::builder); what is asked for
/// one tenant, each time it is needed.
///
/// # What it promises
///
/// - Equal requests share one session, and requests that differ in any part do not. The whole request is the
///   key, part by part; the order of tags and policy ARNs plays no part.
/// - It holds [`max_roles`](StsSourceBuilder::max_roles) at most, and lets go the least recently asked for. Who
///   holds a [`PooledRole`] keeps it, and shares it with who asks for it again.
/// - What nobody asked for in [`DEFAULT_POOL_IDLE_AFTER`] is not refreshed
///   ([`RefreshPolicy::idle_after`] says otherwise). Where nothing is planned, nothing wakes; where something is,
///   the one timer looks once a minute, whether the host was suspended.
/// - STS gets [`max_in_flight`](StsSourceBuilder::max_in_flight) calls at once at most. When it throttles, all
///   slow down together to what it admits; fetches that somebody waits for come before refreshes ahead of
///   time, and each in the order in which they were asked for. One call in eight is such a refresh all the same.
/// - There is one client, one connection pool and one timer for all; an idle role has no task.
/// - A role that is denied, hangs or is throttled by itself is nobody else's trouble.
///
/// Calls are made again by the pool, at this pace, and not by the SDK: retry settings of an `SdkConfig` play no
/// part. [`fetch_timeout`](RefreshPolicy::fetch_timeout) bounds one call to STS, base included, as far as
/// [`DEFAULT_STS_ATTEMPT_TIMEOUT`](crate::source::DEFAULT_STS_ATTEMPT_TIMEOUT), or the attempt timeout of an `SdkConfig`, does
/// not; [`wait_timeout`](RefreshPolicy::wait_timeout) includes the wait for a turn and is
/// [`DEFAULT_POOL_WAIT_TIMEOUT`] unless a policy is given.
///
/// # Metrics
///
/// Beside those of each [cache](crate::refresh#metrics): `aws.credentials.pool.calls`, by `throttled`, and
/// `aws.credentials.pool.evicted`. [`status`](Self::status) has the rest.
///
/// Cloning shares the pool.
#[derive(Clone)]
pub struct RolePool(Arc<Shared>);

struct Shared {
    common: Arc<Common>,
    defaults: Defaults,
    with: WithPool,
    cache_policy: RefreshPolicy,
    /// Its lock makes a request that is new one session; it is held for look-ups and for what is made without I/O.
    sessions: Mutex<Sessions>,
    timetable: Arc<Timetable>,
    evicted: AtomicU64,
}

/// What the builder of a pool has beside the settings of its sources.
#[derive(Clone, Debug)]
pub struct WithPool {
    policy: RefreshPolicy,
    clock: Option<Clock>,
    jitter: Option<Jitter>,
    runtime: Option<Handle>,
    max_roles: usize,
    max_in_flight: usize,
}

/// Builds a [`RolePool`]: what all its requests have in common, and its limits. The region is required.
pub type RolePoolBuilder = StsSourceBuilder<WithPool>;

refresh_setters!(StsSourceBuilder<WithPool>);

impl StsSourceBuilder<WithPool> {
    /// How many roles the pool holds; default: [`DEFAULT_MAX_ROLES`]. At least 1.
    pub fn max_roles(mut self, roles: usize) -> Self {
        self.with.max_roles = roles;
        self
    }

    /// How many calls to STS are under way at once; default: [`DEFAULT_MAX_IN_FLIGHT`]. At least 1.
    pub fn max_in_flight(mut self, calls: usize) -> Self {
        self.with.max_in_flight = calls;
        self
    }

    /// The pool, without any I/O; no runtime is needed yet.
    ///
    /// # Errors
    ///
    /// [`Usage`](crate::ErrorKind::Usage) for an option that is missing or not as expected, those that requests
    /// start from included; [`Error::field`] names it.
    pub fn build(self) -> Result<RolePool> {
        let (template, mut with) = self.part();
        with.policy.validate()?;
        let max_roles = NonZeroUsize::new(with.max_roles)
            .ok_or_else(|| Error::usage("max_roles", "expected at least 1"))?;
        if with.max_in_flight == 0 {
            return Err(Error::usage("max_in_flight", "expected at least 1"));
        }
        if template.has_mfa() {
            return Err(Error::usage(
                "mfa",
                "expected none: nobody can be asked for a code for each role of a pool",
            ));
        }
        let template = if template.has_proof() {
            template
        } else {
            template.base(InstanceProfile::new()?)
        };
        let region = template.region_given().unwrap_or_default();
        let nobody = format!(
            "arn:{}:iam::000000000000:role/Nobody",
            Partition::of_region(&region)
        );
        // What requests start from is judged now, on a role that is nobody's.
        let template = template.share_client()?.for_role(nobody);
        let nobody = template.clone().build()?;
        let template = template.with_environment_read()?;
        let defaults = Defaults::of(&template);
        let template = defaults.asked_of(template);

        let call_timeout = with.policy.fetch_timeout_given();
        if with.policy.idle_after_given().is_none() {
            with.policy = with.policy.idle_after(DEFAULT_POOL_IDLE_AFTER);
        }
        let cache_policy = with.policy.fetch_timeout(LONGEST_FETCH.max(call_timeout));
        let common = Arc::new(Common {
            endpoint: nobody.endpoint(),
            template,
            gate: Gate::new(with.max_in_flight, call_timeout),
            metrics: Metrics::default(),
            call_timeout,
            opening: AtomicBool::new(false),
        });
        let clock = with.clock.clone().unwrap_or_default();
        Ok(RolePool(Arc::new(Shared {
            timetable: Arc::new(Timetable::new(clock, with.runtime.clone())),
            common,
            defaults,
            with,
            cache_policy,
            sessions: Mutex::new(Sessions::new(max_roles)),
            evicted: AtomicU64::new(0),
        })))
    }
}

impl RolePool {
    /// Starts with what all requests of the pool have in common; everything but the region has a default.
    pub fn builder() -> RolePoolBuilder {
        let with = WithPool {
            policy: RefreshPolicy::default().wait_timeout(DEFAULT_POOL_WAIT_TIMEOUT),
            clock: None,
            jitter: None,
            runtime: None,
            max_roles: DEFAULT_MAX_ROLES,
            max_in_flight: DEFAULT_MAX_IN_FLIGHT,
        };
        StsSourceBuilder::new(String::new(), with)
    }

    /// A request for a session of this role, that starts from what the pool's builder was told.
    ///
    /// Nothing is sent, also not by [`build`](RoleRequest::build): the first call for credentials does.
    #[inline]
    #[must_use = "a request is for `build`"]
    pub fn role<'a>(&'a self, role_arn: &'a str) -> RoleRequest<'a> {
        RoleRequest {
            pool: self,
            key: self.0.defaults.for_role(role_arn),
        }
    }

    /// A snapshot; no I/O. It looks at each role once, so it is for dashboards and health checks.
    #[must_use]
    pub fn status(&self) -> PoolStatus {
        let shared = &self.0;
        let gate = shared.common.gate.figures();
        let (planned, wake_ups) = shared.timetable.figures();
        let mut status = PoolStatus {
            planned,
            wake_ups,
            evicted: shared.evicted.load(Ordering::Relaxed),
            in_flight: gate.in_flight,
            queued: gate.queued,
            calls_last_minute: gate.calls_last_minute,
            calls: gate.total.calls,
            throttled: gate.total.throttled,
            calls_per_second: gate.rate,
            ..PoolStatus::default()
        };
        let kept = self.sessions().kept();
        for role in kept {
            let key = role.key();
            status.count(&key.role, key.session_name.as_deref(), role.cache.status());
        }
        status
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        // Nothing of it is half done where its code could panic.
        self.0
            .sessions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// One that is kept, from now on the most recently used.
    fn used(&self, key: &RoleKey<'_>) -> Option<PooledRole> {
        self.sessions().used(key)
    }

    /// One that was not kept a moment ago.
    #[cold]
    fn session(&self, key: RoleKey<'_>) -> Result<PooledRole> {
        // What is not as STS expects it is an error now, and waits for no lock.
        key.request(&self.0.common.template).build()?;
        let key = KeptKey(Arc::new(key.into_owned()));
        let (role, let_go) = self.sessions().add(key, |key| self.new_session(key));
        if let Some(let_go) = let_go {
            self.0.evicted.fetch_add(1, Ordering::Relaxed);
            self.0.common.metrics.evicted();
            tracing::debug!(role = let_go.role_arn(), "a full pool let a role go");
        }
        Ok(role)
    }

    /// Of a request that has been checked.
    fn new_session(&self, kept: &KeptKey) -> PooledRole {
        let shared = &self.0;
        let source = PooledSource::new(Arc::clone(&kept.0), &shared.common);
        let mut cache = CredentialCache::new(source, shared.cache_policy);
        if let Some(clock) = &shared.with.clock {
            cache = cache.with_clock(clock.clone());
        }
        if let Some(jitter) = &shared.with.jitter {
            cache = cache.with_jitter(jitter.clone());
        }
        if let Some(runtime) = &shared.with.runtime {
            cache = cache.on(runtime.clone());
        }
        PooledRole {
            cache: cache.on_timetable(&shared.timetable),
        }
    }
}

impl fmt::Debug for RolePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RolePool")
            .field("template", &self.0.common.template)
            .field("max_roles", &self.0.with.max_roles)
            .field("gate", &self.0.common.gate)
            .finish_non_exhaustive()
    }
}

/// A request for one session of a [`RolePool`]; what is set here takes the place of what the pool's builder was
/// told. The setters mean what those of [`AssumeRole::builder`](crate::AssumeRole::builder) do.
#[derive(Clone, Debug)]
#[must_use = "a request is for `build`"]
pub struct RoleRequest<'a> {
    pool: &'a RolePool,
    key: RoleKey<'a>,
}

impl<'a> RoleRequest<'a> {
    /// The [name of the session](StsSourceBuilder::session_name), as it stands in CloudTrail.
    pub fn session_name(mut self, name: impl Into<Cow<'a, str>>) -> Self {
        self.key.session_name = Some(name.into());
        self
    }

    /// The [external id](StsSourceBuilder::external_id) that the trust policy asks for.
    pub fn external_id(mut self, id: impl Into<Cow<'a, str>>) -> Self {
        self.key.external_id = Some(id.into());
        self
    }

    /// [How long](StsSourceBuilder::duration) the session lasts, in whole seconds.
    pub fn duration(self, duration: Duration) -> Self {
        self.with_terms(|terms| terms.duration = duration)
    }

    /// A [session policy](StsSourceBuilder::policy), a JSON object.
    pub fn policy(self, json: impl Into<Cow<'a, str>>) -> Self {
        self.with_terms(|terms| terms.policy = Some(json.into()))
    }

    /// [Managed policies](StsSourceBuilder::policy_arns) that narrow the session.
    pub fn policy_arns<A: Into<Cow<'a, str>>>(self, arns: impl IntoIterator<Item = A>) -> Self {
        let arns = arns.into_iter().map(Into::into).collect();
        self.with_terms(|terms| terms.policy_arns = arns)
    }

    /// [Session tags](StsSourceBuilder::tags).
    pub fn tags<K: Into<Cow<'a, str>>, V: Into<Cow<'a, str>>>(
        self,
        tags: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let tags = tags.into_iter();
        let tags = tags
            .map(|(key, value)| (key.into(), value.into()))
            .collect();
        self.with_terms(|terms| terms.tags = tags)
    }

    /// The keys of those tags that [go on](StsSourceBuilder::transitive_tags) to later sessions.
    pub fn transitive_tags<K: Into<Cow<'a, str>>>(self, keys: impl IntoIterator<Item = K>) -> Self {
        let keys = keys.into_iter().map(Into::into).collect();
        self.with_terms(|terms| terms.transitive_tags = keys)
    }

    /// The [source identity](StsSourceBuilder::source_identity).
    pub fn source_identity(self, identity: impl Into<Cow<'a, str>>) -> Self {
        self.with_terms(|terms| terms.source_identity = Some(identity.into()))
    }

    fn with_terms(self, change: impl FnOnce(&mut Terms<'a>)) -> Self {
        RoleRequest {
            key: self.key.with_terms(&self.pool.0.defaults, change),
            ..self
        }
    }

    /// The session that all equal requests share: found, or made without any I/O.
    ///
    /// # Errors
    ///
    /// [`Usage`](crate::ErrorKind::Usage) for a part that is not as STS expects it; [`Error::field`] names it.
    #[inline(always)] // else the request goes through memory once more, an eighth of what a hit costs
    pub fn build(mut self) -> Result<PooledRole> {
        self.key.normalize(&self.pool.0.defaults);
        match self.pool.used(&self.key) {
            Some(role) => Ok(role),
            None => self.pool.session(self.key),
        }
    }
}
