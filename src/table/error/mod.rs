//! What the SDK and DynamoDB say, as the crate's error: the one place where it is read.

use super::decode::decode;
use super::item::Attributes;
use super::refusal_marks::what_was_sent;
use super::target::{Shared, Target};
use crate::error::body::Refusal;
use crate::error::chain::{Broken, Told, layers};
use crate::error::codes::{Meaning, is_about_the_clock, meaning};
use crate::error::retry_after::pause;
use crate::error::text::{Quoted, Secrets};
use crate::error::{
    CancellationReason, Carried, CredentialFault, Denied, Error, ErrorKind, Operation, Result,
};
use crate::sdk::{LastRefresh, REPEAT};
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::RequestId as _;
use aws_sdk_dynamodb::types::ThrottlingReason;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use serde::de::DeserializeOwned;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::time::Instant;

mod modeled;

pub(crate) use modeled::Modeled;

/// What every missing credential of a table has in common; the reason goes on from there.
const NO_CREDENTIALS: &str = "the strategy has no credentials";
/// The code of an item of a transaction that was not the cause.
const NO_REASON: &str = "None";
/// HTTP's own refusal of a body that is too long.
const PAYLOAD_TOO_LARGE: u16 = 413;
const FIRST_REFUSAL: u16 = 400;

impl Error {
    /// The item that was there when a condition did not hold.
    ///
    /// `None` when this is neither [`ErrorKind::Conflict`] nor a cancelled transaction, whose
    /// [reasons](CancellationReason::item) have one each, or when the operation did not ask for the item:
    /// `attempt`, the `returning`s and
    /// [`returning_conflict`](crate::table::Write::returning_conflict) do, a plain `send` does not.
    #[must_use]
    pub fn conflict<T: DeserializeOwned>(&self) -> Option<Result<T>> {
        if let ErrorKind::Canceled(reasons) = self.kind() {
            return reasons.iter().find_map(CancellationReason::item);
        }
        self.conflict_item().map(|item| decode(item.clone(), None))
    }

    /// Whether the write may have happened all the same: it got no answer, or one that says that the service
    /// failed; or the SDK sent it more than once, and that is so of an earlier try. So a
    /// [`Conflict`](ErrorKind::Conflict) may be with this very write; compare the item that is there with yours,
    /// before an addition is sent again. A transaction that was cancelled is not done; where it got no answer, the same
    /// one with its [`token`](crate::table::TransactWrite::token) can be sent again. `false` for a read, and for a write
    /// that was not sent for want of credentials or because it is not as it should be.
    #[must_use]
    pub fn may_be_done(&self) -> bool {
        self.detail()
            .is_some_and(|detail| modeled::may_be_done(detail))
    }

    /// The SDK's error whole, by the operation's error type: `error.sdk::<GetItemError>()`.
    #[must_use]
    pub fn sdk<E: StdError + 'static>(&self) -> Option<&SdkError<E>> {
        self.detail()?.downcast_ref()
    }

    pub(crate) fn conflict_item(&self) -> Option<&Attributes> {
        modeled::conflict_item(self.detail()?)
    }
}

impl CancellationReason {
    /// The item that was there when this part's condition did not hold, if the part asked for it by
    /// [`returning_conflict`](crate::table::Write::returning_conflict).
    #[must_use]
    pub fn item<T: DeserializeOwned>(&self) -> Option<Result<T>> {
        let item: &Attributes = self.carried.get()?;
        Some(decode(item.clone(), None))
    }
}

/// Which call is under way, for the error if it fails.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    shared: &'a Shared,
    operation: Operation,
    subject: Subject<'a>,
    started: Instant,
}

/// What a call is about.
#[derive(Clone, Copy)]
pub(crate) enum Subject<'a> {
    Table(&'a str),
    Tables(&'a [&'a str]),
}

impl<'a> Call<'a> {
    pub(crate) fn on(target: &'a Target, operation: Operation) -> Self {
        Call::about(&target.shared, operation, Subject::Table(target.table()))
    }

    pub(crate) fn about(shared: &'a Shared, operation: Operation, subject: Subject<'a>) -> Self {
        Call {
            shared,
            operation,
            subject,
            started: Instant::now(),
        }
    }

    /// An error that was found on this side, before the call or in its answer.
    pub(crate) fn explain(&self, error: Error) -> Error {
        error
            .during(self.operation)
            .on(self.subject.to_string())
            .via(self.via())
    }

    /// What the SDK returned.
    pub(crate) fn failed<E>(&self, error: SdkError<E>) -> Error
    where
        E: Modeled + ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        let secrets = self.secrets(error.raw_response());
        let described = match &error {
            SdkError::ServiceError(service) => {
                let status = service.raw().status().as_u16();
                let described = self
                    .refused(service.err(), service.raw(), &secrets)
                    .with_status(status);
                match error.request_id() {
                    Some(id) => described.with_request_id(Quoted::new(id, &secrets)),
                    None => described,
                }
            }
            SdkError::ResponseError(response) => {
                let status = response.raw().status().as_u16();
                let message = "the answer could not be read";
                Error::new(ErrorKind::Malformed, self.operation, message).with_status(status)
            }
            _ => self.not_answered(&error),
        };
        let described = self.explain(described).after(self.started.elapsed());
        let detail: Arc<dyn StdError + Send + Sync> = Arc::new(error);
        let explained_elsewhere = described.source().is_some() || described.http_status().is_some();
        let told = Told::chain(&*detail, &secrets);
        let described = match told.filter(|_| !explained_elsewhere) {
            Some(told) => described.over(told),
            None => described,
        };
        described.with_detail(detail)
    }

    /// DynamoDB answered with an error. The code decides, never the status: DynamoDB answers 400 where
    /// AWS's list of common errors says 403.
    fn refused<E: Modeled + ProvideErrorMetadata>(
        &self,
        error: &E,
        raw: &HttpResponse,
        secrets: &Secrets,
    ) -> Error {
        let status = raw.status().as_u16();
        // Where the SDK finds none, they may stand elsewhere: a proxy or another vendor answers.
        let read = Refusal::read(
            |name| raw.headers().get(name),
            raw.body().bytes().unwrap_or_default(),
        );
        let Refusal {
            code,
            message: said,
        } = Refusal::said(error.code(), error.message()).or(read);
        let code = Quoted::new(&code.unwrap_or_default(), secrets);
        let code = code.as_str();
        let said = &*said.unwrap_or_default();
        let message = Quoted::new(said, secrets);
        let message = message.as_str();
        let described = match code {
            "TransactionCanceledException" => {
                canceled(error.cancellation_reasons(), message, secrets)
            }
            "ResourceNotFoundException" => self.no_such_table(message),
            "AccessDeniedException" | "AccessDenied" => {
                access_denied(&Quoted::struck(said, secrets), message)
            }
            _ => by_code(code, message, status, error.throttling_reasons(), secrets),
        };
        let described = self.with_last_refresh(described);
        let asked = raw.headers().get("retry-after");
        let described = match asked.and_then(|value| pause(value, SystemTime::now())) {
            Some(pause) => described.with_retry_after(pause),
            None => described,
        };
        if code.is_empty() {
            described
        } else {
            described.with_code(code.to_owned())
        }
    }

    /// What no text may show: what is held, be it rejected, and what was sent, which may be of a key that is
    /// held no more.
    fn secrets(&self, answer: Option<&HttpResponse>) -> Secrets {
        let strategy = &self.shared.strategy;
        let held = strategy.current();
        let rejected = strategy.disputed_identity();
        let rejected = rejected.as_ref().and_then(|rejected| rejected.data());
        held.as_deref()
            .into_iter()
            .chain(rejected)
            .map(Secrets::of)
            .chain(answer.and_then(what_was_sent))
            .fold(Secrets::unknown(), Secrets::with)
    }

    /// Credentials that are rejected after the one repeat: what the strategy knows about why they were
    /// not replaced is the cause.
    fn with_last_refresh(&self, described: Error) -> Error {
        use CredentialFault::{Expired, Unrecognized};
        if !matches!(
            described.kind(),
            ErrorKind::Credential(Expired | Unrecognized)
        ) {
            return described;
        }
        match LastRefresh::for_present_need(self.shared.strategy.status()) {
            Some((failed, _)) => described.over(failed),
            None => described,
        }
    }

    fn no_such_table(&self, message: &str) -> Error {
        let region = self.shared.endpoint.region().unwrap_or("unknown");
        new(ErrorKind::NoSuchTable, or(message, "no such table"))
            .needs_human()
            .hint(format!(
                "check the table's name, the region ({region}) and the account of the strategy: another role sees another account's tables"
            ))
    }

    /// No answer: credentials, connection, time.
    fn not_answered<E>(&self, error: &SdkError<E>) -> Error
    where
        E: StdError + Send + Sync + 'static,
    {
        if let Some(described) = no_credentials(error) {
            return described;
        }
        let table = match self.subject {
            Subject::Table(table) => Some(table),
            Subject::Tables(tables) => tables.first().copied(),
        };
        let table = table.filter(|table| table.starts_with("arn:"));
        let endpoint = self.shared.endpoint.resolve(&*self.shared.strategy, table);
        let described = match error {
            SdkError::TimeoutError(_) => new(ErrorKind::Timeout, "no answer in time"),
            SdkError::DispatchFailure(failure) if failure.is_timeout() => {
                new(ErrorKind::Timeout, "no connection or no answer in time")
            }
            SdkError::DispatchFailure(failure) if failure.is_io() => {
                let broken = Broken::of(error);
                new(ErrorKind::Unreachable, broken.message()).hint(broken.hint())
            }
            SdkError::DispatchFailure(failure) if failure.is_user() => {
                new(ErrorKind::Other, "the HTTP client refused the request").needs_human()
            }
            SdkError::ConstructionFailure(_) => new(
                ErrorKind::Usage,
                "the SDK refused the request; nothing was sent",
            ),
            _ if names_no_http_client(error) => {
                return new(ErrorKind::Usage, "there is no HTTP client")
                    .hint("enable the feature `https`, or give one in the SdkConfig");
            }
            _ if self.shared.endpoint.is_no_url() => {
                return Error::usage(
                    "endpoint_url",
                    "expected an http or https URL such as http://localhost:8000; nothing was sent",
                );
            }
            _ if self.shared.endpoint.region().is_none() => {
                return Error::usage("region", "expected one in the SdkConfig; nothing was sent");
            }
            _ if Broken::of(error) == Broken::Ended => {
                let broken = Broken::Ended;
                new(ErrorKind::Unreachable, broken.message()).hint(broken.hint())
            }
            _ => new(ErrorKind::Other, "the request could not be sent"),
        };
        match endpoint {
            Some(endpoint) => described.at(endpoint),
            None => described,
        }
    }

    /// The strategy, with the role or profile and the account where it knows them.
    fn via(&self) -> String {
        let strategy = &self.shared.strategy;
        let status = strategy.status();
        let account = status.account_id.map(|id| format!("account {id}"));
        let known: Vec<String> = status.subject.into_iter().chain(account).collect();
        if known.is_empty() {
            strategy.name().to_owned()
        } else {
            format!("{} ({})", strategy.name(), known.join(", "))
        }
    }
}

impl fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Table(table) | Subject::Tables([table]) => write!(f, "table {table}"),
            Subject::Tables(tables) => write!(f, "tables {}", tables.join(", ")),
        }
    }
}

/// A part of a request that the SDK finds incomplete; all of them are set, so this does not happen.
pub(crate) fn incomplete(error: BuildError) -> Error {
    Error::usage("request", "expected a complete request").caused_by(error)
}

/// The operation is put in by the caller.
fn new(kind: ErrorKind, message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(kind, Operation::CONFIGURE, message)
}

fn or(message: &str, otherwise: &'static str) -> String {
    if message.is_empty() {
        otherwise.to_owned()
    } else {
        message.to_owned()
    }
}

/// The strategy could not give credentials: no service was asked.
fn no_credentials(error: &(dyn StdError + 'static)) -> Option<Error> {
    let kind = ErrorKind::Credential(CredentialFault::Unavailable);
    let own = layers(error).find_map(|layer| layer.downcast_ref::<Error>());
    if let Some(own) = own {
        if own.operation() == REPEAT {
            // A service was asked, and it is about its answer.
            return Some(own.clone());
        }
        let described = new(kind, NO_CREDENTIALS).because_of(own.clone());
        return Some(if own.is_retryable() {
            described
        } else {
            described.needs_human()
        });
    }
    let from_provider = layers(error).find(|layer| layer.is::<CredentialsError>())?;
    let Some(told) = Told::chain(from_provider, &Secrets::unknown()) else {
        return Some(new(kind, NO_CREDENTIALS));
    };
    let (said, below) = told.split();
    let described = new(kind, format!("{NO_CREDENTIALS}: {said}"));
    Some(match below {
        Some(below) => described.over(below),
        None => described,
    })
}

/// Whether it cannot have reached a service for another reason than the connection.
fn is_never_sent(error: &(dyn StdError + 'static)) -> bool {
    no_credentials(error).is_some() || names_no_http_client(error)
}

/// The SDK has no type for it.
fn names_no_http_client(error: &(dyn StdError + 'static)) -> bool {
    let mut layer = error.source();
    while let Some(current) = layer {
        if current.to_string().contains("No HTTP client was available") {
            return true;
        }
        layer = current.source();
    }
    false
}

fn canceled(
    reasons: &[aws_sdk_dynamodb::types::CancellationReason],
    message: &str,
    secrets: &Secrets,
) -> Error {
    let reasons = reasons.iter().map(|given| reason(given, secrets));
    let reasons: Vec<CancellationReason> = reasons.collect();
    let causes = reasons.iter().enumerate().filter_map(|(position, reason)| {
        let code = reason.code.as_deref()?;
        let message = reason.message.as_deref().unwrap_or_default();
        let colon = if message.is_empty() { "" } else { ": " };
        Some(format!("item {position} {code}{colon}{message}"))
    });
    let causes = causes.collect::<Vec<_>>().join(", ");
    let codes: Vec<&str> = if reasons.is_empty() {
        listed_codes(message)
    } else {
        let codes = reasons.iter().map(|reason| reason.code.as_deref());
        codes.map(|code| code.unwrap_or(NO_REASON)).collect()
    };
    let mut codes = codes
        .into_iter()
        .filter(|code| *code != NO_REASON)
        .peekable();
    // a reason that is not known may be one that stays
    let heals = codes.peek().is_some()
        && codes.all(|code| {
            matches!(
                code,
                "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded"
            )
        });
    let message = if causes.is_empty() {
        or(message, "the transaction was cancelled")
    } else {
        format!("the transaction was cancelled by {causes}")
    };
    let described = new(ErrorKind::Canceled(reasons), message);
    if heals {
        described
    } else {
        described.needs_human()
    }
}

/// The codes at the end of DynamoDB's message, one for each item: `[ConditionalCheckFailed, None]`.
fn listed_codes(message: &str) -> Vec<&str> {
    let listed = message.trim_end().strip_suffix(']');
    let listed = listed.and_then(|message| message.rsplit_once('['));
    listed.map_or_else(Vec::new, |(_, codes)| {
        codes.split(',').map(str::trim).collect()
    })
}

/// A clean item has the code `None` as a word.
fn reason(
    reason: &aws_sdk_dynamodb::types::CancellationReason,
    secrets: &Secrets,
) -> CancellationReason {
    let quoted = |text: &str| Quoted::new(text, secrets).as_str().to_owned();
    CancellationReason {
        code: reason.code().filter(|code| *code != NO_REASON).map(quoted),
        message: reason.message().map(quoted),
        carried: reason
            .item()
            .cloned()
            .map_or_else(Carried::default, Carried::new),
    }
}

fn throttled(message: &str, reasons: &[ThrottlingReason], secrets: &Secrets) -> Error {
    let mut text = or(message, "too many requests");
    for reason in reasons {
        let what = reason.reason().unwrap_or("throttled");
        let resource = reason.resource().unwrap_or("an unnamed resource");
        let (what, resource) = (Quoted::new(what, secrets), Quoted::new(resource, secrets));
        text.push_str(&format!("; {what} on {resource}"));
    }
    new(ErrorKind::Throttled, text)
}

fn by_code(
    code: &str,
    message: &str,
    status: u16,
    throttling: &[ThrottlingReason],
    secrets: &Secrets,
) -> Error {
    use CredentialFault::{Expired, Malformed, Signature, Unrecognized};
    let credential = |fault, otherwise| new(ErrorKind::Credential(fault), or(message, otherwise));
    let listed = Some(code).filter(|code| !code.is_empty());
    if listed.is_none() && status < FIRST_REFUSAL {
        // a redirect leads nowhere, however often
        return invalid(code, message, status).needs_human();
    }
    match meaning(listed, status) {
        Meaning::Throttled => throttled(message, throttling, secrets),
        Meaning::Contention => {
            new(ErrorKind::Contention, or(message, "another write was in the way"))
        }
        Meaning::Failed => new(ErrorKind::Service, or(message, "the service failed")),
        Meaning::Denied => access_denied(message, message),
        // DynamoDB says of a signature what EC2 says of a session
        _ if code == "RequestExpired" => {
            credential(Signature, "the signature is too old")
                .needs_human()
                .hint("check this host's clock")
        }
        Meaning::Expired => credential(Expired, "the session is over"),
        Meaning::Unrecognized => credential(Unrecognized, "the key is not known").hint(
            "the key id or the session token is wrong or missing, the key is not known yet everywhere, or the region is not enabled for the account",
        ),
        Meaning::Signature if is_about_the_clock(code, message) => {
            credential(Signature, "the signature is too old")
                .needs_human()
                .hint("check this host's clock")
        }
        Meaning::Signature => credential(Signature, "the signature does not match")
            .needs_human()
            .hint("a clock that is off has been corrected for already, so it is almost surely a wrong secret key"),
        Meaning::Unsigned => credential(Malformed, "the signature is incomplete")
            .needs_human()
            .hint("something between here and the service, a proxy as a rule, strips the Authorization header"),
        Meaning::Invalid => invalid(code, message, status).needs_human(),
    }
}

/// A person has to change something: what is asked, or whom it goes to.
fn invalid(code: &str, message: &str, status: u16) -> Error {
    match code {
        "ConditionalCheckFailedException" => new(
            ErrorKind::Conflict,
            or(message, "the condition did not hold"),
        ),
        "IdempotentParameterMismatchException" => Error::usage(
            "token",
            or(message, "the token was used with other items before"),
        ),
        "ItemCollectionSizeLimitExceededException"
        | "RequestEntityTooLargeException"
        | "RequestEntityTooLarge" => new(ErrorKind::TooLarge, or(message, "too large")),
        "ValidationException" if is_about_size(message) => {
            new(ErrorKind::TooLarge, message.to_owned())
        }
        "ValidationException" | "SerializationException" => {
            new(ErrorKind::Invalid, or(message, "the request is not valid"))
        }
        _ if status == PAYLOAD_TOO_LARGE => {
            new(ErrorKind::TooLarge, or(message, "the request is too large"))
        }
        // a web page of a proxy, a body that is no JSON
        "" => new(
            ErrorKind::Malformed,
            or(message, "the answer is none of DynamoDB's"),
        ),
        _ => new(
            ErrorKind::Other,
            or(message, "DynamoDB refused the request"),
        ),
    }
}

/// DynamoDB has no code of its own for an item or a request that is too large.
fn is_about_size(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    [
        "item size has exceeded",
        "item size to update has exceeded",
        "collection size exceeded",
        "request size",
        "exceeds the maximum size",
    ]
    .iter()
    .any(|sign| message.contains(sign))
}

/// The whole of what was said names who and what; the message is what is shown of it.
fn access_denied(whole: &str, message: &str) -> Error {
    let denied = Denied::parse(whole);
    let remedy = denied.remedy().unwrap_or_else(|| {
        "the role's policy, a session policy or a permissions boundary does not allow it".to_owned()
    });
    new(
        ErrorKind::AccessDenied(denied),
        or(message, "not authorized"),
    )
    .hint(remedy)
}
