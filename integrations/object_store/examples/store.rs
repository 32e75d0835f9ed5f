//! Lists a bucket, on an instance of EC2 that has a role:
//! `cargo run --example store --features object_store/aws -- REGION BUCKET`.

use aws_credential_strategies::InstanceProfile;
use aws_credential_strategies_object_store::WithStrategy;
use futures_util::TryStreamExt;
use object_store::ObjectStore;
use object_store::aws::AmazonS3Builder;
use std::error::Error;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(region), Some(bucket)) = (arguments.next(), arguments.next()) else {
        return Err("usage: store REGION BUCKET".into());
    };
    let store = AmazonS3Builder::new()
        .with_region(region)
        .with_bucket_name(bucket)
        .with_strategy(InstanceProfile::new()?)
        .build()?;
    let mut objects = store.list(None);
    while let Some(object) = objects.try_next().await? {
        println!("{} {}", object.size, object.location);
    }
    Ok(())
}
