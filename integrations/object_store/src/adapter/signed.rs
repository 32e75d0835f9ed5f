//! How a request was signed, read off it, and the same request signed by another key.

use super::authorize;
use super::object_store;
use super::object_store::aws::{AwsAuthorizer, AwsCredential};
use super::object_store::client::HttpRequest;
use aws_credential_strategies::sdk::SigningScope;
use http::header::{AUTHORIZATION, HeaderMap, RANGE};
use http::{HeaderValue, Method};

const TOKEN: &str = "x-amz-security-token";
/// The token of S3 Express, whose sessions the store makes by itself.
const EXPRESS_TOKEN: &str = "x-amz-s3session-token";
const PAYLOAD_HASH: &str = "x-amz-content-sha256";
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// What signed a request, and how.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Signed {
    pub(crate) key_id: String,
    region: String,
    service: String,
    payload: Payload,
}

#[derive(Debug, PartialEq, Eq)]
enum Payload {
    Unsigned,
    Hash([u8; 32]),
}

impl Signed {
    /// Nothing where the request is not signed, or in a way that another key cannot repeat.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        if headers.contains_key(EXPRESS_TOKEN) {
            return None;
        }
        let scope = SigningScope::read(headers.get(AUTHORIZATION)?.to_str().ok()?)?;
        let payload = match headers.get(PAYLOAD_HASH)?.to_str().ok()? {
            UNSIGNED => Payload::Unsigned,
            hex => Payload::Hash(hash(hex)?),
        };
        Some(Signed {
            key_id: scope.key_id().to_owned(),
            region: scope.region().to_owned(),
            service: scope.service().to_owned(),
            payload,
        })
    }

    /// Signs the request anew.
    pub(crate) fn sign(
        &self,
        request: &mut HttpRequest,
        credential: &AwsCredential,
    ) -> object_store::Result<()> {
        request.headers_mut().remove(AUTHORIZATION);
        request.headers_mut().remove(TOKEN);
        let authorizer = AwsAuthorizer::new(credential, &self.service, &self.region);
        match &self.payload {
            Payload::Unsigned => authorize(&authorizer.with_sign_payload(false), request, None),
            Payload::Hash(hash) => authorize(&authorizer, request, Some(hash)),
        }
    }

    /// The request as one for the first byte, which may have a body that says why it is refused.
    pub(crate) fn for_one_byte(
        &self,
        head: &HttpRequest,
        credential: &AwsCredential,
    ) -> object_store::Result<HttpRequest> {
        let mut request = head.clone();
        *request.method_mut() = Method::GET;
        let first = HeaderValue::from_static("bytes=0-0");
        request.headers_mut().insert(RANGE, first);
        self.sign(&mut request, credential)?;
        Ok(request)
    }
}

fn hash(hex: &str) -> Option<[u8; 32]> {
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    let mut hash = [0; 32];
    for (byte, at) in hash.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use http::Request;

    fn request(sign_payload: bool) -> HttpRequest {
        let mut request = Request::put("http://localhost/bucket/a%20b?partNumber=1")
            .header("x-amz-meta-a", "b")
            .body("body".to_owned().into())
            .unwrap();
        let old = credential("AKIDOLD", Some("old token"));
        let authorizer = AwsAuthorizer::new(&old, "s3", "eu-central-1");
        authorize(
            &authorizer.with_sign_payload(sign_payload),
            &mut request,
            None,
        )
        .unwrap();
        request
    }

    fn credential(key_id: &str, token: Option<&str>) -> AwsCredential {
        AwsCredential {
            key_id: key_id.to_owned(),
            secret_key: "secret".to_owned(),
            token: token.map(ToOwned::to_owned),
        }
    }

    #[test]
    fn what_signed_is_read_off_the_request() {
        for sign_payload in [true, false] {
            let request = request(sign_payload);
            let signed = Signed::of(request.headers()).unwrap();
            assert_eq!(signed.key_id, "AKIDOLD");
            assert_eq!(signed.region, "eu-central-1");
            assert_eq!(signed.service, "s3");
            assert_eq!(signed.payload == Payload::Unsigned, !sign_payload);
        }
    }

    #[test]
    fn another_key_signs_the_same() {
        let mut again = request(true);
        let signed = Signed::of(again.headers()).unwrap();
        let hash = again.headers()[PAYLOAD_HASH].clone();
        let new = credential("AKIDNEW", Some("new token"));
        signed.sign(&mut again, &new).unwrap();
        assert_eq!(again.headers()[TOKEN], "new token");
        assert_eq!(again.headers()[PAYLOAD_HASH], hash);
        let by_new = Signed::of(again.headers()).unwrap();
        assert_eq!(by_new.key_id, "AKIDNEW");
        assert_eq!(by_new.payload, signed.payload);
    }

    #[test]
    fn a_key_without_a_token_brings_none() {
        let mut again = request(false);
        let signed = Signed::of(again.headers()).unwrap();
        signed
            .sign(&mut again, &credential("AKIDNEW", None))
            .unwrap();
        assert!(!again.headers().contains_key(TOKEN));
        assert!(
            !again.headers()[AUTHORIZATION]
                .to_str()
                .unwrap()
                .contains(TOKEN)
        );
    }

    #[test]
    fn sessions_of_s3_express_and_streamed_signatures_are_left_alone() {
        let mut express = request(true);
        express
            .headers_mut()
            .insert(EXPRESS_TOKEN, HeaderValue::from_static("token"));
        assert_eq!(Signed::of(express.headers()), None);
        for hash in [
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            "",
            "é",
            &"g".repeat(64),
        ] {
            let mut other = request(true);
            let value = HeaderValue::from_bytes(hash.as_bytes()).unwrap();
            other.headers_mut().insert(PAYLOAD_HASH, value);
            assert_eq!(Signed::of(other.headers()), None, "{hash}");
        }
        assert_eq!(Signed::of(&HeaderMap::new()), None);
    }
}
