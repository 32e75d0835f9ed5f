//! An embedded cloud on loopback: the instance metadata service, STS and DynamoDB.
//!
//! One call starts it, dropping it ends it. It is for examples and tests, this crate's and yours: any
//! AWS client can be pointed at it, by [`LocalCloud::sdk_config`] or, in any language, by the
//! environment variables of [`LocalCloud::environment`].
//!
//! It keeps AWS's rules rather than canned answers. The metadata service wants a session token and
//! rotates its documents; STS checks parameters, trust and session lengths; DynamoDB
//! ([dynoxide](https://crates.io/crates/dynoxide-rs), on SQLite in memory) refuses keys that no
//! server here has issued, session tokens that do not belong to them, and sessions that are over.
//! Each server counts what it is asked and fails as a test wants it to: see [`Server`] and [`Fault`].
//!
//! ```
//! # async fn example() -> aws_credential_strategies::Result<()> {
//! use aws_credential_strategies::local::LocalCloud;
//! use serde_json::json;
//! use std::time::Duration;
//!
//! let cloud = LocalCloud::builder()
//!     .session_lifetime(Duration::from_secs(15))
//!     .start()
//!     .await?;
//! cloud.create_table(("MyTable", "id"))?;
//! cloud.put_item("MyTable", &json!({ "id": "123", "name": "Ada" }))?;
//!
//! let dynamodb = cloud.sdk_config(); // region, endpoints and a plain HTTP client; no credentials
//! assert_eq!(cloud.imds().calls().total(), 0);
//! # Ok(())
//! # }
//! ```

mod account;
mod assume_role;
mod auth;
mod authorize;
mod builder;
mod dynamodb;
mod fault;
mod identity;
mod imds;
mod role;
mod server;
mod sts;
mod table;
mod xml;

pub use builder::LocalCloudBuilder;
pub use dynamodb::{DynamoDb, DynamoDbCall, DynamoDbCalls};
pub use fault::Fault;
pub use imds::{DOCUMENT_LIFETIME, Imds, ImdsCall, ImdsCalls, ROTATION_SHARE};
pub use role::{DEFAULT_MAX_SESSION, Role, Trust};
pub use server::{Server, Service};
pub use sts::{MAX_CHAINED_SESSION, Sts, StsCall, StsCalls};
pub use table::{KeyType, NewIndex, NewTable};

use crate::error::{Error, ErrorKind, Operation, Result};
use account::{Account, InstanceProfile};
use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_types::SdkConfig;
use aws_types::region::Region;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};
use identity::{Identity, unique_id};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use server::{ServerTask, lock};
use std::sync::Arc;

/// The account of a [`LocalCloud`] unless told otherwise; the one of AWS's documentation.
pub const DEFAULT_ACCOUNT: &str = "123456789012";

/// The region of a [`LocalCloud`] unless told otherwise.
pub const DEFAULT_REGION: &str = "us-east-1";

/// The role that a new [`LocalCloud`] has, attached to its instance. It admits EC2 and its own
/// account, so it serves both strategies.
pub const DEFAULT_ROLE: &str = "EC2DynamoDBRole";

/// The instance profile that holds [`DEFAULT_ROLE`].
pub const DEFAULT_INSTANCE_PROFILE: &str = "EC2DynamoDBProfile";

/// The id of the instance that the metadata service speaks for.
pub const DEFAULT_INSTANCE_ID: &str = "i-1234567890abcdef0";

pub(crate) const START: Operation = Operation::new("start the embedded cloud");
const CHANGE: Operation = Operation::new("change the embedded cloud");

/// An embedded cloud: one account, one region, one instance. See the [module](self).
///
/// Everything listens on 127.0.0.1. Dropping it ends the servers and every connection.
#[derive(Debug)]
pub struct LocalCloud {
    account: Arc<Account>,
    imds: Arc<Server<Imds>>,
    sts: Arc<Server<Sts>>,
    dynamodb: Arc<Server<DynamoDb>>,
    _tasks: [ServerTask; 3],
}

impl LocalCloud {
    /// Sets up a cloud that differs from the default.
    pub fn builder() -> LocalCloudBuilder {
        LocalCloudBuilder::new()
    }

    /// Starts a cloud with [`DEFAULT_ACCOUNT`], [`DEFAULT_REGION`], and [`DEFAULT_ROLE`] attached to
    /// the instance.
    ///
    /// # Errors
    ///
    /// As [`LocalCloudBuilder::start`].
    pub async fn start() -> Result<Self> {
        LocalCloud::builder().start().await
    }

    /// The instance metadata service.
    #[must_use]
    pub fn imds(&self) -> &Server<Imds> {
        &self.imds
    }

    /// The Security Token Service.
    #[must_use]
    pub fn sts(&self) -> &Server<Sts> {
        &self.sts
    }

    /// DynamoDB.
    #[must_use]
    pub fn dynamodb(&self) -> &Server<DynamoDb> {
        &self.dynamodb
    }

    /// Where the metadata service listens: `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn imds_endpoint(&self) -> &str {
        self.imds.endpoint()
    }

    /// Where the Security Token Service listens: `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn sts_endpoint(&self) -> &str {
        self.sts.endpoint()
    }

    /// Where DynamoDB listens: `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn dynamodb_endpoint(&self) -> &str {
        self.dynamodb.endpoint()
    }

    /// The account, 12 digits.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account.id
    }

    /// The region.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.account.region
    }

    /// The ARN of a role of the cloud's account; of [`DEFAULT_ROLE`], for one.
    ///
    /// The role need not be there; where it is, its path is in the ARN.
    #[must_use]
    pub fn role_arn(&self, name: &str) -> String {
        match self.account.role_named(name) {
            Some(role) => role.arn.clone(),
            None => format!("arn:aws:iam::{}:role/{name}", self.account.id),
        }
    }

    /// What an SDK client of STS or DynamoDB needs to reach this cloud: region, endpoints, a plain
    /// HTTP client that no proxy setting diverts, the cloud's clock. Credentials are not in it.
    #[must_use]
    pub fn sdk_config(&self) -> SdkConfig {
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.account.region.clone()))
            .service_config(Endpoints {
                sts: self.sts.endpoint().to_owned(),
                dynamodb: self.dynamodb.endpoint().to_owned(),
            })
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .time_source(self.account.clock.clone())
            .build()
    }

    /// The environment variables that point any AWS client at this cloud, the AWS CLI and boto3
    /// included. Credentials then come from the metadata service.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            (
                "AWS_EC2_METADATA_SERVICE_ENDPOINT",
                self.imds.endpoint().to_owned(),
            ),
            ("AWS_ENDPOINT_URL_STS", self.sts.endpoint().to_owned()),
            (
                "AWS_ENDPOINT_URL_DYNAMODB",
                self.dynamodb.endpoint().to_owned(),
            ),
            ("AWS_REGION", self.account.region.clone()),
            // what the AWS CLI and boto3 read
            ("AWS_DEFAULT_REGION", self.account.region.clone()),
        ]
    }

    /// Adds a role, or replaces the one with the same ARN, and says its ARN. Sessions of a replaced
    /// role live on.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`] for a name, path, account or session length that IAM would refuse.
    pub fn add_role(&self, role: Role) -> Result<String> {
        role.check()?;
        Ok(self.account.install(role))
    }

    /// Deletes a role of the cloud's account and says whether it was there. Its sessions live on;
    /// attached to the instance, it is gone from there too.
    pub fn remove_role(&self, name: &str) -> bool {
        let arn = self.role_arn(name);
        self.account.remove_role(&arn)
    }

    /// Attaches a role of the cloud's account to the instance, in place of the one that is there.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`] when there is no such role.
    pub fn attach_role(&self, name: &str) -> Result<()> {
        let Some(role) = self.account.role_named(name) else {
            return Err(Error::usage(
                "role",
                format!(
                    "expected a role of account {}, got {name:?}",
                    self.account.id
                ),
            )
            .during(CHANGE)
            .hint("add it first, with LocalCloud::add_role"));
        };
        let profile = if name == DEFAULT_ROLE {
            DEFAULT_INSTANCE_PROFILE.to_owned()
        } else {
            // what the console does: the instance profile is named after its role
            name.to_owned()
        };
        self.account.attach(Some(InstanceProfile {
            name: profile,
            id: unique_id("AIPA", 21),
            role_arn: role.arn.clone(),
        }));
        Ok(())
    }

    /// Takes the role off the instance: the metadata service answers 404 where credentials were.
    pub fn detach_role(&self) {
        self.account.attach(None);
    }

    /// Creates a long-lived access key of an IAM user of the cloud's account, for an identity outside
    /// of EC2 that assumes a role.
    #[must_use]
    pub fn create_access_key(&self, user: &str) -> Credentials {
        let identity = Identity::User {
            account: self.account.id.clone(),
            name: user.to_owned(),
            id: unique_id("AIDA", 21),
        };
        self.account
            .keys
            .issue_long_lived(identity, self.account.now())
            .credentials("LocalCloud")
    }

    /// Registers a multi-factor device: its serial number or ARN, and the six digits it shows.
    pub fn add_mfa_device(&self, serial: impl Into<String>, code: impl Into<String>) {
        lock(&self.sts.service.mfa_codes).insert(serial.into(), code.into());
    }

    /// Ends every session issued so far, long before its time: it is refused as expired from now on.
    /// The metadata service hands out a new document when it is next asked, unless
    /// [`Fault::DocumentSame`] keeps it from that.
    pub fn expire_sessions(&self) {
        self.account.keys.expire_sessions();
        self.imds.renew_document(None);
    }

    /// Makes an access key unknown, as deleting it would, and says whether it was known. The metadata
    /// service hands out a new document when it is next asked, if the key was in it.
    pub fn revoke(&self, access_key_id: &str) -> bool {
        let known = self.account.keys.revoke(access_key_id);
        self.imds.renew_document(Some(access_key_id));
        known
    }

    /// Creates a table in the cloud's account, without credentials and without being counted. It is
    /// ready when this returns.
    ///
    /// # Errors
    ///
    /// What DynamoDB has against it, for example that the table is there already.
    pub fn create_table(&self, table: impl Into<NewTable>) -> Result<()> {
        const CREATE: Operation = Operation::new("create table");
        let table = table.into();
        let refused = |error| engine_error(CREATE, table.name(), error);
        let database = self.database(CREATE)?;
        let request = typed(CREATE, table.name(), table.request())?;
        database.create_table(request).map_err(refused)?;
        Ok(())
    }

    /// Puts an item into a table of the cloud's account, without credentials and without being
    /// counted.
    ///
    /// The item is anything that serialises to a JSON object; text, numbers, booleans, null, lists and
    /// objects become what DynamoDB calls them. For sets and bytes, use a client.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Encode`] when it is no JSON object, and what DynamoDB has against it.
    pub fn put_item(&self, table: &str, item: &impl Serialize) -> Result<()> {
        const PUT: Operation = Operation::new("put item");
        let encode = |message| Error::new(ErrorKind::Encode, PUT, message).on(table.to_owned());
        let item = serde_json::to_value(item)
            .map_err(|error| encode("the item does not serialise").caused_by(error))?;
        let Value::Object(members) = item else {
            return Err(encode("expected an item that serialises to a JSON object"));
        };
        let request = json!({ "TableName": table, "Item": table::item(&members) });
        let request = typed(PUT, table, request)?;
        self.database(PUT)?
            .put_item(request)
            .map_err(|error| engine_error(PUT, table, error))?;
        Ok(())
    }

    fn database(&self, operation: Operation) -> Result<dynoxide::Database> {
        self.dynamodb
            .service
            .database(&self.account.id)
            .map_err(|error| {
                Error::new(ErrorKind::Other, operation, "the database does not start")
                    .caused_by(error)
            })
    }
}

/// A request of the engine from its JSON.
fn typed<T: DeserializeOwned>(operation: Operation, table: &str, request: Value) -> Result<T> {
    serde_json::from_value(request).map_err(|error| {
        Error::new(ErrorKind::Invalid, operation, "the request is not valid")
            .on(table.to_owned())
            .caused_by(error)
    })
}

fn engine_error(operation: Operation, table: &str, error: dynoxide::DynoxideError) -> Error {
    let kind = match &error {
        dynoxide::DynoxideError::ResourceNotFoundException(_) => ErrorKind::NoSuchTable,
        _ => ErrorKind::Invalid,
    };
    Error::new(kind, operation, error.to_string()).on(table.to_owned())
}

/// Tells SDK clients where the services of this cloud are, each by its id.
#[derive(Debug)]
struct Endpoints {
    sts: String,
    dynamodb: String,
}

impl LoadServiceConfig for Endpoints {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        if key.env() != "AWS_ENDPOINT_URL" {
            return None;
        }
        match key.service_id() {
            "DynamoDB" => Some(self.dynamodb.clone()),
            "STS" => Some(self.sts.clone()),
            _ => None,
        }
    }
}
