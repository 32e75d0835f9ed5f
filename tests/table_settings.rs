//! A client keeps the settings it is given, fills the gaps with named defaults, and goes where the
//! credentials and the table say.
#![cfg(feature = "table")]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/table.rs"]
mod support;

use async_trait::async_trait;
use aws_credential_strategies::table::{
    AnyStrategy, BatchReport, BatchWrite, Cond, Cursor, DEFAULT_ATTEMPT_TIMEOUT,
    DEFAULT_OPERATION_TIMEOUT, Get, ItemStream, Put, Query, TransactWrite, Update, attr,
};
use aws_credential_strategies::{
    CredentialStrategy, Credentials, Dynamo, Error, ErrorKind, Rejection, Result, Status, Table,
};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region, StalledStreamProtectionConfig};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_types::SdkConfig;
use aws_types::endpoint_config::AccountIdEndpointMode;
use serde_json::{Value as Json, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{Answer, Fixed, Transport};
use tokio::time::Instant;

/// Another type of strategy, whose credentials know their account.
#[derive(Clone, Debug)]
struct OfAccount;

#[async_trait]
impl CredentialStrategy for OfAccount {
    fn name(&self) -> &'static str {
        "OfAccount"
    }

    async fn credentials(&self) -> Result<Credentials> {
        let credentials = Credentials::builder()
            .access_key_id("AKIA")
            .secret_access_key("not-a-secret");
        Ok(credentials
            .account_id("111122223333")
            .provider_name("account")
            .build())
    }

    fn current(&self) -> Option<Arc<Credentials>> {
        let credentials = Credentials::builder()
            .access_key_id("AKIA")
            .secret_access_key("not-a-secret");
        Some(Arc::new(
            credentials
                .account_id("111122223333")
                .provider_name("account")
                .build(),
        ))
    }

    fn invalidate(&self, _rejected: &str) -> Rejection {
        Rejection::SameKeyAgain
    }

    fn status(&self) -> Status {
        Fixed::new().status()
    }
}

/// Never answers, and keeps where it was asked.
#[derive(Clone, Debug, Default)]
struct Nowhere(Arc<Mutex<Vec<String>>>);

impl HttpConnector for Nowhere {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        self.0.lock().unwrap().push(request.uri().to_owned());
        HttpConnectorFuture::ready(Err(ConnectorError::io("no route".into())))
    }
}

/// Where a read of `table` goes, and the error that says so.
async fn host<S: CredentialStrategy>(
    strategy: S,
    table: &str,
    change: impl FnOnce(aws_types::sdk_config::Builder) -> aws_types::sdk_config::Builder,
) -> (String, Error) {
    let nowhere = Nowhere::default();
    let connector = SharedHttpConnector::new(nowhere.clone());
    let config = Transport::silent()
        .config()
        .http_client(http_client_fn(move |_, _| connector.clone()));
    let db = Dynamo::new(strategy, &change(config).build());
    let error = db
        .table(table)
        .get(("id", 1))
        .send::<Json>()
        .await
        .unwrap_err();
    let asked = nowhere.0.lock().unwrap().remove(0);
    (asked, error)
}

/// `localhost:8000`: the scheme is forgotten easily. What the SDK says to it quotes the whole request.
#[tokio::test]
async fn an_endpoint_without_a_scheme_is_named_and_no_item_is_shown() {
    for url in [
        "localhost:8000",
        "/var/run/x",
        "http://user:pass-word@127.0.0.1:9",
    ] {
        let db = Dynamo::local(Fixed::new(), url);
        let error = db
            .table("MyTable")
            .put(&json!({ "id": "123", "note": "what-nobody-may-see" }))
            .send()
            .await
            .unwrap_err();
        let said = format!("{error}\n{error:#}\n{error:?}");
        for hidden in ["what-nobody-may-see", "SdkBody", "pass-word"] {
            assert!(!said.contains(hidden), "{said}");
        }
        if !url.starts_with("http") {
            assert_eq!(*error.kind(), ErrorKind::Usage, "{said}");
            assert_eq!(error.field(), Some("endpoint_url"), "{said}");
        }
    }
}

#[tokio::test]
async fn the_error_names_the_host_that_credentials_and_table_decide() {
    let arn = "arn:aws:dynamodb:us-east-1:444455556666:table/MyTable";
    let same = |config| config;
    let cases = [
        (
            host(Fixed::new(), "MyTable", same).await,
            "https://dynamodb.us-east-1.amazonaws.com",
        ),
        (
            host(OfAccount, "MyTable", same).await,
            "https://111122223333.ddb.us-east-1.amazonaws.com",
        ),
        (
            host(OfAccount, arn, same).await,
            "https://444455556666.ddb.us-east-1.amazonaws.com",
        ),
        (
            host(OfAccount, "MyTable", |config| {
                config.account_id_endpoint_mode(AccountIdEndpointMode::Disabled)
            })
            .await,
            "https://dynamodb.us-east-1.amazonaws.com",
        ),
        (
            host(Fixed::new(), "MyTable", |config| config.use_fips(true)).await,
            "https://dynamodb-fips.us-east-1.amazonaws.com",
        ),
        (
            host(Fixed::new(), "MyTable", |config| {
                config.region(Region::from_static("cn-north-1"))
            })
            .await,
            "https://dynamodb.cn-north-1.amazonaws.com.cn",
        ),
        (
            host(OfAccount, "MyTable", |config| {
                config.endpoint_url("http://localhost:8000")
            })
            .await,
            "http://localhost:8000",
        ),
    ];
    for ((asked, error), expected) in cases {
        assert!(asked.starts_with(expected), "{asked} is not at {expected}");
        assert_eq!(*error.kind(), ErrorKind::Unreachable);
        assert!(
            error.to_string().contains(&format!(" at {expected}:")),
            "{error}"
        );
    }
}

/// Never answers at all.
#[derive(Clone, Debug)]
struct Silence;

impl HttpConnector for Silence {
    fn call(&self, _request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(std::future::pending())
    }
}

async fn waited(
    change: impl FnOnce(aws_types::sdk_config::Builder) -> aws_types::sdk_config::Builder,
) -> Duration {
    let config = Transport::silent()
        .config()
        .http_client(http_client_fn(|_, _| SharedHttpConnector::new(Silence)));
    let db = Dynamo::new(Fixed::new(), &change(config).build());
    let begin = Instant::now();
    let table = db.table("MyTable");
    let get = table.get(("id", 1)).send::<Json>();
    match tokio::time::timeout(Duration::from_secs(3_600), get).await {
        Ok(result) => assert_eq!(*result.unwrap_err().kind(), ErrorKind::Timeout),
        Err(_) => return Duration::MAX,
    }
    begin.elapsed()
}

/// Neither a time limit nor a watch over a stalled connection, which would end the wait too.
fn unlimited(config: aws_types::sdk_config::Builder) -> aws_types::sdk_config::Builder {
    config
        .timeout_config(TimeoutConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
}

#[tokio::test(start_paused = true)]
async fn timeouts_are_the_callers_or_the_named_defaults() {
    let about = |waited: Duration, expected: Duration| {
        assert!(
            waited >= expected && waited < expected + Duration::from_secs(1),
            "{waited:?} is not {expected:?}"
        );
    };
    about(waited(|config| config).await, DEFAULT_ATTEMPT_TIMEOUT);
    let attempt = TimeoutConfig::builder()
        .operation_attempt_timeout(Duration::from_secs(2))
        .build();
    about(
        waited(|config| config.timeout_config(attempt)).await,
        Duration::from_secs(2),
    );
    let operation = TimeoutConfig::builder()
        .operation_timeout(Duration::from_secs(3))
        .build();
    about(
        waited(|config| config.timeout_config(operation)).await,
        Duration::from_secs(3),
    );
    let no_attempt = TimeoutConfig::builder()
        .disable_operation_attempt_timeout()
        .build();
    about(
        waited(|config| config.timeout_config(no_attempt)).await,
        DEFAULT_OPERATION_TIMEOUT,
    );
    assert_eq!(waited(unlimited).await, Duration::MAX);
}

#[test]
fn stalled_stream_protection_is_off_only_beside_an_attempt_timeout_and_unasked() {
    let protected =
        |change: fn(aws_types::sdk_config::Builder) -> aws_types::sdk_config::Builder| {
            let config = change(Transport::silent().config()).build();
            let client = Dynamo::new(Fixed::new(), &config).client().clone();
            let protection = client.config().stalled_stream_protection();
            // the SDK's default is on
            protection.is_none_or(|protection| protection.is_enabled())
        };
    assert!(!protected(|config| config));
    assert!(protected(
        |config| config.timeout_config(TimeoutConfig::disabled())
    ));
    assert!(protected(|config| config.stalled_stream_protection(
        StalledStreamProtectionConfig::enabled().build()
    )));
}

#[tokio::test]
async fn a_configuration_without_a_behavior_version_is_no_panic() {
    let config = SdkConfig::builder()
        .region(Region::from_static("us-east-1"))
        .build();
    let db = Dynamo::new(Fixed::new(), &config);
    assert_eq!(db.table("MyTable").name(), "MyTable");
    let local = Dynamo::local(Fixed::new(), "http://127.0.0.1:1");
    let error = local
        .table("MyTable")
        .get(("id", 1))
        .send::<Json>()
        .await
        .unwrap_err();
    assert!(error.to_string().contains("http://127.0.0.1:1"), "{error}");
}

#[tokio::test]
async fn a_prefix_is_before_names_and_not_before_arns() {
    let transport = Transport::new(|_| Answer::ok(json!({})));
    let db = transport.dynamo().with_prefix("dev-");
    assert_eq!(db.clone().table("MyTable").name(), "dev-MyTable");
    assert_eq!(db.clone().erase().table("MyTable").name(), "dev-MyTable");
    let arn = "arn:aws:dynamodb:us-east-1:123456789012:table/MyTable";
    assert_eq!(db.table(arn).name(), arn);
    db.table("MyTable")
        .get(("id", 1))
        .send::<Json>()
        .await
        .unwrap();
    assert_eq!(transport.sent()[0].body["TableName"], "dev-MyTable");
}

#[tokio::test]
async fn tables_of_different_strategies_are_of_one_type_when_erased() {
    let transport = Transport::new(|_| Answer::ok(json!({})));
    let config = transport.config().build();
    let clients: Vec<Dynamo<AnyStrategy>> = vec![
        Dynamo::new(Fixed::new(), &config).erase(),
        Dynamo::new(OfAccount, &config).erase(),
        Dynamo::new(Arc::new(OfAccount) as Arc<dyn CredentialStrategy>, &config).erase(),
    ];
    let tables: Vec<Table<AnyStrategy>> = clients.iter().map(|db| db.table("MyTable")).collect();
    for table in &tables {
        table.get(("id", 1)).send::<Json>().await.unwrap();
    }
    let erased: Table<AnyStrategy> = Dynamo::new(OfAccount, &config).table("MyTable").erase();
    assert_eq!(erased.strategy().name(), "OfAccount");
    let names: Vec<_> = clients.iter().map(|db| db.strategy().name()).collect();
    assert_eq!(names, ["Fixed", "OfAccount", "OfAccount"]);
    let keys: Vec<_> = transport
        .sent()
        .into_iter()
        .map(|sent| sent.key_id)
        .collect();
    assert_eq!(keys, ["AKIAIOSFODNN7EXAMPLE", "AKIA", "AKIA"]);
}

#[tokio::test]
async fn a_client_made_elsewhere_is_taken_with_the_strategys_credentials() {
    let transport = Transport::new(|_| Answer::ok(json!({})));
    let client = Client::new(&transport.config().build());
    let db = Dynamo::from_client(OfAccount, client);
    db.table("MyTable")
        .get(("id", 1))
        .send::<Json>()
        .await
        .unwrap();
    db.client().list_tables().send().await.unwrap();
    assert!(transport.sent().iter().all(|sent| sent.key_id == "AKIA"));
    assert_eq!(transport.count(), 2);
}

#[tokio::test]
async fn an_error_of_a_client_made_elsewhere_names_no_host_that_was_not_asked() {
    let settings = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .endpoint_url("http://127.0.0.1:9")
        .retry_config(RetryConfig::disabled())
        .build();
    let db = Dynamo::from_client(OfAccount, Client::new(&settings));
    let read = db.table("MyTable").get(("id", 1)).send::<Json>().await;
    let error = format!("{:#}", read.unwrap_err());
    assert!(!error.contains("amazonaws.com"), "{error}");
    assert!(error.contains("connection refused"), "{error}");
}

#[test]
fn handles_and_operations_are_free_to_move() {
    fn free<T: Send + Sync + Unpin + 'static>() {}
    fn movable<T: Send + Unpin + 'static>(_: T) {}
    free::<Dynamo<Fixed>>();
    free::<Table<Fixed>>();
    free::<Dynamo<AnyStrategy>>();
    free::<Table<AnyStrategy>>();
    free::<Cond>();
    free::<Cursor>();
    free::<BatchReport>();
    fn sendable<T: Send + 'static>() {}
    sendable::<Get>();
    sendable::<Put>();
    sendable::<Update>();
    sendable::<Query>();
    sendable::<BatchWrite>();
    sendable::<TransactWrite>();
    sendable::<ItemStream<std::rc::Rc<u8>>>();
    let table = Transport::silent().dynamo().table("MyTable");
    movable(Box::pin(table.get(("id", 1)).send::<Json>()));
    movable(Box::pin(table.put(&json!({})).attempt::<Json>()));
    movable(Box::pin(table.update(("id", 1)).returning_new::<Json>()));
    movable(Box::pin(table.query("id", 1).all::<Json>()));
    movable(Box::pin(table.scan().count()));
    movable(Box::pin(table.batch_write().send()));
    movable(Box::pin(table.batch_get([("id", 1)]).send::<Json>()));
    movable(table.query("id", 1).stream::<Json>());
}

#[test]
fn debug_shows_no_secret_and_no_value() {
    let db = Transport::silent().dynamo();
    let table = db.table("MyTable");
    let holds = attr("email").eq("ada@private")
        & Cond::raw("a = :b", [] as [(&str, &str); 0], [(":b", "ada@private")]);
    let get = table.get(("id", "ada@private"));
    let put = table
        .put(&json!({ "id": "ada@private" }))
        .only_if(holds.clone());
    let update = table
        .update(("id", "ada@private"))
        .set("email", "ada@private")
        .version("v", Some(1));
    let query = table
        .query("id", "ada@private")
        .filter(holds)
        .start_at("eyJhIjp7IlMiOiJhZGFAcHJpdmF0ZSJ9fQ".parse().unwrap());
    let batch = table.batch_write().delete(("id", "ada@private"));
    let keys = table.batch_get([("id", "ada@private")]);
    let shown = format!(
        "{db:?}{table:?}{get:?}{put:?}{update:?}{query:?}{batch:?}{keys:?}{:?}",
        table.scan()
    );
    let write = db
        .transact_write()
        .put(put)
        .update(update)
        .delete(table.delete(("id", "ada@private")));
    let shown = format!("{shown}{write:?}");
    for expected in ["MyTable", "Fixed", "email", "a = :b"] {
        assert!(shown.contains(expected), "{shown}");
    }
    for hidden in ["not-a-", "private", "YWRh"] {
        assert!(!shown.contains(hidden), "{hidden} is shown in {shown}");
    }
}

#[tokio::test]
async fn a_configuration_without_a_region_is_told_so() {
    let transport = Transport::silent();
    let config = transport.config().region(None).build();
    let db = Dynamo::new(Fixed::new(), &config);
    let error = db
        .table("MyTable")
        .get(("id", 1))
        .send::<Json>()
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.field()),
        (&ErrorKind::Usage, Some("region")),
        "{error}"
    );
}

/// In a process of its own, since it is the environment that is read.
#[cfg(all(feature = "env", feature = "https", feature = "local"))]
#[tokio::test]
async fn settings_come_from_the_environment_and_credentials_from_the_strategy() {
    use aws_credential_strategies::local::LocalCloud;
    let cloud = LocalCloud::start().await.unwrap();
    cloud.create_table(("MyTable", "id")).unwrap();
    cloud.put_item("MyTable", &json!({ "id": "123" })).unwrap();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child
        .args([
            "--exact",
            "reads_an_item_as_the_environment_says",
            "--ignored",
        ])
        .env_clear()
        .envs(cloud.environment())
        .envs([
            ("AWS_ACCESS_KEY_ID", "AKIAWRONG"),
            ("AWS_SECRET_ACCESS_KEY", "wrong"),
        ]);
    // what is blank counts as unset
    let endpoint = cloud.environment().into_iter();
    let mut endpoint = endpoint.filter(|(name, _)| *name == "AWS_ENDPOINT_URL_DYNAMODB");
    if let Some((_, url)) = endpoint.next() {
        child.env("AWS_ENDPOINT_URL", &*url);
        child.env("AWS_ENDPOINT_URL_DYNAMODB", "");
    }
    child
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_REGION", " ");
    let output = tokio::task::spawn_blocking(move || child.output());
    let output = output.await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
    assert_eq!(cloud.dynamodb().calls().of("GetItem"), 1);
}

#[cfg(all(feature = "env", feature = "https", feature = "local"))]
#[tokio::test]
#[ignore = "run by another test, in an environment of its own"]
async fn reads_an_item_as_the_environment_says() {
    let strategy = aws_credential_strategies::InstanceProfile::builder()
        .build()
        .unwrap();
    let db = Dynamo::from_env(strategy).await;
    let item: Option<Json> = db.table("MyTable").get(("id", "123")).send().await.unwrap();
    assert_eq!(item, Some(json!({ "id": "123" })));
}
