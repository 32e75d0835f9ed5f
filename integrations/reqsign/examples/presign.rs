//! Prints a URL that is good for an hour: `cargo run --example presign -- REGION BUCKET KEY`, on an instance of EC2
//! that has a role. The key is percent-encoded.

use aws_credential_strategies::InstanceProfile;
use aws_credential_strategies_reqsign::{CurrentSigner, StrategyCredentials};
use reqsign_aws_v4::RequestSigner;
use reqsign_core::{Context, Signer};
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "\
usage: cargo run --example presign -- REGION BUCKET KEY

Prints a URL of an object that is good for an hour, on an instance of EC2 that
has a role. The key is percent-encoded.

takes: a moment
costs: nothing, S3 is not asked";

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (region, bucket, key) = match &arguments[..] {
        [region, bucket, key] if !region.starts_with('-') => (region, bucket, key),
        [help] if help == "--help" => {
            println!("{USAGE}");
            return Ok(ExitCode::SUCCESS);
        }
        _ => {
            eprintln!("{USAGE}");
            return Ok(ExitCode::from(2));
        }
    };
    let strategy = InstanceProfile::new()?;
    let signer = Signer::new(
        Context::new(),
        StrategyCredentials::new(strategy.clone()),
        CurrentSigner::new(strategy, RequestSigner::new("s3", region)),
    );
    let url = format!("https://{bucket}.s3.{region}.amazonaws.com/{key}");
    let (mut request, ()) = http::Request::get(url).body(())?.into_parts();
    signer
        .sign(&mut request, Some(Duration::from_secs(3600)))
        .await?;
    println!("{}", request.uri);
    Ok(ExitCode::SUCCESS)
}
