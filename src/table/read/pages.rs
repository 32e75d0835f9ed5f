//! The loop over pages, ours instead of the SDK's paginator: that one ends in silence when a page
//! repeats its `LastEvaluatedKey`, and overwrites `Limit`.

use super::cursor::Cursor;
use super::fetch::{PageRequest, RawPage, fetch};
use super::options::ReadOptions;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::table::decode::decode;
use crate::table::error::Call;
use crate::table::item::Attributes;
use crate::table::target::Target;
use futures_core::Stream;
use serde::de::DeserializeOwned;
use std::fmt;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

/// One page of a query or a scan.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Page<T> {
    /// The items that passed the filter; none is normal, even where there are more pages.
    pub items: Vec<T>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<Cursor>,
    /// How many items were evaluated, and paid for, before the filter.
    pub scanned: u64,
    /// The capacity units consumed, if they were asked for.
    pub capacity: Option<f64>,
}

/// The items of a query or a scan, one by one; see [`Query::stream`](crate::table::Query::stream).
///
/// A [`futures_core::Stream`]; [`next`](Self::next) does without its extensions.
#[must_use = "a stream reads nothing until it is polled"]
pub struct ItemStream<T> {
    pages: Pages,
    items: std::vec::IntoIter<Attributes>,
    left: Option<usize>,
    item: PhantomData<fn() -> T>,
}

/// How much is read.
#[derive(Debug)]
pub(crate) struct Limits {
    take: Option<usize>,
    page_size: Option<i32>,
    max_requests: Option<usize>,
    start: Option<Attributes>,
    /// Items are dropped after they were read, or may be: their number says nothing about the pages.
    filtered: bool,
}

impl ReadOptions {
    pub(crate) fn limits(&self, raw: bool) -> Limits {
        Limits {
            take: self.take,
            page_size: self.page_size,
            max_requests: self.max_requests,
            start: self.start.clone().map(Cursor::into_key),
            filtered: raw || self.filter.is_some(),
        }
    }
}

/// How many segments of a scan are read at the same time, however many there are: each has a request in
/// flight and a page in memory.
pub const MOST_SEGMENTS_AT_ONCE: usize = 16;

/// A query or a scan, ready to be read in one of the ways.
pub(crate) struct Reading {
    target: Target,
    operation: Operation,
    limits: Limits,
    request: Result<PageRequest>,
    segments: u32,
}

impl Reading {
    pub(crate) fn new(
        target: Target,
        operation: Operation,
        limits: Limits,
        request: Result<PageRequest>,
    ) -> Self {
        Reading {
            target,
            operation,
            limits,
            request,
            segments: 1,
        }
    }

    pub(crate) fn segments(mut self, segments: u32) -> Self {
        self.segments = segments;
        self
    }

    pub(crate) async fn all<T: DeserializeOwned>(self) -> Result<Vec<T>> {
        let mut stream = ItemStream::new(self);
        let mut all = Vec::new();
        while let Some(item) = stream.next().await {
            all.push(item?);
        }
        if stream.left != Some(0) {
            stream.pages.check_complete()?;
        }
        Ok(all)
    }

    pub(crate) async fn page<T: DeserializeOwned>(self) -> Result<Page<T>> {
        let Reading {
            target,
            operation,
            limits,
            request,
            segments,
        } = self;
        let call = Call::on(&target, operation);
        let request = request.map_err(|error| call.explain(error))?;
        if segments != 1 {
            let expected = "expected one segment: a page of several has no one cursor";
            return Err(call.explain(Error::usage("segments", expected)));
        }
        if limits.take.is_some() && limits.filtered {
            let expected = "expected no take beside a filter or raw(..): a page cannot be cut; use stream(), or page_size";
            return Err(call.explain(Error::usage("take", expected)));
        }
        if limits.take == Some(0) {
            let expected = "expected at least 1 for a page";
            return Err(call.explain(Error::usage("take", expected)));
        }
        let limit = page_limit(&limits, limits.take);
        let page = fetch(&target, operation, request, limits.start, limit).await?;
        let items = page
            .items
            .into_iter()
            .map(|item| decode(item, None))
            .collect::<Result<_>>();
        Ok(Page {
            items: items.map_err(|error| call.explain(error))?,
            next: page.last_key.map(Cursor::new),
            scanned: page.scanned,
            capacity: page.capacity.and_then(|capacity| capacity.capacity_units),
        })
    }

    pub(crate) async fn count(mut self) -> Result<u64> {
        if self.limits.take.is_some() {
            let call = Call::on(&self.target, self.operation);
            let expected = "expected no take for a count: it is of all items";
            return Err(call.explain(Error::usage("take", expected)));
        }
        self.request = self.request.map(PageRequest::counting);
        let mut pages = Pages::new(self);
        let mut count = 0;
        while let Some(page) = poll_fn(|cx| pages.poll_page(cx, None)).await {
            count += page?.count;
        }
        pages.check_complete()?;
        Ok(count)
    }
}

/// The `Limit` of the next request: no more than is still wanted, where every item read is wanted.
fn page_limit(limits: &Limits, left: Option<usize>) -> Option<i32> {
    let wanted = left.filter(|_| !limits.filtered);
    let wanted = wanted.map(|left| i32::try_from(left).unwrap_or(i32::MAX));
    match (wanted, limits.page_size) {
        (Some(wanted), Some(size)) => Some(wanted.min(size)),
        (wanted, size) => wanted.or(size),
    }
}

type Fetching = Pin<Box<dyn Future<Output = Result<RawPage>> + Send>>;

/// One segment: the pages come one after the other.
struct Lane {
    request: PageRequest,
    state: LaneState,
}

enum LaneState {
    Done,
    Fetching(Fetching),
    /// The next page starts here; `None` is the beginning.
    Next(Option<Attributes>),
}

/// Pages of all segments as they come.
struct Pages {
    target: Target,
    operation: Operation,
    limits: Limits,
    request: Option<PageRequest>,
    problem: Option<Error>,
    lanes: Vec<Lane>,
    segments: u32,
    /// Segments that have a lane, or had one.
    begun: u32,
    requests: usize,
    capacity: Option<f64>,
    /// Where the page that was handed out last started, and the one after it; of the only segment.
    page_start: Option<Attributes>,
    next_start: Option<Attributes>,
}

impl Pages {
    fn new(reading: Reading) -> Self {
        let Reading {
            target,
            operation,
            mut limits,
            request,
            segments,
        } = reading;
        let (request, problem) = match request {
            Ok(request) => (Some(request), None),
            Err(error) => (None, Some(Call::on(&target, operation).explain(error))),
        };
        let next_start = limits.start.take();
        Pages {
            target,
            operation,
            limits,
            request,
            problem,
            lanes: Vec::new(),
            segments,
            begun: 0,
            requests: 0,
            capacity: None,
            page_start: None,
            next_start,
        }
    }

    /// The next page of any segment; `None` at the end or at the ceiling.
    fn poll_page(
        &mut self,
        cx: &mut Context<'_>,
        left: Option<usize>,
    ) -> Poll<Option<Result<RawPage>>> {
        if let Some(problem) = self.problem.take() {
            return Poll::Ready(Some(Err(problem)));
        }
        self.begin_lanes();
        let limit = page_limit(&self.limits, left);
        let mut waiting = false;
        for lane in &mut self.lanes {
            if let LaneState::Next(start) = &lane.state {
                let most = self.limits.max_requests;
                if most.is_some_and(|most| self.requests >= most) {
                    continue;
                }
                self.requests += 1;
                let start = start.clone();
                self.page_start.clone_from(&start);
                let (target, request) = (self.target.clone(), lane.request.clone());
                let operation = self.operation;
                lane.state = LaneState::Fetching(Box::pin(async move {
                    fetch(&target, operation, request, start, limit).await
                }));
            }
            let LaneState::Fetching(fetching) = &mut lane.state else {
                continue;
            };
            let Poll::Ready(page) = fetching.as_mut().poll(cx) else {
                waiting = true;
                continue;
            };
            match page {
                Ok(page) => {
                    let last_key = page.last_key.clone();
                    lane.state = last_key.map_or(LaneState::Done, |key| LaneState::Next(Some(key)));
                    self.handed_out(&page);
                    return Poll::Ready(Some(Ok(page)));
                }
                Err(error) => {
                    self.end();
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
        if waiting {
            Poll::Pending
        } else {
            Poll::Ready(None)
        }
    }

    fn begin_lanes(&mut self) {
        let Some(request) = &self.request else { return };
        self.lanes
            .retain(|lane| !matches!(lane.state, LaneState::Done));
        while self.begun < self.segments && self.lanes.len() < MOST_SEGMENTS_AT_ONCE {
            self.lanes.push(Lane {
                request: request.clone().of_segment(self.begun, self.segments),
                state: LaneState::Next(self.next_start.clone()),
            });
            self.begun += 1;
        }
    }

    fn handed_out(&mut self, page: &RawPage) {
        if self.segments == 1 {
            self.next_start.clone_from(&page.last_key);
        }
        let units = page.capacity.as_ref().and_then(|c| c.capacity_units);
        if let Some(units) = units {
            self.capacity = Some(self.capacity.unwrap_or_default() + units);
        }
    }

    /// After an error nothing more is read; where it happened is still known.
    fn end(&mut self) {
        self.lanes.clear();
        self.request = None;
    }

    /// Whether the end was reached, and not the ceiling.
    fn check_complete(&self) -> Result<()> {
        let lane_left = |lane: &Lane| !matches!(lane.state, LaneState::Done);
        if self.begun == self.segments && !self.lanes.iter().any(lane_left) {
            return Ok(());
        }
        let message = format!("max_requests({}) was reached before the end", self.requests);
        let error = Error::new(ErrorKind::Other, self.operation, message).needs_human();
        Err(Call::on(&self.target, self.operation).explain(error))
    }
}

impl<T> ItemStream<T> {
    /// Where to go on in a later [`start_at`](crate::table::Query::start_at), when the stream ended at its
    /// [`max_requests`](crate::table::Query::max_requests) or [`take`](crate::table::Query::take); `None` when all was
    /// read, and for several segments.
    ///
    /// In the middle of a page it is where that page began, so its items come again: nothing is lost.
    #[must_use]
    pub fn cursor(&self) -> Option<Cursor> {
        let key = if self.items.len() > 0 {
            &self.pages.page_start
        } else {
            &self.pages.next_start
        };
        key.clone()
            .filter(|_| self.pages.segments == 1)
            .map(Cursor::new)
    }

    /// How many requests were made.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.pages.requests
    }

    /// The capacity units consumed so far, if they were asked for.
    #[must_use]
    pub fn capacity(&self) -> Option<f64> {
        self.pages.capacity
    }
}

impl<T: DeserializeOwned> ItemStream<T> {
    pub(crate) fn new(reading: Reading) -> Self {
        let left = reading.limits.take;
        ItemStream {
            pages: Pages::new(reading),
            items: Vec::new().into_iter(),
            left,
            item: PhantomData,
        }
    }

    /// The next item; `None` after the last.
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
            if this.left == Some(0) && this.pages.problem.is_none() {
                return Poll::Ready(None);
            }
            if let Some(item) = this.items.next() {
                this.left = this.left.map(|left| left - 1);
                let item = decode(item, None).map_err(|error| {
                    Call::on(&this.pages.target, this.pages.operation).explain(error)
                });
                return Poll::Ready(Some(item));
            }
            match this.pages.poll_page(cx, this.left) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                // an empty page is normal: the filter let nothing through
                Poll::Ready(Some(Ok(page))) => this.items = page.items.into_iter(),
            }
        }
    }
}

impl<T> fmt::Debug for ItemStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ItemStream")
            .field("table", &self.pages.target)
            .field("requests", &self.pages.requests)
            .finish_non_exhaustive()
    }
}
