//! Many puts and deletes, in as few requests as DynamoDB takes.

use super::backoff::Backoff;
use super::identity::{Identity, identity_of};
use super::listed::Listed;
use super::schedule::{Account, Answer, Entry, Given, Kind, Schedule, unknown_table};
use crate::error::{Error, ErrorKind, Result};
use crate::table::error::{Call, Subject};
use crate::table::item::{Attributes, to_attributes};
use crate::table::key::IntoKey;
use crate::table::name::meant_by;
use crate::table::operations::BATCH_WRITE;
use crate::table::raw::RawEach;
use crate::table::target::{Shared, Target, send};
use crate::table::write::delete::{Delete, delete_request};
use crate::table::write::put::{Put, put_request};
use aws_sdk_dynamodb::operation::batch_write_item::BatchWriteItemOutput;
use aws_sdk_dynamodb::operation::batch_write_item::builders::BatchWriteItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity, WriteRequest};
use futures_core::Stream;
use serde::Serialize;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

/// How many writes DynamoDB takes in one request;
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html>.
pub const MOST_WRITES_PER_REQUEST: usize = 25;

/// How many requests a batch has in flight by default: enough to hide the way there and back, few enough
/// not to throttle a small table by itself.
pub const DEFAULT_BATCH_CONCURRENCY: usize = 4;

/// Puts and deletes, as many as you like; made by [`Table::batch_write`](crate::table::Table::batch_write)
/// for one table, by [`Dynamo::batch_write`](crate::table::Dynamo::batch_write) for several.
///
/// They go out in requests of [`MOST_WRITES_PER_REQUEST`], a few at the same time. What DynamoDB leaves
/// unprocessed is repeated, with fewer requests in flight and time between them as long as that gets more
/// of each through, and with [`Backoff`] when nothing gets through; what is left in the end comes back. A
/// write that is not valid, or is denied by its key, is found by dividing its request, and the others go on. Nothing is dropped.
///
/// The SDK's retries are switched off within, but for the one after rejected credentials, so a throttled
/// table costs the other requests of this client none of their retry quota.
///
/// A batch is no transaction: each write stands for itself, in no order. Two writes to one key are
/// refused by DynamoDB in one request and race in two: [`dedupe_by`](Self::dedupe_by) keeps the last.
#[must_use = "an operation does nothing until it is sent"]
pub struct BatchWrite {
    shared: Arc<Shared>,
    /// The table of `put` and `delete`.
    target: Option<Target>,
    writes: Vec<Write>,
    dedupe_by: Vec<String>,
    backoff: Backoff,
    concurrency: usize,
    capacity: bool,
    raw: RawEach<BatchWriteItemFluentBuilder>,
    problem: Option<Error>,
}

/// A write that can be put in a batch: a [`Put`] or a [`Delete`] without a condition, or one that a batch
/// [left](BatchReport::unprocessed).
///
/// Its `Debug` shows the names of the attributes only.
pub struct BatchItem {
    target: Target,
    request: Result<WriteRequest>,
}

/// What became of a batch: written, unprocessed and refused together are what was given.
#[must_use = "what is unprocessed or refused was not written: look, or call complete()"]
#[non_exhaustive]
pub struct BatchReport {
    /// How many writes DynamoDB took.
    pub written: usize,
    /// What it did not take though nothing is wrong with it, for [`BatchWrite::writes`] of a later batch.
    pub unprocessed: Vec<BatchLeft>,
    /// The writes that are not valid, or too large, or denied where others of the table are not, each with what DynamoDB says of it alone; of two to one key
    /// in one request, all that were in it.
    pub refused: Vec<BatchRefused>,
    /// What stopped the batch, or a table's part of it, or the last throttling, if anything is unprocessed.
    ///
    /// After an error without an answer (a timeout, a broken connection) the writes of that request are
    /// repeated, and count as unprocessed in the end, though DynamoDB may have taken them. Repeating them
    /// does no harm.
    pub error: Option<Error>,
    /// How many requests were made, not counting those repeated with new credentials.
    pub requests: usize,
    /// The capacity units consumed, of all requests and tables, if they were asked for.
    pub capacity: Option<f64>,
    about: About,
}

/// A write that was not made.
///
/// Its `Debug` shows the names of the attributes only.
#[derive(Clone)]
#[non_exhaustive]
pub struct BatchLeft {
    /// The write.
    pub request: WriteRequest,
    /// The how manieth it was of those given, counted from 0, where DynamoDB gave it back as it was.
    pub position: Option<usize>,
    target: Target,
}

/// A write that DynamoDB refuses, and why.
///
/// Its `Debug` shows the names of the attributes only.
#[derive(Clone)]
#[non_exhaustive]
pub struct BatchRefused {
    /// The write; none where it could not be made a request.
    pub request: Option<WriteRequest>,
    /// The how manieth it was of those given, counted from 0.
    pub position: Option<usize>,
    /// The reason.
    pub error: Error,
}

/// What a batch is about, for the error that is made of its report.
struct About {
    shared: Arc<Shared>,
    tables: Vec<String>,
}

impl BatchWrite {
    pub(crate) fn new(shared: Arc<Shared>, target: Option<Target>) -> Self {
        BatchWrite {
            shared,
            target,
            writes: Vec::new(),
            dedupe_by: Vec::new(),
            backoff: Backoff::new(),
            concurrency: DEFAULT_BATCH_CONCURRENCY,
            capacity: false,
            raw: RawEach::none(),
            problem: None,
        }
    }

    /// Writes this item, to the batch's own table.
    pub fn put<T: Serialize + ?Sized>(self, item: &T) -> Self {
        let request = to_attributes(item).and_then(put_request);
        self.push_own(request, "put")
    }

    /// Deletes the item of this key, of the batch's own table.
    pub fn delete(self, key: impl IntoKey) -> Self {
        let request = key.into_key().and_then(delete_request);
        self.push_own(request, "delete")
    }

    /// Writes what a [`Put`] or a [`Delete`] says: of the same table, or of any in a batch of several.
    pub fn write(mut self, write: impl Into<BatchItem>) -> Self {
        let write = write.into();
        self.push(write);
        self
    }

    /// Writes all of these, for example what a [`BatchReport`] left unprocessed.
    pub fn writes<W: Into<BatchItem>>(mut self, writes: impl IntoIterator<Item = W>) -> Self {
        for write in writes {
            self.push(write.into());
        }
        self
    }

    /// Writes these requests of the SDK's to the batch's own table.
    pub fn requests(self, requests: impl IntoIterator<Item = WriteRequest>) -> Self {
        requests
            .into_iter()
            .fold(self, |batch, request| batch.push_own(Ok(request), "put"))
    }

    /// Keeps only the last write to each key, given the names of the table's key attributes. What is superseded
    /// is not sent, and is in no part of the report.
    ///
    /// Of what a [stream](Self::send_stream) gives, the last of those that go out in one request: two that are
    /// further apart race.
    pub fn dedupe_by<N: Into<String>>(mut self, key: impl IntoIterator<Item = N>) -> Self {
        self.dedupe_by = key.into_iter().map(Into::into).collect();
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
        self.run(None).await
    }

    /// Writes what was added, and then what an iterator gives, which is asked for more as requests go
    /// out: no more than a few requests are in memory.
    ///
    /// Items that cannot be written are among [`BatchReport::refused`]. When the batch ends early, or a few requests'
    /// worth of items are for a table that refuses them, the rest of the iterator is not asked for; give
    /// `&mut iterator` to go on with it.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), of what was added.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, any of the writes may have happened.
    ///
    /// ```
    /// # use aws_credential_strategies::{CredentialStrategy, Result, Table};
    /// # async fn example<S: CredentialStrategy>(table: Table<S>) -> Result<()> {
    /// #[derive(serde::Serialize)]
    /// struct Reading { sensor: u32, at: u64 }
    ///
    /// let readings = (0..1_000_000).map(|at| table.put(&Reading { sensor: 7, at }));
    /// table.batch_write().send_iter(readings).await?.complete()?;
    /// # Ok(()) }
    /// ```
    pub async fn send_iter<W: Into<BatchItem>>(
        self,
        writes: impl IntoIterator<Item = W, IntoIter: Send>,
    ) -> Result<BatchReport> {
        self.send_stream(Listed::new(writes)).await
    }

    /// Writes what was added, and then what a stream gives, as [`send_iter`](Self::send_iter) does; when the
    /// batch ends early, the rest is left in the stream.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), of what was added.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, any of the writes may have happened, and what was taken from the stream
    /// is gone.
    pub async fn send_stream<W: Into<BatchItem>>(
        self,
        writes: impl Stream<Item = W> + Send,
    ) -> Result<BatchReport> {
        let dedupe_by = self.dedupe_by.clone();
        let writes = pin!(Writes {
            position: self.writes.len(),
            shared: Arc::clone(&self.shared),
            only: self.target.clone(),
            dedupe_by: &dedupe_by,
            writes: pin!(writes),
        });
        self.run(Some(writes)).await
    }

    async fn run(
        self,
        more: Option<Pin<&mut (dyn Stream<Item = Given<Writing>> + Send)>>,
    ) -> Result<BatchReport> {
        let about = About {
            tables: self.tables().into_iter().map(str::to_owned).collect(),
            shared: Arc::clone(&self.shared),
        };
        if let Some(problem) = self.problem {
            return Err(about.explain(problem));
        }
        let writes = dedupe(self.writes, &self.dedupe_by).map_err(|error| about.explain(error))?;
        let writing = Writing {
            shared: self.shared,
            dedupe_by: self.dedupe_by,
            capacity: self.capacity,
            raw: self.raw,
        };
        let schedule = Schedule::new(writing, writes, self.backoff, self.concurrency)
            .of_one_table(self.target.is_some());
        Ok(BatchReport::of(schedule.run(more).await, about))
    }

    fn push_own(mut self, request: Result<WriteRequest>, verb: &'static str) -> Self {
        let Some(target) = self.target.clone() else {
            let expected =
                format!("expected write(table.{verb}(..)): this batch is of no one table");
            self.problem
                .get_or_insert_with(|| Error::usage(verb, expected));
            return self;
        };
        self.push(BatchItem { target, request });
        self
    }

    fn push(&mut self, write: BatchItem) {
        let position = self.writes.len();
        match Write::of(write, position, &self.shared, self.target.as_ref()) {
            Ok(write) => self.writes.push(write),
            Err(problem) => {
                self.problem.get_or_insert(problem);
            }
        }
    }

    /// The tables, each once.
    pub(crate) fn tables(&self) -> Vec<&str> {
        let own = self.target.iter().map(Target::table);
        let mut tables: Vec<_> = own
            .chain(self.writes.iter().map(|write| write.target.table()))
            .collect();
        tables.sort_unstable();
        tables.dedup();
        tables
    }
}

impl BatchReport {
    fn of(account: Account<Writing>, about: About) -> Self {
        let left = account.unprocessed.into_iter().map(|write| BatchLeft {
            request: write.request,
            position: write.position,
            target: write.target,
        });
        let refused = account
            .refused
            .into_iter()
            .map(|(write, error)| BatchRefused {
                request: Some(write.request),
                position: write.position,
                error,
            });
        let invalid = account
            .invalid
            .into_iter()
            .map(|(position, error)| BatchRefused {
                request: None,
                position: Some(position),
                error: about.explain(error),
            });
        BatchReport {
            written: account.processed,
            unprocessed: left.collect(),
            refused: refused.chain(invalid).collect(),
            error: account.error,
            requests: account.requests,
            capacity: account.capacity,
            about,
        }
    }

    /// Whether everything was written.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.unprocessed.is_empty() && self.refused.is_empty()
    }

    /// Makes an error of an incomplete batch; keep the report instead where the rest must be repeated.
    ///
    /// # Errors
    ///
    /// The first refusal, naming which write it was; else what stopped the batch, or
    /// [`ErrorKind::Throttled`] when DynamoDB left writes unprocessed to the end. It names the tables and the
    /// strategy.
    pub fn complete(self) -> Result<()> {
        let (unprocessed, refused) = (self.unprocessed.len(), self.refused.len());
        let given = self.written + unprocessed + refused;
        if let Some(first) = self.refused.into_iter().next() {
            let which = first.position.map(|position| format!("write {position}"));
            let which = which.unwrap_or_else(|| "a write".to_owned());
            return Err(first.error.naming(format!(
                "{which} ({refused} of {given} refused, {unprocessed} unprocessed)"
            )));
        }
        if unprocessed == 0 {
            return Ok(());
        }
        Err(self.error.unwrap_or_else(|| {
            let message = format!("{unprocessed} of {given} writes are unprocessed");
            let error = Error::new(ErrorKind::Throttled, BATCH_WRITE, message);
            self.about.explain(error)
        }))
    }
}

impl BatchLeft {
    /// The table's name or ARN.
    #[must_use]
    pub fn table(&self) -> &str {
        self.target.table()
    }
}

impl About {
    fn explain(&self, error: Error) -> Error {
        let tables: Vec<&str> = self.tables.iter().map(String::as_str).collect();
        Call::about(&self.shared, BATCH_WRITE, Subject::Tables(&tables)).explain(error)
    }
}

impl From<Delete> for BatchItem {
    fn from(delete: Delete) -> Self {
        BatchItem {
            target: delete.target.clone(),
            request: delete.into_batch(),
        }
    }
}

impl From<Put> for BatchItem {
    fn from(put: Put) -> Self {
        BatchItem {
            target: put.target.clone(),
            request: put.into_batch(),
        }
    }
}

impl From<BatchLeft> for BatchItem {
    fn from(left: BatchLeft) -> Self {
        BatchItem {
            target: left.target,
            request: Ok(left.request),
        }
    }
}

/// A write as a batch sends it.
struct Write {
    target: Target,
    position: Option<usize>,
    request: WriteRequest,
}

impl Write {
    /// `only` is the one table that a batch is of.
    fn of(
        write: BatchItem,
        position: usize,
        shared: &Arc<Shared>,
        only: Option<&Target>,
    ) -> Result<Self> {
        let BatchItem { target, request } = write;
        let ours = match only {
            Some(only) => target.is_same(only),
            None => Arc::ptr_eq(&target.shared, shared),
        };
        if !ours {
            let expected = format!(
                "expected an operation on this table of this client, not on table {}; Dynamo::batch_write takes several tables",
                target.table()
            );
            return Err(Error::usage(format!("write {position}"), expected));
        }
        let request = request.and_then(|request| target.name.check().map(|()| request));
        let request = request.map_err(|problem| {
            let field = match problem.field() {
                Some(field) => format!("write {position}, {field}"),
                None => format!("write {position}"),
            };
            problem.naming(field)
        })?;
        Ok(Write {
            target,
            position: Some(position),
            request,
        })
    }
}

impl Entry for Write {
    fn target(&self) -> &Target {
        &self.target
    }

    fn is(&self, left: &Self) -> bool {
        self.request == left.request && self.target.table() == left.target.table()
    }
}

/// A stream of writes, checked one by one.
struct Writes<'a, W> {
    position: usize,
    shared: Arc<Shared>,
    only: Option<Target>,
    dedupe_by: &'a [String],
    writes: Pin<&'a mut W>,
}

impl<W: Stream<Item: Into<BatchItem>>> Stream for Writes<'_, W> {
    type Item = Given<Writing>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        this.writes.as_mut().poll_next(cx).map(|write| {
            let position = this.position;
            this.position += 1;
            let write = Write::of(write?.into(), position, &this.shared, this.only.as_ref());
            let write = write.and_then(|write| key_of(&write, this.dedupe_by).map(|_| write));
            Some(write.map_err(|error| (position, error)))
        })
    }
}

/// How a batch of writes is sent.
struct Writing {
    shared: Arc<Shared>,
    dedupe_by: Vec<String>,
    capacity: bool,
    raw: RawEach<BatchWriteItemFluentBuilder>,
}

impl Kind for Writing {
    const MOST: usize = MOST_WRITES_PER_REQUEST;
    type Entry = Write;
    type Found = ();

    fn send(
        &self,
        writes: &[Write],
    ) -> Result<impl Future<Output = Result<Answer<Self>>> + Send + 'static> {
        let mut requests: HashMap<String, Vec<WriteRequest>> = HashMap::with_capacity(1);
        let mut targets: Vec<Target> = Vec::with_capacity(1);
        for write in writes {
            let table = write.target.table();
            if let Some(requests) = requests.get_mut(table) {
                requests.push(write.request.clone());
            } else {
                requests.insert(table.to_owned(), vec![write.request.clone()]);
                targets.push(write.target.clone());
            }
        }
        let capacity = self.capacity.then_some(ReturnConsumedCapacity::Total);
        let request = self
            .shared
            .batch_client()
            .batch_write_item()
            .set_request_items(Some(requests))
            .set_return_consumed_capacity(capacity);
        let request = self.raw.apply(request);
        let shared = Arc::clone(&self.shared);
        Ok(async move {
            let tables: Vec<&str> = targets.iter().map(Target::table).collect();
            let call = Call::about(&shared, BATCH_WRITE, Subject::Tables(&tables));
            let output = send!(shared, request).map_err(|error| call.failed(error))?;
            answer(output, &targets).map_err(|error| call.explain(error))
        })
    }

    fn superseded(&self, writes: &mut Vec<Write>) {
        let Ok(last) = last_writes(writes, &self.dedupe_by) else {
            return;
        };
        let mut at = 0..;
        writes.retain(|_| at.next().is_some_and(|at| last.contains(&at)));
    }
}

fn answer(output: BatchWriteItemOutput, targets: &[Target]) -> Result<Answer<Writing>> {
    // whatever the table is called in an answer about one
    let only = targets.first().filter(|_| targets.len() == 1);
    let mut left = Vec::new();
    for (table, requests) in output.unprocessed_items.unwrap_or_default() {
        let target = meant_by(&table, targets, Target::table);
        let target = target.and_then(|at| targets.get(at)).or(only);
        let target = target.ok_or_else(|| unknown_table(BATCH_WRITE, &table))?;
        left.extend(requests.into_iter().map(|request| Write {
            target: target.clone(),
            position: None,
            request,
        }));
    }
    let units = output.consumed_capacity.unwrap_or_default();
    let units = units.into_iter().filter_map(|c| c.capacity_units);
    Ok(Answer {
        found: (),
        left,
        capacity: units.reduce(|sum, units| sum + units),
    })
}

/// The last write to each key, in the order of these.
fn dedupe(writes: Vec<Write>, key: &[String]) -> Result<Vec<Write>> {
    if key.is_empty() {
        return Ok(writes);
    }
    let last = last_writes(&writes, key)?;
    let kept = writes.into_iter().enumerate();
    let kept = kept.filter(|(at, _)| last.contains(at));
    Ok(kept.map(|(_, write)| write).collect())
}

/// Where the last write to each key is, by the positions at which they were given; those that DynamoDB spelt
/// otherwise when it left them have none, and are older than all.
fn last_writes(writes: &[Write], key: &[String]) -> Result<HashSet<usize>> {
    if key.is_empty() {
        return Ok((0..writes.len()).collect());
    }
    let mut last = HashMap::new();
    for (at, write) in writes.iter().enumerate() {
        let identity = (write.target.table(), key_of(write, key)?);
        let newest = last.entry(identity).or_insert((write.position, at));
        *newest = (*newest).max((write.position, at));
    }
    Ok(last.into_values().map(|(_, at)| at).collect())
}

/// What tells it from writes to other keys.
fn key_of(write: &Write, key: &[String]) -> Result<Identity> {
    let attributes = attributes(&write.request);
    let mut parts = Vec::with_capacity(key.len());
    for name in key {
        let value: Option<&AttributeValue> = attributes.and_then(|a| a.get(name));
        let value = value.ok_or_else(|| {
            let position = write.position.unwrap_or_default();
            let expected = "expected the key attribute in every write, to dedupe by it";
            Error::usage(format!("write {position}, attribute {name}"), expected)
        })?;
        parts.push((name.as_str(), value));
    }
    Ok(identity_of(parts))
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
            .field("tables", &self.tables())
            .field("writes", &self.writes.len())
            .field("backoff", &self.backoff)
            .finish_non_exhaustive()
    }
}

/// What may be shown of a write: what it does, and the names of its attributes.
struct Names<'a>(&'a WriteRequest);

impl fmt::Debug for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attributes = attributes(self.0).into_iter();
        let mut names: Vec<&String> = attributes.flat_map(Attributes::keys).collect();
        names.sort_unstable();
        let verb = match self.0.put_request() {
            Some(_) => "Put",
            None => "Delete",
        };
        f.debug_tuple(verb).field(&names).finish()
    }
}

impl fmt::Debug for BatchItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchItem")
            .field("table", &self.target)
            .field("request", &self.request.as_ref().map(Names))
            .finish()
    }
}

impl fmt::Debug for BatchLeft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchLeft")
            .field("table", &self.target)
            .field("request", &Names(&self.request))
            .field("position", &self.position)
            .finish()
    }
}

impl fmt::Debug for BatchRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchRefused")
            .field("request", &self.request.as_ref().map(Names))
            .field("position", &self.position)
            .field("error", &self.error)
            .finish()
    }
}

impl fmt::Debug for BatchReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchReport")
            .field("tables", &self.about.tables)
            .field("written", &self.written)
            .field("unprocessed", &self.unprocessed)
            .field("refused", &self.refused)
            .field("error", &self.error)
            .field("requests", &self.requests)
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}
