//! The parsers behind the sources, from bytes, for fuzzing; no part of the public promise.

use super::{imds, sts};
use crate::error::Result;
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
    match imds::credential_document(body, "Role") {
        imds::Reading::Credentials(credentials) => Ok(credentials),
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
