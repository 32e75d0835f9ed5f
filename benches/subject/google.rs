//! google-cloud-auth: its cache is private, so it is asked for access tokens, over a metadata service
//! of its own kind on loopback.

use super::Resolve;
use crate::Failure;
use google_cloud_auth::credentials::AccessTokenCredentials;
use google_cloud_auth::credentials::mds::Builder;
use std::hint::black_box;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

pub(crate) struct Google(AccessTokenCredentials);

impl Google {
    /// Starts its metadata service too; both live as long as the runtime.
    pub(crate) async fn start() -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        tokio::spawn(answer(listener));
        let credentials = Builder::default()
            .with_endpoint(endpoint)
            .build_access_token_credentials()?;
        credentials.access_token().await?;
        Ok(Google(credentials))
    }
}

impl Resolve for Google {
    async fn resolve(&self) -> Option<String> {
        self.0.access_token().await.ok().map(|token| token.token)
    }

    async fn once(&self) {
        let _ = black_box(self.0.access_token().await);
    }
}

/// One token for an hour, to whoever asks.
async fn answer(listener: TcpListener) {
    const TOKEN: &str =
        r#"{"access_token":"ya29.EXAMPLE","expires_in":3600,"token_type":"Bearer"}"#;
    while let Ok((mut connection, _)) = listener.accept().await {
        tokio::spawn(async move {
            let mut request = [0; 4096];
            let _ = connection.read(&mut request).await;
            let answer = format!(
                "HTTP/1.1 200 OK\r\nmetadata-flavor: Google\r\ncontent-type: application/json\r\n\
                 content-length: {}\r\nconnection: close\r\n\r\n{TOKEN}",
                TOKEN.len()
            );
            let _ = connection.write_all(answer.as_bytes()).await;
        });
    }
}
