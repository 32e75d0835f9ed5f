//! Presigning by aws-sdk-s3, with credentials that live as long as the URL says.

use super::{HOUR, started};
use aws_credential_strategies::sdk;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Builder, Region};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_types::SdkConfig;
use integrations_s3::{REGION, S3};

#[tokio::test]
async fn a_presigned_url_lives_as_long_as_it_says() {
    let (s3, strategy) = started().await;
    let settings = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(s3.url());
    let settings = sdk::config(&settings.build(), strategy.clone());
    let client = Client::from_conf(Builder::from(&settings).force_path_style(true).build());
    let life = HOUR / 2;
    strategy.credentials_valid_for(life).await.unwrap();
    let presigned = client
        .get_object()
        .bucket(S3::BUCKET)
        .key("one")
        .presigned(PresigningConfig::expires_in(life).unwrap())
        .await
        .unwrap();
    assert!(
        presigned.uri().contains("X-Amz-Expires=1800"),
        "{}",
        presigned.uri()
    );
    let request = http::Request::get(presigned.uri()).body(String::new());
    let (status, body) = integrations_s3::send(request.unwrap()).await;
    assert_eq!((status, &*body), (200, "here"));
    assert_eq!(s3.sessions().fetches(), 1);
}
