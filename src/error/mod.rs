//! One error type for the whole crate.
//!
//! An SDK, socket or parser error becomes an [`Error`] once, at the edge where it arises. From there
//! on the facts travel with it: which call, which endpoint, which status and AWS code, how long it
//! took, and what mends it.

use std::any::Any;
use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What the crate's fallible calls return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed, and what to do about it.
///
/// `Display` is one line, of what is known: the call, its subject, the endpoint, what happened, the
/// HTTP status, the AWS code, the request id, attempts and time spent, and a hint that mends it. The
/// next layer down is [`source`](StdError::source); no message stands in both. Secrets, session tokens
/// and raw response bodies are in neither. Cloning is cheap, so one failed fetch can answer every
/// caller that waited for it.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    outlook: Outlook,
    operation: Operation,
    subject: Option<Cow<'static, str>>,
    via: Option<Cow<'static, str>>,
    endpoint: Option<Cow<'static, str>>,
    field: Option<Cow<'static, str>>,
    message: Cow<'static, str>,
    http_status: Option<u16>,
    code: Option<Cow<'static, str>>,
    request_id: Option<Cow<'static, str>>,
    attempts: Option<u32>,
    elapsed: Option<Duration>,
    hint: Option<Cow<'static, str>>,
    cause: Option<Arc<dyn StdError + Send + Sync>>,
    detail: Option<Arc<dyn StdError + Send + Sync>>,
}

/// Whether time alone heals a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outlook {
    /// Trying again may succeed.
    Recoverable,
    /// Trying again may succeed, later: the other side asked for fewer calls.
    Throttled,
    /// Somebody has to change something first.
    Terminal,
}

/// What functions of the application fail with, such as the one that asks for an MFA code: any error, by
/// `?` or `into()`.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// The cause of an [`Error`], for code that acts on it.
///
/// It names the cause, not the call: the call is [`Error::operation`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The caller is known, and a policy refuses what it asked.
    AccessDenied(Denied),
    /// A transaction was cancelled; one reason for each of its items, in request order.
    Canceled(Vec<CancellationReason>),
    /// A condition did not hold.
    Conflict,
    /// Another write was in the way.
    Contention,
    /// Credentials could not be had, or the service refused them.
    Credential(CredentialFault),
    /// An item does not fit the type it was read into.
    Decode,
    /// The source is switched off by configuration.
    Disabled,
    /// A value cannot be written as an item.
    Encode,
    /// The service refused the request as not valid.
    Invalid,
    /// An answer could not be understood, or lacks a part.
    Malformed,
    /// No role is attached, or the named one is not there.
    NoRole,
    /// There is no asynchronous runtime to fetch on.
    NoRuntime,
    /// The table or index is not there.
    NoSuchTable,
    /// None of the others.
    Other,
    /// The source panicked.
    Panicked,
    /// The endpoint refuses to deal with this host at all.
    Refused,
    /// The service failed.
    Service,
    /// Too many requests.
    Throttled,
    /// No answer in time.
    Timeout,
    /// An item, a collection or a request is too large.
    TooLarge,
    /// No connection could be made.
    Unreachable,
    /// A setting or an argument is wrong; [`Error::field`] names it. Nothing was sent.
    Usage,
}

/// What is the matter with the credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CredentialFault {
    /// The session is over.
    Expired,
    /// The request's authentication is incomplete: something between here and the service strips it.
    Malformed,
    /// The signature does not match: a wrong secret, or a clock that is off.
    Signature,
    /// The strategy could not produce any.
    Unavailable,
    /// The service does not know the key id, or the session token is missing or wrong.
    Unrecognized,
}

/// Who was refused what, as far as the service said so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Denied {
    /// The ARN of the caller.
    pub principal: Option<String>,
    /// The IAM action, for example `dynamodb:GetItem`.
    pub action: Option<String>,
    /// The ARN that the action was asked on.
    pub resource: Option<String>,
    /// Why, in the service's words.
    pub reason: Option<String>,
}

/// Why one item of a transaction stood in its way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct CancellationReason {
    /// The code, for example `ConditionalCheckFailed`; `None` where this item was not the cause.
    pub code: Option<String>,
    /// The service's message.
    pub message: Option<String>,
    #[cfg_attr(not(feature = "table"), allow(dead_code))]
    pub(crate) carried: Carried,
}

/// What another room puts into an error for its own callers; shown and compared nowhere.
#[derive(Clone, Default)]
pub(crate) struct Carried(Option<Arc<dyn Any + Send + Sync>>);

#[cfg_attr(not(feature = "table"), allow(dead_code))]
impl Carried {
    pub(crate) fn new<T: Any + Send + Sync>(what: T) -> Self {
        Carried(Some(Arc::new(what)))
    }

    pub(crate) fn get<T: Any>(&self) -> Option<&T> {
        self.0.as_deref()?.downcast_ref()
    }
}

impl fmt::Debug for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "kept" } else { "none" })
    }
}

impl PartialEq for Carried {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Carried {}

impl std::hash::Hash for Carried {
    fn hash<H: std::hash::Hasher>(&self, _state: &mut H) {}
}

/// The call that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Operation(&'static str);

impl Operation {
    /// Checking what a builder or a configuration was given.
    pub const CONFIGURE: Operation = Operation("configure");
    /// Getting credentials, whatever the source.
    pub const FETCH: Operation = Operation("fetch credentials");

    /// Names a call; log-safe, in words that a reader of the error knows.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Operation(name)
    }

    /// The name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error {
    /// A failed fetch that may heal by itself: a timeout, a reset, a service that is down.
    ///
    /// For [`CredentialSource`](crate::CredentialSource)s of your own. The message is shown as it is:
    /// keep secrets out of it.
    #[must_use]
    pub fn recoverable(message: impl Into<Cow<'static, str>>) -> Self {
        Error::new(ErrorKind::Other, Operation::FETCH, message)
    }

    /// A failed fetch because the other side asked for fewer calls; the next one waits longer.
    #[must_use]
    pub fn throttled(message: impl Into<Cow<'static, str>>) -> Self {
        Error::new(ErrorKind::Throttled, Operation::FETCH, message)
    }

    /// A failed fetch that a person has to mend: a missing permission, a wrong setting.
    #[must_use]
    pub fn terminal(message: impl Into<Cow<'static, str>>) -> Self {
        Error::new(ErrorKind::Other, Operation::FETCH, message).needs_human()
    }

    /// Keeps the error of the layer below, as [`source`](StdError::source).
    #[must_use]
    pub fn caused_by(self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.with(|inner| inner.cause = Some(Arc::from(cause.into())))
    }

    /// Says what mends it; shown at the end of the line.
    #[must_use]
    pub fn hint(self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.with(|inner| inner.hint = Some(hint.into()))
    }

    pub(crate) fn new(
        kind: ErrorKind,
        operation: Operation,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        let outlook = match kind {
            ErrorKind::AccessDenied(_) | ErrorKind::Disabled | ErrorKind::Usage => {
                Outlook::Terminal
            }
            ErrorKind::Throttled => Outlook::Throttled,
            _ => Outlook::Recoverable,
        };
        Error(Arc::new(Inner {
            kind,
            outlook,
            operation,
            subject: None,
            via: None,
            endpoint: None,
            field: None,
            message: message.into(),
            http_status: None,
            code: None,
            request_id: None,
            attempts: None,
            elapsed: None,
            hint: None,
            cause: None,
            detail: None,
        }))
    }

    /// Bad input: names the field and what was expected.
    pub(crate) fn usage(
        field: impl Into<Cow<'static, str>>,
        expected: impl Into<Cow<'static, str>>,
    ) -> Self {
        Error::new(ErrorKind::Usage, Operation::CONFIGURE, expected)
            .with(|inner| inner.field = Some(field.into()))
    }

    /// The same error about a setting that goes by another name where it was given.
    pub(crate) fn naming(self, field: impl Into<Cow<'static, str>>) -> Self {
        self.with(|inner| inner.field = Some(field.into()))
    }

    /// Keeps the whole of what the SDK said, for who asks for it by type; it is no cause and is shown
    /// nowhere, since its facts stand in this error.
    #[cfg_attr(not(feature = "table"), allow(dead_code))]
    pub(crate) fn with_detail(self, detail: Arc<dyn StdError + Send + Sync>) -> Self {
        self.with(|inner| inner.detail = Some(detail))
    }

    #[cfg_attr(not(feature = "table"), allow(dead_code))]
    pub(crate) fn detail(&self) -> Option<&(dyn StdError + Send + Sync + 'static)> {
        self.0.detail.as_deref()
    }

    pub(crate) fn needs_human(self) -> Self {
        self.with(|inner| inner.outlook = Outlook::Terminal)
    }

    pub(crate) fn asks_for_fewer_calls(self) -> Self {
        self.with(|inner| inner.outlook = Outlook::Throttled)
    }

    pub(crate) fn heals_by_itself(self) -> Self {
        self.with(|inner| inner.outlook = Outlook::Recoverable)
    }

    pub(crate) fn during(self, operation: Operation) -> Self {
        self.with(|inner| inner.operation = operation)
    }

    /// What the call was about: a table, a role.
    pub(crate) fn on(self, subject: impl Into<Cow<'static, str>>) -> Self {
        self.with(|inner| inner.subject = Some(subject.into()))
    }

    /// Which strategy or identity made the call.
    pub(crate) fn via(self, via: impl Into<Cow<'static, str>>) -> Self {
        self.with(|inner| inner.via = Some(via.into()))
    }

    pub(crate) fn at(self, endpoint: impl Into<Cow<'static, str>>) -> Self {
        self.with(|inner| inner.endpoint = Some(endpoint.into()))
    }

    pub(crate) fn with_status(self, status: u16) -> Self {
        self.with(|inner| inner.http_status = Some(status))
    }

    pub(crate) fn with_code(self, code: impl Into<Cow<'static, str>>) -> Self {
        self.with(|inner| inner.code = Some(code.into()))
    }

    pub(crate) fn with_request_id(self, id: impl Into<Cow<'static, str>>) -> Self {
        self.with(|inner| inner.request_id = Some(id.into()))
    }

    /// What mends it, where that is known.
    pub(crate) fn advice(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The line without what mends it.
    pub(crate) fn without_advice(&self) -> Self {
        self.clone().with(|inner| inner.hint = None)
    }

    pub(crate) fn after_attempts(self, attempts: u32) -> Self {
        self.with(|inner| inner.attempts = Some(attempts))
    }

    pub(crate) fn after(self, elapsed: Duration) -> Self {
        self.with(|inner| inner.elapsed = Some(elapsed))
    }

    /// Shares a cause that somebody else holds too.
    #[cfg_attr(not(feature = "table"), allow(dead_code))]
    pub(crate) fn caused_by_shared(self, cause: Arc<dyn StdError + Send + Sync>) -> Self {
        self.with(|inner| inner.cause = Some(cause))
    }

    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// The cause, for code that acts on it.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// The call that failed.
    #[must_use]
    pub fn operation(&self) -> Operation {
        self.0.operation
    }

    /// The setting or argument that is wrong, for [`ErrorKind::Usage`].
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        self.0.field.as_deref()
    }

    /// The AWS error code, for example `AccessDenied`.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// The HTTP status of the answer.
    #[must_use]
    pub fn http_status(&self) -> Option<u16> {
        self.0.http_status
    }

    /// The request id, for AWS support.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// Whether credentials are the matter: none could be had, or the service refused them. A missing
    /// permission is not ([`ErrorKind::AccessDenied`]): there the identity is fine.
    #[must_use]
    pub fn is_credential(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Credential(_))
    }

    /// Whether it can heal without a human, so that trying again later makes sense.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.outlook != Outlook::Terminal
    }

    /// Whether the other side asked for fewer calls.
    #[must_use]
    pub fn is_throttled(&self) -> bool {
        self.0.outlook == Outlook::Throttled
    }

    /// Whether somebody has to change something before it can work.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.0.outlook == Outlook::Terminal
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        write!(f, "{}", inner.operation)?;
        if let Some(subject) = &inner.subject {
            write!(f, " on {}", OneLine(subject))?;
        }
        if let Some(via) = &inner.via {
            write!(f, " via {}", OneLine(via))?;
        }
        if let Some(endpoint) = &inner.endpoint {
            write!(f, " at {}", OneLine(endpoint))?;
        }
        f.write_str(": ")?;
        if let Some(field) = &inner.field {
            write!(f, "{}: ", OneLine(field))?;
        }
        write!(f, "{}", OneLine(&inner.message))?;
        let mut facts = Facts::new(f);
        facts.add("http", inner.http_status)?;
        facts.add("code", inner.code.as_deref().map(OneLine))?;
        facts.add("request id", inner.request_id.as_deref().map(OneLine))?;
        facts.add("attempts", inner.attempts)?;
        facts.add("after", inner.elapsed.map(Seconds))?;
        facts.close()?;
        if let Some(hint) = &inner.hint {
            write!(f, "; {}", OneLine(hint))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        f.debug_struct("Error")
            .field("kind", &inner.kind)
            .field("line", &format_args!("{self}"))
            .field("terminal", &self.is_terminal())
            .field("cause", &self.source().map(ToString::to_string))
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .cause
            .as_deref()
            .map(|cause| cause as &(dyn StdError + 'static))
    }
}

/// Writes the facts that are known, in one pair of parentheses, or nothing.
struct Facts<'a, 'f> {
    f: &'a mut fmt::Formatter<'f>,
    open: bool,
}

impl<'a, 'f> Facts<'a, 'f> {
    fn new(f: &'a mut fmt::Formatter<'f>) -> Self {
        Facts { f, open: false }
    }

    fn add(&mut self, name: &str, fact: Option<impl fmt::Display>) -> fmt::Result {
        let Some(fact) = fact else { return Ok(()) };
        let start = if self.open { ", " } else { " (" };
        self.open = true;
        write!(self.f, "{start}{name} {fact}")
    }

    fn close(self) -> fmt::Result {
        if self.open {
            self.f.write_str(")")?;
        }
        Ok(())
    }
}

/// A text from outside, with what would break the line escaped.
struct OneLine<'a>(&'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if c.is_control() {
                write!(f, "{}", c.escape_default())?;
            } else {
                write!(f, "{c}")?;
            }
        }
        Ok(())
    }
}

struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < Duration::from_secs(1) {
            write!(f, "{} ms", self.0.as_millis())
        } else {
            write!(f, "{:.1} s", self.0.as_secs_f64())
        }
    }
}
