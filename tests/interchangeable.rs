//! Promise: strategies are interchangeable. One suite, written over `CredentialStrategy` alone, passes for
//! Option A, Option B over credentials and over the token of an external identity, one on top of the other,
//! and `Provided` over aws-config's own providers: by value, and behind `Arc<dyn CredentialStrategy>` and
//! `Box<dyn CredentialStrategy>`.
#![cfg(all(feature = "table", feature = "env"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use aws_config::imds;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_strategies::iam::TrustPolicy;
use aws_credential_strategies::local::{DEFAULT_ROLE, Fault, LocalCloud, Role, Trust};
use aws_credential_strategies::source::Base;
use aws_credential_strategies::{
    AssumeRole, CredentialStrategy, InstanceProfile, Provided, Rejection, SdkConfig, SdkProvider,
    StrategyConfig,
};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde_json::json;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

async fn stocked(cloud: LocalCloud) -> LocalCloud {
    cloud.create_table(("MyTable", "id")).unwrap();
    cloud
        .put_item("MyTable", &json!({ "id": "123", "name": "Ada" }))
        .unwrap();
    cloud
        .add_role(Role::new("App").trust(Trust::account(cloud.account())))
        .unwrap();
    cloud
}

async fn cloud_with_item() -> LocalCloud {
    stocked(LocalCloud::start().await.unwrap()).await
}

/// Source calls so far that hand out credentials of this strategy.
type Count<'a> = dyn Fn(&LocalCloud) -> u64 + Sync + 'a;

fn documents(cloud: &LocalCloud) -> u64 {
    cloud.imds().calls().documents()
}

fn assumptions(cloud: &LocalCloud) -> u64 {
    cloud.sts().calls().assume_role
}

fn by_token(cloud: &LocalCloud) -> u64 {
    cloud.sts().calls().assume_role_with_web_identity
}

fn pods(cloud: &LocalCloud) -> u64 {
    cloud.container().calls().pod
}

async fn read_item(settings: SdkConfig, strategy: impl CredentialStrategy) {
    let config = settings
        .into_builder()
        .credentials_provider(SharedCredentialsProvider::new(SdkProvider::new(strategy)))
        .build();
    let item = aws_sdk_dynamodb::Client::new(&config)
        .get_item()
        .table_name("MyTable")
        .key("id", AttributeValue::S("123".to_owned()))
        .send()
        .await
        .unwrap()
        .item
        .expect("item 123 is there");
    assert_eq!(item["name"].as_s().unwrap(), "Ada");
}

/// What a program may rely on, whichever strategy it was given. `account`: its credentials know theirs.
async fn suite<S: CredentialStrategy>(
    cloud: &LocalCloud,
    strategy: S,
    fetched: &Count<'_>,
    account: bool,
) {
    let strategy = Arc::new(strategy);
    let before = fetched(cloud);
    let fetches = || fetched(cloud) - before;
    let name = strategy.name();
    assert!(!name.is_empty());
    assert!(
        strategy.current().is_none(),
        "{name}: constructors do no I/O"
    );
    assert_eq!(fetches(), 0, "{name}: constructors do no I/O");
    let mut news = strategy.subscribe();

    // However many callers: one fetch.
    let callers: Vec<_> = (0..16)
        .map(|_| {
            let strategy = Arc::clone(&strategy);
            tokio::spawn(async move { strategy.credentials().await })
        })
        .collect();
    let mut keys = Vec::new();
    for caller in callers {
        keys.push(caller.await.unwrap().unwrap().access_key_id().to_owned());
    }
    keys.dedup();
    assert_eq!(keys.len(), 1, "{name}: one key for all");
    assert_eq!(fetches(), 1, "{name}: one fetch for all");

    // What they hold is whole, current and reported.
    let credentials = strategy.credentials().await.unwrap();
    assert!(credentials.access_key_id().starts_with("ASIA"), "{name}");
    assert!(credentials.session_token().is_some(), "{name}");
    assert!(credentials.expiry().is_some(), "{name}");
    let of = account.then(|| cloud.account().to_owned());
    let known = credentials.account_id().map(|id| id.as_str().to_owned());
    assert_eq!(known, of, "{name}");
    let current = strategy.current().expect("current after a fetch");
    assert_eq!(current.access_key_id(), credentials.access_key_id());
    assert!(strategy.current_identity().is_some(), "{name}");
    let status = strategy.status();
    assert_eq!(status.key_id.as_deref(), Some(credentials.access_key_id()));
    assert_eq!(status.expires_at, credentials.expiry());
    assert_eq!(status.account_id, of);
    assert!(status.last_error.is_none(), "{name}");
    news.changed().await.unwrap();
    let told = news.borrow_and_update().key_id.clone();
    assert_eq!(told.as_deref(), Some(credentials.access_key_id()), "{name}");
    let minute = Duration::from_secs(60);
    let lasting = strategy.credentials_valid_for(minute).await.unwrap();
    assert_eq!(lasting.access_key_id(), credentials.access_key_id());
    assert_eq!(
        fetches(),
        1,
        "{name}: valid credentials are not fetched again"
    );

    // The item of the seed, by any SDK client.
    read_item(cloud.sdk_config(), Arc::clone(&strategy)).await;
    strategy.accepted(credentials.access_key_id());

    // A key that a service rejected is replaced, once; a key of others is not.
    assert_eq!(strategy.invalidate("AKIDOTHER"), Rejection::NotCurrent);
    assert!(cloud.revoke(credentials.access_key_id()));
    assert_eq!(
        strategy.invalidate(credentials.access_key_id()),
        Rejection::Invalidated
    );
    let renewed = strategy.credentials().await.unwrap();
    assert_ne!(renewed.access_key_id(), credentials.access_key_id());
    assert_eq!(fetches(), 2, "{name}");
    assert_eq!(
        strategy.invalidate(credentials.access_key_id()),
        Rejection::NotCurrent
    );
    let forced = strategy.refresh().await.unwrap();
    assert!(!forced.access_key_id().is_empty(), "{name}");

    // The source may fail while credentials are valid: nobody notices.
    let held = strategy.credentials().await.unwrap();
    cloud.imds().fail(Fault::Reset);
    cloud.sts().fail(Fault::Reset);
    cloud.container().fail(Fault::Reset);
    let served = strategy.credentials().await.unwrap();
    assert_eq!(served.access_key_id(), held.access_key_id());
    cloud.imds().heal();
    cloud.sts().heal();
    cloud.container().heal();
}

/// The suite by value, behind `Arc<dyn>` and behind `Box<dyn>`.
async fn three_ways<S: CredentialStrategy>(
    cloud: &LocalCloud,
    make: impl Fn() -> S,
    fetched: &Count<'_>,
    account: bool,
) {
    suite(cloud, make(), fetched, account).await;
    let shared: Arc<dyn CredentialStrategy> = Arc::new(make());
    suite(cloud, shared, fetched, account).await;
    let boxed: Box<dyn CredentialStrategy> = Box::new(make());
    suite(cloud, boxed, fetched, account).await;
}

fn instance_profile(cloud: &LocalCloud) -> InstanceProfile {
    InstanceProfile::builder()
        .endpoint(cloud.imds_endpoint())
        .build()
        .unwrap()
}

fn assume_role(cloud: &LocalCloud, base: impl Into<Base>) -> AssumeRole {
    AssumeRole::builder(cloud.role_arn("App"))
        .sdk_config(&cloud.sdk_config())
        .base(base)
        .session_name("interchangeable")
        .build()
        .unwrap()
}

fn user(cloud: &LocalCloud) -> SharedCredentialsProvider {
    SharedCredentialsProvider::new(cloud.create_access_key("deployer"))
}

#[tokio::test]
async fn instance_profile_keeps_the_promises() {
    let cloud = cloud_with_item().await;
    three_ways(&cloud, || instance_profile(&cloud), &documents, true).await;
}

#[tokio::test]
async fn assume_role_keeps_the_promises() {
    let cloud = cloud_with_item().await;
    let make = || assume_role(&cloud, user(&cloud));
    three_ways(&cloud, make, &assumptions, true).await;
}

#[tokio::test]
async fn assume_role_over_instance_profile_keeps_the_promises() {
    let cloud = cloud_with_item().await;
    let make = || assume_role(&cloud, instance_profile(&cloud));
    three_ways(&cloud, make, &assumptions, true).await;
    let over_any = || {
        let base: Arc<dyn CredentialStrategy> = Arc::new(instance_profile(&cloud));
        assume_role(&cloud, base)
    };
    three_ways(&cloud, over_any, &assumptions, true).await;
}

/// A role that a job of GitHub Actions assumes with its token.
fn assume_role_by_token(cloud: &Arc<LocalCloud>) -> impl Fn() -> AssumeRole {
    let issuer = "https://token.actions.githubusercontent.com";
    let subject = "repo:example/app:ref:refs/heads/main";
    let provider = cloud
        .add_oidc_provider(issuer, ["sts.amazonaws.com"])
        .unwrap();
    let trust = TrustPolicy::builder()
        .oidc(&provider, "sts.amazonaws.com")
        .subject(subject)
        .build()
        .unwrap();
    cloud.add_role(Role::new("Deploy").trust(trust)).unwrap();
    let cloud = Arc::clone(cloud);
    move || {
        let job = Arc::clone(&cloud);
        AssumeRole::builder(cloud.role_arn("Deploy"))
            .sdk_config(&cloud.sdk_config())
            .web_identity(move || {
                let token = job
                    .oidc_issuer()
                    .token(&json!({ "iss": issuer, "sub": subject }));
                async move { Ok(token?) }
            })
            .build()
            .unwrap()
    }
}

#[tokio::test]
async fn assume_role_by_web_identity_keeps_the_promises() {
    let cloud = Arc::new(cloud_with_item().await);
    let make = assume_role_by_token(&cloud);
    three_ways(&cloud, make, &by_token, true).await;
}

async fn in_a_partition(region: &str, partition: &str) {
    let cloud = LocalCloud::builder().region(region).start().await.unwrap();
    let cloud = Arc::new(stocked(cloud).await);
    let arn = cloud.role_arn("App");
    assert!(arn.starts_with(&format!("arn:{partition}:iam::")), "{arn}");
    suite(&cloud, instance_profile(&cloud), &documents, true).await;
    let over_keys = assume_role(&cloud, user(&cloud));
    suite(&cloud, over_keys, &assumptions, true).await;
    let over_a = assume_role(&cloud, instance_profile(&cloud));
    suite(&cloud, over_a, &assumptions, true).await;
    suite(&cloud, assume_role_by_token(&cloud)(), &by_token, true).await;
}

#[tokio::test]
async fn in_china_the_promises_are_kept() {
    in_a_partition("cn-north-1", "aws-cn").await;
}

#[tokio::test]
async fn in_govcloud_the_promises_are_kept() {
    in_a_partition("us-gov-west-1", "aws-us-gov").await;
}

#[tokio::test]
async fn in_the_european_sovereign_cloud_the_promises_are_kept() {
    in_a_partition("eusc-de-east-1", "aws-eusc").await;
}

#[tokio::test]
async fn the_sdks_provider_of_the_metadata_service_keeps_the_promises() {
    let cloud = cloud_with_item().await;
    let config = ProviderConfig::empty()
        .with_http_client(cloud.sdk_config().http_client().unwrap())
        .with_region(cloud.sdk_config().region().cloned());
    let make = || {
        let client = imds::Client::builder()
            .configure(&config)
            .endpoint(cloud.imds_endpoint())
            .unwrap()
            .build();
        let provider = imds::credentials::ImdsCredentialsProvider::builder()
            .configure(&config)
            .imds_client(client)
            .build();
        Provided::new("Imds", provider)
    };
    // It discards the account.
    three_ways(&cloud, make, &documents, false).await;
}

/// A command that prints the session in a file, and counts how often it did.
struct Script {
    folder: PathBuf,
}

impl Script {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("interchangeable-{}-{count}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        Script { folder }
    }

    /// Prints `first` until the file `revoked` is there, `second` after.
    fn command(&self, first: &str, second: &str) -> String {
        for (name, text) in [("first", first), ("second", second), ("runs", "")] {
            fs::write(self.folder.join(name), text).unwrap();
        }
        let folder = self.folder.display();
        format!(
            "echo >> {folder}/runs; if [ $(wc -l < {folder}/runs) -lt 2 ]; then cat {folder}/first; \
             else cat {folder}/second; fi"
        )
    }

    fn runs(&self) -> u64 {
        let runs = fs::read_to_string(self.folder.join("runs")).unwrap_or_default();
        runs.lines().count().try_into().unwrap()
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A session of the role, as a process prints it.
async fn printed(cloud: &LocalCloud) -> String {
    let session = assume_role(cloud, user(cloud)).credentials().await.unwrap();
    let expiry = DateTime::from(session.expiry().unwrap());
    json!({
        "Version": 1,
        "AccessKeyId": session.access_key_id(),
        "SecretAccessKey": session.secret_access_key(),
        "SessionToken": session.session_token(),
        "Expiration": expiry.fmt(Format::DateTime).unwrap(),
        "AccountId": cloud.account(),
    })
    .to_string()
}

#[cfg(unix)]
#[tokio::test]
async fn the_sdks_provider_of_a_process_keeps_the_promises() {
    for way in 0..3 {
        let cloud = cloud_with_item().await;
        let script = Script::new();
        let (first, second) = (printed(&cloud).await, printed(&cloud).await);
        let strategy = Provided::process(script.command(&first, &second));
        let fetched = |_: &LocalCloud| script.runs();
        match way {
            0 => suite(&cloud, strategy, &fetched, true).await,
            1 => {
                let shared: Arc<dyn CredentialStrategy> = Arc::new(strategy);
                suite(&cloud, shared, &fetched, true).await;
            }
            _ => {
                let boxed: Box<dyn CredentialStrategy> = Box::new(strategy);
                suite(&cloud, boxed, &fetched, true).await;
            }
        }
    }
}

#[cfg(unix)]
#[allow(deprecated)] // where its files are given in code
#[tokio::test]
async fn the_sdks_provider_of_a_profile_keeps_the_promises() {
    use aws_config::profile::profile_file::{ProfileFileKind, ProfileFiles};

    for way in 0..3 {
        let cloud = cloud_with_item().await;
        let script = Script::new();
        let (first, second) = (printed(&cloud).await, printed(&cloud).await);
        let command = script.folder.join("command");
        fs::write(&command, script.command(&first, &second)).unwrap();
        let text = format!(
            "[profile app]\ncredential_process = sh {}\n",
            command.display()
        );
        let files = ProfileFiles::builder()
            .with_contents(ProfileFileKind::Config, text)
            .build();
        let provider = ProfileFileCredentialsProvider::builder()
            .profile_files(files)
            .profile_name("app")
            .build();
        let strategy = Provided::new("Profile", provider);
        let fetched = |_: &LocalCloud| script.runs();
        match way {
            0 => suite(&cloud, strategy, &fetched, true).await,
            1 => {
                let shared: Arc<dyn CredentialStrategy> = Arc::new(strategy);
                suite(&cloud, shared, &fetched, true).await;
            }
            _ => {
                let boxed: Box<dyn CredentialStrategy> = Box::new(strategy);
                suite(&cloud, boxed, &fetched, true).await;
            }
        }
    }
}

/// Runs one test of this file in a process with other variables, since those of a process are shared.
fn in_a_process_of_its_own(test: &str, variables: &[(&str, String)]) {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["--exact", test, "--nocapture"])
        .env("TEST_IN_CHILD", test)
        .envs(variables.iter().map(|(name, value)| (*name, value)));
    let output = child.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
}

fn is_child(test: &str) -> bool {
    std::env::var("TEST_IN_CHILD").is_ok_and(|child| child == test)
}

#[tokio::test]
async fn the_sdks_provider_of_a_container_keeps_the_promises() {
    let test = "the_sdks_provider_of_a_container_keeps_the_promises";
    let file_variable = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
    if !is_child(test) {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let script = Script::new();
        let uri = format!("http://127.0.0.1:{port}/v1/credentials");
        let file = script.folder.join("token").display().to_string();
        let variables = [
            ("TEST_PORT", port.to_string()),
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri),
            (file_variable, file),
        ];
        return in_a_process_of_its_own(test, &variables);
    }
    let port = std::env::var("TEST_PORT").unwrap().parse().unwrap();
    let builder = LocalCloud::builder().container_port(port);
    let cloud = stocked(builder.start().await.unwrap()).await;
    let token = cloud.container().pod_token("default", "app").unwrap();
    fs::write(std::env::var(file_variable).unwrap(), token).unwrap();
    three_ways(&cloud, Provided::container, &pods, true).await;
}

/// Keys of the environment do not end and are not replaced: the rest of the suite holds for them too.
#[tokio::test]
async fn the_sdks_provider_of_the_environment_keeps_the_promises_of_keys_that_do_not_end() {
    let test = "the_sdks_provider_of_the_environment_keeps_the_promises_of_keys_that_do_not_end";
    if !is_child(test) {
        let cloud = cloud_with_item().await;
        let keys = cloud.create_access_key("deployer");
        let variables = [
            ("AWS_ACCESS_KEY_ID", keys.access_key_id().to_owned()),
            ("AWS_SECRET_ACCESS_KEY", keys.secret_access_key().to_owned()),
            ("TEST_DYNAMODB", cloud.dynamodb_endpoint().to_owned()),
        ];
        let child = tokio::task::spawn_blocking(move || in_a_process_of_its_own(test, &variables));
        return child.await.unwrap();
    }
    let shared: Arc<dyn CredentialStrategy> = Arc::new(Provided::environment());
    let boxed: Box<dyn CredentialStrategy> = Box::new(Provided::environment());
    without_end(Provided::environment()).await;
    without_end(shared).await;
    without_end(boxed).await;
}

async fn without_end<S: CredentialStrategy>(strategy: S) {
    let strategy = Arc::new(strategy);
    assert!(strategy.current().is_none(), "constructors do no I/O");
    let keys = strategy.credentials().await.unwrap();
    assert!(keys.access_key_id().starts_with("AKIA"));
    assert_eq!(keys.expiry(), None);
    let status = strategy.status();
    assert_eq!(status.key_id.as_deref(), Some(keys.access_key_id()));
    assert_eq!(status.fetches, 1);
    let year = Duration::from_secs(365 * 86_400);
    strategy.credentials_valid_for(year).await.unwrap();
    let settings = SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(aws_credential_strategies::Region::from_static("us-east-1"))
        .endpoint_url(std::env::var("TEST_DYNAMODB").unwrap())
        .build();
    read_item(settings, Arc::clone(&strategy)).await;
    assert_eq!(strategy.invalidate("AKIDOTHER"), Rejection::NotCurrent);
    assert_eq!(
        strategy.invalidate(keys.access_key_id()),
        Rejection::Invalidated
    );
    let same = strategy.credentials().await.unwrap();
    assert_eq!(same.access_key_id(), keys.access_key_id());
    assert!(strategy.status().rejected_key_returned);
}

#[tokio::test]
async fn strategies_chosen_by_configuration_keep_the_promises() {
    let cloud = cloud_with_item().await;
    let imds = cloud.imds_endpoint();
    let option_a =
        json!({ "strategy": "instance_profile", "endpoint": imds, "profile": DEFAULT_ROLE });
    let option_b = json!({
        "strategy": "assume_role",
        "role_arn": cloud.role_arn("App"),
        "region": "us-east-1",
        "base": option_a,
    });
    let settings = cloud.sdk_config();
    let strategy = StrategyConfig::from_json(&option_a.to_string()).unwrap();
    let strategy = strategy.build_with(&settings).unwrap();
    suite(&cloud, strategy, &documents, true).await;
    let strategy = StrategyConfig::from_json(&option_b.to_string()).unwrap();
    let strategy = strategy.build_with(&settings).unwrap();
    suite(&cloud, strategy, &assumptions, true).await;
}
