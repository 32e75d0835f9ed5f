//! What an [`ImdsSource`] is told.

use super::ImdsSource;
use super::remembered::Remembered;
use super::settings::{Settings, Wishes};
use crate::error::Result;
use crate::source::env::Env;
use std::time::Duration;

/// Builds an [`ImdsSource`]; what is not set comes from the environment, else from a named constant.
///
/// `W` is what a strategy's builder has beside the source's settings; nothing here.
#[derive(Clone, Debug)]
#[must_use = "nothing is fetched before `build` and a first call"]
pub struct ImdsSourceBuilder<W = ()> {
    wishes: Wishes,
    env: Env,
    pub(crate) with: W,
}

impl ImdsSource {
    /// Starts from the environment and the constants of this module.
    pub fn builder() -> ImdsSourceBuilder {
        ImdsSourceBuilder::new(())
    }
}

impl<W> ImdsSourceBuilder<W> {
    pub(crate) fn new(with: W) -> Self {
        ImdsSourceBuilder {
            wishes: Wishes::default(),
            env: Env::process(),
            with,
        }
    }

    /// The source's settings apart from what a strategy has beside them.
    pub(crate) fn part(self) -> (ImdsSourceBuilder, W) {
        let ImdsSourceBuilder { wishes, env, with } = self;
        let source = ImdsSourceBuilder {
            wishes,
            env,
            with: (),
        };
        (source, with)
    }

    /// The role whose credentials are asked for, so that the list of roles is not; default:
    /// `AWS_EC2_INSTANCE_PROFILE_NAME`, else the one that the service lists.
    pub fn profile(mut self, role: impl Into<String>) -> Self {
        self.wishes.profile = Some(role.into());
        self
    }

    /// Where the service is, as an `http` URI; default: `AWS_EC2_METADATA_SERVICE_ENDPOINT`, else by
    /// `AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE` [`DEFAULT_ENDPOINT`](super::DEFAULT_ENDPOINT) or [`DEFAULT_ENDPOINT_IPV6`](super::DEFAULT_ENDPOINT_IPV6).
    pub fn endpoint(mut self, uri: impl Into<String>) -> Self {
        self.wishes.endpoint = Some(uri.into());
        self
    }

    /// How long connecting may take, up to 30 seconds; default: `AWS_METADATA_SERVICE_TIMEOUT` in
    /// seconds, else [`DEFAULT_CONNECT_TIMEOUT`](super::DEFAULT_CONNECT_TIMEOUT).
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.wishes.connect_timeout = Some(limit);
        self
    }

    /// How long one answer may take from the request to the end of its body, up to 30 seconds;
    /// default: `AWS_METADATA_SERVICE_TIMEOUT` in seconds, else [`DEFAULT_ANSWER_TIMEOUT`](super::DEFAULT_ANSWER_TIMEOUT).
    pub fn answer_timeout(mut self, limit: Duration) -> Self {
        self.wishes.answer_timeout = Some(limit);
        self
    }

    /// How many attempts each request of a fetch has, 1 to 10, and at most 8 of a fetch may fail; default:
    /// `AWS_METADATA_SERVICE_NUM_ATTEMPTS`, else [`DEFAULT_MAX_ATTEMPTS`](super::DEFAULT_MAX_ATTEMPTS).
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.wishes.max_attempts = Some(attempts);
        self
    }

    /// How long a session token is asked to live, 1 second to 6 hours in whole seconds; default:
    /// [`DEFAULT_TOKEN_TTL`](super::DEFAULT_TOKEN_TTL).
    pub fn token_ttl(mut self, ttl: Duration) -> Self {
        self.wishes.token_ttl = Some(ttl);
        self
    }
}

impl ImdsSourceBuilder {
    /// The variables to read in place of the process's own.
    pub(crate) fn environment(mut self, env: Env) -> Self {
        self.env = env;
        self
    }

    /// The source, without any I/O.
    ///
    /// # Errors
    ///
    /// [`Usage`](crate::ErrorKind::Usage) for a setting or environment variable that is not as
    /// expected; [`Error::field`](crate::Error::field) names it.
    pub fn build(self) -> Result<ImdsSource> {
        let ImdsSourceBuilder {
            wishes,
            env,
            with: (),
        } = self;
        Ok(ImdsSource {
            settings: Settings::resolve(wishes, &env)?,
            remembered: Remembered::default(),
        })
    }
}
