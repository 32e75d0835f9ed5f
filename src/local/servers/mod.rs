//! What listens: each server speaks one protocol of AWS, and asks the account what it may answer.

mod dynamodb;
mod imds;
mod oidc;
mod server;
mod signature;
mod sts;

pub use dynamodb::{DynamoDb, DynamoDbCall, DynamoDbCalls, KeyType, NewIndex, NewTable};
pub use imds::{DOCUMENT_LIFETIME, Imds, ImdsCall, ImdsCalls, ROTATION_SHARE};
pub use oidc::{
    DEFAULT_TOKEN_AUDIENCE, DEFAULT_TOKEN_LIFETIME, OidcCall, OidcCalls, OidcIssuer, TokenAlgorithm,
};
pub use server::{Server, Service};
pub use sts::{MAX_CHAINED_SESSION, Sts, StsCall, StsCalls};

pub(super) use dynamodb::item;
pub(super) use server::{Respond, ServerTask, serve};
