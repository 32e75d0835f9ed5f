//! What can go wrong with the metadata service, in words that mend it. Every error of this source is
//! made here or beside the parser.

use super::document::UNAUTHORIZED;
use super::host::{ENABLE_SERVICE, Host};
use super::http::{BODY_LIMIT, Failure, TOKEN_PATH};
use super::settings::DISABLED_VARIABLE;
use crate::error::chain::Broken;
use crate::error::codes::{self, Meaning};
use crate::error::text::Quoted;
use crate::error::{Denied, Error, ErrorKind, Operation};
use std::borrow::Cow;

const ATTACH_A_ROLE: &str = "attach one with aws iam add-role-to-instance-profile \
     --instance-profile-name PROFILE --role-name ROLE and aws ec2 associate-iam-instance-profile \
     --instance-id INSTANCE --iam-instance-profile Name=PROFILE";
const RAISE_HOP_LIMIT: &str = "raise it with aws ec2 modify-instance-metadata-options --instance-id \
     INSTANCE --http-put-response-hop-limit 2";

fn error(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Error {
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
pub(super) fn no_answer(failure: Failure, path: &str, host: Host) -> Error {
    match failure {
        Failure::Connect(cause) => {
            let broken = Broken::of(&cause);
            error(
                ErrorKind::Unreachable,
                match broken {
                    Broken::Name => Cow::Borrowed(broken.message()),
                    _ => host.unreachable("cannot connect"),
                },
            )
            .hint(match broken {
                Broken::Name => broken.hint(),
                _ => host.hint(),
            })
            .caused_by(cause)
        }
        Failure::ConnectTimeout => error(
            ErrorKind::Unreachable,
            host.unreachable("connecting timed out"),
        )
        .hint(host.hint()),
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
    status >= 400 && codes::meaning(None, status) != Meaning::Invalid
}

/// A status that is not expected where it came.
pub(super) fn status(status: u16) -> Error {
    match status {
        429 => error(
            ErrorKind::Throttled,
            "the metadata service asks for fewer requests",
        ),
        403 => error(ErrorKind::Refused, "the metadata service forbids this").hint(ENABLE_SERVICE),
        501 => error(ErrorKind::Malformed, "the answer is not one of IMDSv2's").needs_human(),
        408 | 409 | 425 | 500..600 => error(ErrorKind::Service, "the metadata service failed"),
        _ => error(ErrorKind::Malformed, "the answer is not one of IMDSv2's").needs_human(),
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
        _ if is_transient(code) => status(code),
        _ => somebody_else("").with_status(code),
    }
}

/// An answer that EC2 does not give: `whose` is a name with its article and `'s`, as far as known.
pub(super) fn somebody_else(whose: &str) -> Error {
    let whose = if whose.is_empty() {
        "a web server's"
    } else {
        whose
    };
    error(
        ErrorKind::Malformed,
        format!("this is not EC2's metadata service, it looks like {whose}; it does not speak IMDSv2"),
    )
    .needs_human()
    .hint("Option A needs an EC2 instance; elsewhere choose Option B (AssumeRole) or Provided, or set the endpoint")
}

/// A body in a form that nobody asked for.
pub(super) fn packed(packing: &Quoted) -> Error {
    error(
        ErrorKind::Malformed,
        format!("the answer is packed as {packing}, which was not asked for"),
    )
    .needs_human()
    .hint("something between here and the metadata service packs answers: it has to leave these as they are")
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

/// `ec2` is the name by which EC2 is a principal there.
pub(crate) fn does_not_admit(role: &str, ec2: &str) -> Error {
    error(
        ErrorKind::AccessDenied(Denied::default()),
        format!("the trust policy of the role does not admit {ec2}"),
    )
    .on(format!("role {role}"))
    .with_code(UNAUTHORIZED)
    .hint(format!(
        "add {{\"Effect\":\"Allow\",\"Principal\":{{\"Service\":\"{ec2}\"}},\"Action\":\"sts:AssumeRole\"}} \
         to the statements that aws iam get-role --role-name {role} --query Role.AssumeRolePolicyDocument \
         shows, and set all of them with aws iam update-assume-role-policy --role-name {role} \
         --policy-document file://trust.json, which keeps no other"
    ))
}

pub(super) fn no_document(role: &str) -> Error {
    error(
        ErrorKind::NoRole,
        "the role is listed, but the metadata service has no credentials for it",
    )
    .on(format!("role {role}"))
    .with_status(404)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn off_ec2_the_line_of_code_is_the_one_for_where_this_runs() {
        for (host, line) in [
            (
                Host::Container,
                "fetch credentials: connecting timed out: this is a container (ECS or EKS): its role comes \
                 from there; Provided::container()",
            ),
            (
                Host::WebIdentity,
                "fetch credentials: connecting timed out: this process has a web identity: its role comes by \
                 that; AssumeRole::web_identity_from_env().from_env().await.build()?",
            ),
            (
                Host::Lambda,
                "fetch credentials: connecting timed out: this is Lambda: its role's credentials are in the \
                 environment; Provided::environment()",
            ),
            (
                Host::Unknown,
                "fetch credentials: connecting timed out: not on EC2, or the metadata service is off; is the \
                 service on? aws ec2 modify-instance-metadata-options --instance-id INSTANCE --http-endpoint \
                 enabled",
            ),
        ] {
            let error = no_answer(Failure::ConnectTimeout, TOKEN_PATH, host);
            assert_eq!(error.to_string(), line);
            assert_eq!(format!("{error:#}"), line);
            assert_eq!(format!("{error:?}"), line);
        }
    }
}
