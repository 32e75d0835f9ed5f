//! A fleet whose hosts started in the same second, on a simulated clock: when is the source asked?
//!
//! Each rule runs in its own real code: the AWS SDK's in its `IdentityCache::lazy`, the AWS rules of
//! 2026 and ours in [`CredentialCache`]. Only time is simulated: tokio's clock is paused, and jumps from
//! one timer to the next.
//!
//! Every host makes one request a second, at a point of its own within the second. Requests that find
//! fresh credentials change nothing in any of the caches, so they are left out until a second or two
//! before a window opens; [`Rule::Ours`] needs none, as a timer refreshes.

use aws_credential_strategies::refresh::{Clock, MEDIUM_ADVISORY_WINDOW};
use aws_credential_strategies::{CredentialCache, CredentialSource, Credentials, RefreshPolicy};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use aws_smithy_runtime::client::auth::no_auth::{NO_AUTH_SCHEME_ID, NoAuthScheme};
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime::client::identity::no_auth::NoAuthIdentityResolver;
use aws_smithy_runtime::client::orchestrator::endpoints::StaticUriEndpointResolver;
use aws_smithy_runtime::client::retries::strategy::NeverRetryStrategy;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::identity::{
    ResolveCachedIdentity, SharedIdentityCache, SharedIdentityResolver,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::{
    RuntimeComponents, RuntimeComponentsBuilder,
};
use aws_smithy_types::config_bag::ConfigBag;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// What the source takes to answer.
const LATENCY: Duration = Duration::from_millis(50);
/// Between two requests of a host.
const PACE: Duration = Duration::from_secs(1);
/// The SDK's default buffer; its jitter makes it 5–10 s.
const SDK_BUFFER: Duration = Duration::from_secs(10);
/// A host makes its requests from this long before a window opens.
const BEFORE_WINDOW: Duration = Duration::from_secs(2);
/// The first minute is the start itself.
const START: usize = 60;
/// How often progress is told, in simulated time.
const STEP: Duration = Duration::from_secs(600);

/// Who decides when to refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The AWS rules of 2026: the first request in the advisory window.
    Aws2026,
    /// This crate's default: a point drawn at random in the advisory window.
    Ours,
    /// The AWS SDK today: the first request 5–10 s before expiry.
    Sdk,
}

/// What is simulated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fleet {
    /// Hosts, all started in the first second.
    pub(crate) hosts: u32,
    /// How long each session lasts.
    pub(crate) session: Duration,
    /// How long is looked at.
    pub(crate) span: Duration,
}

impl Default for Fleet {
    fn default() -> Self {
        Fleet {
            hosts: 10_000,
            session: Duration::from_secs(3600),
            span: Duration::from_secs(24 * 3600),
        }
    }
}

/// Calls to the source in each second, the start left out.
#[derive(Clone, Debug)]
pub(crate) struct Calls(Vec<u32>);

impl Calls {
    /// The most in one second.
    pub(crate) fn peak(&self) -> u32 {
        self.0.iter().copied().max().unwrap_or(0)
    }

    /// By second, on average.
    pub(crate) fn mean(&self) -> f64 {
        self.0.iter().map(|calls| f64::from(*calls)).sum::<f64>() / self.0.len().max(1) as f64
    }

    /// The peak of each minute.
    #[allow(dead_code, reason = "one of the two programs draws it")]
    pub(crate) fn by_minute(&self) -> impl Iterator<Item = u32> + '_ {
        self.0
            .chunks(60)
            .map(|minute| minute.iter().copied().max().unwrap_or(0))
    }
}

/// Runs the fleet under one rule; `passed` is told how much of its time has.
pub(crate) fn simulate(
    rule: Rule,
    fleet: Fleet,
    passed: &(dyn Fn(Duration) + Sync),
) -> Result<Calls, Box<dyn Error + Send + Sync>> {
    let seconds = usize::try_from(fleet.span.as_secs())? + 1;
    let calls: Arc<[AtomicU32]> = (0..seconds).map(|_| AtomicU32::new(0)).collect();
    let threads = thread::available_parallelism().map_or(1, |cores| cores.get().min(8)) as u32;
    thread::scope(|scope| {
        let shards: Vec<_> = (0..threads)
            .map(|shard| {
                let calls = Arc::clone(&calls);
                let passed = move |time| {
                    // One thread speaks for all; they have as many hosts each.
                    if shard == 0 {
                        passed(time);
                    }
                };
                scope.spawn(move || {
                    let hosts = (0..fleet.hosts).filter(|host| host % threads == shard);
                    Builder::new_current_thread()
                        .enable_time()
                        .start_paused(true)
                        .build()?
                        .block_on(run(rule, fleet, hosts.collect(), calls, passed))
                })
            })
            .collect();
        for shard in shards {
            shard.join().map_err(|_| "a simulating thread panicked")??;
        }
        Ok::<_, Box<dyn Error + Send + Sync>>(())
    })?;
    let calls = calls
        .iter()
        .skip(START)
        .map(|calls| calls.load(Ordering::Relaxed));
    Ok(Calls(calls.collect()))
}

async fn run(
    rule: Rule,
    fleet: Fleet,
    hosts: Vec<u32>,
    calls: Arc<[AtomicU32]>,
    passed: impl Fn(Duration),
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let time = SimulatedTime::begin();
    let components = components(time)?;
    let mut running = JoinSet::new();
    for host in hosts {
        let source = SimulatedSource {
            session: fleet.session,
            time,
            calls: Arc::clone(&calls),
            asked: Arc::new(AtomicU64::new(0)),
        };
        let first = time.0 + PACE.mul_f64(f64::from(host) / f64::from(fleet.hosts));
        let end = time.0 + fleet.span;
        let cache = |policy| {
            CredentialCache::new(source.clone(), policy).with_clock(Clock::with_wall(time))
        };
        match rule {
            Rule::Ours => {
                running.spawn(leave_to_timer(cache(RefreshPolicy::default()), first, end))
            }
            Rule::Aws2026 => {
                let asked = Asked::Strategy(cache(RefreshPolicy::aws_spec()));
                running.spawn(keep_asking(
                    asked,
                    source,
                    first,
                    end,
                    MEDIUM_ADVISORY_WINDOW,
                ))
            }
            Rule::Sdk => {
                let provider = SharedCredentialsProvider::new(source.clone());
                let asked = Asked::Sdk {
                    cache: IdentityCache::lazy().build(),
                    resolver: SharedIdentityResolver::new(provider),
                    components: Box::new(components.clone()),
                };
                running.spawn(keep_asking(asked, source, first, end, SDK_BUFFER))
            }
        };
    }
    let mut now = Duration::ZERO;
    while now < fleet.span {
        now = (now + STEP).min(fleet.span);
        sleep_until(time.0 + now).await;
        passed(now);
    }
    running.shutdown().await;
    Ok(())
}

/// One request to begin with; what follows is the timer's work.
async fn leave_to_timer(cache: CredentialCache<SimulatedSource>, first: Instant, end: Instant) {
    sleep_until(first).await;
    let _ = cache.credentials().await;
    sleep_until(end).await;
}

/// One request a second, from shortly before `window` opens until the source has been asked.
async fn keep_asking(
    asked: Asked,
    source: SimulatedSource,
    first: Instant,
    end: Instant,
    window: Duration,
) {
    let fresh = source.session.saturating_sub(window + BEFORE_WINDOW);
    let mut next = first;
    while next < end {
        sleep_until(next).await;
        let before = source.asked.load(Ordering::Relaxed);
        asked.ask().await;
        if source.asked.load(Ordering::Relaxed) > before {
            next += Duration::from_secs(fresh.as_secs());
        } else {
            next += PACE;
        }
    }
}

/// The cache of one host.
enum Asked {
    Sdk {
        cache: SharedIdentityCache,
        resolver: SharedIdentityResolver,
        components: Box<RuntimeComponents>,
    },
    Strategy(CredentialCache<SimulatedSource>),
}

impl Asked {
    async fn ask(&self) {
        match self {
            Asked::Sdk {
                cache,
                resolver,
                components,
            } => {
                let settings = ConfigBag::base();
                let _ = cache
                    .resolve_cached_identity(resolver.clone(), components, &settings)
                    .await;
            }
            Asked::Strategy(cache) => {
                let _ = cache.credentials().await;
            }
        }
    }
}

/// What the SDK's cache needs: clock and sleep. The rest only has to be there.
pub(crate) fn components(time: SimulatedTime) -> Result<RuntimeComponents, BoxError> {
    Ok(RuntimeComponentsBuilder::new("fleet")
        .with_time_source(Some(SharedTimeSource::new(time)))
        .with_sleep_impl(Some(SharedAsyncSleep::new(TokioSleep::new())))
        .with_auth_scheme(NoAuthScheme::new())
        .with_auth_scheme_option_resolver(Some(StaticAuthSchemeOptionResolver::new(vec![
            NO_AUTH_SCHEME_ID,
        ])))
        .with_endpoint_resolver(Some(StaticUriEndpointResolver::http_localhost(1)))
        .with_http_client(Some(http_client_fn(|_, _| {
            SharedHttpConnector::new(NoConnection)
        })))
        .with_identity_cache(Some(IdentityCache::no_cache()))
        .with_identity_resolver(NO_AUTH_SCHEME_ID, NoAuthIdentityResolver::new())
        .with_retry_strategy(Some(NeverRetryStrategy::new()))
        .build()?)
}

/// The SDK's cache connects to nothing.
#[derive(Debug)]
struct NoConnection;

impl HttpConnector for NoConnection {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::ready(Err(ConnectorError::other("no connection".into(), None)))
    }
}

/// Wall time that goes with tokio's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SimulatedTime(Instant);

impl SimulatedTime {
    /// Begins now; within a runtime.
    pub(crate) fn begin() -> Self {
        SimulatedTime(Instant::now())
    }

    fn second(self) -> usize {
        usize::try_from(self.0.elapsed().as_secs()).unwrap_or(usize::MAX)
    }
}

impl TimeSource for SimulatedTime {
    fn now(&self) -> SystemTime {
        /// Some day.
        const BEGIN: Duration = Duration::from_secs(1_800_000_000);
        UNIX_EPOCH + BEGIN + self.0.elapsed()
    }
}

/// Gives a session to whoever asks, and counts.
#[derive(Clone, Debug)]
struct SimulatedSource {
    session: Duration,
    time: SimulatedTime,
    /// Of the fleet, by second.
    calls: Arc<[AtomicU32]>,
    /// By this host.
    asked: Arc<AtomicU64>,
}

impl SimulatedSource {
    async fn answer(&self) -> Credentials {
        if let Some(calls) = self.calls.get(self.time.second()) {
            calls.fetch_add(1, Ordering::Relaxed);
        }
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(LATENCY).await;
        let end = self.time.now() + self.session;
        Credentials::new(format!("ASIA{number}"), "secret", None, Some(end), "fleet")
    }
}

impl CredentialSource for SimulatedSource {
    fn name(&self) -> &'static str {
        "fleet"
    }

    async fn fetch(&self) -> aws_credential_strategies::Result<Credentials> {
        Ok(self.answer().await)
    }
}

impl ProvideCredentials for SimulatedSource {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async { Ok(self.answer().await) })
    }
}
