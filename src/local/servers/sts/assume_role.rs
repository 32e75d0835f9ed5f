//! The parameters of `AssumeRole`, checked as AWS checks them, in AWS's words.

use super::query::{Checks, Parameters, Refusal, invalid, name_char};
use super::session::{NAME_PATTERN, SessionRequest};
use super::tags::SessionTags;

/// Bounds of the API reference of `AssumeRole`, version 2011-06-15.
mod bounds {
    use std::ops::RangeInclusive;

    pub(super) const EXTERNAL_ID: RangeInclusive<usize> = 2..=1_224;
    pub(super) const SERIAL: RangeInclusive<usize> = 9..=256;
    pub(super) const SOURCE_IDENTITY: RangeInclusive<usize> = 2..=64;
    pub(super) const TOKEN_CODE: RangeInclusive<usize> = 6..=6;
}

const EXTERNAL_ID_PATTERN: &str = r"[\w+=,.@:\/-]*";
const SERIAL_PATTERN: &str = r"[\w+=/:,.@-]*";
const CODE_PATTERN: &str = r"[\d]*";

/// A well-formed `AssumeRole` request.
#[derive(Debug)]
pub(super) struct AssumeRoleRequest {
    pub(super) session: SessionRequest,
    pub(super) external_id: Option<String>,
    /// Serial number and code.
    pub(super) mfa: Option<(String, String)>,
    pub(super) source_identity: Option<String>,
    pub(super) tags: SessionTags,
    /// How full the packed policy and tags are, in percent, if there are any.
    pub(super) packed_size: Option<usize>,
}

impl AssumeRoleRequest {
    pub(super) fn read(parameters: &Parameters, partition: &str) -> Result<Self, Refusal> {
        let mut checks = Checks::default();
        SessionRequest::check(parameters, &mut checks)?;
        let external_id = parameters.one("ExternalId");
        checks.length("externalId", external_id, &bounds::EXTERNAL_ID);
        checks.pattern("externalId", external_id, EXTERNAL_ID_PATTERN, |c| {
            name_char(c) || matches!(c, ':' | '/')
        });
        let source_identity = parameters.one("SourceIdentity");
        checks.length("sourceIdentity", source_identity, &bounds::SOURCE_IDENTITY);
        checks.pattern("sourceIdentity", source_identity, NAME_PATTERN, name_char);
        let serial = parameters.one("SerialNumber");
        checks.length("serialNumber", serial, &bounds::SERIAL);
        checks.pattern("serialNumber", serial, SERIAL_PATTERN, |c| {
            name_char(c) || matches!(c, ':' | '/')
        });
        let code = parameters.one("TokenCode");
        checks.length("tokenCode", code, &bounds::TOKEN_CODE);
        checks.pattern("tokenCode", code, CODE_PATTERN, |c| c.is_ascii_digit());
        let tags = SessionTags::from_parameters(parameters, &mut checks);
        checks.finish()?;

        let session = SessionRequest::read(parameters, partition)?;
        tags.consistent()?;
        if serial.is_some() != code.is_some() {
            return Err(invalid(
                "Both MFA serial number and one-time pass code are required.".to_owned(),
            ));
        }
        Ok(AssumeRoleRequest {
            packed_size: session.packed_size(&tags)?,
            session,
            external_id: external_id.map(str::to_owned),
            mfa: serial
                .zip(code)
                .map(|(serial, code)| (serial.to_owned(), code.to_owned())),
            source_identity: source_identity.map(str::to_owned),
            tags,
        })
    }
}
