//! The policy documents of both options, for whatever account, region, table and roles.

use aws_credential_strategies::Result;
use aws_credential_strategies::iam::{Grant, PermissionPolicy, Statement, TrustPolicy};

/// The values that the documents depend on.
pub(crate) struct Setup<'a> {
    pub(crate) partition: &'a str,
    pub(crate) region: &'a str,
    /// Of the table and of the role that reads it.
    pub(crate) account: &'a str,
    pub(crate) table: &'a str,
    /// Option B: the role to assume.
    pub(crate) target_role: &'a str,
    /// Option B: the role of the instance profile, which assumes the other.
    pub(crate) caller_role: &'a str,
    /// Option B across accounts: where the instance runs.
    pub(crate) caller_account: &'a str,
    pub(crate) external_id: &'a str,
    pub(crate) instance: &'a str,
}

/// What stands in the files here; the scripts put your values in their place.
pub(crate) const SAMPLE: Setup<'static> = Setup {
    partition: "aws",
    region: "us-east-1",
    account: "123456789012",
    table: "MyTable",
    target_role: "DynamoDBRole",
    caller_role: "EC2CallerRole",
    caller_account: "111122223333",
    external_id: "partner-7f3a",
    instance: "i-1234567890abcdef0",
};

impl Setup<'_> {
    /// Each document under the name of its file, ending in a new line.
    pub(crate) fn documents(&self) -> Result<Vec<(&'static str, String)>> {
        let Setup {
            partition,
            region,
            account,
            table,
            target_role,
            caller_role,
            ..
        } = *self;
        let Setup {
            caller_account,
            external_id,
            instance,
            ..
        } = *self;

        // what the application may do, with either option
        let grants = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"]
            .map(|action| Grant::on_table(action, table));
        let permission = PermissionPolicy::for_grants(grants, partition, region, account)?;

        // Option B: what the caller may do
        let target = format!("arn:{partition}:iam::{account}:role/{target_role}");
        let caller = PermissionPolicy::new([Statement::allow(["sts:AssumeRole"], [target])])?;

        // who may assume the role
        let of = |account: &str| format!("arn:{partition}:iam::{account}:role/{caller_role}");
        let session =
            format!("arn:{partition}:sts::{account}:assumed-role/{caller_role}/{instance}");
        let root = format!("arn:{partition}:iam::{caller_account}:root");
        let role = TrustPolicy::builder().role(&of(account)).build()?;
        let other_account = TrustPolicy::builder().role(&of(caller_account));
        let other_account = other_account.external_id(external_id).build()?;
        let one_instance = TrustPolicy::builder().principal(&session).build()?;
        let any_of_account = TrustPolicy::builder().principal(&root);
        let any_of_account = any_of_account.external_id(external_id).build()?;
        let service = TrustPolicy::builder()
            .service("lambda.amazonaws.com")
            .build()?;

        Ok(vec![
            ("permission-policy.json", format!("{permission}\n")),
            ("caller-policy.json", format!("{caller}\n")),
            ("trust-ec2.json", format!("{}\n", TrustPolicy::ec2())),
            ("trust-role.json", format!("{role}\n")),
            ("trust-one-instance.json", format!("{one_instance}\n")),
            ("trust-other-account.json", format!("{other_account}\n")),
            ("trust-any-of-account.json", format!("{any_of_account}\n")),
            ("trust-service.json", format!("{service}\n")),
        ])
    }
}
