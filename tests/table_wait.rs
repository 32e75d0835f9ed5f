//! Waiting for a table ends when it is active, and says why it did not end otherwise.
#![cfg(feature = "table")]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/table.rs"]
mod support;

use aws_credential_strategies::ErrorKind;
use serde_json::json;
use std::time::Duration;
use support::{Answer, Transport};
use tokio::time::Instant;

fn status(status: &str) -> Answer {
    Answer::ok(json!({ "Table": { "TableStatus": status } }))
}

fn unknown() -> Answer {
    Answer::error("ResourceNotFoundException", "not found")
}

#[tokio::test(start_paused = true)]
async fn a_table_that_is_not_there_yet_is_waited_for() {
    let answers = [
        unknown(),
        status("CREATING"),
        status("CREATING"),
        status("ACTIVE"),
    ];
    let transport = Transport::replay(answers);
    let table = transport.dynamo().table("MyTable");
    table
        .wait_until_active(Duration::from_secs(60))
        .await
        .unwrap();
    assert_eq!(transport.count(), 4);
}

#[tokio::test(start_paused = true)]
async fn the_time_is_kept_and_the_last_status_told() {
    for (answer, told) in [
        (unknown as fn() -> Answer, "not there"),
        (|| status("CREATING"), "CREATING"),
    ] {
        let transport = Transport::new(move |_| answer());
        let begin = Instant::now();
        let table = transport.dynamo().table("MyTable");
        let error = table
            .wait_until_active(Duration::from_secs(20))
            .await
            .unwrap_err();
        assert!(begin.elapsed() <= Duration::from_secs(20));
        assert_eq!(*error.kind(), ErrorKind::Timeout);
        assert!(error.to_string().contains(told), "{error}");
        assert!(transport.count() >= 4);
    }
}

#[tokio::test(start_paused = true)]
async fn a_table_that_becomes_active_within_the_time_is_found() {
    for (max, active_from) in [(10, 9), (3, 2), (20, 19), (60, 59)] {
        let begin = Instant::now();
        let transport = Transport::new(move |_| {
            if begin.elapsed() < Duration::from_secs(active_from) {
                status("CREATING")
            } else {
                status("ACTIVE")
            }
        });
        let table = transport.dynamo().table("MyTable");
        let waited = table.wait_until_active(Duration::from_secs(max)).await;
        waited.unwrap_or_else(|error| panic!("{max}: {error}"));
    }
}

#[tokio::test(start_paused = true)]
async fn any_other_error_ends_it() {
    let transport = Transport::replay([Answer::error("AccessDeniedException", "no")]);
    let table = transport.dynamo().table("MyTable");
    let error = table
        .wait_until_active(Duration::from_secs(20))
        .await
        .unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::AccessDenied(_)));
}

#[tokio::test(start_paused = true)]
async fn what_passes_is_waited_for() {
    let answers = [
        Answer::error("ThrottlingException", "slow down"),
        Answer::error_with(500, "InternalServerError", json!({})),
        status("CREATING"),
        Answer::error_with(503, "ServiceUnavailable", json!({})),
        status("ACTIVE"),
    ];
    let transport = Transport::replay(answers);
    let table = transport.dynamo().table("MyTable");
    table.wait_until_active(Duration::MAX).await.unwrap();
    assert_eq!(transport.count(), 5);

    let failing = Transport::new(|_| Answer::error_with(500, "InternalServerError", json!({})));
    let table = failing.dynamo().table("MyTable");
    let error = table.wait_until_active(Duration::from_secs(10)).await;
    let error = error.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Timeout);
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("InternalServerError"), "{cause}");
}
