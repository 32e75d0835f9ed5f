//! Deleting an item.

use super::attempt::{Attempt, Rendered, version};
use super::put::no_condition_in_batch;
use crate::error::Result;
use crate::table::decode::decode;
use crate::table::error::{Call, incomplete};
use crate::table::expression::condition::Cond;
use crate::table::key::Key;
use crate::table::operations::DELETE;
use crate::table::raw::Raw;
use crate::table::target::Target;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemOutput;
use aws_sdk_dynamodb::operation::delete_item::builders::DeleteItemFluentBuilder;
use aws_sdk_dynamodb::types::{
    DeleteRequest, ReturnConsumedCapacity, ReturnValue, ReturnValuesOnConditionCheckFailure,
    WriteRequest,
};
use serde::de::DeserializeOwned;
use std::fmt;

/// Deletes an item by its key; made by [`Table::delete`](crate::table::Table::delete).
///
/// Deleting what is not there succeeds, unless a condition says otherwise. It can be sent, put in a
/// [batch](crate::table::BatchWrite) or in a [transaction](crate::table::TransactWrite).
#[must_use = "an operation does nothing until it is sent"]
pub struct Delete {
    pub(crate) target: Target,
    key: Result<Key>,
    condition: Option<Cond>,
    capacity: bool,
    raw: Raw<DeleteItemFluentBuilder>,
}

impl Delete {
    pub(crate) fn new(target: Target, key: Result<Key>) -> Self {
        Delete {
            target,
            key,
            condition: None,
            capacity: false,
            raw: Raw::none(),
        }
    }

    /// Deletes only if this holds for what is there; several conditions must all hold.
    pub fn only_if(mut self, condition: Cond) -> Self {
        self.condition = Some(condition.and_also(self.condition.take()));
        self
    }

    /// Deletes only if `attribute` holds `expected`; `None` expects an item without a version, or none.
    pub fn version(mut self, attribute: &str, expected: Option<u64>) -> Self {
        match version(attribute, expected) {
            Ok(version) => self.only_if(version.condition),
            Err(error) => {
                self.key = Err(error);
                self
            }
        }
    }

    /// Asks for the capacity that the write consumes; it is in [`output`](Self::output).
    pub fn consumed_capacity(mut self) -> Self {
        self.capacity = true;
        self
    }

    /// Changes the SDK's request just before it is sent, for settings that are not here.
    pub fn raw(
        mut self,
        change: impl FnOnce(DeleteItemFluentBuilder) -> DeleteItemFluentBuilder + Send + 'static,
    ) -> Self {
        self.raw = self.raw.then(change);
        self
    }

    /// Deletes the item.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) before anything is sent;
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) when the condition does not hold; else what
    /// DynamoDB or the strategy says.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, the item may have been deleted or not.
    pub async fn send(self) -> Result<()> {
        self.run(|request| request).await.map(|_| ())
    }

    /// Deletes the item, and takes a failed condition as an answer, with the item that is there.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), but for `Conflict`;
    /// [`ErrorKind::Decode`](crate::ErrorKind::Decode) when the item that is there does not fit `T`.
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn attempt<T: DeserializeOwned>(self) -> Result<Attempt<T>> {
        let target = self.target.clone();
        Attempt::from_result(&target, self.run(ask_for_conflict).await)
    }

    /// Deletes the item, and returns what it was.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); [`ErrorKind::Decode`](crate::ErrorKind::Decode) when the old item does
    /// not fit `T`: it is deleted then.
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn returning_old<T: DeserializeOwned>(self) -> Result<Option<T>> {
        let target = self.target.clone();
        let output = self
            .run(|request| ask_for_conflict(request).return_values(ReturnValue::AllOld))
            .await?;
        let old = output.attributes.map(|item| decode(item, None)).transpose();
        old.map_err(|error| Call::on(&target, DELETE).explain(error))
    }

    /// The SDK's whole answer.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn output(self) -> Result<DeleteItemOutput> {
        self.run(|request| request).await
    }

    async fn run(
        self,
        ask: impl FnOnce(DeleteItemFluentBuilder) -> DeleteItemFluentBuilder + Send,
    ) -> Result<DeleteItemOutput> {
        let Delete {
            target,
            key,
            condition,
            capacity,
            raw,
        } = self;
        let call = Call::on(&target, DELETE);
        let request = build(&target, key, condition)
            .map(|request| {
                let request = ask(request);
                raw.apply(if capacity {
                    request.return_consumed_capacity(ReturnConsumedCapacity::Total)
                } else {
                    request
                })
            })
            .map_err(|error| call.explain(error))?;
        request.send().await.map_err(|error| call.failed(error))
    }

    /// The same write as a part of a transaction.
    pub(crate) fn into_transact(self) -> Result<aws_sdk_dynamodb::types::Delete> {
        let Delete {
            target,
            key,
            condition,
            // a transaction counts capacity as a whole
            capacity: _,
            raw,
        } = self;
        raw.refuse_in("transaction")?;
        target.name.check()?;
        let expressions = Rendered::of(condition)?;
        aws_sdk_dynamodb::types::Delete::builder()
            .table_name(target.table())
            .set_key(Some(key?.into_attributes()))
            .set_condition_expression(expressions.condition)
            .set_expression_attribute_names(expressions.names)
            .set_expression_attribute_values(expressions.values)
            .build()
            .map_err(incomplete)
    }

    /// The same write as a part of a batch, which knows no conditions.
    pub(crate) fn into_batch(self) -> Result<WriteRequest> {
        let Delete {
            target,
            key,
            condition,
            capacity: _,
            raw,
        } = self;
        raw.refuse_in("batch")?;
        if condition.is_some() {
            return Err(no_condition_in_batch());
        }
        target.name.check()?;
        delete_request(key?)
    }
}

pub(crate) fn delete_request(key: Key) -> Result<WriteRequest> {
    let delete = DeleteRequest::builder().set_key(Some(key.into_attributes()));
    Ok(WriteRequest::builder()
        .delete_request(delete.build().map_err(incomplete)?)
        .build())
}

fn ask_for_conflict(request: DeleteItemFluentBuilder) -> DeleteItemFluentBuilder {
    request.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
}

fn build(
    target: &Target,
    key: Result<Key>,
    condition: Option<Cond>,
) -> Result<DeleteItemFluentBuilder> {
    target.name.check()?;
    let expressions = Rendered::of(condition)?;
    Ok(target
        .client()
        .delete_item()
        .table_name(target.table())
        .set_key(Some(key?.into_attributes()))
        .set_condition_expression(expressions.condition)
        .set_expression_attribute_names(expressions.names)
        .set_expression_attribute_values(expressions.values))
}

impl fmt::Debug for Delete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delete")
            .field("table", &self.target)
            .field("key", &self.key)
            .field("condition", &self.condition)
            .finish_non_exhaustive()
    }
}
