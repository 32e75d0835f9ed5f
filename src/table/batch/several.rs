//! Items of several tables by their keys.

use super::backoff::Backoff;
use super::found::BatchTables;
use super::get::BatchGet;
use super::reading::Plan;
use super::write::DEFAULT_BATCH_CONCURRENCY;
use crate::error::Result;
use crate::table::raw::RawEach;
use crate::table::target::Shared;
use aws_sdk_dynamodb::operation::batch_get_item::builders::BatchGetItemFluentBuilder;
use std::fmt;
use std::sync::Arc;

/// Items of several tables by their keys, read together; made by
/// [`Dynamo::batch_get`](crate::table::Dynamo::batch_get).
///
/// ```
/// # use aws_credential_strategies::{CredentialStrategy, Dynamo, Result};
/// # #[derive(serde::Deserialize)] struct User { id: String }
/// # #[derive(serde::Deserialize)] struct Order { id: String }
/// # async fn example<S: CredentialStrategy>(db: Dynamo<S>) -> Result<()> {
/// let (users, orders) = (db.table("Users"), db.table("Orders"));
/// let batch = db
///     .batch_get()
///     .table(users.batch_get([("id", "u-1"), ("id", "u-2")]))
///     .table(orders.batch_get([("id", "o-1")]).consistent());
/// let mut found = batch.send().await?.complete()?;
/// let users: Vec<User> = found.items(users.name())?.complete()?;
/// let orders: Vec<Order> = found.items(orders.name())?.complete()?;
/// # Ok(()) }
/// ```
#[must_use = "an operation does nothing until it is sent"]
pub struct BatchGetTables {
    shared: Arc<Shared>,
    plan: Plan,
}

impl BatchGetTables {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        BatchGetTables {
            shared,
            plan: Plan {
                parts: Vec::new(),
                backoff: Backoff::new(),
                concurrency: DEFAULT_BATCH_CONCURRENCY,
                capacity: false,
                raw: RawEach::none(),
            },
        }
    }

    /// Reads what a batch of one table would: its keys and paths, consistently or not. Back-off,
    /// concurrency, capacity and `raw(..)` are of the whole.
    pub fn table(mut self, part: BatchGet) -> Self {
        self.plan.parts.push(part.into_part());
        self
    }

    /// How what is unprocessed is repeated; default [`Backoff::new`].
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.plan.backoff = backoff;
        self
    }

    /// How many requests are in flight at most; default [`DEFAULT_BATCH_CONCURRENCY`], 0 is as 1.
    pub fn concurrency(mut self, requests: usize) -> Self {
        self.plan.concurrency = requests;
        self
    }

    /// Asks for the capacity consumed; it is in [`BatchTables::capacity`].
    pub fn consumed_capacity(mut self) -> Self {
        self.plan.capacity = true;
        self
    }

    /// Changes each of the SDK's requests just before it is sent, for settings that are not here.
    pub fn raw(
        mut self,
        change: impl Fn(BatchGetItemFluentBuilder) -> BatchGetItemFluentBuilder + Send + Sync + 'static,
    ) -> Self {
        self.plan.raw = self.plan.raw.then(change);
        self
    }

    /// Reads the items.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) before anything is sent. Whatever happens after that is
    /// in what comes back: [`BatchTables::complete`] makes an error of it.
    ///
    /// # Cancel safety
    ///
    /// A read: dropping the future changes nothing.
    pub async fn send(self) -> Result<BatchTables> {
        self.plan.send(&self.shared).await
    }

    /// The tables, in the order given.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &str> {
        self.plan.parts.iter().map(|part| part.target.table())
    }
}

impl fmt::Debug for BatchGetTables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchGetTables")
            .field("tables", &self.tables().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
