//! How a strategy plugs into any AWS SDK client: as provider, as identity cache, and as the one who
//! replaces credentials that a service rejected.
//!
//! [`client_config!`] wires the client of any service in one call, recovery included. Its parts are here
//! too: [`config`] puts a strategy into an [`SdkConfig`], for all clients built from it, and one
//! [`Recovery`] in a client's configuration replaces what the service rejects.

#[cfg(feature = "table")]
mod acting;
mod client_config;
mod identity_cache;
mod provider;
mod recovery;
mod rejection;
mod service;
mod signature;

#[cfg(feature = "table")]
pub(crate) use acting::{ActFor, plug_acting};
pub use client_config::client_config;
pub use provider::SdkProvider;
pub use recovery::Recovery;
#[cfg(feature = "table")]
pub(crate) use recovery::{LastRefresh, REPEAT};
pub use rejection::{REJECTION_CODES, rejection_code};
pub use service::{FRESH_KEYS_REFUSED, HELD_BACK_FOR};

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
/// cache then asks the strategy each time, which is right but costs more.
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
