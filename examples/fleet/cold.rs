//! Many that start within one second, cold, against an STS that admits so many calls a second and throttles the
//! others, on a simulated clock: hosts that know nothing of each other, or the tenants of one process.
//!
//! Each contender runs in its own real code, down to the HTTP request: AWS's client of STS with its retries
//! included. Whoever gets an error asks again a second later, as the next request of an application does.

use super::simulation::{SimulatedTime, components};
use aws_config::sts::AssumeRoleProvider;
use aws_credential_strategies::refresh::Clock;
use aws_credential_strategies::strategy::RolePool;
use aws_credential_strategies::{AssumeRole, CredentialStrategy, Credentials, RefreshPolicy};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::TimeSource;
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::identity::{ResolveCachedIdentity, SharedIdentityResolver};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::DateTime;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::date_time::Format;
use aws_types::SdkConfig;
use aws_types::region::Region;
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

type Failure = Box<dyn Error + Send + Sync>;

const ROLE: &str = "arn:aws:iam::123456789012:role/App";
const REGION: &str = "us-east-1";
/// What STS takes to answer, be it with a refusal.
const LATENCY: Duration = Duration::from_millis(50);
/// Within this time all start.
const START: Duration = Duration::from_secs(1);
/// Between an error and the next request.
const PACE: Duration = Duration::from_secs(1);
/// Who is not served by then never is.
const END: Duration = Duration::from_secs(600);
const SESSION: Duration = Duration::from_secs(3600);

/// Who starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Starting {
    /// Hosts under the AWS rules of 2026, in this crate.
    Aws2026,
    /// Hosts with this crate's default.
    Ours,
    /// The same, told that they are many.
    OursTold,
    /// Hosts with an `AssumeRoleProvider` each, in a lazy cache each.
    Sdk,
    /// The tenants of one process, in a pool.
    #[allow(dead_code, reason = "one of the two programs has tenants")]
    Pool,
    /// The tenants of one process, with a provider and a cache each.
    #[allow(dead_code, reason = "one of the two programs has tenants")]
    SdkTenants,
}

/// What came of it.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    /// When each had credentials, in seconds, in order.
    pub(crate) after: Vec<f64>,
    pub(crate) starters: u32,
    pub(crate) calls: u64,
    #[allow(dead_code, reason = "one of the two programs tells it")]
    pub(crate) throttled: u64,
}

impl Served {
    /// When this share of all was served; infinite if it never was.
    pub(crate) fn share(&self, share: f64) -> f64 {
        let count = (f64::from(self.starters) * share).ceil() as usize;
        let served = self.after.get(count.max(1) - 1);
        served.copied().unwrap_or(f64::INFINITY)
    }

    pub(crate) fn calls_each(&self) -> f64 {
        self.calls as f64 / f64::from(self.starters)
    }

    /// The share that is served, at each tenth of a second or so.
    #[allow(dead_code, reason = "one of the two programs draws it")]
    pub(crate) fn curve(&self) -> Vec<(f64, f64)> {
        let step = (self.after.len() / 400).max(1);
        let points = self.after.iter().enumerate().step_by(step);
        points
            .map(|(n, after)| (*after, 100.0 * (n + 1) as f64 / f64::from(self.starters)))
            .collect()
    }
}

/// Starts so many at once; `passed` is told how many are served.
pub(crate) fn start(
    who: Starting,
    starters: u32,
    admitted: u32,
    passed: &dyn Fn(usize),
) -> Result<Served, Failure> {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?;
    runtime.block_on(async {
        let time = SimulatedTime::begin();
        let sts = Sts::admitting(admitted, time);
        // What STS needs for all of them, and a quarter more.
        let spread = Duration::from_secs_f64(1.25 * f64::from(starters) / f64::from(admitted));
        let spread = spread.max(Duration::from_secs(1));
        let each = Contender::new(who, &sts, time, spread)?;
        let begin = Instant::now();
        let mut asking = JoinSet::new();
        for number in 0..starters {
            let first = begin + START.mul_f64(f64::from(number) / f64::from(starters));
            let asked = each.one(number).await?;
            asking.spawn(async move {
                sleep_until(first).await;
                while begin.elapsed() < END {
                    if asked.ask().await {
                        return Some(begin.elapsed().as_secs_f64());
                    }
                    sleep(PACE).await;
                }
                None
            });
        }
        let mut after = Vec::new();
        while let Some(served) = asking.join_next().await {
            after.extend(served?);
            passed(after.len());
        }
        after.sort_by(f64::total_cmp);
        let admission = sts.lock();
        Ok(Served {
            after,
            starters,
            calls: admission.calls,
            throttled: admission.throttled,
        })
    })
}

/// A pool at an STS that admits everybody; within a runtime whose time is paused.
#[allow(dead_code, reason = "one of the two programs looks at idle tenants")]
pub(crate) fn idle_pool() -> Result<RolePool, Failure> {
    let time = SimulatedTime::begin();
    let sts = Sts::admitting(u32::MAX, time);
    Ok(Contender::new(Starting::Pool, &sts, time, START)?.pool)
}

/// What those who start have in common.
struct Contender {
    who: Starting,
    settings: SdkConfig,
    base: SharedCredentialsProvider,
    clock: Clock,
    pool: RolePool,
    components: RuntimeComponents,
    spread: Duration,
}

impl Contender {
    fn new(
        who: Starting,
        sts: &Sts,
        time: SimulatedTime,
        spread: Duration,
    ) -> Result<Self, Failure> {
        let key = Credentials::new("AKIAEXAMPLE", "secret", None, None, "example");
        let base = SharedCredentialsProvider::new(key);
        let settings = SdkConfig::builder()
            .behavior_version(aws_config::BehaviorVersion::latest())
            .region(Region::from_static(REGION))
            .http_client(sts.clone())
            .time_source(time)
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .build();
        let clock = Clock::with_wall(time);
        let pool = RolePool::builder()
            .base(base.clone())
            .sdk_config(&settings)
            .max_roles(1_000_000)
            .clock(clock.clone());
        Ok(Contender {
            who,
            pool: pool.build()?,
            settings,
            base,
            clock,
            components: components(time)?,
            spread,
        })
    }

    /// The SDK counts its retries by service and region, for the whole process: what are many processes have a
    /// region each.
    fn settings(&self, number: u32) -> SdkConfig {
        match self.who {
            Starting::Pool | Starting::SdkTenants => self.settings.clone(),
            Starting::Aws2026 | Starting::Ours | Starting::OursTold | Starting::Sdk => {
                let region = Region::new(format!("us-host{number}-1"));
                self.settings.to_builder().region(region).build()
            }
        }
    }

    async fn one(&self, number: u32) -> Result<Asked, Failure> {
        let name = format!("starter-{number}");
        let settings = self.settings(number);
        let strategy: Arc<dyn CredentialStrategy> = match self.who {
            Starting::Sdk | Starting::SdkTenants => {
                let provider = AssumeRoleProvider::builder(ROLE)
                    .session_name(name)
                    .configure(&settings)
                    .build_from_provider(self.base.clone());
                let provider = SharedCredentialsProvider::new(provider.await);
                return Ok(Asked::Sdk {
                    cache: IdentityCache::lazy().build(),
                    resolver: SharedIdentityResolver::new(provider),
                    components: Box::new(self.components.clone()),
                });
            }
            Starting::Pool => Arc::new(self.pool.role(ROLE).session_name(name).build()?),
            Starting::Aws2026 | Starting::Ours | Starting::OursTold => {
                let policy = match self.who {
                    Starting::Aws2026 => RefreshPolicy::aws_spec(),
                    _ => RefreshPolicy::default(),
                };
                let mut strategy = AssumeRole::builder(ROLE)
                    .base(self.base.clone())
                    .sdk_config(&settings)
                    .session_name(name)
                    .clock(self.clock.clone())
                    .refresh(policy);
                if self.who == Starting::OursTold {
                    strategy = strategy.throttled_spread(self.spread);
                }
                Arc::new(strategy.build()?)
            }
        };
        Ok(Asked::Strategy(strategy))
    }
}

enum Asked {
    Sdk {
        cache: aws_smithy_runtime_api::client::identity::SharedIdentityCache,
        resolver: SharedIdentityResolver,
        components: Box<RuntimeComponents>,
    },
    Strategy(Arc<dyn CredentialStrategy>),
}

impl Asked {
    /// Whether there are credentials now.
    fn ask(&self) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        match self {
            Asked::Sdk {
                cache,
                resolver,
                components,
            } => Box::pin(async move {
                let settings = ConfigBag::base();
                let resolved =
                    cache.resolve_cached_identity(resolver.clone(), components, &settings);
                resolved.await.is_ok()
            }),
            Asked::Strategy(strategy) => Box::pin(async { strategy.credentials().await.is_ok() }),
        }
    }
}

/// STS behind the SDK's transport: a tenth of a second's calls at once, the rest at the rate.
#[derive(Clone, Debug)]
struct Sts {
    admission: Arc<Mutex<Admission>>,
    time: SimulatedTime,
}

#[derive(Debug)]
struct Admission {
    per_second: f64,
    tokens: f64,
    filled: Instant,
    calls: u64,
    throttled: u64,
}

/// Calls that are admitted at once: of few a second the first too.
fn at_once(per_second: f64) -> f64 {
    (per_second / 10.0).max(1.0)
}

impl Sts {
    fn admitting(per_second: u32, time: SimulatedTime) -> Self {
        let per_second = f64::from(per_second);
        let admission = Admission {
            per_second,
            tokens: at_once(per_second),
            filled: Instant::now(),
            calls: 0,
            throttled: 0,
        };
        Sts {
            admission: Arc::new(Mutex::new(admission)),
            time,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Admission> {
        self.admission
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self) -> (u16, String) {
        let mut admission = self.lock();
        let now = Instant::now();
        let since = now.duration_since(admission.filled).as_secs_f64();
        admission.filled = now;
        admission.calls += 1;
        let most = at_once(admission.per_second);
        admission.tokens = (admission.tokens + since * admission.per_second).min(most);
        if admission.tokens < 1.0 {
            admission.throttled += 1;
            let refusal = "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error>\
                <Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded</Message></Error>\
                <RequestId>r</RequestId></ErrorResponse>";
            return (400, refusal.to_owned());
        }
        admission.tokens -= 1.0;
        let number = admission.calls;
        let ends = DateTime::from(self.time.now() + SESSION);
        let ends = ends.fmt(Format::DateTime).unwrap_or_default();
        let session = format!(
            "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
             <Credentials><AccessKeyId>ASIA{number:012}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>\
             <SessionToken>token</SessionToken><Expiration>{ends}</Expiration></Credentials>\
             <AssumedRoleUser><AssumedRoleId>AROA:s</AssumedRoleId>\
             <Arn>arn:aws:sts::123456789012:assumed-role/App/s</Arn></AssumedRoleUser></AssumeRoleResult>\
             </AssumeRoleResponse>"
        );
        (200, session)
    }
}

impl HttpClient for Sts {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Sts {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let (status, body) = self.answer();
        HttpConnectorFuture::new(async move {
            sleep(LATENCY).await;
            let status = status.try_into().map_err(|error| {
                aws_smithy_runtime_api::client::result::ConnectorError::other(Box::new(error), None)
            })?;
            Ok(HttpResponse::new(status, SdkBody::from(body)))
        })
    }
}
