//! What query and scan have in common: which part, how much, from where.

use super::cursor::Cursor;
use crate::error::{Error, Result};
use crate::table::expression::condition::Cond;
use crate::table::expression::path::Path;

/// The settings that a query and a scan share.
#[derive(Debug, Default)]
pub(crate) struct ReadOptions {
    pub(crate) index: Option<String>,
    pub(crate) filter: Option<Cond>,
    pub(crate) projection: Option<Vec<Path>>,
    pub(crate) consistent: bool,
    pub(crate) take: Option<usize>,
    pub(crate) page_size: Option<i32>,
    pub(crate) max_requests: Option<usize>,
    pub(crate) start: Option<Cursor>,
    pub(crate) capacity: bool,
}

impl ReadOptions {
    pub(crate) fn check(&self) -> Result<()> {
        if let Some(index) = &self.index {
            crate::table::name::check_index(index)?;
        }
        if self.page_size.is_some_and(|size| size < 1) {
            return Err(Error::usage("page_size", "expected at least 1"));
        }
        if self.max_requests == Some(0) {
            return Err(Error::usage("max_requests", "expected at least 1"));
        }
        Ok(())
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
            pub fn project(mut self, paths: &[&str]) -> Self {
                let paths = paths.iter().map(|path| Path::from(*path)).collect();
                self.options.projection = Some(paths);
                self
            }

            /// Reads what the last write left, at twice the cost; not possible on a global index.
            pub fn consistent(mut self) -> Self {
                self.options.consistent = true;
                self
            }

            /// Ends after so many items, counted after the filter. Without a filter no more than these
            /// are read and paid for.
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

            /// A ceiling on the cost: a stream ends after so many requests, and
            /// [`ItemStream::cursor`](crate::table::ItemStream::cursor) says whether there was more; a count and
            /// [`all`](Self::all) fail then, since what they return would be wrong.
            pub fn max_requests(mut self, requests: usize) -> Self {
                self.options.max_requests = Some(requests);
                self
            }

            /// Goes on where an earlier page ended.
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

            /// All items, page after page, in memory.
            ///
            /// # Errors
            ///
            /// The first error; [`ErrorKind::Other`](crate::ErrorKind::Other) when `max_requests` was
            /// reached before the end.
            pub async fn all<T: DeserializeOwned>(self) -> Result<Vec<T>> {
                self.into_reading().all().await
            }

            /// One request: its items, and where the next one begins.
            ///
            /// # Errors
            ///
            /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) for `take` beside a filter: a page cannot be
            /// cut in the middle; else as for the stream.
            pub async fn page<T: DeserializeOwned>(self) -> Result<Page<T>> {
                self.into_reading().page().await
            }

            /// How many items there are, over all pages; reads and costs as much as the items would.
            ///
            /// # Errors
            ///
            /// The first error; [`ErrorKind::Other`](crate::ErrorKind::Other) when `max_requests` was
            /// reached before the end.
            pub async fn count(self) -> Result<u64> {
                self.into_reading().count().await
            }
        }
    };
}

pub(crate) use reads_items;
