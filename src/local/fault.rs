//! What can go wrong with an embedded server, and how it goes over the wire.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use hyper::body::{Body, Frame, SizeHint};
use std::borrow::Cow;
use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// What a service answers, before any fault spoils it.
pub(super) type Answer = Response<Bytes>;

/// One way in which a call to an embedded server fails.
///
/// ```
/// use aws_credential_strategies::local::{Fault, ImdsCall, LocalCloud};
/// use aws_credential_strategies::{CredentialStrategy, InstanceProfile};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> aws_credential_strategies::Result<()> {
/// let cloud = LocalCloud::start().await?;
/// let instance = || InstanceProfile::builder().endpoint(cloud.imds_endpoint()).build();
///
/// cloud.imds().fail_next(1, Fault::Reset); // one reset is survived
/// instance()?.credentials().await?;
///
/// cloud.imds().fail_on(ImdsCall::Token, Fault::Status(403));
/// let error = instance()?.credentials().await.unwrap_err();
/// assert_eq!(error.http_status(), Some(403));
/// cloud.imds().heal();
/// # Ok(())
/// # }
/// ```
///
/// Faults of the transport fit every server. Those that begin with `Document` change what the
/// metadata service, or the container credential endpoint, says about credentials, and leave every other
/// call alone.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The service admits so many calls a second, a tenth of a second's at once, and throttles the others in
    /// its own words: of STS `Throttling`, `Rate exceeded`, with status 400.
    Admit(u32),
    /// Something else altogether is answered; for a role list with several lines, a login page of a
    /// captive portal.
    Answer {
        /// The HTTP status.
        status: u16,
        /// The `Content-Type`.
        content_type: Cow<'static, str>,
        /// The body.
        body: Bytes,
    },
    /// The answer is right, and comes this much later.
    Delay(Duration),
    /// The connection is closed in the middle of the body: `Content-Length` promises all of it, half
    /// of it arrives.
    Disconnect,
    /// The metadata service reports this `Code` in place of credentials, for example
    /// `AssumeRoleUnauthorizedAccess`.
    DocumentCode(Cow<'static, str>),
    /// The metadata service hands out credentials that ended an hour ago, as it does when it cannot
    /// renew them (static stability). DynamoDB and STS refuse them as expired.
    DocumentExpired,
    /// The metadata service does not rotate: the document it has is served for good, also once it
    /// has expired.
    DocumentSame,
    /// The metadata service leaves out this member of the document, for example `Token`.
    DocumentWithout(Cow<'static, str>),
    /// The request is read and never answered. For the metadata service's token it is what a hop
    /// limit of 1 does to a container: connected, and the answer is lost.
    Hang,
    /// The answer is followed by blanks up to this many bytes.
    Oversized(usize),
    /// The service refuses with this status and AWS error code, in its own format.
    Refuse {
        /// The HTTP status.
        status: u16,
        /// The AWS error code, for example `ThrottlingException`.
        code: Cow<'static, str>,
        /// The message; AWS's own where it is known, when absent.
        message: Option<Cow<'static, str>>,
    },
    /// The request is read, then the connection is reset.
    Reset,
    /// The service refuses with this status, and the body that AWS sends with it; 500 where it is no
    /// status.
    Status(u16),
    /// The answer comes one byte at a time, with this pause before each.
    Trickle(Duration),
    /// The second half of the body is missing, although the message is complete: JSON or XML that
    /// ends early.
    Truncated,
}

impl Fault {
    /// A refusal with an AWS error code, in the service's own format and with AWS's message where it
    /// is known.
    #[must_use]
    pub fn error(status: u16, code: impl Into<Cow<'static, str>>) -> Self {
        Fault::Refuse {
            status,
            code: code.into(),
            message: None,
        }
    }

    /// An answer with this body, for what none of the others says.
    #[must_use]
    pub fn body(
        status: u16,
        content_type: impl Into<Cow<'static, str>>,
        body: impl Into<Bytes>,
    ) -> Self {
        Fault::Answer {
            status,
            content_type: content_type.into(),
            body: body.into(),
        }
    }

    /// A page of a proxy or a captive portal, with status 200: neither JSON nor the XML expected.
    #[must_use]
    pub fn web_page() -> Self {
        Fault::body(
            200,
            "text/html",
            "<!DOCTYPE html><html><body><h1>Please sign in</h1></body></html>",
        )
    }

    /// A list of roles with these lines, in place of the one role that is attached; for
    /// [`ImdsCall::List`](super::ImdsCall::List) and its extended form.
    #[must_use]
    pub fn role_list<I>(roles: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let mut list = String::new();
        for role in roles {
            list.push_str(role.as_ref());
            list.push('\n');
        }
        Fault::body(200, "text/plain", list)
    }
}

/// An answer with a content type and nothing else in its head.
pub(super) fn plain(status: StatusCode, content_type: &str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = status;
    if let Ok(value) = HeaderValue::from_str(content_type) {
        answer.headers_mut().insert(CONTENT_TYPE, value);
    }
    answer
}

/// Who is admitted at a rate; full to begin with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Admission {
    per_second: f64,
    tokens: f64,
    filled: Instant,
}

impl Admission {
    /// Of [`Fault::Admit`]; `None` for another.
    pub(super) fn of(fault: &Fault) -> Option<Self> {
        let Fault::Admit(calls) = fault else {
            return None;
        };
        let per_second = f64::from(*calls);
        Some(Admission {
            per_second,
            tokens: Admission::at_once(per_second),
            filled: Instant::now(),
        })
    }

    fn at_once(per_second: f64) -> f64 {
        // of one call a second the first is admitted too
        if per_second > 0.0 {
            (per_second / 10.0).max(1.0)
        } else {
            0.0
        }
    }

    /// Whether one more call is admitted now.
    pub(super) fn admits(&mut self) -> bool {
        let now = Instant::now();
        let since = now.saturating_duration_since(self.filled).as_secs_f64();
        self.filled = now;
        let most = Admission::at_once(self.per_second);
        self.tokens = (self.tokens + since * self.per_second).min(most);
        let admitted = self.tokens >= 1.0;
        if admitted {
            self.tokens -= 1.0;
        }
        admitted
    }
}

/// A body as it goes over the wire: all of it, slowly, or not to the end.
pub(super) struct Reply {
    unsent: Bytes,
    /// Whether the message promises more than `unsent` holds; then the connection breaks at the end.
    missing: u64,
    pace: Option<Pace>,
    flushed: bool,
}

struct Pace {
    pause: Duration,
    sleep: Pin<Box<Sleep>>,
}

impl Reply {
    pub(super) fn whole(answer: Answer) -> Response<Reply> {
        answer.map(|body| Reply {
            unsent: body,
            missing: 0,
            pace: None,
            flushed: false,
        })
    }

    /// Applies what a fault does to an answer under way.
    pub(super) fn spoiled(answer: Answer, fault: &Fault) -> Response<Reply> {
        let mut response = Reply::whole(answer);
        let reply = response.body_mut();
        match fault {
            Fault::Disconnect => {
                let half = reply.unsent.len() / 2;
                reply.missing = (reply.unsent.len() - half) as u64;
                reply.unsent.truncate(half);
            }
            Fault::Oversized(bytes) => {
                let mut long = reply.unsent.to_vec();
                long.resize((*bytes).max(long.len()), b' ');
                reply.unsent = long.into();
            }
            Fault::Trickle(pause) => {
                reply.pace = Some(Pace {
                    pause: *pause,
                    sleep: Box::pin(tokio::time::sleep(*pause)),
                });
            }
            Fault::Truncated => {
                let half = reply.unsent.len() / 2;
                reply.unsent.truncate(half);
            }
            _ => {}
        }
        // the length is the body's own from here on
        response.headers_mut().remove(CONTENT_LENGTH);
        response
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = &mut *self;
        if this.unsent.is_empty() {
            if this.missing == 0 {
                return Poll::Ready(None);
            }
            // what was sent must leave the buffer before the connection breaks
            if !this.flushed {
                this.flushed = true;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            return Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::UnexpectedEof))));
        }
        let Some(pace) = &mut this.pace else {
            let all = std::mem::take(&mut this.unsent);
            return Poll::Ready(Some(Ok(Frame::data(all))));
        };
        ready!(pace.sleep.as_mut().poll(cx));
        pace.sleep = Box::pin(tokio::time::sleep(pace.pause));
        Poll::Ready(Some(Ok(Frame::data(this.unsent.split_to(1)))))
    }

    fn is_end_stream(&self) -> bool {
        self.unsent.is_empty() && self.missing == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.unsent.len() as u64 + self.missing)
    }
}
