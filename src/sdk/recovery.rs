//! Replaces a key that a service rejected, and has the request repeated.

use super::rejection::is_rejection;
use crate::refresh::Rejection;
use crate::strategy::CredentialStrategy;
use aws_smithy_runtime::client::retries::{RetryPartition, TokenBucket};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextMut, InterceptorContext,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::retries::classifiers::{
    ClassifyRetry, RetryAction, RetryClassifierPriority, RetryReason,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use std::sync::Arc;
use std::time::Duration;

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
/// When the service answers with one of [`REJECTION_CODES`](super::REJECTION_CODES), exactly the key that signed the request is
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signing_key_is_read_from_the_signature() {
        let header = "AWS4-HMAC-SHA256 Credential=ASIAEXAMPLE/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0";
        assert_eq!(signing_key_id(header), Some("ASIAEXAMPLE"));
        assert_eq!(signing_key_id("Bearer token"), None);
        assert_eq!(signing_key_id("Credential="), None);
    }
}
