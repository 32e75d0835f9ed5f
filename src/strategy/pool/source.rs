//! One role of a pool as its cache asks for it: through the gate, as often as it takes.

use super::gate::{Gate, Line};
use super::key::RoleKey;
use super::metrics::Metrics;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::jitter;
use crate::source::{CredentialSource, StsSource, report_failure, report_step};
use aws_credential_types::Credentials;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Calls of one fetch that STS throttles, before it fails.
const THROTTLED_CALLS: u32 = 8;
/// Calls of one fetch that STS or the way to it failed, before the fetch does: as many as the SDK makes.
const FAILED_CALLS: u32 = 3;
/// What the pause after a call that was throttled, or failed, grows from, and to.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

pub(super) struct PooledSource {
    source: StsSource,
    key: Arc<RoleKey<'static>>,
    gate: Arc<Gate>,
    line: Line,
    metrics: Arc<Metrics>,
    call_timeout: Duration,
}

impl PooledSource {
    pub(super) fn new(
        source: StsSource,
        key: Arc<RoleKey<'static>>,
        gate: Arc<Gate>,
        metrics: Arc<Metrics>,
        call_timeout: Duration,
    ) -> Self {
        PooledSource {
            line: gate.line(),
            source,
            key,
            gate,
            metrics,
            call_timeout,
        }
    }

    pub(super) fn key(&self) -> &RoleKey<'static> {
        &self.key
    }

    pub(super) fn gate(&self) -> &Gate {
        &self.gate
    }

    pub(super) fn line(&self) -> &Line {
        &self.line
    }

    async fn call(&self, place: &mut Option<u64>) -> Result<Credentials> {
        report_step("waiting for its turn at STS, which all roles of the pool share");
        let permit = self.gate.permit(&self.line, place).await;
        let answer = timeout(self.call_timeout, self.source.fetch()).await;
        drop(permit);
        let answer = answer.unwrap_or_else(|_| Err(self.no_answer()));
        let throttled = answer.as_ref().is_err_and(Error::is_throttled);
        self.metrics.called(throttled);
        if let Some(rate) = self.gate.answered(&self.line, throttled) {
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
            format!("STS did not answer within {:?}", self.call_timeout),
        )
        .on(self.source.role_arn().to_owned())
        .hint("raise `fetch_timeout` if it is that slow by nature")
    }
}

impl CredentialSource for PooledSource {
    fn name(&self) -> &'static str {
        self.source.name()
    }

    fn subject(&self) -> Option<String> {
        self.source.subject()
    }

    fn endpoint(&self) -> Option<String> {
        self.source.endpoint()
    }

    async fn fetch(&self) -> Result<Credentials> {
        // Kept over all calls of the fetch: who was throttled is first again.
        let mut place = None;
        let (mut throttled, mut failed) = (0, 0);
        loop {
            let error = match self.call(&mut place).await {
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

/// The service or the way to it may do better at once.
fn is_worth_another(error: &Error) -> bool {
    use ErrorKind::{Service, Timeout, Unreachable};
    matches!(error.kind(), Service | Timeout | Unreachable)
}

impl fmt::Debug for PooledSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}
