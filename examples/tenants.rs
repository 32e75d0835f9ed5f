//! 1,000 tenants of one table, each through a session of its own that may touch its items only. A bug in the
//! program asks for another tenant's item now and then, and is refused by what it was handed, whatever the
//! program does wrong. Runs on the embedded cloud, whose STS admits so many calls a second.

mod support;

use aws_credential_strategies::iam::{PermissionPolicy, Statement};
use aws_credential_strategies::local::{Fault, LocalCloud, Role, StsCall, Trust};
use aws_credential_strategies::strategy::RolePool;
use aws_credential_strategies::{CredentialStrategy, Dynamo, ErrorKind, InstanceProfile, Result};
use serde::{Deserialize, Serialize};
use std::time::Instant;
use support::arguments::{Opt, Program};
use support::{Failure, NAME, Progress, tell};
use tokio::task::JoinSet;

const PROGRAM: Program = Program {
    name: NAME,
    about: "Many tenants of one table, each through a session of its own, from a RolePool, that may touch its items only. \
            A bug asks for another tenant's item now and then, and is refused.",
    options: &[
        Opt::value("tenants", "NUMBER", "how many (default: 1000)"),
        Opt::value(
            "admit",
            "NUMBER",
            "calls a second that STS admits (default: 200)",
        ),
    ],
    notes: "takes: some seconds more than STS needs to admit all tenants, 5 s\ncosts: nothing, it runs on the embedded cloud",
};

const TABLE: &str = "Orders";
const REQUESTS_A_TENANT: usize = 3;
/// Of so many tenants, one meets the bug.
const BUG_EVERY: usize = 25;

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Order {
    tenant: String,
    text: String,
}

/// What became of one tenant's requests.
#[derive(Debug, Default)]
struct Outcome {
    served: u64,
    read: usize,
    refused: usize,
    /// Another tenant's items that it was given.
    leaked: usize,
    /// Times that it waited for its session.
    waits: u64,
}

#[tokio::main]
async fn main() -> std::result::Result<(), Failure> {
    let given = PROGRAM.read_or_exit();
    let tenants = PROGRAM.number(&given, "tenants", 1_000, 1..=1_000_000);
    let admitted = PROGRAM.number(&given, "admit", 200, 1..=1_000_000);

    let cloud = LocalCloud::start().await?;
    let role = prepare(&cloud, tenants)?;
    cloud
        .sts()
        .fail_on(StsCall::AssumeRole, Fault::Admit(admitted));

    // The service itself may assume the role, and touch nothing.
    let service = InstanceProfile::builder().endpoint(cloud.imds_endpoint());
    let service = service.build()?;
    let db = Dynamo::new(service.clone(), &cloud.sdk_config());
    let pool = RolePool::builder()
        .base(&service)
        .sdk_config(&cloud.sdk_config())
        .max_roles(tenants)
        .build()?;

    let progress = Progress::begin(
        &format!("{tenants} tenants start cold, at once"),
        &format!("{} s or more", 1 + tenants / admitted as usize),
        tenants as u64,
        "served",
    );
    let began = Instant::now();
    let mut running = JoinSet::new();
    for n in 0..tenants {
        let (db, pool, role) = (db.clone(), pool.clone(), role.clone());
        let table = table_arn(&cloud);
        running.spawn(async move { serve(n, tenants, &db, &pool, &role, &table).await });
    }
    let mut sum = Outcome::default();
    while let Some(served) = running.join_next().await {
        let served = served??;
        sum.read += served.read;
        sum.refused += served.refused;
        sum.leaked += served.leaked;
        sum.waits += served.waits;
        sum.served += 1;
        progress.set(sum.served);
    }
    drop(progress);

    let status = pool.status();
    tell!(
        "{:>8}  tenants served in {:.1} s",
        tenants,
        began.elapsed().as_secs_f64()
    );
    tell!("{:>8}  of their own items read", sum.read);
    tell!(
        "{:>8}  times the bug asked for another tenant's item",
        sum.refused + sum.leaked
    );
    tell!("{:>8}  of these refused by DynamoDB", sum.refused);
    tell!(
        "{:>8}  calls to STS, {} of them throttled",
        status.calls,
        status.throttled
    );
    tell!("{:>8}  sessions held", status.roles);
    tell!("{:>8}  waits for a session", sum.waits);
    if sum.leaked > 0 {
        return Err(Failure::new(format!(
            "{} items of other tenants leaked",
            sum.leaked
        )));
    }
    Ok(())
}

fn table_arn(cloud: &LocalCloud) -> String {
    let (region, account) = (cloud.region(), cloud.account());
    format!("arn:aws:dynamodb:{region}:{account}:table/{TABLE}")
}

fn id(tenant: usize) -> String {
    format!("tenant-{tenant}")
}

/// The table with an item of each tenant, a role that may use all of it, and an instance that may assume that
/// role; the role's ARN.
fn prepare(cloud: &LocalCloud, tenants: usize) -> Result<String> {
    cloud.create_table((TABLE, "tenant"))?;
    for tenant in (0..tenants).map(id) {
        let text = format!("a secret of {tenant}");
        cloud.put_item(TABLE, &Order { tenant, text })?;
    }
    let assume = Statement::allow(["sts:AssumeRole"], [cloud.role_arn("Tenant")]);
    let instance = Role::new("Service").trust(Trust::ec2());
    let instance = cloud.add_role(instance.permissions(&PermissionPolicy::new([assume])?))?;
    cloud.attach_role("Service")?;
    let all = Statement::allow(["dynamodb:GetItem", "dynamodb:PutItem"], [table_arn(cloud)]);
    let role = Role::new("Tenant").trust(Trust::principal(instance));
    cloud.add_role(role.permissions(&PermissionPolicy::new([all])?))
}

/// What the service does for one tenant.
async fn serve(
    tenant: usize,
    tenants: usize,
    db: &Dynamo<InstanceProfile>,
    pool: &RolePool,
    role: &str,
    table: &str,
) -> Result<Outcome> {
    // The whole isolation: a session that may touch items of this partition key, and no others.
    let own = PermissionPolicy::leading_keys([table], [id(tenant)])?;
    let session = pool.role(role).session_name(id(tenant));
    let session = session.policy(own.to_compact_json()).build()?;
    let orders = db.with_strategy(session.clone()).table(TABLE);

    let mut outcome = Outcome::default();
    for request in 0..REQUESTS_A_TENANT {
        // The bug: an id that was left over from somebody else's request.
        let has_bug = request == 1 && tenant.is_multiple_of(BUG_EVERY) && tenants > 1;
        let asked = id(if has_bug {
            (tenant + 1) % tenants
        } else {
            tenant
        });
        match orders.get(("tenant", asked.as_str())).send::<Order>().await {
            Ok(Some(order)) if order.tenant == id(tenant) => outcome.read += 1,
            Ok(_) => outcome.leaked += 1,
            Err(error) if has_bug && matches!(error.kind(), ErrorKind::AccessDenied(_)) => {
                outcome.refused += 1;
            }
            Err(error) => return Err(error),
        }
    }
    outcome.waits = session.status().waits;
    Ok(outcome)
}
