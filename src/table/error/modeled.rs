//! The parts of an error that DynamoDB sends beyond code and message, the same for every operation.

use super::is_never_sent;
use crate::table::item::Attributes;
use crate::table::refusal_marks::earlier_try_lost;
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

/// The item of a failed condition, if it was asked for.
pub(super) fn conflict_item<'a>(detail: &'a (dyn StdError + 'static)) -> Option<&'a Attributes> {
    fn of<'a, E: Modeled + StdError + 'static>(
        detail: &'a (dyn StdError + 'static),
    ) -> Option<&'a Attributes> {
        let error: &SdkError<E> = detail.downcast_ref()?;
        error.as_service_error()?.conflict_item()
    }
    of::<PutItemError>(detail)
        .or_else(|| of::<UpdateItemError>(detail))
        .or_else(|| of::<DeleteItemError>(detail))
}

/// Whether it is of a write that DynamoDB may have done.
pub(super) fn may_be_done(detail: &(dyn StdError + 'static)) -> bool {
    fn of<E: StdError + Send + Sync + 'static>(
        detail: &(dyn StdError + 'static),
        is_known_by_token: bool,
    ) -> bool {
        let Some(error) = detail.downcast_ref::<SdkError<E>>() else {
            return false;
        };
        match error {
            SdkError::ServiceError(service) => {
                let answer = service.raw();
                answer.status().is_server_error() || !is_known_by_token && earlier_try_lost(answer)
            }
            SdkError::ResponseError(_) | SdkError::TimeoutError(_) => true,
            SdkError::DispatchFailure(failure) => !failure.is_user() && !is_never_sent(error),
            _ => false,
        }
    }
    of::<PutItemError>(detail, false)
        || of::<UpdateItemError>(detail, false)
        || of::<DeleteItemError>(detail, false)
        || of::<BatchWriteItemError>(detail, false)
        // had an earlier try been done, its repeat would say so
        || of::<TransactWriteItemsError>(detail, true)
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
