//! Writing a whole item.

use super::attempt::{Attempt, Rendered, version};
use crate::error::{Error, Result};
use crate::table::decode::decode;
use crate::table::error::{Call, incomplete};
use crate::table::expression::condition::{Cond, attr};
use crate::table::expression::path::Path;
use crate::table::item::Attributes;
use crate::table::operations::PUT;
use crate::table::raw::Raw;
use crate::table::target::Target;
use aws_sdk_dynamodb::operation::put_item::PutItemOutput;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, PutRequest, ReturnConsumedCapacity, ReturnValue,
    ReturnValuesOnConditionCheckFailure, WriteRequest,
};
use serde::de::DeserializeOwned;
use std::fmt;

/// Writes a whole item; made by [`Table::put`](crate::table::Table::put).
///
/// It can be sent, put in a [batch](crate::table::BatchWrite) or in a [transaction](crate::table::TransactWrite).
#[must_use = "an operation does nothing until it is sent"]
pub struct Put {
    pub(crate) target: Target,
    item: Result<Attributes>,
    condition: Option<Cond>,
    capacity: bool,
    raw: Raw<PutItemFluentBuilder>,
}

impl Put {
    pub(crate) fn new(target: Target, item: Result<Attributes>) -> Self {
        Put {
            target,
            item,
            condition: None,
            capacity: false,
            raw: Raw::none(),
        }
    }

    /// Writes only if this holds for what is there; several conditions must all hold.
    pub fn only_if(mut self, condition: Cond) -> Self {
        self.condition = Some(condition.and_also(self.condition.take()));
        self
    }

    /// Writes only if there is no item under this key yet; `key_attribute` is one of the table's key.
    pub fn if_absent(self, key_attribute: &str) -> Self {
        self.only_if(attr(Path::attribute(key_attribute)).not_exists())
    }

    /// Writes only if `attribute` holds `expected`, and writes the next number into it.
    ///
    /// `None` expects an item without a version: a new one.
    pub fn version(mut self, attribute: &str, expected: Option<u64>) -> Self {
        let item = self.item.and_then(|mut item| {
            let version = version(attribute, expected)?;
            item.insert(attribute.to_owned(), version.next);
            Ok((item, version.condition))
        });
        match item {
            Ok((item, condition)) => {
                self.item = Ok(item);
                self.only_if(condition)
            }
            Err(error) => {
                self.item = Err(error);
                self
            }
        }
    }

    /// Leaves out attributes that are NULL at the top level, as a `None` is: the key of a sparse index
    /// must be absent, not NULL.
    pub fn omit_null(mut self) -> Self {
        if let Ok(item) = &mut self.item {
            item.retain(|_, value| !matches!(value, AttributeValue::Null(_)));
        }
        self
    }

    /// Asks for the capacity that the write consumes; it is in [`output`](Self::output).
    pub fn consumed_capacity(mut self) -> Self {
        self.capacity = true;
        self
    }

    /// Changes the SDK's request just before it is sent, for settings that are not here.
    pub fn raw(
        mut self,
        change: impl FnOnce(PutItemFluentBuilder) -> PutItemFluentBuilder + Send + 'static,
    ) -> Self {
        self.raw = self.raw.then(change);
        self
    }

    /// Writes the item.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Encode`](crate::ErrorKind::Encode) and [`ErrorKind::Usage`](crate::ErrorKind::Usage)
    /// before anything is sent; [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) when the condition
    /// does not hold; else what DynamoDB or the strategy says.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, the item may have been written or not.
    pub async fn send(self) -> Result<()> {
        self.run(|request| request).await.map(|_| ())
    }

    /// Writes the item, and takes a failed condition as an answer, with the item that was there.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), but for `Conflict`;
    /// [`ErrorKind::Decode`](crate::ErrorKind::Decode) when the item that was there does not fit `T`.
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn attempt<T: DeserializeOwned>(self) -> Result<Attempt<T>> {
        let target = self.target.clone();
        Attempt::from_result(&target, self.run(ask_for_conflict).await)
    }

    /// Writes the item, and returns the one that it replaced.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); [`ErrorKind::Decode`](crate::ErrorKind::Decode) when the old item does
    /// not fit `T`: the new one is written then.
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
        old.map_err(|error| Call::on(&target, PUT).explain(error))
    }

    /// The SDK's whole answer.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn output(self) -> Result<PutItemOutput> {
        self.run(|request| request).await
    }

    async fn run(
        self,
        ask: impl FnOnce(PutItemFluentBuilder) -> PutItemFluentBuilder + Send,
    ) -> Result<PutItemOutput> {
        let Put {
            target,
            item,
            condition,
            capacity,
            raw,
        } = self;
        let call = Call::on(&target, PUT);
        let request = build(&target, item, condition)
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
    pub(crate) fn into_transact(self) -> Result<aws_sdk_dynamodb::types::Put> {
        let Put {
            target,
            item,
            condition,
            // a transaction counts capacity as a whole
            capacity: _,
            raw,
        } = self;
        raw.refuse_in("transaction")?;
        target.name.check()?;
        let expressions = Rendered::of(condition)?;
        aws_sdk_dynamodb::types::Put::builder()
            .table_name(target.table())
            .set_item(Some(item?))
            .set_condition_expression(expressions.condition)
            .set_expression_attribute_names(expressions.names)
            .set_expression_attribute_values(expressions.values)
            .build()
            .map_err(incomplete)
    }

    /// The same write as a part of a batch, which knows no conditions.
    pub(crate) fn into_batch(self) -> Result<WriteRequest> {
        let Put {
            target,
            item,
            condition,
            capacity: _,
            raw,
        } = self;
        raw.refuse_in("batch")?;
        if condition.is_some() {
            return Err(no_condition_in_batch());
        }
        target.name.check()?;
        put_request(item?)
    }
}

pub(crate) fn put_request(item: Attributes) -> Result<WriteRequest> {
    let put = PutRequest::builder().set_item(Some(item)).build();
    Ok(WriteRequest::builder()
        .put_request(put.map_err(incomplete)?)
        .build())
}

pub(crate) fn no_condition_in_batch() -> Error {
    Error::usage(
        "condition",
        "expected no condition and no version: a batch cannot check any; a transaction can",
    )
}

fn ask_for_conflict(request: PutItemFluentBuilder) -> PutItemFluentBuilder {
    request.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
}

fn build(
    target: &Target,
    item: Result<Attributes>,
    condition: Option<Cond>,
) -> Result<PutItemFluentBuilder> {
    target.name.check()?;
    let expressions = Rendered::of(condition)?;
    Ok(target
        .client()
        .put_item()
        .table_name(target.table())
        .set_item(Some(item?))
        .set_condition_expression(expressions.condition)
        .set_expression_attribute_names(expressions.names)
        .set_expression_attribute_values(expressions.values))
}

impl fmt::Debug for Put {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Put")
            .field("table", &self.target)
            .field("condition", &self.condition)
            .finish_non_exhaustive()
    }
}
