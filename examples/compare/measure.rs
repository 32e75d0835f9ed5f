//! Readers of one item, and what they feel while keys are replaced and their source goes away.

use super::outcome::{
    AWAY, BACK, COLD, Conditions, Counts, HEALTHY, PHASES, Phase, Reads, Timeline,
};
use crate::support::{Failure, Progress};
use aws_credential_strategies::local::{Fault, LocalCloud};
use aws_credential_strategies::{CredentialStrategy, Dynamo, Status, Table};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// The outage begins with the first refresh after this share of the run.
const HEALTHY_SHARE: f64 = 0.42;
/// How close to a planned refresh the source goes away.
const SHORTLY_BEFORE: Duration = Duration::from_millis(300);
/// How far away the next refresh has to be for counts to be taken: none is under way.
const QUIET: Duration = Duration::from_millis(50);
/// After a refresh, readers that waited for it have their answer by then.
const SETTLE: Duration = Duration::from_millis(100);
const POLL: Duration = Duration::from_millis(5);

/// One option under the readers.
pub(crate) struct Subject<'a, S> {
    pub(crate) strategy: S,
    pub(crate) cloud: &'a LocalCloud,
    /// How often the service that it has keys from gave some.
    pub(crate) answers: &'a (dyn Fn() -> u64 + Sync),
}

impl<S: CredentialStrategy + Clone> Subject<'_, S> {
    pub(crate) async fn run(
        self,
        conditions: &Conditions,
        started: Instant,
        progress: &Progress,
    ) -> Result<([Phase; 4], Timeline), Failure> {
        let table = Dynamo::new(self.strategy.clone(), &self.cloud.sdk_config()).table("MyTable");
        let shared = Arc::new(Shared {
            started,
            pause: conditions.pause,
            phase: AtomicUsize::new(HEALTHY),
            away: AtomicBool::new(false),
            over: AtomicBool::new(false),
        });
        let readers: Vec<_> = (0..conditions.readers)
            .map(|_| {
                tokio::spawn(read(
                    self.strategy.clone(),
                    table.clone(),
                    Arc::clone(&shared),
                ))
            })
            .collect();
        let (taken, mut timeline) = tokio::join!(
            self.stage(conditions, &shared, progress),
            self.watch(&shared)
        );
        let mut phases: [Phase; 4] = Default::default();
        for (phase, pair) in phases.iter_mut().zip(taken.windows(2)) {
            if let [from, to] = pair {
                phase.counts = to.since(from);
            }
        }
        for reader in readers {
            let (reads, when) = reader.await?;
            for (phase, reads) in phases.iter_mut().zip(reads) {
                phase.reads.add(&reads);
            }
            timeline.reads.extend(when);
        }
        Ok((phases, timeline))
    }

    /// Goes through the phases; the counts when each ended.
    async fn stage(
        &self,
        conditions: &Conditions,
        shared: &Shared,
        progress: &Progress,
    ) -> Vec<Counts> {
        let status = || self.strategy.status();
        let name = self.strategy.name();
        let mut taken = vec![Counts::default()];

        until(|| status().generation > 0).await;
        tokio::time::sleep(SETTLE).await;
        taken.push(self.counts());

        let healthy = conditions.run.mul_f64(HEALTHY_SHARE);
        until(|| {
            let near =
                next_refresh(&status()).is_some_and(|left| (QUIET..SHORTLY_BEFORE).contains(&left));
            near && shared.started.elapsed() >= healthy
        })
        .await;
        taken.push(self.counts());
        shared.phase.store(AWAY, Ordering::Relaxed);
        shared.away.store(true, Ordering::Relaxed);
        self.cloud.imds().fail(Fault::Status(503));
        self.cloud.sts().fail(Fault::Status(503));
        progress.say(format!("{name} has no source"));
        tokio::time::sleep(conditions.outage).await;
        shared.away.store(false, Ordering::Relaxed);
        self.cloud.imds().heal();
        self.cloud.sts().heal();
        // over for the application when a refresh has worked again
        let held = status().generation;
        until(|| status().generation > held).await;
        tokio::time::sleep(SETTLE).await;
        until(|| is_quiet(&status())).await;
        taken.push(self.counts());

        shared.phase.store(BACK, Ordering::Relaxed);
        progress.say(format!("{name} has its source again"));
        until(|| shared.started.elapsed() >= conditions.run && is_quiet(&status())).await;
        taken.push(self.counts());
        shared.over.store(true, Ordering::Relaxed);
        taken
    }

    /// Sees what happens when, until all is over.
    async fn watch(&self, shared: &Shared) -> Timeline {
        let mut timeline = Timeline::default();
        let mut before = self.counts();
        let mut asked = before.imds + before.sts;
        while !shared.over.load(Ordering::Relaxed) {
            tokio::time::sleep(POLL).await;
            let (now, counts) = (shared.started.elapsed(), self.counts());
            if counts.new_keys > before.new_keys {
                timeline.new_keys.push(now);
            }
            if shared.away.load(Ordering::Relaxed) {
                if timeline.away.0.is_zero() {
                    timeline.away.0 = now;
                }
                timeline.away.1 = now;
                if counts.imds + counts.sts > asked {
                    timeline.refused.push(now);
                }
            }
            asked = counts.imds + counts.sts;
            before = counts;
        }
        timeline
    }

    fn counts(&self) -> Counts {
        Counts {
            imds: self.cloud.imds().calls().total(),
            sts: self.cloud.sts().calls().total(),
            answers: (self.answers)(),
            new_keys: self.strategy.status().generation,
        }
    }
}

/// What readers, stage and watch have in common.
struct Shared {
    started: Instant,
    pause: Duration,
    phase: AtomicUsize,
    away: AtomicBool,
    over: AtomicBool,
}

type Felt = ([Reads; PHASES.len()], Vec<(Duration, Duration, Duration)>);

/// One reader: reads the item until all is over.
async fn read<S: CredentialStrategy>(strategy: S, table: Table<S>, shared: Arc<Shared>) -> Felt {
    let mut reads: [Reads; PHASES.len()] = Default::default();
    let mut when = Vec::new();
    while !shared.over.load(Ordering::Relaxed) {
        // a read counts where it begins, also if it ends in the next phase
        let phase = match when.is_empty() {
            true => COLD,
            false => shared.phase.load(Ordering::Relaxed),
        };
        let began = Instant::now();
        // as each request does: it waits only where there is nothing to sign with
        let waits = strategy.current().is_none();
        if waits {
            let _ = strategy.credentials().await;
        }
        let waited = if waits {
            began.elapsed()
        } else {
            Duration::ZERO
        };
        let item = table.get(("id", "123")).send::<Value>().await;
        if let Some(reads) = reads.get_mut(phase) {
            reads.add(&Reads {
                done: 1,
                failed: u64::from(!matches!(item, Ok(Some(_)))),
                waited: u64::from(waits),
                longest_wait: waited,
            });
        }
        when.push((began - shared.started, waited, began.elapsed()));
        tokio::time::sleep(shared.pause).await;
    }
    (reads, when)
}

async fn until(mut done: impl FnMut() -> bool) {
    while !done() {
        tokio::time::sleep(POLL).await;
    }
}

/// The time to the next refresh; `None` while one is under way.
fn next_refresh(status: &Status) -> Option<Duration> {
    status
        .next_attempt_at?
        .duration_since(SystemTime::now())
        .ok()
}

fn is_quiet(status: &Status) -> bool {
    next_refresh(status).is_some_and(|left| left > QUIET)
}
