//! What the tests of recovery share: services on loopback that accept and refuse keys as they are told, a
//! source that issues numbered keys, and time that stands still while bytes travel.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

use crate::support::{TOKEN, Wall, session};
use aws_credential_strategies::refresh::{Clock, Jitter};
use aws_credential_strategies::{
    CredentialCache, CredentialSource, CredentialStrategy, Credentials, Error, RefreshPolicy,
    Region, Result, SdkConfig, sdk,
};
use aws_sdk_dynamodb::config::BehaviorVersion;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_async::time::TimeSource;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::convert::Infallible;
use std::fmt;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, yield_now};

/// What a service says of a key that it does not know.
pub const UNKNOWN: &str = "UnrecognizedClientException";
/// How long the keys of an [`Issuer`] live, unless told otherwise: longer than any test looks ahead.
pub const LIFE: Duration = Duration::from_secs(12 * 3600);

/// The paused clock of tokio stands still, also while bytes travel, and moves only as the test says. Needs
/// `start_paused`: with a clock paused later, between two ticks, a pause of zero would not end.
#[derive(Debug)]
pub struct StillTime {
    _blocked: mpsc::Sender<()>,
}

impl StillTime {
    pub fn begin() -> Self {
        // It would jump to the next timer when nothing else is to be done, were it not for a thread at work.
        let (blocked, released) = mpsc::channel();
        tokio::task::spawn_blocking(move || released.recv());
        StillTime { _blocked: blocked }
    }

    /// Shorter than the pauses of the engine, so that each of its timers fires in a step of its own.
    pub const STEP: Duration = Duration::from_millis(500);

    pub async fn pass(&self, time: Duration) {
        self.pass_by(Self::STEP, time).await;
    }

    /// Where it does not matter that several timers fire in one step.
    pub async fn pass_fast(&self, time: Duration) {
        self.pass_by(20 * Self::STEP, time).await;
    }

    async fn pass_by(&self, step: Duration, time: Duration) {
        let mut left = time;
        while !left.is_zero() {
            let step = left.min(step);
            tokio::time::advance(step).await;
            for _ in 0..5 {
                yield_now().await;
            }
            left -= step;
        }
    }

    /// Runs a request to its end; time passes only for one that waits for it.
    pub async fn end<T: Send + 'static>(
        &self,
        request: impl Future<Output = T> + Send + 'static,
    ) -> T {
        const TURNS: usize = 2_000;
        let request = tokio::spawn(request);
        loop {
            for _ in 0..TURNS {
                if request.is_finished() {
                    return request.await.unwrap();
                }
                yield_now().await;
            }
            self.pass(Self::STEP).await;
        }
    }
}

/// One request as a service saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The key that signed it; empty where none did.
    pub key: String,
    pub target: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Seen {
    /// Whether key and session token are of one session, as far as it is one of an [`Issuer`]'s.
    fn is_whole(&self) -> bool {
        let token = self.headers.get("x-amz-security-token");
        let token = token.map_or("", |token| token.to_str().unwrap());
        let of = token
            .strip_prefix(TOKEN)
            .and_then(|of| of.strip_prefix('-'));
        of.is_none_or(|of| of == self.key)
    }
}

/// What a service answers.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
}

impl Answer {
    pub fn new(status: u16, body: impl Into<Bytes>) -> Self {
        Answer {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    /// Success, in JSON.
    pub fn ok() -> Self {
        Answer::new(200, "{}")
    }

    /// An error as JSON services spell it.
    pub fn error(code: &str) -> Self {
        let body = json!({ "__type": format!("com.amazon.coral.service#{code}"), "message": "no" });
        Answer::new(400, body.to_string())
    }

    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;
type Rule = dyn Fn(Seen) -> Answering + Send + Sync;

/// A service on a port of its own, for any number of connections.
pub struct Service {
    pub endpoint: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    serving: AbortHandle,
}

impl Service {
    /// Answers each request by this rule, at once.
    pub async fn answering(rule: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        Service::answering_later(move |seen| ready(rule(&seen))).await
    }

    /// The same, in its own time.
    pub async fn answering_later<F>(rule: impl Fn(Seen) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let rule: Arc<Rule> = Arc::new(move |seen| Box::pin(rule(seen)));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&seen);
        let serving = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                socket.set_nodelay(true).unwrap();
                let (rule, record) = (Arc::clone(&rule), Arc::clone(&record));
                let serve = service_fn(move |request| {
                    answer_one(request, Arc::clone(&rule), Arc::clone(&record))
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), serve));
            }
        });
        Service {
            endpoint,
            seen,
            serving: serving.abort_handle(),
        }
    }

    /// Accepts whatever it is shown.
    pub async fn accepting() -> Self {
        Service::answering(|_| Answer::ok()).await
    }

    /// Refuses whatever it is shown.
    pub async fn refusing() -> Self {
        Service::answering(|_| Answer::error(UNKNOWN)).await
    }

    /// Refuses these keys alone.
    pub async fn refusing_keys<const N: usize>(keys: [&'static str; N]) -> Self {
        Service::answering(move |seen| {
            if keys.contains(&seen.key.as_str()) {
                Answer::error(UNKNOWN)
            } else {
                Answer::ok()
            }
        })
        .await
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The keys that signed the requests so far.
    pub fn keys(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.key).collect()
    }

    /// The keys since this was asked last.
    pub fn new_keys(&self) -> Vec<String> {
        let seen = std::mem::take(&mut *self.seen.lock().unwrap());
        seen.into_iter().map(|seen| seen.key).collect()
    }

    /// Settings of a client of it, without credentials.
    pub fn settings(&self) -> SdkConfig {
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .endpoint_url(&self.endpoint)
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build()
    }

    /// A client of it that is wired in one call, with a recovery of its own.
    pub fn dynamodb(&self, strategy: impl CredentialStrategy) -> aws_sdk_dynamodb::Client {
        let config = sdk::client_config!(aws_sdk_dynamodb, &self.settings(), strategy);
        aws_sdk_dynamodb::Client::from_conf(config)
    }

    /// The same, of another service.
    pub fn sqs(&self, strategy: impl CredentialStrategy) -> aws_sdk_sqs::Client {
        let config = sdk::client_config!(aws_sdk_sqs, &self.settings(), strategy);
        aws_sdk_sqs::Client::from_conf(config)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Service({})", self.endpoint)
    }
}

/// A service in memory, for what takes a thousand requests, or retries on a clock that jumps.
#[derive(Clone)]
pub struct Recorded {
    rule: Arc<Rule>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Recorded {
    /// Answers each request by this rule.
    pub fn answering(rule: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        Recorded::answering_later(move |seen| ready(rule(&seen)))
    }

    /// The same, in its own time.
    pub fn answering_later<F>(rule: impl Fn(Seen) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        Recorded {
            rule: Arc::new(move |seen| Box::pin(rule(seen))),
            seen: Arc::default(),
        }
    }

    /// The keys that signed the requests so far.
    pub fn keys(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        seen.iter().map(|seen| seen.key.clone()).collect()
    }

    /// Settings of a client of it, without credentials.
    pub fn settings(&self) -> SdkConfig {
        let connector = SharedHttpConnector::new(self.clone());
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .build()
    }
}

impl fmt::Debug for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recorded")
    }
}

impl HttpConnector for Recorded {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut headers = HeaderMap::new();
        for (name, value) in request.headers() {
            let name = http::HeaderName::try_from(name).unwrap();
            headers.append(name, value.parse().unwrap());
        }
        let target = request.uri().to_owned();
        let body = request.body().bytes().unwrap_or_default();
        let seen = Seen {
            key: signing_key(&headers, &target).unwrap_or_default(),
            body: Bytes::copy_from_slice(body),
            target,
            headers,
        };
        self.seen.lock().unwrap().push(seen.clone());
        let answer = (self.rule)(seen);
        HttpConnectorFuture::new(async move {
            // So that requests made at once are all sent before the first is answered.
            yield_now().await;
            let answer = answer.await;
            let status = answer.status.try_into().unwrap();
            let mut response = HttpResponse::new(status, SdkBody::from(answer.body));
            for (name, value) in answer.headers {
                response.headers_mut().append(name, value);
            }
            Ok(response)
        })
    }
}

async fn answer_one(
    request: Request<Incoming>,
    rule: Arc<Rule>,
    record: Arc<Mutex<Vec<Seen>>>,
) -> std::result::Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let seen = Seen {
        key: signing_key(&head.headers, &head.uri.to_string()).unwrap_or_default(),
        target: head.uri.to_string(),
        headers: head.headers,
        body: body.collect().await.unwrap().to_bytes(),
    };
    record.lock().unwrap().push(seen.clone());
    let answer = if seen.is_whole() {
        rule(seen).await
    } else {
        Answer::error("KeyAndTokenOfDifferentSessions")
    };
    let mut response = Response::new(Full::new(answer.body));
    *response.status_mut() = answer.status.try_into().unwrap();
    for (name, value) in answer.headers {
        response.headers_mut().append(name, value.parse().unwrap());
    }
    Ok(response)
}

/// The key that signed a request, in its header or, presigned, in its query.
fn signing_key(headers: &HeaderMap, target: &str) -> Option<String> {
    if let Some(authorization) = headers.get("authorization") {
        let (_, credential) = authorization.to_str().unwrap().split_once("Credential=")?;
        return Some(credential.split_once('/')?.0.to_owned());
    }
    let (_, credential) = target.split_once("X-Amz-Credential=")?;
    Some(credential.split_once("%2F")?.0.to_owned())
}

/// What an [`Issuer`] does when it is asked for the n-th time.
type Issue = dyn Fn(u64) -> Result<String> + Send + Sync;

/// A source that answers at once: `KEY-1`, `KEY-2`, and so on, or as it is told.
#[derive(Clone)]
pub struct Issuer {
    wall: Wall,
    life: Duration,
    issue: Arc<Issue>,
    fetches: Arc<AtomicU64>,
}

impl Issuer {
    pub fn new() -> Self {
        Issuer::issuing(|number| Ok(format!("KEY-{number}")))
    }

    /// The n-th answer is this key, or this error.
    pub fn issuing(issue: impl Fn(u64) -> Result<String> + Send + Sync + 'static) -> Self {
        Issuer {
            wall: Wall::starting(),
            life: LIFE,
            issue: Arc::new(issue),
            fetches: Arc::default(),
        }
    }

    /// These keys in order, and the last one again and again.
    pub fn of<const N: usize>(keys: [&'static str; N]) -> Self {
        Issuer::issuing(move |number| {
            let index = usize::try_from(number).unwrap().min(N) - 1;
            Ok(keys[index].to_owned())
        })
    }

    #[must_use]
    pub fn living(mut self, life: Duration) -> Self {
        self.life = life;
        self
    }

    /// The clock that its sessions end by.
    pub fn wall(&self) -> Wall {
        self.wall.clone()
    }

    pub fn fetches(&self) -> u64 {
        self.fetches.load(Ordering::SeqCst)
    }

    /// A cache of it on its own wall clock, with the middle of each draw.
    pub fn cache(&self, policy: RefreshPolicy) -> CredentialCache<Issuer> {
        CredentialCache::new(self.clone(), policy)
            .with_clock(Clock::with_wall(self.wall.clone()))
            .with_jitter(Jitter::from_fn(|| 0.5))
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Issuer")
    }
}

impl CredentialSource for Issuer {
    fn name(&self) -> &'static str {
        "Issuer"
    }

    async fn fetch(&self) -> Result<Credentials> {
        let number = self.fetches.fetch_add(1, Ordering::SeqCst) + 1;
        let key = (self.issue)(number)?;
        Ok(session(&key, self.wall.now() + self.life))
    }
}

/// The source is down.
pub fn down() -> Error {
    Error::recoverable("the source is down")
}

pub async fn get(client: &aws_sdk_dynamodb::Client) -> std::result::Result<(), String> {
    let id = AttributeValue::S("123".to_owned());
    let get = client.get_item().table_name("MyTable").key("id", id);
    get.send().await.map(|_| ()).map_err(said)
}

pub async fn list(client: &aws_sdk_sqs::Client) -> std::result::Result<(), String> {
    client.list_queues().send().await.map(|_| ()).map_err(said)
}

/// An error and all that caused it.
pub fn said(error: impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut layer = error.source();
    while let Some(cause) = layer {
        text = format!("{text}: {cause}");
        layer = cause.source();
    }
    text
}
