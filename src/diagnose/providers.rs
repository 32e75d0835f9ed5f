//! The AWS SDK's own providers, for identities that are neither an instance's nor a role's.

use aws_credential_types::provider::SharedCredentialsProvider;

/// What can be asked beside the metadata service; nothing, unless the process's environment is what is
/// examined, since these providers read that.
#[derive(Clone, Debug, Default)]
pub(super) struct Providers {
    pub(super) container: Option<SharedCredentialsProvider>,
    pub(super) profile: Option<Profile>,
}

#[derive(Clone, Debug)]
pub(super) struct Profile {
    /// `None` for the default one.
    pub(super) name: Option<String>,
    pub(super) provider: SharedCredentialsProvider,
}

#[cfg(feature = "env")]
impl Providers {
    pub(super) fn of_process(profile: Option<String>, settings: &aws_types::SdkConfig) -> Self {
        use aws_config::ecs::EcsCredentialsProvider;
        use aws_config::profile::ProfileFileCredentialsProvider;
        use aws_config::provider_config::ProviderConfig;

        let mut config = ProviderConfig::without_region().with_region(settings.region().cloned());
        if let Some(client) = settings.http_client() {
            config = config.with_http_client(client);
        }
        let container = EcsCredentialsProvider::builder().configure(&config).build();
        let name = profile.or_else(|| std::env::var("AWS_PROFILE").ok());
        let mut files = ProfileFileCredentialsProvider::builder().configure(&config);
        if let Some(name) = &name {
            files = files.profile_name(name);
        }
        Providers {
            container: Some(SharedCredentialsProvider::new(container)),
            profile: Some(Profile {
                name,
                provider: SharedCredentialsProvider::new(files.build()),
            }),
        }
    }
}
