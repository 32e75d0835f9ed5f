//! `Table`: one table, and the operations on it.

use super::batch::get::BatchGet;
use super::batch::write::BatchWrite;
use super::expression::condition::Cond;
use super::item::to_attributes;
use super::key::IntoKey;
use super::read::get::Get;
use super::read::query::Query;
use super::read::scan::Scan;
use super::target::{AnyStrategy, Target};
use super::transaction::Check;
use super::value::IntoValue;
use super::write::delete::Delete;
use super::write::put::Put;
use super::write::update::Update;
use crate::error::Result;
use crate::strategy::CredentialStrategy;
use serde::Serialize;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// One table; made by [`Dynamo::table`](crate::table::Dynamo::table), cheap to clone.
///
/// ```
/// # use aws_credential_strategies::local::LocalCloud;
/// use aws_credential_strategies::table::attr;
/// # use aws_credential_strategies::{Dynamo, InstanceProfile};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Deserialize, PartialEq, Serialize)]
/// struct User {
///     id: String,
///     age: u32,
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> aws_credential_strategies::Result<()> {
/// # let cloud = LocalCloud::start().await?;
/// # cloud.create_table(("MyTable", "id"))?;
/// # let strategy = InstanceProfile::builder().endpoint(cloud.imds_endpoint()).build()?;
/// # let db = Dynamo::new(strategy, &cloud.sdk_config());
/// let table = db.table("MyTable");
/// table.put(&User { id: "123".into(), age: 36 }).if_absent("id").send().await?;
/// table.update(("id", "123")).add("age", 1).send().await?;
/// let user: Option<User> = table.get(("id", "123")).send().await?;
/// assert_eq!(user.map(|user| user.age), Some(37));
///
/// let older: Vec<User> = table.scan().filter(attr("age").gt(21)).all().await?.complete()?;
/// table.delete(("id", "123")).only_if(attr("age").eq(37)).send().await?;
/// # assert_eq!(older.len(), 1);
/// # Ok(())
/// # }
/// ```
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
        Put::new(self.target.clone(), to_attributes(item))
    }

    /// Changes attributes of an item, and creates it where there is none.
    pub fn update(&self, key: impl IntoKey) -> Update {
        Update::new(self.target.clone(), key.into_key())
    }

    /// Deletes an item.
    pub fn delete(&self, key: impl IntoKey) -> Delete {
        Delete::new(self.target.clone(), key.into_key())
    }

    /// Reads the items of one partition, in the order of the sort key.
    pub fn query(&self, attribute: &str, partition: impl IntoValue) -> Query {
        Query::new(self.target.clone(), attribute, partition.into_value())
    }

    /// Reads the whole table.
    pub fn scan(&self) -> Scan {
        Scan::new(self.target.clone())
    }

    /// Reads many items by their keys; [`Dynamo::batch_get`](super::Dynamo::batch_get) those of several
    /// tables.
    pub fn batch_get<K: IntoKey>(&self, keys: impl IntoIterator<Item = K>) -> BatchGet {
        BatchGet::new(self.target.clone(), keys)
    }

    /// Writes and deletes many items; [`Dynamo::batch_write`](super::Dynamo::batch_write) in several tables.
    pub fn batch_write(&self) -> BatchWrite {
        BatchWrite::new(Arc::clone(&self.target.shared), Some(self.target.clone()))
    }

    /// Requires a condition of an item in a transaction that does not write it.
    pub fn check(&self, key: impl IntoKey, condition: Cond) -> Check {
        Check::new(self.target.clone(), key.into_key(), condition)
    }

    /// Waits until a table that was just created can be used, at most `max`.
    ///
    /// The only call here that asks for the table's description, and so for a permission beyond those of
    /// the data: `dynamodb:DescribeTable`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) with the status it had last; else what DynamoDB
    /// or the strategy says. A table that is not there is waited for.
    ///
    /// # Cancel safety
    ///
    /// A read: dropping the future changes nothing.
    pub async fn wait_until_active(&self, max: Duration) -> Result<()> {
        super::wait::until_active(&self.target, max).await
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
