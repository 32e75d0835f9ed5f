//! The SDK's side of a resolve, as the orchestrator of every client has it.

use crate::Failure;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource, TimeSource};
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime_api::client::identity::{
    Identity, ResolveCachedIdentity, SharedIdentityCache, SharedIdentityResolver,
};
use aws_smithy_runtime_api::client::runtime_components::{
    RuntimeComponents, RuntimeComponentsBuilder,
};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_types::config_bag::ConfigBag;
use std::time::Duration;

/// An identity cache with what a client calls it with.
#[derive(Debug)]
pub(crate) struct Client {
    cache: SharedIdentityCache,
    resolver: SharedIdentityResolver,
    components: RuntimeComponents,
    settings: ConfigBag,
}

impl Client {
    pub(crate) fn new(
        provider: SharedCredentialsProvider,
        cache: SharedIdentityCache,
    ) -> Result<Self, Failure> {
        Client::with_time(provider, cache, SystemTimeSource::new())
    }

    pub(crate) fn with_time(
        provider: SharedCredentialsProvider,
        cache: SharedIdentityCache,
        time: impl TimeSource + 'static,
    ) -> Result<Self, Failure> {
        let components = RuntimeComponentsBuilder::for_tests()
            .with_time_source(Some(SharedTimeSource::new(time)))
            .with_sleep_impl(Some(SharedAsyncSleep::new(TokioSleep::new())))
            .build()?;
        Ok(Client {
            cache,
            resolver: SharedIdentityResolver::new(provider),
            components,
            settings: ConfigBag::base(),
        })
    }

    /// The SDK's default cache, over any provider; with a buffer that fits the sessions where those of
    /// a row are so short that the default of 10 s would not let it cache at all.
    pub(crate) fn lazy(
        provider: impl ProvideCredentials + 'static,
        buffer: Option<Duration>,
    ) -> Result<Self, Failure> {
        let mut cache = IdentityCache::lazy();
        cache.set_buffer_time(buffer);
        Client::new(SharedCredentialsProvider::new(provider), cache.build())
    }

    /// No cache: whatever the provider does on each call.
    pub(crate) fn uncached(provider: impl ProvideCredentials + 'static) -> Result<Self, Failure> {
        Client::new(SharedCredentialsProvider::new(provider), IdentityCache::no_cache())
    }

    /// Our cache, as `sdk::config` puts it into a client.
    pub(crate) fn ours(
        strategy: impl aws_credential_strategies::CredentialStrategy,
    ) -> Result<Self, Failure> {
        let (provider, cache) = aws_credential_strategies::sdk::plug(strategy);
        Client::new(provider, cache)
    }

    pub(crate) async fn identity(&self) -> Result<Identity, BoxError> {
        self.cache
            .resolve_cached_identity(self.resolver.clone(), &self.components, &self.settings)
            .await
    }
}
