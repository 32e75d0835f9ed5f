//! What the three writes have in common: everything but what is written.

use super::attempt::Attempt;
use crate::error::{Error, Operation, Result};
use crate::table::decode::decode;
use crate::table::error::{Call, Modeled};
use crate::table::expression::condition::Cond;
use crate::table::expression::expressions::Expressions;
use crate::table::expression::operand::attr;
use crate::table::expression::path::Path;
use crate::table::item::Attributes;
use crate::table::raw::{Expressive, Raw};
use crate::table::target::{Shared, Target};
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::{
    AttributeValue, ReturnConsumedCapacity, ReturnValue, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem,
};
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::error::Error as StdError;
use std::fmt;
use std::future::Future;

/// A write of one item: [`Put`](crate::table::Put), [`Update`](crate::table::Update) or
/// [`Delete`](crate::table::Delete).
///
/// It can be sent, be a part of a [transaction](crate::table::TransactWrite), and be one of a
/// [batch](crate::table::BatchWrite) unless it is an update or has a condition.
///
/// # A write that was repeated
///
/// The SDK sends a request again that got no answer, and DynamoDB may have done the first one. Then the
/// condition of the second can fail because of the first: `if_absent` finds the item that this very call
/// wrote, `version` the number that it counted up. [`attempt`](Self::attempt) says so by
/// [`Attempt::Unclear`], and an error by [`Error::may_be_done`](crate::Error::may_be_done): compare the
/// item that is there with yours, by an attribute that nobody else writes (a random id of the request). A
/// [transaction](crate::table::TransactWrite) of one write has no such doubt when it is refused: its repeats are
/// known by their token.
#[must_use = "an operation does nothing until it is sent"]
pub struct Write<V: Verb> {
    pub(crate) target: Target,
    pub(super) what: Result<V>,
    condition: Option<Cond>,
    conflict: bool,
    capacity: bool,
    raw: Raw<V::Fluent>,
}

/// What is beside the item or the changes in a request.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    pub(crate) condition: Option<String>,
    pub(crate) names: Option<HashMap<String, String>>,
    pub(crate) values: Option<Attributes>,
    pub(crate) conflict: Option<ReturnValuesOnConditionCheckFailure>,
    pub(super) returning: Option<ReturnValue>,
    pub(super) capacity: Option<ReturnConsumedCapacity>,
}

/// What is written; there are three, and there can be no others.
pub trait Verb: sealed::Verb {}

impl<V: sealed::Verb> Verb for V {}

pub(super) mod sealed {
    use super::{
        Attributes, Expressions, Expressive, Future, Modeled, Operation, ProvideErrorMetadata,
        Rest, Result, SdkError, Shared, StdError, Target, TransactWriteItem, fmt,
    };

    #[expect(unnameable_types, reason = "nobody else is to implement it")]
    pub trait Verb: fmt::Debug + Send + Sized + 'static {
        const OPERATION: Operation;
        type Fluent: Expressive + Send + 'static;
        type Output: Send;
        type Failure: Modeled + ProvideErrorMetadata + StdError + Send + Sync + 'static;

        /// What it says in an expression of its own, before the condition.
        fn expression(&mut self, _expressions: &mut Expressions) -> Result<Option<String>> {
            Ok(None)
        }

        fn request(self, target: &Target, expression: Option<String>, rest: Rest) -> Self::Fluent;

        fn send(
            request: Self::Fluent,
            shared: &Shared,
        ) -> impl Future<Output = Result<Self::Output, SdkError<Self::Failure>>> + Send;

        /// The attributes that were asked for.
        fn attributes(output: Self::Output) -> Option<Attributes>;

        /// The same as a part of a transaction.
        fn part(
            self,
            target: &Target,
            expression: Option<String>,
            rest: Rest,
        ) -> Result<TransactWriteItem>;
    }
}

/// Sets what is beside the item on any of the SDK's builders.
macro_rules! with_rest {
    ($builder:expr, $rest:ident) => {
        $builder
            .set_condition_expression($rest.condition)
            .set_expression_attribute_names($rest.names)
            .set_expression_attribute_values($rest.values)
            .set_return_values_on_condition_check_failure($rest.conflict)
    };
}

/// The same on a builder that is sent by itself. Each setter moves all of it, so none is called in vain.
macro_rules! with_rest_of_request {
    ($builder:expr, $rest:ident) => {{
        let builder = $builder;
        if $rest.is_nothing() {
            builder
        } else {
            let builder = builder
                .set_return_values($rest.returning)
                .set_return_consumed_capacity($rest.capacity);
            with_rest!(builder, $rest)
        }
    }};
}

pub(crate) use with_rest;
pub(super) use with_rest_of_request;

impl<V: Verb> Write<V> {
    pub(super) fn of(target: Target, what: Result<V>) -> Self {
        Write {
            target,
            what,
            condition: None,
            conflict: false,
            capacity: false,
            raw: Raw::none(),
        }
    }

    /// Writes only if this holds for what is there; several conditions must all hold.
    pub fn only_if(mut self, condition: Cond) -> Self {
        self.condition = Some(condition.and_also(self.condition.take()));
        self
    }

    /// Asks for the item that is there when the condition does not hold: for
    /// [`conflict`](crate::Error::conflict) of the error, and for the
    /// [reason](crate::CancellationReason::item) of a cancelled transaction. `attempt` and the `returning`s
    /// ask for it by themselves.
    pub fn returning_conflict(mut self) -> Self {
        self.conflict = true;
        self
    }

    /// Asks for the capacity that the write consumes; it is in [`output`](Self::output). A transaction and
    /// a batch count it as a whole.
    pub fn consumed_capacity(mut self) -> Self {
        self.capacity = true;
        self
    }

    /// Changes the SDK's request just before it is sent, for settings that are not here. What the
    /// placeholders in it stand for must stay: a change is an error, and nothing is sent.
    pub fn raw(mut self, change: impl FnOnce(V::Fluent) -> V::Fluent + Send + 'static) -> Self {
        self.raw = self.raw.then(change);
        self
    }

    /// Writes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Encode`](crate::ErrorKind::Encode) and [`ErrorKind::Usage`](crate::ErrorKind::Usage)
    /// before anything is sent; [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) when the condition
    /// does not hold; else what DynamoDB or the strategy says.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, the write may have happened or not. The SDK repeats a request that got
    /// no answer, so an addition or an appended element can happen twice; in a transaction it cannot.
    pub async fn send(self) -> Result<()> {
        self.run(None).await.map(|_| ())
    }

    /// Writes, and takes a failed condition as an answer, with the item that is there.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), but for `Conflict`;
    /// [`ErrorKind::Decode`](crate::ErrorKind::Decode) when the item that is there does not fit `T`.
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn attempt<T: DeserializeOwned>(mut self) -> Result<Attempt<T>> {
        self.conflict = true;
        let target = self.target.clone();
        match self.run(None).await {
            Ok(_) => Ok(Attempt::Written),
            Err(error) => Attempt::from_error(&target, error),
        }
    }

    /// The same, and when the condition holds, the item as it was before.
    ///
    /// # Errors
    ///
    /// As [`attempt`](Self::attempt); [`ErrorKind::Decode`](crate::ErrorKind::Decode) also when the old
    /// item does not fit `T`: the write has happened then.
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn attempt_returning_old<T: DeserializeOwned>(self) -> Result<Attempt<T>> {
        self.attempt_returning(ReturnValue::AllOld).await
    }

    /// Writes, and returns the item as it was before; `None` where there was none.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), with the item that is there in a
    /// [`conflict`](crate::Error::conflict); [`ErrorKind::Decode`](crate::ErrorKind::Decode) when the old
    /// item does not fit `T`: the write has happened then.
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn returning_old<T: DeserializeOwned>(self) -> Result<Option<T>> {
        self.returning(ReturnValue::AllOld).await
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
    pub async fn output(self) -> Result<V::Output> {
        self.run(None).await
    }

    pub(super) async fn attempt_returning<T: DeserializeOwned>(
        self,
        which: ReturnValue,
    ) -> Result<Attempt<T>> {
        let target = self.target.clone();
        match self.returning(which).await {
            Ok(item) => Ok(Attempt::Returned(item)),
            Err(error) => Attempt::from_error(&target, error),
        }
    }

    pub(super) async fn returning<T: DeserializeOwned>(
        mut self,
        which: ReturnValue,
    ) -> Result<Option<T>> {
        self.conflict = true;
        let target = self.target.clone();
        let output = self.run(Some(which)).await?;
        let attributes = V::attributes(output).filter(|attributes| !attributes.is_empty());
        let item = attributes.map(|item| decode(item, None)).transpose();
        item.map_err(|error| Call::on(&target, V::OPERATION).explain(error))
    }

    async fn run(self, returning: Option<ReturnValue>) -> Result<V::Output> {
        let target = self.target.clone();
        let call = Call::on(&target, V::OPERATION);
        let request = self
            .into_request(returning)
            .map_err(|error| call.explain(error))?;
        let sent = V::send(request, &target.shared).await;
        sent.map_err(|error| call.failed(error))
    }

    fn into_request(self, returning: Option<ReturnValue>) -> Result<V::Fluent> {
        let capacity = self.capacity.then_some(ReturnConsumedCapacity::Total);
        let (target, what, expression, rest, raw) = self.into_parts()?;
        let rest = Rest {
            returning,
            capacity,
            ..rest
        };
        raw.apply_beside_placeholders(what.request(&target, expression, rest))
    }

    /// The same write as a part of a transaction.
    pub(crate) fn into_transact(self) -> Result<TransactWriteItem> {
        self.raw.refuse_in("transaction")?;
        let (target, what, expression, rest, _) = self.into_parts()?;
        what.part(&target, expression, rest)
    }

    /// What is written as a part of a batch, which knows no conditions.
    pub(crate) fn into_unconditional(self) -> Result<V> {
        self.raw.refuse_in("batch")?;
        if self.condition.is_some() {
            return Err(Error::usage(
                "condition",
                "expected no condition and no version: a batch cannot check any; a transaction can",
            ));
        }
        self.target.name.check()?;
        self.what
    }

    fn into_parts(self) -> Result<Parts<V>> {
        let Write {
            target,
            what,
            condition,
            conflict,
            capacity: _,
            raw,
        } = self;
        target.name.check()?;
        let mut what = what?;
        let mut expressions = Expressions::default();
        let expression = what.expression(&mut expressions)?;
        let rest = Rest::of(condition, conflict, expressions)?;
        Ok((target, what, expression, rest, raw))
    }
}

type Parts<V> = (
    Target,
    V,
    Option<String>,
    Rest,
    Raw<<V as sealed::Verb>::Fluent>,
);

impl Rest {
    pub(super) fn is_nothing(&self) -> bool {
        let Rest {
            condition,
            names,
            values,
            conflict,
            returning,
            capacity,
        } = self;
        let texts = condition.is_none() && names.is_none() && values.is_none();
        texts && conflict.is_none() && returning.is_none() && capacity.is_none()
    }

    pub(crate) fn of(
        condition: Option<Cond>,
        conflict: bool,
        mut expressions: Expressions,
    ) -> Result<Self> {
        let condition = condition.map(|c| c.into_text("condition", &mut expressions));
        let condition = condition.transpose()?;
        let (names, values) = expressions.into_maps();
        Ok(Rest {
            condition,
            names,
            values,
            conflict: conflict.then_some(ReturnValuesOnConditionCheckFailure::AllOld),
            returning: None,
            capacity: None,
        })
    }
}

/// An optimistic version: what the item must hold, and what it will hold. `None` expects an item without
/// one, a new one as a rule.
pub(super) fn version(attribute: &str, expected: Option<u64>) -> Result<(Cond, AttributeValue)> {
    let held = attr(Path::attribute(attribute));
    let condition = match expected {
        Some(expected) => held.eq(expected),
        None => held.not_exists(),
    };
    let next = expected.map_or(Some(1), |expected| expected.checked_add(1));
    let next = next.ok_or_else(|| {
        Error::usage(
            "version",
            "expected a version below the largest 64-bit number",
        )
    })?;
    Ok((condition, AttributeValue::N(next.to_string())))
}

impl<V: Verb> Write<V> {
    /// Changes what is written, and the condition with it, unless there is an error already.
    pub(super) fn versioned(
        mut self,
        attribute: &str,
        expected: Option<u64>,
        write: impl FnOnce(V, AttributeValue) -> V,
    ) -> Self {
        match version(attribute, expected) {
            Ok((condition, next)) => {
                self.what = self.what.map(|what| write(what, next));
                self.only_if(condition)
            }
            Err(error) => {
                self.what = self.what.and(Err(error));
                self
            }
        }
    }
}

impl<V: Verb> fmt::Debug for Write<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Write")
            .field("operation", &V::OPERATION.as_str())
            .field("table", &self.target)
            .field("what", &self.what)
            .field("condition", &self.condition)
            .finish_non_exhaustive()
    }
}
