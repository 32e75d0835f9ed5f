//! The parsers behind the sources, from bytes, for fuzzing; no part of the public promise.

use super::{imds, sts};
use crate::error::Result;
use crate::error::body::Refusal;
use crate::error::text::{Quoted, Secrets};
use aws_credential_types::Credentials;

/// The first role in a listing of the metadata service, and all of them.
///
/// # Errors
///
/// What the source would say.
pub fn role_list(body: &[u8]) -> Result<(Option<String>, Vec<String>)> {
    Ok((imds::first_role(body)?, imds::role_list(body)?))
}

/// A credential document of the metadata service.
///
/// # Errors
///
/// What the source would say.
pub fn credential_document(body: &[u8]) -> Result<Credentials> {
    match imds::credential_document(body, "Role", &Secrets::unknown()) {
        imds::Reading::Credentials(credentials) => Ok(credentials),
        imds::Reading::Unauthorized => Err(imds::does_not_admit("Role", "ec2.amazonaws.com")),
        imds::Reading::Garbled(error) | imds::Reading::Refusal(error) => Err(error),
    }
}

/// An answer of STS to `AssumeRole`, with its HTTP status.
///
/// # Errors
///
/// What the source would say.
pub fn sts_response(status: u16, body: &[u8]) -> Result<Credentials> {
    sts::read_response(status, body)
}

/// Code and message of a refusal, wherever they stand in an answer: lines `x-name: value`, if it begins
/// with some, are headers, and the rest is the body.
#[must_use]
pub fn refusal(answer: &[u8]) -> (Option<String>, Option<String>) {
    let mut headers = Vec::new();
    let mut body = answer;
    while let Some((header, rest)) = header(body) {
        headers.push(header);
        body = rest;
    }
    let value = |name: &str| {
        let of_name = |header: &&(&str, _)| header.0 == name;
        headers.iter().find(of_name).map(|(_, value)| *value)
    };
    let Refusal { code, message } = Refusal::read(value, body);
    (
        code.map(|code| code.into_owned()),
        message.map(|message| message.into_owned()),
    )
}

fn header(answer: &[u8]) -> Option<((&str, &str), &[u8])> {
    let end = answer.iter().position(|byte| *byte == b'\n')?;
    let line = std::str::from_utf8(answer.get(..end)?).ok()?;
    let header = line
        .strip_prefix("x-")
        .and_then(|_| line.split_once(": "))?;
    Some((header, answer.get(end + 1..)?))
}

/// A text of the other side as an error shows it, where this secret was part of the request.
#[must_use]
pub fn quoted(text: &str, secret: &str) -> String {
    Quoted::new(text, &Secrets::unknown().and(secret))
        .as_str()
        .to_owned()
}
