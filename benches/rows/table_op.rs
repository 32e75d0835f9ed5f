//! `table_op`: what `Table` adds to the SDK, in instructions, on a DynamoDB that is a constant.

use super::Row;
use crate::figures::{Figure, Figures};
use crate::source::Source;
use crate::{ALLOCATOR, Failure, Plan, canned, instructions};
use aws_credential_strategies::iam::PolicyRecorder;
use aws_credential_strategies::table::{DEFAULT_ATTEMPT_TIMEOUT, DEFAULT_OPERATION_TIMEOUT};
use aws_credential_strategies::{CredentialCache, Dynamo, RefreshPolicy, Table, sdk};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{Builder as Config, StalledStreamProtectionConfig};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_types::SdkConfig;
use serde::{Deserialize, Serialize};
use stats_alloc::Region as Allocations;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Duration;
use tokio::runtime::Builder;

pub(crate) const ROW: Row = Row {
    name: "table_op",
    what: "Table beside the SDK with serde_dynamo, on a DynamoDB that is a constant",
    run,
};

const LIFETIME: Duration = Duration::from_secs(6 * 3600);
const OPERATIONS: [&str; 3] = ["get", "put", "query"];
const OURS: &str = "ours";
const RAW: &str = "sdk_and_serde_dynamo";
/// What `Dynamo` does to its client, one thing at a time.
const STEPS: [&str; 5] = [
    IDENTITY_CACHE,
    RECORDER,
    RECOVERY,
    STALLED_STREAMS,
    TIMEOUTS,
];
const IDENTITY_CACHE: &str = "our_identity_cache";
const RECORDER: &str = "policy_recorder";
const RECOVERY: &str = "recovery";
const STALLED_STREAMS: &str = "without_stalled_stream_protection";
const TIMEOUTS: &str = "timeouts";
/// Enough that set-up, the first request among it, differs by a thousandth at most: some 50,000 instructions from run to
/// run, of 400,000 a call.
const COUNTED: u64 = 100;

#[derive(Debug, Deserialize, Serialize)]
struct User {
    id: String,
    name: String,
    age: u32,
    tags: Vec<String>,
}

/// One side: the same settings, source and answers.
enum Side {
    Ours(Table<CredentialCache<Source>>),
    Raw(Client),
}

impl Side {
    fn new(name: &str) -> Option<Self> {
        let settings = canned::settings();
        let source = Source::new(LIFETIME, Duration::ZERO);
        match name {
            OURS => {
                let strategy = CredentialCache::new(source, RefreshPolicy::default());
                Some(Side::Ours(
                    Dynamo::new(strategy, &settings).table("MyTable"),
                ))
            }
            RAW => {
                let provider = SharedCredentialsProvider::new(source);
                let settings = settings.into_builder().credentials_provider(provider);
                Some(Side::Raw(Client::new(&settings.build())))
            }
            step => Side::one_step(step, source, settings),
        }
    }

    /// The SDK with one of the things that `Dynamo` does to its client.
    fn one_step(step: &str, source: Source, settings: SdkConfig) -> Option<Self> {
        let strategy = CredentialCache::new(source.clone(), RefreshPolicy::default());
        let with_provider = settings
            .to_builder()
            .credentials_provider(SharedCredentialsProvider::new(source))
            .build();
        let config = Config::from(&with_provider);
        let config = match step {
            IDENTITY_CACHE => Config::from(&sdk::config(&settings, strategy)),
            RECORDER => config.interceptor(PolicyRecorder::new()),
            RECOVERY => {
                let recovery = sdk::Recovery::new(strategy);
                config
                    .interceptor(recovery.clone())
                    .retry_classifier(recovery.clone())
                    .retry_partition(recovery.retry_partition())
            }
            STALLED_STREAMS => {
                config.stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            }
            TIMEOUTS => config.timeout_config(
                TimeoutConfig::builder()
                    .operation_attempt_timeout(DEFAULT_ATTEMPT_TIMEOUT)
                    .operation_timeout(DEFAULT_OPERATION_TIMEOUT)
                    .build(),
            ),
            _ => return None,
        };
        Some(Side::Raw(Client::from_conf(config.build())))
    }

    async fn repeat(&self, operation: &str, count: u64) -> Result<(), Failure> {
        for _ in 0..count {
            match (self, operation) {
                (Side::Ours(table), "get") => {
                    let user: Option<User> = table.get(("id", "123")).send().await?;
                    black_box(user);
                }
                (Side::Raw(client), "get") => {
                    let output = client
                        .get_item()
                        .table_name("MyTable")
                        .key("id", AttributeValue::S("123".to_owned()))
                        .send()
                        .await?;
                    let user: Option<User> =
                        output.item.map(serde_dynamo::from_item).transpose()?;
                    black_box(user);
                }
                (Side::Ours(table), "put") => table.put(&ada()).send().await?,
                (Side::Raw(client), "put") => {
                    let item = serde_dynamo::to_item(ada())?;
                    let put = client.put_item().table_name("MyTable").set_item(Some(item));
                    black_box(put.send().await?);
                }
                (Side::Ours(table), _) => {
                    let page = table.query("id", "123").page::<User>().await?;
                    black_box(page.items);
                }
                (Side::Raw(client), _) => {
                    let output = client
                        .query()
                        .table_name("MyTable")
                        .key_condition_expression("#id = :id")
                        .expression_attribute_names("#id", "id")
                        .expression_attribute_values(":id", AttributeValue::S("123".to_owned()))
                        .send()
                        .await?;
                    let items = output.items.unwrap_or_default();
                    let users: Vec<User> = serde_dynamo::from_items(items)?;
                    black_box(users);
                }
            }
        }
        Ok(())
    }
}

fn ada() -> User {
    User {
        id: "123".to_owned(),
        name: "Ada Lovelace".to_owned(),
        age: 36,
        tags: vec!["mathematics".to_owned(), "engines".to_owned()],
    }
}

/// For callgrind: `table_op.<operation>.<side>`.
pub(crate) fn kernel(name: &str, count: u64) -> Option<Result<(), Failure>> {
    let (operation, side) = name.strip_prefix("table_op.")?.split_once('.')?;
    let side = Side::new(side)?;
    Some(on_one_thread(async {
        // A warm client, in both counts.
        side.repeat(operation, 20).await?;
        side.repeat(operation, count).await
    }))
}

fn on_one_thread<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(work)
}

fn run(plan: &Plan, figures: &mut Figures) -> Result<(), Failure> {
    let mut allocated = BTreeMap::new();
    for operation in OPERATIONS {
        for side in [OURS, RAW] {
            allocated.insert((operation, side), allocations(operation, side)?);
        }
    }
    for operation in OPERATIONS {
        let of = |side| {
            allocated
                .get(&(operation, side))
                .copied()
                .unwrap_or(f64::NAN)
        };
        figures.add(
            Figure::less(
                format!("table_op.{operation}.allocations"),
                format!("Table::{operation}: allocations of one call"),
                "allocations",
                of(OURS),
            )
            .beside(RAW, of(RAW)),
        );
    }
    if !instructions::is_available() {
        println!("  valgrind is not here: no instruction counts");
        return Ok(());
    }
    // No verdict rests on them.
    let steps = if plan.quick { &[][..] } else { &STEPS[..] };
    let names: Vec<_> = OPERATIONS
        .iter()
        .flat_map(|operation| [OURS, RAW].map(|side| format!("table_op.{operation}.{side}")))
        .chain(steps.iter().map(|step| format!("table_op.get.{step}")))
        .collect();
    let kernels: Vec<_> = names.iter().map(|name| (name.as_str(), COUNTED)).collect();
    let counted: BTreeMap<_, _> = names
        .iter()
        .zip(instructions::per_repetition(&kernels)?)
        .collect();
    let count = |operation, side| {
        let name = format!("table_op.{operation}.{side}");
        counted.get(&name).copied().unwrap_or(f64::NAN)
    };
    for &step in steps {
        figures.add(Figure::less(
            format!("table_op.get.step.{step}"),
            format!(
                "the SDK's get with {}: instructions more or less",
                step.replace('_', " ")
            ),
            "of sdk",
            count("get", step) / count("get", RAW) - 1.0,
        ));
    }
    for operation in OPERATIONS {
        let of = |side| count(operation, side);
        figures.add(
            Figure::less(
                format!("table_op.{operation}.instructions"),
                format!("Table::{operation}: instructions of one call"),
                "instructions",
                of(OURS),
            )
            .beside(RAW, of(RAW)),
        );
        figures.add(
            Figure::less(
                format!("table_op.{operation}.of_sdk"),
                format!(
                    "Table::{operation}: instructions, as a multiple of the SDK's with serde_dynamo"
                ),
                "× sdk",
                of(OURS) / of(RAW),
            )
            .at_most(if operation == "get" { 0.98 } else { 0.985 }),
        );
    }
    Ok(())
}

fn allocations(operation: &str, side: &str) -> Result<f64, Failure> {
    let side = Side::new(side).ok_or("no such side")?;
    on_one_thread(async {
        side.repeat(operation, 20).await?;
        let counted = Allocations::new(ALLOCATOR);
        side.repeat(operation, COUNTED).await?;
        let change = counted.change();
        Ok((change.allocations + change.reallocations) as f64 / COUNTED as f64)
    })
}
