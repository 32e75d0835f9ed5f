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

    /// Changes the value by what `change` makes of the present one, and returns what it says; `None`
    /// leaves the value as it is. `change` runs again when somebody else was faster.
    fn update<R>(&self, mut change: impl FnMut(&T) -> Option<(T, R)>) -> Option<R> {
        loop {
            let seen = Arc::clone(&self.load());
            let (new, said) = change(&seen)?;
            if self.replace(&seen, Arc::new(new)) {
                return Some(said);
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
