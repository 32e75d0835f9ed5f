//! Two explicit ways to AWS credentials behind one trait: refreshed before anyone has to wait, and
//! replaced when a service rejects them. Independent of AWS.
//!
//! ```no_run
//! use aws_credential_strategies::{Dynamo, InstanceProfile, table::Item};
//!
//! #[tokio::main]
//! async fn main() -> aws_credential_strategies::Result<()> {
//!     let strategy = InstanceProfile::new()?;
//!     let db = Dynamo::from_env(strategy).await;
//!     let item: Option<Item> = db.table("MyTable").get(("id", "123")).send().await?;
//!     println!("{item:?}");
//!     Ok(())
//! }
//! ```
//!
//! | | Option A | Option B |
//! |---|---|---|
//! | type | [`InstanceProfile`] | [`AssumeRole`] |
//! | credentials come from | the metadata service (IMDSv2) of the EC2 instance the code runs on | `sts:AssumeRole` on a role whose trust policy admits the caller |
//! | choose it when | the code runs on EC2 and uses services of the same account | the role is in another account, or a service or external identity has to assume it |
//!
//! Anywhere else, [`Provided`] puts the same engine under any provider of the AWS SDK: containers, Lambda, profiles.
//! **The [guide] has a page for each place where code runs** and for each thing that one wants, and
//! [what an error means](guide::when_it_does_not_work).
//!
//! Any client of the SDK takes a strategy ([`sdk`]), in one call:
//!
//! ```no_run
//! use aws_credential_strategies::{InstanceProfile, SdkConfig, sdk};
//!
//! # fn example(settings: SdkConfig) -> aws_credential_strategies::Result<()> {
//! let strategy = InstanceProfile::new()?;
//! let config = sdk::client_config!(aws_sdk_sqs, &settings, strategy);
//! let sqs = aws_sdk_sqs::Client::from_conf(config);
//! # Ok(())
//! # }
//! ```
//!
//! The data goes one way: a [`source`] fetches, [`refresh`] decides when and serves, a [`strategy`] is
//! what an application names, [`sdk`] plugs it into any AWS SDK client, and the thin `table` client uses
//! it. A third strategy is a [`CredentialSource`] in a [`CredentialCache`].
//!
//! Cargo features: `table`, `https` and `env` are on by default; `token` (passwords for databases and queues), `pool` (a
//! role per tenant), `local` (the embedded cloud) and `doctor` (the program) are not.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod arn;
mod base64url;
mod connect;
mod error;
mod jitter;
mod settings;

pub mod diagnose;
pub mod guide;
pub mod iam;
#[cfg(feature = "local")]
pub mod local;
pub mod refresh;
pub mod sdk;
pub mod source;
pub mod strategy;
#[cfg(feature = "table")]
pub mod table;
#[cfg(feature = "token")]
pub mod token;

pub use error::{
    BoxError, CancellationReason, CredentialFault, Denied, Error, ErrorKind, Operation, Result,
};
pub use refresh::{CredentialCache, RefreshMode, RefreshPolicy, Rejection, Status};
pub use sdk::SdkProvider;
pub use source::{CredentialSource, ProviderSource};
pub use strategy::{AssumeRole, CredentialStrategy, InstanceProfile, Provided, StrategyConfig};
#[cfg(feature = "table")]
pub use table::{Dynamo, Table};

/// The macro that a [`CredentialStrategy`] of your own is written with.
pub use async_trait::async_trait;
/// The SDK's credentials: key id, secret, session token, expiry, account id.
pub use aws_credential_types::Credentials;
/// Any of the SDK's providers, as the base of an [`AssumeRole`].
pub use aws_credential_types::provider::SharedCredentialsProvider;
/// The SDK's DynamoDB client, in the version that [`Dynamo`] is built on.
#[cfg(feature = "table")]
pub use aws_sdk_dynamodb;
/// Settings of the SDK's clients: region, endpoint, retries, time limits, transport.
pub use aws_types::SdkConfig;
/// An AWS region.
pub use aws_types::region::Region;

#[cfg(all(doctest, feature = "table", feature = "env"))]
#[doc = include_str!("../README.md")]
struct Readme;
