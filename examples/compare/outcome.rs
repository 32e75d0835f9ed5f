//! What a run brought: the counts of each phase as a table, what happened when, and which option to choose.

use std::fmt;
use std::time::Duration;

/// How the run was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conditions {
    pub(crate) readers: usize,
    /// Between two reads of one reader.
    pub(crate) pause: Duration,
    /// How long keys last.
    pub(crate) session: Duration,
    /// How long metadata service and STS are away.
    pub(crate) outage: Duration,
    pub(crate) run: Duration,
}

impl fmt::Display for Conditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Conditions {
            readers,
            pause,
            session,
            outage,
            run,
        } = self;
        write!(
            f,
            "{readers} readers for each option, a read every {} ms each, for {} s; keys that last {} s; metadata \
             service and STS away for {} s, from just before a refresh; all on this machine, {}",
            pause.as_millis(),
            run.as_secs(),
            session.as_secs(),
            outage.as_secs_f32(),
            match cfg!(debug_assertions) {
                true => "unoptimised",
                false => "optimised",
            }
        )
    }
}

/// The phases of a run, by their index.
pub(crate) const PHASES: [&str; 4] = [
    "cold start",
    "with its source",
    "source away",
    "source back",
];
/// The first read of each reader.
pub(crate) const COLD: usize = 0;
pub(crate) const HEALTHY: usize = 1;
pub(crate) const AWAY: usize = 2;
pub(crate) const BACK: usize = 3;

/// What services and strategy count.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Requests to the metadata service; keys take several.
    pub(crate) imds: u64,
    /// Calls to STS, which give keys.
    pub(crate) sts: u64,
    /// Answers with keys of the service that this option has them from.
    pub(crate) answers: u64,
    pub(crate) new_keys: u64,
}

impl Counts {
    pub(crate) fn since(&self, earlier: &Counts) -> Self {
        Counts {
            imds: self.imds - earlier.imds,
            sts: self.sts - earlier.sts,
            answers: self.answers - earlier.answers,
            new_keys: self.new_keys - earlier.new_keys,
        }
    }
}

/// What readers count.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reads {
    pub(crate) done: u64,
    pub(crate) failed: u64,
    /// How many had to wait for keys.
    pub(crate) waited: u64,
    pub(crate) longest_wait: Duration,
}

impl Reads {
    pub(crate) fn add(&mut self, other: &Reads) {
        self.done += other.done;
        self.failed += other.failed;
        self.waited += other.waited;
        self.longest_wait = self.longest_wait.max(other.longest_wait);
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Phase {
    pub(crate) counts: Counts,
    pub(crate) reads: Reads,
}

/// What happened when, since the start.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timeline {
    /// Each read: when it began, how long it waited for keys, how long it took in all.
    pub(crate) reads: Vec<(Duration, Duration, Duration)>,
    pub(crate) new_keys: Vec<Duration>,
    /// Requests that metadata service or STS refused.
    pub(crate) refused: Vec<Duration>,
    /// From when to when both are away.
    pub(crate) away: (Duration, Duration),
}

/// What became of one option.
#[derive(Clone, Debug)]
pub(crate) struct Lane {
    pub(crate) name: &'static str,
    /// What the application has to tell it.
    pub(crate) told: &'static str,
    pub(crate) phases: [Phase; 4],
    pub(crate) timeline: Timeline,
}

impl Lane {
    fn cold(&self) -> Reads {
        self.phases[COLD].reads
    }

    /// Reads that waited for keys when some had been there before.
    fn waited_for_a_refresh(&self) -> Reads {
        let mut sum = Reads::default();
        for phase in &self.phases[HEALTHY..] {
            sum.add(&phase.reads);
        }
        sum
    }

    /// What must not be: a read that failed, or a refresh that took more than one answer.
    fn faults(&self) -> Result<(), String> {
        for (name, Phase { counts, reads }) in PHASES.iter().zip(&self.phases) {
            let of = format!("{}, {name}", self.name);
            if reads.failed > 0 {
                return Err(format!("{of}: {} reads failed", reads.failed));
            }
            let (answers, keys) = (counts.answers, counts.new_keys);
            if *name != PHASES[AWAY] && (answers != keys || keys == 0) {
                return Err(format!("{of}: {answers} answers for {keys} new keys"));
            }
        }
        Ok(())
    }
}

/// The heads of [`cells`], and what stands above them.
pub(crate) const HEADS: [(&str, &str); 7] = [
    ("IMDS", "asked"),
    ("STS", "asked"),
    ("new", "keys"),
    ("", "reads"),
    ("of them", "failed"),
    ("waited", "for keys"),
    ("", "at most"),
];

/// One phase, below [`HEADS`].
pub(crate) fn cells(Phase { counts, reads }: &Phase) -> [String; 7] {
    [
        counts.imds.to_string(),
        counts.sts.to_string(),
        counts.new_keys.to_string(),
        reads.done.to_string(),
        reads.failed.to_string(),
        reads.waited.to_string(),
        match reads.waited {
            0 => "-".to_owned(),
            _ => milliseconds(reads.longest_wait),
        },
    ]
}

/// The table, within 80 columns.
pub(crate) fn table(lanes: &[Lane; 2]) -> String {
    let line = |name: &str, cells: [&str; 7]| {
        let [imds, sts, keys, reads, failed, waited, longest] = cells;
        let line = format!(
            "{name:<22} {imds:>8} {sts:>5} {keys:>5} {reads:>8} {failed:>8} {waited:>9} {longest:>8}"
        );
        line.trim_end().to_owned()
    };
    let mut lines = vec![
        line("", HEADS.map(|(above, _)| above)),
        line("", HEADS.map(|(_, head)| head)),
    ];
    for lane in lanes {
        lines.push(lane.name.to_owned());
        for (name, phase) in PHASES.iter().zip(&lane.phases) {
            let cells = cells(phase);
            lines.push(line(
                &format!("  {name}"),
                cells.each_ref().map(String::as_str),
            ));
        }
    }
    lines.join("\n")
}

/// Which option to choose, for whom and why, in a few paragraphs; an error if something happened that
/// must not.
pub(crate) fn verdict(lanes: &[Lane; 2], conditions: &Conditions) -> Result<[String; 3], String> {
    lanes.iter().try_for_each(Lane::faults)?;
    let [a, b] = lanes;
    let mut refresh = a.waited_for_a_refresh();
    refresh.add(&b.waited_for_a_refresh());
    let waited = match refresh.waited {
        0 => "none waited for a refresh".to_owned(),
        waited => format!(
            "{waited} waited for a refresh, {} at most",
            milliseconds(refresh.longest_wait)
        ),
    };
    Ok([
        format!(
            "With either no read failed and {waited}, though metadata service and STS were away for {} s. At the cold \
             start the first reads waited: {} with A, {} at most, and {} with B, {} at most.",
            conditions.outage.as_secs_f32(),
            a.cold().waited,
            milliseconds(a.cold().longest_wait),
            b.cold().waited,
            milliseconds(b.cold().longest_wait)
        ),
        format!(
            "Code on EC2 that uses services of its own account: choose Option A, InstanceProfile. It asks one \
             service, and has to be told {}.",
            a.told
        ),
        format!(
            "A role in another account, or one for a service or an identity from outside: choose Option B, \
             AssumeRole. It asks STS, here after the metadata service, and has to be told {}.",
            b.told
        ),
    ])
}

pub(crate) fn milliseconds(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}
