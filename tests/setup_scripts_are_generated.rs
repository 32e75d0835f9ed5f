//! The set-up's documents are the crate's own, byte for byte, also with other values than the sample's.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use aws_credential_strategies::iam::TrustPolicy;
use documents::{SAMPLE, Setup};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[path = "../examples/setup/documents.rs"]
mod documents;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/setup")
}

fn files(extension: &str) -> BTreeSet<String> {
    let names = fs::read_dir(directory())
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.into_string().unwrap());
    names.filter(|name| name.ends_with(extension)).collect()
}

#[test]
fn every_document_equals_what_the_crate_writes() {
    let documents = SAMPLE.documents().unwrap();
    for (name, document) in &documents {
        let file = fs::read_to_string(directory().join(name)).unwrap();
        assert_eq!(
            file, *document,
            "{name}: cargo run --example setup -- --write"
        );
    }
    let generated: BTreeSet<String> = documents
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    assert_eq!(files(".json"), generated);
}

/// What the scripts make of a document with these settings.
fn render(setup: &Setup<'_>, name: &str) -> String {
    let script =
        r#"set -euo pipefail; source "$SETUP_DIRECTORY/settings.sh"; check_settings; render "$1""#;
    let output = Command::new("bash")
        .args(["-c", script, "render", name])
        .env("SETUP_DIRECTORY", directory())
        .env("PARTITION", setup.partition)
        .env("REGION", setup.region)
        .env("ACCOUNT_ID", setup.account)
        .env("TABLE", setup.table)
        .env("TARGET_ROLE", setup.target_role)
        .env("CALLER_ROLE", setup.caller_role)
        .env("CALLER_ACCOUNT_ID", setup.caller_account)
        .env("EXTERNAL_ID", setup.external_id)
        .env("INSTANCE_ID", setup.instance)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_scripts_put_other_values_in_as_the_crate_would() {
    let china = Setup {
        partition: "aws-cn",
        region: "cn-north-1",
        account: "111122223333",
        table: "orders.v2_eu-west",
        target_role: "Reader@team=a",
        caller_role: "App+1",
        caller_account: "123456789012",
        external_id: "a/b:c,d.e@f=g+h-i_j",
        instance: "i-0123abcd",
    };
    // values that are the sample's of another kind
    let confusing = Setup {
        table: "DynamoDBRole",
        target_role: "EC2CallerRole",
        caller_role: "MyTable",
        external_id: "us-east-1",
        region: "eu-central-1",
        ..china
    };
    for setup in [
        SAMPLE,
        china,
        Setup {
            partition: "aws",
            ..confusing
        },
    ] {
        for (name, document) in setup.documents().unwrap() {
            assert_eq!(render(&setup, name), document, "{name}");
        }
    }
}

#[test]
fn the_scripts_are_valid_bash_and_the_readme_names_every_file() {
    let readme = fs::read_to_string(directory().join("README.md")).unwrap();
    let scripts = files(".sh");
    assert_eq!(scripts.len(), 4);
    for script in &scripts {
        let status = Command::new("bash")
            .arg("-n")
            .arg(directory().join(script))
            .status()
            .unwrap();
        assert!(status.success(), "{script}");
    }
    // where it is installed, as in CI
    let paths = scripts.iter().map(|script| directory().join(script));
    if let Ok(lint) = Command::new("shellcheck").arg("-x").args(paths).output() {
        assert!(
            lint.status.success(),
            "{}",
            String::from_utf8_lossy(&lint.stdout)
        );
    }
    for file in scripts.union(&files(".json")) {
        assert!(
            readme.contains(file.as_str()),
            "README.md does not speak of {file}"
        );
    }
}

#[test]
fn the_form_that_people_paste_is_refused_and_the_readme_says_so() {
    let instance = "arn:aws:ec2:us-east-1:123456789012:instance/i-1234567890abcdef0";
    assert!(TrustPolicy::builder().principal(instance).build().is_err());
    let readme = fs::read_to_string(directory().join("README.md")).unwrap();
    assert!(readme.contains(instance));
    assert!(readme.contains("An EC2 instance is not a principal"));
    for (name, document) in SAMPLE.documents().unwrap() {
        assert!(!document.contains(":instance/"), "{name}");
    }
}
