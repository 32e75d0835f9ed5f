//! A parallel scan belongs to nobody's patience: its segments get on whatever the consumer does, its limits
//! count over all of them, and one cursor goes on where all of them were.
#![cfg(feature = "table")]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/table.rs"]
mod support;

use aws_credential_strategies::local::LocalCloud;
use aws_credential_strategies::table::{Cursor, ItemStream, MOST_SEGMENTS_AT_ONCE, Scan};
use aws_credential_strategies::{CredentialCache, CredentialSource, Credentials, Dynamo};
use aws_credential_strategies::{ErrorKind, RefreshPolicy, Result};
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::{Answer, Sent, Transport};

const PAGE: u64 = 10;

fn key(n: u64) -> Json {
    json!({ "n": { "N": n.to_string() } })
}

/// A table of so many items, divided among segments as the remainder says; pages of at most 10, every
/// third item passes a filter. What it served, filter or not, is counted.
fn segmented(items: u64, served: &Arc<AtomicUsize>) -> impl FnMut(&Sent) -> Answer + Send + use<> {
    let served = Arc::clone(served);
    move |sent| {
        let total = sent.body["TotalSegments"].as_u64().unwrap_or(1);
        let segment = sent.body["Segment"].as_u64().unwrap_or(0);
        let after = sent.body["ExclusiveStartKey"]["n"]["N"].as_str();
        let first = after.map_or(segment, |n| n.parse::<u64>().unwrap() + total);
        assert_eq!(first % total, segment, "a key of this segment");
        let limit = sent.body["Limit"].as_u64().unwrap_or(PAGE).min(PAGE);
        let page: Vec<u64> = (first..items)
            .step_by(usize::try_from(total).unwrap())
            .take(usize::try_from(limit).unwrap())
            .collect();
        served.fetch_add(page.len(), Ordering::SeqCst);
        let filtered = sent.body.get("FilterExpression").is_some();
        let passed = page.iter().filter(|n| !filtered || **n % 3 == 0);
        let passed: Vec<Json> = passed.map(|n| key(*n)).collect();
        let mut body =
            json!({ "Count": passed.len(), "ScannedCount": page.len(), "Items": passed });
        if let Some(last) = page.last().filter(|_| page.len() as u64 == limit) {
            body["LastEvaluatedKey"] = key(*last);
        }
        Answer::ok(body)
    }
}

fn scan(transport: &Transport) -> Scan {
    transport.dynamo().table("MyTable").scan()
}

async fn rest(stream: &mut ItemStream<Json>) -> Vec<u64> {
    let mut seen = Vec::new();
    while let Some(item) = stream.next().await {
        seen.push(item.unwrap()["n"].as_u64().unwrap());
    }
    seen
}

/// Each number below `items`, once.
fn assert_all(mut seen: Vec<u64>, items: u64) {
    seen.sort_unstable();
    assert_eq!(seen, (0..items).collect::<Vec<_>>());
}

/// Credentials that the embedded cloud knows.
#[derive(Debug)]
struct Known(Credentials);

impl CredentialSource for Known {
    fn name(&self) -> &'static str {
        "Known"
    }

    async fn fetch(&self) -> Result<Credentials> {
        Ok(self.0.clone())
    }
}

/// What a consumer may do between two items.
#[derive(Clone, Copy, Debug)]
enum Consumer {
    /// It waits for something else.
    Waits,
    /// It computes, and nothing else gets the thread.
    Blocks,
    /// It gives up a `next` that is not ready at once, and waits for something else.
    GivesUp,
}

/// A table behind real sockets, of which no call may take longer than this.
const LIMIT: Duration = Duration::from_millis(2_000);
const AWAY: Duration = Duration::from_millis(2_500);
const ITEMS: u64 = 240;

async fn read_behind_sockets(consumer: Consumer) {
    let cloud = LocalCloud::start().await.unwrap();
    cloud.create_table(("MyTable", "id")).unwrap();
    for n in 0..ITEMS {
        // answers long enough that they come in several parts
        let item = json!({ "id": format!("i{n}"), "n": n, "text": "x".repeat(2_000) });
        cloud.put_item("MyTable", &item).unwrap();
    }
    let source = Known(cloud.create_access_key("reader"));
    let strategy = CredentialCache::new(source, RefreshPolicy::default());
    let timeouts = TimeoutConfig::builder()
        .operation_timeout(LIMIT)
        .operation_attempt_timeout(LIMIT);
    let settings = cloud.sdk_config().into_builder();
    let settings = settings
        .timeout_config(timeouts.build())
        .retry_config(RetryConfig::disabled());
    let db = Dynamo::new(strategy, &settings.build());
    let mut stream = db
        .table("MyTable")
        .scan()
        .segments(4)
        .page_size(30)
        .stream::<Json>();
    let mut seen = Vec::new();
    if let Consumer::GivesUp = consumer {
        let next = tokio::time::timeout(Duration::ZERO, stream.next());
        assert!(next.await.is_err(), "no answer is that fast");
        tokio::time::sleep(AWAY).await;
    }
    while let Some(item) = stream.next().await {
        seen.push(item.unwrap()["n"].as_u64().unwrap());
        // away for longer than any call may take
        match (consumer, seen.len()) {
            (Consumer::Blocks, 1 | 31) => std::thread::sleep(AWAY),
            (Consumer::Waits, 1 | 31) => tokio::time::sleep(AWAY).await,
            _ => {}
        }
    }
    assert_all(seen, ITEMS);
    assert!(stream.is_complete() && stream.cursor().is_none());
}

#[tokio::test]
async fn who_waits_between_items_on_one_thread_gets_them_all() {
    read_behind_sockets(Consumer::Waits).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_between_items_on_several_threads_gets_them_all() {
    read_behind_sockets(Consumer::Waits).await;
}

#[tokio::test]
async fn who_blocks_the_only_thread_gets_them_all() {
    read_behind_sockets(Consumer::Blocks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_gives_up_and_comes_back_gets_them_all() {
    read_behind_sockets(Consumer::GivesUp).await;
}

#[tokio::test]
async fn who_gives_up_and_comes_back_on_one_thread_gets_them_all() {
    read_behind_sockets(Consumer::GivesUp).await;
}

/// 6,000 items behind real sockets, 50 ms of work for each, a minute of something else in the middle, all settings as
/// they come: what ended after 1,040 of them.
#[tokio::test]
#[ignore = "six minutes; .ci/soak scan"]
async fn six_thousand_items_of_slow_work_and_a_minute_away_are_all_read() {
    const MANY: usize = 6_000;
    let cloud = LocalCloud::start().await.unwrap();
    cloud.create_table(("MyTable", "id")).unwrap();
    for n in 0..MANY {
        let item = json!({ "id": format!("i{n}"), "n": n, "text": "x".repeat(2_000) });
        cloud.put_item("MyTable", &item).unwrap();
    }
    let source = Known(cloud.create_access_key("reader"));
    let strategy = CredentialCache::new(source, RefreshPolicy::default());
    let db = Dynamo::new(strategy, &cloud.sdk_config());
    let mut stream = db.table("MyTable").scan().segments(4).stream::<Json>();
    let mut seen = Vec::new();
    while let Some(item) = stream.next().await {
        seen.push(item.unwrap()["n"].as_u64().unwrap());
        tokio::time::sleep(Duration::from_millis(50)).await;
        if seen.len() == MANY / 2 {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        if seen.len() % 500 == 0 {
            println!("{} of {MANY}", seen.len());
        }
    }
    assert_all(seen, MANY as u64);
    assert!(stream.is_complete() && stream.cursor().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_consumer_away_for_a_minute_at_a_time_finds_the_scan_where_it_was() {
    for segments in [1, 4, 40] {
        let transport = Transport::new(segmented(300, &Arc::default()));
        let transport = transport.pausing(Duration::from_millis(50));
        let mut stream = scan(&transport).segments(segments).stream::<Json>();
        let mut seen = Vec::new();
        while let Some(item) = stream.next().await {
            seen.push(item.unwrap()["n"].as_u64().unwrap());
            if seen.len() % 25 == 1 {
                tokio::time::sleep(Duration::from_secs(60)).await;
            }
        }
        assert_all(seen, 300);
        assert!(transport.most_in_flight() <= MOST_SEGMENTS_AT_ONCE);
    }
}

#[tokio::test(start_paused = true)]
async fn four_segments_are_read_four_times_as_fast_as_one() {
    let mut took = Vec::new();
    for segments in [1, 4] {
        let transport = Transport::new(segmented(796, &Arc::default()));
        let transport = transport.pausing(Duration::from_millis(5));
        let begin = tokio::time::Instant::now();
        let count = scan(&transport).segments(segments).count().await.unwrap();
        assert_eq!(count, 796);
        took.push(begin.elapsed());
    }
    assert!(took[0] >= took[1] * 39 / 10, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn on_one_thread_nothing_is_asked_while_items_are_handed_out() {
    let transport = Transport::new(segmented(80, &Arc::default()));
    let transport = transport.pausing(Duration::from_millis(50));
    let mut stream = scan(&transport).segments(4).stream::<Json>();
    stream.next().await.unwrap().unwrap();
    assert_eq!((transport.count(), transport.most_in_flight()), (4, 4));
    // the rest of the four pages is here already
    for _ in 1..40 {
        let item = tokio::time::timeout(Duration::ZERO, stream.next()).await;
        item.expect("without waiting").unwrap().unwrap();
    }
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(transport.count(), 4);
    let left = rest(&mut stream).await;
    assert_eq!(left.len(), 40);
}

#[tokio::test]
async fn take_is_of_all_segments_and_no_more_is_read() {
    for segments in [1, 4, 40] {
        for take in [0, 1, 3, 17, 99, 100, 1_000] {
            let served = Arc::default();
            let transport = Transport::new(segmented(100, &served));
            let mut stream = scan(&transport)
                .segments(segments)
                .take(take)
                .stream::<Json>();
            let mut seen = rest(&mut stream).await;
            let wanted = take.min(100);
            assert_eq!(seen.len(), wanted);
            assert_eq!(served.load(Ordering::SeqCst), wanted, "{segments} {take}");
            assert_eq!(stream.is_complete(), stream.cursor().is_none());
            if let Some(cursor) = stream.cursor() {
                let mut others = scan(&transport).start_at(cursor).stream::<Json>();
                seen.append(&mut rest(&mut others).await);
            }
            assert_all(seen, 100);
        }
    }
}

#[tokio::test]
async fn max_requests_is_of_all_segments_and_never_passes_for_the_end() {
    for segments in [1, 3, 8] {
        for most in [1, 2, 5, 9] {
            let transport = Transport::new(segmented(95, &Arc::default()));
            let mut seen = Vec::new();
            let mut cursor: Option<Cursor> = None;
            loop {
                let before = transport.count();
                let scan = scan(&transport).max_requests(most);
                let scan = match cursor {
                    Some(cursor) => scan.start_at(cursor),
                    None => scan.segments(segments),
                };
                let mut stream = scan.stream::<Json>();
                seen.append(&mut rest(&mut stream).await);
                assert!(transport.count() - before <= most);
                assert_eq!(transport.count() - before, stream.requests());
                // the cursor goes on after a journey as a text
                cursor = stream
                    .cursor()
                    .map(|cursor| cursor.to_string().parse().unwrap());
                assert_eq!(stream.is_complete(), cursor.is_none());
                if cursor.is_none() {
                    break;
                }
            }
            assert_all(seen, 95);
        }
    }
}

#[tokio::test]
async fn with_a_filter_take_counts_what_passed_it() {
    for segments in [1, 4] {
        let transport = Transport::new(segmented(200, &Arc::default()));
        let filtered = || {
            let every_third = aws_credential_strategies::table::attr("n").ge(0);
            scan(&transport).filter(every_third)
        };
        let mut stream = filtered().segments(segments).take(10).stream::<Json>();
        let mut seen = rest(&mut stream).await;
        assert_eq!(seen.len(), 10);
        // the pages that were not handed out whole come again
        let cursor = stream.cursor().unwrap();
        let mut others = filtered().start_at(cursor).stream::<Json>();
        seen.append(&mut rest(&mut others).await);
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, (0..200).step_by(3).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn an_error_in_one_segment_comes_behind_the_items_of_the_others_and_leaves_a_cursor() {
    let mut answers = segmented(95, &Arc::default());
    let mut fails = true;
    let transport = Transport::new(move |sent| {
        let of_two = sent.body["Segment"] == 2 && sent.body.get("ExclusiveStartKey").is_some();
        if of_two && std::mem::take(&mut fails) {
            return Answer::error_with(500, "InternalServerError", json!({}));
        }
        answers(sent)
    });
    let mut stream = scan(&transport).segments(4).stream::<Json>();
    let mut seen = Vec::new();
    let error = loop {
        match stream.next().await.expect("an error") {
            Ok(item) => seen.push(item["n"].as_u64().unwrap()),
            Err(error) => break error,
        }
    };
    assert_eq!(*error.kind(), ErrorKind::Service);
    assert_eq!(
        seen.len(),
        40 + 30,
        "two pages of three segments, one of the fourth"
    );
    assert!(stream.next().await.is_none() && !stream.is_complete());
    let mut others = scan(&transport)
        .start_at(stream.cursor().unwrap())
        .stream::<Json>();
    seen.append(&mut rest(&mut others).await);
    assert_all(seen, 95);
}

#[tokio::test]
async fn a_cursor_is_split_among_processes() {
    let transport = Transport::new(segmented(200, &Arc::default()));
    let mut begun = scan(&transport)
        .segments(5)
        .max_requests(7)
        .stream::<Json>();
    let mut seen = rest(&mut begun).await;
    for cursor in [begun.cursor().unwrap(), Cursor::segments(5)] {
        let parts = cursor.split();
        assert_eq!(parts.len(), 5);
        for part in parts {
            let text = serde_json::to_string(&part).unwrap();
            let part: Cursor = serde_json::from_str(&text).unwrap();
            // a page of one segment has a cursor of that segment
            let page = scan(&transport)
                .start_at(part)
                .page::<Json>()
                .await
                .unwrap();
            let numbers = |items: Vec<Json>| {
                items
                    .into_iter()
                    .map(|i| i["n"].as_u64().unwrap())
                    .collect()
            };
            let mut numbers: Vec<u64> = numbers(page.items);
            seen.append(&mut numbers);
            if let Some(next) = page.next {
                let mut stream = scan(&transport).start_at(next).stream::<Json>();
                seen.append(&mut rest(&mut stream).await);
            }
        }
        assert_all(std::mem::take(&mut seen), 200);
    }
}

#[tokio::test]
async fn a_scan_that_is_not_begun_is_not_complete() {
    let transport = Transport::new(segmented(5, &Arc::default()));
    for segments in [1, 4] {
        let mut stream = scan(&transport).segments(segments).stream::<Json>();
        assert!(!stream.is_complete());
        let beginning = stream.cursor().unwrap();
        stream.next().await.unwrap().unwrap();
        assert!(!stream.is_complete());
        let mut again = scan(&transport).start_at(beginning).stream::<Json>();
        assert_all(rest(&mut again).await, 5);
        assert!(again.is_complete());
        rest(&mut stream).await;
        assert!(stream.is_complete());
    }
}

#[tokio::test]
async fn a_cursor_of_another_kind_is_refused_before_anything_is_sent() {
    let silent = Transport::silent();
    let table = silent.dynamo().table("MyTable");
    let four = || Cursor::segments(4);
    let refused = [
        (
            table
                .scan()
                .segments(3)
                .start_at(four())
                .count()
                .await
                .err(),
            "start_at",
        ),
        (
            table.scan().start_at(four()).page::<Json>().await.err(),
            "segments",
        ),
        (
            table.query("id", "1").start_at(four()).count().await.err(),
            "start_at",
        ),
        (table.scan().segments(0).count().await.err(), "segments"),
    ];
    for (error, field) in refused {
        let error = error.unwrap();
        assert_eq!(error.field(), Some(field), "{error}");
    }
    for bad in [
        "WzAsMCxbXV0",
        "WzQsNCxbXV0",
        "WzQsNSxbXV0",
        "WzQsNCxbWzQsbnVsbF1dXQ",
    ] {
        assert!(bad.parse::<Cursor>().is_err(), "{bad}");
    }
}

#[tokio::test]
async fn any_interruption_loses_nothing_and_take_repeats_nothing() {
    for seed in 0..40 {
        let mut chance = fastrand::Rng::with_seed(seed);
        let items = chance.u64(0..150);
        let transport = Transport::new(segmented(items, &Arc::default()));
        let segments = chance.u32(1..20);
        let taking = chance.bool();
        let mut cursor = Cursor::segments(segments);
        let mut seen = Vec::new();
        loop {
            let stop = chance.usize(1..40);
            let scan = scan(&transport)
                .start_at(cursor)
                .page_size(chance.i32(1..12));
            let scan = if taking { scan.take(stop) } else { scan };
            let mut stream = scan.stream::<Json>();
            for _ in 0..stop {
                let Some(item) = stream.next().await else {
                    break;
                };
                seen.push(item.unwrap()["n"].as_u64().unwrap());
            }
            match stream.cursor() {
                Some(next) => cursor = next,
                None => break,
            }
        }
        if !taking {
            seen.sort_unstable();
            seen.dedup();
        }
        assert_all(seen, items);
    }
}
