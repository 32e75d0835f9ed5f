//! Changing attributes of an item.

use super::attempt::{Attempt, Rendered, version};
use crate::error::{Error, Result};
use crate::table::decode::decode;
use crate::table::error::{Call, incomplete};
use crate::table::expression::condition::Cond;
use crate::table::expression::expressions::Expressions;
use crate::table::expression::path::Path;
use crate::table::key::Key;
use crate::table::operations::UPDATE;
use crate::table::raw::Raw;
use crate::table::target::Target;
use crate::table::value::{IntoValue, kind_of};
use aws_sdk_dynamodb::operation::update_item::UpdateItemOutput;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_dynamodb::types::{
    ReturnConsumedCapacity, ReturnValue, ReturnValuesOnConditionCheckFailure,
};
use serde::de::DeserializeOwned;
use std::fmt;

/// Changes attributes of an item, and creates it where there is none; made by
/// [`Table::update`](crate::table::Table::update).
///
/// It can be sent or put in a [transaction](crate::table::TransactWrite).
#[must_use = "an operation does nothing until it is sent"]
pub struct Update {
    pub(crate) target: Target,
    key: Result<Key>,
    changes: Vec<Change>,
    condition: Option<Cond>,
    capacity: bool,
    raw: Raw<UpdateItemFluentBuilder>,
}

/// One change, in the clause of the update expression that it belongs to.
#[derive(Clone)]
enum Change {
    Add(Path, Result<AttributeValue>),
    Append(Path, Result<AttributeValue>),
    DeleteFromSet(Path, Result<AttributeValue>),
    Remove(Path),
    Set(Path, Result<AttributeValue>),
    SetIfAbsent(Path, Result<AttributeValue>),
}

impl Update {
    pub(crate) fn new(target: Target, key: Result<Key>) -> Self {
        Update {
            target,
            key,
            changes: Vec::new(),
            condition: None,
            capacity: false,
            raw: Raw::none(),
        }
    }

    /// Sets an attribute, whatever it was.
    pub fn set(self, path: impl Into<Path>, value: impl IntoValue) -> Self {
        self.change(Change::Set(path.into(), value.into_value()))
    }

    /// Sets an attribute that is not there, and leaves one that is.
    pub fn set_if_absent(self, path: impl Into<Path>, value: impl IntoValue) -> Self {
        self.change(Change::SetIfAbsent(path.into(), value.into_value()))
    }

    /// Adds to a number, from 0 where there is none; or adds members to a set.
    ///
    /// `value` is a number, or a list or set of strings, numbers or binary.
    pub fn add(self, path: impl Into<Path>, value: impl IntoValue) -> Self {
        let value = value.into_value().and_then(|value| match value {
            AttributeValue::N(_) => Ok(value),
            value => set_of(value, "a number, or the members of a set"),
        });
        self.change(Change::Add(path.into(), value))
    }

    /// Puts one element at the end of a list, and begins the list where there is none.
    pub fn append(self, path: impl Into<Path>, element: impl IntoValue) -> Self {
        let element = element.into_value();
        let list = element.map(|element| AttributeValue::L(vec![element]));
        self.change(Change::Append(path.into(), list))
    }

    /// Puts several elements at the end of a list, and begins the list where there is none.
    pub fn append_all<V: IntoValue>(
        self,
        path: impl Into<Path>,
        elements: impl IntoIterator<Item = V>,
    ) -> Self {
        let elements = elements.into_iter().map(IntoValue::into_value);
        let list = elements.collect::<Result<_>>().map(AttributeValue::L);
        self.change(Change::Append(path.into(), list))
    }

    /// Removes an attribute, or an element of a list.
    pub fn remove(self, path: impl Into<Path>) -> Self {
        self.change(Change::Remove(path.into()))
    }

    /// Removes members from a set.
    ///
    /// `members` is one string, number or binary, or a list or set of them.
    pub fn delete_from_set(self, path: impl Into<Path>, members: impl IntoValue) -> Self {
        let members = members.into_value().and_then(|members| {
            let members = match members {
                AttributeValue::S(_) | AttributeValue::N(_) | AttributeValue::B(_) => {
                    AttributeValue::L(vec![members])
                }
                members => members,
            };
            set_of(members, "members of a set")
        });
        self.change(Change::DeleteFromSet(path.into(), members))
    }

    /// Changes only if this holds for what is there; several conditions must all hold.
    pub fn only_if(mut self, condition: Cond) -> Self {
        self.condition = Some(condition.and_also(self.condition.take()));
        self
    }

    /// Changes only if `attribute` holds `expected`, and writes the next number into it.
    ///
    /// `None` expects an item without a version: a new one.
    pub fn version(mut self, attribute: &str, expected: Option<u64>) -> Self {
        match version(attribute, expected) {
            Ok(version) => self
                .change(Change::Set(Path::attribute(attribute), Ok(version.next)))
                .only_if(version.condition),
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
        change: impl FnOnce(UpdateItemFluentBuilder) -> UpdateItemFluentBuilder + Send + 'static,
    ) -> Self {
        self.raw = self.raw.then(change);
        self
    }

    /// Makes the changes, all or none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Encode`](crate::ErrorKind::Encode) and [`ErrorKind::Usage`](crate::ErrorKind::Usage)
    /// before anything is sent; [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) when the condition
    /// does not hold; else what DynamoDB or the strategy says.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, the changes may have been made or not. The SDK repeats a request that
    /// got no answer, so an [`add`](Self::add) or [`append`](Self::append) can happen twice; in a
    /// transaction it cannot.
    pub async fn send(self) -> Result<()> {
        self.run(|request| request).await.map(|_| ())
    }

    /// Makes the changes, and takes a failed condition as an answer, with the item that is there.
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

    /// Makes the changes, and returns the whole item as it is then.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); [`ErrorKind::Decode`](crate::ErrorKind::Decode) when the item does not
    /// fit `T`: the changes are made then.
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn returning_new<T: DeserializeOwned>(self) -> Result<Option<T>> {
        let target = self.target.clone();
        let output = self
            .run(|request| ask_for_conflict(request).return_values(ReturnValue::AllNew))
            .await?;
        let new = output.attributes.map(|item| decode(item, None)).transpose();
        new.map_err(|error| Call::on(&target, UPDATE).explain(error))
    }

    /// The SDK's whole answer.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn output(self) -> Result<UpdateItemOutput> {
        self.run(|request| request).await
    }

    fn change(mut self, change: Change) -> Self {
        self.changes.push(change);
        self
    }

    async fn run(
        self,
        ask: impl FnOnce(UpdateItemFluentBuilder) -> UpdateItemFluentBuilder + Send,
    ) -> Result<UpdateItemOutput> {
        let Update {
            target,
            key,
            changes,
            condition,
            capacity,
            raw,
        } = self;
        let call = Call::on(&target, UPDATE);
        let request = build(&target, key, changes, condition)
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
    pub(crate) fn into_transact(self) -> Result<aws_sdk_dynamodb::types::Update> {
        let Update {
            target,
            key,
            changes,
            condition,
            // a transaction counts capacity as a whole
            capacity: _,
            raw,
        } = self;
        raw.refuse_in("transaction")?;
        target.name.check()?;
        let key = key?;
        let (update, expressions) = render(changes, condition)?;
        let update = update.ok_or_else(|| {
            Error::usage("update", "expected at least one change in a transaction")
        })?;
        aws_sdk_dynamodb::types::Update::builder()
            .table_name(target.table())
            .set_key(Some(key.into_attributes()))
            .update_expression(update)
            .set_condition_expression(expressions.condition)
            .set_expression_attribute_names(expressions.names)
            .set_expression_attribute_values(expressions.values)
            .build()
            .map_err(incomplete)
    }
}

fn ask_for_conflict(request: UpdateItemFluentBuilder) -> UpdateItemFluentBuilder {
    request.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
}

fn build(
    target: &Target,
    key: Result<Key>,
    changes: Vec<Change>,
    condition: Option<Cond>,
) -> Result<UpdateItemFluentBuilder> {
    target.name.check()?;
    let key = key?;
    let (update, expressions) = render(changes, condition)?;
    Ok(target
        .client()
        .update_item()
        .table_name(target.table())
        .set_key(Some(key.into_attributes()))
        .set_update_expression(update)
        .set_condition_expression(expressions.condition)
        .set_expression_attribute_names(expressions.names)
        .set_expression_attribute_values(expressions.values))
}

/// The update expression, if there are changes, and the condition beside it.
fn render(changes: Vec<Change>, condition: Option<Cond>) -> Result<(Option<String>, Rendered)> {
    let mut expressions = Expressions::default();
    let mut clauses = Clauses::default();
    for change in changes {
        clauses.push(change, &mut expressions)?;
    }
    let expressions = Rendered::with(condition, expressions)?;
    Ok((clauses.into_text(), expressions))
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, path, value) = match self {
            Change::Add(path, value) => ("add", path, Some(value)),
            Change::Append(path, value) => ("append", path, Some(value)),
            Change::DeleteFromSet(path, value) => ("delete_from_set", path, Some(value)),
            Change::Remove(path) => ("remove", path, None),
            Change::Set(path, value) => ("set", path, Some(value)),
            Change::SetIfAbsent(path, value) => ("set_if_absent", path, Some(value)),
        };
        write!(f, "{name}({path})")?;
        match value {
            Some(value) => write!(f, " {:?}", kind_of(value)),
            None => Ok(()),
        }
    }
}

/// The four clauses, each of which may stand once.
#[derive(Default)]
struct Clauses {
    set: String,
    remove: String,
    add: String,
    delete: String,
}

impl Clauses {
    fn push(&mut self, change: Change, expressions: &mut Expressions) -> Result<()> {
        let clause = match &change {
            Change::Add(..) => &mut self.add,
            Change::DeleteFromSet(..) => &mut self.delete,
            Change::Remove(_) => &mut self.remove,
            Change::Append(..) | Change::Set(..) | Change::SetIfAbsent(..) => &mut self.set,
        };
        if !clause.is_empty() {
            clause.push_str(", ");
        }
        match change {
            Change::Remove(path) => path.render(clause, expressions),
            Change::Add(path, value) | Change::DeleteFromSet(path, value) => {
                path.render(clause, expressions)?;
                clause.push(' ');
                expressions.value(at(&path, value)?, clause);
                Ok(())
            }
            Change::Set(path, value) => {
                path.render(clause, expressions)?;
                clause.push_str(" = ");
                expressions.value(at(&path, value)?, clause);
                Ok(())
            }
            Change::SetIfAbsent(path, value) => {
                path.render(clause, expressions)?;
                clause.push_str(" = if_not_exists(");
                path.render(clause, expressions)?;
                clause.push_str(", ");
                expressions.value(at(&path, value)?, clause);
                clause.push(')');
                Ok(())
            }
            Change::Append(path, list) => {
                path.render(clause, expressions)?;
                clause.push_str(" = list_append(if_not_exists(");
                path.render(clause, expressions)?;
                clause.push_str(", ");
                expressions.value(AttributeValue::L(Vec::new()), clause);
                clause.push_str("), ");
                expressions.value(at(&path, list)?, clause);
                clause.push(')');
                Ok(())
            }
        }
    }

    fn into_text(self) -> Option<String> {
        let Clauses {
            set,
            remove,
            add,
            delete,
        } = self;
        let clauses = [
            ("SET ", set),
            ("REMOVE ", remove),
            ("ADD ", add),
            ("DELETE ", delete),
        ];
        let mut text = String::new();
        for (keyword, clause) in clauses {
            if clause.is_empty() {
                continue;
            }
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(keyword);
            text.push_str(&clause);
        }
        (!text.is_empty()).then_some(text)
    }
}

/// A value's error with the attribute that it was for.
fn at(path: &Path, value: Result<AttributeValue>) -> Result<AttributeValue> {
    value.map_err(|error| error.naming(format!("attribute {path}")))
}

/// A set of the members of a list: serde has no sets.
fn set_of(value: AttributeValue, expected: &'static str) -> Result<AttributeValue> {
    let refused = || Error::usage("value", format!("expected {expected}"));
    let members = match value {
        AttributeValue::Ss(_) | AttributeValue::Ns(_) | AttributeValue::Bs(_) => return Ok(value),
        AttributeValue::L(members) => members,
        _ => return Err(refused()),
    };
    let (mut strings, mut numbers, mut binaries) = (Vec::new(), Vec::new(), Vec::new());
    for member in members {
        match member {
            AttributeValue::S(string) => strings.push(string),
            AttributeValue::N(number) => numbers.push(number),
            AttributeValue::B(binary) => binaries.push(binary),
            _ => return Err(refused()),
        }
    }
    match (strings.is_empty(), numbers.is_empty(), binaries.is_empty()) {
        (false, true, true) => Ok(AttributeValue::Ss(strings)),
        (true, false, true) => Ok(AttributeValue::Ns(numbers)),
        (true, true, false) => Ok(AttributeValue::Bs(binaries)),
        _ => Err(refused()),
    }
}

impl fmt::Debug for Update {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Update")
            .field("table", &self.target)
            .field("key", &self.key)
            .field("changes", &self.changes)
            .field("condition", &self.condition)
            .finish_non_exhaustive()
    }
}
