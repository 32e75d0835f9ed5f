//! One timer for many caches, instead of a task each: it sleeps until the first of them has something to do,
//! and there is none while nothing is due.

use super::clock::{Clock, Now};
use super::policy::MAX_TIMER_SLEEP;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout};

/// Wall and monotonic clock ran apart by more than this between two looks: the host was suspended or its
/// clock set, and everybody's plan is made anew.
const MAX_DRIFT: Duration = Duration::from_secs(1);
/// After so many members the runtime's other tasks come first.
const AT_A_TIME: usize = 64;

/// Whom a timetable wakes.
pub(super) trait Due: Send + Sync + 'static {
    /// Does what is due, and [plans](Membership::plan) when to come again.
    fn due(self: Arc<Self>);
}

/// The plan of many caches and the one task that follows it.
///
/// Invariant: while the plan has an entry and a runtime is driven, one task runs; it is started by who adds
/// the first entry. It holds no timetable and no cache while it sleeps, and ends with the last entry.
pub(crate) struct Timetable {
    clock: Clock,
    runtime: Option<Handle>,
    plan: Mutex<Plan>,
    /// The first entry is another, or the timetable is gone.
    news: Arc<Notify>,
}

#[derive(Default)]
struct Plan {
    entries: BTreeMap<(Instant, u64), Weak<dyn Due>>,
    /// The entry that each member has, if any.
    at: HashMap<u64, Instant>,
    members: u64,
    /// The task that follows it, by its number.
    task: Option<u64>,
    tasks: u64,
    wake_ups: u64,
}

/// One cache's place in a timetable; given up when it is dropped.
pub(super) struct Membership {
    timetable: Arc<Timetable>,
    number: u64,
    member: Weak<dyn Due>,
}

impl Timetable {
    pub(crate) fn new(clock: Clock, runtime: Option<Handle>) -> Self {
        Timetable {
            clock,
            runtime,
            plan: Mutex::default(),
            news: Arc::default(),
        }
    }

    /// How many caches have something planned, and how often the timer has woken.
    pub(crate) fn figures(&self) -> (usize, u64) {
        let plan = self.plan();
        (plan.entries.len(), plan.wake_ups)
    }

    pub(super) fn join(self: &Arc<Self>, member: Weak<dyn Due>) -> Membership {
        let mut plan = self.plan();
        plan.members += 1;
        Membership {
            timetable: Arc::clone(self),
            number: plan.members,
            member,
        }
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(
        self: &Arc<Self>,
        number: u64,
        member: &Weak<dyn Due>,
        nap: impl FnOnce() -> Option<Duration>,
    ) {
        let mut plan = self.plan();
        let at = nap().and_then(|nap| Instant::now().checked_add(nap));
        if let Some(before) = plan.at.remove(&number) {
            plan.entries.remove(&(before, number));
        }
        let Some(at) = at else { return };
        plan.at.insert(number, at);
        plan.entries.insert((at, number), Weak::clone(member));
        let is_first = plan.entries.keys().next() == Some(&(at, number));
        if plan.task.is_some() {
            if is_first {
                self.news.notify_one();
            }
            return;
        }
        // Outside a runtime nobody can follow it; a call finds what is overdue.
        let runtime = self.runtime.clone().or_else(|| Handle::try_current().ok());
        let Some(runtime) = runtime else { return };
        plan.tasks += 1;
        let task = plan.tasks;
        plan.task = Some(task);
        drop(plan);
        let turn = Turn {
            of: Arc::downgrade(self),
            task,
        };
        runtime.spawn(follow(turn, Arc::clone(&self.news), self.clock.now()));
    }

    /// How long the task sleeps; `None` where nothing is planned, which ends it.
    fn until_next(&self, task: u64) -> Option<Duration> {
        let mut plan = self.plan();
        let first = plan.entries.keys().next().map(|(at, _)| *at);
        if first.is_none() && plan.task == Some(task) {
            plan.task = None;
        }
        let nap = first?.saturating_duration_since(Instant::now());
        (plan.task == Some(task)).then(|| nap.min(MAX_TIMER_SLEEP))
    }

    /// Takes out those whose time has come, or all of them.
    fn take(&self, all: bool) -> Vec<Weak<dyn Due>> {
        let mut plan = self.plan();
        plan.wake_ups += 1;
        let later = if all {
            BTreeMap::new()
        } else {
            plan.entries.split_off(&(Instant::now(), u64::MAX))
        };
        let due = std::mem::replace(&mut plan.entries, later);
        for (_, number) in due.keys() {
            plan.at.remove(number);
        }
        due.into_values().collect()
    }
}

impl Drop for Timetable {
    fn drop(&mut self) {
        self.news.notify_one();
    }
}

impl fmt::Debug for Timetable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Timetable")
    }
}

impl Membership {
    /// The member looks again after this long; `None` for not before its next news.
    ///
    /// No wake-up is lost: `nap` is worked out under the lock of the plan, and who changes what it is worked out
    /// from plans after the change. So what is planned last was seen last.
    pub(super) fn plan(&self, nap: impl FnOnce() -> Option<Duration>) {
        self.timetable.set(self.number, &self.member, nap);
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.plan(|| None);
    }
}

/// Says that this task follows the plan, until it is over, be it with its runtime.
struct Turn {
    of: Weak<Timetable>,
    task: u64,
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(of) = self.of.upgrade() {
            let mut plan = of.plan();
            if plan.task == Some(self.task) {
                plan.task = None;
            }
        }
    }
}

async fn follow(turn: Turn, news: Arc<Notify>, mut seen: Now) {
    loop {
        let nap = turn.of.upgrade().and_then(|of| of.until_next(turn.task));
        let Some(nap) = nap else { return };
        if !nap.is_zero() && timeout(nap, news.notified()).await.is_ok() {
            continue;
        }
        let Some(timetable) = turn.of.upgrade() else {
            return;
        };
        let now = timetable.clock.now();
        let due = timetable.take(have_run_apart(seen, now));
        seen = now;
        drop(timetable);
        for (n, member) in due.into_iter().enumerate() {
            if n % AT_A_TIME == AT_A_TIME - 1 {
                yield_now().await;
            }
            if let Some(of) = member.upgrade() {
                of.due();
            }
        }
    }
}

fn have_run_apart(before: Now, now: Now) -> bool {
    let mono = now.mono.saturating_duration_since(before.mono);
    match now.wall.duration_since(before.wall) {
        Ok(wall) => wall.abs_diff(mono) > MAX_DRIFT,
        Err(_) => true,
    }
}
