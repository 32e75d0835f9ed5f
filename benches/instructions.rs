//! Instructions of one repetition, counted by callgrind.
//!
//! This executable runs itself under `valgrind --tool=callgrind`, once with N repetitions of a kernel
//! and once with 2N; the difference over N is what one repetition costs, start-up and set-up gone. That
//! needs valgrind alone, no runner to install, and it counts the very code that the other rows time.

use crate::{Failure, rows};
use std::process::{Command, Stdio};
use std::thread;

/// The flag with which this executable calls itself.
pub(crate) const KERNEL: &str = "--kernel";

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

/// Instructions of one repetition of each kernel, two at a time.
pub(crate) fn per_repetition(kernels: &[(&str, u64)]) -> Result<Vec<f64>, Failure> {
    let bar = crate::progress::bar("instructions (callgrind)", kernels.len() as u64);
    let mut counted = Vec::new();
    for (name, count) in kernels {
        let (once, twice) = thread::scope(|scope| {
            let once = scope.spawn(|| total(name, *count));
            (join(once), total(name, 2 * count))
        });
        counted.push((twice? - once?) / *count as f64);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(counted)
}

fn join<T>(thread: thread::ScopedJoinHandle<'_, Result<T, Failure>>) -> Result<T, Failure> {
    thread
        .join()
        .map_err(|_| "the thread that runs valgrind panicked")?
}

fn total(kernel: &str, count: u64) -> Result<f64, Failure> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args([KERNEL, kernel, &count.to_string()])
        .output()?;
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
