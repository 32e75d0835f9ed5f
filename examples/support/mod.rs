//! Where Options A and B run: on the embedded cloud, or with `-- --aws` on whatever the standard AWS
//! variables point at.

#[path = "../../src/bin/aws-credential-doctor/arguments.rs"]
#[allow(dead_code, reason = "two examples with the same options")]
mod arguments;
#[path = "../../src/bin/aws-credential-doctor/screen.rs"]
#[allow(dead_code, reason = "nothing here waits")]
mod screen;

use arguments::{Only, Opt, Program};
use aws_config::BehaviorVersion;
use aws_credential_strategies::iam::{PermissionPolicy, Statement};
use aws_credential_strategies::local::{DEFAULT_ROLE, LocalCloud, Role, Trust};
use aws_credential_strategies::strategy::InstanceProfileBuilder;
use aws_types::SdkConfig;
use aws_types::region::Region;
use serde_json::{Value, json};
use std::error::Error;

const PROGRAM: Program = Program {
    name: "cargo run --example option_a -- (or option_b)",
    about: "Reads the item 123 of a table with the credentials of Option A or B: on the embedded cloud, or with --aws on AWS.",
    options: &[
        Opt::flag("aws", "on whatever the standard AWS variables point at"),
        Opt::value("table", "NAME", "the table; MyTable").only(Only::With("aws")),
        Opt::value(
            "region",
            "REGION",
            "in place of AWS_REGION and the profile's",
        )
        .only(Only::With("aws")),
        Opt::value(
            "role-arn",
            "ARN",
            "the role that Option B assumes; A needs none",
        )
        .only(Only::With("aws")),
    ],
    notes: "",
};

/// Shows the item; a reader of stdout that has gone is no fault.
pub(crate) fn show(item: Option<Value>) {
    screen::say(&format!("{:#}", item.unwrap_or_default()));
}

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
        let given = PROGRAM.read_or_exit();
        if !given.has("aws") {
            return Place::embedded().await;
        }
        let mut settings = aws_config::defaults(BehaviorVersion::latest()).no_credentials();
        if let Some(region) = given.value("region") {
            settings = settings.region(Region::new(region.to_owned()));
        }
        let sample = format!("arn:aws:iam::123456789012:role/{DEFAULT_ROLE}");
        Ok(Place {
            table: given.value("table").unwrap_or("MyTable").to_owned(),
            role_arn: given.value("role-arn").unwrap_or(&sample).to_owned(),
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
