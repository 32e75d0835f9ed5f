//! Progress of whatever takes longer than two seconds.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::future::Future;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// Bars of rows that run at once, below each other.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// A bar of so many steps.
pub(crate) fn bar(what: &str, steps: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("  {msg:<44} [{bar:30}] {pos}/{len} {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(steps)
        .with_style(style)
        .with_message(what.to_owned());
    let bar = BARS.add(bar);
    bar.tick();
    bar
}

/// Shows a bar of about so much time while `work` runs.
pub(crate) async fn during<T>(what: &str, time: Duration, work: impl Future<Output = T>) -> T {
    const STEP: Duration = Duration::from_millis(200);
    let started = Instant::now();
    let bar = bar(what, u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    let tick = async {
        loop {
            tokio::time::sleep(STEP).await;
            bar.set_position(u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX));
        }
    };
    let output = tokio::select! {
        output = work => output,
        () = tick => unreachable!("it never ends"),
    };
    bar.finish_and_clear();
    output
}
