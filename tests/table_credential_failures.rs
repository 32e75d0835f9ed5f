//! A failure of the credentials is told from a failure of the table, and heals where it can.
#![cfg(feature = "table")]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/table.rs"]
mod support;

use async_trait::async_trait;
use aws_credential_strategies::{
    CredentialCache, CredentialFault, CredentialSource, CredentialStrategy, Credentials, Dynamo,
    Error, ErrorKind, RefreshPolicy, Rejection, Result, Status, table::attr,
};
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::operation::get_item::GetItemError;
use serde_json::json;
use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};
use support::{Answer, Embedded, Fixed, Transport};

/// A source that never has any.
#[derive(Debug)]
struct Broken(fn() -> Error);

impl CredentialSource for Broken {
    fn name(&self) -> &'static str {
        "Broken"
    }

    async fn fetch(&self) -> Result<Credentials> {
        Err((self.0)())
    }
}

/// Every rejected key is replaced by the next one.
#[derive(Clone, Debug, Default)]
struct Rotating(Arc<AtomicUsize>);

impl Rotating {
    fn key(&self) -> String {
        format!("AKIA{}", self.0.load(Ordering::SeqCst))
    }
}

#[async_trait]
impl CredentialStrategy for Rotating {
    fn name(&self) -> &'static str {
        "Rotating"
    }

    async fn credentials(&self) -> Result<Credentials> {
        Ok(Credentials::new(
            self.key(),
            "not-a-secret",
            None,
            None,
            "rotating",
        ))
    }

    fn current(&self) -> Option<Arc<Credentials>> {
        let credentials = Credentials::new(self.key(), "not-a-secret", None, None, "rotating");
        Some(Arc::new(credentials))
    }

    fn invalidate(&self, rejected: &str) -> Rejection {
        if rejected != self.key() {
            return Rejection::NotCurrent;
        }
        self.0.fetch_add(1, Ordering::SeqCst);
        Rejection::Invalidated
    }

    fn status(&self) -> Status {
        Fixed::new().status()
    }
}

#[tokio::test(start_paused = true)]
async fn the_strategys_own_error_is_the_cause_and_nothing_is_sent() {
    let cases: [(fn() -> Error, bool); 2] = [
        (|| Error::recoverable("the source is away"), true),
        (|| Error::terminal("the role does not admit us"), false),
    ];
    for (source, retryable) in cases {
        let transport = Transport::silent();
        let cache = CredentialCache::new(Broken(source), RefreshPolicy::default());
        let db = Dynamo::new(cache, &transport.config().build());
        let get = db.table("MyTable").get(("id", "123"));
        let error = get.send::<()>().await.unwrap_err();
        let unavailable = ErrorKind::Credential(CredentialFault::Unavailable);
        assert_eq!(*error.kind(), unavailable, "{error}");
        assert!(error.is_credential());
        assert_eq!(error.is_retryable(), retryable);
        let line = error.to_string();
        assert!(
            line.starts_with("get on table MyTable via Broken: "),
            "{line}"
        );
        assert!(!line.contains("connect"), "{line}");
        let cause = error.source().unwrap().downcast_ref::<Error>().unwrap();
        let source = source().to_string();
        let (call, reason) = source.split_once(": ").unwrap();
        assert!(line.contains(reason), "{line}");
        assert!(cause.to_string().contains(call), "{cause}");
        assert!(error.sdk::<GetItemError>().is_some());
        assert_eq!(transport.count(), 0);
    }
}

fn once_expired() -> Transport {
    Transport::new(|sent| {
        if sent.key_id == "AKIA0" {
            return Answer::error("ExpiredTokenException", "expired");
        }
        match sent.operation.as_str() {
            "Query" => Answer::ok(json!({ "Items": [{ "n": { "N": "1" } }], "Count": 1 })),
            "ListTables" => Answer::ok(json!({ "TableNames": ["MyTable"] })),
            _ => Answer::ok(json!({ "Item": { "n": { "N": "1" } } })),
        }
    })
}

fn rotating(transport: &Transport) -> (Dynamo<Rotating>, Rotating) {
    let strategy = Rotating::default();
    let retries = RetryConfig::standard().with_max_attempts(2);
    let config = transport.config().retry_config(retries).build();
    (Dynamo::new(strategy.clone(), &config), strategy)
}

#[tokio::test]
async fn a_rejected_key_is_replaced_and_the_request_repeated_once() {
    for operation in 0..5 {
        let transport = once_expired();
        let (db, strategy) = rotating(&transport);
        let table = db.table("MyTable");
        match operation {
            0 => drop(
                table
                    .get(("id", "1"))
                    .send::<serde_json::Value>()
                    .await
                    .unwrap(),
            ),
            1 => table.put(&json!({ "id": "1" })).send().await.unwrap(),
            2 => assert_eq!(
                table
                    .query("id", "1")
                    .all::<serde_json::Value>()
                    .await
                    .unwrap()
                    .items
                    .len(),
                1
            ),
            3 => drop(db.client().list_tables().send().await.unwrap()),
            _ => {
                let client = db.client().clone();
                let db = Dynamo::from_client(strategy.clone(), client);
                let table = db.table("MyTable");
                table
                    .delete(("id", "1"))
                    .only_if(attr("id").exists())
                    .send()
                    .await
                    .unwrap();
            }
        }
        let keys: Vec<_> = transport
            .sent()
            .into_iter()
            .map(|sent| sent.key_id)
            .collect();
        assert_eq!(keys, ["AKIA0", "AKIA1"], "operation {operation}");
        assert_eq!(strategy.0.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn a_rejection_that_stands_is_an_error_of_the_credentials() {
    let transport = Transport::new(|_| Answer::error("ExpiredTokenException", "expired"));
    let (db, _) = rotating(&transport);
    let error = db
        .table("MyTable")
        .get(("id", "1"))
        .send::<()>()
        .await
        .unwrap_err();
    assert_eq!(
        *error.kind(),
        ErrorKind::Credential(CredentialFault::Expired)
    );
    assert_eq!(transport.count(), 2);
}

/// Has credentials once.
#[derive(Debug, Default)]
struct Once(AtomicUsize);

impl CredentialSource for Once {
    fn name(&self) -> &'static str {
        "Once"
    }

    async fn fetch(&self) -> Result<Credentials> {
        if self.0.fetch_add(1, Ordering::SeqCst) > 0 {
            return Err(Error::recoverable("the source is away"));
        }
        let expiry = SystemTime::now() + Duration::from_secs(3_600);
        let credentials = Credentials::new("AKIA0", "not-a-secret", None, Some(expiry), "once");
        Ok(credentials)
    }
}

#[tokio::test(start_paused = true)]
async fn a_rejection_has_the_failed_refresh_as_its_cause() {
    let transport = Transport::new(|_| Answer::error("ExpiredTokenException", "expired"));
    let retries = RetryConfig::standard().with_max_attempts(2);
    let config = transport.config().retry_config(retries).build();
    let cache = CredentialCache::new(Once::default(), RefreshPolicy::default());
    let db = Dynamo::new(cache, &config);
    let error = db
        .table("MyTable")
        .get(("id", "1"))
        .send::<()>()
        .await
        .unwrap_err();
    assert_eq!(
        *error.kind(),
        ErrorKind::Credential(CredentialFault::Expired)
    );
    let cause = error.source().expect("the refresh that failed").to_string();
    assert!(cause.contains("the source is away"), "{cause}");
    assert!(!error.to_string().contains("the source is away"), "{error}");
}

#[tokio::test]
async fn a_missing_permission_is_not_repeated() {
    let transport = Transport::new(|_| Answer::error("AccessDeniedException", "no"));
    let (db, strategy) = rotating(&transport);
    let error = db
        .table("MyTable")
        .get(("id", "1"))
        .send::<()>()
        .await
        .unwrap_err();
    assert!(!error.is_credential());
    assert_eq!(
        (transport.count(), strategy.0.load(Ordering::SeqCst)),
        (1, 0)
    );
}

#[tokio::test]
async fn no_connection_names_the_host() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let db = Embedded::at(endpoint.strip_prefix("http://").unwrap().parse().unwrap()).dynamo();
    let error = db
        .table("MyTable")
        .get(("id", "1"))
        .send::<()>()
        .await
        .unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unreachable, "{error}");
    assert!(error.to_string().contains(&endpoint), "{error}");
    assert!(error.source().is_some() && error.is_retryable());
}
