//! One client for many strategies: each request says who signs it.

use super::identity_cache::{lazy, resolve_from};
use super::recovery::Recovery;
use crate::strategy::CredentialStrategy;
use aws_credential_types::provider::{
    ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future,
};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::identity::{
    IdentityFuture, ResolveCachedIdentity, SharedIdentityCache, SharedIdentityResolver,
};
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextMut, BeforeSerializationInterceptorContextRef,
    BeforeTransmitInterceptorContextMut, FinalizerInterceptorContextMut,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use std::sync::Arc;

/// The two parts that make a client sign each request for whom the request says ([`ActFor`]), and none that says
/// nobody.
pub(crate) fn plug_acting() -> (SharedCredentialsProvider, SharedIdentityCache) {
    let cache = ActingIdentityCache { others: lazy() };
    (
        SharedCredentialsProvider::new(Nobody),
        SharedIdentityCache::new(cache),
    )
}

/// On one request of such a client: its strategy signs, and replaces what is rejected.
#[derive(Clone, Debug)]
pub(crate) struct ActFor(pub(crate) Recovery);

/// In the configuration of one request.
#[derive(Debug)]
struct Signer(Arc<dyn CredentialStrategy>);

impl Storable for Signer {
    type Storer = StoreReplace<Self>;
}

#[dyn_dispatch_hint]
impl Intercept for ActFor {
    fn name(&self) -> &'static str {
        "ActForAnotherStrategy"
    }

    fn read_before_serialization(
        &self,
        context: &BeforeSerializationInterceptorContextRef<'_>,
        runtime_components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // Before an identity is looked for.
        if let Some(strategy) = self.0.strategy() {
            cfg.interceptor_state().store_put(Signer(strategy));
        }
        self.0
            .read_before_serialization(context, runtime_components, cfg)
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        runtime_components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0
            .modify_before_transmit(context, runtime_components, cfg)
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        runtime_components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0
            .modify_before_deserialization(context, runtime_components, cfg)
    }

    fn modify_before_attempt_completion(
        &self,
        context: &mut FinalizerInterceptorContextMut<'_>,
        runtime_components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0
            .modify_before_attempt_completion(context, runtime_components, cfg)
    }
}

/// Answers from the strategy that the request names, which has a cache of its own.
#[derive(Debug)]
struct ActingIdentityCache {
    others: SharedIdentityCache,
}

impl ResolveCachedIdentity for ActingIdentityCache {
    fn resolve_cached_identity<'a>(
        &'a self,
        resolver: SharedIdentityResolver,
        runtime_components: &'a RuntimeComponents,
        config_bag: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        match config_bag.load::<Signer>() {
            Some(Signer(strategy)) => resolve_from(strategy, runtime_components, config_bag),
            None => self
                .others
                .resolve_cached_identity(resolver, runtime_components, config_bag),
        }
    }
}

/// Signs what names no strategy: nothing. So a request that lacks its [`ActFor`] fails, instead of going out as
/// somebody else's.
#[derive(Debug)]
struct Nobody;

impl ProvideCredentials for Nobody {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err(CredentialsError::not_loaded(
            "the request does not say whose credentials sign it",
        )))
    }
}
