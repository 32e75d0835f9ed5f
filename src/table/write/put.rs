//! Writing a whole item.

use super::core::{Rest, Write, sealed, with_rest, with_rest_of_request};
use crate::error::{Operation, Result};
use crate::table::error::incomplete;
use crate::table::expression::operand::attr;
use crate::table::expression::path::Path;
use crate::table::item::Attributes;
use crate::table::operations::PUT;
use crate::table::target::{Shared, Target, send};
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::operation::put_item::{PutItemError, PutItemOutput};
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, TransactWriteItem, WriteRequest};
use std::fmt;

/// Writes a whole item; made by [`Table::put`](crate::table::Table::put).
///
/// It can be sent, put in a [batch](crate::table::BatchWrite) or in a
/// [transaction](crate::table::TransactWrite).
pub type Put = Write<NewItem>;

/// What a [`Put`] writes.
pub struct NewItem(Attributes);

impl Put {
    pub(crate) fn new(target: Target, item: Result<Attributes>) -> Self {
        Write::of(target, item.map(NewItem))
    }

    /// Writes only if there is no item under this key yet; `key_attribute` is one of the table's key.
    pub fn if_absent(self, key_attribute: &str) -> Self {
        self.only_if(attr(Path::attribute(key_attribute)).not_exists())
    }

    /// Writes only if `attribute` holds `expected`, and writes the next number into it.
    ///
    /// `None` expects an item without a version: a new one.
    pub fn version(self, attribute: &str, expected: Option<u64>) -> Self {
        self.versioned(attribute, expected, |mut item, next| {
            item.0.insert(attribute.to_owned(), next);
            item
        })
    }

    /// Leaves out attributes that are NULL at the top level, as a `None` is: the key of a sparse index
    /// must be absent, not NULL.
    pub fn omit_null(mut self) -> Self {
        if let Ok(item) = &mut self.what {
            item.0
                .retain(|_, value| !matches!(value, AttributeValue::Null(_)));
        }
        self
    }

    /// The same write as a part of a batch, which knows no conditions.
    pub(crate) fn into_batch(self) -> Result<WriteRequest> {
        put_request(self.into_unconditional()?.0)
    }
}

pub(crate) fn put_request(item: Attributes) -> Result<WriteRequest> {
    let put = PutRequest::builder().set_item(Some(item)).build();
    Ok(WriteRequest::builder()
        .put_request(put.map_err(incomplete)?)
        .build())
}

impl sealed::Verb for NewItem {
    const OPERATION: Operation = PUT;
    type Fluent = PutItemFluentBuilder;
    type Output = PutItemOutput;
    type Failure = PutItemError;

    fn request(self, target: &Target, _expression: Option<String>, rest: Rest) -> Self::Fluent {
        let request = target.client().put_item().table_name(target.table());
        let request = request.set_item(Some(self.0));
        with_rest_of_request!(request, rest)
    }

    async fn send(
        request: Self::Fluent,
        shared: &Shared,
    ) -> Result<PutItemOutput, SdkError<PutItemError>> {
        send!(shared, request)
    }

    fn attributes(output: PutItemOutput) -> Option<Attributes> {
        output.attributes
    }

    fn part(
        self,
        target: &Target,
        _expression: Option<String>,
        rest: Rest,
    ) -> Result<TransactWriteItem> {
        let put = aws_sdk_dynamodb::types::Put::builder().table_name(target.table());
        let put = with_rest!(put.set_item(Some(self.0)), rest).build();
        Ok(TransactWriteItem::builder()
            .put(put.map_err(incomplete)?)
            .build())
    }
}

impl fmt::Debug for NewItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
