//! What the servers have in common: a socket, an accept loop, counts and faults.

use crate::local::fault::{Admission, Answer, Fault, Reply, plain};
use crate::local::lock::lock;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// The largest request that is read; DynamoDB's own limit.
const MAX_REQUEST_BYTES: usize = 16 * 1024 * 1024;

/// Long enough not to spin while the process is out of file descriptors.
const PAUSE_AFTER_ACCEPT_ERROR: Duration = Duration::from_millis(10);

/// One of the embedded services, and how its calls are told apart.
pub trait Service: Sized + Send + Sync + 'static {
    /// One kind of call.
    type Call: Clone + fmt::Debug + Ord + Send + Sync;
    /// How many calls of each kind there were.
    type Calls: Clone + fmt::Debug + Send;

    /// Sorts the raw counts into the service's own.
    #[doc(hidden)]
    fn calls(counts: &BTreeMap<Self::Call, u64>) -> Self::Calls;
}

/// What a service does with a request; private, so that nobody else can stand in.
pub(in crate::local) trait Respond: Service {
    /// Which kind of call it is; every request is counted once, whatever comes of it.
    fn classify(&self, request: &Request<Bytes>) -> Self::Call;

    /// The healthy answer, or with a fault that concerns the content, that.
    fn respond(
        &self,
        request: Request<Bytes>,
        fault: Option<&Fault>,
    ) -> impl Future<Output = Answer> + Send;

    /// What the service says with this status and code when it refuses.
    fn refuse(&self, status: StatusCode, code: Option<&str>, message: Option<&str>) -> Answer;

    /// What the service says when it is asked too often.
    fn throttle(&self) -> Answer {
        self.refuse(StatusCode::TOO_MANY_REQUESTS, None, None)
    }
}

/// A handle to one embedded server: what it was asked, and what goes wrong with it.
///
/// Counts are exact: a request counts when it has been read, before any fault strikes. Faults apply
/// to every call ([`fail`](Server::fail)), to the next few ([`fail_next`](Server::fail_next)) or to
/// one kind of call ([`fail_on`](Server::fail_on)); where several match, the one set last strikes.
/// [`heal`](Server::heal) ends them all.
pub struct Server<S: Service> {
    endpoint: String,
    ledger: Mutex<Ledger<S>>,
    pub(in crate::local) service: S,
}

struct Ledger<S: Service> {
    counts: BTreeMap<S::Call, u64>,
    faults: Vec<Planned<S::Call>>,
}

struct Planned<C> {
    on: Option<C>,
    left: Option<u64>,
    fault: Fault,
    /// Of a fault that strikes only the calls beyond a rate.
    admission: Option<Admission>,
}

impl<S: Service> Server<S> {
    pub(in crate::local) fn new(address: SocketAddr, service: S) -> Self {
        Server {
            endpoint: format!("http://{address}"),
            ledger: Mutex::new(Ledger {
                counts: BTreeMap::new(),
                faults: Vec::new(),
            }),
            service,
        }
    }

    /// Where it listens: `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// How many calls of each kind there were since the start or the last
    /// [`reset_counts`](Server::reset_counts).
    #[must_use]
    pub fn calls(&self) -> S::Calls {
        S::calls(&lock(&self.ledger).counts)
    }

    /// Starts counting from zero.
    pub fn reset_counts(&self) {
        lock(&self.ledger).counts.clear();
    }

    /// Every call fails this way, until [`heal`](Server::heal).
    pub fn fail(&self, fault: Fault) {
        self.plan(None, None, fault);
    }

    /// The next `calls` calls fail this way.
    pub fn fail_next(&self, calls: u64, fault: Fault) {
        self.plan(None, Some(calls), fault);
    }

    /// Every call of this kind fails this way, until [`heal`](Server::heal).
    pub fn fail_on(&self, call: impl Into<S::Call>, fault: Fault) {
        self.plan(Some(call.into()), None, fault);
    }

    /// The next `calls` calls of this kind fail this way.
    pub fn fail_next_on(&self, call: impl Into<S::Call>, calls: u64, fault: Fault) {
        self.plan(Some(call.into()), Some(calls), fault);
    }

    /// Ends all faults. A call that hangs already, hangs on.
    pub fn heal(&self) {
        lock(&self.ledger).faults.clear();
    }

    fn plan(&self, on: Option<S::Call>, left: Option<u64>, fault: Fault) {
        let planned = Planned {
            on,
            left,
            admission: Admission::of(&fault),
            fault,
        };
        lock(&self.ledger).faults.push(planned);
    }

    /// Counts a call and says what goes wrong with it, if anything.
    fn enter(&self, call: &S::Call) -> Option<Fault> {
        let mut ledger = lock(&self.ledger);
        *ledger.counts.entry(call.clone()).or_default() += 1;
        ledger.faults.retain(|planned| planned.left != Some(0));
        let planned = ledger.faults.iter_mut().rev().find_map(|planned| {
            let strikes = planned.on.as_ref().is_none_or(|on| on == call)
                && !planned.admission.as_mut().is_some_and(Admission::admits);
            strikes.then_some(planned)
        })?;
        if let Some(left) = &mut planned.left {
            *left -= 1;
        }
        Some(planned.fault.clone())
    }
}

impl<S: Service> fmt::Debug for Server<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("endpoint", &self.endpoint)
            .field("calls", &self.calls())
            .finish_non_exhaustive()
    }
}

/// Listens from now on; ends when the task is dropped.
pub(in crate::local) fn serve<S: Respond>(
    server: &Arc<Server<S>>,
    listener: TcpListener,
) -> ServerTask {
    let server = Arc::clone(server);
    ServerTask(tokio::spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(converse(Arc::clone(&server), stream));
                    }
                    // out of file descriptors, or a peer that left: others may still come
                    Err(_) => tokio::time::sleep(PAUSE_AFTER_ACCEPT_ERROR).await,
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }))
}

async fn converse<S: Respond>(server: Arc<Server<S>>, stream: TcpStream) {
    // small answers must not wait for an acknowledgement
    let _ = stream.set_nodelay(true);
    let cut = Arc::new(AtomicBool::new(false));
    let io = TokioIo::new(Socket {
        stream,
        reset_on_close: Arc::clone(&cut),
    });
    let service = service_fn(move |request| {
        let server = Arc::clone(&server);
        let cut = Arc::clone(&cut);
        async move { answer(&server, request, &cut).await }
    });
    // whatever ends a connection, its client has noticed it too
    let _ = http1::Builder::new().serve_connection(io, service).await;
}

async fn answer<S: Respond>(
    server: &Server<S>,
    request: Request<Incoming>,
    reset_on_close: &AtomicBool,
) -> io::Result<http::Response<Reply>> {
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, MAX_REQUEST_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            let refusal = server
                .service
                .refuse(StatusCode::PAYLOAD_TOO_LARGE, None, None);
            return Ok(Reply::whole(refusal));
        }
        Err(error) => return Err(io::Error::other(error)),
    };
    let request = Request::from_parts(head, body);
    let call = server.service.classify(&request);
    let fault = server.enter(&call);
    if let Some(Fault::Delay(pause)) = &fault {
        tokio::time::sleep(*pause).await;
    }
    let answer = match &fault {
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Reset) => {
            reset_on_close.store(true, Ordering::Release);
            return Err(io::Error::from(io::ErrorKind::ConnectionReset));
        }
        Some(Fault::Admit(_)) => server.service.throttle(),
        Some(Fault::Status(status)) => server.service.refuse(status_code(*status), None, None),
        Some(Fault::Refuse {
            status,
            code,
            message,
        }) => server
            .service
            .refuse(status_code(*status), Some(code), message.as_deref()),
        Some(Fault::Answer {
            status,
            content_type,
            body,
        }) => plain(status_code(*status), content_type, body.clone()),
        fault => server.service.respond(request, fault.as_ref()).await,
    };
    Ok(match fault {
        Some(fault) => Reply::spoiled(answer, &fault),
        None => Reply::whole(answer),
    })
}

/// A running server; dropping it closes the listener and every connection.
#[derive(Debug)]
pub(in crate::local) struct ServerTask(JoinHandle<()>);

impl Drop for ServerTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A connection that can be closed with a reset in place of a farewell.
struct Socket {
    stream: TcpStream,
    reset_on_close: Arc<AtomicBool>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.reset_on_close.load(Ordering::Acquire) {
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.reset_on_close.load(Ordering::Acquire) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A status from a test, or 500 where it is none.
fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
