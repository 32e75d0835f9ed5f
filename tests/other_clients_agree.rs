//! Promise: clients that know nothing of this crate get credentials from the embedded cloud and read
//! an item with them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use aws_config::ecs::EcsCredentialsProvider;
use aws_config::imds;
use aws_config::provider_config::ProviderConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_credential_strategies::iam::TrustPolicy;
use aws_credential_strategies::local::{DEFAULT_ROLE, LocalCloud, Role, Trust};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_types::error::display::DisplayErrorContext;
use aws_types::SdkConfig;
use aws_types::region::Region;
use serde_json::json;
use std::process::Command;
use std::time::Duration;

async fn cloud_with_item() -> LocalCloud {
    let cloud = LocalCloud::start().await.unwrap();
    cloud.create_table(("MyTable", "id")).unwrap();
    cloud
        .put_item("MyTable", &json!({ "id": "123", "name": "Ada" }))
        .unwrap();
    cloud
}

async fn name_of_item_123(config: &SdkConfig) -> String {
    let item = aws_sdk_dynamodb::Client::new(config)
        .get_item()
        .table_name("MyTable")
        .key("id", AttributeValue::S("123".to_owned()))
        .send()
        .await
        .unwrap()
        .item
        .expect("item 123 is there");
    item["name"].as_s().unwrap().clone()
}

fn signed_by(cloud: &LocalCloud, provider: impl ProvideCredentials + 'static) -> SdkConfig {
    cloud
        .sdk_config()
        .into_builder()
        .credentials_provider(SharedCredentialsProvider::new(provider))
        .build()
}

async fn instance_profile(cloud: &LocalCloud) -> imds::credentials::ImdsCredentialsProvider {
    let config = ProviderConfig::empty()
        .with_http_client(cloud.sdk_config().http_client().unwrap())
        .with_region(cloud.sdk_config().region().cloned());
    let client = imds::Client::builder()
        .configure(&config)
        .endpoint(cloud.imds_endpoint())
        .unwrap()
        .build();
    imds::credentials::ImdsCredentialsProvider::builder()
        .configure(&config)
        .imds_client(client)
        .build()
}

#[tokio::test]
async fn the_sdks_imds_provider_reads_the_item() {
    let cloud = cloud_with_item().await;
    let provider = instance_profile(&cloud).await;

    let credentials = provider.provide_credentials().await.unwrap();
    assert!(credentials.access_key_id().starts_with("ASIA"));
    assert!(credentials.session_token().is_some());

    let config = signed_by(&cloud, provider);
    assert_eq!(name_of_item_123(&config).await, "Ada");
    let calls = cloud.imds().calls();
    assert_eq!((calls.token, calls.documents()), (1, 2));
    assert_eq!(cloud.dynamodb().calls().of("GetItem"), 1);
}

#[tokio::test]
async fn the_sdks_assume_role_provider_reads_the_item() {
    let cloud = cloud_with_item().await;
    let role = cloud
        .add_role(Role::new("App").trust(Trust::account(cloud.account()).external_id("42")))
        .unwrap();
    let base = cloud.create_access_key("deployer");
    let provider = AssumeRoleProvider::builder(role)
        .session_name("app-session")
        .external_id("42")
        .session_length(Duration::from_secs(900))
        .configure(&cloud.sdk_config())
        .build_from_provider(base)
        .await;

    let config = signed_by(&cloud, provider);
    assert_eq!(name_of_item_123(&config).await, "Ada");
    assert_eq!(cloud.sts().calls().assume_role, 1);

    let identity = aws_sdk_sts::Client::new(&config)
        .get_caller_identity()
        .send()
        .await
        .unwrap();
    assert_eq!(
        identity.arn(),
        Some("arn:aws:sts::123456789012:assumed-role/App/app-session")
    );
    assert_eq!(identity.account(), Some("123456789012"));
}

#[tokio::test]
async fn the_sdks_assume_role_provider_chains_onto_the_imds_provider() {
    let cloud = cloud_with_item().await;
    let base = instance_profile(&cloud).await;
    let provider = AssumeRoleProvider::builder(cloud.role_arn(DEFAULT_ROLE))
        .session_name("EC2Session")
        .configure(&cloud.sdk_config())
        .build_from_provider(base)
        .await;
    let config = signed_by(&cloud, provider);
    assert_eq!(name_of_item_123(&config).await, "Ada");
}

/// A file that is gone with the test.
struct TokenFile(std::path::PathBuf);

impl TokenFile {
    fn new(name: &str, token: &str) -> Self {
        let name = format!("aws-credential-strategies-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, token).unwrap();
        TokenFile(path)
    }
}

impl Drop for TokenFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

const TASK: &str = "TASK_OF_THE_CHILD";
const SAID: &str = "said: ";

/// The name of item 123, or the error: read in a process of its own by a provider that takes all it
/// needs from the environment.
async fn read_in_child(
    cloud: &LocalCloud,
    task: &'static str,
    variables: &[(&str, &str)],
) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "child", "--nocapture"])
        .env(TASK, task);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
        command.env_remove(name);
    }
    command.envs(cloud.environment());
    command.envs(variables.iter().copied());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let said = String::from_utf8(output.await.unwrap().stdout).unwrap();
    let (_, read) = said.split_once(SAID).unwrap_or_else(|| panic!("{said}"));
    read.lines().next().unwrap().to_owned()
}

/// Not a test by itself: what the children do.
#[test]
fn child() {
    let Ok(task) = std::env::var(TASK) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(async move {
        let client = aws_smithy_http_client::Builder::new().build_http();
        let region = Region::new(std::env::var("AWS_REGION").unwrap());
        let config = ProviderConfig::empty()
            .with_http_client(client.clone())
            .with_region(Some(region));
        let provider = match task.as_str() {
            "container" => SharedCredentialsProvider::new(
                EcsCredentialsProvider::builder().configure(&config).build(),
            ),
            "web identity" => SharedCredentialsProvider::new(
                WebIdentityTokenCredentialsProvider::builder()
                    .configure(&config)
                    .build(),
            ),
            other => panic!("no task {other}"),
        };
        let said = match provider.provide_credentials().await {
            Ok(_) => {
                let settings = aws_config::defaults(BehaviorVersion::latest())
                    .http_client(client)
                    .credentials_provider(provider);
                name_of_item_123(&settings.load().await).await
            }
            Err(error) => DisplayErrorContext(error).to_string(),
        };
        println!("\n{SAID}{said}");
    });
}

#[tokio::test]
async fn the_sdks_web_identity_provider_reads_the_item() {
    let cloud = cloud_with_item().await;
    let sub = "system:serviceaccount:default:app";
    let trust = TrustPolicy::builder()
        .oidc(&cloud.oidc_provider_arn(), "sts.amazonaws.com")
        .subject(sub)
        .build()
        .unwrap();
    let role_arn = cloud.add_role(Role::new("App").trust(trust)).unwrap();
    let token = cloud.oidc_issuer().token(&json!({ "sub": sub })).unwrap();
    let file = TokenFile::new("web-identity", &token);
    let variables = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", file.0.to_str().unwrap()),
        ("AWS_ROLE_ARN", &*role_arn),
        ("AWS_ROLE_SESSION_NAME", "app-session"),
    ];
    assert_eq!(
        read_in_child(&cloud, "web identity", &variables).await,
        "Ada"
    );

    let settings = cloud.sdk_config();
    let client = aws_sdk_sts::Client::from_conf(
        aws_sdk_sts::config::Builder::from(&settings)
            .allow_no_auth()
            .build(),
    );
    let assumed = client
        .assume_role_with_web_identity()
        .role_arn(&role_arn)
        .role_session_name("app-session")
        .web_identity_token(&token)
        .send()
        .await
        .unwrap();
    assert_eq!(assumed.subject_from_web_identity_token(), Some(sub));
    assert_eq!(assumed.audience(), Some("sts.amazonaws.com"));
    assert_eq!(assumed.provider(), Some(&*cloud.oidc_provider_arn()));

    // once for the look at it, once for the table
    assert_eq!(cloud.sts().calls().assume_role_with_web_identity, 3);
}

#[tokio::test]
async fn the_sdks_container_provider_gets_the_keys_of_tasks_and_pods() {
    let cloud = cloud_with_item().await;
    let container = cloud.container();
    let task = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", &*container.task_uri())];
    assert_eq!(read_in_child(&cloud, "container", &task).await, "Ada");

    let pod_uri = container.pod_uri();
    let file = TokenFile::new("pod", &container.pod_token("default", "app").unwrap());
    let file = file.0.to_str().unwrap();
    let pod = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &*pod_uri),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file),
    ];
    assert_eq!(read_in_child(&cloud, "container", &pod).await, "Ada");
    let calls = container.calls();
    assert_eq!((calls.task, calls.pod, calls.other), (2, 2, 0));

    let without = read_in_child(&cloud, "container", &pod[..1]).await;
    assert!(without.contains("StatusCode(400)"), "{without}");
}
