//! Many puts and deletes, in as few requests as DynamoDB takes.

use super::backoff::Backoff;
use super::identity::identity_of;
use super::running::Running;
use crate::error::{Error, ErrorKind, Result};
use crate::table::error::Call;
use crate::table::item::{Attributes, to_attributes};
use crate::table::key::IntoKey;
use crate::table::operations::BATCH_WRITE;
use crate::table::raw::RawEach;
use crate::table::target::Target;
use crate::table::write::delete::{Delete, delete_request};
use crate::table::write::put::{Put, put_request};
use aws_sdk_dynamodb::operation::batch_write_item::BatchWriteItemOutput;
use aws_sdk_dynamodb::operation::batch_write_item::builders::BatchWriteItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_dynamodb::types::{ReturnConsumedCapacity, WriteRequest};
use serde::Serialize;
use std::collections::{HashMap, VecDeque};
use std::fmt;

/// How many writes DynamoDB takes in one request;
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html>.
pub const MOST_WRITES_PER_REQUEST: usize = 25;

/// How many requests a batch has in flight by default: enough to hide the way there and back, few enough
/// not to throttle a small table by itself.
pub const DEFAULT_BATCH_CONCURRENCY: usize = 4;

/// Puts and deletes of one table, as many as you like; made by
/// [`Table::batch_write`](crate::table::Table::batch_write).
///
/// They go out in requests of [`MOST_WRITES_PER_REQUEST`], a few at the same time. What DynamoDB leaves
/// unprocessed is repeated with [`Backoff`]; what is left in the end comes back. Nothing is dropped.
///
/// A batch is no transaction: each write stands for itself, in no order. Two writes to one key are
/// refused by DynamoDB in one request and race in two: [`dedupe_by`](Self::dedupe_by) keeps the last.
#[must_use = "an operation does nothing until it is sent"]
pub struct BatchWrite {
    pub(crate) target: Target,
    requests: Vec<WriteRequest>,
    dedupe_by: Vec<String>,
    backoff: Backoff,
    concurrency: usize,
    capacity: bool,
    raw: RawEach<BatchWriteItemFluentBuilder>,
    problem: Option<Error>,
}

/// A write that can be put in a batch: a [`Put`] or a [`Delete`] without a condition.
#[derive(Debug)]
pub struct BatchItem(Part);

#[derive(Debug)]
enum Part {
    Delete(Delete),
    Put(Put),
}

/// What became of a batch: written and unprocessed together are what was given.
#[derive(Debug)]
#[must_use = "what is unprocessed was not written: look, or call complete()"]
#[non_exhaustive]
pub struct BatchReport {
    /// How many writes DynamoDB took.
    pub written: usize,
    /// What it did not take, for [`BatchWrite::requests`] of a later batch.
    pub unprocessed: Vec<WriteRequest>,
    /// What stopped the batch, or the last throttling, if anything is unprocessed.
    ///
    /// After an error without an answer (a timeout, a broken connection) the writes of that request count
    /// as unprocessed, though DynamoDB may have taken them. Repeating them does no harm.
    pub error: Option<Error>,
    /// How many requests were made, not counting the SDK's own repeats.
    pub requests: usize,
    /// The capacity units consumed, if they were asked for.
    pub capacity: Option<f64>,
}

impl BatchWrite {
    pub(crate) fn new(target: Target) -> Self {
        BatchWrite {
            target,
            requests: Vec::new(),
            dedupe_by: Vec::new(),
            backoff: Backoff::new(),
            concurrency: DEFAULT_BATCH_CONCURRENCY,
            capacity: false,
            raw: RawEach::none(),
            problem: None,
        }
    }

    /// Writes this item.
    pub fn put<T: Serialize + ?Sized>(self, item: &T) -> Self {
        let request = to_attributes(item).and_then(put_request);
        self.push(request)
    }

    /// Deletes the item of this key.
    pub fn delete(self, key: impl IntoKey) -> Self {
        let request = key.into_key().and_then(delete_request);
        self.push(request)
    }

    /// Writes what a [`Put`] or a [`Delete`] of the same table says.
    pub fn write(self, write: impl Into<BatchItem>) -> Self {
        let write: BatchItem = write.into();
        let target = match &write.0 {
            Part::Delete(delete) => &delete.target,
            Part::Put(put) => &put.target,
        };
        let ours = target.is_same(&self.target);
        let request = match write.0 {
            _ if !ours => Err(Error::usage(
                "write",
                format!(
                    "expected an operation on this table of this client, not on table {}",
                    target.table()
                ),
            )),
            Part::Delete(delete) => delete.into_batch(),
            Part::Put(put) => put.into_batch(),
        };
        self.push(request)
    }

    /// Writes these: what a [`BatchReport`] left unprocessed.
    pub fn requests(mut self, requests: impl IntoIterator<Item = WriteRequest>) -> Self {
        self.requests.extend(requests);
        self
    }

    /// Keeps only the last write to each key, given the names of the table's key attributes.
    pub fn dedupe_by<N: Into<String>>(mut self, key: impl IntoIterator<Item = N>) -> Self {
        self.dedupe_by = key.into_iter().map(Into::into).collect();
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

    /// Asks for the capacity consumed; it is in [`BatchReport::capacity`].
    pub fn consumed_capacity(mut self) -> Self {
        self.capacity = true;
        self
    }

    /// Changes each of the SDK's requests just before it is sent, for settings that are not here.
    pub fn raw(
        mut self,
        change: impl Fn(BatchWriteItemFluentBuilder) -> BatchWriteItemFluentBuilder
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.raw = self.raw.then(change);
        self
    }

    /// Writes it all, or says what is left.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Encode`] and [`ErrorKind::Usage`] before anything is sent. Whatever happens after
    /// that is in the report, so that no write is lost with an error: [`BatchReport::complete`] makes an
    /// error of it.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, any of the writes may have happened.
    pub async fn send(self) -> Result<BatchReport> {
        let target = self.target.clone();
        let call = Call::on(&target, BATCH_WRITE);
        if let Some(problem) = self.problem {
            return Err(call.explain(problem));
        }
        let requests = target
            .name
            .check()
            .and_then(|()| dedupe(self.requests, &self.dedupe_by))
            .map_err(|error| call.explain(error))?;
        let sending = Sending {
            target: target.clone(),
            concurrency: self.concurrency.max(1),
            capacity: self.capacity,
            raw: self.raw,
            report: BatchReport {
                written: 0,
                unprocessed: requests,
                error: None,
                requests: 0,
                capacity: None,
            },
        };
        Ok(sending.run(self.backoff).await)
    }

    fn push(mut self, request: Result<WriteRequest>) -> Self {
        match request {
            Ok(request) => self.requests.push(request),
            Err(problem) => {
                let position = self.requests.len();
                let field = problem.field().map(str::to_owned);
                let field = field.map_or_else(
                    || format!("write {position}"),
                    |field| format!("write {position}, {field}"),
                );
                self.problem.get_or_insert_with(|| problem.naming(field));
            }
        }
        self
    }
}

impl BatchReport {
    /// Whether everything was written.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.unprocessed.is_empty()
    }

    /// Makes an error of an incomplete batch; keep the report instead where the rest must be repeated.
    ///
    /// # Errors
    ///
    /// What stopped the batch, or [`ErrorKind::Throttled`] when DynamoDB left writes unprocessed to the
    /// end.
    pub fn complete(self) -> Result<()> {
        if self.is_complete() {
            return Ok(());
        }
        Err(self.error.unwrap_or_else(|| {
            let message = format!(
                "{} of {} writes are unprocessed",
                self.unprocessed.len(),
                self.unprocessed.len() + self.written
            );
            Error::new(ErrorKind::Throttled, BATCH_WRITE, message)
        }))
    }
}

impl From<Delete> for BatchItem {
    fn from(delete: Delete) -> Self {
        BatchItem(Part::Delete(delete))
    }
}

impl From<Put> for BatchItem {
    fn from(put: Put) -> Self {
        BatchItem(Part::Put(put))
    }
}

/// A batch under way: what is unprocessed is in the report, except what is in flight.
struct Sending {
    target: Target,
    concurrency: usize,
    capacity: bool,
    raw: RawEach<BatchWriteItemFluentBuilder>,
    report: BatchReport,
}

/// A request, and what came of it.
type Sent = (Vec<WriteRequest>, Result<BatchWriteItemOutput>);

impl Sending {
    async fn run(mut self, backoff: Backoff) -> BatchReport {
        let mut idle = 0;
        while !self.report.unprocessed.is_empty() {
            let before = self.report.written;
            let stopped = self.round().await;
            if stopped || self.report.unprocessed.is_empty() {
                break;
            }
            idle = if self.report.written > before {
                0
            } else {
                idle + 1
            };
            if backoff.is_over(idle) {
                break;
            }
            tokio::time::sleep(backoff.wait(idle)).await;
        }
        if self.report.unprocessed.is_empty() {
            self.report.error = None;
        }
        self.report
    }

    /// Sends each write once; `true` when an error says that no more should be sent.
    async fn round(&mut self) -> bool {
        let mut waiting = chunks(std::mem::take(&mut self.report.unprocessed));
        let mut running = Running::new();
        let mut stopped = false;
        loop {
            while !stopped && running.len() < self.concurrency {
                let Some(chunk) = waiting.pop_front() else {
                    break;
                };
                self.report.requests += 1;
                let (target, raw) = (self.target.clone(), self.raw.clone());
                running.push(send(target, chunk, self.capacity, raw));
            }
            let Some((mut chunk, result)) = running.next().await else {
                break;
            };
            match result {
                Ok(output) => self.took(chunk.len(), output),
                Err(error) if *error.kind() == ErrorKind::TooLarge && chunk.len() > 1 => {
                    let half = chunk.split_off(chunk.len() / 2);
                    waiting.push_front(half);
                    waiting.push_front(chunk);
                }
                Err(error) => {
                    // nothing of this request was taken, for want of capacity: that is a round without
                    // progress, not the end
                    stopped |= !error.is_throttled();
                    self.report.unprocessed.append(&mut chunk);
                    self.report.error = Some(error);
                }
            }
        }
        self.report
            .unprocessed
            .extend(waiting.into_iter().flatten());
        stopped
    }

    fn took(&mut self, given: usize, output: BatchWriteItemOutput) {
        let left = output.unprocessed_items.unwrap_or_default();
        let left: Vec<WriteRequest> = left.into_values().flatten().collect();
        self.report.written += given.saturating_sub(left.len());
        self.report.unprocessed.extend(left);
        let units = output.consumed_capacity.unwrap_or_default();
        let units = units.into_iter().filter_map(|c| c.capacity_units);
        for units in units {
            self.report.capacity = Some(self.report.capacity.unwrap_or_default() + units);
        }
    }
}

async fn send(
    target: Target,
    chunk: Vec<WriteRequest>,
    capacity: bool,
    raw: RawEach<BatchWriteItemFluentBuilder>,
) -> Sent {
    let call = Call::on(&target, BATCH_WRITE);
    let request = target
        .client()
        .batch_write_item()
        .set_request_items(Some(HashMap::from([(
            target.table().to_owned(),
            chunk.clone(),
        )])))
        .set_return_consumed_capacity(capacity.then_some(ReturnConsumedCapacity::Total));
    let sent = raw.apply(request).send().await;
    (chunk, sent.map_err(|error| call.failed(error)))
}

fn chunks(mut requests: Vec<WriteRequest>) -> VecDeque<Vec<WriteRequest>> {
    let mut chunks = VecDeque::new();
    while requests.len() > MOST_WRITES_PER_REQUEST {
        let rest = requests.split_off(MOST_WRITES_PER_REQUEST);
        chunks.push_back(std::mem::replace(&mut requests, rest));
    }
    if !requests.is_empty() {
        chunks.push_back(requests);
    }
    chunks
}

/// The last write to each key, in the order of these.
fn dedupe(requests: Vec<WriteRequest>, key: &[String]) -> Result<Vec<WriteRequest>> {
    if key.is_empty() {
        return Ok(requests);
    }
    let mut last = HashMap::new();
    for (position, request) in requests.iter().enumerate() {
        let attributes = attributes(request);
        let mut parts = Vec::with_capacity(key.len());
        for name in key {
            let value: Option<&AttributeValue> = attributes.and_then(|a| a.get(name));
            let value = value.ok_or_else(|| {
                let expected = "expected the key attribute in every write, to dedupe by it";
                Error::usage(format!("write {position}, attribute {name}"), expected)
            })?;
            parts.push((name.as_str(), value));
        }
        last.insert(identity_of(parts), position);
    }
    let mut kept = vec![false; requests.len()];
    for position in last.into_values() {
        if let Some(kept) = kept.get_mut(position) {
            *kept = true;
        }
    }
    let kept = requests.into_iter().zip(kept).filter(|(_, kept)| *kept);
    Ok(kept.map(|(request, _)| request).collect())
}

fn attributes(request: &WriteRequest) -> Option<&Attributes> {
    match (request.put_request(), request.delete_request()) {
        (Some(put), _) => Some(put.item()),
        (None, Some(delete)) => Some(delete.key()),
        (None, None) => None,
    }
}

impl fmt::Debug for BatchWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchWrite")
            .field("table", &self.target)
            .field("writes", &self.requests.len())
            .field("backoff", &self.backoff)
            .finish_non_exhaustive()
    }
}
