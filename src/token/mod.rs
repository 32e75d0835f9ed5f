//! Passwords of minutes for databases and queues that speak IAM: RDS and Aurora, ElastiCache and
//! MemoryDB, MSK.
//!
//! ```
//! use aws_credential_strategies::token::RdsToken;
//! use aws_credential_strategies::InstanceProfile;
//!
//! # fn example() -> aws_credential_strategies::Result<()> {
//! let password = RdsToken::builder(InstanceProfile::builder().build()?)
//!     .host("db.cluster-abc.us-east-1.rds.amazonaws.com")
//!     .port(5432)
//!     .user("app")
//!     .region("us-east-1")
//!     .build()?;
//! // for each new connection: password.token().await?.as_str()
//! # Ok(())
//! # }
//! # example().unwrap();
//! ```
//!
//! | for | type | the token goes in as |
//! |---|---|---|
//! | RDS, Aurora (PostgreSQL, MySQL, MariaDB) | [`RdsToken`] | the password of a new connection, over TLS |
//! | ElastiCache, MemoryDB (Valkey, Redis OSS), serverless too | [`ElastiCacheToken`] | the password of `AUTH` or `HELLO`, over TLS |
//! | MSK (Kafka) | [`MskToken`] | the token of SASL/OAUTHBEARER |
//!
//! A token is a request that is signed and never sent. Making one costs some microseconds and no I/O
//! while the strategy has credentials, so make one for each connection and keep none: a token that is
//! kept is one that can be dead. The service looks at it once, when a connection begins; what is open
//! stays open when the token ends.
//!
//! It is good until the earlier of [`MAX_TOKEN_LIFE`] and the end of the session that signed it:
//! [`Token::expires_at`] says which. Signing needs nothing but `aws-sigv4`, so no client of the service
//! comes into the tree.

mod elasticache;
mod msk;
mod rds;
mod signer;

pub use elasticache::{ElastiCacheToken, ElastiCacheTokenBuilder};
pub use msk::{MskToken, MskTokenBuilder};
pub use rds::{RdsToken, RdsTokenBuilder};

use std::fmt;
use std::time::{Duration, SystemTime};

/// How long a token is good for at most: 15 minutes.
///
/// The limit of the services: [RDS], [ElastiCache], MSK's signers.
///
/// [RDS]: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.html
/// [ElastiCache]: https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/auth-iam.html
pub const MAX_TOKEN_LIFE: Duration = Duration::from_secs(15 * 60);

/// A signed token, and when it ends. It is a secret: `Debug` shows the end only.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    text: String,
    expires_at: SystemTime,
}

impl Token {
    /// What goes in as the password or bearer token.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The same, by value.
    #[must_use]
    pub fn into_string(self) -> String {
        self.text
    }

    /// When it ends: [`MAX_TOKEN_LIFE`] after it was signed, or with the session that signed it,
    /// whichever comes first.
    #[must_use]
    pub fn expires_at(&self) -> SystemTime {
        self.expires_at
    }
}

impl AsRef<str> for Token {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}
