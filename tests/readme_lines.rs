//! Promise: each line of the README's table "where your code runs" compiles. They stand here, and a line that
//! is in the README and not here fails. Whole programs are run by `.ci/readme_crates`, the table for who knows
//! boto3 by `readme_table_runs.rs`.
#![cfg(feature = "env")]
#![allow(
    dead_code,
    unused_must_use,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs
)]

use aws_credential_strategies::{
    AssumeRole, BoxError, CredentialStrategy, Credentials, InstanceProfile, Provided, SdkConfig,
    SdkProvider, StrategyConfig, sdk,
};
use std::sync::Arc;

type Outcome = Result<(), BoxError>;

async fn entra_token() -> Result<String, BoxError> {
    Err("this is never asked".into())
}

async fn where_your_code_runs(role_arn: &str, keys: Credentials, json: &str) -> Outcome {
    InstanceProfile::new()?;
    AssumeRole::builder(role_arn)
        .external_id("42")
        .from_env()
        .await
        .build()?;
    Provided::container();
    AssumeRole::web_identity_from_env()
        .from_env()
        .await
        .build()?;
    Provided::environment();
    AssumeRole::builder(role_arn)
        .web_identity_token_file("token")
        .from_env()
        .await
        .build()?;
    AssumeRole::builder(role_arn)
        .web_identity(entra_token)
        .from_env()
        .await
        .build()?;
    Provided::profile("dev");
    Provided::process("my-vault aws");
    AssumeRole::builder(role_arn)
        .base(Provided::profile("dev"))
        .from_env()
        .await
        .build()?;
    let provider = keys.clone();
    Provided::new("vault", provider);
    Provided::fixed(keys);
    StrategyConfig::from_json(json)?.build()?;
    AssumeRole::builder(role_arn).region("us-east-1");
    Ok(())
}

async fn any_client(settings: SdkConfig, strategy: Arc<dyn CredentialStrategy>) {
    sdk::client_config!(aws_sdk_sqs, &settings, strategy);
    let strategy: Arc<dyn CredentialStrategy> = Arc::new(Provided::container());
    SdkProvider::new(strategy);
}

/// Without white space, line breaks and trailing commas, which formatting moves about.
fn bare(code: &str) -> String {
    let bare: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    bare.replace(",)", ")")
}

/// The code in the last column of each row.
fn shown() -> Vec<&'static str> {
    let readme = include_str!("../README.md");
    let mut shown = Vec::new();
    let mut inside = false;
    for line in readme.lines() {
        if !line.starts_with('|') {
            inside = false;
        } else if line.ends_with("| the strategy |") {
            inside = true;
        } else if inside && !line.starts_with("|---") {
            let row = line.trim_end_matches('|').trim_end();
            let (_, code) = row.rsplit_once(" | ").unwrap();
            shown.extend(code.split('`').skip(1).step_by(2));
        }
    }
    shown
}

#[test]
fn every_line_of_the_readmes_table_stands_here() {
    let here = bare(include_str!("readme_lines.rs"));
    let lines = shown();
    assert!(lines.len() > 10, "the table is found: {lines:?}");
    for line in lines {
        assert!(here.contains(&bare(line)), "{line}");
    }
}
