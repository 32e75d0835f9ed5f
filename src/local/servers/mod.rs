//! What listens: each server speaks one protocol of AWS, and asks the account what it may answer.

mod dynamodb;
mod imds;
mod server;
mod signature;
mod sts;

pub use dynamodb::{DynamoDb, DynamoDbCall, DynamoDbCalls, KeyType, NewIndex, NewTable};
pub use imds::{DOCUMENT_LIFETIME, Imds, ImdsCall, ImdsCalls, ROTATION_SHARE};
pub use server::{Server, Service};
pub use sts::{MAX_CHAINED_SESSION, Sts, StsCall, StsCalls};

pub(super) use dynamodb::item;
pub(super) use server::{Respond, ServerTask, serve};
