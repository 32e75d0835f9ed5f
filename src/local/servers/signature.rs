//! Who signed a request: Signature Version 4, in the header or in a presigned URL.
//!
//! A signature is checked by signing the request again, with the AWS SDK's own code.

use crate::local::account::{AccessKey, Account, Identity, KeyFault, timestamp};
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use bytes::Bytes;
use http::Request;
use http::header::{AUTHORIZATION, HOST};
use std::borrow::Cow;
use std::time::{Duration, SystemTime};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// How far the clocks of the two sides may be apart; AWS's limit for all but S3.
const MAX_SKEW: Duration = Duration::from_secs(5 * 60);

/// How long a presigned URL may hold: a week.
const MAX_PRESIGNED_SECONDS: u64 = 7 * 24 * 60 * 60;

/// What a presigned URL carries for its signature, and what is therefore not part of the request.
const PRESIGNED_PARAMETERS: [&str; 7] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
];

/// Headers that the signer adds of its own accord, unless told that they were not signed.
const ADDED_BY_THE_SIGNER: [&str; 3] = ["host", "x-amz-date", "x-amz-security-token"];

const WRONG_SIGNATURE: &str = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.";

/// Why a request is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::local) enum AuthFault {
    /// The session is over.
    Expired,
    /// The signature is wrong, too old, or for somewhere else; in AWS's words.
    Signature(Cow<'static, str>),
    /// There is none, or not all of it.
    Unsigned,
    /// The key is not known, or the session token does not belong to it.
    UnknownKey,
}

/// The key that signed a request for `service`, if all is in order.
pub(in crate::local) fn authenticate(
    account: &Account,
    request: &Request<Bytes>,
    service: &str,
) -> Result<AccessKey, AuthFault> {
    let signed = Signed::read(request).ok_or(AuthFault::Unsigned)?;
    let now = account.now();
    let key = account
        .keys
        .admit(&signed.key_id, signed.token.as_deref(), now)
        .map_err(|fault| match fault {
            KeyFault::Expired => AuthFault::Expired,
            KeyFault::Unknown => AuthFault::UnknownKey,
        })?;
    // a session ends with its role
    if let Identity::Role(session) = &key.identity
        && account.role(&session.role_arn).is_none()
    {
        return Err(AuthFault::UnknownKey);
    }
    signed.check_scope(&account.region, service)?;
    signed.check_time(now)?;
    let signature = signed
        .recompute(request, &key.secret)
        .ok_or(AuthFault::Signature(Cow::Borrowed(WRONG_SIGNATURE)))?;
    if signature == signed.signature {
        Ok(key)
    } else {
        Err(AuthFault::Signature(Cow::Borrowed(WRONG_SIGNATURE)))
    }
}

/// The authentication of a request, taken apart but not yet believed.
#[derive(Debug)]
struct Signed {
    key_id: String,
    date: String,
    region: String,
    service: String,
    signed_headers: Vec<String>,
    signature: String,
    token: Option<String>,
    time: SystemTime,
    /// How long it holds, when it is in the URL.
    presigned_for: Option<Duration>,
}

impl Signed {
    /// `None` when the request carries no complete authentication.
    fn read(request: &Request<Bytes>) -> Option<Signed> {
        match header(request, AUTHORIZATION.as_str()) {
            Some(authorization) => Signed::from_header(request, authorization),
            None => Signed::from_query(request),
        }
    }

    fn from_header(request: &Request<Bytes>, authorization: &str) -> Option<Signed> {
        let parts = authorization.trim().strip_prefix(ALGORITHM)?;
        let part = |name: &str| {
            parts
                .split(',')
                .filter_map(|part| part.trim().split_once('='))
                .find_map(|(key, value)| (key == name).then_some(value))
        };
        Signed::assemble(
            part("Credential")?,
            part("SignedHeaders")?,
            part("Signature")?,
            header(request, "x-amz-date")?,
            header(request, "x-amz-security-token").map(str::to_owned),
            None,
        )
    }

    fn from_query(request: &Request<Bytes>) -> Option<Signed> {
        let query = request.uri().query()?;
        let part = |name: &str| {
            form_urlencoded::parse(query.as_bytes())
                .find_map(|(key, value)| (key == name).then_some(value))
        };
        if part("X-Amz-Algorithm")? != ALGORITHM {
            return None;
        }
        let seconds = part("X-Amz-Expires")?
            .parse()
            .ok()
            .filter(|seconds| *seconds <= MAX_PRESIGNED_SECONDS)?;
        Signed::assemble(
            &part("X-Amz-Credential")?,
            &part("X-Amz-SignedHeaders")?,
            &part("X-Amz-Signature")?,
            &part("X-Amz-Date")?,
            part("X-Amz-Security-Token").map(Cow::into_owned),
            Some(Duration::from_secs(seconds)),
        )
    }

    fn assemble(
        credential: &str,
        signed_headers: &str,
        signature: &str,
        time: &str,
        token: Option<String>,
        presigned_for: Option<Duration>,
    ) -> Option<Signed> {
        let parts: Vec<&str> = credential.split('/').collect();
        let [key_id, date, region, service, "aws4_request"] = parts[..] else {
            return None;
        };
        Some(Signed {
            key_id: key_id.to_owned(),
            date: date.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
            signed_headers: signed_headers.split(';').map(str::to_owned).collect(),
            signature: signature.to_owned(),
            token,
            time: parse_time(time)?,
            presigned_for,
        })
    }

    fn check_scope(&self, region: &str, service: &str) -> Result<(), AuthFault> {
        let message = if self.service != service {
            format!("Credential should be scoped to correct service: '{service}'. ")
        } else if self.region != region {
            "Credential should be scoped to a valid region. ".to_owned()
        } else if !compact(self.time).starts_with(&self.date) {
            let date = compact(self.time).chars().take(8).collect::<String>();
            format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' != '{date}', from '{}'.",
                self.date,
                compact(self.time)
            )
        } else {
            return Ok(());
        };
        Err(AuthFault::Signature(message.into()))
    }

    fn check_time(&self, now: SystemTime) -> Result<(), AuthFault> {
        let (signed, today) = (compact(self.time), compact(now));
        if self.time > now + MAX_SKEW {
            let latest = compact(now + MAX_SKEW);
            return Err(AuthFault::Signature(
                format!(
                    "Signature not yet current: {signed} is still later than {latest} ({today} + 5 min.)"
                )
                .into(),
            ));
        }
        let (holds_for, margin) = match self.presigned_for {
            Some(presigned_for) => (presigned_for, String::new()),
            None => (MAX_SKEW, format!(" ({today} - 5 min.)")),
        };
        if now > self.time + holds_for {
            let earliest = match self.presigned_for {
                Some(_) => today,
                None => compact(now.checked_sub(MAX_SKEW).unwrap_or(SystemTime::UNIX_EPOCH)),
            };
            return Err(AuthFault::Signature(
                format!("Signature expired: {signed} is now earlier than {earliest}{margin}")
                    .into(),
            ));
        }
        Ok(())
    }

    /// The signature that the request would have with this secret.
    fn recompute(&self, request: &Request<Bytes>, secret: &str) -> Option<String> {
        let host = header(request, HOST.as_str())?;
        let path = request.uri().path();
        let uri = match self.unsigned_query(request) {
            query if query.is_empty() => format!("http://{host}{path}"),
            query => format!("http://{host}{path}?{query}"),
        };
        let headers = request.headers().iter().filter_map(|(name, value)| {
            let name = name.as_str();
            let added = name == "x-amz-date" || name == "x-amz-security-token";
            let signed = self.signed_headers.iter().any(|signed| signed == name);
            (signed && !added).then_some((name, value.to_str().ok()?))
        });
        let body = match header(request, "x-amz-content-sha256") {
            Some("UNSIGNED-PAYLOAD") => SignableBody::UnsignedPayload,
            _ => SignableBody::Bytes(request.body()),
        };
        let mut settings = SigningSettings::default();
        settings.excluded_headers = Some(
            ADDED_BY_THE_SIGNER
                .into_iter()
                .filter(|added| !self.signed_headers.iter().any(|signed| signed == added))
                .map(Cow::Borrowed)
                .collect(),
        );
        if self.presigned_for.is_some() {
            settings.signature_location = SignatureLocation::QueryParams;
            settings.expires_in = self.presigned_for;
        }
        let identity =
            Credentials::new(&self.key_id, secret, self.token.clone(), None, "LocalCloud").into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(&self.service)
            .time(self.time)
            .settings(settings)
            .build()
            .ok()?
            .into();
        let request = SignableRequest::new(request.method().as_str(), uri, headers, body).ok()?;
        let output = sign(request, &parameters).ok()?;
        Some(output.signature().to_owned())
    }

    /// The query as it was before it was presigned.
    fn unsigned_query(&self, request: &Request<Bytes>) -> String {
        let query = request.uri().query().unwrap_or_default();
        if self.presigned_for.is_none() {
            return query.to_owned();
        }
        query
            .split('&')
            .filter(|part| {
                let name = part.split('=').next().unwrap_or_default();
                !PRESIGNED_PARAMETERS.contains(&name)
            })
            .collect::<Vec<_>>()
            .join("&")
    }
}

fn header<'a>(request: &'a Request<Bytes>, name: &str) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok()
}

/// Reads `20260131T120000Z`.
fn parse_time(compact: &str) -> Option<SystemTime> {
    let part = |range: std::ops::Range<usize>| compact.get(range);
    if compact.len() != 16 {
        return None;
    }
    let extended = format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0..4)?,
        part(4..6)?,
        part(6..8)?,
        part(9..11)?,
        part(11..13)?,
        part(13..15)?,
    );
    DateTime::from_str(&extended, Format::DateTime)
        .ok()
        .and_then(|time| SystemTime::try_from(time).ok())
}

/// Writes `20260131T120000Z`.
fn compact(time: SystemTime) -> String {
    timestamp(time).replace(['-', ':'], "")
}
