//! How a request was signed, read off it, and the same request signed by another key.

use aws_credential_strategies::Credentials;
use aws_credential_strategies::sdk::SigningScope;
use aws_credential_strategies_reqsign::credential;
use http::header::{AUTHORIZATION, HOST, HeaderMap, RANGE};
use http::{HeaderValue, Method, Request};
use opendal_core::Buffer;
use reqsign_aws_v4::RequestSigner;
use reqsign_core::{Context, Result, SignRequest};

const DATE: &str = "x-amz-date";
const TOKEN: &str = "x-amz-security-token";
/// The token of S3 Express, whose sessions opendal makes by itself.
const EXPRESS_TOKEN: &str = "x-amz-s3session-token";
const PAYLOAD_HASH: &str = "x-amz-content-sha256";

/// What signed a request, and for whom.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Signed {
    pub(crate) key_id: String,
    region: String,
    service: String,
}

impl Signed {
    /// Nothing where the request is not signed in its header, or in a way that another key cannot repeat.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let goes_on_in_body = text(PAYLOAD_HASH).is_some_and(|hash| hash.starts_with("STREAMING-"));
        if headers.contains_key(EXPRESS_TOKEN) || goes_on_in_body {
            return None;
        }
        let scope = SigningScope::read(text(AUTHORIZATION.as_str())?)?;
        Some(Signed {
            key_id: scope.key_id().to_owned(),
            region: scope.region().to_owned(),
            service: scope.service().to_owned(),
        })
    }

    /// The request, signed by `credentials`.
    pub(crate) async fn sign(
        &self,
        request: Request<Buffer>,
        credentials: &Credentials,
    ) -> Result<Request<Buffer>> {
        let (mut parts, body) = request.into_parts();
        // a date that is there is signed as it is, and would contradict the time of the signature
        for name in [AUTHORIZATION.as_str(), DATE, TOKEN] {
            parts.headers.remove(name);
        }
        let signer = RequestSigner::new(&self.service, &self.region).with_standard_session_token();
        let credential = credential(credentials)?;
        signer
            .sign_request(&Context::new(), &mut parts, Some(&credential), None)
            .await?;
        // it is the client's to set, by the version of HTTP that it speaks
        parts.headers.remove(HOST);
        Ok(Request::from_parts(parts, body))
    }

    /// The request as one for the first byte, which may have a body that says why it is refused.
    pub(crate) async fn for_one_byte(
        &self,
        head: &Request<Buffer>,
        credentials: &Credentials,
    ) -> Result<Request<Buffer>> {
        let mut request = head.clone();
        *request.method_mut() = Method::GET;
        let first = HeaderValue::from_static("bytes=0-0");
        request.headers_mut().insert(RANGE, first);
        self.sign(request, credentials).await
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn credentials(key_id: &str, token: Option<&str>) -> Credentials {
        let token = token.map(ToOwned::to_owned);
        Credentials::new(key_id, "secret", token, None, "test")
    }

    async fn by(key_id: &str, token: Option<&str>) -> Request<Buffer> {
        let request = Request::put("http://localhost/bucket/a%20b?partNumber=1")
            .header("x-amz-meta-a", "b")
            .body(Buffer::from("body"));
        let scope = Signed {
            key_id: String::new(),
            region: "eu-central-1".to_owned(),
            service: "s3".to_owned(),
        };
        let credentials = credentials(key_id, token);
        scope.sign(request.unwrap(), &credentials).await.unwrap()
    }

    #[tokio::test]
    async fn another_key_signs_the_same() {
        let mut request = by("AKIDOLD", Some("old token")).await;
        let old_date = HeaderValue::from_static("20260101T000000Z");
        request.headers_mut().insert(DATE, old_date.clone());
        let signed = Signed::of(request.headers()).unwrap();
        assert_eq!(signed.key_id, "AKIDOLD");
        let new = credentials("AKIDNEW", Some("new token"));
        let again = signed.sign(request, &new).await.unwrap();
        assert_eq!(again.headers()[TOKEN], "new token");
        assert_ne!(again.headers()[DATE], old_date, "it is dated anew");
        let by_new = Signed::of(again.headers()).unwrap();
        assert_eq!(by_new.key_id, "AKIDNEW");
        assert_eq!(
            (by_new.region, by_new.service),
            (signed.region, signed.service)
        );
        assert!(!again.headers().contains_key(HOST));
    }

    #[tokio::test]
    async fn a_key_without_a_token_brings_none() {
        let request = by("AKIDOLD", Some("old token")).await;
        let signed = Signed::of(request.headers()).unwrap();
        let new = credentials("AKIDNEW", None);
        let again = signed.sign(request, &new).await.unwrap();
        assert!(!again.headers().contains_key(TOKEN));
        let authorization = again.headers()[AUTHORIZATION].to_str().unwrap();
        assert!(!authorization.contains(TOKEN), "{authorization}");
    }

    #[tokio::test]
    async fn sessions_of_s3_express_and_streamed_signatures_are_left_alone() {
        let mut express = by("AKID", None).await;
        let token = HeaderValue::from_static("token");
        express.headers_mut().insert(EXPRESS_TOKEN, token);
        assert_eq!(Signed::of(express.headers()), None);
        let mut streamed = by("AKID", None).await;
        let hash = HeaderValue::from_static("STREAMING-AWS4-HMAC-SHA256-PAYLOAD");
        streamed.headers_mut().insert(PAYLOAD_HASH, hash);
        assert_eq!(Signed::of(streamed.headers()), None);
        assert_eq!(Signed::of(&HeaderMap::new()), None);
    }
}
