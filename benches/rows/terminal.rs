//! `terminal`: a source that refuses for good while keys are valid, as when a trust policy was edited; on a
//! simulated clock.

use super::Row;
use crate::figures::{Figure, Figures};
use crate::simulated::{
    Answers, CONTENDERS, Contender, Request, Scripted, SimulatedTime, seconds, simulate,
};
use crate::subject::OURS;
use crate::{Failure, Plan, plot, progress};
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;
use tokio::task::JoinSet;

pub(crate) const ROW: Row = Row {
    name: "terminal",
    what: "a source that refuses for good while keys are valid, on a simulated clock",
    run,
};

const SESSIONS: [(&str, Duration); 2] = [
    ("1h", Duration::from_secs(3600)),
    ("15min", Duration::from_secs(900)),
];
const RUNS: u32 = 50;
const QUICK_RUNS: u32 = 15;
/// When the sessions have come: it refuses from then on.
const REFUSES_FROM: Duration = Duration::from_secs(60);
/// Looked at past expiry.
const PAST: Duration = Duration::from_secs(600);
const MINUTE: Duration = Duration::from_secs(60);

/// Of one run.
#[derive(Clone, Debug)]
struct Seen {
    failed_while_valid: f64,
    served_expired: f64,
    calls_while_valid: f64,
    calls_past_expiry: f64,
    /// By minute, the share of requests that fail.
    by_minute: Vec<f64>,
}

fn run(plan: &Plan, figures: &mut Figures) -> Result<(), Failure> {
    let runs = if plan.quick { QUICK_RUNS } else { RUNS };
    let bar = progress::bar(
        "terminal: simulated",
        (SESSIONS.len() * CONTENDERS.len()) as u64,
    );
    for (session, lifetime) in SESSIONS {
        let mut seen = BTreeMap::new();
        for name in CONTENDERS {
            seen.insert(name, simulate(refused(name, lifetime, runs))?);
            bar.inc(1);
        }
        if session == PLOTTED {
            draw(figures, lifetime, &seen);
        }
        add(figures, &format!("terminal.{session}"), &seen);
    }
    bar.finish_and_clear();
    Ok(())
}

const PLOTTED: &str = "1h";

fn draw(figures: &mut Figures, lifetime: Duration, seen: &BTreeMap<&str, Vec<Seen>>) {
    for (name, runs) in seen {
        let minutes = runs.first().map_or(0, |run| run.by_minute.len());
        let expiry = lifetime.as_secs_f64() / 60.0;
        let points = (0..minutes).map(|minute| {
            let share = runs.iter().filter_map(|run| run.by_minute.get(minute));
            let share = share.sum::<f64>() / runs.len() as f64;
            (minute as f64 - expiry, 100.0 * share)
        });
        figures.plot(plot::TERMINAL, name, points.collect());
    }
}

fn add(figures: &mut Figures, name: &str, seen: &BTreeMap<&str, Vec<Seen>>) {
    let mean = |contender: &str, of: fn(&Seen) -> f64| {
        let runs = seen.get(contender).map(Vec::as_slice).unwrap_or_default();
        runs.iter().map(of).sum::<f64>() / runs.len() as f64
    };
    let figure = |measure: &str, what: &str, unit, of: fn(&Seen) -> f64| {
        let figure = Figure::less(format!("{name}.{measure}"), what, unit, mean(OURS, of));
        let peers = CONTENDERS.into_iter().filter(|name| *name != OURS);
        peers.fold(figure, |figure, peer| figure.beside(peer, mean(peer, of)))
    };
    figures.add(
        figure(
            "failed_while_valid",
            "requests that fail while the keys are valid, one a second",
            "s",
            |run| run.failed_while_valid,
        )
        .at_most(0.0),
    );
    figures.add(
        figure(
            "served_expired",
            "requests that are given expired keys, one a second",
            "s",
            |run| run.served_expired,
        )
        .at_most(0.0),
    );
    figures.add(
        figure(
            "calls_while_valid",
            "calls to the source while the keys are valid",
            "calls",
            |run| run.calls_while_valid,
        )
        .at_most(10.0),
    );
    figures.add(figure(
        "calls_past_expiry",
        "calls to the source in the 10 min past expiry",
        "calls",
        |run| run.calls_past_expiry,
    ));
}

async fn refused(name: &'static str, lifetime: Duration, runs: u32) -> Result<Vec<Seen>, Failure> {
    let time = SimulatedTime::begin();
    let mut running = JoinSet::new();
    for _ in 0..runs {
        running.spawn(refuse(name, lifetime, time));
    }
    let mut seen = Vec::new();
    while let Some(run) = running.join_next().await {
        seen.push(run??);
    }
    Ok(seen)
}

async fn refuse(
    name: &'static str,
    lifetime: Duration,
    time: SimulatedTime,
) -> Result<Seen, Failure> {
    let source = Scripted::new(time, lifetime, |_, at| {
        if at < REFUSES_FROM {
            Answers::WithSession
        } else {
            Answers::RefusesForGood
        }
    });
    let contender = Contender::new(name, &source)?;
    let end = lifetime + PAST;
    let requests = contender.requests(time, Duration::ZERO..end).await?;
    let within = |span: &Range<Duration>| -> Vec<Request> {
        let in_span = requests.iter().filter(|request| span.contains(&request.at));
        in_span.cloned().collect()
    };
    let (valid, past) = (REFUSES_FROM..lifetime, lifetime + MINUTE / 60..end);
    let minutes = u32::try_from(end.as_secs() / 60)?;
    let by_minute = (0..minutes).map(|minute| {
        let requests = within(&(minute * MINUTE..(minute + 1) * MINUTE));
        seconds(&requests, Request::has_failed) / 60.0
    });
    Ok(Seen {
        failed_while_valid: seconds(&within(&valid), Request::has_failed),
        served_expired: seconds(&requests, Request::is_dead),
        calls_while_valid: source.calls_in(&valid) as f64,
        calls_past_expiry: source.calls_in(&past) as f64,
        by_minute: by_minute.collect(),
    })
}
