//! Options A and B side by side on the embedded cloud, with short sessions and an outage of their
//! source in the middle: what each asks of the application, what its source is asked, what readers feel.
//!
//! Takes some 40 seconds. Ends with an error if a read failed, or if a refresh took more than one call.

#[path = "../support/mod.rs"]
mod support;

use aws_credential_strategies::local::{DEFAULT_ROLE, Fault, LocalCloud, Role, Trust};
use aws_credential_strategies::{
    AssumeRole, CredentialStrategy, Dynamo, InstanceProfile, Status, Table,
};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};
use support::arguments::Program;
use support::tell;

type Failure = Box<dyn Error + Send + Sync>;

const PROGRAM: Program = Program {
    name: "cargo run --example compare --",
    about: "Options A and B side by side on the embedded cloud, with an outage of their source in the middle. Takes some 40 seconds.",
    options: &[],
    notes: "",
};

const SESSION: Duration = Duration::from_secs(12);
/// A tenth of a session.
const OUTAGE: Duration = Duration::from_millis(1200);
/// The outage begins with the first refresh after this.
const HEALTHY_BEFORE: Duration = Duration::from_secs(16);
const RUN: Duration = Duration::from_secs(38);
const READERS: usize = 16;
/// Between two reads of one reader.
const PAUSE: Duration = Duration::from_millis(25);
/// How close to a planned refresh the source goes away.
const SHORTLY_BEFORE: Duration = Duration::from_millis(300);
/// How far away the next refresh has to be for counts to be taken: none is under way.
const QUIET: Duration = Duration::from_millis(50);
/// After a refresh, readers that waited for it have their answer by then.
const SETTLE: Duration = Duration::from_millis(100);
const POLL: Duration = Duration::from_millis(5);

const PHASES: [&str; 3] = ["before", "outage", "after"];
const OUTAGE_PHASE: usize = 1;
const LAST_PHASE: usize = 2;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    PROGRAM.read_or_exit();
    tell!(
        "{READERS} readers for each option, sessions of {} s, the source away for {} s; takes {} s\n",
        SESSION.as_secs(),
        OUTAGE.as_secs_f32(),
        RUN.as_secs()
    );
    let bar = ProgressBar::new(RUN.as_secs()).with_style(ProgressStyle::with_template(
        "[{bar:40}] {pos}/{len} s  {msg}",
    )?);
    let started = Instant::now();
    let both = async { tokio::try_join!(option_a(started, &bar), option_b(started, &bar)) };
    let progress = async {
        loop {
            bar.set_position(started.elapsed().as_secs().min(RUN.as_secs()));
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let lanes = tokio::select! {
        lanes = both => lanes?,
        () = progress => return Ok(()),
    };
    bar.finish_and_clear();
    let lanes: [Lane; 2] = lanes.into();
    print(&lanes);
    lanes.iter().try_for_each(Lane::verdict)?;
    tell!(
        "\nOne call for each refresh, however many readers; while its source is away, a refresh repeats\n\
         its call. No read failed, the outage included; it lasts to the first refresh that works again."
    );
    Ok(())
}

/// A cloud of its own for each option, so that the calls of one do not count for the other.
async fn cloud() -> Result<LocalCloud, Failure> {
    let cloud = LocalCloud::builder()
        .session_lifetime(SESSION)
        .rotate_documents_after(Duration::ZERO)
        .start()
        .await?;
    cloud.create_table(("MyTable", "id"))?;
    cloud.put_item("MyTable", &json!({ "id": "123", "name": "Ada" }))?;
    Ok(cloud)
}

async fn option_a(started: Instant, bar: &ProgressBar) -> Result<Lane, Failure> {
    let cloud = cloud().await?;
    let strategy = InstanceProfile::builder()
        .endpoint(cloud.imds_endpoint())
        .build()?;
    let source = Source {
        calls: &|| cloud.imds().calls().documents(),
        fail: &|| cloud.imds().fail(Fault::Status(503)),
        heal: &|| cloud.imds().heal(),
    };
    let phases = run(strategy, &cloud, source, started, bar).await?;
    Ok(Lane {
        name: "A: InstanceProfile",
        knows: "nothing",
        asks: "document of the metadata service",
        phases,
    })
}

async fn option_b(started: Instant, bar: &ProgressBar) -> Result<Lane, Failure> {
    let cloud = cloud().await?;
    let instance = cloud.add_role(Role::new("AppInstance").trust(Trust::ec2()))?;
    cloud.attach_role("AppInstance")?;
    let role = cloud.add_role(Role::new(DEFAULT_ROLE).trust(Trust::principal(instance)))?;
    let base = InstanceProfile::builder()
        .endpoint(cloud.imds_endpoint())
        .build()?;
    let strategy = AssumeRole::builder(role)
        .session_name("EC2Session")
        .base(base)
        .sdk_config(&cloud.sdk_config())
        .build()?;
    let source = Source {
        calls: &|| cloud.sts().calls().assume_role,
        fail: &|| {
            cloud.sts().fail(Fault::Status(503));
            cloud.imds().fail(Fault::Status(503));
        },
        heal: &|| {
            cloud.sts().heal();
            cloud.imds().heal();
        },
    };
    let phases = run(strategy, &cloud, source, started, bar).await?;
    Ok(Lane {
        name: "B: AssumeRole",
        knows: "role ARN, session name, region, base credentials",
        asks: "sts:AssumeRole",
        phases,
    })
}

/// What is asked for credentials, and how it goes away.
struct Source<'a> {
    calls: &'a (dyn Fn() -> u64 + Sync),
    fail: &'a (dyn Fn() + Sync),
    heal: &'a (dyn Fn() + Sync),
}

async fn run<S: CredentialStrategy + Clone>(
    strategy: S,
    cloud: &LocalCloud,
    source: Source<'_>,
    started: Instant,
    bar: &ProgressBar,
) -> Result<[Phase; 3], Failure> {
    let table = Dynamo::new(strategy.clone(), &cloud.sdk_config()).table("MyTable");
    let phase = Arc::new(AtomicUsize::new(0));
    let over = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..READERS)
        .map(|_| tokio::spawn(read(table.clone(), Arc::clone(&phase), Arc::clone(&over))))
        .collect();
    let counts = || Counts::take(&strategy.status(), (source.calls)());

    let mut taken = vec![Counts::default()];
    until(|| {
        let near = next_refresh(&strategy.status())
            .is_some_and(|left| (QUIET..SHORTLY_BEFORE).contains(&left));
        near && started.elapsed() >= HEALTHY_BEFORE
    })
    .await;
    taken.push(counts());
    phase.store(OUTAGE_PHASE, Ordering::Relaxed);
    (source.fail)();
    bar.set_message(format!("{} has no source", strategy.name()));
    tokio::time::sleep(OUTAGE).await;
    (source.heal)();
    // the outage is over for the application when a refresh has worked again
    let held = strategy.status().generation;
    until(|| strategy.status().generation > held).await;
    tokio::time::sleep(SETTLE).await;
    until(|| is_quiet(&strategy.status())).await;
    taken.push(counts());
    phase.store(LAST_PHASE, Ordering::Relaxed);
    bar.set_message(format!("{} has its source again", strategy.name()));
    until(|| started.elapsed() >= RUN && is_quiet(&strategy.status())).await;
    taken.push(counts());

    over.store(true, Ordering::Relaxed);
    let mut phases: [Phase; 3] = Default::default();
    for (phase, pair) in phases.iter_mut().zip(taken.windows(2)) {
        if let [from, to] = pair {
            phase.counts = to.since(from);
        }
    }
    for reader in readers {
        for (phase, reads) in phases.iter_mut().zip(reader.await?) {
            phase.reads.add(&reads);
        }
    }
    Ok(phases)
}

/// One reader: reads the item until it is told to stop.
async fn read<S: CredentialStrategy>(
    table: Table<S>,
    phase: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
) -> [Reads; 3] {
    let mut reads: [Reads; 3] = Default::default();
    while !over.load(Ordering::Relaxed) {
        let began = Instant::now();
        // a read counts where it begins, also if it ends in the next phase
        let now = phase.load(Ordering::Relaxed);
        let read = table.get(("id", "123")).send::<Value>().await;
        if let Some(reads) = reads.get_mut(now) {
            reads.add(&Reads {
                done: 1,
                failed: u64::from(!matches!(read, Ok(Some(_)))),
                slowest: began.elapsed(),
            });
        }
        tokio::time::sleep(PAUSE).await;
    }
    reads
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

#[derive(Clone, Copy, Default)]
struct Counts {
    calls: u64,
    attempts: u64,
    refreshes: u64,
    waits: u64,
}

impl Counts {
    fn take(status: &Status, calls: u64) -> Self {
        Counts {
            calls,
            attempts: status.fetches,
            refreshes: status.generation,
            waits: status.waits,
        }
    }

    fn since(&self, earlier: &Counts) -> Self {
        Counts {
            calls: self.calls - earlier.calls,
            attempts: self.attempts - earlier.attempts,
            refreshes: self.refreshes - earlier.refreshes,
            waits: self.waits - earlier.waits,
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Reads {
    done: u64,
    failed: u64,
    slowest: Duration,
}

impl Reads {
    fn add(&mut self, other: &Reads) {
        self.done += other.done;
        self.failed += other.failed;
        self.slowest = self.slowest.max(other.slowest);
    }
}

#[derive(Default)]
struct Phase {
    counts: Counts,
    reads: Reads,
}

struct Lane {
    name: &'static str,
    knows: &'static str,
    asks: &'static str,
    phases: [Phase; 3],
}

impl Lane {
    fn verdict(&self) -> Result<(), String> {
        for (name, Phase { counts, reads }) in PHASES.iter().zip(&self.phases) {
            if reads.failed > 0 {
                return Err(format!(
                    "{}, {name}: {} reads failed",
                    self.name, reads.failed
                ));
            }
            let healthy = *name != "outage";
            if healthy && (counts.calls != counts.refreshes || counts.refreshes == 0) {
                return Err(format!(
                    "{}, {name}: {} calls for {} refreshes",
                    self.name, counts.calls, counts.refreshes
                ));
            }
        }
        Ok(())
    }
}

fn print(lanes: &[Lane; 2]) {
    for lane in lanes {
        tell!("{}", lane.name);
        tell!("  the application has to know: {}", lane.knows);
        tell!("  a source call is one:        {}", lane.asks);
    }
    let options = lanes.iter().map(|lane| format!(" {:^29}", lane.name));
    tell!("\n{:<34}{}", "", options.collect::<String>());
    let phases = lanes.iter().flat_map(|_| PHASES);
    let phases = phases.map(|phase| format!(" {phase:>9}"));
    tell!("{:<34}{}", "", phases.collect::<String>());
    let row = |name: &str, value: &dyn Fn(&Phase) -> String| {
        let phases = lanes.iter().flat_map(|lane| &lane.phases);
        let values = phases.map(|phase| format!(" {:>9}", value(phase)));
        tell!("{name:<34}{}", values.collect::<String>());
    };
    row("source calls", &|phase| phase.counts.calls.to_string());
    row("refreshes tried", &|phase| {
        phase.counts.attempts.to_string()
    });
    row("refreshes that brought new keys", &|phase| {
        phase.counts.refreshes.to_string()
    });
    row("reads", &|phase| phase.reads.done.to_string());
    row("reads that waited for credentials", &|phase| {
        phase.counts.waits.to_string()
    });
    row("reads that failed", &|phase| phase.reads.failed.to_string());
    row("slowest read, ms", &|phase| {
        phase.reads.slowest.as_millis().to_string()
    });
}
