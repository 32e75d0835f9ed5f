//! ElastiCache and MemoryDB by redis: a token for each connection, and another before the service ends it.

use aws_credential_strategies::CredentialStrategy;
use aws_credential_strategies::token::ElastiCacheToken;
use futures_util::{Stream, stream};
use redis::{BasicAuth, RedisError, RedisResult, StreamingCredentialsProvider};
use std::io;
use std::pin::Pin;
use std::time::Duration;

/// The services end a connection 12 hours after it has authenticated.
pub const AUTHENTICATE_AGAIN: Duration = Duration::from_secs(11 * 3600);

/// For `AsyncConnectionConfig::new().set_credentials_provider(WithToken::new(tokens, "app"))`.
#[derive(Debug)]
pub struct WithToken<S> {
    tokens: ElastiCacheToken<S>,
    user: String,
}

impl<S> WithToken<S> {
    /// Tokens of `tokens` for the user that they are for.
    pub fn new(tokens: ElastiCacheToken<S>, user: impl Into<String>) -> Self {
        WithToken {
            tokens,
            user: user.into(),
        }
    }
}

impl<S: CredentialStrategy + Clone> StreamingCredentialsProvider for WithToken<S> {
    /// redis subscribes for the first token of a connection, and once more for those that follow.
    fn subscribe(&self) -> Pin<Box<dyn Stream<Item = RedisResult<BasicAuth>> + Send + 'static>> {
        let (tokens, user) = (self.tokens.clone(), self.user.clone());
        let first = (tokens, user, Duration::ZERO);
        Box::pin(stream::unfold(first, |(tokens, user, pause)| async move {
            tokio::time::sleep(pause).await;
            let auth = match tokens.token().await {
                Ok(token) => Ok(BasicAuth::new(user.clone(), token.into_string())),
                Err(error) => Err(RedisError::from(io::Error::other(error))),
            };
            Some((auth, (tokens, user, AUTHENTICATE_AGAIN)))
        }))
    }
}
