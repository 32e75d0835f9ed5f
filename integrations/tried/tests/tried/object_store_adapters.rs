//! Adapters of object_store over a provider of the AWS SDK, as deltalake-aws and lance have them: deltalake asks the
//! provider in an `SdkConfig`, under a lock, where what it keeps has ended; lance asks before that. This one asks with each request,
//! which is the most that any can.

use super::{REQUESTS, started};
use async_trait::async_trait;
use aws_credential_strategies::sdk;
use aws_types::SdkConfig;
use integrations_s3::{REGION, S3};
use object_store::aws::{AmazonS3Builder, AwsCredential};
use object_store::path::Path;
use object_store::{CredentialProvider, ObjectStoreExt};
use std::sync::Arc;

#[derive(Debug)]
struct OverSdkConfig(SdkConfig);

#[async_trait]
impl CredentialProvider for OverSdkConfig {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        use aws_credential_types::provider::ProvideCredentials;
        let provider = self.0.credentials_provider().unwrap();
        let credentials = provider.provide_credentials().await.unwrap();
        Ok(Arc::new(AwsCredential {
            key_id: credentials.access_key_id().into(),
            secret_key: credentials.secret_access_key().into(),
            token: credentials.session_token().map(Into::into),
        }))
    }
}

#[tokio::test]
async fn an_adapter_that_asks_with_each_request_is_answered_from_memory() {
    let (s3, strategy) = started().await;
    let settings = sdk::config(&SdkConfig::builder().build(), strategy);
    let store = AmazonS3Builder::new()
        .with_endpoint(s3.url())
        .with_allow_http(true)
        .with_region(REGION)
        .with_bucket_name(S3::BUCKET)
        .with_credentials(Arc::new(OverSdkConfig(settings)))
        .build()
        .unwrap();
    for _ in 0..REQUESTS {
        store.get(&Path::from("one")).await.unwrap();
    }
    s3.one_fetch_each(REQUESTS, 0);
}
