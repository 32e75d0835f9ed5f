//! The identity cache that is the strategy's own cache.

use super::provider::provider_error;
use crate::strategy::CredentialStrategy;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::identity::{
    Identity, IdentityCachePartition, IdentityFuture, ResolveCachedIdentity, ResolveIdentity,
    SharedIdentityCache, SharedIdentityResolver,
};
use aws_smithy_runtime_api::client::runtime_components::{
    RuntimeComponents, RuntimeComponentsBuilder,
};
use aws_smithy_types::config_bag::ConfigBag;
use std::sync::Arc;

/// Answers the SDK from the strategy: no lock, one allocation at most, no second copy that an
/// invalidation could not reach. Resolvers that are not the strategy's go to another cache.
#[derive(Debug)]
pub(super) struct StrategyIdentityCache<S> {
    strategy: Arc<S>,
    /// That of the strategy's own provider.
    partition: Option<IdentityCachePartition>,
    others: SharedIdentityCache,
}

impl<S: CredentialStrategy> StrategyIdentityCache<S> {
    /// For the clients that are given `provider`, which is around `strategy`.
    pub(super) fn beside(
        provider: &SharedCredentialsProvider,
        strategy: Arc<S>,
        others: SharedIdentityCache,
    ) -> Self {
        StrategyIdentityCache {
            strategy,
            partition: provider.cache_partition(),
            others,
        }
    }
}

impl<S: CredentialStrategy> ResolveCachedIdentity for StrategyIdentityCache<S> {
    fn resolve_cached_identity<'a>(
        &'a self,
        resolver: SharedIdentityResolver,
        runtime_components: &'a RuntimeComponents,
        config_bag: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        if Some(resolver.cache_partition()) != self.partition {
            return self
                .others
                .resolve_cached_identity(resolver, runtime_components, config_bag);
        }
        match self.strategy.current_identity() {
            Some(identity) => IdentityFuture::ready(Ok(identity)),
            None => IdentityFuture::new(async {
                let credentials = self.strategy.credentials().await.map_err(provider_error)?;
                Ok(Identity::from(credentials))
            }),
        }
    }

    fn validate_base_client_config(
        &self,
        runtime_components: &RuntimeComponentsBuilder,
        config_bag: &ConfigBag,
    ) -> Result<(), BoxError> {
        self.others
            .validate_base_client_config(runtime_components, config_bag)
    }

    fn validate_final_config(
        &self,
        runtime_components: &RuntimeComponents,
        config_bag: &ConfigBag,
    ) -> Result<(), BoxError> {
        self.others
            .validate_final_config(runtime_components, config_bag)
    }
}
