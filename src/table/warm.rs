//! What can be ready before the first request: credentials, and the connection that it goes over.

use super::client::Dynamo;
use super::endpoint::Ahead;
use super::target::Shared;
use crate::connect::{OpensConnection, both, prepare_handshake};
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
use tokio::runtime::Handle;
use tokio::time::timeout;

/// So long [`Dynamo::warm`] waits for a connection: 5 s. A service that does not answer in that time is for the first
/// request to tell of, which has attempts.
pub const WARM_CONNECTION_TIMEOUT: Duration = Duration::from_secs(5);

impl<S: CredentialStrategy + ?Sized> Dynamo<S> {
    /// Gets ready for the first request: the [strategy](CredentialStrategy::warm), and beside it the connection to
    /// DynamoDB, whose TLS handshake needs no credentials. The first request then takes one round trip.
    ///
    /// It sends one request that bears no signature, `GET /`, over the client's own connections; interceptors of the
    /// program's see it as a `ListTables`. No policy has to allow it, and the [recorder](Self::recorder) leaves it out. Where
    /// the host is the account's own and the account is not known before there are credentials, as with Option A at AWS, the
    /// connection is opened after them; a client [made elsewhere](Self::from_client) is connected to where it would
    /// send requests of no account.
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
    /// # Panics
    ///
    /// In a tokio runtime without its time driver, as every tokio timer does.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing for other callers and does not stop the fetch.
    ///
    /// # Concurrent calls
    ///
    /// Any number; they share one fetch, and open a connection each.
    pub async fn warm(&self) -> Result<()> {
        let Shared {
            client,
            endpoint,
            strategy,
            ..
        } = &*self.shared;
        let ahead = endpoint.ahead(&**strategy);
        if ahead == Ahead::DependsOnAccount {
            prepare_handshake(client.config().http_client().as_ref(), None);
            self.strategy.warm().await?;
        } else {
            both(self.strategy.warm(), connect(client, ahead.clone())).await?;
        }
        // What came may be of no account, or of another than the role's.
        let known = endpoint.ahead(&**strategy);
        if known != ahead {
            connect(client, known).await;
        }
        Ok(())
    }
}

async fn connect(client: &Client, to: Ahead) {
    if Handle::try_current().is_err() {
        return;
    }
    let mut config = Builder::new()
        .retry_config(RetryConfig::disabled())
        .allow_no_auth()
        .auth_scheme_resolver(Unsigned);
    if let Ahead::OfAccount(endpoint) = to {
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
