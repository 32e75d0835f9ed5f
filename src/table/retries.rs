//! The client that batches use: its only retry is the one after rejected credentials.

use crate::sdk::MarkedForRepeat;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::retries::classifiers::{
    ClassifyRetry, RetryAction, RetryClassifierPriority,
};

/// A copy of the client without retries but that one. A batch repeats by itself what failed, entry by entry,
/// and at a pace that the table keeps; retries of the SDK's would use up the quota that it shares with
/// every other request of the client.
///
/// It is shared by all strategies that the client signs for, and keeps none of them.
pub(crate) fn without_retries(client: &Client) -> Client {
    let config = client
        .config()
        .to_builder()
        .retry_config(RetryConfig::standard().with_max_attempts(2))
        .retry_classifier(OnlyRecovery)
        .build();
    Client::from_conf(config)
}

/// Forbids every retry that is not for new credentials.
#[derive(Debug)]
struct OnlyRecovery;

impl ClassifyRetry for OnlyRecovery {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        match MarkedForRepeat.classify_retry(context) {
            RetryAction::NoActionIndicated => RetryAction::RetryForbidden,
            repeat => repeat,
        }
    }

    fn name(&self) -> &'static str {
        "OnlyRecovery"
    }

    /// After all others, so that it has the last word.
    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(MarkedForRepeat.priority())
    }
}
