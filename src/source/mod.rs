//! Where credentials come from: one call is one fetch, with no memory of credentials.
//!
//! ```no_run
//! use aws_credential_strategies::source::{ImdsSource, StsSource};
//! use aws_credential_strategies::{CredentialCache, CredentialSource, RefreshPolicy};
//!
//! # async fn example() -> aws_credential_strategies::Result<()> {
//! let source = ImdsSource::builder().build()?;
//! let once = source.fetch().await?; // asks the metadata service, each time
//!
//! // what keeps them valid, for any number of callers
//! let strategy = CredentialCache::new(source, RefreshPolicy::default());
//! let credentials = strategy.credentials().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Environment variables
//!
//! Read when a source is built, unless its builder sets the same; one that is blank counts as unset:
//!
//! | variable | by | for |
//! |---|---|---|
//! | `AWS_EC2_METADATA_DISABLED` | [`ImdsSource`] | `true` switches it off: an error that names the variable |
//! | `AWS_EC2_METADATA_SERVICE_ENDPOINT`, `…_ENDPOINT_MODE` | [`ImdsSource`] | where the metadata service is |
//! | `AWS_METADATA_SERVICE_TIMEOUT`, `AWS_METADATA_SERVICE_NUM_ATTEMPTS` | [`ImdsSource`] | time limits, attempts of each request; beyond our limits they are cut, with a warning |
//! | `AWS_EC2_INSTANCE_PROFILE_NAME` | [`ImdsSource`] | the role, so that the list of roles is not asked |
//! | `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI`, `…_FULL_URI`, `AWS_WEB_IDENTITY_TOKEN_FILE`, `AWS_LAMBDA_FUNCTION_NAME` | [`ImdsSource`] | nothing but the hint in the error when no metadata service is there |
//! | `AWS_ROLE_ARN`, `AWS_WEB_IDENTITY_TOKEN_FILE`, `AWS_ROLE_SESSION_NAME` | [`web_identity_from_env`](StsSourceBuilder::web_identity_from_env) | role, token and name of the session |
//! | region, `AWS_ENDPOINT_URL_STS`, `AWS_ENDPOINT_URL`, `AWS_USE_FIPS_ENDPOINT`, `AWS_USE_DUALSTACK_ENDPOINT`, retries, profile files | `.from_env()` | how STS is reached, as `aws-config` reads them |
//! | whatever the provider reads | [`ProviderSource`] | by the provider chosen, and no other |
//!
//! Deliberately not read for credentials and by the metadata service's client:
//!
//! | variable | why |
//! |---|---|
//! | `AWS_ACCESS_KEY_ID` and its like, `AWS_PROFILE` | which credentials are used is chosen in code; there is no chain that finds others. `.from_env()` reads settings, not keys, of that profile |
//! | `AWS_EC2_METADATA_V1_DISABLED` | version 1 is never used |
//! | `HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY` | the metadata service is on the host itself; a proxy would get its token. The SDK's client, which STS is asked with, goes by them |
//! | `AWS_STS_REGIONAL_ENDPOINTS` | STS is asked in its region always |
//! | `AWS_REGION` and the rest of `.from_env()`, without it | nothing is loaded behind the caller's back |

#[cfg(feature = "env")]
mod aws_config;
mod env;
mod expiry;
#[doc(hidden)]
pub mod fuzzing;
mod imds;
pub(crate) mod key_mark;
mod progress;
mod provider;
mod provider_kind;
mod region;
pub(crate) mod restraint;
mod sendable;
mod sts;
mod token;

pub(crate) use env::Env;
pub(crate) use imds::Platform;
pub use imds::{
    DEFAULT_ANSWER_TIMEOUT, DEFAULT_CONNECT_TIMEOUT, DEFAULT_ENDPOINT, DEFAULT_ENDPOINT_IPV6,
    DEFAULT_MAX_ATTEMPTS, DEFAULT_TOKEN_TTL, ImdsSource, ImdsSourceBuilder, TokenCheck,
};
pub(crate) use progress::Progress;
pub use progress::{report_failure, report_step};
pub use provider::ProviderSource;
pub use region::IntoRegion;
#[cfg(feature = "pool")]
pub(crate) use sts::is_of_base;
pub use sts::{
    Base, CallerIdentity, DEFAULT_SESSION_DURATION, DEFAULT_STS_ATTEMPT_TIMEOUT,
    DEFAULT_STS_CALL_TIMEOUT, DEFAULT_STS_CONNECT_TIMEOUT, DEFAULT_STS_MAX_ATTEMPTS,
    MAX_SESSION_DURATION, MIN_SESSION_DURATION, StsSource, StsSourceBuilder,
};
pub(crate) use sts::{BaseCredentials, Origin, StsSettings};
pub use token::MAX_TOKEN_BYTES;
#[allow(unused_imports)]
pub(crate) use token::{TokenClaims, WebIdentityToken};

use crate::arn::RoleArn;
use crate::error::Result;
use aws_credential_types::Credentials;
use std::fmt;
use std::future::Future;

/// Refuses what is not the ARN of a role, or where another vendor's STS judges, what cannot be one.
pub(crate) fn check_role_arn(text: &str, sts: &StsSettings) -> Result<()> {
    if sts.is_own_endpoint() {
        RoleArn::as_given(text).map(|_| ())
    } else {
        RoleArn::parse(text).map(|_| ())
    }
}

/// The name of Option A, in logs, errors and credentials.
pub(crate) const INSTANCE_PROFILE_NAME: &str = "InstanceProfile";
/// The name of Option B.
pub(crate) const ASSUME_ROLE_NAME: &str = "AssumeRole";

/// Fetches credentials once per call; a [`CredentialCache`](crate::CredentialCache) does the rest.
///
/// A third strategy is a source of your own and a cache around it: the cache decides when to call,
/// makes sure that one call runs at a time, bounds it in time, and keeps serving what is valid while it
/// fails. So a source has no cache, no retry loop of minutes and no notion of expiry; it keeps at most
/// what makes the next call cheaper (a connection, a session token of the service it asks).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no credential source",
    label = "expected a source: `ImdsSource`, `StsSource`, `ProviderSource`, or one of your own",
    note = "`Provided::new(name, provider)` makes a strategy of any provider of the AWS SDK; a strategy needs no cache"
)]
pub trait CredentialSource: fmt::Debug + Send + Sync + 'static {
    /// A short name for logs and errors, the same for the life of the process.
    fn name(&self) -> &'static str;

    /// The role or profile it asks for, for [`Status`](crate::Status); `None` where not known.
    fn subject(&self) -> Option<String> {
        None
    }

    /// Where it asks, as a URI where it has one, for the error of who waits for it in vain; `None` where not known.
    fn endpoint(&self) -> Option<String> {
        None
    }

    /// Fetches new credentials.
    ///
    /// What takes time may say what it is doing with [`report_step`], and what fails on the way with
    /// [`report_failure`].
    ///
    /// # Errors
    ///
    /// Whatever keeps the source from answering, told apart by
    /// [`Error::recoverable`](crate::Error::recoverable),
    /// [`Error::throttled`](crate::Error::throttled) and [`Error::terminal`](crate::Error::terminal).
    ///
    /// # Cancel safety
    ///
    /// The future is dropped when the fetch takes longer than the policy's `fetch_timeout`, or when
    /// nobody holds the cache any more.
    fn fetch(&self) -> impl Future<Output = Result<Credentials>> + Send;

    /// Opens what the first fetch will need and has to wait for others with, such as a connection: called beside it by
    /// [`warm`](crate::CredentialStrategy::warm). The default does nothing.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped when the fetch has ended, or with the call of `warm`.
    fn connect(&self) -> impl Future<Output = ()> + Send {
        async {}
    }
}
