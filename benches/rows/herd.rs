//! `herd`: 50 clients of one program, built each way; what the source is asked, cold and over a refresh.

use super::{Row, on_two_threads};
use crate::figures::{Figure, Figures};
use crate::progress::during;
use crate::source::Source;
use crate::subject::{Ours, Subject, shared};
use crate::{Failure, Plan, canned};
use aws_credential_strategies::{
    CredentialCache, CredentialStrategy, Dynamo, RefreshPolicy, Table, sdk,
};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_types::SdkConfig;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

pub(crate) const ROW: Row = Row {
    name: "herd",
    what: "50 clients, built each way",
    run,
};

const CLIENTS: usize = 50;
const LIFETIME: Duration = Duration::from_secs(4);
const LATENCY: Duration = Duration::from_millis(50);
/// Lazy caches fetch this long before expiry; their default of 10 s is longer than these sessions.
const BUFFER: Duration = Duration::from_secs(1);
/// Every client calls this often, so that a refresh finds them all there.
const PACE: Duration = Duration::from_millis(10);

/// What a client does: one request, or one resolve.
type Request = Box<dyn Fn() -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync>;

struct Herd {
    name: &'static str,
    source: Source,
    clients: Vec<Request>,
}

fn run(_: &Plan, figures: &mut Figures) -> Result<(), Failure> {
    let counted = on_two_threads(async {
        let runs = herds()?
            .into_iter()
            .map(|herd| tokio::spawn(stampede(herd)));
        let runs: Vec<_> = runs.collect();
        let all = async {
            let mut counted = Vec::new();
            for run in runs {
                counted.push(run.await?);
            }
            Ok::<_, Failure>(counted)
        };
        during("herd", LIFETIME, all).await
    })?;
    for (phase, index) in [("cold", 0), ("refresh", 1)] {
        for ours in OURS {
            let of = |name: &str| {
                let herd = counted.iter().find(|(counted, ..)| *counted == name);
                herd.map_or(f64::NAN, |(_, fetches)| fetches[index])
            };
            let mut figure = Figure::less(
                format!("herd.{ours}.{phase}"),
                format!(
                    "{CLIENTS} clients, {}: fetches, {phase}",
                    ours.replace('_', " ")
                ),
                "fetches",
                of(ours),
            )
            .at_most(1.0);
            for peer in PEERS {
                figure = figure.beside(peer, of(peer));
            }
            figures.add(figure);
        }
    }
    Ok(())
}

const OURS: [&str; 3] = ["clones", "sdk_config_each", "dynamo_each"];
const PEERS: [&str; 2] = ["sdk_lazy_one_config", "sdk_lazy_config_each"];

fn herds() -> Result<Vec<Herd>, Failure> {
    let settings = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .http_client(canned::http_client())
        .build();
    let mut herds = Vec::new();
    for name in OURS.into_iter().chain(PEERS) {
        let source = Source::new(LIFETIME, LATENCY);
        let ours = CredentialCache::new(source.clone(), RefreshPolicy::default());
        let shared_config = with_lazy(&settings, &source);
        let clients = (0..CLIENTS)
            .map(|_| match name {
                "clones" => resolving(shared(Ours(Arc::new(ours.clone())))),
                "sdk_config_each" => requesting(&sdk::config(&settings, ours.clone())),
                "dynamo_each" => reading(Dynamo::new(ours.clone(), &settings).table("MyTable")),
                "sdk_lazy_one_config" => requesting(&shared_config),
                _ => requesting(&with_lazy(&settings, &source)),
            })
            .collect();
        herds.push(Herd {
            name,
            source,
            clients,
        });
    }
    Ok(herds)
}

/// Settings whose clients share one lazy cache, as those of one `SdkConfig` do.
fn with_lazy(settings: &SdkConfig, source: &Source) -> SdkConfig {
    settings
        .to_builder()
        .credentials_provider(SharedCredentialsProvider::new(source.clone()))
        .identity_cache(IdentityCache::lazy().buffer_time(BUFFER).build())
        .build()
}

fn requesting(settings: &SdkConfig) -> Request {
    let client = aws_sdk_dynamodb::Client::new(settings);
    Box::new(move || {
        let get = client.get_item().table_name("MyTable");
        Box::pin(async move { get.send().await.is_ok() })
    })
}

fn reading<S: CredentialStrategy>(table: Table<S>) -> Request {
    Box::new(move || {
        let get = table.get(("id", "123"));
        Box::pin(async move { get.output().await.is_ok() })
    })
}

fn resolving(subject: Arc<dyn Subject>) -> Request {
    Box::new(move || {
        let subject = Arc::clone(&subject);
        Box::pin(async move { subject.resolve().await.is_some() })
    })
}

/// All clients at once, then on and on over one refresh; the fetches of both.
async fn stampede(herd: Herd) -> (&'static str, [f64; 2]) {
    let Herd {
        name,
        source,
        clients,
    } = herd;
    let clients: Vec<Arc<Request>> = clients.into_iter().map(Arc::new).collect();
    all_at_once(&clients).await;
    let cold = source.calls();
    let filled = Instant::now();
    // Every contender refreshes between here and expiry, and none twice: ours not before 3/4 of the
    // session are left, lazy from 3/4 of it on.
    let mut next = filled;
    while filled.elapsed() < LIFETIME {
        next += PACE;
        sleep_until(next).await;
        all_at_once(&clients).await;
        if source.calls() > cold {
            break;
        }
    }
    // The others of the herd have refreshed once lazy's jitter, half the buffer, is over; ours would not
    // refresh a second time before a quarter of the new session.
    let settled = Instant::now() + BUFFER / 2 + 4 * LATENCY;
    while Instant::now() < settled {
        next += PACE;
        sleep_until(next).await;
        all_at_once(&clients).await;
    }
    (name, [cold as f64, (source.calls() - cold) as f64])
}

async fn all_at_once(clients: &[Arc<Request>]) {
    let requests: Vec<_> = clients
        .iter()
        .map(|client| {
            let client = Arc::clone(client);
            tokio::spawn(async move { client().await })
        })
        .collect();
    for request in requests {
        let _ = request.await;
    }
}
