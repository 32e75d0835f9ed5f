//! aws-sdk-rds's generator with a strategy in its `SdkConfig`, and this crate's tokens beside it.

use super::{REQUESTS, started};
use aws_credential_strategies::refresh::Clock;
use aws_credential_strategies::sdk;
use aws_credential_strategies::token::RdsToken;
use aws_credential_types::Credentials;
use aws_sdk_rds::auth_token::{AuthTokenGenerator, Config};
use aws_smithy_async::time::{SharedTimeSource, StaticTimeSource};
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use aws_types::SdkConfig;
use aws_types::region::Region;
use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const CASES: [(&str, u16, &str, &str); 4] = [
    (
        "db.abc123.us-east-1.rds.amazonaws.com",
        5432,
        "app",
        "us-east-1",
    ),
    (
        "db.proxy-abc123.eu-central-1.rds.amazonaws.com",
        3306,
        "Jane.Doe",
        "eu-central-1",
    ),
    (
        "db.cluster-ro-abc.cn-north-1.rds.amazonaws.com.cn",
        65535,
        "app_user-1",
        "cn-north-1",
    ),
    (
        "db.abc123.us-gov-west-1.rds.amazonaws.com",
        1,
        "a~b",
        "us-gov-west-1",
    ),
];

/// Before the sessions of the test end, and to the second.
fn signed_at() -> SystemTime {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    UNIX_EPOCH + Duration::from_secs(now.as_secs())
}

/// The parts of the query have no order.
fn parts(token: &str) -> (&str, BTreeSet<&str>) {
    let (target, query) = token.split_once('?').unwrap();
    (target, query.split('&').collect())
}

#[tokio::test]
async fn both_make_the_same_tokens_from_one_session() {
    let (s3, strategy) = started().await;
    let time = SharedTimeSource::new(StaticTimeSource::new(signed_at()));
    let settings = SdkConfig::builder().time_source(time.clone());
    let settings = sdk::config(&settings.build(), strategy.clone());
    for (host, port, user, region) in CASES {
        let config = Config::builder()
            .hostname(host)
            .port(port.into())
            .username(user)
            .region(Region::new(region))
            .build();
        let theirs = AuthTokenGenerator::new(config.unwrap());
        let theirs = theirs.auth_token(&settings).await.unwrap();
        let ours = RdsToken::builder(strategy.clone())
            .host(host)
            .port(port)
            .user(user)
            .region(region)
            .clock(Clock::with_wall(time.clone()))
            .build()
            .unwrap();
        let ours = ours.token().await.unwrap();
        assert_eq!(parts(ours.as_str()), parts(theirs.as_str()));
    }
    assert_eq!(s3.sessions().fetches(), 1);
}

/// The golden values of the main crate's tests, which another signer has made, are what this generator makes.
#[tokio::test]
async fn the_golden_values_are_its_own() {
    let golden = include_str!("../../../../tests/data/tokens.json");
    let golden: serde_json::Value = serde_json::from_str(golden).unwrap();
    let signed_at = golden["signed_at"].as_str().unwrap();
    let signed_at = DateTime::from_str(signed_at, Format::DateTime).unwrap();
    let time = StaticTimeSource::new(SystemTime::try_from(signed_at).unwrap());
    let time = SharedTimeSource::new(time);
    let mut compared = 0;
    for case in golden["tokens"].as_array().unwrap() {
        let text = |name: &str| case[name].as_str().unwrap();
        // it writes a user as it is, so of those that have to be encoded it makes another token
        let plain = |user: &str| {
            user.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
        };
        if text("kind") != "rds" || !plain(text("user")) {
            continue;
        }
        let session = text("credentials") == "session";
        let key_id = if session {
            "ASIAEXAMPLE"
        } else {
            "AKIAEXAMPLE"
        };
        let token = session.then(|| "FwoGZXIvYXdzEXAMPLE/+token==".to_owned());
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let credentials = Credentials::new(key_id, secret, token, None, "test");
        let config = Config::builder()
            .credentials(credentials)
            .hostname(text("host"))
            .port(case["port"].as_u64().unwrap())
            .username(text("user"))
            .region(Region::new(text("region").to_owned()))
            .build();
        let settings = SdkConfig::builder().time_source(time.clone());
        let generator = AuthTokenGenerator::new(config.unwrap());
        let made = generator.auth_token(&settings.build()).await.unwrap();
        assert_eq!(parts(made.as_str()), parts(text("url")), "{case}");
        compared += 1;
    }
    assert!(compared >= 4, "{compared}");
}

#[tokio::test]
async fn its_generator_is_answered_from_memory() {
    let (s3, strategy) = started().await;
    let settings = SdkConfig::builder().time_source(SharedTimeSource::default());
    let settings = sdk::config(&settings.build(), strategy);
    let (host, port, user, region) = CASES[0];
    let config = Config::builder()
        .hostname(host)
        .port(port.into())
        .username(user);
    let config = config.region(Region::new(region)).build().unwrap();
    let generator = AuthTokenGenerator::new(config);
    for _ in 0..REQUESTS {
        generator.auth_token(&settings).await.unwrap();
    }
    assert_eq!(s3.sessions().fetches(), 1);
}
