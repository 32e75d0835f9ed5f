//! The identity cache that is the strategy's own cache.

use super::provider::{FindingOut, is_from_strategy, provider_error};
use super::recovery::{GoesTo, Repeat};
use crate::connect::prepare_handshake_of_request;
use crate::source::key_mark::KeyMark;
use crate::strategy::{CredentialStrategy, identity_of};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::identity::{
    Identity, IdentityCachePartition, IdentityFuture, ResolveCachedIdentity, ResolveIdentity,
    SharedIdentityCache, SharedIdentityResolver,
};
use aws_smithy_runtime_api::client::runtime_components::{
    RuntimeComponents, RuntimeComponentsBuilder,
};
use aws_smithy_types::config_bag::ConfigBag;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Of so many providers it is remembered who caches for them; a client whose operations make up providers
/// of their own goes through them once more.
const REMEMBERED: usize = 64;

/// Answers the SDK from the strategy: no lock, one allocation at most, no second copy that an
/// invalidation could not reach. Other strategies' providers are asked each time, since they have a cache
/// of their own too; that is what a strategy's provider becomes when the builder of a service wraps it
/// anew. What is no strategy's goes to another cache.
#[derive(Debug)]
pub(super) struct StrategyIdentityCache<S> {
    /// The provider holds the strategy, and comes with every call; a cache that is left behind in settings
    /// where the provider was exchanged keeps no strategy alive.
    strategy: Weak<S>,
    /// That of the strategy's own provider.
    partition: IdentityCachePartition,
    others: SharedIdentityCache,
    caching: Mutex<HashMap<IdentityCachePartition, CachedBy>>,
}

/// Who keeps what a provider gives.
#[derive(Clone, Copy, Debug)]
enum CachedBy {
    /// The provider itself, a strategy's.
    Itself,
    Others,
}

impl<S: CredentialStrategy> StrategyIdentityCache<S> {
    /// For the clients that are given `provider`, which is around `strategy`.
    pub(super) fn beside(
        provider: &SharedCredentialsProvider,
        strategy: &Arc<S>,
        others: SharedIdentityCache,
    ) -> Self {
        StrategyIdentityCache {
            strategy: Arc::downgrade(strategy),
            partition: provider
                .cache_partition()
                .unwrap_or_else(IdentityCachePartition::new),
            others,
            caching: Mutex::default(),
        }
    }

    /// Of a provider that is not this strategy's own.
    fn resolve_other<'a>(
        &'a self,
        resolver: SharedIdentityResolver,
        runtime_components: &'a RuntimeComponents,
        config_bag: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        let partition = resolver.cache_partition();
        match self.caching().get(&partition) {
            Some(CachedBy::Itself) => uncached(resolver, runtime_components, config_bag),
            Some(CachedBy::Others) => {
                self.others
                    .resolve_cached_identity(resolver, runtime_components, config_bag)
            }
            None => IdentityFuture::new(async move {
                let finding_out = FindingOut::start();
                let identity = self
                    .others
                    .resolve_cached_identity(resolver.clone(), runtime_components, config_bag)
                    .await?;
                drop(finding_out);
                let by_itself = is_from_strategy(&identity);
                self.remember(partition, by_itself);
                if by_itself {
                    // What the others hold may be older.
                    uncached(resolver, runtime_components, config_bag).await
                } else {
                    Ok(identity)
                }
            }),
        }
    }

    fn remember(&self, partition: IdentityCachePartition, by_itself: bool) {
        let mut caching = self.caching();
        if caching.len() >= REMEMBERED {
            caching.clear();
        }
        let by = if by_itself {
            CachedBy::Itself
        } else {
            CachedBy::Others
        };
        caching.insert(partition, by);
    }

    fn caching(&self) -> MutexGuard<'_, HashMap<IdentityCachePartition, CachedBy>> {
        self.caching.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The SDK's own identity cache, as it is where nothing else is configured.
pub(super) fn lazy() -> SharedIdentityCache {
    IdentityCache::lazy().build()
}

fn uncached<'a>(
    resolver: SharedIdentityResolver,
    runtime_components: &'a RuntimeComponents,
    config_bag: &'a ConfigBag,
) -> IdentityFuture<'a> {
    IdentityFuture::new(async move {
        resolver
            .resolve_identity(runtime_components, config_bag)
            .await
    })
}

/// What another service rejected while the one that this operation goes to has accepted keys and has not refused
/// this one. Each is believed about itself, so that one which refuses every key lets nobody wait but its own
/// clients; where the key is dead the request shows it, and its repeat waits, even if the service takes the key of
/// another request meanwhile: not all of its hosts hear of a revocation at once.
fn undisputed_there<S: CredentialStrategy + ?Sized>(
    strategy: &S,
    config_bag: &ConfigBag,
) -> Option<Identity> {
    let GoesTo(service) = config_bag.load::<GoesTo>()?;
    let identity = strategy.disputed_identity()?;
    let key = KeyMark::of_identity(&identity)?;
    let rejected = config_bag.load::<Repeat>().map(|repeat| repeat.rejected);
    (rejected != Some(key) && service.may_accept(key)).then_some(identity)
}

/// What a strategy holds, at once; else what it waits for.
#[inline(always)]
pub(super) fn resolve_from<'a, S: CredentialStrategy + ?Sized>(
    strategy: &Arc<S>,
    runtime_components: &RuntimeComponents,
    config_bag: &ConfigBag,
) -> IdentityFuture<'a> {
    match strategy.current_identity() {
        Some(identity) => IdentityFuture::ready(Ok(identity)),
        None => wait_for(strategy, runtime_components, config_bag),
    }
}

#[cold]
fn wait_for<'a, S: CredentialStrategy + ?Sized>(
    strategy: &Arc<S>,
    runtime_components: &RuntimeComponents,
    config_bag: &ConfigBag,
) -> IdentityFuture<'a> {
    if let Some(identity) = undisputed_there(&**strategy, config_bag) {
        return IdentityFuture::ready(Ok(identity));
    }
    if let Some(repeat) = config_bag.load::<Repeat>() {
        repeat.note_wait();
    }
    prepare_handshake_of_request(runtime_components, config_bag);
    let strategy = Arc::clone(strategy);
    IdentityFuture::new(async move {
        let credentials = strategy.credentials().await.map_err(provider_error)?;
        Ok(identity_of(&*strategy, credentials))
    })
}

impl<S: CredentialStrategy> ResolveCachedIdentity for StrategyIdentityCache<S> {
    #[inline]
    fn resolve_cached_identity<'a>(
        &'a self,
        resolver: SharedIdentityResolver,
        runtime_components: &'a RuntimeComponents,
        config_bag: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        if resolver.cache_partition() != self.partition {
            return self.resolve_other(resolver, runtime_components, config_bag);
        }
        let Some(strategy) = self.strategy.upgrade() else {
            return uncached(resolver, runtime_components, config_bag);
        };
        resolve_from(&strategy, runtime_components, config_bag)
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
