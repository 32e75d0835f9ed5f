//! Promise: a key is more than its id. A source that changes the session token under the same id, or brings two keys
//! in turn, is recovered from each time, in whatever client, and no row of rejections is left behind.
#![cfg(feature = "table")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod recovery_support;
mod support;

use aws_credential_strategies::refresh::{Backoff, Clock};
use aws_credential_strategies::sdk::{self, Recovery, SdkProvider};
use aws_credential_strategies::source::Base;
use aws_credential_strategies::{
    AssumeRole, CredentialCache, CredentialSource, CredentialStrategy, Credentials, RefreshMode,
    RefreshPolicy, Result,
};
use aws_smithy_async::time::TimeSource;
use aws_smithy_runtime_api::client::http::{SharedHttpConnector, http_client_fn};
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use recovery_support::{Answer, Issuer, Recorded, Seen, UNKNOWN, get};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;
use support::{HOUR, SECRET, TOKEN, Wall, seconds};

fn policies() -> [(&'static str, RefreshPolicy); 4] {
    let ours = RefreshPolicy::default();
    [
        ("background", ours),
        ("on demand", ours.mode(RefreshMode::OnDemand)),
        ("fixed", ours.backoff(Backoff::fixed(seconds(5)))),
        ("aws_spec", RefreshPolicy::aws_spec()),
    ]
}

/// One key id, whose secret and token are those of a version.
#[derive(Clone, Debug)]
struct Mended {
    version: Arc<AtomicU64>,
    expiry: Option<SystemTime>,
}

impl Mended {
    fn until(expiry: Option<SystemTime>) -> Self {
        let version = Arc::new(AtomicU64::new(1));
        Mended { version, expiry }
    }

    /// What was had before is dead from now on.
    fn mend(&self) {
        self.version.fetch_add(1, Ordering::SeqCst);
    }

    fn is_shown(&self, seen: &Seen) -> bool {
        let token = seen.headers["x-amz-security-token"].to_str().unwrap();
        token.ends_with(&format!("-{}", self.version.load(Ordering::SeqCst)))
    }

    /// A service that knows the newest alone.
    fn service(&self) -> Recorded {
        let own = self.clone();
        Recorded::answering(move |seen| {
            if own.is_shown(seen) {
                Answer::ok()
            } else {
                Answer::error(UNKNOWN)
            }
        })
    }
}

/// Another token with each fetch.
#[derive(Debug)]
struct Restless(Mended);

impl CredentialSource for Restless {
    fn name(&self) -> &'static str {
        "Restless"
    }

    async fn fetch(&self) -> Result<Credentials> {
        self.0.mend();
        self.0.fetch().await
    }
}

impl CredentialSource for Mended {
    fn name(&self) -> &'static str {
        "Mended"
    }

    async fn fetch(&self) -> Result<Credentials> {
        let version = self.version.load(Ordering::SeqCst);
        let (secret, token) = (format!("{SECRET}-{version}"), format!("{TOKEN}-{version}"));
        Ok(Credentials::new(
            "KEY",
            secret,
            Some(token),
            self.expiry,
            "test",
        ))
    }
}

#[tokio::test(start_paused = true)]
async fn the_token_of_one_key_id_may_change_again_and_again() {
    for (name, policy) in policies() {
        for expires in [true, false] {
            let wall = Wall::starting();
            let source = Mended::until(expires.then(|| wall.now() + 12 * HOUR));
            let service = source.service();
            let cache =
                CredentialCache::new(source.clone(), policy).with_clock(Clock::with_wall(wall));
            let config = sdk::client_config!(aws_sdk_dynamodb, &service.settings(), cache.clone());
            let client = aws_sdk_dynamodb::Client::from_conf(config);
            get(&client).await.unwrap();
            for change in 1..=3 {
                tokio::time::sleep(HOUR / 2).await;
                source.mend();
                let read = get(&client).await;
                assert!(read.is_ok(), "{name}, change {change}: {read:?}");
                assert_eq!(cache.status().rejections_in_a_row, 0, "{name}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_refusal_of_the_token_before_says_nothing_of_the_new_one() {
    let wall = Wall::starting();
    let source = Mended::until(Some(wall.now() + 12 * HOUR));
    let cache = CredentialCache::new(source.clone(), RefreshPolicy::default())
        .with_clock(Clock::with_wall(wall));
    let (own, number) = (source.clone(), AtomicU64::new(0));
    let service = Recorded::answering_later(move |seen| {
        let is_known = own.is_shown(&seen);
        let is_late = !is_known && number.fetch_add(1, Ordering::SeqCst) % 2 == 0;
        async move {
            if is_late {
                tokio::time::sleep(seconds(2)).await;
            }
            if is_known {
                Answer::ok()
            } else {
                Answer::error(UNKNOWN)
            }
        }
    });
    let config = sdk::client_config!(aws_sdk_dynamodb, &service.settings(), cache.clone());
    let client = aws_sdk_dynamodb::Client::from_conf(config);
    get(&client).await.unwrap();
    tokio::time::sleep(seconds(60)).await;
    source.mend();
    let (one, other) = tokio::join!(get(&client), get(&client));
    one.unwrap();
    other.unwrap();
    let status = cache.status();
    assert!(!status.suspected && !status.invalidated);
    assert_eq!(status.rejections_in_a_row, 0);
}

/// With the provider alone, and so with the SDK's own cache, which keeps the old token.
#[tokio::test(start_paused = true)]
async fn a_client_with_a_cache_of_its_own_is_signed_for_with_the_new_token() {
    let source = Mended::until(Some(SystemTime::now() + 12 * HOUR));
    let service = source.service();
    let cache = CredentialCache::new(source.clone(), RefreshPolicy::default());
    let recovery = Recovery::new(cache.clone());
    let config = aws_sdk_dynamodb::config::Builder::from(&service.settings())
        .credentials_provider(SdkProvider::new(cache))
        .interceptor(recovery.clone())
        .retry_classifier(recovery)
        .build();
    let client = aws_sdk_dynamodb::Client::from_conf(config);
    get(&client).await.unwrap();
    tokio::time::sleep(seconds(60)).await;
    source.mend();
    for read in 1..=5 {
        let answer = get(&client).await;
        assert!(answer.is_ok(), "read {read}: {answer:?}");
        tokio::time::sleep(seconds(30)).await;
    }
    assert_eq!(service.keys().len(), 1 + 5 + 1, "one request was repeated");
}

/// Each is dead half an hour after it was last accepted, when the other one is good again.
#[tokio::test(start_paused = true)]
async fn a_source_may_bring_two_keys_in_turn() {
    for (name, policy) in policies() {
        let issuer = Issuer::issuing(|nth| Ok(["KEY-B", "KEY-A"][nth as usize % 2].to_owned()))
            .living(120 * HOUR);
        let cache = issuer.cache(policy);
        let dead = Arc::new(Mutex::new(""));
        let is_dead = Arc::clone(&dead);
        let service = Recorded::answering(move |seen| {
            if seen.key == *is_dead.lock().unwrap() {
                Answer::error(UNKNOWN)
            } else {
                Answer::ok()
            }
        });
        let config = sdk::client_config!(aws_sdk_dynamodb, &service.settings(), cache.clone());
        let client = aws_sdk_dynamodb::Client::from_conf(config);
        get(&client).await.unwrap();
        for turn in ["KEY-A", "KEY-B", "KEY-A", "KEY-B"] {
            tokio::time::sleep(HOUR / 2).await;
            *dead.lock().unwrap() = turn;
            let read = get(&client).await;
            assert!(read.is_ok(), "{name}, {turn}: {read:?}");
            assert_eq!(cache.status().rejections_in_a_row, 0, "{name}, {turn}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_role_is_assumed_with_the_new_token_of_its_base() {
    let wall = Wall::starting();
    let source = Mended::until(Some(wall.now() + 12 * HOUR));
    let base = CredentialCache::new(source.clone(), RefreshPolicy::default())
        .with_clock(Clock::with_wall(wall.clone()));
    base.credentials().await.unwrap();
    tokio::time::sleep(seconds(60)).await;
    source.mend();
    let ends = DateTime::from(wall.now() + HOUR)
        .fmt(Format::DateTime)
        .unwrap();
    let sts = Recorded::answering(move |seen| {
        if source.is_shown(seen) {
            assumed(&ends)
        } else {
            refusal("ExpiredToken")
        }
    });
    let role = role_at(&sts, base, wall);
    role.credentials().await.unwrap();
    assert_eq!(sts.keys().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_base_of_one_key_id_is_left_alone_by_an_sts_that_refuses_each_of_its_tokens() {
    let wall = Wall::starting();
    let source = Mended::until(Some(wall.now() + 12 * HOUR));
    let base = CredentialCache::new(Restless(source.clone()), RefreshPolicy::default())
        .with_clock(Clock::with_wall(wall.clone()));
    let accepting = Recorded::answering(|_| Answer::ok());
    let settings = accepting.settings();
    let healthy = sdk::client_config!(aws_sdk_dynamodb, &settings, base.clone());
    let healthy = aws_sdk_dynamodb::Client::from_conf(healthy);
    let sts = Recorded::answering(|_| refusal("ExpiredToken"));
    let role = role_at(&sts, base, wall);
    for _ in 0..59 {
        get(&healthy).await.unwrap();
        role.credentials().await.unwrap_err();
        tokio::time::sleep(seconds(10)).await;
    }
    let fetches = source.version.load(Ordering::SeqCst) - 1;
    assert!(fetches <= 3, "{fetches}");
}

fn role_at(sts: &Recorded, base: impl CredentialStrategy, wall: Wall) -> AssumeRole {
    let connector = SharedHttpConnector::new(sts.clone());
    AssumeRole::builder("arn:aws:iam::123456789012:role/App")
        .region("us-east-1")
        .http_client(http_client_fn(move |_, _| connector.clone()))
        .base(Base::strategy(base))
        .clock(Clock::with_wall(wall))
        .build()
        .unwrap()
}

fn refusal(code: &str) -> Answer {
    Answer::new(
        403,
        format!(
            "<ErrorResponse><Error><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>"
        ),
    )
}

fn assumed(ends: &str) -> Answer {
    Answer::new(
        200,
        format!(
            "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIA0</AccessKeyId>\
             <SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>\
             <Expiration>{ends}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
        ),
    )
}
