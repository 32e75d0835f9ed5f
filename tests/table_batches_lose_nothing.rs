//! Whatever DynamoDB leaves undone and whatever breaks in the middle: written and unprocessed together
//! are what was given, and nothing is written twice.
#![cfg(feature = "table")]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/table.rs"]
mod support;

use async_trait::async_trait;
use aws_credential_strategies::table::{
    Backoff, BatchReport, DEFAULT_BATCH_CONCURRENCY, MOST_WRITES_PER_REQUEST,
};
use aws_credential_strategies::{
    CredentialFault, CredentialStrategy, Credentials, Dynamo, ErrorKind, Rejection, Result, Status,
};
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::types::WriteRequest;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{Answer, Fixed, Sent, Transport};
use tokio::time::Instant;

const GIVEN: usize = 1_000;

/// How often each id was written.
type Written = Arc<Mutex<BTreeMap<String, usize>>>;

fn id(request: &Json) -> String {
    let put = &request["PutRequest"]["Item"]["id"]["S"];
    put.as_str().unwrap().to_owned()
}

/// Takes what `takes` says, and gives the rest back, as BatchWriteItem does: when nothing can be taken
/// it is an error.
fn store(
    written: &Written,
    mut takes: impl FnMut(&str) -> bool + Send + 'static,
) -> impl FnMut(&Sent) -> Answer + Send + 'static {
    let written = Arc::clone(written);
    move |sent| {
        let requests = sent.body["RequestItems"]["MyTable"].as_array().unwrap();
        assert!(requests.len() <= MOST_WRITES_PER_REQUEST);
        let distinct: BTreeSet<_> = requests.iter().map(id).collect();
        assert_eq!(
            distinct.len(),
            requests.len(),
            "DynamoDB refuses duplicates"
        );
        let (taken, left): (Vec<Json>, Vec<Json>) = requests
            .iter()
            .cloned()
            .partition(|request| takes(&id(request)));
        if taken.is_empty() {
            let message = "The level of configured provisioned throughput was exceeded";
            return Answer::error("ProvisionedThroughputExceededException", message);
        }
        for request in &taken {
            *written.lock().unwrap().entry(id(request)).or_default() += 1;
        }
        let unprocessed = if left.is_empty() {
            json!({})
        } else {
            json!({ "MyTable": left })
        };
        Answer::ok(json!({ "UnprocessedItems": unprocessed }))
    }
}

async fn write<S: CredentialStrategy>(db: &Dynamo<S>, backoff: Backoff) -> BatchReport {
    let items = (0..GIVEN).map(|n| json!({ "id": format!("i{n}") }));
    let batch = items.fold(db.table("MyTable").batch_write(), |batch, item| {
        batch.put(&item)
    });
    batch.backoff(backoff).send().await.unwrap()
}

fn unprocessed(report: &BatchReport) -> BTreeSet<String> {
    let id = |request: &WriteRequest| {
        let item = request.put_request().unwrap().item();
        item["id"].as_s().unwrap().clone()
    };
    let ids: BTreeSet<_> = report.unprocessed.iter().map(id).collect();
    assert_eq!(ids.len(), report.unprocessed.len(), "each once");
    ids
}

/// The account of what was given, to the item.
fn check(report: &BatchReport, written: &Written) {
    assert_eq!(report.written + report.unprocessed.len(), GIVEN);
    let written = written.lock().unwrap();
    assert_eq!(written.len(), report.written);
    assert!(written.values().all(|times| *times == 1), "nothing twice");
    assert!(
        unprocessed(report)
            .iter()
            .all(|id| !written.contains_key(id))
    );
}

#[tokio::test(start_paused = true)]
async fn a_tenth_unprocessed_at_random_for_ever_ends_with_all_written() {
    for seed in 0..5 {
        let mut chance = fastrand::Rng::with_seed(seed);
        let written = Written::default();
        let transport = Transport::new(store(&written, move |_| chance.u8(0..10) > 0));
        let begin = Instant::now();
        let report = write(&transport.dynamo(), Backoff::new()).await;
        check(&report, &written);
        assert!(report.is_complete() && report.error.is_none());
        assert_eq!(report.requests, transport.count());
        assert!(begin.elapsed() < Duration::from_secs(60));
        report.complete().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_tenth_that_is_never_processed_comes_back_within_the_budget() {
    for seed in 0..5 {
        let mut chance = fastrand::Rng::with_seed(seed);
        let ids = (0..GIVEN).map(|n| format!("i{n}"));
        let never: BTreeSet<String> = ids.filter(|_| chance.u8(0..10) == 0).collect();
        let poison = never.clone();
        let written = Written::default();
        let transport = Transport::new(store(&written, move |id| !poison.contains(id)));
        let begin = Instant::now();
        let report = write(&transport.dynamo(), Backoff::new()).await;
        check(&report, &written);
        assert_eq!(unprocessed(&report), never);
        let budget = Backoff::DEFAULT_CAP * (Backoff::DEFAULT_IDLE_ROUNDS + 1);
        assert!(begin.elapsed() <= budget, "{:?}", begin.elapsed());
        let chunks = never.len().div_ceil(MOST_WRITES_PER_REQUEST);
        let rounds = Backoff::DEFAULT_IDLE_ROUNDS as usize;
        assert_eq!(
            transport.count(),
            GIVEN / MOST_WRITES_PER_REQUEST + rounds * chunks
        );
        let error = report.complete().unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Throttled);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_left_can_be_sent_again() {
    let written = Written::default();
    let full = Arc::new(AtomicUsize::new(600));
    let room = Arc::clone(&full);
    let takes = move |_: &str| {
        room.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
            left.checked_sub(1)
        })
        .is_ok()
    };
    let transport = Transport::new(store(&written, takes));
    let report = write(&transport.dynamo(), Backoff::new().idle_rounds(2)).await;
    check(&report, &written);
    assert_eq!(report.written, 600);
    full.store(GIVEN, Ordering::SeqCst);
    let again = transport
        .dynamo()
        .table("MyTable")
        .batch_write()
        .requests(report.unprocessed);
    let again = again.send().await.unwrap();
    assert_eq!(again.written, 400);
    let written = written.lock().unwrap();
    assert_eq!(written.len(), GIVEN);
    assert!(written.values().all(|times| *times == 1));
}

#[tokio::test(start_paused = true)]
async fn a_request_refused_for_its_size_is_halved() {
    let written = Written::default();
    let mut takes = store(&written, |_| true);
    let transport = Transport::new(move |sent| {
        match sent.body["RequestItems"]["MyTable"]
            .as_array()
            .unwrap()
            .len()
        {
            0..=6 => takes(sent),
            _ => Answer {
                status: 413,
                body: json!({}),
            },
        }
    });
    let report = write(&transport.dynamo(), Backoff::new()).await;
    check(&report, &written);
    assert!(report.is_complete());
}

/// Keys that end after so many requests; a replacement may or may not come.
#[derive(Clone, Debug)]
struct Ending {
    key: Arc<AtomicUsize>,
    replaced: bool,
}

#[async_trait]
impl CredentialStrategy for Ending {
    fn name(&self) -> &'static str {
        "Ending"
    }

    async fn credentials(&self) -> Result<Credentials> {
        Ok(self.current().map(|current| (*current).clone()).unwrap())
    }

    fn current(&self) -> Option<Arc<Credentials>> {
        let key = format!("AKIA{}", self.key.load(Ordering::SeqCst));
        Some(Arc::new(Credentials::new(
            key,
            "not-a-secret",
            None,
            None,
            "ending",
        )))
    }

    fn invalidate(&self, rejected: &str) -> Rejection {
        if !self.replaced {
            return Rejection::SameKeyAgain;
        }
        let key = self.key.load(Ordering::SeqCst);
        if rejected != format!("AKIA{key}") {
            return Rejection::NotCurrent;
        }
        self.key.store(key + 1, Ordering::SeqCst);
        Rejection::Invalidated
    }

    fn status(&self) -> Status {
        Fixed::new().status()
    }
}

#[tokio::test(start_paused = true)]
async fn credentials_that_expire_in_the_middle_lose_and_repeat_nothing() {
    for replaced in [true, false] {
        let written = Written::default();
        let mut chance = fastrand::Rng::with_seed(7);
        let mut takes = store(&written, move |_| chance.u8(0..10) > 0);
        let mut requests = 0;
        let transport = Transport::new(move |sent| {
            requests += 1;
            if requests > 17 && sent.key_id == "AKIA0" {
                return Answer::error("ExpiredTokenException", "expired");
            }
            takes(sent)
        });
        let strategy = Ending {
            key: Arc::default(),
            replaced,
        };
        let retries = RetryConfig::standard().with_max_attempts(2);
        let config = transport.config().retry_config(retries).build();
        let report = write(&Dynamo::new(strategy, &config), Backoff::new()).await;
        check(&report, &written);
        assert_eq!(report.is_complete(), replaced);
        if !replaced {
            assert!(report.written > 0);
            let error = report.complete().unwrap_err();
            assert_eq!(
                *error.kind(),
                ErrorKind::Credential(CredentialFault::Expired)
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn keys_left_unprocessed_are_asked_for_again_and_come_back_in_the_end() {
    let mut chance = fastrand::Rng::with_seed(1);
    let mut get = |never: bool| {
        let mut chance = chance.fork();
        Transport::new(move |sent| {
            let keys = sent.body["RequestItems"]["MyTable"]["Keys"]
                .as_array()
                .unwrap();
            assert!(keys.len() <= 100);
            let (read, left): (Vec<Json>, Vec<Json>) = keys.iter().cloned().partition(|key| {
                let poison = never && key["id"]["S"].as_str().unwrap().ends_with('7');
                !poison && chance.u8(0..10) > 0
            });
            if read.is_empty() {
                return Answer::error("ProvisionedThroughputExceededException", "too much");
            }
            let unprocessed = if left.is_empty() {
                json!({})
            } else {
                json!({ "MyTable": { "Keys": left } })
            };
            Answer::ok(json!({ "Responses": { "MyTable": read }, "UnprocessedKeys": unprocessed }))
        })
    };
    let keys = || (0..GIVEN).map(|n| ("id", format!("i{n}")));
    let (all, some) = (get(false), get(true));
    let found = all
        .dynamo()
        .table("MyTable")
        .batch_get(keys())
        .send::<Json>()
        .await
        .unwrap();
    assert_eq!(found.complete().unwrap().len(), GIVEN);
    let found = some
        .dynamo()
        .table("MyTable")
        .batch_get(keys())
        .send::<Json>()
        .await
        .unwrap();
    assert_eq!((found.items.len(), found.unprocessed.len()), (900, 100));
    assert!(found.complete().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_few_requests_are_in_flight_and_no_more() {
    let write = |concurrency: Option<usize>| async move {
        let transport =
            Transport::new(store(&Written::default(), |_| true)).pausing(Duration::from_millis(10));
        let items = (0..GIVEN).map(|n| json!({ "id": format!("i{n}") }));
        let batch = transport.dynamo().table("MyTable").batch_write();
        let mut batch = items.fold(batch, |batch, item| batch.put(&item));
        if let Some(concurrency) = concurrency {
            batch = batch.concurrency(concurrency);
        }
        batch.send().await.unwrap().complete().unwrap();
        transport.most_in_flight()
    };
    assert_eq!(write(None).await, DEFAULT_BATCH_CONCURRENCY);
    assert_eq!(write(Some(0)).await, 1);
    assert_eq!(write(Some(7)).await, 7);
}
