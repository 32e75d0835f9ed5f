//! Everything a cache knows, as one value that is replaced whole, and what changes it. Pure.
//!
//! What stands is at most one [`Need`], one [`Attempt`] and one [`Pause`]; what is held has one
//! [`Standing`]. Everything else that a caller, the timer or a person gets is derived from these in
//! [`decide`](super::decide) and [`status`](super::status).

use super::at_once::AtOnce;
use super::attempt::{Attempt, Outcome, Pulse};
use super::clock::Now;
use super::held::{Held, Standing};
use super::need::{Need, Reason};
use super::pace::{Pace, Sessions};
use super::policy::{
    ATTEMPT_PERIOD, AWS_BACKOFF, IDLE_AFTER, LONG_ROW, MIN_FORCED_SPACING, MIN_PAUSE_AFTER_ANSWER,
    RefreshPolicy, Rules,
};
use super::rejection::Rejection;
use super::schedule::{
    Due, FailedAttempt, after_asking_for_life, after_rejected_key_returned, after_rejections,
    after_same_document, before_longer_life, first_try, idle_pause,
};
use super::window::Stage;
use crate::error::{CredentialFault, Error, ErrorKind, Operation};
use crate::source::Progress;
use aws_credential_types::Credentials;
use std::time::Duration;
use tokio::time::Instant;

/// What a cache knows.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) held: Option<Held>,
    /// Until when that is served with nothing to decide.
    pub(super) at_once: AtOnce,
    /// The need as it was when it was last looked at for a change of the state; see [`need`](Self::need).
    seen: Option<Need>,
    /// Needs so far.
    needs: u64,
    /// In a box: there is none most of the time.
    pub(super) attempt: Option<Box<Attempt>>,
    pub(super) pause: Option<Pause>,
    /// Attempts begun.
    pub(super) fetches: u64,
    /// The last attempt that ended with an outcome, by its number.
    pub(super) settled: u64,
    /// Failures in a row.
    pub(super) failures: u32,
    /// The failure that stands; cleared by a success.
    pub(super) failure: Option<Failure>,
    steady: Option<Duration>,
    pub(super) generation: u64,
    /// Rejections in a row, of keys of which none was accepted.
    pub(super) rejections: u32,
    /// Attempts by the plan that ended since what is held came.
    tries: u32,
    last_fetch: Duration,
    /// When the last live one ended, where what is held had expired when it came.
    over_since: Option<Instant>,
    life: LifeAsked,
    /// When a call was last noted for [`RefreshPolicy::idle_after`].
    pub(super) asked_at: Option<Instant>,
    pace: Pace,
}

/// How long the source is left alone after an attempt, or before the first one.
///
/// Invariant: it belongs to the need that its attempt was for. An urgent need that arose later is not put
/// off by it; a rejection is where the policy fixes how long the source is left alone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pause {
    pub(super) due: Due,
    /// The same for a timer that refreshes what nobody asks for.
    pub(super) unasked: Option<Due>,
    need: u64,
    /// Whether that need was urgent.
    urgent: bool,
}

/// The last failure.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) error: Error,
    pub(super) at: Now,
    /// The need that its attempt was for.
    need: u64,
}

/// What is known of lives that were asked for.
#[derive(Clone, Copy, Debug, Default)]
struct LifeAsked {
    /// The longest that an answer had when it came.
    longest: Duration,
    /// A longer one is not tried before this.
    probe: Option<Due>,
    /// Attempts in a row that were made for a life.
    times: u32,
    /// None is made for a life before this.
    pause: Option<Due>,
}

/// What the end of an attempt did, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Landing {
    Replaced,
    SameDocument,
    /// The answer ends sooner than what is held, which is kept while nothing has to replace it.
    KeptLonger,
    /// The answer ends sooner than what was held, which had to be replaced.
    ReplacedSooner,
    ExpiredDocumentAdopted,
    Failed,
    Ignored,
}

/// What the end of an attempt is judged by, beside the state.
#[derive(Clone, Copy, Debug)]
pub(super) struct At<'a> {
    /// The name of the source.
    pub(super) source: &'static str,
    pub(super) policy: &'a RefreshPolicy,
    pub(super) now: Now,
    pub(super) jitter: f64,
    pub(super) last_call: Option<Instant>,
}

impl LifeAsked {
    /// An attempt that was made for a life has ended. One that came to nothing, as with its runtime, is made anew
    /// by who waits for it.
    fn asked_for(&mut self, now: Now, jitter: f64) {
        let long_ago = |due: Due| due.overdue(now) > ATTEMPT_PERIOD;
        self.times = if self.pause.is_some_and(long_ago) {
            1
        } else {
            self.times.saturating_add(1)
        };
        self.pause = Some(Due::after(after_asking_for_life(self.times, jitter), now));
    }
}

impl Failure {
    /// Whether it says something about this need.
    pub(super) fn is_of(&self, need: Need) -> bool {
        self.need == need.number
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
        (held.is_live(now) && held.standing != Standing::Rejected).then(|| held.life.remaining(now))
    }

    /// Why the source is to be asked now; `None` while nothing is wanted of it.
    ///
    /// It is the need that was seen last while that one stands, else a new one, which stands from now on:
    /// what no attempt has begun for was judged by none.
    pub(super) fn need(&self, now: Now) -> Option<Need> {
        let reason = match &self.held {
            None => Reason::Cold,
            Some(held) => {
                let by_time = match held.life.stage(now) {
                    Stage::Cold | Stage::Fresh => None,
                    Stage::Advisory => Some(Reason::Window),
                    Stage::Mandatory | Stage::Expired => Some(Reason::Mandatory),
                };
                let by_standing = match held.standing {
                    Standing::Good | Standing::Returned => None,
                    Standing::Suspected => Some(Reason::Suspected),
                    Standing::Rejected => Some(Reason::Rejected),
                };
                by_time.max(by_standing)?
            }
        };
        let seen = self
            .seen
            .filter(|seen| seen.reason == reason && self.stood_at(*seen, now));
        Some(seen.unwrap_or(Need {
            reason,
            since: now.mono,
            number: self.needs + 1,
        }))
    }

    /// Whether a need that came with time had come when it was seen, by today's wall clock. One that was seen
    /// while that clock was ahead does not stand once it has been set right: it has yet to come.
    fn stood_at(&self, need: Need, now: Now) -> bool {
        let least = match need.reason {
            Reason::Window => Stage::Advisory,
            Reason::Mandatory => Stage::Mandatory,
            _ => return true,
        };
        let then = now.back_at(need.since);
        self.held
            .as_ref()
            .is_some_and(|held| held.life.stage(then) >= least)
    }

    fn see(&mut self, need: Need) {
        self.needs = self.needs.max(need.number);
        self.seen = Some(need);
    }

    /// The attempt under way, unless its task is gone.
    pub(super) fn attempt(&self, now: Now) -> Option<&Attempt> {
        self.attempt
            .as_deref()
            .filter(|attempt| !attempt.pulse.is_gone(now.mono))
    }

    /// Whether the failure that stands needs a person.
    pub(super) fn is_terminal(&self) -> bool {
        self.failure
            .as_ref()
            .is_some_and(|failure| failure.error.is_terminal())
    }

    /// Whether a wait after an attempt is in force, whatever for.
    pub(super) fn is_paused(&self, now: Now) -> bool {
        self.pause.is_some_and(|pause| !pause.due.is_over(now))
    }

    /// Whether the pause puts off attempts for this need.
    fn covers(&self, pause: &Pause, need: Need, policy: &RefreshPolicy) -> bool {
        let fixed = need.reason == Reason::Rejected && policy.backoff.0.is_some() && pause.urgent;
        policy.rules == Rules::AwsSpec
            || !need.reason.is_urgent()
            || pause.need == need.number
            || fixed
    }

    /// How long until the source may be asked for this need.
    fn until_due(&self, need: Need, policy: &RefreshPolicy, now: Now) -> Duration {
        let covering = self.pause.filter(|pause| self.covers(pause, need, policy));
        let wait = match covering {
            Some(pause) => pause.due.until(now),
            // The one attempt on entering the mandatory window.
            None if need.reason == Reason::Mandatory => self.until_settled(now),
            None => Duration::ZERO,
        };
        wait.max(self.until_room(policy, now))
    }

    /// Not at once after an answer that was nearly dead when it came.
    fn until_settled(&self, now: Now) -> Duration {
        self.held.as_ref().map_or(Duration::ZERO, |held| {
            let answered = Now {
                mono: held.life.since,
                ..now
            };
            Due::after(MIN_PAUSE_AFTER_ANSWER, answered).until(now)
        })
    }

    /// How long until the attempts of the last ten minutes leave room for another.
    fn until_room(&self, policy: &RefreshPolicy, now: Now) -> Duration {
        if policy.rules == Rules::AwsSpec || self.sessions() == Sessions::Short {
            return Duration::ZERO;
        }
        self.pace.until_room(now.mono)
    }

    fn sessions(&self) -> Sessions {
        Sessions::lasting(self.held.as_ref().map(|held| held.life.lifetime))
    }

    /// Time until the source is asked next, as planned now; `None` where nothing is planned.
    pub(super) fn until_next(&self, policy: &RefreshPolicy, now: Now) -> Option<Duration> {
        let need = self.need(now);
        let of_pause = |pause: &Pause| {
            let unasked = pause.unasked.filter(|_| policy.has_timer());
            unasked.unwrap_or(pause.due).until(now)
        };
        let covering = self
            .pause
            .filter(|pause| need.is_none_or(|need| self.covers(pause, need, policy)));
        let planned = covering.as_ref().map(of_pause);
        let entry = match (need, policy.rules) {
            (_, Rules::AwsSpec) => None,
            (Some(need), _)
                if need.reason == Reason::Cold || covering.is_some() && need.reason.is_urgent() =>
            {
                None
            }
            (Some(need), _) if need.reason.is_urgent() => Some(self.until_due(need, policy, now)),
            _ => self.held.as_ref().and_then(|held| {
                let until_window = held.life.until_mandatory(now)?;
                Some(until_window.max(self.until_settled(now)))
            }),
        };
        let next = planned.into_iter().chain(entry).min()?;
        Some(next.max(self.until_room(policy, now)))
    }

    /// Whether the source may be asked for this need now.
    pub(super) fn is_due(&self, need: Need, policy: &RefreshPolicy, now: Now) -> bool {
        self.until_due(need, policy, now).is_zero()
    }

    /// Whether the ten minutes' attempts leave room for one that is not by the plan.
    fn has_room_for_extra(&self, now: Now) -> bool {
        let in_trouble = self.failures > 0 || self.stage(now) != Stage::Fresh;
        self.pace
            .has_room_for_extra(now.mono, self.sessions(), in_trouble)
    }

    /// Whether a forced refresh asks: whatever pauses are in force, but neither while the last answer is
    /// recent nor without room for it.
    pub(super) fn is_wanted_by_force(&self, now: Now) -> bool {
        !self.is_answered_within(MIN_FORCED_SPACING, now) && self.has_room_for_extra(now)
    }

    /// Whether the source is asked because somebody wants `min` of life.
    pub(super) fn is_wanted_for_life(
        &self,
        min: Duration,
        policy: &RefreshPolicy,
        now: Now,
    ) -> bool {
        if let Some(need) = self.need(now)
            && need.reason.is_urgent()
        {
            return self.is_due(need, policy, now);
        }
        let over = |due: Option<Due>| due.is_none_or(|due| due.is_over(now));
        self.is_wanted_by_force(now)
            && over(self.life.pause)
            && (min <= self.life.longest || over(self.life.probe))
    }

    /// The longest life that an answer had when it came.
    pub(super) fn longest_life(&self) -> Duration {
        self.life.longest
    }

    /// Whether a call has been noted that keeps a cache from being idle when its next attempt is due.
    pub(super) fn is_asked(&self, idle_after: Duration) -> bool {
        match (self.asked_at, self.idle_from(idle_after)) {
            (Some(asked), Some(from)) => asked >= from.mono,
            (asked, _) => asked.is_some(),
        }
    }

    /// From when on a call has to come for the next attempt to be wanted.
    pub(super) fn idle_from(&self, idle_after: Duration) -> Option<Now> {
        self.pause
            .and_then(|pause| pause.due.earlier_by(idle_after))
    }

    /// A call came. `None` if that changes nothing.
    pub(super) fn asked_for(&self, policy: &RefreshPolicy, now: Now) -> Option<State> {
        let unasked = self.pause.is_some_and(|pause| pause.unasked.is_some());
        let idle = policy
            .idle_after
            .is_some_and(|idle_after| !self.is_asked(idle_after));
        if !unasked && !idle {
            return None;
        }
        let mut next = self.clone();
        next.asked_at = Some(now.mono);
        if let Some(pause) = &mut next.pause {
            pause.unasked = None;
        }
        Some(next)
    }

    /// Begins an attempt, where none is [under way](Self::attempt): by the plan, by force or for a life.
    pub(super) fn begin(&self, cause: Cause, now: Now) -> (State, Attempt) {
        let mut next = self.clone();
        next.fetches += 1;
        let need = self.need(now).unwrap_or(Need {
            reason: Reason::Forced,
            since: now.mono,
            number: self.needs + 1,
        });
        next.see(need);
        let extra =
            cause != Cause::Plan || matches!(need.reason, Reason::Rejected | Reason::Suspected);
        let attempt = Attempt {
            number: next.fetches,
            need,
            extra,
            for_life: cause == Cause::Life,
            booked: now.mono,
            asked_at: None,
            pulse: Pulse::booked(now.mono),
            progress: Progress::default(),
        };
        next.attempt = Some(Box::new(attempt.clone()));
        (next, attempt)
    }

    /// The task of this attempt runs: when it asks the source. `None` if it is not the current one.
    pub(super) fn run(&self, number: u64, now: Now) -> Option<(State, Instant)> {
        let current = self.attempt.as_ref()?;
        if current.number != number {
            return None;
        }
        let mut next = self.clone();
        let at = next.pace.start(now.mono, current.extra, self.sessions());
        if let Some(attempt) = &mut next.attempt {
            attempt.asked_at = Some(at);
        }
        Some((next, at))
    }

    /// Whether the last fetch started in this time, and has been answered.
    fn is_answered_within(&self, time: Duration, now: Now) -> bool {
        self.settled == self.fetches
            && self
                .pace
                .last()
                .is_some_and(|start| now.mono.saturating_duration_since(start) < time)
    }

    /// Ends an attempt. The outcome of one that is not the current one is ignored.
    pub(super) fn land(
        &self,
        number: u64,
        outcome: &Outcome,
        at: At<'_>,
    ) -> (Option<State>, Landing) {
        let Some(attempt) = self.attempt.as_deref().filter(|own| own.number == number) else {
            return (None, Landing::Ignored);
        };
        let mut next = self.clone();
        next.attempt = None;
        let fetched = match outcome {
            Outcome::Abandoned => {
                next.pace.forget_ahead(at.now.mono);
                return (Some(next), Landing::Ignored);
            }
            Outcome::Failed(error) => {
                next.settle(attempt, at);
                next.fail(error.clone(), attempt.need, at);
                return (Some(next), Landing::Failed);
            }
            Outcome::Fetched(fetched) => fetched,
        };
        next.settle(attempt, at);
        next.last_fetch = attempt.age(at.now.mono);
        if fetched.expiry().is_some_and(|expiry| expiry <= at.now.wall) {
            let landing = next.land_expired(fetched, attempt.need, at);
            return (Some(next), landing);
        }
        next.failures = 0;
        next.failure = None;
        next.steady = None;
        next.life.probe = Some(Due::after(before_longer_life(at.jitter), at.now));
        let landing = next.adopt(fetched, attempt, at);
        (Some(next), landing)
    }

    /// This attempt has ended with an outcome.
    fn settle(&mut self, attempt: &Attempt, at: At<'_>) {
        self.settled = attempt.number;
        self.tries = self.tries.saturating_add(u32::from(!attempt.extra));
        if attempt.for_life {
            self.life.asked_for(at.now, at.jitter);
        }
    }

    /// A live answer.
    fn adopt(&mut self, fetched: &Credentials, attempt: &Attempt, at: At<'_>) -> Landing {
        let At {
            source,
            policy,
            now,
            jitter,
            ..
        } = at;
        // An attempt that began before the key was rejected says nothing about that.
        let judges = self
            .seen
            .is_none_or(|seen| attempt.need.number >= seen.number);
        let rejected = self
            .held
            .as_ref()
            .is_some_and(|held| held.standing != Standing::Good);
        let same_key = self.held.as_ref().is_some_and(|held| held.is_key(fetched));
        let key_returned = same_key && rejected && judges;
        let unjudged = self
            .held
            .as_ref()
            .filter(|_| same_key && !judges)
            .map(|held| held.standing);
        let new = Held::new((source, fetched), policy, now);
        let is_sooner = policy.rules == Rules::Ours
            && !rejected
            && self
                .held
                .as_ref()
                .is_some_and(|held| held.outlives(&new.life, now));
        let needed = self.need(now).is_some();
        let tries = self.tries;
        let mut mended = false;
        let again = |held: &Held| {
            after_same_document(&held.life, held.life.stage(now), (now, tries), jitter)
        };
        let (wait, landing) = match &mut self.held {
            Some(held) if held.is_document(fetched) => {
                held.confirm((source, fetched), now);
                let wait = held.life.expiry.map(|_| again(held));
                (wait, Landing::SameDocument)
            }
            Some(held) if is_sooner && !needed => (Some(again(held)), Landing::KeptLonger),
            // Its secret or token was mended in place: a new credential, in the windows of the old one, or
            // a source that does so each time would be asked for ever shorter sessions.
            Some(held) if held.is_mended_by(fetched) => {
                let life = held.life.confirmed(now);
                let wait = life.expiry.map(|_| again(held));
                mended = true;
                self.replace(Held { life, ..new });
                self.tries = tries;
                (wait, Landing::Replaced)
            }
            _ => {
                let wait = first_try(&new.life, now, self.last_fetch, jitter);
                self.replace(new);
                // Where calls drive, there is no draw: the windows alone say when.
                let drawn = policy.rules == Rules::Ours || key_returned;
                let landing = if is_sooner {
                    Landing::ReplacedSooner
                } else {
                    Landing::Replaced
                };
                (wait.filter(|_| drawn), landing)
            }
        };
        // What was mended in place answers the need that it lives in, as the same document does.
        let replaced = matches!(landing, Landing::Replaced | Landing::ReplacedSooner) && !mended;
        if let Some(held) = &mut self.held {
            self.life.longest = self.life.longest.max(held.life.confirmed_for);
            if key_returned {
                held.standing = Standing::Returned;
            } else if let Some(standing) = unjudged {
                held.standing = standing;
            }
        }
        if !attempt.extra && replaced {
            self.life.times = 0;
        }
        let wait = if key_returned {
            let at_most = after_rejected_key_returned(jitter);
            Some(wait.map_or(at_most, |wait| wait.min(at_most)))
        } else {
            wait
        };
        if replaced && unjudged.is_none() {
            self.seen = None;
        }
        // The need that still stands has been answered, if the attempt was for one as strong.
        let answered = self
            .need(now)
            .filter(|need| !replaced && attempt.need.reason >= need.reason && judges);
        if let Some(need) = answered {
            self.see(need);
        }
        let need = answered.unwrap_or(attempt.need);
        match unjudged {
            // The pause after that rejection, of which this attempt knows nothing.
            Some(Standing::Suspected) => return landing,
            // What is to replace it is asked for at once.
            Some(Standing::Rejected) => {
                self.pause = None;
                return landing;
            }
            _ => {}
        }
        self.pause = wait.map(|wait| Pause {
            due: Due::after(wait, now),
            unasked: None,
            need: need.number,
            urgent: false,
        });
        landing
    }

    /// A new credential takes the place of what is held. A row of rejections goes on only where what was held
    /// is replaced because of one.
    fn replace(&mut self, new: Held) {
        let standing = self.held.as_ref().map(|held| held.standing);
        if !matches!(standing, Some(Standing::Rejected | Standing::Suspected)) {
            self.rejections = 0;
        }
        self.held = Some(new);
        self.over_since = None;
        self.generation += 1;
        self.tries = 0;
    }

    /// An answer that has expired already is a failed refresh, adopted only where it is the best there is.
    fn land_expired(&mut self, fetched: &Credentials, need: Need, at: At<'_>) -> Landing {
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
            None => at.policy.rules == Rules::Ours,
            Some(held) => !held.is_live(at.now) && held.life.expiry < fetched.expiry(),
        };
        let mut of = need;
        if better {
            let over_since = self.over_since();
            self.replace(Held::new((at.source, fetched), at.policy, at.now));
            self.over_since = over_since;
            // What it is needed for now has just been tried.
            self.seen = None;
            if let Some(need) = self.need(at.now) {
                self.see(need);
                of = need;
            }
        }
        self.fail(error, of, at);
        if better {
            Landing::ExpiredDocumentAdopted
        } else {
            Landing::Failed
        }
    }

    /// A failed attempt for this need.
    fn fail(&mut self, error: Error, need: Need, at: At<'_>) {
        let At {
            policy,
            now,
            jitter,
            last_call,
            ..
        } = at;
        self.failures = self.failures.saturating_add(1);
        let stage = self.stage(now);
        let standing = self.held.as_ref().map(|held| held.standing);
        let suspected = standing == Some(Standing::Suspected);
        let after = FailedAttempt {
            life: self.held.as_ref().map(|held| &held.life),
            stage,
            failures: self.failures,
            terminal: error.is_terminal(),
            throttled: error.is_throttled(),
            rejected: standing.is_some_and(|standing| standing != Standing::Good),
            suspected,
            strained: self.pace.is_strained(now.mono),
            tries: self.tries,
            steady: self.steady,
        }
        .pause(policy, now, jitter);
        self.steady = after.steady;
        // What the other side asked for is the least, as far as it stays within what is ever waited.
        let asked = error.retry_after().map(|asked| asked.min(AWS_BACKOFF.1));
        let wait = after.wait.max(asked);
        let unasked = stage == Stage::Expired
            && policy.backoff.0.is_none()
            && self.is_long_unasked(last_call, now);
        let planned = self.pause.filter(|pause| !pause.due.is_over(now));
        // What failed by the way changes no plan: an attempt that knows nothing of the rejection, or one in a long
        // row; and a forced refresh long before expiry.
        let is_of_before = self.seen.is_some_and(|seen| need.number < seen.number);
        let keeps_row =
            suspected && stage < Stage::Mandatory && (is_of_before || self.rejections >= LONG_ROW);
        self.pause = match (stage, planned) {
            (_, Some(planned)) if keeps_row => Some(planned),
            (Stage::Fresh, Some(planned)) if !suspected => Some(planned),
            _ => wait.map(|wait| Pause {
                due: Due::after(wait, now),
                unasked: unasked.then(|| Due::after(idle_pause(jitter), now)),
                need: need.number,
                urgent: need.reason.is_urgent(),
            }),
        };
        self.failure = Some(Failure {
            error,
            at: now,
            need: need.number,
        });
    }

    /// Whether what is held has been over, and nobody has called, for [`IDLE_AFTER`].
    fn is_long_unasked(&self, last_call: Option<Instant>, now: Now) -> bool {
        let unasked = |since: Instant| now.mono.saturating_duration_since(since) > IDLE_AFTER;
        let over = self.held.is_some() && self.over_since().is_none_or(unasked);
        over && last_call.is_none_or(unasked)
    }

    /// When the life of what is held is over by the monotonic clock, or was by that of what came before.
    fn over_since(&self) -> Option<Instant> {
        self.over_since.or_else(|| {
            let held = self.held.as_ref()?;
            held.life.since.checked_add(held.life.confirmed_for)
        })
    }

    /// A service accepted this key id. `None` if that is no news.
    ///
    /// It ends the row of rejections, and a key that was suspected only as one of it is as good as any other
    /// again: the next attempt is planned as after its fetch. A key that is being replaced at once still is, for
    /// those who wait.
    pub(super) fn accepted(
        &self,
        key_id: &str,
        policy: &RefreshPolicy,
        (now, jitter): (Now, f64),
    ) -> Option<State> {
        let held = self.held.as_ref().filter(|held| held.key_id() == key_id)?;
        if self.rejections == 0 {
            return None;
        }
        let mut next = self.clone();
        next.rejections = 0;
        let suspected = held.standing == Standing::Suspected;
        if let Some(held) = next.held.as_mut().filter(|_| suspected) {
            held.standing = Standing::Good;
        }
        if suspected && self.is_paused_for(Reason::Suspected) {
            // Where calls drive, there is no draw.
            let wait = first_try(&held.life, now, self.last_fetch, jitter)
                .filter(|_| policy.rules == Rules::Ours);
            next.pause = wait.map(|wait| Pause {
                due: Due::after(wait, now),
                unasked: None,
                need: self.needs,
                urgent: false,
            });
        }
        Some(next)
    }

    /// Whether the pause in force is the one before a key is replaced for this reason.
    fn is_paused_for(&self, reason: Reason) -> bool {
        let seen = self.seen.filter(|seen| seen.reason == reason);
        let paused = self.pause.zip(seen);
        paused.is_some_and(|(pause, seen)| pause.need == seen.number)
    }

    /// A service rejected this key id.
    pub(super) fn invalidate(
        &self,
        rejected: &str,
        policy: &RefreshPolicy,
        (now, jitter): (Now, f64),
    ) -> (Option<State>, Rejection) {
        let Some(held) = self.held.as_ref().filter(|held| held.key_id() == rejected) else {
            return (None, Rejection::NotCurrent);
        };
        match held.standing {
            Standing::Good => {}
            Standing::Rejected => return (None, Rejection::Invalidated),
            Standing::Suspected => return (None, Rejection::Suspected),
            Standing::Returned => return (None, Rejection::SameKeyAgain),
        }
        let mut next = self.clone();
        next.rejections = next.rejections.saturating_add(1);
        next.asked_at = Some(now.mono);
        let has_room = self.has_room_for_extra(now);
        let suspected = next.rejections > 1 || !has_room;
        if let Some(held) = &mut next.held {
            held.standing = if suspected {
                Standing::Suspected
            } else {
                Standing::Rejected
            };
        }
        if suspected && self.need(now).is_some_and(|need| need.reason.is_urgent()) {
            // It is replaced at the pace of what is needed anyway.
            return (Some(next), Rejection::Suspected);
        }
        // A new need, whatever was seen before it.
        next.seen = None;
        if let Some(need) = next.need(now) {
            next.see(need);
            let in_a_row = if has_room { next.rejections } else { LONG_ROW };
            if suspected {
                next.pause = Some(Pause {
                    due: Due::after(after_rejections(in_a_row, jitter), now),
                    unasked: None,
                    need: need.number,
                    urgent: false,
                });
            } else if next.failure.is_none()
                || policy.rules == Rules::Ours && policy.backoff.0.is_none()
            {
                next.pause = None;
            }
        }
        let said = if suspected {
            Rejection::Suspected
        } else {
            Rejection::Invalidated
        };
        (Some(next), said)
    }
}

/// Why an attempt begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The plan, and whatever need stands.
    Plan,
    /// Somebody asked for a fetch.
    Force,
    /// Somebody asked for a longer life than is left.
    Life,
}
