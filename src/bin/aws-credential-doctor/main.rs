//! `aws-credential-doctor`: walks the way to AWS credentials on this machine, says what is wrong and what
//! mends it, and which option fits.
//!
//! `cargo install aws-credential-strategies --no-default-features --features doctor`

mod arguments;
mod examination;
mod screen;

use arguments::{Given, Only, Opt, Program};
use examination::{FAULT, Form, of_this_machine, show};
use screen::{Waiting, warn};
use std::process::ExitCode;

const PROGRAM: Program = Program {
    name: "aws-credential-doctor",
    about: "Walks the way to AWS credentials on this machine step by step: what passed, what is wrong, \
            what mends it, and which option fits, as far as that could be seen. Region, endpoints and \
            profile are read from the environment, as an application reads them. It changes nothing; \
            of AWS it asks the metadata service, sts:GetCallerIdentity, and with --role-arn \
            sts:AssumeRole; where environment or profile say so also the container's endpoint, \
            sts:AssumeRoleWithWebIdentity, and what the profile needs (a command, a role).",
    options: &[
        Opt::flag("aws", "examine this machine; the default"),
        Opt::value(
            "region",
            "REGION",
            "the region whose STS is asked, in place of AWS_REGION and the profile's",
        ),
        Opt::value("profile", "NAME", "the profile, in place of AWS_PROFILE"),
        Opt::value("role-arn", "ARN", "the role that Option B would assume"),
        Opt::value("external-id", "ID", "the external id that goes with it")
            .only(Only::With("role-arn")),
        Opt::flag(
            "json",
            "one JSON document in place of lines, of a stable shape",
        ),
        Opt::flag("version", "say the version"),
    ],
    notes: "exit status: 0 healthy, 1 a fault was found, 2 the command line or a setting is wrong",
};

fn main() -> ExitCode {
    let given = match PROGRAM.read() {
        Ok(given) => given,
        Err(status) => return status,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(run(&given)),
        Err(error) => {
            warn(&format!("error: no runtime: {error}"));
            ExitCode::from(FAULT)
        }
    }
}

async fn run(given: &Given) -> ExitCode {
    let waiting = Waiting::new();
    let form = match given.has("json") {
        true => Form::Json,
        false => Form::Lines,
    };
    show(of_this_machine(given, &waiting).await, form, &waiting).await
}
