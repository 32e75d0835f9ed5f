//! The hot path: all that a call does while there is nothing to begin or to wait for.
//!
//! One atomic load, a reading of both clocks, two comparisons, and a reference count: no lock, no
//! allocation, nothing to await. What the readings are compared with was worked out when the state
//! last changed.

use super::clock::Now;
use super::decide::{answer, decide};
use super::held::Held;
use super::shared::Shared;
use super::state::State;
use super::window::Stage;
use crate::source::CredentialSource;
use std::sync::Arc;

impl<F: CredentialSource> Shared<F> {
    /// A part of what is held, where it is served at once and valid.
    #[inline]
    pub(super) fn at_once<T>(self: &Arc<Self>, part: impl FnOnce(&Held) -> T) -> Option<T> {
        let state = self.state.load();
        let now = self.clock.now();
        let held = state.held.as_ref()?;
        (state.at_once.lasts(now) || self.serves_after_all(&state, now)).then(|| part(held))
    }

    /// Where the comparison leaves it open: whether what is held is served at once, and is valid.
    #[cold]
    fn serves_after_all(self: &Arc<Self>, state: &State, now: Now) -> bool {
        let verdict = decide(state, &self.policy, now);
        if verdict.waits || state.stage(now) >= Stage::Expired {
            return false;
        }
        if self.policy.idle_after.is_some() {
            self.note_asked();
        }
        if verdict.starts {
            // A refresh is wanted that nobody has begun. Without a runtime nobody can.
            let _ = self.begin_by_call(false);
        }
        answer(state, &self.policy, now).is_ok()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::at_once::AtOnce;
    use super::super::attempt::{Attempt, Outcome};
    use super::super::decide::{Verdict, served_until};
    use super::super::policy::{
        FORCED_ATTEMPTS_IN_TROUBLE, MAX_ATTEMPTS_IN_PERIOD, MIN_PAUSE_AFTER_ANSWER, RefreshMode,
        RefreshPolicy, Rules,
    };
    use super::super::state::{At, Cause};
    use super::*;
    use crate::error::{Error, Result};
    use aws_credential_types::Credentials;
    use proptest::prelude::*;
    use std::time::{Duration, SystemTime};
    use tokio::time::Instant;

    const HOUR: Duration = Duration::from_secs(3600);

    /// A state in the making, and both clocks.
    struct Walk {
        state: State,
        policy: RefreshPolicy,
        now: Now,
        fetched: u32,
    }

    impl Walk {
        fn starting(policy: RefreshPolicy) -> Self {
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
        fn filled(policy: RefreshPolicy) -> Self {
            let mut walk = Walk::starting(policy);
            walk.begin();
            walk.land(|walk| Ok(walk.session(HOUR)));
            walk
        }

        /// As after three rejections in a row.
        fn suspected() -> Self {
            use super::super::held::Standing::Suspected;
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

        fn become_state(&mut self, mut next: State) {
            next.at_once = served_until(&next, &self.policy);
            self.state = next;
        }

        fn pass(&mut self, time: Duration) {
            self.now = later(self.now, time);
        }

        fn session(&mut self, lifetime: Duration) -> Credentials {
            self.fetched += 1;
            let key_id = format!("KEY-{}", self.fetched);
            Credentials::new(key_id, "s", None, Some(self.now.wall + lifetime), "test")
        }

        fn begin(&mut self) -> Option<Attempt> {
            self.begin_by(Cause::Plan)
        }

        fn begin_by(&mut self, cause: Cause) -> Option<Attempt> {
            let under_way = self.state.attempt.is_some();
            (!under_way).then(|| {
                let (next, attempt) = self.state.begin(cause, (self.now, 0.5));
                self.become_state(next);
                if let Some((next, _)) = self.state.run(attempt.number, self.now) {
                    self.become_state(next);
                }
                attempt
            })
        }

        fn land(&mut self, answer: impl FnOnce(&mut Self) -> Result<Credentials>) {
            let outcome = match answer(self) {
                Ok(fetched) => Outcome::Fetched(fetched),
                Err(error) => Outcome::Failed(error),
            };
            self.end(&outcome);
        }

        fn end(&mut self, outcome: &Outcome) {
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

        fn held(&self) -> Credentials {
            Credentials::clone(&self.state.held.as_ref().unwrap().credentials)
        }

        fn reject(&mut self) {
            if let Some(held) = self.state.held.clone() {
                let key_id = held.credentials.access_key_id();
                let (next, _) = self.state.invalidate(key_id, &self.policy, (self.now, 0.5));
                if let Some(next) = next {
                    self.become_state(next);
                }
            }
        }

        /// Answered at once with an hour, one every two seconds.
        fn asked(&mut self, cause: Cause, times: usize) {
            for _ in 0..times {
                self.begin_by(cause);
                self.land(|walk| Ok(walk.session(HOUR)));
                self.pass(seconds(2));
            }
        }

        /// A service rejected what is held, and calls have to look for another.
        fn is_disputed(&self) -> bool {
            use super::super::held::Standing::{Returned, Suspected};
            let standing = self.state.held.as_ref().map(|held| held.standing);
            standing == Some(Suspected) || standing == Some(Returned) && !self.policy.has_timer()
        }

        /// How long from now calls are served with nothing to decide, to the millisecond.
        fn lasts(&self) -> Duration {
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

    fn later(now: Now, by: Duration) -> Now {
        Now {
            wall: now.wall + by,
            mono: now.mono + by,
        }
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_timer_is_given_five_seconds_before_calls_look_closer() {
        // The draw: the middle of [E − 900 s, E − 300 s].
        assert_eq!(
            Walk::filled(RefreshPolicy::default()).lasts(),
            seconds(3005)
        );
    }

    #[test]
    fn without_a_timer_calls_look_closer_when_the_refresh_is_due() {
        let on_demand = RefreshPolicy::default().mode(RefreshMode::OnDemand);
        assert_eq!(Walk::filled(on_demand).lasts(), seconds(3000));
        assert_eq!(
            Walk::filled(RefreshPolicy::aws_spec()).lasts(),
            seconds(2700)
        );
    }

    #[test]
    fn during_a_fetch_until_it_is_overdue_or_the_mandatory_window_opens() {
        let mut walk = Walk::filled(RefreshPolicy::default());
        walk.pass(seconds(3000));
        walk.begin();
        assert_eq!(walk.lasts(), seconds(5));
        let mut walk = Walk::filled(RefreshPolicy::default());
        walk.pass(seconds(3537));
        walk.begin();
        assert_eq!(walk.lasts(), seconds(3));
    }

    #[test]
    fn after_a_failure_until_the_next_attempt_is_overdue_or_the_mandatory_window_opens() {
        let mut walk = Walk::filled(RefreshPolicy::default());
        walk.pass(seconds(3000));
        walk.begin();
        walk.land(|_| Err(Error::recoverable("down")));
        // Three quarters of a second, and the timer's five.
        assert_eq!(walk.lasts(), Duration::from_millis(5750));
        walk.pass(seconds(538));
        walk.begin();
        walk.land(|_| Err(Error::terminal("not allowed")));
        assert_eq!(walk.lasts(), seconds(2));
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
                .map(|cause| walk.state.begin(cause, (walk.now, 0.5)).1.extra)
        };
        let mut walk = Walk::filled(RefreshPolicy::default());
        assert_eq!(extra(&walk), [false, true, true]);
        walk.reject();
        assert_eq!(extra(&walk), [true; 3]);
    }

    #[test]
    fn an_attempt_that_began_before_the_rejection_brings_a_key_that_nobody_rejected_or_says_nothing()
     {
        use super::super::held::Standing::{Good, Rejected};
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
    fn a_failed_attempt_for_a_suspected_key_has_a_pause_of_its_own() {
        let half = Duration::from_millis(500);
        let mut walk = Walk::suspected();
        walk.pass(half);
        walk.begin_by(Cause::Force);
        walk.land(|_| Err(Error::recoverable("down")));
        let is_due = |walk: &Walk| {
            let need = walk.state.need(walk.now).unwrap();
            walk.state.is_due(need, &walk.policy, walk.now)
        };
        walk.pass(half);
        assert!(!is_due(&walk));
        // That of the third rejection would last for 1.5 s.
        walk.pass(Duration::from_millis(300));
        assert!(is_due(&walk));
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
    fn either_clock_ends_it() {
        let walk = Walk::filled(RefreshPolicy::default());
        let ahead = later(walk.now, seconds(3006));
        let (wall, mono) = (walk.now.wall, walk.now.mono);
        assert!(!walk.state.at_once.lasts(Now { mono, ..ahead }));
        assert!(!walk.state.at_once.lasts(Now { wall, ..ahead }));
    }

    #[test]
    fn an_attempt_whose_task_is_gone_is_given_as_long_as_a_timer_that_is_late() {
        let on_demand = RefreshPolicy::default().mode(RefreshMode::OnDemand);
        let decided = |walk: &Walk| decide(&walk.state, &walk.policy, walk.now);
        let begins = Verdict {
            starts: true,
            waits: false,
        };
        let mut walk = Walk::filled(on_demand);
        walk.pass(seconds(3000));
        let attempt = walk.begin().unwrap();
        walk.pass(seconds(4));
        assert!(attempt.pulse.is_gone(walk.now.mono));
        assert_eq!(decided(&walk), Verdict::SERVE);
        walk.pass(seconds(1));
        assert_eq!(decided(&walk), Verdict::SERVE);
        walk.pass(Duration::from_millis(1));
        assert_eq!(decided(&walk), begins);
        // One that shows a pulse is left alone however long it takes.
        assert!(attempt.pulse.enter());
        attempt.pulse.leave(walk.now.mono);
        assert_eq!(decided(&walk), Verdict::SERVE);
    }

    #[test]
    fn an_idle_cache_is_looked_at_by_the_next_call_where_a_timer_is_to_hear_of_it() {
        let idle = RefreshPolicy::default().idle_after(seconds(600));
        let mut walk = Walk::filled(idle);
        assert_eq!(walk.lasts(), seconds(2400));
        walk.pass(seconds(2500));
        let asked = walk.state.asked_for(&walk.policy, walk.now).unwrap();
        walk.become_state(asked);
        assert_eq!(walk.lasts(), seconds(505));
        // Without one, nobody hears of it.
        let on_demand = idle.mode(RefreshMode::OnDemand);
        assert_eq!(Walk::filled(on_demand).lasts(), seconds(3000));
    }

    #[test]
    fn expired_ones_that_are_not_served_are_waited_for_while_an_attempt_goes_on() {
        use super::super::decide::Unanswered;
        let policy = RefreshPolicy::default().serve_expired(false);
        let answered = |walk: &Walk| answer(&walk.state, &walk.policy, walk.now);
        let mut walk = Walk::starting(policy);
        assert!(matches!(answered(&walk), Err(Unanswered::StillWaiting)));
        walk.begin();
        walk.land(|walk| Ok(walk.session(HOUR)));
        walk.pass(seconds(3601));
        assert!(matches!(answered(&walk), Err(Unanswered::Because(_))));
        walk.begin();
        assert!(matches!(answered(&walk), Err(Unanswered::StillWaiting)));
    }

    #[test]
    fn without_an_expiry_for_ever() {
        let mut walk = Walk::starting(RefreshPolicy::default());
        walk.begin();
        walk.land(|_| Ok(Credentials::new("KEY-1", "s", None, None, "test")));
        assert_eq!(walk.state.at_once, AtOnce::Always);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Pass(u32),
        WallJumps(i32),
        Begin,
        Lives(u32),
        SameAgain,
        NeverExpires,
        Fails,
        Throttles,
        Refuses,
        Abandoned,
        Reject,
    }

    fn steps() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0..2_000_000_u32).prop_map(Step::Pass),
            1 => (-5_000_000..5_000_000_i32).prop_map(Step::WallJumps),
            6 => Just(Step::Begin),
            4 => (0..8_000_u32).prop_map(Step::Lives),
            1 => Just(Step::SameAgain),
            1 => Just(Step::NeverExpires),
            2 => Just(Step::Fails),
            1 => Just(Step::Throttles),
            1 => Just(Step::Refuses),
            1 => Just(Step::Abandoned),
            1 => Just(Step::Reject),
        ]
    }

    fn policies() -> impl Strategy<Value = RefreshPolicy> {
        prop_oneof![
            2 => Just(RefreshPolicy::default()),
            2 => Just(RefreshPolicy::default().mode(RefreshMode::OnDemand)),
            1 => Just(RefreshPolicy::aws_spec()),
        ]
    }

    proptest! {
        /// The shortcut never says more than the decision that it saves.
        #[test]
        fn what_it_says_is_what_would_be_decided(
            policy in policies(),
            steps in prop::collection::vec(steps(), 1..24),
            probes in prop::collection::vec((-4_000_000..4_000_000_i64, 0..4_000_000_u64), 12),
        ) {
            let mut walk = Walk::starting(policy);
            for step in steps {
                match step {
                    Step::Pass(millis) => walk.pass(Duration::from_millis(millis.into())),
                    Step::WallJumps(millis) => walk.now.wall = shifted(walk.now.wall, millis.into()),
                    Step::Begin => {
                        walk.begin();
                    }
                    Step::Lives(lives) => walk.land(|walk| Ok(walk.session(seconds(lives.into())))),
                    Step::SameAgain => {
                        if let Some(held) = walk.state.held.clone() {
                            walk.land(|_| Ok((*held.credentials).clone()));
                        }
                    }
                    Step::NeverExpires => {
                        walk.land(|_| Ok(Credentials::new("FOR-EVER", "s", None, None, "test")));
                    }
                    Step::Fails => walk.land(|_| Err(Error::recoverable("down"))),
                    Step::Throttles => walk.land(|_| Err(Error::throttled("slow down"))),
                    Step::Refuses => walk.land(|_| Err(Error::terminal("not allowed"))),
                    Step::Abandoned => walk.end(&Outcome::Abandoned),
                    Step::Reject => walk.reject(),
                }
                for (wall, mono) in &probes {
                    let at = Now {
                        wall: shifted(walk.now.wall, *wall),
                        mono: walk.now.mono + Duration::from_millis(*mono),
                    };
                    if walk.state.at_once.lasts(at) {
                        prop_assert_eq!(decide(&walk.state, &walk.policy, at), Verdict::SERVE);
                        prop_assert!(answer(&walk.state, &walk.policy, at).is_ok());
                        prop_assert!(walk.state.stage(at) < Stage::Mandatory);
                    } else if walk.policy.rules == Rules::Ours && !walk.is_disputed() {
                        prop_assert_ne!(walk.state.stage(at), Stage::Fresh);
                    }
                }
            }
        }
    }

    fn shifted(wall: SystemTime, millis: i64) -> SystemTime {
        let by = Duration::from_millis(millis.unsigned_abs());
        if millis < 0 { wall - by } else { wall + by }
    }
}
