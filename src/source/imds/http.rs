//! One HTTP/1 connection to the metadata service, without a proxy and without a task of its own.

use super::settings::Endpoint;
use crate::error::retry_after::pause;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{
    ACCEPT, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, DATE, HOST, HeaderMap, HeaderName,
    HeaderValue, RETRY_AFTER, SERVER, USER_AGENT,
};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::time::{Duration, SystemTime};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

/// Where a session token is asked for.
pub(super) const TOKEN_PATH: &str = "/latest/api/token";

/// The largest body that is read. A credential document is under 2 KiB, and tokens are allowed to
/// grow; whatever exceeds this does not come from the metadata service.
pub(crate) const BODY_LIMIT: usize = 64 * 1024;
/// The most that hyper buffers for head and body.
const READ_BUFFER: usize = 64 * 1024;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Who asks.
const OURS: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));

/// An answer, whatever its status.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    /// Our copy of the body, overwritten when dropped.
    pub(super) body: Zeroizing<Vec<u8>>,
}

impl Reply {
    /// The service's clock.
    pub(super) fn date(&self) -> Option<&str> {
        self.text(DATE)
    }

    /// How long the service asks to be left alone.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        pause(self.text(RETRY_AFTER)?, SystemTime::now())
    }

    /// What the other side calls itself.
    pub(super) fn server(&self) -> Option<&str> {
        self.text(SERVER)
    }

    /// How the body is packed, where it is: nobody asked for that.
    pub(super) fn packing(&self) -> Option<&str> {
        let packing = self.text(CONTENT_ENCODING)?.trim();
        let plain = packing.is_empty() || packing.eq_ignore_ascii_case("identity");
        (!plain).then_some(packing)
    }

    /// Whether this is a page for people, which the metadata service has none of.
    pub(super) fn is_page(&self) -> bool {
        let declared = self.text(CONTENT_TYPE);
        declared.is_some_and(|kind| kind.starts_with("text/html"))
            || self.body.trim_ascii_start().starts_with(b"<")
    }

    /// Whether it is a document of JSON, which no session token is.
    pub(super) fn is_json(&self) -> bool {
        let declared = self.text(CONTENT_TYPE);
        declared.is_some_and(|kind| kind.starts_with("application/json"))
            || matches!(self.body.trim_ascii_start().first(), Some(b'{' | b'['))
    }

    fn text(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nobody listens, or there is no way there.
    Connect(io::Error),
    /// Connecting took too long.
    ConnectTimeout,
    /// Connected, and no complete answer in time.
    AnswerTimeout,
    /// The connection ended before the head of an answer, or what came is not HTTP.
    Lost(hyper::Error),
    /// The connection ended inside the body of an answer with this status.
    Truncated(u16, hyper::Error),
    /// The body of an answer with this status is larger than [`BODY_LIMIT`].
    TooLarge(u16),
    /// The request cannot be written; a path or a token with characters that HTTP has not.
    Unsendable,
}

type Wire = http1::Connection<TokioIo<TcpStream>, Empty<Bytes>>;

/// An open connection. Dropping it closes the socket.
pub(super) struct Connection {
    sender: http1::SendRequest<Empty<Bytes>>,
    /// Does the reading and writing; `None` once it has ended.
    wire: Option<Pin<Box<Wire>>>,
}

impl Connection {
    pub(super) async fn open(endpoint: &Endpoint, limit: Duration) -> Result<Self, Failure> {
        let deadline = Instant::now() + limit;
        let connecting = TcpStream::connect((endpoint.host.as_str(), endpoint.port));
        let stream = timeout_at(deadline, connecting)
            .await
            .map_err(|_| Failure::ConnectTimeout)?
            .map_err(|error| match error.kind() {
                io::ErrorKind::TimedOut => Failure::ConnectTimeout,
                _ => Failure::Connect(error),
            })?;
        let (sender, wire) = http1::Builder::new()
            .max_buf_size(READ_BUFFER)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(Failure::Lost)?;
        Ok(Connection {
            sender,
            wire: Some(Box::pin(wire)),
        })
    }

    /// Whether another request can go out; waits for what is left of the one before.
    pub(super) async fn is_usable(&mut self, limit: Duration) -> bool {
        let Connection { sender, wire } = self;
        let ready = drive(wire, sender.ready());
        matches!(timeout_at(Instant::now() + limit, ready).await, Ok(Ok(())))
    }

    /// Sends a request without a body and reads the whole answer, both within `limit`.
    pub(super) async fn send(
        &mut self,
        request: Request<Empty<Bytes>>,
        limit: Duration,
    ) -> Result<Reply, Failure> {
        let Connection { sender, wire } = self;
        let answer = async {
            let response = sender.send_request(request).await.map_err(Failure::Lost)?;
            read(response).await
        };
        timeout_at(Instant::now() + limit, drive(wire, answer))
            .await
            .map_err(|_| Failure::AnswerTimeout)?
    }
}

/// A request without a body to a path of the endpoint.
pub(super) fn request(
    endpoint: &Endpoint,
    method: &'static str,
    path: &str,
    header: (HeaderName, HeaderValue),
) -> Result<Request<Empty<Bytes>>, Failure> {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("{}{path}", endpoint.prefix))
        .header(HOST, &endpoint.authority)
        .header(ACCEPT, "*/*")
        .header(USER_AGENT, OURS)
        .header(header.0, header.1);
    if method == "PUT" {
        // Said even though there is no body: who stands in between may answer 411 without.
        request = request.header(CONTENT_LENGTH, "0");
    }
    request.body(Empty::new()).map_err(|_| Failure::Unsendable)
}

async fn read(response: Response<Incoming>) -> Result<Reply, Failure> {
    let (head, mut body) = response.into_parts();
    let status = head.status.as_u16();
    let declared = body.size_hint();
    if declared.lower() > BODY_LIMIT as u64 {
        return Err(Failure::TooLarge(status));
    }
    // Never reallocated, so no copy of a secret is left behind in freed memory.
    let room = declared
        .exact()
        .and_then(|length| usize::try_from(length).ok())
        .unwrap_or(BODY_LIMIT);
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Failure::Truncated(status, error))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if bytes.len() + data.len() > BODY_LIMIT {
            return Err(Failure::TooLarge(status));
        }
        bytes.extend_from_slice(&data);
    }
    // What some write before a text says nothing but that it is one.
    if bytes.starts_with(BYTE_ORDER_MARK) {
        bytes.drain(..BYTE_ORDER_MARK.len());
    }
    Ok(Reply {
        status,
        headers: head.headers,
        body: bytes,
    })
}

/// Runs `work` while the connection reads and writes beside it, in the same task.
async fn drive<T>(wire: &mut Option<Pin<Box<Wire>>>, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    poll_fn(|cx| {
        // How the connection ended reaches `work` through its own channel.
        if wire
            .as_mut()
            .is_some_and(|wire| wire.as_mut().poll(cx).is_ready())
        {
            *wire = None;
        }
        work.as_mut().poll(cx)
    })
    .await
}
