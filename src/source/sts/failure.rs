//! What can go wrong with STS, in words that mend it. Every error of this source is made here or beside
//! the parser.

use super::base::Origin;
use super::budget::Budget;
use super::observe::Observer;
use crate::arn::RoleArn;
use crate::error::body::Refusal;
use crate::error::chain::{Broken, Told, layers};
use crate::error::codes::{self, Meaning};
use crate::error::retry_after::pause;
use crate::error::text::{Quoted, Secrets};
use crate::error::{CredentialFault, Denied, Error, ErrorKind, Operation};
use aws_credential_types::Credentials;
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::RequestId;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use std::borrow::Cow;
use std::error::Error as StdError;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// The call behind Option B.
pub(super) const ASSUME_ROLE: Operation = Operation::new("assume role");
/// Who am I.
pub(super) const GET_CALLER_IDENTITY: Operation = Operation::new("get caller identity");

/// Sessions that start from another role session last at most this long:
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining>.
pub(super) const CHAINED_LIMIT: Duration = Duration::from_secs(3_600);

pub(super) const NO_ANSWER: &str = "no answer in time";
const CHECK_IN_ORDER: &str = "check in this order: 1. the trust policy of the role names this caller, \
     2. the caller's own policy allows sts:AssumeRole on the role, 3. the trust policy's conditions hold \
     (external id, MFA, session tags, source identity)";
const OPTION_A_NEEDS_NONE: &str = "; the role is of the instance's own account: on EC2 in one account, \
     Option A (InstanceProfile) with the permissions on the instance's role needs none of this";
const CLOCK_OR_SECRET: &str =
    "the secret key is not the one of this key id, or this host's clock is off";
const CLOCK: &str = "this host's clock is off: set it (on EC2 sudo chronyc makestep)";

/// One call to STS, as far as its errors speak of it.
pub(super) struct Call<'a> {
    operation: Operation,
    region: &'a str,
    observer: &'a Observer,
    started: Instant,
    role: Option<Assumed<'a>>,
}

/// The role that a call assumes.
#[derive(Clone, Copy)]
pub(super) struct Assumed<'a> {
    pub(super) arn: &'a RoleArn,
    pub(super) duration: Duration,
    pub(super) base: &'a str,
    pub(super) origin: Origin,
    pub(super) with_mfa: bool,
}

impl<'a> Call<'a> {
    pub(super) fn new(operation: Operation, region: &'a str, observer: &'a Observer) -> Self {
        Call {
            operation,
            region,
            observer,
            started: Instant::now(),
            role: None,
        }
    }

    pub(super) fn assuming(self, role: Assumed<'a>) -> Self {
        Call {
            role: Some(role),
            ..self
        }
    }

    /// The answer came and is not what it should be.
    pub(super) fn malformed(&self, message: impl Into<Cow<'static, str>>) -> Error {
        self.finish(
            Error::new(ErrorKind::Malformed, self.operation, message),
            None,
        )
    }

    /// A step of the fetch took what time was left.
    pub(super) fn late(&self, message: &'static str, time: &Budget) -> Error {
        let hint = format!(
            "a fetch has {:.1} s in all, base, token and STS together",
            time.limit().as_secs_f64()
        );
        let error = Error::new(ErrorKind::Timeout, self.operation, message).hint(hint);
        self.finish(error, None).after(time.spent())
    }

    /// Adds what every error of a call says.
    pub(super) fn finish(&self, error: Error, signer: Option<&Credentials>) -> Error {
        let mut error = error.during(self.operation).after(self.started.elapsed());
        let place = self.region;
        error = match self.observer.endpoint() {
            Some(endpoint) => error.at(format!("{endpoint} in {place}")),
            None => error.at(place.to_owned()),
        };
        if self.observer.attempts() > 1 {
            error = error.after_attempts(self.observer.attempts());
        }
        let Some(role) = self.role else { return error };
        let via = match signer.and_then(Credentials::account_id) {
            Some(account) => format!("{} of account {}", role.base, account.as_str()),
            None => role.base.to_owned(),
        };
        error.on(role.arn.as_str().to_owned()).via(via)
    }

    /// The call failed. `signer` are the credentials that signed it.
    pub(super) fn failed<E>(&self, error: &SdkError<E, HttpResponse>, signer: &Credentials) -> Error
    where
        E: StdError + ProvideErrorMetadata + 'static,
    {
        let mapped = match error {
            SdkError::ServiceError(context) => {
                let said = Refusal::said(context.err().code(), context.err().message());
                self.answered(context.raw(), said, signer)
            }
            SdkError::ResponseError(context) if context.raw().body().bytes().is_none() => self
                .silent(
                    ErrorKind::Malformed,
                    "the answer of STS could not be read",
                    error,
                )
                .with_status(context.raw().status().as_u16()),
            SdkError::ResponseError(context) => {
                self.answered(context.raw(), Refusal::default(), signer)
            }
            SdkError::TimeoutError(_) => self.silent(ErrorKind::Timeout, NO_ANSWER, error),
            SdkError::DispatchFailure(failure)
                if failure.is_timeout()
                    && layers(error).any(|layer| layer.to_string().contains("connect timeout")) =>
            {
                let message = "connecting took too long: nobody answers at the endpoint";
                let mapped = self.silent(ErrorKind::Timeout, message, error);
                mapped.hint(Broken::NoRoute.hint())
            }
            SdkError::DispatchFailure(failure) if failure.is_timeout() => self.silent(
                ErrorKind::Timeout,
                "connecting or waiting for the answer took too long",
                error,
            ),
            SdkError::DispatchFailure(failure) if failure.is_io() => {
                let broken = Broken::of(error);
                self.silent(ErrorKind::Unreachable, broken.message(), error)
                    .hint(broken.hint())
            }
            _ => self.silent(ErrorKind::Other, "the call could not be made", error),
        };
        let mapped = match error.request_id() {
            Some(id) => mapped.with_request_id(Quoted::new(id, &self.secrets(signer))),
            None => mapped,
        };
        self.finish(mapped, Some(signer))
    }

    /// What no error of this call may repeat.
    fn secrets(&self, signer: &Credentials) -> Secrets {
        self.observer.secrets().with(Secrets::of(signer))
    }

    /// No answer: the layers below say why.
    fn silent(
        &self,
        kind: ErrorKind,
        message: &'static str,
        error: &(dyn StdError + 'static),
    ) -> Error {
        let mapped = Error::new(kind, self.operation, message);
        let told = error
            .source()
            .and_then(|below| Told::chain(below, &self.observer.secrets()));
        match told {
            Some(told) => mapped.over(told),
            None => mapped,
        }
    }

    /// An answer came, and it is not what was asked for: code and message stand where the SDK found them,
    /// or wherever else in it.
    pub(super) fn answered(
        &self,
        raw: &HttpResponse,
        said: Refusal<'_>,
        signer: &Credentials,
    ) -> Error {
        let status = raw.status().as_u16();
        let body = raw.body().bytes().unwrap_or_default();
        let Refusal { code, message } =
            said.or(Refusal::read(|name| raw.headers().get(name), body));
        let mapped = match code {
            Some(code) => self.refused(status, &code, message.as_deref(), signer),
            None => {
                let message = Quoted::new(&message.unwrap_or_default(), &self.secrets(signer));
                let mapped = self.unreadable(status, &message);
                match in_between(raw) {
                    Some(hint) => mapped.hint(hint),
                    None => mapped,
                }
            }
        };
        match retry_after(raw) {
            Some(pause) => mapped.with_retry_after(pause),
            None => mapped,
        }
    }

    /// Nothing in the answer says which error this is, or no more than a message. The parser's own words
    /// may quote it, so they stay out.
    fn unreadable(&self, status: u16, said: &Quoted) -> Error {
        let meaning = codes::meaning(None, status);
        let (kind, message) = match meaning {
            Meaning::Throttled => (ErrorKind::Throttled, "STS asks for fewer calls"),
            _ if status >= 500 => (ErrorKind::Service, "STS failed"),
            _ => (ErrorKind::Malformed, "the answer is not one of STS"),
        };
        let message = match said.is_empty() {
            true => Cow::Borrowed(message),
            false => Cow::Owned(format!("{message}: {said}")),
        };
        let mapped = Error::new(kind, self.operation, message).with_status(status);
        if meaning.needs_a_person() {
            mapped.needs_human()
        } else {
            mapped
        }
    }

    /// STS answered with a code.
    fn refused(
        &self,
        status: u16,
        code: &str,
        message: Option<&str>,
        signer: &Credentials,
    ) -> Error {
        let secrets = self.secrets(signer);
        let said = message.unwrap_or_default();
        let meaning = codes::meaning(Some(code), status);
        let quoted = match meaning {
            Meaning::Signature => Quoted::first_line(said, &secrets),
            _ => Quoted::new(said, &secrets),
        };
        let said = Quoted::struck(said, &secrets);
        let (kind, hint) = self.verdict(code, meaning, &said, signer);
        // A session's key id can be unknown for a moment; a long-lived one is gone.
        let gone = meaning == Meaning::Unrecognized && signer.session_token().is_none();
        let mut mapped = Error::new(kind, self.operation, quoted.or("STS gave no message"))
            .with_status(status)
            .with_code(Quoted::new(code, &secrets));
        if meaning.needs_a_person() || gone {
            mapped = mapped.needs_human();
        }
        match hint {
            Some(hint) => mapped.hint(hint),
            None => mapped,
        }
    }

    fn verdict(
        &self,
        code: &str,
        meaning: Meaning,
        message: &str,
        signer: &Credentials,
    ) -> (ErrorKind, Option<Cow<'static, str>>) {
        match meaning {
            Meaning::Denied => {
                let denied = Denied::parse(message);
                let hint = self.why_denied(&denied, message, signer);
                (ErrorKind::AccessDenied(denied), hint)
            }
            Meaning::Expired => (
                ErrorKind::Credential(CredentialFault::Expired),
                Some("the base credentials have expired: their own refresh fails, or this host's clock is off".into()),
            ),
            Meaning::Unrecognized if signer.session_token().is_none() => (
                ErrorKind::Credential(CredentialFault::Unrecognized),
                Some("the access key is deleted, inactive, or of another partition".into()),
            ),
            Meaning::Unrecognized => (
                ErrorKind::Credential(CredentialFault::Unrecognized),
                Some("the session token is missing, cut, or not valid in this region, or its role was deleted and made again".into()),
            ),
            Meaning::Signature => (
                ErrorKind::Credential(CredentialFault::Signature),
                Some(match codes::is_about_the_clock(code, message) {
                    true => CLOCK.into(),
                    false => CLOCK_OR_SECRET.into(),
                }),
            ),
            Meaning::Unsigned => (
                ErrorKind::Credential(CredentialFault::Malformed),
                Some("something between here and STS changes requests".into()),
            ),
            Meaning::Throttled => (ErrorKind::Throttled, None),
            Meaning::Contention | Meaning::Failed => (ErrorKind::Service, None),
            Meaning::Invalid => {
                let kind = match codes::known(code) {
                    Some(_) => ErrorKind::Invalid,
                    None => ErrorKind::Other,
                };
                (kind, self.why_refused(code))
            }
        }
    }

    /// What mends a request that is wrong in itself.
    fn why_refused(&self, code: &str) -> Option<Cow<'static, str>> {
        match codes::bare(code) {
            "RegionDisabled" => Some(
                format!(
                    "activate STS in {} in the account settings of the IAM console, or choose another region",
                    self.region
                )
                .into(),
            ),
            "ValidationError" => self.why_invalid(),
            "PackedPolicyTooLarge" => Some(
                "session policy, policy ARNs and tags share one packed limit: shorten them".into(),
            ),
            _ => None,
        }
    }

    fn why_denied(
        &self,
        denied: &Denied,
        message: &str,
        signer: &Credentials,
    ) -> Option<Cow<'static, str>> {
        let Some(role) = self.role else {
            return denied.remedy().map(Into::into);
        };
        if role.with_mfa && message.contains("MultiFactorAuthentication failed") {
            return Some(
                "the MFA code was not accepted: each is taken once, and only for half a minute"
                    .into(),
            );
        }
        // What belongs beside sts:AssumeRole is named with the statement that allows both, and where STS
        // says which policy it is, the others need no look.
        let beside = denied
            .action
            .as_deref()
            .is_some_and(|action| !action.starts_with("sts:AssumeRole"));
        if (beside || denied.names_its_policy())
            && let Some(remedy) = denied.remedy()
        {
            return Some(remedy.into());
        }
        let same_account = role.origin == Origin::InstanceProfile
            && signer
                .account_id()
                .is_some_and(|account| account.as_str() == role.arn.account());
        let note = if same_account {
            OPTION_A_NEEDS_NONE
        } else {
            ""
        };
        Some(format!("{CHECK_IN_ORDER}{note}").into())
    }

    fn why_invalid(&self) -> Option<Cow<'static, str>> {
        let role = self.role?;
        (role.duration > CHAINED_LIMIT).then(|| {
            format!(
                "a session of more than 1 hour needs long-lived base keys, since a role session assumes \
                 another role for 1 hour at most, and a role that allows it: aws iam update-role \
                 --role-name {} --max-session-duration {}",
                role.arn.name(),
                role.duration.as_secs()
            )
            .into()
        })
    }
}

/// Who else an answer without a code is of, where it says so.
fn in_between(raw: &HttpResponse) -> Option<&'static str> {
    let packed = raw
        .headers()
        .get("content-encoding")
        .is_some_and(|packing| !matches!(packing.trim(), "" | "identity"));
    if raw.status().as_u16() == 407 {
        Some("a proxy in between asks who you are: HTTPS_PROXY takes user and password")
    } else if packed {
        Some(
            "the answer is packed, which was not asked for: something between here and STS does that",
        )
    } else {
        None
    }
}

/// How long STS asked to be left alone.
pub(super) fn retry_after(raw: &HttpResponse) -> Option<Duration> {
    pause(raw.headers().get("retry-after")?, SystemTime::now())
}
