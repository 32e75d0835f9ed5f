//! ElastiCache and MemoryDB by fred: a token for each connection, and another before the service ends it.

use async_trait::async_trait;
use aws_credential_strategies::CredentialStrategy;
use aws_credential_strategies::token::ElastiCacheToken;
use fred::error::{Error, ErrorKind};
use fred::types::config::{CredentialProvider, Server};
use std::time::Duration;

/// For `Config { credential_provider: Some(Arc::new(WithToken::new(tokens, "app"))), .. }`.
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

#[async_trait]
impl<S: CredentialStrategy> CredentialProvider for WithToken<S> {
    async fn fetch(&self, _: Option<&Server>) -> Result<(Option<String>, Option<String>), Error> {
        let token = self.tokens.token().await;
        let token = token.map_err(|error| Error::new(ErrorKind::Auth, error.to_string()))?;
        Ok((Some(self.user.clone()), Some(token.into_string())))
    }

    fn refresh_interval(&self) -> Option<Duration> {
        Some(super::redis::AUTHENTICATE_AGAIN)
    }
}
