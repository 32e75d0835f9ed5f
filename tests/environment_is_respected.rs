//! Promise: the metadata service is found and bounded by the environment variables that AWS names for
//! it, never reached through a proxy, and nothing else is taken from the environment.
//!
//! Variables belong to a process, so each case runs in a child: this test binary again.
#![cfg(feature = "env")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "source_support/scripted.rs"]
mod scripted;
mod source_support;

use aws_config::imds;
use aws_credential_strategies::local::{DEFAULT_ROLE, Fault, ImdsCall, LocalCloud};
use aws_credential_strategies::source::ProviderSource;
use aws_credential_strategies::{
    AssumeRole, CredentialSource, CredentialStrategy, Credentials, Error, InstanceProfile,
};
use aws_types::region::Region;
use scripted::Scripted;
use source_support::Recorder;
use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const TASK: &str = "TASK_OF_THE_CHILD";
const ANSWER: &str = "answer: ";

/// Runs a task of [`child`] under these variables alone, and returns what it said.
async fn in_child(task: &'static str, variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "child", "--nocapture"])
        .env(TASK, task);
    for (name, _) in std::env::vars() {
        let upper = name.to_uppercase();
        if upper.starts_with("AWS_") || upper.ends_with("_PROXY") {
            command.env_remove(name);
        }
    }
    command.envs(variables.iter().copied());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = output.await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let at = said.find(ANSWER).unwrap_or_else(|| panic!("{output:?}"));
    said[at + ANSWER.len()..].lines().next().unwrap().to_owned()
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
    let said = runtime.unwrap().block_on(async move {
        match task.as_str() {
            "fetch" => fetch().await.unwrap_or_else(|error| error.to_string()),
            "fetch with the sdk" => fetch_with_the_sdk().await,
            "assume without region" => assume_without_region(),
            "assume from the instance" => assume_from_the_instance().await,
            "fetch elsewhere" => fetch_elsewhere().await,
            "where is sts" => where_is_sts().await,
            "where is sts by the environment" => where_is_sts_by_the_environment().await,
            "assume by the profile" => assume_by(ProviderSource::profile("app")).await,
            "assume by the chain" => assume_by(ProviderSource::default_chain()).await,
            other => panic!("no task {other}"),
        }
    });
    println!("\n{ANSWER}{said}");
}

async fn fetch() -> Result<String, Error> {
    let credentials = InstanceProfile::new()?.credentials().await?;
    Ok(credentials.access_key_id()[..4].to_owned())
}

/// The builder is told what the environment says otherwise.
async fn fetch_elsewhere() -> String {
    let profile = InstanceProfile::builder()
        .endpoint(std::env::var("ELSEWHERE").unwrap())
        .max_attempts(1)
        .build();
    let credentials = profile.unwrap().credentials().await.unwrap();
    credentials.access_key_id()[..4].to_owned()
}

async fn fetch_with_the_sdk() -> String {
    let client = imds::Client::builder().max_attempts(1).build();
    let answer = client.get("/latest/meta-data/instance-id").await;
    answer.map_or_else(|_| "failed".to_owned(), String::from)
}

fn key() -> Credentials {
    Credentials::new("AKIDEXAMPLE", "secret", None, None, "test")
}

fn assume_without_region() -> String {
    AssumeRole::builder("arn:aws:iam::123456789012:role/App")
        .base_provider(key())
        .build()
        .unwrap_err()
        .to_string()
}

/// Without a base: the instance's own role signs.
async fn assume_from_the_instance() -> String {
    let strategy = AssumeRole::builder(std::env::var("ROLE").unwrap())
        .region(Region::new("us-east-1"))
        .sts_endpoint(std::env::var("ELSEWHERE").unwrap())
        .build()
        .unwrap();
    let credentials = strategy.credentials().await.unwrap();
    credentials.account_id().unwrap().as_str().to_owned()
}

async fn where_is_sts() -> String {
    let recorder = Recorder::refusing();
    AssumeRole::builder("arn:aws:iam::123456789012:role/App")
        .base_provider(key())
        .region(Region::new("eu-west-1"))
        .http_client(recorder.clone())
        .build()
        .unwrap()
        .credentials()
        .await
        .unwrap_err();
    recorder.seen()[0].uri.clone()
}

/// STS does not admit it; what it was asked is what matters.
async fn assume_by(source: ProviderSource) -> String {
    match source.fetch().await {
        Ok(credentials) => credentials.access_key_id().to_owned(),
        Err(error) => format!("{error:#}"),
    }
}

/// A server that only counts who connects.
async fn where_is_sts_by_the_environment() -> String {
    let recorder = Recorder::refusing();
    let built = AssumeRole::builder("arn:aws:iam::123456789012:role/App")
        .base_provider(key())
        .from_env()
        .await
        .http_client(recorder.clone())
        .build();
    match built {
        Err(error) => error.to_string(),
        Ok(strategy) => {
            strategy.credentials().await.unwrap_err();
            recorder.seen()[0].uri.clone()
        }
    }
}

fn proxy() -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let calls: Arc<AtomicU64> = Arc::default();
    let count = Arc::clone(&calls);
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            count.fetch_add(1, Ordering::SeqCst);
            drop(connection);
        }
    });
    (address, calls)
}

#[tokio::test]
async fn the_endpoint_comes_from_the_environment() {
    let cloud = LocalCloud::start().await.unwrap();
    let said = in_child(
        "fetch",
        &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", cloud.imds_endpoint())],
    )
    .await;
    assert_eq!(said, "ASIA");
    assert_eq!(cloud.imds().calls().total(), 3);
}

#[tokio::test]
async fn the_role_can_be_named_by_the_environment() {
    let cloud = LocalCloud::start().await.unwrap();
    for (role, said) in [
        (DEFAULT_ROLE, "ASIA"),
        ("Another", "no such instance profile role"),
    ] {
        cloud.imds().reset_counts();
        let variables = [
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", cloud.imds_endpoint()),
            ("AWS_EC2_INSTANCE_PROFILE_NAME", role),
        ];
        let fetched = in_child("fetch", &variables).await;
        assert!(fetched.contains(said), "{fetched}");
        // nobody else's credentials, and nobody is asked for a list
        let calls = cloud.imds().calls();
        assert_eq!(calls.list + calls.extended_list, 0);
    }
}

#[tokio::test]
async fn no_proxy_is_ever_asked() {
    let cloud = LocalCloud::start().await.unwrap();
    let (address, calls) = proxy();
    let variables = [
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", cloud.imds_endpoint()),
        ("HTTP_PROXY", &address),
        ("http_proxy", &address),
        ("HTTPS_PROXY", &address),
        ("ALL_PROXY", &address),
        ("all_proxy", &address),
    ];
    assert_eq!(in_child("fetch", &variables).await, "ASIA");
    assert_eq!(calls.load(Ordering::SeqCst), 0);

    // The SDK's own client does ask it: so the proxy is one that would have noticed.
    assert_eq!(in_child("fetch with the sdk", &variables).await, "failed");
    assert!(calls.load(Ordering::SeqCst) > 0);
}

#[tokio::test]
async fn disabled_means_that_nothing_is_asked() {
    let cloud = LocalCloud::start().await.unwrap();
    let mut texts = Vec::new();
    for value in ["true", "TRUE", "True"] {
        let variables = [
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", cloud.imds_endpoint()),
            ("AWS_EC2_METADATA_DISABLED", value),
        ];
        texts.push(in_child("fetch", &variables).await);
    }
    assert_eq!(cloud.imds().calls().total(), 0);
    texts.dedup();
    insta::assert_snapshot!(texts.join("\n"), @r##"fetch credentials: the instance metadata service is disabled by the environment; unset AWS_EC2_METADATA_DISABLED, which is true"##);
}

#[tokio::test]
async fn time_limit_and_attempts_come_from_the_environment() {
    let cloud = LocalCloud::start().await.unwrap();
    cloud.imds().fail_on(ImdsCall::Token, Fault::Hang);
    for (attempts, calls) in [("1", 1), ("2", 2)] {
        cloud.imds().reset_counts();
        let variables = [
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", cloud.imds_endpoint()),
            ("AWS_METADATA_SERVICE_TIMEOUT", "0.2"),
            ("AWS_METADATA_SERVICE_NUM_ATTEMPTS", attempts),
        ];
        let said = in_child("fetch", &variables).await;
        assert!(said.contains("token response lost"), "{said}");
        assert_eq!(cloud.imds().calls().token, calls);
    }
}

#[tokio::test]
async fn a_variable_that_is_not_as_expected_is_named() {
    let mut texts = Vec::new();
    for variable in [
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "169.254.169.254"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "dual"),
        ("AWS_METADATA_SERVICE_TIMEOUT", "a second"),
        ("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "0"),
    ] {
        texts.push(in_child("fetch", &[variable]).await);
    }
    insta::assert_snapshot!(texts.join("\n"), @r##"
    configure: AWS_EC2_METADATA_SERVICE_ENDPOINT: expected an http URI such as http://169.254.169.254 or http://[fd00:ec2::254]; this has no scheme http
    configure: AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE: expected IPv4 or IPv6
    configure: AWS_METADATA_SERVICE_TIMEOUT: expected a number of seconds above 0, at most 30
    configure: AWS_METADATA_SERVICE_NUM_ATTEMPTS: expected a whole number from 1 to 10
    "##);
}

#[tokio::test]
async fn nothing_about_sts_comes_from_the_environment() {
    let variables = [
        ("AWS_REGION", "us-east-1"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
        ("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9"),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/Other"),
        ("AWS_ROLE_SESSION_NAME", "other"),
    ];
    let said = in_child("assume without region", &variables).await;
    assert!(said.starts_with("configure: region: "), "{said}");
    let said = in_child("where is sts", &variables).await;
    assert_eq!(said, "https://sts.eu-west-1.amazonaws.com/");
}

/// As for the AWS CLI. The SDK takes a blank region for a region, and panics at a blank URL.
#[tokio::test]
async fn what_is_blank_counts_as_unset() {
    const REGIONAL: &str = "https://sts.eu-west-1.amazonaws.com/";
    let file = concat!(env!("CARGO_TARGET_TMPDIR"), "/blank-region-config");
    std::fs::write(file, "[default]\nregion = eu-west-1\n").unwrap();
    let cases: [(&[(&str, &str)], &str); 7] = [
        (
            &[("AWS_REGION", ""), ("AWS_DEFAULT_REGION", "eu-west-1")],
            REGIONAL,
        ),
        (&[("AWS_REGION", " eu-west-1 ")], REGIONAL),
        (&[("AWS_REGION", ""), ("AWS_CONFIG_FILE", file)], REGIONAL),
        (
            &[("AWS_REGION", "eu-west-1"), ("AWS_ENDPOINT_URL_STS", "")],
            REGIONAL,
        ),
        (
            &[("AWS_REGION", "eu-west-1"), ("AWS_ENDPOINT_URL", " ")],
            REGIONAL,
        ),
        (
            &[
                ("AWS_REGION", "eu-west-1"),
                ("AWS_ENDPOINT_URL_STS", ""),
                ("AWS_ENDPOINT_URL", "http://[::1]:9"),
            ],
            "http://[::1]:9/",
        ),
        (
            &[
                ("AWS_REGION", "eu-west-1"),
                ("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9/sts"),
            ],
            "http://127.0.0.1:9/sts/",
        ),
    ];
    for (variables, expected) in cases {
        let said = in_child("where is sts by the environment", variables).await;
        assert_eq!(
            said.trim_end_matches('/'),
            expected.trim_end_matches('/'),
            "{variables:?}"
        );
    }
}

/// aws-config by itself takes a blank region for one.
#[tokio::test]
async fn a_profile_that_assumes_a_role_knows_its_region_where_the_variable_is_blank() {
    const PROFILE: &str = "[profile app]\nrole_arn = arn:aws:iam::123456789012:role/App\n\
                           source_profile = base\nregion = eu-west-1\n[profile base]\n\
                           aws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = secret\n";
    let file = concat!(env!("CARGO_TARGET_TMPDIR"), "/blank-region-profile");
    std::fs::write(file, PROFILE).unwrap();
    let cases: [(&[(&str, &str)], &str); 4] = [
        (&[("AWS_REGION", "")], "eu-west-1"),
        (
            &[("AWS_REGION", " "), ("AWS_DEFAULT_REGION", "eu-central-1")],
            "eu-central-1",
        ),
        (&[("AWS_REGION", " us-east-1 ")], "us-east-1"),
        (&[], "eu-west-1"),
    ];
    for task in ["assume by the profile", "assume by the chain"] {
        for (variables, region) in cases {
            let sts = Scripted::start(|_| (403, String::new())).await;
            let url = sts.url();
            let mut all = vec![
                ("AWS_CONFIG_FILE", file),
                ("AWS_SHARED_CREDENTIALS_FILE", "/nowhere"),
                ("AWS_PROFILE", "app"),
                ("AWS_EC2_METADATA_DISABLED", "true"),
                ("AWS_ENDPOINT_URL_STS", url.as_str()),
            ];
            all.extend(variables);
            let said = in_child(task, &all).await;
            let asked = sts.asked();
            assert!(!asked.is_empty(), "{task}, {variables:?}: {said}");
            let signed = asked[0].header("authorization").unwrap();
            let scope = format!("/{region}/sts/aws4_request");
            assert!(signed.contains(&scope), "{task}, {variables:?}: {signed}");
        }
    }
}

#[tokio::test]
async fn an_endpoint_of_the_environment_that_is_none_is_named_and_shows_no_password() {
    for url in [
        "sts.example",
        "http://user:pass-word@sts.example",
        "https://sts.example?x=pass-word",
    ] {
        let variables = [("AWS_REGION", "eu-west-1"), ("AWS_ENDPOINT_URL_STS", url)];
        let said = in_child("where is sts by the environment", &variables).await;
        assert!(
            said.starts_with("configure: endpoint_url: expected an http or https URI"),
            "{said}"
        );
        assert!(!said.contains("pass-word"), "{said}");
    }
}

#[tokio::test]
async fn what_the_builder_is_told_comes_before_the_environment() {
    let cloud = LocalCloud::start().await.unwrap();
    let variables = [
        ("ELSEWHERE", cloud.imds_endpoint()),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:9"),
        ("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "not read"),
    ];
    assert_eq!(in_child("fetch elsewhere", &variables).await, "ASIA");
}

#[tokio::test]
async fn the_instances_role_signs_where_no_base_is_given() {
    let cloud = LocalCloud::start().await.unwrap();
    let role = cloud.role_arn(DEFAULT_ROLE);
    let variables = [
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", cloud.imds_endpoint()),
        ("ELSEWHERE", cloud.sts_endpoint()),
        ("ROLE", &role),
    ];
    let said = in_child("assume from the instance", &variables).await;
    assert_eq!(said, cloud.account());
    assert_eq!(cloud.imds().calls().documents(), 1);
    assert_eq!(cloud.sts().calls().assume_role, 1);
}
