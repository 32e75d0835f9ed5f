//! Whatever DynamoDB leaves undone and whatever breaks in the middle: written and unprocessed together
//! are what was given, and nothing is written twice.
#![cfg(feature = "table")]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/table.rs"]
mod support;

use async_trait::async_trait;
use aws_credential_strategies::table::{
    Backoff, BatchLeft, BatchReport, DEFAULT_BATCH_CONCURRENCY, Item, MOST_KEYS_PER_REQUEST,
    MOST_WRITES_PER_REQUEST,
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
    let id = |left: &BatchLeft| id_of(&left.request);
    let ids: BTreeSet<_> = report.unprocessed.iter().map(id).collect();
    assert_eq!(ids.len(), report.unprocessed.len(), "each once");
    ids
}

fn id_of(request: &WriteRequest) -> String {
    let item = request.put_request().unwrap().item();
    item["id"].as_s().unwrap().clone()
}

/// The account of what was given, to the item.
fn check(report: &BatchReport, written: &Written) {
    let undone = report.unprocessed.len() + report.refused.len();
    assert_eq!(report.written + undone, GIVEN);
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
        // one after the other, once nothing gets through
        let rounds = Backoff::DEFAULT_IDLE_ROUNDS as usize;
        let enough = (GIVEN + never.len()) / MOST_WRITES_PER_REQUEST + 2 * rounds;
        assert!(transport.count() <= enough, "{}", transport.count());
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
        .requests(report.unprocessed.into_iter().map(|left| left.request));
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

/// What DynamoDB says of an item that is not valid, whatever else is in the request.
fn invalid() -> Answer {
    let message =
        "One or more parameter values were invalid: Type mismatch for key id expected: S actual: N";
    Answer::error("ValidationException", message)
}

#[tokio::test(start_paused = true)]
async fn one_invalid_write_of_a_thousand_is_named_and_the_others_are_written() {
    for poison in [
        vec![0],
        vec![999],
        vec![517],
        vec![3, 4, 500, 999],
        (40..100).collect(),
    ] {
        let bad: BTreeSet<String> = poison.iter().map(|n: &usize| format!("i{n}")).collect();
        let written = Written::default();
        let mut takes = store(&written, |_| true);
        let transport = Transport::new({
            let bad = bad.clone();
            move |sent| {
                let requests = sent.body["RequestItems"]["MyTable"].as_array().unwrap();
                if requests.iter().any(|request| bad.contains(&id(request))) {
                    return invalid();
                }
                takes(sent)
            }
        });
        let report = write(&transport.dynamo(), Backoff::new()).await;
        check(&report, &written);
        assert_eq!(report.written, GIVEN - poison.len());
        assert!(report.unprocessed.is_empty() && report.error.is_none());
        let mut positions: Vec<_> = report
            .refused
            .iter()
            .map(|refused| refused.position)
            .collect();
        positions.sort_unstable();
        assert_eq!(
            positions,
            poison.iter().map(|n| Some(*n)).collect::<Vec<_>>()
        );
        for refused in &report.refused {
            let request = refused.request.as_ref().unwrap();
            assert_eq!(id_of(request), format!("i{}", refused.position.unwrap()));
            assert_eq!(*refused.error.kind(), ErrorKind::Invalid);
        }
        // each costs as many requests as it takes to halve one, and back
        assert!(
            transport.count() <= GIVEN / 25 + 10 * poison.len(),
            "{}",
            transport.count()
        );
        let error = report.complete().unwrap_err();
        assert!(!error.is_retryable());
        let line = error.to_string();
        let named = [
            "write ",
            "table MyTable",
            "via Fixed",
            "Type mismatch for key id",
        ];
        assert!(named.iter().all(|name| line.contains(name)), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn two_writes_to_one_item_in_a_request_are_both_refused_and_nothing_is_reordered() {
    let written = Written::default();
    let mut takes = store(&written, |_| true);
    let transport = Transport::new(move |sent| {
        let requests = sent.body["RequestItems"]["MyTable"].as_array().unwrap();
        let distinct: BTreeSet<_> = requests.iter().map(id).collect();
        if distinct.len() < requests.len() {
            let message = "Provided list of item keys contains duplicates";
            return Answer::error("ValidationException", message);
        }
        takes(sent)
    });
    let table = transport.dynamo().table("MyTable");
    let items = (0..60).map(|n| json!({ "id": format!("i{}", if n == 30 { 26 } else { n }) }));
    let batch = items.fold(table.batch_write(), |batch, item| batch.put(&item));
    let report = batch.send().await.unwrap();
    assert_eq!((report.written, report.refused.len()), (35, 25));
    assert!(
        report
            .complete()
            .unwrap_err()
            .to_string()
            .contains("dedupe_by")
    );
}

#[tokio::test(start_paused = true)]
async fn of_a_stream_the_last_write_to_an_item_in_a_request_stands_for_the_others() {
    let written = Written::default();
    let transport = Transport::new(store(&written, |_| true));
    let table = transport.dynamo().table("MyTable");
    let ids = (0..60).map(|n| if n % 2 == 0 { n } else { n - 1 });
    let puts = ids.map(|id| table.put(&json!({ "id": format!("i{id}") })));
    let batch = table.batch_write().dedupe_by(["id"]);
    let report = batch.send_iter(puts).await.unwrap();
    assert!(report.is_complete(), "{report:?}");
    let last = |sent: &Sent| -> Vec<i64> {
        let requests = sent.body["RequestItems"]["MyTable"].as_array().unwrap();
        let number = |request: &Json| id(request)[1..].parse().unwrap();
        requests.iter().map(number).collect()
    };
    let sent: BTreeSet<i64> = transport.sent().iter().flat_map(last).collect();
    assert_eq!(sent, (0..30).map(|n| 2 * n).collect());
    // What has no key is named, and the others go on.
    let puts = [json!({ "id": "a" }), json!({ "no": 1 })].map(|item| table.put(&item));
    let batch = table.batch_write().dedupe_by(["id"]);
    let report = batch.send_iter(puts).await.unwrap();
    assert_eq!((report.written, report.refused.len()), (1, 1));
    assert_eq!(report.refused[0].position, Some(1));
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_for_what_all_have_in_common_is_not_tried_one_by_one() {
    let refuses = |_: &Sent| {
        Answer::error(
            "ValidationException",
            "The provided key element does not match the schema",
        )
    };
    let transport = Transport::new(refuses);
    let report = write(&transport.dynamo(), Backoff::new()).await;
    assert_eq!(report.written, 0);
    assert_eq!(report.unprocessed.len() + report.refused.len(), GIVEN);
    assert!(
        transport.count() < GIVEN / 3,
        "{} requests",
        transport.count()
    );
    assert_eq!(*report.error.as_ref().unwrap().kind(), ErrorKind::Invalid);
    // A stream is not taken to its end for it.
    let transport = Transport::new(refuses);
    let table = transport.dynamo().table("MyTable");
    let mut puts = (0..1_000_000).map(|n| table.put(&json!({ "id": n })));
    let report = table.batch_write().send_iter(&mut puts).await.unwrap();
    let taken = report.unprocessed.len() + report.refused.len();
    assert_eq!(taken + puts.count(), 1_000_000);
    assert!(taken < 1_000, "{taken}");
}

/// As a policy on leading keys does: one item that is not the caller's, and the request is denied.
#[tokio::test(start_paused = true)]
async fn an_item_that_is_denied_is_found_and_the_others_are_written() {
    for foreign in [vec![0], vec![999], vec![3, 400, 401, 777]] {
        let written = Written::default();
        let mut takes = store(&written, |_| true);
        let denied: BTreeSet<_> = foreign.iter().map(|n| format!("i{n}")).collect();
        let is_denied = denied.clone();
        let transport = Transport::new(move |sent| {
            let requests = sent.body["RequestItems"]["MyTable"].as_array().unwrap();
            if requests
                .iter()
                .any(|request| is_denied.contains(&id(request)))
            {
                return Answer::error("AccessDeniedException", "not authorized");
            }
            takes(sent)
        });
        let report = write(&transport.dynamo(), Backoff::new()).await;
        check(&report, &written);
        let refused = report.refused.iter().map(|refused| {
            assert!(matches!(refused.error.kind(), ErrorKind::AccessDenied(_)));
            id_of(refused.request.as_ref().unwrap())
        });
        assert_eq!(refused.collect::<BTreeSet<_>>(), denied);
        assert!(report.unprocessed.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_table_that_is_denied_is_not_asked_for_each_item() {
    let transport = Transport::new(|_| Answer::error("AccessDeniedException", "not authorized"));
    let report = write(&transport.dynamo(), Backoff::new()).await;
    assert_eq!(report.written, 0);
    assert_eq!(report.unprocessed.len() + report.refused.len(), GIVEN);
    assert!(transport.count() <= 12, "{} requests", transport.count());
    let error = report.complete().unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::AccessDenied(_)),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_table_that_is_denied_in_the_middle_of_a_stream_ends_it() {
    let requests = AtomicUsize::new(0);
    let transport = Transport::new(move |_| {
        if requests.fetch_add(1, Ordering::SeqCst) < 4 {
            Answer::ok(json!({ "UnprocessedItems": {} }))
        } else {
            Answer::error("AccessDeniedException", "not authorized any more")
        }
    });
    let table = transport.dynamo().table("MyTable");
    let mut puts = (0..100_000).map(|n| table.put(&json!({ "id": format!("i{n}") })));
    let report = table.batch_write().send_iter(&mut puts).await.unwrap();
    let taken = report.written + report.unprocessed.len() + report.refused.len();
    assert_eq!(taken + puts.count(), 100_000);
    assert_eq!(report.written, 100);
    assert!(transport.count() < 300, "{} requests", transport.count());
    let error = report.complete().unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::AccessDenied(_)),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_left_of_several_tables_is_theirs_however_it_is_spelt() {
    let arn = |name| format!("arn:aws:dynamodb:us-east-1:123456789012:table/{name}");
    let item = json!({ "id": { "S": "1" } });
    let left = json!({ "PutRequest": { "Item": item } });
    let known = json!({ "UnprocessedItems": { "One": [left], "Two": [left] } });
    let unknown = json!({ "UnprocessedItems": { "Three": [left] } });
    for (first, requests) in [(known, 2), (unknown, 2)] {
        let transport = Transport::replay([
            Answer::ok(first),
            Answer::ok(json!({ "UnprocessedItems": {} })),
        ]);
        let db = transport.dynamo();
        let [one, two] = ["One", "Two"].map(|name| db.table(&arn(name)));
        let batch = db.batch_write();
        let batch = batch.write(one.put(&json!({ "id": "1" })));
        let batch = batch.write(two.put(&json!({ "id": "1" })));
        let report = batch.send().await.unwrap();
        assert_eq!(transport.count(), requests);
        let last = &transport.sent()[1].body["RequestItems"];
        for name in ["One", "Two"] {
            assert_eq!(last[arn(name)].as_array().unwrap().len(), 1, "{last}");
        }
        assert!(report.is_complete(), "{report:?}");
    }
    // Reads: what is found under a name is what was asked for by ARN.
    let found = json!({ "Responses": { "One": [item], "Two": [] }, "UnprocessedKeys": {} });
    let transport = Transport::replay([Answer::ok(found)]);
    let db = transport.dynamo();
    let [one, two] = ["One", "Two"].map(|name| db.table(&arn(name)));
    let batch = db.batch_get();
    let batch = batch.table(one.batch_get([("id", "1")]));
    let batch = batch.table(two.batch_get([("id", "1")]));
    let mut read = batch.send().await.unwrap();
    let of_one = read.items::<Json>(&arn("One")).unwrap();
    assert_eq!(of_one.complete().unwrap(), [json!({ "id": "1" })]);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_table_is_asked_at_the_pace_it_keeps_and_nobody_elses_retries_are_used_up() {
    let written = Written::default();
    let begin = Instant::now();
    let (mut tokens, mut at) = (600.0_f64, begin);
    let takes = move |_: &str| {
        tokens = f64::min(600.0, tokens + at.elapsed().as_secs_f64() * 600.0);
        at = Instant::now();
        let takes = tokens >= 1.0;
        tokens -= f64::from(u8::from(takes));
        takes
    };
    let transport = Transport::new(store(&written, takes)).pausing(Duration::from_millis(4));
    // with the SDK's retries, each of which would cost some of the client's quota
    let retries = RetryConfig::standard().with_max_attempts(3);
    let config = transport.config().retry_config(retries).build();
    let db = Dynamo::new(Fixed::new(), &config);
    let table = db.table("MyTable");
    let items = (0..10_000).map(|n| table.put(&json!({ "id": format!("i{n}") })));
    let report = table.batch_write().send_iter(items).await.unwrap();
    assert_eq!(
        (report.written, report.requests),
        (10_000, transport.count())
    );
    let ideal = 10_000 / MOST_WRITES_PER_REQUEST;
    assert!(
        transport.count() <= ideal * 12 / 10,
        "{}",
        transport.count()
    );
    assert!(
        begin.elapsed() < Duration::from_secs(20),
        "{:?}",
        begin.elapsed()
    );
    assert_eq!(written.lock().unwrap().len(), 10_000);

    // a table that takes one of 25 however it is asked: no request is wasted, and none waits for long
    let (written, begin) = (Written::default(), Instant::now());
    let mut one = store(&written, |_| true);
    let transport = Transport::new(move |sent| {
        let mut first = sent.clone();
        let all = first.body["RequestItems"]["MyTable"]
            .as_array_mut()
            .unwrap();
        let left = all.split_off(1);
        let mut answer = one(&first);
        if !left.is_empty() {
            answer.body["UnprocessedItems"] = json!({ "MyTable": left });
        }
        answer
    });
    let table = transport.dynamo().table("MyTable");
    let items = (0..500).map(|n| table.put(&json!({ "id": format!("i{n}") })));
    let report = table.batch_write().send_iter(items).await.unwrap();
    assert_eq!(report.written, 500);
    assert!(transport.count() <= 600, "{}", transport.count());
    assert!(
        begin.elapsed() < Duration::from_secs(60),
        "{:?}",
        begin.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_failing_service_is_asked_again_and_what_was_read_is_kept() {
    for lasting in [false, true] {
        let mut failed = false;
        let transport = Transport::new(move |sent| {
            let keys = sent.body["RequestItems"]["MyTable"]["Keys"]
                .as_array()
                .unwrap();
            assert!(keys.len() <= MOST_KEYS_PER_REQUEST);
            let ninth = keys.iter().any(|key| key["id"]["S"] == "i850");
            if ninth && (lasting || !std::mem::replace(&mut failed, true)) {
                return Answer::error_with(500, "InternalServerError", json!({}));
            }
            Answer::ok(json!({ "Responses": { "MyTable": keys }, "UnprocessedKeys": {} }))
        });
        let keys = (0..GIVEN).map(|n| ("id", format!("i{n}")));
        let table = transport.dynamo().table("MyTable");
        let found = table.batch_get(keys).send::<Json>().await.unwrap();
        assert_eq!(found.items.len() + found.unprocessed.len(), GIVEN);
        assert!(found.items.len() >= 900);
        assert_eq!(found.is_complete(), !lasting);
        if lasting {
            assert_eq!(*found.error.as_ref().unwrap().kind(), ErrorKind::Service);
            let line = found.complete().unwrap_err().to_string();
            assert!(
                line.contains("table MyTable") && line.contains("via Fixed"),
                "{line}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_key_that_is_not_valid_and_one_item_that_does_not_fit_cost_no_others() {
    #[derive(Debug, serde::Deserialize)]
    struct Numbered {
        n: u8,
    }
    let transport = Transport::new(|sent| {
        let keys = sent.body["RequestItems"]["MyTable"]["Keys"]
            .as_array()
            .unwrap();
        if keys.iter().any(|key| key["id"]["S"] == "i123") {
            return invalid();
        }
        let items = keys.iter().map(|key| {
            let id = key["id"]["S"].as_str().unwrap();
            let n = if id == "i77" {
                json!({ "S": "x" })
            } else {
                json!({ "N": "1" })
            };
            json!({ "id": key["id"], "n": n })
        });
        let items: Vec<_> = items.collect();
        Answer::ok(json!({ "Responses": { "MyTable": items } }))
    });
    let table = transport.dynamo().table("MyTable");
    let keys = (0..GIVEN).map(|n| ("id", format!("i{n}")));
    let found = table.batch_get(keys).send::<Numbered>().await.unwrap();
    assert_eq!(found.items.len(), 998);
    assert_eq!(
        found
            .items
            .iter()
            .map(|item| usize::from(item.n))
            .sum::<usize>(),
        998
    );
    let [(key, error)] = found.refused.as_slice() else {
        panic!("{:?}", found.refused)
    };
    assert_eq!(key.attributes()["id"].as_s().unwrap(), "i123");
    assert_eq!(*error.kind(), ErrorKind::Invalid);
    let item: &Item = found.undecoded[0].item().unwrap();
    assert_eq!(item["id"].as_s().unwrap(), "i77");
    assert!(found.complete().is_err());
}

#[tokio::test(start_paused = true)]
async fn several_tables_share_requests_and_one_that_is_not_there_costs_no_others() {
    let transport = Transport::new(|sent| {
        let tables = sent.body["RequestItems"].as_object().unwrap();
        if tables.contains_key("Missing") {
            return Answer::error("ResourceNotFoundException", "not found");
        }
        if sent.operation == "BatchWriteItem" {
            let units = tables
                .keys()
                .map(|name| json!({ "TableName": name, "CapacityUnits": 2.0 }));
            let units: Vec<_> = units.collect();
            return Answer::ok(json!({ "UnprocessedItems": {}, "ConsumedCapacity": units }));
        }
        let found = tables
            .iter()
            .map(|(name, asked)| (name.clone(), asked["Keys"].clone()));
        let found: serde_json::Map<_, _> = found.collect();
        Answer::ok(json!({ "Responses": found }))
    });
    let db = transport.dynamo();
    let (users, orders, missing) = (db.table("Users"), db.table("Orders"), db.table("Missing"));
    let write = || {
        let batch = db.batch_write().consumed_capacity();
        let batch = batch.write(users.put(&json!({ "id": "u" })));
        batch.write(orders.delete(("id", "o")))
    };
    let report = write().send().await.unwrap();
    assert_eq!(
        (report.written, report.requests, report.capacity),
        (2, 1, Some(4.0))
    );
    report.complete().unwrap();
    let batch = write().writes((0..3).map(|n| missing.put(&json!({ "id": format!("m{n}") }))));
    let report = batch.send().await.unwrap();
    assert_eq!((report.written, report.unprocessed.len()), (2, 3));
    assert!(
        report
            .unprocessed
            .iter()
            .all(|left| left.table() == "Missing")
    );
    assert_eq!(
        *report.complete().unwrap_err().kind(),
        ErrorKind::NoSuchTable
    );

    let ids = |ids: &[&str]| {
        ids.iter()
            .map(|id| ("id", (*id).to_owned()))
            .collect::<Vec<_>>()
    };
    let batch = db.batch_get();
    let batch = batch
        .table(users.batch_get(ids(&["u1", "u2", "u1"])).project(["id"]))
        .table(orders.batch_get(ids(&["o1"])).consistent())
        .table(missing.batch_get(ids(&["m1"])));
    let mut found = batch.send().await.unwrap();
    assert_eq!(
        found
            .items::<Json>("Users")
            .unwrap()
            .complete()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(
        found
            .items::<Json>("Orders")
            .unwrap()
            .complete()
            .unwrap()
            .len(),
        1
    );
    let none = found.items::<Json>("Missing").unwrap();
    assert_eq!((none.items.len(), none.unprocessed.len()), (0, 1));
    assert_eq!(*none.complete().unwrap_err().kind(), ErrorKind::NoSuchTable);
    assert!(found.items::<Json>("Users").is_err(), "taken out already");

    let before = transport.count();
    let twice = db
        .batch_get()
        .table(users.batch_get(ids(&["a"])))
        .table(users.batch_get(ids(&["b"])));
    assert!(twice.send().await.is_err());
    let nowhere = db
        .batch_write()
        .put(&json!({ "id": "1" }))
        .send()
        .await
        .unwrap_err();
    assert!(
        nowhere.to_string().contains("write(table.put(..))"),
        "{nowhere}"
    );
    assert_eq!(transport.count(), before);
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_writes_is_taken_as_requests_go_out_and_left_alone_when_the_batch_ends() {
    let taken = Arc::new(AtomicUsize::new(0));
    let given = |taken: &Arc<AtomicUsize>, many: usize| {
        let taken = Arc::clone(taken);
        (0..many).inspect(move |_| {
            taken.fetch_add(1, Ordering::SeqCst);
        })
    };
    // what was taken and not yet written is never more than a few requests
    let (written, seen) = (Written::default(), Arc::clone(&taken));
    let mut takes = store(&written, |_| true);
    let mut before = 0;
    let transport = Transport::new(move |sent| {
        let ahead = seen.load(Ordering::SeqCst) - before;
        assert!(ahead <= 25 * (DEFAULT_BATCH_CONCURRENCY + 2), "{ahead}");
        before += sent.body["RequestItems"]["MyTable"]
            .as_array()
            .unwrap()
            .len();
        takes(sent)
    });
    let transport = transport.pausing(Duration::from_millis(1));
    let table = transport.dynamo().table("MyTable");
    let puts = given(&taken, 5_000).map(|n| table.put(&json!({ "id": format!("i{n}") })));
    let puts = futures_util::stream::iter(puts);
    let report = table.batch_write().send_stream(puts).await.unwrap();
    assert_eq!((report.written, report.requests), (5_000, 200));

    // one that cannot be written is named, and the others go on
    let transport = Transport::new(store(&Written::default(), |_| true));
    let table = transport.dynamo().table("MyTable");
    let puts = (0..100).map(|n| {
        let put = table.put(&json!({ "id": format!("i{n}") }));
        if n == 40 { put.if_absent("id") } else { put }
    });
    let report = table.batch_write().send_iter(puts).await.unwrap();
    assert_eq!((report.written, report.refused.len()), (99, 1));
    assert_eq!(report.refused[0].position, Some(40));
    assert!(
        report
            .complete()
            .unwrap_err()
            .to_string()
            .contains("write 40")
    );

    // an error that ends the batch leaves the rest where it is
    let transport = Transport::new(|_| Answer::error("AccessDeniedException", "no"));
    let table = transport.dynamo().table("MyTable");
    let mut puts = (0..1_000).map(|n| table.put(&json!({ "id": format!("i{n}") })));
    let report = table.batch_write().send_iter(&mut puts).await.unwrap();
    assert_eq!(report.written, 0);
    assert_eq!(report.unprocessed.len() + puts.len(), 1_000);
    assert!(
        puts.len() >= 1_000 - 25 * (DEFAULT_BATCH_CONCURRENCY + 2),
        "{}",
        puts.len()
    );

    // also where it may be of several tables, of which others could go on
    let transport = Transport::new(|_| Answer::error("AccessDeniedException", "no"));
    let db = transport.dynamo();
    let table = db.table("MyTable");
    let mut puts = (0..100_000).map(|n| table.put(&json!({ "id": format!("i{n}") })));
    let report = db.batch_write().send_iter(&mut puts).await.unwrap();
    assert_eq!(report.written, 0);
    assert_eq!(report.unprocessed.len() + puts.len(), 100_000);
    assert!(report.unprocessed.len() <= 25 * 4 * DEFAULT_BATCH_CONCURRENCY);
    let error = report.complete().unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::AccessDenied(_)),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_stopped_it_is_told_and_not_what_passed() {
    let passing = AtomicUsize::new(0);
    let transport = Transport::new(move |sent| {
        let tables = sent.body["RequestItems"].as_object().unwrap();
        if tables.contains_key("Missing") {
            return Answer::error("ResourceNotFoundException", "not found");
        }
        // each request to the other table fails once, before and after the refusal
        if passing.fetch_add(1, Ordering::SeqCst) < 3 {
            return Answer::error("ThrottlingException", "slow down");
        }
        Answer::ok(json!({ "UnprocessedItems": {} }))
    });
    let db = transport.dynamo();
    let (users, missing) = (db.table("Users"), db.table("Missing"));
    let put = |n: usize| (n < 5, json!({ "id": format!("i{n}") }));
    let puts = (0..60).map(put).map(|(lost, item)| {
        let table = if lost { &missing } else { &users };
        table.put(&item)
    });
    let report = db.batch_write().writes(puts).send().await.unwrap();
    assert_eq!((report.written, report.unprocessed.len()), (55, 5));
    assert_eq!(
        *report.complete().unwrap_err().kind(),
        ErrorKind::NoSuchTable
    );
}

#[tokio::test(start_paused = true)]
async fn everything_at_once_is_accounted_for_to_the_item() {
    for seed in 0..10 {
        let mut chance = fastrand::Rng::with_seed(seed);
        let bad: BTreeSet<String> = (0..3)
            .map(|_| format!("i{}", chance.usize(0..GIVEN)))
            .collect();
        let poison = bad.clone();
        let written = Written::default();
        // a table of 25 writes a second that has saved up two seconds of them
        let begin = Instant::now();
        let (mut units, mut at) = (50.0_f64, begin);
        let spent = Arc::new(AtomicUsize::new(0));
        let throttled = Arc::clone(&spent);
        let mut takes = store(&written, move |_| {
            units = f64::min(50.0, units + at.elapsed().as_secs_f64() * 25.0);
            at = Instant::now();
            if units < 1.0 {
                throttled.fetch_add(1, Ordering::SeqCst);
                return false;
            }
            let takes = chance.u8(0..10) > 0;
            units -= f64::from(u8::from(takes));
            takes
        });
        let mut chance = fastrand::Rng::with_seed(seed + 100);
        let mut requests = 0;
        let transport = Transport::new(move |sent| {
            requests += 1;
            let all = sent.body["RequestItems"]["MyTable"].as_array().unwrap();
            match chance.u8(0..20) {
                _ if requests > 20 && sent.key_id == "AKIA0" => {
                    Answer::error("ExpiredTokenException", "expired")
                }
                0 => Answer::error_with(500, "InternalServerError", json!({})),
                1 => Answer::error("ThrottlingException", "slow down"),
                _ if all.iter().any(|request| poison.contains(&id(request))) => invalid(),
                _ => takes(sent),
            }
        });
        let strategy = Ending {
            key: Arc::default(),
            replaced: true,
        };
        let db = Dynamo::new(strategy, &transport.config().build());
        let report = write(&db, Backoff::new()).await;
        check(&report, &written);
        let refused = report.refused.iter();
        let refused: BTreeSet<_> = refused
            .map(|r| id_of(r.request.as_ref().unwrap()))
            .collect();
        assert_eq!(refused, bad);
        assert!(report.unprocessed.is_empty(), "{report:?}");
        assert!(spent.load(Ordering::SeqCst) > 0, "the table had enough");
        // as fast as the table gives, at best; faults and halved requests take their time too
        let took = begin.elapsed().as_secs_f64();
        assert!((37.9..120.0).contains(&took), "{took}");
    }
}
