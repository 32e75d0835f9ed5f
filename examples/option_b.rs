//! Option B: reads an item with the credentials of a role that is assumed explicitly.
//!
//! On the embedded cloud; `-- --aws --table MyTable --region us-east-1 --role-arn <arn>` on AWS.

#[path = "support/place.rs"]
mod place;
mod support;

use aws_credential_strategies::{AssumeRole, Dynamo, InstanceProfile};
use serde_json::Value;
use support::{Failure, tell};

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let place = place::Place::from_args().await?;

    let strategy = AssumeRole::builder(&place.role_arn)
        .session_name("EC2Session")
        .base(place.metadata_service(InstanceProfile::builder()).build()?)
        .sdk_config(&place.sdk_config)
        .build()?;

    let dynamodb = Dynamo::new(strategy, &place.sdk_config);
    let table = dynamodb.table(&place.table);

    let item: Option<Value> = table.get(("id", "123")).send().await?;
    match item {
        Some(item) => tell!("{item:#}"),
        None => tell!("{} has no item whose id is 123", place.table),
    }
    Ok(())
}
