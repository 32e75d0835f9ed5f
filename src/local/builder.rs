//! How a [`LocalCloud`] is set up.

use super::account::{Account, InstanceProfile, Role, Trust, check_account, unique_id};
use super::cloud::{
    DEFAULT_ACCOUNT, DEFAULT_INSTANCE_ID, DEFAULT_INSTANCE_PROFILE, DEFAULT_REGION, DEFAULT_ROLE,
    LocalCloud, START,
};
use super::servers::{
    Container, DEFAULT_TOKEN_AUDIENCE, DynamoDb, Imds, OidcIssuer, Respond, Server, ServerTask,
    Sts, serve,
};
use crate::error::{Error, ErrorKind, Result};
use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource, TimeSource};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

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
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends whatever has started.
    pub async fn start() -> Result<Self> {
        LocalCloud::builder().start().await
    }
}

/// Sets up a [`LocalCloud`]; every setting has a default.
#[derive(Clone, Debug)]
#[must_use = "nothing listens before `start`"]
pub struct LocalCloudBuilder {
    account: String,
    region: String,
    session_lifetime: Option<Duration>,
    rotate_after: Option<Duration>,
    clock: SharedTimeSource,
    imds_port: u16,
    sts_port: u16,
    dynamodb_port: u16,
    oidc_port: u16,
    container_port: u16,
}

impl LocalCloudBuilder {
    pub(super) fn new() -> Self {
        LocalCloudBuilder {
            account: DEFAULT_ACCOUNT.to_owned(),
            region: DEFAULT_REGION.to_owned(),
            session_lifetime: None,
            rotate_after: None,
            clock: SharedTimeSource::new(SystemTimeSource::new()),
            imds_port: 0,
            sts_port: 0,
            dynamodb_port: 0,
            oidc_port: 0,
            container_port: 0,
        }
    }

    /// The account, 12 digits; [`DEFAULT_ACCOUNT`] by default.
    pub fn account(mut self, account: impl Into<String>) -> Self {
        self.account = account.into();
        self
    }

    /// The region; [`DEFAULT_REGION`] by default.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = region.into();
        self
    }

    /// The longest that any session really lasts, whatever was granted: seconds let a test see a
    /// refresh.
    ///
    /// At least a second. By default sessions last as long as AWS's: documents of the metadata
    /// service [six hours](super::DOCUMENT_LIFETIME), an assumed role what the call asks for.
    pub fn session_lifetime(mut self, lifetime: Duration) -> Self {
        self.session_lifetime = Some(lifetime);
        self
    }

    /// How long the metadata service keeps handing out one document before it makes a new one; zero makes
    /// a new one for each request. By default a [sixth](super::ROTATION_SHARE) of its lifetime.
    pub fn rotate_documents_after(mut self, age: Duration) -> Self {
        self.rotate_after = Some(age);
        self
    }

    /// The cloud's wall clock, for expiries, signatures and the `Date` of answers; the system's by
    /// default.
    pub fn clock(mut self, clock: impl TimeSource + 'static) -> Self {
        self.clock = SharedTimeSource::new(clock);
        self
    }

    /// The port of the metadata service; any free one (0) by default.
    pub fn imds_port(mut self, port: u16) -> Self {
        self.imds_port = port;
        self
    }

    /// The port of the Security Token Service; any free one (0) by default.
    pub fn sts_port(mut self, port: u16) -> Self {
        self.sts_port = port;
        self
    }

    /// The port of DynamoDB; any free one (0) by default.
    pub fn dynamodb_port(mut self, port: u16) -> Self {
        self.dynamodb_port = port;
        self
    }

    /// The port of the OpenID Connect issuer; any free one (0) by default.
    pub fn oidc_port(mut self, port: u16) -> Self {
        self.oidc_port = port;
        self
    }

    /// The port of the container credential endpoint; any free one (0) by default.
    pub fn container_port(mut self, port: u16) -> Self {
        self.container_port = port;
        self
    }

    /// Starts the servers; they answer when this returns.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`] for a setting that AWS would not know, [`ErrorKind::Unreachable`] when a
    /// port is taken, [`ErrorKind::NoRuntime`] outside of a tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends whatever has started.
    pub async fn start(self) -> Result<LocalCloud> {
        let LocalCloudBuilder {
            account,
            region,
            session_lifetime,
            rotate_after,
            clock,
            imds_port,
            sts_port,
            dynamodb_port,
            oidc_port,
            container_port,
        } = self;
        check_account("account", &account).map_err(|error| error.during(START))?;
        check_region(&region)?;
        if session_lifetime.is_some_and(|lifetime| lifetime < Duration::from_secs(1)) {
            return Err(Error::usage(
                "session_lifetime",
                "expected a second at least, as AWS writes expiries in whole seconds",
            )
            .during(START));
        }
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(Error::new(
                ErrorKind::NoRuntime,
                START,
                "the servers need a tokio runtime",
            ));
        }
        let account = Arc::new(Account::new(
            account,
            region,
            DEFAULT_INSTANCE_ID.to_owned(),
            session_lifetime,
            clock,
        ));
        let own = Trust::account(&account.id);
        let role_arn = account
            .install(Role::new(DEFAULT_ROLE).trust(Trust::ec2().or(Trust::containers()).or(own)))
            .map_err(|error| error.during(START))?;
        account.attach_to_containers(Some(role_arn.clone()));
        account.attach(Some(InstanceProfile {
            name: DEFAULT_INSTANCE_PROFILE.to_owned(),
            id: unique_id("AIPA", 21),
            role_arn,
        }));
        let (imds, imds_task) =
            open(imds_port, Imds::new(Arc::clone(&account), rotate_after)).await?;
        let (oidc_issuer, oidc_task) =
            open(oidc_port, OidcIssuer::new(Arc::clone(&account))).await?;
        account.add_oidc_provider(
            oidc_issuer.endpoint().to_owned(),
            vec![DEFAULT_TOKEN_AUDIENCE.to_owned()],
        );
        let container =
            Container::new(Arc::clone(&account), Arc::clone(&oidc_issuer), rotate_after);
        let (container, container_task) = open(container_port, container).await?;
        let issuer = oidc_issuer.endpoint().to_owned();
        let (sts, sts_task) = open(sts_port, Sts::new(Arc::clone(&account), issuer)).await?;
        let database = DynamoDb::start(Arc::clone(&account)).map_err(|error| {
            Error::new(ErrorKind::Other, START, "the database does not start").caused_by(error)
        })?;
        let (dynamodb, dynamodb_task) = open(dynamodb_port, database).await?;
        Ok(LocalCloud {
            account,
            imds,
            sts,
            dynamodb,
            oidc_issuer,
            container,
            _tasks: [
                imds_task,
                sts_task,
                dynamodb_task,
                oidc_task,
                container_task,
            ],
        })
    }
}

async fn open<S: Respond>(port: u16, service: S) -> Result<(Arc<Server<S>>, ServerTask)> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let cannot = |error: std::io::Error| {
        Error::new(ErrorKind::Unreachable, START, "cannot listen")
            .at(address.to_string())
            .caused_by(error)
    };
    let listener = TcpListener::bind(address).await.map_err(cannot)?;
    let bound = listener.local_addr().map_err(cannot)?;
    let server = Arc::new(Server::new(bound, service));
    let task = serve(&server, listener);
    Ok((server, task))
}

fn check_region(region: &str) -> Result<()> {
    let parts: Vec<&str> = region.split('-').collect();
    let letters = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    let known_form = matches!(&parts[..], [area @ .., number]
        if area.len() >= 2
            && area.iter().all(letters)
            && !number.is_empty()
            && number.bytes().all(|digit| digit.is_ascii_digit()));
    if known_form {
        return Ok(());
    }
    Err(Error::usage(
        "region",
        format!("expected a region such as us-east-1, got {region:?}"),
    )
    .during(START))
}
