//! Promise: containers, web identities and profiles are asked as the AWS SDKs' public test cases have it:
//! which requests go out, signed by whom, and what becomes of the answers. What the cases are and where they
//! are from: `data/README.md`.
#![cfg(feature = "env")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use aws_config::ecs::EcsCredentialsProvider;
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_credential_strategies::{
    AssumeRole, CredentialSource, Credentials, ProviderSource, Result,
};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::display::DisplayErrorContext;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::sync::{Arc, Mutex};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// `container`, `profile <name>`, `web identity` (aws-config's) or `assume role` (ours).
    through: String,
    /// `{dir}` stands for the folder of the files.
    env: BTreeMap<String, String>,
    #[serde(default)]
    files: BTreeMap<String, String>,
    answers: Vec<Answer>,
    key: Option<String>,
    account: Option<String>,
    /// What the line of the error says.
    error: Option<String>,
    /// What its causes say.
    cause: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    to: String,
    #[serde(default)]
    says: Vec<String>,
    signed_by: Option<String>,
    authorization: Option<String>,
    status: u16,
    body: String,
}

fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("data/provider-vectors.json")).unwrap()
}

/// Each in a process of its own, since the providers read the variables of theirs.
#[test]
fn the_public_cases_hold() {
    let folder = std::env::temp_dir().join(format!("vectors-{}", std::process::id()));
    let mut failures = Vec::new();
    for (number, case) in cases().into_iter().enumerate() {
        let dir = folder.join(number.to_string());
        fs::create_dir_all(&dir).unwrap();
        let dir = dir.to_str().unwrap();
        let placed = |text: &str| text.replace("{dir}", dir);
        for (name, text) in &case.files {
            fs::write(format!("{dir}/{name}"), placed(text)).unwrap();
        }
        let variables = case.env.iter().map(|(name, value)| (name, placed(value)));
        let mut child = Command::new(std::env::current_exe().unwrap());
        child
            .args(["--exact", "in_child", "--nocapture"])
            .env_clear()
            .env("HOME", dir)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("TEST_CASE", number.to_string())
            .envs(variables);
        let output = child.output().unwrap();
        if !output.status.success() {
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            failures.push(format!("{} through {}: {told}", case.name, case.through));
        }
    }
    let _ = fs::remove_dir_all(&folder);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn in_child() {
    let Ok(number) = std::env::var("TEST_CASE") else {
        return;
    };
    let number: usize = number.parse().unwrap();
    let case = cases().swap_remove(number);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let script = Script {
        answers: Arc::new(Mutex::new(case.answers.clone())),
        faults: Arc::default(),
    };
    let outcome = runtime.block_on(fetch(&case, &script));
    let faults = script.faults.lock().unwrap().clone();
    assert!(faults.is_empty(), "{faults:?}\n{outcome:?}");
    let left = script.answers.lock().unwrap().len();
    assert_eq!(left, 0, "not asked for: {outcome:?}");
    match outcome {
        Ok(credentials) => {
            assert_eq!(Some(credentials.access_key_id()), case.key.as_deref());
            let account = credentials.account_id().map(|id| id.as_str());
            if case.account.is_some() {
                assert_eq!(account, case.account.as_deref());
            }
        }
        Err(error) => {
            let all = DisplayErrorContext(&error).to_string();
            let line = error.to_string();
            let expected = case.error.unwrap_or_else(|| panic!("{all}"));
            assert!(line.contains(&expected), "{expected}: {all}");
            let cause = case.cause.unwrap_or_default();
            assert!(all.contains(&cause), "{cause}: {all}");
        }
    }
}

async fn fetch(case: &Case, script: &Script) -> Result<Credentials> {
    let client = script.client();
    let region = EnvironmentVariableRegionProvider::new();
    let (kind, profile) = case.through.split_once(' ').unwrap_or((&case.through, ""));
    let region = RegionProviderChain::first_try(region)
        .or_else(
            ProfileFileRegionProvider::builder()
                .profile_name("default")
                .build(),
        )
        .region()
        .await;
    let config = ProviderConfig::without_region()
        .with_region(region)
        .with_http_client(client.clone());
    let source = match kind {
        "container" => {
            let provider = EcsCredentialsProvider::builder().configure(&config);
            ProviderSource::new("vector", provider.build())
        }
        "profile" => {
            let provider = ProfileFileCredentialsProvider::builder().configure(&config);
            ProviderSource::new("vector", provider.profile_name(profile).build())
        }
        "web" => {
            let provider = WebIdentityTokenCredentialsProvider::builder().configure(&config);
            ProviderSource::new("vector", provider.build())
        }
        _ => {
            let strategy = AssumeRole::web_identity_from_env()
                .from_env()
                .await
                .http_client(client)
                .build()?;
            return strategy.source().fetch().await;
        }
    };
    source.fetch().await
}

/// Answers in order, and notes what was not as expected.
#[derive(Clone, Debug)]
struct Script {
    answers: Arc<Mutex<Vec<Answer>>>,
    faults: Arc<Mutex<Vec<Value>>>,
}

impl Script {
    fn client(&self) -> SharedHttpClient {
        let script = self.clone();
        http_client_fn(move |_, _| SharedHttpConnector::new(script.clone()))
    }

    fn answer(&self, request: &HttpRequest) -> HttpResponse {
        let mut answers = self.answers.lock().unwrap();
        let to = format!("{} {}", request.method(), request.uri());
        let body = request.body().bytes().unwrap_or_default();
        let body = String::from_utf8_lossy(body).into_owned();
        let authorization = request.headers().get("authorization");
        if answers.is_empty() {
            let fault = json!({ "nobody expects": to });
            self.faults.lock().unwrap().push(fault);
            return HttpResponse::new(StatusCode::try_from(500).unwrap(), SdkBody::empty());
        }
        let answer = answers.remove(0);
        let signed_by = authorization
            .and_then(|header| header.split_once("Credential="))
            .and_then(|(_, credential)| credential.split_once('/'))
            .map(|(key, _)| key.to_owned());
        let as_expected = answer.to == to
            && answer.says.iter().all(|part| body.contains(part.as_str()))
            && answer.signed_by == signed_by
            && (answer.signed_by.is_some() || answer.authorization.as_deref() == authorization);
        if !as_expected {
            let fault = json!({ "expected": format!("{answer:?}"), "to": to, "body": body });
            self.faults.lock().unwrap().push(fault);
        }
        let status = StatusCode::try_from(answer.status).unwrap();
        HttpResponse::new(status, SdkBody::from(answer.body))
    }
}

impl HttpConnector for Script {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::ready(Ok(self.answer(&request)))
    }
}
