//! `outage`: the source breaks in five ways, while credentials are valid and past their expiry.
//!
//! Each contender has a cloud of its own on loopback (its metadata service or STS broken), 8 callers and
//! the SDK's and its own default settings. Sessions last 12 s, so that lazy's default buffer of 5–10 s
//! opens after the outage has begun: everybody wants to refresh, nobody can.

use super::{Row, on_two_threads};
use crate::figures::{Figure, Figures};
use crate::progress::during;
use crate::sdk::Client;
use crate::source::{Health, Source};
use crate::subject::object_store::ObjectStore;
use crate::subject::reqsign::Reqsign;
use crate::subject::{OBJECT_STORE, Ours, REQSIGN, Subject, shared};
use crate::wire::Wire;
use crate::{Failure, Plan, cloud};
use aws_credential_strategies::local::{Fault, LocalCloud};
use aws_credential_strategies::{CredentialStrategy, RefreshPolicy};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::time::{sleep, sleep_until};

pub(crate) const ROW: Row = Row {
    name: "outage",
    what: "a source that breaks in five ways, while credentials are valid and past their expiry",
    run,
};

const CALLERS: usize = 8;
/// A caller asks this long after an answer or an error.
const PAUSE: Duration = Duration::from_millis(10);
const LIFETIME: Duration = Duration::from_secs(12);
/// The timeout of a whole fetch, where a contender has one to set: a twentieth of the session, where the
/// defaults, ours 30 s and lazy's 22 s, are a hundredth of an hour.
const FETCH_TIMEOUT: Duration = Duration::from_millis(600);
/// Before lazy's window opens, with its default buffer of 10 s.
const BREAKS: Duration = Duration::from_millis(1500);
/// Looked at while credentials are valid: when lazy's jittered window is open for certain, to expiry.
const WINDOW: Duration = Duration::from_secs(5);
/// The most that callers may wait in it: when the mandatory window opens, for the attempt that is under way, whose failure
/// says nothing of that need, and for the one that then begins; with a twentieth of a second for a busy core each time.
const TWO_WAITS: Duration = FETCH_TIMEOUT
    .saturating_mul(2)
    .saturating_add(Duration::from_millis(100));
/// Looked at past expiry.
const PAST: Duration = Duration::from_secs(4);
/// Expiries are whole seconds, rounded up; no reading within a second of one.
const ROUNDING: Duration = Duration::from_secs(1);
/// The source is back then.
const HEALS: Duration = BREAKS
    .saturating_add(LIFETIME)
    .saturating_add(ROUNDING)
    .saturating_add(PAST);
/// Longest pause of ours after a failure where sessions are shorter than a minute, half a session; and
/// the time of two fetches, one that hangs to its timeout and one that succeeds.
const BACK_OFF: Duration = Duration::from_secs(6 + 2);
/// The same after the same document came in the mandatory window: 15–30 s.
const BACK_OFF_AFTER_SAME_DOCUMENT: Duration = Duration::from_secs(30 + 1);
/// How much longer a contender is watched.
const MARGIN: Duration = Duration::from_secs(1);

const SAME_DOCUMENT: &str = "same_document";
const FAULTS: [&str; 5] = [
    "fails_fast",
    "fails_after_100ms",
    "hangs",
    "not_found",
    SAME_DOCUMENT,
];

const OPTION_A: &str = "instance_profile";
const OPTION_B: &str = "assume_role";
const LAZY_IMDS: &str = "sdk_lazy_imds";
const LAZY_STS: &str = "sdk_lazy_assume_role";
const CONTENDERS: [&str; 6] = [
    OPTION_A,
    OPTION_B,
    LAZY_IMDS,
    LAZY_STS,
    OBJECT_STORE,
    REQSIGN,
];

struct Contender {
    subject: Arc<dyn Subject>,
    ours: Option<Arc<dyn CredentialStrategy>>,
    /// Its window is longer than the session, so that it fetches all the time.
    always_due: bool,
    place: Place,
}

/// Where the source is.
enum Place {
    Cloud(
        LocalCloud,
        #[allow(dead_code, reason = "the wire lives as long")] [Wire; 2],
    ),
    Memory(Source),
}

/// What callers lost, and what the source was asked.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    lost_while_valid: f64,
    lost_past_expiry: f64,
    calls_while_valid: f64,
    calls_past_expiry: f64,
    /// Of ours only: attempts from the outage's begin to expiry.
    attempts: f64,
    recovered_after: f64,
}

/// The share of caller time that may be lost while credentials are valid.
fn lost_at_most(fault: &str) -> f64 {
    match fault {
        // Answered at once, and no failure: a caller for a thousandth of the time, which a busy core takes of anybody.
        "not_found" | SAME_DOCUMENT => 0.001,
        _ => TWO_WAITS.as_secs_f64() / WINDOW.as_secs_f64(),
    }
}

/// The time that callers spent without an answer, since it was last read.
#[derive(Debug, Default)]
struct Lost(Mutex<Duration>);

fn run(_: &Plan, figures: &mut Figures) -> Result<(), Failure> {
    let seen = on_two_threads(async {
        let mut runs = Vec::new();
        for fault in FAULTS {
            for name in CONTENDERS {
                if happens(fault, name) {
                    runs.push((fault, name, contender(name, fault).await?));
                }
            }
        }
        let runs: Vec<_> = runs
            .into_iter()
            .map(|(fault, name, contender)| {
                let run = tokio::spawn(outage(contender, fault));
                (fault, name, run)
            })
            .collect();
        let all = async {
            let mut seen = BTreeMap::new();
            for (fault, name, run) in runs {
                seen.insert((fault, name), run.await??);
            }
            Ok::<_, Failure>(seen)
        };
        during(
            "outage: 5 faults, 6 contenders at once",
            HEALS + BACK_OFF + MARGIN,
            all,
        )
        .await
    })?;
    for fault in FAULTS {
        add(figures, fault, &|name| {
            seen.get(&(fault, name)).copied().unwrap_or_default()
        });
    }
    Ok(())
}

fn add(figures: &mut Figures, fault: &str, seen: &dyn Fn(&'static str) -> Seen) {
    for (ours, peers) in [
        (OPTION_A, &[LAZY_IMDS, OBJECT_STORE, REQSIGN][..]),
        (OPTION_B, &[LAZY_STS]),
    ] {
        if !happens(fault, ours) {
            continue;
        }
        let figure = |measure: &str, what: &str, unit: &'static str, of: fn(Seen) -> f64| {
            let name = format!("outage.{fault}.{ours}.{measure}");
            let what = format!("the source {}: {what}", fault.replace('_', " "));
            let figure = Figure::less(name, what, unit, of(seen(ours)));
            peers
                .iter()
                .fold(figure, |figure, peer| figure.beside(*peer, of(seen(peer))))
        };
        figures.add(
            figure(
                "lost_while_valid",
                "share of caller time without an answer, while credentials are valid",
                "of time",
                |seen| seen.lost_while_valid,
            )
            .at_most(lost_at_most(fault)),
        );
        figures.add(figure(
            "lost_past_expiry",
            "share of caller time without an answer, past expiry",
            "of time",
            |seen| seen.lost_past_expiry,
        ));
        figures.add(figure(
            "calls_while_valid",
            "requests to the source, while credentials are valid",
            "requests/s",
            |seen| seen.calls_while_valid,
        ));
        figures.add(figure(
            "calls_past_expiry",
            "requests to the source, past expiry",
            "requests/s",
            |seen| seen.calls_past_expiry,
        ));
        let name = format!("outage.{fault}.{ours}.attempts");
        let what = format!(
            "the source {}: attempts from then to expiry",
            fault.replace('_', " ")
        );
        figures.add(Figure::less(name, what, "attempts", seen(ours).attempts).at_most(10.0));
        figures.add(
            figure(
                "recovered_after",
                "from its return to the first call with new credentials",
                "s",
                |seen| seen.recovered_after,
            )
            .at_most(back_off(fault).as_secs_f64()),
        );
    }
}

fn back_off(fault: &str) -> Duration {
    match fault {
        SAME_DOCUMENT => BACK_OFF_AFTER_SAME_DOCUMENT,
        _ => BACK_OFF,
    }
}

/// STS gives a new session to whoever may have one, so it has no document to serve again.
fn happens(fault: &str, contender: &str) -> bool {
    fault != SAME_DOCUMENT || ![OPTION_B, LAZY_STS].contains(&contender)
}

async fn contender(name: &'static str, fault: &str) -> Result<Contender, Failure> {
    if name == REQSIGN {
        // A session as long as the others'; reqsign's window is 120 s and so is open from the start.
        let latency = if fault == "fails_after_100ms" { 100 } else { 1 };
        let source = Source::new(LIFETIME, Duration::from_millis(latency));
        return Ok(Contender {
            subject: shared(Reqsign::new(source.clone())),
            ours: None,
            always_due: true,
            place: Place::Memory(source),
        });
    }
    let cloud = LocalCloud::builder()
        .session_lifetime(LIFETIME)
        // a new document for each fetch that gets through
        .rotate_documents_after(Duration::ZERO)
        .start()
        .await?;
    let latency = Duration::from_millis(if fault == "fails_after_100ms" { 100 } else { 0 });
    let wires = [
        Wire::to(cloud.imds_endpoint(), latency).await?,
        Wire::to(cloud.sts_endpoint(), latency).await?,
    ];
    let [imds, sts] = wires.each_ref().map(Wire::endpoint);
    let policy = RefreshPolicy::default().fetch_timeout(FETCH_TIMEOUT);
    let mut ours: Option<Arc<dyn CredentialStrategy>> = None;
    let subject = match name {
        OPTION_A => {
            let strategy = cloud::instance_profile(imds, policy)?;
            shared(Ours(Arc::clone(ours.insert(Arc::new(strategy)))))
        }
        OPTION_B => {
            let strategy = cloud::assume_role(&cloud, sts, policy)?;
            shared(Ours(Arc::clone(ours.insert(Arc::new(strategy)))))
        }
        LAZY_IMDS => shared(Client::lazy(
            cloud::sdk_imds(imds)?,
            None,
            Some(FETCH_TIMEOUT),
        )?),
        LAZY_STS => {
            let provider = cloud::sdk_assume_role(&cloud, sts).await;
            shared(Client::lazy(provider, None, Some(FETCH_TIMEOUT))?)
        }
        _ => shared(ObjectStore::new(imds)?),
    };
    Ok(Contender {
        subject,
        ours,
        always_due: name == OBJECT_STORE,
        place: Place::Cloud(cloud, wires),
    })
}

/// One outage, from a cold start to recovery.
async fn outage(contender: Contender, fault: &'static str) -> Result<Seen, Failure> {
    let Contender {
        subject,
        ours,
        always_due,
        place,
    } = contender;
    let started = tokio::time::Instant::now();
    let first = subject
        .resolve()
        .await
        .ok_or("no credentials to begin with")?;
    sleep_until(started + BREAKS).await;
    let (held, held_since) = if always_due {
        (
            subject.resolve().await.unwrap_or(first),
            tokio::time::Instant::now(),
        )
    } else {
        (first, started)
    };
    place.break_down(fault);
    let attempts = || ours.as_ref().map_or(0, |ours| ours.status().fetches);
    let attempts_before = attempts();

    let lost = Arc::new(Lost::default());
    let over = Arc::new(AtomicBool::new(false));
    let keys = Arc::new(Mutex::new(Vec::<(Instant, String)>::new()));
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            tokio::spawn(call(
                Arc::clone(&subject),
                Arc::clone(&lost),
                Arc::clone(&keys),
                Arc::clone(&over),
            ))
        })
        .collect();

    let expiry = held_since + LIFETIME;
    let share = |lost: Duration, time: Duration| {
        // Both ends of the time are cut where somebody looked, so a part of a wait may be counted over.
        (lost.as_secs_f64() / (time.as_secs_f64() * CALLERS as f64)).min(1.0)
    };
    let mut seen = Seen::default();
    sleep_until(expiry - WINDOW).await;
    let (_, calls) = (lost.take(), place.calls());
    sleep_until(expiry).await;
    seen.lost_while_valid = share(lost.take(), WINDOW);
    seen.calls_while_valid = (place.calls() - calls) as f64 / WINDOW.as_secs_f64();
    seen.attempts = (attempts() - attempts_before) as f64;
    sleep_until(expiry + ROUNDING).await;
    let (_, calls) = (lost.take(), place.calls());
    sleep_until(expiry + ROUNDING + PAST).await;
    seen.lost_past_expiry = share(lost.take(), PAST);
    seen.calls_past_expiry = (place.calls() - calls) as f64 / PAST.as_secs_f64();

    place.heal();
    let healed = Instant::now();
    let recovered = || {
        let keys = keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.iter()
            .find(|(at, key)| *at > healed && *key != held)
            .map(|(at, _)| at.duration_since(healed))
    };
    while recovered().is_none() && healed.elapsed() < back_off(fault) + MARGIN {
        sleep(PAUSE).await;
    }
    seen.recovered_after = recovered().map_or(f64::INFINITY, |after| after.as_secs_f64());
    over.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await?;
    }
    Ok(seen)
}

/// Asks, waits a moment, asks again; after an error, the moment is lost too.
async fn call(
    subject: Arc<dyn Subject>,
    lost: Arc<Lost>,
    keys: Arc<Mutex<Vec<(Instant, String)>>>,
    over: Arc<AtomicBool>,
) {
    /// A call that takes less than this did not wait for a source, but for a core at most.
    const AT_ONCE: Duration = Duration::from_millis(20);
    /// What is lost is noted as it is lost, not when a long wait ends.
    const NOTED: Duration = Duration::from_millis(100);
    let mut last = String::new();
    while !over.load(Ordering::Relaxed) {
        let mut noted = Instant::now();
        let mut answer = subject.resolve();
        let answer = loop {
            match tokio::time::timeout(NOTED, answer.as_mut()).await {
                Ok(answer) => break answer,
                Err(_) if over.load(Ordering::Relaxed) => return,
                Err(_) => {
                    lost.add(noted.elapsed());
                    noted = Instant::now();
                }
            }
        };
        if answer.is_none() || noted.elapsed() > AT_ONCE {
            lost.add(noted.elapsed());
        }
        let pause = Instant::now();
        sleep(PAUSE).await;
        match answer {
            None => lost.add(pause.elapsed()),
            Some(key) if key != last => {
                last.clone_from(&key);
                let mut keys = keys.lock().unwrap_or_else(PoisonError::into_inner);
                keys.push((pause, key));
            }
            Some(_) => {}
        }
    }
}

impl Lost {
    fn add(&self, time: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += time;
    }

    fn take(&self) -> Duration {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Place {
    fn break_down(&self, fault: &str) {
        match self {
            Place::Memory(source) => source.becomes(match fault {
                "fails_fast" => Health::FailsFast,
                "fails_after_100ms" => Health::FailsLate,
                "hangs" => Health::Hangs,
                "not_found" => Health::NoRole,
                _ => Health::SameDocument,
            }),
            Place::Cloud(cloud, _) => match fault {
                "hangs" => {
                    cloud.imds().fail(Fault::Hang);
                    cloud.sts().fail(Fault::Hang);
                }
                "not_found" => {
                    cloud.detach_role();
                    cloud.sts().fail(Fault::Status(404));
                }
                SAME_DOCUMENT => cloud.imds().fail(Fault::DocumentSame),
                _ => {
                    cloud.imds().fail(Fault::Status(500));
                    cloud.sts().fail(Fault::Status(500));
                }
            },
        }
    }

    fn heal(&self) {
        match self {
            Place::Memory(source) => source.becomes(Health::Good),
            Place::Cloud(cloud, _) => {
                cloud.imds().heal();
                cloud.sts().heal();
                let _ = cloud.attach_role(aws_credential_strategies::local::DEFAULT_ROLE);
            }
        }
    }

    fn calls(&self) -> u64 {
        match self {
            Place::Memory(source) => source.calls(),
            Place::Cloud(cloud, _) => cloud.imds().calls().total() + cloud.sts().calls().total(),
        }
    }
}
