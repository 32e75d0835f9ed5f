//! minio, whose provider cannot wait.

use super::{REQUESTS, started};
use aws_credential_strategies::CredentialStrategy;
use integrations_s3::{REGION, S3};
use minio::s3::client::{MinioClient, MinioClientBuilder};
use minio::s3::creds::{Credentials, Provider};
use minio::s3::http::BaseUrl;
use minio::s3::types::{Region, S3Api};

/// Await `strategy.credentials()` once before the client is made, so that there are credentials.
#[derive(Debug)]
struct Current<S>(S);

impl<S: CredentialStrategy> Provider for Current<S> {
    fn fetch(&self) -> Credentials {
        let current = self.0.current();
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let current = current.as_deref();
        Credentials {
            access_key: text(current.map(|current| current.access_key_id())),
            secret_key: text(current.map(|current| current.secret_access_key())),
            session_token: current.and_then(|current| current.session_token().map(Into::into)),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_answers_from_memory() {
    let (s3, strategy) = started().await;
    strategy.credentials().await.unwrap();
    let mut url: BaseUrl = s3.url().parse().unwrap();
    // else it asks for the bucket's
    url.region = Region::new(REGION).unwrap();
    let client: MinioClient = MinioClientBuilder::new(url)
        .provider(Some(Current(strategy)))
        .build()
        .unwrap();
    for _ in 0..REQUESTS {
        let request = client.get_object(S3::BUCKET, "one").unwrap().build();
        request.send().await.unwrap();
    }
    assert_eq!(s3.sessions().fetches(), 1);
    assert_eq!(s3.sessions().rejected(), 0);
    assert!(s3.sessions().admitted() >= REQUESTS);
}
