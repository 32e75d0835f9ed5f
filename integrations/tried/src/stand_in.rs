//! A service in the process that lets in who signs with a session of [`Sessions`], and answers `{}`.

use crate::checked;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use integrations_s3::Sessions;
use std::convert::Infallible;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// It runs until it is dropped.
#[derive(Debug)]
pub struct StandIn {
    url: String,
    accepting: JoinHandle<()>,
}

impl StandIn {
    /// Starts it, for the name of a service in signatures.
    pub async fn start(service: &'static str, sessions: Sessions) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let accepting = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let sessions = sessions.clone();
                let answer =
                    service_fn(move |request| answered(service, sessions.clone(), request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), answer));
            }
        });
        Ok(StandIn { url, accepting })
    }

    /// Its endpoint.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn answered(
    service: &'static str,
    sessions: Sessions,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let (status, body) = match body.collect().await {
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()),
        Ok(body) => {
            let looked = look(
                service,
                &sessions,
                (&parts.method, &parts.uri, &parts.headers),
                &body.to_bytes(),
            );
            match looked {
                Ok(()) => (StatusCode::OK, "{}".to_owned()),
                Err(why) => (StatusCode::FORBIDDEN, why),
            }
        }
    };
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert("content-type", json);
    Ok(response)
}

fn look(
    service: &str,
    sessions: &Sessions,
    (method, uri, headers): (&Method, &Uri, &HeaderMap),
    body: &[u8],
) -> Result<(), String> {
    let host = headers.get("host").and_then(|host| host.to_str().ok());
    let url = format!("http://{}{uri}", host.unwrap_or_default());
    let secret = |key_id: &str| sessions.secret(key_id);
    let presented = checked::request(method.as_str(), &url, headers, body, service, secret)?;
    let token = presented.session_token.as_deref();
    match sessions.admit(&presented.key_id, token, format!("{method} {uri}")) {
        None => Ok(()),
        Some(refused) => Err(format!("{refused:?}")),
    }
}
