//! Option B: the session of a role that is assumed.

use super::InstanceProfile;
use super::cached::strategy_of_a_cache;
use super::with_refresh::{WithRefresh, refresh_setters};
use crate::error::Result;
use crate::refresh::{CredentialCache, INTERACTIVE_WAIT_TIMEOUT, RefreshMode};
use crate::source::{StsSource, StsSourceBuilder};

/// Option B: the credentials of a role that is assumed with `sts:AssumeRole`, kept valid.
///
/// ```no_run
/// use aws_credential_strategies::{AssumeRole, CredentialStrategy};
///
/// # async fn example() -> aws_credential_strategies::Result<()> {
/// let strategy = AssumeRole::builder("arn:aws:iam::123456789012:role/App")
///     .region("us-east-1")
///     .session_name("EC2Session")
///     .external_id("42")
///     .build()?;
/// let credentials = strategy.credentials().await?;
/// println!("{}", credentials.access_key_id());
/// # Ok(())
/// # }
/// ```
///
/// It is the way into another account, and for an identity outside of EC2. On EC2 within one account
/// it is a detour: there [`InstanceProfile`] needs none of this.
///
/// The call is signed with the credentials of a [base](StsSourceBuilder::base): any strategy, so that
/// roles chain, or any of the SDK's providers. An external identity brings the
/// [token](StsSourceBuilder::web_identity_token_file) of its issuer instead. Cloning is cheap and shares one cache: however many
/// clones and SDK clients, there is one call per refresh.
#[derive(Clone, Debug)]
pub struct AssumeRole {
    cache: CredentialCache<StsSource>,
}

/// Builds an [`AssumeRole`]: the settings of its source and when to refresh. The region is required, the
/// rest has defaults.
pub type AssumeRoleBuilder = StsSourceBuilder<WithRefresh>;

impl AssumeRole {
    /// Starts with the ARN of the role, for example `arn:aws:iam::123456789012:role/App`.
    pub fn builder(role_arn: impl Into<String>) -> AssumeRoleBuilder {
        StsSourceBuilder::new(role_arn.into(), WithRefresh::default())
    }

    /// Starts with what EKS and others tell a process: role, token file and session name from
    /// `AWS_ROLE_ARN`, `AWS_WEB_IDENTITY_TOKEN_FILE` and `AWS_ROLE_SESSION_NAME`; see
    /// [`web_identity_from_env`](StsSourceBuilder::web_identity_from_env).
    pub fn web_identity_from_env() -> AssumeRoleBuilder {
        AssumeRole::builder("").web_identity_from_env()
    }

    /// The ARN of the role.
    #[must_use]
    pub fn role_arn(&self) -> &str {
        self.cache.source().role_arn()
    }
}

strategy_of_a_cache!(AssumeRole, StsSource);
refresh_setters!(StsSourceBuilder<WithRefresh>);

impl StsSourceBuilder<WithRefresh> {
    /// The strategy, without any I/O; no runtime is needed yet.
    ///
    /// # Errors
    ///
    /// [`Usage`](crate::ErrorKind::Usage) for an option that is missing or not as expected, or, where no
    /// base was given, an environment variable of the metadata service;
    /// [`Error::field`](crate::Error::field) names it.
    pub fn build(self) -> Result<AssumeRole> {
        let (source, mut with) = self.part();
        with.validate()?;
        if source.has_mfa() {
            with.policy = with
                .policy
                .mode(RefreshMode::OnDemand)
                .fetch_timeout(INTERACTIVE_WAIT_TIMEOUT)
                .wait_timeout(INTERACTIVE_WAIT_TIMEOUT);
        }
        let source = if source.has_proof() {
            source
        } else {
            source.base(InstanceProfile::new()?)
        };
        Ok(AssumeRole {
            cache: with.cache(source.build()?),
        })
    }
}
