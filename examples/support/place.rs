//! Where Options A and B run: on the embedded cloud, or with `-- --aws` on whatever the standard AWS
//! variables point at.

use crate::support::arguments::{Only, Opt, Program};
use crate::support::{Failure, NAME};
use aws_config::BehaviorVersion;
use aws_credential_strategies::iam::{PermissionPolicy, Statement};
use aws_credential_strategies::local::{DEFAULT_ROLE, LocalCloud, Role, Trust};
use aws_credential_strategies::strategy::InstanceProfileBuilder;
use aws_types::SdkConfig;
use aws_types::region::Region;
use serde_json::json;

const DEFAULT_TABLE: &str = "MyTable";

const AWS: Opt = Opt::flag("aws", "on AWS, in place of the embedded cloud");
const TABLE: Opt =
    Opt::value("table", "NAME", "the table (default: MyTable)").only(Only::With("aws"));
const REGION: Opt = Opt::value(
    "region",
    "REGION",
    "of the table (default: AWS_REGION, or the profile's)",
)
.only(Only::With("aws"));
const ROLE_ARN: Opt =
    Opt::value("role-arn", "ARN", "the role to assume, which --aws needs").only(Only::With("aws"));

const OPTION_A: Program = Program {
    name: NAME,
    about: "Option A, InstanceProfile: reads the item 123 of a table with the credentials of the EC2 instance's own \
            role.",
    options: &[AWS, TABLE, REGION],
    notes: "takes: a second\n\
            costs: nothing; with --aws one read of DynamoDB, less than a millionth of a US dollar",
};

const OPTION_B: Program = Program {
    name: NAME,
    about: "Option B, AssumeRole: reads the item 123 of a table with the credentials of a role that is assumed \
            explicitly, by the EC2 instance's own role.",
    options: &[AWS, TABLE, REGION, ROLE_ARN],
    notes: "takes: a second\n\
            costs: nothing; with --aws one read of DynamoDB, less than a millionth of a US dollar (STS is free)",
};

/// That of the example which this is part of.
const PROGRAM: Program = match env!("CARGO_CRATE_NAME").as_bytes() {
    b"option_b" => OPTION_B,
    _ => OPTION_A,
};

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
    pub(crate) async fn from_args() -> Result<Self, Failure> {
        let given = PROGRAM.read_or_exit();
        if !given.has("aws") {
            return Place::embedded().await;
        }
        let mut settings = aws_config::defaults(BehaviorVersion::latest()).no_credentials();
        if let Some(region) = given.value("region") {
            settings = settings.region(Region::new(region.to_owned()));
        }
        let assumes = PROGRAM
            .options
            .iter()
            .any(|option| option.name == ROLE_ARN.name);
        let role_arn = given.value(ROLE_ARN.name).unwrap_or_default();
        if assumes && role_arn.is_empty() {
            PROGRAM.refuse_and_exit("--aws needs --role-arn, the role to assume");
        }
        Ok(Place {
            table: given.value("table").unwrap_or(DEFAULT_TABLE).to_owned(),
            role_arn: role_arn.to_owned(),
            sdk_config: settings.load().await,
            cloud: None,
        })
    }

    /// The embedded cloud with one item in one table, and an instance whose role may read it, and may
    /// assume the role that Option B asks for.
    async fn embedded() -> Result<Self, Failure> {
        let cloud = LocalCloud::start().await?;
        cloud.create_table((DEFAULT_TABLE, "id"))?;
        cloud.put_item(DEFAULT_TABLE, &json!({ "id": "123", "name": "Ada" }))?;

        let actions = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"];
        let (region, account) = (cloud.region(), cloud.account());
        let table = format!("arn:aws:dynamodb:{region}:{account}:table/{DEFAULT_TABLE}");
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
            table: DEFAULT_TABLE.to_owned(),
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
