//! Option A: reads an item with the credentials of the instance's own role.
//!
//! On the embedded cloud; `-- --aws --table MyTable --region us-east-1` on AWS.

#[path = "support/place.rs"]
mod place;
mod support;

use aws_credential_strategies::{Dynamo, InstanceProfile};
use serde_json::Value;
use support::{Failure, tell};

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let place = place::Place::from_args().await?;

    let strategy = place.metadata_service(InstanceProfile::builder()).build()?;

    let dynamodb = Dynamo::new(strategy, &place.sdk_config);
    let table = dynamodb.table(&place.table);

    let item: Option<Value> = table.get(("id", "123")).send().await?;
    match item {
        Some(item) => tell!("{item:#}"),
        None => tell!("{} has no item whose id is 123", place.table),
    }
    Ok(())
}
