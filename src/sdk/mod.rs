//! Any AWS SDK client signs with a strategy's credentials, and a key that a service rejects is replaced:
//!
//! ```
//! use aws_credential_strategies::{CredentialStrategy, SdkConfig, sdk};
//! use std::sync::Arc;
//!
//! # fn example(settings: SdkConfig, strategy: Arc<dyn CredentialStrategy>) {
//! let sqs = sdk::client_config!(aws_sdk_sqs, &settings, Arc::clone(&strategy));
//! let sqs = aws_sdk_sqs::Client::from_conf(sqs);
//! # }
//! ```
//!
//! [`client_config!`] is the whole wiring in one call. Its parts are here for clients that are built otherwise:
//!
//! | part | what it does for a client |
//! |---|---|
//! | [`config`] | an [`SdkConfig`] whose clients take their credentials from the strategy's own cache: no second copy, no lock, one fetch for all of them |
//! | [`plug`] | the same as two values, for a client's own builder |
//! | [`SdkProvider`] | the strategy for whatever else takes a provider of the SDK |
//! | [`Recovery`] | what a service rejects is replaced, and the request repeated once |
//! | [`rejection_code`] | the same judgement for clients that are none of the SDK's |
//!
//! # What a rejection leads to
//!
//! The key that signed the request is [invalidated](CredentialStrategy::invalidate), all who are rejected wait
//! for one refresh, and each is repeated once. [`Recovery`] has the rules; in short:
//!
//! - **A service that refuses every key is held back by itself.** After [`FRESH_KEYS_REFUSED`] new keys in a row its
//!   rejections bring about no refresh, until it accepts a request or [`HELD_BACK_FOR`] has passed. That is counted
//!   per service, and remembered with the strategy; for a strategy of your own, with each [`Recovery`].
//! - **Its neighbours do not wait.** While a rejected key is being replaced, a service that has accepted keys and not
//!   refused this one is still shown it ([`disputed_identity`](CredentialStrategy::disputed_identity)).
//! - **A client that is wired so that it cannot recover is noticed**: one WARN event and an error that says how to
//!   build it, or, where only its cache is in the way, a request that is signed anew.
//! - **While no other key is to be had, a request goes out once**, and its error has the failed refresh as its cause.
//!
//! A strategy of this crate ends with its last user: settings or a client that another strategy was put into keep
//! nothing of it, also where its [`Recovery`] is left in them.

#[cfg(feature = "table")]
mod acting;
mod client_config;
mod identity_cache;
mod provider;
mod recovery;
mod rejection;
mod service;
mod signature;

pub use crate::source::restraint::{FRESH_KEYS_REFUSED, HELD_BACK_FOR};
#[cfg(feature = "table")]
pub(crate) use acting::{ActFor, plug_acting};
pub use client_config::client_config;
pub use provider::SdkProvider;
#[cfg(feature = "table")]
pub(crate) use provider::not_signed;
pub use recovery::Recovery;
#[cfg(feature = "table")]
pub(crate) use recovery::{LastRefresh, MarkedForRepeat, REPEAT};
pub use rejection::{REJECTION_CODES, rejection_code};
pub use signature::SigningScope;

use crate::strategy::CredentialStrategy;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::identity::SharedIdentityCache;
use aws_types::SdkConfig;
use identity_cache::{StrategyIdentityCache, lazy};
use std::sync::Arc;

/// A copy of `sdk` whose clients take their credentials from `strategy`, without a second cache of
/// their own. Its identity cache goes on to serve what is not the strategy's, such as bearer tokens.
///
/// ```
/// use aws_credential_strategies::{CredentialCache, CredentialSource, RefreshPolicy, sdk};
/// use aws_types::SdkConfig;
///
/// # fn example<F: CredentialSource>(source: F, settings: SdkConfig) {
/// let strategy = CredentialCache::new(source, RefreshPolicy::default());
/// let settings = sdk::config(&settings, strategy);
/// // aws_sdk_s3::Client::new(&settings), aws_sdk_sqs::Client::new(&settings), ...
/// # }
/// ```
pub fn config<S: CredentialStrategy>(sdk: &SdkConfig, strategy: S) -> SdkConfig {
    let others = sdk.identity_cache();
    let (provider, cache) = plug_beside(strategy, others.unwrap_or_else(lazy));
    let mut builder = sdk.clone().into_builder();
    builder.set_credentials_provider(Some(provider));
    builder.set_identity_cache(Some(cache));
    builder.build()
}

/// The two parts that make a client take its credentials from `strategy`.
///
/// They belong together: the cache answers for its provider from memory. Give the provider to a client's
/// configuration with `set_credentials_provider(Some(..))`. `.credentials_provider(..)` wraps it anew: the
/// cache then asks the strategy each time, which is right but costs more, and lets this client wait for a key
/// that another service rejected.
pub fn plug<S: CredentialStrategy>(
    strategy: S,
) -> (SharedCredentialsProvider, SharedIdentityCache) {
    plug_beside(strategy, lazy())
}

fn plug_beside<S: CredentialStrategy>(
    strategy: S,
    others: SharedIdentityCache,
) -> (SharedCredentialsProvider, SharedIdentityCache) {
    let strategy = Arc::new(strategy);
    let provider = SharedCredentialsProvider::new(SdkProvider::new(Arc::clone(&strategy)));
    let cache = StrategyIdentityCache::beside(&provider, &strategy, others);
    (provider, SharedIdentityCache::new(cache))
}
