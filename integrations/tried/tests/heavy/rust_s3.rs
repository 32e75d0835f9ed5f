//! rust-s3, whose bucket keeps the credentials that it was given: a clone is given those of now, and shares the
//! connections.

use super::{REQUESTS, started};
use integrations_s3::{REGION, S3};
use s3::creds::Credentials;
use s3::{Bucket, Region};

fn form_of(credentials: &aws_credential_types::Credentials) -> Credentials {
    let (key_id, secret) = (credentials.access_key_id(), credentials.secret_access_key());
    let token = credentials.session_token();
    Credentials::new(Some(key_id), Some(secret), None, token, None).unwrap()
}

#[tokio::test]
async fn a_bucket_of_the_present_session_for_each_use() {
    let (s3, strategy) = started().await;
    let region = Region::Custom {
        region: REGION.to_owned(),
        endpoint: s3.url().to_owned(),
    };
    let bucket = Bucket::new(S3::BUCKET, region, Credentials::anonymous().unwrap()).unwrap();
    let bucket = bucket.with_path_style();
    for _ in 0..REQUESTS {
        let mut bucket = bucket.clone();
        bucket.set_credentials(form_of(&strategy.credentials().await.unwrap()));
        let answer = bucket.get_object("/one").await.unwrap();
        assert_eq!(answer.as_str().unwrap(), "here");
    }
    s3.one_fetch_each(REQUESTS, 0);
}
