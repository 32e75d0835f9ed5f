//! Hours in a second: tokio's clock, paused, a wall clock that goes with it, a source by a script, and requests
//! that come whether or not those before them were answered.
//!
//! What is seen on it is the same on a busy machine: nothing depends on how long anything really takes.

use crate::Failure;
use crate::sdk::Client;
use crate::source::session;
use crate::subject::{LAZY, OURS};
use aws_credential_strategies::refresh::Clock;
use aws_credential_strategies::{
    CredentialCache, CredentialSource, Credentials, Error, RefreshPolicy,
};
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use std::fmt;
use std::future::{Future, pending};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

pub(crate) const AWS_2026: &str = "aws_2026";
/// Who is asked, by whose rules.
pub(crate) const CONTENDERS: [&str; 3] = [OURS, LAZY, AWS_2026];

/// Between two requests, whatever comes of them.
pub(crate) const PACE: Duration = Duration::from_secs(1);
/// What a healthy source takes.
const LATENCY: Duration = Duration::from_millis(50);

/// Runs on a clock that jumps from one timer to the next.
pub(crate) fn simulate<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?
        .block_on(work)
}

/// Wall time that goes with tokio's clock, from when it was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SimulatedTime(Instant);

impl SimulatedTime {
    pub(crate) fn begin() -> Self {
        SimulatedTime(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }

    async fn at(self, point: Duration) {
        sleep_until(self.0 + point).await;
    }
}

impl TimeSource for SimulatedTime {
    fn now(&self) -> SystemTime {
        /// Some day.
        const BEGIN: Duration = Duration::from_secs(1_800_000_000);
        UNIX_EPOCH + BEGIN + self.0.elapsed()
    }
}

/// What a source makes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answers {
    /// With a session, after its usual time.
    WithSession,
    /// With a session, after this time.
    Late(Duration),
    /// It refuses at once, and it may pass.
    Refuses,
    /// It refuses at once, and somebody has to mend it.
    RefusesForGood,
    /// Never.
    Hangs,
}

/// By the number of the call, from 1, and when it comes.
type Script = dyn Fn(u64, Duration) -> Answers + Send + Sync;

/// A source that answers by a script.
#[derive(Clone)]
pub(crate) struct Scripted {
    time: SimulatedTime,
    lifetime: Duration,
    script: Arc<Script>,
    calls: Arc<Mutex<Vec<Duration>>>,
}

impl Scripted {
    pub(crate) fn new(
        time: SimulatedTime,
        lifetime: Duration,
        script: impl Fn(u64, Duration) -> Answers + Send + Sync + 'static,
    ) -> Self {
        Scripted {
            time,
            lifetime,
            script: Arc::new(script),
            calls: Arc::default(),
        }
    }

    /// Our cache of it.
    pub(crate) fn cached_by(&self, policy: RefreshPolicy) -> CredentialCache<Scripted> {
        let cache = CredentialCache::new(self.clone(), policy);
        cache.with_clock(Clock::with_wall(self.time))
    }

    /// How often it was asked in this time.
    pub(crate) fn calls_in(&self, span: &Range<Duration>) -> usize {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.iter().filter(|at| span.contains(*at)).count()
    }

    async fn answer(&self) -> Result<Credentials, (&'static str, bool)> {
        let at = self.time.elapsed();
        let number = {
            let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
            calls.push(at);
            calls.len() as u64
        };
        match (self.script)(number, at) {
            Answers::WithSession => sleep(LATENCY).await,
            Answers::Late(after) => sleep(after).await,
            Answers::Refuses => return Err(("the source is down", false)),
            Answers::RefusesForGood => return Err(("the source does not know the caller", true)),
            Answers::Hangs => pending().await,
        }
        let end = self.time.now() + self.lifetime;
        Ok(session(format!("ASIA{number:04}"), end))
    }
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scripted")
    }
}

impl CredentialSource for Scripted {
    fn name(&self) -> &'static str {
        "benches"
    }

    async fn fetch(&self) -> aws_credential_strategies::Result<Credentials> {
        self.answer().await.map_err(|(why, terminal)| {
            if terminal {
                Error::terminal(why)
            } else {
                Error::recoverable(why)
            }
        })
    }
}

impl ProvideCredentials for Scripted {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let answer = self.answer().await;
            answer.map_err(|(why, _)| CredentialsError::provider_error(why))
        })
    }
}

/// One of the [`CONTENDERS`], over a source, with its defaults.
pub(crate) enum Contender {
    Cache(CredentialCache<Scripted>),
    Lazy(Box<Client>),
}

impl Contender {
    pub(crate) fn new(name: &str, source: &Scripted) -> Result<Arc<Self>, Failure> {
        let cache = |policy| Contender::Cache(source.cached_by(policy));
        Ok(Arc::new(match name {
            OURS => cache(RefreshPolicy::default()),
            AWS_2026 => cache(RefreshPolicy::aws_spec()),
            _ => {
                let time = SharedTimeSource::new(source.time);
                Contender::Lazy(Box::new(Client::lazy_at(source.clone(), time)?))
            }
        }))
    }

    async fn ask(&self) -> Option<Credentials> {
        match self {
            Contender::Cache(cache) => cache.credentials().await.ok(),
            Contender::Lazy(client) => client.ask().await.ok()?.data().cloned(),
        }
    }

    /// One request each [`PACE`] in this time, as seen by those who made them, in the order in which they were.
    pub(crate) async fn requests(
        self: &Arc<Self>,
        time: SimulatedTime,
        span: Range<Duration>,
    ) -> Result<Vec<Request>, Failure> {
        let mut running = JoinSet::new();
        let mut next = span.start;
        while next < span.end {
            time.at(next).await;
            let contender = Arc::clone(self);
            running.spawn(async move {
                let at = time.elapsed();
                let answer = contender.ask().await;
                let now = time.now();
                Request {
                    at,
                    waited: time.elapsed() - at,
                    answer: answer.map(|session| Answer {
                        is_dead: session.expiry().is_some_and(|expiry| expiry <= now),
                        key: session.access_key_id().to_owned(),
                    }),
                }
            });
            next += PACE;
        }
        let mut requests = Vec::new();
        while let Some(request) = running.join_next().await {
            requests.push(request?);
        }
        requests.sort_by_key(|request| request.at);
        Ok(requests)
    }
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// When it was made.
    pub(crate) at: Duration,
    /// How long it waited for credentials.
    pub(crate) waited: Duration,
    /// `None` where it failed.
    pub(crate) answer: Option<Answer>,
}

/// What a request was given.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) key: String,
    /// It had expired.
    pub(crate) is_dead: bool,
}

impl Request {
    pub(crate) fn has_failed(&self) -> bool {
        self.answer.is_none()
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.answer.as_ref().is_some_and(|answer| answer.is_dead)
    }
}

/// How many of some requests are so; one a second, so seconds of a caller that always asks.
pub(crate) fn seconds(requests: &[Request], are: impl Fn(&Request) -> bool) -> f64 {
    requests.iter().filter(|request| are(request)).count() as f64 * PACE.as_secs_f64()
}
