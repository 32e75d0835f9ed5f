//! What the table tests stand on: a strategy with fixed credentials, DynamoDB embedded on loopback, and
//! transports in memory that answer as told and keep what was sent.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

use async_trait::async_trait;
use aws_credential_strategies::{
    CredentialStrategy, Credentials, Dynamo, Rejection, Result, Status,
};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::RetryConfig;
use aws_types::SdkConfig;
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value as Json, json};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// Credentials that never change.
#[derive(Clone, Debug)]
pub struct Fixed(Arc<Credentials>);

impl Fixed {
    pub fn new() -> Self {
        let credentials = Credentials::new(
            "AKIAIOSFODNN7EXAMPLE",
            "not-a-secret",
            Some("not-a-token".into()),
            None,
            "fixed",
        );
        Fixed(Arc::new(credentials))
    }
}

#[async_trait]
impl CredentialStrategy for Fixed {
    fn name(&self) -> &'static str {
        "Fixed"
    }

    async fn credentials(&self) -> Result<Credentials> {
        Ok((*self.0).clone())
    }

    fn current(&self) -> Option<Arc<Credentials>> {
        Some(Arc::clone(&self.0))
    }

    fn invalidate(&self, _rejected: &str) -> Rejection {
        Rejection::SameKeyAgain
    }

    fn status(&self) -> Status {
        Status::default()
    }
}

/// A request as the transport saw it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    /// The API operation, for example `GetItem`.
    pub operation: String,
    pub body: Json,
    /// The access key id in the signature.
    pub key_id: String,
}

/// An answer as DynamoDB would give it.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Json,
}

impl Answer {
    pub fn ok(body: Json) -> Self {
        Answer { status: 200, body }
    }

    /// An error as DynamoDB spells it: HTTP 400 and the code behind a namespace.
    pub fn error(code: &str, message: &str) -> Self {
        Answer::error_with(400, code, json!({ "message": message }))
    }

    pub fn error_with(status: u16, code: &str, mut body: Json) -> Self {
        body["__type"] = json!(format!("com.amazonaws.dynamodb.v20120810#{code}"));
        Answer { status, body }
    }
}

type Rule = dyn FnMut(&Sent) -> Answer + Send;

/// A transport in memory: a rule answers, and what was sent is kept.
#[derive(Clone)]
pub struct Transport {
    rule: Arc<Mutex<Box<Rule>>>,
    sent: Arc<Mutex<Vec<Sent>>>,
    pause: Duration,
    in_flight: Arc<Mutex<InFlight>>,
}

#[derive(Debug, Default)]
struct InFlight {
    now: usize,
    most: usize,
}

impl Transport {
    pub fn new(rule: impl FnMut(&Sent) -> Answer + Send + 'static) -> Self {
        Transport {
            rule: Arc::new(Mutex::new(Box::new(rule))),
            sent: Arc::default(),
            pause: Duration::ZERO,
            in_flight: Arc::default(),
        }
    }

    /// Answers after so long.
    pub fn pausing(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    /// How many requests were in flight at the same time, at most.
    pub fn most_in_flight(&self) -> usize {
        self.in_flight.lock().unwrap().most
    }

    /// Answers in this order; a request too many is a failed test.
    pub fn replay(answers: impl IntoIterator<Item = Answer>) -> Self {
        let mut answers = answers.into_iter().collect::<Vec<_>>().into_iter();
        Transport::new(move |sent| {
            answers
                .next()
                .unwrap_or_else(|| panic!("unexpected {sent:?}"))
        })
    }

    /// Nothing may be sent.
    pub fn silent() -> Self {
        Transport::replay([])
    }

    pub fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.sent.lock().unwrap().len()
    }

    /// A client on this transport, without retries by the SDK.
    pub fn dynamo(&self) -> Dynamo<Fixed> {
        Dynamo::new(Fixed::new(), &self.config().build())
    }

    pub fn config(&self) -> aws_types::sdk_config::Builder {
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .retry_config(RetryConfig::disabled())
            .http_client(client_of(self.clone()))
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport")
    }
}

impl HttpConnector for Transport {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let sent = sent(&request);
        self.sent.lock().unwrap().push(sent.clone());
        let answer = (self.rule.lock().unwrap())(&sent);
        let response = response(answer.status, answer.body.to_string());
        if self.pause.is_zero() {
            return HttpConnectorFuture::ready(Ok(response));
        }
        let (pause, in_flight) = (self.pause, Arc::clone(&self.in_flight));
        HttpConnectorFuture::new(async move {
            {
                let mut in_flight = in_flight.lock().unwrap();
                in_flight.now += 1;
                in_flight.most = in_flight.most.max(in_flight.now);
            }
            tokio::time::sleep(pause).await;
            in_flight.lock().unwrap().now -= 1;
            Ok(response)
        })
    }
}

fn client_of(connector: impl HttpConnector + Clone + 'static) -> SharedHttpClient {
    http_client_fn(move |_, _| SharedHttpConnector::new(connector.clone()))
}

fn sent(request: &HttpRequest) -> Sent {
    let target = request.headers().get("x-amz-target").unwrap_or_default();
    let authorization = request.headers().get("authorization").unwrap_or_default();
    let key_id = authorization
        .split_once("Credential=")
        .and_then(|(_, rest)| rest.split_once('/'))
        .map_or("", |(key_id, _)| key_id);
    Sent {
        operation: target.rsplit('.').next().unwrap_or_default().to_owned(),
        body: serde_json::from_slice(request.body().bytes().unwrap_or_default()).unwrap(),
        key_id: key_id.to_owned(),
    }
}

fn response(status: u16, body: String) -> HttpResponse {
    let mut response =
        HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(body));
    let headers = response.headers_mut();
    headers.insert("content-type", "application/x-amz-json-1.0");
    headers.insert("x-amzn-requestid", "REQUEST-1");
    response
}

/// DynamoDB on SQLite, on a loopback port of its own.
#[derive(Clone, Debug)]
pub struct Embedded {
    address: SocketAddr,
    /// What went by, in order.
    pub tape: Tape,
}

/// Requests and their answers.
pub type Tape = Arc<Mutex<Vec<(Sent, u16, Json)>>>;

impl Embedded {
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let database = dynoxide::Database::memory().unwrap();
        tokio::spawn(dynoxide::server::serve_on(listener, database));
        Embedded::at(address)
    }

    /// What listens here, if anything does.
    pub fn at(address: SocketAddr) -> Self {
        Embedded {
            address,
            tape: Tape::default(),
        }
    }

    pub fn dynamo(&self) -> Dynamo<Fixed> {
        let sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .retry_config(RetryConfig::disabled())
            .endpoint_url(format!("http://{}", self.address))
            .http_client(client_of(self.clone()))
            .build();
        Dynamo::new(Fixed::new(), &sdk)
    }

    /// Plays the tape back: the same requests in any order get the same answers, one for one.
    pub fn replayed(&self) -> Transport {
        let mut tape = self.tape.lock().unwrap().clone();
        Transport::new(move |sent| {
            let at = tape.iter().position(|(recorded, _, _)| recorded == sent);
            let at = at.unwrap_or_else(|| panic!("not on the tape: {sent:?}"));
            let (_, status, body) = tape.remove(at);
            Answer { status, body }
        })
    }
}

impl HttpConnector for Embedded {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (address, tape) = (self.address, Arc::clone(&self.tape));
        HttpConnectorFuture::new(async move {
            let sent = sent(&request);
            let (status, body) = forward(address, request)
                .await
                .map_err(ConnectorError::io)?;
            let json = serde_json::from_str(&body).unwrap();
            tape.lock().unwrap().push((sent, status, json));
            Ok(response(status, body))
        })
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

async fn forward(address: SocketAddr, request: HttpRequest) -> Result<(u16, String), BoxError> {
    let request = request.try_into_http1x()?;
    let (mut parts, body) = request.into_parts();
    parts.uri = "/".parse()?;
    parts.headers.insert("host", address.to_string().parse()?);
    let body = Full::new(bytes::Bytes::copy_from_slice(
        body.bytes().unwrap_or_default(),
    ));
    let request = hyper::Request::from_parts(parts, body);
    let stream = TcpStream::connect(address).await?;
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
    tokio::spawn(connection);
    let answer = sender.send_request(request).await?;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await?.to_bytes();
    Ok((status, String::from_utf8(body.to_vec())?))
}

/// Creates a table with string keys.
pub async fn create_table(client: &Client, name: &str, partition: &str, sort: Option<&str>) {
    create_table_with(client, name, partition, sort, None).await;
}

/// The same with an index of the name, partition and sort key given.
pub async fn create_table_with(
    client: &Client,
    name: &str,
    partition: &str,
    sort: Option<&str>,
    index: Option<(&str, &str, &str)>,
) {
    use aws_sdk_dynamodb::types::{
        AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType,
        Projection, ProjectionType, ScalarAttributeType,
    };
    let element = |name: &str, key_type: KeyType| {
        KeySchemaElement::builder()
            .attribute_name(name)
            .key_type(key_type)
            .build()
            .unwrap()
    };
    let mut attributes: Vec<&str> = vec![partition];
    let mut request = client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .key_schema(element(partition, KeyType::Hash));
    if let Some(sort) = sort {
        attributes.push(sort);
        request = request.key_schema(element(sort, KeyType::Range));
    }
    if let Some((index, partition, sort)) = index {
        attributes.extend([partition, sort]);
        request = request.global_secondary_indexes(
            GlobalSecondaryIndex::builder()
                .index_name(index)
                .key_schema(element(partition, KeyType::Hash))
                .key_schema(element(sort, KeyType::Range))
                .projection(
                    Projection::builder()
                        .projection_type(ProjectionType::All)
                        .build(),
                )
                .build()
                .unwrap(),
        );
    }
    attributes.sort_unstable();
    attributes.dedup();
    for attribute in attributes {
        request = request.attribute_definitions(
            AttributeDefinition::builder()
                .attribute_name(attribute)
                .attribute_type(ScalarAttributeType::S)
                .build()
                .unwrap(),
        );
    }
    request.send().await.unwrap();
}
