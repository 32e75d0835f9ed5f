//! The gate before STS: how many calls of a pool are under way, how fast they follow each other, and who
//! comes first.
//!
//! Until STS throttles there is only the limit on calls in flight. When it throttles two roles or more, all
//! slow down together, to a little under what it answers (multiplicative decrease), and grow again from there
//! (additive increase, faster where what it throttled at is far away); what it admits is found so without being
//! told. A single role that is throttled slows nobody but itself.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// What is left of the rate that STS answered, when it throttles.
const DECREASE: f64 = 0.9;
/// Of the rate at which it last throttled, what is added each second.
const INCREASE: f64 = 0.05;
/// Far below that rate it grows by half a second, to be back soon; far above it too: STS admits more by now.
const FAR_BELOW: f64 = 0.8;
const FAR_ABOVE: f64 = 1.2;
const FAST_INCREASE: f64 = 0.5;
/// Slower than one call a second the pool does not get.
const MIN_RATE: f64 = 1.0;
/// At most one decrease in this time: what was sent before it is no evidence against the new rate.
const BETWEEN_DECREASES: Duration = Duration::from_secs(1);
/// Two roles throttled within this time are more than one role's trouble.
const TOGETHER: Duration = Duration::from_secs(10);
/// A role that is throttled more often than this in a row is in trouble of its own: what is throttled as a whole
/// throttles others too.
const SAYS_SOMETHING: u64 = 2;
/// So many roles may each be in trouble of their own at once.
const ALONE: usize = 2;
/// Without throttling for this long, the rate is not limited any more.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);
/// Nobody is answered, if nobody has been for so long.
const NOBODY_AFTER: Duration = Duration::from_secs(30);
/// Beyond so many times what STS answers, the rate does not grow.
const UNUSED: f64 = 2.0;
/// One turn in so many is for refreshes ahead of time, however many fetches are waited for: else they would be put
/// off until somebody has to wait for them.
const TURNS_A_REFRESH: u64 = 8;
/// So often who is in the queue shows that it is alive, and looks whether those before it are.
const PATROL: Duration = Duration::from_secs(1);
/// Who has not shown it for so long is passed over until it does: its runtime stands still.
const ASLEEP_AFTER: Duration = Duration::from_secs(2);
/// The same for who was passed over before: its runtime is driven now and then.
const ASLEEP_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// What a call may take beyond its time limit. A runtime that stands still ends none; then it counts as over.
const GRACE: Duration = Duration::from_secs(1);
/// Timers are late by a millisecond or so; what they lose is made up.
const CATCH_UP: Duration = Duration::from_millis(20);

/// Who is served first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// Somebody waits for it.
    InUse,
    /// A refresh ahead of time.
    Ahead,
}

pub(super) struct Gate {
    max_in_flight: usize,
    call_timeout: Duration,
    state: Mutex<State>,
    lines: AtomicU64,
}

struct State {
    /// The calls under way, by their numbers, and since when.
    in_flight: BTreeMap<u64, Instant>,
    queue: BTreeMap<(Class, u64), Queued>,
    /// Those that were passed over, by their numbers.
    asleep: BTreeMap<u64, Queued>,
    places: u64,
    pace: Option<Pace>,
    /// The last role that was throttled, as far as that says something of others.
    throttled: Option<(u64, Instant)>,
    /// Roles that seem to be in trouble of their own, and when that was seen last; no more of them than are looked at.
    own_trouble: Vec<(u64, Instant)>,
    /// When anything but throttling was last answered.
    answered: Option<Instant>,
    /// When `own_trouble` looked like everybody's last.
    shut: Option<Instant>,
    calls: Meter,
    answers: Meter,
    total: Totals,
}

/// Somebody in the queue.
struct Queued {
    called: Arc<Notify>,
    /// When it last looked whether its turn has come.
    seen: Instant,
    /// Passed over if it does not look for so long.
    patience: Duration,
}

/// How fast calls follow each other, since STS has throttled.
#[derive(Debug)]
struct Pace {
    /// Calls a second.
    rate: f64,
    /// The rate at which it was throttled; none after the first time, which says little.
    ceiling: f64,
    next: Instant,
    grown: Instant,
    cut: Instant,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    pub(super) calls: u64,
    pub(super) throttled: u64,
}

/// A snapshot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figures {
    pub(super) in_flight: usize,
    pub(super) queued: usize,
    pub(super) rate: Option<f64>,
    pub(super) calls_last_minute: u64,
    pub(super) total: Totals,
}

/// One role's line to the gate: who waits for it, and its place in the queue.
#[derive(Debug)]
pub(super) struct Line {
    number: u64,
    waiting: AtomicUsize,
    /// Its place in the queue, 0 for none.
    place: AtomicU64,
    /// Its call under way, 0 for none.
    call: AtomicU64,
    /// Its last calls that were throttled, one after the other.
    throttled: AtomicU64,
}

/// Somebody waits for this role.
pub(super) struct Waiting<'a> {
    gate: &'a Gate,
    line: &'a Line,
}

/// One call may be made, until this is dropped.
pub(super) struct Permit<'a> {
    gate: &'a Gate,
    line: &'a Line,
    call: u64,
}

/// A place in the queue, left when it is dropped.
struct Place<'a> {
    gate: &'a Gate,
    line: &'a Line,
    number: u64,
    called: Arc<Notify>,
}

enum Turn {
    /// For the call with this number.
    Come(u64),
    /// First in the queue, and too early.
    At(Instant),
    /// Called when it is first, or a call has ended.
    Wait,
}

impl Gate {
    /// At most so many calls under way, none of which takes longer than this.
    pub(super) fn new(max_in_flight: usize, call_timeout: Duration) -> Self {
        let now = Instant::now();
        Gate {
            max_in_flight,
            call_timeout,
            state: Mutex::new(State {
                in_flight: BTreeMap::new(),
                queue: BTreeMap::new(),
                asleep: BTreeMap::new(),
                places: 0,
                pace: None,
                throttled: None,
                own_trouble: Vec::new(),
                answered: None,
                shut: None,
                calls: Meter::new(now, Duration::from_secs(1), 60),
                answers: Meter::new(now, Duration::from_millis(50), 20),
                total: Totals::default(),
            }),
            lines: AtomicU64::new(0),
        }
    }

    pub(super) fn line(&self) -> Line {
        Line {
            number: self.lines.fetch_add(1, Ordering::Relaxed) + 1,
            waiting: AtomicUsize::new(0),
            place: AtomicU64::new(0),
            call: AtomicU64::new(0),
            throttled: AtomicU64::new(0),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody waits for this role from now on: its place is before those that nobody waits for.
    pub(super) fn wait<'a>(&'a self, line: &'a Line) -> Waiting<'a> {
        // Counted before the place is looked at, as the place is taken before the count is.
        line.waiting.fetch_add(1, Ordering::SeqCst);
        self.classify(line);
        Waiting { gate: self, line }
    }

    /// The place of this role, if it has one, is in the class that it has now.
    fn classify(&self, line: &Line) {
        let place = line.place.load(Ordering::SeqCst);
        if place == 0 {
            return;
        }
        let mut state = self.state();
        let (class, other) = match line.class() {
            Class::InUse => (Class::InUse, Class::Ahead),
            Class::Ahead => (Class::Ahead, Class::InUse),
        };
        if let Some(queued) = state.queue.remove(&(other, place)) {
            state.queue.insert((class, place), queued);
            state.call_first();
        }
    }

    /// A place in the queue, for all calls of one fetch.
    ///
    /// A role has one fetch alive at a time: one that comes while another has a place or a call takes it over from a
    /// task that is not polled any more.
    pub(super) async fn permit<'a>(
        &'a self,
        line: &'a Line,
        place: &mut Option<u64>,
    ) -> Permit<'a> {
        let place = self.place(line, place);
        loop {
            let patrol = Instant::now() + PATROL;
            let until = match self.turn(&place) {
                Turn::Come(call) => {
                    return Permit {
                        gate: self,
                        line,
                        call,
                    };
                }
                Turn::At(at) => at.min(patrol),
                Turn::Wait => patrol,
            };
            let _ = timeout_at(until, place.called.notified()).await;
        }
    }

    fn place<'a>(&'a self, line: &'a Line, kept: &mut Option<u64>) -> Place<'a> {
        let mut state = self.state();
        if state
            .in_flight
            .remove(&line.call.swap(0, Ordering::SeqCst))
            .is_some()
        {
            state.call_first();
        }
        let number = match (*kept, line.place.load(Ordering::SeqCst)) {
            (Some(number), _) => number,
            (None, 0) => {
                state.places += 1;
                state.places
            }
            (None, taken_over) => taken_over,
        };
        *kept = Some(number);
        drop(state);
        Place {
            gate: self,
            line,
            number,
            called: Arc::new(Notify::new()),
        }
    }

    fn turn(&self, place: &Place<'_>) -> Turn {
        let now = Instant::now();
        let mut state = self.state();
        state.show(place, now);
        let ended = state.end_lost_calls(now, self.call_timeout.saturating_add(GRACE));
        let passed_over = state.pass_over_sleepers(now);
        let Some(first) = state.first() else {
            return Turn::Wait;
        };
        if first.1 != place.number {
            if ended || passed_over {
                state.call_first();
            }
            return Turn::Wait;
        }
        if state.in_flight.len() >= self.max_in_flight {
            return Turn::Wait;
        }
        if let Some(at) = state.paced_until(now) {
            return Turn::At(at);
        }
        state.queue.remove(&first);
        place.line.place.store(0, Ordering::SeqCst);
        state.total.calls += 1;
        let call = state.total.calls;
        state.in_flight.insert(call, now);
        place.line.call.store(call, Ordering::SeqCst);
        state.calls.add(now);
        state.call_first();
        Turn::Come(call)
    }

    /// STS answered a call of this role: with anything, or with throttling. Says the new rate if all slow
    /// down.
    pub(super) fn answered(&self, line: &Line, throttled: bool) -> Option<f64> {
        let now = Instant::now();
        let mut state = self.state();
        if !throttled {
            line.throttled.store(0, Ordering::Relaxed);
            state.answers.add(now);
            state.answered = Some(now);
            return None;
        }
        state.total.throttled += 1;
        let before = line.throttled.fetch_add(1, Ordering::Relaxed);
        if before >= SAYS_SOMETHING {
            state.note_own_trouble(line.number, now);
            return None;
        }
        let before = state.throttled.replace((line.number, now));
        let together = before.is_some_and(|(other, at)| {
            other != line.number && now.saturating_duration_since(at) < TOGETHER
        });
        together.then(|| state.slow_down(now)).flatten()
    }

    pub(super) fn figures(&self) -> Figures {
        let now = Instant::now();
        let mut state = self.state();
        state.forget_pace(now);
        Figures {
            in_flight: state.in_flight.len(),
            queued: state.queue.len() + state.asleep.len(),
            rate: state.pace.as_ref().map(|pace| pace.rate),
            calls_last_minute: state.calls.sum(now),
            total: state.total,
        }
    }
}

impl State {
    /// Whose turn it is; the same until the turn is taken, or the queue changes.
    fn first(&self) -> Option<(Class, u64)> {
        let mut ahead = self.queue.range((Class::Ahead, 0)..);
        if self.total.calls % TURNS_A_REFRESH == TURNS_A_REFRESH - 1
            && let Some((first, _)) = ahead.next()
        {
            return Some(*first);
        }
        self.queue.keys().next().copied()
    }

    fn call_first(&self) {
        if let Some(first) = self.first().and_then(|first| self.queue.get(&first)) {
            first.called.notify_one();
        }
    }

    /// It looks whether its turn has come, from its place in the queue.
    fn show(&mut self, place: &Place<'_>, now: Instant) {
        // Before the class is looked at, as who waits is counted before the place is looked at.
        place.line.place.store(place.number, Ordering::SeqCst);
        let classes = [Class::InUse, Class::Ahead].map(|class| (class, place.number));
        let there = classes.iter().find_map(|at| self.queue.remove_entry(at));
        let (at, before) = match there {
            Some((at, queued)) => (at, Some(queued)),
            None => (
                (place.line.class(), place.number),
                self.asleep.remove(&place.number),
            ),
        };
        let queued = Queued {
            called: Arc::clone(&place.called),
            seen: now,
            // who looks in time again is as patient as any
            patience: before
                .filter(|before| now.saturating_duration_since(before.seen) > ASLEEP_AFTER)
                .map_or(ASLEEP_AFTER, |before| before.patience),
        };
        self.queue.insert(at, queued);
    }

    /// Takes those from the head of the queue who do not look any more, so that they hold up nobody; they take
    /// their places again when they do. Whether there were any.
    fn pass_over_sleepers(&mut self, now: Instant) -> bool {
        let mut any = false;
        while let Some(first) = self.first()
            && let Some(queued) = self.queue.get(&first)
            && now.saturating_duration_since(queued.seen) > queued.patience
            && let Some(mut queued) = self.queue.remove(&first)
        {
            queued.patience = ASLEEP_AGAIN_AFTER;
            self.asleep.insert(first.1, queued);
            any = true;
        }
        any
    }

    /// Whether there were calls that should have ended long ago; they do not count any more.
    fn end_lost_calls(&mut self, now: Instant, longest: Duration) -> bool {
        let mut any = false;
        while let Some(oldest) = self.in_flight.first_entry()
            && now.saturating_duration_since(*oldest.get()) > longest
        {
            oldest.remove();
            any = true;
        }
        any
    }

    /// Takes it out of the queue, unless another has its place.
    fn leave(&mut self, place: &Place<'_>) {
        let is_its = |queued: &Queued| Arc::ptr_eq(&queued.called, &place.called);
        let mut left = false;
        for at in [Class::InUse, Class::Ahead].map(|class| (class, place.number)) {
            if self.queue.get(&at).is_some_and(is_its) {
                self.queue.remove(&at);
                left = true;
            }
        }
        if self.asleep.get(&place.number).is_some_and(is_its) {
            self.asleep.remove(&place.number);
            left = true;
        }
        if left {
            place.line.place.store(0, Ordering::SeqCst);
            self.call_first();
        }
    }

    /// A role is throttled again and again, as one in trouble of its own is. Where more than two are, and nobody has been
    /// answered for a while, it is everybody's trouble, for as long as that lasts.
    fn note_own_trouble(&mut self, line: u64, now: Instant) {
        let since = |at: Instant| now.saturating_duration_since(at);
        self.own_trouble
            .retain(|(other, at)| *other != line && since(*at) <= FORGOTTEN_AFTER);
        if self.own_trouble.len() <= ALONE {
            self.own_trouble.push((line, now));
        }
        let nobody = self.answered.is_none_or(|at| since(at) > NOBODY_AFTER);
        if nobody && self.own_trouble.len() > ALONE {
            self.shut = Some(now);
        }
    }

    fn forget_pace(&mut self, now: Instant) {
        let long_ago = |at: Instant| now.saturating_duration_since(at) > FORGOTTEN_AFTER;
        let throttled = self.throttled.map(|(_, at)| at).max(self.shut);
        if throttled.is_none_or(long_ago) {
            self.pace = None;
        }
    }

    /// When the next call may be made; `None` for now, which takes it.
    fn paced_until(&mut self, now: Instant) -> Option<Instant> {
        self.forget_pace(now);
        #[allow(clippy::cast_precision_loss)]
        let answered = self.answers.sum(now) as f64;
        let pace = self.pace.as_mut()?;
        if pace.next > now {
            return Some(pace.next);
        }
        let since = now
            .saturating_duration_since(pace.grown)
            .as_secs_f64()
            .min(1.0);
        pace.grown = now;
        // A rate that is not used is not found to be admitted.
        if pace.rate <= UNUSED * answered.max(MIN_RATE) {
            let is_far =
                pace.rate < FAR_BELOW * pace.ceiling || pace.rate > FAR_ABOVE * pace.ceiling;
            let a_second = if is_far {
                FAST_INCREASE * pace.rate
            } else {
                (INCREASE * pace.ceiling).max(1.0)
            };
            pace.rate += since * a_second;
        }
        let earliest = now.checked_sub(CATCH_UP).unwrap_or(now);
        pace.next = pace.next.max(earliest) + Duration::from_secs_f64(1.0 / pace.rate);
        None
    }

    fn slow_down(&mut self, now: Instant) -> Option<f64> {
        if let Some(pace) = &self.pace
            && now.saturating_duration_since(pace.cut) < BETWEEN_DECREASES
        {
            return None;
        }
        #[allow(clippy::cast_precision_loss)]
        let answered = self.answers.sum(now) as f64;
        let rate = match &self.pace {
            // What was asked in vain takes part of the time: not less than half of what was tried.
            Some(pace) => pace.rate.min(answered.max(pace.rate / 2.0)),
            None => answered,
        };
        let ceiling = self.pace.as_ref().map_or(f64::INFINITY, |pace| pace.rate);
        let rate = (rate * DECREASE).max(MIN_RATE);
        self.pace = Some(Pace {
            rate,
            ceiling,
            next: now,
            grown: now,
            cut: now,
        });
        Some(rate)
    }
}

impl Line {
    fn class(&self) -> Class {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            Class::InUse
        } else {
            Class::Ahead
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.gate.state().leave(self);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut state = self.gate.state();
        let call = &self.line.call;
        let _ = call.compare_exchange(self.call, 0, Ordering::SeqCst, Ordering::SeqCst);
        state.in_flight.remove(&self.call);
        state.call_first();
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.line.waiting.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.gate.classify(self.line);
        }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("max_in_flight", &self.max_in_flight)
            .finish_non_exhaustive()
    }
}

/// Counts what happened in the last so many spans of time.
#[derive(Debug)]
struct Meter {
    born: Instant,
    width: Duration,
    counts: Vec<u32>,
    last: u64,
}

impl Meter {
    fn new(born: Instant, width: Duration, spans: usize) -> Self {
        Meter {
            born,
            width,
            counts: vec![0; spans],
            last: 0,
        }
    }

    fn add(&mut self, now: Instant) {
        let slot = self.turn_to(now);
        if let Some(count) = self.counts.get_mut(slot) {
            *count += 1;
        }
    }

    fn sum(&mut self, now: Instant) -> u64 {
        self.turn_to(now);
        self.counts.iter().copied().map(u64::from).sum()
    }

    fn turn_to(&mut self, now: Instant) -> usize {
        let spans = self.counts.len() as u64;
        let since = now.saturating_duration_since(self.born).as_nanos();
        let span = u64::try_from(since / self.width.as_nanos().max(1)).unwrap_or(u64::MAX);
        let passed = span.saturating_sub(self.last).min(spans);
        for back in 0..passed {
            let slot = usize::try_from((span - back) % spans).unwrap_or_default();
            if let Some(count) = self.counts.get_mut(slot) {
                *count = 0;
            }
        }
        self.last = self.last.max(span);
        usize::try_from(self.last % spans).unwrap_or_default()
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, clippy::unwrap_used)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::pin::pin;
    use tokio::runtime::{Builder, Runtime};
    use tokio::time::timeout;

    const CALL_TIMEOUT: Duration = Duration::from_secs(5);

    fn runtime() -> Runtime {
        let mut builder = Builder::new_current_thread();
        builder.enable_all().start_paused(true).build().unwrap()
    }

    #[test]
    fn who_is_first_on_a_runtime_that_stands_still_holds_up_nobody() {
        let gate = Gate::new(1, CALL_TIMEOUT);
        let [held, asleep, awake, later] = [(); 4].map(|()| gate.line());
        let (undriven, driven) = (runtime(), runtime());
        let mut places = [None; 4];
        let [of_held, of_asleep, of_awake, of_later] = &mut places;
        let permit = driven.block_on(gate.permit(&held, of_held));
        let mut sleeper = pin!(gate.permit(&asleep, of_asleep));
        let mut look_again = || undriven.block_on(async { (&mut sleeper).now_or_never() });
        assert!(look_again().is_none());
        drop(permit);
        let permit = driven
            .block_on(async { timeout(3 * ASLEEP_AFTER, gate.permit(&awake, of_awake)).await });
        let permit = permit.expect("passed by");
        let mut rival = pin!(gate.permit(&later, of_later));
        assert!(
            driven
                .block_on(async { (&mut rival).now_or_never() })
                .is_none()
        );
        // Driven again, it is before who came after it.
        assert!(look_again().is_none());
        drop(permit);
        assert!(
            driven
                .block_on(async { (&mut rival).now_or_never() })
                .is_none()
        );
        assert!(look_again().is_some());
    }

    #[test]
    fn a_fetch_has_the_place_and_the_call_of_the_one_that_it_takes_over() {
        let gate = Gate::new(1, CALL_TIMEOUT);
        let [held, other, role] = [(); 3].map(|()| gate.line());
        let runtime = runtime();
        runtime.block_on(async {
            let permit = gate.permit(&held, &mut None).await;
            let (mut first, mut taken_over) = (None, None);
            let mut before = Box::pin(gate.permit(&role, &mut first));
            assert!(before.as_mut().now_or_never().is_none());
            let mut rival_place = None;
            let mut rival = pin!(gate.permit(&other, &mut rival_place));
            assert!((&mut rival).now_or_never().is_none());
            let mut after = Box::pin(gate.permit(&role, &mut taken_over));
            assert!(after.as_mut().now_or_never().is_none());
            // The end of the one before, whenever it is noticed, takes nothing away.
            drop(before);
            let waiting = gate.wait(&role);
            drop(permit);
            assert!((&mut rival).now_or_never().is_none());
            let call = after.as_mut().now_or_never().expect("its turn");
            drop(waiting);
            // Nobody polls the task of this call any more; its role asks again.
            let again = gate.permit(&role, &mut None).now_or_never();
            assert!(again.is_none(), "the rival is first");
            let came = (&mut rival).now_or_never();
            assert!(came.is_some(), "and the call that was taken over is none");
            drop(call);
            assert_eq!(gate.figures().in_flight, 1);
        });
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_waited_for_no_more_is_behind_who_is() {
        let gate = Gate::new(1, CALL_TIMEOUT);
        let [held, given_up, waited_for] = [(); 3].map(|()| gate.line());
        let permit = gate.permit(&held, &mut None).await;
        let (mut first, mut second) = (None, None);
        let waiting = gate.wait(&given_up);
        let mut given_up_at = Box::pin(gate.permit(&given_up, &mut first));
        assert!(given_up_at.as_mut().now_or_never().is_none());
        let _waiting = gate.wait(&waited_for);
        let mut waited_for_at = Box::pin(gate.permit(&waited_for, &mut second));
        assert!(waited_for_at.as_mut().now_or_never().is_none());
        drop(waiting);
        drop(permit);
        assert!(given_up_at.as_mut().now_or_never().is_none());
        drop(waited_for_at.now_or_never().expect("its turn"));
        let came = given_up_at.now_or_never();
        assert!(came.is_some(), "nobody else is there");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pace_is_kept_while_nobody_is_answered_and_forgotten_a_minute_after_somebody_was() {
        let gate = Gate::new(1, CALL_TIMEOUT);
        let lines = [(); 3].map(|()| gate.line());
        for _ in 0..600 {
            for line in &lines {
                gate.answered(line, true);
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert!(gate.figures().rate.is_some(), "ten minutes shut");
        // One of them is throttled by itself from now on, and the others have nothing to ask.
        for _ in 0..70 {
            gate.answered(&lines[0], true);
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert!(gate.figures().rate.is_some(), "they may come again");
        for _ in 0..70 {
            gate.answered(&lines[0], true);
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert!(gate.figures().rate.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn roles_in_trouble_of_their_own_keep_no_pace_and_make_none_while_others_are_answered() {
        let gate = Gate::new(1, CALL_TIMEOUT);
        let [healthy, once, alone @ ..] = [(); 5].map(|()| gate.line());
        for _ in 0..2 {
            for line in &alone {
                gate.answered(line, true);
            }
        }
        assert!(gate.figures().rate.is_some());
        for second in 0..70 {
            for line in &alone {
                gate.answered(line, true);
            }
            if second % 20 == 0 {
                gate.answered(&healthy, false);
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert!(gate.figures().rate.is_none());
        gate.answered(&once, true);
        assert!(gate.figures().rate.is_none(), "of one role");
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_nobody_ends_is_not_under_way_for_ever() {
        let gate = Gate::new(1, CALL_TIMEOUT);
        let (lost, other) = (gate.line(), gate.line());
        let never_polled = gate.permit(&lost, &mut None).await;
        let waits = CALL_TIMEOUT + GRACE + PATROL * 2;
        let permit = timeout(waits, gate.permit(&other, &mut None)).await;
        assert!(permit.is_ok());
        drop(never_polled);
        assert_eq!(gate.figures().in_flight, 1, "that of the other");
    }
}
