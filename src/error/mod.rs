//! One error type for the whole crate.
//!
//! An SDK, socket or parser error becomes an [`Error`] once, at the edge where it arises. From there
//! on the facts travel with it: which call, which endpoint, which status and AWS code, how long it
//! took, and what mends it.

pub(crate) mod body;
pub(crate) mod chain;
pub(crate) mod codes;
mod kind;
mod line;
pub(crate) mod retry_after;
pub(crate) mod text;

#[cfg(feature = "table")]
pub(crate) use kind::Carried;
pub use kind::{CancellationReason, CredentialFault, Denied, ErrorKind, Operation};

use self::chain::{Discreet, Told, layers};
use self::line::{Facts, Seconds};
use self::text::{Secrets, Text};
use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What the crate's fallible calls return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What functions of the application fail with, such as the one that asks for an MFA code: any error, by
/// `?` or `into()`.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// Why a call failed, and what to do about it.
///
/// ```
/// use aws_credential_strategies::{AssumeRole, Error, ErrorKind};
///
/// let error: Error = AssumeRole::builder("not an ARN").region("us-east-1").build().unwrap_err();
/// assert_eq!((error.kind(), error.field()), (&ErrorKind::Usage, Some("role_arn")));
/// assert!(error.is_terminal()); // somebody has to change something
/// println!("{error}"); // one line, and what was expected
/// ```
///
/// `{}` is one line, of what is known: the call, its subject, the endpoint, what happened, the HTTP
/// status, the AWS code, the request id, attempts and time spent, and a hint that mends it. `{:#}` goes
/// on with the causes on the same line, and `{:?}`, which `fn main() -> Result` prints, with each on a
/// line of its own. The next layer down is [`source`](StdError::source); no message stands in two
/// layers: where the cause says more than the call above it can, that one has taken over what it says
/// and what mends it.
///
/// What a service said is quoted in at most 300 characters; secrets, session tokens, signatures and raw
/// response bodies are in none of it. Cloning is cheap, so one failed fetch can answer every caller that
/// waited for it.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    outlook: Outlook,
    operation: Operation,
    subject: Option<Text>,
    via: Option<Text>,
    endpoint: Option<Text>,
    field: Option<Text>,
    message: Text,
    /// The error above has taken over message and hint.
    told_above: bool,
    http_status: Option<u16>,
    code: Option<Text>,
    request_id: Option<Text>,
    attempts: Option<u32>,
    elapsed: Option<Duration>,
    retry_after: Option<Duration>,
    hint: Option<Text>,
    cause: Option<Arc<dyn Discreet>>,
    detail: Option<Arc<dyn StdError + Send + Sync>>,
    /// What the cause was made from; shown nowhere.
    original: Option<Arc<dyn StdError + Send + Sync>>,
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

impl Error {
    /// A failed fetch that may heal by itself: a timeout, a reset, a service that is down.
    ///
    /// For [`CredentialSource`](crate::CredentialSource)s of your own. What looks like a secret is struck
    /// out of the message; what does not, is shown: keep secrets out of it.
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

    /// Keeps the error of the layer below. [`source`](StdError::source) tells what it and those below it
    /// say, each in at most 300 characters and without what looks like a secret; the error itself is
    /// [`cause_as`](Error::cause_as).
    #[must_use]
    pub fn caused_by(self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        match cause.into().downcast::<Error>() {
            Ok(ours) => self.over(*ours),
            Err(theirs) => self.told_by(theirs, &Secrets::unknown()),
        }
    }

    /// The same, where it is known what the cause must not say.
    pub(crate) fn told_by(
        self,
        cause: impl Into<Box<dyn StdError + Send + Sync>>,
        secrets: &Secrets,
    ) -> Self {
        let cause: Arc<dyn StdError + Send + Sync> = Arc::from(cause.into());
        let error = match Told::chain(&*cause, secrets) {
            Some(told) => self.over(told),
            None => self,
        };
        error.with(|inner| inner.original = Some(cause))
    }

    /// Keeps a cause whose texts may be shown as they are.
    pub(crate) fn over(self, cause: impl Discreet) -> Self {
        self.with(|inner| inner.cause = Some(Arc::new(cause)))
    }

    /// The error given to [`caused_by`](Error::caused_by), or one of those below it, by its type; it is as
    /// it was given, so what it shows is its own affair.
    #[must_use]
    pub fn cause_as<T: StdError + 'static>(&self) -> Option<&T> {
        let original = self.0.original.as_deref();
        let given = original.map(|given| given as &(dyn StdError + 'static));
        let found = given.and_then(|given| layers(given).find_map(|layer| layer.downcast_ref()));
        found.or_else(|| {
            let below = self.0.cause.as_deref()? as &(dyn StdError + 'static);
            let ours = layers(below).find_map(|layer| layer.downcast_ref::<Error>())?;
            (ours as &(dyn StdError + 'static))
                .downcast_ref()
                .or_else(|| ours.cause_as())
        })
    }

    /// Says what mends it; shown at the end of the line.
    #[must_use]
    pub fn hint(self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.with(|inner| inner.hint = Some(Text::prose(hint.into())))
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
            message: Text::prose(message.into()),
            told_above: false,
            http_status: None,
            code: None,
            request_id: None,
            attempts: None,
            elapsed: None,
            retry_after: None,
            hint: None,
            cause: None,
            detail: None,
            original: None,
        }))
    }

    /// Bad input: names the field and what was expected.
    pub(crate) fn usage(
        field: impl Into<Cow<'static, str>>,
        expected: impl Into<Cow<'static, str>>,
    ) -> Self {
        Error::new(ErrorKind::Usage, Operation::CONFIGURE, expected)
            .with(|inner| inner.field = Some(text(field)))
    }

    /// The same error about a setting that goes by another name where it was given.
    pub(crate) fn naming(self, field: impl Into<Cow<'static, str>>) -> Self {
        self.with(|inner| inner.field = Some(text(field)))
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
        self.with(|inner| inner.subject = Some(text(subject)))
    }

    /// Which strategy or identity made the call.
    pub(crate) fn via(self, via: impl Into<Cow<'static, str>>) -> Self {
        self.with(|inner| inner.via = Some(text(via)))
    }

    pub(crate) fn at(self, endpoint: impl Into<Cow<'static, str>>) -> Self {
        self.with(|inner| inner.endpoint = Some(text(endpoint)))
    }

    pub(crate) fn with_status(self, status: u16) -> Self {
        self.with(|inner| inner.http_status = Some(status))
    }

    pub(crate) fn with_code(self, code: impl Into<Cow<'static, str>>) -> Self {
        self.with(|inner| inner.code = Some(text(code)))
    }

    pub(crate) fn with_request_id(self, id: impl Into<Cow<'static, str>>) -> Self {
        self.with(|inner| inner.request_id = Some(text(id)))
    }

    /// What mends it, where that is known.
    pub(crate) fn advice(&self) -> Option<&str> {
        self.0.hint.as_ref().map(Text::as_str)
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

    /// When the other side said that it may be asked again.
    pub(crate) fn with_retry_after(self, pause: Duration) -> Self {
        self.with(|inner| inner.retry_after = Some(pause))
    }

    /// Keeps an error of this crate as the cause, and takes over what it says and what mends it: this
    /// error knows the call, the cause knows the reason. The cause goes on to tell where and how often.
    pub(crate) fn because_of(self, cause: Error) -> Self {
        let Inner {
            message,
            field,
            hint,
            ..
        } = &*cause.0;
        let reason = match field {
            Some(field) => field.clone().then(message),
            None => message.clone(),
        };
        let hint = hint.clone();
        let below = cause.with(|inner| inner.told_above = true);
        self.with(|inner| {
            inner.message = inner.message.clone().then(&reason);
            inner.hint = inner.hint.take().or(hint);
            inner.cause = Some(Arc::new(below));
        })
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

    /// The setting or argument that is wrong, for [`ErrorKind::Usage`] and [`ErrorKind::TooShort`].
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        self.0.field.as_ref().map(Text::as_str)
    }

    /// The AWS error code, for example `AccessDenied`.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_ref().map(Text::as_str)
    }

    /// The HTTP status of the answer.
    #[must_use]
    pub fn http_status(&self) -> Option<u16> {
        self.0.http_status
    }

    /// How long the other side asked to be left alone, by `Retry-After`.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The request id, for AWS support.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_ref().map(Text::as_str)
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

impl Error {
    /// This layer alone.
    fn write_line(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        write!(f, "{}", inner.operation)?;
        if let Some(subject) = &inner.subject {
            write!(f, " on {subject}")?;
        }
        if let Some(via) = &inner.via {
            write!(f, " via {via}")?;
        }
        if let Some(endpoint) = &inner.endpoint {
            write!(f, " at {endpoint}")?;
        }
        if !inner.told_above {
            f.write_str(": ")?;
            if let Some(field) = &inner.field {
                write!(f, "{field}: ")?;
            }
            write!(f, "{}", inner.message)?;
        }
        let mut facts = Facts::new(f);
        facts.add("http", inner.http_status)?;
        facts.add("code", inner.code.as_ref())?;
        facts.add("request id", inner.request_id.as_ref())?;
        facts.add("attempts", inner.attempts)?;
        facts.add("after", inner.elapsed.map(Seconds))?;
        facts.add("not again before", inner.retry_after.map(Seconds))?;
        facts.close()?;
        match &inner.hint {
            Some(hint) if !inner.told_above => write!(f, "; {hint}"),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_line(f)?;
        if f.alternate() {
            for layer in chain::below(self) {
                write!(f, "; caused by: {layer}")?;
            }
        }
        Ok(())
    }
}

/// What `fn main() -> Result` prints, so it is for people: the line, and below it each cause.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_line(f)?;
        for (layer, text) in chain::below(self).iter().enumerate() {
            let start = if layer == 0 { "\n\nCaused by:\n" } else { "\n" };
            write!(f, "{start}    {text}")?;
        }
        Ok(())
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

impl Discreet for Error {}

fn text(text: impl Into<Cow<'static, str>>) -> Text {
    Text::from(text.into())
}
