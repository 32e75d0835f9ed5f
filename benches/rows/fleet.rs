//! `fleet`: 10,000 hosts on a simulated clock; the program of `examples/fleet`.

use super::Row;
use crate::cold::simulation::{Calls, Fleet, Rule, simulate};
use crate::cold::{Served, Starting, start};
use crate::figures::{Figure, Figures};
use crate::subject::OURS;
use crate::{Failure, Plan, plot, progress};
use std::time::Duration;

pub(crate) const ROW: Row = Row {
    name: "fleet",
    what: "10,000 hosts that started in the same second, 24 h (quick: 5 h) on a simulated clock",
    run: day,
};

pub(crate) const COLD: Row = Row {
    name: "fleet.cold",
    what: "10,000 hosts (quick: 2,500) that start in the same second, until all are served, on a simulated clock",
    run: cold,
};

const SDK: &str = "sdk";
const AWS_2026: &str = "aws_2026";
const RULES: [(&str, Rule); 3] = [
    (SDK, Rule::Sdk),
    (AWS_2026, Rule::Aws2026),
    (OURS, Rule::Ours),
];

/// Enough to see the rules by.
const MINUTES_PLOTTED: usize = 5 * 60;
/// A quick run looks at the first hours: the peaks are there.
const QUICK_SPAN: Duration = Duration::from_secs(5 * 3600);

/// What STS admits in a second: the documented default of a large account.
const ADMITTED: u32 = 600;
/// In a quick run so many times fewer start, and are admitted: it takes them as long.
const QUICK_SCALE: u32 = 4;
/// Ours where it is told by `throttled_spread` how many start together.
const TOLD: &str = "ours_told";

/// From nothing, all in one second.
fn cold(plan: &Plan, figures: &mut Figures) -> Result<(), Failure> {
    let scale = if plan.quick { QUICK_SCALE } else { 1 };
    let (hosts, admitted) = (Fleet::default().hosts / scale, ADMITTED / scale);
    let floor = f64::from(hosts) / f64::from(admitted);
    let mut served: Vec<(&str, Served)> = Vec::new();
    for (name, who) in [
        (SDK, Starting::Sdk),
        (AWS_2026, Starting::Aws2026),
        (OURS, Starting::Ours),
        (TOLD, Starting::OursTold),
    ] {
        let bar = progress::bar(&format!("fleet: cold, {name}"), hosts.into());
        let outcome = start(who, hosts, admitted, &|count| {
            bar.set_position(count as u64)
        })?;
        bar.finish_and_clear();
        figures.plot(plot::FLEET_COLD, name, outcome.curve());
        served.push((name, outcome));
    }
    let of = |name: &str, figure: &dyn Fn(&Served) -> f64| {
        let found = served.iter().find(|(who, _)| *who == name);
        found.map_or(f64::NAN, |(_, served)| figure(served))
    };
    let beside = |name: &str, what: &str, unit, figure: &dyn Fn(&Served) -> f64| {
        Figure::less(name, what, unit, of(TOLD, figure))
            .beside(SDK, of(SDK, figure))
            .beside(AWS_2026, of(AWS_2026, figure))
            .beside("ours_untold", of(OURS, figure))
    };
    for (percent, share) in [("50", 0.5), ("99", 0.99), ("100", 1.0)] {
        let figure = beside(
            &format!("fleet.cold.p{percent}"),
            &format!(
                "cold hosts that were told how many they are: time until {percent} % are served, as a multiple of hosts / admitted rate"
            ),
            "× floor",
            &|served| served.share(share) / floor,
        );
        figures.add(if percent == "99" {
            figure.at_most(1.5)
        } else {
            figure
        });
    }
    let calls = beside(
        "fleet.cold.calls",
        "cold hosts that were told how many they are: calls to STS for each",
        "calls",
        &Served::calls_each,
    );
    figures.add(calls.at_most(2.0));
    Ok(())
}

/// The day that follows.
fn day(plan: &Plan, figures: &mut Figures) -> Result<(), Failure> {
    let mut fleet = Fleet::default();
    if plan.quick {
        fleet.span = QUICK_SPAN;
    }
    let mut simulated: Vec<(&str, Calls)> = Vec::new();
    for (name, rule) in RULES {
        let bar = progress::bar(
            &format!("fleet: {name}, simulated seconds"),
            fleet.span.as_secs(),
        );
        let calls = simulate(rule, fleet, &|passed| bar.set_position(passed.as_secs()))?;
        bar.finish_and_clear();
        let hours = |minute: usize| minute as f64 / 60.0;
        let minutes = calls.by_minute().enumerate().take(MINUTES_PLOTTED);
        let points = minutes.map(|(minute, peak)| (hours(minute), f64::from(peak)));
        figures.plot(plot::FLEET, name, points.collect());
        simulated.push((name, calls));
    }
    let of = |name: &str, figure: fn(&Calls) -> f64| {
        let calls = simulated.iter().find(|(simulated, _)| *simulated == name);
        calls.map_or(f64::NAN, |(_, calls)| figure(calls))
    };
    let peak = |calls: &Calls| f64::from(calls.peak());
    let figure = |name: &str, what: &str, unit, figure: fn(&Calls) -> f64| {
        Figure::less(name, what, unit, of(OURS, figure))
            .beside(SDK, of(SDK, figure))
            .beside(AWS_2026, of(AWS_2026, figure))
    };
    figures.add(figure(
        "fleet.peak",
        "most calls to the source in one second",
        "calls/s",
        peak,
    ));
    figures.add(figure(
        "fleet.mean",
        "calls to the source, mean",
        "calls/s",
        Calls::mean,
    ));
    figures.add(
        Figure::less(
            "fleet.peak_of_sdk",
            "most calls to the source in one second, as a share of the SDK's",
            "× sdk",
            of(OURS, peak) / of(SDK, peak),
        )
        .beside(AWS_2026, of(AWS_2026, peak) / of(SDK, peak))
        .at_most(0.02),
    );
    Ok(())
}
