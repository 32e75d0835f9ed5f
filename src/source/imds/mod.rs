//! Option A's source: the role of the EC2 instance, from its metadata service by IMDSv2.

mod document;
mod failure;
mod http;
mod settings;

pub(crate) use document::{Reading, credential_document, first_role, is_role_name, role_list};
pub use settings::{
    DEFAULT_ANSWER_TIMEOUT, DEFAULT_CONNECT_TIMEOUT, DEFAULT_ENDPOINT, DEFAULT_ENDPOINT_IPV6,
    DEFAULT_MAX_ATTEMPTS, DEFAULT_TOKEN_TTL,
};

use self::http::{Connection, Reply, request};
use self::settings::{Settings, Wishes};
use crate::error::{Error, Result};
use crate::source::env::Env;
use crate::source::{CredentialSource, INSTANCE_PROFILE};
use aws_credential_types::Credentials;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use hyper::header::{HeaderName, HeaderValue};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

const TOKEN_PATH: &str = "/latest/api/token";
/// Roles and documents with the account id; services older than 2025 do not have it.
const EXTENDED_PATH: &str = "/latest/meta-data/iam/security-credentials-extended/";
const PLAIN_PATH: &str = "/latest/meta-data/iam/security-credentials/";
const TOKEN_TTL_HEADER: HeaderName =
    HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");
const TOKEN_HEADER: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token");

/// A token is left alone this long before it ends, so that none ends on the way.
const TOKEN_MARGIN: Duration = Duration::from_secs(120);
/// A role that has no document is looked up again this often: a replaced role shows in the list at
/// once, a fourth look would only find the same.
const MAX_RELISTINGS: u32 = 3;
/// The pause after the first failure of a fetch, doubled after each further one, and drawn between its
/// half and its whole so that hosts that fail together do not come back together.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Credentials of the role that is attached to this EC2 instance: one call is one fetch over IMDSv2.
///
/// IMDSv1 is never used, and no proxy, whatever `HTTP_PROXY` says. One connection serves the session
/// token, the list of roles and the document of a fetch. Between fetches the source remembers the
/// session token, the role's name and which of the service's two paths it has, never credentials: for
/// those put it into a [`CredentialCache`](crate::CredentialCache), or use
/// [`InstanceProfile`](crate::InstanceProfile).
///
/// # Example
///
/// ```no_run
/// use aws_credential_strategies::CredentialSource;
/// use aws_credential_strategies::source::ImdsSource;
///
/// # async fn example() -> aws_credential_strategies::Result<()> {
/// let source = ImdsSource::builder().profile("EC2DynamoDBRole").build()?;
/// let credentials = source.fetch().await?;
/// println!("{}", credentials.access_key_id());
/// # Ok(())
/// # }
/// ```
pub struct ImdsSource {
    settings: Settings,
    memory: Mutex<Memory>,
}

/// What makes the next fetch cheaper.
#[derive(Default)]
struct Memory {
    token: Option<Token>,
    role: Option<String>,
    tree: Tree,
}

/// Which of the two paths the service has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Tree {
    /// With account id; also what is assumed before the first answer.
    #[default]
    Extended,
    Plain,
}

impl Tree {
    fn path(self) -> &'static str {
        match self {
            Tree::Extended => EXTENDED_PATH,
            Tree::Plain => PLAIN_PATH,
        }
    }
}

#[derive(Clone)]
struct Token {
    /// Marked sensitive, so that no log shows it.
    value: HeaderValue,
    reuse_until: Instant,
}

/// What the metadata service says about its session tokens; for diagnosis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenCheck {
    /// How long the token that it gave lives.
    pub ttl: Option<Duration>,
    /// The service's clock, from its `Date` header, to the second.
    pub date: Option<SystemTime>,
}

impl ImdsSource {
    /// Starts from the environment and the constants of this module.
    #[must_use]
    pub fn builder() -> ImdsSourceBuilder {
        ImdsSourceBuilder {
            wishes: Wishes::default(),
            env: Env::process(),
        }
    }

    /// Where the service is asked, as a URI.
    #[must_use]
    pub fn endpoint(&self) -> String {
        self.settings.endpoint.to_string()
    }

    /// Opens a connection to the service and closes it: whether there is anybody at all.
    ///
    /// # Errors
    ///
    /// [`Unreachable`](crate::ErrorKind::Unreachable) when nobody answers,
    /// [`Disabled`](crate::ErrorKind::Disabled) when the environment switches the service off.
    pub async fn check_connection(&self) -> Result<()> {
        let mut exchange = Exchange::begin(self)?;
        loop {
            match exchange.connect().await {
                Ok(_) => return Ok(()),
                Err(failure) => {
                    let error = failure::no_answer(failure, TOKEN_PATH);
                    exchange.spend(error, "").await?;
                }
            }
        }
    }

    /// Asks for a new session token: whether IMDSv2 works from here, hop limit included.
    ///
    /// # Errors
    ///
    /// [`Timeout`](crate::ErrorKind::Timeout) when the connection stands and the answer is lost, which
    /// in a container is the hop limit; otherwise as [`fetch`](CredentialSource::fetch).
    pub async fn check_token(&self) -> Result<TokenCheck> {
        let mut exchange = Exchange::begin(self)?;
        let reply = exchange.ask_token().await?;
        Ok(TokenCheck {
            ttl: token_ttl(&reply),
            date: reply
                .date()
                .and_then(|text| DateTime::from_str(text, Format::HttpDate).ok())
                .and_then(|when| SystemTime::try_from(when).ok()),
        })
    }

    /// The roles that the service lists, usually one; a configured profile name plays no part.
    ///
    /// # Errors
    ///
    /// [`NoRole`](crate::ErrorKind::NoRole) when there is none; otherwise as
    /// [`fetch`](CredentialSource::fetch).
    pub async fn attached_roles(&self) -> Result<Vec<String>> {
        let mut exchange = Exchange::begin(self)?;
        let (_, reply, path) = exchange.list().await?;
        let roles = role_list(&reply.body).map_err(|error| exchange.finish(error, path))?;
        if roles.is_empty() {
            return Err(exchange.finish(failure::no_role(), path));
        }
        Ok(roles)
    }

    async fn fetch_once(&self) -> Result<Credentials> {
        let mut exchange = Exchange::begin(self)?;
        match &self.settings.profile {
            Some(profile) => exchange.configured(profile).await,
            None => exchange.discovered().await,
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        // Each change is a single assignment, so a panic elsewhere leaves nothing half done.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CredentialSource for ImdsSource {
    fn name(&self) -> &'static str {
        INSTANCE_PROFILE
    }

    async fn fetch(&self) -> Result<Credentials> {
        self.fetch_once().await
    }
}

impl fmt::Debug for ImdsSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let role = self.memory().role.clone();
        f.debug_struct("ImdsSource")
            .field("endpoint", &self.endpoint())
            .field("profile", &self.settings.profile)
            .field("role", &role)
            .finish_non_exhaustive()
    }
}

/// One fetch: a connection that is opened when needed, and a budget of failures.
struct Exchange<'a> {
    source: &'a ImdsSource,
    started: Instant,
    connection: Option<Connection>,
    failures: u32,
    /// A 401 has cost a token already.
    token_replaced: bool,
}

impl<'a> Exchange<'a> {
    fn begin(source: &'a ImdsSource) -> Result<Self> {
        if source.settings.disabled {
            return Err(failure::disabled());
        }
        Ok(Exchange {
            source,
            started: Instant::now(),
            connection: None,
            failures: 0,
            token_replaced: false,
        })
    }

    /// The document of the role with the configured name, on whichever path has it.
    async fn configured(&mut self, profile: &str) -> Result<Credentials> {
        let mut tree = self.source.memory().tree;
        loop {
            let path = format!("{}{profile}", tree.path());
            match self.document(&path, profile).await? {
                Some(credentials) => {
                    self.source.memory().tree = tree;
                    return Ok(credentials);
                }
                None if tree == Tree::Extended => tree = Tree::Plain,
                None => {
                    return Err(self.finish(failure::no_such_profile(profile), &path));
                }
            }
        }
    }

    /// The document of the role that the service lists.
    async fn discovered(&mut self) -> Result<Credentials> {
        let mut relistings = 0;
        loop {
            let (remembered, tree) = {
                let memory = self.source.memory();
                (memory.role.clone(), memory.tree)
            };
            let (role, tree) = match remembered {
                Some(role) => (role, tree),
                None => self.listed_role().await?,
            };
            let path = format!("{}{role}", tree.path());
            if let Some(credentials) = self.document(&path, &role).await? {
                return Ok(credentials);
            }
            self.source.memory().role = None;
            if relistings == MAX_RELISTINGS {
                return Err(self.finish(failure::no_document(&role), &path));
            }
            relistings += 1;
        }
    }

    async fn listed_role(&mut self) -> Result<(String, Tree)> {
        let (tree, reply, path) = self.list().await?;
        let role = first_role(&reply.body)
            .and_then(|role| role.ok_or_else(failure::no_role))
            .map_err(|error| self.finish(error, path))?;
        let mut memory = self.source.memory();
        memory.role = Some(role.clone());
        memory.tree = tree;
        Ok((role, tree))
    }

    /// The list of roles, from the extended path or, where that is not there, the plain one.
    async fn list(&mut self) -> Result<(Tree, Reply, &'static str)> {
        let mut tree = self.source.memory().tree;
        loop {
            let path = tree.path();
            let reply = self.get(path).await?;
            match reply.status {
                200 => return Ok((tree, reply, path)),
                404 if tree == Tree::Extended => tree = Tree::Plain,
                404 => {
                    return Err(self.finish(failure::no_role().with_status(404), path));
                }
                status => return Err(self.finish(failure::status(status), path)),
            }
        }
    }

    /// Reads a document; `None` when it is not there.
    async fn document(&mut self, path: &str, role: &str) -> Result<Option<Credentials>> {
        loop {
            let reply = self.get(path).await?;
            match reply.status {
                200 => match credential_document(&reply.body, role) {
                    Reading::Credentials(credentials) => return Ok(Some(credentials)),
                    Reading::Garbled(error) => self.spend(error.with_status(200), path).await?,
                    Reading::Refusal(error) => return Err(self.finish(error, path)),
                },
                404 => return Ok(None),
                status => return Err(self.finish(failure::status(status), path)),
            }
        }
    }

    /// A GET with a session token; a token that the service does not take is replaced once.
    async fn get(&mut self, path: &str) -> Result<Reply> {
        loop {
            let token = self.token().await?;
            let reply = self
                .call("GET", path, (TOKEN_HEADER, token.clone()))
                .await?;
            if reply.status != 401 {
                return Ok(reply);
            }
            self.source.memory().token = None;
            if self.token_replaced {
                return Err(self.finish(failure::token_not_taken(), path));
            }
            self.token_replaced = true;
        }
    }

    async fn token(&mut self) -> Result<HeaderValue> {
        let remembered = self.source.memory().token.clone();
        if let Some(token) = remembered
            && Instant::now() < token.reuse_until
        {
            return Ok(token.value);
        }
        let reply = self.ask_token().await?;
        let mut value = std::str::from_utf8(&reply.body)
            .ok()
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .and_then(|text| HeaderValue::from_str(text).ok())
            .ok_or_else(|| self.finish(failure::no_token(), TOKEN_PATH))?;
        value.set_sensitive(true);
        // Without the header it lives as long as was asked; if not, a 401 says so.
        let asked = self.source.settings.token_ttl;
        let ttl = token_ttl(&reply).map_or(asked, |ttl| ttl.min(asked));
        self.source.memory().token = Some(Token {
            value: value.clone(),
            reuse_until: Instant::now() + ttl.saturating_sub(TOKEN_MARGIN),
        });
        Ok(value)
    }

    async fn ask_token(&mut self) -> Result<Reply> {
        let ttl = HeaderValue::from(self.source.settings.token_ttl.as_secs());
        let reply = self
            .call("PUT", TOKEN_PATH, (TOKEN_TTL_HEADER, ttl))
            .await?;
        match reply.status {
            200 => Ok(reply),
            status => Err(self.finish(failure::token_status(status), TOKEN_PATH)),
        }
    }

    /// One request, repeated within the budget when the service or the way there fails.
    async fn call(
        &mut self,
        method: &'static str,
        path: &str,
        header: (HeaderName, HeaderValue),
    ) -> Result<Reply> {
        loop {
            let error = match self.attempt(method, path, header.clone()).await {
                Ok(reply) if failure::is_transient(reply.status) => failure::status(reply.status),
                Ok(reply) => return Ok(reply),
                Err(failure) => {
                    self.connection = None;
                    let lasting = matches!(
                        failure,
                        http::Failure::TooLarge(_) | http::Failure::Unsendable
                    );
                    let error = failure::no_answer(failure, path);
                    if lasting {
                        return Err(self.finish(error, path));
                    }
                    error
                }
            };
            self.spend(error, path).await?;
        }
    }

    async fn attempt(
        &mut self,
        method: &'static str,
        path: &str,
        header: (HeaderName, HeaderValue),
    ) -> Result<Reply, http::Failure> {
        let settings = &self.source.settings;
        let request = request(&settings.endpoint, method, path, header)?;
        let connection = self.connect().await?;
        connection.send(request, settings.answer_timeout).await
    }

    /// The connection of this fetch, or a new one where that cannot be used any more.
    async fn connect(&mut self) -> Result<&mut Connection, http::Failure> {
        let settings = &self.source.settings;
        let mut kept = self.connection.take();
        if let Some(connection) = &mut kept
            && !connection.is_usable(settings.answer_timeout).await
        {
            kept = None;
        }
        let connection = match kept {
            Some(connection) => connection,
            None => Connection::open(&settings.endpoint, settings.connect_timeout).await?,
        };
        Ok(self.connection.insert(connection))
    }

    /// Counts a failure: pauses while attempts are left, else returns the error.
    async fn spend(&mut self, error: Error, path: &str) -> Result<()> {
        self.failures += 1;
        if self.failures >= self.source.settings.max_attempts {
            return Err(self.finish(error, path));
        }
        let pause = FIRST_PAUSE * 2u32.saturating_pow(self.failures - 1);
        tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
        Ok(())
    }

    /// Adds what every error of a fetch says.
    fn finish(&self, error: Error, path: &str) -> Error {
        let error = error
            .at(format!("{}{path}", self.source.settings.endpoint))
            .after(self.started.elapsed());
        if self.failures > 1 {
            error.after_attempts(self.failures)
        } else {
            error
        }
    }
}

fn token_ttl(reply: &Reply) -> Option<Duration> {
    let text = reply.headers.get(TOKEN_TTL_HEADER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

/// Builds an [`ImdsSource`]; what is not set comes from the environment, else from a named constant.
#[derive(Clone, Debug)]
#[must_use = "nothing is fetched before `build` and `fetch`"]
pub struct ImdsSourceBuilder {
    wishes: Wishes,
    env: Env,
}

impl ImdsSourceBuilder {
    /// The role whose credentials are asked for, so that the list of roles is not; default: the one
    /// that the service lists.
    pub fn profile(mut self, role: impl Into<String>) -> Self {
        self.wishes.profile = Some(role.into());
        self
    }

    /// Where the service is, as an `http` URI; default: `AWS_EC2_METADATA_SERVICE_ENDPOINT`, else by
    /// `AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE` [`DEFAULT_ENDPOINT`] or [`DEFAULT_ENDPOINT_IPV6`].
    pub fn endpoint(mut self, uri: impl Into<String>) -> Self {
        self.wishes.endpoint = Some(uri.into());
        self
    }

    /// How long connecting may take, up to 30 seconds; default: `AWS_METADATA_SERVICE_TIMEOUT` in
    /// seconds, else [`DEFAULT_CONNECT_TIMEOUT`].
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.wishes.connect_timeout = Some(limit);
        self
    }

    /// How long one answer may take from the request to the end of its body, up to 30 seconds;
    /// default: `AWS_METADATA_SERVICE_TIMEOUT` in seconds, else [`DEFAULT_ANSWER_TIMEOUT`].
    pub fn answer_timeout(mut self, limit: Duration) -> Self {
        self.wishes.answer_timeout = Some(limit);
        self
    }

    /// How many attempts one fetch has in all, 1 to 10; default:
    /// `AWS_METADATA_SERVICE_NUM_ATTEMPTS`, else [`DEFAULT_MAX_ATTEMPTS`].
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.wishes.max_attempts = Some(attempts);
        self
    }

    /// How long a session token is asked to live, 1 second to 6 hours in whole seconds; default:
    /// [`DEFAULT_TOKEN_TTL`].
    pub fn token_ttl(mut self, ttl: Duration) -> Self {
        self.wishes.token_ttl = Some(ttl);
        self
    }

    /// The source, without any I/O.
    ///
    /// # Errors
    ///
    /// [`Usage`](crate::ErrorKind::Usage) for a setting or environment variable that is not as
    /// expected; [`Error::field`] names it.
    pub fn build(self) -> Result<ImdsSource> {
        let ImdsSourceBuilder { wishes, env } = self;
        Ok(ImdsSource {
            settings: Settings::resolve(wishes, &env)?,
            memory: Mutex::default(),
        })
    }
}
