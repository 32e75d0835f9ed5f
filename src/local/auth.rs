//! Who signed a request: reads Signature Version 4, from the header or a presigned URL.

use bytes::Bytes;
use hyper::Request;
use hyper::header::AUTHORIZATION;
use std::borrow::Cow;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The authentication of a request, taken apart but not yet believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signed {
    pub(super) key_id: String,
    pub(super) token: Option<String>,
}

impl Signed {
    /// `None` when the request carries no complete authentication.
    pub(super) fn read(request: &Request<Bytes>) -> Option<Signed> {
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
        part("SignedHeaders")?;
        part("Signature")?;
        Some(Signed {
            key_id: key_id(part("Credential")?)?,
            token: header(request, "x-amz-security-token").map(str::to_owned),
        })
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
        part("X-Amz-Signature")?;
        Some(Signed {
            key_id: key_id(&part("X-Amz-Credential")?)?,
            token: part("X-Amz-Security-Token").map(Cow::into_owned),
        })
    }
}

/// The key id of `<key id>/<date>/<region>/<service>/aws4_request`.
fn key_id(credential: &str) -> Option<String> {
    let (key_id, scope) = credential.split_once('/')?;
    (scope.split('/').count() == 4).then(|| key_id.to_owned())
}

fn header<'a>(request: &'a Request<Bytes>, name: &str) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok()
}
