//! How a strategy plugs into any AWS SDK client: as provider, as identity cache, and as the one who
//! replaces credentials that a service rejected.
//!
//! For a client that only needs credentials, a strategy is enough: [`config`] puts it into an
//! [`SdkConfig`], for all clients built from it. For a client that also recovers from rejected
//! credentials, its configuration is given one [`Recovery`], as in its example.

use crate::error::{Error, ErrorKind};
use crate::refresh::{CredentialCache, Rejection};
use crate::source::CredentialSource;
use crate::strategy::CredentialStrategy;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{
    self, ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future,
};
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime::client::retries::{RetryPartition, TokenBucket};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::identity::{
    Identity, IdentityCachePartition, IdentityFuture, ResolveCachedIdentity, ResolveIdentity,
    SharedIdentityCache, SharedIdentityResolver,
};
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextMut, InterceptorContext,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::retries::classifiers::{
    ClassifyRetry, RetryAction, RetryClassifierPriority, RetryReason,
};
use aws_smithy_runtime_api::client::runtime_components::{
    RuntimeComponents, RuntimeComponentsBuilder,
};
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use aws_types::SdkConfig;
use std::sync::Arc;
use std::time::Duration;

/// The answers after which new credentials may help, in the spellings of JSON, query and S3 services.
///
/// `AccessDenied` is not among them: there the identity is fine and a policy is not.
pub const REJECTION_CODES: [&str; 6] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidToken",
    "UnrecognizedClientException",
];

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
/// They belong together: the cache knows its provider. Give the provider to a client's configuration
/// with `set_credentials_provider(Some(..))`; `.credentials_provider(..)` wraps it anew, and the cache
/// would not know it any more.
pub fn plug<S: CredentialStrategy>(
    strategy: S,
) -> (SharedCredentialsProvider, SharedIdentityCache) {
    plug_beside(strategy, lazy())
}

/// The SDK's own identity cache, as it is where nothing else is configured.
fn lazy() -> SharedIdentityCache {
    IdentityCache::lazy().build()
}

fn plug_beside<S: CredentialStrategy>(
    strategy: S,
    others: SharedIdentityCache,
) -> (SharedCredentialsProvider, SharedIdentityCache) {
    let strategy = Arc::new(strategy);
    let provider = SharedCredentialsProvider::new(SdkProvider::new(Arc::clone(&strategy)));
    let cache = StrategyIdentityCache {
        partition: provider.cache_partition(),
        strategy,
        others,
    };
    (provider, SharedIdentityCache::new(cache))
}

/// Any strategy as the SDK's credentials provider, `Arc<dyn CredentialStrategy>` included.
///
/// The future is ready at once while the strategy has [current](CredentialStrategy::current) credentials.
/// Its error has the strategy's [`Error`] as its source.
#[derive(Clone, Debug)]
pub struct SdkProvider<S>(S);

impl<S: CredentialStrategy> SdkProvider<S> {
    /// Wraps a strategy.
    #[must_use]
    pub fn new(strategy: S) -> Self {
        SdkProvider(strategy)
    }
}

impl<S: CredentialStrategy> ProvideCredentials for SdkProvider<S> {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        provide(&self.0)
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.0.current().map(|current| (*current).clone())
    }
}

impl<F: CredentialSource> ProvideCredentials for CredentialCache<F> {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        provide(self)
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.current().map(|current| (*current).clone())
    }
}

impl ProvideCredentials for dyn CredentialStrategy {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        provide(self)
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.current().map(|current| (*current).clone())
    }
}

/// What every strategy does as a provider.
pub(crate) fn provide<S: CredentialStrategy + ?Sized>(
    strategy: &S,
) -> future::ProvideCredentials<'_> {
    match strategy.current() {
        Some(current) => future::ProvideCredentials::ready(Ok((*current).clone())),
        None => future::ProvideCredentials::new(wait_for(strategy)),
    }
}

async fn wait_for<S: CredentialStrategy + ?Sized>(strategy: &S) -> provider::Result {
    strategy.credentials().await.map_err(provider_error)
}

/// The SDK's words for why there are no credentials; ours is the cause.
fn provider_error(error: Error) -> CredentialsError {
    match error.kind() {
        ErrorKind::Usage => CredentialsError::invalid_configuration(error),
        ErrorKind::Disabled | ErrorKind::NoRole | ErrorKind::Unreachable => {
            CredentialsError::not_loaded(error)
        }
        _ => CredentialsError::provider_error(error),
    }
}

/// Answers the SDK from the strategy: no lock, one allocation at most, no second copy that an
/// invalidation could not reach. Resolvers that are not the strategy's go to another cache.
#[derive(Debug)]
struct StrategyIdentityCache<S> {
    strategy: Arc<S>,
    /// That of the strategy's own provider.
    partition: Option<IdentityCachePartition>,
    others: SharedIdentityCache,
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

/// Replaces credentials that a service rejected, and lets the SDK repeat the request once.
///
/// One value, given to a client's configuration three times: as interceptor, as retry classifier and
/// for its retry partition. It works for every operation of every AWS SDK client, paginators included,
/// as long as the answer bears a code; that to a `HEAD` request of S3 does not:
///
/// ```
/// use aws_credential_strategies::{CredentialStrategy, sdk};
/// # fn example(settings: aws_types::SdkConfig, strategy: std::sync::Arc<dyn CredentialStrategy>) {
/// let settings = sdk::config(&settings, strategy.clone());
/// let recovery = sdk::Recovery::new(strategy);
/// let config = aws_sdk_sqs::config::Builder::from(&settings)
///     .interceptor(recovery.clone())
///     .retry_classifier(recovery.clone())
///     .retry_partition(recovery.retry_partition())
///     .build();
/// let client = aws_sdk_sqs::Client::from_conf(config);
/// # }
/// ```
///
/// When the service answers with one of [`REJECTION_CODES`], exactly the key that signed the request is
/// [invalidated](CredentialStrategy::invalidate). The repeat waits for the one refresh that all
/// rejected requests share. There is at most one repeat per operation, and none once a refresh has
/// brought the same key again. The repeat is one of the client's attempts: it needs `max_attempts` of
/// at least 2 and a request body that can be sent twice; otherwise the next request is signed with the
/// new key. It costs no retry quota with [`retry_partition`](Self::retry_partition); with the SDK's
/// default one, most of a thousand requests rejected at once would not be repeated.
#[derive(Clone, Debug)]
pub struct Recovery {
    strategy: Arc<dyn CredentialStrategy>,
    partition: RetryPartition,
}

/// The key that signed the attempt under way.
#[derive(Debug)]
struct SignedWith(String);

impl Storable for SignedWith {
    type Storer = StoreReplace<Self>;
}

/// This operation has had its repeat.
#[derive(Debug)]
struct Repeated;

impl Storable for Repeated {
    type Storer = StoreReplace<Self>;
}

/// On a response: the request is to be repeated with new credentials.
#[derive(Clone, Copy, Debug)]
struct RepeatWithNewCredentials;

impl Recovery {
    /// Recovery by the strategy that the client signs with.
    pub fn new<S: CredentialStrategy>(strategy: S) -> Self {
        Recovery {
            strategy: Arc::new(strategy),
            partition: RetryPartition::custom("aws-credential-strategies")
                .token_bucket(TokenBucket::builder().retry_cost(0).build())
                .build(),
        }
    }

    /// A retry quota of its own, from which a repeat with new credentials takes nothing. Retries after
    /// timeouts and throttling cost what they cost in the SDK's default; any others cost nothing either.
    #[must_use]
    pub fn retry_partition(&self) -> RetryPartition {
        self.partition.clone()
    }
}

#[dyn_dispatch_hint]
impl Intercept for Recovery {
    fn name(&self) -> &'static str {
        "RecoverFromRejectedCredentials"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _runtime_components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let signature = context.request().headers().get("authorization");
        if let Some(key_id) = signature.and_then(signing_key_id) {
            cfg.interceptor_state()
                .store_put(SignedWith(key_id.to_owned()));
        }
        Ok(())
    }

    fn modify_before_attempt_completion(
        &self,
        context: &mut FinalizerInterceptorContextMut<'_>,
        _runtime_components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(response) = context.response_mut() else {
            return Ok(());
        };
        if response.status().as_u16() < 400 || !is_rejection(response) {
            return Ok(());
        }
        let Some(SignedWith(key_id)) = cfg.load::<SignedWith>() else {
            return Ok(());
        };
        // A key that a refresh has brought again since is not worth another try.
        let hopeless = self.strategy.invalidate(key_id) == Rejection::SameKeyAgain;
        if hopeless || cfg.load::<Repeated>().is_some() {
            return Ok(());
        }
        response.add_extension(RepeatWithNewCredentials);
        cfg.interceptor_state().store_put(Repeated);
        Ok(())
    }
}

/// Pure: the SDK asks it more than once about the same response.
impl ClassifyRetry for Recovery {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let marked = context
            .response()
            .and_then(|response| response.extension::<RepeatWithNewCredentials>());
        match marked {
            // At once: the pause of a retry would be for a service that is busy, and this one is not.
            Some(_) => RetryAction::RetryIndicated(RetryReason::RetryableError {
                kind: aws_smithy_types::retry::ErrorKind::ClientError,
                retry_after: Some(Duration::ZERO),
            }),
            None => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "RecoverFromRejectedCredentials"
    }

    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::transient_error_classifier())
    }
}

/// The key id in `AWS4-HMAC-SHA256 Credential=AKID/20260101/…`.
fn signing_key_id(authorization: &str) -> Option<&str> {
    let (_, credential) = authorization.split_once("Credential=")?;
    let (key_id, _) = credential.split_once('/')?;
    Some(key_id)
}

fn is_rejection(response: &HttpResponse) -> bool {
    if let Some(code) = response.headers().get("x-amzn-errortype") {
        return REJECTION_CODES.contains(&bare_code(code));
    }
    response
        .body()
        .bytes()
        .and_then(error_code)
        .is_some_and(|code| REJECTION_CODES.contains(&code))
}

/// The code in a JSON, an XML or a CBOR error body.
fn error_code(body: &[u8]) -> Option<&str> {
    // What a CBOR map begins with is never the beginning of a text.
    let Ok(body) = std::str::from_utf8(body) else {
        return code_in_cbor(body);
    };
    if let Some((_, rest)) = body.split_once("<Code>") {
        return rest.split_once("</Code>").map(|(code, _)| code.trim());
    }
    ["\"__type\"", "\"code\"", "\"Code\""]
        .into_iter()
        .find_map(|member| {
            let (_, rest) = body.split_once(member)?;
            let value = rest.trim_start().strip_prefix(':')?.trim_start();
            let (code, _) = value.strip_prefix('"')?.split_once('"')?;
            Some(bare_code(code))
        })
}

/// The text behind the key `__type`: up to 23 bytes long, or its length is in a byte of its own.
fn code_in_cbor(body: &[u8]) -> Option<&str> {
    const KEY: &[u8] = b"\x66__type";
    let key = body.windows(KEY.len()).position(|part| part == KEY)?;
    let (head, rest) = body.get(key + KEY.len()..)?.split_first()?;
    let (length, rest) = match head {
        0x60..=0x77 => (head - 0x60, rest),
        0x78 => rest.split_first().map(|(length, rest)| (*length, rest))?,
        _ => return None,
    };
    let code = std::str::from_utf8(rest.get(..length.into())?).ok()?;
    Some(bare_code(code))
}

/// `com.amazon.coral.service#ExpiredTokenException:http://…` without what is around it.
fn bare_code(code: &str) -> &str {
    let code = code.split_once('#').map_or(code, |(_, code)| code);
    code.split_once(':').map_or(code, |(code, _)| code).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_in_every_spelling() {
        let cases: [(&[u8], Option<&str>); 11] = [
            (b"\xa1\x66__type\x6cExpiredToken", Some("ExpiredToken")),
            (b"\xbf\x67message\x61x\x66__type\x78\x2ecom.amazon.coral.service#ExpiredTokenException\xff", Some("ExpiredTokenException")),
            (b"\xbf\x66__type\x78\x2ecom.amazon.coral", None),
            (b"\xbf\x66__type\x01\xff", None),
            (br#"{"__type":"com.amazon.coral.service#ExpiredTokenException","message":"x"}"#, Some("ExpiredTokenException")),
            (br#"{"message":"x", "__type" : "UnrecognizedClientException"}"#, Some("UnrecognizedClientException")),
            (br#"{"code":"ExpiredToken:http://internal.amazon.com/"}"#, Some("ExpiredToken")),
            (b"<ErrorResponse><Error><Type>Sender</Type><Code>InvalidClientTokenId</Code></Error></ErrorResponse>", Some("InvalidClientTokenId")),
            (br#"{"message":"ExpiredToken"}"#, None),
            (b"", None),
            (&[0xff, 0xfe], None),
        ];
        for (body, code) in cases {
            assert_eq!(
                error_code(body),
                code,
                "{:?}",
                String::from_utf8_lossy(body)
            );
        }
    }

    #[test]
    fn the_signing_key_is_read_from_the_signature() {
        let header = "AWS4-HMAC-SHA256 Credential=ASIAEXAMPLE/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0";
        assert_eq!(signing_key_id(header), Some("ASIAEXAMPLE"));
        assert_eq!(signing_key_id("Bearer token"), None);
        assert_eq!(signing_key_id("Credential="), None);
    }
}
