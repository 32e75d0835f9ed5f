//! What query and scan have in common: which part, how much, from where.

use super::cursor::{Cursor, Positions};
use crate::error::{Error, Result};
use crate::table::expression::condition::Cond;
use crate::table::expression::expressions::Expressions;
use crate::table::expression::path::{Path, projection};
use aws_sdk_dynamodb::types::Select;

/// The settings that a query and a scan share.
#[derive(Debug, Default)]
pub(crate) struct ReadOptions {
    pub(crate) index: Option<String>,
    pub(super) filter: Option<Cond>,
    pub(super) projection: Option<Vec<Path>>,
    pub(super) select: Option<Select>,
    pub(super) consistent: bool,
    pub(super) take: Option<usize>,
    pub(super) page_size: Option<i32>,
    pub(super) max_requests: Option<usize>,
    pub(super) start: Option<Cursor>,
    pub(super) capacity: bool,
}

/// How much is read.
#[derive(Debug)]
pub(super) struct Limits {
    pub(super) take: Option<usize>,
    page_size: Option<i32>,
    pub(super) max_requests: Option<usize>,
    /// Items are dropped after they were read, or may be: their number says nothing about the pages.
    pub(super) filtered: bool,
}

impl ReadOptions {
    pub(super) fn check(&self) -> Result<()> {
        if let Some(index) = &self.index {
            crate::table::name::check_index(index)?;
        }
        if self.page_size.is_some_and(|size| size < 1) {
            return Err(Error::usage("page_size", "expected at least 1"));
        }
        if self.max_requests == Some(0) {
            return Err(Error::usage("max_requests", "expected at least 1"));
        }
        let whole = |select: &Select| *select != Select::SpecificAttributes;
        if self.projection.is_some() && self.select.as_ref().is_some_and(whole) {
            let expected = "expected no select beside project(..), which selects these paths";
            return Err(Error::usage("select", expected));
        }
        Ok(())
    }

    /// The `Limit` of a single request: as many items as are wanted, where that makes a page of so many.
    pub(super) fn limit_of_one(&self, raw: bool) -> Result<Option<i32>> {
        self.limits(raw).limit_of_one()
    }

    /// What a count has no use for: DynamoDB refuses it.
    pub(super) fn for_count(&mut self) {
        self.projection = None;
        self.select = None;
    }

    pub(super) fn limits(&self, raw: bool) -> Limits {
        Limits {
            take: self.take,
            page_size: self.page_size,
            max_requests: self.max_requests,
            filtered: raw || self.filter.is_some(),
        }
    }

    /// Where each segment is to begin.
    pub(super) fn positions(&self) -> Positions {
        match &self.start {
            Some(cursor) => cursor.clone().into_positions(),
            None => Positions::beginning(1),
        }
    }

    /// The filter and the projection, as texts.
    pub(super) fn render(
        &mut self,
        expressions: &mut Expressions,
    ) -> Result<(Option<String>, Option<String>)> {
        let filter = self.filter.take();
        let filter = filter.map(|filter| filter.into_text("filter", expressions));
        let filter = filter.transpose()?;
        let paths = self.projection.as_deref();
        let paths = paths.map(|paths| projection(paths, expressions));
        Ok((filter, paths.transpose()?))
    }
}

impl Limits {
    pub(super) fn limit_of_one(&self) -> Result<Option<i32>> {
        if self.take.is_some() && self.filtered {
            let expected = "expected no take beside a filter or raw(..): a page cannot be cut; use stream(), or page_size";
            return Err(Error::usage("take", expected));
        }
        if self.take == Some(0) {
            return Err(Error::usage("take", "expected at least 1 for a page"));
        }
        Ok(self.page_limit(self.take))
    }

    /// The `Limit` of a request of which so many items are wanted.
    pub(super) fn page_limit(&self, wanted: Option<usize>) -> Option<i32> {
        let wanted = wanted.map(|wanted| i32::try_from(wanted).unwrap_or(i32::MAX));
        match (wanted, self.page_size) {
            (Some(wanted), Some(size)) => Some(wanted.min(size)),
            (wanted, size) => wanted.or(size),
        }
    }
}

/// The setters and the ways to read that [`Query`](crate::table::Query) and [`Scan`](crate::table::Scan) share; both
/// have `options: ReadOptions`, `raw` and `fn into_reading(self) -> Reading`.
macro_rules! reads_items {
    ($operation:ident, $fluent:ident) => {
        impl $operation {
            /// Reads a secondary index instead of the table.
            pub fn index(mut self, name: &str) -> Self {
                self.options.index = Some(name.to_owned());
                self
            }

            /// Drops what does not satisfy this, after it was read and paid for; several filters must
            /// all hold.
            pub fn filter(mut self, condition: Cond) -> Self {
                let earlier = self.options.filter.take();
                self.options.filter = Some(condition.and_also(earlier));
                self
            }

            /// Fetches these paths only; it costs the same, and less travels.
            pub fn project<P: Into<Path>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
                let paths = paths.into_iter().map(Into::into).collect();
                self.options.projection = Some(paths);
                self
            }

            /// Which attributes come: of an index, those it holds by default, and with
            /// `Select::AllAttributes` whole items, which costs a read of the table for each. With
            /// `Select::Count` there are no items, only the number in [`output`](Self::output): whatever
            /// reads items refuses it, and [`count`](Self::count) does it over all pages.
            pub fn select(mut self, select: Select) -> Self {
                self.options.select = Some(select);
                self
            }

            /// Reads what the last write left, at twice the cost; not possible on a global index.
            pub fn consistent(mut self) -> Self {
                self.options.consistent = true;
                self
            }

            /// Ends after so many items, counted after the filter. Without a filter no more than these
            /// are read and paid for, over all segments; with one, each segment that is read at the same
            /// time may have read a page that is not needed.
            pub fn take(mut self, items: usize) -> Self {
                self.options.take = Some(items);
                self
            }

            /// How many items DynamoDB evaluates per request, before the filter: its `Limit`. By default
            /// a page is 1 MB.
            pub fn page_size(mut self, evaluated: i32) -> Self {
                self.options.page_size = Some(evaluated);
                self
            }

            /// A ceiling on the cost: a stream ends after so many requests, over all segments, and
            /// [`ItemStream::is_complete`](crate::table::ItemStream::is_complete) says whether there was more;
            /// a count and [`all`](Self::all) fail then, since what they return would be wrong.
            pub fn max_requests(mut self, requests: usize) -> Self {
                self.options.max_requests = Some(requests);
                self
            }

            /// Goes on where an earlier page or stream ended.
            pub fn start_at(mut self, cursor: Cursor) -> Self {
                self.options.start = Some(cursor);
                self
            }

            /// Asks for the capacity that the read consumes; it is in [`Page::capacity`] and
            /// [`ItemStream::capacity`](crate::table::ItemStream::capacity).
            pub fn consumed_capacity(mut self) -> Self {
                self.options.capacity = true;
                self
            }

            /// Changes the SDK's request, for settings that are not here; every page is read so.
            pub fn raw(mut self, change: impl FnOnce($fluent) -> $fluent + Send + 'static) -> Self {
                self.raw = self.raw.then(change);
                self
            }

            /// The items one by one, page after page as they are asked for.
            ///
            /// Nothing is sent before the stream is polled. An item that does not fit `T` is an error in
            /// its place, and the stream goes on after it; any other error ends it.
            ///
            /// # Cancel safety
            ///
            /// Dropping the stream ends the reading; dropping a `next` loses nothing.
            pub fn stream<T: DeserializeOwned>(self) -> ItemStream<T> {
                ItemStream::new(self.into_reading())
            }

            /// All items, page after page, in memory, and apart from them those that do not fit `T`:
            /// `.all::<User>().await?.complete()?` where there must be none.
            ///
            /// # Errors
            ///
            /// The first error that is not an item's own; [`ErrorKind::Other`](crate::ErrorKind::Other) when
            /// `max_requests` was reached before the end. What was read before is lost with it: where that
            /// costs too much, [`stream`](Self::stream) keeps it, and the cursor.
            ///
            /// # Cancel safety
            ///
            /// A read: dropping the future changes nothing.
            pub async fn all<T: DeserializeOwned>(self) -> Result<Page<T>> {
                self.into_reading().all().await
            }

            /// The first item, if there is one; no more than that is read and paid for without a filter.
            ///
            /// # Errors
            ///
            /// As for the stream; [`ErrorKind::Other`](crate::ErrorKind::Other) when `max_requests` was
            /// reached before an item passed the filter.
            ///
            /// # Cancel safety
            ///
            /// A read: dropping the future changes nothing.
            pub async fn first<T: DeserializeOwned>(self) -> Result<Option<T>> {
                self.into_reading().first(false).await
            }

            /// The only item, if there is one.
            ///
            /// # Errors
            ///
            /// [`ErrorKind::Other`](crate::ErrorKind::Other) when there are more, or when `max_requests` was
            /// reached before it was sure that there are not; else as for the stream.
            ///
            /// # Cancel safety
            ///
            /// A read: dropping the future changes nothing.
            pub async fn one<T: DeserializeOwned>(self) -> Result<Option<T>> {
                self.into_reading().first(true).await
            }

            /// One request: its items, apart from them those that do not fit `T`, and where the next one
            /// begins.
            ///
            /// # Errors
            ///
            /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) for `take` beside a filter: a page cannot be
            /// cut in the middle; else as for the stream.
            ///
            /// # Cancel safety
            ///
            /// A read: dropping the future changes nothing.
            pub async fn page<T: DeserializeOwned>(self) -> Result<Page<T>> {
                self.into_reading().page().await
            }

            /// How many items there are, over all pages; reads and costs as much as the items would. A
            /// projection says nothing about that, and is left out.
            ///
            /// # Errors
            ///
            /// The first error; [`ErrorKind::Other`](crate::ErrorKind::Other) when `max_requests` was
            /// reached before the end.
            ///
            /// # Cancel safety
            ///
            /// A read: dropping the future changes nothing.
            pub async fn count(mut self) -> Result<u64> {
                self.options.for_count();
                self.into_reading().count().await
            }
        }
    };
}

pub(crate) use reads_items;
