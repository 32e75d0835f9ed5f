//! RDS and Aurora by deadpool-postgres and tokio-postgres: each new connection presents a token of its own.

use aws_credential_strategies::token::RdsToken;
use aws_credential_strategies::{CredentialStrategy, Error};
use bytes::Bytes;
use deadpool_postgres::{ConfigConnectImpl, Connect};
use futures_util::stream;
use std::future::Future;
use std::io;
use std::pin::Pin;
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{Client, Config, NoTls, Socket};
use tokio_util::io::StreamReader;

type Connecting<'a> = Pin<
    Box<dyn Future<Output = Result<(Client, JoinHandle<()>), tokio_postgres::Error>> + Send + 'a>,
>;

/// For `Manager::from_connect(config, WithToken::new(tokens, tls), ManagerConfig::default())`. RDS wants TLS:
/// `tls` is a connector of `tokio-postgres-rustls` or `postgres-native-tls`.
#[derive(Debug)]
pub struct WithToken<S, T> {
    tokens: RdsToken<S>,
    tls: T,
}

impl<S, T> WithToken<S, T> {
    /// A token of `tokens` for each connection.
    pub fn new(tokens: RdsToken<S>, tls: T) -> Self {
        WithToken { tokens, tls }
    }
}

impl<S, T> Connect for WithToken<S, T>
where
    S: CredentialStrategy,
    T: MakeTlsConnect<Socket> + Clone + Sync + Send + 'static,
    T::Stream: Sync + Send,
    T::TlsConnect: Sync + Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    fn connect(&self, config: &Config) -> Connecting<'_> {
        let mut config = config.clone();
        Box::pin(async move {
            match self.tokens.token().await {
                Ok(token) => config.password(token.as_str()),
                Err(error) => return Err(no_token(config, error).await),
            };
            let tls = self.tls.clone();
            ConfigConnectImpl { tls }.connect(&config).await
        })
    }
}

/// tokio-postgres makes its errors itself; this one has the strategy's in its chain.
async fn no_token(mut config: Config, error: Error) -> tokio_postgres::Error {
    let failed = stream::iter([Err::<Bytes, _>(io::Error::other(error))]);
    let failed = tokio::io::join(StreamReader::new(failed), tokio::io::sink());
    config.ssl_mode(SslMode::Disable);
    match config.connect_raw(failed, NoTls).await {
        Err(error) => error,
        Ok(_) => unreachable!("nobody has answered"),
    }
}
