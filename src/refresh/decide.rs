//! What follows from the state: the verdict on a call, its answer, the timer's tick, and the hot path's
//! end. Functions of state, policy and time alone.

use super::at_once::AtOnce;
use super::clock::Now;
use super::held::Standing;
use super::need::{Need, Reason};
use super::policy::{
    MAX_TIMER_SLEEP, NO_WAIT_AFTER_FAILURE, OVERDUE, RefreshMode, RefreshPolicy, Rules,
};
use super::state::State;
use super::window::Stage;
use crate::error::{CredentialFault, Error, ErrorKind, Operation};
use aws_credential_types::Credentials;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// What a call does before it is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// It begins the attempt.
    pub(super) starts: bool,
    /// It waits for the attempt, begun or joined.
    pub(super) waits: bool,
}

impl Verdict {
    /// Answered at once, from what is held.
    pub(super) const SERVE: Verdict = Verdict {
        starts: false,
        waits: false,
    };
}

/// What a call does, by the need that stands.
pub(super) fn decide(state: &State, policy: &RefreshPolicy, now: Now) -> Verdict {
    let Some(need) = state.need(now) else {
        return Verdict {
            starts: is_looked_for_again(state, policy, now),
            ..Verdict::SERVE
        };
    };
    if !need.reason.is_urgent() {
        let starts = !is_attended(state, now) && wants_refresh(state, need, policy, now);
        // The AWS rules let the first call pay for the refresh.
        let waits = starts && policy.rules == Rules::AwsSpec && need.reason == Reason::Window;
        return Verdict { starts, waits };
    }
    let attempt = state.attempt(now);
    let starts = attempt.is_none() && state.is_due(need, policy, now);
    let in_time = attempt.is_some_and(|attempt| attempt.deadline(policy) > now.mono);
    let waits = (starts || in_time) && !has_failed(state, need, policy, now);
    Verdict { starts, waits }
}

/// Whether the pause is over after which another key than a rejected one that came back is looked for, and no timer
/// does it.
fn is_looked_for_again(state: &State, policy: &RefreshPolicy, now: Now) -> bool {
    let is_due = |wait: Duration| wait.is_zero();
    has_come_back(state)
        && !policy.has_timer()
        && !is_attended(state, now)
        && state.until_next(policy, now).is_some_and(is_due)
}

/// Whether what is held was rejected and came back.
fn has_come_back(state: &State) -> bool {
    let held = state.held.as_ref();
    held.is_some_and(|held| held.standing == Standing::Returned)
}

/// Whether an attempt for this need has failed, so that nobody waits for another.
fn has_failed(state: &State, need: Need, policy: &RefreshPolicy, now: Now) -> bool {
    // Under the AWS rules a terminal error leaves nothing behind once it has been raised.
    if policy.rules == Rules::AwsSpec && state.is_terminal() {
        return false;
    }
    let Some(failure) = state.failure.as_ref().filter(|failure| failure.is_of(need)) else {
        return false;
    };
    match state.stage(now) {
        Stage::Mandatory => true,
        Stage::Expired => {
            now.mono.saturating_duration_since(failure.at.mono) < NO_WAIT_AFTER_FAILURE
        }
        _ => false,
    }
}

/// Whether somebody is at it: while credentials are valid, an attempt whose task is gone is given as long as
/// a timer that is late.
fn is_attended(state: &State, now: Now) -> bool {
    let attempt = state.attempt.as_ref();
    attempt.is_some_and(|attempt| {
        !attempt.pulse.is_gone(now.mono)
            || now.mono.saturating_duration_since(attempt.booked) <= OVERDUE
    })
}

/// Whether a call that does not wait has to begin the attempt, because nobody else does.
fn wants_refresh(state: &State, need: Need, policy: &RefreshPolicy, now: Now) -> bool {
    if policy.rules == Rules::Ours && policy.mode == RefreshMode::Background {
        let late = |overdue: Duration| overdue > OVERDUE;
        return state.is_due(need, policy, now)
            && state.pause.is_none_or(|pause| late(pause.due.overdue(now)));
    }
    state.is_due(need, policy, now)
}

/// Why a call that does not wait, or no longer, has no credentials.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// This is the error.
    Because(Error),
    /// Nothing has come of the attempt yet.
    StillWaiting,
}

/// What a call that does not wait, or no longer, is answered.
pub(super) fn answer(
    state: &State,
    policy: &RefreshPolicy,
    now: Now,
) -> Result<Arc<Credentials>, Unanswered> {
    let failure = || state.failure.as_ref().map(|failure| &failure.error);
    let last_error = || match (failure(), state.held.is_some() && state.attempt.is_none()) {
        (Some(error), _) => Unanswered::Because(error.clone()),
        (None, true) => Unanswered::Because(none_newer(state, policy, now)),
        (None, false) => Unanswered::StillWaiting,
    };
    let Some(held) = &state.held else {
        return Err(last_error());
    };
    // By the rules of this crate one that failed for a need of before explains nothing.
    let explains = || {
        let need = state.need(now);
        policy.rules == Rules::AwsSpec
            || state
                .failure
                .as_ref()
                .is_some_and(|failure| need.is_none_or(|need| failure.is_of(need)))
    };
    let terminal = failure().filter(|_| state.is_terminal() && explains());
    let over = held.life.left(now).is_over();
    match (terminal, policy.rules) {
        (Some(error), Rules::AwsSpec) if state.is_paused(now) => {
            Err(Unanswered::Because(error.clone()))
        }
        (Some(error), Rules::Ours) if over => Err(Unanswered::Because(error.clone())),
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

/// What the timer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tick {
    /// Begin an attempt.
    Fetch,
    /// Look again after this long, or when something changes.
    Sleep(Duration),
}

/// What the timer does now.
pub(super) fn tick(state: &State, policy: &RefreshPolicy, now: Now) -> Tick {
    match until_tick(state, policy, now) {
        Some(Duration::ZERO) => Tick::Fetch,
        Some(wait) => Tick::Sleep(wait.min(MAX_TIMER_SLEEP)),
        None => Tick::Sleep(MAX_TIMER_SLEEP),
    }
}

/// How long until the timer has something to do, should there be no news; `None` where it will have nothing.
pub(super) fn until_tick(state: &State, policy: &RefreshPolicy, now: Now) -> Option<Duration> {
    // An empty cache is filled by who asks for it.
    state.held.as_ref()?;
    if let Some(attempt) = state.attempt(now) {
        return Some(attempt.pulse.until_look(now.mono));
    }
    let wait = match state.until_next(policy, now) {
        None => state.need(now).map(|_| Duration::ZERO)?,
        Some(wait) => wait,
    };
    (!wait.is_zero() || !is_idle(state, policy, now)).then_some(wait)
}

/// Whether nobody has asked for so long that the timer leaves the source alone.
pub(super) fn is_idle(state: &State, policy: &RefreshPolicy, now: Now) -> bool {
    policy.idle_after.is_some_and(|idle_after| {
        state
            .asked_at
            .is_none_or(|asked| now.mono.saturating_duration_since(asked) >= idle_after)
    })
}

/// The hot path's end: until when calls are answered at once with nothing to decide, for as long as the
/// state is not replaced by another.
pub(super) fn served_until(state: &State, policy: &RefreshPolicy) -> AtOnce {
    let held = state.held.as_ref();
    let Some(held) = held.filter(|held| held.standing != Standing::Rejected) else {
        return AtOnce::Never;
    };
    if policy.rules == Rules::AwsSpec && state.failure.is_some() {
        // It may have to be raised, valid credentials or not.
        return AtOnce::Never;
    }
    let idle_from = policy
        .idle_after
        .filter(|idle_after| policy.has_timer() && !state.is_asked(*idle_after))
        .and_then(|idle_after| state.idle_from(idle_after))
        // Who asked is noted on the monotonic clock alone.
        .map(|from| Now {
            wall: far(),
            ..from
        });
    let fresh = held.life.end_before(held.life.advisory);
    let mandatory = held.life.end_before(held.life.mandatory);
    let attended = attended_until(state, policy);
    let served = if held.standing == Standing::Suspected {
        attended.map_or(AtOnce::Never, |attended| {
            AtOnce::Until(attended).at_most(mandatory)
        })
    } else if held.life.expiry.is_none() {
        AtOnce::Always
    } else {
        let attended = mandatory
            .zip(attended)
            .map(|(mandatory, attended)| mandatory.earlier(attended));
        match (fresh, attended) {
            (Some(fresh), Some(attended)) if fresh.earlier(attended) == fresh => {
                AtOnce::Until(attended)
            }
            (Some(fresh), _) => AtOnce::Until(fresh),
            (None, _) => AtOnce::Never,
        }
    };
    let served = if has_come_back(state) && !policy.has_timer() {
        served.at_most(attended_until(state, policy))
    } else {
        served
    };
    served.at_most(idle_from)
}

/// A wall clock that plays no part.
fn far() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 37)
}

/// Until when a call that does not wait has nothing to begin: an attempt is under way, one is planned that
/// the timer begins, or one is planned that is not due yet.
fn attended_until(state: &State, policy: &RefreshPolicy) -> Option<Now> {
    if let Some(attempt) = &state.attempt {
        let expiry = state.held.as_ref().and_then(|held| held.life.expiry);
        return Some(Now {
            // Its age counts on the monotonic clock alone.
            wall: expiry.unwrap_or_else(far),
            mono: attempt.booked.checked_add(OVERDUE)?,
        });
    }
    let grace = if policy.has_timer() {
        OVERDUE
    } else {
        Duration::ZERO
    };
    state.pause?.due.later_by(grace)
}
