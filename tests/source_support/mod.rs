//! What the tests of the two sources share.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

pub mod stand_in;

use aws_credential_strategies::local::LocalCloud;
use aws_credential_strategies::source::{ImdsSource, ImdsSourceBuilder};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use std::error::Error as StdError;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Long enough for loopback on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// How long a test waits for an answer that it knows will not come.
pub const BRIEF: Duration = Duration::from_millis(500);

/// A source on this cloud that is not hurried by a busy machine.
pub fn imds(cloud: &LocalCloud) -> ImdsSourceBuilder {
    ImdsSource::builder()
        .endpoint(cloud.imds_endpoint())
        .connect_timeout(PATIENCE)
        .answer_timeout(PATIENCE)
        .max_attempts(3)
}

/// An error and its causes, one line each, without what differs from run to run.
pub fn golden(cloud: &LocalCloud, error: &(dyn StdError + 'static)) -> String {
    let mut lines = Vec::new();
    let mut layer = Some(error);
    while let Some(current) = layer {
        lines.push(current.to_string());
        layer = current.source();
    }
    let text = lines
        .join("\n  <- ")
        .replace(cloud.imds_endpoint(), "http://imds")
        .replace(cloud.sts_endpoint(), "http://sts");
    without(
        &without(
            &text,
            "after ",
            |rest| rest.find([')', ',']),
            "after [elapsed]",
        ),
        "request id ",
        |rest| rest.find([')', ',']),
        "request id [id]",
    )
}

/// Replaces each `marker` and what follows it, as far as `end` finds.
fn without(
    text: &str,
    marker: &str,
    end: impl Fn(&str) -> Option<usize>,
    replacement: &str,
) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(marker) {
        out.push_str(&rest[..at]);
        let tail = &rest[at + marker.len()..];
        let starts_with_value = tail.starts_with(|c: char| c.is_ascii_hexdigit());
        if !starts_with_value {
            out.push_str(marker);
            rest = tail;
            continue;
        }
        out.push_str(replacement);
        rest = &tail[end(tail).unwrap_or(tail.len())..];
    }
    out.push_str(rest);
    out
}

/// An HTTP client that writes down each request and passes it on to another.
#[derive(Clone, Debug)]
pub struct Recorder {
    inner: SharedHttpClient,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// A request as it went out.
#[derive(Clone, Debug)]
pub struct Seen {
    pub uri: String,
    pub user_agent: String,
    pub body: String,
}

impl Recorder {
    pub fn before(inner: SharedHttpClient) -> Self {
        Recorder {
            inner,
            seen: Arc::default(),
        }
    }

    /// Answers each request with a refusal, so that nothing leaves this process.
    pub fn refusing() -> Self {
        Recorder::before(http_client_fn(|_, _| SharedHttpConnector::new(Refuser)))
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl HttpClient for Recorder {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Wire {
            inner: self.inner.http_connector(settings, components),
            seen: Arc::clone(&self.seen),
        })
    }
}

#[derive(Debug)]
struct Wire {
    inner: SharedHttpConnector,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        self.seen.lock().unwrap().push(Seen {
            uri: request.uri().to_owned(),
            user_agent: request
                .headers()
                .get("x-amz-user-agent")
                .unwrap_or_default()
                .to_owned(),
            body: String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned(),
        });
        self.inner.call(request)
    }
}

#[derive(Debug)]
struct Refuser;

impl HttpConnector for Refuser {
    fn call(&self, _request: HttpRequest) -> HttpConnectorFuture {
        let body = "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>";
        HttpConnectorFuture::ready(Ok(HttpResponse::new(
            StatusCode::try_from(403).unwrap(),
            SdkBody::from(body),
        )))
    }
}
