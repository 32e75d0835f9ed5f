//! `stores`: gets by an `object_store` on its own provider, and on a strategy by this crate's adapter, through
//! refreshes and through keys that S3 rejects before their time.
//!
//! Each has a stage of its own: one server that is the metadata service and the S3, so that it knows which keys
//! it gave out and which of them it takes. It checks no signatures: it looks at the key id.

/// The adapter, as `integrations/object_store` has it; a package of that workspace cannot be a dependency here.
#[allow(dead_code, unreachable_pub, unused_imports)]
#[path = "../../integrations/object_store/src/v0_14.rs"]
mod adapter;

use super::{Row, on_two_threads};
use crate::figures::{Figure, Figures};
use crate::progress::during;
use crate::{Failure, Plan};
use adapter::WithStrategy;
use aws_credential_strategies::InstanceProfile;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{interval, sleep};

pub(crate) const ROW: Row = Row {
    name: "stores",
    what: "64 callers of an object_store, refreshes, and two keys rejected before their time",
    run,
};

const OURS: &str = "ours";
const BUILT_IN: &str = "object_store";

const CALLERS: usize = 64;
/// Each caller gets this often.
const PACE: Duration = Duration::from_millis(250);
/// The metadata service takes this long for a document.
const LATENCY: Duration = Duration::from_millis(500);
/// A get that takes this long has waited for a fetch; one on loopback takes a millisecond or two, and tens of them
/// where another program has the cores.
const STALLED: Duration = Duration::from_millis(300);
/// So that each refreshes every few seconds: object_store does 300 s before the end, whatever a session lives for.
const LIFE_BUILT_IN: Duration = Duration::from_secs(304);
const LIFE_OURS: Duration = Duration::from_secs(12);
/// S3 rejects the key in use twice: after a third, and after two thirds.
const PHASE: Duration = Duration::from_secs(6);

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    requests: u64,
    stalled: u64,
    failed: u64,
    /// What was asked of the metadata service, tokens and lists of roles left out.
    fetches: u64,
}

fn run(plan: &Plan, figures: &mut Figures) -> Result<(), Failure> {
    let rounds = if plan.quick { 1 } else { 3 };
    let (mut ours, mut built_in) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (one, other) = on_two_threads(during("stores", PHASE * 3, both()))?;
        ours.push(one);
        built_in.push(other);
    }
    // the best of them, for each by itself: another process may take the cores for a while
    let best =
        |runs: &[Seen], of: fn(&Seen) -> f64| runs.iter().map(of).fold(f64::INFINITY, f64::min);
    let mut add = |name: &str, what: &str, unit, of: fn(&Seen) -> f64, most: Option<f64>| {
        let figure = Figure::less(format!("stores.{name}"), what, unit, best(&ours, of));
        let figure = figure.beside(BUILT_IN, best(&built_in, of));
        figures.add(match most {
            Some(most) => figure.at_most(most),
            None => figure,
        });
    };
    add(
        "requests_stalled",
        "gets that waited for a fetch, of all",
        "%",
        |seen| seen.stalled as f64 / seen.requests as f64 * 100.0,
        None,
    );
    add(
        "requests_failed",
        "gets that failed, of all",
        "%",
        |seen| seen.failed as f64 / seen.requests as f64 * 100.0,
        Some(0.0),
    );
    add(
        "source_calls",
        "documents fetched in 18 s, two of them for rejected keys",
        "fetches",
        |seen| seen.fetches as f64,
        None,
    );
    Ok(())
}

async fn both() -> Result<(Seen, Seen), Failure> {
    let (ours, built_in) = tokio::try_join!(of(OURS), of(BUILT_IN))?;
    Ok((ours, built_in))
}

async fn of(name: &str) -> Result<Seen, Failure> {
    let life = if name == OURS {
        LIFE_OURS
    } else {
        LIFE_BUILT_IN
    };
    let stage = Stage::start(life).await?;
    let builder = AmazonS3Builder::new()
        .with_endpoint(&stage.url)
        .with_client_options(ClientOptions::new().with_allow_http(true))
        .with_region("us-east-1")
        .with_bucket_name("bucket");
    let store = if name == OURS {
        let strategy = InstanceProfile::builder().endpoint(&*stage.url).build()?;
        builder.with_strategy(strategy)
    } else {
        builder.with_metadata_endpoint(&stage.url)
    };
    let store: Arc<dyn ObjectStore> = Arc::new(store.build()?);
    // the first fetch is everybody's to wait for
    store.get(&Path::from("one")).await?;
    let over = Arc::new(AtomicBool::new(false));
    let mut callers = JoinSet::new();
    for number in 0..CALLERS {
        let offset = PACE.mul_f64(number as f64 / CALLERS as f64);
        callers.spawn(call(Arc::clone(&store), Arc::clone(&over), offset));
    }
    for rejected in [false, true, true] {
        if rejected {
            stage.reject();
        }
        sleep(PHASE).await;
    }
    over.store(true, Ordering::Relaxed);
    let mut seen = Seen::default();
    while let Some(one) = callers.join_next().await {
        let one = one?;
        seen.requests += one.requests;
        seen.stalled += one.stalled;
        seen.failed += one.failed;
    }
    seen.fetches = stage.fetches();
    Ok(seen)
}

async fn call(store: Arc<dyn ObjectStore>, over: Arc<AtomicBool>, offset: Duration) -> Seen {
    sleep(offset).await;
    let mut pace = interval(PACE);
    let mut seen = Seen::default();
    while !over.load(Ordering::Relaxed) {
        pace.tick().await;
        let started = Instant::now();
        let got = store.get(&Path::from("one")).await;
        let failed = match got {
            Ok(got) => got.bytes().await.is_err(),
            Err(_) => true,
        };
        seen.requests += 1;
        seen.failed += u64::from(failed);
        seen.stalled += u64::from(started.elapsed() >= STALLED);
    }
    seen
}

/// The metadata service, and the S3.
struct Stage {
    url: String,
    keys: Arc<Keys>,
    task: JoinHandle<()>,
}

struct Keys {
    life: Duration,
    fetches: AtomicU64,
    /// The end of each key, by its number.
    ends: Mutex<Vec<SystemTime>>,
}

impl Stage {
    async fn start(life: Duration) -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let keys = Arc::new(Keys {
            life,
            fetches: AtomicU64::new(0),
            ends: Mutex::default(),
        });
        let shared = Arc::clone(&keys);
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let _ = socket.set_nodelay(true);
                let keys = Arc::clone(&shared);
                tokio::spawn(async move { serve(socket, &keys).await });
            }
        });
        Ok(Stage { url, keys, task })
    }

    /// From now on no key is taken that has been given out.
    fn reject(&self) {
        self.keys.ends().fill(SystemTime::UNIX_EPOCH);
    }

    fn fetches(&self) -> u64 {
        self.keys.fetches.load(Ordering::Relaxed)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Keys {
    fn ends(&self) -> MutexGuard<'_, Vec<SystemTime>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn document(&self) -> Result<String, Failure> {
        self.fetches.fetch_add(1, Ordering::Relaxed);
        sleep(LATENCY).await;
        let now = SystemTime::now();
        let mut ends = self.ends();
        ends.push(now + self.life);
        let number = ends.len() - 1;
        let [now, end] =
            [now, now + self.life].map(|time| DateTime::from(time).fmt(Format::DateTime));
        Ok(format!(
            r#"{{"Code":"Success","Type":"AWS-HMAC","LastUpdated":"{}","AccessKeyId":"ASIA{number}","SecretAccessKey":"secret","Token":"token","Expiration":"{}"}}"#,
            now?, end?
        ))
    }

    fn takes(&self, head: &str) -> bool {
        let number = head.split_once("Credential=ASIA").and_then(|(_, rest)| {
            let (number, _) = rest.split_once('/')?;
            number.parse::<usize>().ok()
        });
        let ends = self.ends();
        let end = number.and_then(|number| ends.get(number));
        end.is_some_and(|end| *end > SystemTime::now())
    }
}

async fn serve(socket: TcpStream, keys: &Keys) -> Result<(), Failure> {
    const DEAD: &str = "<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>";
    let mut socket = BufReader::new(socket);
    loop {
        let head = head(&mut socket).await?;
        let path = head.split(' ').nth(1).unwrap_or_default();
        let (status, body) = match path {
            "/latest/api/token" => ("200 OK", "token".to_owned()),
            "/latest/meta-data/iam/security-credentials/" => ("200 OK", "App".to_owned()),
            "/latest/meta-data/iam/security-credentials/App" => ("200 OK", keys.document().await?),
            _ if path.starts_with("/latest/") => ("404 Not Found", String::new()),
            _ if keys.takes(&head) => ("200 OK", "here".to_owned()),
            _ => ("400 Bad Request", DEAD.to_owned()),
        };
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nX-Aws-Ec2-Metadata-Token-Ttl-Seconds: 21600\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\nETag: \"1\"\r\n\r\n{body}",
            body.len()
        );
        socket.write_all(answer.as_bytes()).await?;
    }
}

/// The head of the next request, its body dropped.
async fn head(socket: &mut BufReader<TcpStream>) -> Result<String, Failure> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let begin = head.len();
        if socket.read_line(&mut head).await? == 0 {
            return Err("the connection has ended".into());
        }
        let line = head.get(begin..).unwrap_or_default().trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse()?;
        }
    }
    socket.read_exact(&mut vec![0; length]).await?;
    Ok(head)
}
