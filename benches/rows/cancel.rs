//! `cancel`: callers that give up before the source answers.

use super::{Row, on_two_threads};
use crate::figures::{Figure, Figures};
use crate::progress::during;
use crate::sdk::Client;
use crate::source::Source;
use crate::subject::{LAZY, OURS, Ours, Subject, shared};
use crate::{Failure, Plan};
use aws_credential_strategies::{CredentialCache, RefreshPolicy};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

pub(crate) const ROW: Row = Row {
    name: "cancel",
    what: "8 callers with a budget of 50 ms, a source that takes 200 ms",
    run,
};

const CALLERS: u64 = 8;
const BUDGET: Duration = Duration::from_millis(50);
const LATENCY: Duration = Duration::from_millis(200);
const LIFETIME: Duration = Duration::from_secs(3600);
/// Between two calls of a caller.
const PAUSE: Duration = Duration::from_millis(10);
const RUN: Duration = Duration::from_secs(3);

struct Seen {
    calls: u64,
    served: u64,
    fetches: u64,
    /// In fetch latencies; infinite for never.
    first_served: f64,
}

fn run(_: &Plan, figures: &mut Figures) -> Result<(), Failure> {
    let seen = on_two_threads(async {
        let (ours, lazy) = (
            Source::new(LIFETIME, LATENCY),
            Source::new(LIFETIME, LATENCY),
        );
        let cache = CredentialCache::new(ours.clone(), RefreshPolicy::default());
        let ours = calls(shared(Ours(Arc::new(cache))), ours);
        let lazy = calls(shared(Client::lazy(lazy.clone(), None, None)?), lazy);
        let (ours, lazy) = during("cancel", RUN, async { tokio::join!(ours, lazy) }).await;
        Ok(BTreeMap::from([(OURS, ours?), (LAZY, lazy?)]))
    })?;
    let of = |name: &str, figure: fn(&Seen) -> f64| seen.get(name).map_or(f64::NAN, figure);
    figures.add(
        Figure::less(
            "cancel.first_served",
            "until a caller is served, in fetches of the source",
            "× fetch",
            of(OURS, |seen| seen.first_served),
        )
        .beside(LAZY, of(LAZY, |seen| seen.first_served))
        // One fetch, and the pause and the budget of the caller that comes next.
        .at_most(1.5),
    );
    let share = |seen: &Seen| seen.served as f64 / seen.calls as f64;
    figures.add(
        Figure::more(
            "cancel.served",
            "calls that were served",
            "of calls",
            of(OURS, share),
        )
        .beside(LAZY, of(LAZY, share)),
    );
    figures.add(
        Figure::less(
            "cancel.fetches",
            "calls to the source",
            "calls",
            of(OURS, |seen| seen.fetches as f64),
        )
        .beside(LAZY, of(LAZY, |seen| seen.fetches as f64))
        .at_most(1.0),
    );
    Ok(())
}

async fn calls(subject: Arc<dyn Subject>, source: Source) -> Result<Seen, Failure> {
    let started = Instant::now();
    let calls = Arc::new(AtomicU64::new(0));
    let served = Arc::new(AtomicU64::new(0));
    let first = Arc::new(AtomicU64::new(u64::MAX));
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let subject = Arc::clone(&subject);
            let (calls, served, first) =
                (Arc::clone(&calls), Arc::clone(&served), Arc::clone(&first));
            tokio::spawn(async move {
                while started.elapsed() < RUN {
                    calls.fetch_add(1, Ordering::Relaxed);
                    if let Ok(Some(_)) = timeout(BUDGET, subject.resolve()).await {
                        served.fetch_add(1, Ordering::Relaxed);
                        let at = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
                        first.fetch_min(at, Ordering::Relaxed);
                    }
                    sleep(PAUSE).await;
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await?;
    }
    let first_served = match first.load(Ordering::Relaxed) {
        u64::MAX => f64::INFINITY,
        millis => millis as f64 / LATENCY.as_millis() as f64,
    };
    Ok(Seen {
        calls: calls.load(Ordering::Relaxed),
        served: served.load(Ordering::Relaxed),
        fetches: source.calls(),
        first_served,
    })
}
