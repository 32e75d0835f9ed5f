//! Promise: every line of code that the doctor tells people to write compiles as it is told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod source_support;

use aws_credential_strategies::diagnose::Doctor;
use aws_credential_strategies::local::{LocalCloud, Role, Trust};
use aws_credential_strategies::strategy::Provided;
use aws_credential_strategies::{AssumeRole, InstanceProfile, Result};
use source_support::{Recorder, imds};

/// Checks that the tokens of `$code` are those of the told line, and that they compile.
macro_rules! told {
    ($told:expr, $($code:tt)*) => {{
        // nothing here is run: it only has to compile
        #[allow(dead_code, unreachable_code)]
        async fn written() -> std::result::Result<(), Box<dyn std::error::Error>> {
            let _strategy = $($code)*;
            Ok(())
        }
        let without_spaces = |text: &str| text.split_whitespace().collect::<String>();
        assert_eq!(without_spaces($told), without_spaces(stringify!($($code)*)));
    }};
}

async fn code_for(doctor: Doctor) -> String {
    let diagnosis = doctor.examine().await.unwrap();
    diagnosis.recommendation().code().unwrap().to_owned()
}

#[tokio::test]
async fn of_both_options_and_of_what_the_host_gives() {
    let cloud = LocalCloud::start().await.unwrap();
    let doctor = || {
        Doctor::new()
            .imds(imds(&cloud))
            .sdk_config(&cloud.sdk_config())
    };
    told!(&code_for(doctor()).await, InstanceProfile::new()?);

    let trust = Trust::account(cloud.account()).external_id("42");
    let far = Role::new("App").account("999999999999").trust(trust);
    let arn = cloud.add_role(far).unwrap();
    told!(
        &code_for(doctor().role_arn(&arn).external_id("42")).await,
        AssumeRole::builder("arn:aws:iam::999999999999:role/App")
            .region("us-east-1")
            .external_id("42")
            .build()?
    );

    let keys = cloud.create_access_key("function");
    let lambda = || {
        doctor().environment([
            ("AWS_LAMBDA_FUNCTION_NAME", "f"),
            ("AWS_ACCESS_KEY_ID", keys.access_key_id()),
            ("AWS_SECRET_ACCESS_KEY", keys.secret_access_key()),
        ])
    };
    told!(&code_for(lambda()).await, Provided::environment());
    told!(
        &code_for(lambda().role_arn("arn:aws:iam::123456789012:role/EC2DynamoDBRole")).await,
        AssumeRole::builder("arn:aws:iam::123456789012:role/EC2DynamoDBRole")
            .region("us-east-1")
            .base(Provided::environment())
            .build()?
    );
}

#[tokio::test]
async fn of_hosts_whose_token_a_role_takes() {
    let told = |variables: &'static [(&'static str, &'static str)]| {
        code_for(Doctor::new().environment(variables.iter().copied()))
    };
    const ACTIONS: &[(&str, &str)] = &[("GITHUB_ACTIONS", "true")];
    async fn fetch_token() -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
        Ok("token".to_owned())
    }
    told!(
        told(ACTIONS)
            .await
            .replace("// an async fn of yours", "")
            .as_str(),
        AssumeRole::builder("ROLE_ARN")
            .region("REGION")
            .web_identity(fetch_token)
            .build()?
    );
    const AKS: &[(&str, &str)] = &[
        ("AZURE_FEDERATED_TOKEN_FILE", "/var/run/token"),
        ("KUBERNETES_SERVICE_HOST", "10.0.0.1"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:9"),
    ];
    told!(
        &told(AKS).await,
        AssumeRole::builder("ROLE_ARN")
            .region("REGION")
            .web_identity_token_file(std::env::var("AZURE_FEDERATED_TOKEN_FILE")?)
            .build()?
    );
    const EKS: &[(&str, &str)] = &[
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/nonexistent/token"),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/App"),
    ];
    told!(
        &told(EKS).await,
        AssumeRole::builder("arn:aws:iam::123456789012:role/App")
            .region("REGION")
            .web_identity_from_env()
            .build()?
    );
    // those that need the process's own environment are of the same three
    let _ = (
        Provided::container(),
        Provided::profile("me"),
        Recorder::refusing(),
    );
}
