//! object_store: its cache is private, so it is asked through the store's credentials, over a metadata
//! service on loopback.

use super::Resolve;
use crate::Failure;
use object_store::ClientOptions;
use object_store::aws::{AmazonS3Builder, AwsCredentialProvider};
use std::hint::black_box;

pub(crate) struct ObjectStore(AwsCredentialProvider);

impl ObjectStore {
    /// With its own defaults for retries and timeouts; the bucket is never asked for.
    pub(crate) fn new(imds_endpoint: &str) -> Result<Self, Failure> {
        let store = AmazonS3Builder::new()
            .with_bucket_name("bucket")
            .with_region("us-east-1")
            .with_metadata_endpoint(imds_endpoint)
            .with_client_options(ClientOptions::new().with_allow_http(true))
            .build()?;
        Ok(ObjectStore(store.credentials().clone()))
    }
}

impl Resolve for ObjectStore {
    async fn resolve(&self) -> Option<String> {
        let session = self.0.get_credential().await.ok()?;
        Some(session.key_id.clone())
    }

    async fn once(&self) {
        let _ = black_box(self.0.get_credential().await);
    }
}
