//! What can be ready before the first request: credentials, and the connection that it goes over.

use super::client::Dynamo;
use crate::connect::{OpensConnection, both};
use crate::error::Result;
use crate::strategy::CredentialStrategy;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::auth::{Params, ResolveAuthScheme};
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{Builder, ConfigBag, RuntimeComponents};
use aws_smithy_runtime_api::client::auth::{
    AuthSchemeId, AuthSchemeOption, AuthSchemeOptionsFuture,
};
use std::time::Duration;
use tokio::time::timeout;

/// So long [`Dynamo::warm`] waits for a connection: 5 s. A service that does not answer in that time is for the first
/// request to tell of, which has attempts.
pub const WARM_CONNECTION_TIMEOUT: Duration = Duration::from_secs(5);

impl<S: CredentialStrategy + ?Sized> Dynamo<S> {
    /// Gets ready for the first request: the [strategy](CredentialStrategy::warm), and beside it the connection to
    /// DynamoDB, whose TLS handshake needs no credentials. The first request then takes one round trip.
    ///
    /// It sends one request that bears no signature, `GET /`, over the client's own connections. It stands in
    /// no policy, and the [recorder](Self::recorder) does not see it. Where the host depends on the account and that
    /// is not known before there are credentials, as with Option A, the connection is opened after them.
    ///
    /// ```no_run
    /// # use aws_credential_strategies::{Dynamo, InstanceProfile, Result, SdkConfig};
    /// # async fn example(settings: SdkConfig) -> Result<()> {
    /// let db = Dynamo::new(InstanceProfile::new()?, &settings);
    /// db.warm().await?; // while nobody waits; then tell the load balancer
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the strategy's [`credentials`](CredentialStrategy::credentials), at once. A connection that cannot be
    /// opened within [`WARM_CONNECTION_TIMEOUT`] is no error: the first request opens it, or says why not.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing for other callers and does not stop the fetch.
    ///
    /// # Concurrent calls
    ///
    /// Any number; they share one fetch, and open a connection each.
    pub async fn warm(&self) -> Result<()> {
        let shared = &self.shared;
        let ahead = shared.endpoint.of_account_ahead(&*shared.strategy);
        let connecting = connect(&shared.client, ahead.clone());
        both(self.strategy.warm(), connecting).await?;
        let of_account = shared.endpoint.of_account_ahead(&*shared.strategy);
        if of_account != ahead {
            connect(&shared.client, of_account).await;
        }
        Ok(())
    }
}

/// To this endpoint, or where the configuration says.
async fn connect(client: &Client, endpoint: Option<String>) {
    let mut config = Builder::new()
        .retry_config(RetryConfig::disabled())
        .allow_no_auth()
        .auth_scheme_resolver(Unsigned);
    if let Some(endpoint) = endpoint {
        // It is of the variant that these ask for, and beside an endpoint they are refused.
        config = config
            .endpoint_url(endpoint)
            .use_fips(false)
            .use_dual_stack(false);
    }
    let call = client.list_tables().customize().config_override(config);
    let answered = Box::pin(call.interceptor(OpensConnection).send());
    let _ = timeout(WARM_CONNECTION_TIMEOUT, answered).await;
}

/// Nobody signs, so that nobody's credentials are waited for.
#[derive(Debug)]
struct Unsigned;

impl ResolveAuthScheme for Unsigned {
    fn resolve_auth_scheme<'a>(
        &'a self,
        _params: &'a Params,
        _config: &'a ConfigBag,
        _runtime_components: &'a RuntimeComponents,
    ) -> AuthSchemeOptionsFuture<'a> {
        let nobody = AuthSchemeOption::from(AuthSchemeId::new("noAuth"));
        AuthSchemeOptionsFuture::ready(Ok(vec![nobody]))
    }
}
