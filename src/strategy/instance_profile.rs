//! Option A: the role of the EC2 instance.

use super::cached::strategy_of_a_cache;
use super::with_refresh::{WithRefresh, refresh_setters};
use crate::error::Result;
use crate::refresh::CredentialCache;
use crate::source::{ImdsSource, ImdsSourceBuilder};

/// Option A: the credentials of the role that is attached to the EC2 instance this code runs on, kept
/// valid.
///
/// ```no_run
/// use aws_credential_strategies::{CredentialStrategy, InstanceProfile};
///
/// # async fn example() -> aws_credential_strategies::Result<()> {
/// let strategy = InstanceProfile::new()?;
/// let credentials = strategy.credentials().await?;
/// println!("{}", credentials.access_key_id());
/// # Ok(())
/// # }
/// ```
///
/// The application knows nothing: neither role nor account. It is the recommended way for code on EC2
/// that uses services of the same account.
///
/// Cloning is cheap and shares one cache: however many clones and SDK clients, there is one fetch per
/// refresh.
#[derive(Clone, Debug)]
pub struct InstanceProfile {
    cache: CredentialCache<ImdsSource>,
}

/// Builds an [`InstanceProfile`]: the settings of its source and when to refresh; each has a default.
pub type InstanceProfileBuilder = ImdsSourceBuilder<WithRefresh>;

impl InstanceProfile {
    /// The role that the instance has, from the endpoint that the environment names or the default.
    ///
    /// No I/O; no runtime is needed yet.
    ///
    /// # Errors
    ///
    /// [`Usage`](crate::ErrorKind::Usage) for an environment variable of the metadata service that is
    /// not as expected; [`Error::field`](crate::Error::field) names it.
    pub fn new() -> Result<Self> {
        InstanceProfile::builder().build()
    }

    /// Starts from the environment and the defaults.
    pub fn builder() -> InstanceProfileBuilder {
        ImdsSourceBuilder::new(WithRefresh::default())
    }
}

strategy_of_a_cache!(InstanceProfile, ImdsSource);
refresh_setters!(ImdsSourceBuilder<WithRefresh>);

impl ImdsSourceBuilder<WithRefresh> {
    /// The strategy, without any I/O; no runtime is needed yet.
    ///
    /// # Errors
    ///
    /// [`Usage`](crate::ErrorKind::Usage) for a setting or environment variable that is not as
    /// expected; [`Error::field`](crate::Error::field) names it.
    pub fn build(self) -> Result<InstanceProfile> {
        let (source, with) = self.part();
        with.validate()?;
        Ok(InstanceProfile {
            cache: with.cache(source.build()?),
        })
    }
}
