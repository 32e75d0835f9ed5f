//! Promise: a store goes on through sessions that S3 ends in the middle of what it does. Against a real S3 in the
//! process: 0 requests failed, and exactly one fetch for each session that ended, or was replaced before its end.

use super::adapter::WithStrategy;
use super::object_store;
use super::object_store::aws::{AmazonS3, AmazonS3Builder};
use super::object_store::path::Path;
use super::object_store::{MultipartUpload, ObjectStore, ObjectStoreExt};
use aws_credential_strategies::{CredentialCache, RefreshPolicy};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use integrations_s3::{Ends, REGION, S3, Source, rotate};
use std::fs;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
const MB: usize = 1024 * 1024;

fn store(s3: &S3) -> (AmazonS3, CredentialCache<Source>) {
    let strategy = CredentialCache::new(s3.source(), RefreshPolicy::default());
    let store = AmazonS3Builder::new()
        .with_endpoint(s3.url())
        .with_allow_http(true)
        .with_region(REGION)
        .with_bucket_name(S3::BUCKET)
        .with_strategy(strategy.clone())
        .build()
        .unwrap();
    (store, strategy)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_multipart_upload_of_100_mb() {
    let s3 = S3::start(Ends::AfterRequests(5), HOUR).await;
    let (store, _) = store(&s3);
    let path = Path::from("large");
    let mut upload = store.put_multipart(&path).await.unwrap();
    let mut parts = Vec::new();
    for number in 0..20_u8 {
        parts.push(upload.put_part(Bytes::from(vec![number; 5 * MB]).into()));
    }
    // four of them at a time
    futures_util::stream::iter(parts)
        .buffer_unordered(4)
        .try_collect::<Vec<()>>()
        .await
        .unwrap();
    upload.complete().await.unwrap();
    // begun, 20 parts, completed: five for each session
    s3.one_fetch_each(22, 4);
    let written = fs::read(s3.files().join("large")).unwrap();
    assert_eq!(written.len(), 100 * MB);
    for number in 0..20_u8 {
        let part = &written[usize::from(number) * 5 * MB..][..5 * MB];
        assert!(part.iter().all(|byte| *byte == number), "part {number}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listing_of_10_000_objects() {
    let s3 = S3::start(Ends::AfterRequests(3), HOUR).await;
    for number in 0..10_000 {
        fs::write(s3.files().join(format!("{number:05}")), "").unwrap();
    }
    let (store, _) = store(&s3);
    let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
    assert_eq!(listed.len(), 10_000);
    for (number, object) in listed.iter().enumerate() {
        assert_eq!(object.location.as_ref(), format!("{number:05}"));
    }
    // ten pages of a thousand
    s3.one_fetch_each(10, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_gets_64_at_a_time() {
    let s3 = S3::start(Ends::AfterRequests(100), HOUR).await;
    let written: Vec<u8> = (0..=u8::MAX).cycle().take(700).collect();
    fs::write(s3.files().join("one"), &written).unwrap();
    let (store, _) = store(&s3);
    // no two are the same to the server, which remembers those that it refused
    let gets = (0..640_usize).map(|number| {
        let (store, written) = (&store, &written);
        async move {
            let range = number as u64..700;
            let bytes = store.get_range(&Path::from("one"), range).await?;
            assert_eq!(bytes, written[number..]);
            Ok::<_, object_store::Error>(())
        }
    });
    futures_util::stream::iter(gets)
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
    for number in 0..10_000 {
        fs::write(s3.files().join(format!("{number:05}")), "here").unwrap();
    }
    let (store, strategy) = store(&s3);
    rotate(&strategy).await.unwrap();
    let waited = strategy.status().waits;
    let mut listed = store.list(None);
    let (mut objects, mut pages) = (0, 1);
    let mut upload = store.put_multipart(&Path::from("large")).await.unwrap();
    while let Some(object) = listed.try_next().await.unwrap() {
        objects += 1;
        if objects % 2500 != 0 {
            continue;
        }
        // a part, a rotation under 64 gets, another part
        upload.put_part(vec![0; 5 * MB].into()).await.unwrap();
        let gets = futures_util::future::try_join_all(
            (0..64).map(|_| async { store.get(&object.location).await?.bytes().await }),
        );
        let (rotated, got) = tokio::join!(rotate(&strategy), gets);
        rotated.unwrap();
        assert!(got.unwrap().iter().all(|bytes| bytes == "here"));
        upload.put_part(vec![1; 5 * MB].into()).await.unwrap();
        pages += 1;
    }
    assert_eq!((objects, pages), (10_000, 5));
    upload.complete().await.unwrap();
    assert_eq!(fs::read(s3.files().join("large")).unwrap().len(), 40 * MB);
    // ten pages; begun, 8 parts, completed; 64 gets four times
    s3.one_fetch_a_rotation(10 + 10 + 256, 4);
    // who rotates waits for it, and nobody else
    assert_eq!(strategy.status().waits, waited + 4);
}

#[tokio::test]
async fn every_operation_is_repeated() {
    let s3 = S3::start(Ends::AtItsEnd, HOUR).await;
    let (store, _) = store(&s3);
    let (one, other) = (Path::from("one"), Path::from("other"));
    let sessions = s3.sessions();
    store.put(&one, "first".into()).await.unwrap();
    sessions.end_it();
    store.put(&one, "second".into()).await.unwrap();
    sessions.end_it();
    assert_eq!(store.head(&one).await.unwrap().size, 6);
    sessions.end_it();
    assert_eq!(
        store.get(&one).await.unwrap().bytes().await.unwrap(),
        "second"
    );
    sessions.end_it();
    store.copy(&one, &other).await.unwrap();
    sessions.end_it();
    let listed = store.list_with_delimiter(None).await.unwrap();
    assert_eq!(listed.objects.len(), 2);
    sessions.end_it();
    let both = futures_util::stream::iter([Ok(one), Ok(other)]).boxed();
    let deleted: Vec<_> = store.delete_stream(both).try_collect().await.unwrap();
    assert_eq!(deleted.len(), 2);
    assert_eq!(sessions.fetches(), 7);
    // a HEAD is refused without a reason, which is asked for once
    assert_eq!(sessions.rejected(), 7);
}

#[tokio::test]
async fn a_refusal_that_is_not_about_the_key_is_left_alone() {
    let s3 = S3::start(Ends::AtItsEnd, HOUR).await;
    let (store, _) = store(&s3);
    let absent = Path::from("absent");
    let error = store.head(&absent).await.unwrap_err();
    assert!(
        matches!(error, object_store::Error::NotFound { .. }),
        "{error:?}"
    );
    let error = store.get(&absent).await.unwrap_err();
    assert!(
        matches!(error, object_store::Error::NotFound { .. }),
        "{error:?}"
    );
    assert_eq!(s3.sessions().fetches(), 1);
    assert_eq!(s3.sessions().admitted(), 2);
}
