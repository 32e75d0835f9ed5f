//! What listens: each server speaks one protocol of AWS, and asks the account what it may answer.

mod container;
mod dynamodb;
mod imds;
mod jwt;
mod oidc;
mod server;
mod signature;
mod sts;

pub use container::{
    CONTAINER_LIFETIME, Container, ContainerCall, ContainerCalls, POD_TOKEN_AUDIENCE,
};
pub use dynamodb::{DynamoDb, DynamoDbCall, DynamoDbCalls, KeyType, NewIndex, NewTable};
pub use imds::{DOCUMENT_LIFETIME, Imds, ImdsCall, ImdsCalls};
pub use oidc::{
    DEFAULT_TOKEN_AUDIENCE, DEFAULT_TOKEN_LIFETIME, OidcCall, OidcCalls, OidcIssuer, TokenAlgorithm,
};
pub use server::{Server, Service};
pub use sts::{MAX_CHAINED_SESSION, Sts, StsCall, StsCalls};

pub(super) use dynamodb::item;
pub(super) use server::{Respond, ServerTask, serve};
