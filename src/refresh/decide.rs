//! What a call gets, and when a timer acts: a function of state, policy and time alone.

use super::clock::Now;
use super::policy::{
    MAX_TIMER_SLEEP, NO_WAIT_AFTER_FAILURE, OVERDUE, RefreshMode, RefreshPolicy, Rules,
};
use super::state::State;
use super::window::Stage;
use crate::error::{CredentialFault, Error, ErrorKind, Operation};
use aws_credential_types::Credentials;
use std::sync::Arc;
use std::time::Duration;

/// What a call does before it is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// It starts the fetch.
    pub(super) starts: bool,
    /// It waits for the fetch, started or joined.
    pub(super) waits: bool,
}

impl Verdict {
    /// Answered at once, from what is held.
    pub(super) const SERVE: Verdict = Verdict {
        starts: false,
        waits: false,
    };
}

/// What a call does, by state.
pub(super) fn decide(state: &State, policy: &RefreshPolicy, now: Now) -> Verdict {
    let stage = state.stage(now);
    if stage == Stage::Fresh {
        return Verdict::SERVE;
    }
    let attempt = state.attempt(policy, now);
    if stage == Stage::Advisory {
        let starts = attempt.is_none() && wants_refresh(state, policy, now);
        // The AWS rules let the first call pay for the refresh.
        let waits = starts && policy.rules == Rules::AwsSpec;
        return Verdict { starts, waits };
    }
    let starts = attempt.is_none() && state.is_due(policy, now);
    let in_time = attempt.is_some_and(|attempt| attempt.deadline(policy) > now.mono);
    let failed_before = match stage {
        // Under the AWS rules a terminal error leaves nothing behind once it has been raised.
        _ if policy.rules == Rules::AwsSpec && state.is_terminal() => false,
        Stage::Mandatory => state.failures > 0,
        Stage::Expired => state.failure.as_ref().is_some_and(|failure| {
            now.mono.saturating_duration_since(failure.at.mono) < NO_WAIT_AFTER_FAILURE
        }),
        _ => false,
    };
    Verdict {
        starts,
        waits: (starts || in_time) && !failed_before,
    }
}

/// Whether a call in the advisory window has to start the fetch, because nobody else does.
fn wants_refresh(state: &State, policy: &RefreshPolicy, now: Now) -> bool {
    if policy.rules == Rules::Ours && policy.mode == RefreshMode::Background {
        return state.next.is_none_or(|next| next.overdue(now) > OVERDUE);
    }
    state.is_due(policy, now)
}

/// What a call that does not wait, or no longer, is answered.
pub(super) fn answer(
    state: &State,
    policy: &RefreshPolicy,
    now: Now,
) -> Result<Arc<Credentials>, Error> {
    let failure = || state.failure.as_ref().map(|failure| &failure.error);
    let last_error = || match (failure(), state.held.is_some() && state.attempt.is_none()) {
        (Some(error), _) => error.clone(),
        (None, true) => none_newer(state, policy, now),
        (None, false) => timed_out(policy),
    };
    let Some(held) = &state.held else {
        return Err(last_error());
    };
    let terminal = failure().filter(|_| state.is_terminal());
    let over = held.life.left(now).is_over();
    match (terminal, policy.rules) {
        (Some(error), Rules::AwsSpec) if state.is_paused(now) => Err(error.clone()),
        (Some(error), Rules::Ours) if over => Err(error.clone()),
        _ if over && !policy.serve_expired => Err(last_error()),
        _ => Ok(Arc::clone(&held.credentials)),
    }
}

/// Expired, after an answer that brought nothing newer, with a pause in force.
fn none_newer(state: &State, policy: &RefreshPolicy, now: Now) -> Error {
    let next = state.until_next(policy, now).unwrap_or_default();
    Error::new(
        ErrorKind::Credential(CredentialFault::Expired),
        Operation::FETCH,
        format!(
            "the credentials have expired and the source had none newer, it is asked again in {} s",
            next.as_secs()
        ),
    )
    .hint("`serve_expired` decides whether expired ones are handed out meanwhile")
}

pub(super) fn timed_out(policy: &RefreshPolicy) -> Error {
    Error::new(
        ErrorKind::Timeout,
        Operation::FETCH,
        format!(
            "the source has not answered within {:?}",
            policy.wait_timeout
        ),
    )
    .hint("the fetch goes on; the next call is served from it, or ask again with a longer `wait_timeout`")
}

/// What the timer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tick {
    /// Start a fetch.
    Fetch,
    /// Look again after this long, or when something changes.
    Sleep(Duration),
}

/// What the timer does now.
pub(super) fn tick(state: &State, policy: &RefreshPolicy, now: Now) -> Tick {
    if state.held.is_none() {
        // An empty cache is filled by who asks for it.
        return Tick::Sleep(MAX_TIMER_SLEEP);
    }
    if let Some(attempt) = state.attempt(policy, now) {
        let gone = attempt.asks_at + policy.gone_after() + Duration::from_millis(1);
        return Tick::Sleep(
            gone.saturating_duration_since(now.mono)
                .min(MAX_TIMER_SLEEP),
        );
    }
    let planned = state.next_idle.or(state.next).map(|due| due.until(now));
    let unplanned = match planned {
        None if state.stage(now) >= Stage::Advisory => Some(Duration::ZERO),
        planned => planned,
    };
    let wait = match (unplanned, state.until_entry(policy, now)) {
        (Some(planned), Some(entry)) => planned.min(entry),
        (Some(wait), None) | (None, Some(wait)) => wait,
        (None, None) => MAX_TIMER_SLEEP,
    };
    if wait.is_zero() {
        Tick::Fetch
    } else {
        Tick::Sleep(wait.min(MAX_TIMER_SLEEP))
    }
}
