//! The signature of a request: whose it is, and how another takes its place.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::auth::{AuthScheme, AuthSchemeEndpointConfig, AuthSchemeId};
use aws_smithy_runtime_api::client::identity::Identity;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::Document;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::endpoint::Endpoint;

/// The SDK's name of the scheme, which every client of an AWS service knows.
const SIGV4: AuthSchemeId = AuthSchemeId::new("sigv4");

/// The headers that signing puts in and would sign over, were they there before.
const SIGNED_IN: [&str; 3] = ["authorization", "x-amz-date", "x-amz-security-token"];

/// What a request was signed with, as its `authorization` header says; for clients that are none of the SDK's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SigningScope<'a> {
    key_id: &'a str,
    region: &'a str,
    service: &'a str,
}

impl<'a> SigningScope<'a> {
    /// Reads `AWS4-HMAC-SHA256 Credential=<key id>/<date>/<region>/<service>/aws4_request, ..`; `None` for any
    /// other header.
    ///
    /// ```
    /// use aws_credential_strategies::sdk::SigningScope;
    ///
    /// let header = "AWS4-HMAC-SHA256 Credential=ASIAEXAMPLE/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
    /// let scope = SigningScope::read(header).unwrap();
    /// assert_eq!((scope.key_id(), scope.region(), scope.service()), ("ASIAEXAMPLE", "us-east-1", "s3"));
    /// assert_eq!(SigningScope::read("Bearer token"), None);
    /// ```
    #[must_use]
    pub fn read(authorization: &'a str) -> Option<Self> {
        let fields = authorization.strip_prefix("AWS4-HMAC-SHA256 ")?;
        let credential = fields
            .split(',')
            .find_map(|field| field.trim().strip_prefix("Credential="))?;
        let parts: Vec<_> = credential.split('/').collect();
        let [key_id, _date, region, service, "aws4_request"] = parts[..] else {
            return None;
        };
        Some(SigningScope {
            key_id,
            region,
            service,
        })
    }

    /// The access key id.
    #[must_use]
    pub fn key_id(&self) -> &'a str {
        self.key_id
    }

    /// The region that it was signed for.
    #[must_use]
    pub fn region(&self) -> &'a str {
        self.region
    }

    /// The service that it was signed for, by its name in signatures: `s3`, `es`, `rds-db`.
    #[must_use]
    pub fn service(&self) -> &'a str {
        self.service
    }
}

/// What a request shows of the key that it is signed with.
pub(super) struct ShownKey<'a> {
    pub(super) id: &'a str,
    /// Whether it stands in a header, with the session token in another. In the query of a presigned request the
    /// token is encoded.
    pub(super) in_header: bool,
    pub(super) token: Option<&'a str>,
}

/// The key that a request is signed with, in its header or, where it is presigned, in its query.
pub(super) fn signing_key(request: &HttpRequest) -> Option<ShownKey<'_>> {
    let headers = request.headers();
    let (id, in_header) = match headers.get("authorization") {
        Some(header) => (in_header(header)?, true),
        None => (in_query(request.uri())?, false),
    };
    let token = headers.get("x-amz-security-token");
    Some(ShownKey {
        id,
        in_header,
        token: token.filter(|_| in_header),
    })
}

/// The key id in `AWS4-HMAC-SHA256 Credential=AKID/20260101/…`.
fn in_header(authorization: &str) -> Option<&str> {
    // where it stands as a rule; to search for it costs more than all the rest
    let credential = authorization.strip_prefix("AWS4-HMAC-SHA256 Credential=");
    let credential = match credential {
        Some(credential) => credential,
        None => authorization.split_once("Credential=")?.1,
    };
    let (key_id, _) = credential.split_once('/')?;
    Some(key_id)
}

/// The key id in `?X-Amz-Credential=AKID%2F20260101%2F…`.
fn in_query(uri: &str) -> Option<&str> {
    let (_, credential) = uri.split_once("X-Amz-Credential=")?;
    let end = credential.find(['%', '/', '&'])?;
    Some(&credential[..end])
}

/// Signs a signed request anew, with another identity and the client's own signer. `false`, and nothing is
/// changed, where the signature goes on in the body and cannot be exchanged.
pub(super) fn sign_again(
    request: &mut HttpRequest,
    identity: &Identity,
    components: &RuntimeComponents,
    cfg: &ConfigBag,
) -> Result<bool, BoxError> {
    let header = |name| request.headers().get(name).unwrap_or_default();
    let in_header = header("authorization").starts_with("AWS4-HMAC-SHA256 ");
    let goes_on = header("x-amz-content-sha256").starts_with("STREAMING-AWS4-")
        || header("content-type").starts_with("application/vnd.amazon.eventstream");
    if !in_header || goes_on {
        return Ok(false);
    }
    let (Some(scheme), Some(endpoint)) = (components.auth_scheme(SIGV4), cfg.load::<Endpoint>())
    else {
        return Ok(false);
    };
    for name in SIGNED_IN {
        request.headers_mut().remove(name);
    }
    scheme.signer().sign_http_request(
        request,
        identity,
        scheme_settings(endpoint),
        components,
        cfg,
    )?;
    Ok(true)
}

/// What the endpoint says about signing for it, such as another region; as the SDK looks it up.
fn scheme_settings(endpoint: &Endpoint) -> AuthSchemeEndpointConfig<'_> {
    let named = |scheme: &&Document| {
        let name = scheme.as_object().and_then(|object| object.get("name"));
        name.and_then(Document::as_string) == Some(SIGV4.inner())
    };
    let mut typed = endpoint.auth_schemes().iter();
    if let Some(scheme) = typed.find(|scheme| scheme.name() == SIGV4.inner()) {
        return AuthSchemeEndpointConfig::from_typed(scheme);
    }
    let schemes = endpoint.properties().get("authSchemes");
    let schemes = schemes.and_then(Document::as_array);
    AuthSchemeEndpointConfig::from(schemes.and_then(|schemes| schemes.iter().find(named)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signing_key_is_read_from_the_signature() {
        let header = "AWS4-HMAC-SHA256 Credential=ASIAEXAMPLE/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0";
        assert_eq!(in_header(header), Some("ASIAEXAMPLE"));
        assert_eq!(in_header("Bearer token"), None);
        assert_eq!(in_header("Credential="), None);
        let uri = "https://b.s3.amazonaws.com/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=ASIAEXAMPLE%2F20260101%2Fus-east-1";
        assert_eq!(in_query(uri), Some("ASIAEXAMPLE"));
        assert_eq!(in_query("https://example.com/?X-Amz-Credential="), None);
        assert_eq!(in_query("https://example.com/"), None);
    }
}
