//! Promise: an operator goes on through sessions that S3 ends in the middle of what it does. Against a real S3 in
//! the process: 0 requests failed, and exactly one fetch for each session that ended, or was replaced before its end.
#![allow(clippy::unwrap_used, missing_docs)]

use aws_credential_strategies::{
    CredentialCache, CredentialSource, CredentialStrategy, Credentials, Error, RefreshPolicy,
    Result,
};
use aws_credential_strategies_opendal::Recovery;
use futures_util::future::try_join_all;
use futures_util::{StreamExt, TryStreamExt, stream};
use integrations_s3::{Ends, REGION, S3, Source, rotate};
use opendal_core::{ErrorKind, HttpTransporter, OperationContext, Operator};
use opendal_http_transport_reqwest::ReqwestTransport;
use std::error::Error as StdError;
use std::fs;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
const MB: usize = 1024 * 1024;

fn operator(s3: &S3, strategy: impl CredentialStrategy) -> Operator {
    HttpTransporter::install_default(ReqwestTransport::default());
    let service = opendal_service_s3::S3::default()
        .endpoint(s3.url())
        .bucket(S3::BUCKET)
        .region(REGION);
    aws_credential_strategies_opendal::operator(service, strategy).unwrap()
}

fn started(s3: &S3) -> (Operator, CredentialCache<Source>) {
    let strategy = CredentialCache::new(s3.source(), RefreshPolicy::default());
    (operator(s3, strategy.clone()), strategy)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_multipart_upload_of_100_mb() {
    let s3 = S3::start(Ends::AfterRequests(5), HOUR).await;
    let (operator, _) = started(&s3);
    let mut writer = operator
        .writer_with("large")
        .chunk(5 * MB)
        .concurrent(4)
        .await
        .unwrap();
    for number in 0..20_u8 {
        writer.write(vec![number; 5 * MB]).await.unwrap();
    }
    writer.close().await.unwrap();
    // begun, 20 parts, completed: five for each session
    s3.one_fetch_each(22, 4);
    let written = fs::read(s3.files().join("large")).unwrap();
    assert_eq!(written.len(), 100 * MB);
    for (number, part) in written.chunks(5 * MB).enumerate() {
        assert!(part.iter().all(|byte| usize::from(*byte) == number));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listing_of_10_000_objects() {
    let s3 = S3::start(Ends::AfterRequests(3), HOUR).await;
    for number in 0..10_000 {
        fs::write(s3.files().join(format!("{number:05}")), "").unwrap();
    }
    let (operator, _) = started(&s3);
    let listed = operator.list("/").await.unwrap();
    let objects = listed.iter().filter(|entry| entry.path() != "/");
    let paths: Vec<_> = objects.map(|entry| entry.path().to_owned()).collect();
    let expected: Vec<_> = (0..10_000).map(|number| format!("{number:05}")).collect();
    assert_eq!(paths, expected);
    // ten pages of a thousand
    s3.one_fetch_each(10, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_gets_64_at_a_time() {
    let s3 = S3::start(Ends::AfterRequests(100), HOUR).await;
    let written: Vec<u8> = (0..=u8::MAX).cycle().take(700).collect();
    fs::write(s3.files().join("one"), &written).unwrap();
    let (operator, _) = started(&s3);
    // no two are the same to the server, which remembers those that it refused
    let gets = (0..640_usize).map(|number| {
        let (operator, written) = (&operator, &written);
        async move {
            let bytes = operator.read_with("one").range(number as u64..700).await?;
            assert_eq!(bytes.to_bytes(), written[number..]);
            Ok::<_, opendal_core::Error>(())
        }
    });
    stream::iter(gets)
        .buffer_unordered(64)
        .try_collect::<Vec<()>>()
        .await
        .unwrap();
    let ended = s3.sessions().ended();
    assert!(ended >= 5, "{:?}", s3.sessions());
    s3.one_fetch_each(640, ended);
}

/// Sessions that are replaced before their end: nothing is rejected, and nobody waits for a fetch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_replaced_in_the_middle() {
    let s3 = S3::start(Ends::AtItsEnd, HOUR).await;
    fs::write(s3.files().join("one"), "here").unwrap();
    let (operator, strategy) = started(&s3);
    rotate(&strategy).await.unwrap();
    let waited = strategy.status().waits;
    let mut writer = operator.writer_with("large").chunk(5 * MB).await.unwrap();
    for number in 0..4_u8 {
        writer.write(vec![number; 5 * MB]).await.unwrap();
        let gets = try_join_all((0..64).map(|_| operator.read("one")));
        let (rotated, got) = tokio::join!(rotate(&strategy), gets);
        rotated.unwrap();
        assert!(got.unwrap().iter().all(|bytes| bytes.to_vec() == b"here"));
    }
    writer.close().await.unwrap();
    // begun, 4 parts, completed; 64 gets four times
    s3.one_fetch_a_rotation(6 + 256, 4);
    // who rotates waits for it, and nobody else
    assert_eq!(strategy.status().waits, waited + 4);
}

#[tokio::test]
async fn every_operation_is_repeated() {
    let s3 = S3::start(Ends::AtItsEnd, HOUR).await;
    let (operator, _) = started(&s3);
    let sessions = s3.sessions();
    operator.write("one", "first").await.unwrap();
    sessions.end_it();
    operator.write("one", "second").await.unwrap();
    sessions.end_it();
    assert_eq!(operator.stat("one").await.unwrap().content_length(), 6);
    sessions.end_it();
    assert_eq!(operator.read("one").await.unwrap().to_vec(), b"second");
    sessions.end_it();
    operator.copy("one", "other").await.unwrap();
    sessions.end_it();
    operator.delete("one").await.unwrap();
    assert_eq!(sessions.fetches(), 6);
    // a HEAD is refused without a reason, which is asked for once, and a copy begins with one
    assert_eq!(sessions.rejected(), 7);
    assert!(!s3.files().join("one").exists());
    assert!(s3.files().join("other").exists());
}

/// opendal's signer keeps the rejected key, so the transport signs in its place.
#[tokio::test]
async fn a_rejected_key_is_sent_once() {
    let s3 = S3::start(Ends::AtItsEnd, HOUR).await;
    let (operator, _) = started(&s3);
    operator.write("one", "first").await.unwrap();
    s3.sessions().end_it();
    for _ in 0..10 {
        operator.read("one").await.unwrap();
    }
    assert_eq!(s3.sessions().rejected(), 1);
    s3.one_fetch_each(11, 1);
}

#[tokio::test]
async fn a_refusal_that_is_not_about_the_key_is_left_alone() {
    let s3 = S3::start(Ends::AtItsEnd, HOUR).await;
    let (operator, _) = started(&s3);
    for error in [
        operator.stat("absent").await.unwrap_err(),
        operator.read("absent").await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    }
    s3.one_fetch_each(2, 0);
}

/// One session, and then this error.
#[derive(Debug)]
struct Once(Source, Error);

impl CredentialSource for Once {
    fn name(&self) -> &'static str {
        "once"
    }

    async fn fetch(&self) -> Result<Credentials> {
        if self.0.fetches() == 0 {
            return self.0.fetch().await;
        }
        Err(self.1.clone())
    }
}

#[tokio::test]
async fn the_strategys_error_is_in_the_chain_and_no_secret() {
    let s3 = S3::start(Ends::AtItsEnd, HOUR).await;
    let gone = Error::terminal("the role is gone").hint("make another");
    let strategy = CredentialCache::new(Once(s3.source(), gone), RefreshPolicy::default());
    let operator = operator(&s3, strategy);
    operator.write("one", "first").await.unwrap();
    s3.sessions().end_it();
    let error = operator.write("one", "second").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    let line = error.to_string();
    assert!(line.contains("S3 rejects the key ASIA"), "{line}");
    assert!(line.contains("ExpiredToken"), "{line}");
    let cause = error.source().unwrap().to_string();
    assert!(cause.contains("the role is gone"), "{cause}");
    let shown = format!("{error:?} {operator:?}");
    assert!(!shown.contains("do-not-show"), "{shown}");
    assert_eq!(s3.sessions().rejected(), 1);
}

/// opendal's `RetryLayer` repeats what is temporary, and nothing else.
#[tokio::test]
async fn an_error_of_the_strategy_is_temporary_where_it_passes() {
    for (failed, passes) in [
        (Error::recoverable("no answer"), true),
        (Error::throttled("too many calls"), true),
        (Error::terminal("the role is gone"), false),
    ] {
        let s3 = S3::start(Ends::AtItsEnd, HOUR).await;
        let source = Once(s3.source(), failed);
        let operator = operator(&s3, CredentialCache::new(source, RefreshPolicy::default()));
        operator.write("one", "first").await.unwrap();
        s3.sessions().end_it();
        // the key is served on for want of another, and refused each time
        for _ in 0..3 {
            let error = operator.write("one", "second").await.unwrap_err();
            assert_eq!(error.is_temporary(), passes, "{error:?}");
            assert!(error.source().is_some(), "{error:?}");
        }
    }
}

/// A transport of one's own goes below.
#[tokio::test]
async fn over_another_transport() {
    let s3 = S3::start(Ends::AtItsEnd, HOUR).await;
    let (operator, strategy) = started(&s3);
    let recovery = Recovery::new(strategy).over(ReqwestTransport::default());
    let shown = format!("{recovery:?}");
    assert!(!shown.contains("do-not-show"), "{shown}");
    let transport = HttpTransporter::new(recovery);
    let operator = operator.with_context(OperationContext::new().with_http_transport(transport));
    operator.write("one", "first").await.unwrap();
    s3.sessions().end_it();
    operator.read("one").await.unwrap();
    s3.one_fetch_each(2, 1);
}
