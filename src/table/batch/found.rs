//! What a batch of reads found, and what it did not get to.

use crate::error::{Error, ErrorKind, Result};
use crate::table::decode::decode;
use crate::table::error::{Call, Subject};
use crate::table::item::Attributes;
use crate::table::key::Key;
use crate::table::operations::BATCH_GET;
use crate::table::target::{Shared, Target};
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// What a batch found.
#[derive(Debug)]
#[must_use = "what is unprocessed or refused was not read: look, or call complete()"]
#[non_exhaustive]
pub struct BatchItems<T> {
    /// The items, in no order; keys without an item have none here.
    pub items: Vec<T>,
    /// The items that do not fit `T`, each an [`ErrorKind::Decode`] that carries the item.
    pub undecoded: Vec<Error>,
    /// The keys that DynamoDB did not get to though nothing is wrong with them, for a later batch.
    pub unprocessed: Vec<Key>,
    /// The keys that are not valid, or denied where others are not, each with what DynamoDB says of it alone.
    pub refused: Vec<(Key, Error)>,
    /// What stopped the batch, or the last throttling, if anything is unprocessed.
    pub error: Option<Error>,
    /// How many requests were made, not counting those repeated with new credentials.
    pub requests: usize,
    /// The capacity units consumed, of all requests, if they were asked for.
    pub capacity: Option<f64>,
    pub(super) target: Target,
}

/// What a batch of several tables found; each table's items are [taken out](Self::items) by themselves.
#[must_use = "what is unprocessed or refused was not read: look, or call complete()"]
#[non_exhaustive]
pub struct BatchTables {
    /// What stopped the batch, or a table's part of it, or the last throttling, if anything is unprocessed.
    pub error: Option<Error>,
    /// How many requests were made, not counting those repeated with new credentials.
    pub requests: usize,
    /// The capacity units consumed, of all requests and tables, if they were asked for.
    pub capacity: Option<f64>,
    pub(super) shared: Arc<Shared>,
    /// By table, those of which nothing was found among them.
    pub(super) found: HashMap<String, Found>,
}

/// What became of the keys of one table.
pub(super) struct Found {
    pub(super) target: Target,
    pub(super) items: Vec<Attributes>,
    pub(super) unprocessed: Vec<Key>,
    pub(super) refused: Vec<(Key, Error)>,
}

impl<T> BatchItems<T> {
    /// The items, if every key was processed and every item fits.
    ///
    /// # Errors
    ///
    /// The first key that was refused, or item that does not fit; else what stopped the batch, or
    /// [`ErrorKind::Throttled`] when DynamoDB left keys unprocessed to the end. It names the table and the
    /// strategy.
    pub fn complete(self) -> Result<Vec<T>> {
        if let Some((_, error)) = self.refused.into_iter().next() {
            return Err(error);
        }
        if let Some(error) = self.undecoded.into_iter().next() {
            return Err(error);
        }
        if self.unprocessed.is_empty() {
            return Ok(self.items);
        }
        Err(self.error.unwrap_or_else(|| {
            let message = format!("{} keys are unprocessed", self.unprocessed.len());
            let error = Error::new(ErrorKind::Throttled, BATCH_GET, message);
            Call::on(&self.target, BATCH_GET).explain(error)
        }))
    }

    /// Whether every key was processed, and every item fits.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.unprocessed.is_empty() && self.refused.is_empty() && self.undecoded.is_empty()
    }
}

impl BatchTables {
    /// Takes out what was found of a table, given by name or ARN as [`Table::name`](crate::table::Table::name)
    /// says it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`] for a table that the batch did not read, or whose items were taken out before.
    pub fn items<T: DeserializeOwned>(&mut self, table: &str) -> Result<BatchItems<T>> {
        let Some(found) = self.found.remove(table) else {
            let expected = format!("expected a table of this batch, once, not {table:?}");
            return Err(Error::usage("table", expected).during(BATCH_GET));
        };
        Ok(self.decode(found))
    }

    /// Makes an error of an incomplete batch; the items are decoded, and can be taken out, after that.
    ///
    /// # Errors
    ///
    /// The first key that was refused; else what stopped the batch, or [`ErrorKind::Throttled`] when
    /// DynamoDB left keys unprocessed to the end. It names the tables and the strategy.
    pub fn complete(self) -> Result<Self> {
        let refused = self.found.values().flat_map(|found| &found.refused).next();
        if let Some((_, error)) = refused {
            return Err(error.clone());
        }
        let unprocessed: usize = self
            .found
            .values()
            .map(|found| found.unprocessed.len())
            .sum();
        if unprocessed == 0 {
            return Ok(self);
        }
        Err(self.error.clone().unwrap_or_else(|| {
            let tables: Vec<&str> = self.found.keys().map(String::as_str).collect();
            let message = format!("{unprocessed} keys are unprocessed");
            let error = Error::new(ErrorKind::Throttled, BATCH_GET, message);
            Call::about(&self.shared, BATCH_GET, Subject::Tables(&tables)).explain(error)
        }))
    }

    /// The only table's.
    pub(super) fn of_table<T: DeserializeOwned>(mut self, target: &Target) -> BatchItems<T> {
        let found = self.found.remove(target.table()).unwrap_or_else(|| Found {
            target: target.clone(),
            items: Vec::new(),
            unprocessed: Vec::new(),
            refused: Vec::new(),
        });
        self.decode(found)
    }

    fn decode<T: DeserializeOwned>(&self, found: Found) -> BatchItems<T> {
        let Found {
            target,
            items,
            unprocessed,
            refused,
        } = found;
        let mut decoded = Vec::with_capacity(items.len());
        let mut undecoded = Vec::new();
        for item in items {
            match decode(item, None) {
                Ok(item) => decoded.push(item),
                Err(error) => undecoded.push(Call::on(&target, BATCH_GET).explain(error)),
            }
        }
        BatchItems {
            items: decoded,
            undecoded,
            error: self.error.clone().filter(|_| !unprocessed.is_empty()),
            unprocessed,
            refused,
            requests: self.requests,
            capacity: self.capacity,
            target,
        }
    }
}

impl fmt::Debug for BatchTables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchTables")
            .field("tables", &self.found.keys().collect::<Vec<_>>())
            .field("error", &self.error)
            .field("requests", &self.requests)
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}
