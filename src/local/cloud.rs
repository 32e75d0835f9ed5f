//! The cloud itself: what a program sets up, looks at and changes.

use super::account::{
    Account, Identity, InstalledRole, InstanceProfile, Role, document, unique_id,
};
use super::servers::{
    Container, DynamoDb, Imds, NewTable, OidcIssuer, Server, ServerTask, Sts, item as attributes,
};
use crate::error::{Error, ErrorKind, Operation, Result};
use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_types::SdkConfig;
use aws_types::region::Region;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::sync::Arc;

/// The account of a [`LocalCloud`] unless told otherwise; the one of AWS's documentation.
pub const DEFAULT_ACCOUNT: &str = "123456789012";

/// The region of a [`LocalCloud`] unless told otherwise.
pub const DEFAULT_REGION: &str = "us-east-1";

/// The role that a new [`LocalCloud`] has, attached to its instance. It admits EC2, containers and
/// its own account, so it serves every strategy.
pub const DEFAULT_ROLE: &str = "EC2DynamoDBRole";

/// The instance profile that holds [`DEFAULT_ROLE`].
pub const DEFAULT_INSTANCE_PROFILE: &str = "EC2DynamoDBProfile";

/// The id of the instance that the metadata service speaks for.
pub const DEFAULT_INSTANCE_ID: &str = "i-1234567890abcdef0";

pub(super) const START: Operation = Operation::new("start the embedded cloud");
const CHANGE: Operation = Operation::new("change the embedded cloud");

/// An embedded cloud: one account, one region, one instance. See the [module](super).
///
/// ```
/// use aws_credential_strategies::local::LocalCloud;
/// use aws_credential_strategies::table::Item;
/// use aws_credential_strategies::{Dynamo, InstanceProfile};
/// use serde_json::json;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> aws_credential_strategies::Result<()> {
/// let cloud = LocalCloud::start().await?;
/// cloud.create_table(("MyTable", "id"))?;
/// cloud.put_item("MyTable", &json!({ "id": "123", "name": "Ada" }))?;
///
/// let strategy = InstanceProfile::builder().endpoint(cloud.imds_endpoint()).build()?;
/// let table = Dynamo::new(strategy, &cloud.sdk_config()).table("MyTable");
/// let item: Option<Item> = table.get(("id", "123")).send().await?;
/// assert!(item.is_some());
///
/// cloud.expire_sessions(); // the next request is rejected, and repeated with a new session
/// let item: Option<Item> = table.get(("id", "123")).send().await?;
/// assert!(item.is_some());
/// # Ok(())
/// # }
/// ```
///
/// Everything listens on 127.0.0.1. Dropping it ends the servers and every connection.
#[derive(Debug)]
pub struct LocalCloud {
    pub(super) account: Arc<Account>,
    pub(super) imds: Arc<Server<Imds>>,
    pub(super) sts: Arc<Server<Sts>>,
    pub(super) dynamodb: Arc<Server<DynamoDb>>,
    pub(super) oidc_issuer: Arc<Server<OidcIssuer>>,
    pub(super) container: Arc<Server<Container>>,
    pub(super) _tasks: [ServerTask; 5],
}

impl LocalCloud {
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

    /// Where containers get their credentials: the agents of ECS and of EKS Pod Identity. Both hand out
    /// sessions of the role that is [attached](LocalCloud::attach_container_role); at first it is
    /// [`DEFAULT_ROLE`].
    ///
    /// ```
    /// # async fn example() -> aws_credential_strategies::Result<()> {
    /// use aws_credential_strategies::local::LocalCloud;
    ///
    /// let cloud = LocalCloud::start().await?;
    /// // ECS: AWS_CONTAINER_CREDENTIALS_FULL_URI, and nothing else
    /// let task = cloud.container().task_uri();
    /// // EKS: AWS_CONTAINER_CREDENTIALS_FULL_URI, and AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE, a file with
    /// let pod = cloud.container().pod_uri();
    /// let token = cloud.container().pod_token("default", "app")?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn container(&self) -> &Server<Container> {
        &self.container
    }

    /// An OpenID Connect issuer, for identities outside of AWS. The cloud's account has a provider for
    /// it ([`oidc_provider_arn`](LocalCloud::oidc_provider_arn)), whose one client is
    /// [`DEFAULT_TOKEN_AUDIENCE`](super::DEFAULT_TOKEN_AUDIENCE).
    ///
    /// ```
    /// # async fn example() -> aws_credential_strategies::Result<()> {
    /// use aws_credential_strategies::iam::TrustPolicy;
    /// use aws_credential_strategies::local::{LocalCloud, Role};
    /// use serde_json::json;
    ///
    /// let cloud = LocalCloud::start().await?;
    /// let trust = TrustPolicy::builder()
    ///     .oidc(&cloud.oidc_provider_arn(), "sts.amazonaws.com")
    ///     .subject("system:serviceaccount:default:app")
    ///     .build()?;
    /// cloud.add_role(Role::new("App").trust(trust))?;
    /// let token = cloud.oidc_issuer().token(&json!({ "sub": "system:serviceaccount:default:app" }))?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn oidc_issuer(&self) -> &Server<OidcIssuer> {
        &self.oidc_issuer
    }

    /// The ARN of the account's provider for [`oidc_issuer`](LocalCloud::oidc_issuer), for a trust
    /// policy.
    #[must_use]
    pub fn oidc_provider_arn(&self) -> String {
        self.account
            .oidc_provider_arn(&self.account.id, self.oidc_issuer.endpoint())
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
            None => self
                .account
                .iam_arn(&self.account.id, &format!("role/{name}")),
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
            // some machines have it switched off for all programs
            ("AWS_EC2_METADATA_DISABLED", "false".to_owned()),
            ("AWS_REGION", self.account.region.clone()),
            // what the AWS CLI and boto3 read
            ("AWS_DEFAULT_REGION", self.account.region.clone()),
        ]
    }

    /// Adds a role, or changes the one with the same ARN, and says its ARN. Sessions of a role that is
    /// changed live on; from their next request on they may do what the role may.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`] for a name, path, account, session length, trust or policy that IAM would
    /// refuse, and for conditions that are not evaluated here.
    pub fn add_role(&self, role: Role) -> Result<String> {
        const ADD: Operation = Operation::new("add role");
        role.check()?;
        let name = role.name.clone();
        self.account
            .install(role)
            .map_err(|error| error.during(ADD).on(name))
    }

    /// Deletes a role of the cloud's account and says whether it was there. Its sessions end as unknown;
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
        let role = self.own_role(name)?;
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

    /// Gives containers a role of the cloud's account, in place of the one that they have.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`] when there is no such role.
    pub fn attach_container_role(&self, name: &str) -> Result<()> {
        let role = self.own_role(name)?;
        self.account.attach_to_containers(Some(role.arn.clone()));
        Ok(())
    }

    /// Takes their role from containers: neither agent has credentials any more.
    pub fn detach_container_role(&self) {
        self.account.attach_to_containers(None);
    }

    /// Creates a long-lived access key of an IAM user of the cloud's account, for an identity outside
    /// of EC2 that assumes a role.
    #[must_use]
    pub fn create_access_key(&self, user: &str) -> Credentials {
        let identity = Identity::User {
            partition: self.account.partition(),
            account: self.account.id.clone(),
            name: user.to_owned(),
            id: unique_id("AIDA", 21),
        };
        self.account
            .keys
            .issue_long_lived(identity, self.account.now())
            .credentials("LocalCloud")
    }

    /// Attaches a policy to a user: anything that serialises to a policy document, or its JSON text. May
    /// be called repeatedly; until then the user may do everything.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`] for a policy that IAM would refuse, or that is not evaluated here.
    pub fn permit_user(&self, user: &str, policy: &impl Serialize) -> Result<()> {
        let policy = document(policy).map_err(|reason| {
            Error::usage("policy", reason)
                .during(CHANGE)
                .on(user.to_owned())
        })?;
        self.account.permit_user(user, policy);
        Ok(())
    }

    /// Adds a managed policy and says its ARN, for sessions that are cut down by `PolicyArns`. Those of
    /// AWS that are most used with DynamoDB are there, as far as they concern it:
    /// `AdministratorAccess`, `PowerUserAccess`, `ReadOnlyAccess`, `AmazonDynamoDBFullAccess` (also
    /// `_v2`) and `AmazonDynamoDBReadOnlyAccess`.
    ///
    /// # Errors
    ///
    /// As [`permit_user`](LocalCloud::permit_user).
    pub fn add_policy(&self, name: &str, policy: &impl Serialize) -> Result<String> {
        let policy = document(policy).map_err(|reason| {
            Error::usage("policy", reason)
                .during(CHANGE)
                .on(name.to_owned())
        })?;
        Ok(self.account.add_managed_policy(name, policy))
    }

    /// Adds an OpenID Connect provider to the cloud's account, or changes the one with the same URL, and
    /// says its ARN: what `aws iam create-open-id-connect-provider` does. `client_ids` are the audiences
    /// that it takes tokens for.
    ///
    /// The keys of one with an `https` URL are those of the cloud's own
    /// [issuer](LocalCloud::oidc_issuer), which so stands for any other: a token of it that names the
    /// URL as `iss` is one of that provider. The keys of one with an `http` URL are asked for there.
    ///
    /// ```
    /// # async fn example() -> aws_credential_strategies::Result<()> {
    /// use aws_credential_strategies::local::LocalCloud;
    /// use serde_json::json;
    ///
    /// let cloud = LocalCloud::start().await?;
    /// let github = "https://token.actions.githubusercontent.com";
    /// let provider = cloud.add_oidc_provider(github, ["sts.amazonaws.com"])?;
    /// let token = cloud.oidc_issuer().token(&json!({
    ///     "iss": github,
    ///     "sub": "repo:example/app:ref:refs/heads/main",
    /// }))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`] for a URL that is none, or no audience.
    pub fn add_oidc_provider<I>(&self, url: impl Into<String>, client_ids: I) -> Result<String>
    where
        I: IntoIterator<Item: Into<String>>,
    {
        let url = url.into();
        let client_ids: Vec<String> = client_ids.into_iter().map(Into::into).collect();
        let refuse = |field, expected: String| Err(Error::usage(field, expected).during(CHANGE));
        let host = ["https://", "http://"]
            .iter()
            .find_map(|scheme| url.strip_prefix(scheme));
        let plain = |rest: &str| {
            !rest.is_empty() && !rest.starts_with('/') && !rest.contains(['?', '#', '*', '$', ' '])
        };
        if !host.is_some_and(plain) {
            return refuse(
                "url",
                format!("expected the URL that tokens name as iss, without query, got {url:?}"),
            );
        }
        if client_ids.is_empty() || client_ids.iter().any(String::is_empty) {
            return refuse(
                "client_ids",
                "expected the audiences of the tokens, for example sts.amazonaws.com".to_owned(),
            );
        }
        Ok(self.account.add_oidc_provider(url, client_ids))
    }

    /// Registers a multi-factor device: its serial number or ARN, and the six digits it shows.
    pub fn add_mfa_device(&self, serial: impl Into<String>, code: impl Into<String>) {
        self.account.add_mfa_device(serial.into(), code.into());
    }

    /// Ends every session issued so far, long before its time: it is refused as expired from now on.
    /// The metadata service hands out a new document when it is next asked, unless
    /// [`Fault::DocumentSame`](super::Fault::DocumentSame) keeps it from that.
    pub fn expire_sessions(&self) {
        self.account.keys.expire_sessions();
        self.imds.renew_document(None);
        self.container.renew(None);
    }

    /// Makes an access key unknown, as deleting it would, and says whether it was known. The metadata
    /// service hands out a new document when it is next asked, if the key was in it.
    pub fn revoke(&self, access_key_id: &str) -> bool {
        let known = self.account.keys.revoke(access_key_id);
        self.imds.renew_document(Some(access_key_id));
        self.container.renew(Some(access_key_id));
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
        let request = json!({ "TableName": table, "Item": attributes(&members) });
        let request = typed(PUT, table, request)?;
        self.database(PUT)?
            .put_item(request)
            .map_err(|error| engine_error(PUT, table, error))?;
        Ok(())
    }

    fn own_role(&self, name: &str) -> Result<Arc<InstalledRole>> {
        self.account.role_named(name).ok_or_else(|| {
            let account = &self.account.id;
            let expected = format!("expected a role of account {account}, got {name:?}");
            Error::usage("role", expected)
                .during(CHANGE)
                .hint("add it first, with LocalCloud::add_role")
        })
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
