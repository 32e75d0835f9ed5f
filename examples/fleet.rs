//! 10,000 hosts that started in the same second: how often is the source of credentials asked?
//!
//! 24 hours on a simulated clock, under three rules: the AWS SDK's, the AWS rules of 2026, and ours.
//! `cargo run --release --example fleet`; without `--release` it takes some minutes. `-- --hosts 1000` takes
//! as many.

#[path = "../src/bin/aws-credential-doctor/arguments.rs"]
#[allow(dead_code, reason = "not every example has options")]
mod arguments;
#[path = "../src/bin/aws-credential-doctor/screen.rs"]
#[allow(dead_code, reason = "not every example waits")]
mod screen;

#[path = "fleet/simulation.rs"]
mod simulation;

use arguments::{Opt, Program};
use indicatif::{ProgressBar, ProgressStyle};
use screen::tell;
use simulation::{Fleet, Rule, simulate};
use std::error::Error;
use std::process::ExitCode;

const PROGRAM: Program = Program {
    name: "cargo run --release --example fleet --",
    about: "10,000 hosts that started in the same second: how often is the source of credentials asked in 24 hours, under three rules? Takes some minutes without --release.",
    options: &[Opt::value("hosts", "NUMBER", "how many hosts; 10000")],
    notes: "",
};

fn main() -> Result<ExitCode, Box<dyn Error + Send + Sync>> {
    let mut fleet = Fleet::default();
    let given = PROGRAM.read_or_exit();
    if let Some(hosts) = given.value("hosts") {
        fleet.hosts = match hosts.parse() {
            Ok(hosts) if hosts > 0 => hosts,
            _ => {
                return Ok(PROGRAM.refuse(&format!(
                    "--hosts: expected a number above 0, got {hosts:?}"
                )));
            }
        };
    }
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
        "{} hosts started in the same second, sessions of {} min, {} h, the start left out\n",
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
    Ok(ExitCode::SUCCESS)
}
