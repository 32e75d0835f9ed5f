//! Lists a bucket, on an instance of EC2 that has a role:
//! `cargo run --example store --features object_store/aws -- REGION BUCKET`.

use aws_credential_strategies::InstanceProfile;
use aws_credential_strategies_object_store::WithStrategy;
use futures_util::TryStreamExt;
use object_store::ObjectStore;
use object_store::aws::AmazonS3Builder;
use std::error::Error;
use std::io::{Write as _, stdout};
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo run --example store --features object_store/aws -- REGION BUCKET

Lists a bucket, on an instance of EC2 that has a role.

takes: a moment for each 1,000 objects
costs: half a US cent for a million objects";

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (region, bucket) = match &arguments[..] {
        [region, bucket] if !region.starts_with('-') => (region, bucket),
        [help] if help == "--help" => {
            println!("{USAGE}");
            return Ok(ExitCode::SUCCESS);
        }
        _ => {
            eprintln!("{USAGE}");
            return Ok(ExitCode::from(2));
        }
    };
    let store = AmazonS3Builder::new()
        .with_region(region)
        .with_bucket_name(bucket)
        .with_strategy(InstanceProfile::new()?)
        .build()?;
    let mut objects = store.list(None);
    while let Some(object) = objects.try_next().await? {
        // who reads may have seen enough
        if writeln!(stdout(), "{} {}", object.size, object.location).is_err() {
            break;
        }
    }
    Ok(ExitCode::SUCCESS)
}
