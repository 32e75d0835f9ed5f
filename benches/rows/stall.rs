//! `stall`: what callers feel at each refresh, and over an outage.
//!
//! Every contender has the same source, 64 callers and the same minute. A caller asks every 10 ms; when
//! a call takes longer, histogram and plot count those that should have started meanwhile
//! (`record_correct`), so a stall weighs what it would weigh in a service that requests keep coming to.

use super::{Row, on_two_threads};
use crate::figures::{Figure, Figures};
use crate::progress::during;
use crate::sdk::Client;
use crate::source::{Health, Source, end_of};
use crate::subject::naive::NaiveRwLock;
use crate::subject::{LAZY, NAIVE, OURS, Ours, Subject, shared};
use crate::{Failure, Plan, plot};
use aws_credential_strategies::{CredentialCache, RefreshPolicy};
use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tokio::time::{interval, sleep, sleep_until};

pub(crate) const ROW: Row = Row {
    name: "stall",
    what: "64 callers, a source that takes 100 ms, sessions of 2 s",
    run,
};

const CALLERS: usize = 64;
const LIFETIME: Duration = Duration::from_secs(2);
const LATENCY: Duration = Duration::from_millis(100);
/// The lazy caches fetch this long before expiry; with their default of 10 s they could not cache
/// sessions of 2 s at all.
const BUFFER: Duration = Duration::from_millis(400);
/// Each caller asks this often.
const PACE: Duration = Duration::from_millis(10);
/// Refreshes that every contender is to make.
const REFRESHES: u64 = 25;
/// Of a quick run: as long as the plot's timeline, which runs beside them.
const QUICK_REFRESHES: u64 = 9;
/// Longest that they may take to.
const PATIENCE: Duration = Duration::from_secs(90);
/// About what one takes: the slowest refreshes once in 2 s, less half of its jittered buffer.
const EXPECTED: Duration = Duration::from_millis(1880);
/// A call that takes this long has waited, for a fetch or for another caller's.
const STALLED: Duration = Duration::from_millis(5);
/// The plot shows the worst call of each so much time.
const BUCKET: Duration = Duration::from_millis(50);

/// The timeline of the plot: sessions long enough to be worth keeping through an outage.
const PLOT_LIFETIME: Duration = Duration::from_secs(4);
/// What stands for lazy's default there, and is much in its favour: an eighth of the session, where 10 s
/// of an hour are a 360th.
const PLOT_BUFFER: Duration = Duration::from_millis(500);
/// A short outage when lazy wants to refresh; one that is longer than a session; and the end.
const SHORT_OUTAGE: Range<Duration> = Duration::from_millis(3200)..Duration::from_millis(4200);
const LONG_OUTAGE: Range<Duration> = Duration::from_millis(9500)..Duration::from_millis(14_500);
const PLOT_END: Duration = Duration::from_millis(17_500);

struct Contender {
    name: &'static str,
    source: Source,
    subject: Arc<dyn Subject>,
}

/// What the callers of one contender saw.
struct Seen {
    latency: Histogram<u64>,
    /// By bucket: the worst, in ms.
    worst: BTreeMap<u64, f64>,
    callers_stalled: usize,
}

fn contenders(lifetime: Duration, buffer: Duration) -> Result<[Contender; 3], Failure> {
    let source = || Source::new(lifetime, LATENCY);
    let (ours, lazy, naive) = (source(), source(), source());
    Ok([
        Contender {
            name: OURS,
            subject: shared(Ours(Arc::new(CredentialCache::new(
                ours.clone(),
                RefreshPolicy::default(),
            )))),
            source: ours,
        },
        Contender {
            name: LAZY,
            subject: shared(Client::lazy(lazy.clone(), Some(buffer), None)?),
            source: lazy,
        },
        Contender {
            name: NAIVE,
            subject: shared(NaiveRwLock::new(naive.clone(), buffer)),
            source: naive,
        },
    ])
}

fn run(plan: &Plan, figures: &mut Figures) -> Result<(), Failure> {
    let each = if plan.quick {
        QUICK_REFRESHES
    } else {
        REFRESHES
    };
    // The best of three, for each contender by itself: another process may take the cores for a while.
    let (first, timeline) = on_two_threads(async {
        // Beside each other: neither keeps a core busy.
        let (first, timeline) = tokio::join!(refreshes(each), timeline());
        Ok((first?, timeline?))
    })?;
    let mut runs = vec![first];
    if !plan.quick {
        runs.push(on_two_threads(refreshes(each))?);
        runs.push(on_two_threads(refreshes(each))?);
    }
    for (name, points) in timeline {
        figures.plot(plot::LATENCY, name, points);
    }
    let best = |name: &str, figure: fn(&Seen) -> f64| {
        runs.iter()
            .filter_map(|run| run.get(name))
            .map(figure)
            .fold(f64::INFINITY, f64::min)
    };
    let stalled = |seen: &Seen| seen.callers_stalled as f64;
    figures.add(
        Figure::less(
            "stall.callers_stalled",
            format!("callers of {CALLERS} that had to wait at some refresh of {each}"),
            "callers",
            best(OURS, stalled),
        )
        .beside(LAZY, best(LAZY, stalled))
        .beside(NAIVE, best(NAIVE, stalled))
        .at_most(0.0),
    );
    for (name, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99_9", 0.999), ("max", 1.0)] {
        let of = |contender: &str| {
            runs.iter()
                .filter_map(|run| run.get(contender))
                .map(|seen| seen.latency.value_at_quantile(quantile) as f64 / 1e6)
                .fold(f64::INFINITY, f64::min)
        };
        let figure = Figure::less(
            format!("stall.{name}"),
            format!("latency of a call over {each} refreshes, {name}, corrected for coordinated omission"),
            "ms",
            of(OURS),
        )
        .beside(LAZY, of(LAZY))
        .beside(NAIVE, of(NAIVE));
        figures.add(if name == "p99_9" {
            figure.at_most(0.1)
        } else {
            figure
        });
    }
    Ok(())
}

async fn refreshes(each: u64) -> Result<BTreeMap<&'static str, Seen>, Failure> {
    let contenders = contenders(LIFETIME, BUFFER)?;
    // Nobody is measured cold.
    for contender in &contenders {
        contender
            .subject
            .resolve()
            .await
            .ok_or("no credentials to begin with")?;
    }
    let started = Instant::now();
    let refreshed = async {
        while contenders
            .iter()
            .any(|contender| contender.source.calls() <= each)
            && started.elapsed() < PATIENCE
        {
            sleep(BUCKET).await;
        }
    };
    let what = format!("stall: {each} refreshes each");
    let expected = EXPECTED * u32::try_from(each)?;
    let refreshed = during(&what, expected, refreshed);
    observed(&contenders, refreshed).await
}

type Line = (&'static str, Vec<(f64, f64)>);

/// For the plot: from a cold start through two outages.
async fn timeline() -> Result<Vec<Line>, Failure> {
    let contenders = contenders(PLOT_LIFETIME, PLOT_BUFFER)?;
    let started = tokio::time::Instant::now();
    let become_at = async |at: Duration, health: Health| {
        sleep_until(started + at).await;
        for contender in &contenders {
            contender.source.becomes(health);
        }
    };
    let script = async {
        for outage in [SHORT_OUTAGE, LONG_OUTAGE] {
            become_at(outage.start, Health::FailsLate).await;
            become_at(outage.end, Health::Good).await;
        }
        sleep_until(started + PLOT_END).await;
    };
    let seen = observed(&contenders, script).await?;
    let mut lines: Vec<Line> = Vec::new();
    for contender in contenders.iter().rev() {
        if let Some(seen) = seen.get(contender.name) {
            lines.push((contender.name, seen.points()));
        }
    }
    for outage in [SHORT_OUTAGE, LONG_OUTAGE] {
        let times = [outage.start, outage.end].map(|at| (at.as_secs_f64(), 0.0));
        lines.push((plot::OUTAGE, times.to_vec()));
    }
    Ok(lines)
}

/// What 64 callers of each contender see until `end`.
async fn observed(
    contenders: &[Contender],
    end: impl Future<Output = ()>,
) -> Result<BTreeMap<&'static str, Seen>, Failure> {
    let over = Arc::new(AtomicBool::new(false));
    let started = Instant::now();
    let mut callers = Vec::new();
    for contender in contenders {
        let ledger = Arc::new(Mutex::new(Ledger::new(started)?));
        let tasks: Vec<_> = (0..CALLERS)
            .map(|number| {
                tokio::spawn(call(
                    Arc::clone(&contender.subject),
                    Arc::clone(&ledger),
                    Arc::clone(&over),
                    PACE.mul_f64(number as f64 / CALLERS as f64),
                ))
            })
            .collect();
        callers.push((contender.name, ledger, tasks));
    }
    end.await;
    over.store(true, Ordering::Relaxed);
    let mut seen = BTreeMap::new();
    for (name, ledger, tasks) in callers {
        for task in tasks {
            task.await?;
        }
        let ledger = Arc::into_inner(ledger).ok_or("a caller outlives its task")?;
        seen.insert(
            name,
            ledger
                .into_inner()
                .unwrap_or_else(PoisonError::into_inner)
                .seen,
        );
    }
    Ok(seen)
}

/// Asks at its pace until it is over.
async fn call(
    subject: Arc<dyn Subject>,
    ledger: Arc<Mutex<Ledger>>,
    over: Arc<AtomicBool>,
    offset: Duration,
) {
    let first = tokio::time::Instant::now() + offset;
    sleep_until(first).await;
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut stalled = false;
    while !over.load(Ordering::Relaxed) {
        pace.tick().await;
        // A request needs credentials that have not expired, and tries until it has them.
        let started = Instant::now();
        let mut answer = subject.resolve().await;
        let mut took = started.elapsed();
        while !usable(answer.as_deref()) && !over.load(Ordering::Relaxed) {
            sleep(PACE).await;
            answer = subject.resolve().await;
            took = started.elapsed();
        }
        let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
        if took >= STALLED && !stalled {
            stalled = true;
            ledger.seen.callers_stalled += 1;
        }
        ledger.record(started, took);
    }
}

fn usable(key_id: Option<&str>) -> bool {
    key_id
        .and_then(end_of)
        .is_some_and(|end| end > SystemTime::now())
}

struct Ledger {
    begin: Instant,
    seen: Seen,
}

impl Ledger {
    fn new(begin: Instant) -> Result<Self, Failure> {
        Ok(Ledger {
            begin,
            seen: Seen {
                latency: Histogram::new(3)?,
                worst: BTreeMap::new(),
                callers_stalled: 0,
            },
        })
    }

    fn record(&mut self, started: Instant, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).max(1);
        let pace = u64::try_from(PACE.as_nanos()).unwrap_or(u64::MAX);
        let _ = self.seen.latency.record_correct(nanos, pace);
        // Calls that should have started while this one waited would have waited for the rest of it.
        let mut late = Duration::ZERO;
        loop {
            let at = (started + late).saturating_duration_since(self.begin);
            let bucket = u64::try_from(at.as_nanos() / BUCKET.as_nanos()).unwrap_or(u64::MAX);
            let worst = self.seen.worst.entry(bucket).or_insert(0.0);
            *worst = worst.max((took.saturating_sub(late)).as_secs_f64() * 1e3);
            late += BUCKET;
            if late >= took {
                break;
            }
        }
    }
}

impl Seen {
    /// Seconds, and ms.
    fn points(&self) -> Vec<(f64, f64)> {
        self.worst
            .iter()
            .map(|(bucket, worst)| (*bucket as f64 * BUCKET.as_secs_f64(), *worst))
            .collect()
    }
}
