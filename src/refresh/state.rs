//! Everything a cache knows, as one value that is replaced whole, and what changes it. Pure.

use super::clock::Now;
use super::hot_path::AtOnce;
use super::policy::{
    AWS_BACKOFF, IDLE_AFTER, MAX_ATTEMPTS_PER_SECOND, MAX_URGENT_WAIT, MIN_ATTEMPT_SPACING,
    MIN_PAUSE_AFTER_ANSWER, RefreshPolicy, Rules,
};
use super::schedule::{
    Due, FailedAttempt, after_rejected_key_returned, after_same_document, first_try, idle_pause,
};
use super::status::Rejection;
use super::window::{Life, Stage};
use crate::error::{CredentialFault, Error, ErrorKind, Operation};
use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::identity::Identity;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// What [`MAX_ATTEMPTS_PER_SECOND`] counts in.
const PACE_PERIOD: Duration = Duration::from_secs(1);

/// What a cache knows.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) held: Option<Held>,
    /// Until when that is served with nothing to decide.
    pub(super) at_once: AtOnce,
    pub(super) attempt: Option<Attempt>,
    /// Fetches started.
    pub(super) fetches: u64,
    /// The last fetch that ended with an outcome, by its number.
    pub(super) settled: u64,
    /// Failures in a row.
    pub(super) failures: u32,
    /// The failure that stands; cleared by a success.
    pub(super) failure: Option<Failure>,
    /// The source is not asked before this, unless the mandatory window opens.
    pub(super) next: Option<Due>,
    /// The same for a timer that refreshes what nobody asks for.
    pub(super) next_idle: Option<Due>,
    steady: Option<Duration>,
    pub(super) generation: u64,
    /// Rejections in a row, of keys of which none was accepted.
    pub(super) rejections: u32,
    last_fetch: Duration,
    starts: [Option<Instant>; MAX_ATTEMPTS_PER_SECOND],
}

/// The credential that is served.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) credentials: Arc<Credentials>,
    /// The same, ready for the SDK.
    pub(super) identity: Identity,
    pub(super) life: Life,
    pub(super) fetched_at: SystemTime,
    /// A service rejected it, and no refresh has answered since.
    pub(super) invalidated: bool,
    /// A refresh after a rejection brought the same key id again.
    pub(super) rejected_key_returned: bool,
    /// When the last attempt in the mandatory window or later was started.
    pub(super) entered_at: Option<Instant>,
}

/// A fetch under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attempt {
    pub(super) number: u64,
    pub(super) started: Instant,
    /// The source is asked at this point, a moment later where attempts crowd.
    pub(super) asks_at: Instant,
}

/// The last failure.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) error: Error,
    pub(super) at: Now,
}

/// How a fetch ended.
#[derive(Debug)]
pub(super) enum Outcome {
    Fetched(Credentials),
    Failed(Error),
    /// Its runtime ended, or it was given up: no verdict on the source.
    Abandoned,
}

/// What the end of a fetch did, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Landing {
    Replaced,
    SameDocument,
    ExpiredDocumentAdopted,
    Failed,
    Ignored,
}

impl Held {
    pub(super) fn stage(&self, now: Now) -> Stage {
        let by_time = self.life.stage(now);
        if self.invalidated {
            by_time.max(Stage::Mandatory)
        } else {
            by_time
        }
    }

    /// Whether the attempt that the mandatory window opens with has been made. One made while the wall clock
    /// was ahead does not count once it has been set right: the window has yet to open.
    fn has_entered(&self, now: Now) -> bool {
        self.entered_at
            .is_some_and(|tried| self.stage(now.back_at(tried)) >= Stage::Mandatory)
    }

    fn is_live(&self, now: Now) -> bool {
        !self.life.left(now).is_over()
    }

    fn key_id(&self) -> &str {
        self.credentials.access_key_id()
    }
}

impl Attempt {
    /// A fetch that outlived its timeout by far is gone with its runtime.
    fn is_gone(&self, policy: &RefreshPolicy, now: Now) -> bool {
        now.mono.saturating_duration_since(self.asks_at) > policy.gone_after()
    }

    /// Until when a caller waits for it.
    pub(super) fn deadline(&self, policy: &RefreshPolicy) -> Instant {
        self.started + policy.deadline()
    }
}

impl State {
    pub(super) fn stage(&self, now: Now) -> Stage {
        self.held
            .as_ref()
            .map_or(Stage::Cold, |held| held.stage(now))
    }

    /// The life left of what is held; `None` where nothing is, or a service rejected it, or it is over.
    pub(super) fn left(&self, now: Now) -> Option<Duration> {
        let held = self.held.as_ref()?;
        (held.is_live(now) && !held.invalidated).then(|| held.life.remaining(now))
    }

    /// The fetch under way, unless it is gone.
    pub(super) fn attempt(&self, policy: &RefreshPolicy, now: Now) -> Option<Attempt> {
        self.attempt.filter(|attempt| !attempt.is_gone(policy, now))
    }

    /// Whether the failure that stands needs a person.
    pub(super) fn is_terminal(&self) -> bool {
        self.failure
            .as_ref()
            .is_some_and(|failure| failure.error.is_terminal())
    }

    /// Whether a wait after an attempt, or before the first one, is in force.
    pub(super) fn is_paused(&self, now: Now) -> bool {
        self.next.is_some_and(|next| !next.is_over(now))
    }

    /// Time until the one attempt that the mandatory window opens with, whatever wait is in force;
    /// `None` when it has been made.
    pub(super) fn until_entry(&self, policy: &RefreshPolicy, now: Now) -> Option<Duration> {
        let held = self.held.as_ref()?;
        if policy.rules == Rules::AwsSpec || held.has_entered(now) {
            return None;
        }
        if held.invalidated {
            return Some(Duration::ZERO);
        }
        let until_window = held.life.until_mandatory(now)?;
        // Not at once after an answer that was nearly dead when it came.
        let settled = Due::after(
            MIN_PAUSE_AFTER_ANSWER,
            Now {
                mono: held.life.since,
                ..now
            },
        );
        Some(until_window.max(settled.until(now)))
    }

    /// Time until the source is asked next, as planned now; `None` where nothing is planned.
    pub(super) fn until_next(&self, policy: &RefreshPolicy, now: Now) -> Option<Duration> {
        let planned = self
            .next_idle
            .filter(|_| policy.has_timer())
            .or(self.next)
            .map(|due| due.until(now));
        let entry = self.until_entry(policy, now);
        planned.into_iter().chain(entry).min()
    }

    /// Whether the source may be asked now.
    pub(super) fn is_due(&self, policy: &RefreshPolicy, now: Now) -> bool {
        !self.is_paused(now) || self.until_entry(policy, now).is_some_and(|t| t.is_zero())
    }

    /// Starts a fetch, where none is [under way](Self::attempt).
    pub(super) fn begin(&self, now: Now) -> (State, Attempt) {
        let mut next = self.clone();
        next.fetches += 1;
        let attempt = Attempt {
            number: next.fetches,
            started: now.mono,
            asks_at: self
                .earliest_start()
                .map_or(now.mono, |earliest| earliest.max(now.mono)),
        };
        next.attempt = Some(attempt);
        next.starts.rotate_left(1);
        if let Some(last) = next.starts.last_mut() {
            *last = Some(attempt.asks_at);
        }
        if let Some(held) = &mut next.held
            && held.stage(now) >= Stage::Mandatory
        {
            held.entered_at = Some(now.mono);
        }
        (next, attempt)
    }

    /// When the pace allows another attempt, whatever the clocks do.
    fn earliest_start(&self) -> Option<Instant> {
        let spaced = self.last_start()? + MIN_ATTEMPT_SPACING;
        let [oldest, ..] = self.starts;
        Some(oldest.map_or(spaced, |oldest| spaced.max(oldest + PACE_PERIOD)))
    }

    /// Whether the last fetch started in this time, and has been answered.
    pub(super) fn is_answered_within(&self, time: Duration, now: Now) -> bool {
        self.settled == self.fetches
            && self
                .last_start()
                .is_some_and(|start| now.mono.saturating_duration_since(start) < time)
    }

    /// When the source was asked last.
    fn last_start(&self) -> Option<Instant> {
        self.starts.last().copied().flatten()
    }

    /// Ends a fetch. The outcome of one that was gone and has a successor is ignored.
    pub(super) fn land(
        &self,
        attempt: Attempt,
        outcome: &Outcome,
        policy: &RefreshPolicy,
        now: Now,
        jitter: f64,
        last_call: Option<Instant>,
    ) -> (Option<State>, Landing) {
        if self.attempt.is_none_or(|own| own.number != attempt.number) {
            return (None, Landing::Ignored);
        }
        let mut next = self.clone();
        next.attempt = None;
        let fetched = match outcome {
            Outcome::Abandoned => {
                // A slot ahead that came to nothing must not push the next attempt further.
                if let Some(Some(slot)) = next.starts.last_mut() {
                    *slot = now.mono.min(*slot);
                }
                if let Some(held) = &mut next.held {
                    held.entered_at = None;
                }
                return (Some(next), Landing::Ignored);
            }
            Outcome::Failed(error) => {
                next.fail(error.clone(), policy, now, jitter, last_call);
                next.settled = attempt.number;
                return (Some(next), Landing::Failed);
            }
            Outcome::Fetched(fetched) => fetched,
        };
        next.settled = attempt.number;
        next.last_fetch = now.mono.saturating_duration_since(attempt.asks_at);
        if fetched.expiry().is_some_and(|expiry| expiry <= now.wall) {
            let landing = next.land_expired(fetched, policy, now, jitter, last_call);
            return (Some(next), landing);
        }
        next.failures = 0;
        next.failure = None;
        next.steady = None;
        next.next_idle = None;
        let landing = next.adopt(fetched, policy, now, jitter);
        (Some(next), landing)
    }

    /// A live answer.
    fn adopt(
        &mut self,
        fetched: &Credentials,
        policy: &RefreshPolicy,
        now: Now,
        jitter: f64,
    ) -> Landing {
        let known = self
            .held
            .as_ref()
            .filter(|held| held.key_id() == fetched.access_key_id());
        let same_document = known.is_some_and(|held| held.life.expiry == fetched.expiry());
        let key_returned = known.is_some_and(|held| held.invalidated || held.rejected_key_returned);
        let (wait, landing) = if same_document && let Some(held) = &mut self.held {
            held.life = held.life.confirmed(now);
            held.invalidated = false;
            let stage = held.life.stage(now);
            held.entered_at = (stage >= Stage::Mandatory).then_some(now.mono);
            let wait = after_same_document(&held.life, stage, now, jitter);
            (held.life.expiry.map(|_| wait), Landing::SameDocument)
        } else {
            let held = Held::new(fetched, policy, now);
            let wait = first_try(&held.life, now, self.last_fetch, jitter);
            self.held = Some(held);
            self.generation += 1;
            (wait, Landing::Replaced)
        };
        if let Some(held) = &mut self.held {
            held.rejected_key_returned = key_returned;
        }
        let wait = if key_returned {
            let at_most = after_rejected_key_returned(jitter);
            Some(wait.map_or(at_most, |wait| wait.min(at_most)))
        } else {
            wait
        };
        // Where calls drive, there is no draw: the windows alone say when.
        let drawn = landing == Landing::Replaced && !key_returned;
        self.next = match wait {
            Some(_) if drawn && policy.rules == Rules::AwsSpec => None,
            wait => wait.map(|wait| Due::after(wait, now)),
        };
        landing
    }

    /// An answer that has expired already is a failed refresh, adopted only where it is the best there is.
    fn land_expired(
        &mut self,
        fetched: &Credentials,
        policy: &RefreshPolicy,
        now: Now,
        jitter: f64,
        last_call: Option<Instant>,
    ) -> Landing {
        let error = Error::new(
            ErrorKind::Credential(CredentialFault::Expired),
            Operation::FETCH,
            "the source answered with credentials that have expired already",
        )
        .hint(
            "either the source keeps serving old credentials because it cannot issue new ones \
             (static stability), or the clock of this host is ahead: check it with `chronyc tracking`",
        );
        let better = match &self.held {
            None => policy.rules == Rules::Ours,
            Some(held) => !held.is_live(now) && held.life.expiry < fetched.expiry(),
        };
        if better {
            self.held = Some(Held {
                entered_at: Some(now.mono),
                ..Held::new(fetched, policy, now)
            });
            self.generation += 1;
        }
        self.fail(error, policy, now, jitter, last_call);
        if better {
            Landing::ExpiredDocumentAdopted
        } else {
            Landing::Failed
        }
    }

    fn fail(
        &mut self,
        error: Error,
        policy: &RefreshPolicy,
        now: Now,
        jitter: f64,
        last_call: Option<Instant>,
    ) {
        self.failures = self.failures.saturating_add(1);
        let stage = self.stage(now);
        let pause = FailedAttempt {
            life: self.held.as_ref().map(|held| &held.life),
            stage,
            failures: self.failures,
            terminal: error.is_terminal(),
            throttled: error.is_throttled(),
            steady: self.steady,
        }
        .pause(policy, now, jitter);
        self.steady = pause.steady;
        // What the other side asked for is the least, as far as it stays within what is ever waited.
        let asked = error.retry_after().map(|asked| asked.min(AWS_BACKOFF.1));
        let wait = pause.wait.max(asked);
        let planned = self.next.filter(|next| !next.is_over(now));
        self.next = match (stage, planned) {
            // A forced refresh that failed long before expiry changes no plan.
            (Stage::Fresh, Some(planned)) => Some(planned),
            _ => wait.map(|wait| Due::after(wait, now)),
        };
        let unasked = |since: Instant| now.mono.saturating_duration_since(since) > IDLE_AFTER;
        let idle = stage == Stage::Expired
            && policy.backoff.0.is_none()
            && last_call.is_none_or(unasked)
            && self.held.as_ref().is_some_and(|held| {
                let over_since = held.life.since.checked_add(held.life.confirmed_for);
                over_since.is_none_or(unasked)
            });
        self.next_idle = idle.then(|| Due::after(idle_pause(jitter), now));
        self.failure = Some(Failure { error, at: now });
    }

    /// Somebody asks for it again: the timer keeps the pace of a need. `None` if it does already.
    pub(super) fn asked_for(&self) -> Option<State> {
        self.next_idle?;
        let mut next = self.clone();
        next.next_idle = None;
        Some(next)
    }

    /// A service accepted this key id. `None` if that is no news.
    pub(super) fn accepted(&self, key_id: &str) -> Option<State> {
        let ends_a_row = self.rejections > 0 && self.held.as_ref()?.key_id() == key_id;
        ends_a_row.then(|| State {
            rejections: 0,
            ..self.clone()
        })
    }

    /// A service rejected this key id.
    pub(super) fn invalidate(
        &self,
        rejected: &str,
        policy: &RefreshPolicy,
        now: Now,
    ) -> (Option<State>, Rejection) {
        let Some(held) = self.held.as_ref().filter(|held| held.key_id() == rejected) else {
            return (None, Rejection::NotCurrent);
        };
        if held.rejected_key_returned {
            return (None, Rejection::SameKeyAgain);
        }
        if held.invalidated {
            return (None, Rejection::Invalidated);
        }
        let mut next = self.clone();
        if let Some(held) = &mut next.held {
            held.invalidated = true;
        }
        next.rejections = next.rejections.saturating_add(1);
        let keeps_waits = policy.rules == Rules::AwsSpec || policy.backoff.0.is_some();
        next.next = match &self.failure {
            None => None,
            Some(_) if keeps_waits => self.next,
            Some(failure) => {
                let at_most = Due::after(MAX_URGENT_WAIT, failure.at);
                self.next
                    .filter(|planned| planned.until(now) <= at_most.until(now))
                    .or(Some(at_most))
            }
        };
        next.next_idle = None;
        (Some(next), Rejection::Invalidated)
    }
}

impl Held {
    fn new(fetched: &Credentials, policy: &RefreshPolicy, now: Now) -> Self {
        Held {
            credentials: Arc::new(fetched.clone()),
            identity: Identity::from(fetched.clone()),
            life: Life::starting(fetched.expiry(), now, policy),
            fetched_at: now.wall,
            invalidated: false,
            rejected_key_returned: false,
            entered_at: None,
        }
    }
}
