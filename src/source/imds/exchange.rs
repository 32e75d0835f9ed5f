//! One fetch, step by step.

use super::document::{Reading, credential_document, first_role};
use super::http::{self, Connection, Reply, request};
use super::{ImdsSource, TOKEN_PATH, Token, Tree, failure};
use crate::error::{Error, Result};
use crate::jitter;
use aws_credential_types::Credentials;
use hyper::header::{HeaderName, HeaderValue};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

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

/// One fetch: a connection that is opened when needed, and a budget of failures.
pub(super) struct Exchange<'a> {
    source: &'a ImdsSource,
    started: Instant,
    connection: Option<Connection>,
    failures: u32,
    /// A 401 has cost a token already.
    token_replaced: bool,
}

impl<'a> Exchange<'a> {
    pub(super) fn begin(source: &'a ImdsSource) -> Result<Self> {
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
    pub(super) async fn configured(&mut self, profile: &str) -> Result<Credentials> {
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
    pub(super) async fn discovered(&mut self) -> Result<Credentials> {
        let mut relistings = 0;
        loop {
            let (role, tree) = match self.source.listed_role() {
                Some(role) => (role, self.source.memory().tree),
                None => self.list_role().await?,
            };
            let path = format!("{}{role}", tree.path());
            if let Some(credentials) = self.document(&path, &role).await? {
                return Ok(credentials);
            }
            self.source.role.store(None);
            if relistings == MAX_RELISTINGS {
                return Err(self.finish(failure::no_document(&role), &path));
            }
            relistings += 1;
        }
    }

    async fn list_role(&mut self) -> Result<(String, Tree)> {
        let (tree, reply, path) = self.list().await?;
        let role = first_role(&reply.body)
            .and_then(|role| role.ok_or_else(failure::no_role))
            .map_err(|error| self.finish(error, path))?;
        self.source.memory().tree = tree;
        self.source.role.store(Some(Arc::new(role.clone())));
        Ok((role, tree))
    }

    /// The list of roles, from the extended path or, where that is not there, the plain one.
    pub(super) async fn list(&mut self) -> Result<(Tree, Reply, &'static str)> {
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

    pub(super) async fn ask_token(&mut self) -> Result<Reply> {
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
    pub(super) async fn call(
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
    pub(super) async fn connect(&mut self) -> Result<&mut Connection, http::Failure> {
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
    pub(super) async fn spend(&mut self, error: Error, path: &str) -> Result<()> {
        self.failures += 1;
        if self.failures >= self.source.settings.max_attempts {
            return Err(self.finish(error, path));
        }
        let pause = FIRST_PAUSE * 2u32.saturating_pow(self.failures - 1);
        tokio::time::sleep(pause.mul_f64(0.5 + jitter::unit() / 2.0)).await;
        Ok(())
    }

    /// Adds what every error of a fetch says.
    pub(super) fn finish(&self, error: Error, path: &str) -> Error {
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

/// How long the service says that a token lives.
pub(super) fn token_ttl(reply: &Reply) -> Option<Duration> {
    let text = reply.headers.get(TOKEN_TTL_HEADER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}
