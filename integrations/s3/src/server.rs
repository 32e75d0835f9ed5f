//! The server on loopback.

use crate::objects::Objects;
use crate::sessions::{Ends, Refused, Sessions, Source};
use http::Request;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, HttpError, HttpResponse, S3Result, s3_error};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A server that runs until it is dropped, with one bucket, [`S3::BUCKET`].
#[derive(Debug)]
pub struct S3 {
    url: String,
    sessions: Sessions,
    directory: TempDir,
    accepting: JoinHandle<()>,
}

impl S3 {
    /// The bucket that is there.
    pub const BUCKET: &'static str = "bucket";

    /// Starts it; sessions live for `life` by what they say of themselves.
    pub async fn start(ends: Ends, life: Duration) -> Self {
        // the clients of the tests ask for it, though none speaks TLS
        let _ = rustls::crypto::ring::default_provider().install_default();
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join(Self::BUCKET)).unwrap();
        let sessions = Sessions::new(ends, life);
        let mut builder = S3ServiceBuilder::new(Objects::in_directory(directory.path()));
        builder.set_auth(sessions.clone());
        builder.set_access(sessions.clone());
        let service = builder.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let accepting = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let service = service.clone();
                tokio::spawn(async move {
                    let server = auto::Builder::new(TokioExecutor::new());
                    let answer = service_fn(|request| answer(service.clone(), request));
                    let _ = server.serve_connection(TokioIo::new(socket), answer).await;
                });
            }
        });
        S3 {
            url,
            sessions,
            directory,
            accepting,
        }
    }

    /// Its endpoint.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Hands out the sessions that it takes.
    #[must_use]
    pub fn source(&self) -> Source {
        Source(self.sessions.clone())
    }

    /// What became of them.
    #[must_use]
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// What holds after a run: nothing failed that was to succeed, and nothing was fetched for nothing.
    pub fn one_fetch_each(&self, requests: usize, ended: usize) {
        let sessions = self.sessions();
        assert_eq!(sessions.admitted(), requests, "{sessions:?}");
        assert_eq!(sessions.ended(), ended, "{sessions:?}");
        assert_eq!(sessions.fetches(), 1 + ended, "{sessions:?}");
    }

    /// The same after a run in which sessions were [replaced](crate::rotate) and none was rejected.
    pub fn one_fetch_a_rotation(&self, requests: usize, rotations: usize) {
        let sessions = self.sessions();
        assert_eq!(sessions.admitted(), requests, "{sessions:?}");
        assert_eq!(sessions.rejected(), 0, "{sessions:?}");
        assert_eq!(sessions.fetches(), 1 + rotations, "{sessions:?}");
    }

    /// Where the objects of the bucket are files.
    #[must_use]
    pub fn files(&self) -> PathBuf {
        self.directory.path().join(Self::BUCKET)
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A request is read whole before it is refused: a connection that ends while a client still writes tells it
/// nothing of why.
async fn answer(service: S3Service, request: Request<Incoming>) -> Result<HttpResponse, HttpError> {
    let (head, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map_err(|error| HttpError::new(Box::new(error)))?;
    service
        .call(Request::from_parts(head, Body::from(body.to_bytes())))
        .await
}

#[async_trait::async_trait]
impl S3Auth for Sessions {
    async fn get_secret_key(&self, key_id: &str) -> S3Result<SecretKey> {
        let secret = self.secret(key_id).map(SecretKey::from);
        secret.ok_or_else(|| s3_error!(InvalidAccessKeyId))
    }
}

#[async_trait::async_trait]
impl S3Access for Sessions {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let Some(credentials) = context.credentials() else {
            return Err(s3_error!(AccessDenied, "expected a signature"));
        };
        let token = context.headers().get("x-amz-security-token");
        let token = token.and_then(|value| value.to_str().ok());
        // presigned
        let query = context.uri().query().unwrap_or_default().split('&');
        let in_query = query
            .filter_map(|pair| pair.split_once('='))
            .find(|(name, _)| name.eq_ignore_ascii_case("x-amz-security-token"));
        let token = token.or_else(|| in_query.map(|(_, token)| token));
        let range = context.headers().get("range");
        let what = format!("{} {} {range:?}", context.method(), context.uri());
        match self.admit(&credentials.access_key, token, what) {
            None => Ok(()),
            Some(Refused::Expired) => Err(s3_error!(ExpiredToken)),
            Some(Refused::UnknownKey) => Err(s3_error!(InvalidAccessKeyId)),
            Some(Refused::WrongToken) => Err(s3_error!(InvalidToken)),
        }
    }
}
