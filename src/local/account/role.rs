//! Roles of the embedded cloud, and whom they admit.

use crate::error::{Error, Operation, Result};
use crate::iam::TrustPolicy;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::ops::RangeInclusive;
use std::time::Duration;

/// How long a session of a role may last unless [`Role::max_session`] says otherwise; AWS's default.
pub const DEFAULT_MAX_SESSION: Duration = Duration::from_secs(60 * 60);

/// The session lengths that a role may be set to; IAM's bounds.
const MAX_SESSION: RangeInclusive<Duration> =
    Duration::from_secs(60 * 60)..=Duration::from_secs(12 * 60 * 60);

/// An IAM role, to be added with [`LocalCloud::add_role`](crate::local::LocalCloud::add_role).
///
/// ```
/// use aws_credential_strategies::iam::{PermissionPolicy, Statement};
/// use aws_credential_strategies::local::{LocalCloud, Role, Trust};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> aws_credential_strategies::Result<()> {
/// let cloud = LocalCloud::start().await?;
/// let read = Statement::allow(["dynamodb:GetItem"], ["arn:aws:dynamodb:us-east-1:123456789012:table/MyTable"]);
/// let role = Role::new("Reader")
///     .trust(Trust::ec2())
///     .permissions(&PermissionPolicy::new([read])?);
/// assert_eq!(cloud.add_role(role)?, "arn:aws:iam::123456789012:role/Reader");
/// cloud.attach_role("Reader")?;
/// # Ok(())
/// # }
/// ```
///
/// Unless told otherwise it lives in the cloud's account, admits that account, may do everything, and
/// its sessions last [an hour at most](DEFAULT_MAX_SESSION).
#[derive(Clone, Debug)]
pub struct Role {
    pub(in crate::local) name: String,
    pub(in crate::local) path: String,
    pub(in crate::local) account: Option<String>,
    pub(in crate::local) trust: Option<Trust>,
    pub(in crate::local) max_session: Duration,
    /// Documents, not yet read.
    pub(in crate::local) permissions: Option<Vec<Value>>,
}

impl Role {
    /// A role with this name.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Role {
            name: name.into(),
            path: "/".to_owned(),
            account: None,
            trust: None,
            max_session: DEFAULT_MAX_SESSION,
            permissions: None,
        }
    }

    /// Puts it into another account, for cross-account access; the default is the cloud's own.
    #[must_use]
    pub fn account(mut self, account: impl Into<String>) -> Self {
        self.account = Some(account.into());
        self
    }

    /// The longest session, 1 to 12 hours; [an hour](DEFAULT_MAX_SESSION) by default.
    #[must_use]
    pub fn max_session(mut self, max: Duration) -> Self {
        self.max_session = max;
        self
    }

    /// The path in its ARN, for example `/service/`; `/` by default.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Attaches a policy: anything that serialises to a policy document, or its JSON text. May be called
    /// repeatedly.
    ///
    /// Until then the role may do everything. That is for convenience; a role on AWS may do nothing
    /// before it has a policy.
    #[must_use]
    pub fn permissions(mut self, policy: &impl Serialize) -> Self {
        // what does not serialise is refused as no document when the role is added
        let document = serde_json::to_value(policy).unwrap_or_default();
        self.permissions.get_or_insert_default().push(document);
        self
    }

    /// Whom it admits; its own account by default.
    #[must_use]
    pub fn trust(mut self, trust: impl Into<Trust>) -> Self {
        self.trust = Some(trust.into());
        self
    }

    /// Refuses what IAM's `CreateRole` would refuse.
    pub(in crate::local) fn check(&self) -> Result<()> {
        const ADD: Operation = Operation::new("add role");
        let wrong = |field: &'static str, expected: String| {
            Err(Error::usage(field, expected)
                .during(ADD)
                .on(self.name.clone()))
        };
        let name_char = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
        if self.name.is_empty() || self.name.len() > 64 || !self.name.chars().all(name_char) {
            return wrong(
                "name",
                "expected 1 to 64 characters: letters, digits and _+=,.@-".to_owned(),
            );
        }
        if !self.path.starts_with('/') || !self.path.ends_with('/') {
            return wrong(
                "path",
                format!(
                    "expected a path that begins and ends with /, got {:?}",
                    self.path
                ),
            );
        }
        if !MAX_SESSION.contains(&self.max_session) {
            return wrong("max_session", "expected 1 to 12 hours".to_owned());
        }
        match &self.account {
            Some(account) => check_account("account", account).map_err(|error| error.during(ADD)),
            None => Ok(()),
        }
    }
}

/// Whom a role admits: a [`TrustPolicy`], or a shorthand for one.
///
/// ```
/// use aws_credential_strategies::local::{Role, Trust};
///
/// let partner = Role::new("Partner").trust(Trust::account("210987654321").external_id("partner-7f3a"));
/// let instance = Role::new("Web").trust(Trust::ec2().or(Trust::containers()));
/// ```
///
/// A trust policy is enforced as it is written, conditions included. The shorthand also lets callers
/// and services tag their sessions, and callers set a source identity, which a policy has to allow by
/// `sts:TagSession` and `sts:SetSourceIdentity`; its conditions are for callers, not for services.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    policies: Vec<TrustPolicy>,
    /// What may stand under `AWS` in a policy.
    callers: Vec<String>,
    services: Vec<String>,
    external_id: Option<String>,
    needs_mfa: bool,
}

impl Trust {
    /// Everybody in an account, by its 12 digits.
    #[must_use]
    pub fn account(account: impl Into<String>) -> Self {
        Trust::principal(account)
    }

    /// EC2, so that the role can be attached to an instance.
    #[must_use]
    pub fn ec2() -> Self {
        Trust::service("ec2.amazonaws.com")
    }

    /// ECS tasks and EKS pods, so that containers can have the role.
    #[must_use]
    pub fn containers() -> Self {
        Trust::service("ecs-tasks.amazonaws.com").or(Trust::service("pods.eks.amazonaws.com"))
    }

    /// Nobody.
    #[must_use]
    pub fn nobody() -> Self {
        Trust::default()
    }

    /// One role, in all its sessions, or one user, by ARN.
    #[must_use]
    pub fn principal(arn: impl Into<String>) -> Self {
        Trust {
            callers: vec![arn.into()],
            ..Trust::default()
        }
    }

    /// A service, for example `lambda.amazonaws.com`.
    #[must_use]
    pub fn service(service: impl Into<String>) -> Self {
        Trust {
            services: vec![service.into()],
            ..Trust::default()
        }
    }

    /// Those that the other admits too; conditions of either hold for the callers of both.
    #[must_use]
    pub fn or(mut self, other: Trust) -> Self {
        let Trust {
            policies,
            callers,
            services,
            external_id,
            needs_mfa,
        } = other;
        self.policies.extend(policies);
        self.callers.extend(callers);
        self.services.extend(services);
        self.external_id = self.external_id.or(external_id);
        self.needs_mfa |= needs_mfa;
        self
    }

    /// Only callers that give this external id.
    #[must_use]
    pub fn external_id(mut self, id: impl Into<String>) -> Self {
        self.external_id = Some(id.into());
        self
    }

    /// Only callers that give a code of a multi-factor device.
    #[must_use]
    pub fn mfa(mut self) -> Self {
        self.needs_mfa = true;
        self
    }

    /// The one policy that says all this; `None` admits nobody.
    pub(in crate::local) fn into_policy(self) -> Result<Option<TrustPolicy>> {
        let Trust {
            mut policies,
            callers,
            services,
            external_id,
            needs_mfa,
        } = self;
        let mut statements = Vec::new();
        if !callers.is_empty() {
            let mut conditions = Map::new();
            if let Some(id) = external_id {
                conditions.insert("StringEquals".to_owned(), json!({ "sts:ExternalId": id }));
            }
            if needs_mfa {
                conditions.insert(
                    "Bool".to_owned(),
                    json!({ "aws:MultiFactorAuthPresent": "true" }),
                );
            }
            let mut statement = json!({
                "Effect": "Allow",
                "Principal": { "AWS": callers },
                "Action": ["sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"],
            });
            if let (false, Some(members)) = (conditions.is_empty(), statement.as_object_mut()) {
                members.insert("Condition".to_owned(), conditions.into());
            }
            statements.push(statement);
        }
        if !services.is_empty() {
            statements.push(json!({
                "Effect": "Allow",
                "Principal": { "Service": services },
                "Action": ["sts:AssumeRole", "sts:TagSession"],
            }));
        }
        if !statements.is_empty() {
            let document = json!({ "Version": "2012-10-17", "Statement": statements });
            policies.push(TrustPolicy::from_json(&document.to_string())?);
        }
        Ok(policies.into_iter().reduce(TrustPolicy::and))
    }
}

impl From<TrustPolicy> for Trust {
    fn from(policy: TrustPolicy) -> Self {
        Trust {
            policies: vec![policy],
            ..Trust::default()
        }
    }
}

pub(in crate::local) fn check_account(field: &'static str, account: &str) -> Result<()> {
    let digits = account.bytes().all(|digit| digit.is_ascii_digit());
    if digits && account.len() == 12 {
        return Ok(());
    }
    Err(Error::usage(
        field,
        format!("expected an account id of 12 digits, got {account:?}"),
    ))
}
