//! The policy documents of both options, for whatever account, region, table and roles.

use aws_credential_strategies::iam::{
    Grant, OidcProvider, Partition, PermissionPolicy, Statement, TrustPolicy,
};
use aws_credential_strategies::{Error, Result};

/// The values that the documents depend on.
#[derive(Clone, Copy)]
pub(crate) struct Setup<'a> {
    /// Decides the partition in every ARN.
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
    /// Option B from GitHub Actions: the repository, and the branch whose jobs are admitted.
    pub(crate) github_repository: &'a str,
    pub(crate) github_branch: &'a str,
    /// Option B from a pod of EKS: the cluster's issuer, without `https://`, and namespace and name of
    /// the service account.
    pub(crate) eks_issuer: &'a str,
    pub(crate) service_account: &'a str,
    /// Option B from Entra ID: the tenant, the application, the identity.
    pub(crate) entra_tenant: &'a str,
    pub(crate) entra_audience: &'a str,
    pub(crate) entra_object: &'a str,
}

/// What stands in the files here; the scripts put your values in their place.
pub(crate) const SAMPLE: Setup<'static> = Setup {
    region: "us-east-1",
    account: "123456789012",
    table: "MyTable",
    target_role: "DynamoDBRole",
    caller_role: "EC2CallerRole",
    caller_account: "111122223333",
    external_id: "partner-7f3a",
    instance: "i-1234567890abcdef0",
    github_repository: "octo-org/octo-repo",
    github_branch: "octo-branch",
    eks_issuer: "oidc.eks.us-east-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE",
    service_account: "octo-namespace:octo-account",
    entra_tenant: "00000000-1111-2222-3333-444444444444",
    entra_audience: "api://octo-audience",
    entra_object: "55555555-6666-7777-8888-999999999999",
};

impl Setup<'_> {
    /// The partition of the region; none where AWS has no such region.
    pub(crate) fn partition(&self) -> Option<Partition> {
        Partition::of_known_region(self.region)
    }

    /// Each document under the name of its file, ending in a new line.
    pub(crate) fn documents(&self) -> Result<Vec<(&'static str, String)>> {
        let partition = self.partition().ok_or_else(|| {
            Error::terminal(format!(
                "{}: no region of a partition that is known",
                self.region
            ))
        })?;
        let Setup {
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
        let permission = PermissionPolicy::for_grants(grants, partition.name(), region, account)?;

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
            .service(&partition.service_principal("lambda"))
            .build()?;

        // identities from outside, by the tokens of their providers
        let web_identity = |provider: &OidcProvider, subject: &str| {
            let trust = TrustPolicy::builder().partition(partition);
            trust
                .web_identity(provider, account)
                .subject(subject)
                .build()
        };
        let subject = format!(
            "repo:{}:ref:refs/heads/{}",
            self.github_repository, self.github_branch
        );
        let github = web_identity(&OidcProvider::github(), &subject)?;
        let eks = OidcProvider::eks(&format!("https://{}", self.eks_issuer))?;
        let subject = format!("system:serviceaccount:{}", self.service_account);
        let eks = web_identity(&eks, &subject)?;
        let entra = OidcProvider::entra(self.entra_tenant, self.entra_audience)?;
        let entra = web_identity(&entra, self.entra_object)?;

        Ok(vec![
            ("permission-policy.json", format!("{permission}\n")),
            ("caller-policy.json", format!("{caller}\n")),
            (
                "trust-ec2.json",
                format!("{}\n", TrustPolicy::ec2_in(partition)),
            ),
            ("trust-role.json", format!("{role}\n")),
            ("trust-one-instance.json", format!("{one_instance}\n")),
            ("trust-other-account.json", format!("{other_account}\n")),
            ("trust-any-of-account.json", format!("{any_of_account}\n")),
            ("trust-service.json", format!("{service}\n")),
            ("trust-github.json", format!("{github}\n")),
            ("trust-eks.json", format!("{eks}\n")),
            ("trust-entra.json", format!("{entra}\n")),
        ])
    }
}
