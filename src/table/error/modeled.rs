//! The parts of an error that DynamoDB sends beyond code and message, the same for every operation.

use crate::table::item::Attributes;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::batch_get_item::BatchGetItemError;
use aws_sdk_dynamodb::operation::batch_write_item::BatchWriteItemError;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::describe_table::DescribeTableError;
use aws_sdk_dynamodb::operation::get_item::GetItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::query::QueryError;
use aws_sdk_dynamodb::operation::scan::ScanError;
use aws_sdk_dynamodb::operation::transact_get_items::TransactGetItemsError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{CancellationReason, ThrottlingReason};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use std::error::Error as StdError;

/// What an operation's own error type may hold.
pub(crate) trait Modeled {
    fn cancellation_reasons(&self) -> &[CancellationReason] {
        &[]
    }

    fn conflict_item(&self) -> Option<&Attributes> {
        None
    }

    fn throttling_reasons(&self) -> &[ThrottlingReason] {
        &[]
    }
}

/// A write that DynamoDB refused: the item of a failed condition, if it was asked for, and the answer.
pub(crate) fn refused_write<'a>(
    detail: &'a (dyn StdError + 'static),
) -> Option<(Option<&'a Attributes>, &'a HttpResponse)> {
    fn of<'a, E: Modeled + StdError + 'static>(
        detail: &'a (dyn StdError + 'static),
    ) -> Option<(Option<&'a Attributes>, &'a HttpResponse)> {
        let error: &SdkError<E> = detail.downcast_ref()?;
        Some((
            error.as_service_error()?.conflict_item(),
            error.raw_response()?,
        ))
    }
    of::<PutItemError>(detail)
        .or_else(|| of::<UpdateItemError>(detail))
        .or_else(|| of::<DeleteItemError>(detail))
}

macro_rules! throttling {
    ($error:ident) => {
        fn throttling_reasons(&self) -> &[ThrottlingReason] {
            match self {
                $error::ProvisionedThroughputExceededException(e) => e.throttling_reasons(),
                $error::RequestLimitExceeded(e) => e.throttling_reasons(),
                $error::ThrottlingException(e) => e.throttling_reasons(),
                _ => &[],
            }
        }
    };
}

macro_rules! reads {
    ($($error:ident),+) => {
        $(impl Modeled for $error {
            throttling!($error);
        })+
    };
}

macro_rules! writes {
    ($($error:ident),+) => {
        $(impl Modeled for $error {
            throttling!($error);

            fn conflict_item(&self) -> Option<&Attributes> {
                match self {
                    $error::ConditionalCheckFailedException(e) => e.item(),
                    _ => None,
                }
            }
        })+
    };
}

macro_rules! transactions {
    ($($error:ident),+) => {
        $(impl Modeled for $error {
            throttling!($error);

            fn cancellation_reasons(&self) -> &[CancellationReason] {
                match self {
                    $error::TransactionCanceledException(e) => e.cancellation_reasons(),
                    _ => &[],
                }
            }
        })+
    };
}

reads!(
    BatchGetItemError,
    BatchWriteItemError,
    GetItemError,
    QueryError,
    ScanError
);
writes!(DeleteItemError, PutItemError, UpdateItemError);
transactions!(TransactGetItemsError, TransactWriteItemsError);

impl Modeled for DescribeTableError {}
