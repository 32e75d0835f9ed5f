//! A thin DynamoDB client over any strategy: typed items, conditions, streams, batches, transactions.
//!
//! The verbs are boto3's without `_item`, and the SDK is never far: every operation has `raw(..)` for
//! a setting that is not here, every one but the batches (which make many requests, and report) has
//! `output()` for the SDK's whole answer, and [`Dynamo::client`] is the SDK's client with the same credentials.
//!
//! Items are any serde types. There is no model trait, no derive and no schema. Names in expressions are
//! placeholders always, so reserved words need no care. Nothing is asked of DynamoDB that the caller did
//! not ask for: no hidden `DescribeTable`, no return values, no consumed capacity. An item whose time to
//! live is over may still be read for days; where that matters, filter by it:
//! `.filter(attr("ttl").gt(now))`.

mod backoff;
mod batch_get;
mod batch_write;
mod client;
mod condition;
mod cursor;
mod decode;
mod delete;
mod endpoint;
mod error;
mod expression;
mod fetch;
mod get;
mod grants;
mod handle;
mod identity;
mod key;
mod name;
mod operations;
mod pages;
mod path;
mod put;
mod query;
mod raw;
mod raw_condition;
mod read;
mod running;
mod scan;
mod sort;
mod transact;
mod update;
mod value;
mod wait;
mod write;

pub use backoff::Backoff;
pub use batch_get::{BatchGet, BatchItems, MOST_KEYS_PER_REQUEST};
pub use batch_write::{
    BatchItem, BatchReport, BatchWrite, DEFAULT_BATCH_CONCURRENCY, MOST_WRITES_PER_REQUEST,
};
pub use client::{AnyStrategy, DEFAULT_ATTEMPT_TIMEOUT, DEFAULT_OPERATION_TIMEOUT, Dynamo};
pub use condition::{Attr, Cond, IntoOperand, Operand, Size, attr, size};
pub use cursor::Cursor;
pub use delete::Delete;
pub use get::Get;
pub use handle::Table;
pub use key::{IntoKey, Key};
pub use pages::{ItemStream, MOST_SEGMENTS_AT_ONCE, Page};
pub use path::{Path, Step};
pub use put::Put;
pub use query::Query;
pub use scan::{MOST_SEGMENTS, Scan};
pub use sort::{Sort, SortCond, sort};
pub use transact::{Check, LONGEST_TOKEN, MOST_ITEMS_PER_TRANSACTION, TransactGet, TransactWrite};
pub use update::Update;
pub use value::{IntoValue, Value, from_item, to_item};
pub use write::Attempt;

/// The SDK's attribute value; there is no second one.
pub use aws_sdk_dynamodb::types::AttributeValue;

/// An item as DynamoDB has it: attributes by name.
pub type Item = std::collections::HashMap<String, AttributeValue>;
