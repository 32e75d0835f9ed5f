//! 10,000 hosts that started in the same second: how often is the source of credentials asked?
//!
//! The cold start itself, against an STS that admits 600 calls a second, and 24 hours after it, on a simulated
//! clock, under three rules: the AWS SDK's, the AWS rules of 2026, and ours.
//! `cargo run --release --example fleet`; without `--release` it takes some minutes. `-- --hosts 1000` takes
//! as many.

mod cold;
mod simulation;
#[path = "../support/mod.rs"]
mod support;

use cold::{Served, Starting};
use simulation::{Calls, Fleet, Rule, simulate};
use support::arguments::{Opt, Program};
use support::{Failure, Progress, tell};

const PROGRAM: Program = Program {
    name: "cargo run --release --example fleet --",
    about: "10,000 hosts that started in the same second, on a simulated clock: how long does a cold start take when STS \
            admits 600 calls a second, and how often is the source asked in 24 hours, under the rules of the AWS SDK \
            today, those of AWS of 2026, and this crate's?",
    options: &[
        Opt::value("hosts", "NUMBER", "how many hosts (default: 10000)"),
        Opt::value(
            "admit",
            "NUMBER",
            "calls a second that STS admits (default: 600)",
        ),
        Opt::flag("cold", "the cold start only, without the day that follows"),
    ],
    notes: "takes: less than a minute, without --release some minutes; less with fewer hosts\n\
            costs: nothing, time and network are simulated",
};

fn main() -> Result<(), Failure> {
    let given = PROGRAM.read_or_exit();
    let fleet = Fleet::default();
    let hosts = PROGRAM.number(&given, "hosts", fleet.hosts, 1..=1_000_000);
    let admitted = PROGRAM.number(&given, "admit", 600, 1..=1_000_000);
    let progress = Progress::begin(
        &format!("{hosts} hosts"),
        takes(hosts, given.has("cold")),
        100,
        "%",
    );
    cold_start(hosts, admitted, &progress)?;
    if !given.has("cold") {
        later(Fleet { hosts, ..fleet }, &progress)?;
    }
    Ok(())
}

fn takes(hosts: u32, cold_only: bool) -> &'static str {
    let host_seconds =
        hosts * if cfg!(debug_assertions) { 10 } else { 1 } * if cold_only { 1 } else { 3 };
    match host_seconds {
        0..6_000 => "some seconds",
        6_000..60_000 => "less than a minute",
        _ => "some minutes",
    }
}

/// From nothing, all in one second.
fn cold_start(hosts: u32, admitted: u32, progress: &Progress) -> Result<(), Failure> {
    let contenders = [
        ("AWS SDK today", Starting::Sdk),
        ("AWS rules of 2026", Starting::Aws2026),
        ("this crate", Starting::Ours),
        ("the same, throttled_spread", Starting::OursTold),
    ];
    let mut served: Vec<(&str, Served)> = Vec::new();
    for (name, who) in contenders {
        progress.say(format!("cold start, {name}"));
        let outcome = cold::start(who, hosts, admitted, &|count| {
            progress.set(100 * count as u64 / u64::from(hosts));
        });
        served.push((name, outcome.map_err(Failure::of)?));
    }
    progress.beside(|| tell_cold(hosts, admitted, &served));
    Ok(())
}

fn tell_cold(hosts: u32, admitted: u32, served: &[(&str, Served)]) {
    tell!(
        "{hosts} hosts start cold within one second; STS admits {admitted} calls a second,\nso {:.1} s is the least\n",
        f64::from(hosts) / f64::from(admitted)
    );
    tell!(
        "{:<27} {:>8} {:>8} {:>8} {:>13} {:>10}",
        "seconds until served",
        "50 %",
        "99 %",
        "100 %",
        "calls a host",
        "throttled"
    );
    for (name, served) in served {
        tell!(
            "{name:<27} {:>8.1} {:>8.1} {:>8.1} {:>13.2} {:>10}",
            served.share(0.5),
            served.share(0.99),
            served.share(1.0),
            served.calls_each(),
            served.throttled
        );
    }
    tell!("");
}

/// The day that follows.
fn later(fleet: Fleet, progress: &Progress) -> Result<(), Failure> {
    let rules = [
        ("AWS SDK today (5 to 10 s before expiry)", Rule::Sdk),
        (
            "AWS rules of 2026 (first call in the window)",
            Rule::Aws2026,
        ),
        ("this crate (a point drawn in the window)", Rule::Ours),
    ];
    let mut simulated = Vec::new();
    for (name, rule) in rules {
        progress.say(format!("{} h, {name}", fleet.span.as_secs() / 3600));
        let calls = simulate(rule, fleet, &|passed| {
            progress.set(100 * passed.as_secs() / fleet.span.as_secs());
        });
        simulated.push((name, calls.map_err(Failure::of)?));
    }

    progress.beside(|| tell_day(fleet, &simulated));
    Ok(())
}

fn tell_day(fleet: Fleet, simulated: &[(&str, Calls)]) {
    tell!(
        "{} hosts that started in the same second: sessions of {} min, {} h, the first\nminute left out\n",
        fleet.hosts,
        fleet.session.as_secs() / 60,
        fleet.span.as_secs() / 3600
    );
    tell!(
        "{:<46} {:>9} {:>9} {:>12}",
        "calls to the source",
        "peak/s",
        "mean/s",
        "peak, share"
    );
    let most = simulated
        .first()
        .map_or(1, |(_, calls)| calls.peak().max(1));
    for (name, calls) in simulated {
        let share = f64::from(calls.peak()) / f64::from(most);
        tell!(
            "{name:<46} {:>9} {:>9.2} {share:>12.3}",
            calls.peak(),
            calls.mean()
        );
    }
}
