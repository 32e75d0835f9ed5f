//! What a cached credential costs a program like any other: called directly, with the system's allocator. The row
//! `resolve` runs it under callgrind.

use aws_credential_strategies::{
    CredentialCache, CredentialSource, CredentialStrategy, Credentials, RefreshPolicy, Result,
};
use aws_credential_types::provider::ProvideCredentials;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Longer than any run.
const LIFETIME: Duration = Duration::from_secs(6 * 3600);

#[derive(Debug)]
struct Session;

impl CredentialSource for Session {
    fn name(&self) -> &'static str {
        "plain"
    }

    async fn fetch(&self) -> Result<Credentials> {
        let token = Some("t".repeat(700));
        let expiry = Some(SystemTime::now() + LIFETIME);
        Ok(Credentials::new(
            "ASIAEXAMPLE",
            "secret",
            token,
            expiry,
            "plain",
        ))
    }
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let call = arguments.next().unwrap_or_default();
    let count: u64 = arguments.next().unwrap_or_default().parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let cache = CredentialCache::new(Session, RefreshPolicy::default());
        cache.credentials().await?;
        match &*call {
            "current" => (0..count).for_each(|_| {
                black_box(cache.current());
            }),
            "credentials" => {
                for _ in 0..count {
                    black_box(cache.credentials().await?);
                }
            }
            "provider" => {
                for _ in 0..count {
                    black_box(cache.provide_credentials().await?);
                }
            }
            "dyn" => {
                let shared: Arc<dyn CredentialStrategy> = Arc::new(cache);
                for _ in 0..count {
                    black_box(shared.credentials().await?);
                }
            }
            other => return Err(format!("no call {other:?}").into()),
        }
        Ok(())
    })
}
