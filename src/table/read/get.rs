//! Reading one item.

use crate::error::Result;
use crate::table::decode::decode;
use crate::table::error::{Call, incomplete};
use crate::table::expression::expressions::Expressions;
use crate::table::expression::path::{Path, projection};
use crate::table::key::Key;
use crate::table::operations::GET;
use crate::table::raw::Raw;
use crate::table::target::{Target, send};
use aws_sdk_dynamodb::operation::get_item::GetItemOutput;
use aws_sdk_dynamodb::operation::get_item::builders::GetItemFluentBuilder;
use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use serde::de::DeserializeOwned;
use std::fmt;

/// Reads one item by its key; made by [`Table::get`](crate::table::Table::get).
#[must_use = "an operation does nothing until it is sent"]
pub struct Get {
    pub(crate) target: Target,
    key: Result<Key>,
    consistent: bool,
    projection: Option<Vec<Path>>,
    capacity: bool,
    raw: Raw<GetItemFluentBuilder>,
}

impl Get {
    pub(crate) fn new(target: Target, key: Result<Key>) -> Self {
        Get {
            target,
            key,
            consistent: false,
            projection: None,
            capacity: false,
            raw: Raw::none(),
        }
    }

    /// Reads what the last write left, at twice the cost; by default an answer may be a moment old.
    pub fn consistent(mut self) -> Self {
        self.consistent = true;
        self
    }

    /// Fetches these paths only; it costs the same, and less travels.
    pub fn project<P: Into<Path>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.projection = Some(paths.into_iter().map(Into::into).collect());
        self
    }

    /// Asks for the capacity that the read consumes; it is in [`output`](Self::output).
    pub fn consumed_capacity(mut self) -> Self {
        self.capacity = true;
        self
    }

    /// Changes the SDK's request just before it is sent, for settings that are not here.
    pub fn raw(
        mut self,
        change: impl FnOnce(GetItemFluentBuilder) -> GetItemFluentBuilder + Send + 'static,
    ) -> Self {
        self.raw = self.raw.then(change);
        self
    }

    /// Reads the item; `None` when there is none under this key.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) for a key or a name that is none, before anything
    /// is sent; [`ErrorKind::Decode`](crate::ErrorKind::Decode) when the item does not fit `T`; else what
    /// DynamoDB or the strategy says.
    ///
    /// # Cancel safety
    ///
    /// A read: dropping the future changes nothing.
    pub async fn send<T: DeserializeOwned>(self) -> Result<Option<T>> {
        // of some paths only, the key may not be among them
        let key = match (&self.projection, &self.key) {
            (Some(_), Ok(key)) => Some(key.clone()),
            _ => None,
        };
        let (target, request) = self.into_request();
        let call = Call::on(&target, GET);
        let request = request.map_err(|error| call.explain(error))?;
        let output = send!(target.shared, request);
        let output = output.map_err(|error| call.failed(error))?;
        match output.item {
            Some(item) => decode(item, key).map(Some).map_err(|e| call.explain(e)),
            None => Ok(None),
        }
    }

    /// The SDK's whole answer.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), without decoding.
    ///
    /// # Cancel safety
    ///
    /// A read: dropping the future changes nothing.
    pub async fn output(self) -> Result<GetItemOutput> {
        let (target, request) = self.into_request();
        let call = Call::on(&target, GET);
        let request = request.map_err(|error| call.explain(error))?;
        let output = send!(target.shared, request);
        output.map_err(|error| call.failed(error))
    }

    fn into_request(self) -> (Target, Result<GetItemFluentBuilder>) {
        let Get {
            target,
            key,
            consistent,
            projection: paths,
            capacity,
            raw,
        } = self;
        let request = build(&target, key, consistent, paths, capacity, raw);
        (target, request)
    }

    /// The same read as a part of a transaction.
    pub(crate) fn into_transact(self) -> Result<aws_sdk_dynamodb::types::Get> {
        let Get {
            target,
            key,
            // a transaction reads consistently, and counts capacity as a whole
            consistent: _,
            projection: paths,
            capacity: _,
            raw,
        } = self;
        raw.refuse_in("transaction")?;
        target.name.check()?;
        let mut expressions = Expressions::default();
        let expression = paths
            .map(|paths| projection(&paths, &mut expressions))
            .transpose()?;
        let (names, _) = expressions.into_maps();
        aws_sdk_dynamodb::types::Get::builder()
            .table_name(target.table())
            .set_key(Some(key?.into_attributes()))
            .set_projection_expression(expression)
            .set_expression_attribute_names(names)
            .build()
            .map_err(incomplete)
    }
}

fn build(
    target: &Target,
    key: Result<Key>,
    consistent: bool,
    paths: Option<Vec<Path>>,
    capacity: bool,
    raw: Raw<GetItemFluentBuilder>,
) -> Result<GetItemFluentBuilder> {
    target.name.check()?;
    let mut request = target
        .client()
        .get_item()
        .table_name(target.table())
        .set_key(Some(key?.into_attributes()));
    if consistent {
        request = request.consistent_read(true);
    }
    if let Some(paths) = paths {
        let mut expressions = Expressions::default();
        let expression = projection(&paths, &mut expressions)?;
        let (names, _) = expressions.into_maps();
        request = request
            .projection_expression(expression)
            .set_expression_attribute_names(names);
    }
    if capacity {
        request = request.return_consumed_capacity(ReturnConsumedCapacity::Total);
    }
    raw.apply_beside_placeholders(request)
}

impl fmt::Debug for Get {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Get")
            .field("table", &self.target)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}
