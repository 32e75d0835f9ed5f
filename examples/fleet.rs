//! 10,000 hosts that started in the same second: how often is the source of credentials asked?
//!
//! The cold start itself, against an STS that admits 600 calls a second, and 24 hours after it, on a simulated
//! clock, under three rules: the AWS SDK's, the AWS rules of 2026, and ours.
//! `cargo run --release --example fleet`; without `--release` it takes some minutes. `-- --hosts 1000` takes
//! as many.

#[path = "../src/bin/aws-credential-doctor/arguments.rs"]
#[allow(dead_code, reason = "not every example has options")]
mod arguments;
#[path = "../src/bin/aws-credential-doctor/screen.rs"]
#[allow(dead_code, reason = "not every example waits")]
mod screen;

#[path = "fleet/cold.rs"]
mod cold;
#[path = "fleet/simulation.rs"]
mod simulation;

use arguments::{Opt, Program};
use cold::{Served, Starting};
use indicatif::{ProgressBar, ProgressStyle};
use screen::tell;
use simulation::{Fleet, Rule, simulate};
use std::error::Error;
use std::process::ExitCode;

const PROGRAM: Program = Program {
    name: "cargo run --release --example fleet --",
    about: "10,000 hosts that started in the same second: how long does a cold start take when STS admits 600 calls a second, and how often is the source asked in 24 hours, under three rules? Takes some minutes without --release.",
    options: &[
        Opt::value("hosts", "NUMBER", "how many hosts; 10000"),
        Opt::value("admit", "NUMBER", "calls a second that STS admits; 600"),
        Opt::flag("cold", "the cold start only"),
    ],
    notes: "",
};

fn main() -> Result<ExitCode, Box<dyn Error + Send + Sync>> {
    let given = PROGRAM.read_or_exit();
    let number = |name: &str, default: u32| match given.value(name).map(str::parse) {
        None => Ok(default),
        Some(Ok(number)) if number > 0 => Ok(number),
        Some(_) => Err(PROGRAM.refuse(&format!(
            "--{name}: expected a number above 0, got {:?}",
            given.value(name).unwrap_or_default()
        ))),
    };
    let fleet = Fleet::default();
    let (hosts, admitted) = match (number("hosts", fleet.hosts), number("admit", 600)) {
        (Ok(hosts), Ok(admitted)) => (hosts, admitted),
        (Err(status), _) | (_, Err(status)) => return Ok(status),
    };
    cold_start(hosts, admitted)?;
    if !given.has("cold") {
        later(Fleet { hosts, ..fleet })?;
    }
    Ok(ExitCode::SUCCESS)
}

/// From nothing, all in one second.
fn cold_start(hosts: u32, admitted: u32) -> Result<(), Box<dyn Error + Send + Sync>> {
    let contenders = [
        ("AWS SDK today", Starting::Sdk),
        ("AWS rules of 2026", Starting::Aws2026),
        ("this crate", Starting::Ours),
        ("the same, throttled_spread", Starting::OursTold),
    ];
    let mut served: Vec<(&str, Served)> = Vec::new();
    for (name, who) in contenders {
        let bar = ProgressBar::new(hosts.into())
            .with_style(ProgressStyle::with_template(
                "{msg:<30} [{bar:24}] {pos}/{len} served",
            )?)
            .with_message(name);
        let outcome = cold::start(who, hosts, admitted, &|count| {
            bar.set_position(count as u64)
        })?;
        bar.finish_and_clear();
        served.push((name, outcome));
    }
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
    for (name, served) in &served {
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
    Ok(())
}

/// The day that follows.
fn later(fleet: Fleet) -> Result<(), Box<dyn Error + Send + Sync>> {
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
        let bar = ProgressBar::new(fleet.span.as_secs() / 3600)
            .with_style(ProgressStyle::with_template(
                "{msg:<46} [{bar:24}] {pos}/{len} h",
            )?)
            .with_message(name);
        let calls = simulate(rule, fleet, &|passed| {
            bar.set_position(passed.as_secs() / 3600)
        })?;
        bar.finish_and_clear();
        simulated.push((name, calls));
    }

    tell!(
        "{} hosts that started in the same second, sessions of {} min, {} h, the start left out\n",
        fleet.hosts,
        fleet.session.as_secs() / 60,
        fleet.span.as_secs() / 3600
    );
    tell!(
        "{:<46} {:>12} {:>12} {:>12}",
        "calls to the source",
        "peak/s",
        "mean/s",
        "peak, share"
    );
    let most = simulated
        .first()
        .map_or(1, |(_, calls)| calls.peak().max(1));
    for (name, calls) in &simulated {
        let share = f64::from(calls.peak()) / f64::from(most);
        tell!(
            "{name:<46} {:>12} {:>12.2} {share:>12.3}",
            calls.peak(),
            calls.mean()
        );
    }
    Ok(())
}
