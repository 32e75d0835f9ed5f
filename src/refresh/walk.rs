//! Walks through states, for tests: one in the making with both clocks, and what its steps promise.
#![allow(clippy::unwrap_used)]

use super::attempt::{Attempt, Outcome};
use super::clock::Now;
use super::decide::{decide, served_until};
use super::held::Standing::{Good, Rejected, Returned, Suspected};
use super::policy::{
    FORCED_ATTEMPTS_IN_TROUBLE, MAX_ATTEMPTS_IN_PERIOD, MIN_PAUSE_AFTER_ANSWER, RefreshPolicy,
};
use super::state::{At, Cause, State};
use crate::error::{Error, Result};
use aws_credential_types::Credentials;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

pub(super) const HOUR: Duration = Duration::from_secs(3600);

/// A state in the making, and both clocks.
pub(super) struct Walk {
    pub(super) state: State,
    pub(super) policy: RefreshPolicy,
    pub(super) now: Now,
    fetched: u32,
}

impl Walk {
    pub(super) fn starting(policy: RefreshPolicy) -> Self {
        Walk {
            state: State::default(),
            policy,
            now: Now {
                wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000),
                mono: Instant::now(),
            },
            fetched: 0,
        }
    }

    /// As after a fetch that took no time and brought an hour; the draw falls to its middle.
    pub(super) fn filled(policy: RefreshPolicy) -> Self {
        let mut walk = Walk::starting(policy);
        walk.begin();
        walk.land(|walk| Ok(walk.session(HOUR)));
        walk
    }

    /// As after three rejections in a row.
    pub(super) fn suspected() -> Self {
        let mut walk = Walk::filled(RefreshPolicy::default());
        for _ in 0..2 {
            walk.pass(seconds(2));
            walk.reject();
            walk.begin();
            walk.land(|walk| Ok(walk.session(HOUR)));
        }
        walk.pass(seconds(2));
        walk.reject();
        assert_eq!(walk.state.held.as_ref().unwrap().standing, Suspected);
        walk
    }

    pub(super) fn become_state(&mut self, mut next: State) {
        next.at_once = served_until(&next, &self.policy);
        self.state = next;
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now = later(self.now, time);
    }

    pub(super) fn session(&mut self, lifetime: Duration) -> Credentials {
        self.fetched += 1;
        let key_id = format!("KEY-{}", self.fetched);
        Credentials::new(key_id, "s", None, Some(self.now.wall + lifetime), "test")
    }

    pub(super) fn begin(&mut self) -> Option<Attempt> {
        self.begin_by(Cause::Plan)
    }

    pub(super) fn begin_by(&mut self, cause: Cause) -> Option<Attempt> {
        let under_way = self.state.attempt.is_some();
        (!under_way).then(|| {
            let (next, attempt) = self.state.begin(cause, self.now);
            self.become_state(next);
            if let Some((next, _)) = self.state.run(attempt.number, self.now) {
                self.become_state(next);
            }
            attempt
        })
    }

    pub(super) fn land(&mut self, answer: impl FnOnce(&mut Self) -> Result<Credentials>) {
        let outcome = match answer(self) {
            Ok(fetched) => Outcome::Fetched(fetched),
            Err(error) => Outcome::Failed(error),
        };
        self.end(&outcome);
    }

    pub(super) fn end(&mut self, outcome: &Outcome) {
        if let Some(attempt) = self.state.attempt.as_deref().cloned() {
            let at = At {
                source: "test",
                policy: &self.policy,
                now: self.now,
                jitter: 0.5,
                last_call: None,
            };
            let (next, _) = self.state.land(attempt.number, outcome, at);
            if let Some(next) = next {
                self.become_state(next);
            }
        }
    }

    pub(super) fn held(&self) -> Credentials {
        Credentials::clone(&self.state.held.as_ref().unwrap().credentials)
    }

    /// Whether the source may be asked for what is needed.
    pub(super) fn is_due(&self) -> bool {
        let need = self.state.need(self.now).unwrap();
        self.state.is_due(need, &self.policy, self.now)
    }

    pub(super) fn reject(&mut self) {
        if let Some(held) = self.state.held.clone() {
            let key_id = held.credentials.access_key_id();
            let (next, _) = self.state.invalidate(key_id, &self.policy, (self.now, 0.5));
            if let Some(next) = next {
                self.become_state(next);
            }
        }
    }

    /// Answered at once with an hour, one every two seconds.
    pub(super) fn asked(&mut self, cause: Cause, times: usize) {
        for _ in 0..times {
            self.begin_by(cause);
            self.land(|walk| Ok(walk.session(HOUR)));
            self.pass(seconds(2));
        }
    }

    /// A service rejected what is held, and calls have to look for another.
    pub(super) fn is_disputed(&self) -> bool {
        let standing = self.state.held.as_ref().map(|held| held.standing);
        standing == Some(Suspected) || standing == Some(Returned) && !self.policy.has_timer()
    }

    /// How long from now calls are served with nothing to decide, to the millisecond.
    pub(super) fn lasts(&self) -> Duration {
        let mut lasts = Duration::ZERO;
        for bit in (0..24).rev() {
            let more = lasts + Duration::from_millis(1 << bit);
            if self.state.at_once.lasts(later(self.now, more)) {
                lasts = more;
            }
        }
        lasts + Duration::from_millis(1)
    }
}

pub(super) fn later(now: Now, by: Duration) -> Now {
    Now {
        wall: now.wall + by,
        mono: now.mono + by,
    }
}

pub(super) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn in_trouble_less_is_left_for_what_is_not_by_the_plan() {
    let mut walk = Walk::filled(RefreshPolicy::default());
    walk.pass(seconds(2));
    walk.asked(Cause::Force, FORCED_ATTEMPTS_IN_TROUBLE);
    assert!(walk.state.is_wanted_by_force(walk.now));
    walk.begin_by(Cause::Force);
    walk.land(|_| Err(Error::recoverable("down")));
    walk.pass(seconds(2));
    assert!(!walk.state.is_wanted_by_force(walk.now));
}

#[test]
fn a_life_is_asked_for_at_a_pace_of_its_own_that_ten_minutes_of_rest_end() {
    let wanted = |walk: &Walk| walk.state.is_wanted_for_life(HOUR, &walk.policy, walk.now);
    let mut walk = Walk::filled(RefreshPolicy::default());
    walk.pass(seconds(2));
    walk.asked(Cause::Force, 3);
    assert!(wanted(&walk), "forced ones are not of it");
    walk.asked(Cause::Life, 3);
    // The middle of two to four seconds.
    assert!(!wanted(&walk));
    walk.pass(seconds(1));
    assert!(wanted(&walk));
    walk.pass(seconds(600));
    walk.asked(Cause::Life, 1);
    assert!(!wanted(&walk), "the fourth: the middle of four to eight");
    walk.pass(seconds(4) + seconds(600));
    assert!(wanted(&walk));
    walk.pass(Duration::from_millis(1));
    walk.asked(Cause::Life, 1);
    assert!(wanted(&walk), "the first again");
}

#[test]
fn what_is_not_by_the_plan_is_told_from_what_is() {
    let extra = |walk: &Walk| {
        [Cause::Plan, Cause::Force, Cause::Life]
            .map(|cause| walk.state.begin(cause, walk.now).1.extra)
    };
    let mut walk = Walk::filled(RefreshPolicy::default());
    assert_eq!(extra(&walk), [false, true, true]);
    walk.reject();
    assert_eq!(extra(&walk), [true; 3]);
}

#[test]
fn an_attempt_that_began_before_the_rejection_brings_a_key_that_nobody_rejected_or_says_nothing() {
    let standing = |walk: &Walk| walk.state.held.as_ref().map(|held| held.standing);
    for same in [false, true] {
        let mut walk = Walk::filled(RefreshPolicy::default());
        walk.pass(seconds(3000));
        walk.begin();
        walk.reject();
        assert_eq!(standing(&walk), Some(Rejected));
        walk.land(|walk| {
            let other = walk.session(HOUR);
            Ok(if same { walk.held() } else { other })
        });
        assert_eq!(standing(&walk), Some(if same { Rejected } else { Good }));
    }
}

#[test]
fn the_same_document_answers_what_it_was_asked_for_and_not_what_became_urgent_meanwhile() {
    for (asked_at, taking, asks_again) in [(3000, 545, true), (3545, 0, false)] {
        let mut walk = Walk::filled(RefreshPolicy::default());
        walk.pass(seconds(asked_at));
        walk.begin();
        walk.pass(seconds(taking));
        walk.land(|walk| Ok(walk.held()));
        walk.pass(MIN_PAUSE_AFTER_ANSWER);
        let verdict = decide(&walk.state, &walk.policy, walk.now);
        assert_eq!(verdict.starts, asks_again, "asked at {asked_at}");
    }
}

#[test]
fn a_need_that_the_same_document_has_answered_is_the_same_one_afterwards() {
    let mut walk = Walk::filled(RefreshPolicy::default());
    walk.pass(seconds(3000));
    let first = walk.begin().unwrap();
    walk.land(|walk| Ok(walk.held()));
    walk.pass(seconds(200));
    let second = walk.begin().unwrap();
    assert_eq!(second.need.number, first.need.number);
}

#[test]
fn what_is_accepted_is_planned_for_as_after_its_fetch_unless_it_is_needed_for_another_reason() {
    let next = |walk: &Walk| walk.state.until_next(&walk.policy, walk.now).unwrap();
    let accept = |walk: &mut Walk| {
        let key_id = walk.held().access_key_id().to_owned();
        let accepted = walk
            .state
            .accepted(&key_id, &walk.policy, (walk.now, 0.5))
            .unwrap();
        walk.become_state(accepted);
        assert!(
            walk.state
                .accepted(&key_id, &walk.policy, (walk.now, 0.5))
                .is_none()
        );
    };
    let mut walk = Walk::suspected();
    assert_eq!(next(&walk), Duration::from_millis(1500));
    accept(&mut walk);
    let left = walk.state.left(walk.now).unwrap();
    assert_eq!(next(&walk), left - seconds(600));

    let mut walk = Walk::filled(RefreshPolicy::default());
    walk.reject();
    walk.begin();
    walk.land(|walk| Ok(walk.session(HOUR)));
    walk.pass(seconds(3545));
    walk.begin();
    walk.land(|_| Err(Error::recoverable("down")));
    let planned = next(&walk);
    walk.reject();
    accept(&mut walk);
    assert_eq!(next(&walk), planned);
}

#[test]
fn no_pause_that_is_not_of_a_failure_puts_off_what_a_rejection_wants() {
    for policy in [RefreshPolicy::default(), RefreshPolicy::aws_spec()] {
        let mut walk = Walk::filled(policy);
        walk.pass(seconds(2800));
        walk.begin();
        walk.land(|walk| Ok(walk.held()));
        walk.pass(seconds(2));
        walk.reject();
        assert!(walk.is_due());
    }
}

#[test]
fn a_failed_attempt_for_a_suspected_key_has_a_pause_of_its_own() {
    let half = Duration::from_millis(500);
    let mut walk = Walk::suspected();
    walk.pass(half);
    walk.begin_by(Cause::Force);
    walk.land(|_| Err(Error::recoverable("down")));
    walk.pass(half);
    assert!(!walk.is_due());
    // That of the third rejection would last for 1.5 s.
    walk.pass(Duration::from_millis(300));
    assert!(walk.is_due());
}

#[test]
fn ten_minutes_limit_neither_the_rules_of_aws_nor_sessions_that_need_more() {
    let starts = |walk: &Walk| decide(&walk.state, &walk.policy, walk.now).starts;
    let used_up = |policy: RefreshPolicy, lifetime| {
        let mut walk = Walk::filled(policy);
        walk.pass(seconds(2));
        walk.asked(Cause::Force, MAX_ATTEMPTS_IN_PERIOD);
        // Else one that ends sooner would not be taken.
        walk.reject();
        walk.begin_by(Cause::Force);
        walk.land(|walk| Ok(walk.session(lifetime)));
        walk.pass(lifetime - seconds(2));
        walk
    };
    assert!(!starts(&used_up(RefreshPolicy::default(), seconds(120))));
    assert!(starts(&used_up(RefreshPolicy::aws_spec(), seconds(120))));
    assert!(starts(&used_up(RefreshPolicy::default(), seconds(30))));
}

#[test]
fn a_need_that_was_seen_while_the_clock_was_ahead_is_another_when_it_comes() {
    let mut walk = Walk::filled(RefreshPolicy::default());
    let right = walk.now;
    walk.now.wall += seconds(3000);
    let first = walk.begin().unwrap();
    walk.land(|_| Err(Error::recoverable("down")));
    walk.now = right;
    walk.pass(seconds(3000));
    let second = walk.begin().unwrap();
    assert_ne!(second.need.number, first.need.number);
}
