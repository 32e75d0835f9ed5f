//! `blip`: one failed answer at the first refresh, and a healthy source from then on; on a simulated clock.

use super::{Row, median};
use crate::figures::{Figure, Figures};
use crate::simulated::{
    Answers, CONTENDERS, Contender, Request, Scripted, SimulatedTime, seconds, simulate,
};
use crate::subject::OURS;
use crate::{Failure, Plan, plot, progress};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::task::JoinSet;

pub(crate) const ROW: Row = Row {
    name: "blip",
    what: "one failed answer at the first refresh, then a healthy source, on a simulated clock",
    run,
};

const SESSIONS: [(&str, Duration); 2] = [
    ("15min", Duration::from_secs(900)),
    ("1h", Duration::from_secs(3600)),
];
const RUNS: u32 = 200;
const QUICK_RUNS: u32 = 50;
/// Longer than any back-off.
const AFTERWARDS: Duration = Duration::from_secs(1200);

/// What came of one blip, in seconds.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// From the failed answer to the first request with a new key.
    until_new_keys: f64,
    dead: f64,
    failed: f64,
}

fn run(plan: &Plan, figures: &mut Figures) -> Result<(), Failure> {
    let runs = if plan.quick { QUICK_RUNS } else { RUNS };
    let bar = progress::bar(
        "blip: simulated",
        (SESSIONS.len() * CONTENDERS.len()) as u64,
    );
    for (session, lifetime) in SESSIONS {
        let mut seen = BTreeMap::new();
        for name in CONTENDERS {
            seen.insert(name, simulate(blips(name, lifetime, runs))?);
            bar.inc(1);
        }
        if session == PLOTTED {
            draw(figures, &seen);
        }
        add(figures, &format!("blip.{session}"), &seen);
    }
    bar.finish_and_clear();
    Ok(())
}

/// Those whose keys the back-off outlives.
const PLOTTED: &str = "15min";

/// The share of runs that have new keys by then.
fn draw(figures: &mut Figures, seen: &BTreeMap<&str, Vec<Seen>>) {
    for (name, runs) in seen {
        let mut until: Vec<_> = runs.iter().map(|run| run.until_new_keys).collect();
        until.sort_by(f64::total_cmp);
        let share = |done: usize| 100.0 * done as f64 / until.len() as f64;
        let steps = until
            .iter()
            .enumerate()
            .flat_map(|(done, seconds)| [(*seconds, share(done)), (*seconds, share(done + 1))]);
        let end = AFTERWARDS.as_secs_f64() / 2.0;
        let points = [(0.0, 0.0)].into_iter().chain(steps).chain([(end, 100.0)]);
        figures.plot(plot::BLIP, name, points.collect());
    }
}

fn add(figures: &mut Figures, name: &str, seen: &BTreeMap<&str, Vec<Seen>>) {
    let of = |contender: &str| seen.get(contender).map(Vec::as_slice).unwrap_or_default();
    let figure = |measure: &str, what: &str, unit, figure: &dyn Fn(&[Seen]) -> f64| {
        let ours = Figure::less(format!("{name}.{measure}"), what, unit, figure(of(OURS)));
        let peers = CONTENDERS.into_iter().filter(|name| *name != OURS);
        peers.fold(ours, |ours, peer| ours.beside(peer, figure(of(peer))))
    };
    let mean =
        |runs: &[Seen], of: fn(&Seen) -> f64| runs.iter().map(of).sum::<f64>() / runs.len() as f64;
    figures.add(figure(
        "until_new_keys",
        "from one failed answer to new keys: median",
        "s",
        &|runs| median(runs.iter().map(|run| run.until_new_keys).collect()),
    ));
    figures.add(figure(
        "until_new_keys_at_most",
        "from one failed answer to new keys: longest",
        "s",
        &|runs| {
            runs.iter()
                .map(|run| run.until_new_keys)
                .fold(0.0, f64::max)
        },
    ));
    figures.add(
        figure(
            "hands_out_dead_keys",
            "runs in which requests are given expired keys",
            "of runs",
            &|runs| mean(runs, |run| f64::from(u8::from(run.dead > 0.0))),
        )
        .at_most(0.0),
    );
    figures.add(figure(
        "served_expired",
        "requests that are given expired keys, one a second",
        "s",
        &|runs| mean(runs, |run| run.dead),
    ));
    figures.add(
        figure("failed", "requests that fail, one a second", "s", &|runs| {
            mean(runs, |run| run.failed)
        })
        .at_most(0.0),
    );
}

/// So many programs, each with a source of its own.
async fn blips(name: &'static str, lifetime: Duration, runs: u32) -> Result<Vec<Seen>, Failure> {
    let time = SimulatedTime::begin();
    let mut running = JoinSet::new();
    for _ in 0..runs {
        running.spawn(blip(name, lifetime, time));
    }
    let mut seen = Vec::new();
    while let Some(run) = running.join_next().await {
        seen.push(run??);
    }
    Ok(seen)
}

async fn blip(
    name: &'static str,
    lifetime: Duration,
    time: SimulatedTime,
) -> Result<Seen, Failure> {
    let failed_at = std::sync::Arc::new(std::sync::OnceLock::new());
    let fails = std::sync::Arc::clone(&failed_at);
    let source = Scripted::new(time, lifetime, move |call, at| {
        if call == 2 {
            let _ = fails.set(at);
            Answers::Refuses
        } else {
            Answers::WithSession
        }
    });
    let contender = Contender::new(name, &source)?;
    let requests = contender
        .requests(time, Duration::ZERO..lifetime + AFTERWARDS)
        .await?;
    let failed_at = *failed_at.get().ok_or("it was never refreshed")?;
    let first_key = requests.first().and_then(|first| first.answer.as_ref());
    let first_key = first_key.map(|answer| answer.key.clone());
    let first_key = first_key.ok_or("no credentials to begin with")?;
    let new = requests
        .iter()
        .find(|request| {
            let answer = request.answer.as_ref();
            answer.is_some_and(|answer| answer.key != first_key)
        })
        .map(|request| request.at + request.waited);
    Ok(Seen {
        until_new_keys: new.map_or(f64::INFINITY, |at| {
            at.saturating_sub(failed_at).as_secs_f64()
        }),
        dead: seconds(&requests, Request::is_dead),
        failed: seconds(&requests, Request::has_failed),
    })
}
