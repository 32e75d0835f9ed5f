//! The hot path: all that a call does while there is nothing to begin or to wait for.
//!
//! One atomic load, a reading of both clocks, two comparisons, and a reference count: no lock, no
//! allocation, nothing to await. What the readings are compared with was worked out when the state
//! last changed.

use super::decide::{answer, decide};
use super::held::Held;
use super::shared::Shared;
use super::state::State;
use super::window::Stage;
use crate::source::CredentialSource;
use std::sync::Arc;

impl<F: CredentialSource> Shared<F> {
    /// A part of what is held, where it is served at once and valid.
    #[inline(always)] // as is what calls it: what is served is else moved with each function between
    pub(super) fn at_once<T>(self: &Arc<Self>, part: impl FnOnce(&Held) -> T) -> Option<T> {
        let state = self.state.load();
        let now = self.clock.now();
        let held = state.held.as_ref()?;
        (state.at_once.lasts(now) || self.serves_after_all(&state)).then(|| part(held))
    }

    /// Where the comparison leaves it open: whether what is held is served at once, and is valid.
    #[cold]
    fn serves_after_all(self: &Arc<Self>, state: &State) -> bool {
        // Not handed over: each call would put it on the stack for this one.
        let now = self.clock.now();
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
    use super::super::attempt::Outcome;
    use super::super::clock::Now;
    use super::super::decide::Verdict;
    use super::super::policy::{RefreshMode, RefreshPolicy, Rules};
    use super::super::walk::{HOUR, Walk, later, seconds};
    use super::*;
    use crate::error::Error;
    use aws_credential_types::Credentials;
    use proptest::prelude::*;
    use std::time::{Duration, SystemTime};

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
