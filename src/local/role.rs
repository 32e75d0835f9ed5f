//! Roles of the embedded cloud, and whom they admit.

use super::builder::check_account;
use super::identity::unique_id;
use crate::error::{Error, Operation, Result};
use std::ops::RangeInclusive;
use std::time::Duration;

/// How long a session of a role may last unless [`Role::max_session`] says otherwise; AWS's default.
pub const DEFAULT_MAX_SESSION: Duration = Duration::from_secs(60 * 60);

/// The session lengths that a role may be set to; IAM's bounds.
const MAX_SESSION: RangeInclusive<Duration> =
    Duration::from_secs(60 * 60)..=Duration::from_secs(12 * 60 * 60);

/// An IAM role, to be added with [`LocalCloud::add_role`](super::LocalCloud::add_role).
///
/// Unless told otherwise it lives in the cloud's account, admits that account, and its sessions last
/// [an hour at most](DEFAULT_MAX_SESSION).
#[derive(Clone, Debug)]
pub struct Role {
    pub(super) name: String,
    pub(super) path: String,
    pub(super) account: Option<String>,
    pub(super) trust: Option<Trust>,
    pub(super) max_session: Duration,
    pub(super) id: String,
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
            id: unique_id("AROA", 21),
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

    /// Whom it admits; its own account by default.
    #[must_use]
    pub fn trust(mut self, trust: impl Into<Trust>) -> Self {
        self.trust = Some(trust.into());
        self
    }

    /// Refuses what IAM's `CreateRole` would refuse.
    pub(super) fn check(&self) -> Result<()> {
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

/// Whom a role admits, and on which conditions.
///
/// The principals are AWS's: a service, an account, one role, one user. `ec2.amazonaws.com` lets the
/// metadata service hand out the role's credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    pub(super) principals: Vec<Principal>,
    pub(super) external_id: Option<String>,
    pub(super) needs_mfa: bool,
}

/// One entry of a trust policy's principals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Principal {
    Account(String),
    /// A role or a user; a role's sessions are meant too.
    Arn(String),
    Service(String),
}

impl Trust {
    /// Everybody in an account, by its 12 digits.
    #[must_use]
    pub fn account(account: impl Into<String>) -> Self {
        Trust::one(Principal::Account(account.into()))
    }

    /// EC2, so that the role can be attached to an instance.
    #[must_use]
    pub fn ec2() -> Self {
        Trust::service("ec2.amazonaws.com")
    }

    /// Nobody.
    #[must_use]
    pub fn nobody() -> Self {
        Trust::default()
    }

    /// One role, in all its sessions, or one user, by ARN.
    #[must_use]
    pub fn principal(arn: impl Into<String>) -> Self {
        Trust::one(Principal::Arn(arn.into()))
    }

    /// A service, for example `lambda.amazonaws.com`.
    #[must_use]
    pub fn service(service: impl Into<String>) -> Self {
        Trust::one(Principal::Service(service.into()))
    }

    /// Those that the other admits too; conditions of either hold for all.
    #[must_use]
    pub fn or(mut self, other: Trust) -> Self {
        let Trust {
            principals,
            external_id,
            needs_mfa,
        } = other;
        self.principals.extend(principals);
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

    fn one(principal: Principal) -> Self {
        Trust {
            principals: vec![principal],
            ..Trust::default()
        }
    }
}
