//! Promise: `Status` and one warning for each step say that a service refuses every key, and which service.
//!
//! Alone in its file: what collects a log is of a thread, and whether an event is wanted at all is asked
//! once for the process, so that neighbours without a collector would decide it.
#![cfg(feature = "table")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/pace.rs"]
mod pace;
mod recovery_support;
mod support;

use aws_credential_strategies::RefreshPolicy;
use pace::Log;
use recovery_support::{Issuer, Service, StillTime, list};
use std::time::Duration;
use support::seconds;

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn status_and_one_warning_each_say_that_a_row_of_keys_is_refused() {
    let log = Log::default();
    let _guard = log.collecting(tracing::Level::WARN);
    let time = StillTime::begin();
    let issuer = Issuer::new();
    let cache = issuer.cache(RefreshPolicy::default());
    cache.credentials().await.unwrap();
    time.pass(seconds(1)).await;
    let refusing = Service::refusing().await;
    let client = refusing.sqs(cache.clone());
    let mut rows = Vec::new();
    for _ in 0..25 {
        list(&client).await.unwrap_err();
        rows.push(cache.status().rejections_in_a_row);
        time.pass(MINUTE).await;
    }
    // After each ten minutes one more key is tried.
    assert_eq!(rows, [[2; 10].as_slice(), &[3; 10], &[4; 5]].concat());
    assert_eq!(issuer.fetches(), 5);
    assert_eq!(refusing.keys().len(), 25 + 1, "one repeat");
    assert_eq!(log.lines_with("WARN"), 3);
    assert_eq!(log.lines_with("rejected the credentials in use"), 1);
    assert_eq!(log.lines_with("rejected also the key that replaced"), 1);
    assert_eq!(log.lines_with("refuses one new key after the other"), 1);
    assert_eq!(log.lines_with("service=SQS us-east-1"), 1, "which");
}
