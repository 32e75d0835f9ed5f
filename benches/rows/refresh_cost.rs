//! `refresh_cost`: one refresh with Option A and with Option B, beside aws-config's providers, and the
//! way from a cold start to the first item.

use super::{Row, median};
use crate::figures::{Figure, Figures};
use crate::source::session;
use crate::wire::Wire;
use crate::{Failure, Plan, canned, cloud, instructions, progress};
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::sts::AssumeRoleProvider;
use aws_credential_strategies::local::{LocalCloud, NewTable};
use aws_credential_strategies::{
    AssumeRole, CredentialSource, CredentialStrategy, Dynamo, InstanceProfile, RefreshPolicy,
};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_types::SdkConfig;
use cpu_time::ThreadTime;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};
use tokio::runtime::{Builder, Runtime};

pub(crate) const ROW: Row = Row {
    name: "refresh_cost",
    what: "one refresh with each option, and the way from a cold start to the first item",
    run,
};

/// What the source takes for one answer, in ms.
const LATENCIES: [u64; 3] = [1, 20, 100];
const OPTION_A: &str = "instance_profile";
const OPTION_B: &str = "assume_role";
const SDK_IMDS: &str = "sdk_imds";
const SDK_STS: &str = "sdk_assume_role";
/// Ours, and its peer.
const PAIRS: [(&str, &str); 2] = [(OPTION_A, SDK_IMDS), (OPTION_B, SDK_STS)];

const ROLE: &str = "arn:aws:iam::123456789012:role/App";
const BASE_LIFETIME: Duration = Duration::from_secs(6 * 3600);
/// Enough cold starts that what a process does once differs by nothing.
const STARTS_COUNTED: u64 = 20;

/// Whoever fetches.
enum Fetcher {
    Imds(InstanceProfile),
    Sts(AssumeRole),
    SdkImds(ImdsCredentialsProvider),
    SdkSts(Box<AssumeRoleProvider>),
}

/// One cloud behind wires; the servers run on threads of their own, so that the CPU time of the
/// measuring thread is the client's alone.
struct Stage {
    servers: Runtime,
    cloud: LocalCloud,
    imds: Wire,
    sts: Wire,
}

#[derive(Clone, Copy, Debug)]
struct Cost {
    requests: f64,
    bytes: f64,
    connections: f64,
    cpu_us: f64,
    wall_ms: f64,
    cold_ms: f64,
    cold_requests: f64,
}

fn run(plan: &Plan, figures: &mut Figures) -> Result<(), Failure> {
    let fetches = if plan.quick { 5 } else { 50 };
    let bar = progress::bar("refresh_cost", (PAIRS.len() * LATENCIES.len()) as u64);
    let mut costs = BTreeMap::new();
    for latency in LATENCIES {
        for (ours, peer) in PAIRS {
            let stage = Stage::new(Duration::from_millis(latency))?;
            for name in [ours, peer] {
                costs.insert((latency, name), refreshes(&stage, name, fetches)?);
            }
            // In turn, and the median of each: with a source at 1 ms a start takes 2.6 or 3.9 ms, as the
            // ticks of the timers fall, and the best of a few is a matter of luck.
            let starts = match (plan.quick, latency) {
                (_, 1) => 101,
                (false, _) => 25,
                (true, 100) => 5,
                (true, _) => 15,
            };
            let mut times = BTreeMap::<_, Vec<f64>>::new();
            for _ in 0..starts {
                for name in [ours, peer] {
                    let (time, requests) = start(&stage, name)?;
                    times
                        .entry(name)
                        .or_default()
                        .push(time.as_secs_f64() * 1e3);
                    if let Some(cost) = costs.get_mut(&(latency, name)) {
                        cost.cold_requests = requests as f64;
                    }
                }
            }
            for (name, times) in times {
                if let Some(cost) = costs.get_mut(&(latency, name)) {
                    cost.cold_ms = median(times);
                }
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    for latency in LATENCIES {
        for (ours, peer) in PAIRS {
            let (Some(ours_costs), Some(peer_costs)) =
                (costs.get(&(latency, ours)), costs.get(&(latency, peer)))
            else {
                continue;
            };
            let figure = |measure: &str, what: &str, unit, of: fn(&Cost) -> f64| {
                Figure::less(
                    format!("refresh_cost.{ours}.{latency}ms.{measure}"),
                    format!("{what}, source {latency} ms"),
                    unit,
                    of(ours_costs),
                )
                .beside(peer, of(peer_costs))
            };
            figures.add(
                figure("requests", "requests of one refresh", "requests", |cost| {
                    cost.requests
                })
                .at_most(peer_costs.requests),
            );
            figures.add(figure("bytes", "bytes of one refresh", "bytes", |cost| {
                cost.bytes
            }));
            figures.add(figure(
                "connections",
                "connections of one refresh",
                "connections",
                |cost| cost.connections,
            ));
            figures.add(figure("cpu", "CPU time of one refresh", "µs", |cost| {
                cost.cpu_us
            }));
            figures.add(figure("wall", "wall time of one refresh", "ms", |cost| {
                cost.wall_ms
            }));
            figures.add(
                figure(
                    "cold_requests",
                    "requests of a cold start",
                    "requests",
                    |cost| cost.cold_requests,
                )
                .at_most(peer_costs.cold_requests),
            );
            figures.add(figure(
                "cold_start",
                "cold start to the first item",
                "ms",
                |cost| cost.cold_ms,
            ));
            figures.add(
                Figure::less(
                    format!("refresh_cost.{ours}.{latency}ms.cold_start_of_peer"),
                    format!("cold start to the first item, as a multiple of the peer's, source {latency} ms"),
                    "× peer",
                    ours_costs.cold_ms / peer_costs.cold_ms,
                )
                // As fast as the peer; a tenth is what two runs of the same code may differ by.
                .at_most(1.1),
            );
        }
    }
    if instructions::is_available() {
        let kernels = [OPTION_B, SDK_STS].map(|name| format!("cold_start.{name}"));
        let counted = instructions::per_repetition(&[
            (&kernels[0], STARTS_COUNTED),
            (&kernels[1], STARTS_COUNTED),
        ])?;
        figures.add(
            Figure::less(
                format!("refresh_cost.{OPTION_B}.cold_start_instructions_of_peer"),
                "the client's own work in a cold start, as a multiple of the peer's",
                "× peer",
                counted[0] / counted[1],
            )
            .at_most(1.0),
        );
    }
    Ok(())
}

/// For callgrind: `cold_start.<name>`, Option B and its peer from nothing to the first item, with an STS
/// and a DynamoDB that are constants.
pub(crate) fn kernel(name: &str, count: u64) -> Option<Result<(), Failure>> {
    let name = name.strip_prefix("cold_start.")?;
    Some(on_one_thread().and_then(|runtime| {
        for _ in 0..count {
            runtime.block_on(constant_start(name))?;
        }
        Ok(())
    }))
}

async fn constant_start(name: &str) -> Result<(), Failure> {
    let settings = canned::settings();
    let base = session("AKIAEXAMPLE".to_owned(), SystemTime::now() + BASE_LIFETIME);
    let found = if name == OPTION_B {
        let strategy = AssumeRole::builder(ROLE)
            .sdk_config(&settings)
            .base_provider(base)
            .session_name(cloud::SESSION)
            .build()?;
        read(strategy, &settings).await?
    } else {
        let provider = AssumeRoleProvider::builder(ROLE)
            .session_name(cloud::SESSION)
            .configure(
                &settings
                    .to_builder()
                    .credentials_provider(SharedCredentialsProvider::new(base))
                    .build(),
            )
            .build()
            .await;
        read_by_sdk(provider, &settings).await?
    };
    found.then_some(()).ok_or_else(|| "the item is gone".into())
}

async fn read(strategy: impl CredentialStrategy, settings: &SdkConfig) -> Result<bool, Failure> {
    let table = Dynamo::new(strategy, settings).table("MyTable");
    let item: Option<serde_json::Value> = table.get(("id", "123")).send().await?;
    Ok(item.is_some())
}

async fn read_by_sdk(
    provider: impl ProvideCredentials + 'static,
    settings: &SdkConfig,
) -> Result<bool, Failure> {
    let settings = settings
        .to_builder()
        .credentials_provider(SharedCredentialsProvider::new(provider))
        .build();
    let output = aws_sdk_dynamodb::Client::new(&settings)
        .get_item()
        .table_name("MyTable")
        .key("id", AttributeValue::S("123".to_owned()))
        .send()
        .await?;
    let item: Option<serde_json::Value> = output.item.map(serde_dynamo::from_item).transpose()?;
    Ok(item.is_some())
}

fn on_one_thread() -> Result<Runtime, Failure> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

fn refreshes(stage: &Stage, name: &str, fetches: u32) -> Result<Cost, Failure> {
    let runtime = on_one_thread()?;
    let fetcher = runtime.block_on(stage.fetcher(name))?;
    runtime.block_on(fetcher.fetch())?;

    let (requests, bytes, connections) = (stage.requests(), stage.bytes(), stage.connections());
    let (wall, cpu) = (Instant::now(), ThreadTime::now());
    for _ in 0..fetches {
        runtime.block_on(fetcher.fetch())?;
    }
    let per_fetch = |total: f64| total / f64::from(fetches);
    Ok(Cost {
        requests: per_fetch((stage.requests() - requests) as f64),
        bytes: per_fetch((stage.bytes() - bytes) as f64),
        connections: per_fetch((stage.connections() - connections) as f64),
        cpu_us: per_fetch(cpu.elapsed().as_secs_f64() * 1e6),
        wall_ms: per_fetch(wall.elapsed().as_secs_f64() * 1e3),
        cold_ms: f64::NAN,
        cold_requests: f64::NAN,
    })
}

/// The time from nothing to the first item, and the requests to the source.
fn start(stage: &Stage, name: &str) -> Result<(Duration, u64), Failure> {
    let before = stage.requests();
    let runtime = on_one_thread()?;
    let started = Instant::now();
    runtime.block_on(stage.first_item(name))?;
    Ok((started.elapsed(), stage.requests() - before))
}

impl Stage {
    fn new(latency: Duration) -> Result<Self, Failure> {
        let servers = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let (cloud, imds, sts) = servers.block_on(async {
            let cloud = LocalCloud::builder()
                .rotate_documents_after(Duration::ZERO)
                .start()
                .await?;
            cloud.create_table(NewTable::from(("MyTable", "id")))?;
            cloud.put_item("MyTable", &json!({ "id": "123", "name": "Ada" }))?;
            let imds = Wire::to(cloud.imds_endpoint(), latency).await?;
            let sts = Wire::to(cloud.sts_endpoint(), latency).await?;
            Ok::<_, Failure>((cloud, imds, sts))
        })?;
        Ok(Stage {
            servers,
            cloud,
            imds,
            sts,
        })
    }

    async fn fetcher(&self, name: &str) -> Result<Fetcher, Failure> {
        let (imds, sts) = (self.imds.endpoint(), self.sts.endpoint());
        let policy = RefreshPolicy::default();
        Ok(match name {
            OPTION_A => Fetcher::Imds(cloud::instance_profile(imds, policy)?),
            OPTION_B => Fetcher::Sts(cloud::assume_role(&self.cloud, sts, policy)?),
            SDK_IMDS => Fetcher::SdkImds(cloud::sdk_imds(imds)?),
            _ => Fetcher::SdkSts(Box::new(cloud::sdk_assume_role(&self.cloud, sts).await)),
        })
    }

    /// Everything that a program does until it has its item.
    async fn first_item(&self, name: &str) -> Result<(), Failure> {
        let (imds, sts) = (self.imds.endpoint(), self.sts.endpoint());
        let policy = RefreshPolicy::default();
        let settings = cloud::sdk_settings(&self.cloud);
        let found = match name {
            OPTION_A => read(cloud::instance_profile(imds, policy)?, &settings).await?,
            OPTION_B => {
                let strategy = cloud::assume_role(&self.cloud, sts, policy)?;
                read(strategy, &settings).await?
            }
            SDK_IMDS => read_by_sdk(cloud::sdk_imds(imds)?, &settings).await?,
            _ => {
                let provider = cloud::sdk_assume_role(&self.cloud, sts).await;
                read_by_sdk(provider, &settings).await?
            }
        };
        found.then_some(()).ok_or_else(|| "the item is gone".into())
    }

    fn requests(&self) -> u64 {
        self.cloud.imds().calls().total() + self.cloud.sts().calls().total()
    }

    fn bytes(&self) -> u64 {
        self.imds.bytes() + self.sts.bytes()
    }

    fn connections(&self) -> u64 {
        self.imds.connections() + self.sts.connections()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // The wires stop on the runtime that they run on.
        let _on = self.servers.enter();
    }
}

impl Fetcher {
    async fn fetch(&self) -> Result<(), Failure> {
        match self {
            Fetcher::Imds(strategy) => strategy.source().fetch().await.map(drop)?,
            Fetcher::Sts(strategy) => strategy.source().fetch().await.map(drop)?,
            Fetcher::SdkImds(provider) => provider.provide_credentials().await.map(drop)?,
            Fetcher::SdkSts(provider) => provider.provide_credentials().await.map(drop)?,
        }
        Ok(())
    }
}
