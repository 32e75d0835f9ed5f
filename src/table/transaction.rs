//! Several reads or writes, over several tables, all or none.

use super::decode::decode;
use super::error::{Call, Subject, incomplete};
use super::expression::condition::Cond;
use super::expression::expressions::Expressions;
use super::key::Key;
use super::operations::{TRANSACT_GET, TRANSACT_WRITE};
use super::raw::Raw;
use super::read::get::Get;
use super::target::{Shared, Target, send};
use super::write::core::{Rest, with_rest};
use super::write::delete::Delete;
use super::write::put::Put;
use super::write::update::Update;
use crate::error::{Error, Operation, Result};
use aws_sdk_dynamodb::operation::transact_get_items::TransactGetItemsOutput;
use aws_sdk_dynamodb::operation::transact_get_items::builders::TransactGetItemsFluentBuilder;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsOutput;
use aws_sdk_dynamodb::operation::transact_write_items::builders::TransactWriteItemsFluentBuilder;
use aws_sdk_dynamodb::types::{
    ConditionCheck, ReturnConsumedCapacity, TransactGetItem, TransactWriteItem,
};
use serde::de::DeserializeOwned;
use std::fmt;
use std::sync::Arc;

/// The most items of a transaction;
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>.
pub const MOST_ITEMS_PER_TRANSACTION: usize = 100;

/// The longest idempotency token, in bytes.
pub const LONGEST_TOKEN: usize = 36;

/// A condition on an item that a transaction does not write; made by
/// [`Table::check`](crate::table::Table::check).
#[must_use = "a check does nothing until it is in a transaction"]
pub struct Check {
    pub(crate) target: Target,
    key: Result<Key>,
    condition: Cond,
    conflict: bool,
}

/// Writes that happen all or not at all; made by
/// [`Dynamo::transact_write`](crate::table::Dynamo::transact_write).
///
/// Up to [`MOST_ITEMS_PER_TRANSACTION`] of them, each on another item.
///
/// ```no_run
/// # use aws_credential_strategies::{CredentialStrategy, Result, table::{Dynamo, attr}};
/// # async fn example<S: CredentialStrategy>(db: Dynamo<S>) -> Result<()> {
/// let accounts = db.table("Accounts");
/// db.transact_write()
///     .update(accounts.update(("id", "a")).add("cents", -500).only_if(attr("cents").ge(500)))
///     .update(accounts.update(("id", "b")).add("cents", 500))
///     .send()
///     .await
/// # }
/// ```
#[must_use = "an operation does nothing until it is sent"]
pub struct TransactWrite {
    whole: Whole<TransactWriteItem>,
    token: Option<String>,
    raw: Raw<TransactWriteItemsFluentBuilder>,
}

/// Reads of one moment; made by [`Dynamo::transact_get`](crate::table::Dynamo::transact_get).
#[must_use = "an operation does nothing until it is sent"]
pub struct TransactGet {
    whole: Whole<TransactGetItem>,
    raw: Raw<TransactGetItemsFluentBuilder>,
}

impl Check {
    pub(crate) fn new(target: Target, key: Result<Key>, condition: Cond) -> Self {
        Check {
            target,
            key,
            condition,
            conflict: false,
        }
    }

    /// Asks for the item that is there when the condition does not hold: for the
    /// [reason](crate::CancellationReason::item) of the cancelled transaction.
    pub fn returning_conflict(mut self) -> Self {
        self.conflict = true;
        self
    }

    fn into_transact(self) -> Result<TransactWriteItem> {
        let Check {
            target,
            key,
            condition,
            conflict,
        } = self;
        target.name.check()?;
        let rest = Rest::of(Some(condition), conflict, Expressions::default())?;
        let check = ConditionCheck::builder()
            .table_name(target.table())
            .set_key(Some(key?.into_attributes()));
        let check = with_rest!(check, rest).build().map_err(incomplete)?;
        Ok(TransactWriteItem::builder().condition_check(check).build())
    }
}

impl TransactWrite {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        TransactWrite {
            whole: Whole::new(shared, TRANSACT_WRITE),
            token: None,
            raw: Raw::none(),
        }
    }

    /// Writes an item.
    pub fn put(mut self, put: Put) -> Self {
        let target = put.target.clone();
        let part = put.into_transact();
        self.whole.push(target, Part::Put, part);
        self
    }

    /// Changes attributes of an item.
    pub fn update(mut self, update: Update) -> Self {
        let target = update.target.clone();
        let part = update.into_transact();
        self.whole.push(target, Part::Update, part);
        self
    }

    /// Deletes an item.
    pub fn delete(mut self, delete: Delete) -> Self {
        let target = delete.target.clone();
        let part = delete.into_transact();
        self.whole.push(target, Part::Delete, part);
        self
    }

    /// Requires a condition of an item that is not written.
    pub fn check(mut self, check: Check) -> Self {
        let target = check.target.clone();
        let part = check.into_transact();
        self.whole.push(target, Part::Check, part);
        self
    }

    pub(crate) fn parts(&self) -> impl Iterator<Item = (Part, &str)> {
        self.whole.parts()
    }

    /// Names the transaction, up to [`LONGEST_TOKEN`] bytes: sent again within ten minutes, by another
    /// process even, it happens once. By default each `send` has a token of its own, which covers the
    /// SDK's repeats and not yours.
    pub fn token(mut self, idempotency: &str) -> Self {
        self.token = Some(idempotency.to_owned());
        self
    }

    /// Asks for the capacity consumed; it is in [`output`](Self::output).
    pub fn consumed_capacity(mut self) -> Self {
        self.whole.capacity = true;
        self
    }

    /// Changes the SDK's request just before it is sent, for settings that are not here.
    pub fn raw(
        mut self,
        change: impl FnOnce(TransactWriteItemsFluentBuilder) -> TransactWriteItemsFluentBuilder
        + Send
        + 'static,
    ) -> Self {
        self.raw = self.raw.then(change);
        self
    }

    /// Writes all or nothing; an empty transaction is done at once.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) and [`ErrorKind::Encode`](crate::ErrorKind::Encode)
    /// before anything is sent; [`ErrorKind::Canceled`](crate::ErrorKind::Canceled) with a reason for
    /// each item; else what DynamoDB or the strategy says.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, all may have been written, or nothing; with a [`token`](Self::token)
    /// the same transaction can be sent again.
    pub async fn send(self) -> Result<()> {
        self.output().await.map(|_| ())
    }

    /// The SDK's whole answer.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn output(self) -> Result<TransactWriteItemsOutput> {
        let TransactWrite {
            mut whole,
            token,
            raw,
        } = self;
        let items = whole.checked_items()?;
        let tables = whole.tables();
        let call = whole.call(&tables);
        if let Some(token) = &token
            && !(1..=LONGEST_TOKEN).contains(&token.len())
        {
            let expected = format!("expected 1 to {LONGEST_TOKEN} bytes, not {}", token.len());
            return Err(call.explain(Error::usage("token", expected)));
        }
        let is_ours = !items.is_empty();
        let request = whole
            .shared
            .client
            .transact_write_items()
            .set_transact_items(Some(items))
            .set_client_request_token(token)
            .set_return_consumed_capacity(whole.measure());
        let request = raw.apply(request);
        // raw(..) may have parts of its own
        let items = request.get_transact_items().as_deref();
        if !is_ours && items.unwrap_or_default().is_empty() {
            return Ok(TransactWriteItemsOutput::builder().build());
        }
        let sent = send!(whole.shared, request);
        sent.map_err(|error| call.failed(error))
    }
}

impl TransactGet {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        TransactGet {
            whole: Whole::new(shared, TRANSACT_GET),
            raw: Raw::none(),
        }
    }

    /// Reads an item; always consistently.
    pub fn get(mut self, get: Get) -> Self {
        let target = get.target.clone();
        let part = get.into_transact();
        let item = part.map(|get| TransactGetItem::builder().get(get).build());
        self.whole.push(target, Part::Get, item);
        self
    }

    /// Asks for the capacity consumed; it is in [`output`](Self::output).
    pub fn consumed_capacity(mut self) -> Self {
        self.whole.capacity = true;
        self
    }

    /// Changes the SDK's request just before it is sent, for settings that are not here.
    pub fn raw(
        mut self,
        change: impl FnOnce(TransactGetItemsFluentBuilder) -> TransactGetItemsFluentBuilder
        + Send
        + 'static,
    ) -> Self {
        self.raw = self.raw.then(change);
        self
    }

    pub(crate) fn parts(&self) -> impl Iterator<Item = (Part, &str)> {
        self.whole.parts()
    }

    /// Reads them all, in the order given, `None` where there is no item.
    ///
    /// For items of different types use [`Item`](super::Item) and [`from_item`](super::from_item).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) before anything is sent;
    /// [`ErrorKind::Decode`](crate::ErrorKind::Decode) when an item does not fit `T`: [`each`](Self::each)
    /// keeps the others; [`ErrorKind::Canceled`](crate::ErrorKind::Canceled) with a reason for each item;
    /// else what DynamoDB or the strategy says.
    ///
    /// # Cancel safety
    ///
    /// A read: dropping the future changes nothing.
    pub async fn send<T: DeserializeOwned>(self) -> Result<Vec<Option<T>>> {
        self.each().await?.into_iter().collect()
    }

    /// Reads them all, in the order given; one that does not fit `T` is an error in its place.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), but for `Decode`.
    ///
    /// # Cancel safety
    ///
    /// A read: dropping the future changes nothing.
    pub async fn each<T: DeserializeOwned>(self) -> Result<Vec<Result<Option<T>>>> {
        let TransactGet { mut whole, raw } = self;
        let items = whole.checked_items()?;
        let tables = whole.tables();
        let call = whole.call(&tables);
        let output = whole.read(items, raw, &call).await?;
        let items = output.responses.unwrap_or_default().into_iter();
        let items = items.map(|response| {
            let item = response.item.map(|item| decode(item, None)).transpose();
            item.map_err(|error| call.explain(error))
        });
        Ok(items.collect())
    }

    /// The SDK's whole answer.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), without decoding.
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn output(self) -> Result<TransactGetItemsOutput> {
        let TransactGet { mut whole, raw } = self;
        let items = whole.checked_items()?;
        let tables = whole.tables();
        whole.read(items, raw, &whole.call(&tables)).await
    }
}

/// What an item of a transaction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Check,
    Delete,
    Get,
    Put,
    Update,
}

/// The items of a transaction.
struct Whole<I> {
    shared: Arc<Shared>,
    operation: Operation,
    items: Vec<I>,
    parts: Vec<(Part, Target)>,
    capacity: bool,
    problem: Option<Error>,
}

impl<I> Whole<I> {
    fn new(shared: Arc<Shared>, operation: Operation) -> Self {
        Whole {
            shared,
            operation,
            items: Vec::new(),
            parts: Vec::new(),
            capacity: false,
            problem: None,
        }
    }

    fn push(&mut self, target: Target, part: Part, item: Result<I>) {
        let position = self.parts.len();
        let ours = Arc::ptr_eq(&target.shared, &self.shared);
        let item = item.and_then(|item| {
            if ours {
                Ok(item)
            } else {
                let expected =
                    "expected an operation of the same client: another has other credentials";
                Err(Error::usage("operation", expected))
            }
        });
        match item {
            Ok(item) => self.items.push(item),
            Err(error) => {
                let field = match error.field() {
                    Some(field) => format!("item {position}, {field}"),
                    None => format!("item {position}"),
                };
                let error = Call::on(&target, self.operation).explain(error.naming(field));
                self.problem.get_or_insert(error);
            }
        }
        self.parts.push((part, target));
    }

    fn parts(&self) -> impl Iterator<Item = (Part, &str)> {
        self.parts
            .iter()
            .map(|(part, target)| (*part, target.table()))
    }

    /// Each table once, in the order of first use.
    fn tables(&self) -> Vec<&str> {
        let mut tables = Vec::new();
        for (_, target) in &self.parts {
            if !tables.contains(&target.table()) {
                tables.push(target.table());
            }
        }
        tables
    }

    fn call<'a>(&'a self, tables: &'a [&'a str]) -> Call<'a> {
        Call::about(&self.shared, self.operation, Subject::Tables(tables))
    }

    /// A transaction of more items cannot be split: it would not be one.
    fn checked_items(&mut self) -> Result<Vec<I>> {
        if let Some(problem) = &self.problem {
            return Err(problem.clone());
        }
        if self.items.len() > MOST_ITEMS_PER_TRANSACTION {
            let expected = format!(
                "expected at most {MOST_ITEMS_PER_TRANSACTION}, not {}",
                self.items.len()
            );
            let tables = self.tables();
            return Err(self.call(&tables).explain(Error::usage("items", expected)));
        }
        Ok(std::mem::take(&mut self.items))
    }

    fn measure(&self) -> Option<ReturnConsumedCapacity> {
        self.capacity.then_some(ReturnConsumedCapacity::Total)
    }
}

impl Whole<TransactGetItem> {
    async fn read(
        &self,
        items: Vec<TransactGetItem>,
        raw: Raw<TransactGetItemsFluentBuilder>,
        call: &Call<'_>,
    ) -> Result<TransactGetItemsOutput> {
        let is_ours = !items.is_empty();
        let request = self
            .shared
            .client
            .transact_get_items()
            .set_transact_items(Some(items))
            .set_return_consumed_capacity(self.measure());
        let request = raw.apply(request);
        let items = request.get_transact_items().as_deref();
        if !is_ours && items.unwrap_or_default().is_empty() {
            return Ok(TransactGetItemsOutput::builder().build());
        }
        let sent = send!(self.shared, request);
        sent.map_err(|error| call.failed(error))
    }
}

impl<I> fmt::Debug for Whole<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.parts).finish()
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check")
            .field("table", &self.target)
            .field("key", &self.key)
            .field("condition", &self.condition)
            .finish()
    }
}

impl fmt::Debug for TransactWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransactWrite")
            .field("items", &self.whole)
            .field("token", &self.token)
            .finish()
    }
}

impl fmt::Debug for TransactGet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransactGet")
            .field("items", &self.whole)
            .finish()
    }
}
