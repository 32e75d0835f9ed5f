//! Deleting an item.

use super::core::{Rest, Write, sealed, with_rest, with_rest_of_request};
use crate::error::{Operation, Result};
use crate::table::error::incomplete;
use crate::table::item::Attributes;
use crate::table::key::Key;
use crate::table::operations::DELETE;
use crate::table::target::{Shared, Target, send};
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::delete_item::builders::DeleteItemFluentBuilder;
use aws_sdk_dynamodb::operation::delete_item::{DeleteItemError, DeleteItemOutput};
use aws_sdk_dynamodb::types::{DeleteRequest, TransactWriteItem, WriteRequest};

/// Deletes an item by its key; made by [`Table::delete`](crate::table::Table::delete).
///
/// Deleting what is not there succeeds, unless a condition says otherwise. It can be sent, put in a
/// [batch](crate::table::BatchWrite) or in a [transaction](crate::table::TransactWrite).
pub type Delete = Write<Removal>;

/// What a [`Delete`] deletes.
#[derive(Debug)]
pub struct Removal(Key);

impl Delete {
    pub(crate) fn new(target: Target, key: Result<Key>) -> Self {
        Write::of(target, key.map(Removal))
    }

    /// Deletes only if `attribute` holds `expected`; `None` expects an item without a version, or none.
    pub fn version(self, attribute: &str, expected: Option<u64>) -> Self {
        self.versioned(attribute, expected, |removal, _| removal)
    }

    /// The same write as a part of a batch, which knows no conditions.
    pub(crate) fn into_batch(self) -> Result<WriteRequest> {
        delete_request(self.into_unconditional()?.0)
    }
}

pub(crate) fn delete_request(key: Key) -> Result<WriteRequest> {
    let delete = DeleteRequest::builder().set_key(Some(key.into_attributes()));
    Ok(WriteRequest::builder()
        .delete_request(delete.build().map_err(incomplete)?)
        .build())
}

impl sealed::Verb for Removal {
    const OPERATION: Operation = DELETE;
    type Fluent = DeleteItemFluentBuilder;
    type Output = DeleteItemOutput;
    type Failure = DeleteItemError;

    fn request(self, target: &Target, _expression: Option<String>, rest: Rest) -> Self::Fluent {
        let request = target.client().delete_item().table_name(target.table());
        let request = request.set_key(Some(self.0.into_attributes()));
        with_rest_of_request!(request, rest)
    }

    async fn send(
        request: Self::Fluent,
        shared: &Shared,
    ) -> Result<DeleteItemOutput, SdkError<DeleteItemError>> {
        send!(shared, request)
    }

    fn attributes(output: DeleteItemOutput) -> Option<Attributes> {
        output.attributes
    }

    fn part(
        self,
        target: &Target,
        _expression: Option<String>,
        rest: Rest,
    ) -> Result<TransactWriteItem> {
        let delete = aws_sdk_dynamodb::types::Delete::builder().table_name(target.table());
        let delete = with_rest!(delete.set_key(Some(self.0.into_attributes())), rest).build();
        Ok(TransactWriteItem::builder()
            .delete(delete.map_err(incomplete)?)
            .build())
    }
}
