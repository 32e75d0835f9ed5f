//! The least policy that a program needs, found by running it: the operations of a session store under
//! a policy of three actions, what is denied, the policy that would do, and the same run under it.

mod support;

use aws_credential_strategies::iam::{PermissionPolicy, Statement};
use aws_credential_strategies::local::{
    DEFAULT_ROLE, KeyType, LocalCloud, NewIndex, NewTable, Role, Trust,
};
use aws_credential_strategies::table::{attr, sort};
use aws_credential_strategies::{Dynamo, ErrorKind, InstanceProfile, Result, Table};
use serde::{Deserialize, Serialize};
use support::arguments::Program;
use support::screen::{WIDTH, fold};
use support::{Failure, NAME, tell};

const PROGRAM: Program = Program {
    name: NAME,
    about: "The least policy that a program needs, found by running it: what a policy of three actions denies, the \
            policy that would do, and the same run under that.",
    options: &[],
    notes: "takes: a second\ncosts: nothing, it runs on the embedded cloud",
};

#[derive(Debug, Serialize, Deserialize)]
struct Session {
    id: String,
    user: String,
    created: u64,
    expires: u64,
}

#[tokio::main]
async fn main() -> std::result::Result<(), Failure> {
    PROGRAM.read_or_exit();
    let cloud = LocalCloud::start().await?;
    let by_user = NewIndex::new("byUser", "user").sort_key("created", KeyType::Number);
    cloud.create_table(NewTable::new("Sessions", "id").index(by_user))?;
    let (region, account) = (cloud.region(), cloud.account());

    let actions = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"];
    let table = format!("arn:aws:dynamodb:{region}:{account}:table/Sessions");
    let three = PermissionPolicy::new([Statement::allow(actions, [table])])?;
    install(&cloud, &three)?;

    let strategy = InstanceProfile::builder().endpoint(cloud.imds_endpoint());
    let db = Dynamo::new(strategy.build()?, &cloud.sdk_config());
    tell!("under GetItem, PutItem and Query on the table:\n");
    let denied = run(&db.table("Sessions")).await?;

    let least = db.recorder().policy("aws", region, account)?;
    tell!("\n{denied} denied. The least policy for what this program does:\n\n{least}");
    if let Err(error) = db.recorder().assert_within(&three) {
        tell!("\nin a unit test, `assert_within(&policy)` says so without a call:");
        tell!("{}", fold(&format!("  {error}"), WIDTH));
    }

    install(&cloud, &least)?;
    tell!("\nwith that policy, and no other, installed:\n");
    match run(&db.table("Sessions")).await? {
        0 => Ok(()),
        denied => Err(Failure::new(format!(
            "{denied} operations are denied still"
        ))),
    }
}

/// Makes this the only policy of the instance's role; sessions that live are subject to it at once.
fn install(cloud: &LocalCloud, policy: &PermissionPolicy) -> Result<()> {
    let role = Role::new(DEFAULT_ROLE).trust(Trust::ec2());
    cloud.add_role(role.permissions(policy)).map(|_| ())
}

/// Everything that a session store does, each on its own; says how much of it was denied.
async fn run(table: &Table<InstanceProfile>) -> Result<usize> {
    let session = Session {
        id: "s1".to_owned(),
        user: "ada".to_owned(),
        created: 10,
        expires: 100,
    };
    let mut denied = 0;
    let mut tell = |what: &str, outcome: Result<()>| match outcome {
        Ok(()) => {
            tell!("  ok      {what}");
            Ok(())
        }
        Err(error) => {
            let ErrorKind::AccessDenied(denial) = error.kind() else {
                return Err(error);
            };
            denied += 1;
            tell!("  denied  {what}");
            if let Some(remedy) = denial.remedy() {
                tell!("{}", fold(&format!("          {remedy}"), WIDTH));
            }
            Ok(())
        }
    };

    let create = table.put(&session).if_absent("id").attempt::<Session>();
    tell("create a session", create.await.map(drop))?;
    let read = table.get(("id", "s1")).consistent().send::<Session>();
    tell("read it", read.await.map(drop))?;
    let touch = table.update(("id", "s1")).set("expires", 950);
    let touch = touch.only_if(attr("expires").gt(50)).attempt::<Session>();
    tell("keep it alive", touch.await.map(drop))?;
    let query = table.query("user", "ada").index("byUser");
    let of_user = query.sort(sort("created").ge(0)).all::<Session>();
    tell("find a user's sessions", of_user.await.map(drop))?;
    let over = table
        .scan()
        .filter(attr("expires").le(1000))
        .all::<Session>();
    tell("find those that are over", over.await.map(drop))?;
    let clean_up = table.batch_write().delete(("id", "s1")).send().await;
    tell("delete them", clean_up.and_then(|report| report.complete()))?;
    Ok(denied)
}
