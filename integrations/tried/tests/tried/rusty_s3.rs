//! rusty-s3, which signs only; and presigned URLs that live as long as they say.

use super::{HOUR, REQUESTS, started};
use integrations_s3::{REGION, S3};
use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};
use std::time::Duration;

fn form_of(credentials: &aws_credential_types::Credentials) -> Credentials {
    let (key_id, secret) = (credentials.access_key_id(), credentials.secret_access_key());
    match credentials.session_token() {
        Some(token) => Credentials::new_with_token(key_id, secret, token),
        None => Credentials::new(key_id, secret),
    }
}

fn bucket(s3: &S3) -> Bucket {
    let endpoint = s3.url().parse().unwrap();
    Bucket::new(endpoint, UrlStyle::Path, S3::BUCKET, REGION).unwrap()
}

async fn get(url: &str) -> (u16, String) {
    let request = http::Request::get(url).body(String::new());
    integrations_s3::send(request.unwrap()).await
}

#[tokio::test]
async fn each_action_is_signed_from_memory() {
    let (s3, strategy) = started().await;
    let bucket = bucket(&s3);
    for _ in 0..REQUESTS {
        let credentials = form_of(&strategy.credentials().await.unwrap());
        let action = bucket.get_object(Some(&credentials), "one");
        let url = action.sign(Duration::from_secs(60));
        assert_eq!(get(url.as_str()).await, (200, "here".to_owned()));
    }
    s3.one_fetch_each(REQUESTS, 0);
}

#[tokio::test]
async fn a_presigned_url_lives_as_long_as_it_says() {
    let (s3, strategy) = started().await;
    let bucket = bucket(&s3);
    let presigned = |life: Duration| {
        let (strategy, bucket) = (strategy.clone(), bucket.clone());
        async move {
            let credentials = strategy.credentials_valid_for(life).await?;
            let form = form_of(&credentials);
            let url = bucket.get_object(Some(&form), "one").sign(life);
            Ok::<_, aws_credential_strategies::Error>(url)
        }
    };
    let url = presigned(HOUR / 2).await.unwrap();
    assert!(url.as_str().contains("X-Amz-Expires=1800"), "{url}");
    assert_eq!(get(url.as_str()).await.0, 200);
    let error = presigned(HOUR * 2).await.unwrap_err();
    assert!(error.to_string().contains("live for"), "{error}");
    // sessions of an hour cannot do it, so one more was tried
    assert!(s3.sessions().fetches() <= 2, "{:?}", s3.sessions());
}
