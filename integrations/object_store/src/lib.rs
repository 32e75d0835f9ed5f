//! [`object_store`] signs its S3 requests with a strategy of [`aws_credential_strategies`]: while credentials
//! are valid nobody waits for a refresh, and a request whose key S3 rejects is signed anew and repeated.
//!
//! ```
//! use aws_credential_strategies::InstanceProfile;
//! use aws_credential_strategies_object_store::WithStrategy;
//! use object_store::aws::AmazonS3Builder;
//!
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let store = AmazonS3Builder::new()
//!     .with_region("eu-central-1")
//!     .with_bucket_name("my-bucket")
//!     .with_strategy(InstanceProfile::new()?)
//!     .build()?;
//! # Ok(())
//! # }
//! # example().unwrap();
//! ```
//!
//! The store goes wherever an `object_store` goes: datafusion's `register_object_store`, the storage backend
//! of delta-rs, parquet's readers. Clones of one strategy share one fetch, so give all stores clones of one.
//!
//! [`WithStrategy`] puts two parts in place, which are here too for who builds a store in another way:
//! [`StrategyCredentials`] answers each request from memory, [`Recovery`] repeats what was rejected.

mod credentials;
mod recovery;
mod signed;

pub use credentials::StrategyCredentials;
pub use recovery::{Recovery, RejectedKey};

use aws_credential_strategies::CredentialStrategy;
use object_store::aws::AmazonS3Builder;
use std::sync::Arc;

/// One call that wires a store.
pub trait WithStrategy: Sized {
    /// Signs with the credentials of `strategy`, and repeats a request whose key is rejected.
    ///
    /// It takes the place of all credentials that the builder was given or read, and of its
    /// [HTTP connector](AmazonS3Builder::with_http_connector): a connector of your own goes into
    /// [`Recovery::over`] instead.
    #[must_use]
    fn with_strategy<S: CredentialStrategy>(self, strategy: S) -> Self;
}

impl WithStrategy for AmazonS3Builder {
    fn with_strategy<S: CredentialStrategy>(self, strategy: S) -> Self {
        let credentials = StrategyCredentials::new(strategy);
        self.with_http_connector(Recovery::new(credentials.clone()))
            .with_credentials(Arc::new(credentials))
    }
}
