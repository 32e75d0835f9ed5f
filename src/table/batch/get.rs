//! Many items by their keys, in as few requests as DynamoDB takes.

use super::backoff::Backoff;
use super::found::BatchItems;
use super::reading::{Part, Plan};
use super::write::DEFAULT_BATCH_CONCURRENCY;
use crate::error::Result;
use crate::table::expression::path::Path;
use crate::table::key::{IntoKey, Key};
use crate::table::raw::RawEach;
use crate::table::target::Target;
use aws_sdk_dynamodb::operation::batch_get_item::builders::BatchGetItemFluentBuilder;
use serde::de::DeserializeOwned;
use std::fmt;

/// How many keys DynamoDB takes in one request;
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html>.
pub const MOST_KEYS_PER_REQUEST: usize = 100;

/// Items of one table by their keys, as many as you like; made by
/// [`Table::batch_get`](crate::table::Table::batch_get). Several tables at once:
/// [`Dynamo::batch_get`](crate::table::Dynamo::batch_get).
///
/// A key that is given twice is read once. What DynamoDB leaves unprocessed (an answer is at most 16 MB) is
/// asked for again, and a key that is not valid, or is denied, is found by dividing its request, as
/// [`BatchWrite`](crate::table::BatchWrite) does; what is left in the end comes back.
#[must_use = "an operation does nothing until it is sent"]
pub struct BatchGet {
    pub(crate) target: Target,
    keys: Result<Vec<Key>>,
    consistent: bool,
    projection: Option<Vec<Path>>,
    backoff: Backoff,
    concurrency: usize,
    capacity: bool,
    raw: RawEach<BatchGetItemFluentBuilder>,
}

impl BatchGet {
    pub(crate) fn new<K: IntoKey>(target: Target, keys: impl IntoIterator<Item = K>) -> Self {
        let keys = keys.into_iter().enumerate().map(|(position, key)| {
            key.into_key().map_err(|error| {
                let field = error.field().unwrap_or("key").to_owned();
                error.naming(format!("key {position}, {field}"))
            })
        });
        BatchGet {
            target,
            keys: keys.collect(),
            consistent: false,
            projection: None,
            backoff: Backoff::new(),
            concurrency: DEFAULT_BATCH_CONCURRENCY,
            capacity: false,
            raw: RawEach::none(),
        }
    }

    /// Reads what the last write left, at twice the cost; by default an answer may be a moment old.
    pub fn consistent(mut self) -> Self {
        self.consistent = true;
        self
    }

    /// Fetches these paths only; it costs the same, and less travels.
    pub fn project<P: Into<Path>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.projection = Some(paths.into_iter().map(Into::into).collect());
        self
    }

    /// How what is unprocessed is repeated; default [`Backoff::new`].
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// How many requests are in flight at most; default [`DEFAULT_BATCH_CONCURRENCY`], 0 is as 1.
    pub fn concurrency(mut self, requests: usize) -> Self {
        self.concurrency = requests;
        self
    }

    /// Asks for the capacity consumed; it is in [`BatchItems::capacity`].
    pub fn consumed_capacity(mut self) -> Self {
        self.capacity = true;
        self
    }

    /// Changes each of the SDK's requests just before it is sent, for settings that are not here.
    pub fn raw(
        mut self,
        change: impl Fn(BatchGetItemFluentBuilder) -> BatchGetItemFluentBuilder + Send + Sync + 'static,
    ) -> Self {
        self.raw = self.raw.then(change);
        self
    }

    /// Reads the items.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) before anything is sent. Whatever happens after that is in what comes back, so
    /// that no item is lost with an error: [`BatchItems::complete`] makes an error of it.
    ///
    /// # Cancel safety
    ///
    /// A read: dropping the future changes nothing.
    pub async fn send<T: DeserializeOwned>(self) -> Result<BatchItems<T>> {
        let target = self.target.clone();
        let plan = Plan {
            backoff: self.backoff,
            concurrency: self.concurrency,
            capacity: self.capacity,
            raw: self.raw.clone(),
            parts: vec![self.into_part()],
        };
        Ok(plan.send(&target.shared).await?.of_table(&target))
    }

    /// The part of a batch of several tables, which has settings of its own for the rest.
    pub(super) fn into_part(self) -> Part {
        Part {
            target: self.target,
            keys: self.keys,
            consistent: self.consistent,
            projection: self.projection,
        }
    }
}

impl fmt::Debug for BatchGet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchGet")
            .field("table", &self.target)
            .field("keys", &self.keys)
            .field("backoff", &self.backoff)
            .finish_non_exhaustive()
    }
}
