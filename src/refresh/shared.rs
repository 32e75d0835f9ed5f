//! What all handles of a cache share: the state in its cell, and the shell that begins, waits, lands and
//! tells.

use super::attempt::{Attempt, Outcome};
use super::cell::Cell;
use super::clock::{Clock, Jitter, Now};
use super::decide::{Tick, Unanswered, answer, decide, served_until, tick, until_tick};
use super::held::Held;
use super::log::{Warned, log_landing, warn_of_answer, warn_of_rejection};
use super::metrics::{Ended, Metrics};
use super::need::Need;
use super::news::News;
use super::policy::{MIN_ATTEMPT_SPACING, OVERDUE, RUNNING_WITHIN, RefreshPolicy};
use super::rejection::Rejection;
use super::remembered::Remembered;
use super::state::{At, Cause, State};
use super::status::{Status, Tally};
use super::task::{Booking, Reports, about, after_failure, run, told};
use super::timer::{Ticks, keep_fresh};
use super::timetable::{Due, Membership, Timetable};
use super::window::Stage;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::source::CredentialSource;
use arc_swap::ArcSwap;
use aws_credential_types::Credentials;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout_at};

/// A call begins the attempt again when its own runtime dropped it, this often at most: a runtime that is
/// shutting down drops what it is given at once.
const MAX_DROPPED: usize = 3;

pub(super) struct Shared<F> {
    pub(super) source: Arc<F>,
    pub(super) policy: RefreshPolicy,
    pub(super) clock: Clock,
    pub(super) jitter: Jitter,
    /// Where attempts and timer run, unless where the call is made.
    pub(super) runtime: Option<Handle>,
    pub(super) state: ArcSwap<State>,
    /// For callers that wait, for attempts and for the timer. Its end, with the last handle, is told too.
    ///
    /// No wake-up is lost: the state is changed first and told of after it, and who waits asks for the next news
    /// first and looks after it.
    pub(super) news: News,
    /// Where subscribers hear of each change; none while there are none. Under the lock what two threads send
    /// comes in the order of the states, and who subscribes meanwhile misses nothing.
    subscribers: Mutex<Option<watch::Sender<Status>>>,
    /// The number of the timer whose turn it is, 0 for none; a timer that sees another's ends.
    timer: AtomicU64,
    timers: AtomicU64,
    /// When the timer looks again at the latest, in ms since `born`.
    timer_looks: AtomicU64,
    /// The timetable of many caches that stands in for a timer of its own.
    membership: Option<Membership>,
    born: Instant,
    /// When a call last had to look past the hot path, in ms since `born`, plus one; 0 for never.
    last_call: AtomicU64,
    pub(super) remembered: Remembered,
    waits: AtomicU64,
    served_expired: AtomicU64,
    warned: Warned,
    metrics: Metrics,
}

/// One call that may wait, over all attempts that it waits for.
pub(super) struct Call {
    /// No call waits longer than this.
    deadline: Instant,
    waited: bool,
    /// Attempts of its own that its runtime dropped.
    dropped: usize,
}

/// How a wait for an attempt ended.
enum Waited {
    /// With an outcome, by which this need is judged or not.
    Landed {
        judged: bool,
    },
    TooLong,
    /// Its task is gone: no answer yet, so look again.
    Gone,
}

/// What was found not to be driven when an attempt was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StoodStill {
    /// The attempt before it.
    Attempt,
    /// The timer, which has not looked when it should have.
    Timer,
}

/// An attempt that a call has begun or joined.
struct Joined {
    attempt: Attempt,
    own: bool,
}

impl<F: CredentialSource> Shared<F> {
    pub(super) fn new(
        source: Arc<F>,
        policy: RefreshPolicy,
        (clock, jitter): (Clock, Jitter),
        runtime: Option<Handle>,
    ) -> Self {
        Shared {
            source,
            policy,
            clock,
            jitter,
            runtime,
            state: ArcSwap::from_pointee(State::default()),
            news: News::default(),
            subscribers: Mutex::default(),
            timer: AtomicU64::new(0),
            timers: AtomicU64::new(0),
            timer_looks: AtomicU64::new(0),
            membership: None,
            born: Instant::now(),
            last_call: AtomicU64::new(0),
            remembered: Remembered::default(),
            waits: AtomicU64::new(0),
            served_expired: AtomicU64::new(0),
            warned: Warned::default(),
            metrics: Metrics::default(),
        }
    }

    /// Woken by this timetable instead of by a timer of its own, and measured by the meter of all that are.
    #[cfg_attr(not(feature = "pool"), allow(dead_code))]
    pub(super) fn on_timetable(mut self, timetable: &Arc<Timetable>) -> Arc<Self> {
        self.metrics = Metrics::by(timetable.meter());
        Arc::new_cyclic(|shared: &Weak<Self>| {
            self.membership = Some(timetable.join(Weak::<Self>::clone(shared)));
            self
        })
    }

    /// Tells the timetable, if there is one, when to come again, not sooner than after `least`.
    fn plan(&self, least: Duration) {
        if let Some(membership) = self.membership.as_ref().filter(|_| self.policy.has_timer()) {
            membership.plan(|| {
                let nap = until_tick(&self.state.load(), &self.policy, self.clock.now())?;
                Some(nap.max(least))
            });
        }
    }

    fn load(&self) -> Arc<State> {
        self.state.load_full()
    }

    /// Replaces the state by what `change` makes of it, ready for the hot path.
    fn change<R>(
        &self,
        mut change: impl FnMut(&State) -> (Option<State>, R),
    ) -> (Option<Arc<State>>, R) {
        self.state.update(|state| {
            let (mut next, said) = change(state);
            if let Some(next) = &mut next {
                next.at_once = served_until(next, &self.policy);
            }
            (next, said)
        })
    }

    fn call(&self) -> Call {
        Call {
            deadline: Instant::now() + self.policy.longest_wait(),
            waited: false,
            dropped: 0,
        }
    }

    /// The slow path: begins, joins and waits as the need asks for, then answers.
    pub(super) async fn settle(self: &Arc<Self>) -> Result<Arc<Credentials>> {
        self.policy.validate()?;
        self.note_call();
        self.note_asked();
        let mut call = self.call();
        loop {
            let now = self.clock.now();
            let state = self.load();
            let verdict = decide(&state, &self.policy, now);
            let joined = if verdict.starts {
                self.begin(Cause::Plan, call.dropped > 0, Self::is_wanted_by_a_call)
            } else {
                Ok(state.attempt(now).cloned().map(Joined::another))
            };
            let waited = match joined {
                Ok(Some(joined)) if verdict.waits => {
                    self.wait(&joined, state.need(now), &mut call).await
                }
                // What it would have joined has been taken over meanwhile: by another state, another verdict.
                Ok(None) if verdict.waits && !verdict.starts => {
                    yield_now().await;
                    Ok(Waited::Gone)
                }
                Ok(_) => return self.reply(),
                Err(error) => Err(error),
            };
            match waited {
                Ok(Waited::Gone | Waited::Landed { judged: false }) => {}
                Ok(Waited::Landed { judged: true }) => return self.reply(),
                Ok(Waited::TooLong) => return self.reply_in_vain(),
                Err(error) => return self.reply().map_err(|_| error),
            }
        }
    }

    /// What the next attempt brings, which is begun now whatever pause is in force, or joined.
    pub(super) async fn forced(self: &Arc<Self>) -> Result<Arc<Credentials>> {
        self.policy.validate()?;
        self.note_asked();
        let by_force = |_: &Self, state: &State, now| state.is_wanted_by_force(now);
        let mut call = self.call();
        loop {
            let joined = self.begin(Cause::Force, call.dropped > 0, by_force)?;
            let Some(joined) = joined else {
                return self.last_answer(|held| Arc::clone(&held.credentials));
            };
            match self.wait(&joined, None, &mut call).await? {
                Waited::Landed { .. } => {
                    return self.last_answer(|held| Arc::clone(&held.credentials));
                }
                Waited::TooLong => return Err(self.still_waiting(&self.load())),
                Waited::Gone => {}
            }
        }
    }

    /// Credentials that live for `min`: those held, or those of one attempt more.
    pub(super) async fn valid_for(self: &Arc<Self>, min: Duration) -> Result<Arc<Credentials>> {
        if let Some(credentials) = self.lives_for(min) {
            self.note_asked();
            return Ok(credentials);
        }
        self.policy.validate()?;
        self.note_call();
        self.note_asked();
        let for_life =
            |shared: &Self, state: &State, now| state.is_wanted_for_life(min, &shared.policy, now);
        let mut call = self.call();
        loop {
            let joined = self.begin(Cause::Life, call.dropped > 0, for_life)?;
            let Some(joined) = joined else { break };
            match self.wait(&joined, None, &mut call).await? {
                Waited::Landed { .. } => {
                    // What it lived when it came decides. Credentials and life of one answer: another
                    // may take its place between two looks.
                    let now = self.clock.now();
                    let (fetched, life) = self.last_answer(|held| {
                        // one that ends sooner than what is held was not taken
                        let life = if held.life.since >= joined.attempt.booked {
                            held.life.confirmed_for
                        } else {
                            held.life.remaining(now)
                        };
                        (Arc::clone(&held.credentials), life)
                    })?;
                    if life >= min {
                        return Ok(fetched);
                    }
                    return Err(self.too_short(min, life));
                }
                Waited::TooLong => return Err(self.still_waiting(&self.load())),
                Waited::Gone => {}
            }
        }
        if let Some(credentials) = self.lives_for(min) {
            return Ok(credentials);
        }
        let longest = self.load().longest_life();
        if longest < min {
            return Err(self.too_short(min, longest));
        }
        let left = self.last_answer(|held| held.life.remaining(self.clock.now()))?;
        Err(self.not_yet(min, left))
    }

    /// What is held, if it lives that long; a refresh that is due is begun beside it.
    fn lives_for(self: &Arc<Self>, min: Duration) -> Option<Arc<Credentials>> {
        let now = self.clock.now();
        let state = self.load();
        state.left(now).filter(|left| *left >= min)?;
        if decide(&state, &self.policy, now).starts {
            // Without a runtime it is begun by a call that has one.
            let _ = self.begin_by_call(false);
        }
        answer(&state, &self.policy, now).ok()
    }

    /// What the last attempt brought, be it an error.
    fn last_answer<T>(&self, part: impl Fn(&Held) -> T) -> Result<T> {
        let state = self.load();
        match (&state.failure, &state.held) {
            (Some(failure), _) => Err(failure.error.clone()),
            (None, Some(held)) => Ok(part(held)),
            (None, None) => Err(self.still_waiting(&state)),
        }
    }

    /// The answer that the state calls for now.
    fn reply(&self) -> Result<Arc<Credentials>> {
        let state = self.state.load();
        self.reply_by(&state)
            .map_err(|unanswered| match unanswered {
                Unanswered::Because(error) => error,
                Unanswered::StillWaiting => self.still_waiting(&state),
            })
    }

    /// The same after a wait for an attempt that goes on: an error of one before it says nothing of it.
    fn reply_in_vain(&self) -> Result<Arc<Credentials>> {
        let state = self.state.load();
        self.reply_by(&state)
            .map_err(|unanswered| match unanswered {
                Unanswered::Because(error) if state.attempt.is_none() => error,
                _ => self.still_waiting(&state),
            })
    }

    fn reply_by(&self, state: &State) -> Result<Arc<Credentials>, Unanswered> {
        let now = self.clock.now();
        let credentials = answer(state, &self.policy, now)?;
        if state.stage(now) == Stage::Expired {
            self.served_expired.fetch_add(1, Ordering::Relaxed);
        }
        Ok(credentials)
    }

    /// Waits until this attempt is over or its task is gone, as long as the call and the attempt allow.
    async fn wait(&self, joined: &Joined, need: Option<Need>, call: &mut Call) -> Result<Waited> {
        let attempt = &joined.attempt;
        let until = attempt.deadline(&self.policy).min(call.deadline);
        if until <= Instant::now() {
            return Ok(Waited::TooLong);
        }
        if Handle::try_current().is_err() {
            return Err(no_runtime());
        }
        if !call.waited {
            call.waited = true;
            self.waits.fetch_add(1, Ordering::Relaxed);
        }
        loop {
            // Asked for before the state is looked at: see `news`.
            let next = self.news.next();
            if self.load().attempt.as_deref() != Some(attempt) {
                break;
            }
            let now = Instant::now();
            if until <= now {
                return Ok(Waited::TooLong);
            }
            if attempt.pulse.is_gone(now) {
                // After a stall its own task comes first: it may be alive after all.
                yield_now().await;
                if attempt.pulse.is_gone(Instant::now()) {
                    return Ok(Waited::Gone);
                }
            }
            let look = until.min(now + attempt.pulse.until_look(now));
            // Late is not an error here: the state says what there is to serve.
            let _ = timeout_at(look, next).await;
        }
        if self.load().settled >= attempt.number {
            let judged = need.is_none_or(|need| attempt.need.number >= need.number);
            return Ok(Waited::Landed { judged });
        }
        if joined.own {
            call.dropped += 1;
            if call.dropped > MAX_DROPPED {
                return Err(dropped());
            }
        }
        Ok(Waited::Gone)
    }

    /// Begins an attempt or joins the one under way; `None` where none is wanted any more by the time that it
    /// would begin. One whose task is gone is taken over.
    ///
    /// Invariant: it is begun by the change of the state that finds none under way, and each change finds
    /// what the one before it left. So no two begin; and what is taken over is not polled any more.
    fn begin(
        self: &Arc<Self>,
        cause: Cause,
        here: bool,
        is_wanted: impl Fn(&Self, &State, Now) -> bool,
    ) -> Result<Option<Joined>> {
        let now = self.clock.now();
        let current = Handle::try_current().ok();
        let (begun, (attempt, stood_still)) = self.change(|state| {
            // One that shows a pulse is joined, be it that it shows it only now: its task may be polled between
            // any two looks.
            let alive = || state.attempt(now).cloned();
            if let Some(under_way) = alive() {
                return (None, (Some(under_way), None));
            }
            if !is_wanted(self, state, now) || (current.is_none() && self.runtime.is_none()) {
                return (None, (alive(), None));
            }
            let stood_still = match &state.attempt {
                Some(under_way) if !under_way.pulse.take(now.mono) => {
                    return (None, (Some(Attempt::clone(under_way)), None));
                }
                Some(_) => Some(StoodStill::Attempt),
                None => self.timer_is_late(now).then_some(StoodStill::Timer),
            };
            let (next, attempt) = state.begin(cause, now);
            (Some(next), (Some(attempt), stood_still))
        });
        // What was dropped, or is not driven, where attempts should run is begun where the call is made.
        let runtime = if here || stood_still == Some(StoodStill::Attempt) {
            current.or_else(|| self.runtime.clone())
        } else {
            self.runtime.clone().or(current)
        };
        let Some(runtime) = runtime else {
            return attempt.map_or_else(
                || Err(no_runtime()),
                |under_way| Ok(Some(Joined::another(under_way))),
            );
        };
        let Some(attempt) = attempt else {
            return Ok(None);
        };
        if begun.is_none() {
            return Ok(Some(Joined::another(attempt)));
        }
        let booking = Booking::new(self, &attempt);
        runtime.spawn(run(
            Arc::clone(&self.source),
            attempt.clone(),
            booking,
            self.policy.fetch_timeout,
            self.news.listener(),
        ));
        // A runtime that has ended drops what it is given at once: nobody who waits would see to that in time, as
        // nobody waits while credentials are valid.
        let elsewhere = !here && self.runtime.is_some() && Handle::try_current().is_ok();
        if elsewhere && self.has_come_to_nothing(&attempt) {
            return self.begin(cause, true, is_wanted);
        }
        self.run_timer(&runtime, stood_still.is_some() && self.runtime.is_none());
        Ok(Some(Joined { attempt, own: true }))
    }

    /// Whether this attempt is over without an outcome.
    fn has_come_to_nothing(&self, attempt: &Attempt) -> bool {
        let state = self.state.load();
        state.attempt.as_deref() != Some(attempt) && state.settled < attempt.number
    }

    /// Begins what a call wants that does not wait for it.
    pub(super) fn begin_by_call(self: &Arc<Self>, here: bool) -> Result<()> {
        self.begin(Cause::Plan, here, Self::is_wanted_by_a_call)
            .map(|_| ())
    }

    fn is_wanted_by_a_call(&self, state: &State, now: Now) -> bool {
        decide(state, &self.policy, now).starts
    }

    fn is_wanted_by_the_timer(&self, state: &State, now: Now) -> bool {
        tick(state, &self.policy, now) == Tick::Fetch
    }

    /// A service rejected this key.
    pub(super) fn invalidate(&self, rejected: &str) -> Rejection {
        let now = self.clock.now();
        let jitter = self.jitter.unit();
        let (changed, said) = self.change(|state| {
            let (next, said) = state.invalidate(rejected, &self.policy, (now, jitter));
            // Known already: a repeat is signed with another key only if it would wait for one. By the same state,
            // since in the next one that key may be there.
            let waits = || next.is_some() || decide(state, &self.policy, now).waits;
            let said = match said {
                Rejection::Invalidated if !waits() => Rejection::SameKeyAgain,
                said => said,
            };
            (next, said)
        });
        let Some(state) = changed else {
            return said;
        };
        let suspected = said == Rejection::Suspected;
        warn_of_rejection(self.source.name(), rejected, &state, suspected);
        self.metrics.rejected(self.source.name(), suspected);
        self.publish();
        said
    }

    /// A service accepted this key.
    pub(super) fn accepted(&self, key_id: &str) {
        let at = (self.clock.now(), self.jitter.unit());
        let accept = |state: &State| state.accepted(key_id, &self.policy, at);
        // Looked at first: it is told with many a request, and is news with few.
        if accept(&self.state.load()).is_some() {
            let (changed, ()) = self.change(|state| (accept(state), ()));
            if changed.is_some() {
                self.publish();
            }
        }
    }

    /// What is held, where nothing speaks against it but a service that rejected it.
    pub(super) fn disputed<T>(&self, part: impl FnOnce(&Held) -> T) -> Option<T> {
        let state = self.state.load();
        let held = state.held.as_ref()?;
        held.is_disputed(self.clock.now()).then(|| part(held))
    }

    fn publish(&self) {
        self.notify_subscribers();
        self.news.tell();
        self.plan(Duration::ZERO);
    }

    fn notify_subscribers(&self) {
        if self.subscribers().is_none() {
            return;
        }
        // Asked for without the lock: the source may have one of its own.
        let (subject, now) = (self.subject(), self.clock.now());
        if let Some(subscribers) = &*self.subscribers() {
            subscribers.send_modify(|status| *status = self.status_of(subject, now));
        }
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Status> {
        let (subject, now) = (self.subject(), self.clock.now());
        self.subscribers()
            .get_or_insert_with(|| watch::Sender::new(self.status_of(subject, now)))
            .subscribe()
    }

    /// Without those that have gone.
    fn subscribers(&self) -> MutexGuard<'_, Option<watch::Sender<Status>>> {
        let lock = self.subscribers.lock();
        let mut subscribers = lock.unwrap_or_else(PoisonError::into_inner);
        let _ = subscribers.take_if(|subscribers| subscribers.receiver_count() == 0);
        subscribers
    }

    pub(super) fn status(&self) -> Status {
        self.status_of(self.subject(), self.clock.now())
    }

    fn subject(&self) -> Option<String> {
        told(|| self.source.subject())
    }

    fn status_of(&self, subject: Option<String>, now: Now) -> Status {
        Status::of(
            &self.state.load(),
            &self.policy,
            now,
            subject,
            Tally {
                waits: self.waits.load(Ordering::Relaxed),
                served_expired: self.served_expired.load(Ordering::Relaxed),
            },
        )
    }

    /// A call came, for the timer that refreshes less often, or no more, what nobody asks for.
    pub(super) fn note_asked(&self) {
        let now = self.clock.now();
        if self.state.load().asked_for(&self.policy, now).is_some() {
            let (woken, ()) = self.change(|state| (state.asked_for(&self.policy, now), ()));
            if woken.is_some() {
                self.publish();
            }
        }
    }

    fn note_call(&self) {
        let millis = self.millis_at(Instant::now());
        self.last_call
            .store(millis.saturating_add(1), Ordering::Relaxed);
    }

    /// In ms since `born`.
    fn millis_at(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.born);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    /// Whether there is a timer that has not looked for so long that its runtime cannot be driven.
    fn timer_is_late(&self, now: Now) -> bool {
        let late = OVERDUE.as_secs() * 1000;
        let looks = self.timer_looks.load(Ordering::Relaxed);
        self.timer.load(Ordering::Relaxed) != 0
            && self.millis_at(now.mono) > looks.saturating_add(late)
    }

    fn last_call(&self) -> Option<Instant> {
        let noted = self.last_call.load(Ordering::Relaxed).checked_sub(1)?;
        self.born.checked_add(Duration::from_millis(noted))
    }

    /// Starts the timer, unless one runs or the policy has none. Where it has not looked in time, or an attempt had
    /// to be taken over, it may be where nothing is driven: another takes its place, unless its runtime was chosen,
    /// which goes on with it as soon as it is driven.
    fn run_timer(self: &Arc<Self>, runtime: &Handle, anew: bool) {
        if !self.policy.has_timer() {
            return;
        }
        if self.membership.is_some() {
            return self.plan(Duration::ZERO);
        }
        let number = self.timers.fetch_add(1, Ordering::Relaxed) + 1;
        let ours = if anew {
            self.timer.store(number, Ordering::Release);
            self.news.tell();
            true
        } else {
            let free = self
                .timer
                .compare_exchange(0, number, Ordering::AcqRel, Ordering::Relaxed);
            free.is_ok()
        };
        if ours {
            // It looks as soon as it runs.
            let now = self.millis_at(Instant::now());
            self.timer_looks.store(now, Ordering::Relaxed);
            runtime.spawn(keep_fresh(self, number, self.news.listener()));
        }
    }

    /// Nobody has been answered in time: what was waited for, where, and what it was doing last.
    fn still_waiting(&self, state: &State) -> Error {
        let waited = self.policy.wait_timeout;
        let message = match &state.attempt {
            None => format!("the source has not answered within {waited:?}"),
            Some(attempt) => {
                let age = attempt.age(Instant::now()).as_secs_f64();
                let step = attempt.progress.step();
                let doing = match (step, attempt.asked_at) {
                    (Some(step), _) => format!("was last seen {step}"),
                    (None, Some(_)) => "waits for the source".to_owned(),
                    (None, None) => "has not run yet".to_owned(),
                };
                let failed = after_failure(&attempt.progress);
                format!(
                    "the source has not answered within {waited:?}; attempt {} is {age:.1} s old and {doing}{failed}",
                    attempt.number
                )
            }
        };
        self.about_source(Error::new(ErrorKind::Timeout, Operation::FETCH, message)).hint(
            "the fetch goes on; the next call is served from it, or ask again with a longer `wait_timeout`",
        )
    }

    fn about_source(&self, error: Error) -> Error {
        about(&*self.source, error)
    }

    /// No answer of the source lived that long.
    fn too_short(&self, min: Duration, longest: Duration) -> Error {
        let message = format!(
            "asked for credentials that live for {} s, new ones live for {} s",
            min.as_secs(),
            longest.as_secs()
        );
        self.about_source(Error::new(ErrorKind::TooShort, Operation::FETCH, message))
            .naming("min")
            .needs_human()
            .hint("ask for less, or for a longer session where the source lets you choose")
    }

    /// A new answer would live that long, and it is too soon to ask for one again.
    fn not_yet(&self, min: Duration, left: Duration) -> Error {
        let message = format!(
            "asked for credentials that live for {} s, those held live for {} s, and it is too soon to ask for others",
            min.as_secs(),
            left.as_secs()
        );
        self.about_source(Error::new(ErrorKind::TooShort, Operation::FETCH, message))
            .naming("min")
            .hint("only a new session lives that long: ask for less, or for a longer session")
    }
}

impl Joined {
    fn another(attempt: Attempt) -> Self {
        Joined {
            attempt,
            own: false,
        }
    }
}

impl<F: CredentialSource> Reports for Shared<F> {
    fn runs(&self, number: u64) -> Option<Instant> {
        let now = self.clock.now();
        let (_, at) = self.change(|state| match state.run(number, now) {
            Some((next, at)) => (Some(next), Some(at)),
            None => (None, None),
        });
        at
    }

    /// Takes in what became of an attempt, and tells everybody.
    fn landed(&self, number: u64, outcome: Outcome) {
        let now = self.clock.now();
        let at = At {
            source: self.source.name(),
            policy: &self.policy,
            now,
            jitter: self.jitter.unit(),
            last_call: self.last_call(),
        };
        let (landed, (landing, elapsed, left)) = self.change(|state| {
            let (next, landing) = state.land(number, &outcome, at);
            let attempt = state.attempt.as_ref();
            let elapsed = attempt.map_or(Duration::ZERO, |attempt| attempt.age(now.mono));
            let held = state.held.as_ref();
            let left = held
                .filter(|held| held.life.expiry.is_some())
                .map(|held| held.life.remaining(now));
            (next, (landing, elapsed, left))
        });
        let Some(state) = landed else { return };
        let source = self.source.name();
        log_landing(
            (source, number, landing),
            &state,
            &self.policy,
            (now, elapsed),
        );
        warn_of_answer(source, landing, &state, &self.policy, &self.warned);
        self.metrics.ended(
            source,
            &Ended {
                landing,
                duration: elapsed,
                left,
                waits: self.waits.load(Ordering::Relaxed),
                served_expired: self.served_expired.load(Ordering::Relaxed),
            },
        );
        self.publish();
    }
}

impl<F: CredentialSource> Ticks for Shared<F> {
    fn tick(self: Arc<Self>, timer: u64) -> Option<Duration> {
        if self.timer.load(Ordering::Acquire) != timer {
            return None;
        }
        let looks = |nap| {
            let at = Instant::now().checked_add(nap);
            let at = at.map_or(u64::MAX, |at| self.millis_at(at));
            self.timer_looks.store(at, Ordering::Relaxed);
            Some(nap)
        };
        looks(Duration::ZERO);
        for _ in 0..2 {
            let now = self.clock.now();
            match tick(&self.state.load(), &self.policy, now) {
                Tick::Sleep(nap) => return looks(nap),
                Tick::Fetch => {
                    let _ = self.begin(Cause::Plan, false, Self::is_wanted_by_the_timer);
                }
            }
        }
        looks(RUNNING_WITHIN)
    }

    fn stopped(&self, timer: u64) {
        // Only if no other has taken its turn.
        let _ = self
            .timer
            .compare_exchange(timer, 0, Ordering::AcqRel, Ordering::Relaxed);
    }
}

impl<F: CredentialSource> Due for Shared<F> {
    fn due(self: Arc<Self>) {
        if tick(&self.state.load(), &self.policy, self.clock.now()) == Tick::Fetch {
            let _ = self.begin(Cause::Plan, false, Self::is_wanted_by_the_timer);
        }
        // What could not be begun is not tried in a loop.
        self.plan(MIN_ATTEMPT_SPACING);
    }
}

fn dropped() -> Error {
    Error::new(
        ErrorKind::NoRuntime,
        Operation::FETCH,
        "the fetch was dropped with its runtime, each time it was started",
    )
    .hint("make the call on a tokio runtime that is not shutting down")
}

fn no_runtime() -> Error {
    Error::new(
        ErrorKind::NoRuntime,
        Operation::FETCH,
        "there is no tokio runtime to fetch on",
    )
    .hint("make the first call from within a tokio runtime")
}

#[cfg(test)]
#[allow(clippy::expect_used, clippy::unwrap_used)]
pub(super) mod tests {
    use super::*;
    use crate::refresh::policy::ALIVE_WITHIN;
    use tokio::runtime::Builder;
    use tokio::time::advance;

    #[derive(Debug)]
    pub(in super::super) struct NeverAsked;

    impl CredentialSource for NeverAsked {
        fn name(&self) -> &'static str {
            "NeverAsked"
        }

        async fn fetch(&self) -> Result<Credentials> {
            std::future::pending().await
        }
    }

    #[test]
    fn an_attempt_that_shows_a_pulse_between_two_looks_is_joined() {
        let runtime = || {
            let mut builder = Builder::new_current_thread();
            builder.enable_all().start_paused(true).build().unwrap()
        };
        let (undriven, here) = (runtime(), runtime());
        let settings = (Clock::system(), Jitter::random());
        let on = Some(undriven.handle().clone());
        let policy = RefreshPolicy::default();
        let cache = Arc::new(Shared::new(Arc::new(NeverAsked), policy, settings, on));
        here.block_on(async {
            cache.begin_by_call(false).unwrap();
            advance(RUNNING_WITHIN).await;
            // Whether that is seen before it is judged or after.
            for late in [false, true] {
                let polled_meanwhile = |cache: &Shared<NeverAsked>, state: &State, now| {
                    let pulse = &state.attempt.as_ref().unwrap().pulse;
                    let wanted = late || {
                        pulse.enter();
                        cache.is_wanted_by_a_call(state, now)
                    };
                    pulse.enter();
                    wanted
                };
                let joined = cache.begin(Cause::Plan, false, polled_meanwhile).unwrap();
                let joined = joined.expect("joined");
                assert_eq!(joined.attempt.number, 1, "late: {late}");
                joined.attempt.pulse.leave(Instant::now());
                advance(ALIVE_WITHIN).await;
            }
        });
    }

    #[test]
    fn a_timer_is_late_when_it_has_not_looked_for_so_long() {
        let settings = (Clock::system(), Jitter::random());
        let policy = RefreshPolicy::default();
        let cache = Shared::new(Arc::new(NeverAsked), policy, settings, None);
        cache.timer.store(1, Ordering::Relaxed);
        cache.timer_looks.store(7, Ordering::Relaxed);
        let is_late = |after: Duration| {
            let at = Now {
                mono: cache.born + Duration::from_millis(7) + after,
                ..cache.clock.now()
            };
            cache.timer_is_late(at)
        };
        assert!(!is_late(OVERDUE));
        assert!(is_late(OVERDUE + Duration::from_millis(1)));
        cache.timer.store(0, Ordering::Relaxed);
        assert!(!is_late(2 * OVERDUE), "there is none");
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_ended_with_an_outcome_has_not_come_to_nothing() {
        for (outcome, nothing) in [
            (Outcome::Failed(Error::terminal("no such role")), false),
            (Outcome::Abandoned, true),
        ] {
            let settings = (Clock::system(), Jitter::random());
            let policy = RefreshPolicy::default();
            let cache = Arc::new(Shared::new(Arc::new(NeverAsked), policy, settings, None));
            let wanted = Shared::is_wanted_by_a_call;
            let joined = cache.begin(Cause::Plan, false, wanted).unwrap();
            let attempt = joined.unwrap().attempt;
            assert!(!cache.has_come_to_nothing(&attempt), "it is under way");
            cache.landed(attempt.number, outcome);
            assert_eq!(cache.has_come_to_nothing(&attempt), nothing);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waited_in_vain_is_told_the_error_of_an_attempt_that_has_ended_since() {
        let settings = (Clock::system(), Jitter::random());
        let policy = RefreshPolicy::default();
        let cache = Arc::new(Shared::new(Arc::new(NeverAsked), policy, settings, None));
        cache.begin_by_call(false).unwrap();
        let waits = cache.reply_in_vain().unwrap_err().to_string();
        assert!(waits.contains("has not answered"), "{waits}");
        cache.landed(1, Outcome::Failed(Error::terminal("no such role")));
        let ended = cache.reply_in_vain().unwrap_err().to_string();
        assert!(ended.contains("no such role"), "{ended}");
    }
}
