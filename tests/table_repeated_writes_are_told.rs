//! A write that the SDK repeated may have been done by a try that got no answer: the attempt and the error
//! say so, and only then.
#![cfg(feature = "table")]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/table.rs"]
mod support;

use aws_credential_strategies::table::{Attempt, attr};
use aws_credential_strategies::{Dynamo, ErrorKind, Provided, Table};
use aws_credential_types::provider::{ProvideCredentials, error::CredentialsError, future};
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
use aws_smithy_types::retry::RetryConfig;
use aws_types::SdkConfig;
use serde_json::{Value as Json, json};
use std::time::Duration;
use support::{Answer, Fixed, Transport};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

fn conflict() -> Answer {
    let there = json!({ "id": { "S": "1" }, "by": { "S": "me" } });
    let body = json!({ "message": "The conditional request failed", "Item": there });
    Answer::error_with(400, "ConditionalCheckFailedException", body)
}

fn retries() -> RetryConfig {
    RetryConfig::standard().with_initial_backoff(Duration::from_millis(1))
}

fn table(transport: &Transport) -> Table<Fixed> {
    let settings = transport.config().retry_config(retries()).build();
    Dynamo::new(Fixed::new(), &settings).table("Rows")
}

fn there() -> Option<Json> {
    Some(json!({ "id": "1", "by": "me" }))
}

#[tokio::test]
async fn after_a_try_without_an_answer_a_failed_condition_is_unclear() {
    let lost = || Answer::error_with(500, "InternalServerError", json!({ "message": "?" }));
    for answers in [vec![lost(), conflict()], vec![lost(), lost(), conflict()]] {
        let expected = answers.len();
        let transport = Transport::replay(answers.clone());
        let put = table(&transport)
            .put(&json!({ "id": "1", "by": "me" }))
            .if_absent("id");
        assert_eq!(
            put.attempt::<Json>().await.unwrap(),
            Attempt::Unclear(there())
        );
        assert_eq!(transport.count(), expected);

        let transport = Transport::replay(answers.clone());
        let update = table(&transport)
            .update(("id", "1"))
            .version("v", Some(1))
            .set("by", "me");
        let error = update.returning_new::<Json>().await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Conflict);
        assert!(error.may_be_done());
        assert_eq!(error.conflict::<Json>().unwrap().ok(), there());

        let transport = Transport::replay(answers);
        let delete = table(&transport)
            .delete(("id", "1"))
            .only_if(attr("id").exists());
        let error = delete.send().await.unwrap_err();
        assert!(error.may_be_done());
    }
}

#[tokio::test]
async fn after_tries_that_were_refused_it_is_clear() {
    let throttled = || Answer::error("ThrottlingException", "slower");
    for answers in [
        vec![conflict()],
        vec![throttled(), conflict()],
        vec![throttled(), throttled(), conflict()],
    ] {
        let transport = Transport::replay(answers.clone());
        let put = table(&transport).put(&json!({ "id": "1" })).if_absent("id");
        assert_eq!(
            put.attempt::<Json>().await.unwrap(),
            Attempt::Rejected(there())
        );
        let transport = Transport::replay(answers);
        let put = table(&transport).put(&json!({ "id": "1" })).if_absent("id");
        assert!(!put.send().await.unwrap_err().may_be_done());
    }
    let mixed = Transport::replay([
        throttled(),
        Answer::error_with(503, "ServiceUnavailable", json!({})),
        conflict(),
    ]);
    let put = table(&mixed).put(&json!({ "id": "1" })).if_absent("id");
    assert_eq!(
        put.attempt::<Json>().await.unwrap(),
        Attempt::Unclear(there())
    );
}

#[tokio::test]
async fn what_was_never_answered_or_failed_in_the_service_may_be_done() {
    let failed = || Answer::error_with(500, "InternalServerError", json!({ "message": "?" }));
    let failing = || table(&Transport::new(move |_| failed()));
    let errors = [
        failing().put(&json!({ "id": "1" })).send().await.err(),
        failing().update(("id", "1")).add("n", 1).send().await.err(),
        failing().delete(("id", "1")).send().await.err(),
    ];
    for error in errors {
        assert!(error.unwrap().may_be_done());
    }
    let read = failing().get(("id", "1")).send::<Json>().await;
    assert!(!read.unwrap_err().may_be_done(), "a read does nothing");
    let denied = || Answer::error("AccessDeniedException", "no");
    let denied = table(&Transport::new(move |_| denied())).put(&json!({ "id": "1" }));
    assert!(!denied.send().await.unwrap_err().may_be_done());
    let invalid = failing().put(&json!("no item")).send().await;
    assert!(!invalid.unwrap_err().may_be_done());

    // Every connection breaks, once the request has come.
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let breaks = async {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            request(&mut stream).await;
        }
    };
    let error = tokio::select! {
        attempt = attempt_at(&listener) => attempt.unwrap_err(),
        () = breaks => unreachable!(),
    };
    assert!(error.may_be_done(), "{error}");
    // Never sent.
    let nobody = Provided::new("nobody", NoCredentials);
    let unsigned = Dynamo::new(nobody, &Transport::silent().config().build());
    let unsigned = unsigned.table("Rows").put(&json!({ "id": "1" }));
    assert!(!unsigned.send().await.unwrap_err().may_be_done());
}

/// Has none.
#[derive(Debug)]
struct NoCredentials;

impl ProvideCredentials for NoCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err(CredentialsError::not_loaded("there are none")))
    }
}

/// The client that a client is made of counted its tries too, and then a refusal counted twice.
#[tokio::test]
async fn a_client_made_of_another_counts_each_try_once() {
    let transport = Transport::replay([
        Answer::error("ThrottlingException", "slower"),
        Answer::error_with(503, "ServiceUnavailable", json!({})),
        conflict(),
    ]);
    let settings = transport.config().retry_config(retries()).build();
    let first = Dynamo::new(Fixed::new(), &settings);
    let second = Dynamo::from_client(Fixed::new(), first.client().clone());
    let put = second.table("Rows").put(&json!({ "id": "1" }));
    let error = put.if_absent("id").send().await.unwrap_err();
    assert!(error.may_be_done(), "{error}");
    assert_eq!(transport.count(), 3);
}

/// Reads one request whole.
async fn request(stream: &mut TcpStream) {
    let mut bytes = Vec::new();
    loop {
        let mut chunk = [0; 1024];
        let read = stream.read(&mut chunk).await.unwrap();
        assert!(read > 0, "the client went away");
        bytes.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let is_length = name.eq_ignore_ascii_case("content-length");
            is_length.then(|| value.trim().parse::<usize>().unwrap())
        });
        if body.len() >= length.unwrap() {
            return;
        }
    }
}

async fn answer(mut stream: TcpStream, answer: Answer) {
    request(&mut stream).await;
    let body = answer.body.to_string();
    let head = format!(
        "HTTP/1.1 {} Bad Request\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        answer.status,
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).await.unwrap();
}

async fn attempt_at(listener: &TcpListener) -> aws_credential_strategies::Result<Attempt<Json>> {
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_millis(500));
    let settings = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .endpoint_url(format!("http://{}", listener.local_addr().unwrap()))
        .retry_config(retries())
        .timeout_config(timeouts.build())
        .build();
    let table = Dynamo::new(Fixed::new(), &settings).table("Rows");
    table
        .put(&json!({ "id": "1", "by": "me" }))
        .if_absent("id")
        .attempt()
        .await
}

#[tokio::test]
async fn a_connection_that_breaks_or_falls_silent_is_a_try_without_an_answer() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        request(&mut stream).await;
        drop(stream);
        let (stream, _) = listener.accept().await.unwrap();
        answer(stream, conflict()).await;
    };
    let (attempt, ()) = tokio::join!(attempt_at(&listener), server);
    assert_eq!(attempt.unwrap(), Attempt::Unclear(there()));

    let server = async {
        let (mut silent, _) = listener.accept().await.unwrap();
        request(&mut silent).await;
        let (stream, _) = listener.accept().await.unwrap();
        answer(stream, conflict()).await;
    };
    let (attempt, ()) = tokio::join!(attempt_at(&listener), server);
    assert_eq!(attempt.unwrap(), Attempt::Unclear(there()));
}
