//! Option A: reads an item with the credentials of the instance's own role.
//!
//! On the embedded cloud; `-- --aws --table MyTable --region us-east-1` on AWS.

mod support;

use aws_credential_strategies::{Dynamo, InstanceProfile};
use serde_json::Value;
use std::error::Error;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let place = support::Place::from_args().await?;

    let strategy = place.metadata_service(InstanceProfile::builder()).build()?;

    let dynamodb = Dynamo::new(strategy, &place.sdk_config);
    let table = dynamodb.table(&place.table);

    let item: Option<Value> = table.get(("id", "123")).send().await?;
    support::show(item);
    Ok(())
}
