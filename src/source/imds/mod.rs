//! Option A's source: the role of the EC2 instance, from its metadata service by IMDSv2.

mod builder;
mod document;
mod exchange;
mod failure;
mod host;
mod http;
mod platform;
mod remembered;
mod settings;

pub use builder::ImdsSourceBuilder;
pub(crate) use document::{Reading, credential_document, first_role, role_list};
pub(crate) use failure::does_not_admit;
pub(crate) use platform::Platform;
pub use settings::{
    DEFAULT_ANSWER_TIMEOUT, DEFAULT_CONNECT_TIMEOUT, DEFAULT_ENDPOINT, DEFAULT_ENDPOINT_IPV6,
    DEFAULT_MAX_ATTEMPTS, DEFAULT_TOKEN_TTL,
};

use self::exchange::{Exchange, token_ttl};
use self::http::TOKEN_PATH;
use self::remembered::Remembered;
use self::settings::Settings;
use crate::error::Result;
use crate::source::{CredentialSource, INSTANCE_PROFILE_NAME};
use aws_credential_types::Credentials;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use std::fmt;
use std::time::{Duration, SystemTime};

/// Credentials of the role that is attached to this EC2 instance: one call is one fetch over IMDSv2.
///
/// IMDSv1 is never used, and no proxy, whatever `HTTP_PROXY` says. One connection serves the session
/// token, the list of roles and the document of a fetch. Between fetches the source remembers the
/// session token, the role's name and which of the service's two paths it has, never credentials: for
/// those put it into a [`CredentialCache`](crate::CredentialCache), or use
/// [`InstanceProfile`](crate::InstanceProfile).
///
/// Each request has a budget of [attempts](DEFAULT_MAX_ATTEMPTS) for whatever passes: no connection, no
/// answer in time, a reset, half an answer, `5xx`; in a fetch at most 8 fail, and `Retry-After` is
/// honoured as far as the fetch has time. What needs a person is a
/// [terminal](crate::Error::is_terminal) error: a role that does not admit EC2
/// ([`AccessDenied`](crate::ErrorKind::AccessDenied)), a service switched off by the environment
/// ([`Disabled`](crate::ErrorKind::Disabled)), a session token request that is called invalid. A missing
/// role ([`NoRole`](crate::ErrorKind::NoRole)) is not: a booting instance has none yet.
///
/// # Example
///
/// ```no_run
/// use aws_credential_strategies::CredentialSource;
/// use aws_credential_strategies::source::ImdsSource;
///
/// # async fn example() -> aws_credential_strategies::Result<()> {
/// let source = ImdsSource::builder().profile("EC2DynamoDBRole").build()?;
/// let credentials = source.fetch().await?;
/// println!("{}", credentials.access_key_id());
/// # Ok(())
/// # }
/// ```
pub struct ImdsSource {
    settings: Settings,
    remembered: Remembered,
}

/// What the metadata service says about its session tokens; for diagnosis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenCheck {
    /// How long the token that it gave lives.
    pub ttl: Option<Duration>,
    /// The service's clock, from its `Date` header, to the second.
    pub date: Option<SystemTime>,
}

impl ImdsSource {
    /// Where the service is asked, as a URI.
    #[must_use]
    pub fn endpoint(&self) -> String {
        self.settings.endpoint.to_string()
    }

    /// Opens a connection to the service and closes it: whether there is anybody at all.
    ///
    /// # Errors
    ///
    /// [`Unreachable`](crate::ErrorKind::Unreachable) when nobody answers,
    /// [`Disabled`](crate::ErrorKind::Disabled) when the environment switches the service off.
    ///
    /// # Cancel safety
    ///
    /// A read: dropping the future changes nothing.
    pub async fn check_connection(&self) -> Result<()> {
        let mut exchange = self.begin()?;
        let mut failed = 0;
        loop {
            let Err(failure) = exchange.connect().await else {
                return Ok(());
            };
            failed += 1;
            let error = failure::no_answer(failure, TOKEN_PATH, self.settings.host);
            exchange.spend(error, "", failed, None).await?;
        }
    }

    /// Asks for a new session token: whether IMDSv2 works from here, hop limit included.
    ///
    /// # Errors
    ///
    /// [`Timeout`](crate::ErrorKind::Timeout) when the connection stands and the answer is lost, which
    /// in a container is the hop limit; otherwise as [`fetch`](CredentialSource::fetch).
    ///
    /// # Cancel safety
    ///
    /// A read: dropping the future changes nothing.
    pub async fn check_token(&self) -> Result<TokenCheck> {
        let mut exchange = self.begin()?;
        let reply = exchange.ask_token().await?;
        Ok(TokenCheck {
            ttl: token_ttl(&reply),
            date: reply
                .date()
                .and_then(|text| DateTime::from_str(text, Format::HttpDate).ok())
                .and_then(|when| SystemTime::try_from(when).ok()),
        })
    }

    /// The roles that the service lists, usually one; a configured profile name plays no part.
    ///
    /// # Errors
    ///
    /// [`NoRole`](crate::ErrorKind::NoRole) when there is none; otherwise as
    /// [`fetch`](CredentialSource::fetch).
    ///
    /// # Cancel safety
    ///
    /// A read: dropping the future changes nothing.
    pub async fn attached_roles(&self) -> Result<Vec<String>> {
        let mut exchange = self.begin()?;
        let (reply, path) = exchange.list().await?;
        let roles = role_list(&reply.body).map_err(|error| exchange.finish(error, path))?;
        if roles.is_empty() {
            return Err(exchange.finish(failure::no_role(), path));
        }
        Ok(roles)
    }

    async fn fetch_once(&self) -> Result<Credentials> {
        let mut exchange = self.begin()?;
        match &self.settings.profile {
            Some(profile) => exchange.configured(profile).await,
            None => exchange.discovered().await,
        }
    }

    /// Whose metadata service this is, asked after it turned out not to be EC2's; `None` where no
    /// answer says.
    pub(crate) async fn platform(&self) -> Option<Platform> {
        self.begin().ok()?.platform().await
    }

    fn begin(&self) -> Result<Exchange<'_>> {
        Exchange::begin(&self.settings, &self.remembered)
    }
}

impl CredentialSource for ImdsSource {
    fn name(&self) -> &'static str {
        INSTANCE_PROFILE_NAME
    }

    fn subject(&self) -> Option<String> {
        let configured = self.settings.profile.clone();
        configured.or_else(|| self.remembered.listed_role())
    }

    fn endpoint(&self) -> Option<String> {
        Some(self.settings.endpoint.to_string())
    }

    async fn fetch(&self) -> Result<Credentials> {
        self.fetch_once().await
    }
}

impl fmt::Debug for ImdsSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImdsSource")
            .field("endpoint", &self.endpoint())
            .field("profile", &self.settings.profile)
            .field("role", &self.remembered.listed_role())
            .finish_non_exhaustive()
    }
}
