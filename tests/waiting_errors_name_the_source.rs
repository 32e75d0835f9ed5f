//! Promise: whoever waits in vain is told for what: strategy, subject, endpoint, how old the attempt is, what
//! it was doing last and what failed in it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use aws_credential_strategies::refresh::DEFAULT_WAIT_TIMEOUT;
use aws_credential_strategies::source::{report_failure, report_step};
use aws_credential_strategies::{
    CredentialCache, CredentialSource, Credentials, Error, ErrorKind, RefreshPolicy, Result,
};
use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// Connects, is reset once, connects again, and hangs.
#[derive(Debug)]
struct Stuck;

impl CredentialSource for Stuck {
    fn name(&self) -> &'static str {
        "Stuck"
    }

    fn subject(&self) -> Option<String> {
        Some("app-role".to_owned())
    }

    fn endpoint(&self) -> Option<String> {
        Some("http://169.254.169.254".to_owned())
    }

    async fn fetch(&self) -> Result<Credentials> {
        report_step("connecting");
        report_failure("connection reset");
        report_step("waiting for the session token");
        pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn all_that_is_known_of_the_attempt_stands_in_one_line() {
    let cache = CredentialCache::new(Stuck, RefreshPolicy::default());
    for error in [
        cache.credentials().await.unwrap_err(),
        cache.credentials().await.unwrap_err(),
    ] {
        assert_eq!(*error.kind(), ErrorKind::Timeout);
        assert_eq!(
            error.to_string(),
            "fetch credentials on app-role via Stuck at http://169.254.169.254: the source has not answered within 10s; attempt 1 is 10.0 s old and was last seen waiting for the session token, after a try that failed: connection reset; the fetch goes on; the next call is served from it, or ask again with a longer `wait_timeout`"
        );
    }
    let forced = cache.refresh().await.unwrap_err();
    assert!(forced.to_string().contains("via Stuck"), "{forced}");
}

#[tokio::test(start_paused = true)]
async fn what_took_too_long_is_told_with_what_it_was_doing() {
    let patient = RefreshPolicy::default().wait_timeout(Duration::from_secs(60));
    let cache = CredentialCache::new(Stuck, patient);
    let error = cache.credentials().await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Timeout);
    assert_eq!(
        error.to_string(),
        "fetch credentials on app-role via Stuck at http://169.254.169.254: the source did not answer within 30s; it was last seen waiting for the session token, after a try that failed: connection reset; raise `fetch_timeout` if the source is that slow by nature"
    );
}

/// Fails at first, for good by its word, and hangs from then on.
#[derive(Debug, Default)]
struct FailsThenHangs(AtomicBool);

impl CredentialSource for FailsThenHangs {
    fn name(&self) -> &'static str {
        "FailsThenHangs"
    }

    async fn fetch(&self) -> Result<Credentials> {
        if self.0.swap(true, Ordering::SeqCst) {
            pending().await
        }
        Err(Error::terminal("access denied"))
    }
}

#[tokio::test(start_paused = true)]
async fn who_waited_for_this_attempt_is_not_told_of_the_one_before() {
    let cache = CredentialCache::new(FailsThenHangs::default(), RefreshPolicy::default());
    let first = cache.credentials().await.unwrap_err();
    assert!(first.is_terminal(), "{first}");
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let waited = Instant::now();
    let error = cache.credentials().await.unwrap_err();
    assert_eq!(waited.elapsed(), DEFAULT_WAIT_TIMEOUT);
    assert_eq!(*error.kind(), ErrorKind::Timeout, "{error}");
    assert!(
        error.to_string().contains("attempt 2 is 10.0 s old"),
        "{error}"
    );
}
