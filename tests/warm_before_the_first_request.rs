//! Promise: `warm` has everything ready before the first request: credentials, and beside them, without their help, the
//! connections to STS and DynamoDB. What it sends bears no signature, and is no call of the program's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use aws_credential_strategies::refresh::{Rejection, Stage, Status};
use aws_credential_strategies::strategy::RolePool;
use aws_credential_strategies::table::WARM_CONNECTION_TIMEOUT;
use aws_credential_strategies::{
    AssumeRole, CredentialCache, CredentialSource, CredentialStrategy, Credentials, Dynamo,
    ErrorKind, Provided, RefreshPolicy, Result, SdkConfig, async_trait,
};
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_types::region::Region;
use futures_util::FutureExt;
use serde::Deserialize;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use support::{Gate, GatedSource, HOUR, SECRET, Shared, TOKEN, session};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, yield_now};
use tokio::time::{Instant, timeout};

const ROLE: &str = "arn:aws:iam::123456789012:role/App";

/// A port that no test has.
const NOBODY: &str = "http://127.0.0.1:1";

#[derive(Debug, Deserialize, PartialEq)]
struct Item {
    id: String,
}

type Any = Arc<dyn CredentialStrategy>;

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
    } else if head.contains("BatchGetItem") {
        r#"{"Responses":{"MyTable":[{"id":{"S":"1"}}]},"UnprocessedKeys":{}}"#.to_owned()
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

fn warming<S: CredentialStrategy>(db: &Dynamo<S>) -> JoinHandle<Result<()>> {
    let db = db.clone();
    tokio::spawn(async move { db.warm().await })
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
    let warming = warming(&db);
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
    let warming = warming(&db);
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
    let warming = warming(&db);
    gate.call().await.fail();
    let warmed = timeout(Duration::from_secs(2), warming).await;
    let error = warmed.expect("at once").unwrap().unwrap_err().to_string();
    assert!(error.contains("the test said no"), "{error}");
}

#[tokio::test]
async fn a_service_that_is_not_there_is_for_the_first_request_to_tell() {
    let (strategy, mut gate) = gated();
    let db = Dynamo::local(strategy, NOBODY);
    let warming = warming(&db);
    gate.call().await.answer(Ok(lasting_an_hour()));
    warming.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_strategy_behind_a_pointer_is_warmed_too() {
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
}

#[tokio::test]
async fn however_many_roles_of_a_pool_are_warmed_one_opens_the_connection() {
    let sts = Service::start().await;
    let (base, mut gate) = gated();
    let pool = RolePool::builder()
        .region("us-east-1")
        .sts_endpoint(&sts.url);
    let pool = pool.base(base).max_in_flight(1).build().unwrap();
    let warming: Vec<_> = (0..100)
        .map(|number| {
            let name = format!("tenant-{number}");
            let tenant = pool.role(ROLE).session_name(name).build().unwrap();
            tokio::spawn(async move { tenant.warm().await })
        })
        .collect();
    let call = gate.call().await;
    sts.answered(1).await;
    let before = sts.asked();
    assert!(
        before.len() == 1 && before[0].is_unsigned_get(),
        "{before:?}"
    );
    call.answer(Ok(lasting_an_hour()));
    for warmed in warming {
        warmed.await.unwrap().unwrap();
    }
    assert_eq!(sts.asked().len(), 101);
}

/// Takes requests, notes the host of each, and never answers.
#[derive(Clone, Debug, Default)]
struct Mute(Arc<Mutex<Vec<String>>>);

impl Mute {
    fn hosts(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    fn settings(&self) -> aws_types::sdk_config::Builder {
        let connector = SharedHttpConnector::new(self.clone());
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .http_client(http_client_fn(move |_, _| connector.clone()))
    }
}

impl HttpConnector for Mute {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let rest = request.uri().split_once("://").unwrap().1;
        let host = rest.split('/').next().unwrap().to_owned();
        self.0.lock().unwrap().push(host);
        HttpConnectorFuture::new(std::future::pending())
    }
}

fn of_account() -> Credentials {
    Credentials::builder()
        .access_key_id("ASIABASE")
        .secret_access_key(SECRET)
        .session_token(TOKEN)
        .expiry(SystemTime::now() + HOUR)
        .account_id("123456789012")
        .provider_name("test")
        .build()
}

/// The hosts that are connected to before there are credentials, and in all.
async fn hosts(
    strategy: impl CredentialStrategy,
    gate: Gate,
    wire: impl FnOnce(Any, &SdkConfig) -> Dynamo<Any>,
    fips: bool,
) -> (Vec<String>, Vec<String>) {
    answered_by(of_account(), strategy, gate, wire, fips).await
}

async fn answered_by(
    credentials: Credentials,
    strategy: impl CredentialStrategy,
    mut gate: Gate,
    wire: impl FnOnce(Any, &SdkConfig) -> Dynamo<Any>,
    fips: bool,
) -> (Vec<String>, Vec<String>) {
    let mute = Mute::default();
    let db = wire(Arc::new(strategy), &mute.settings().use_fips(fips).build());
    let warming = warming(&db);
    let call = gate.call().await;
    support::settle().await;
    let before = mute.hosts();
    call.answer(Ok(credentials));
    warming.await.unwrap().unwrap();
    (before, mute.hosts())
}

#[tokio::test(start_paused = true)]
async fn what_is_connected_to_is_the_host_that_requests_go_to() {
    const OF_ACCOUNT: &str = "123456789012.ddb.us-east-1.amazonaws.com";
    let (cache, gate) = gated();
    let later = hosts(cache, gate, Dynamo::new, false).await;
    assert_eq!(later, (vec![], vec![OF_ACCOUNT.to_owned()]));

    // A role's account is known.
    let (source, gate) = GatedSource::pair();
    let role = CredentialCache::new(OfRole(source), RefreshPolicy::default());
    let (before, all) = hosts(role, gate, Dynamo::new, false).await;
    assert_eq!(
        (before.as_slice(), all.as_slice()),
        (&[OF_ACCOUNT.to_owned()][..], &[OF_ACCOUNT.to_owned()][..])
    );

    // What came is of no account all the same.
    let (source, gate) = GatedSource::pair();
    let role = CredentialCache::new(OfRole(source), RefreshPolicy::default());
    let (_, all) = answered_by(lasting_an_hour(), role, gate, Dynamo::new, false).await;
    assert_eq!(all, [OF_ACCOUNT, "dynamodb.us-east-1.amazonaws.com"]);

    // The account has no endpoint of that kind.
    let (cache, gate) = gated();
    let (_, fips) = hosts(cache, gate, Dynamo::new, true).await;
    assert_eq!(fips, ["dynamodb-fips.us-east-1.amazonaws.com"]);

    let (cache, gate) = gated();
    let from_client = |strategy, settings: &SdkConfig| {
        Dynamo::from_client(strategy, aws_sdk_dynamodb::Client::new(settings))
    };
    let (elsewhere, _) = hosts(cache, gate, from_client, false).await;
    assert_eq!(elsewhere, ["dynamodb.us-east-1.amazonaws.com"]);
}

/// By hand, with a status that tells nothing.
#[derive(Debug)]
struct ByHand;

#[async_trait]
impl CredentialStrategy for ByHand {
    fn name(&self) -> &'static str {
        "ByHand"
    }

    async fn credentials(&self) -> Result<Credentials> {
        Ok(of_account())
    }

    fn current(&self) -> Option<Arc<Credentials>> {
        Some(Arc::new(of_account()))
    }

    fn invalidate(&self, _rejected: &str) -> Rejection {
        Rejection::NotCurrent
    }

    fn status(&self) -> Status {
        Status::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_strategy_by_hand_that_tells_no_status_is_connected_for_too() {
    let mute = Mute::default();
    let db = Dynamo::new(ByHand, &mute.settings().build());
    db.warm().await.unwrap();
    assert_eq!(mute.hosts(), ["123456789012.ddb.us-east-1.amazonaws.com"]);
}

/// Says whose it is before it has been asked.
#[derive(Debug)]
struct OfRole(Shared<GatedSource>);

impl CredentialSource for OfRole {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn subject(&self) -> Option<String> {
        Some(ROLE.to_owned())
    }

    async fn fetch(&self) -> Result<Credentials> {
        self.0.fetch().await
    }
}

#[test]
fn without_a_runtime_it_says_so() {
    let (strategy, _gate) = gated();
    let db = Dynamo::local(strategy, NOBODY);
    let error = db.warm().now_or_never().expect("at once").unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::NoRuntime);
}

#[tokio::test]
async fn all_that_were_made_of_one_client_share_what_was_warmed() {
    let service = Service::start().await;
    let (strategy, mut gate) = gated();
    let db = Dynamo::new(strategy, &service.settings());
    let warming = warming(&db);
    gate.call().await.answer(Ok(lasting_an_hour()));
    warming.await.unwrap().unwrap();
    service.answered(1).await;
    let tenant = db.with_strategy(lasting_an_hour_by_itself());
    let _: Option<Item> = tenant
        .table("MyTable")
        .get(("id", "1"))
        .send()
        .await
        .unwrap();
    service.answered(2).await;
    let found = db
        .table("MyTable")
        .batch_get([("id", "1")])
        .send::<Item>()
        .await;
    assert!(found.is_ok());
    service.answered(3).await;
    tenant.client().list_tables().send().await.unwrap();
    let connections: Vec<_> = service.asked().iter().map(|one| one.connection).collect();
    assert_eq!(connections, [0; 4]);
}

fn lasting_an_hour_by_itself() -> Provided {
    Provided::fixed(lasting_an_hour())
}

#[tokio::test]
async fn each_role_of_a_chain_is_connected_to_sts_while_the_first_is_waited_for() {
    let sts = Service::start().await;
    let (base, mut gate) = gated();
    let first = role_over(base, &sts);
    let second = AssumeRole::builder(ROLE)
        .region("us-east-1")
        .sts_endpoint(&sts.url);
    let second = second.base(first).build().unwrap();
    let warming = tokio::spawn(async move { second.warm().await });
    let call = gate.call().await;
    sts.answered(2).await;
    assert!(sts.asked().iter().all(Asked::is_unsigned_get));
    call.answer(Ok(lasting_an_hour()));
    warming.await.unwrap().unwrap();
    assert_eq!(sts.asked().len(), 4, "{:?}", sts.asked());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_not_answered_is_waited_for_no_longer_than_stated() {
    let (strategy, mut gate) = gated();
    let db = Dynamo::new(strategy, &Mute::default().settings().build());
    let warming = warming(&db);
    gate.call().await.answer(Ok(lasting_an_hour()));
    let began = Instant::now();
    warming.await.unwrap().unwrap();
    assert_eq!(began.elapsed(), WARM_CONNECTION_TIMEOUT);
}
