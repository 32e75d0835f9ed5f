//! aws-config's own providers, made for a [`ProviderSource`].

use super::provider::ProviderSource;
use super::provider_kind::ProviderKind;
use crate::settings;
use aws_config::credential_process::CredentialProcessProvider;
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::ecs::EcsCredentialsProvider;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::meta::region::ProvideRegion;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;

impl ProviderSource {
    /// The role of a container: ECS, EKS Pod Identity, Greengrass, CloudShell, and whoever else sets
    /// `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI` or `_FULL_URI`, with `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`
    /// or `_TOKEN`. The token's file is read anew at each fetch.
    #[must_use]
    pub fn container() -> Self {
        Self::made("Container", ProviderKind::Container, || async {
            Ok(EcsCredentialsProvider::builder().build())
        })
    }

    /// Keys in the environment: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`,
    /// `AWS_ACCOUNT_ID`, as Lambda sets them.
    #[must_use]
    pub fn environment() -> Self {
        let provider = EnvironmentVariableCredentialsProvider::new();
        Self::of("Environment", ProviderKind::Environment, provider)
    }

    /// A profile of `~/.aws/config` and `~/.aws/credentials` (`AWS_CONFIG_FILE`,
    /// `AWS_SHARED_CREDENTIALS_FILE`): keys, roles and their source profiles, a token's file, a process. SSO
    /// needs `aws-config` with its feature `sso` in the application, `aws login` the feature
    /// `credentials-login`.
    #[must_use]
    pub fn profile(name: impl Into<String>) -> Self {
        let name = name.into();
        Self::made(
            "Profile",
            ProviderKind::Profile(Some(name.clone())),
            move || {
                let name = name.clone();
                async move {
                    let region = match settings::region_variable() {
                        Some(region) => Some(region),
                        None => {
                            let profile = ProfileFileRegionProvider::builder().profile_name(&name);
                            profile.build().region().await
                        }
                    };
                    let config = ProviderConfig::without_region().with_region(region);
                    let provider = ProfileFileCredentialsProvider::builder().configure(&config);
                    Ok(provider.profile_name(name).build())
                }
            },
        )
    }

    /// What a command prints, in the format of `credential_process`: vaults, IAM Roles Anywhere's helper. It
    /// is run by `sh -c` (on Windows `cmd /C`) at each fetch.
    #[must_use]
    pub fn process(command: impl Into<String>) -> Self {
        let provider = CredentialProcessProvider::new(command.into());
        Self::of("Process", ProviderKind::Process, provider)
    }

    /// The chain that other AWS tools walk: environment, profile, web identity, container, instance. Which of
    /// them answers is not for the application to know; the explicit ones are clearer.
    #[must_use]
    pub fn default_chain() -> Self {
        Self::made("DefaultChain", ProviderKind::DefaultChain, || async {
            let region = settings::region_provider(None);
            let chain = DefaultCredentialsChain::builder().region(region);
            Ok(chain.build().await)
        })
    }
}
