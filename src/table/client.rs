//! `Dynamo`: one strategy, one SDK client, any number of tables.

use super::batch::several::BatchGetTables;
use super::batch::write::BatchWrite;
use super::endpoint::EndpointSettings;
use super::handle::Table;
use super::name::TableName;
use super::refusal_marks::MarkRefusals;
use super::target::{Acting, AnyStrategy, Others, Shared, Target};
use super::transaction::{TransactGet, TransactWrite};
use crate::iam::PolicyRecorder;
use crate::sdk::{self, ActFor};
use crate::strategy::CredentialStrategy;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{
    BehaviorVersion, Builder, Config, Region, StalledStreamProtectionConfig,
};
use aws_smithy_runtime::client::defaults::default_http_client_plugin_v2;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::interceptors::{Intercept, SharedInterceptor};
use aws_smithy_runtime_api::client::retries::classifiers::ClassifyRetry;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::RuntimePlugin as _;
use aws_types::SdkConfig;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How long one attempt may take, credentials included, where the [`SdkConfig`] does not say: 15 s.
///
/// More than the 10 s that a caller waits for a refresh, so that a source that does not answer is named
/// by its own error instead of a timeout of the table's. A strategy that waits longer, as one of a `RolePool` does,
/// is for [`with_strategy`](Dynamo::with_strategy), where credentials are waited for before.
pub const DEFAULT_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);

/// How long an operation may take with all its attempts, where the [`SdkConfig`] does not say: 45 s,
/// three full attempts.
pub const DEFAULT_OPERATION_TIMEOUT: Duration = Duration::from_secs(45);

/// The region that is signed for at a [local endpoint](Dynamo::local) where nobody else says one.
const LOCAL_REGION: &str = "us-east-1";

/// DynamoDB through one strategy: tables, and what spans tables.
///
/// Cloning shares the client and its connections. The strategy's type is in the handles only, never in
/// operations, items or errors.
///
/// ```no_run
/// # use aws_credential_strategies::{CredentialStrategy, Result, table::Dynamo};
/// # #[derive(serde::Deserialize)] struct User { id: String }
/// # async fn example<S: CredentialStrategy>(strategy: S, sdk_config: &aws_types::SdkConfig) -> Result<()> {
/// let db = Dynamo::new(strategy, sdk_config);
/// let user: Option<User> = db.table("MyTable").get(("id", "123")).send().await?;
/// # Ok(()) }
/// ```
pub struct Dynamo<S: ?Sized> {
    pub(super) shared: Arc<Shared>,
    pub(super) strategy: Arc<S>,
    prefix: Option<Arc<str>>,
}

impl<S: CredentialStrategy> Dynamo<S> {
    /// A client with the retries, HTTP client, endpoint and region of `settings`, and the strategy's
    /// credentials.
    ///
    /// Where `settings` sets none, timeouts are [`DEFAULT_ATTEMPT_TIMEOUT`] and
    /// [`DEFAULT_OPERATION_TIMEOUT`], and the behaviour version is the latest. Stalled-stream protection
    /// is off unless `settings` asks for it, since the attempt timeout covers answers of at most 1 MB or so.
    ///
    /// Credentials that know their account are sent to `https://<account>.ddb.<region>.amazonaws.com`, the
    /// others to `https://dynamodb.<region>.amazonaws.com`, so another strategy can mean another host:
    /// where only one of them may be called, set `account_id_endpoint_mode` in `settings`.
    ///
    /// Credentials that DynamoDB rejects are replaced and the request is repeated once, by
    /// [`sdk::Recovery`]; that takes one of the attempts, of which there must be two.
    ///
    /// Without the feature `https` there is no HTTP client but the one in `settings`; if there is none, the
    /// first request says so.
    #[must_use]
    pub fn new(strategy: S, settings: &SdkConfig) -> Self {
        let mut timeouts = settings
            .timeout_config()
            .cloned()
            .unwrap_or_else(|| TimeoutConfig::builder().build());
        timeouts.take_defaults_from(
            &TimeoutConfig::builder()
                .operation_attempt_timeout(DEFAULT_ATTEMPT_TIMEOUT)
                .operation_timeout(DEFAULT_OPERATION_TIMEOUT)
                .build(),
        );
        let endpoint = EndpointSettings::of(settings);
        let mut builder = Builder::from(settings);
        // what it was, unless blank
        builder.set_endpoint_url(endpoint.url.clone());
        let attempts_end = timeouts.operation_attempt_timeout().is_some();
        if attempts_end && settings.stalled_stream_protection().is_none() {
            builder = builder.stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        }
        let behavior = settings
            .behavior_version()
            .unwrap_or_else(BehaviorVersion::latest);
        builder = builder.behavior_version(behavior);
        if settings.http_client().is_none() {
            builder.set_http_client(default_http_client(behavior));
        }
        Dynamo::wire(strategy, builder.timeout_config(timeouts), endpoint)
    }

    /// The same on a client made elsewhere: a copy of its configuration with the strategy's credentials.
    ///
    /// An error does not name the endpoint then, since a client does not tell which it has.
    #[must_use]
    pub fn from_client(strategy: S, client: Client) -> Self {
        let region = client.config().region().map(ToString::to_string);
        let endpoint = EndpointSettings::of_client(region);
        let config = client.config();
        let mut builder = config.to_builder();
        // Tries that were refused would be counted twice.
        let others = not_recovering(config).filter(|other| other.name() != MarkRefusals::NAME);
        builder.set_interceptors(others.collect::<Vec<_>>());
        let classifiers = config.retry_classifiers();
        let others = classifiers.filter(|other| !sdk::Recovery::is_named(other.name()));
        builder.set_retry_classifiers(others.collect::<Vec<_>>());
        if config.http_client().is_none() {
            builder.set_http_client(default_http_client(BehaviorVersion::latest()));
        }
        Dynamo::wire(strategy, builder, endpoint)
    }

    /// DynamoDB Local, or another stand-in, at this URL.
    ///
    /// The endpoint is plain HTTP as a rule; it needs the HTTP client of feature `https` all the same.
    #[must_use]
    pub fn local(strategy: S, endpoint_url: &str) -> Self {
        let settings = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static(LOCAL_REGION))
            .endpoint_url(endpoint_url)
            .build();
        Dynamo::new(strategy, &settings)
    }

    /// A client with region, endpoints, retries and timeouts from the environment and the profile, as
    /// other AWS tools read them. Credentials are the strategy's, whatever the environment holds.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    #[cfg(feature = "env")]
    #[must_use = "it makes a client"]
    pub async fn from_env(strategy: S) -> Self {
        let settings = crate::settings::of_environment(None).await;
        Dynamo::new(strategy, &settings)
    }

    /// The one place where a strategy is built into a DynamoDB client: provider, identity cache, recovery
    /// from rejected credentials, and the record of what was asked.
    fn wire(strategy: S, mut builder: Builder, endpoint: EndpointSettings) -> Self {
        let strategy = Arc::new(strategy);
        let recovery = sdk::Recovery::new(Arc::clone(&strategy));
        let recorder = PolicyRecorder::new();
        builder.push_interceptor(recorder.interceptor());
        builder.push_interceptor(SharedInterceptor::permanent(MarkRefusals));
        let builder = signing_for(Arc::clone(&strategy), &recovery, builder);
        let config = builder.retry_classifier(recovery.clone()).build();
        let any: Arc<AnyStrategy> = Arc::<S>::clone(&strategy);
        Dynamo {
            shared: Arc::new(Shared {
                client: Client::from_conf(config),
                act_for: None,
                strategy: any,
                endpoint: Arc::new(endpoint),
                recorder,
                recovery,
                without_retries: Arc::default(),
                others: Others::default(),
            }),
            strategy,
            prefix: None,
        }
    }

    /// The same client with the strategy's type forgotten: tables of different strategies fit one
    /// collection, one struct field, one function.
    #[must_use]
    pub fn erase(self) -> Dynamo<AnyStrategy> {
        Dynamo {
            shared: self.shared,
            strategy: self.strategy,
            prefix: self.prefix,
        }
    }
}

impl<S: CredentialStrategy + ?Sized> Dynamo<S> {
    /// Puts `prefix` before every table name from here on, ARNs excepted: `dev-`, `team-a.`.
    #[must_use]
    pub fn with_prefix(self, prefix: &str) -> Self {
        Dynamo {
            prefix: Some(Arc::from(prefix)),
            ..self
        }
    }

    /// The same client, its connections and its settings, with another strategy's credentials: for a service
    /// whose tenants each have their own, from a `RolePool` for example.
    ///
    /// It costs a few small allocations and not a client, so it may be called for each request. Connections
    /// and quotas of retries are shared by all that were made from one; what a strategy's keys went through is
    /// not: keys that DynamoDB rejects are replaced for their own strategy only. A request is signed by the
    /// strategy of the `Dynamo` that it was made with, or it is not sent. One batch or transaction takes
    /// operations of one `Dynamo` only.
    ///
    /// Credentials are waited for before an operation of this crate is sent, as long as the strategy waits: the timeouts
    /// of attempt and operation begin then. Requests of [`client`](Self::client) look for them within their attempt.
    ///
    /// The [`prefix`](Self::with_prefix) stays. The [`recorder`](Self::recorder) is the same one, and records
    /// what all of them ask. [`client`](Self::client) is made when it is asked for first.
    ///
    /// ```no_run
    /// # use aws_credential_strategies::{CredentialStrategy, Dynamo, Result};
    /// # #[derive(serde::Deserialize)] struct Order { id: String }
    /// # async fn example<S: CredentialStrategy, T: CredentialStrategy>(
    /// #     db: Dynamo<S>, tenant: T,
    /// # ) -> Result<()> {
    /// let orders = db.with_strategy(tenant).table("Orders");
    /// let order: Option<Order> = orders.get(("id", "123")).send().await?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn with_strategy<T: CredentialStrategy>(&self, strategy: T) -> Dynamo<T> {
        let shared = &self.shared;
        let acting = shared.others.acting.get_or_init(|| Acting {
            client: acting_client(&shared.client),
            without_retries: Arc::default(),
        });
        let strategy = Arc::new(strategy);
        let any: Arc<AnyStrategy> = Arc::<T>::clone(&strategy);
        let recovery = shared.recovery.of_another(Arc::clone(&any));
        Dynamo {
            shared: Arc::new(Shared {
                client: acting.client.clone(),
                act_for: Some(ActFor(recovery.clone())),
                strategy: any,
                endpoint: Arc::clone(&shared.endpoint),
                recorder: shared.recorder.clone(),
                recovery,
                without_retries: Arc::clone(&acting.without_retries),
                others: Others {
                    acting: Arc::clone(&shared.others.acting),
                    own: OnceLock::new(),
                },
            }),
            strategy,
            prefix: self.prefix.clone(),
        }
    }

    /// A table by name, or by ARN when it is another account's.
    ///
    /// A name that cannot be a table's is an error of the operation, when it is sent.
    #[must_use]
    pub fn table(&self, name_or_arn: &str) -> Table<S> {
        let name = TableName::new(name_or_arn, self.prefix.as_deref());
        Table::new(
            Target {
                shared: Arc::clone(&self.shared),
                name: Arc::new(name),
            },
            Arc::clone(&self.strategy),
        )
    }

    /// The SDK's client, with the same credentials: everything that is not here.
    #[must_use]
    pub fn client(&self) -> &Client {
        let shared = &self.shared;
        if shared.act_for.is_none() {
            return &shared.client;
        }
        shared.others.own.get_or_init(|| {
            let strategy = Arc::clone(&shared.strategy);
            let builder = shared.client.config().to_builder();
            Client::from_conf(signing_for(strategy, &shared.recovery, builder).build())
        })
    }

    /// What this client has asked so far, [`client`](Self::client) included, and the least IAM policy that
    /// allows it.
    #[must_use]
    pub fn recorder(&self) -> &PolicyRecorder {
        &self.shared.recorder
    }

    /// The strategy.
    #[must_use]
    pub fn strategy(&self) -> &Arc<S> {
        &self.strategy
    }

    /// Reads of many items, in any of the tables, in as few requests as DynamoDB takes.
    pub fn batch_get(&self) -> BatchGetTables {
        BatchGetTables::new(Arc::clone(&self.shared))
    }

    /// Writes of many items, in any of the tables: `db.batch_write().write(users.put(&user)).write(..)`.
    pub fn batch_write(&self) -> BatchWrite {
        BatchWrite::new(Arc::clone(&self.shared), None)
    }

    /// Writes on several items, in any of the tables, that happen all or not at all.
    pub fn transact_write(&self) -> TransactWrite {
        TransactWrite::new(Arc::clone(&self.shared))
    }

    /// Reads of several items, in any of the tables, of one moment.
    pub fn transact_get(&self) -> TransactGet {
        TransactGet::new(Arc::clone(&self.shared))
    }
}

/// The SDK's own, which each client would make for itself: named, so that all that are made of one share its
/// connections. `None` without the feature `https`.
fn default_http_client(behavior: BehaviorVersion) -> Option<SharedHttpClient> {
    let plugin = default_http_client_plugin_v2(behavior)?;
    let nothing = RuntimeComponentsBuilder::new("nothing before it");
    plugin.runtime_components(&nothing).http_client()
}

/// A client's configuration with this strategy as its own.
fn signing_for<S: CredentialStrategy>(
    strategy: S,
    recovery: &sdk::Recovery,
    mut builder: Builder,
) -> Builder {
    let (provider, cache) = sdk::plug(strategy);
    // `credentials_provider` would wrap it anew, and the cache would not know it
    builder.set_credentials_provider(Some(provider));
    builder.set_identity_cache(cache);
    // `interceptor` would look up on each call, for each of them, whether it is switched off
    builder.push_interceptor(SharedInterceptor::permanent(recovery.clone()));
    builder
}

/// A copy of a client that signs each request for whom the request says.
fn acting_client(client: &Client) -> Client {
    let config = client.config();
    let mut builder = config.to_builder();
    builder.set_interceptors(not_recovering(config).collect::<Vec<_>>());
    let (provider, cache) = sdk::plug_acting();
    builder.set_credentials_provider(Some(provider));
    builder.set_identity_cache(cache);
    Client::from_conf(builder.build())
}

/// All but another strategy's recovery, which would keep that strategy and answer for keys that are not its own.
fn not_recovering(config: &Config) -> impl Iterator<Item = SharedInterceptor> + '_ {
    let interceptors = config.interceptors();
    interceptors.filter(|other| !sdk::Recovery::is_named(other.name()))
}

impl<S: ?Sized> Clone for Dynamo<S> {
    fn clone(&self) -> Self {
        Dynamo {
            shared: Arc::clone(&self.shared),
            strategy: Arc::clone(&self.strategy),
            prefix: self.prefix.clone(),
        }
    }
}

impl<S: CredentialStrategy + ?Sized> fmt::Debug for Dynamo<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dynamo")
            .field("strategy", &self.strategy.name())
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}
