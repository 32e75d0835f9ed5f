//! Promise: what points to a strategy is that strategy. `Arc`, `Box` and `&'static` forward every method,
//! those with a default included; and the defaults do what they say.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use async_trait::async_trait;
use aws_credential_strategies::{
    CredentialCache, CredentialSource, CredentialStrategy, Credentials, ErrorKind, RefreshPolicy,
    Rejection, Result, Status,
};
use aws_smithy_runtime_api::client::identity::Identity;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tokio::sync::watch;

fn key(id: &str) -> Credentials {
    Credentials::new(id, "secret", None, None, "test")
}

/// Notes every method that is called.
#[derive(Debug, Default)]
struct Spy(Mutex<Vec<&'static str>>);

impl Spy {
    fn note(&self, method: &'static str) {
        self.0.lock().unwrap().push(method);
    }

    fn noted(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[async_trait]
impl CredentialStrategy for Spy {
    fn name(&self) -> &'static str {
        self.note("name");
        "Spy"
    }

    async fn credentials(&self) -> Result<Credentials> {
        self.note("credentials");
        Ok(key("C"))
    }

    async fn credentials_valid_for(&self, _min: Duration) -> Result<Credentials> {
        self.note("credentials_valid_for");
        Ok(key("V"))
    }

    async fn refresh(&self) -> Result<Credentials> {
        self.note("refresh");
        Ok(key("R"))
    }

    fn current(&self) -> Option<Arc<Credentials>> {
        self.note("current");
        None
    }

    fn current_identity(&self) -> Option<Identity> {
        self.note("current_identity");
        None
    }

    fn invalidate(&self, _rejected: &str) -> Rejection {
        self.note("invalidate");
        Rejection::NotCurrent
    }

    fn accepted(&self, _key_id: &str) {
        self.note("accepted");
    }

    fn status(&self) -> Status {
        self.note("status");
        Status::default()
    }

    fn subscribe(&self) -> watch::Receiver<Status> {
        self.note("subscribe");
        watch::Sender::new(Status::default()).subscribe()
    }
}

/// Calls every method of the trait by way of `S`.
async fn call_all<S: CredentialStrategy>(strategy: S) {
    strategy.name();
    assert_eq!(strategy.credentials().await.unwrap().access_key_id(), "C");
    let valid = strategy.credentials_valid_for(Duration::ZERO).await;
    assert_eq!(valid.unwrap().access_key_id(), "V");
    assert_eq!(strategy.refresh().await.unwrap().access_key_id(), "R");
    strategy.current();
    strategy.current_identity();
    strategy.invalidate("K");
    strategy.accepted("K");
    strategy.status();
    strategy.subscribe();
}

const ALL: [&str; 10] = [
    "name",
    "credentials",
    "credentials_valid_for",
    "refresh",
    "current",
    "current_identity",
    "invalidate",
    "accepted",
    "status",
    "subscribe",
];

#[tokio::test]
async fn every_method_is_forwarded_by_every_pointer() {
    let spy: &'static Spy = Box::leak(Box::default());
    call_all(spy).await;
    assert_eq!(spy.noted(), ALL, "&'static S");
    call_all(spy as &'static dyn CredentialStrategy).await;
    assert_eq!(spy.noted(), ALL, "&'static dyn");
    call_all(Box::new(spy)).await;
    assert_eq!(spy.noted(), ALL, "Box<S>");
    call_all(Box::new(spy) as Box<dyn CredentialStrategy>).await;
    assert_eq!(spy.noted(), ALL, "Box<dyn>");
    call_all(Arc::new(spy)).await;
    assert_eq!(spy.noted(), ALL, "Arc<S>");
    call_all(Arc::new(spy) as Arc<dyn CredentialStrategy>).await;
    assert_eq!(spy.noted(), ALL, "Arc<dyn>");
    let nested: Arc<Box<dyn CredentialStrategy>> = Arc::new(Box::new(spy));
    call_all(nested).await;
    assert_eq!(spy.noted(), ALL, "Arc<Box<dyn>>");
}

/// A third party's strategy with the five methods that it must have: another key after each rejection.
#[derive(Debug)]
struct Bare {
    served: AtomicU32,
    life: Duration,
}

#[async_trait]
impl CredentialStrategy for Bare {
    fn name(&self) -> &'static str {
        "Bare"
    }

    async fn credentials(&self) -> Result<Credentials> {
        Ok((*self.current().unwrap()).clone())
    }

    fn current(&self) -> Option<Arc<Credentials>> {
        let id = format!("K{}", self.served.load(Ordering::Relaxed));
        let expiry = SystemTime::now() + self.life;
        Some(Arc::new(Credentials::new(
            id,
            "secret",
            None,
            Some(expiry),
            "test",
        )))
    }

    fn invalidate(&self, rejected: &str) -> Rejection {
        assert_eq!(
            rejected,
            format!("K{}", self.served.load(Ordering::Relaxed))
        );
        self.served.fetch_add(1, Ordering::Relaxed);
        Rejection::Invalidated
    }

    fn status(&self) -> Status {
        Status::default()
    }
}

#[tokio::test]
async fn the_defaults_do_what_they_say() {
    let strategy: Box<dyn CredentialStrategy> = Box::new(Bare {
        served: AtomicU32::new(0),
        life: Duration::from_secs(600),
    });
    assert_eq!(strategy.refresh().await.unwrap().access_key_id(), "K1");
    let enough = strategy.credentials_valid_for(Duration::from_secs(300));
    assert_eq!(enough.await.unwrap().access_key_id(), "K1");
    let too_long = strategy.credentials_valid_for(Duration::from_secs(900));
    let error = too_long.await.unwrap_err();
    assert_eq!(error.field(), Some("min"), "{error}");
    assert!(error.to_string().contains("900 s"), "{error}");
    assert_eq!(
        strategy.credentials().await.unwrap().access_key_id(),
        "K2",
        "new ones were asked for before giving up"
    );
    strategy.accepted("K2");
    assert!(strategy.current_identity().is_some());
    let mut news = strategy.subscribe();
    assert_eq!(news.borrow().fetches, 0);
    assert!(news.changed().await.is_err(), "closed: there is no news");
}

#[derive(Debug, Default)]
struct Counting(AtomicU32);

impl CredentialSource for Counting {
    fn name(&self) -> &'static str {
        "Counting"
    }

    async fn fetch(&self) -> Result<Credentials> {
        let id = self.0.fetch_add(1, Ordering::Relaxed);
        let expiry = SystemTime::now() + Duration::from_secs(3_600);
        Ok(Credentials::new(
            format!("K{id}"),
            "secret",
            None,
            Some(expiry),
            "test",
        ))
    }
}

#[tokio::test]
async fn a_cache_behind_the_trait_object_is_refreshed_and_tells_its_subscribers() {
    let strategy: Arc<dyn CredentialStrategy> = Arc::new(CredentialCache::new(
        Counting::default(),
        RefreshPolicy::default(),
    ));
    let mut news = strategy.subscribe();
    let first = strategy
        .credentials_valid_for(Duration::from_secs(60))
        .await
        .unwrap();
    assert_eq!(first.access_key_id(), "K0");
    news.changed().await.unwrap();
    assert_eq!(news.borrow_and_update().key_id.as_deref(), Some("K0"));
    let too_long = strategy.credentials_valid_for(Duration::from_secs(86_400));
    let error = too_long.await.unwrap_err();
    assert!(!matches!(error.kind(), ErrorKind::NoRuntime), "{error}");
    assert_eq!(error.field(), Some("min"), "{error}");
    assert_eq!(
        strategy.status().fetches,
        1,
        "forced calls keep a second apart"
    );
}
