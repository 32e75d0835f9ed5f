//! RDS and Aurora.

use super::signer::{
    Signer, encoded, host, region, required, user, ways_to_a_token, without_scheme,
};
use crate::error::{Error, Result};
use crate::refresh::Clock;
use crate::strategy::CredentialStrategy;

/// The signing name of the data plane: the policy's action is `rds-db:connect`.
const SERVICE: &str = "rds-db";

/// Passwords for a user of RDS or Aurora that has IAM authentication: PostgreSQL, MySQL, MariaDB.
///
/// ```
/// use aws_credential_strategies::token::RdsToken;
/// use aws_credential_strategies::{CredentialCache, CredentialSource, RefreshPolicy};
///
/// # async fn example<F: CredentialSource>(source: F) -> aws_credential_strategies::Result<()> {
/// let passwords = RdsToken::builder(CredentialCache::new(source, RefreshPolicy::default()))
///     .host("db.abc123.eu-central-1.rds.amazonaws.com")
///     .port(5432)
///     .user("app")
///     .region("eu-central-1")
///     .build()?;
/// let password = passwords.token().await?;
/// # Ok(())
/// # }
/// ```
///
/// The identity needs `rds-db:connect` on `arn:<partition>:rds-db:<region>:<account>:dbuser:<resource id>/<user>`,
/// and the user the role `rds_iam` (PostgreSQL) or the plugin `AWSAuthenticationPlugin` (MySQL). The
/// connection has to use TLS. Form and limits: [IAM database authentication].
///
/// [IAM database authentication]: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.Connecting.html
#[derive(Clone, Debug)]
pub struct RdsToken<S>(Signer<S>);

impl<S: CredentialStrategy> RdsToken<S> {
    /// For the users that `strategy`'s identity may connect as.
    pub fn builder(strategy: S) -> RdsTokenBuilder<S> {
        RdsTokenBuilder {
            strategy,
            clock: Clock::system(),
            host: None,
            port: None,
            region: None,
            user: None,
        }
    }
}

ways_to_a_token!(RdsToken, without_scheme);

/// What an [`RdsToken`] is for.
#[derive(Clone, Debug)]
#[must_use]
pub struct RdsTokenBuilder<S> {
    strategy: S,
    clock: Clock,
    host: Option<String>,
    port: Option<u16>,
    region: Option<String>,
    user: Option<String>,
}

impl<S: CredentialStrategy> RdsTokenBuilder<S> {
    /// The endpoint of the instance, cluster or proxy, as AWS names it: the signature covers it, so a
    /// name of your own in DNS for it is refused by the service.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }

    /// The port that is connected to: 5432 for PostgreSQL, 3306 for MySQL and MariaDB, unless changed.
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// The database user; case matters.
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// The region of the database; behind the global endpoint of an Aurora Global Database that of its writer.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// The clock that tokens are dated by; the host's unless set.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// [`Usage`](crate::ErrorKind::Usage), naming the setting that is missing or cannot be.
    pub fn build(self) -> Result<RdsToken<S>> {
        let RdsTokenBuilder {
            strategy,
            clock,
            host: name,
            port,
            region: at,
            user: of,
        } = self;
        let name = host(name, "host", "the endpoint of the database")?;
        let port = required(port, "port", "the port that is connected to, such as 5432")?;
        if port == 0 {
            return Err(Error::usage(
                "port",
                "expected the port that is connected to, got 0",
            ));
        }
        let told = region_of(&name);
        if told == Some(GLOBAL) {
            let got = match at.as_deref() {
                None => {
                    Some("missing: the region that the writer is in, such as us-east-1".to_owned())
                }
                Some(GLOBAL) => Some(format!(
                    "expected the region that the writer is in, such as us-east-1, got {GLOBAL}"
                )),
                Some(_) => None,
            };
            if let Some(got) = got {
                let why = format!("{name} is a global endpoint, whose name tells none");
                return Err(Error::usage("region", got).hint(why));
            }
        }
        let region = region(at)?;
        if let Some(other) = told.filter(|other| *other != GLOBAL && *other != region) {
            return Err(Error::usage(
                "region",
                format!("expected {other}, where {name} is, got {region}"),
            ));
        }
        let user = encoded(&user(of)?);
        let url = format!("https://{name}:{port}/?Action=connect&DBUser={user}");
        Ok(RdsToken(Signer::new(strategy, clock, region, SERVICE, url)))
    }
}

/// What the writer of an Aurora Global Database has in place of a region:
/// `my.global-abc123.global.rds.amazonaws.com`.
const GLOBAL: &str = "global";

/// The region in `db.abc123.eu-central-1.rds.amazonaws.com`, or [`GLOBAL`]; `None` for any other form.
fn region_of(host: &str) -> Option<&str> {
    let (before, _) = host.split_once(".rds.amazonaws.")?;
    before.rsplit_once('.').map(|(_, region)| region)
}
