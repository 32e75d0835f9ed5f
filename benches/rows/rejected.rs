//! `rejected`: two clients on one strategy, of which one service refuses every key; and a key that is revoked. On a
//! simulated clock.

use super::Row;
use crate::figures::{Figure, Figures};
use crate::simulated::{Answers, Scripted, SimulatedTime, simulate};
use crate::subject::{LAZY, OURS};
use crate::{Failure, Plan};
use aws_credential_strategies::{RefreshPolicy, sdk};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use aws_types::SdkConfig;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

pub(crate) const ROW: Row = Row {
    name: "rejected",
    what: "two clients on one strategy, one always refused, and a key that is revoked, 60 s on a simulated clock",
    run,
};

const PEERS: [&str; 2] = [OURS, LAZY];
const LIFETIME: Duration = Duration::from_secs(3600);
const RUN: Duration = Duration::from_secs(60);
/// Between two requests of a client.
const EVERY: Duration = Duration::from_millis(50);
/// When the key in use is revoked.
const REVOKED: Duration = Duration::from_secs(30);
const REFUSAL: &str = r#"{"__type":"com.amazon.coral.service#UnrecognizedClientException","message":"The security token included in the request is invalid."}"#;

/// What one client saw, and what it and its neighbour cost.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// Requests of the healthy client that waited.
    stalled: f64,
    failed: f64,
    fetches: f64,
    /// Requests that the neighbour sent, for one that it was asked to.
    sent_by_neighbour: f64,
}

/// What becomes of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scene {
    /// The neighbour's service refuses each.
    Refused,
    /// The one in use is revoked; the neighbour is as healthy.
    Revoked,
}

fn run(_: &Plan, figures: &mut Figures) -> Result<(), Failure> {
    for (scene, of, waits) in [
        (Scene::Refused, "a neighbour is always refused", Some(0.0)),
        (Scene::Revoked, "the key is revoked after 30 s", None),
    ] {
        let mut seen = BTreeMap::new();
        for name in PEERS {
            seen.insert(name, simulate(minute(name, scene))?);
        }
        let figure = |measure: &str, what: &str, unit, of_seen: fn(&Seen) -> f64| {
            let value = |name: &str| seen.get(name).map_or(f64::NAN, of_seen);
            let scene = format!("{scene:?}").to_lowercase();
            let name = format!("rejected.{scene}.{measure}");
            let figure = Figure::less(name, format!("{of}: {what}"), unit, value(OURS));
            figure.beside(LAZY, value(LAZY))
        };
        let stalled = figure("stalled", "requests that wait", "of 1,200", |seen| {
            seen.stalled
        });
        figures.add(match waits {
            Some(most) => stalled.at_most(most),
            None => stalled,
        });
        figures.add(
            figure("failed", "requests that fail", "of 1,200", |seen| {
                seen.failed
            })
            .at_most(0.0),
        );
        figures.add(
            figure("fetches", "calls to the source in 60 s", "calls", |seen| {
                seen.fetches
            })
            .at_most(2.0),
        );
        if scene == Scene::Refused {
            figures.add(figure(
                "sent_by_refused",
                "requests that the refused client sends",
                "for 1,200",
                |seen| seen.sent_by_neighbour,
            ));
        }
    }
    Ok(())
}

async fn minute(name: &'static str, scene: Scene) -> Result<Seen, Failure> {
    let time = SimulatedTime::begin();
    // Long against the pace, so that requests come while it is asked.
    let source = Scripted::new(time, LIFETIME, |_, _| {
        Answers::Late(Duration::from_millis(250))
    });
    let service = Service::default();
    let neighbours = Service::default();
    let (healthy, neighbour) = match name {
        OURS => {
            let cache = source.cached_by(RefreshPolicy::default());
            let client = |service: &Service, region| {
                let settings = service.settings(time, region);
                let config = sdk::client_config!(aws_sdk_dynamodb, &settings, cache.clone());
                aws_sdk_dynamodb::Client::from_conf(config)
            };
            (
                client(&service, "us-east-1"),
                client(&neighbours, "af-south-1"),
            )
        }
        _ => {
            let provider = SharedCredentialsProvider::new(source.clone());
            let cache = aws_smithy_runtime::client::identity::IdentityCache::lazy().build();
            let client = |service: &Service, region| {
                let settings = service.settings(time, region).into_builder();
                let settings = settings
                    .credentials_provider(provider.clone())
                    .identity_cache(cache.clone());
                aws_sdk_dynamodb::Client::new(&settings.build())
            };
            (
                client(&service, "us-east-1"),
                client(&neighbours, "af-south-1"),
            )
        }
    };
    get(&healthy).await?;
    if scene == Scene::Refused {
        neighbours.accept_from(u64::MAX);
    }
    let begin = time.elapsed();
    let revoking = async {
        if scene == Scene::Revoked {
            tokio::time::sleep(REVOKED).await;
            let issued = source.calls_in(&(Duration::ZERO..Duration::MAX)) as u64;
            service.accept_from(issued + 1);
            neighbours.accept_from(issued + 1);
        }
    };
    let ((), healthy, _) = tokio::join!(revoking, minute_of(healthy), minute_of(neighbour));
    let (stalled, failed) = healthy?;
    let run = Duration::ZERO..begin + RUN;
    Ok(Seen {
        stalled,
        failed,
        fetches: source.calls_in(&run) as f64,
        sent_by_neighbour: neighbours.requests() as f64,
    })
}

/// One request after the other at a pace, none of which waits for those before it; how many waited, and failed.
async fn minute_of(client: aws_sdk_dynamodb::Client) -> Result<(f64, f64), Failure> {
    let mut running = JoinSet::new();
    let begin = Instant::now();
    for number in 0..RUN.as_millis() / EVERY.as_millis() {
        tokio::time::sleep_until(begin + EVERY * u32::try_from(number)?).await;
        let client = client.clone();
        running.spawn(async move {
            let asked = Instant::now();
            let failed = get(&client).await.is_err();
            (!asked.elapsed().is_zero(), failed)
        });
    }
    let (mut stalled, mut failed) = (0.0, 0.0);
    while let Some(request) = running.join_next().await {
        let (waited, has_failed) = request?;
        stalled += f64::from(u8::from(waited));
        failed += f64::from(u8::from(has_failed));
    }
    Ok((stalled, failed))
}

async fn get(client: &aws_sdk_dynamodb::Client) -> Result<(), Failure> {
    let id = AttributeValue::S("123".to_owned());
    client
        .get_item()
        .table_name("MyTable")
        .key("id", id)
        .send()
        .await?;
    Ok(())
}

/// A DynamoDB that accepts keys from some number on.
#[derive(Clone, Default)]
struct Service(Arc<Inner>);

#[derive(Default)]
struct Inner {
    accepts_from: AtomicU64,
    requests: AtomicU64,
}

impl Service {
    fn accept_from(&self, number: u64) {
        self.0.accepts_from.store(number, Ordering::Relaxed);
    }

    fn requests(&self) -> u64 {
        self.0.requests.load(Ordering::Relaxed)
    }

    fn settings(&self, time: SimulatedTime, region: &'static str) -> SdkConfig {
        let connector = SharedHttpConnector::new(self.clone());
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static(region))
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .time_source(SharedTimeSource::new(time))
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .build()
    }

    fn accepts(&self, request: &HttpRequest) -> Option<bool> {
        let (_, key) = request.headers().get("authorization")?.split_once("ASIA")?;
        let number: u64 = key.get(..4)?.parse().ok()?;
        Some(number >= self.0.accepts_from.load(Ordering::Relaxed))
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Service")
    }
}

impl HttpConnector for Service {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        self.0.requests.fetch_add(1, Ordering::Relaxed);
        let (status, body) = match self.accepts(&request) {
            Some(true) => (200_u16, "{}"),
            _ => (400, REFUSAL),
        };
        HttpConnectorFuture::ready(match StatusCode::try_from(status) {
            Ok(status) => Ok(HttpResponse::new(status, SdkBody::from(body))),
            Err(error) => Err(ConnectorError::other(error.into(), None)),
        })
    }
}
