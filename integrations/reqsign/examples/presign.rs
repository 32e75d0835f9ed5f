//! Prints a URL that is good for an hour: `cargo run --example presign -- REGION BUCKET KEY`, on an instance of EC2
//! that has a role. The key is percent-encoded.

use aws_credential_strategies::InstanceProfile;
use aws_credential_strategies_reqsign::{CurrentSigner, StrategyCredentials};
use reqsign_aws_v4::RequestSigner;
use reqsign_core::{Context, Signer};
use std::error::Error;
use std::time::Duration;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [region, bucket, key] = &arguments[..] else {
        return Err("usage: presign REGION BUCKET KEY".into());
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
    Ok(())
}
