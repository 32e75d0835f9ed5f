//! What works without an adapter, of the crates that take minutes to compile.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod minio;
mod presigned;
mod rds;
mod recipes;
mod rust_s3;

use aws_credential_strategies::{CredentialCache, RefreshPolicy};
use integrations_s3::{Ends, S3, Source};
use std::fs;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
/// Requests of each row.
const REQUESTS: usize = 100;

/// Sessions of an hour, an S3 that takes them, and a strategy over their source.
async fn started() -> (S3, CredentialCache<Source>) {
    let s3 = S3::start(Ends::AtItsEnd, HOUR).await;
    fs::write(s3.files().join("one"), "here").unwrap();
    let strategy = CredentialCache::new(s3.source(), RefreshPolicy::default());
    (s3, strategy)
}
