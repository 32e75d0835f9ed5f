//! The IAM documents of both options, for whatever region: prints them, and what is wrong with the one that
//! people paste.
//!
//! `cargo run --example setup -- --region cn-north-1` prints those of China; `-- --write` writes the samples
//! to `examples/setup/`, where the scripts take them from.

mod documents;
#[path = "../support/mod.rs"]
mod support;

use aws_credential_strategies::iam::TrustPolicy;
use documents::{SAMPLE, Setup};
use std::path::Path;
use support::arguments::{Only, Opt, Program};
use support::screen::{WIDTH, fold};
use support::{Failure, NAME, tell};

const PROGRAM: Program = Program {
    name: NAME,
    about: "Prints the IAM documents of both options, with sample values, and what is wrong with the one that people paste. \
            The scripts in examples/setup put your values in.",
    options: &[
        Opt::value(
            "region",
            "REGION",
            "which decides the partition (default: us-east-1)",
        )
        .only(Only::Without("write")),
        Opt::flag(
            "write",
            "write the samples to examples/setup, where the scripts take them from",
        ),
    ],
    notes: "takes: a moment\ncosts: nothing, AWS is not asked",
};

fn main() -> Result<(), Failure> {
    let given = PROGRAM.read_or_exit();
    let setup = Setup {
        region: given.value("region").unwrap_or(SAMPLE.region),
        ..SAMPLE
    };
    let Some(partition) = setup.partition() else {
        let wrong = format!("--region {}: of no partition that is known", setup.region);
        PROGRAM.refuse_and_exit(&wrong);
    };
    let documents = setup.documents()?;
    if given.has("write") {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/setup");
        for (name, document) in &documents {
            std::fs::write(directory.join(name), document)?;
        }
    }
    for (name, document) in &documents {
        match given.has("write") {
            true => tell!("wrote {name}"),
            false => tell!("# {name}\n{document}"),
        }
    }

    // Option B with an EC2 instance as principal: IAM refuses it, and so does `TrustPolicy`
    let instance = format!(
        "arn:{}:ec2:{}:{}:instance/{}",
        partition.name(),
        setup.region,
        setup.account,
        setup.instance
    );
    if let Err(refusal) = TrustPolicy::builder().principal(&instance).build() {
        tell!("{}", fold(&format!("refused: {refusal}"), WIDTH));
    }
    Ok(())
}
