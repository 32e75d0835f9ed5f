//! `tenants`: a role for each of many tenants: what one costs while it is idle, what it costs to be found, and how
//! long all of them take when they are cold.

use super::Row;
use crate::cold::{Served, Starting, idle_pool, start};
use crate::figures::{Figure, Figures};
use crate::subject::OURS;
use crate::{ALLOCATOR, Failure, Plan, canned, instructions, plot, progress};
use aws_config::sts::AssumeRoleProvider;
use aws_credential_strategies::strategy::{PooledRole, RolePool};
use aws_credential_strategies::{CredentialStrategy, Credentials};
use aws_credential_types::credential_feature::AwsCredentialFeature;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime_api::client::identity::Identity;
use stats_alloc::Region as Allocated;
use std::hint::black_box;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

pub(crate) const ROW: Row = Row {
    name: "tenants",
    what: "a role for each of many tenants: idle, found, cold",
    run,
};

const SDK: &str = "sdk_provider_each";
const ROLE: &str = "arn:aws:iam::123456789012:role/App";
/// What a request that is found is repeated under callgrind.
const COUNTED: u64 = 20_000;
const COLD: u32 = 10_000;
const ADMITTED: u32 = 200;
const IDLE: [usize; 3] = [1, 1_000, 100_000];
/// So many of the SDK's providers are enough to say what one takes.
const PEERS: usize = 1_000;

fn paused() -> Result<Runtime, Failure> {
    Ok(Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()?)
}

fn base() -> SharedCredentialsProvider {
    let key = Credentials::new("AKIAEXAMPLE", "secret", None, None, "bench");
    SharedCredentialsProvider::new(key)
}

fn pool() -> Result<RolePool, Failure> {
    let pool = RolePool::builder()
        .base(base())
        .sdk_config(&canned::settings());
    Ok(pool.max_roles(1_000_000).build()?)
}

fn request(pool: &RolePool, tenant: usize) -> Result<PooledRole, Failure> {
    let name = format!("tenant-{tenant}");
    let request = pool.role(ROLE).external_id("of-the-customer");
    Ok(request.session_name(name).build()?)
}

/// For callgrind: `tenants.hit`.
pub(crate) fn kernel(name: &str, count: u64) -> Option<Result<(), Failure>> {
    (name == "tenants.hit").then(|| {
        paused()?.block_on(async {
            let pool = pool()?;
            for tenant in 0..1_000 {
                request(&pool, tenant)?;
            }
            let names: Vec<_> = (0..1_000)
                .map(|tenant| format!("tenant-{tenant}"))
                .collect();
            for (name, _) in names.iter().cycle().zip(0..count) {
                let found = pool.role(ROLE).external_id("of-the-customer");
                black_box(found.session_name(name).build()?);
            }
            Ok(())
        })
    })
}

fn run(plan: &Plan, figures: &mut Figures) -> Result<(), Failure> {
    idle(plan, figures)?;
    if instructions::is_available() {
        let counted = instructions::per_repetition(&[("tenants.hit", COUNTED)])?;
        figures.add(
            Figure::less(
                "tenants.hit.instructions",
                "pool.role(..).external_id(..).session_name(..).build() of a session that is there: instructions",
                "instructions",
                counted.first().copied().unwrap_or(f64::NAN),
            )
            .at_most(400.0),
        );
    }
    cold(plan, figures)
}

/// Bytes that live after `made`, of those that it allocated.
fn bytes<T>(made: impl FnOnce() -> Result<T, Failure>) -> Result<(T, f64), Failure> {
    let region = Allocated::new(ALLOCATOR);
    let kept = made()?;
    let change = region.change();
    // What a reallocation adds or gives back is counted in these two already.
    let live = change.bytes_allocated as f64 - change.bytes_deallocated as f64;
    Ok((kept, live))
}

fn idle(plan: &Plan, figures: &mut Figures) -> Result<(), Failure> {
    let runtime = paused()?;
    // What every way to keep them has to keep: the credentials, and the identity that the SDK wants.
    let example = runtime.block_on(async {
        let example = request(&idle_pool()?, 0)?.credentials().await?;
        Ok::<_, Failure>(example)
    })?;
    let copy = || {
        let mut copied = Credentials::builder()
            .access_key_id(example.access_key_id().to_owned())
            .secret_access_key(example.secret_access_key().to_owned())
            .provider_name("bench");
        copied.set_session_token(example.session_token().map(str::to_owned));
        copied.set_expiry(example.expiry());
        copied.set_account_id(example.account_id().cloned());
        copied.build()
    };
    // As any provider's of an assumed role, the identity tells AWS that it is one.
    let (_kept, credentials) = bytes(|| {
        let credentials = copy();
        let mut told = credentials.clone();
        told.set_property(vec![AwsCredentialFeature::CredentialsStsAssumeRole]);
        Ok((Identity::from(told), credentials))
    })?;
    let mut each = f64::NAN;
    for tenants in IDLE {
        let tenants = if plan.quick {
            tenants.min(20_000)
        } else {
            tenants
        };
        let bar = progress::bar(&format!("tenants: {tenants} idle"), tenants as u64);
        let empty = runtime.block_on(async { idle_pool() })?;
        let ((), live) = bytes(|| {
            runtime.block_on(async {
                for tenant in 0..tenants {
                    request(&empty, tenant)?.credentials().await?;
                    bar.inc(1);
                }
                Ok(())
            })
        })?;
        bar.finish_and_clear();
        each = live / tenants as f64 - credentials;
        figures.add(Figure::less(
            format!("tenants.idle.bytes.{tenants}"),
            format!(
                "one of {tenants} idle tenants: bytes beside its credentials ({credentials:.0})"
            ),
            "bytes",
            each,
        ));
        // Nobody asks for a day: nothing is due, and nothing wakes.
        let woken = runtime.block_on(async {
            tokio::time::sleep(Duration::from_secs(6 * 3600)).await;
            let before = empty.status().wake_ups;
            tokio::time::sleep(Duration::from_secs(24 * 3600)).await;
            empty.status().wake_ups - before
        });
        figures.add(
            Figure::less(
                format!("tenants.idle.wake_ups.{tenants}"),
                format!("{tenants} idle tenants: wake-ups in a day"),
                "wake-ups",
                woken as f64,
            )
            .at_most(0.0),
        );
    }
    let (_kept, peers) = bytes(|| {
        runtime.block_on(async {
            let settings = canned::settings();
            let mut kept = Vec::with_capacity(PEERS);
            for tenant in 0..PEERS {
                let provider = AssumeRoleProvider::builder(ROLE)
                    .session_name(format!("tenant-{tenant}"))
                    .external_id("of-the-customer")
                    .configure(&settings)
                    .build_from_provider(base())
                    .await;
                let held = provider.provide_credentials().await?;
                kept.push((
                    provider,
                    IdentityCache::lazy().build(),
                    Identity::from(held),
                ));
            }
            Ok(kept)
        })
    })?;
    figures.add(
        Figure::less(
            "tenants.idle.bytes",
            "an idle tenant of many: bytes beside its credentials",
            "bytes",
            each,
        )
        .beside(SDK, peers / PEERS as f64 - credentials)
        .at_most(2048.0),
    );
    Ok(())
}

fn cold(plan: &Plan, figures: &mut Figures) -> Result<(), Failure> {
    let tenants = if plan.quick { COLD / 2 } else { COLD };
    let floor = f64::from(tenants) / f64::from(ADMITTED);
    let mut served: Vec<(&str, Served)> = Vec::new();
    for (name, who) in [(SDK, Starting::SdkTenants), (OURS, Starting::Pool)] {
        let bar = progress::bar(&format!("tenants: cold, {name}"), tenants.into());
        let outcome = start(who, tenants, ADMITTED, &|count| {
            bar.set_position(count as u64)
        })?;
        bar.finish_and_clear();
        figures.plot(plot::TENANTS, name, outcome.curve());
        served.push((name, outcome));
    }
    let of = |name: &str, figure: &dyn Fn(&Served) -> f64| {
        let found = served.iter().find(|(who, _)| *who == name);
        found.map_or(f64::NAN, |(_, served)| figure(served))
    };
    for (percent, share) in [("50", 0.5), ("99", 0.99), ("100", 1.0)] {
        let time = |served: &Served| served.share(share) / floor;
        let figure = Figure::less(
            format!("tenants.cold.p{percent}"),
            format!("cold tenants: time until {percent} % are served, as a multiple of tenants / admitted rate"),
            "× floor",
            of(OURS, &time),
        )
        .beside(SDK, of(SDK, &time));
        figures.add(if percent == "99" {
            figure.at_most(1.2)
        } else {
            figure
        });
    }
    figures.add(
        Figure::less(
            "tenants.cold.calls",
            "cold tenants: calls to STS for each",
            "calls",
            of(OURS, &Served::calls_each),
        )
        .beside(SDK, of(SDK, &Served::calls_each))
        .at_most(1.3),
    );
    Ok(())
}
