//! One role of a pool as its cache asks for it: through the gate, as often as it takes.

use super::gate::{Gate, Line};
use super::key::RoleKey;
use super::metrics::Metrics;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::jitter;
use crate::source::{
    ASSUME_ROLE_NAME, CredentialSource, StsSource, StsSourceBuilder, is_of_base, report_failure,
    report_step,
};
use aws_credential_types::Credentials;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Calls of one fetch that STS throttles, before it fails.
const THROTTLED_CALLS: u32 = 8;
/// Calls of one fetch that STS or the way to it failed, before the fetch does: as many as the SDK makes.
const FAILED_CALLS: u32 = 3;
/// What the pause after a call that was throttled, or failed, grows from, and to.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// What all sources of a pool have in common.
pub(super) struct Common {
    /// What requests start from; it asks for what the pool does, so a plain request adds its role and names only.
    pub(super) template: StsSourceBuilder,
    /// Where STS is asked.
    pub(super) endpoint: Option<String>,
    pub(super) gate: Gate,
    pub(super) metrics: Metrics,
    pub(super) call_timeout: Duration,
    /// Whether a role opens a connection ahead.
    pub(super) opening: AtomicBool,
}

/// It keeps no request: an idle role costs its key and a line, and a request is made of these in microseconds.
pub(super) struct PooledSource {
    key: Arc<RoleKey<'static>>,
    line: Line,
    common: Arc<Common>,
}

impl PooledSource {
    /// Of a request that has been checked.
    pub(super) fn new(key: Arc<RoleKey<'static>>, common: &Arc<Common>) -> Self {
        PooledSource {
            line: common.gate.line(),
            key,
            common: Arc::clone(common),
        }
    }

    pub(super) fn key(&self) -> &RoleKey<'static> {
        &self.key
    }

    pub(super) fn gate(&self) -> &Gate {
        &self.common.gate
    }

    pub(super) fn line(&self) -> &Line {
        &self.line
    }

    async fn call(&self, source: &StsSource, place: &mut Option<u64>) -> Result<Credentials> {
        let Common {
            gate,
            metrics,
            call_timeout,
            ..
        } = &*self.common;
        report_step("waiting for its turn at STS, which all roles of the pool share");
        let permit = gate.permit(&self.line, place).await;
        let answer = timeout(*call_timeout, source.fetch()).await;
        drop(permit);
        let answer = answer.unwrap_or_else(|_| Err(self.no_answer()));
        // A base that is asked to call less often says nothing of STS.
        let throttled = answer
            .as_ref()
            .is_err_and(|error| error.is_throttled() && !is_of_base(error));
        metrics.called(throttled);
        if let Some(rate) = gate.answered(&self.line, throttled) {
            tracing::warn!(
                calls_per_second = rate,
                "sts throttles the roles of a pool: all of them slow down together"
            );
        }
        answer
    }

    fn no_answer(&self) -> Error {
        Error::new(
            ErrorKind::Timeout,
            Operation::FETCH,
            format!("STS did not answer within {:?}", self.common.call_timeout),
        )
        .on(self.key.role.clone().into_owned())
        .hint("raise `fetch_timeout`, and the attempt timeout of the SdkConfig, if it is that slow by nature")
    }
}

impl CredentialSource for PooledSource {
    fn name(&self) -> &'static str {
        ASSUME_ROLE_NAME
    }

    fn subject(&self) -> Option<String> {
        Some(self.key.role.clone().into_owned())
    }

    fn endpoint(&self) -> Option<String> {
        self.common.endpoint.clone()
    }

    async fn connect(&self) {
        let Some(_opening) = Opening::of(&self.common) else {
            return;
        };
        // Of a request that has been checked.
        if let Ok(source) = self.key.request(&self.common.template).build() {
            source.connect().await;
        }
    }

    async fn fetch(&self) -> Result<Credentials> {
        let source = self.key.request(&self.common.template).build()?;
        // Kept over all calls of the fetch: who was throttled is first again.
        let mut place = None;
        let (mut throttled, mut failed) = (0, 0);
        loop {
            let error = match self.call(&source, &mut place).await {
                Ok(credentials) => return Ok(credentials),
                Err(error) => error,
            };
            let again = if error.is_throttled() {
                throttled += 1;
                throttled < THROTTLED_CALLS
            } else {
                failed += 1;
                failed < FAILED_CALLS && is_worth_another(&error)
            };
            // Asked to be left alone for longer, the fetch ends: the cache keeps to it.
            let asked = error.retry_after().unwrap_or_default();
            if !again || asked > LONGEST_PAUSE {
                return Err(error);
            }
            let doubled = FIRST_PAUSE.saturating_mul(1 << (throttled + failed - 1).min(8));
            let pause = doubled
                .min(LONGEST_PAUSE)
                .mul_f64(0.5 + jitter::unit() / 2.0);
            let pause = pause.max(asked);
            report_failure(error.to_string());
            sleep(pause).await;
        }
    }
}

/// One role's opening of a connection ahead: however many are warmed, no more than one of them asks STS for it at a time,
/// since that takes no turn at the gate.
struct Opening<'a>(&'a Common);

impl<'a> Opening<'a> {
    /// `None` where another is at it.
    fn of(common: &'a Common) -> Option<Self> {
        let taken = common.opening.swap(true, Ordering::Relaxed);
        // Made only then: one that is dropped says that nobody is at it.
        (!taken).then(|| Opening(common))
    }
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        self.0.opening.store(false, Ordering::Relaxed);
    }
}

/// The service or the way to it may do better at once.
fn is_worth_another(error: &Error) -> bool {
    use ErrorKind::{Service, Timeout, Unreachable};
    matches!(error.kind(), Service | Timeout | Unreachable)
}

impl fmt::Debug for PooledSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of_pool = self.common.template.asked().duration;
        f.debug_struct("PooledSource")
            .field("role_arn", &self.key.role)
            .field("session_name", &self.key.session_name)
            .field(
                "duration",
                &self.key.duration().or(of_pool).unwrap_or_default(),
            )
            .finish_non_exhaustive()
    }
}
