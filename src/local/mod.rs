//! An embedded cloud on loopback: the instance metadata service, the container credential endpoint,
//! STS, an OpenID Connect issuer, and DynamoDB.
//!
//! ```
//! # async fn example() -> aws_credential_strategies::Result<()> {
//! use aws_credential_strategies::local::LocalCloud;
//! use serde_json::json;
//! use std::time::Duration;
//!
//! let cloud = LocalCloud::builder()
//!     .session_lifetime(Duration::from_secs(15))
//!     .start()
//!     .await?;
//! cloud.create_table(("MyTable", "id"))?;
//! cloud.put_item("MyTable", &json!({ "id": "123", "name": "Ada" }))?;
//!
//! let config = cloud.sdk_config(); // region, endpoints and a plain HTTP client; no credentials
//! assert!(config.credentials_provider().is_none());
//! assert_eq!(cloud.imds().calls().total(), 0);
//! # Ok(())
//! # }
//! ```
//!
//! One call starts it, dropping it ends it. It is for examples and tests, this crate's and yours: any
//! AWS client can be pointed at it, by [`LocalCloud::sdk_config`] or, in any language, by the
//! environment variables of [`LocalCloud::environment`].
//!
//! It keeps AWS's rules rather than canned answers:
//!
//! - The metadata service wants a session token, rotates its documents, and has none for a role that
//!   does not admit EC2.
//! - The container credential endpoint is the agents of ECS and of EKS Pod Identity, whose tokens it
//!   checks.
//! - STS checks parameters, trust policies with their conditions, session lengths and role chaining. It
//!   takes tokens of outside identities, with the keys that their issuer publishes; the issuer that is
//!   here says whatever a test wants said.
//! - DynamoDB is [dynoxide](https://crates.io/crates/dynoxide-rs), on SQLite in memory, with tables for
//!   each account.
//! - STS and DynamoDB verify signatures and refuse, with AWS's statuses, codes and sentences: keys that
//!   were not issued here, session tokens that do not belong to them, sessions that are over, clocks that
//!   are off, and what the policies of a role, a user or a session do not allow. Until it is given a
//!   policy, a role or user may do everything.
//! - Each server counts what it is asked and fails as a test wants it to: see [`Server`] and [`Fault`].
//!
//! - Policies are evaluated for every operation, down to the items and attributes that it names
//!   (`dynamodb:LeadingKeys`, `dynamodb:Attributes`), with policy variables. A PartiQL statement that is not
//!   understood needs every PartiQL action on `table/*`, and then reaches no table.
//!
//! Not there:
//!
//! - Of DynamoDB: a projection of `TransactGetItems` without the key, throttling and capacity, the delay of global indexes, transactions that conflict, the
//!   legacy parameters' own checks, a limit on operators in PartiQL; expressions that
//!   nest more than 32 parentheses and NOTs are refused, which DynamoDB follows further. Its expressions are checked as
//!   DynamoDB checks them, in front of the engine where that lets more pass.
//! - TLS, account-based endpoints, DAX, more than one region or instance at a time, IMDSv1.
//! - IAM's own API: roles, users, providers and policies are installed by the methods here, and hold at
//!   once, where IAM takes a while.
//! - Policies of resources and of organizations, permissions boundaries, endpoint policies; condition keys
//!   that would need them, such as `aws:PrincipalOrgID`, and the literals `${*}`, `${?}` and `${$}`. A policy
//!   that asks for what is not there is refused when it is installed.
//! - Of STS: `AssumeRoleWithSAML`, `GetSessionToken`, `GetFederationToken`, `GetAccessKeyInfo`,
//!   `DecodeAuthorizationMessage`; providers of OAuth 2.0 (`ProviderId`); thumbprints of providers. By how
//!   much AWS packs policies and tags is not published, and estimated.
//! - Throttling that nobody asked for: see [`Fault`].
//! - Of DynamoDB, what dynoxide does not have.

mod account;
mod builder;
mod cloud;
mod fault;
mod lock;
mod servers;

pub use account::{DEFAULT_MAX_SESSION, ROTATION_SHARE, Role, Trust};
pub use builder::LocalCloudBuilder;
pub use cloud::{
    DEFAULT_ACCOUNT, DEFAULT_INSTANCE_ID, DEFAULT_INSTANCE_PROFILE, DEFAULT_REGION, DEFAULT_ROLE,
    LocalCloud,
};
pub use fault::Fault;
pub use servers::{
    CONTAINER_LIFETIME, Container, ContainerCall, ContainerCalls, DEFAULT_TOKEN_AUDIENCE,
    DEFAULT_TOKEN_LIFETIME, DOCUMENT_LIFETIME, DynamoDb, DynamoDbCall, DynamoDbCalls, Imds,
    ImdsCall, ImdsCalls, KeyType, MAX_CHAINED_SESSION, NewIndex, NewTable, OidcCall, OidcCalls,
    OidcIssuer, POD_TOKEN_AUDIENCE, Server, Service, Sts, StsCall, StsCalls, TokenAlgorithm,
};
