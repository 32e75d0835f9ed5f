//! What a query or a scan read.

use super::cursor::Cursor;
use crate::error::{Error, Result};

/// What a query or a scan read: one page, or with [`Query::all`](crate::table::Query::all) all of them.
#[derive(Clone, Debug)]
#[must_use = "items that could not be decoded are not among the others: look, or call complete()"]
#[non_exhaustive]
pub struct Page<T> {
    /// The items that passed the filter; none is normal, even where there are more pages.
    pub items: Vec<T>,
    /// The items that do not fit `T`, each an [`ErrorKind::Decode`](crate::ErrorKind::Decode) that
    /// carries the item.
    pub undecoded: Vec<Error>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<Cursor>,
    /// How many items were evaluated, and paid for, before the filter.
    pub scanned: u64,
    /// The capacity units consumed, if they were asked for.
    pub capacity: Option<f64>,
}

impl<T> Page<T> {
    /// The items, if all of them could be decoded.
    ///
    /// # Errors
    ///
    /// The first of [`undecoded`](Self::undecoded).
    pub fn complete(self) -> Result<Vec<T>> {
        match self.undecoded.into_iter().next() {
            Some(error) => Err(error),
            None => Ok(self.items),
        }
    }
}
