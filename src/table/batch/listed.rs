//! An iterator as a stream.

use futures_core::Stream;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A stream that is always ready, as what an iterator gives is there.
pub(super) struct Listed<I>(I);

impl<I: Iterator> Listed<I> {
    pub(super) fn new(entries: impl IntoIterator<IntoIter = I>) -> Self {
        Listed(entries.into_iter())
    }
}

impl<I> Unpin for Listed<I> {}

impl<I: Iterator> Stream for Listed<I> {
    type Item = I::Item;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.next())
    }
}
