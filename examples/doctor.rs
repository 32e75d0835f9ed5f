//! Walks the way to credentials step by step, with a tick or a cross each, and says which option fits.
//!
//! Without arguments on the embedded cloud, where all is well; `-- --fault hop-limit` breaks it first
//! (`-- --fault list` names all faults). `-- --aws` examines this machine, as the program
//! `aws-credential-doctor` does.

#[path = "../src/bin/aws-credential-doctor/examination.rs"]
mod examination;
mod support;

use aws_credential_strategies::diagnose::Doctor;
use aws_credential_strategies::local::{
    DEFAULT_ROLE, Fault, ImdsCall, LocalCloud, Role, StsCall, Trust,
};
use aws_credential_strategies::source::ImdsSource;
use aws_smithy_async::time::{SystemTimeSource, TimeSource};
use examination::{FAULT, Form, of_this_machine, show};
use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};
use support::arguments::{Only, Opt, Program};
use support::screen::{Waiting, say, warn};
use support::{NAME, arguments, screen};

const PROGRAM: Program = Program {
    name: NAME,
    about: "Walks the way to AWS credentials step by step, and says which option fits: on the embedded \
            cloud, or with --aws on this machine.",
    options: &[
        Opt::value(
            "fault",
            "NAME",
            "break the embedded cloud first; list names the faults",
        )
        .only(Only::Without("aws")),
        Opt::flag(
            "aws",
            "examine this machine: region, endpoints, profile and host as its environment says",
        ),
        Opt::value(
            "region",
            "REGION",
            "in place of AWS_REGION and the profile's",
        )
        .only(Only::With("aws")),
        Opt::value("profile", "NAME", "in place of AWS_PROFILE").only(Only::With("aws")),
        Opt::value("role-arn", "ARN", "the role that Option B would assume")
            .only(Only::With("aws")),
        Opt::value("external-id", "ID", "the external id that goes with it")
            .only(Only::With("role-arn")),
        Opt::flag("json", "one JSON document in place of lines"),
    ],
    notes: "takes: a second, some more where nobody answers\n\
            costs: nothing, with --aws neither: the metadata service and STS are free\n\
            exit status: 0 healthy, 1 a fault was found, 2 the command line or a setting is wrong",
};

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
async fn main() -> ExitCode {
    let given = match PROGRAM.read() {
        Ok(given) => given,
        Err(status) => return status,
    };
    let fault = given.value("fault").unwrap_or_default();
    if fault == "list" {
        for (name, what) in FAULTS {
            say(&format!("{name:14} {what}"));
        }
        return ExitCode::SUCCESS;
    }
    if !fault.is_empty() && !FAULTS.iter().any(|(name, _)| *name == fault) {
        return PROGRAM.refuse(&format!(
            "--fault {fault} is not known; --fault list names all"
        ));
    }
    let form = match given.has("json") {
        true => Form::Json,
        false => Form::Lines,
    };
    let waiting = Waiting::new();
    if given.has("aws") {
        return show(of_this_machine(&given, &waiting).await, form, &waiting).await;
    }
    match embedded(fault).await {
        // the embedded cloud lives as long as its handle
        Ok((doctor, _cloud)) => {
            if let Form::Lines = form {
                say("On the embedded cloud; --aws examines this machine.\n");
            }
            show(doctor, form, &waiting).await
        }
        Err(error) => {
            warn(&format!(
                "error: the embedded cloud does not start: {error}"
            ));
            ExitCode::from(FAULT)
        }
    }
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
