//! Walks the way to credentials step by step, with a tick or a cross each, and says which option fits.
//!
//! Without arguments on the embedded cloud, where all is well; `-- --fault hop-limit` breaks it first
//! (`-- --fault list` names all faults). `-- --aws --region us-east-1 [--role-arn ARN]
//! [--external-id ID]` examines this machine.

use aws_credential_strategies::diagnose::Doctor;
use aws_credential_strategies::local::{
    DEFAULT_ROLE, Fault, ImdsCall, LocalCloud, Role, StsCall, Trust,
};
use aws_credential_strategies::source::ImdsSource;
use aws_smithy_async::time::{SystemTimeSource, TimeSource};
use aws_types::region::Region;
use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

const FAULTS: [(&str, &str); 12] = [
    (
        "unreachable",
        "nobody answers where the metadata service should be",
    ),
    (
        "hop-limit",
        "answers to the request for a token do not reach a container",
    ),
    ("token-refused", "the metadata service is switched off"),
    ("no-role", "no role is attached to the instance"),
    ("trust", "the role does not admit EC2"),
    ("document", "the metadata service cannot get credentials"),
    (
        "expired",
        "the metadata service hands out credentials that have expired",
    ),
    ("clock", "this host's clock is ten minutes behind"),
    ("caller", "STS does not know the key"),
    (
        "assume-denied",
        "a role in another account does not admit the caller",
    ),
    (
        "chaining",
        "Option B within one account, which needs none of it",
    ),
    (
        "cross-account",
        "no fault: a role in another account that admits the caller",
    ),
];

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        Some(arguments.get(at + 1).cloned().unwrap_or_default())
    };
    // Dropped at the end: the embedded cloud lives as long as its handle.
    let (doctor, _cloud) = if arguments.iter().any(|argument| argument == "--aws") {
        let mut doctor = Doctor::new();
        if let Some(region) = value("--region") {
            doctor = doctor.region(Region::new(region));
        }
        if let Some(arn) = value("--role-arn") {
            doctor = doctor.role_arn(arn);
        }
        if let Some(id) = value("--external-id") {
            doctor = doctor.external_id(id);
        }
        (doctor, None)
    } else {
        let fault = value("--fault").unwrap_or_default();
        if !fault.is_empty() && !FAULTS.iter().any(|(name, _)| *name == fault) {
            for (name, what) in FAULTS {
                println!("{name:14} {what}");
            }
            return Ok(ExitCode::from(2));
        }
        let (doctor, cloud) = embedded(&fault).await?;
        (doctor, Some(cloud))
    };
    let diagnosis = doctor.examine_with(|step| println!("{step}")).await?;
    println!("\n{}", diagnosis.recommendation());
    Ok(if diagnosis.is_healthy() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The embedded cloud with this fault, and a doctor for it.
async fn embedded(fault: &str) -> Result<(Doctor, LocalCloud), Box<dyn Error>> {
    let mut cloud = LocalCloud::builder();
    if fault == "clock" {
        cloud = cloud.clock(Ahead(Duration::from_secs(600)));
    }
    let cloud = cloud.start().await?;
    let mut imds = ImdsSource::builder().endpoint(cloud.imds_endpoint());
    let mut role = None;
    match fault {
        "unreachable" => imds = imds.endpoint("http://127.0.0.1:9").max_attempts(1),
        "hop-limit" => cloud.imds().fail_on(ImdsCall::Token, Fault::Hang),
        "token-refused" => cloud.imds().fail_on(ImdsCall::Token, Fault::Status(403)),
        "no-role" => cloud.detach_role(),
        "trust" => {
            cloud.add_role(Role::new(DEFAULT_ROLE).trust(Trust::account(cloud.account())))?;
        }
        "document" => {
            let code = Fault::DocumentCode("InternalFailure".into());
            cloud.imds().fail_on(ImdsCall::ExtendedDocument, code);
        }
        "expired" => {
            cloud
                .imds()
                .fail_on(ImdsCall::ExtendedDocument, Fault::DocumentExpired);
        }
        "caller" => {
            let unknown = Fault::error(403, "InvalidClientTokenId");
            cloud.sts().fail_on(StsCall::CallerIdentity, unknown);
        }
        "assume-denied" => role = Some(far_away(&cloud, Trust::nobody())?),
        "chaining" => role = Some(cloud.role_arn(DEFAULT_ROLE)),
        "cross-account" => role = Some(far_away(&cloud, Trust::account(cloud.account()))?),
        _ => {}
    }
    let mut doctor = Doctor::new().imds(imds).sdk_config(&cloud.sdk_config());
    if let Some(arn) = role {
        doctor = doctor.role_arn(arn);
    }
    Ok((doctor, cloud))
}

fn far_away(cloud: &LocalCloud, trust: Trust) -> aws_credential_strategies::Result<String> {
    cloud.add_role(Role::new("App").account("999999999999").trust(trust))
}

/// A clock that is ahead of this host's.
#[derive(Debug)]
struct Ahead(Duration);

impl TimeSource for Ahead {
    fn now(&self) -> SystemTime {
        SystemTimeSource::new().now() + self.0
    }
}
