//! What an operation is sent to: a table, through one client with one strategy's credentials.

use super::endpoint::EndpointSettings;
use super::name::TableName;
use super::retries::without_retries;
use crate::error::Result;
use crate::iam::PolicyRecorder;
use crate::sdk::{ActFor, Recovery};
use crate::strategy::CredentialStrategy;
use aws_sdk_dynamodb::Client;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// Any strategy: what [`Dynamo::erase`](super::Dynamo::erase) leaves, so that tables of different strategies are of one type.
pub type AnyStrategy = dyn CredentialStrategy;

/// What every operation needs, without the strategy's type.
pub(crate) struct Shared {
    pub(crate) client: Client,
    /// Where the client is shared with other strategies: on each request, who signs it. [`send!`] sees to it.
    pub(crate) act_for: Option<ActFor>,
    pub(crate) strategy: Arc<AnyStrategy>,
    pub(crate) endpoint: Arc<EndpointSettings>,
    pub(crate) recorder: PolicyRecorder,
    pub(crate) recovery: Recovery,
    /// What batches send with, once there is one; of all that share the client.
    pub(crate) without_retries: Arc<OnceLock<Client>>,
    /// For whoever asks for it.
    pub(crate) others: Others,
}

/// Clients that not everybody needs, each made when it is asked for first.
#[derive(Default)]
pub(crate) struct Others {
    /// Signs each request for whom it says; of all strategies that are put in this one's place.
    pub(crate) acting: Arc<OnceLock<Acting>>,
    /// Signs for this strategy alone, although `client` does not.
    pub(crate) own: OnceLock<Client>,
}

/// A client that many strategies share.
pub(crate) struct Acting {
    pub(crate) client: Client,
    pub(crate) without_retries: Arc<OnceLock<Client>>,
}

impl Shared {
    /// Waits for the credentials of a strategy that may wait longer than an attempt of the SDK's may take, as a
    /// tenant's of a pool that starts cold: else its attempts would time out, which all tenants' retry quota pays for.
    pub(crate) async fn wait_for_credentials(&self) -> Result<()> {
        let strategy = &self.strategy;
        if strategy.current().is_some() || strategy.disputed_identity().is_some() {
            return Ok(());
        }
        Box::pin(strategy.credentials()).await.map(drop)
    }

    /// The same client without retries, but for the one after rejected credentials.
    pub(crate) fn batch_client(&self) -> &Client {
        self.without_retries
            .get_or_init(|| without_retries(&self.client))
    }
}

/// Sends a request of the SDK's, signed by the strategy of what it is sent through.
macro_rules! send {
    ($shared:expr, $request:expr) => {
        match &$shared.act_for {
            // the SDK's futures are some kilobytes, which every layer around them would be moved with
            None => Box::pin($request.send()).await,
            Some(strategy) => match $shared.wait_for_credentials().await {
                Ok(()) => {
                    let request = $request.customize().interceptor(strategy.clone());
                    Box::pin(request.send()).await
                }
                Err(failed) => Err($crate::sdk::not_signed(failed)),
            },
        }
    };
}
pub(crate) use send;

/// One table of one client: what an operation is sent to.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) shared: Arc<Shared>,
    pub(crate) name: Arc<TableName>,
}

impl Target {
    pub(crate) fn client(&self) -> &Client {
        &self.shared.client
    }

    pub(crate) fn table(&self) -> &str {
        self.name.as_str()
    }

    /// Whether both mean the same table through the same client.
    pub(crate) fn is_same(&self, other: &Target) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared) && self.table() == other.table()
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.table())
    }
}
