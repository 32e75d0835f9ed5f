//! `resolve`: what one call costs while credentials are valid.

use super::{Row, median, on_two_threads};
use crate::figures::{Figure, Figures};
use crate::sdk::InRequest;
use crate::source::{Source, session};
use crate::subject::google::Google;
use crate::subject::naive::{ArcSwapProvider, Floor, NaiveRwLock};
use crate::subject::object_store::ObjectStore;
use crate::subject::reqsign::Reqsign;
use crate::subject::{
    GOOGLE, LAZY, NAIVE, OBJECT_STORE, Ours, OursCurrent, REQSIGN, Subject, shared,
};
use crate::{ALLOCATOR, Failure, Plan, instructions};
use aws_credential_strategies::local::LocalCloud;
use aws_credential_strategies::{CredentialCache, RefreshPolicy};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime::client::identity::IdentityCache;
use criterion::Criterion;
use stats_alloc::Region;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::runtime::{Builder, Runtime};

pub(crate) const ROW: Row = Row {
    name: "resolve",
    what: "one call while credentials are valid",
    run,
};

const CURRENT: &str = "current";
const CREDENTIALS: &str = "credentials";
const SDK: &str = "sdk";
const FLOOR: &str = "arcswap_load_and_clocks";
const UNCACHED: &str = "sdk_no_cache_arcswap";
/// Not a way to credentials: what a health page asks.
const STATUS: &str = "status";

/// Ours, then the peers.
const SUBJECTS: [&str; 10] = [
    CURRENT,
    CREDENTIALS,
    SDK,
    FLOOR,
    LAZY,
    UNCACHED,
    NAIVE,
    REQSIGN,
    OBJECT_STORE,
    GOOGLE,
];

/// Longer than any run; the rows that refresh are others.
const LIFETIME: Duration = Duration::from_secs(6 * 3600);
/// What a count by callgrind repeats at least; enough that set-up differs by nothing.
const COUNTED: u64 = 2000;
/// What the allocations of one call are counted over.
const CALLS_COUNTED: u64 = 1000;
const TASKS: u64 = 64;

/// Calls of `plain.rs`, and how many instructions each takes at most.
const PLAIN_CALLS: [(&str, &str, f64); 4] = [
    ("current", "current()", 220.0),
    ("credentials", "credentials()", 400.0),
    ("provider", "provide_credentials()", 400.0),
    (
        "dyn",
        "credentials() of an Arc<dyn CredentialStrategy>",
        560.0,
    ),
];

/// A subject, with the embedded cloud that some need.
struct Standing {
    subject: Arc<dyn Subject>,
    _cloud: Option<LocalCloud>,
}

/// A subject that has credentials already.
async fn standing(name: &str) -> Result<Option<Standing>, Failure> {
    let source = Source::new(LIFETIME, Duration::ZERO);
    let session = session("ASIAEXAMPLE".to_owned(), SystemTime::now() + LIFETIME);
    let ours = || CredentialCache::new(source.clone(), RefreshPolicy::default());
    let mut cloud = None;
    let subject = match name {
        CURRENT => {
            let cache = ours();
            cache.credentials().await?;
            shared(OursCurrent(cache))
        }
        CREDENTIALS => shared(Ours(Arc::new(ours()))),
        SDK => {
            let (provider, cache) = aws_credential_strategies::sdk::plug(ours());
            shared(InRequest::new(provider, cache))
        }
        FLOOR => shared(Floor::holding(session)),
        LAZY => shared(InRequest::new(
            SharedCredentialsProvider::new(source),
            IdentityCache::lazy().build(),
        )),
        UNCACHED => shared(InRequest::new(
            SharedCredentialsProvider::new(ArcSwapProvider::holding(session)),
            IdentityCache::no_cache(),
        )),
        NAIVE => shared(NaiveRwLock::new(source, Duration::from_secs(10))),
        REQSIGN => shared(Reqsign::new(source)),
        OBJECT_STORE => {
            let cloud = cloud.insert(LocalCloud::start().await?);
            shared(ObjectStore::new(cloud.imds_endpoint())?)
        }
        GOOGLE => shared(Google::start().await?),
        _ => return Ok(None),
    };
    subject
        .resolve()
        .await
        .ok_or_else(|| format!("{name} has no credentials"))?;
    subject.repeat(100).await;
    Ok(Some(Standing {
        subject,
        _cloud: cloud,
    }))
}

/// For callgrind: `resolve.<subject>`, and `resolve.status`.
pub(crate) fn kernel(name: &str, count: u64) -> Option<Result<(), Failure>> {
    let name = name.strip_prefix("resolve.")?;
    Some(one_thread().and_then(|runtime| {
        runtime.block_on(async {
            if name == STATUS {
                let source = Source::new(LIFETIME, Duration::ZERO);
                let cache = CredentialCache::new(source, RefreshPolicy::default());
                cache.credentials().await?;
                for _ in 0..count {
                    black_box(cache.status());
                }
                return Ok(());
            }
            let standing = standing(name).await?.ok_or("no such subject")?;
            standing.subject.repeat(count).await;
            Ok(())
        })
    }))
}

fn one_thread() -> Result<Runtime, Failure> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

fn run(plan: &Plan, figures: &mut Figures) -> Result<(), Failure> {
    let allocations = allocations()?;
    add(
        figures,
        "allocations",
        "allocations",
        &allocations,
        Some(1.0),
    );

    if instructions::is_available() {
        let names: Vec<_> = SUBJECTS
            .iter()
            .map(|name| format!("resolve.{name}"))
            .collect();
        let kernels: Vec<_> = names.iter().map(|name| (name.as_str(), COUNTED)).collect();
        let counted = instructions::per_repetition(&kernels)?;
        let counted = SUBJECTS.into_iter().zip(counted).collect();
        add(figures, "instructions", "instructions", &counted, None);
        let share = |of: &str| counted.get(of).copied().unwrap_or(f64::NAN);
        figures.add(
            Figure::less(
                "resolve.sdk.instructions_of_lazy",
                "through the SDK's identity-cache interface: instructions, as a share of lazy's",
                "× lazy",
                share(SDK) / share(LAZY),
            )
            .beside(UNCACHED, share(UNCACHED) / share(LAZY))
            .at_most(0.25),
        );
        let kernels = PLAIN_CALLS.map(|(call, ..)| format!("{}{call}", instructions::PLAIN));
        let counted =
            instructions::per_repetition(&kernels.each_ref().map(|name| (&**name, COUNTED)))?;
        for ((call, what, most), counted) in PLAIN_CALLS.into_iter().zip(counted) {
            figures.add(
                Figure::less(
                    format!("resolve.plain.{call}.instructions"),
                    format!("{what}, in a program whose allocator does not count: instructions"),
                    "instructions",
                    counted,
                )
                .at_most(most),
            );
        }
        let status = instructions::per_repetition(&[("resolve.status", COUNTED)])?;
        figures.add(
            Figure::less(
                "resolve.status.instructions",
                "status() of a cache with credentials: instructions",
                "instructions",
                status.first().copied().unwrap_or(f64::NAN),
            )
            .at_most(800.0),
        );
    } else {
        println!("  valgrind is not here: no instruction counts");
    }

    figures.add(
        Figure::less(
            "resolve.current.time_of_floor",
            "current(): time, as a multiple of an ArcSwap load and a look at both clocks",
            "× floor",
            time_of_floor(plan)?,
        )
        .at_most(1.3),
    );
    let one = on_one_thread(plan)?;
    add(figures, "ns.1_thread", "ns", &one, None);
    let two = SUBJECTS
        .into_iter()
        .map(|name| Ok((name, on_threads(name, plan)?)))
        .collect::<Result<_, Failure>>()?;
    add(figures, "ns.2_threads", "ns", &two, None);
    let tasks = SUBJECTS
        .into_iter()
        .map(|name| Ok((name, in_tasks(name, plan)?)))
        .collect::<Result<_, Failure>>()?;
    add(figures, "ns.64_tasks", "ns", &tasks, None);
    Ok(())
}

/// Three figures, one for each way to ours; beside each the peers that answer the same question.
fn add(
    figures: &mut Figures,
    measure: &str,
    unit: &'static str,
    measured: &BTreeMap<&'static str, f64>,
    sdk_at_most: Option<f64>,
) {
    let of = |name: &str| measured.get(name).copied().unwrap_or(f64::NAN);
    let ways = [
        (CURRENT, "current()", &[FLOOR][..]),
        (
            CREDENTIALS,
            "credentials() of an Arc<dyn CredentialStrategy>",
            &[NAIVE, REQSIGN, OBJECT_STORE, GOOGLE],
        ),
        (
            SDK,
            "through the SDK's identity-cache interface",
            &[LAZY, UNCACHED],
        ),
    ];
    for (way, what, peers) in ways {
        let name = format!("resolve.{way}.{measure}");
        let what = format!("{what}: {measure} of one call");
        let mut figure = Figure::less(name, what, unit, of(way));
        for peer in peers {
            figure = figure.beside(*peer, of(peer));
        }
        if let (SDK, Some(most)) = (way, sdk_at_most) {
            figure = figure.at_most(most);
        }
        figures.add(figure);
    }
}

/// Exact: those of 2N calls less those of N, over N.
fn allocations() -> Result<BTreeMap<&'static str, f64>, Failure> {
    let mut counted = BTreeMap::new();
    for name in SUBJECTS {
        let runtime = one_thread()?;
        let per_call = runtime.block_on(async {
            let standing = standing(name).await?.ok_or("no such subject")?;
            let mut totals = [0; 2];
            for (total, calls) in totals.iter_mut().zip([CALLS_COUNTED, 2 * CALLS_COUNTED]) {
                let region = Region::new(ALLOCATOR);
                standing.subject.repeat(calls).await;
                let change = region.change();
                *total = change.allocations + change.reallocations;
            }
            let [once, twice] = totals;
            Ok::<_, Failure>((twice as f64 - once as f64) / CALLS_COUNTED as f64)
        })?;
        counted.insert(name, per_call);
    }
    Ok(counted)
}

/// By criterion; the median of its samples.
fn on_one_thread(plan: &Plan) -> Result<BTreeMap<&'static str, f64>, Failure> {
    let (warm_up, measurement, samples) = if plan.quick {
        (Duration::from_millis(100), Duration::from_millis(400), 20)
    } else {
        (Duration::from_secs(1), Duration::from_secs(3), 100)
    };
    let mut criterion = Criterion::default()
        .warm_up_time(warm_up)
        .measurement_time(measurement)
        .sample_size(samples)
        .without_plots();
    let mut medians = BTreeMap::new();
    for name in SUBJECTS {
        let runtime = one_thread()?;
        let standing = runtime.block_on(standing(name))?.ok_or("no such subject")?;
        let taken = RefCell::new(Vec::new());
        criterion.bench_function(&format!("resolve/{name}"), |bencher| {
            bencher.iter_custom(|count| {
                let started = Instant::now();
                runtime.block_on(standing.subject.repeat(count));
                let elapsed = started.elapsed();
                taken
                    .borrow_mut()
                    .push(elapsed.as_nanos() as f64 / count as f64);
                elapsed
            });
        });
        medians.insert(name, median(taken.into_inner()));
    }
    Ok(medians)
}

/// Both sides in turn, round after round; the median of the rounds' ratios.
fn time_of_floor(plan: &Plan) -> Result<f64, Failure> {
    const CALLS: u64 = 5000;
    let rounds = if plan.quick { 300 } else { 3000 };
    let runtime = one_thread()?;
    runtime.block_on(async {
        let ours = standing(CURRENT).await?.ok_or("no such subject")?;
        let floor = standing(FLOOR).await?.ok_or("no such subject")?;
        let mut ratios = Vec::new();
        for _ in 0..rounds {
            let ours = time(ours.subject.repeat(CALLS)).await;
            let floor = time(floor.subject.repeat(CALLS)).await;
            ratios.push(ours.as_secs_f64() / floor.as_secs_f64());
        }
        Ok(median(ratios))
    })
}

/// Wall time of one call with two threads at it; the best of three.
fn on_threads(name: &'static str, plan: &Plan) -> Result<f64, Failure> {
    let calls = if plan.quick { 50_000 } else { 1_000_000 };
    on_two_threads(async {
        let standing = standing(name).await?.ok_or("no such subject")?;
        best_of_three(calls, async || {
            let halves = [Arc::clone(&standing.subject), Arc::clone(&standing.subject)]
                .map(|subject| tokio::spawn(async move { subject.repeat(calls / 2).await }));
            for half in halves {
                half.await?;
            }
            Ok(())
        })
        .await
    })
}

/// Wall time of one call with 64 tasks on two threads at it; the best of three.
fn in_tasks(name: &'static str, plan: &Plan) -> Result<f64, Failure> {
    let calls = if plan.quick { 64_000 } else { 1_280_000 };
    on_two_threads(async {
        let standing = standing(name).await?.ok_or("no such subject")?;
        best_of_three(calls, async || {
            let tasks: Vec<_> = (0..TASKS)
                .map(|_| {
                    let subject = Arc::clone(&standing.subject);
                    tokio::spawn(async move { subject.repeat(calls / TASKS).await })
                })
                .collect();
            for task in tasks {
                task.await?;
            }
            Ok(())
        })
        .await
    })
}

async fn best_of_three(
    calls: u64,
    mut run: impl AsyncFnMut() -> Result<(), Failure>,
) -> Result<f64, Failure> {
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let started = Instant::now();
        run().await?;
        best = best.min(started.elapsed().as_nanos() as f64 / calls as f64);
    }
    Ok(best)
}

async fn time(work: impl Future<Output = ()>) -> Duration {
    let started = Instant::now();
    work.await;
    started.elapsed()
}
