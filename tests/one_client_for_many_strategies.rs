//! Promise: `Dynamo::with_strategy` is the same client with another strategy's credentials, for every operation:
//! each request is signed by its own strategy, and what one strategy's keys go through is not another's.
#![cfg(all(feature = "pool", feature = "table"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use aws_credential_strategies::iam::PermissionPolicy;
use aws_credential_strategies::local::{LocalCloud, Role, Trust};
use aws_credential_strategies::strategy::{PooledRole, RolePool};
use aws_credential_strategies::table::{Dynamo, Table, attr};
use aws_credential_strategies::{
    CredentialCache, CredentialSource, CredentialStrategy, Credentials, Error, ErrorKind, Provided,
    RefreshPolicy, Result, SharedCredentialsProvider,
};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use aws_types::SdkConfig;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;

struct Scene {
    cloud: LocalCloud,
    pool: RolePool,
    role: String,
    /// Of a key that may do nothing at all.
    db: Dynamo<Provided>,
}

impl Scene {
    async fn new() -> Self {
        let cloud = LocalCloud::start().await.unwrap();
        cloud.create_table(("Items", "tenant")).unwrap();
        let everything = json!({ "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Action": "dynamodb:*", "Resource": "*" },
        ] });
        let role = Role::new("App").trust(Trust::account(cloud.account()));
        let role = cloud.add_role(role.permissions(&everything)).unwrap();
        let service = SharedCredentialsProvider::new(cloud.create_access_key("service"));
        let pool = RolePool::builder()
            .base(service)
            .sdk_config(&cloud.sdk_config())
            .build()
            .unwrap();
        let nothing = json!({ "Version": "2012-10-17", "Statement": [
            { "Effect": "Deny", "Action": "*", "Resource": "*" },
        ] });
        cloud.permit_user("nobody", &nothing).unwrap();
        let nobody = cloud.create_access_key("nobody");
        let nobody = Provided::new("nobody", SharedCredentialsProvider::new(nobody));
        Scene {
            db: Dynamo::new(nobody, &cloud.sdk_config()),
            cloud,
            pool,
            role,
        }
    }

    fn session(&self, tenant: &str) -> PooledRole {
        let (region, account) = (self.cloud.region(), self.cloud.account());
        let table = format!("arn:aws:dynamodb:{region}:{account}:table/Items");
        let policy = PermissionPolicy::leading_keys([table], [tenant]).unwrap();
        let request = self
            .pool
            .role(&self.role)
            .session_name(format!("of-{tenant}"));
        request.policy(policy.to_compact_json()).build().unwrap()
    }

    fn of(&self, tenant: &str) -> Dynamo<PooledRole> {
        self.db.with_strategy(self.session(tenant))
    }
}

fn item(tenant: &str) -> Value {
    json!({ "tenant": tenant, "n": 1 })
}

/// Every operation that there is, on the item of `tenant`; the kinds of the errors.
async fn each_operation<S: CredentialStrategy>(
    db: &Dynamo<S>,
    tenant: &str,
) -> Vec<(&'static str, Result<()>)> {
    let table: Table<S> = db.table("Items");
    let key = || ("tenant", tenant);
    let is_there = || attr("n").exists();
    vec![
        ("put", table.put(&item(tenant)).send().await.map(drop)),
        ("get", table.get(key()).send::<Value>().await.map(drop)),
        ("get whole", table.get(key()).output().await.map(drop)),
        (
            "update",
            table.update(key()).add("n", 1).send().await.map(drop),
        ),
        (
            "attempt",
            table
                .update(key())
                .add("n", 1)
                .only_if(is_there())
                .attempt::<Value>()
                .await
                .map(|attempt| assert!(attempt.is_written())),
        ),
        (
            "query",
            table.query("tenant", tenant).all::<Value>().await.map(drop),
        ),
        (
            "query whole",
            table.query("tenant", tenant).output().await.map(drop),
        ),
        (
            "batch get",
            table
                .batch_get([key()])
                .send::<Value>()
                .await
                .and_then(|found| found.complete())
                .map(drop),
        ),
        (
            "batch write",
            table
                .batch_write()
                .put(&item(tenant))
                .send()
                .await
                .and_then(|report| report.complete()),
        ),
        (
            "transact write",
            db.transact_write()
                .put(table.put(&item(tenant)))
                .send()
                .await
                .map(drop),
        ),
        (
            "transact get",
            db.transact_get()
                .get(table.get(key()))
                .send::<Value>()
                .await
                .map(drop),
        ),
        ("delete", table.delete(key()).send().await.map(drop)),
    ]
}

/// What a policy by leading keys leaves out: operations that name no key.
async fn without_a_key<S: CredentialStrategy>(db: &Dynamo<S>) -> [(&'static str, Result<()>); 3] {
    let table = db.table("Items");
    let minute = Duration::from_secs(60);
    [
        ("scan", table.scan().all::<Value>().await.map(drop)),
        ("scan whole", table.scan().output().await.map(drop)),
        ("wait", table.wait_until_active(minute).await),
    ]
}

/// Through the SDK's client; the code, where it is an error.
async fn by_client<S: CredentialStrategy>(db: &Dynamo<S>, tenant: &str) -> Option<String> {
    let request = db.client().get_item().table_name("Items");
    let key = AttributeValue::S(tenant.to_owned());
    let sent = request.key("tenant", key).send().await;
    let code = |error: aws_sdk_dynamodb::error::SdkError<_>| {
        aws_sdk_dynamodb::error::ProvideErrorMetadata::code(&error).map(str::to_owned)
    };
    sent.err().and_then(code)
}

fn assert_denied(outcomes: impl IntoIterator<Item = (&'static str, Result<()>)>) {
    for (operation, outcome) in outcomes {
        let error = outcome.expect_err(operation);
        let denied = matches!(error.kind(), ErrorKind::AccessDenied(_));
        assert!(denied, "{operation}: {error:#}");
    }
}

#[tokio::test]
async fn every_operation_is_signed_by_its_own_strategy() {
    let scene = Scene::new().await;
    let (a, b) = (scene.of("a"), scene.of("b"));
    for (db, tenant) in [(&a, "a"), (&b, "b")] {
        for (operation, outcome) in each_operation(db, tenant).await {
            outcome.unwrap_or_else(|error| panic!("{operation}: {error:#}"));
        }
        assert_eq!(by_client(db, tenant).await, None);
    }
    for db in [&a, &b.with_strategy(scene.session("a"))] {
        assert_denied(each_operation(db, "b").await);
        assert_denied(without_a_key(db).await);
        let code = by_client(db, "b").await;
        assert_eq!(code.as_deref(), Some("AccessDeniedException"));
    }
    let whole = scene.pool.role(&scene.role).session_name("whole").build();
    for (operation, outcome) in without_a_key(&a.with_strategy(whole.unwrap())).await {
        outcome.unwrap_or_else(|error| panic!("{operation}: {error:#}"));
    }
    // What they were made from goes on as itself.
    assert_denied(each_operation(&scene.db, "a").await);
    assert_denied(without_a_key(&scene.db).await);
    assert_eq!(scene.cloud.sts().calls().assume_role, 3);
}

#[tokio::test]
async fn a_key_that_is_rejected_is_replaced_for_its_own_strategy_only() {
    let scene = Scene::new().await;
    let (a, b) = (scene.of("a"), scene.of("b"));
    for (db, tenant) in [(&a, "a"), (&b, "b")] {
        db.table("Items").put(&item(tenant)).send().await.unwrap();
    }
    let held = |db: &Dynamo<PooledRole>| db.strategy().status().key_id.unwrap();
    let (of_a, of_b) = (held(&a), held(&b));
    assert!(scene.cloud.revoke(&of_a));
    scene.cloud.dynamodb().reset_counts();
    let read = |db: &Dynamo<PooledRole>, tenant: &'static str| {
        db.table("Items").get(("tenant", tenant)).send::<Value>()
    };
    assert_eq!(read(&b, "b").await.unwrap(), Some(item("b")));
    assert_eq!(scene.cloud.dynamodb().calls().total(), 1);
    // Rejected, replaced, and sent once more.
    assert_eq!(read(&a, "a").await.unwrap(), Some(item("a")));
    assert_eq!(scene.cloud.dynamodb().calls().total(), 3);
    assert_eq!(scene.cloud.sts().calls().assume_role, 3);
    assert_ne!(held(&a), of_a);
    assert_eq!(held(&b), of_b);
    // A batch, which has a client of its own, and the client of the SDK.
    assert!(scene.cloud.revoke(&held(&a)));
    let keys = [("tenant", "a")];
    let found = a.table("Items").batch_get(keys).send::<Value>().await;
    assert_eq!(found.unwrap().complete().unwrap(), [item("a")]);
    assert_eq!(by_client(&a, "a").await, None);
    assert!(scene.cloud.revoke(&held(&a)));
    assert_eq!(by_client(&a, "a").await, None);
    assert_eq!(scene.cloud.sts().calls().assume_role, 5);
    assert_eq!(b.strategy().status().fetches, 1);
}

#[tokio::test]
async fn a_batch_and_a_transaction_are_of_one_strategy() {
    let scene = Scene::new().await;
    let (a, b) = (scene.of("a"), scene.of("b"));
    let put = |db: &Dynamo<PooledRole>| db.table("Items").put(&item("a"));
    let batch = a.batch_write().write(put(&a)).write(put(&b)).send().await;
    let transaction = a.transact_write().put(put(&a)).put(put(&b)).send().await;
    for error in [batch.map(drop).unwrap_err(), transaction.unwrap_err()] {
        assert_eq!(*error.kind(), ErrorKind::Usage, "{error}");
    }
    assert_eq!(scene.cloud.dynamodb().calls().total(), 0);
}

#[tokio::test]
async fn prefix_and_recorder_are_shared() {
    let scene = Scene::new().await;
    let prefixed = scene.db.clone().with_prefix("dev-");
    let a = prefixed.with_strategy(scene.session("a"));
    assert_eq!(a.table("Items").name(), "dev-Items");
    let read = a.table("Items").get(("tenant", "a")).send::<Value>().await;
    read.unwrap_err();
    let policy = scene
        .db
        .recorder()
        .policy("aws", "us-east-1", "123456789012");
    let policy = policy.unwrap().to_compact_json();
    assert!(policy.contains("dynamodb:GetItem"), "{policy}");
}

/// Answers everything with an empty object, and remembers who signed.
#[derive(Clone, Debug, Default)]
struct Signers(Arc<Mutex<Vec<String>>>);

impl HttpConnector for Signers {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let signed = request.headers().get("authorization").unwrap_or_default();
        let (_, key) = signed.split_once("Credential=").unwrap();
        let key = key.split('/').next().unwrap().to_owned();
        self.0.lock().unwrap().push(key);
        let body = SdkBody::from("{}");
        let answer = HttpResponse::new(200.try_into().unwrap(), body);
        HttpConnectorFuture::ready(Ok(answer))
    }
}

impl Signers {
    fn settings(&self) -> SdkConfig {
        let connector = self.clone();
        SdkConfig::builder()
            .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest())
            .region(aws_sdk_dynamodb::config::Region::new("us-east-1"))
            .http_client(http_client_fn(move |_, _| {
                SharedHttpConnector::new(connector.clone())
            }))
            .build()
    }
}

fn fixed(key: &str) -> Provided {
    let key = Credentials::new(key, "secret", None, None, "test");
    Provided::new("test", SharedCredentialsProvider::new(key))
}

async fn read<S: CredentialStrategy>(db: &Dynamo<S>) -> Result<Option<Value>> {
    db.table("Items").get(("id", "1")).send().await
}

#[tokio::test]
async fn all_of_them_send_through_the_one_http_client() {
    let signers = Signers::default();
    let db = Dynamo::new(fixed("AKIAFIRST"), &signers.settings());
    let many: Vec<_> = (0..100)
        .map(|n| db.with_strategy(fixed(&format!("AKIA{n}"))))
        .collect();
    for db in &many {
        read(db).await.unwrap();
    }
    read(&db).await.unwrap();
    let mut expected: Vec<_> = (0..100).map(|n| format!("AKIA{n}")).collect();
    expected.push("AKIAFIRST".to_owned());
    assert_eq!(*signers.0.lock().unwrap(), expected);
}

/// Takes as long as a pool with thousands of tenants before this one, or fails then.
#[derive(Debug)]
struct Queued {
    fails: bool,
}

impl CredentialSource for Queued {
    fn name(&self) -> &'static str {
        "Queued"
    }

    async fn fetch(&self) -> Result<Credentials> {
        tokio::time::sleep(Duration::from_secs(50)).await;
        if self.fails {
            return Err(Error::terminal("the test wants a person"));
        }
        Ok(Credentials::new("AKIAQUEUED", "secret", None, None, "test"))
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_is_waited_for_as_long_as_its_strategy_does() {
    let signers = Signers::default();
    let db = Dynamo::new(fixed("AKIAFIRST"), &signers.settings());
    let minute = Duration::from_secs(60);
    let policy = RefreshPolicy::default()
        .fetch_timeout(minute)
        .wait_timeout(minute);
    let [came, failed] = [false, true].map(|fails| {
        let tenant = CredentialCache::new(Queued { fails }, policy);
        db.with_strategy(tenant)
    });
    for _ in 0..2 {
        read(&came).await.unwrap();
    }
    assert_eq!(*signers.0.lock().unwrap(), ["AKIAQUEUED"; 2]);
    let error = read(&failed).await.unwrap_err();
    assert!(error.is_terminal(), "{error:#}");
    let said = format!("{error:#}");
    assert_eq!(said.matches("the test wants a person").count(), 1, "{said}");
    assert_eq!(failed.strategy().status().fetches, 1, "asked once");
}
