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
        .env("REGION", setup.region)
        .env("ACCOUNT_ID", setup.account)
        .env("TABLE", setup.table)
        .env("TARGET_ROLE", setup.target_role)
        .env("CALLER_ROLE", setup.caller_role)
        .env("CALLER_ACCOUNT_ID", setup.caller_account)
        .env("EXTERNAL_ID", setup.external_id)
        .env("INSTANCE_ID", setup.instance)
        .env("GITHUB_REPOSITORY", setup.github_repository)
        .env("GITHUB_BRANCH", setup.github_branch)
        .env("EKS_ISSUER", format!("https://{}", setup.eks_issuer))
        .env("SERVICE_ACCOUNT", setup.service_account)
        .env("ENTRA_TENANT", setup.entra_tenant)
        .env("ENTRA_AUDIENCE", setup.entra_audience)
        .env("ENTRA_OBJECT", setup.entra_object)
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
        region: "cn-north-1",
        account: "111122223333",
        table: "orders.v2_eu-west",
        target_role: "Reader@team=a",
        caller_role: "App+1",
        caller_account: "123456789012",
        external_id: "a/b:c,d.e@f=g+h-i_j",
        instance: "i-0123abcd",
        github_repository: "a-b/c.d_e",
        github_branch: "feature/x-1",
        eks_issuer: "oidc.eks.cn-north-1.amazonaws.com.cn/id/0123456789ABCDEF",
        service_account: "shop:checkout",
        entra_tenant: "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
        entra_audience: "api://AWS",
        entra_object: "11111111-bbbb-cccc-dddd-eeeeeeeeeeee",
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
        confusing,
        Setup {
            region: "us-gov-west-1",
            ..SAMPLE
        },
        Setup {
            region: "eusc-de-east-1",
            ..SAMPLE
        },
    ] {
        for (name, document) in setup.documents().unwrap() {
            assert_eq!(render(&setup, name), document, "{name}");
        }
    }
}

#[test]
fn the_region_decides_the_partition_in_every_document() {
    let cases = [
        ("us-east-1", "aws", "ec2.amazonaws.com"),
        ("ap-southeast-5", "aws", "ec2.amazonaws.com"),
        ("cn-north-1", "aws-cn", "ec2.amazonaws.com.cn"),
        ("cn-northwest-1", "aws-cn", "ec2.amazonaws.com.cn"),
        ("us-gov-east-1", "aws-us-gov", "ec2.amazonaws.com"),
        // its hosts end in amazonaws.eu, and IAM there refuses ec2.amazonaws.eu
        ("eusc-de-east-1", "aws-eusc", "ec2.amazonaws.com"),
        ("us-iso-east-1", "aws-iso", "ec2.amazonaws.com"),
        ("us-isob-east-1", "aws-iso-b", "ec2.amazonaws.com"),
        ("us-isof-south-1", "aws-iso-f", "ec2.amazonaws.com"),
        ("eu-isoe-west-1", "aws-iso-e", "ec2.amazonaws.com"),
    ];
    for (region, partition, ec2) in cases {
        let setup = Setup { region, ..SAMPLE };
        for (name, document) in setup.documents().unwrap() {
            let other = document
                .match_indices("arn:")
                .map(|(at, _)| document[at..].split(':').nth(1).unwrap())
                .find(|named| *named != partition);
            assert_eq!(other, None, "{region}, {name}: {document}");
            assert_eq!(render(&setup, name), document, "{region}, {name}");
        }
        let trust = render(&setup, "trust-ec2.json");
        assert!(trust.contains(&format!("\"{ec2}\"")), "{region}: {trust}");
        let service = render(&setup, "trust-service.json");
        assert!(service.contains("\"lambda.amazonaws.com\""), "{service}");
    }
}

/// What the scripts say to these settings.
fn refusal(settings: &[(&str, &str)]) -> String {
    let script = r#"set -euo pipefail; source "$SETUP_DIRECTORY/settings.sh"; check_settings"#;
    let output = Command::new("bash")
        .args(["-c", script])
        .env("SETUP_DIRECTORY", directory())
        .env("ACCOUNT_ID", SAMPLE.account)
        .env("CALLER_ACCOUNT_ID", SAMPLE.account)
        .env_remove("PARTITION")
        .envs(settings.iter().copied())
        .output()
        .unwrap();
    assert!(!output.status.success(), "{settings:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_region_of_no_known_partition_is_refused_by_scripts_and_crate() {
    let wrong = [
        "us-east",
        "us-east-1a",
        "US-EAST-1",
        "mars-north-1",
        "local",
        "eu",
        "cn",
        "us-gov-1",
        "eusc-fr-west-1",
        "aws-global",
        "us--east-1",
        "us-east-1-2",
        "1-us-east",
    ];
    for region in wrong {
        let said = refusal(&[("REGION", region)]);
        assert!(
            said.contains(&format!("REGION is '{region}', expected")),
            "{said}"
        );
        let error = Setup { region, ..SAMPLE }.documents().unwrap_err();
        assert!(error.to_string().contains(region), "{error}");
    }
    // the partition follows from the region
    let said = refusal(&[("REGION", "cn-north-1"), ("PARTITION", "aws")]);
    assert!(
        said.contains("PARTITION is 'aws', expected aws-cn"),
        "{said}"
    );
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
