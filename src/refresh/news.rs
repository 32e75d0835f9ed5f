//! How those who wait hear that something has changed, or that nothing will any more: a word and a list, since each
//! cache has one, and most have nobody who waits.

use std::sync::Arc;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// Tells of changes; its end is the last of them.
#[derive(Default)]
pub(super) struct News(Arc<Notify>);

/// Hears of changes, and does not keep what they are of.
pub(super) struct Listener(Arc<Notify>);

impl News {
    /// Something has changed: whoever waits looks again.
    pub(super) fn tell(&self) {
        self.0.notify_waiters();
    }

    pub(super) fn listener(&self) -> Listener {
        Listener(Arc::clone(&self.0))
    }

    /// Over as soon as something is told from now on: asked for first, then looked, then awaited.
    pub(super) fn next(&self) -> Notified<'_> {
        self.0.notified()
    }
}

impl Drop for News {
    fn drop(&mut self) {
        self.tell();
    }
}

impl Listener {
    /// As [`News::next`].
    pub(super) fn next(&self) -> Notified<'_> {
        self.0.notified()
    }
}
