//! The engine for whatever else AWS gives an application.

use super::cached::strategy_of_a_cache;
use super::with_refresh::{WithRefresh, refresh_setters};
use crate::error::Result;
use crate::refresh::CredentialCache;
use crate::source::ProviderSource;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;

/// The credentials of any provider of the AWS SDK, kept valid: the same engine as under Options A and B.
///
/// ```
/// use aws_credential_strategies::{CredentialStrategy, Credentials, Provided};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> aws_credential_strategies::Result<()> {
/// // any provider of the SDK; keys in hand are one
/// let keys = Credentials::new("AKIAEXAMPLE", "secret", None, None, "vault");
/// let strategy = Provided::new("vault", keys);
/// assert_eq!(strategy.credentials().await?.access_key_id(), "AKIAEXAMPLE");
/// # Ok(())
/// # }
/// ```
///
/// For where the code runs neither on EC2 nor assumes a role by itself: ECS, EKS Pod Identity, Lambda, a
/// named profile, SSO, a process. Chosen explicitly, as the two options are. Cloning is cheap and shares one
/// cache.
///
/// A provider that keeps credentials by itself and answers with the same ones is asked again as any source
/// with nothing new is. The SDK's own provider of the metadata service answers with old credentials when it
/// fails, and with a later expiry than theirs: on EC2 take [`InstanceProfile`](crate::InstanceProfile).
#[derive(Clone, Debug)]
pub struct Provided {
    cache: CredentialCache<ProviderSource>,
}

/// Builds a [`Provided`]: a source and when to refresh.
#[derive(Debug)]
#[must_use = "nothing is fetched before `build` and a first call"]
pub struct ProvidedBuilder {
    source: ProviderSource,
    with: WithRefresh,
}

impl Provided {
    /// Any provider, under the default policy. `name` stands in logs and errors.
    #[must_use]
    pub fn new(name: &'static str, provider: impl ProvideCredentials + 'static) -> Self {
        Provided::over(ProviderSource::new(name, provider))
    }

    /// The same with a policy of its own.
    pub fn builder(
        name: &'static str,
        provider: impl ProvideCredentials + 'static,
    ) -> ProvidedBuilder {
        Provided::builder_over(ProviderSource::new(name, provider))
    }

    /// A source, under the default policy.
    #[must_use]
    pub fn over(source: ProviderSource) -> Self {
        Provided {
            cache: WithRefresh::default().cache(source),
        }
    }

    /// A source with a policy of its own.
    pub fn builder_over(source: ProviderSource) -> ProvidedBuilder {
        ProvidedBuilder {
            source,
            with: WithRefresh::default(),
        }
    }

    /// Credentials in hand, for DynamoDB Local and tests; see [`ProviderSource::fixed`].
    #[must_use]
    pub fn fixed(credentials: Credentials) -> Self {
        Provided::over(ProviderSource::fixed(credentials))
    }
}

/// aws-config's own providers.
#[cfg(feature = "env")]
impl Provided {
    /// The role of a container on ECS or EKS; see [`ProviderSource::container`].
    #[must_use]
    pub fn container() -> Self {
        Provided::over(ProviderSource::container())
    }

    /// Keys in the environment, as on Lambda; see [`ProviderSource::environment`].
    #[must_use]
    pub fn environment() -> Self {
        Provided::over(ProviderSource::environment())
    }

    /// A named profile, SSO included; see [`ProviderSource::profile`].
    #[must_use]
    pub fn profile(name: impl Into<String>) -> Self {
        Provided::over(ProviderSource::profile(name))
    }

    /// What a command prints; see [`ProviderSource::process`].
    #[must_use]
    pub fn process(command: impl Into<String>) -> Self {
        Provided::over(ProviderSource::process(command))
    }

    /// The chain that other AWS tools walk; see [`ProviderSource::default_chain`].
    #[must_use]
    pub fn default_chain() -> Self {
        Provided::over(ProviderSource::default_chain())
    }
}

strategy_of_a_cache!(Provided, ProviderSource);
refresh_setters!(ProvidedBuilder);

impl ProvidedBuilder {
    /// The strategy, without any I/O; no runtime is needed yet.
    ///
    /// # Errors
    ///
    /// [`Usage`](crate::ErrorKind::Usage) for a policy that contradicts itself;
    /// [`Error::field`](crate::Error::field) names the setting.
    pub fn build(self) -> Result<Provided> {
        let ProvidedBuilder { source, with } = self;
        with.validate()?;
        Ok(Provided {
            cache: with.cache(source),
        })
    }
}
