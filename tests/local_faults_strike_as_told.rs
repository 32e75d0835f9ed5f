//! Promise: each fault of an embedded server looks on the wire as it says, strikes the calls it was
//! set for and no others, and every call counts, failed or not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod local_support;

use aws_credential_strategies::local::{Fault, ImdsCall, ImdsCalls, LocalCloud};
use local_support::{Answer, send, try_send};
use std::error::Error;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

const TTL: [(&str, &str); 1] = [("X-aws-ec2-metadata-token-ttl-seconds", "60")];

async fn put_token(cloud: &LocalCloud) -> Result<Answer, Box<dyn Error + Send + Sync>> {
    let url = format!("{}/latest/api/token", cloud.imds_endpoint());
    try_send("PUT", &url, &TTL, "").await
}

/// Sends a request for a token and reads until the other side closes, or `bytes` have come.
async fn raw_token(cloud: &LocalCloud, bytes: usize) -> (Vec<u8>, Option<ErrorKind>) {
    let address = cloud
        .imds_endpoint()
        .trim_start_matches("http://")
        .to_owned();
    tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(&address).unwrap();
        write!(
            stream,
            "PUT /latest/api/token HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\n\
             X-aws-ec2-metadata-token-ttl-seconds: 60\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let (mut read, mut buffer) = (Vec::new(), [0; 1]);
        while read.len() < bytes {
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(_) => read.push(buffer[0]),
                Err(error) => return (read, Some(error.kind())),
            }
        }
        (read, None)
    })
    .await
    .unwrap()
}

fn body(message: &[u8]) -> &[u8] {
    let end = message
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .expect("a head");
    &message[end + 4..]
}

fn content_length(message: &[u8]) -> usize {
    let text = String::from_utf8_lossy(message).to_lowercase();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .expect("a length");
    line.trim().parse().unwrap()
}

/// The length of a healthy token.
async fn token_length(cloud: &LocalCloud) -> usize {
    put_token(cloud).await.unwrap().body.len()
}

#[tokio::test]
async fn disconnect_promises_the_whole_body_and_sends_half() {
    let cloud = LocalCloud::start().await.unwrap();
    let whole = token_length(&cloud).await;
    cloud.imds().fail(Fault::Disconnect);
    let (message, error) = raw_token(&cloud, usize::MAX).await;
    assert_eq!(error, None, "closed, not reset");
    assert_eq!(content_length(&message), whole);
    assert_eq!(body(&message).len(), whole / 2);
}

#[tokio::test]
async fn truncated_is_a_complete_message_with_half_the_content() {
    let cloud = LocalCloud::start().await.unwrap();
    let whole = token_length(&cloud).await;
    cloud.imds().fail(Fault::Truncated);
    assert_eq!(put_token(&cloud).await.unwrap().body.len(), whole / 2);
}

#[tokio::test]
async fn reset_reads_the_request_and_resets_the_connection() {
    let cloud = LocalCloud::start().await.unwrap();
    cloud.imds().fail(Fault::Reset);
    let (message, error) = raw_token(&cloud, usize::MAX).await;
    assert_eq!(error, Some(ErrorKind::ConnectionReset));
    assert!(message.is_empty());
    assert_eq!(cloud.imds().calls().token, 1);
}

#[tokio::test]
async fn hang_reads_the_request_and_never_answers() {
    let cloud = LocalCloud::start().await.unwrap();
    cloud.imds().fail_on(ImdsCall::Token, Fault::Hang);
    let url = format!("{}/latest/api/token", cloud.imds_endpoint());
    let mut hanging = std::pin::pin!(try_send("PUT", &url, &TTL, ""));
    // the count tells that the request was read; no answer comes however long one waits
    while cloud.imds().calls().token == 0 {
        tokio::select! {
            _ = &mut hanging => panic!("it was answered"),
            () = tokio::task::yield_now() => {}
        }
    }
    cloud.imds().heal();
    let next = put_token(&cloud).await.unwrap();
    assert_eq!(next.status, 200, "other calls are answered meanwhile");
    drop(cloud);
    assert!(hanging.await.is_err(), "the end of the cloud ends it");
}

#[tokio::test]
async fn trickle_sends_one_byte_at_a_time_and_all_of_it() {
    let cloud = LocalCloud::start().await.unwrap();
    let whole = token_length(&cloud).await;
    cloud.imds().fail(Fault::Trickle(Duration::from_millis(1)));
    let (message, error) = raw_token(&cloud, usize::MAX).await;
    assert_eq!((body(&message).len(), error), (whole, None));

    cloud.imds().fail(Fault::Trickle(Duration::MAX / 4));
    let head = message.len() - whole;
    let (message, _) = raw_token(&cloud, head).await;
    assert_eq!(content_length(&message), whole, "the head does not wait");
}

#[tokio::test]
async fn delay_comes_before_a_healthy_answer() {
    let cloud = LocalCloud::start().await.unwrap();
    let pause = Duration::from_millis(30);
    cloud.imds().fail(Fault::Delay(pause));
    let start = std::time::Instant::now();
    assert_eq!(put_token(&cloud).await.unwrap().status, 200);
    assert!(start.elapsed() >= pause);
}

#[tokio::test]
async fn oversized_pads_the_answer() {
    let cloud = LocalCloud::start().await.unwrap();
    cloud.imds().fail(Fault::Oversized(100_000));
    let answer = put_token(&cloud).await.unwrap();
    assert_eq!(answer.body.len(), 100_000);
    assert_ne!(answer.body.trim_end().len(), 100_000);
}

#[tokio::test]
async fn a_status_comes_with_each_services_own_body() {
    let cloud = LocalCloud::start().await.unwrap();
    cloud.imds().fail(Fault::Status(503));
    cloud.sts().fail(Fault::Status(503));
    cloud.dynamodb().fail(Fault::Status(503));
    for (endpoint, text) in [
        (cloud.imds_endpoint(), "<h1>503 - Service Unavailable</h1>"),
        (cloud.sts_endpoint(), "<Code>ServiceUnavailable</Code>"),
        (
            cloud.dynamodb_endpoint(),
            r#""__type":"com.amazon.coral.service#ServiceUnavailable""#,
        ),
    ] {
        let answer = send("POST", endpoint, &[], "").await;
        assert_eq!(answer.status, 503);
        assert!(answer.body.contains(text), "{}", answer.body);
    }
}

#[tokio::test]
async fn something_else_can_be_answered() {
    let cloud = LocalCloud::start().await.unwrap();
    cloud.imds().fail(Fault::web_page());
    let answer = put_token(&cloud).await.unwrap();
    assert_eq!(
        (answer.status.as_u16(), answer.header("content-type")),
        (200, "text/html")
    );
    assert!(answer.body.starts_with("<!DOCTYPE html>"));
}

#[tokio::test]
async fn a_fault_strikes_the_calls_it_was_set_for() {
    let cloud = LocalCloud::start().await.unwrap();
    let imds = cloud.imds();
    let token = async || put_token(&cloud).await.unwrap().status.as_u16();
    let other = async || {
        send("GET", cloud.imds_endpoint(), &[], "")
            .await
            .status
            .as_u16()
    };

    imds.fail_next(2, Fault::Status(500));
    assert_eq!(
        (token().await, other().await, token().await),
        (500, 500, 200)
    );

    imds.fail_on(ImdsCall::Token, Fault::Status(403));
    assert_eq!(
        (token().await, other().await, token().await),
        (403, 401, 403)
    );

    imds.fail_next_on(ImdsCall::Token, 1, Fault::Status(400));
    assert_eq!(
        (token().await, token().await),
        (400, 403),
        "the last set first"
    );

    imds.heal();
    assert_eq!(token().await, 200);
}

#[tokio::test]
async fn counts_are_by_kind_and_start_again() {
    let cloud = LocalCloud::start().await.unwrap();
    let base = "/latest/meta-data/iam/security-credentials";
    for path in [
        "",
        "/",
        "/Role",
        "-extended/",
        "-extended/Role",
        "-extended/Role",
    ] {
        let url = format!("{}{base}{path}", cloud.imds_endpoint());
        assert_eq!(send("GET", &url, &[], "").await.status, 401);
    }
    put_token(&cloud).await.unwrap();
    let calls = cloud.imds().calls();
    assert_eq!(
        (
            calls.token,
            calls.list,
            calls.document,
            calls.extended_list,
            calls.extended_document
        ),
        (1, 2, 1, 1, 2)
    );
    assert_eq!((calls.documents(), calls.total()), (3, 7));
    cloud.imds().reset_counts();
    assert_eq!(cloud.imds().calls(), ImdsCalls::default());
}

/// Status, code and message of an unsigned call to STS.
async fn ask_sts(cloud: &LocalCloud) -> (u16, String) {
    let form = "Action=GetCallerIdentity&Version=2011-06-15";
    let kind = [("content-type", "application/x-www-form-urlencoded")];
    let answer = send("POST", cloud.sts_endpoint(), &kind, form).await;
    let of = |name: &str| {
        let (_, rest) = answer.body.split_once(&format!("<{name}>")).unwrap();
        rest.split('<').next().unwrap().to_owned()
    };
    let said = format!("{}: {}", of("Code"), of("Message"));
    (answer.status.as_u16(), said)
}

#[tokio::test]
async fn what_is_beyond_the_admitted_rate_is_throttled_in_the_services_own_words() {
    let cloud = LocalCloud::start().await.unwrap();
    let unsigned = "MissingAuthenticationToken: Request is missing Authentication Token";
    let admitted = (403, unsigned.to_owned());
    let throttled = (400, "Throttling: Rate exceeded".to_owned());
    cloud.sts().fail(Fault::Admit(1));
    assert_eq!(ask_sts(&cloud).await, admitted);
    let mut refused = 0;
    // no more than one a second, however long that takes
    let since = std::time::Instant::now();
    while ask_sts(&cloud).await == throttled {
        refused += 1;
    }
    assert!(refused > 0);
    assert!(since.elapsed() > Duration::from_millis(900));
    assert_eq!(cloud.sts().calls().caller_identity, refused + 2);

    cloud.sts().heal();
    for _ in 0..3 {
        assert_eq!(ask_sts(&cloud).await, admitted);
    }
    // who is admitted meets what else goes wrong
    cloud.sts().fail(Fault::Status(503));
    cloud.sts().fail(Fault::Admit(1));
    assert_eq!(ask_sts(&cloud).await.0, 503);
    assert_eq!(ask_sts(&cloud).await, throttled);
    cloud.sts().heal();
    cloud.sts().fail(Fault::Admit(0));
    assert_eq!(ask_sts(&cloud).await, throttled);
}

#[tokio::test]
async fn each_service_throttles_as_it_does() {
    let cloud = LocalCloud::start().await.unwrap();
    cloud.dynamodb().fail(Fault::Admit(0));
    let target = [("x-amz-target", "DynamoDB_20120810.ListTables")];
    let answer = send("POST", cloud.dynamodb_endpoint(), &target, "{}").await;
    assert_eq!(answer.status, 400);
    let error = answer.json();
    let code = error["__type"].as_str().unwrap();
    assert!(code.ends_with("#ThrottlingException"), "{error}");
    cloud.imds().fail(Fault::Admit(0));
    assert_eq!(put_token(&cloud).await.unwrap().status, 429);
}
