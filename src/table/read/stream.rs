//! The ways to read a query or a scan: item by item, page by page, all at once, or only counted.

use super::cursor::{Cursor, Positions};
use super::fetch::{PageRequest, fetch};
use super::lanes::{Lanes, Place};
use super::options::Limits;
use super::page::Page;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::table::decode::decode;
use crate::table::error::Call;
use crate::table::item::Attributes;
use crate::table::target::Target;
use futures_core::Stream;
use serde::de::DeserializeOwned;
use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The items of a query or a scan, one by one; see [`Query::stream`](crate::table::Query::stream).
///
/// A [`futures_core::Stream`]; [`next`](Self::next) does without its extensions.
#[must_use = "a stream reads nothing until it is polled"]
pub struct ItemStream<T> {
    lanes: Lanes,
    items: std::vec::IntoIter<Attributes>,
    /// Where the page of `items` began.
    place: Option<Place>,
    left: Option<usize>,
    item: PhantomData<fn() -> T>,
}

/// A query or a scan, ready to be read in one of the ways.
pub(super) struct Reading {
    pub(super) target: Target,
    pub(super) operation: Operation,
    pub(super) limits: Limits,
    pub(super) request: Result<(PageRequest, Positions)>,
}

impl Reading {
    pub(super) async fn all<T: DeserializeOwned>(self) -> Result<Page<T>> {
        let mut stream = ItemStream::<T>::new(self);
        let mut page = Page {
            items: Vec::new(),
            undecoded: Vec::new(),
            next: None,
            scanned: 0,
            capacity: None,
        };
        while let Some(item) = stream.next().await {
            page.take(item)?;
        }
        if stream.left != Some(0) {
            stream.lanes.check_complete()?;
        }
        page.next = stream.cursor();
        page.scanned = stream.lanes.scanned;
        page.capacity = stream.lanes.capacity;
        Ok(page)
    }

    pub(super) async fn page<T: DeserializeOwned>(self) -> Result<Page<T>> {
        let Reading {
            target,
            operation,
            limits,
            request,
        } = self.of_items();
        let call = Call::on(&target, operation);
        let (request, positions) = request.map_err(|error| call.explain(error))?;
        let Some((segment, after)) = positions.only() else {
            let expected =
                "expected one segment for one page; Cursor::split gives each one of its own";
            return Err(call.explain(Error::usage("segments", expected)));
        };
        let limit = limits.limit_of_one();
        let limit = limit.map_err(|error| call.explain(error))?;
        let total = positions.total;
        let request = request.of_segment(segment, total);
        let raw = fetch(&target, operation, request, after, limit).await?;
        let mut page = Page {
            items: Vec::with_capacity(raw.items.len()),
            undecoded: Vec::new(),
            next: raw.last_key.map(|key| Cursor::after(segment, total, key)),
            scanned: raw.scanned,
            capacity: raw.capacity.and_then(|capacity| capacity.capacity_units),
        };
        for item in raw.items {
            page.take(decode(item, None).map_err(|error| call.explain(error)))?;
        }
        Ok(page)
    }

    /// Of a count no items come, which would be read as if there were none.
    fn of_items(mut self) -> Self {
        self.request = self.request.and_then(|(request, positions)| {
            if request.is_counting() {
                let expected = "expected no Select::Count where items are read: use count()";
                return Err(Error::usage("select", expected));
            }
            Ok((request, positions))
        });
        self
    }

    /// The first item, or the only one.
    pub(super) async fn first<T: DeserializeOwned>(mut self, only: bool) -> Result<Option<T>> {
        self.limits.take = Some(if only { 2 } else { 1 });
        let (target, operation) = (self.target.clone(), self.operation);
        let mut stream = ItemStream::new(self);
        let first = stream.next().await.transpose()?;
        if stream.next().await.transpose()?.is_some() {
            let message = "expected one item, and there are more";
            let error = Error::new(ErrorKind::Other, operation, message).needs_human();
            return Err(Call::on(&target, operation).explain(error));
        }
        if stream.left != Some(0) {
            stream.lanes.check_complete()?;
        }
        Ok(first)
    }

    pub(super) async fn count(mut self) -> Result<u64> {
        if self.limits.take.is_some() {
            let call = Call::on(&self.target, self.operation);
            let expected = "expected no take for a count: it is of all items";
            return Err(call.explain(Error::usage("take", expected)));
        }
        self.request = self
            .request
            .map(|(request, positions)| (request.counting(), positions));
        let mut lanes = Lanes::new(self.target, self.operation, self.limits, self.request);
        let mut count = 0;
        while let Some(taken) = poll_fn(|cx| lanes.poll_page(cx, None)).await {
            count += taken?.page.count;
        }
        lanes.check_complete()?;
        Ok(count)
    }
}

impl<T> Page<T> {
    /// Puts an item where it belongs; errors that are not the item's own come back.
    fn take(&mut self, item: Result<T>) -> Result<()> {
        match item {
            Ok(item) => self.items.push(item),
            Err(error) if *error.kind() == ErrorKind::Decode => self.undecoded.push(error),
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

impl<T> ItemStream<T> {
    /// Where to go on in a later [`start_at`](crate::table::Query::start_at), of all segments; `None`
    /// when all was read.
    ///
    /// In the middle of a page it is where that page began, so its items come again: nothing is lost, and
    /// with [`take`](crate::table::Query::take) and without a filter nothing comes twice. It is there
    /// after an error too.
    #[must_use]
    pub fn cursor(&self) -> Option<Cursor> {
        self.lanes.cursor(self.unfinished())
    }

    /// Whether all was read and handed out: not at the beginning, not when
    /// [`max_requests`](crate::table::Query::max_requests), [`take`](crate::table::Query::take) or an error
    /// ended the stream before the end of the table.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.lanes.is_complete() && self.unfinished().is_none()
    }

    /// How many requests were made, over all segments.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.lanes.requests
    }

    /// How many items were evaluated, and paid for, before the filter.
    #[must_use]
    pub fn scanned(&self) -> u64 {
        self.lanes.scanned
    }

    /// The capacity units consumed so far, if they were asked for.
    #[must_use]
    pub fn capacity(&self) -> Option<f64> {
        self.lanes.capacity
    }

    fn unfinished(&self) -> Option<&Place> {
        self.place.as_ref().filter(|_| self.items.len() > 0)
    }
}

impl<T: DeserializeOwned> ItemStream<T> {
    pub(super) fn new(reading: Reading) -> Self {
        let Reading {
            target,
            operation,
            limits,
            request,
        } = reading.of_items();
        let left = limits.take;
        ItemStream {
            lanes: Lanes::new(target, operation, limits, request),
            items: Vec::new().into_iter(),
            place: None,
            left,
            item: PhantomData,
        }
    }

    /// The next item; `None` after the last.
    ///
    /// # Errors
    ///
    /// An item that does not fit `T`, after which the next one follows; or a request that failed, which ends the
    /// stream, as its own documentation says.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Result<T>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl<T: DeserializeOwned> Stream for ItemStream<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            // what is wrong with the request is said even if nothing is wanted
            if this.left == Some(0) && !this.lanes.is_refused() {
                return Poll::Ready(None);
            }
            if let Some(item) = this.items.next() {
                this.left = this.left.map(|left| left - 1);
                let item = decode(item, None).map_err(|error| {
                    Call::on(&this.lanes.target, this.lanes.operation).explain(error)
                });
                return Poll::Ready(Some(item));
            }
            match this.lanes.poll_page(cx, this.left) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                // an empty page is normal: the filter let nothing through
                Poll::Ready(Some(Ok(taken))) => {
                    this.items = taken.page.items.into_iter();
                    this.place = Some(taken.place);
                }
            }
        }
    }
}

impl<T> fmt::Debug for ItemStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ItemStream")
            .field("table", &self.lanes.target)
            .field("requests", &self.lanes.requests)
            .finish_non_exhaustive()
    }
}
