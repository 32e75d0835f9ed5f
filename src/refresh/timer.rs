//! The timer: it holds no handle while it sleeps, ends with the last one, and can be replaced by another on
//! a runtime that is driven.

use super::news::Listener;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::task::yield_now;
use tokio::time::timeout;

/// Whom a timer wakes.
pub(super) trait Ticks: Send + Sync + 'static {
    /// Does what is due; how long to sleep then, or `None` if another timer is at work.
    fn tick(self: Arc<Self>, timer: u64) -> Option<Duration>;

    /// The timer is over for whatever reason.
    fn stopped(&self, timer: u64);
}

/// Says that this timer runs, until its task is over.
struct Mark<T: Ticks> {
    of: Weak<T>,
    timer: u64,
}

impl<T: Ticks> Drop for Mark<T> {
    fn drop(&mut self) {
        if let Some(of) = self.of.upgrade() {
            of.stopped(self.timer);
        }
    }
}

/// A timer with this number, until the last handle is gone or another takes its turn. No turn is missed: who
/// takes it tells of it after it has, and a timer asks for the next news before it looks whose turn it is.
pub(super) fn keep_fresh<T: Ticks>(
    of: &Arc<T>,
    timer: u64,
    news: Listener,
) -> impl Future<Output = ()> + Send + use<T> {
    let mark = Mark {
        of: Arc::downgrade(of),
        timer,
    };
    async move {
        loop {
            let next = news.next();
            let nap = mark.of.upgrade().and_then(|of| of.tick(timer));
            let Some(nap) = nap else { return };
            // Woken by time or by news, be it that the last handle is gone.
            let _ = timeout(nap, next).await;
            // After a stall the attempt's own task comes first: it may be alive after all.
            yield_now().await;
        }
    }
}
