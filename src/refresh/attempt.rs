//! One attempt to get credentials: booked, running, landed; and whether its task is alive.

use super::need::Need;
use super::policy::{ALIVE_WITHIN, RUNNING_WITHIN, RefreshPolicy};
use crate::error::Error;
use crate::source::Progress;
use aws_credential_types::Credentials;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// An attempt under way: booked when its task was spawned, running from the task's first poll.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) number: u64,
    /// What it began for.
    pub(super) need: Need,
    /// Not by the plan: forced, asked for by a life, or because of a rejection.
    pub(super) extra: bool,
    /// Asked for by a life.
    pub(super) for_life: bool,
    pub(super) booked: Instant,
    /// When the source is asked; `None` until the task runs.
    pub(super) asked_at: Option<Instant>,
    pub(super) pulse: Arc<Pulse>,
    pub(super) progress: Progress,
}

impl Attempt {
    /// Until when a caller waits for it.
    pub(super) fn deadline(&self, policy: &RefreshPolicy) -> Instant {
        self.booked + policy.longest_wait()
    }

    /// How long it has been going on.
    pub(super) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.asked_at.unwrap_or(self.booked))
    }
}

impl PartialEq for Attempt {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

/// How an attempt ended.
#[derive(Debug)]
pub(super) enum Outcome {
    Fetched(Credentials),
    Failed(Error),
    /// Its runtime ended, or it was given up: no verdict on the source.
    Abandoned,
}

/// Shows that the task of an attempt is polled, and lets another runtime take the attempt over when it is
/// not.
///
/// One atomic word is the whole protocol. It holds [`NEVER`](Self::NEVER) until the first poll,
/// [`POLLING`](Self::POLLING) during one, else the time of the last one; [`TAKEN`](Self::TAKEN) is final.
///
/// Invariant: no fetch is polled once its attempt is taken over, so no two are alive. A task enters a poll
/// by exchanging what it sees for `POLLING`, and who takes over exchanges a stale time for `TAKEN`: of
/// the two exchanges of one value only one succeeds. Acquire and release on them order what the one fetch
/// did before what the next one does.
#[derive(Debug)]
pub(super) struct Pulse<W = AtomicU64> {
    booked: Instant,
    word: W,
}

/// The atomic word: that of the standard library, or one that a model schedules.
pub(super) trait Word {
    fn starting(value: u64) -> Self;

    /// With acquire ordering.
    fn read(&self) -> u64;

    /// With release ordering, by the one who holds it.
    fn write(&self, value: u64);

    /// Exchanges what is seen for what `change` makes of it, with acquire and release; `false` if it makes
    /// nothing of it.
    fn exchange(&self, change: impl FnMut(u64) -> Option<u64>) -> bool;
}

impl Word for AtomicU64 {
    fn starting(value: u64) -> Self {
        AtomicU64::new(value)
    }

    fn read(&self) -> u64 {
        self.load(Ordering::Acquire)
    }

    fn write(&self, value: u64) {
        self.store(value, Ordering::Release);
    }

    fn exchange(&self, change: impl FnMut(u64) -> Option<u64>) -> bool {
        self.fetch_update(Ordering::AcqRel, Ordering::Acquire, change)
            .is_ok()
    }
}

impl<W: Word> Pulse<W> {
    const NEVER: u64 = 0;
    const POLLING: u64 = u64::MAX;
    const TAKEN: u64 = u64::MAX - 1;

    pub(super) fn booked(now: Instant) -> Arc<Self> {
        Arc::new(Pulse {
            booked: now,
            word: W::starting(Self::NEVER),
        })
    }

    /// The task is polled; `false` if the attempt has been taken over, and the task has to end.
    pub(super) fn enter(&self) -> bool {
        self.word
            .exchange(|seen| (seen != Self::TAKEN).then_some(Self::POLLING))
    }

    /// The poll is over.
    pub(super) fn leave(&self, now: Instant) {
        let since = now.saturating_duration_since(self.booked).as_millis();
        let millis = u64::try_from(since).unwrap_or(u64::MAX / 2);
        // While it says `POLLING` nobody else writes.
        self.word.write(millis.saturating_add(1));
    }

    /// When it counts as gone unless it is polled before; `None` while it is being polled.
    fn gone_at(&self, seen: u64) -> Option<Instant> {
        match seen {
            Self::POLLING => None,
            Self::NEVER => Some(self.booked + RUNNING_WITHIN),
            Self::TAKEN => Some(self.booked),
            polled => Some(self.booked + Duration::from_millis(polled - 1) + ALIVE_WITHIN),
        }
    }

    /// Whether its task does not run: not polled in time, or taken over.
    pub(super) fn is_gone(&self, now: Instant) -> bool {
        self.gone_at(self.word.read())
            .is_some_and(|gone| gone <= now)
    }

    /// How long from now it is worth to look again whether it is gone.
    pub(super) fn until_look(&self, now: Instant) -> Duration {
        let gone = self.gone_at(self.word.read());
        gone.map_or(ALIVE_WITHIN, |gone| gone.saturating_duration_since(now))
            .max(Duration::from_millis(1))
    }

    /// Takes the attempt over, if its task is gone; `false` if it has been polled meanwhile.
    pub(super) fn take(&self, now: Instant) -> bool {
        self.word.exchange(|seen| {
            let gone = self.gone_at(seen).is_some_and(|gone| gone <= now);
            gone.then_some(Self::TAKEN)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    #[test]
    fn what_is_not_polled_in_time_is_gone_and_can_be_taken_once_and_for_all() {
        let booked = Instant::now();
        let pulse: Arc<Pulse> = Pulse::booked(booked);
        assert!(!pulse.take(booked + RUNNING_WITHIN - MILLI));
        assert!(pulse.enter());
        // In the middle of a poll nobody takes it over, however long it lasts.
        assert!(!pulse.take(booked + ALIVE_WITHIN * 100));
        pulse.leave(booked + RUNNING_WITHIN * 3);
        let gone = booked + RUNNING_WITHIN * 3 + ALIVE_WITHIN;
        assert!(!pulse.is_gone(gone - MILLI) && !pulse.take(gone - MILLI));
        assert!(pulse.is_gone(gone) && pulse.take(gone));
        assert!(!pulse.enter(), "its task has to end");
        assert!(pulse.is_gone(booked));
    }
}

#[cfg(test)]
mod model {
    //! Begin, take over and land under a scheduler that tries the orders in which threads may run: the same
    //! lines as in production, on a scheduled word and a scheduled cell.

    use super::super::cell::Cell;
    use super::super::cell::model::{LoadThenStore, SCHEDULES, Scheduled};
    use super::*;
    use shuttle::sync::Arc as ModelArc;
    use shuttle::sync::atomic::{AtomicU64 as ModelU64, Ordering as ModelOrdering};
    use shuttle::thread;

    impl Word for ModelU64 {
        fn starting(value: u64) -> Self {
            ModelU64::new(value)
        }

        fn read(&self) -> u64 {
            self.load(ModelOrdering::SeqCst)
        }

        fn write(&self, value: u64) {
            self.store(value, ModelOrdering::SeqCst);
        }

        fn exchange(&self, change: impl FnMut(u64) -> Option<u64>) -> bool {
            self.fetch_update(ModelOrdering::SeqCst, ModelOrdering::SeqCst, change)
                .is_ok()
        }
    }

    type ModelPulse = Arc<Pulse<ModelU64>>;

    /// What matters of the state: which attempt is under way, and how many were begun and landed.
    #[derive(Clone, Debug, Default)]
    struct Small {
        under_way: Option<(u64, ModelPulse)>,
        begun: u64,
        landed: u64,
    }

    /// How an attempt is taken over: in one exchange, or by looking first and writing then.
    type Take = fn(&ModelPulse, Instant) -> bool;

    fn in_one_exchange(pulse: &ModelPulse, now: Instant) -> bool {
        pulse.take(now)
    }

    fn look_then_write(pulse: &ModelPulse, now: Instant) -> bool {
        let gone = pulse.is_gone(now);
        if gone {
            pulse.word.write(Pulse::<ModelU64>::TAKEN);
        }
        gone
    }

    /// Polls the source of an attempt a few times, and lands it.
    fn run<C: Cell<Small>>(
        cell: &C,
        alive: &ModelU64,
        (number, pulse): (u64, ModelPulse),
        now: Instant,
    ) {
        for _ in 0..2 {
            if !pulse.enter() {
                return;
            }
            assert_eq!(
                alive.fetch_add(1, ModelOrdering::SeqCst),
                0,
                "two are alive"
            );
            thread::yield_now();
            alive.fetch_sub(1, ModelOrdering::SeqCst);
            pulse.leave(now);
        }
        if !pulse.enter() {
            return;
        }
        let (landed, ()) = cell.update(|state| {
            let own = state
                .under_way
                .as_ref()
                .is_some_and(|(own, _)| *own == number);
            let mut next = state.clone();
            next.under_way = None;
            next.landed += 1;
            (Some(next).filter(|_| own), ())
        });
        assert!(
            landed.is_some(),
            "an attempt that is polled is the current one"
        );
    }

    /// One attempt whose task is late, and two callers that each begin, join or take over.
    fn late_task_and_two_callers<C: Cell<Small> + Send + Sync + 'static>(cell: C, take: Take) {
        let booked = Instant::now();
        let late = booked + ALIVE_WITHIN * 2;
        let cell = ModelArc::new(cell);
        let alive = ModelArc::new(ModelU64::new(0));
        let first: ModelPulse = Pulse::booked(booked);
        cell.update(|state| {
            let mut next = state.clone();
            next.under_way = Some((1, Arc::clone(&first)));
            next.begun = 1;
            (Some(next), ())
        });
        let mut threads = vec![{
            let (cell, alive) = (ModelArc::clone(&cell), ModelArc::clone(&alive));
            thread::spawn(move || run(&*cell, &alive, (1, first), booked))
        }];
        for _ in 0..2 {
            let (cell, alive) = (ModelArc::clone(&cell), ModelArc::clone(&alive));
            threads.push(thread::spawn(move || {
                let (_, begun) = cell.update(|state| {
                    if let Some((_, pulse)) = &state.under_way
                        && !take(pulse, late)
                    {
                        return (None, None);
                    }
                    let mut next = state.clone();
                    next.begun += 1;
                    let own: (u64, ModelPulse) = (next.begun, Pulse::booked(late));
                    next.under_way = Some(own.clone());
                    (Some(next), Some(own))
                });
                if let Some(own) = begun {
                    run(&*cell, &alive, own, late);
                }
            }));
        }
        for thread in threads {
            assert!(thread.join().is_ok());
        }
    }

    fn scheduled() -> Scheduled<Small> {
        Scheduled::new(Small::default())
    }

    #[test]
    fn no_two_are_alive_in_any_order() {
        shuttle::check_random(
            || late_task_and_two_callers(scheduled(), in_one_exchange),
            SCHEDULES,
        );
    }

    #[test]
    fn a_planted_double_begin_is_found() {
        let found = std::panic::catch_unwind(|| {
            shuttle::check_random(
                || late_task_and_two_callers(LoadThenStore(scheduled()), in_one_exchange),
                SCHEDULES,
            );
        });
        assert!(found.is_err(), "the model did not find the planted bug");
    }

    #[test]
    fn a_take_over_that_looks_before_it_writes_is_found() {
        let found = std::panic::catch_unwind(|| {
            shuttle::check_random(
                || late_task_and_two_callers(scheduled(), look_then_write),
                SCHEDULES,
            );
        });
        assert!(found.is_err(), "the model did not find the planted bug");
    }
}
