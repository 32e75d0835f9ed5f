//! What can go wrong with STS, in words that mend it. Every error of this source is made here or beside
//! the parser.

use super::base::Origin;
use super::observe::Observer;
use crate::arn::RoleArn;
use crate::error::{CredentialFault, Denied, Error, ErrorKind, Operation};
use crate::source::told::Told;
use aws_credential_types::Credentials;
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::RequestId;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use std::borrow::Cow;
use std::error::Error as StdError;
use std::time::Duration;
use tokio::time::Instant;

/// The call behind Option B.
pub(super) const ASSUME_ROLE: Operation = Operation::new("assume role");
/// Who am I.
pub(super) const GET_CALLER_IDENTITY: Operation = Operation::new("get caller identity");

/// Sessions that start from another role session last at most this long:
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining>.
pub(super) const CHAINED_LIMIT: Duration = Duration::from_secs(3_600);

/// Codes that only a person can mend, without an `Exception` at their end.
pub(super) const TERMINAL: [&str; 6] = [
    "IDPRejectedClaim",
    "InvalidIdentityToken",
    "MalformedPolicyDocument",
    "PackedPolicyTooLarge",
    "RegionDisabled",
    "ValidationError",
];
/// Codes by which AWS services ask for fewer calls.
const THROTTLING: [&str; 10] = [
    "BandwidthLimitExceeded",
    "LimitExceeded",
    "PriorRequestNotComplete",
    "RequestLimitExceeded",
    "RequestThrottled",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "TooManyRequests",
    "Throttled",
];
const SUFFIX: &str = "Exception";

const CHECK_IN_ORDER: &str = "check in this order: 1. the trust policy of the role names this caller, \
     2. the caller's own policy allows sts:AssumeRole on the role, 3. the trust policy's conditions hold \
     (external id, MFA, session tags, source identity)";
const OPTION_A_NEEDS_NONE: &str = "; the role is of the instance's own account: on EC2 in one account, \
     Option A (InstanceProfile) with the permissions on the instance's role needs none of this";
const CLOCK_OR_SECRET: &str =
    "the secret key is not the one of this key id, or this host's clock is off";

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
                let status = context.raw().status().as_u16();
                self.refused(status, context.err(), signer)
            }
            SdkError::TimeoutError(_) => self.silent(ErrorKind::Timeout, "no answer in time", error),
            SdkError::DispatchFailure(failure) if failure.is_timeout() => self.silent(
                ErrorKind::Timeout,
                "connecting or waiting for the answer took too long",
                error,
            ),
            SdkError::DispatchFailure(failure) if failure.is_io() => self
                .silent(ErrorKind::Unreachable, "cannot reach STS", error)
                .hint("is the endpoint reachable from here: route, security group, VPC endpoint, proxy?"),
            SdkError::ResponseError(context) => self
                .silent(
                    ErrorKind::Malformed,
                    "the answer of STS could not be read",
                    error,
                )
                .with_status(context.raw().status().as_u16()),
            _ => self.silent(ErrorKind::Other, "the call could not be made", error),
        };
        let mapped = match error.request_id() {
            Some(id) => mapped.with_request_id(id.to_owned()),
            None => mapped,
        };
        self.finish(mapped, Some(signer))
    }

    /// No answer, or none that can be read: the layers below say why.
    fn silent(
        &self,
        kind: ErrorKind,
        message: &'static str,
        error: &(dyn StdError + 'static),
    ) -> Error {
        let mapped = Error::new(kind, self.operation, message);
        match error.source() {
            Some(below) => mapped.caused_by(Told::chain(below)),
            None => mapped,
        }
    }

    /// STS answered with an error, or with something that is not its answer.
    pub(super) fn refused(
        &self,
        status: u16,
        error: &impl ProvideErrorMetadata,
        signer: &Credentials,
    ) -> Error {
        let Some(code) = error.code() else {
            let (kind, message) = if status >= 500 {
                (ErrorKind::Service, "STS failed")
            } else if status == 429 {
                (ErrorKind::Throttled, "STS asks for fewer calls")
            } else {
                // The parser's own words may quote the answer, so they stay here.
                (ErrorKind::Malformed, "the answer is not one of STS")
            };
            return Error::new(kind, self.operation, message).with_status(status);
        };
        let message = match error
            .message()
            .map(str::trim)
            .filter(|text| !text.is_empty())
        {
            Some(text) => text.to_owned(),
            None => "STS gave no message".to_owned(),
        };
        let (kind, hint) = self.verdict(bare(code), status, &message, signer);
        let terminal = is_terminal(code, signer);
        let mut mapped = Error::new(kind, self.operation, message)
            .with_status(status)
            .with_code(code.to_owned());
        if terminal {
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
        status: u16,
        message: &str,
        signer: &Credentials,
    ) -> (ErrorKind, Option<Cow<'static, str>>) {
        match code {
            "AccessDenied" => (
                ErrorKind::AccessDenied(Denied::parse(message)),
                self.why_denied(message, signer),
            ),
            "ExpiredToken" => (
                ErrorKind::Credential(CredentialFault::Expired),
                Some("the base credentials have expired: their own refresh fails, or this host's clock is off".into()),
            ),
            "InvalidClientTokenId" if signer.session_token().is_none() => (
                ErrorKind::Credential(CredentialFault::Unrecognized),
                Some("the access key is deleted, inactive, or of another partition".into()),
            ),
            "InvalidClientTokenId" => (
                ErrorKind::Credential(CredentialFault::Unrecognized),
                Some("the session token is missing, cut, or not valid in this region".into()),
            ),
            "SignatureDoesNotMatch" | "InvalidSignature" | "RequestExpired" => (
                ErrorKind::Credential(CredentialFault::Signature),
                Some(CLOCK_OR_SECRET.into()),
            ),
            "IncompleteSignature" | "MissingAuthenticationToken" => (
                ErrorKind::Credential(CredentialFault::Malformed),
                Some("something between here and STS changes requests".into()),
            ),
            "RegionDisabled" => (
                ErrorKind::Invalid,
                Some(format!(
                    "activate STS in {} in the account settings of the IAM console, or choose another region",
                    self.region
                ).into()),
            ),
            "ValidationError" => (ErrorKind::Invalid, self.why_invalid()),
            "PackedPolicyTooLarge" => (
                ErrorKind::Invalid,
                Some("session policy, policy ARNs and tags share one packed limit: shorten them".into()),
            ),
            code if TERMINAL.contains(&code) => (ErrorKind::Invalid, None),
            code if THROTTLING.contains(&code) || status == 429 => (ErrorKind::Throttled, None),
            _ if status >= 500 => (ErrorKind::Service, None),
            _ => (ErrorKind::Other, None),
        }
    }

    fn why_denied(&self, message: &str, signer: &Credentials) -> Option<Cow<'static, str>> {
        let role = self.role?;
        if role.with_mfa && message.contains("MultiFactorAuthentication failed") {
            return Some(
                "the MFA code was not accepted: each is taken once, and only for half a minute"
                    .into(),
            );
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

fn is_terminal(code: &str, signer: &Credentials) -> bool {
    let code = bare(code);
    code == "AccessDenied"
        || TERMINAL.contains(&code)
        // A session's key id can be unknown for a moment; a long-lived one is gone.
        || (code == "InvalidClientTokenId" && signer.session_token().is_none())
}

pub(super) fn bare(code: &str) -> &str {
    code.strip_suffix(SUFFIX).unwrap_or(code)
}
