//! Promise: under random faults of STS no read fails while its session is valid, and memory and tasks stay as
//! they are. By hand, for an hour: `.ci/soak pool`.
#![cfg(all(feature = "pool", feature = "table"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use aws_credential_strategies::iam::PermissionPolicy;
use aws_credential_strategies::local::{Fault, LocalCloud, Role, StsCall, Trust};
use aws_credential_strategies::strategy::{PooledRole, RolePool};
use aws_credential_strategies::{
    CredentialStrategy, Dynamo, ErrorKind, Provided, RefreshPolicy, SharedCredentialsProvider,
};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, sleep, sleep_until};

const TENANTS: u64 = 1_000;
const CALLERS: u64 = 16;
const SESSION: Duration = Duration::from_secs(20);
/// A read that begins with less life left may find it over when it arrives.
const MARGIN: Duration = Duration::from_secs(5);
/// Of so many reads one goes to the table.
const TABLE_EVERY: u64 = 8;
/// Of so many of these one tries the next tenant's item.
const FOREIGN_EVERY: u64 = 8;
const LONGEST_PAUSE_OF_A_CALLER: u64 = 60;

fn setting(name: &str, default: u64) -> u64 {
    let given = std::env::var(name).ok();
    given.map_or(default, |text| text.parse().expect("a number"))
}

#[derive(Default)]
struct Counts {
    reads: AtomicU64,
    table_reads: AtomicU64,
    foreign_refused: AtomicU64,
    failed_while_valid: AtomicU64,
    /// With a session that was over, never there, or rejected: what the faults are allowed to cost.
    failed_without: AtomicU64,
    faults: AtomicU64,
    revoked: AtomicU64,
}

struct Soak {
    cloud: LocalCloud,
    pool: RolePool,
    db: Dynamo<Provided>,
    role: String,
    policies: Vec<String>,
    counts: Counts,
    /// Keys that were taken away, by tenant.
    revoked: Mutex<HashMap<u64, String>>,
    over: AtomicBool,
}

fn name(tenant: u64) -> String {
    format!("tenant-{tenant}")
}

impl Soak {
    async fn begin() -> Self {
        let cloud = LocalCloud::builder().session_lifetime(SESSION);
        let cloud = cloud.start().await.unwrap();
        cloud.create_table(("Items", "tenant")).unwrap();
        for tenant in 0..TENANTS {
            let item = json!({ "tenant": name(tenant) });
            cloud.put_item("Items", &item).unwrap();
        }
        let (region, account) = (cloud.region().to_owned(), cloud.account().to_owned());
        let table = format!("arn:aws:dynamodb:{region}:{account}:table/Items");
        let all = json!({ "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Action": "dynamodb:*", "Resource": "*" },
        ] });
        let role = Role::new("App").trust(Trust::account(&account));
        let role = cloud.add_role(role.permissions(&all)).unwrap();
        let policies = (0..TENANTS).map(|tenant| {
            PermissionPolicy::leading_keys([table.clone()], [name(tenant)])
                .unwrap()
                .to_compact_json()
        });
        let keys = SharedCredentialsProvider::new(cloud.create_access_key("service"));
        let policy = RefreshPolicy::default()
            .fetch_timeout(Duration::from_secs(3))
            .wait_timeout(Duration::from_secs(10));
        let pool = RolePool::builder()
            .base(keys.clone())
            .sdk_config(&cloud.sdk_config())
            .refresh(policy)
            .build()
            .unwrap();
        let nobody = Provided::new("nobody", keys);
        Soak {
            db: Dynamo::new(nobody, &cloud.sdk_config()),
            policies: policies.collect(),
            pool,
            role,
            cloud,
            counts: Counts::default(),
            revoked: Mutex::default(),
            over: AtomicBool::new(false),
        }
    }

    fn session(&self, tenant: u64) -> PooledRole {
        let policy = self.policies[usize::try_from(tenant).unwrap()].as_str();
        let request = self.pool.role(&self.role).session_name(name(tenant));
        request.policy(policy).build().unwrap()
    }

    /// Whether what is held is good for a read that begins now.
    fn holds_valid(&self, tenant: u64, session: &PooledRole) -> bool {
        let status = session.status();
        let lives = status
            .expires_at
            .is_some_and(|end| end > SystemTime::now() + MARGIN);
        let mut revoked = self.revoked.lock().unwrap();
        match revoked.get(&tenant) {
            Some(key) if status.key_id.as_deref() == Some(key) => false,
            Some(_) => {
                revoked.remove(&tenant);
                lives
            }
            None => lives,
        }
    }

    fn failed(&self, was_valid: bool, tenant: u64, what: &str) {
        if was_valid && !self.revoked.lock().unwrap().contains_key(&tenant) {
            self.counts.failed_while_valid.fetch_add(1, Relaxed);
            println!("FAILED while valid: {}: {what}", name(tenant));
        } else {
            self.counts.failed_without.fetch_add(1, Relaxed);
        }
    }

    async fn call(&self, turn: u64) {
        let tenant = fastrand::u64(0..TENANTS);
        let session = self.session(tenant);
        let was_valid = self.holds_valid(tenant, &session);
        let credentials = session.credentials().await;
        self.counts.reads.fetch_add(1, Relaxed);
        match credentials {
            Ok(credentials) => {
                let over = credentials
                    .expiry()
                    .is_none_or(|end| end < SystemTime::now());
                if over {
                    return self.failed(was_valid, tenant, "credentials that are over");
                }
            }
            Err(error) => return self.failed(was_valid, tenant, &error.to_string()),
        }
        if !turn.is_multiple_of(TABLE_EVERY) {
            return;
        }
        let was_valid = self.holds_valid(tenant, &session);
        let table = self.db.with_strategy(session).table("Items");
        let own = name(tenant);
        let read = table.get(("tenant", own.as_str())).send::<Value>().await;
        self.counts.table_reads.fetch_add(1, Relaxed);
        match read {
            Ok(item) => assert_eq!(item, Some(json!({ "tenant": own }))),
            Err(error) => return self.failed(was_valid, tenant, &error.to_string()),
        }
        if turn.is_multiple_of(TABLE_EVERY * FOREIGN_EVERY) {
            let other = name((tenant + 1) % TENANTS);
            let read = table.get(("tenant", other.as_str())).send::<Value>().await;
            match read {
                Ok(item) => panic!("{own} was given {item:?} of {other}"),
                Err(error) if matches!(error.kind(), ErrorKind::AccessDenied(_)) => {
                    self.counts.foreign_refused.fetch_add(1, Relaxed);
                }
                Err(_) => {}
            }
        }
    }

    async fn chaos(&self) {
        while !self.over.load(Relaxed) {
            sleep(Duration::from_millis(fastrand::u64(2_000..10_000))).await;
            let fault = match fastrand::u8(0..10) {
                0 => Fault::Admit(20),
                1 => Fault::Admit(60),
                2 => Fault::Status(503),
                3 => Fault::Reset,
                4 => Fault::Hang,
                5 => Fault::Delay(Duration::from_millis(fastrand::u64(50..2_000))),
                6 => Fault::Disconnect,
                7 => Fault::Truncated,
                8 => Fault::error(403, "AccessDenied"),
                _ => {
                    // keys that DynamoDB takes for dead before their time
                    for _ in 0..10 {
                        let tenant = fastrand::u64(0..TENANTS);
                        let held = self.session(tenant).status().key_id;
                        if let Some(key) = held {
                            self.revoked.lock().unwrap().insert(tenant, key.clone());
                            self.cloud.revoke(&key);
                            self.counts.revoked.fetch_add(1, Relaxed);
                        }
                    }
                    continue;
                }
            };
            self.counts.faults.fetch_add(1, Relaxed);
            self.cloud.sts().fail_on(StsCall::AssumeRole, fault);
            sleep(Duration::from_millis(fastrand::u64(500..8_000))).await;
            self.cloud.sts().heal();
        }
    }
}

/// Resident memory of the process, in MiB.
fn memory() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let resident = pages.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    let resident: u32 = resident.unwrap_or_default();
    f64::from(resident) * 4096.0 / 1024.0 / 1024.0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "an hour; .ci/soak pool"]
async fn nothing_fails_while_valid_and_nothing_grows() {
    let minutes = setting("SOAK_MINUTES", 60);
    let soak = Arc::new(Soak::begin().await);
    let mut running = Vec::new();
    for _ in 0..CALLERS {
        let soak = Arc::clone(&soak);
        running.push(tokio::spawn(async move {
            let mut turn = fastrand::u64(0..TABLE_EVERY * FOREIGN_EVERY);
            while !soak.over.load(Relaxed) {
                turn += 1;
                soak.call(turn).await;
                let pause = fastrand::u64(0..LONGEST_PAUSE_OF_A_CALLER);
                sleep(Duration::from_millis(pause)).await;
            }
        }));
    }
    let chaos = Arc::clone(&soak);
    running.push(tokio::spawn(async move { chaos.chaos().await }));

    println!(
        "min    reads  table foreign failed-valid failed-without faults revoked    STS throttled roles failing queued calls/s   MiB tasks"
    );
    let start = Instant::now();
    let mut sizes = Vec::new();
    for minute in 1..=minutes {
        sleep_until(start + Duration::from_secs(60 * minute)).await;
        let (c, status) = (&soak.counts, soak.pool.status());
        let tasks = tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks();
        sizes.push((memory(), tasks));
        println!(
            "{minute:>3} {:>8} {:>6} {:>7} {:>12} {:>14} {:>6} {:>7} {:>6} {:>9} {:>5} {:>7} {:>6} {:>7} {:>5.0} {tasks:>5}",
            c.reads.load(Relaxed),
            c.table_reads.load(Relaxed),
            c.foreign_refused.load(Relaxed),
            c.failed_while_valid.load(Relaxed),
            c.failed_without.load(Relaxed),
            c.faults.load(Relaxed),
            c.revoked.load(Relaxed),
            status.calls,
            status.throttled,
            status.roles,
            status.failing_roles,
            status.queued,
            status
                .calls_per_second
                .map_or_else(|| "-".to_owned(), |rate| format!("{rate:.0}")),
            memory(),
        );
    }
    soak.over.store(true, Relaxed);
    for task in running {
        task.await.unwrap();
    }
    assert_eq!(soak.counts.failed_while_valid.load(Relaxed), 0);
    assert!(soak.counts.foreign_refused.load(Relaxed) > 0);
    // What is reached in the first third is not exceeded much in the last one.
    let third = sizes.len().div_ceil(3);
    let most = |of: &[(f64, usize)]| {
        let memory = of.iter().map(|(memory, _)| *memory).fold(0.0, f64::max);
        (
            memory,
            of.iter().map(|(_, tasks)| *tasks).max().unwrap_or_default(),
        )
    };
    let (first, last) = (most(&sizes[..third]), most(&sizes[sizes.len() - third..]));
    println!("first third {first:?}, last third {last:?} (MiB, tasks)");
    if minutes >= 30 {
        assert!(last.0 < 1.25 * first.0, "memory grows: {first:?} {last:?}");
    }
    // An idle tenant has no task: callers, fetches in flight or queued, and connections are what there is.
    assert!(last.1 <= first.1 + 200, "tasks grow: {first:?} {last:?}");
}
