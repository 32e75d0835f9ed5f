//! `many`: what batches and scans add to a loop by hand, in instructions, and what segments bring, in time.

use super::Row;
use crate::figures::{Figure, Figures};
use crate::source::Source;
use crate::{Failure, Plan, canned, instructions};
use aws_credential_strategies::{CredentialCache, Dynamo, RefreshPolicy, Table};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::hint::black_box;
use std::time::{Duration, Instant};
use tokio::runtime::Builder;

pub(crate) const ROW: Row = Row {
    name: "many",
    what: "batches and scans beside a loop by hand, on a DynamoDB that is a constant",
    run,
};

const LIFETIME: Duration = Duration::from_secs(6 * 3600);
const OURS: &str = "ours";
const BY_HAND: &str = "loop_by_hand";
const WORK: [(&str, &str); 2] = [
    ("batch_write", "1,000 items written"),
    ("scan", "10,000 items read"),
];
const WRITES: u32 = 1_000;
const WRITES_PER_REQUEST: usize = 25;
/// A run of two less a run of one: set-up, and what the first time warms, are in both.
const COUNTED: u64 = 1;
const ANSWER: Duration = Duration::from_millis(5);
const SEGMENTS: u32 = 4;

#[derive(Debug, Deserialize, Serialize)]
struct User {
    id: String,
    name: String,
    age: u32,
    tags: Vec<String>,
}

fn user(n: u32) -> User {
    User {
        id: n.to_string(),
        name: "Ada Lovelace".to_owned(),
        age: 36,
        tags: vec!["mathematics".to_owned(), "engines".to_owned()],
    }
}

/// One side: the same settings, source and answers.
enum Side {
    Ours(Table<CredentialCache<Source>>),
    ByHand(Client),
}

impl Side {
    fn new(name: &str) -> Option<Self> {
        let settings = canned::settings();
        let source = Source::new(LIFETIME, Duration::ZERO);
        match name {
            OURS => Some(Side::Ours(table(settings))),
            BY_HAND => {
                let provider = SharedCredentialsProvider::new(source);
                let settings = settings.into_builder().credentials_provider(provider);
                Some(Side::ByHand(Client::new(&settings.build())))
            }
            _ => None,
        }
    }

    async fn repeat(&self, work: &str, count: u64) -> Result<(), Failure> {
        for _ in 0..count {
            match (self, work) {
                (Side::Ours(table), "batch_write") => {
                    let users = (0..WRITES).map(user);
                    let batch = users.fold(table.batch_write(), |batch, user| batch.put(&user));
                    batch.concurrency(1).send().await?.complete()?;
                }
                (Side::ByHand(client), "batch_write") => write_by_hand(client).await?,
                (Side::Ours(table), _) => {
                    let mut users = table.scan().stream::<User>();
                    let mut read = 0;
                    while let Some(user) = users.next().await {
                        black_box(user?);
                        read += 1;
                    }
                    black_box(read);
                }
                (Side::ByHand(client), _) => scan_by_hand(client).await?,
            }
        }
        Ok(())
    }
}

fn table(settings: aws_types::SdkConfig) -> Table<CredentialCache<Source>> {
    let source = Source::new(LIFETIME, Duration::ZERO);
    let strategy = CredentialCache::new(source, RefreshPolicy::default());
    Dynamo::new(strategy, &settings).table("MyTable")
}

/// 25 at a time, what is unprocessed again; an error loses the rest.
async fn write_by_hand(client: &Client) -> Result<(), Failure> {
    let mut waiting = Vec::new();
    for user in (0..WRITES).map(user) {
        let item = serde_dynamo::to_item(user)?;
        let put = PutRequest::builder().set_item(Some(item)).build()?;
        waiting.push(WriteRequest::builder().put_request(put).build());
    }
    while !waiting.is_empty() {
        let rest = waiting.split_off(WRITES_PER_REQUEST.min(waiting.len()));
        let request = client
            .batch_write_item()
            .set_request_items(Some(HashMap::from([("MyTable".to_owned(), waiting)])));
        let output = request.send().await?;
        waiting = rest;
        let left = output.unprocessed_items.unwrap_or_default();
        waiting.extend(left.into_values().flatten());
    }
    Ok(())
}

/// Page after page, each item decoded.
async fn scan_by_hand(client: &Client) -> Result<(), Failure> {
    let mut after: Option<HashMap<String, AttributeValue>> = None;
    loop {
        let page = client.scan().table_name("MyTable");
        let page = page.set_exclusive_start_key(after).send().await?;
        for item in page.items.unwrap_or_default() {
            let user: User = serde_dynamo::from_item(item)?;
            black_box(user);
        }
        match page.last_evaluated_key {
            Some(key) => after = Some(key),
            None => return Ok(()),
        }
    }
}

/// For callgrind: `many.<work>.<side>`.
pub(crate) fn kernel(name: &str, count: u64) -> Option<Result<(), Failure>> {
    let (work, side) = name.strip_prefix("many.")?.split_once('.')?;
    let side = Side::new(side)?;
    let runtime = Builder::new_current_thread().enable_all().build();
    Some(
        runtime
            .map_err(Into::into)
            .and_then(|runtime| runtime.block_on(side.repeat(work, count))),
    )
}

fn run(plan: &Plan, figures: &mut Figures) -> Result<(), Failure> {
    let rounds = if plan.quick { 3 } else { 7 };
    let mut one = Vec::new();
    let mut four = Vec::new();
    for _ in 0..rounds {
        one.push(segments(1)?);
        four.push(segments(SEGMENTS)?);
    }
    let (one, four) = (super::median(one), super::median(four));
    figures.add(
        Figure::more(
            "many.segments.speed",
            format!("a scan of {SEGMENTS} segments on a source with 5 ms an answer: how many times as fast as of one"),
            "× one segment",
            one / four,
        )
        .at_least(3.0),
    );
    if !instructions::is_available() {
        println!("  valgrind is not here: no instruction counts");
        return Ok(());
    }
    let names: Vec<_> = WORK
        .iter()
        .flat_map(|(work, _)| [OURS, BY_HAND].map(|side| format!("many.{work}.{side}")))
        .collect();
    let kernels: Vec<_> = names.iter().map(|name| (name.as_str(), COUNTED)).collect();
    let counted: BTreeMap<_, _> = names
        .iter()
        .zip(instructions::per_repetition(&kernels)?)
        .collect();
    for (work, what) in WORK {
        let of = |side| {
            let name = format!("many.{work}.{side}");
            counted.get(&name).copied().unwrap_or(f64::NAN)
        };
        figures.add(
            Figure::less(
                format!("many.{work}.instructions"),
                format!("{what}: instructions"),
                "instructions",
                of(OURS),
            )
            .beside(BY_HAND, of(BY_HAND)),
        );
        figures.add(
            Figure::less(
                format!("many.{work}.of_loop"),
                format!(
                    "{what}: instructions, as a multiple of a loop by hand without our guarantees"
                ),
                "× loop",
                of(OURS) / of(BY_HAND),
            )
            .at_most(1.02),
        );
    }
    Ok(())
}

/// How long a scan of so many segments takes, of as many pages in all.
fn segments(segments: u32) -> Result<f64, Failure> {
    super::on_two_threads(async move {
        let table = table(canned::slow_settings(ANSWER));
        let started = Instant::now();
        let count = table.scan().segments(segments).count().await?;
        black_box(count);
        Ok(started.elapsed().as_secs_f64())
    })
}
