//! Promise: a key that a service rejects is replaced by one refresh and the request repeated once, in any
//! AWS client that was given the recovery, and in `Table` without being asked.
#![cfg(feature = "table")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use async_trait::async_trait;
use aws_credential_strategies::sdk::{self, REJECTION_CODES, Recovery};
use aws_credential_strategies::{
    CredentialCache, CredentialSource, CredentialStrategy, Credentials, Dynamo, RefreshPolicy,
    Rejection, Result, Status,
};
use aws_credential_types::provider::{ProvideCredentials, future};
use aws_sdk_dynamodb::config::{BehaviorVersion, IdentityCache, Region};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::RetryConfig;
use aws_types::SdkConfig;
use serde_json::{Value, json};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tokio::sync::Barrier;

const OLD: &str = "ASIAOLDOLDOLDOLDOLD1";
const NEW: &str = "ASIANEWNEWNEWNEWNEW2";
const NEWEST: &str = "ASIANEWESTNEWESTNEW3";

fn key(id: &'static str) -> Credentials {
    let expiry = SystemTime::now() + Duration::from_secs(3600);
    Credentials::new(id, "secret", Some("token".into()), Some(expiry), "test")
}

/// Hands out these keys in order, and the last one again and again.
#[derive(Debug)]
struct Keys {
    ids: &'static [&'static str],
    fetches: AtomicUsize,
}

impl CredentialSource for Keys {
    fn name(&self) -> &'static str {
        "Keys"
    }

    async fn fetch(&self) -> Result<Credentials> {
        let fetch = self.fetches.fetch_add(1, Ordering::SeqCst);
        Ok(key(self.ids[fetch.min(self.ids.len() - 1)]))
    }
}

/// A cache over [`Keys`] that remembers which keys it was told of, and what it said.
#[derive(Clone, Debug)]
struct Watched {
    cache: CredentialCache<Keys>,
    told: Arc<Mutex<Vec<(String, Rejection)>>>,
}

impl Watched {
    /// Holding the first key, after one fetch.
    async fn holding(ids: &'static [&'static str]) -> Self {
        let fetches = AtomicUsize::new(0);
        let watched = Watched {
            cache: CredentialCache::new(Keys { ids, fetches }, RefreshPolicy::default()),
            told: Arc::default(),
        };
        watched.credentials().await.unwrap();
        watched
    }

    fn fetches(&self) -> usize {
        self.cache.source().fetches.load(Ordering::SeqCst)
    }

    fn told(&self) -> Vec<(String, Rejection)> {
        self.told.lock().unwrap().clone()
    }
}

#[async_trait]
impl CredentialStrategy for Watched {
    fn name(&self) -> &'static str {
        "Watched"
    }

    async fn credentials(&self) -> Result<Credentials> {
        self.cache.credentials().await
    }

    fn current(&self) -> Option<Arc<Credentials>> {
        self.cache.current()
    }

    fn invalidate(&self, rejected: &str) -> Rejection {
        let said = self.cache.invalidate(rejected);
        self.told.lock().unwrap().push((rejected.to_owned(), said));
        said
    }

    fn status(&self) -> Status {
        self.cache.status()
    }
}

/// An answer of a service.
#[derive(Clone, Debug)]
struct Answer {
    status: u16,
    header: Option<String>,
    body: String,
}

impl Answer {
    fn ok(body: impl Into<String>) -> Self {
        Answer {
            status: 200,
            header: None,
            body: body.into(),
        }
    }
}

/// How a service says its error code.
#[derive(Clone, Copy, Debug)]
enum Spelling {
    Header,
    HeaderWithUrl,
    Type,
    Namespaced,
    Xml,
}

use Spelling::{Header, HeaderWithUrl, Namespaced, Type, Xml};

impl Spelling {
    fn error(self, code: &str) -> Answer {
        let (header, body) = match self {
            Header => (
                Some(code.to_owned()),
                json!({ "message": "no" }).to_string(),
            ),
            HeaderWithUrl => (
                Some(format!("{code}:http://internal.amazon.com/coral/")),
                String::new(),
            ),
            Type => (None, json!({ "__type": code, "message": "no" }).to_string()),
            Namespaced => (
                None,
                json!({ "__type": format!("com.amazon.coral.service#{code}") }).to_string(),
            ),
            Xml => (
                None,
                format!(
                    "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>"
                ),
            ),
        };
        Answer {
            status: if matches!(self, Xml) { 403 } else { 400 },
            header,
            body,
        }
    }
}

type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;
type Rule = dyn Fn(String, Value) -> Answering + Send + Sync;

/// A service in memory: it sees the key that signed a request and its body, and keeps the keys.
#[derive(Clone)]
struct Service {
    rule: Arc<Rule>,
    keys: Arc<Mutex<Vec<String>>>,
}

impl Service {
    fn answering<F>(rule: impl Fn(String, Value) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        Service {
            rule: Arc::new(move |key, body| Box::pin(rule(key, body))),
            keys: Arc::default(),
        }
    }

    /// Answers whom it accepts with `ok`, others with `error`.
    fn accepting(accepted: &'static [&'static str], ok: &str, error: Answer) -> Self {
        let ok = Answer::ok(ok);
        Service::answering(move |key, _| {
            let answer = if accepted.contains(&key.as_str()) {
                &ok
            } else {
                &error
            };
            std::future::ready(answer.clone())
        })
    }

    /// The keys that signed the requests so far.
    fn keys(&self) -> Vec<String> {
        self.keys.lock().unwrap().clone()
    }

    fn settings(&self) -> SdkConfig {
        let service = self.clone();
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .http_client(http_client_fn(move |_, _| {
                SharedHttpConnector::new(service.clone())
            }))
            .build()
    }

    fn dynamo(&self, strategy: &Watched) -> Dynamo<Watched> {
        Dynamo::new(strategy.clone(), &self.settings())
    }

    fn sqs(&self, strategy: &Watched) -> aws_sdk_sqs::Client {
        let settings = sdk::config(&self.settings(), strategy.clone());
        let recovery = Recovery::new(strategy.clone());
        let config = aws_sdk_sqs::config::Builder::from(&settings)
            .interceptor(recovery.clone())
            .retry_classifier(recovery.clone())
            .retry_partition(recovery.retry_partition());
        aws_sdk_sqs::Client::from_conf(config.build())
    }

    fn raw_dynamodb(&self, strategy: &Watched) -> aws_sdk_dynamodb::Client {
        let settings = sdk::config(&self.settings(), strategy.clone());
        let recovery = Recovery::new(strategy.clone());
        let config = aws_sdk_dynamodb::config::Builder::from(&settings)
            .interceptor(recovery.clone())
            .retry_classifier(recovery.clone())
            .retry_partition(recovery.retry_partition());
        aws_sdk_dynamodb::Client::from_conf(config.build())
    }

    fn sts(&self, strategy: &Watched) -> aws_sdk_sts::Client {
        let settings = sdk::config(&self.settings(), strategy.clone());
        let recovery = Recovery::new(strategy.clone());
        let config = aws_sdk_sts::config::Builder::from(&settings)
            .interceptor(recovery.clone())
            .retry_classifier(recovery.clone())
            .retry_partition(recovery.retry_partition());
        aws_sdk_sts::Client::from_conf(config.build())
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Service")
    }
}

impl HttpConnector for Service {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let signature = request.headers().get("authorization").unwrap();
        let (_, key) = signature.split_once("Credential=").unwrap();
        let (key, _) = key.split_once('/').unwrap();
        self.keys.lock().unwrap().push(key.to_owned());
        let body = request.body().bytes().unwrap_or_default();
        let body = serde_json::from_slice(body).unwrap_or_default();
        let answer = (self.rule)(key.to_owned(), body);
        HttpConnectorFuture::new(async move {
            let answer = answer.await;
            let status = answer.status.try_into().unwrap();
            let mut response = HttpResponse::new(status, SdkBody::from(answer.body));
            if let Some(code) = answer.header {
                response.headers_mut().insert("x-amzn-errortype", code);
            }
            Ok(response)
        })
    }
}

const CALLER: &str = "<GetCallerIdentityResponse><GetCallerIdentityResult><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>";

async fn get(client: &aws_sdk_dynamodb::Client) -> bool {
    let id = AttributeValue::S("123".to_owned());
    let get = client.get_item().table_name("MyTable").key("id", id);
    get.send().await.is_ok()
}

async fn table_get(dynamo: &Dynamo<Watched>) -> Result<Option<Value>> {
    dynamo.table("MyTable").get(("id", "123")).send().await
}

/// One rejection, one fetch, one repeat.
fn assert_recovered(strategy: &Watched, service: &Service, case: &str) {
    assert_eq!(service.keys(), [OLD, NEW], "{case}");
    assert_eq!(strategy.fetches(), 2, "{case}");
    let told = [(OLD.to_owned(), Rejection::Invalidated)];
    assert_eq!(strategy.told(), told, "{case}");
}

#[tokio::test]
async fn every_code_in_every_spelling_is_recovered_from_in_every_client() {
    for code in REJECTION_CODES {
        for spelling in [Header, HeaderWithUrl, Type, Namespaced] {
            let case = format!("{code} as {spelling:?}");
            let service = || Service::accepting(&[NEW], "{}", spelling.error(code));

            let (strategy, service_) = (Watched::holding(&[OLD, NEW]).await, service());
            assert!(get(&service_.raw_dynamodb(&strategy)).await, "{case}");
            assert_recovered(&strategy, &service_, &case);

            let (strategy, service_) = (Watched::holding(&[OLD, NEW]).await, service());
            assert_eq!(table_get(&service_.dynamo(&strategy)).await.unwrap(), None);
            assert_recovered(&strategy, &service_, &case);

            let (strategy, service_) = (Watched::holding(&[OLD, NEW]).await, service());
            assert!(get(service_.dynamo(&strategy).client()).await, "{case}");
            assert_recovered(&strategy, &service_, &case);

            let (strategy, service_) = (Watched::holding(&[OLD, NEW]).await, service());
            let sqs = service_.sqs(&strategy);
            assert!(sqs.list_queues().send().await.is_ok(), "{case}");
            assert_recovered(&strategy, &service_, &case);
        }
        let service = Service::accepting(&[NEW], CALLER, Xml.error(code));
        let strategy = Watched::holding(&[OLD, NEW]).await;
        let sts = service.sts(&strategy);
        let caller = sts.get_caller_identity().send().await.unwrap();
        assert_eq!(caller.account(), Some("123456789012"), "{code}");
        assert_recovered(&strategy, &service, code);
    }
}

#[tokio::test]
async fn a_paginator_goes_on_after_the_page_that_was_rejected() {
    let service = Service::answering(|key, body| {
        let second = body.get("ExclusiveStartKey").is_some();
        std::future::ready(match (second, key.as_str()) {
            (false, OLD) => Answer::ok(
                json!({ "Items": [{ "id": { "S": "1" } }], "LastEvaluatedKey": { "id": { "S": "1" } } })
                    .to_string(),
            ),
            (true, NEW) => Answer::ok(json!({ "Items": [{ "id": { "S": "2" } }] }).to_string()),
            _ => Namespaced.error("ExpiredTokenException"),
        })
    });
    let strategy = Watched::holding(&[OLD, NEW]).await;
    let mut items = service
        .dynamo(&strategy)
        .client()
        .query()
        .table_name("MyTable")
        .into_paginator()
        .items()
        .send();
    let mut ids = Vec::new();
    while let Some(item) = items.next().await {
        ids.push(item.unwrap()["id"].as_s().unwrap().clone());
    }
    assert_eq!(ids, ["1", "2"]);
    assert_eq!(service.keys(), [OLD, OLD, NEW]);
    assert_eq!(strategy.fetches(), 2);
}

#[tokio::test]
async fn a_thousand_rejected_at_once_share_one_fetch_and_are_all_answered() {
    const REQUESTS: usize = 1000;
    // nobody is rejected before everybody has asked
    let all_asked = Arc::new(Barrier::new(REQUESTS));
    let service = Service::answering(move |key, _| {
        let all_asked = Arc::clone(&all_asked);
        async move {
            if key == NEW {
                return Answer::ok("{}");
            }
            all_asked.wait().await;
            Namespaced.error("ExpiredTokenException")
        }
    });
    let strategy = Watched::holding(&[OLD, NEW]).await;
    // the deadlines of requests are no part of this
    let settings = service.settings().into_builder().timeout_config(
        aws_smithy_types::timeout::TimeoutConfig::builder()
            .operation_timeout(Duration::from_secs(300))
            .operation_attempt_timeout(Duration::from_secs(300))
            .build(),
    );
    let dynamo = Dynamo::new(strategy.clone(), &settings.build());
    let requests: Vec<_> = (0..REQUESTS)
        .map(|_| {
            let dynamo = dynamo.clone();
            tokio::spawn(async move { table_get(&dynamo).await })
        })
        .collect();
    for request in requests {
        assert_eq!(request.await.unwrap().unwrap(), None);
    }
    assert_eq!(strategy.fetches(), 2);
    let told = strategy.told();
    assert_eq!(told.len(), REQUESTS);
    assert_eq!(told[0], (OLD.to_owned(), Rejection::Invalidated));
    assert!(
        told.iter()
            .all(|(key, said)| key == OLD && *said != Rejection::SameKeyAgain)
    );
    let keys = service.keys();
    assert_eq!(keys.iter().filter(|key| *key == OLD).count(), REQUESTS);
    assert_eq!(keys.iter().filter(|key| *key == NEW).count(), REQUESTS);
}

#[tokio::test]
async fn access_denied_is_no_matter_of_the_key() {
    for spelling in [Header, HeaderWithUrl, Type, Namespaced] {
        for code in ["AccessDenied", "AccessDeniedException"] {
            let service = Service::accepting(&[], "", spelling.error(code));
            let strategy = Watched::holding(&[OLD, NEW]).await;
            assert!(!get(&service.raw_dynamodb(&strategy)).await);
            assert!(table_get(&service.dynamo(&strategy)).await.is_err());
            assert!(service.sqs(&strategy).list_queues().send().await.is_err());
            assert_eq!(service.keys(), [OLD, OLD, OLD], "{code} as {spelling:?}");
            assert_eq!(strategy.fetches(), 1);
            assert_eq!(strategy.told(), []);
        }
    }
}

#[tokio::test]
async fn an_operation_is_repeated_once_at_most() {
    let service = Service::accepting(&[], "", Type.error("UnrecognizedClientException"));
    let strategy = Watched::holding(&[OLD, NEW, NEWEST]).await;
    assert!(!get(&service.raw_dynamodb(&strategy)).await);
    assert_eq!(service.keys(), [OLD, NEW]);
    assert_eq!(strategy.fetches(), 2);
    let told = [(OLD, Rejection::Invalidated), (NEW, Rejection::Suspected)];
    let told = told.map(|(key, said)| (key.to_owned(), said));
    assert_eq!(strategy.told(), told);
}

#[tokio::test]
async fn a_key_that_the_refresh_brought_again_is_not_tried_again() {
    let service = Service::accepting(&[], "", Type.error("ExpiredTokenException"));
    let strategy = Watched::holding(&[OLD]).await;
    let client = service.raw_dynamodb(&strategy);
    assert!(!get(&client).await);
    assert_eq!(service.keys(), [OLD, OLD]);
    assert_eq!(strategy.fetches(), 2);
    assert!(!get(&client).await);
    assert_eq!(service.keys(), [OLD, OLD, OLD], "no repeat any more");
    assert_eq!(strategy.fetches(), 2, "and no fetch");
    let said: Vec<_> = strategy.told().into_iter().map(|(_, said)| said).collect();
    let same = Rejection::SameKeyAgain;
    assert_eq!(said, [Rejection::Invalidated, same, same]);
}

#[tokio::test]
async fn a_rejected_key_that_was_replaced_meanwhile_costs_no_fetch() {
    let strategy = Watched::holding(&[OLD, NEW, NEWEST]).await;
    let cache = strategy.cache.clone();
    let service = Service::answering(move |key, _| {
        let cache = cache.clone();
        async move {
            if key == NEW {
                return Answer::ok("{}");
            }
            // another client's rejection came first
            cache.invalidate(OLD);
            cache.credentials().await.unwrap();
            Header.error("ExpiredTokenException")
        }
    });
    assert!(get(&service.raw_dynamodb(&strategy)).await);
    assert_eq!(service.keys(), [OLD, NEW]);
    assert_eq!(strategy.fetches(), 2, "the first, and the other client's");
    let told = [(OLD.to_owned(), Rejection::NotCurrent)];
    assert_eq!(strategy.told(), told);
}

#[tokio::test]
async fn with_one_attempt_the_key_is_replaced_for_the_next_request() {
    let service = Service::accepting(&[NEW], "{}", Header.error("ExpiredTokenException"));
    let strategy = Watched::holding(&[OLD, NEW]).await;
    let settings = service.settings().into_builder();
    let settings = settings.retry_config(RetryConfig::standard().with_max_attempts(1));
    let dynamo = Dynamo::new(strategy.clone(), &settings.build());
    assert!(table_get(&dynamo).await.unwrap_err().is_credential());
    assert_eq!(service.keys(), [OLD]);
    assert_eq!(strategy.told(), [(OLD.to_owned(), Rejection::Invalidated)]);
    assert_eq!(table_get(&dynamo).await.unwrap(), None);
    assert_eq!(service.keys(), [OLD, NEW]);
    assert_eq!(strategy.fetches(), 2);
}

/// Another provider, which counts its calls.
#[derive(Clone, Debug, Default)]
struct Foreign(Arc<AtomicUsize>);

impl ProvideCredentials for Foreign {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        self.0.fetch_add(1, Ordering::SeqCst);
        future::ProvideCredentials::ready(Ok(key("ASIAFOREIGNFOREIGN1")))
    }
}

#[tokio::test]
async fn a_client_with_another_provider_keeps_it_and_its_lazy_cache() {
    let service = Service::accepting(&["ASIAFOREIGNFOREIGN1"], "{}", Type.error("InvalidToken"));
    let strategy = Watched::holding(&[OLD]).await;
    let foreign = Foreign::default();
    let settings = sdk::config(&service.settings(), strategy.clone());
    let config = aws_sdk_sqs::config::Builder::from(&settings)
        .credentials_provider(foreign.clone())
        .build();
    let client = aws_sdk_sqs::Client::from_conf(config);
    for _ in 0..3 {
        client.list_queues().send().await.unwrap();
    }
    assert_eq!(service.keys(), ["ASIAFOREIGNFOREIGN1"; 3]);
    assert_eq!(foreign.0.load(Ordering::SeqCst), 1, "cached by the SDK");
    assert_eq!(strategy.fetches(), 1);
    assert_eq!(strategy.told(), []);
}

#[tokio::test]
async fn a_client_with_another_provider_keeps_the_identity_cache_of_its_settings() {
    let service = Service::accepting(&["ASIAFOREIGNFOREIGN1"], "{}", Type.error("InvalidToken"));
    let strategy = Watched::holding(&[OLD]).await;
    let foreign = Foreign::default();
    let uncached = service.settings().into_builder();
    let uncached = uncached.identity_cache(IdentityCache::no_cache()).build();
    let config = aws_sdk_sqs::config::Builder::from(&sdk::config(&uncached, strategy.clone()))
        .credentials_provider(foreign.clone())
        .build();
    let client = aws_sdk_sqs::Client::from_conf(config);
    for _ in 0..3 {
        client.list_queues().send().await.unwrap();
    }
    assert_eq!(foreign.0.load(Ordering::SeqCst), 3);
    assert_eq!(strategy.fetches(), 1);
}
