//! The IAM documents of both options: prints them, and what is wrong with the one that people paste.
//!
//! `cargo run --example setup -- --write` writes them to `examples/setup/`, where the scripts take them
//! from.

mod documents;

use aws_credential_strategies::iam::TrustPolicy;
use documents::SAMPLE;
use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let write = std::env::args().any(|argument| argument == "--write");
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/setup");
    for (name, document) in SAMPLE.documents()? {
        if write {
            std::fs::write(directory.join(name), document)?;
            println!("wrote {name}");
        } else {
            println!("# {name}\n{document}");
        }
    }

    // Option B with an EC2 instance as principal: IAM refuses it, and so does `TrustPolicy`
    let instance = format!(
        "arn:{}:ec2:{}:{}:instance/{}",
        SAMPLE.partition, SAMPLE.region, SAMPLE.account, SAMPLE.instance
    );
    if let Err(refusal) = TrustPolicy::builder().principal(&instance).build() {
        println!("refused: {refusal}");
    }
    Ok(())
}
