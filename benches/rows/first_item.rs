//! `cold`: from the start of a process to its first item, over TLS and a network that takes its time.

use super::{Row, lower_quartile};
use crate::figures::{Figure, Figures};
use crate::tls::{Certificate, HOST, http_client};
use crate::wire::Wire;
use crate::{Failure, Plan, cloud, progress};
use aws_config::sts::AssumeRoleProvider;
use aws_credential_strategies::local::{DEFAULT_ROLE, LocalCloud, NewTable, Role, Trust};
use aws_credential_strategies::{
    AssumeRole, CredentialStrategy, Dynamo, InstanceProfile, RefreshPolicy,
};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_types::SdkConfig;
use aws_types::region::Region;
use cpu_time::ThreadTime;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

pub(crate) const ROW: Row = Row {
    name: "cold",
    what: "from the start of a process to its first item, over TLS and a network",
    run,
};

/// The flag with which this executable calls itself, for one start in a process of its own: what a process does once
/// is part of it.
pub(crate) const START: &str = "--cold-start";

/// To the metadata service, which is on the host.
const METADATA: Duration = Duration::from_millis(1);
/// To STS and DynamoDB, in ms.
const ROUND_TRIPS: [u64; 3] = [1, 10, 50];
/// Whom it assumes.
const ROLE: &str = "App";

const OPTION_A: &str = "instance_profile";
const OPTION_B: &str = "assume_role";
const SDK_A: &str = "sdk_imds";
const SDK_B: &str = "sdk_assume_role";
const PAIRS: [(&str, &str); 2] = [(OPTION_A, SDK_A), (OPTION_B, SDK_B)];
/// Ours, with `warm` before the first read.
const WARMED: &str = "+warm";

/// One cloud behind TLS and wires, on threads of its own.
struct Stage {
    cloud: LocalCloud,
    imds: Wire,
    sts: Wire,
    dynamodb: Wire,
    pem: PathBuf,
    round_trip: Duration,
    /// Dropped last: the others run on it.
    _servers: Runtime,
}

/// What one start took, in ms.
#[derive(Clone, Copy, Debug)]
struct Took {
    first_item: f64,
    /// The read alone.
    read: f64,
}

fn run(plan: &Plan, figures: &mut Figures) -> Result<(), Failure> {
    // Most where the limit is near, fewest where a start takes long and nothing is judged.
    let starts = |round_trip| match (plan.quick, round_trip) {
        (false, _) => 25,
        (true, 1) => 9,
        (true, 10) => 25,
        (true, _) => 5,
    };
    let bar = progress::bar("cold", ROUND_TRIPS.into_iter().map(starts).sum());
    for round_trip in ROUND_TRIPS {
        let is_judged = has_two_cores();
        if !is_judged {
            println!("  cold, {round_trip} ms: shown and not judged, two cores are not free");
        }
        let stage = Stage::new(Duration::from_millis(round_trip))?;
        let mut took = BTreeMap::<String, Vec<Took>>::new();
        // In turn, so that what else the machine does meets all of them.
        for _ in 0..starts(round_trip) {
            for (ours, peer) in PAIRS {
                for name in [ours.to_owned(), format!("{ours}{WARMED}"), peer.to_owned()] {
                    let one = stage.start(&name)?;
                    took.entry(name).or_default().push(one);
                }
            }
            bar.inc(1);
        }
        // What else the machine does only ever adds to a start.
        let undisturbed = |name: &str, of: fn(&Took) -> f64| {
            lower_quartile(took.get(name).into_iter().flatten().map(of).collect())
        };
        for (ours, peer) in PAIRS {
            let warmed = format!("{ours}{WARMED}");
            let of_peer = undisturbed(peer, |took| took.first_item);
            let at = format!("network {round_trip} ms");
            figures.add(
                Figure::less(
                    format!("cold.{ours}.{round_trip}ms.first_item"),
                    format!("start of the process to the first item, {at}"),
                    "ms",
                    undisturbed(ours, |took| took.first_item),
                )
                .beside(peer, of_peer)
                .beside(&warmed, undisturbed(&warmed, |took| took.first_item)),
            );
            // With one service on the way there is nothing to open ahead.
            let way = if ours == OPTION_B { &*warmed } else { ours };
            let judged = undisturbed(way, |took| took.first_item);
            let share = Figure::less(
                format!("cold.{ours}.{round_trip}ms.of_peer"),
                format!("the same as a multiple of the peer's, Option B with warm(), {at}"),
                "× peer",
                judged / of_peer,
            );
            figures.add(match asked(round_trip).filter(|_| is_judged) {
                Some(most) => share.at_most(most),
                None => share,
            });
            figures.add(
                Figure::less(
                    format!("cold.{ours}.{round_trip}ms.first_read"),
                    format!("what the first read takes after warm(), {at}"),
                    "ms",
                    undisturbed(&warmed, |took| took.read),
                )
                .beside(peer, undisturbed(peer, |took| took.read)),
            );
        }
    }
    bar.finish_and_clear();
    Ok(())
}

/// The most that the first item may take, as a multiple of the peer's. The longest round trip is there to be looked at:
/// what is near the least that it can be moves to and fro with what else the machine does.
fn asked(round_trip: u64) -> Option<f64> {
    match round_trip {
        1 => Some(1.0),
        10 => Some(0.7),
        _ => None,
    }
}

/// Whether two threads get a core each: a start computes on two at once, and where one of them is taken it is that
/// which is measured.
fn has_two_cores() -> bool {
    const LOOK: Duration = Duration::from_millis(200);
    let has_core = || {
        let (began, computed) = (Instant::now(), ThreadTime::now());
        while began.elapsed() < LOOK {
            std::hint::spin_loop();
        }
        computed.elapsed() >= LOOK.mul_f64(0.9)
    };
    thread::scope(|scope| {
        let other = scope.spawn(has_core);
        has_core() & other.join().unwrap_or(false)
    })
}

impl Stage {
    fn new(round_trip: Duration) -> Result<Self, Failure> {
        let servers = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let certificate = Certificate::of_loopback()?;
        let pem = std::env::temp_dir().join(format!("cold-{}.pem", std::process::id()));
        std::fs::write(&pem, &certificate.pem)?;
        let (cloud, imds, sts, dynamodb) = servers.block_on(async {
            let cloud = LocalCloud::builder().start().await?;
            cloud.create_table(NewTable::from(("MyTable", "id")))?;
            cloud.put_item("MyTable", &json!({ "id": "123", "name": "Ada" }))?;
            let trust = Trust::principal(cloud.role_arn(DEFAULT_ROLE));
            cloud.add_role(Role::new(ROLE).trust(trust))?;
            let imds = Wire::to(cloud.imds_endpoint(), METADATA).await?;
            let sts = certificate.before(cloud.sts_endpoint()).await?;
            let dynamodb = certificate.before(cloud.dynamodb_endpoint()).await?;
            let sts = Wire::to_address(sts, round_trip).await?;
            let dynamodb = Wire::to_address(dynamodb, round_trip).await?;
            Ok::<_, Failure>((cloud, imds, sts, dynamodb))
        })?;
        Ok(Stage {
            cloud,
            imds,
            sts,
            dynamodb,
            pem,
            round_trip,
            _servers: servers,
        })
    }

    /// One start of a process.
    fn start(&self, name: &str) -> Result<Took, Failure> {
        let over_tls = |wire: &Wire| {
            let named = wire.endpoint().replacen("127.0.0.1", HOST, 1);
            named.replacen("http:", "https:", 1)
        };
        let output = Command::new(std::env::current_exe()?)
            .args([START, name, self.imds.endpoint()])
            .args([over_tls(&self.sts), over_tls(&self.dynamodb)])
            .arg(&self.pem)
            .arg(self.round_trip.as_millis().to_string())
            .arg(self.cloud.role_arn(ROLE))
            .output()?;
        let printed = String::from_utf8_lossy(&output.stdout);
        let mut numbers = printed.split_whitespace().map(str::parse::<f64>);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(first_item)), Some(Ok(read))) => Ok(Took { first_item, read }),
            _ => {
                let error = String::from_utf8_lossy(&output.stderr);
                Err(format!("a start of {name} failed: {error}").into())
            }
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.pem);
    }
}

/// In the process that starts: prints the ms to the first item, and those of the read alone.
pub(crate) fn start(arguments: &[String]) -> Result<(), Failure> {
    let began = Instant::now();
    let [name, imds, sts, dynamodb, pem, round_trip, role] = arguments else {
        return Err("expected a name, three endpoints, a root, a round trip and a role".into());
    };
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let round_trip = Duration::from_millis(round_trip.parse()?);
        let services = settings(Path::new(pem), round_trip)?;
        let table = services.to_builder().endpoint_url(dynamodb).build();
        let read_began = match name.trim_end_matches(WARMED) {
            OPTION_A => {
                let strategy = cloud::instance_profile(imds, RefreshPolicy::default())?;
                read(strategy, &table, name).await?
            }
            OPTION_B => {
                let base = cloud::instance_profile(imds, RefreshPolicy::default())?;
                let strategy = assume(base, role, sts, &services)?;
                read(strategy, &table, name).await?
            }
            SDK_A => read_by_sdk(cloud::sdk_imds(imds)?, &table).await?,
            _ => {
                let base = SharedCredentialsProvider::new(cloud::sdk_imds(imds)?);
                let settings = services
                    .to_builder()
                    .endpoint_url(sts)
                    .credentials_provider(base)
                    .build();
                let provider = AssumeRoleProvider::builder(role)
                    .session_name(cloud::SESSION)
                    .configure(&settings)
                    .build()
                    .await;
                read_by_sdk(provider, &table).await?
            }
        };
        let ms = |since: Instant| since.elapsed().as_secs_f64() * 1e3;
        println!("{} {}", ms(began), ms(read_began));
        Ok(())
    })
}

fn settings(pem: &Path, round_trip: Duration) -> Result<SdkConfig, Failure> {
    Ok(SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .time_source(SharedTimeSource::new(SystemTimeSource::new()))
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .http_client(http_client(pem, round_trip)?)
        .build())
}

fn assume(
    base: InstanceProfile,
    role: &str,
    sts: &str,
    settings: &SdkConfig,
) -> Result<AssumeRole, Failure> {
    Ok(AssumeRole::builder(role)
        .sdk_config(settings)
        .base(base)
        .session_name(cloud::SESSION)
        .sts_endpoint(sts)
        .build()?)
}

/// Reads the item; since when.
async fn read(
    strategy: impl CredentialStrategy,
    settings: &SdkConfig,
    name: &str,
) -> Result<Instant, Failure> {
    let db = Dynamo::new(strategy, settings);
    if name.ends_with(WARMED) {
        db.warm().await?;
    }
    let began = Instant::now();
    let item: Option<serde_json::Value> = db.table("MyTable").get(("id", "123")).send().await?;
    item.map(|_| began).ok_or_else(|| "the item is gone".into())
}

async fn read_by_sdk(
    provider: impl ProvideCredentials + 'static,
    settings: &SdkConfig,
) -> Result<Instant, Failure> {
    let settings = settings
        .to_builder()
        .credentials_provider(SharedCredentialsProvider::new(provider))
        .build();
    let client = aws_sdk_dynamodb::Client::new(&settings);
    let began = Instant::now();
    let output = client
        .get_item()
        .table_name("MyTable")
        .key("id", AttributeValue::S("123".to_owned()))
        .send()
        .await?;
    output
        .item
        .map(|_| began)
        .ok_or_else(|| "the item is gone".into())
}
