//! The IAM documents of both options, for whatever region: prints them, and what is wrong with the one that
//! people paste.
//!
//! `cargo run --example setup -- --region cn-north-1` prints those of China; `-- --write` writes the samples
//! to `examples/setup/`, where the scripts take them from.

#[path = "../../src/bin/aws-credential-doctor/arguments.rs"]
mod arguments;
mod documents;
#[path = "../../src/bin/aws-credential-doctor/screen.rs"]
#[allow(dead_code, reason = "nothing here takes long")]
mod screen;

use arguments::{Only, Opt, Program};
use aws_credential_strategies::iam::TrustPolicy;
use documents::{SAMPLE, Setup};
use screen::{WIDTH, fold, say, warn};
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

const PROGRAM: Program = Program {
    name: "cargo run --example setup --",
    about: "Prints the IAM documents of both options, with sample values.",
    options: &[
        Opt::value(
            "region",
            "REGION",
            "the region, which decides the partition; us-east-1",
        )
        .only(Only::Without("write")),
        Opt::flag(
            "write",
            "write the samples to examples/setup, where the scripts take them from",
        ),
    ],
    notes: "",
};

fn main() -> ExitCode {
    let given = match PROGRAM.read() {
        Ok(given) => given,
        Err(status) => return status,
    };
    let setup = Setup {
        region: given.value("region").unwrap_or(SAMPLE.region),
        ..SAMPLE
    };
    if setup.partition().is_none() {
        return PROGRAM.refuse(&format!(
            "--region {}: of no partition that is known",
            setup.region
        ));
    }
    match show(&setup, given.has("write")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            warn(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn show(setup: &Setup<'_>, write: bool) -> Result<(), Box<dyn Error>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/setup");
    for (name, document) in setup.documents()? {
        if write {
            std::fs::write(directory.join(name), document)?;
            say(&format!("wrote {name}"));
        } else {
            say(&format!("# {name}\n{document}"));
        }
    }

    // Option B with an EC2 instance as principal: IAM refuses it, and so does `TrustPolicy`
    let partition = setup
        .partition()
        .map_or("aws", |partition| partition.name());
    let instance = format!(
        "arn:{partition}:ec2:{}:{}:instance/{}",
        setup.region, setup.account, setup.instance
    );
    if let Err(refusal) = TrustPolicy::builder().principal(&instance).build() {
        say(&fold(&format!("refused: {refusal}"), WIDTH));
    }
    Ok(())
}
