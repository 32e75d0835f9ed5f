//! Pages end where they should: not in silence, not for ever, not later than asked.
#![cfg(feature = "table")]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/table.rs"]
mod support;

use aws_credential_strategies::ErrorKind;
use aws_credential_strategies::table::{
    Cursor, ItemStream, MOST_SEGMENTS_AT_ONCE, Query, Select, Table, attr, sort,
};
use futures_util::TryStreamExt as _;
use serde_json::{Value as Json, json};
use std::time::Duration;
use support::{Answer, Fixed, Sent, Transport};

fn key(n: u64) -> Json {
    json!({ "pk": { "S": "p" }, "n": { "N": n.to_string() } })
}

/// A partition of so many items, by DynamoDB's rules for `Limit`, `ExclusiveStartKey` and
/// `LastEvaluatedKey`; every other item passes a filter. A page holds at most 10.
fn partition(items: u64) -> impl FnMut(&Sent) -> Answer + Send {
    move |sent| {
        let start = sent.body["ExclusiveStartKey"]["n"]["N"].as_str();
        let first = start.map_or(0, |n| n.parse::<u64>().unwrap() + 1);
        let limit = sent.body["Limit"].as_u64().unwrap_or(10).min(10);
        let end = items.min(first + limit);
        let filtered = sent.body.get("FilterExpression").is_some();
        let page: Vec<u64> = (first..end).filter(|n| !filtered || n % 2 == 1).collect();
        let mut body = json!({
            "Count": page.len(),
            "ScannedCount": end - first,
            "ConsumedCapacity": { "TableName": "MyTable", "CapacityUnits": 0.5 },
        });
        if sent.body["Select"] != "COUNT" {
            body["Items"] = page.into_iter().map(key).collect();
        }
        if end < items || end - first == limit {
            body["LastEvaluatedKey"] = key(end - 1);
        }
        Answer::ok(body)
    }
}

fn table(transport: &Transport) -> Table<Fixed> {
    transport.dynamo().table("MyTable")
}

fn query(transport: &Transport) -> Query {
    table(transport).query("pk", "p")
}

fn numbers(items: &[Json]) -> Vec<u64> {
    items
        .iter()
        .map(|item| item["n"].as_u64().unwrap())
        .collect()
}

#[tokio::test]
async fn a_stream_reads_every_page_and_stops() {
    for items in [0, 1, 9, 10, 11, 35] {
        let transport = Transport::new(partition(items));
        let stream: ItemStream<Json> = query(&transport).stream();
        let all: Vec<Json> = stream.try_collect().await.unwrap();
        assert_eq!(numbers(&all), (0..items).collect::<Vec<_>>());
        assert_eq!(transport.count() as u64, items / 10 + 1);
        let count = Transport::new(partition(items));
        assert_eq!(query(&count).count().await.unwrap(), items);
        assert!(
            count
                .sent()
                .iter()
                .all(|sent| sent.body["Select"] == "COUNT")
        );
    }
}

#[tokio::test]
async fn a_repeated_last_evaluated_key_is_an_error() {
    let stuck =
        |_: &Sent| Answer::ok(json!({ "Items": [key(1)], "Count": 1, "LastEvaluatedKey": key(1) }));
    for scan in [false, true] {
        let transport = Transport::new(stuck);
        let mut stream = if scan {
            table(&transport).scan().stream::<Json>()
        } else {
            query(&transport).stream::<Json>()
        };
        assert!(stream.next().await.unwrap().is_ok());
        let error = stream.next().await.unwrap().unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Malformed);
        assert!(error.to_string().contains("LastEvaluatedKey"), "{error}");
        assert!(stream.next().await.is_none());
        assert_eq!(transport.count(), 2);
        assert!(query(&Transport::new(stuck)).count().await.is_err());
    }
}

#[tokio::test]
async fn an_empty_page_is_no_end() {
    let pages = [
        json!({ "Items": [], "Count": 0, "ScannedCount": 3, "LastEvaluatedKey": key(3) }),
        json!({ "Count": 0, "ScannedCount": 3, "LastEvaluatedKey": key(6) }),
        json!({ "Items": [key(7)], "Count": 1, "ScannedCount": 1 }),
    ];
    let transport = Transport::replay(pages.map(Answer::ok));
    let all = query(&transport).all::<Json>().await.unwrap().items;
    assert_eq!(numbers(&all), [7]);
    assert_eq!(transport.sent()[2].body["ExclusiveStartKey"], key(6));
}

#[tokio::test]
async fn take_counts_items_returned_and_reads_no_more_than_these() {
    let transport = Transport::new(partition(100));
    let taken = query(&transport).take(13).page_size(6).all::<Json>();
    let all = taken.await.unwrap().complete().unwrap();
    assert_eq!(numbers(&all), (0..13).collect::<Vec<_>>());
    let limits: Vec<_> = transport
        .sent()
        .iter()
        .map(|sent| sent.body["Limit"].clone())
        .collect();
    assert_eq!(limits, [6, 6, 1]);

    let transport = Transport::new(partition(100));
    let filtered = query(&transport)
        .take(8)
        .filter(attr("n").gt(0))
        .all::<Json>();
    assert_eq!(
        numbers(&filtered.await.unwrap().items),
        [1, 3, 5, 7, 9, 11, 13, 15]
    );
    assert_eq!(transport.count(), 2);
    assert!(transport.sent()[0].body.get("Limit").is_none());

    let silent = Transport::silent();
    assert!(
        query(&silent)
            .take(0)
            .all::<Json>()
            .await
            .unwrap()
            .items
            .is_empty()
    );
}

#[tokio::test]
async fn max_requests_is_a_ceiling_that_is_told() {
    let transport = Transport::new(partition(100));
    let mut stream = query(&transport)
        .max_requests(2)
        .consumed_capacity()
        .stream::<Json>();
    let mut seen = Vec::new();
    while let Some(item) = stream.next().await {
        seen.push(item.unwrap());
    }
    assert_eq!(
        (seen.len(), transport.count(), stream.requests()),
        (20, 2, 2)
    );
    assert_eq!(stream.capacity(), Some(1.0));
    let rest = query(&transport)
        .start_at(stream.cursor().unwrap())
        .all::<Json>();
    assert_eq!(
        numbers(&rest.await.unwrap().items),
        (20..100).collect::<Vec<_>>()
    );

    let transport = Transport::new(partition(100));
    let error = query(&transport)
        .max_requests(2)
        .all::<Json>()
        .await
        .unwrap_err();
    assert!(error.to_string().contains("max_requests(2)"), "{error}");
    assert!(query(&transport).max_requests(3).count().await.is_err());
    assert_eq!(
        query(&transport).max_requests(11).count().await.unwrap(),
        100
    );
    let enough = query(&transport).take(15).max_requests(2).all::<Json>();
    assert_eq!(enough.await.unwrap().items.len(), 15);
    let scan = table(&transport)
        .scan()
        .segments(3)
        .max_requests(2)
        .all::<Json>();
    assert!(scan.await.is_err());
}

#[tokio::test]
async fn a_cursor_travels_as_text_and_goes_on_exactly() {
    let transport = Transport::new(partition(25));
    let first = query(&transport).take(7).page::<Json>().await.unwrap();
    let cursor = first.next.unwrap();
    let text = cursor.to_string();
    assert!(
        text.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    );
    assert_eq!(text.parse::<Cursor>().unwrap(), cursor);
    let json = serde_json::to_string(&cursor).unwrap();
    assert_eq!(serde_json::from_str::<Cursor>(&json).unwrap(), cursor);
    let rest = query(&transport)
        .start_at(cursor)
        .all::<Json>()
        .await
        .unwrap();
    assert_eq!(numbers(&rest.items), (7..25).collect::<Vec<_>>());
    let last = query(&Transport::new(partition(5)))
        .page::<Json>()
        .await
        .unwrap();
    assert!(last.next.is_none());

    for bad in ["", "!", "e30", "bm90IGpzb24", "eyJhIjp7Ik0iOiJ4In19"] {
        let error = bad.parse::<Cursor>().unwrap_err();
        assert_eq!(error.field(), Some("cursor"), "{bad}");
    }
}

#[tokio::test]
async fn a_stream_that_stops_within_a_page_repeats_rather_than_loses() {
    let transport = Transport::new(partition(30));
    let mut stream = query(&transport).stream::<Json>();
    for _ in 0..13 {
        stream.next().await.unwrap().unwrap();
    }
    let rest = query(&transport)
        .start_at(stream.cursor().unwrap())
        .all::<Json>();
    assert_eq!(
        numbers(&rest.await.unwrap().items),
        (10..30).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn an_item_that_does_not_fit_is_an_error_in_its_place() {
    let page = json!({ "Items": [key(1), key(1000), key(3)], "Count": 3 });
    let transport = Transport::replay([Answer::ok(page)]);
    let mut stream = query(&transport).stream::<Small>();
    assert_eq!(stream.next().await.unwrap().unwrap().n, 1);
    let error = stream.next().await.unwrap().err().unwrap();
    assert_eq!(*error.kind(), ErrorKind::Decode);
    assert!(
        error.to_string().contains("query on table MyTable"),
        "{error}"
    );
    assert_eq!(stream.next().await.unwrap().unwrap().n, 3);
    assert!(stream.next().await.is_none());
}

#[derive(Debug, serde::Deserialize)]
struct Small {
    n: i8,
}

#[tokio::test]
async fn one_item_that_does_not_fit_costs_neither_the_others_nor_the_cursor() {
    let pages = || {
        let first = json!({ "Items": [key(1), key(1000), key(3)], "Count": 3, "ScannedCount": 3, "LastEvaluatedKey": key(3), "ConsumedCapacity": { "CapacityUnits": 1.5 } });
        let last = json!({ "Items": [key(4), key(2000)], "Count": 2, "ScannedCount": 2, "ConsumedCapacity": { "CapacityUnits": 0.5 } });
        Transport::replay([Answer::ok(first), Answer::ok(last)])
    };
    let fit = |items: &[Small]| items.iter().map(|item| item.n).collect::<Vec<_>>();
    for scan in [false, true] {
        let transport = pages();
        let page = if scan {
            table(&transport).scan().page::<Small>().await.unwrap()
        } else {
            query(&transport).page::<Small>().await.unwrap()
        };
        assert_eq!((fit(&page.items), page.scanned), (vec![1, 3], 3));
        assert!(page.next.is_some());
        let [bad] = page.undecoded.as_slice() else {
            panic!("{:?}", page.undecoded)
        };
        assert_eq!(*bad.kind(), ErrorKind::Decode);
        assert!(bad.to_string().contains("table MyTable"), "{bad}");
        let error = page.complete().unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Decode);

        let transport = pages();
        let all = if scan {
            table(&transport).scan().all::<Small>().await.unwrap()
        } else {
            query(&transport).all::<Small>().await.unwrap()
        };
        assert_eq!(fit(&all.items), [1, 3, 4]);
        assert_eq!((all.undecoded.len(), all.scanned), (2, 5));
        assert_eq!(all.capacity, Some(2.0));
        assert!(all.next.is_none());
    }
}

#[tokio::test]
async fn all_that_is_cut_short_by_take_says_where_it_goes_on() {
    let transport = Transport::new(partition(30));
    let some = query(&transport).take(12).all::<Json>().await.unwrap();
    let rest = query(&transport).start_at(some.next.clone().unwrap());
    let rest = rest.all::<Json>().await.unwrap();
    assert!(rest.next.is_none());
    let mut seen = numbers(&some.complete().unwrap());
    seen.extend(numbers(&rest.complete().unwrap()));
    assert_eq!(seen, (0..30).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_first_item_and_the_only_one() {
    for (items, one) in [(0, Ok(None)), (1, Ok(Some(0))), (2, Err(()))] {
        let transport = Transport::new(partition(items));
        let first = query(&transport).first::<Json>().await.unwrap();
        assert_eq!(
            first.map(|item| item["n"].as_u64().unwrap()),
            (items > 0).then_some(0)
        );
        assert_eq!(transport.sent()[0].body["Limit"], 1);
        assert_eq!(transport.count(), 1);
        let only = query(&transport).one::<Json>().await;
        let only = only.map(|item| item.map(|item| item["n"].as_u64().unwrap()));
        assert_eq!(only.map_err(|_| ()), one);
    }
    // a filter may let nothing through for pages
    let transport = Transport::new(partition(100));
    let filtered = || query(&transport).filter(attr("n").gt(0));
    assert_eq!(filtered().first::<Json>().await.unwrap().unwrap()["n"], 1);
    let empty = json!({ "Items": [], "Count": 0, "LastEvaluatedKey": key(1) });
    let transport = Transport::new(move |sent| {
        let mut body = empty.clone();
        let after = sent.body["ExclusiveStartKey"]["n"]["N"].as_str();
        body["LastEvaluatedKey"] = key(after.map_or(0, |n| n.parse::<u64>().unwrap() + 1));
        Answer::ok(body)
    });
    let cut_short = query(&transport).max_requests(3).first::<Json>().await;
    assert!(
        cut_short
            .unwrap_err()
            .to_string()
            .contains("max_requests(3)")
    );
}

#[tokio::test]
async fn a_count_asks_for_no_attributes() {
    let transport = Transport::new(partition(25));
    let whole = || {
        query(&transport)
            .project(["n", "name"])
            .filter(attr("n").ge(0))
    };
    whole().count().await.unwrap();
    table(&transport)
        .scan()
        .project(["n"])
        .count()
        .await
        .unwrap();
    for sent in transport.sent() {
        assert_eq!(sent.body["Select"], "COUNT");
        assert!(sent.body.get("ProjectionExpression").is_none());
        // nor does a placeholder stay behind, which DynamoDB refuses as unused
        let names = sent.body["ExpressionAttributeNames"].as_object();
        let names = names.into_iter().flatten().map(|(_, name)| name.clone());
        assert!(!names.collect::<Vec<_>>().contains(&json!("name")));
    }
}

#[tokio::test]
async fn an_index_may_be_asked_for_whole_items() {
    let transport = Transport::new(partition(5));
    let whole = query(&transport)
        .index("byDay")
        .select(Select::AllAttributes);
    whole.all::<Json>().await.unwrap().complete().unwrap();
    assert_eq!(transport.sent()[0].body["Select"], "ALL_ATTRIBUTES");
    let silent = Transport::silent();
    let both = query(&silent).select(Select::AllAttributes).project(["n"]);
    let error = both.page::<Json>().await.unwrap_err();
    assert_eq!(error.field(), Some("select"), "{error}");
    let one = query(&transport)
        .select(Select::SpecificAttributes)
        .project(["n"]);
    one.page::<Json>().await.unwrap().complete().unwrap();
}

#[tokio::test]
async fn an_index_may_have_several_key_attributes_on_each_side() {
    let transport = Transport::new(|_| Answer::ok(json!({ "Items": [], "Count": 0 })));
    let query = table(&transport)
        .query("tenant", "t")
        .index("byRegionAndDay")
        .key(attr("region").eq("eu"))
        .key(attr("year").eq(2026) & attr("day").between(1, 31));
    query.all::<Json>().await.unwrap().complete().unwrap();
    let sent = &transport.sent()[0].body;
    assert_eq!(
        sent["KeyConditionExpression"],
        "#n0 = :v0 AND #n1 = :v1 AND #n2 = :v2 AND #n3 BETWEEN :v3 AND :v4"
    );
    let names = json!({ "#n0": "tenant", "#n1": "region", "#n2": "year", "#n3": "day" });
    assert_eq!(sent["ExpressionAttributeNames"], names);
}

#[tokio::test]
async fn a_query_that_can_find_nothing_is_refused_before_it_is_sent() {
    let silent = Transport::silent();
    let none: Option<&str> = None;
    let error = table(&silent)
        .query("pk", none)
        .page::<Json>()
        .await
        .unwrap_err();
    assert_eq!(error.field(), Some("key attribute \"pk\""), "{error}");
    let twice = query(&silent).sort(sort("n").ge(1)).sort(sort("n").le(5));
    let error = twice.page::<Json>().await.unwrap_err();
    assert_eq!(error.field(), Some("sort"), "{error}");
    assert!(error.to_string().contains("between"), "{error}");
}

#[tokio::test]
async fn an_error_in_the_middle_ends_the_stream() {
    let first = json!({ "Items": [key(1)], "Count": 1, "LastEvaluatedKey": key(1) });
    let answers = [
        Answer::ok(first),
        Answer::error("ValidationException", "no"),
    ];
    let transport = Transport::replay(answers);
    let mut stream = query(&transport).stream::<Json>();
    assert!(stream.next().await.unwrap().is_ok());
    assert!(stream.next().await.unwrap().is_err());
    assert!(stream.next().await.is_none());
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn segments_divide_a_scan_exactly() {
    let transport = Transport::new(|_| Answer::ok(json!({ "Items": [key(1)], "Count": 1 })));
    let all = table(&transport)
        .scan()
        .segments(40)
        .all::<Json>()
        .await
        .unwrap();
    assert_eq!(all.items.len(), 40);
    let sent = transport.sent();
    let mut segments: Vec<_> = sent
        .iter()
        .map(|s| s.body["Segment"].as_u64().unwrap())
        .collect();
    segments.sort_unstable();
    assert_eq!(segments, (0..40).collect::<Vec<_>>());
    assert!(sent.iter().all(|s| s.body["TotalSegments"] == 40));
}

#[tokio::test(start_paused = true)]
async fn segments_are_read_at_the_same_time_up_to_a_bound() {
    for (segments, most) in [(1, 1), (5, 5), (40, MOST_SEGMENTS_AT_ONCE)] {
        let one = Transport::new(|_| Answer::ok(json!({ "Items": [key(1)], "Count": 1 })));
        let transport = one.pausing(Duration::from_millis(10));
        let scan = table(&transport).scan().segments(segments);
        assert_eq!(scan.count().await.unwrap(), u64::from(segments));
        assert_eq!(transport.most_in_flight(), most);
    }
}

#[tokio::test]
async fn every_page_is_asked_for_in_the_same_words() {
    let transport = Transport::new(partition(25));
    let query = query(&transport)
        .sort(sort("n").ge(0))
        .filter(attr("n").ge(0))
        .project(["n", "pk"])
        .raw(|query| query.return_consumed_capacity("INDEXES".into()));
    query.all::<Json>().await.unwrap().complete().unwrap();
    let mut sent: Vec<Json> = transport.sent().into_iter().map(|sent| sent.body).collect();
    for body in &mut sent {
        body.as_object_mut().unwrap().remove("ExclusiveStartKey");
    }
    assert_eq!(sent.len(), 3);
    assert!(sent.iter().all(|body| *body == sent[0]));
    assert_eq!(sent[0]["ReturnConsumedCapacity"], "INDEXES");
}

#[tokio::test]
async fn a_raw_change_that_means_another_attribute_is_refused_before_it_is_sent() {
    let silent = Transport::silent();
    let filtered = || query(&silent).filter(attr("n").ge(0));
    let renamed = filtered().raw(|query| query.expression_attribute_names("#n0", "other"));
    let error = renamed.page::<Json>().await.unwrap_err();
    assert_eq!(error.field(), Some("raw"), "{error}");
    let unused = filtered().raw(|query| query.set_filter_expression(None));
    let error = unused.count().await.unwrap_err();
    assert!(error.to_string().contains("#n1"), "{error}");
    let scan = table(&silent).scan().project(["a"]);
    let scan = scan.raw(|scan| scan.expression_attribute_names("#n0", "b"));
    assert_eq!(scan.page::<Json>().await.unwrap_err().field(), Some("raw"));
}

#[tokio::test]
async fn items_are_not_read_where_only_their_number_comes() {
    let transport = Transport::new(partition(3));
    let counting = || query(&transport).select(Select::Count);
    let scanning = || table(&transport).scan().select(Select::Count);
    let raw = || query(&transport).raw(|request| request.select(Select::Count));
    let mut errors = vec![
        counting().all::<Json>().await.map(drop).unwrap_err(),
        counting().first::<Json>().await.map(drop).unwrap_err(),
        counting().one::<Json>().await.map(drop).unwrap_err(),
        counting().page::<Json>().await.map(drop).unwrap_err(),
        scanning().all::<Json>().await.map(drop).unwrap_err(),
        scanning()
            .segments(3)
            .all::<Json>()
            .await
            .map(drop)
            .unwrap_err(),
        scanning().page::<Json>().await.map(drop).unwrap_err(),
        raw().all::<Json>().await.map(drop).unwrap_err(),
        raw().page::<Json>().await.map(drop).unwrap_err(),
    ];
    let mut stream = counting().stream::<Json>();
    errors.push(stream.next().await.unwrap().unwrap_err());
    assert!(stream.next().await.is_none());
    for error in errors {
        assert_eq!(*error.kind(), ErrorKind::Usage);
        assert_eq!(error.field(), Some("select"));
        assert!(error.to_string().contains("use count()"), "{error}");
    }
    assert_eq!(transport.count(), 0, "nothing was sent");
    assert_eq!(counting().count().await.unwrap(), 3);
    assert_eq!(raw().count().await.unwrap(), 3);
    // the SDK's answer has the number
    assert_eq!(counting().output().await.unwrap().count(), 3);
}

#[tokio::test]
async fn one_answer_has_the_limit_of_one_page() {
    let limits = |transport: &Transport| -> Vec<Json> {
        let sent = transport.sent();
        sent.iter().map(|sent| sent.body["Limit"].clone()).collect()
    };
    let transport = Transport::new(partition(100));
    query(&transport).take(5).output().await.unwrap();
    query(&transport)
        .take(5)
        .page_size(3)
        .output()
        .await
        .unwrap();
    query(&transport).page_size(7).output().await.unwrap();
    let scan = || table(&transport).scan();
    scan().take(5).output().await.unwrap();
    scan().take(5).page_size(3).output().await.unwrap();
    scan().output().await.unwrap();
    assert_eq!(
        limits(&transport),
        [json!(5), json!(3), json!(7), json!(5), json!(3), Json::Null]
    );
    let sent = transport.count();
    let filtered = query(&transport).filter(attr("n").gt(0)).take(5).output();
    let filtered = filtered.await.unwrap_err();
    let nothing = scan().take(0).output().await.unwrap_err();
    for error in [filtered, nothing] {
        assert_eq!(*error.kind(), ErrorKind::Usage);
        assert_eq!(error.field(), Some("take"));
    }
    assert_eq!(transport.count(), sent);
}
