//! Promise: an error of the strategy stands in the chain of the store's, and no secret in either.

use super::adapter::{RejectedKey, StrategyCredentials, WithStrategy};
use super::object_store::aws::{AmazonS3, AmazonS3Builder};
use super::object_store::path::Path;
use super::object_store::{CredentialProvider, ObjectStoreExt};
use aws_credential_strategies::{
    CredentialCache, CredentialSource, CredentialStrategy, Credentials, Error, RefreshPolicy,
    Result,
};
use integrations_s3::{Ends, REGION, S3, Source};
use std::error::Error as StdError;
use std::time::Duration;

/// One session, and then an error that needs a person.
#[derive(Debug)]
struct Once(Source);

impl CredentialSource for Once {
    fn name(&self) -> &'static str {
        "once"
    }

    async fn fetch(&self) -> Result<Credentials> {
        if self.0.fetches() == 0 {
            return self.0.fetch().await;
        }
        Err(Error::terminal("the role is gone").hint("make another"))
    }
}

fn store(s3: &S3, strategy: impl CredentialStrategy) -> AmazonS3 {
    AmazonS3Builder::new()
        .with_endpoint(s3.url())
        .with_allow_http(true)
        .with_region(REGION)
        .with_bucket_name(S3::BUCKET)
        .with_strategy(strategy)
        .build()
        .unwrap()
}

fn in_chain<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

#[tokio::test]
async fn a_rejected_key_without_a_replacement() {
    let s3 = S3::start(Ends::AtItsEnd, Duration::from_secs(3600)).await;
    let strategy = CredentialCache::new(Once(s3.source()), RefreshPolicy::default());
    let store = store(&s3, strategy);
    let one = Path::from("one");
    store.put(&one, "first".into()).await.unwrap();
    s3.sessions().end_it();
    let error = store.put(&one, "second".into()).await.unwrap_err();
    let rejected: &RejectedKey = in_chain(&error).unwrap();
    assert_eq!(rejected.code(), "ExpiredToken");
    assert!(rejected.key_id().starts_with("ASIA"));
    let cause = rejected.source().unwrap().to_string();
    assert!(cause.contains("the role is gone"), "{cause}");
    let shown = format!("{error} {error:?} {store:?}");
    assert!(!shown.contains("do-not-show"), "{shown}");
    assert_eq!(s3.sessions().rejected(), 1);
}

#[tokio::test]
async fn no_credentials_at_all() {
    let s3 = S3::start(Ends::AtItsEnd, Duration::from_secs(3600)).await;
    let _ = s3.source().fetch().await;
    let strategy = CredentialCache::new(Once(s3.source()), RefreshPolicy::default());
    let error = store(&s3, strategy)
        .get(&Path::from("one"))
        .await
        .unwrap_err();
    let cause: &Error = in_chain(&error).unwrap();
    assert!(cause.is_terminal());
    assert_eq!(s3.sessions().admitted(), 0);
}

#[derive(Debug)]
struct Unfit;

impl CredentialSource for Unfit {
    fn name(&self) -> &'static str {
        "unfit"
    }

    async fn fetch(&self) -> Result<Credentials> {
        let token = "do-not-show\n".to_owned();
        Ok(Credentials::new(
            "AKID",
            "do-not-show",
            Some(token),
            None,
            "unfit",
        ))
    }
}

#[tokio::test]
async fn a_token_that_fits_no_header_is_an_error_and_no_panic() {
    let strategy = CredentialCache::new(Unfit, RefreshPolicy::default());
    let credentials = StrategyCredentials::new(strategy);
    let error = credentials.get_credential().await.unwrap_err();
    assert!(error.to_string().contains("session token"), "{error}");
    let shown = format!("{error:?} {credentials:?}");
    assert!(!shown.contains("do-not-show"), "{shown}");
}
