//! One fetch, step by step.

use super::document::{Reading, credential_document, first_role, malformed};
use super::failure;
use super::http::{self, Connection, Reply, TOKEN_PATH, request};
use super::platform::{Platform, Question, questions};
use super::remembered::{Remembered, Token, Tree};
use super::settings::{DEFAULT_ANSWER_TIMEOUT, DEFAULT_CONNECT_TIMEOUT, Settings};
use crate::arn::Partition;
use crate::error::text::{Quoted, Secrets};
use crate::error::{Error, Result};
use crate::jitter;
use crate::source::progress::{report_failure, report_step};
use aws_credential_types::Credentials;
use hyper::header::{HeaderName, HeaderValue};
use std::time::Duration;
use tokio::time::Instant;

const TOKEN_TTL_HEADER: HeaderName =
    HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");
const TOKEN_HEADER: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token");

/// The name of the partition, `aws-cn` in China.
const PARTITION_PATH: &str = "/latest/meta-data/services/partition";

/// What the web server of the metadata service calls itself.
const OF_EC2: &str = "EC2ws";
/// What those of Windows begin with, Azure's among them.
const OF_WINDOWS: &str = "Microsoft-";

/// A token is left alone this long before it ends, so that none ends on the way.
const TOKEN_MARGIN: Duration = Duration::from_secs(120);
/// A token that does not live for long is used for all but this part of its life.
const TOKEN_MARGIN_PART: u32 = 4;
/// So many attempts of one fetch may fail, whatever they asked for.
const FAILURES_LIMIT: u32 = 8;
/// How long a fetch may take with all its attempts and pauses: under the time that callers wait, so that
/// the error is the one that names the metadata service.
const FETCH_LIMIT: Duration = Duration::from_secs(9);
/// A role that has no document is looked up again this often: a replaced role shows in the list at
/// once, a fourth look would only find the same.
const MAX_RELISTINGS: u32 = 3;
/// The pause after the first failure of a fetch, doubled after each further one, and drawn between its
/// half and its whole so that hosts that fail together do not come back together.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// One fetch: a connection that is opened when needed, and a budget of failures.
pub(super) struct Exchange<'a> {
    settings: &'a Settings,
    remembered: &'a Remembered,
    started: Instant,
    connection: Option<Connection>,
    /// Of all requests.
    failures: u32,
    /// Of the request under way, for its error.
    attempts: u32,
    deadline: Instant,
    /// A 401 has cost a token already.
    token_replaced: bool,
}

impl<'a> Exchange<'a> {
    pub(super) fn begin(settings: &'a Settings, remembered: &'a Remembered) -> Result<Self> {
        if settings.disabled {
            return Err(failure::disabled());
        }
        Ok(Exchange {
            settings,
            remembered,
            started: Instant::now(),
            connection: None,
            failures: 0,
            attempts: 0,
            deadline: Instant::now() + limit(settings),
            token_replaced: false,
        })
    }

    /// The document of the role with the configured name, on whichever path has it.
    pub(super) async fn configured(&mut self, profile: &str) -> Result<Credentials> {
        match self.document_on_either(profile).await? {
            Some(credentials) => Ok(credentials),
            None => {
                let path = format!("{}{profile}", Tree::Plain.path());
                Err(self.finish(failure::no_such_profile(profile), &path))
            }
        }
    }

    /// The document of the role that the service lists.
    pub(super) async fn discovered(&mut self) -> Result<Credentials> {
        let mut relistings = 0;
        loop {
            let role = match self.remembered.listed_role() {
                Some(role) => role,
                None => self.list_role().await?,
            };
            if let Some(credentials) = self.document_on_either(&role).await? {
                return Ok(credentials);
            }
            self.remembered.list_role(None);
            if relistings == MAX_RELISTINGS {
                let path = format!("{}{role}", Tree::Plain.path());
                return Err(self.finish(failure::no_document(&role), &path));
            }
            relistings += 1;
        }
    }

    /// A role's document from the extended path or, where that has none, from the plain one.
    async fn document_on_either(&mut self, role: &str) -> Result<Option<Credentials>> {
        let mut tree = self.remembered.memory().tree;
        loop {
            let path = format!("{}{role}", tree.path());
            match self.document(&path, role).await {
                Ok(Some(credentials)) => {
                    self.remember(tree);
                    return Ok(Some(credentials));
                }
                Ok(None) if tree == Tree::Extended => tree = Tree::Plain,
                Ok(None) => return Ok(None),
                Err(error) if self.may_try_plain(tree, &error) => {
                    // Not remembered: it may be the whole service that fails.
                    let path = format!("{}{role}", Tree::Plain.path());
                    return match self.document(&path, role).await {
                        Ok(Some(credentials)) => Ok(Some(credentials)),
                        _ => Err(error),
                    };
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn remember(&self, tree: Tree) {
        let mut memory = self.remembered.memory();
        memory.tree = tree;
        memory.extended_answered |= tree == Tree::Extended;
    }

    /// An emulator may fail on the path that it does not know: where that has never answered, failing is
    /// no proof that the plain one fails too.
    fn may_try_plain(&self, tree: Tree, error: &Error) -> bool {
        tree == Tree::Extended
            && error
                .http_status()
                .is_some_and(|status| (500..600).contains(&status))
            // else it was the session token that was not to be had
            && self.remembered.memory().token.is_some()
            && !self.remembered.memory().extended_answered
    }

    async fn list_role(&mut self) -> Result<String> {
        let (reply, path) = self.list().await?;
        let role = first_role(&reply.body)
            .and_then(|role| role.ok_or_else(failure::no_role))
            .map_err(|error| self.finish(error, path))?;
        self.remembered.list_role(Some(role.clone()));
        Ok(role)
    }

    /// The list of roles, from the extended path or, where that is not there, the plain one.
    pub(super) async fn list(&mut self) -> Result<(Reply, &'static str)> {
        let mut tree = self.remembered.memory().tree;
        loop {
            match self.list_on(tree).await {
                Ok(Some(reply)) => {
                    self.remember(tree);
                    return Ok((reply, tree.path()));
                }
                Ok(None) if tree == Tree::Extended => tree = Tree::Plain,
                Ok(None) => {
                    return Err(self.finish(failure::no_role().with_status(404), tree.path()));
                }
                Err(error) if self.may_try_plain(tree, &error) => {
                    return match self.list_on(Tree::Plain).await {
                        Ok(Some(reply)) => Ok((reply, Tree::Plain.path())),
                        _ => Err(error),
                    };
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// One of the two lists; `None` where the service has none there.
    async fn list_on(&mut self, tree: Tree) -> Result<Option<Reply>> {
        let path = tree.path();
        let reply = self.get(path).await?;
        match reply.status {
            // a role's name is shown
            200 if self
                .secrets()
                .stand_in(&String::from_utf8_lossy(&reply.body)) =>
            {
                let error = malformed("the role list repeats the session token");
                Err(self.finish(error, path))
            }
            200 => Ok(Some(reply)),
            404 => Ok(None),
            status => Err(self.finish(failure::status(status), path)),
        }
    }

    /// Reads a document; `None` when it is not there.
    async fn document(&mut self, path: &str, role: &str) -> Result<Option<Credentials>> {
        let mut garbled = 0;
        loop {
            let reply = self.get(path).await?;
            match reply.status {
                200 => match credential_document(&reply.body, role, &self.secrets()) {
                    Reading::Credentials(credentials) => return Ok(Some(credentials)),
                    Reading::Garbled(error) => {
                        garbled += 1;
                        self.spend(error.with_status(200), path, garbled, None)
                            .await?;
                    }
                    Reading::Refusal(error) => return Err(self.finish(error, path)),
                    Reading::Unauthorized => {
                        let ec2 = self.partition().await.service_principal("ec2");
                        let error = failure::does_not_admit(role, &ec2);
                        return Err(self.finish(error, path));
                    }
                },
                404 => return Ok(None),
                status => return Err(self.finish(failure::status(status), path)),
            }
        }
    }

    /// The partition of this instance; the commercial one where the service does not say.
    async fn partition(&mut self) -> Partition {
        let reply = self.get(PARTITION_PATH).await;
        let reply = reply.ok().filter(|reply| reply.status == 200);
        let named = reply.and_then(|reply| {
            let name = std::str::from_utf8(&reply.body).ok()?.trim();
            Partition::named(name)
        });
        named.unwrap_or_else(|| Partition::of_region(""))
    }

    /// A GET with a session token; a token that the service does not take is replaced once.
    async fn get(&mut self, path: &str) -> Result<Reply> {
        loop {
            let token = self.token().await?;
            let reply = self
                .call("GET", path, (TOKEN_HEADER, token.clone()))
                .await?;
            if let Some(platform) = Platform::of_headers(&reply) {
                let whose = format!("{}'s", platform.as_str());
                let error = failure::somebody_else(&whose).with_status(reply.status);
                return Err(self.finish(error, path));
            }
            if reply.status != 401 {
                return Ok(reply);
            }
            self.remembered.memory().token = None;
            if self.token_replaced {
                return Err(self.finish(failure::token_not_taken(), path));
            }
            self.token_replaced = true;
        }
    }

    /// What the service may repeat and no text may show.
    fn secrets(&self) -> Secrets {
        let token = self.remembered.memory().token.clone();
        let token = token.as_ref().and_then(|token| token.value.to_str().ok());
        token.map_or_else(Secrets::unknown, |token| Secrets::unknown().and(token))
    }

    async fn token(&mut self) -> Result<HeaderValue> {
        let remembered = self.remembered.memory().token.clone();
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
        let asked = self.settings.token_ttl;
        let ttl = token_ttl(&reply).map_or(asked, |ttl| ttl.min(asked));
        self.remembered.memory().token = Some(Token {
            value: value.clone(),
            reuse_until: Instant::now()
                + ttl.saturating_sub(TOKEN_MARGIN.min(ttl / TOKEN_MARGIN_PART)),
        });
        Ok(value)
    }

    pub(super) async fn ask_token(&mut self) -> Result<Reply> {
        let ttl = HeaderValue::from(self.settings.token_ttl.as_secs());
        let reply = self
            .call("PUT", TOKEN_PATH, (TOKEN_TTL_HEADER, ttl))
            .await?;
        let platform = Platform::of_headers(&reply);
        if platform.is_none() && !Self::is_foreign(&reply) {
            return match reply.status {
                200 => Ok(reply),
                status => Err(self.finish(failure::token_status(status), TOKEN_PATH)),
            };
        }
        let platform = match platform {
            Some(platform) => Some(platform),
            None if reply
                .server()
                .is_some_and(|name| name.starts_with(OF_WINDOWS)) =>
            {
                self.asked_in_its_words(Platform::Azure).await
            }
            None => self.asked_in_its_words(Platform::OpenStack).await,
        };
        let whose = match (platform, reply.server()) {
            (Some(platform), _) => format!("{}'s", platform.as_str()),
            (None, Some(server)) => {
                let server = Quoted::new(server, &self.secrets());
                format!("a web server's ({server})")
            }
            (None, None) => String::new(),
        };
        let error = failure::somebody_else(&whose).with_status(reply.status);
        Err(self.finish(error, TOKEN_PATH))
    }

    /// Whether EC2's service would not answer like this to the request for a session token.
    fn is_foreign(reply: &Reply) -> bool {
        match reply.status {
            200 => reply.is_page() || reply.is_json(),
            400 | 403 => reply.server().is_some_and(|name| name != OF_EC2),
            status => !failure::is_transient(status),
        }
    }

    /// Whether one says so itself, asked in its own words.
    async fn asked_in_its_words(&mut self, platform: Platform) -> Option<Platform> {
        let asked = |question: &Question| question.platform == platform;
        let question = questions().into_iter().find(asked)?;
        let reply = self.call("GET", question.path, question.header).await;
        (question.is_answer)(&reply.ok()?).then_some(platform)
    }

    /// Whose service this is; `None` where no answer says.
    pub(super) async fn platform(&mut self) -> Option<Platform> {
        for question in questions() {
            let Question {
                path,
                header,
                platform,
                is_answer,
            } = question;
            let Ok(reply) = self.call("GET", path, header).await else {
                continue;
            };
            if let Some(platform) = Platform::of_headers(&reply) {
                return Some(platform);
            }
            if is_answer(&reply) {
                return Some(platform);
            }
        }
        None
    }

    /// One request, repeated within the budget when the service or the way there fails.
    pub(super) async fn call(
        &mut self,
        method: &'static str,
        path: &str,
        header: (HeaderName, HeaderValue),
    ) -> Result<Reply> {
        let mut failed = 0;
        loop {
            let mut asked = None;
            let error = match self.attempt(method, path, header.clone()).await {
                Ok(reply) if failure::is_transient(reply.status) => {
                    asked = reply.retry_after();
                    failure::status(reply.status)
                }
                Ok(reply) => match reply.packing() {
                    None => return Ok(reply),
                    Some(packing) => {
                        let error = failure::packed(&Quoted::new(packing, &self.secrets()));
                        return Err(self.finish(error.with_status(reply.status), path));
                    }
                },
                Err(failure) => {
                    self.connection = None;
                    let lasting = matches!(
                        failure,
                        http::Failure::TooLarge(_) | http::Failure::Unsendable
                    );
                    let error = failure::no_answer(failure, path, self.settings.host);
                    if lasting {
                        return Err(self.finish(error, path));
                    }
                    error
                }
            };
            failed += 1;
            self.spend(error, path, failed, asked).await?;
        }
    }

    async fn attempt(
        &mut self,
        method: &'static str,
        path: &str,
        header: (HeaderName, HeaderValue),
    ) -> Result<Reply, http::Failure> {
        let settings = self.settings;
        let request = request(&settings.endpoint, method, path, header)?;
        let deadline = self.deadline;
        report_step("connecting");
        let connection = self.connect().await?;
        report_step(match (method, path) {
            ("PUT", _) => "waiting for a session token",
            (_, path) if path.ends_with('/') => "waiting for the list of roles",
            _ => "waiting for the credentials",
        });
        let left = deadline.saturating_duration_since(Instant::now());
        connection
            .send(request, settings.answer_timeout.min(left))
            .await
    }

    /// The connection of this fetch, or a new one where that cannot be used any more.
    pub(super) async fn connect(&mut self) -> Result<&mut Connection, http::Failure> {
        let settings = self.settings;
        let mut kept = self.connection.take();
        if let Some(connection) = &mut kept
            && !connection.is_usable(settings.answer_timeout).await
        {
            kept = None;
        }
        let connection = match kept {
            Some(connection) => connection,
            None => {
                let left = self.deadline.saturating_duration_since(Instant::now());
                Connection::open(&settings.endpoint, settings.connect_timeout.min(left)).await?
            }
        };
        Ok(self.connection.insert(connection))
    }

    /// Counts a failure: pauses while attempts and time are left, at least as long as the service asked,
    /// else returns the error. `failed` are the attempts for this request.
    pub(super) async fn spend(
        &mut self,
        error: Error,
        path: &str,
        failed: u32,
        asked: Option<Duration>,
    ) -> Result<()> {
        self.failures += 1;
        self.attempts = failed;
        report_failure(&error);
        let error = match asked {
            Some(asked) => error.with_retry_after(asked),
            None => error,
        };
        let pause = FIRST_PAUSE * 2u32.saturating_pow(failed.saturating_sub(1));
        let pause = pause.mul_f64(0.5 + jitter::unit() / 2.0);
        let pause = asked.map_or(pause, |asked| asked.max(pause));
        let left = self.deadline.saturating_duration_since(Instant::now());
        let over = failed >= self.settings.max_attempts
            || self.failures >= FAILURES_LIMIT
            || pause >= left;
        if over {
            return Err(self.finish(error, path));
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }

    /// Adds what every error of a fetch says.
    pub(super) fn finish(&self, error: Error, path: &str) -> Error {
        let error = error
            .at(format!("{}{path}", self.settings.endpoint))
            .after(self.started.elapsed());
        if self.attempts > 1 {
            error.after_attempts(self.attempts)
        } else {
            error
        }
    }
}

/// The time of a fetch: that of the constant, or what longer time limits that were set need.
fn limit(settings: &Settings) -> Duration {
    let attempt = settings.connect_timeout + settings.answer_timeout;
    let usual = DEFAULT_CONNECT_TIMEOUT + DEFAULT_ANSWER_TIMEOUT;
    if attempt <= usual {
        FETCH_LIMIT
    } else {
        FETCH_LIMIT.max(attempt * settings.max_attempts)
    }
}

/// How long the service says that a token lives.
pub(super) fn token_ttl(reply: &Reply) -> Option<Duration> {
    let text = reply.headers.get(TOKEN_TTL_HEADER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}
