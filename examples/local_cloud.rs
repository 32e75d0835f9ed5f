//! Starts the embedded cloud with one item in a table, and prints what points any AWS client at it.
//!
//! Runs until Ctrl-C. `-- --session-seconds 15` makes sessions short, so that a refresh can be seen.

use aws_credential_strategies::local::LocalCloud;
use serde_json::json;
use std::error::Error;
use std::time::Duration;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut builder = LocalCloud::builder();
    if let Some(seconds) = session_seconds()? {
        builder = builder.session_lifetime(Duration::from_secs(seconds));
    }
    let cloud = builder.start().await?;
    cloud.create_table(("MyTable", "id"))?;
    cloud.put_item("MyTable", &json!({ "id": "123", "name": "Ada" }))?;

    println!(
        "# The embedded cloud runs until Ctrl-C. In another shell, point any AWS client at it:"
    );
    for (name, value) in cloud.environment() {
        println!("export {name}={value}");
    }
    println!(
        "unset AWS_PROFILE AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN\n\
         export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null"
    );
    println!("\n# then, with boto3:");
    println!(
        "python3 -c 'import boto3; print(boto3.resource(\"dynamodb\").Table(\"MyTable\").get_item(Key={{\"id\": \"123\"}})[\"Item\"])'"
    );
    println!("\n# with the AWS CLI:");
    println!("aws dynamodb get-item --table-name MyTable --key '{{\"id\": {{\"S\": \"123\"}}}}'");
    println!("\n# and, explicitly, with the role:");
    println!(
        "aws sts assume-role --role-arn {} --role-session-name EC2Session",
        cloud.role_arn(aws_credential_strategies::local::DEFAULT_ROLE)
    );

    tokio::signal::ctrl_c().await?;
    println!(
        "\nmetadata service: {:?}\nSTS: {:?}\nDynamoDB: {:?}",
        cloud.imds().calls(),
        cloud.sts().calls(),
        cloud.dynamodb().calls()
    );
    Ok(())
}

/// The number after `--session-seconds`, if it was given.
fn session_seconds() -> Result<Option<u64>, String> {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => Ok(None),
        (Some("--session-seconds"), Some(seconds)) => seconds
            .parse()
            .map(Some)
            .map_err(|_| format!("--session-seconds: expected a number, got {seconds:?}")),
        _ => Err("usage: local_cloud [--session-seconds <number>]".to_owned()),
    }
}
