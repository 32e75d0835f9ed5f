//! The query protocol: parameters, what is wrong with them, and how a call is refused.

use crate::local::account::Identity;
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use std::borrow::Cow;
use std::ops::RangeInclusive;

/// The parameters of a query request, from the body or, with GET, the URL.
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(super) fn read(request: &Request<Bytes>) -> Self {
        let encoded = if request.method() == Method::GET {
            request.uri().query().unwrap_or_default().as_bytes()
        } else {
            request.body()
        };
        Parameters(
            form_urlencoded::parse(encoded)
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect(),
        )
    }

    pub(super) fn one(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find_map(|(key, value)| (key == name).then_some(value.as_str()))
    }

    /// The members of a list, in order: `<name>.member.1<part>`, and so on.
    pub(super) fn members(&self, name: &str, part: &str) -> Vec<&str> {
        (1..)
            .map_while(|n: usize| self.one(&format!("{name}.member.{n}{part}")))
            .collect()
    }
}

/// A call that is not granted: what goes into the XML error.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: Cow<'static, str>,
}

impl Refusal {
    pub(super) fn bad_request(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Refusal {
            status: StatusCode::BAD_REQUEST,
            code,
            message: message.into(),
        }
    }

    pub(super) fn forbidden(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Refusal {
            status: StatusCode::FORBIDDEN,
            code,
            message: message.into(),
        }
    }

    /// What STS usually says with the code.
    pub(super) fn of(code: &'static str) -> Self {
        let status = if code == "IDPRejectedClaim" {
            StatusCode::FORBIDDEN
        } else {
            StatusCode::BAD_REQUEST
        };
        Refusal {
            status,
            code,
            message: usual_message(code).into(),
        }
    }

    /// AWS does not say which condition failed, nor whether the role is there at all.
    pub(super) fn not_authorized(action: &str, caller: &Identity, role_arn: &str) -> Self {
        Refusal::forbidden(
            "AccessDenied",
            format!(
                "User: {} is not authorized to perform: {action} on resource: {role_arn}",
                caller.arn()
            ),
        )
    }
}

/// Collects what AWS reports together: "2 validation errors detected: ...; ...".
#[derive(Default)]
pub(super) struct Checks(Vec<String>);

impl Checks {
    pub(super) fn required(&mut self, member: &str, value: Option<&str>) {
        if value.is_none() {
            self.0.push(format!(
                "Value null at '{member}' failed to satisfy constraint: Member must not be null"
            ));
        }
    }

    pub(super) fn length(
        &mut self,
        member: &str,
        value: Option<&str>,
        bounds: &RangeInclusive<usize>,
    ) {
        if let Some((value, constraint)) = beyond(value, bounds) {
            self.add(value, member, &constraint);
        }
    }

    /// As [`length`](Checks::length), of a value that is not repeated.
    pub(super) fn secret_length(
        &mut self,
        member: &str,
        value: Option<&str>,
        bounds: &RangeInclusive<usize>,
    ) {
        if let Some((_, constraint)) = beyond(value, bounds) {
            self.0.push(format!(
                "Value at '{member}' failed to satisfy constraint: {constraint}"
            ));
        }
    }

    pub(super) fn pattern(
        &mut self,
        member: &str,
        value: Option<&str>,
        pattern: &str,
        allowed: impl Fn(char) -> bool,
    ) {
        if let Some(value) = value.filter(|value| !value.chars().all(allowed)) {
            self.add(
                value,
                member,
                &format!("Member must satisfy regular expression pattern: {pattern}"),
            );
        }
    }

    pub(super) fn count(&mut self, member: &str, count: usize, at_most: usize) {
        if count > at_most {
            self.0.push(format!(
                "Value at '{member}' failed to satisfy constraint: Member must have length less than or equal to {at_most}"
            ));
        }
    }

    pub(super) fn add(&mut self, value: &str, member: &str, constraint: &str) {
        self.0.push(format!(
            "Value '{value}' at '{member}' failed to satisfy constraint: {constraint}"
        ));
    }

    pub(super) fn finish(self) -> Result<(), Refusal> {
        let errors = match self.0.len() {
            0 => return Ok(()),
            1 => "1 validation error".to_owned(),
            n => format!("{n} validation errors"),
        };
        Err(invalid(format!("{errors} detected: {}", self.0.join("; "))))
    }
}

/// A value that is too short or too long, and the constraint that it fails.
fn beyond<'a>(value: Option<&'a str>, bounds: &RangeInclusive<usize>) -> Option<(&'a str, String)> {
    let value = value?;
    let length = value.chars().count();
    let (than, bound) = if length < *bounds.start() {
        ("greater", bounds.start())
    } else if length > *bounds.end() {
        ("less", bounds.end())
    } else {
        return None;
    };
    let constraint = format!("Member must have length {than} than or equal to {bound}");
    Some((value, constraint))
}

pub(super) fn invalid(message: String) -> Refusal {
    Refusal::bad_request("ValidationError", message)
}

pub(super) fn name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '=' | ',' | '.' | '@' | '-')
}

/// What STS says with a code, where nothing else was asked for.
pub(super) fn usual_message(code: &str) -> &'static str {
    match code {
        "AccessDenied" => "Access denied",
        "ExpiredToken" => "The security token included in the request is expired",
        "ExpiredTokenException" => "Token expired",
        "IDPCommunicationError" => {
            "The request could not be fulfilled because the identity provider (IDP) that was asked to verify the incoming identity token could not be reached. This is often a transient error caused by network conditions. Retry the request a limited number of times so that you don't exceed the request rate. If the error persists, the identity provider might be down or not responding."
        }
        "IDPRejectedClaim" => {
            "The identity provider (IdP) reported that authentication failed. This might be because the claim is invalid."
        }
        "InternalFailure" => {
            "The request processing has failed because of an unknown error, exception or failure."
        }
        "InvalidClientTokenId" => "The security token included in the request is invalid.",
        "InvalidIdentityToken" => {
            "The web identity token that was passed could not be validated by AWS. Get a new identity token from the identity provider and then retry the request."
        }
        "MalformedPolicyDocument" => "Syntax errors in policy.",
        "MissingAuthenticationToken" => "Request is missing Authentication Token",
        "PackedPolicyTooLarge" => {
            "Packed policy consumes 105% of allotted space, please use smaller policy."
        }
        "ServiceUnavailable" => "The request has failed due to a temporary failure of the server.",
        "SignatureDoesNotMatch" => {
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
        }
        "Throttling" | "ThrottlingException" => "Rate exceeded",
        _ => "The request was refused.",
    }
}
