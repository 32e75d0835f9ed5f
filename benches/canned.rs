//! A DynamoDB that is a constant: each operation has one answer, without a socket.

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::shared::IntoShared;
use aws_smithy_types::body::SdkBody;

const GET_ITEM: &str = r#"{"Item":{"id":{"S":"123"},"name":{"S":"Ada Lovelace"},"age":{"N":"36"},"tags":{"L":[{"S":"mathematics"},{"S":"engines"}]}}}"#;
const PUT_ITEM: &str = "{}";
const QUERY: &str = r#"{"Count":3,"ScannedCount":3,"Items":[{"id":{"S":"123"},"name":{"S":"Ada Lovelace"},"age":{"N":"36"},"tags":{"L":[{"S":"mathematics"}]}},{"id":{"S":"124"},"name":{"S":"Charles Babbage"},"age":{"N":"79"},"tags":{"L":[]}},{"id":{"S":"125"},"name":{"S":"Mary Somerville"},"age":{"N":"91"},"tags":{"L":[{"S":"science"}]}}]}"#;

pub(crate) fn http_client() -> SharedHttpClient {
    let connector = SharedHttpConnector::new(Constant);
    http_client_fn(move |_, _| connector.clone()).into_shared()
}

#[derive(Debug)]
struct Constant;

impl HttpConnector for Constant {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let operation = request.headers().get("x-amz-target").unwrap_or_default();
        let body = match operation.rsplit('.').next() {
            Some("GetItem") => GET_ITEM,
            Some("Query") => QUERY,
            _ => PUT_ITEM,
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
