//! Instructions of one repetition, counted by callgrind.
//!
//! This executable runs itself under `valgrind --tool=callgrind`, once with few repetitions of a kernel and once
//! with many; the difference over those more is what one repetition costs, start-up and set-up gone. What a process
//! draws by lot, as the seeds of its maps, is in each repetition of it: with eight times as many in the second run it
//! weighs half of what it does with twice as many. That needs valgrind alone, no runner to install, and it counts the
//! very code that the other rows time. Its counting allocator is in those counts; a cached credential is also counted
//! in a program without one.

use crate::{Failure, rows};
use std::collections::BTreeMap;
use std::num::NonZero;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// The flag with which this executable calls itself.
pub(crate) const KERNEL: &str = "--kernel";

/// What the kernels of the other program begin with: `plain.rs`.
pub(crate) const PLAIN: &str = "plain.";

/// What a kernel is: so many repetitions.
pub(crate) type Kernel = fn(&str, u64) -> Option<Result<(), Failure>>;

/// Runs a kernel; only under callgrind.
pub(crate) fn run_kernel(name: &str, count: u64) -> Result<(), Failure> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    rows::KERNELS
        .iter()
        .find_map(|kernel| kernel(name, count))
        .ok_or_else(|| format!("no kernel {name:?}"))?
}

pub(crate) fn is_available() -> bool {
    Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Instructions of one repetition of each kernel; valgrind has every core, a run each.
pub(crate) fn per_repetition(kernels: &[(&str, u64)]) -> Result<Vec<f64>, Failure> {
    let runs: Vec<_> = kernels
        .iter()
        .flat_map(|&(name, count)| both_counts(count).map(|count| (name, count)))
        .collect();
    let bar = crate::progress::bar("instructions (callgrind)", runs.len() as u64);
    let waiting = Mutex::new(runs.iter().enumerate());
    let count = || -> Result<Vec<(usize, f64)>, Failure> {
        let mut counted = Vec::new();
        loop {
            let next = waiting
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .next();
            let Some((place, (name, count))) = next else {
                return Ok(counted);
            };
            counted.push((place, total(name, *count)?));
            bar.inc(1);
        }
    };
    let counted = thread::scope(|scope| {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(count)).collect();
        let counted = threads.into_iter().map(|thread| {
            thread
                .join()
                .map_err(|_| "a thread that runs valgrind panicked")?
        });
        counted.collect::<Result<Vec<_>, Failure>>()
    })?;
    bar.finish_and_clear();
    let totals: BTreeMap<_, _> = counted.into_iter().flatten().collect();
    let of = |place| totals.get(&place).copied().unwrap_or(f64::NAN);
    Ok(kernels
        .iter()
        .enumerate()
        .map(|(kernel, (_, count))| {
            let [few, many] = both_counts(*count);
            (of(2 * kernel + 1) - of(2 * kernel)) / (many - few) as f64
        })
        .collect())
}

/// The repetitions of both runs of a kernel.
fn both_counts(count: u64) -> [u64; 2] {
    [(count / 4).max(1), 2 * count]
}

fn total(kernel: &str, count: u64) -> Result<f64, Failure> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    match kernel.strip_prefix(PLAIN) {
        Some(call) => valgrind.args([env!("CARGO_BIN_EXE_plain"), call]),
        None => valgrind
            .arg(std::env::current_exe()?)
            .args([KERNEL, kernel]),
    };
    let output = valgrind.arg(count.to_string()).output()?;
    let log = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("kernel {kernel}: {log}").into());
    }
    let (_, collected) = log
        .split_once("Collected : ")
        .ok_or("callgrind says nothing of what it collected")?;
    let number = collected.split_whitespace().next().unwrap_or_default();
    Ok(number.parse()?)
}
