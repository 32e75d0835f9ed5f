//! Where Options A and B run: on the embedded cloud, or with `-- --aws` on whatever the standard AWS
//! variables point at.

use aws_config::BehaviorVersion;
use aws_credential_strategies::iam::{PermissionPolicy, Statement};
use aws_credential_strategies::local::{DEFAULT_ROLE, LocalCloud, Role, Trust};
use aws_credential_strategies::strategy::InstanceProfileBuilder;
use aws_types::SdkConfig;
use aws_types::region::Region;
use serde_json::json;
use std::error::Error;

const USAGE: &str = "usage: [--aws [--table <name>] [--region <region>] [--role-arn <arn>]]";

/// Region, endpoints and names; no credentials.
pub(crate) struct Place {
    pub(crate) table: String,
    /// The role that Option B assumes.
    #[allow(dead_code, reason = "Option A needs to know of no role")]
    pub(crate) role_arn: String,
    pub(crate) sdk_config: SdkConfig,
    /// Nothing is embedded with `--aws`.
    cloud: Option<LocalCloud>,
}

impl Place {
    /// What the command line asks for.
    pub(crate) async fn from_args() -> Result<Self, Box<dyn Error>> {
        let arguments = Arguments::read()?;
        if !arguments.aws {
            return Place::embedded().await;
        }
        let mut settings = aws_config::defaults(BehaviorVersion::latest()).no_credentials();
        if let Some(region) = arguments.region {
            settings = settings.region(region);
        }
        Ok(Place {
            table: arguments.table,
            role_arn: arguments.role_arn,
            sdk_config: settings.load().await,
            cloud: None,
        })
    }

    /// The embedded cloud with one item in one table, and an instance whose role may read it, and may
    /// assume the role that Option B asks for.
    async fn embedded() -> Result<Self, Box<dyn Error>> {
        const TABLE: &str = "MyTable";
        let cloud = LocalCloud::start().await?;
        cloud.create_table((TABLE, "id"))?;
        cloud.put_item(TABLE, &json!({ "id": "123", "name": "Ada" }))?;

        let actions = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"];
        let (region, account) = (cloud.region(), cloud.account());
        let table = format!("arn:aws:dynamodb:{region}:{account}:table/{TABLE}");
        let use_table = Statement::allow(actions, [table]);
        let assume = Statement::allow(["sts:AssumeRole"], [cloud.role_arn(DEFAULT_ROLE)]);

        let instance = PermissionPolicy::new([use_table.clone(), assume])?;
        let instance = Role::new("AppInstance")
            .trust(Trust::ec2())
            .permissions(&instance);
        let instance_arn = cloud.add_role(instance)?;
        cloud.attach_role("AppInstance")?;

        let role = Role::new(DEFAULT_ROLE).trust(Trust::principal(instance_arn));
        let role_arn = cloud.add_role(role.permissions(&PermissionPolicy::new([use_table])?))?;
        Ok(Place {
            table: TABLE.to_owned(),
            role_arn,
            sdk_config: cloud.sdk_config(),
            cloud: Some(cloud),
        })
    }

    /// On the embedded cloud, its metadata service; elsewhere the one that the environment names, or
    /// the instance's own.
    pub(crate) fn metadata_service(
        &self,
        strategy: InstanceProfileBuilder,
    ) -> InstanceProfileBuilder {
        match &self.cloud {
            Some(cloud) => strategy.endpoint(cloud.imds_endpoint()),
            None => strategy,
        }
    }
}

struct Arguments {
    aws: bool,
    table: String,
    region: Option<Region>,
    role_arn: String,
}

impl Arguments {
    fn read() -> Result<Self, String> {
        let mut read = Arguments {
            aws: false,
            table: "MyTable".to_owned(),
            region: None,
            role_arn: format!("arn:aws:iam::123456789012:role/{DEFAULT_ROLE}"),
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let no_value = || format!("{name}: no value; {USAGE}");
            match name.as_str() {
                "--aws" => read.aws = true,
                "--table" => read.table = arguments.next().ok_or_else(no_value)?,
                "--region" => {
                    let region = arguments.next().ok_or_else(no_value)?;
                    read.region = Some(Region::new(region));
                }
                "--role-arn" => read.role_arn = arguments.next().ok_or_else(no_value)?,
                _ => return Err(format!("{name}: not known; {USAGE}")),
            }
        }
        Ok(read)
    }
}
