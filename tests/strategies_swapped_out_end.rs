//! Promise: a strategy that is swapped out ends with its last user. Its source is dropped and never asked
//! again, whatever the client or the settings it was taken out of go on to do.
#![cfg(feature = "table")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod recovery_support;
mod support;

use aws_credential_strategies::sdk::{self, Recovery, SdkProvider};
use aws_credential_strategies::{
    CredentialCache, CredentialSource, CredentialStrategy, Credentials, Dynamo, RefreshPolicy,
    Result, SdkConfig, Table,
};
use aws_sdk_dynamodb::types::AttributeValue;
use recovery_support::{Answer, Issuer, Recorded};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use support::{HOUR, pass};

/// A source that says when it is dropped.
#[derive(Debug)]
struct Mortal {
    issuer: Issuer,
    dropped: Arc<AtomicBool>,
}

impl Drop for Mortal {
    fn drop(&mut self) {
        self.dropped.store(true, Ordering::SeqCst);
    }
}

impl CredentialSource for Mortal {
    fn name(&self) -> &'static str {
        "Mortal"
    }

    async fn fetch(&self) -> Result<Credentials> {
        self.issuer.fetch().await
    }
}

/// What is left of a strategy when it is handed over.
struct Watch {
    issuer: Issuer,
    dropped: Arc<AtomicBool>,
}

fn mortal() -> (CredentialCache<Mortal>, Watch) {
    let issuer = Issuer::new().living(HOUR);
    let dropped = Arc::new(AtomicBool::new(false));
    let source = Mortal {
        issuer: issuer.clone(),
        dropped: Arc::clone(&dropped),
    };
    let clock = aws_credential_strategies::refresh::Clock::with_wall(issuer.wall());
    let cache = CredentialCache::new(source, RefreshPolicy::default()).with_clock(clock);
    (cache, Watch { issuer, dropped })
}

impl Watch {
    /// Refreshed once so far, in use, and so it would be in an hour.
    async fn assert_alive(&self) {
        let before = self.issuer.fetches();
        assert!(before >= 1, "it has been asked");
        pass(HOUR).await;
        assert!(!self.dropped.load(Ordering::SeqCst));
        assert!(self.issuer.fetches() > before, "its timer runs");
    }

    async fn assert_ended(&self) {
        let before = self.issuer.fetches();
        pass(3 * HOUR).await;
        assert!(self.dropped.load(Ordering::SeqCst), "its source is dropped");
        assert_eq!(self.issuer.fetches(), before, "and was not asked again");
    }
}

fn service() -> Recorded {
    Recorded::answering(|_| Answer::ok())
}

fn dynamodb(settings: &SdkConfig) -> aws_sdk_dynamodb::Client {
    aws_sdk_dynamodb::Client::new(settings)
}

async fn get(client: &aws_sdk_dynamodb::Client) {
    let id = AttributeValue::S("123".to_owned());
    let get = client.get_item().table_name("MyTable").key("id", id);
    get.send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn settings_over_settings() {
    let ((first, watch), (second, of_second)) = (mortal(), mortal());
    let settings = sdk::config(&service().settings(), first);
    let client = dynamodb(&settings);
    get(&client).await;
    watch.assert_alive().await;
    let over = sdk::config(&settings, second);
    let of_over = dynamodb(&over);
    get(&of_over).await;
    drop((settings, client));
    watch.assert_ended().await;
    get(&of_over).await;
    of_second.assert_alive().await;
}

#[tokio::test(start_paused = true)]
async fn settings_over_settings_many_times() {
    let mut settings = service().settings();
    let mut watches = Vec::new();
    for _ in 0..20 {
        let (strategy, watch) = mortal();
        settings = sdk::config(&settings, strategy);
        get(&dynamodb(&settings)).await;
        watches.push(watch);
    }
    let last = watches.pop().unwrap();
    for watch in watches {
        watch.assert_ended().await;
    }
    last.assert_alive().await;
}

#[tokio::test(start_paused = true)]
async fn a_table_client_made_of_another() {
    let ((first, watch), (second, of_second)) = (mortal(), mortal());
    let db = Dynamo::new(first, &service().settings());
    let of_first = db.table("MyTable").get(("id", "1"));
    of_first.send::<()>().await.unwrap();
    watch.assert_alive().await;
    let over = Dynamo::from_client(second, db.client().clone());
    let of_over = || over.table("MyTable").get(("id", "1"));
    of_over().send::<()>().await.unwrap();
    drop(db);
    watch.assert_ended().await;
    of_over().send::<()>().await.unwrap();
    of_second.assert_alive().await;
}

#[tokio::test(start_paused = true)]
async fn one_of_many_that_share_a_table_client() {
    let ((first, of_first), (second, of_second)) = (mortal(), mortal());
    let empty = r#"{"Responses":{},"UnprocessedKeys":{}}"#;
    let service = Recorded::answering(move |_| Answer::new(200, empty));
    let db = Dynamo::new(
        Issuer::new().cache(RefreshPolicy::default()),
        &service.settings(),
    );
    let one = async |table: Table<CredentialCache<Mortal>>| {
        let key = [("id", "1")];
        let got = table.batch_get(key).send::<()>().await.unwrap();
        got.complete().unwrap();
    };
    // what all batches share is made for the first of them
    let first = db.with_strategy(first);
    one(first.table("MyTable")).await;
    of_first.assert_alive().await;
    drop(first);
    of_first.assert_ended().await;
    one(db.with_strategy(second).table("MyTable")).await;
    of_second.assert_ended().await;
}

#[tokio::test(start_paused = true)]
async fn a_table_client_made_of_an_sdk_client_that_is_wired_in_one_call() {
    let ((first, watch), (second, of_second)) = (mortal(), mortal());
    let config = sdk::client_config!(aws_sdk_dynamodb, &service().settings(), first);
    let client = aws_sdk_dynamodb::Client::from_conf(config);
    get(&client).await;
    watch.assert_alive().await;
    let over = Dynamo::from_client(second, client);
    let get = || over.table("MyTable").get(("id", "1"));
    get().send::<()>().await.unwrap();
    watch.assert_ended().await;
    get().send::<()>().await.unwrap();
    of_second.assert_alive().await;
}

#[tokio::test(start_paused = true)]
async fn the_builder_of_a_service_given_another_provider() {
    let ((first, watch), (second, of_second)) = (mortal(), mortal());
    let settings = sdk::config(&service().settings(), first);
    get(&dynamodb(&settings)).await;
    let config = aws_sdk_dynamodb::config::Builder::from(&settings)
        .credentials_provider(SdkProvider::new(second))
        .build();
    drop(settings);
    let client = aws_sdk_dynamodb::Client::from_conf(config);
    get(&client).await;
    watch.assert_ended().await;
    get(&client).await;
    of_second.assert_alive().await;
}

#[tokio::test(start_paused = true)]
async fn the_configuration_of_a_client_that_was_wired_in_one_call_given_another_provider() {
    let ((first, watch), (second, of_second)) = (mortal(), mortal());
    let config = sdk::client_config!(aws_sdk_dynamodb, &service().settings(), first);
    get(&aws_sdk_dynamodb::Client::from_conf(config.clone())).await;
    watch.assert_alive().await;
    let over = config
        .to_builder()
        .credentials_provider(SdkProvider::new(second))
        .build();
    drop(config);
    let client = aws_sdk_dynamodb::Client::from_conf(over);
    get(&client).await;
    watch.assert_ended().await;
    get(&client).await;
    of_second.assert_alive().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_was_wired_by_hand_given_another_provider() {
    let ((first, watch), (second, of_second)) = (mortal(), mortal());
    let recovery = Recovery::new(first.clone());
    let settings = sdk::config(&service().settings(), first);
    let config = aws_sdk_dynamodb::config::Builder::from(&settings)
        .interceptor(recovery.clone())
        .retry_classifier(recovery)
        .build();
    get(&aws_sdk_dynamodb::Client::from_conf(config.clone())).await;
    watch.assert_alive().await;
    let over = config
        .to_builder()
        .credentials_provider(SdkProvider::new(second))
        .build();
    drop((settings, config));
    let client = aws_sdk_dynamodb::Client::from_conf(over);
    get(&client).await;
    watch.assert_ended().await;
    get(&client).await;
    of_second.assert_alive().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_and_its_settings_dropped_though_a_recovery_of_another_is_left() {
    let ((first, watch), (second, _)) = (mortal(), mortal());
    let second: Arc<dyn CredentialStrategy> = Arc::new(second);
    let settings = sdk::config(&service().settings(), first);
    let recovery = Recovery::new(second);
    let config = aws_sdk_dynamodb::config::Builder::from(&settings)
        .interceptor(recovery.clone())
        .retry_classifier(recovery.clone())
        .build();
    let client = aws_sdk_dynamodb::Client::from_conf(config);
    get(&client).await;
    drop((settings, client));
    watch.assert_ended().await;
    drop(recovery);
}
