//! A DynamoDB and an STS that are constants: each operation has one answer, a scan one a page, without a
//! socket.

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
use std::time::Duration;

const GET_ITEM: &str = r#"{"Item":{"id":{"S":"123"},"name":{"S":"Ada Lovelace"},"age":{"N":"36"},"tags":{"L":[{"S":"mathematics"},{"S":"engines"}]}}}"#;
const PUT_ITEM: &str = "{}";
const QUERY: &str = r#"{"Count":3,"ScannedCount":3,"Items":[{"id":{"S":"123"},"name":{"S":"Ada Lovelace"},"age":{"N":"36"},"tags":{"L":[{"S":"mathematics"}]}},{"id":{"S":"124"},"name":{"S":"Charles Babbage"},"age":{"N":"79"},"tags":{"L":[]}},{"id":{"S":"125"},"name":{"S":"Mary Somerville"},"age":{"N":"91"},"tags":{"L":[{"S":"science"}]}}]}"#;

const ASSUME_ROLE: &str = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><AssumedRoleUser><AssumedRoleId>AROAEXAMPLE:benches</AssumedRoleId><Arn>arn:aws:sts::123456789012:assumed-role/App/benches</Arn></AssumedRoleUser><Credentials><AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult><ResponseMetadata><RequestId>00000000-0000-0000-0000-000000000000</RequestId></ResponseMetadata></AssumeRoleResponse>";

const ITEM: &str = r#"{"id":{"S":"123"},"name":{"S":"Ada Lovelace"},"age":{"N":"36"},"tags":{"L":[{"S":"mathematics"},{"S":"engines"}]}}"#;

/// The table that is scanned: so many pages, divided among segments, of so many items each.
#[derive(Clone, Debug)]
struct Pages {
    count: u64,
    items: String,
}

impl Pages {
    fn new(count: u64, items: usize) -> Self {
        Pages {
            count,
            items: vec![ITEM; items].join(","),
        }
    }

    /// The page that a request asks for, and the key of the next one.
    fn answer(&self, request: &str) -> String {
        let number = |name: &str| {
            let (_, rest) = request.split_once(name)?;
            let end = rest.find(|c: char| !c.is_ascii_digit())?;
            rest.get(..end)?.parse::<u64>().ok()
        };
        let segments = number("\"TotalSegments\":").unwrap_or(1);
        let page = number("\"ExclusiveStartKey\":{\"id\":{\"S\":\"").unwrap_or(0) + 1;
        let last = if page < self.count / segments {
            format!(",\"LastEvaluatedKey\":{{\"id\":{{\"S\":\"{page}\"}}}}")
        } else {
            String::new()
        };
        format!(
            "{{\"Count\":1,\"ScannedCount\":1,\"Items\":[{}]{last}}}",
            self.items
        )
    }
}

/// What `aws_config` puts into every `SdkConfig`, with the constants at the other end; a scan reads 10,000
/// items in 10 pages.
pub(crate) fn settings() -> SdkConfig {
    settings_of(http_client())
}

/// The same with answers that take so long; a scan reads 80 pages.
pub(crate) fn slow_settings(answer: Duration) -> SdkConfig {
    settings_of(client_of(Constant {
        pages: Pages::new(80, 1),
        pause: answer,
    }))
}

fn settings_of(client: SharedHttpClient) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .time_source(SharedTimeSource::new(SystemTimeSource::new()))
        .http_client(client)
        .build()
}

pub(crate) fn http_client() -> SharedHttpClient {
    client_of(Constant {
        pages: Pages::new(10, 1_000),
        pause: Duration::ZERO,
    })
}

fn client_of(constant: Constant) -> SharedHttpClient {
    let connector = SharedHttpConnector::new(constant);
    http_client_fn(move |_, _| connector.clone()).into_shared()
}

#[derive(Debug)]
struct Constant {
    pages: Pages,
    pause: Duration,
}

impl HttpConnector for Constant {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        // The query protocol, which STS speaks, names its operation in the body.
        let operation = request.headers().get("x-amz-target");
        let body = match operation.and_then(|operation| operation.rsplit('.').next()) {
            None => SdkBody::from(ASSUME_ROLE),
            Some("GetItem") => SdkBody::from(GET_ITEM),
            Some("Query") => SdkBody::from(QUERY),
            Some("Scan") => {
                let asked = std::str::from_utf8(request.body().bytes().unwrap_or_default());
                SdkBody::from(self.pages.answer(asked.unwrap_or_default()))
            }
            Some(_) => SdkBody::from(PUT_ITEM),
        };
        let status = aws_smithy_runtime_api::http::StatusCode::try_from(200);
        let answer = match status {
            Ok(status) => Ok(HttpResponse::new(status, body)),
            Err(error) => Err(
                aws_smithy_runtime_api::client::result::ConnectorError::other(error.into(), None),
            ),
        };
        if self.pause.is_zero() {
            return HttpConnectorFuture::ready(answer);
        }
        let pause = self.pause;
        HttpConnectorFuture::new(async move {
            tokio::time::sleep(pause).await;
            answer
        })
    }
}
