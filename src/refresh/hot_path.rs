//! The hot path: all that a call does while there is nothing to start or to wait for.
//!
//! One atomic load, a reading of both clocks, two comparisons, and a reference count: no lock, no
//! allocation, nothing to await. What the readings are compared with was worked out when the state
//! last changed.

use super::cache::{CredentialCache, Shared};
use super::clock::Now;
use super::decide::{answer, decide};
use super::policy::{OVERDUE, RefreshPolicy, Rules};
use super::state::{Held, State};
use super::window::Stage;
use crate::source::CredentialSource;
use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::identity::Identity;
use std::sync::Arc;
use std::time::Duration;

impl<F: CredentialSource> CredentialCache<F> {
    /// What [`credentials`](Self::credentials) would return at once, if it is valid: no I/O, no waiting,
    /// no lock, no allocation.
    ///
    /// `None` when nothing has been fetched yet, when the credentials held have expired, and when a
    /// refresh comes first because they are about to expire or a service rejected them.
    ///
    /// The one call that finds a refresh due and nobody at it, as in
    /// [`RefreshMode::OnDemand`](super::RefreshMode::OnDemand), starts it on a task, which allocates.
    #[must_use]
    pub fn current(&self) -> Option<Arc<Credentials>> {
        self.0.at_once(|held| Arc::clone(&held.credentials))
    }

    /// The same as an SDK identity, built once per fetch; its clone allocates once at most.
    #[must_use]
    pub fn current_identity(&self) -> Option<Identity> {
        self.0.at_once(|held| held.identity.clone())
    }
}

impl<F: CredentialSource> Shared<F> {
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
        if verdict.starts {
            // A refresh is wanted that nobody has started. Without a runtime nobody can.
            let _ = self.start(Self::is_wanted_by_a_call);
        }
        answer(state, &self.policy, now).is_ok()
    }
}

/// Until when every call is answered at once, with nothing to decide.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum AtOnce {
    /// Each call has to be decided.
    #[default]
    Never,
    /// Until one of the clocks gets there.
    Until(Now),
    /// For as long as nothing changes.
    Always,
}

impl AtOnce {
    #[inline]
    fn lasts(self, now: Now) -> bool {
        match self {
            AtOnce::Until(end) => now.wall < end.wall && now.mono < end.mono,
            AtOnce::Always => true,
            AtOnce::Never => false,
        }
    }

    /// What follows from a state, for as long as it is not replaced by another.
    pub(super) fn of(state: &State, policy: &RefreshPolicy) -> Self {
        let Some(held) = state.held.as_ref().filter(|held| !held.invalidated) else {
            return AtOnce::Never;
        };
        if policy.rules == Rules::AwsSpec && state.failure.is_some() {
            // It may have to be raised, valid credentials or not.
            return AtOnce::Never;
        }
        if held.life.expiry.is_none() {
            return AtOnce::Always;
        }
        let fresh = held.life.end_before(held.life.advisory);
        let mandatory = held.life.end_before(held.life.mandatory);
        let attended = mandatory
            .zip(attended_until(state, policy))
            .map(|(mandatory, attended)| mandatory.earlier(attended));
        match (fresh, attended) {
            (Some(fresh), Some(attended)) if fresh.earlier(attended) == fresh => {
                AtOnce::Until(attended)
            }
            (Some(fresh), _) => AtOnce::Until(fresh),
            (None, _) => AtOnce::Never,
        }
    }
}

/// Until when a call in the advisory window has nothing to start: a fetch is under way, one is planned
/// that the timer starts, or one is planned that is not due yet.
fn attended_until(state: &State, policy: &RefreshPolicy) -> Option<Now> {
    if let Some(attempt) = state.attempt {
        return Some(Now {
            // Its age counts on the monotonic clock alone.
            wall: state.held.as_ref()?.life.expiry?,
            mono: attempt.asks_at.checked_add(policy.gone_after())?,
        });
    }
    let grace = if policy.has_timer() {
        OVERDUE
    } else {
        Duration::ZERO
    };
    state.next?.later_by(grace)
}

#[cfg(test)]
mod tests {
    use super::super::decide::Verdict;
    use super::super::policy::RefreshMode;
    use super::super::state::{Attempt, Outcome};
    use super::*;
    use crate::error::Error;
    use proptest::prelude::*;
    use std::time::SystemTime;
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

        fn become_state(&mut self, mut next: State) {
            next.at_once = AtOnce::of(&next, &self.policy);
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
            let under_way = self.state.attempt(&self.policy, self.now);
            under_way.is_none().then(|| {
                let (next, attempt) = self.state.begin(self.now);
                self.become_state(next);
                attempt
            })
        }

        fn land(&mut self, answer: impl FnOnce(&mut Self) -> Result<Credentials, Error>) {
            let outcome = match answer(self) {
                Ok(fetched) => Outcome::Fetched(fetched),
                Err(error) => Outcome::Failed(error),
            };
            self.end(&outcome);
        }

        fn end(&mut self, outcome: &Outcome) {
            if let Some(attempt) = self.state.attempt {
                let (policy, now) = (&self.policy, self.now);
                let (next, _) = self.state.land(attempt, outcome, policy, now, 0.5, None);
                if let Some(next) = next {
                    self.become_state(next);
                }
            }
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
    fn during_a_fetch_until_it_counts_as_gone_or_the_mandatory_window_opens() {
        let mut walk = Walk::filled(RefreshPolicy::default());
        walk.pass(seconds(3000));
        walk.begin();
        assert_eq!(walk.lasts(), seconds(35));
        let mut walk = Walk::filled(RefreshPolicy::default());
        walk.pass(seconds(3520));
        walk.begin();
        assert_eq!(walk.lasts(), seconds(20));
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
                    Step::Reject => {
                        if let Some(held) = walk.state.held.clone() {
                            let key_id = held.credentials.access_key_id();
                            let (next, _) = walk.state.invalidate(key_id, &walk.policy, walk.now);
                            if let Some(next) = next {
                                walk.become_state(next);
                            }
                        }
                    }
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
                    } else if walk.policy.rules == Rules::Ours {
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
