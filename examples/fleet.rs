//! 10,000 hosts that started in the same second: how often is the source of credentials asked?
//!
//! 24 hours on a simulated clock, under three rules: the AWS SDK's, the AWS rules of 2026, and ours.
//! `cargo run --release --example fleet`; without `--release` it takes some minutes. `-- 1000` takes as
//! many hosts.

#[path = "fleet/simulation.rs"]
mod simulation;

use indicatif::{ProgressBar, ProgressStyle};
use simulation::{Fleet, Rule, simulate};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut fleet = Fleet::default();
    if let Some(hosts) = std::env::args().nth(1) {
        fleet.hosts = hosts
            .parse()
            .map_err(|_| format!("expected a number of hosts, got {hosts:?}"))?;
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

    println!(
        "{} hosts started in the same second, sessions of {} min, {} h, the start left out\n",
        fleet.hosts,
        fleet.session.as_secs() / 60,
        fleet.span.as_secs() / 3600
    );
    println!(
        "{:<46} {:>12} {:>12} {:>12}",
        "calls to the source", "peak/s", "mean/s", "peak, share"
    );
    let most = simulated
        .first()
        .map_or(1, |(_, calls)| calls.peak().max(1));
    for (name, calls) in &simulated {
        let share = f64::from(calls.peak()) / f64::from(most);
        println!(
            "{name:<46} {:>12} {:>12.2} {share:>12.3}",
            calls.peak(),
            calls.mean()
        );
    }
    Ok(())
}
