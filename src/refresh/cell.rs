//! The cell that holds the state: read without a lock, replaced whole.
//!
//! The algorithm is on the trait, so that the same lines run on `arc-swap` in production and on a
//! scheduled mutex in the model check below.

use arc_swap::ArcSwap;
use std::ops::Deref;
use std::sync::Arc;

/// Three operations on a shared value.
pub(super) trait Cell<T> {
    /// Reads without waiting for anybody.
    fn load(&self) -> impl Deref<Target = Arc<T>>;

    /// Replaces `seen` by `new`, unless somebody else has replaced it meanwhile.
    fn replace(&self, seen: &Arc<T>, new: Arc<T>) -> bool;

    /// Replaces the value by what `change` makes of the present one, if it makes anything of it, and
    /// returns the new value with what `change` says. `change` runs again when somebody else was faster.
    fn update<R>(&self, mut change: impl FnMut(&T) -> (Option<T>, R)) -> (Option<Arc<T>>, R) {
        loop {
            let seen = Arc::clone(&self.load());
            let (new, said) = change(&seen);
            let Some(new) = new.map(Arc::new) else {
                return (None, said);
            };
            if self.replace(&seen, Arc::clone(&new)) {
                return (Some(new), said);
            }
        }
    }
}

impl<T> Cell<T> for ArcSwap<T> {
    fn load(&self) -> impl Deref<Target = Arc<T>> {
        ArcSwap::load(self)
    }

    fn replace(&self, seen: &Arc<T>, new: Arc<T>) -> bool {
        let before = self.compare_and_swap(seen, new);
        Arc::ptr_eq(&before, seen)
    }
}

#[cfg(test)]
pub(super) mod model {
    //! The cell under a scheduler that tries the orders in which threads may run.
    //!
    //! A plain mutex stands in for `arc-swap`: the scheduler switches at its locks. What is checked is
    //! the algorithm on the trait, the same lines that run in production.

    use super::Cell;
    use shuttle::sync::{Arc as ModelArc, Mutex};
    use shuttle::thread;
    use std::ops::Deref;
    use std::sync::Arc;

    pub(in super::super) const SCHEDULES: usize = 2_000;

    pub(in super::super) struct Scheduled<T>(Mutex<Arc<T>>);

    impl<T> Scheduled<T> {
        pub(in super::super) fn new(value: T) -> Self {
            Scheduled(Mutex::new(Arc::new(value)))
        }
    }

    impl<T> Cell<T> for Scheduled<T> {
        fn load(&self) -> impl Deref<Target = Arc<T>> {
            let held = self
                .0
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner());
            Box::new(Arc::clone(&held))
        }

        fn replace(&self, seen: &Arc<T>, new: Arc<T>) -> bool {
            let mut held = self
                .0
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner());
            let unchanged = Arc::ptr_eq(&held, seen);
            if unchanged {
                *held = new;
            }
            unchanged
        }
    }

    /// The planted bug: it looks, and then stores whatever came meanwhile.
    pub(in super::super) struct LoadThenStore<T>(pub(in super::super) Scheduled<T>);

    impl<T> Cell<T> for LoadThenStore<T> {
        fn load(&self) -> impl Deref<Target = Arc<T>> {
            self.0.load()
        }

        fn replace(&self, _seen: &Arc<T>, new: Arc<T>) -> bool {
            let mut held = self
                .0
                .0
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner());
            *held = new;
            true
        }
    }

    /// What the engine does to its state: starts a fetch at most once, lands it, marks a rejection.
    #[derive(Clone, Debug, Default, PartialEq)]
    struct Small {
        attempts: u32,
        under_way: bool,
        generation: u32,
        rejections: u32,
    }

    /// Two callers that start fetches and two services that reject, all at once.
    fn callers_and_rejections<C: Cell<Small> + Send + Sync + 'static>(cell: C) {
        let cell = ModelArc::new(cell);
        let callers = (0..2).map(|_| {
            let cell = ModelArc::clone(&cell);
            thread::spawn(move || {
                let (began, ()) = cell.update(|state| {
                    let mut next = state.clone();
                    next.attempts += 1;
                    next.under_way = true;
                    (Some(next).filter(|_| !state.under_way), ())
                });
                if began.is_some() {
                    cell.update(|state| {
                        let mut next = state.clone();
                        next.under_way = false;
                        next.generation += 1;
                        (Some(next), ())
                    });
                }
                u32::from(began.is_some())
            })
        });
        let callers: Vec<_> = callers.collect();
        let services = (0..2).map(|_| {
            let cell = ModelArc::clone(&cell);
            thread::spawn(move || {
                cell.update(|state| {
                    let mut next = state.clone();
                    next.rejections += 1;
                    (Some(next), ())
                });
            })
        });
        let services: Vec<_> = services.collect();
        let started: u32 = callers
            .into_iter()
            .map(|caller| caller.join().unwrap_or_default())
            .sum();
        for service in services {
            assert!(service.join().is_ok());
        }
        let end = Small::clone(&cell.load());
        let expected = Small {
            attempts: started,
            under_way: false,
            generation: started,
            rejections: 2,
        };
        assert_eq!(end, expected, "a change was lost");
    }

    #[test]
    fn no_change_is_lost_in_any_order() {
        shuttle::check_random(
            || callers_and_rejections(Scheduled::new(Small::default())),
            SCHEDULES,
        );
    }

    #[test]
    fn a_load_then_store_in_its_place_is_found() {
        let found = std::panic::catch_unwind(|| {
            shuttle::check_random(
                || {
                    let cell = Scheduled::new(Small::default());
                    callers_and_rejections(LoadThenStore(cell));
                },
                SCHEDULES,
            );
        });
        assert!(found.is_err(), "the model did not find the planted bug");
    }
}
