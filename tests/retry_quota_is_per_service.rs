//! Promise: each service has a retry quota of its own though its clients share one `Recovery`, repeats with a new
//! key take nothing from any, and a retry partition that a client was given is left alone.
#![cfg(feature = "table")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod recovery_support;
mod support;

use aws_credential_strategies::sdk::{self, Recovery};
use aws_credential_strategies::{CredentialCache, RefreshPolicy, Region, SdkConfig};
use aws_sdk_sqs::config::retry::RetryPartition;
use aws_smithy_runtime::client::retries::TokenBucket;
use recovery_support::{Answer, Issuer, Recorded, UNKNOWN, get, list};

/// The SDK's: 500 tokens, of which a retry after a failure of the service takes 10.
const QUOTA: usize = 50;
const REQUESTS: usize = 100;
/// More than any quota here has retries for.
const AT_ONCE: usize = 150;

async fn cache() -> CredentialCache<Issuer> {
    let cache = Issuer::new().cache(RefreshPolicy::default());
    cache.credentials().await.unwrap();
    cache
}

fn failing() -> Recorded {
    Recorded::answering(|_| Answer::error("InternalServerError").status(500))
}

struct Shared {
    settings: SdkConfig,
    recovery: Recovery,
}

impl Shared {
    fn of(service: &Recorded, cache: &CredentialCache<Issuer>) -> Self {
        Shared {
            settings: sdk::config(&service.settings(), cache.clone()),
            recovery: Recovery::new(cache.clone()),
        }
    }

    fn sqs(&self, partition: Option<RetryPartition>) -> aws_sdk_sqs::Client {
        self.sqs_in("us-east-1", partition)
    }

    fn sqs_in(
        &self,
        region: &'static str,
        partition: Option<RetryPartition>,
    ) -> aws_sdk_sqs::Client {
        let mut builder = aws_sdk_sqs::config::Builder::from(&self.settings)
            .region(Region::from_static(region))
            .interceptor(self.recovery.clone())
            .retry_classifier(self.recovery.clone());
        builder.set_retry_partition(partition);
        aws_sdk_sqs::Client::from_conf(builder.build())
    }

    fn dynamodb(&self, partition: Option<RetryPartition>) -> aws_sdk_dynamodb::Client {
        let mut builder = aws_sdk_dynamodb::config::Builder::from(&self.settings)
            .interceptor(self.recovery.clone())
            .retry_classifier(self.recovery.clone());
        builder.set_retry_partition(partition);
        aws_sdk_dynamodb::Client::from_conf(builder.build())
    }
}

/// What so many requests that fail cost in retries.
async fn retries_of_sqs(service: &Recorded, client: &aws_sdk_sqs::Client) -> usize {
    let before = service.keys().len();
    for _ in 0..REQUESTS {
        list(client).await.unwrap_err();
    }
    service.keys().len() - before - REQUESTS
}

async fn retries_of_dynamodb(service: &Recorded, client: &aws_sdk_dynamodb::Client) -> usize {
    let before = service.keys().len();
    for _ in 0..REQUESTS {
        get(client).await.unwrap_err();
    }
    service.keys().len() - before - REQUESTS
}

#[tokio::test(start_paused = true)]
async fn it_is_the_quota_that_the_sdk_gives() {
    let cache = cache().await;
    let service = failing();
    let settings = sdk::config(&service.settings(), cache);
    let builder = aws_sdk_sqs::config::Builder::from(&settings);
    let builder = builder.region(Region::from_static("sa-east-1"));
    let plain = aws_sdk_sqs::Client::from_conf(builder.build());
    assert_eq!(retries_of_sqs(&service, &plain).await, QUOTA);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_fails_takes_nothing_from_another_nor_from_its_own_in_another_region() {
    let cache = cache().await;
    let service = failing();
    let shared = Shared::of(&service, &cache);
    let own = || Some(shared.recovery.retry_partition());
    assert_eq!(retries_of_sqs(&service, &shared.sqs(own())).await, QUOTA);
    let again = retries_of_sqs(&service, &shared.sqs(own())).await;
    // The SDK gives back a little for each request that it did not retry.
    assert!(again < 5, "all clients of a service share one: {again}");
    let elsewhere = shared.sqs_in("eu-west-1", own());
    assert_eq!(retries_of_sqs(&service, &elsewhere).await, QUOTA);
    let dynamodb = shared.dynamodb(own());
    assert_eq!(retries_of_dynamodb(&service, &dynamodb).await, QUOTA);
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_a_client_was_given_is_left_alone() {
    let cache = cache().await;
    let service = failing();
    let shared = Shared::of(&service, &cache);
    // The recovery's own is in use elsewhere.
    let _ = shared.dynamodb(Some(shared.recovery.retry_partition()));
    let bucket = TokenBucket::builder().capacity(70).build();
    let own = RetryPartition::custom("mine").token_bucket(bucket).build();
    let client = shared.sqs(Some(own.clone()));
    assert_eq!(retries_of_sqs(&service, &client).await, 7);
    let other = shared.dynamodb(Some(own));
    assert_eq!(
        retries_of_dynamodb(&service, &other).await,
        0,
        "whoever was given it shares it"
    );
}

#[tokio::test(start_paused = true)]
async fn repeats_with_a_new_key_take_nothing_from_any_quota() {
    for partition in ["none", "the recovery's", "one's own"] {
        let cache = cache().await;
        let revoked = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
        let upto = std::sync::Arc::clone(&revoked);
        let broken = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let breaks = std::sync::Arc::clone(&broken);
        let service = Recorded::answering(move |seen| {
            use std::sync::atomic::Ordering::SeqCst;
            let number: u64 = seen.key.trim_start_matches("KEY-").parse().unwrap();
            if number <= upto.load(SeqCst) {
                Answer::error(UNKNOWN)
            } else if breaks.load(SeqCst) {
                Answer::error("InternalServerError").status(500)
            } else {
                Answer::ok()
            }
        });
        let shared = Shared::of(&service, &cache);
        let (given, quota) = match partition {
            "none" => (None, None),
            "the recovery's" => (Some(shared.recovery.retry_partition()), Some(QUOTA)),
            _ => {
                let bucket = TokenBucket::builder().capacity(100).build();
                let own = RetryPartition::custom("its own").token_bucket(bucket);
                (Some(own.build()), Some(10))
            }
        };
        // A region of its own: the SDK's partitions are the process's.
        let client = shared.sqs_in("ap-south-1", given);
        revoked.store(1, std::sync::atomic::Ordering::SeqCst);
        // At once: a repeat that succeeds would give back what it took.
        let requests: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move { list(&client).await })
            })
            .collect();
        for request in requests {
            request.await.unwrap().unwrap();
        }
        assert_eq!(service.keys().len(), 2 * AT_ONCE, "{partition}");
        broken.store(true, std::sync::atomic::Ordering::SeqCst);
        let quota = quota.unwrap_or(QUOTA);
        assert_eq!(
            retries_of_sqs(&service, &client).await,
            quota,
            "{partition}"
        );
    }
}
