//! Two explicit ways to AWS credentials behind one trait, refreshed before anyone has to wait.
//!
//! Independent of AWS.

mod error;

pub mod iam;
#[cfg(feature = "local")]
pub mod local;
pub mod refresh;
pub mod sdk;
pub mod source;
pub mod strategy;
#[cfg(feature = "table")]
pub mod table;

pub use error::{CancellationReason, CredentialFault, Denied, Error, ErrorKind, Operation, Result};
pub use refresh::{CredentialCache, RefreshMode, RefreshPolicy, Rejection, Status};
pub use sdk::SdkProvider;
pub use source::CredentialSource;
pub use strategy::{AssumeRole, CredentialStrategy, InstanceProfile, StrategyConfig};
#[cfg(feature = "table")]
pub use table::{Dynamo, Table};

/// The SDK's credentials: key id, secret, session token, expiry, account id.
pub use aws_credential_types::Credentials;
