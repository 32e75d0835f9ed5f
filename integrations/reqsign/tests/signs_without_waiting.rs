//! Promise: signers of one strategy share one fetch, nobody waits for a refresh while a session is valid, and
//! `expires_in` is its true end.
#![allow(clippy::unwrap_used, missing_docs)]

use aws_credential_strategies::{CredentialCache, RefreshPolicy, Rejection};
use aws_credential_strategies_reqsign::{CurrentSigner, StrategyCredentials};
use integrations_s3::{Ends, REGION, S3, Source};
use reqsign_aws_core::Credential;
use reqsign_aws_v4::RequestSigner;
use reqsign_core::{Context, ProvideCredential, Signer};
use std::fs;
use std::time::{Duration, UNIX_EPOCH};
use tokio::task::JoinSet;

const HOUR: Duration = Duration::from_secs(3600);
/// Below reqsign's two minutes, so that its signer asks with each request.
const SOON: Duration = Duration::from_secs(100);

async fn started(life: Duration) -> (S3, CredentialCache<Source>) {
    let s3 = S3::start(Ends::AtItsEnd, life).await;
    fs::write(s3.files().join("one"), "here").unwrap();
    let strategy = CredentialCache::new(s3.source(), RefreshPolicy::default());
    (s3, strategy)
}

fn plain(strategy: &CredentialCache<Source>) -> Signer<Credential> {
    Signer::new(
        Context::new(),
        StrategyCredentials::new(strategy.clone()),
        RequestSigner::new("s3", REGION),
    )
}

fn current(strategy: &CredentialCache<Source>) -> Signer<Credential> {
    Signer::new(
        Context::new(),
        StrategyCredentials::new(strategy.clone()),
        CurrentSigner::new(strategy.clone(), RequestSigner::new("s3", REGION)),
    )
}

/// Status and body of a signed GET.
async fn get(s3: &S3, signer: &Signer<Credential>) -> (u16, String) {
    let request = http::Request::get(format!("{}/{}/one", s3.url(), S3::BUCKET)).body(());
    let (mut parts, ()) = request.unwrap().into_parts();
    signer.sign(&mut parts, None).await.unwrap();
    sent(parts).await
}

async fn sent(parts: http::request::Parts) -> (u16, String) {
    integrations_s3::send(http::Request::from_parts(parts, String::new())).await
}

/// 64 at a time, each with a signer of its own.
async fn gets_of_64(
    s3: &S3,
    strategy: &CredentialCache<Source>,
    signers: fn(&CredentialCache<Source>) -> Signer<Credential>,
) {
    let shared = signers(strategy);
    let mut running = JoinSet::new();
    for number in 0..64 {
        // half of them share one, and with it the lock of its cache
        let signer = if number % 2 == 0 {
            shared.clone()
        } else {
            signers(strategy)
        };
        let request = http::Request::get(format!("{}/{}/one", s3.url(), S3::BUCKET)).body(());
        running.spawn(async move {
            let (mut parts, ()) = request.unwrap().into_parts();
            signer.sign(&mut parts, None).await.unwrap();
            sent(parts).await
        });
    }
    while let Some(answer) = running.join_next().await {
        assert_eq!(answer.unwrap(), (200, "here".to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_64_at_a_time_share_the_first_fetch() {
    for signers in [plain, current] {
        let (s3, strategy) = started(HOUR).await;
        gets_of_64(&s3, &strategy, signers).await;
        assert_eq!(s3.sessions().fetches(), 1);
        assert_eq!(s3.sessions().admitted(), 64);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_64_at_a_time_go_on_while_a_refresh_hangs() {
    for signers in [plain, current] {
        let (s3, strategy) = started(SOON).await;
        strategy.credentials().await.unwrap();
        s3.sessions().hold_fetches();
        let refreshing = tokio::spawn({
            let strategy = strategy.clone();
            async move {
                // within a second of the last fetch nothing is fetched again
                tokio::time::sleep(Duration::from_millis(1100)).await;
                strategy.refresh().await
            }
        });
        while s3.sessions().asked() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        gets_of_64(&s3, &strategy, signers).await;
        assert_eq!(s3.sessions().fetches(), 1, "the refresh has not ended");
        s3.sessions().let_through();
        refreshing.await.unwrap().unwrap();
        gets_of_64(&s3, &strategy, signers).await;
        assert_eq!(s3.sessions().fetches(), 2);
        assert_eq!(s3.sessions().admitted(), 128);
        assert_eq!(s3.sessions().rejected(), 0);
    }
}

/// reqsign refuses to sign in the last ten seconds of a session, so whoever asks then waits for the next one.
#[tokio::test]
async fn what_lives_too_short_to_sign_with_is_replaced() {
    for signers in [plain, current] {
        let (s3, strategy) = started(Duration::from_secs(12)).await;
        strategy.credentials().await.unwrap();
        s3.sessions().hold_fetches();
        tokio::time::sleep(Duration::from_millis(2200)).await;
        let signer = signers(&strategy);
        let got = get(&s3, &signer);
        let let_through = async {
            while s3.sessions().asked() < 2 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            s3.sessions().let_through();
        };
        let (got, ()) = tokio::join!(got, let_through);
        assert_eq!(got.0, 200);
        assert_eq!(s3.sessions().fetches(), 2);
    }
}

#[tokio::test]
async fn expires_in_is_the_true_end() {
    let (_s3, strategy) = started(HOUR).await;
    let provider = StrategyCredentials::new(strategy.clone());
    let credential = provider.provide_credential(&Context::new()).await;
    let credential = credential.unwrap().unwrap();
    let held = strategy.current().unwrap();
    let end = held.expiry().unwrap().duration_since(UNIX_EPOCH).unwrap();
    let said = credential.expires_in.unwrap().as_system_time();
    let said = said.duration_since(UNIX_EPOCH).unwrap();
    assert_eq!(said.as_millis(), end.as_millis());
    assert_eq!(credential.access_key_id, held.access_key_id());
    assert_eq!(credential.session_token.as_deref(), held.session_token());
}

#[tokio::test]
async fn a_rejected_key_signs_no_other_request() {
    let (s3, strategy) = started(HOUR).await;
    let signer = current(&strategy);
    assert_eq!(get(&s3, &signer).await.0, 200);
    s3.sessions().end_it();
    let (status, body) = get(&s3, &signer).await;
    assert_eq!(status, 400, "{body}");
    let key_id = strategy.current().unwrap().access_key_id().to_owned();
    assert_eq!(strategy.invalidate(&key_id), Rejection::Invalidated);
    assert_eq!(get(&s3, &signer).await.0, 200);
    assert_eq!(s3.sessions().fetches(), 2);
}

#[tokio::test]
async fn a_presigned_url_lives_as_long_as_it_says() {
    let (s3, strategy) = started(HOUR).await;
    let signer = current(&strategy);
    let request = http::Request::get(format!("{}/{}/one", s3.url(), S3::BUCKET)).body(());
    let (mut parts, ()) = request.unwrap().into_parts();
    signer.sign(&mut parts, Some(HOUR / 2)).await.unwrap();
    assert!(parts.uri.query().unwrap().contains("X-Amz-Expires=1800"));
    assert_eq!(sent(parts).await.0, 200);
    let request = http::Request::get(format!("{}/{}/one", s3.url(), S3::BUCKET)).body(());
    let (mut parts, ()) = request.unwrap().into_parts();
    let error = signer.sign(&mut parts, Some(HOUR * 2)).await.unwrap_err();
    assert!(error.to_string().contains("live for"), "{error}");
}
