//! The timer: it holds no handle while it sleeps, ends with the last one, and can be replaced by another on
//! a runtime that is driven.

use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::watch;
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
/// takes it tells of it after it has, and a timer looks whose turn it is after it has taken note of the news.
pub(super) fn keep_fresh<T: Ticks>(
    of: &Arc<T>,
    timer: u64,
    mut news: watch::Receiver<()>,
) -> impl Future<Output = ()> + Send + use<T> {
    let mark = Mark {
        of: Arc::downgrade(of),
        timer,
    };
    async move {
        loop {
            news.mark_unchanged();
            let nap = mark.of.upgrade().and_then(|of| of.tick(timer));
            let Some(nap) = nap else { return };
            // Woken by time or by news; the sender is gone with the last handle.
            if let Ok(Err(_)) = timeout(nap, news.changed()).await {
                return;
            }
            // After a stall the attempt's own task comes first: it may be alive after all.
            yield_now().await;
        }
    }
}
