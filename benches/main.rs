//! Runs every comparison and leaves `target/bench-report/`: `figures.json`, `report.html`, the plots.
//!
//! `cargo bench -p benches`, or `cargo bench -p benches -- --quick` in under three minutes. Names of
//! rows (`-- resolve herd`) run those only, and what begins with them and a dot (`outage` is `outage` and
//! `outage.sessions`).

mod canned;
mod cloud;
mod cold;
mod figures;
mod instructions;
mod plot;
mod progress;
mod report;
mod rows;
mod sdk;
mod simulated;
mod source;
mod subject;
mod tls;
mod versions;
mod wire;

use figures::Figures;
use rows::{Lane, Row};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::error::Error;
use std::path::PathBuf;
use std::thread;
use std::time::Instant;

/// Counts allocations, of the peers as of ours.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What went wrong, as text.
type Failure = Box<dyn Error + Send + Sync>;

/// What was asked for on the command line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// Fewer and shorter repetitions of the same.
    pub(crate) quick: bool,
    rows: Vec<String>,
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, kernel, count] = arguments.as_slice()
        && flag == instructions::KERNEL
    {
        return instructions::run_kernel(kernel, count.parse()?);
    }
    if let [flag, start @ ..] = arguments.as_slice()
        && flag == rows::first_item::START
    {
        return rows::first_item::start(start);
    }
    // The peers' HTTP clients ask for a provider of TLS, though most rows speak none.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let plan = Plan::of(arguments)?;
    let mut figures = Figures::default();
    for group in rows::GROUPS {
        for done in at_once(group, &plan) {
            figures.absorb(done?);
        }
    }
    let directory = report_directory()?;
    report::write(&directory, &figures, &plan)?;
    figures.print();
    println!("\nreport: {}", directory.join("report.html").display());
    Ok(())
}

/// Each lane on a thread of its own; what they found, in their order.
fn at_once(lanes: &[Lane], plan: &Plan) -> Vec<Result<Figures, Failure>> {
    thread::scope(|scope| {
        let running: Vec<_> = lanes
            .iter()
            .map(|lane| scope.spawn(|| in_turn(lane, plan)))
            .collect();
        let joined = running.into_iter().map(|lane| lane.join());
        joined
            .map(|done| done.map_err(|_| "a row panicked")?)
            .collect()
    })
}

fn in_turn(lane: Lane, plan: &Plan) -> Result<Figures, Failure> {
    let mut figures = Figures::default();
    for row in lane.iter().filter(|row| plan.wants(row)) {
        println!("{}: {}", row.name, row.what);
        let started = Instant::now();
        (row.run)(plan, &mut figures)?;
        println!("  {}: {:.0} s", row.name, started.elapsed().as_secs_f64());
    }
    Ok(figures)
}

impl Plan {
    fn of(arguments: Vec<String>) -> Result<Plan, Failure> {
        let mut plan = Plan::default();
        for argument in arguments {
            match argument.as_str() {
                "--quick" => plan.quick = true,
                // what cargo adds
                "--bench" => {}
                name if rows::all().any(|row| row.is_of(name)) => plan.rows.push(argument),
                other => {
                    let names: Vec<_> = rows::all().map(|row| row.name).collect();
                    return Err(format!(
                        "unknown argument {other:?}; expected --quick or rows: {}",
                        names.join(" ")
                    )
                    .into());
                }
            }
        }
        Ok(plan)
    }

    fn wants(&self, row: &Row) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|name| row.is_of(name))
    }
}

/// `target/bench-report/`, wherever the target directory is.
fn report_directory() -> Result<PathBuf, Failure> {
    // .../target/release/deps/report-0123
    let executable = std::env::current_exe()?;
    let target = executable
        .ancestors()
        .nth(3)
        .ok_or("the executable is in no target directory")?;
    let directory = target.join("bench-report");
    std::fs::create_dir_all(&directory)?;
    Ok(directory)
}
