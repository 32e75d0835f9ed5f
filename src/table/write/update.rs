//! Changing attributes of an item.

use super::attempt::Attempt;
use super::changes::{Change, render};
use super::core::{Rest, Write, sealed, with_rest, with_rest_of_request};
use crate::error::{Error, Operation, Result};
use crate::table::error::incomplete;
use crate::table::expression::expressions::Expressions;
use crate::table::expression::operand::{IntoOperand, Operand, attr, list_append};
use crate::table::expression::path::Path;
use crate::table::expression::raw_expression::{RawExpression, RawNames, RawValues};
use crate::table::item::{Attributes, to_attributes};
use crate::table::key::Key;
use crate::table::operations::UPDATE;
use crate::table::target::{Shared, Target, send};
use crate::table::value::IntoValue;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::{UpdateItemError, UpdateItemOutput};
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, TransactWriteItem};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Changes attributes of an item, and creates it where there is none; made by
/// [`Table::update`](crate::table::Table::update).
///
/// It can be sent or put in a [transaction](crate::table::TransactWrite).
pub type Update = Write<Changes>;

/// What an [`Update`] changes.
#[derive(Debug)]
pub struct Changes {
    key: Key,
    changes: Vec<Change>,
}

impl Update {
    pub(crate) fn new(target: Target, key: Result<Key>) -> Self {
        let changes = Vec::new();
        Write::of(target, key.map(|key| Changes { key, changes }))
    }

    /// Sets an attribute, whatever it was: to a value, or to what is computed from the item as it is
    /// before the update.
    ///
    /// ```
    /// # use aws_credential_strategies::{CredentialStrategy, Table, table::{attr, list_append}};
    /// # fn example<S: CredentialStrategy>(table: Table<S>) {
    /// let update = table.update(("id", "1"))
    ///     .set("status", "done")
    ///     .set("previous", attr("status"))
    ///     .set("left", attr("left") - 1)
    ///     .set("tries", attr("tries").or(0) + 1)
    ///     .set("log", list_append(attr("log"), ["done"]));
    /// # }
    /// ```
    pub fn set(self, path: impl Into<Path>, value: impl IntoOperand) -> Self {
        self.change(Change::Set(path.into(), value.into_operand()))
    }

    /// Sets an attribute that is not there, and leaves one that is.
    pub fn set_if_absent(self, path: impl Into<Path>, value: impl IntoOperand) -> Self {
        let path = path.into();
        self.set(path.clone(), attr(path).or(value))
    }

    /// Sets each attribute that `item` has, and removes those that are NULL, as a `None` is; what it does
    /// not have, also by `skip_serializing_if`, stays. Attributes of the key may be among them, if they
    /// are the key's.
    pub fn set_all<T: Serialize + ?Sized>(self, item: &T) -> Self {
        self.apply(item, false)
    }

    /// Changes the item as a merge patch (RFC 7396) does: NULL removes, a map is merged into the one that
    /// is there, which must be there, and anything else is set.
    pub fn patch<T: Serialize + ?Sized>(self, patch: &T) -> Self {
        self.apply(patch, true)
    }

    /// Adds to a number, from 0 where there is none; or adds members to a set.
    ///
    /// `value` is a number, or a list or set of strings, numbers or binary.
    pub fn add(self, path: impl Into<Path>, value: impl IntoValue) -> Self {
        self.change(Change::add(path.into(), value))
    }

    /// Puts one element at the end of a list, and begins the list where there is none.
    pub fn append(self, path: impl Into<Path>, element: impl IntoValue) -> Self {
        self.append_all(path, [element])
    }

    /// Puts several elements at the end of a list, and begins the list where there is none.
    pub fn append_all<V: IntoValue>(
        self,
        path: impl Into<Path>,
        elements: impl IntoIterator<Item = V>,
    ) -> Self {
        let path = path.into();
        let list = list_append(begun(&path), list(elements));
        self.change(Change::Set(path, list))
    }

    /// Puts one element at the beginning of a list, and begins the list where there is none.
    pub fn prepend(self, path: impl Into<Path>, element: impl IntoValue) -> Self {
        self.prepend_all(path, [element])
    }

    /// Puts several elements at the beginning of a list, in this order, and begins the list where there is
    /// none.
    pub fn prepend_all<V: IntoValue>(
        self,
        path: impl Into<Path>,
        elements: impl IntoIterator<Item = V>,
    ) -> Self {
        let path = path.into();
        let list = list_append(list(elements), begun(&path));
        self.change(Change::Set(path, list))
    }

    /// Removes an attribute, or an element of a list.
    pub fn remove(self, path: impl Into<Path>) -> Self {
        self.change(Change::Remove(path.into()))
    }

    /// Removes members from a set.
    ///
    /// `members` is one string, number or binary, or a list or set of them.
    pub fn delete_from_set(self, path: impl Into<Path>, members: impl IntoValue) -> Self {
        self.change(Change::delete_from_set(path.into(), members))
    }

    /// Changes in DynamoDB's own words, beside the others. The placeholders are renamed, so they cannot
    /// collide with those of other changes.
    ///
    /// ```
    /// # use aws_credential_strategies::{CredentialStrategy, Table};
    /// # fn example<S: CredentialStrategy>(table: Table<S>) {
    /// let update = table.update(("id", "1"))
    ///     .expression("SET #a[0] = :b REMOVE #c", [("#a", "list"), ("#c", "old")], [(":b", 1)])
    ///     .add("hits", 1);
    /// # }
    /// ```
    pub fn expression(
        self,
        text: impl Into<String>,
        names: impl RawNames,
        values: impl RawValues,
    ) -> Self {
        let raw = RawExpression::new("update expression", text, names, values);
        self.change(Change::Raw(raw))
    }

    /// Changes only if `attribute` holds `expected`, and writes the next number into it.
    ///
    /// `None` expects an item without a version: a new one.
    pub fn version(self, attribute: &str, expected: Option<u64>) -> Self {
        self.versioned(attribute, expected, |mut what, next| {
            let next = Operand::converted(Ok(next));
            what.changes
                .push(Change::Set(Path::attribute(attribute), next));
            what
        })
    }

    /// Makes the changes, takes a failed condition as an answer, with the item that is there, and returns
    /// the whole item as it is then when the condition holds.
    ///
    /// # Errors
    ///
    /// As [`attempt`](Self::attempt); [`ErrorKind::Decode`](crate::ErrorKind::Decode) also when the new
    /// item does not fit `T`: the changes are made then.
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn attempt_returning_new<T: DeserializeOwned>(self) -> Result<Attempt<T>> {
        self.attempt_returning(ReturnValue::AllNew).await
    }

    /// Makes the changes, and returns the whole item as it is then.
    ///
    /// # Errors
    ///
    /// As [`returning_old`](Self::returning_old).
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn returning_new<T: DeserializeOwned>(self) -> Result<Option<T>> {
        self.returning(ReturnValue::AllNew).await
    }

    /// Makes the changes, and returns what was in the changed attributes, and only in those; `None` where
    /// there was nothing.
    ///
    /// # Errors
    ///
    /// As [`returning_old`](Self::returning_old).
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn returning_updated_old<T: DeserializeOwned>(self) -> Result<Option<T>> {
        self.returning(ReturnValue::UpdatedOld).await
    }

    /// Makes the changes, and returns what is in the changed attributes then, and only in those; `None`
    /// where all were removed.
    ///
    /// # Errors
    ///
    /// As [`returning_old`](Self::returning_old).
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn returning_updated_new<T: DeserializeOwned>(self) -> Result<Option<T>> {
        self.returning(ReturnValue::UpdatedNew).await
    }

    fn change(mut self, change: Change) -> Self {
        if let Ok(what) = &mut self.what {
            what.changes.push(change);
        }
        self
    }

    fn apply<T: Serialize + ?Sized>(mut self, item: &T, nested: bool) -> Self {
        self.what = self.what.and_then(|mut what| {
            let changes = Change::of_item(to_attributes(item)?, &what.key, nested)?;
            what.changes.extend(changes);
            Ok(what)
        });
        self
    }
}

/// The list that is there, or an empty one.
fn begun(path: &Path) -> Operand {
    attr(path).or(Operand::converted(Ok(AttributeValue::L(Vec::new()))))
}

fn list<V: IntoValue>(elements: impl IntoIterator<Item = V>) -> Operand {
    let elements = elements.into_iter().map(IntoValue::into_value);
    Operand::converted(elements.collect::<Result<_>>().map(AttributeValue::L))
}

impl sealed::Verb for Changes {
    const OPERATION: Operation = UPDATE;
    type Fluent = UpdateItemFluentBuilder;
    type Output = UpdateItemOutput;
    type Failure = UpdateItemError;

    fn expression(&mut self, expressions: &mut Expressions) -> Result<Option<String>> {
        render(std::mem::take(&mut self.changes), expressions)
    }

    fn request(self, target: &Target, expression: Option<String>, rest: Rest) -> Self::Fluent {
        let request = target.client().update_item().table_name(target.table());
        let request = request
            .set_key(Some(self.key.into_attributes()))
            .set_update_expression(expression);
        with_rest_of_request!(request, rest)
    }

    async fn send(
        request: Self::Fluent,
        shared: &Shared,
    ) -> Result<UpdateItemOutput, SdkError<UpdateItemError>> {
        send!(shared, request)
    }

    fn attributes(output: UpdateItemOutput) -> Option<Attributes> {
        output.attributes
    }

    fn part(
        self,
        target: &Target,
        expression: Option<String>,
        rest: Rest,
    ) -> Result<TransactWriteItem> {
        let expression = expression.ok_or_else(|| {
            Error::usage("update", "expected at least one change in a transaction")
        })?;
        let update = aws_sdk_dynamodb::types::Update::builder()
            .table_name(target.table())
            .set_key(Some(self.key.into_attributes()))
            .update_expression(expression);
        let update = with_rest!(update, rest).build();
        Ok(TransactWriteItem::builder()
            .update(update.map_err(incomplete)?)
            .build())
    }
}
