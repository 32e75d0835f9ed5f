//! `Table`: one table, and the operations on it.

use super::client::{AnyStrategy, Target};
use super::get::Get;
use super::key::IntoKey;
use super::put::Put;
use super::query::Query;
use super::value::IntoValue;
use crate::strategy::CredentialStrategy;
use serde::Serialize;
use std::fmt;
use std::sync::Arc;

/// One table; made by [`Dynamo::table`](super::Dynamo::table), cheap to clone.
///
/// Each method gives an operation, which is a value: it can be sent, and writes can be put in a batch or
/// a transaction. Nothing happens before that, and what was wrong with it (a key that is none, a value
/// that cannot be stored) comes as an error then, naming the operation, the table and the attribute,
/// without a request.
pub struct Table<S: ?Sized> {
    target: Target,
    strategy: Arc<S>,
}

impl<S: CredentialStrategy> Table<S> {
    /// The same table with the strategy's type forgotten.
    #[must_use]
    pub fn erase(self) -> Table<AnyStrategy> {
        Table {
            target: self.target,
            strategy: self.strategy,
        }
    }
}

impl<S: CredentialStrategy + ?Sized> Table<S> {
    pub(crate) fn new(target: Target, strategy: Arc<S>) -> Self {
        Table { target, strategy }
    }

    /// The name or ARN, prefix included.
    #[must_use]
    pub fn name(&self) -> &str {
        self.target.table()
    }

    /// The strategy.
    #[must_use]
    pub fn strategy(&self) -> &Arc<S> {
        &self.strategy
    }

    /// Reads one item: `table.get(("id", "123")).send::<User>()`.
    pub fn get(&self, key: impl IntoKey) -> Get {
        Get::new(self.target.clone(), key.into_key())
    }

    /// Writes a whole item, replacing what is under its key.
    pub fn put<T: Serialize + ?Sized>(&self, item: &T) -> Put {
        Put::new(self.target.clone(), super::value::to_item(item))
    }

    /// Reads the items of one partition, in the order of the sort key.
    pub fn query(&self, attribute: &str, partition: impl IntoValue) -> Query {
        Query::new(self.target.clone(), attribute, partition.into_value())
    }
}

impl<S: ?Sized> Clone for Table<S> {
    fn clone(&self) -> Self {
        Table {
            target: self.target.clone(),
            strategy: Arc::clone(&self.strategy),
        }
    }
}

impl<S: CredentialStrategy + ?Sized> fmt::Debug for Table<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("name", &self.name())
            .field("strategy", &self.strategy.name())
            .finish()
    }
}
