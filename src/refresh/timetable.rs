//! One timer for many caches, instead of a task each: it sleeps until the first of them has something to do,
//! and there is none while nothing is due.

use super::clock::{Clock, Now};
use super::metrics::SharedMeter;
use super::policy::{MAX_TIMER_SLEEP, OVERDUE};
use std::collections::hash_map::Entry;
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
/// Invariant: while the plan has an entry, one task follows it; it is started by who adds the first entry, or
/// finds an entry so late that the task before must be where nothing is driven. That one ends when it finds
/// itself replaced. It holds no timetable and no cache while it sleeps, and ends with the last entry.
pub(crate) struct Timetable {
    clock: Clock,
    runtime: Option<Handle>,
    plan: Mutex<Plan>,
    /// Of all whom it wakes.
    meter: SharedMeter,
}

#[derive(Default)]
struct Plan {
    entries: BTreeMap<(Instant, u64), Weak<dyn Due>>,
    /// The entry that each member has, if any.
    at: HashMap<u64, Instant>,
    members: u64,
    task: Option<Follower>,
    tasks: u64,
    wake_ups: u64,
}

/// The task that follows a plan.
struct Follower {
    number: u64,
    /// The first entry is another, or the timetable is gone, or another task follows it. Its own, since one that
    /// is not driven would take the notices of all.
    news: Arc<Notify>,
}

impl Plan {
    fn is_followed_by(&self, task: u64) -> bool {
        self.task
            .as_ref()
            .is_some_and(|task_of| task_of.number == task)
    }

    fn tell_task(&self) {
        if let Some(task) = &self.task {
            task.news.notify_one();
        }
    }
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
            meter: SharedMeter::default(),
        }
    }

    /// How many caches have something planned, and how often the timer has woken.
    pub(crate) fn figures(&self) -> (usize, u64) {
        let plan = self.plan();
        (plan.entries.len(), plan.wake_ups)
    }

    pub(super) fn meter(&self) -> SharedMeter {
        self.meter.clone()
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
        let now = Instant::now();
        let at = nap().and_then(|nap| now.checked_add(nap));
        // A task that lets somebody wait so long may be where nothing is driven: another takes its place, unless
        // its runtime was chosen.
        let is_late = |(first, _): &(Instant, u64)| now.saturating_duration_since(*first) > OVERDUE;
        let stands_still =
            self.runtime.is_none() && plan.entries.keys().next().is_some_and(is_late);
        if let Some(before) = plan.at.remove(&number) {
            plan.entries.remove(&(before, number));
        }
        let Some(at) = at else { return };
        plan.at.insert(number, at);
        plan.entries.insert((at, number), Weak::clone(member));
        let is_first = plan.entries.keys().next() == Some(&(at, number));
        if plan.task.is_some() && !stands_still {
            if is_first {
                plan.tell_task();
            }
            return;
        }
        // Outside a runtime nobody can follow it; a call finds what is overdue.
        let runtime = self.runtime.clone().or_else(|| Handle::try_current().ok());
        let Some(runtime) = runtime else { return };
        plan.tell_task();
        plan.tasks += 1;
        let task = plan.tasks;
        let news = Arc::new(Notify::new());
        plan.task = Some(Follower {
            number: task,
            news: Arc::clone(&news),
        });
        drop(plan);
        let turn = Turn {
            of: Arc::downgrade(self),
            task,
        };
        runtime.spawn(follow(turn, news, self.clock.now()));
    }

    /// How long the task sleeps; `None` where nothing is planned, which ends it.
    fn until_next(&self, task: u64) -> Option<Duration> {
        let mut plan = self.plan();
        let first = plan.entries.keys().next().map(|(at, _)| *at);
        if first.is_none() && plan.is_followed_by(task) {
            plan.task = None;
        }
        let nap = first?.saturating_duration_since(Instant::now());
        plan.is_followed_by(task).then(|| nap.min(MAX_TIMER_SLEEP))
    }

    /// Takes out those whose time has come, or all of them.
    fn take(self: &Arc<Self>, all: bool) -> Taken {
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
        Taken {
            from: Arc::downgrade(self),
            left: due,
        }
    }
}

impl Drop for Timetable {
    fn drop(&mut self) {
        self.plan().tell_task();
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
            if plan.is_followed_by(self.task) {
                plan.task = None;
            }
        }
    }
}

/// Those whose time has come, taken out of the plan; who has not been woken when this is dropped, as with the
/// task's runtime, is put back.
struct Taken {
    from: Weak<Timetable>,
    left: BTreeMap<(Instant, u64), Weak<dyn Due>>,
}

impl Iterator for Taken {
    type Item = Weak<dyn Due>;

    fn next(&mut self) -> Option<Weak<dyn Due>> {
        self.left.pop_first().map(|(_, member)| member)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let Some(from) = self.from.upgrade().filter(|_| !self.left.is_empty()) else {
            return;
        };
        let mut plan = from.plan();
        for ((at, number), member) in std::mem::take(&mut self.left) {
            // who has planned anew meanwhile has seen more
            if let Entry::Vacant(vacant) = plan.at.entry(number) {
                vacant.insert(at);
                plan.entries.insert((at, number), member);
            }
        }
        plan.tell_task();
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
        let mut due = timetable.take(have_run_apart(seen, now));
        seen = now;
        drop(timetable);
        while !due.left.is_empty() {
            for member in due.by_ref().take(AT_A_TIME) {
                if let Some(of) = member.upgrade() {
                    of.due();
                }
            }
            yield_now().await;
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use aws_smithy_async::time::TimeSource;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::SystemTime;
    use tokio::runtime::{Builder, Runtime};

    /// Counts how often it was woken.
    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Due for Woken {
        fn due(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A wall clock that runs with tokio's, paused or not.
    fn clock() -> Clock {
        #[derive(Debug)]
        struct Alike(Instant);

        impl TimeSource for Alike {
            fn now(&self) -> SystemTime {
                SystemTime::UNIX_EPOCH + self.0.elapsed()
            }
        }

        Clock::with_wall(Alike(Instant::now()))
    }

    /// So many of them, each with a plan for now.
    fn members(timetable: &Arc<Timetable>, number: usize) -> Vec<(Arc<Woken>, Membership)> {
        let member = || {
            let woken = Arc::new(Woken::default());
            let weak: Weak<Woken> = Arc::downgrade(&woken);
            let membership = timetable.join(weak);
            membership.plan(|| Some(Duration::ZERO));
            (woken, membership)
        };
        std::iter::repeat_with(member).take(number).collect()
    }

    fn woken(members: &[(Arc<Woken>, Membership)]) -> usize {
        let woken = members.iter().map(|(of, _)| of.0.load(Ordering::Relaxed));
        woken.sum()
    }

    fn runtime() -> Runtime {
        let mut builder = Builder::new_current_thread();
        builder.enable_all().start_paused(true).build().unwrap()
    }

    #[test]
    fn a_task_that_ends_takes_no_turn_but_its_own() {
        let timetable = Arc::new(Timetable::new(clock(), None));
        timetable.plan().task = Some(Follower {
            number: 2,
            news: Arc::default(),
        });
        for (task, is_followed) in [(1, true), (2, false)] {
            let of = Arc::downgrade(&timetable);
            drop(Turn { of, task });
            assert_eq!(timetable.plan().task.is_some(), is_followed, "{task}");
        }
    }

    #[test]
    fn who_gives_up_its_place_has_nothing_planned_and_each_wake_up_counts() {
        let timetable = Arc::new(Timetable::new(clock(), None));
        runtime().block_on(async {
            let mut members = members(&timetable, 2);
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(timetable.figures(), (0, 1));
            for (_, member) in &members {
                member.plan(|| Some(Duration::from_secs(5)));
            }
            assert_eq!(timetable.figures(), (2, 1));
            members.pop();
            assert_eq!(timetable.figures(), (1, 1));
            tokio::time::sleep(Duration::from_secs(6)).await;
            assert_eq!(timetable.figures(), (0, 2));
            assert_eq!(woken(&members), 2);
        });
        assert_eq!(format!("{timetable:?}"), "Timetable");
    }

    #[test]
    fn clocks_that_go_together_up_to_a_second_have_not_run_apart() {
        /// The least that every host's wall clock tells apart.
        const MOMENT: Duration = Duration::from_nanos(100);
        let hour = Duration::from_secs(3600);
        let before = Now {
            wall: SystemTime::UNIX_EPOCH + hour,
            mono: Instant::now(),
        };
        let apart = |wall: SystemTime, mono: Duration| {
            let mono = before.mono + mono;
            have_run_apart(before, Now { wall, mono })
        };
        assert!(!apart(before.wall + hour, hour));
        assert!(!apart(before.wall + hour + MAX_DRIFT, hour));
        assert!(!apart(before.wall + hour - MAX_DRIFT, hour));
        assert!(apart(before.wall + hour + MAX_DRIFT + MOMENT, hour));
        assert!(apart(before.wall + hour - MAX_DRIFT - MOMENT, hour));
        assert!(apart(before.wall + hour * 2, hour), "it was set far ahead");
        assert!(apart(before.wall - MOMENT, MOMENT), "it was set back");
    }

    #[test]
    fn a_task_is_replaced_when_it_lets_somebody_wait_for_longer_than_a_timer_may() {
        const MOMENT: Duration = Duration::from_nanos(1);
        let undriven = runtime();
        let _inside = undriven.enter();
        for (late, tasks) in [(OVERDUE, 1), (OVERDUE + MOMENT, 2)] {
            let timetable = Arc::new(Timetable::new(clock(), None));
            let members = members(&timetable, 1);
            {
                let mut plan = timetable.plan();
                let ((at, number), member) = plan.entries.pop_first().unwrap();
                plan.at.insert(number, at - late);
                plan.entries.insert((at - late, number), member);
            }
            members[0].1.plan(|| Some(Duration::ZERO));
            assert_eq!(timetable.plan().tasks, tasks, "{late:?}");
        }
    }

    #[test]
    fn who_was_not_woken_before_the_runtime_ended_is_woken_on_the_next() {
        let timetable = Arc::new(Timetable::new(clock(), None));
        let ends = runtime();
        let members = ends.block_on(async {
            let members = members(&timetable, 2 * AT_A_TIME);
            while woken(&members) == 0 {
                yield_now().await;
            }
            members
        });
        drop(ends);
        assert_eq!(woken(&members), AT_A_TIME);
        runtime().block_on(async {
            let (_, last) = members.last().unwrap();
            last.plan(|| Some(Duration::from_secs(1)));
            tokio::time::sleep(Duration::from_secs(2)).await;
        });
        assert_eq!(woken(&members), 2 * AT_A_TIME, "each of them, once");
    }

    #[test]
    fn a_task_that_is_not_driven_any_more_takes_no_notice_of_the_next() {
        let timetable = Arc::new(Timetable::new(clock(), None));
        let (undriven, next) = (runtime(), runtime());
        let members = undriven.block_on(async {
            let members = members(&timetable, 3);
            tokio::time::sleep(Duration::from_millis(10)).await;
            members[0].1.plan(|| Some(Duration::from_secs(1)));
            // asleep, and waiting for news
            yield_now().await;
            members
        });
        next.block_on(async {
            let plan = |member: usize, seconds| {
                members[member]
                    .1
                    .plan(|| Some(Duration::from_secs(seconds)));
            };
            tokio::time::sleep(OVERDUE + Duration::from_secs(3)).await;
            plan(1, 30);
            tokio::time::sleep(Duration::from_secs(1)).await;
            plan(2, 1);
            tokio::time::sleep(Duration::from_secs(2)).await;
        });
        let woken = members.iter().map(|(of, _)| of.0.load(Ordering::Relaxed));
        assert_eq!(woken.collect::<Vec<_>>(), [2, 1, 2]);
    }

    #[test]
    fn who_is_put_back_is_woken_by_whoever_follows_the_plan_by_then() {
        let timetable = Arc::new(Timetable::new(clock(), None));
        let (ends, next) = (runtime(), runtime());
        let first = ends.block_on(async {
            let members = members(&timetable, 2 * AT_A_TIME);
            while woken(&members) == 0 {
                yield_now().await;
            }
            members
        });
        next.block_on(async {
            let (_, last) = first.first().unwrap();
            last.plan(|| Some(Duration::ZERO));
            tokio::time::sleep(OVERDUE + Duration::from_secs(3)).await;
            last.plan(|| Some(Duration::from_secs(50)));
            tokio::time::sleep(Duration::from_secs(1)).await;
            tokio::task::spawn_blocking(move || drop(ends))
                .await
                .unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
        });
        assert_eq!(woken(&first), 2 * AT_A_TIME);
    }

    #[test]
    fn a_runtime_that_is_not_driven_leaves_the_plan_to_the_next_that_plans() {
        let timetable = Arc::new(Timetable::new(clock(), None));
        let (undriven, next) = (runtime(), runtime());
        let members = undriven.block_on(async { members(&timetable, 2) });
        next.block_on(async {
            tokio::time::advance(OVERDUE + Duration::from_secs(1)).await;
            let (_, last) = members.last().unwrap();
            last.plan(|| Some(Duration::ZERO));
            tokio::time::sleep(Duration::from_secs(1)).await;
        });
        assert_eq!(woken(&members), 2);
        // The first task finds itself replaced.
        undriven.block_on(async { tokio::time::sleep(Duration::from_secs(1)).await });
        assert_eq!(undriven.metrics().num_alive_tasks(), 0);
    }
}
