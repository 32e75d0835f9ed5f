//! Lists a bucket, on an instance of EC2 that has a role:
//! `cargo run --example operator --features opendal-http-transport-reqwest/rustls -- REGION BUCKET`.

use aws_credential_strategies::InstanceProfile;
use opendal_core::HttpTransporter;
use opendal_http_transport_reqwest::ReqwestTransport;
use opendal_service_s3::S3;
use std::error::Error;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(region), Some(bucket)) = (arguments.next(), arguments.next()) else {
        return Err("usage: operator REGION BUCKET".into());
    };
    // the `opendal` crate does this by itself
    HttpTransporter::install_default(ReqwestTransport::default());
    let service = S3::default().bucket(&bucket).region(&region);
    let operator = aws_credential_strategies_opendal::operator(service, InstanceProfile::new()?)?;
    for entry in operator.list("/").await? {
        println!("{}", entry.path());
    }
    Ok(())
}
