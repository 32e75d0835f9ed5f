//! Promise: while a session is valid no request waits for the next one, and a call for credentials costs a
//! reference count.

use super::adapter::{StrategyCredentials, WithStrategy};
use super::object_store::aws::AmazonS3Builder;
use super::object_store::path::Path;
use super::object_store::{CredentialProvider, ObjectStoreExt};
use aws_credential_strategies::{CredentialCache, CredentialStrategy, RefreshPolicy};
use futures_util::future::join_all;
use integrations_s3::{Ends, REGION, S3};
use std::fs;
use std::sync::Arc;
use std::time::Duration;

/// Within what is left to refresh in by any rule, so that each call finds a refresh due.
const SOON: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gets_64_at_a_time_go_on_while_a_refresh_hangs() {
    let s3 = S3::start(Ends::AtItsEnd, SOON).await;
    fs::write(s3.files().join("one"), "here").unwrap();
    let strategy = CredentialCache::new(s3.source(), RefreshPolicy::default());
    let store = AmazonS3Builder::new()
        .with_endpoint(s3.url())
        .with_allow_http(true)
        .with_region(REGION)
        .with_bucket_name(S3::BUCKET)
        .with_strategy(strategy.clone())
        .build()
        .unwrap();
    let one = Path::from("one");
    store.get(&one).await.unwrap();
    s3.sessions().hold_fetches();
    // Somebody asks for other credentials, and the answer does not come before the gets have ended.
    let refreshing = tokio::spawn({
        let strategy = strategy.clone();
        async move {
            // within a second of the last fetch nothing is fetched again
            tokio::time::sleep(Duration::from_millis(1100)).await;
            CredentialStrategy::refresh(&strategy).await
        }
    });
    while s3.sessions().asked() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let answers = join_all((0..64).map(|_| store.get(&one))).await;
    for answer in answers {
        assert_eq!(answer.unwrap().bytes().await.unwrap(), "here");
    }
    assert_eq!(s3.sessions().fetches(), 1);
    s3.sessions().let_through();
    refreshing.await.unwrap().unwrap();
    store.get(&one).await.unwrap();
    assert_eq!(s3.sessions().fetches(), 2);
    assert_eq!(s3.sessions().rejected(), 0);
}

#[tokio::test]
async fn one_session_is_one_credential() {
    let s3 = S3::start(Ends::AtItsEnd, Duration::from_secs(3600)).await;
    let strategy = CredentialCache::new(s3.source(), RefreshPolicy::default());
    let credentials = StrategyCredentials::new(strategy.clone());
    let first = credentials.get_credential().await.unwrap();
    for _ in 0..3 {
        let again = credentials.get_credential().await.unwrap();
        assert!(Arc::ptr_eq(&first, &again));
    }
    let held = strategy.current().unwrap();
    assert_eq!(first.key_id, held.access_key_id());
    assert_eq!(first.secret_key, held.secret_access_key());
    assert_eq!(first.token.as_deref(), held.session_token());
    // within a second of the last fetch nothing is fetched again
    tokio::time::sleep(Duration::from_millis(1100)).await;
    CredentialStrategy::refresh(&strategy).await.unwrap();
    let next = credentials.clone().get_credential().await.unwrap();
    assert_ne!(first.key_id, next.key_id);
    assert!(Arc::ptr_eq(
        &next,
        &credentials.get_credential().await.unwrap()
    ));
    assert_eq!(s3.sessions().fetches(), 2);
}
