//! `outage.sessions`: sessions as AWS gives them, outages of minutes that begin anywhere in one, on a simulated
//! clock.

use super::Row;
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
    name: "outage.sessions",
    what: "sessions of 1 h and 15 min, outages of 1, 5 and 15 min, on a simulated clock",
    run,
};

const MINUTE: Duration = Duration::from_secs(60);
const SESSIONS: [(&str, Duration); 2] = [
    ("1h", Duration::from_secs(3600)),
    ("15min", Duration::from_secs(900)),
];
const LENGTHS: [(&str, u32); 3] = [("1min", 1), ("5min", 5), ("15min", 15)];
/// What the source does while it is out.
const KINDS: [(&str, Answers); 3] = [
    ("refuses", Answers::Refuses),
    ("is_slow", Answers::Late(Duration::from_secs(8))),
    ("hangs", Answers::Hangs),
];
/// An outage begins at so many points, evenly spread over a session.
const POINTS: u32 = 60;
const QUICK_POINTS: u32 = 12;
/// Longer than any back-off: when it is over for everybody.
const AFTERWARDS: Duration = Duration::from_secs(900);

/// What the requests of one outage saw, in seconds; and the calls to the source.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    failed: f64,
    waited: f64,
    expired: f64,
    calls: f64,
}

fn run(plan: &Plan, figures: &mut Figures) -> Result<(), Failure> {
    let points = if plan.quick { QUICK_POINTS } else { POINTS };
    let bar = progress::bar(
        "outage.sessions: simulated",
        (SESSIONS.len() * LENGTHS.len() * KINDS.len()) as u64,
    );
    for (session, lifetime) in SESSIONS {
        for (kind, answers) in KINDS {
            for (length, minutes) in LENGTHS {
                let outage = Outage {
                    lifetime,
                    length: minutes * MINUTE,
                    answers,
                };
                let mut seen = BTreeMap::new();
                for name in CONTENDERS {
                    seen.insert(name, simulate(outage.everywhere(name, points))?);
                }
                if (session, kind, length) == PLOTTED {
                    draw(figures, lifetime, &seen);
                }
                add(
                    figures,
                    &format!("outage.sessions.{session}.{kind}.{length}"),
                    &seen,
                );
                bar.inc(1);
            }
        }
    }
    bar.finish_and_clear();
    Ok(())
}

/// The one that is drawn: as long as the advisory window of these sessions.
const PLOTTED: (&str, &str, &str) = ("1h", "refuses", "15min");

fn draw(figures: &mut Figures, lifetime: Duration, seen: &BTreeMap<&str, Vec<Seen>>) {
    for (name, outages) in seen {
        let points = outages.iter().enumerate().map(|(point, seen)| {
            let begins = begin(lifetime, point as u32, outages.len() as u32);
            (begins.as_secs_f64() / 60.0, seen.failed + seen.expired)
        });
        figures.plot(plot::SESSIONS, name, points.collect());
    }
}

fn add(figures: &mut Figures, name: &str, seen: &BTreeMap<&str, Vec<Seen>>) {
    let mean = |contender: &str, of: fn(&Seen) -> f64| {
        let outages = seen.get(contender).map(Vec::as_slice).unwrap_or_default();
        outages.iter().map(of).sum::<f64>() / outages.len() as f64
    };
    let figure = |measure: &str, what: &str, unit, of: fn(&Seen) -> f64| {
        let figure = Figure::less(format!("{name}.{measure}"), what, unit, mean(OURS, of));
        let peers = CONTENDERS.into_iter().filter(|name| *name != OURS);
        peers.fold(figure, |figure, peer| figure.beside(peer, mean(peer, of)))
    };
    figures.add(
        figure(
            "failed",
            "an outage costs requests that fail, one a second",
            "s",
            |seen| seen.failed,
        )
        .at_most(0.0),
    );
    figures.add(figure(
        "waited",
        "an outage costs time that requests wait, of one a second together",
        "s",
        |seen| seen.waited,
    ));
    figures.add(figure(
        "served_expired",
        "an outage costs requests that are given expired keys, one a second",
        "s",
        |seen| seen.expired,
    ));
    figures.add(figure(
        "calls",
        "calls to the source in an outage and the 15 min after it",
        "calls",
        |seen| seen.calls,
    ));
}

/// When an outage begins, in the session that was fetched at the start.
fn begin(lifetime: Duration, point: u32, points: u32) -> Duration {
    lifetime.mul_f64((f64::from(point) + 0.5) / f64::from(points))
}

#[derive(Clone, Copy, Debug)]
struct Outage {
    lifetime: Duration,
    length: Duration,
    answers: Answers,
}

impl Outage {
    /// One outage at each point, each with a program and a source of its own, side by side.
    async fn everywhere(self, name: &'static str, points: u32) -> Result<Vec<Seen>, Failure> {
        let time = SimulatedTime::begin();
        let mut running = JoinSet::new();
        for point in 0..points {
            let begins = begin(self.lifetime, point, points);
            running.spawn(async move { Ok((point, self.at(begins, name, time).await?)) });
        }
        let mut seen = Vec::new();
        while let Some(run) = running.join_next().await {
            seen.push(run?.map_err(|failed: Failure| failed)?);
        }
        seen.sort_by_key(|(point, _)| *point);
        Ok(seen.into_iter().map(|(_, seen)| seen).collect())
    }

    async fn at(
        self,
        begins: Duration,
        name: &'static str,
        time: SimulatedTime,
    ) -> Result<Seen, Failure> {
        let ends = begins + self.length;
        let answers = self.answers;
        let source = Scripted::new(time, self.lifetime, move |_, at| {
            if (begins..ends).contains(&at) {
                answers
            } else {
                Answers::WithSession
            }
        });
        let contender = Contender::new(name, &source)?;
        let requests = contender
            .requests(time, Duration::ZERO..ends + AFTERWARDS)
            .await?;
        // What filling the empty cache costs is no part of it.
        let requests: Vec<_> = requests
            .into_iter()
            .filter(|request| request.at >= begins)
            .collect();
        Ok(Seen {
            failed: seconds(&requests, Request::has_failed),
            waited: requests
                .iter()
                .map(|request| request.waited.as_secs_f64())
                .sum(),
            expired: seconds(&requests, Request::is_dead),
            calls: source.calls_in(&(begins..ends + AFTERWARDS)) as f64,
        })
    }
}
