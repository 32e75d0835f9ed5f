//! Many items by their keys, in as few requests as DynamoDB takes.

use super::backoff::Backoff;
use super::identity::identity_of;
use super::running::Running;
use super::write::DEFAULT_BATCH_CONCURRENCY;
use crate::error::{Error, ErrorKind, Result};
use crate::table::decode::decode;
use crate::table::error::{Call, incomplete};
use crate::table::expression::expressions::Expressions;
use crate::table::expression::path::{Path, projection};
use crate::table::item::Attributes;
use crate::table::key::{IntoKey, Key};
use crate::table::operations::BATCH_GET;
use crate::table::raw::RawEach;
use crate::table::target::Target;
use aws_sdk_dynamodb::operation::batch_get_item::BatchGetItemOutput;
use aws_sdk_dynamodb::operation::batch_get_item::builders::BatchGetItemFluentBuilder;
use aws_sdk_dynamodb::types::{KeysAndAttributes, ReturnConsumedCapacity};
use serde::de::DeserializeOwned;
use std::collections::{HashMap, HashSet};
use std::fmt;

/// How many keys DynamoDB takes in one request;
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html>.
pub const MOST_KEYS_PER_REQUEST: usize = 100;

/// Items of one table by their keys, as many as you like; made by
/// [`Table::batch_get`](crate::table::Table::batch_get).
///
/// A key that is given twice is read once. What DynamoDB leaves unprocessed (an answer is at most 16 MB)
/// is asked for again with [`Backoff`]; what is left in the end comes back.
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

/// What a batch found.
#[derive(Debug)]
#[must_use = "what is unprocessed was not read: look, or call complete()"]
#[non_exhaustive]
pub struct BatchItems<T> {
    /// The items, in no order; keys without an item have none here.
    pub items: Vec<T>,
    /// The keys that DynamoDB did not get to, for a later batch.
    pub unprocessed: Vec<Key>,
    /// The capacity units consumed, if they were asked for.
    pub capacity: Option<f64>,
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
    pub fn project(mut self, paths: &[&str]) -> Self {
        self.projection = Some(paths.iter().map(|path| Path::from(*path)).collect());
        self
    }

    /// How what is unprocessed is repeated; default [`Backoff::new`].
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// How many requests are in flight; default [`DEFAULT_BATCH_CONCURRENCY`], 0 is as 1.
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
    /// [`ErrorKind::Usage`] before anything is sent; [`ErrorKind::Decode`] when an item does not fit
    /// `T`; else what DynamoDB or the strategy says. Throttling is no error here: what it kept back is in
    /// [`BatchItems::unprocessed`].
    ///
    /// # Cancel safety
    ///
    /// A read: dropping the future changes nothing.
    pub async fn send<T: DeserializeOwned>(self) -> Result<BatchItems<T>> {
        let target = self.target.clone();
        let call = Call::on(&target, BATCH_GET);
        let backoff = self.backoff;
        let mut reading = self.into_reading().map_err(|error| call.explain(error))?;
        let mut idle = 0;
        while !reading.unprocessed.is_empty() {
            let before = reading.unprocessed.len();
            reading.round().await?;
            idle = if reading.unprocessed.len() < before {
                0
            } else {
                idle + 1
            };
            if reading.unprocessed.is_empty() || backoff.is_over(idle) {
                break;
            }
            tokio::time::sleep(backoff.wait(idle)).await;
        }
        let items = reading.items.into_iter().map(|item| decode(item, None));
        let items = items.collect::<Result<_>>().map_err(|e| call.explain(e))?;
        let unprocessed = reading.unprocessed.into_iter().map(Key::new);
        Ok(BatchItems {
            items,
            unprocessed: unprocessed
                .collect::<Result<_>>()
                .map_err(|e| call.explain(e))?,
            capacity: reading.capacity,
        })
    }

    fn into_reading(self) -> Result<Reading> {
        let BatchGet {
            target,
            keys,
            consistent,
            projection: paths,
            backoff: _,
            concurrency,
            capacity,
            raw,
        } = self;
        target.name.check()?;
        let mut seen = HashSet::new();
        let keys = keys?.into_iter().map(Key::into_attributes);
        let keys = keys.filter(|key| {
            let attributes = key.iter().map(|(name, value)| (name.as_str(), value));
            seen.insert(identity_of(attributes))
        });
        let unprocessed = keys.collect();
        let mut expressions = Expressions::default();
        let expression = paths
            .map(|paths| projection(&paths, &mut expressions))
            .transpose()?;
        let (names, _) = expressions.into_maps();
        Ok(Reading {
            target,
            consistent,
            expression,
            names,
            count_capacity: capacity,
            raw,
            concurrency: concurrency.max(1),
            items: Vec::new(),
            unprocessed,
            capacity: None,
        })
    }
}

impl<T> BatchItems<T> {
    /// The items, if every key was processed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Throttled`] when DynamoDB left keys unprocessed to the end.
    pub fn complete(self) -> Result<Vec<T>> {
        if self.unprocessed.is_empty() {
            return Ok(self.items);
        }
        let message = format!("{} keys are unprocessed", self.unprocessed.len());
        Err(Error::new(ErrorKind::Throttled, BATCH_GET, message))
    }
}

/// A batch under way.
struct Reading {
    target: Target,
    consistent: bool,
    expression: Option<String>,
    names: Option<HashMap<String, String>>,
    count_capacity: bool,
    raw: RawEach<BatchGetItemFluentBuilder>,
    concurrency: usize,
    items: Vec<Attributes>,
    unprocessed: Vec<Attributes>,
    capacity: Option<f64>,
}

impl Reading {
    /// Asks for each key once.
    async fn round(&mut self) -> Result<()> {
        let keys = std::mem::take(&mut self.unprocessed);
        let mut waiting = keys.chunks(MOST_KEYS_PER_REQUEST);
        let mut running = Running::new();
        loop {
            while running.len() < self.concurrency {
                let Some(chunk) = waiting.next() else { break };
                running.push(self.ask(chunk.to_vec())?);
            }
            let Some((chunk, result)) = running.next().await else {
                return Ok(());
            };
            match result {
                Ok(output) => self.took(output),
                Err(error) if error.is_throttled() => self.unprocessed.extend(chunk),
                Err(error) => return Err(error),
            }
        }
    }

    fn ask(
        &self,
        keys: Vec<Attributes>,
    ) -> Result<impl Future<Output = (Vec<Attributes>, Result<BatchGetItemOutput>)> + Send + 'static>
    {
        let asked = KeysAndAttributes::builder()
            .set_keys(Some(keys.clone()))
            .set_consistent_read(self.consistent.then_some(true))
            .set_projection_expression(self.expression.clone())
            .set_expression_attribute_names(self.names.clone())
            .build()
            .map_err(incomplete)?;
        let (target, raw) = (self.target.clone(), self.raw.clone());
        let capacity = self.count_capacity;
        Ok(async move {
            let call = Call::on(&target, BATCH_GET);
            let request = target
                .client()
                .batch_get_item()
                .request_items(target.table(), asked)
                .set_return_consumed_capacity(capacity.then_some(ReturnConsumedCapacity::Total));
            let sent = raw.apply(request).send().await;
            (keys, sent.map_err(|error| call.failed(error)))
        })
    }

    fn took(&mut self, output: BatchGetItemOutput) {
        let found = output.responses.unwrap_or_default();
        self.items.extend(found.into_values().flatten());
        let left = output.unprocessed_keys.unwrap_or_default();
        self.unprocessed
            .extend(left.into_values().flat_map(|keys| keys.keys));
        let units = output.consumed_capacity.unwrap_or_default();
        for units in units.into_iter().filter_map(|c| c.capacity_units) {
            self.capacity = Some(self.capacity.unwrap_or_default() + units);
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
