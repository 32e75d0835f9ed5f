//! Promise: while the source is down and a service has rejected the key, each request goes out once. Never
//! twice, however long it lasts, whatever the policy, however the client is wired.
#![cfg(feature = "table")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod recovery_support;
mod support;

use aws_credential_strategies::refresh::Backoff;
use aws_credential_strategies::sdk::{self, Recovery, SdkProvider};
use aws_credential_strategies::{CredentialCache, Dynamo, Error, RefreshMode, RefreshPolicy};
use recovery_support::{Issuer, Service, StillTime, down, get, list, said};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::{HOUR, seconds};

/// From the rejection on, past the end of the session.
const ROUNDS: usize = 25;
const EVERY: Duration = Duration::from_secs(170);

fn policies() -> [(&'static str, RefreshPolicy); 5] {
    let ours = RefreshPolicy::default();
    [
        ("background", ours),
        ("on demand", ours.mode(RefreshMode::OnDemand)),
        ("fixed", ours.backoff(Backoff::fixed(seconds(5)))),
        ("no expired ones", ours.serve_expired(false)),
        ("aws_spec", RefreshPolicy::aws_spec()),
    ]
}

/// `KEY-1`, and then the source is down until it is not; holding that.
async fn source_that_goes_down(
    policy: RefreshPolicy,
    error: fn() -> Error,
) -> (CredentialCache<Issuer>, Arc<AtomicBool>) {
    let healed = Arc::new(AtomicBool::new(false));
    let heals = Arc::clone(&healed);
    let issuer = Issuer::issuing(move |number| {
        if number == 1 || heals.load(Ordering::SeqCst) {
            Ok(format!("KEY-{}", number.min(2)))
        } else {
            Err(error())
        }
    });
    let cache = issuer.living(HOUR).cache(policy);
    cache.credentials().await.unwrap();
    (cache, healed)
}

/// Wired as the SDK's documents say for any provider, and so with the SDK's own cache.
fn wired_by_hand(service: &Service, cache: &CredentialCache<Issuer>) -> aws_sdk_sqs::Client {
    let recovery = Recovery::new(cache.clone());
    let config = aws_sdk_sqs::config::Builder::from(&service.settings())
        .time_source(cache.source().wall())
        .credentials_provider(SdkProvider::new(cache.clone()))
        .interceptor(recovery.clone())
        .retry_classifier(recovery);
    aws_sdk_sqs::Client::from_conf(config.build())
}

/// Two clients of two services that share one recovery.
fn sharing_recovery(
    service: &Service,
    cache: &CredentialCache<Issuer>,
) -> (aws_sdk_sqs::Client, aws_sdk_dynamodb::Client) {
    let settings = sdk::config(&service.settings(), cache.clone());
    let recovery = Recovery::new(cache.clone());
    let sqs = aws_sdk_sqs::config::Builder::from(&settings)
        .interceptor(recovery.clone())
        .retry_classifier(recovery.clone());
    let dynamodb = aws_sdk_dynamodb::config::Builder::from(&settings)
        .interceptor(recovery.clone())
        .retry_classifier(recovery);
    (
        aws_sdk_sqs::Client::from_conf(sqs.build()),
        aws_sdk_dynamodb::Client::from_conf(dynamodb.build()),
    )
}

#[tokio::test(start_paused = true)]
async fn each_request_goes_out_once_for_as_long_as_it_lasts() {
    let time = StillTime::begin();
    for (name, policy) in policies() {
        let (cache, healed) = source_that_goes_down(policy, down).await;
        time.pass(seconds(2)).await;
        let service = Service::refusing_keys(["KEY-1"]).await;
        let sqs = service.sqs(cache.clone());
        let dynamodb = service.dynamodb(cache.clone());
        let db = Dynamo::new(cache.clone(), &service.settings());
        let (shared_sqs, shared_dynamodb) = sharing_recovery(&service, &cache);
        let mut sent = 0;
        for round in 0..ROUNDS {
            let (sqs, dynamodb, db) = (sqs.clone(), dynamodb.clone(), db.clone());
            let (shared_sqs, shared_dynamodb) = (shared_sqs.clone(), shared_dynamodb.clone());
            let requests = time.end(async move {
                let table = db.table("MyTable").get(("id", "1")).send::<()>().await;
                [
                    list(&sqs).await,
                    get(&dynamodb).await,
                    list(&shared_sqs).await,
                    get(&shared_dynamodb).await,
                    table.map(|_| ()).map_err(said),
                ]
            });
            for request in requests.await {
                let error = request.unwrap_err();
                // Where nothing is left to sign with, nothing goes out at all.
                sent += usize::from(error.contains(recovery_support::UNKNOWN));
            }
            assert_eq!(service.keys().len(), sent, "{name}, round {round}");
            time.pass_fast(EVERY).await;
        }
        assert!(sent >= 5, "{name}");
        if name != "no expired ones" {
            assert_eq!(sent, ROUNDS * 5, "{name}");
        }
        // It heals by itself.
        healed.store(true, Ordering::SeqCst);
        time.pass_fast(seconds(601)).await;
        time.end(async move { get(&dynamodb).await }).await.unwrap();
        assert_eq!(service.keys().last().unwrap(), "KEY-2", "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_many_that_are_rejected_at_once_each_goes_out_once() {
    const REQUESTS: usize = 30;
    let time = StillTime::begin();
    for (name, policy) in policies() {
        let (cache, _) = source_that_goes_down(policy, down).await;
        time.pass(seconds(2)).await;
        let service = Service::refusing_keys(["KEY-1"]).await;
        let client = service.dynamodb(cache);
        for round in 1..=3 {
            let all: Vec<_> = (0..REQUESTS)
                .map(|_| {
                    let client = client.clone();
                    tokio::spawn(async move { get(&client).await })
                })
                .collect();
            time.end(async move {
                for request in all {
                    request.await.unwrap().unwrap_err();
                }
            })
            .await;
            assert_eq!(service.keys().len(), round * REQUESTS, "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn so_does_that_of_a_client_that_caches_for_itself() {
    let time = StillTime::begin();
    for (name, policy) in policies() {
        let (cache, _) = source_that_goes_down(policy, down).await;
        time.pass(seconds(2)).await;
        let service = Service::refusing_keys(["KEY-1"]).await;
        let client = wired_by_hand(&service, &cache);
        for round in 1..=20 {
            let client = client.clone();
            time.end(async move { list(&client).await })
                .await
                .unwrap_err();
            assert_eq!(service.keys().len(), round, "{name}");
            time.pass_fast(EVERY).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn and_where_a_person_has_to_mend_the_source() {
    let time = StillTime::begin();
    let denied = || Error::terminal("the trust policy does not admit the caller");
    let (cache, _) = source_that_goes_down(RefreshPolicy::default(), denied).await;
    time.pass(seconds(2)).await;
    let service = Service::refusing_keys(["KEY-1"]).await;
    let client = service.sqs(cache.clone());
    for round in 1..=20 {
        let sqs = client.clone();
        let error = time.end(async move { list(&sqs).await }).await.unwrap_err();
        if round == 1 {
            assert!(error.contains("does not admit the caller"), "{error}");
        }
        assert_eq!(service.keys().len(), round);
        time.pass_fast(EVERY).await;
    }
    assert!(cache.status().last_error.unwrap().terminal);
}
