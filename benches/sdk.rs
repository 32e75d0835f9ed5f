//! The SDK's side of a resolve, as the orchestrator of every client has it.

use crate::subject::turn;
use crate::{Failure, canned};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime_api::client::identity::{
    IdentityFuture, ResolveCachedIdentity, SharedIdentityCache, SharedIdentityResolver,
};
use aws_smithy_runtime_api::client::runtime_components::{
    RuntimeComponents, RuntimeComponentsBuilder,
};
use aws_smithy_types::config_bag::ConfigBag;
use std::hint::black_box;
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
    fn new(
        provider: SharedCredentialsProvider,
        cache: SharedIdentityCache,
        time: SharedTimeSource,
    ) -> Result<Self, Failure> {
        let components = RuntimeComponentsBuilder::for_tests()
            .with_time_source(Some(time))
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
    /// a row are so short that the default of 10 s would not let it cache at all, and a timeout that
    /// does where a fetch may hang.
    pub(crate) fn lazy(
        provider: impl ProvideCredentials + 'static,
        buffer: Option<Duration>,
        timeout: Option<Duration>,
    ) -> Result<Self, Failure> {
        let mut cache = IdentityCache::lazy();
        cache.set_buffer_time(buffer);
        cache.set_load_timeout(timeout);
        let time = SharedTimeSource::new(SystemTimeSource::new());
        Client::new(
            SharedCredentialsProvider::new(provider),
            cache.build(),
            time,
        )
    }

    /// The SDK's default cache as it is, by this clock.
    pub(crate) fn lazy_at(
        provider: impl ProvideCredentials + 'static,
        time: SharedTimeSource,
    ) -> Result<Self, Failure> {
        let cache = IdentityCache::lazy().build();
        Client::new(SharedCredentialsProvider::new(provider), cache, time)
    }

    /// What the orchestrator does before it signs.
    pub(crate) fn ask(&self) -> IdentityFuture<'_> {
        self.cache
            .resolve_cached_identity(self.resolver.clone(), &self.components, &self.settings)
    }
}

/// Resolves within a request of a real client, where the orchestrator does it: with the client's whole
/// configuration and components at hand, as the default cache looks things up in them.
#[derive(Debug)]
pub(crate) struct InRequest {
    config: aws_sdk_dynamodb::Config,
    cache: SharedIdentityCache,
}

impl InRequest {
    pub(crate) fn new(provider: SharedCredentialsProvider, cache: SharedIdentityCache) -> Self {
        let mut config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .http_client(canned::http_client());
        config.set_credentials_provider(Some(provider));
        InRequest {
            config: config.build(),
            cache,
        }
    }

    /// One request, in which the identity is resolved so many times more; whether it was answered.
    pub(crate) async fn send(&self, count: u64) -> bool {
        let repeated = Repeated {
            cache: self.cache.clone(),
            count,
        };
        let config = self.config.to_builder().identity_cache(repeated).build();
        aws_sdk_dynamodb::Client::from_conf(config)
            .get_item()
            .table_name("MyTable")
            .send()
            .await
            .is_ok()
    }
}

#[derive(Debug)]
struct Repeated {
    cache: SharedIdentityCache,
    count: u64,
}

impl ResolveCachedIdentity for Repeated {
    fn resolve_cached_identity<'a>(
        &'a self,
        resolver: SharedIdentityResolver,
        components: &'a RuntimeComponents,
        settings: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        let ask = move || {
            self.cache
                .resolve_cached_identity(resolver.clone(), components, settings)
        };
        IdentityFuture::new(async move {
            for done in 0..self.count {
                black_box(&ask().await?);
                turn(done).await;
            }
            ask().await
        })
    }
}
