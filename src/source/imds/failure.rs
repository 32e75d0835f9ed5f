//! What can go wrong with the metadata service, in words that mend it. Every error of this source is
//! made here or beside the parser.

use super::TOKEN_PATH;
use super::http::{BODY_LIMIT, Failure};
use super::settings::DISABLED_VARIABLE;
use crate::error::{Error, ErrorKind, Operation};

const ATTACH_A_ROLE: &str = "attach one with aws iam add-role-to-instance-profile \
     --instance-profile-name PROFILE --role-name ROLE and aws ec2 associate-iam-instance-profile \
     --instance-id INSTANCE --iam-instance-profile Name=PROFILE";
const RAISE_HOP_LIMIT: &str = "if this runs in a container, the hop limit may be 1: aws ec2 \
     modify-instance-metadata-options --instance-id INSTANCE --http-put-response-hop-limit 2";
const ENABLE_SERVICE: &str = "is the service on? aws ec2 modify-instance-metadata-options \
     --instance-id INSTANCE --http-endpoint enabled";

fn error(kind: ErrorKind, message: &'static str) -> Error {
    Error::new(kind, Operation::FETCH, message)
}

pub(super) fn disabled() -> Error {
    error(
        ErrorKind::Disabled,
        "the instance metadata service is disabled by the environment",
    )
    .hint(format!("unset {DISABLED_VARIABLE}, which is true"))
}

/// No answer, or none that is HTTP.
pub(super) fn no_answer(failure: Failure, path: &str) -> Error {
    match failure {
        Failure::Connect(cause) => error(
            ErrorKind::Unreachable,
            "cannot connect: not on EC2, or the metadata service is off",
        )
        .hint(ENABLE_SERVICE)
        .caused_by(cause),
        Failure::ConnectTimeout => error(
            ErrorKind::Unreachable,
            "connecting timed out: not on EC2, or the metadata service is off",
        )
        .hint(ENABLE_SERVICE),
        Failure::AnswerTimeout if path == TOKEN_PATH => error(
            ErrorKind::Timeout,
            "IMDS reachable, token response lost: hop limit 1 in a container?",
        )
        .hint(RAISE_HOP_LIMIT),
        Failure::AnswerTimeout => error(ErrorKind::Timeout, "no complete answer in time"),
        Failure::Lost(cause) => error(
            ErrorKind::Unreachable,
            "the connection ended before an answer",
        )
        .caused_by(cause),
        Failure::Truncated(status, cause) => error(
            ErrorKind::Malformed,
            "the connection ended in the middle of the answer",
        )
        .with_status(status)
        .caused_by(cause),
        Failure::TooLarge(status) => Error::new(
            ErrorKind::Malformed,
            Operation::FETCH,
            format!(
                "the answer is larger than {BODY_LIMIT} bytes, so it is not the metadata service's"
            ),
        )
        .with_status(status),
        Failure::Unsendable => error(ErrorKind::Other, "the request cannot be written as HTTP"),
    }
}

/// Whether the same request may be answered better in a moment.
pub(super) fn is_transient(status: u16) -> bool {
    status == 429 || (500..600).contains(&status)
}

/// A status that is not expected where it came.
pub(super) fn status(status: u16) -> Error {
    match status {
        429 => error(
            ErrorKind::Throttled,
            "the metadata service asks for fewer requests",
        ),
        403 => error(ErrorKind::Refused, "the metadata service forbids this").hint(ENABLE_SERVICE),
        500..600 => error(ErrorKind::Service, "the metadata service failed"),
        _ => error(
            ErrorKind::Malformed,
            "the metadata service gave an answer that IMDSv2 has not",
        ),
    }
    .with_status(status)
}

/// The same for the request for a session token.
pub(super) fn token_status(code: u16) -> Error {
    match code {
        400 => error(
            ErrorKind::Invalid,
            "IMDS calls the request for a session token invalid",
        )
        .needs_human()
        .hint("something between here and the metadata service changes requests")
        .with_status(code),
        403 => error(ErrorKind::Refused, "IMDS refused a session token")
            .hint(ENABLE_SERVICE)
            .with_status(code),
        404 | 405 => error(
            ErrorKind::Malformed,
            "the endpoint has no session tokens, so it does not speak IMDSv2",
        )
        .with_status(code),
        _ => status(code),
    }
}

pub(super) fn no_token() -> Error {
    error(
        ErrorKind::Malformed,
        "the answer to the request for a session token holds none",
    )
    .with_status(200)
}

pub(super) fn token_not_taken() -> Error {
    error(
        ErrorKind::Refused,
        "IMDS does not take the session token that it has just given",
    )
    .with_status(401)
}

pub(super) fn no_role() -> Error {
    error(ErrorKind::NoRole, "no role is attached to this instance").hint(ATTACH_A_ROLE)
}

pub(super) fn no_such_profile(profile: &str) -> Error {
    error(ErrorKind::NoRole, "no such instance profile role")
        .on(format!("role {profile}"))
        .with_status(404)
        .hint(
            "the name to configure is the role's, not the instance profile's; leave it out to take \
             the role that is attached",
        )
}

pub(super) fn no_document(role: &str) -> Error {
    error(
        ErrorKind::NoRole,
        "the role is listed, but the metadata service has no credentials for it",
    )
    .on(format!("role {role}"))
    .with_status(404)
}
