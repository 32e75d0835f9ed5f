//! Promise: any provider of the AWS SDK is a strategy in one line, in code or by configuration, and what is
//! wrong with it is said with what mends it. aws-config's own providers do the fetching, from files,
//! variables and sockets as they are; each child process has variables of its own.
#![cfg(feature = "env")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "source_support/scripted.rs"]
mod scripted;

use aws_credential_strategies::{
    CredentialSource, CredentialStrategy, Credentials, ErrorKind, Provided, ProviderSource,
    RefreshPolicy, StrategyConfig,
};
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, future};
use scripted::Scripted;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const DOCUMENT: &str = r#"{"AccessKeyId":"ASIACONTAINER","SecretAccessKey":"secret","Token":"session",
    "Expiration":"2099-01-01T00:00:00Z","AccountId":"123456789012"}"#;

/// What a child process with these variables gets from this configuration.
#[derive(Debug)]
struct Outcome {
    key: String,
    line: String,
    terminal: bool,
    throttled: bool,
}

impl Outcome {
    fn of(config: &Value, variables: &[(&str, &str)]) -> Outcome {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child
            .args(["--exact", "in_child", "--nocapture"])
            .env_clear()
            .env("HOME", "/nowhere")
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("TEST_STRATEGY", config.to_string())
            .envs(variables.iter().copied());
        let output = child.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}");
        let line = text.lines().find_map(|line| line.split_once("OUTCOME "));
        let (_, line) = line.unwrap_or_else(|| panic!("{text}"));
        let told: Value = serde_json::from_str(line).unwrap();
        Outcome {
            key: told["key"].as_str().unwrap_or_default().to_owned(),
            line: told["line"].as_str().unwrap_or_default().to_owned(),
            terminal: told["terminal"] == json!(true),
            throttled: told["throttled"] == json!(true),
        }
    }

    /// It failed with words that say this much.
    fn says(&self, words: &str, terminal: bool) {
        assert!(self.line.contains(words), "{words}: {self:?}");
        assert_eq!(self.terminal, terminal, "{self:?}");
    }
}

#[test]
fn in_child() {
    let Ok(config) = std::env::var("TEST_STRATEGY") else {
        return;
    };
    let strategy = StrategyConfig::from_json(&config).unwrap().build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let told = match runtime.block_on(strategy.credentials()) {
        Ok(credentials) => json!({ "key": credentials.access_key_id() }),
        Err(error) => json!({
            "line": error.to_string(),
            "terminal": error.is_terminal(),
            "throttled": error.is_throttled(),
        }),
    };
    println!("OUTCOME {told}");
}

/// A folder of this test's own.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("provided-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn kind(strategy: &str) -> Value {
    json!({ "strategy": strategy })
}

const FULL: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";

#[tokio::test(flavor = "multi_thread")]
async fn a_container_gives_the_role_of_its_task() {
    let endpoint = Scripted::start(|_| (200, DOCUMENT.to_owned())).await;
    let folder = Folder::new();
    let file = folder.write("token", "the-token");
    let uri = format!("{}/credentials", endpoint.url());
    let container = kind("container");

    let by_file = Outcome::of(&container, &[(FULL, &uri), (TOKEN_FILE, &file)]);
    assert_eq!(by_file.key, "ASIACONTAINER", "{by_file:?}");
    let by_variable = Outcome::of(&container, &[(FULL, &uri), (TOKEN, "other-token")]);
    assert_eq!(by_variable.key, "ASIACONTAINER", "{by_variable:?}");
    let sent: Vec<_> = endpoint
        .asked()
        .iter()
        .map(|call| {
            (
                call.path.clone(),
                call.header("authorization").unwrap().to_owned(),
            )
        })
        .collect();
    let path = "/credentials".to_owned();
    assert_eq!(
        sent,
        [
            (path.clone(), "the-token".to_owned()),
            (path, "other-token".to_owned())
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_container_is_said() {
    let container = kind("container");
    let nowhere = Outcome::of(&container, &[]);
    nowhere.says("this is no container with a role", true);
    nowhere.says("AWS_CONTAINER_CREDENTIALS_FULL_URI", true);

    let endpoint = Scripted::start(|_| (200, DOCUMENT.to_owned())).await;
    let uri = endpoint.url();
    let no_file = Outcome::of(&container, &[(FULL, &uri), (TOKEN_FILE, "/nowhere/token")]);
    no_file.says(
        "the container's authorization token file is not there",
        false,
    );
    no_file.says("/nowhere/token", false);
    let folder = Folder::new();
    let lines = folder.write("token", "the-token\n");
    let line_end = Outcome::of(&container, &[(FULL, &uri), (TOKEN_FILE, &lines)]);
    line_end.says("cannot be a header", true);
    assert!(endpoint.asked().is_empty());

    let elsewhere = Outcome::of(&container, &[(FULL, "http://8.8.8.8/credentials")]);
    elsewhere.says("is not one of a container", true);

    for (status, words, terminal) in [
        (403, "refuses this container", true),
        (404, "refuses this container", true),
        (429, "asks for fewer calls", false),
        (500, "the credentials endpoint failed", false),
    ] {
        let endpoint = Scripted::start(move |_| (status, "{}".to_owned())).await;
        let outcome = Outcome::of(&container, &[(FULL, &endpoint.url())]);
        outcome.says(words, terminal);
        outcome.says(&format!("http {status}"), terminal);
        assert_eq!(outcome.throttled, status == 429);
    }

    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    Outcome::of(&container, &[(FULL, &uri)]).says("reached nobody", false);
}

#[test]
fn the_environment_gives_its_keys_or_says_that_it_has_none() {
    let keys = [
        ("AWS_ACCESS_KEY_ID", "AKIAENVIRONMENT"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ];
    for strategy in ["environment", "default_chain"] {
        let outcome = Outcome::of(&kind(strategy), &keys);
        assert_eq!(outcome.key, "AKIAENVIRONMENT", "{outcome:?}");
    }
    let none = Outcome::of(&kind("environment"), &[]);
    none.says("there are no credentials in the environment", true);
    none.says("AWS_ACCESS_KEY_ID", true);
    let nobody = Outcome::of(&kind("default_chain"), &[("AWS_REGION", "us-east-1")]);
    assert!(
        nobody
            .line
            .contains("nobody in the default chain has credentials"),
        "{nobody:?}"
    );
}

#[test]
fn a_profile_gives_its_keys_or_says_what_it_lacks() {
    let folder = Folder::new();
    let config = folder.write(
        "config",
        "[profile process]\ncredential_process = printf '%s' '{\"Version\":1,\"AccessKeyId\":\"ASIAPROCESS\",\
         \"SecretAccessKey\":\"secret\"}'\n\
         [profile chained]\nrole_arn = arn:aws:iam::123456789012:role/App\nsource_profile = gone\n\
         [profile sso]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = App\n\
         [sso-session corp]\nsso_region = us-east-1\nsso_start_url = https://example.com/start\n\
         [profile empty]\nregion = us-east-1\n",
    );
    let credentials = folder.write(
        "credentials",
        "[keys]\naws_access_key_id = AKIAPROFILE\naws_secret_access_key = secret\n",
    );
    let files = [
        ("AWS_CONFIG_FILE", config.as_str()),
        ("AWS_SHARED_CREDENTIALS_FILE", credentials.as_str()),
    ];
    let profile = |name: &str| {
        let config = json!({ "strategy": "profile", "name": name });
        Outcome::of(&config, &files)
    };
    assert_eq!(profile("keys").key, "AKIAPROFILE");
    assert_eq!(profile("process").key, "ASIAPROCESS");
    let gone = profile("gone");
    gone.says("there is no profile gone with credentials in", true);
    gone.says(&config, true);
    profile("empty").says("there is no profile empty with credentials", true);
    profile("chained").says("names another one that is not there", true);
    let sso = profile("sso");
    sso.says("aws-config was built without its feature sso", true);
    sso.says("features = [\"sso\"]", true);
}

#[test]
fn a_process_gives_what_it_prints_or_its_failure() {
    let process = |command: &str| {
        let config = json!({ "strategy": "process", "command": command });
        Outcome::of(&config, &[])
    };
    let printed = r#"printf '{"Version":1,"AccessKeyId":"ASIAPRINTED","SecretAccessKey":"s","SessionToken":"t","Expiration":"2099-01-01T00:00:00Z"}'"#;
    assert_eq!(process(printed).key, "ASIAPRINTED");
    process("exit 3").says("the command gave no credentials", false);
    process("echo no JSON").says("it has to print one JSON object", false);
}

/// An error as aws-config's SSO provider words it; its type is private.
#[derive(Debug)]
struct OfSso(&'static str);

impl ProvideCredentials for OfSso {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err(CredentialsError::provider_error(self.0)))
    }
}

#[tokio::test]
async fn an_sso_session_that_has_ended_names_the_command_that_starts_one() {
    for words in [
        "the SSO token has expired and cannot be refreshed",
        "failed to load the cached SSO token",
    ] {
        let error = Provided::new("sso", OfSso(words))
            .credentials()
            .await
            .unwrap_err();
        let line = error.to_string();
        assert!(line.contains("has ended"), "{line}");
        assert!(line.contains("aws sso login --profile "), "{line}");
        assert!(error.is_terminal());
    }
}

#[tokio::test]
async fn a_provider_that_times_out_passes() {
    #[derive(Debug)]
    struct Slow;
    impl ProvideCredentials for Slow {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let late = CredentialsError::provider_timed_out(Duration::from_secs(5));
            future::ProvideCredentials::ready(Err(late))
        }
    }
    let error = Provided::new("slow", Slow).credentials().await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Timeout);
    assert!(error.is_retryable());
    assert!(error.to_string().contains("via slow"), "{error}");
}

/// Answers as it was made to.
#[derive(Debug)]
struct Made(usize);

impl ProvideCredentials for Made {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(match self.0 {
            0 => Err(CredentialsError::not_loaded("not yet")),
            count => Ok(Credentials::new(
                format!("K{count}"),
                "s",
                None,
                None,
                "made",
            )),
        })
    }
}

#[tokio::test]
async fn a_provider_is_made_again_only_after_it_failed() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let source = ProviderSource::from_fn("made", move || {
        let made = Made(counted.fetch_add(1, Ordering::Relaxed));
        async move { Ok(made) }
    });
    source.fetch().await.unwrap_err();
    assert_eq!(source.fetch().await.unwrap().access_key_id(), "K1");
    assert_eq!(source.fetch().await.unwrap().access_key_id(), "K1");
    assert_eq!(count.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn keys_in_hand_are_a_strategy() {
    let config = json!({
        "strategy": "fixed",
        "access_key_id": "AKIAFIXED",
        "secret_access_key": "the-secret",
        "session_token": "the-token",
    });
    let config = StrategyConfig::from_json(&config.to_string()).unwrap();
    let shown = format!("{config:?}");
    assert!(
        !shown.contains("the-secret") && !shown.contains("the-token"),
        "{shown}"
    );
    let written = serde_json::to_string(&config).unwrap_err();
    assert!(written.to_string().contains("secrets"), "{written}");
    let strategy = config.build().unwrap();
    let keys = strategy.credentials().await.unwrap();
    assert_eq!(keys.access_key_id(), "AKIAFIXED");
    assert_eq!(keys.session_token(), Some("the-token"));
    let shown = format!("{strategy:?}");
    assert!(
        !shown.contains("the-secret") && !shown.contains("the-token"),
        "{shown}"
    );

    let local = Provided::fixed(Credentials::new("AKIALOCAL", "s", None, None, "here"));
    assert_eq!(
        local.credentials().await.unwrap().access_key_id(),
        "AKIALOCAL"
    );
    assert!(local.status().last_error.is_none());
}

#[test]
fn a_policy_is_checked_where_it_is_given() {
    let keys = Credentials::new("AKIA", "s", None, None, "here");
    let policy = RefreshPolicy::default().fetch_timeout(Duration::ZERO);
    let error = Provided::builder("keys", keys.clone())
        .refresh(policy)
        .build()
        .unwrap_err();
    assert_eq!(error.field(), Some("fetch_timeout"), "{error}");
    Provided::builder("keys", keys)
        .refresh(RefreshPolicy::aws_spec())
        .build()
        .unwrap();
}

#[test]
fn settings_of_providers_are_checked_by_name() {
    for (config, field, words) in [
        (
            json!({ "strategy": "profile" }),
            "strategy configuration",
            "missing field `name`",
        ),
        (
            json!({ "strategy": "process" }),
            "strategy configuration",
            "missing field `command`",
        ),
        (
            json!({ "strategy": "fixed", "access_key_id": "A" }),
            "strategy configuration",
            "missing field `secret_access_key`",
        ),
        (
            json!({ "strategy": "container", "name": "x" }),
            "strategy configuration",
            "unknown field `name` for strategy `container`",
        ),
        (
            json!({ "strategy": "instance_profile", "command": "x" }),
            "strategy configuration",
            "unknown field `command`",
        ),
        (
            json!({ "strategy": "assume_role" }),
            "strategy configuration",
            "missing field `role_arn`",
        ),
    ] {
        let error = StrategyConfig::from_json(&config.to_string()).unwrap_err();
        assert_eq!(error.field(), Some(field), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
    let blank = json!({ "strategy": "profile", "name": " " });
    let blank = StrategyConfig::from_json(&blank.to_string()).unwrap();
    assert_eq!(blank.build().unwrap_err().field(), Some("name"));
    let by_token = json!({
        "strategy": "assume_role",
        "role_arn": "arn:aws:iam::123456789012:role/App",
        "region": "us-east-1",
        "web_identity_token_file": "/token",
        "external_id": "42",
    });
    let by_token = StrategyConfig::from_json(&by_token.to_string()).unwrap();
    assert_eq!(by_token.build().unwrap_err().field(), Some("external_id"));
}

/// `provider::Result` is what every provider gives.
#[test]
fn a_function_is_a_provider_too() {
    async fn ask() -> provider::Result {
        Ok(Credentials::new("AKIAASKED", "s", None, None, "asked"))
    }
    let strategy = Provided::new(
        "asked",
        aws_credential_types::credential_fn::provide_credentials_fn(ask),
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let keys = runtime.block_on(strategy.credentials()).unwrap();
    assert_eq!(keys.access_key_id(), "AKIAASKED");
}
