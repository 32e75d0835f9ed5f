//! What a service looks at before it lets somebody in: signature, key, end.

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use http::HeaderMap;
use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

/// What somebody has presented, its signature checked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Presented {
    /// Who signed.
    pub key_id: String,
    /// The token of the session.
    pub session_token: Option<String>,
    /// When.
    pub signed_at: SystemTime,
    /// For how long.
    pub life: Duration,
}

/// A presigned URL without its scheme, as RDS and ElastiCache take it for a password.
pub fn token(
    text: &str,
    service: &str,
    secret: impl Fn(&str) -> Option<String>,
) -> Result<Presented, String> {
    let (target, query) = text.split_once('?').ok_or("expected a query")?;
    let (mut plain, mut signed) = (Vec::new(), BTreeMap::new());
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').ok_or("expected pairs")?;
        if name.starts_with("X-Amz-") {
            let value = percent_decode_str(value).decode_utf8_lossy();
            signed.insert(name, value.into_owned());
        } else {
            plain.push(pair);
        }
    }
    let take = |name: &str| signed.get(name).ok_or_else(|| format!("missing: {name}"));
    let (key_id, region) = scope(take("X-Amz-Credential")?, service)?;
    let life = take("X-Amz-Expires")?
        .parse()
        .map_err(|_| "expected seconds")?;
    let life = Duration::from_secs(life);
    let presented = Presented {
        key_id: key_id.to_owned(),
        session_token: signed.get("X-Amz-Security-Token").cloned(),
        signed_at: time(take("X-Amz-Date")?)?,
        life,
    };
    let url = format!("https://{target}?{}", plain.join("&"));
    let request = SignableRequest::new("GET", &url, std::iter::empty(), SignableBody::Bytes(&[]));
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(life);
    let request = request.map_err(|error| error.to_string())?;
    let expected = signature(request, &presented, (region, service), settings, secret)?;
    same(take("X-Amz-Signature")?, &expected)?;
    Ok(presented)
}

/// A request that is signed in its header.
pub fn request(
    method: &str,
    url: &str,
    headers: &HeaderMap,
    body: &[u8],
    service: &str,
    secret: impl Fn(&str) -> Option<String>,
) -> Result<Presented, String> {
    let header = |name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.ok_or_else(|| format!("missing: {name}"))
    };
    let authorization = header("authorization")?;
    let field = |name: &str| {
        let fields = authorization.split([' ', ',']);
        let mut found = fields.filter_map(|field| field.strip_prefix(name));
        found.next().ok_or_else(|| format!("missing: {name}"))
    };
    let (key_id, region) = scope(field("Credential=")?, service)?;
    let presented = Presented {
        key_id: key_id.to_owned(),
        session_token: header("x-amz-security-token").ok().map(str::to_owned),
        signed_at: time(header("x-amz-date")?)?,
        life: Duration::from_secs(900),
    };
    let names: Vec<_> = field("SignedHeaders=")?.split(';').collect();
    let signed = names.iter().filter(|name| !name.starts_with("x-amz-"));
    let signed: Vec<_> = signed
        .map(|name| Ok::<_, String>((*name, header(name)?)))
        .collect::<Result<_, _>>()?;
    let mut settings = SigningSettings::default();
    if names.contains(&"x-amz-content-sha256") {
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let hash: String = Sha256::digest(body)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        same(header("x-amz-content-sha256")?, &hash)?;
    }
    let request = SignableRequest::new(method, url, signed.into_iter(), SignableBody::Bytes(body));
    let request = request.map_err(|error| error.to_string())?;
    let expected = signature(request, &presented, (region, service), settings, secret)?;
    same(field("Signature=")?, &expected)?;
    Ok(presented)
}

/// `<key id>/<date>/<region>/<service>/aws4_request`
fn scope<'a>(credential: &'a str, expected: &str) -> Result<(&'a str, &'a str), String> {
    let parts: Vec<_> = credential.split('/').collect();
    match parts[..] {
        [key_id, _, region, service, "aws4_request"] if service == expected => Ok((key_id, region)),
        _ => Err(format!("expected a scope of {expected}, got {credential}")),
    }
}

/// `20260304T050607Z`
fn time(text: &str) -> Result<SystemTime, String> {
    let at = |range| text.get(range).ok_or("expected a time");
    let (date, hours) = (
        (at(0..4)?, at(4..6)?, at(6..8)?),
        (at(9..11)?, at(11..13)?, at(13..15)?),
    );
    let text = format!(
        "{}-{}-{}T{}:{}:{}Z",
        date.0, date.1, date.2, hours.0, hours.1, hours.2
    );
    let time = DateTime::from_str(&text, Format::DateTime).map_err(|error| error.to_string())?;
    SystemTime::try_from(time).map_err(|error| error.to_string())
}

fn signature(
    request: SignableRequest<'_>,
    presented: &Presented,
    (region, service): (&str, &str),
    settings: SigningSettings,
    secret: impl Fn(&str) -> Option<String>,
) -> Result<String, String> {
    let key_id = &presented.key_id;
    let secret = secret(key_id).ok_or_else(|| format!("nobody has the key {key_id}"))?;
    let token = presented.session_token.clone();
    let identity = Identity::from(Credentials::new(key_id, secret, token, None, "checked"));
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(presented.signed_at)
        .settings(settings)
        .build()
        .map_err(|error| error.to_string())?;
    let signed = sign(request, &params.into()).map_err(|error| error.to_string())?;
    Ok(signed.into_parts().1)
}

fn same(presented: &str, expected: &str) -> Result<(), String> {
    if presented == expected {
        return Ok(());
    }
    Err(format!("expected {expected}, got {presented}"))
}
