//! A thin DynamoDB client over any strategy: typed items, conditions, streams, batches, transactions.
//!
//! ```
//! use aws_credential_strategies::table::{attr, sort};
//! use aws_credential_strategies::{CredentialStrategy, Dynamo, Result};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Deserialize, Serialize)]
//! struct Order {
//!     customer: String,
//!     day: String,
//!     total: u64,
//! }
//!
//! async fn orders_of<S: CredentialStrategy>(db: &Dynamo<S>, customer: &str) -> Result<Vec<Order>> {
//!     let orders = db.table("Orders");
//!     let query = orders.query("customer", customer).sort(sort("day").begins_with("2026-"));
//!     query.filter(attr("total").gt(100)).all().await?.complete()
//! }
//! ```
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

mod batch;
mod client;
mod decode;
mod encode;
mod endpoint;
mod error;
mod expression;
mod fault;
mod grants;
mod handle;
mod item;
mod key;
mod name;
mod number;
mod operations;
mod raw;
mod read;
mod refusal_marks;
mod retries;
mod set;
mod target;
mod transaction;
mod value;
mod wait;
mod warm;
mod write;

pub use batch::Backoff;
pub use batch::found::{BatchItems, BatchTables};
pub use batch::get::{BatchGet, MOST_KEYS_PER_REQUEST};
pub use batch::several::BatchGetTables;
pub use batch::write::{
    BatchItem, BatchLeft, BatchRefused, BatchReport, BatchWrite, DEFAULT_BATCH_CONCURRENCY,
    MOST_WRITES_PER_REQUEST,
};
pub use client::{DEFAULT_ATTEMPT_TIMEOUT, DEFAULT_OPERATION_TIMEOUT, Dynamo};
pub use decode::from_item;
pub use expression::condition::{Cond, MOST_IN};
pub use expression::expressions::LONGEST_EXPRESSION;
pub use expression::operand::{Attr, IntoOperand, Operand, Size, attr, list_append, size};
pub use expression::path::{Path, Step};
pub use expression::raw_expression::{RawNames, RawValues};
pub use handle::Table;
pub use item::{Item, to_item};
pub use key::{IntoKey, Key};
pub use number::{MOST_DIGITS, Number};
pub use read::cursor::{Cursor, MOST_SEGMENTS};
pub use read::get::Get;
pub use read::lanes::MOST_SEGMENTS_AT_ONCE;
pub use read::page::Page;
pub use read::query::Query;
pub use read::scan::Scan;
pub use read::sort::{Sort, SortCond, sort};
pub use read::stream::ItemStream;
pub use set::{binary_set, number_set, string_set};
pub use target::AnyStrategy;
pub use transaction::{
    Check, LONGEST_TOKEN, MOST_ITEMS_PER_TRANSACTION, TransactGet, TransactWrite,
};
pub use value::{IntoValue, Value};
pub use warm::WARM_CONNECTION_TIMEOUT;
pub use write::attempt::Attempt;
pub use write::core::{Verb, Write};
pub use write::delete::{Delete, Removal};
pub use write::put::{NewItem, Put};
pub use write::update::{Changes, Update};

/// The SDK's attribute value; there is no second one. And its word for what a query or a scan returns.
pub use aws_sdk_dynamodb::types::{AttributeValue, Select};
