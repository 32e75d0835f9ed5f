//! A few futures at the same time, in the task of whoever waits for them.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Futures in flight; dropping it drops them.
///
/// All are polled whenever one may have moved, which is cheap for the handful there are.
pub(crate) struct Running<T>(Vec<Pin<Box<dyn Future<Output = T> + Send>>>);

impl<T> Running<T> {
    pub(crate) fn new() -> Self {
        Running(Vec::new())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn push(&mut self, future: impl Future<Output = T> + Send + 'static) {
        self.0.push(Box::pin(future));
    }

    /// The next one that is ready; `None` when none is left.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        for position in 0..self.0.len() {
            let Some(future) = self.0.get_mut(position) else {
                break;
            };
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                drop(self.0.swap_remove(position));
                return Poll::Ready(Some(output));
            }
        }
        if self.0.is_empty() {
            Poll::Ready(None)
        } else {
            Poll::Pending
        }
    }
}
