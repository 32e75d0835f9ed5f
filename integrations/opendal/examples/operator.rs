//! Lists a bucket, on an instance of EC2 that has a role:
//! `cargo run --example operator --features opendal-http-transport-reqwest/rustls -- REGION BUCKET`.

use aws_credential_strategies::InstanceProfile;
use opendal_core::HttpTransporter;
use opendal_http_transport_reqwest::ReqwestTransport;
use opendal_service_s3::S3;
use std::error::Error;
use std::io::{Write as _, stdout};
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo run --example operator \\
         --features opendal-http-transport-reqwest/rustls -- REGION BUCKET

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
    // the `opendal` crate does this by itself
    HttpTransporter::install_default(ReqwestTransport::default());
    let service = S3::default().bucket(bucket).region(region);
    let operator = aws_credential_strategies_opendal::operator(service, InstanceProfile::new()?)?;
    for entry in operator.list("/").await? {
        // who reads may have seen enough
        if writeln!(stdout(), "{}", entry.path()).is_err() {
            break;
        }
    }
    Ok(ExitCode::SUCCESS)
}
