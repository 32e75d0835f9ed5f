//! What code can tell an error by: its kind, and the call that failed.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// The cause of an [`Error`](super::Error), for code that acts on it.
///
/// It names the cause, not the call: the call is [`Error::operation`](super::Error::operation).
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
    /// Credentials were asked for a longer life than the source gives.
    TooShort,
    /// No connection could be made.
    Unreachable,
    /// A setting or an argument is wrong; [`Error::field`](super::Error::field) names it. Nothing was sent, but for a
    /// transaction whose token DynamoDB knows with other items.
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
///
/// ```
/// use aws_credential_strategies::{Error, Operation};
///
/// const ROTATE: Operation = Operation::new("rotate keys");
/// assert_eq!(ROTATE.as_str(), "rotate keys");
/// assert_eq!(Error::terminal("no").operation(), Operation::FETCH);
/// ```
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
