//! Promise: `warm` has everything ready before the first request: credentials, and beside them, without their help, the
//! connections to STS and DynamoDB. What it sends bears no signature, and is no call of the program's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use aws_credential_strategies::refresh::Stage;
use aws_credential_strategies::strategy::RolePool;
use aws_credential_strategies::table::WARM_CONNECTION_TIMEOUT;
use aws_credential_strategies::{
    AssumeRole, CredentialCache, CredentialStrategy, Credentials, Dynamo, RefreshPolicy, SdkConfig,
};
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_types::region::Region;
use serde::Deserialize;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use support::{Gate, GatedSource, HOUR, SECRET, Shared, TOKEN, session};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, yield_now};

const ROLE: &str = "arn:aws:iam::123456789012:role/App";

#[derive(Debug, Deserialize, PartialEq)]
struct Item {
    id: String,
}

/// One request, and which connection it came over.
#[derive(Clone, Debug)]
struct Asked {
    connection: usize,
    head: String,
}

impl Asked {
    fn is_unsigned_get(&self) -> bool {
        let head = self.head.to_ascii_lowercase();
        self.head.starts_with("GET / HTTP/1.1")
            && ![
                "authorization",
                "x-amz-security-token",
                "x-amz-target",
                "content-type",
            ]
            .iter()
            .any(|header| head.contains(header))
    }
}

/// STS and DynamoDB on loopback, with connections that stay open.
struct Service {
    url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    answered: watch::Receiver<usize>,
    task: JoinHandle<()>,
}

impl Service {
    /// What does not begin with `answers` it takes, and leaves unanswered.
    async fn answering(answers: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (count, answered) = watch::channel(0);
        let (record, count) = (Arc::clone(&asked), Arc::new(count));
        let task = tokio::spawn(async move {
            for connection in 0.. {
                let Ok((socket, _)) = listener.accept().await else {
                    break;
                };
                let (record, count) = (Arc::clone(&record), Arc::clone(&count));
                tokio::spawn(async move {
                    let _ = serve(socket, connection, answers, &record, &count).await;
                });
            }
        });
        Service {
            url,
            asked,
            answered,
            task,
        }
    }

    async fn start() -> Self {
        Service::answering(&["GET", "POST"]).await
    }

    /// When so many requests have been answered, and the client has its connections back.
    async fn answered(&self, count: usize) {
        let mut answered = self.answered.clone();
        answered.wait_for(|&so_far| so_far >= count).await.unwrap();
        for _ in 0..1_000 {
            yield_now().await;
        }
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    fn settings(&self) -> SdkConfig {
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .endpoint_url(&self.url)
            .build()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    socket: TcpStream,
    connection: usize,
    answers: &[&str],
    record: &Mutex<Vec<Asked>>,
    count: &watch::Sender<usize>,
) -> std::io::Result<()> {
    let mut socket = BufReader::new(socket);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if socket.read_line(&mut head).await? == 0 {
                return Ok(());
            }
        }
        let lower = head.to_ascii_lowercase();
        let length = lower
            .split_once("content-length: ")
            .and_then(|(_, rest)| rest.split("\r\n").next()?.parse().ok())
            .unwrap_or(0);
        let mut body = vec![0; length];
        socket.read_exact(&mut body).await?;
        let is_answered = answers.iter().any(|start| head.starts_with(start));
        let answer = answer_to(&head, &String::from_utf8_lossy(&body));
        record.lock().unwrap().push(Asked { connection, head });
        if is_answered {
            socket.get_mut().write_all(answer.as_bytes()).await?;
        }
        count.send_modify(|count| *count += 1);
    }
}

fn answer_to(head: &str, body: &str) -> String {
    let text = if head.starts_with("GET") {
        "healthy".to_owned()
    } else if body.contains("Action=AssumeRole") {
        let expiry = aws_smithy_types::DateTime::from(SystemTime::now() + HOUR);
        let expiry = expiry
            .fmt(aws_smithy_types::date_time::Format::DateTime)
            .unwrap();
        format!(
            "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIASESSION</AccessKeyId>\
             <SecretAccessKey>{SECRET}</SecretAccessKey><SessionToken>{TOKEN}</SessionToken>\
             <Expiration>{expiry}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
        )
    } else {
        r#"{"Item":{"id":{"S":"123"}}}"#.to_owned()
    };
    format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}",
        text.len()
    )
}

fn gated() -> (CredentialCache<Shared<GatedSource>>, Gate) {
    let (source, gate) = GatedSource::pair();
    (CredentialCache::new(source, RefreshPolicy::default()), gate)
}

fn lasting_an_hour() -> Credentials {
    session("ASIABASE", SystemTime::now() + HOUR)
}

fn role_over(base: CredentialCache<Shared<GatedSource>>, sts: &Service) -> AssumeRole {
    AssumeRole::builder(ROLE)
        .region("us-east-1")
        .sts_endpoint(&sts.url)
        .base(base)
        .build()
        .unwrap()
}

#[tokio::test]
async fn the_connection_to_sts_is_opened_while_the_base_is_waited_for() {
    let sts = Service::start().await;
    let (base, mut gate) = gated();
    let role = role_over(base, &sts);
    let warming = tokio::spawn({
        let role = role.clone();
        async move { role.warm().await }
    });
    let call = gate.call().await;
    sts.answered(1).await;
    assert!(sts.asked()[0].is_unsigned_get(), "{:?}", sts.asked());
    call.answer(Ok(lasting_an_hour()));
    warming.await.unwrap().unwrap();
    let asked = sts.asked();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(asked[1].head.starts_with("POST"));
    assert_eq!(asked[1].connection, asked[0].connection);
    assert_eq!(role.status().stage, Stage::Fresh);
    // Nothing is left to do.
    role.warm().await.unwrap();
    assert_eq!((sts.asked().len(), gate.count()), (2, 1));
}

#[tokio::test]
async fn a_base_at_hand_leaves_nothing_to_open_ahead() {
    let sts = Service::start().await;
    let (base, mut gate) = gated();
    let filling = tokio::spawn({
        let base = base.clone();
        async move { base.credentials().await }
    });
    gate.call().await.answer(Ok(lasting_an_hour()));
    filling.await.unwrap().unwrap();
    role_over(base, &sts).warm().await.unwrap();
    assert_eq!(sts.asked().len(), 1, "{:?}", sts.asked());
}

#[tokio::test]
async fn the_connection_to_dynamodb_is_opened_while_credentials_are_waited_for() {
    let service = Service::start().await;
    let (strategy, mut gate) = gated();
    let db = Dynamo::new(strategy, &service.settings());
    let warming = tokio::spawn({
        let db = db.clone();
        async move { db.warm().await }
    });
    let call = gate.call().await;
    service.answered(1).await;
    assert!(
        service.asked()[0].is_unsigned_get(),
        "{:?}",
        service.asked()
    );
    call.answer(Ok(lasting_an_hour()));
    warming.await.unwrap().unwrap();
    let item: Option<Item> = db.table("MyTable").get(("id", "123")).send().await.unwrap();
    assert_eq!(item.unwrap().id, "123");
    let asked = service.asked();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert_eq!(asked[1].connection, asked[0].connection);
    let recorded = db.recorder().policy("aws", "us-east-1", "123456789012");
    let recorded = recorded.unwrap().to_string();
    assert!(
        recorded.contains("GetItem") && !recorded.contains("List"),
        "{recorded}"
    );
}

#[tokio::test]
async fn whoever_shares_a_client_warms_its_connection() {
    let service = Service::start().await;
    let (first, _kept) = gated();
    let (tenant, mut gate) = gated();
    let db = Dynamo::new(first, &service.settings()).with_strategy(tenant);
    let warming = tokio::spawn({
        let db = db.clone();
        async move { db.warm().await }
    });
    let call = gate.call().await;
    service.answered(1).await;
    call.answer(Ok(lasting_an_hour()));
    warming.await.unwrap().unwrap();
    let item: Option<Item> = db.table("MyTable").get(("id", "123")).send().await.unwrap();
    assert!(item.is_some());
    let connections: Vec<_> = service.asked().iter().map(|one| one.connection).collect();
    assert_eq!(connections, [0, 0]);
}

#[tokio::test]
async fn a_failure_is_told_at_once_whatever_the_connection_does() {
    let mute = Service::answering(&[]).await;
    let (strategy, mut gate) = gated();
    let db = Dynamo::new(strategy, &mute.settings());
    let warming = tokio::spawn(async move { db.warm().await });
    gate.call().await.fail();
    let error = warming.await.unwrap().unwrap_err().to_string();
    assert!(error.contains("the test said no"), "{error}");
}

#[tokio::test]
async fn a_service_that_is_not_there_is_for_the_first_request_to_tell() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let (strategy, mut gate) = gated();
    let db = Dynamo::local(strategy, &url);
    let warming = tokio::spawn(async move { db.warm().await });
    gate.call().await.answer(Ok(lasting_an_hour()));
    warming.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_strategy_behind_a_pointer_and_a_role_of_a_pool_are_warmed_too() {
    let sts = Service::start().await;
    let (base, mut gate) = gated();
    let role: Arc<dyn CredentialStrategy> = Arc::new(role_over(base, &sts));
    let warming = tokio::spawn({
        let role = Arc::clone(&role);
        async move { role.warm().await }
    });
    let call = gate.call().await;
    sts.answered(1).await;
    assert!(sts.asked()[0].is_unsigned_get());
    call.answer(Ok(lasting_an_hour()));
    warming.await.unwrap().unwrap();

    let pool = RolePool::builder()
        .region("us-east-1")
        .sts_endpoint(&sts.url);
    let pool = pool.base(role).build().unwrap();
    let tenant = pool.role(ROLE).session_name("tenant-a").build().unwrap();
    tenant.warm().await.unwrap();
    assert!(tenant.current().is_some());
}

/// Takes a request, and never answers.
#[derive(Debug)]
struct Mute;

impl HttpConnector for Mute {
    fn call(&self, _request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(std::future::pending())
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_not_answered_is_waited_for_no_longer_than_stated() {
    let (strategy, mut gate) = gated();
    let settings = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .http_client(http_client_fn(|_, _| SharedHttpConnector::new(Mute)));
    let db = Dynamo::new(strategy, &settings.build());
    let warming = tokio::spawn(async move { db.warm().await });
    gate.call().await.answer(Ok(lasting_an_hour()));
    let warmed = tokio::time::timeout(WARM_CONNECTION_TIMEOUT + Duration::from_secs(1), warming);
    warmed.await.unwrap().unwrap().unwrap();
}
