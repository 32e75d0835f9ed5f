//! Promise: a token for a database or queue is what the service's own generators make, ends with the
//! earlier of 15 minutes and its session, and is made without I/O while there are credentials.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use aws_credential_strategies::refresh::Clock;
use aws_credential_strategies::token::{
    ElastiCacheToken, MAX_TOKEN_LIFE, MskToken, RdsToken, RdsTokenBuilder, Token,
};
use aws_credential_strategies::{
    CredentialCache, CredentialFault, CredentialSource, CredentialStrategy, Credentials, Error,
    ErrorKind, RefreshPolicy, Result,
};
use aws_smithy_async::time::StaticTimeSource;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};
use support::{HOUR, SECRET, TOKEN, Wall, seconds};

/// Answers with these credentials each time, and counts.
#[derive(Clone, Debug)]
struct Fixed {
    credentials: Credentials,
    calls: Arc<AtomicUsize>,
}

impl CredentialSource for Fixed {
    fn name(&self) -> &'static str {
        "Fixed"
    }

    async fn fetch(&self) -> Result<Credentials> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        Ok(self.credentials.clone())
    }
}

fn fixed(
    secret: &str,
    token: Option<&str>,
    expiry: Option<SystemTime>,
    clock: &Clock,
) -> (CredentialCache<Fixed>, Arc<AtomicUsize>) {
    let key_id = match token {
        Some(_) => "ASIAEXAMPLE",
        None => "AKIAEXAMPLE",
    };
    let token = token.map(str::to_owned);
    let calls = Arc::new(AtomicUsize::new(0));
    let source = Fixed {
        credentials: Credentials::new(key_id, secret, token, expiry, "Fixed"),
        calls: Arc::clone(&calls),
    };
    let cache = CredentialCache::new(source, RefreshPolicy::default()).with_clock(clock.clone());
    (cache, calls)
}

fn rds<S: CredentialStrategy>(strategy: S) -> RdsTokenBuilder<S> {
    RdsToken::builder(strategy)
        .host("db.abc123.us-east-1.rds.amazonaws.com")
        .port(5432)
        .user("app")
        .region("us-east-1")
}

/// Host and path, and the query as a map: its order is nobody's promise.
fn taken_apart(url: &str) -> (String, BTreeMap<String, String>) {
    let (target, query) = url.split_once('?').unwrap();
    let pairs = query.split('&').map(|pair| {
        let (name, value) = pair.split_once('=').unwrap();
        (name.to_owned(), value.to_owned())
    });
    (target.to_owned(), pairs.collect())
}

/// Signed by another signer, botocore's, with the credentials and at the time that the file says.
#[tokio::test]
async fn tokens_are_those_of_another_signer() {
    let golden: Value = serde_json::from_str(include_str!("data/tokens.json")).unwrap();
    let signed_at = golden["signed_at"].as_str().unwrap();
    let signed_at = DateTime::from_str(signed_at, Format::DateTime).unwrap();
    let clock = Clock::with_wall(StaticTimeSource::new(
        SystemTime::try_from(signed_at).unwrap(),
    ));
    let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    let cases = golden["tokens"].as_array().unwrap();
    assert_eq!(cases.len(), 16);
    for case in cases {
        let text = |name: &str| case[name].as_str().unwrap();
        let session = (text("credentials") == "session").then_some("FwoGZXIvYXdzEXAMPLE/+token==");
        let (strategy, _) = fixed(secret, session, None, &clock);
        let cache = |builder: aws_credential_strategies::token::ElastiCacheTokenBuilder<_>| {
            let builder = builder.user(text("user")).region(text("region"));
            builder.clock(clock.clone()).build().unwrap()
        };
        let builder = ElastiCacheToken::builder(strategy.clone());
        let token = match text("kind") {
            "rds" => {
                let port = u16::try_from(case["port"].as_u64().unwrap()).unwrap();
                let builder = RdsToken::builder(strategy).host(text("host")).port(port);
                let builder = builder.user(text("user")).region(text("region"));
                builder.clock(clock.clone()).build().unwrap().token().await
            }
            "replication_group" => {
                cache(builder.replication_group(text("cache")))
                    .token()
                    .await
            }
            "serverless_cache" => cache(builder.serverless_cache(text("cache"))).token().await,
            "memory_db_cluster" => {
                cache(builder.memory_db_cluster(text("cache")))
                    .token()
                    .await
            }
            "msk" => {
                let builder = MskToken::builder(strategy).region(text("region"));
                builder.clock(clock.clone()).build().unwrap().token().await
            }
            other => panic!("{other}"),
        };
        let token = token.unwrap();
        let mut expected = taken_apart(text("url"));
        let made = if text("kind") == "msk" {
            let agent = format!("aws-credential-strategies%2F{}", env!("CARGO_PKG_VERSION"));
            expected.1.insert("User-Agent".to_owned(), agent);
            String::from_utf8(URL_SAFE_NO_PAD.decode(token.as_str()).unwrap()).unwrap()
        } else {
            token.as_str().to_owned()
        };
        assert_eq!(taken_apart(&made), expected, "{case}");
        assert!(!made.contains('+'), "a space is %20: {made}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_ends_with_its_session_or_after_15_minutes() {
    let wall = Wall::starting();
    let clock = Clock::with_wall(wall.clone());
    let start = clock_now(&wall);
    let (strategy, calls) = fixed(SECRET, Some(TOKEN), Some(start + HOUR), &clock);
    let tokens = rds(strategy).clock(clock).build().unwrap();
    let end = |token: Token| token.expires_at().duration_since(start).unwrap();
    assert_eq!(end(tokens.token().await.unwrap()), MAX_TOKEN_LIFE);
    assert_eq!(end(tokens.current().unwrap()), MAX_TOKEN_LIFE);
    // ten minutes before the end of the session
    tokio::time::advance(seconds(3000)).await;
    assert_eq!(end(tokens.current().unwrap()), HOUR);
    assert_eq!(calls.load(Ordering::Relaxed), 1, "made from memory");
}

#[tokio::test(start_paused = true)]
async fn a_token_of_credentials_without_end_is_good_for_15_minutes() {
    let wall = Wall::starting();
    let clock = Clock::with_wall(wall.clone());
    let (strategy, _) = fixed(SECRET, None, None, &clock);
    let tokens = rds(strategy).clock(clock).build().unwrap();
    let token = tokens.valid_for(MAX_TOKEN_LIFE).await.unwrap();
    assert_eq!(token.expires_at(), clock_now(&wall) + MAX_TOKEN_LIFE);
}

#[tokio::test(start_paused = true)]
async fn a_wish_for_life_is_met_by_a_new_session() {
    let wall = Wall::starting();
    let clock = Clock::with_wall(wall.clone());
    let start = clock_now(&wall);
    let renewed = Renewing {
        wall: wall.clone(),
        calls: Arc::default(),
    };
    let calls = Arc::clone(&renewed.calls);
    let strategy =
        CredentialCache::new(renewed, RefreshPolicy::default()).with_clock(clock.clone());
    let tokens = rds(strategy).clock(clock).build().unwrap();
    tokens.token().await.unwrap();
    tokio::time::advance(seconds(3000)).await;
    let token = tokens.valid_for(seconds(700)).await.unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    assert_eq!(token.expires_at(), start + seconds(3000) + MAX_TOKEN_LIFE);
}

/// A session of one hour from each call on.
#[derive(Debug)]
struct Renewing {
    wall: Wall,
    calls: Arc<AtomicUsize>,
}

impl CredentialSource for Renewing {
    fn name(&self) -> &'static str {
        "Renewing"
    }

    async fn fetch(&self) -> Result<Credentials> {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        let end = clock_now(&self.wall) + HOUR;
        let key_id = format!("ASIA{number}");
        Ok(Credentials::new(
            key_id,
            SECRET,
            Some(TOKEN.to_owned()),
            Some(end),
            "Renewing",
        ))
    }
}

#[tokio::test]
async fn a_wish_longer_than_a_token_lives_is_refused() {
    let (strategy, calls) = fixed(SECRET, None, None, &Clock::system());
    let tokens = rds(strategy).build().unwrap();
    let error = tokens
        .valid_for(MAX_TOKEN_LIFE + Duration::from_secs(1))
        .await
        .unwrap_err();
    assert_eq!(error.field(), Some("min"));
    assert_eq!(calls.load(Ordering::Relaxed), 0, "nothing was fetched");
}

#[test]
fn who_cannot_wait_is_told_to_wait_once() {
    let (strategy, _) = fixed(SECRET, None, None, &Clock::system());
    let error = rds(strategy).build().unwrap().current().unwrap_err();
    assert_eq!(
        *error.kind(),
        ErrorKind::Credential(CredentialFault::Unavailable)
    );
    assert_eq!(
        error.to_string(),
        "sign a token via Fixed: there are no credentials to sign with yet; await `token()` once before the first call that cannot wait"
    );
}

#[test]
fn a_setting_that_cannot_be_is_named() {
    let strategy = || fixed(SECRET, None, None, &Clock::system()).0;
    let field = |error: Error| error.field().unwrap().to_owned();
    let of = |change: fn(RdsTokenBuilder<_>) -> RdsTokenBuilder<_>| {
        field(change(rds(strategy())).build().unwrap_err())
    };
    assert_eq!(of(|b| b.host("")), "host");
    assert_eq!(of(|b| b.host("https://db")), "host");
    assert_eq!(of(|b| b.host("db:5432")), "host");
    assert_eq!(of(|b| b.host("db/x?y")), "host");
    assert_eq!(of(|b| b.port(0)), "port");
    assert_eq!(of(|b| b.user("")), "user");
    assert_eq!(of(|b| b.user("a\nb")), "user");
    assert_eq!(of(|b| b.region("us east")), "region");
    assert_eq!(of(|b| b.region("eu-west-1")), "region");
    let missing = RdsToken::builder(strategy()).build().unwrap_err();
    assert_eq!(field(missing), "host");
    let missing = MskToken::builder(strategy()).build().unwrap_err();
    assert_eq!(field(missing), "region");
    let endpoint = ElastiCacheToken::builder(strategy())
        .replication_group("master.sessions.abc.euc1.cache.amazonaws.com")
        .user("app")
        .region("eu-central-1")
        .build();
    assert_eq!(field(endpoint.unwrap_err()), "cache");
    let other_region = rds(strategy()).region("eu-west-1").build().unwrap_err();
    assert_eq!(
        other_region.to_string(),
        "configure: region: expected us-east-1, where db.abc123.us-east-1.rds.amazonaws.com is, got eu-west-1"
    );
}

/// The writer of an Aurora Global Database is in one region at a time, and its name is of none.
#[tokio::test]
async fn a_global_endpoint_is_signed_for_the_region_that_is_given() {
    const HOST: &str = "my.global-abc123.global.rds.amazonaws.com";
    let strategy = || fixed(SECRET, Some(TOKEN), None, &Clock::system()).0;
    for region in ["us-east-1", "eu-west-1"] {
        let tokens = rds(strategy()).host(HOST).region(region).build().unwrap();
        let token = tokens.token().await.unwrap();
        let (target, mut query) = taken_apart(token.as_str());
        assert_eq!(target, format!("{HOST}:5432/"));
        let scope = query.remove("X-Amz-Credential").unwrap();
        assert!(
            scope.contains(&format!("%2F{region}%2Frds-db%2F")),
            "{scope}"
        );
    }
    let global = || {
        RdsToken::builder(strategy())
            .host(HOST)
            .port(5432)
            .user("app")
    };
    for (error, said) in [
        (
            global().build().unwrap_err(),
            "configure: region: missing: the region that the writer is in, such as us-east-1; \
             my.global-abc123.global.rds.amazonaws.com is a global endpoint, whose name tells none",
        ),
        (
            global().region("global").build().unwrap_err(),
            "configure: region: expected the region that the writer is in, such as us-east-1, got global; \
             my.global-abc123.global.rds.amazonaws.com is a global endpoint, whose name tells none",
        ),
    ] {
        assert_eq!(error.field(), Some("region"));
        assert_eq!(error.to_string(), said);
    }
}

#[tokio::test]
async fn nothing_of_a_token_shows() {
    let strategy: Arc<dyn CredentialStrategy> =
        Arc::new(fixed(SECRET, Some(TOKEN), None, &Clock::system()).0);
    let tokens = rds(strategy).build().unwrap();
    let token = tokens.token().await.unwrap();
    let signature = taken_apart(token.as_str()).1.remove("X-Amz-Signature");
    let shown = format!("{tokens:?} {token:?} {tokens:#?} {token:#?}");
    for secret in [SECRET, TOKEN, &signature.unwrap()] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

fn clock_now(wall: &Wall) -> SystemTime {
    aws_smithy_async::time::TimeSource::now(wall)
}
