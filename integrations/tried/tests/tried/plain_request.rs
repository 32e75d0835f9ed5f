//! `aws-sigv4` on a plain `http::Request`.

use super::{REQUESTS, started};
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use integrations_s3::REGION;
use std::time::SystemTime;
use tried::stand_in::StandIn;

fn signed(mut request: http::Request<String>, credentials: Credentials) -> http::Request<String> {
    let identity = Identity::from(credentials);
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(REGION)
        .name("execute-api")
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .unwrap();
    let uri = request.uri().to_string();
    let headers = request.headers().iter();
    let headers = headers.map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
    let body = SignableBody::Bytes(request.body().as_bytes());
    let signable = SignableRequest::new(request.method().as_str(), &uri, headers, body).unwrap();
    let (instructions, _) = sign(signable, &params.into()).unwrap().into_parts();
    instructions.apply_to_request_http1x(&mut request);
    request
}

#[tokio::test]
async fn each_request_is_signed_from_memory() {
    let (s3, strategy) = started().await;
    let service = StandIn::start("execute-api", s3.sessions().clone());
    let service = service.await.unwrap();
    for number in 0..REQUESTS {
        let url = format!("{}/stage/things?number={number}", service.url());
        let request = http::Request::post(url).body("{}".to_owned()).unwrap();
        let credentials = strategy.credentials().await.unwrap();
        let (status, body) = integrations_s3::send(signed(request, credentials)).await;
        assert_eq!(status, 200, "{body}");
    }
    s3.one_fetch_each(REQUESTS, 0);
}

/// The stand-in looks at what it says that it looks at.
#[tokio::test]
async fn another_secret_is_refused() {
    let (s3, strategy) = started().await;
    let service = StandIn::start("execute-api", s3.sessions().clone());
    let service = service.await.unwrap();
    let held = strategy.credentials().await.unwrap();
    let token = held.session_token().map(ToOwned::to_owned);
    let other = Credentials::new(held.access_key_id(), "another", token, None, "test");
    let request = http::Request::get(format!("{}/", service.url()));
    let request = signed(request.body(String::new()).unwrap(), other);
    assert_eq!(integrations_s3::send(request).await.0, 403);
    assert_eq!(s3.sessions().admitted(), 0);
}
