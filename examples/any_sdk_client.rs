//! A strategy in an SDK client other than DynamoDB's: SQS, on a loopback server that rejects the first
//! key it sees as expired. The request is repeated once, with new credentials; the caller sees success.

mod support;

use aws_credential_strategies::local::LocalCloud;
use aws_credential_strategies::{CredentialStrategy, InstanceProfile, sdk};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use support::arguments::Program;
use support::{Failure, NAME, tell};
use tokio::net::TcpListener;

const PROGRAM: Program = Program {
    name: NAME,
    about: "A strategy in an SDK client other than DynamoDB's: SQS, which rejects the first key that it sees. The \
            request is repeated once, with new credentials; the caller sees success.",
    options: &[],
    notes: "takes: a second\ncosts: nothing, it runs on the embedded cloud",
};

#[tokio::main]
async fn main() -> Result<(), Failure> {
    PROGRAM.read_or_exit();
    // Stands in for EC2; its metadata service has new keys each time it is asked.
    let cloud = LocalCloud::builder()
        .rotate_documents_after(Duration::ZERO)
        .start()
        .await?;
    let queues = Queues::start().await?;
    let settings = cloud.sdk_config();

    let strategy = InstanceProfile::builder()
        .endpoint(cloud.imds_endpoint())
        .build()?;
    // the one line that wires a client of any service
    let config = sdk::client_config!(aws_sdk_sqs, &settings, strategy.clone());
    let config = config.to_builder().endpoint_url(&queues.endpoint);
    let sqs = aws_sdk_sqs::Client::from_conf(config.build());

    let first = strategy.credentials().await?;
    tell!("the metadata service gave {}", first.access_key_id());
    let fetched = strategy.status().fetches;

    let listed = sqs.list_queues().send().await?;

    tell!("its queues: {}\n", listed.queue_urls().join(", "));
    tell!("what the server saw:");
    let seen = queues.seen();
    for (n, request) in seen.iter().enumerate() {
        let answer = if n == 0 { "ExpiredToken" } else { "200" };
        tell!("  {request} -> {answer}");
    }
    let fetches = strategy.status().fetches - fetched;
    tell!("\nfetches of new credentials for it: {fetches}");
    if seen.len() != 2 || seen.first() == seen.last() || fetches != 1 {
        return Err(Failure::new(
            "expected one repeat, with other keys, after one fetch",
        ));
    }
    Ok(())
}

/// As much of SQS as it takes: lists one queue, for any key but the first that it sees.
struct Queues {
    endpoint: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Queues {
    async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let ledger = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let ledger = Arc::clone(&ledger);
                let service = service_fn(move |request| {
                    let answer = answer(&request, &ledger);
                    async { answer }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Ok(Queues { endpoint, seen })
    }

    /// The key ids of the requests, in order.
    fn seen(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.clone()
    }
}

fn answer(
    request: &Request<Incoming>,
    seen: &Mutex<Vec<String>>,
) -> Result<Response<Full<Bytes>>, hyper::http::Error> {
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    let key = key_id(request).unwrap_or_default().to_owned();
    let rejected = seen.first().is_none_or(|first| *first == key);
    seen.push(key);
    let (status, body) = if rejected {
        let body = r#"{"__type":"com.amazonaws.sqs#ExpiredToken","message":"The security token included in the request is expired"}"#;
        (403, body)
    } else {
        let body = r#"{"QueueUrls":["https://sqs.us-east-1.amazonaws.com/123456789012/orders"]}"#;
        (200, body)
    };
    Response::builder()
        .status(status)
        .header("content-type", "application/x-amz-json-1.0")
        .body(Full::from(body))
}

/// `AKID` of `AWS4-HMAC-SHA256 Credential=AKID/20270115/us-east-1/sqs/aws4_request, ...`.
fn key_id(request: &Request<Incoming>) -> Option<&str> {
    let authorization = request.headers().get("authorization")?.to_str().ok()?;
    let (_, credential) = authorization.split_once("Credential=")?;
    credential.split('/').next()
}
