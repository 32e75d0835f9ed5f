//! A DynamoDB and an STS that are constants: each operation has one answer, without a socket.

use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::shared::IntoShared;
use aws_smithy_types::body::SdkBody;
use aws_types::SdkConfig;
use aws_types::region::Region;

const GET_ITEM: &str = r#"{"Item":{"id":{"S":"123"},"name":{"S":"Ada Lovelace"},"age":{"N":"36"},"tags":{"L":[{"S":"mathematics"},{"S":"engines"}]}}}"#;
const PUT_ITEM: &str = "{}";
const QUERY: &str = r#"{"Count":3,"ScannedCount":3,"Items":[{"id":{"S":"123"},"name":{"S":"Ada Lovelace"},"age":{"N":"36"},"tags":{"L":[{"S":"mathematics"}]}},{"id":{"S":"124"},"name":{"S":"Charles Babbage"},"age":{"N":"79"},"tags":{"L":[]}},{"id":{"S":"125"},"name":{"S":"Mary Somerville"},"age":{"N":"91"},"tags":{"L":[{"S":"science"}]}}]}"#;

const ASSUME_ROLE: &str = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><AssumedRoleUser><AssumedRoleId>AROAEXAMPLE:benches</AssumedRoleId><Arn>arn:aws:sts::123456789012:assumed-role/App/benches</Arn></AssumedRoleUser><Credentials><AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult><ResponseMetadata><RequestId>00000000-0000-0000-0000-000000000000</RequestId></ResponseMetadata></AssumeRoleResponse>";

/// What `aws_config` puts into every `SdkConfig`, with the constants at the other end.
pub(crate) fn settings() -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .time_source(SharedTimeSource::new(SystemTimeSource::new()))
        .http_client(http_client())
        .build()
}

pub(crate) fn http_client() -> SharedHttpClient {
    let connector = SharedHttpConnector::new(Constant);
    http_client_fn(move |_, _| connector.clone()).into_shared()
}

#[derive(Debug)]
struct Constant;

impl HttpConnector for Constant {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        // The query protocol, which STS speaks, names its operation in the body.
        let operation = request.headers().get("x-amz-target");
        let body = match operation.and_then(|operation| operation.rsplit('.').next()) {
            None => ASSUME_ROLE,
            Some("GetItem") => GET_ITEM,
            Some("Query") => QUERY,
            Some(_) => PUT_ITEM,
        };
        let status = aws_smithy_runtime_api::http::StatusCode::try_from(200);
        HttpConnectorFuture::ready(match status {
            Ok(status) => Ok(HttpResponse::new(status, SdkBody::from(body))),
            Err(error) => Err(
                aws_smithy_runtime_api::client::result::ConnectorError::other(error.into(), None),
            ),
        })
    }
}
