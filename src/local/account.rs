//! The state that the servers share: clock, keys, roles, the instance.

use super::identity::{AccessKey, Identity, KeyFault, KeyRing};
use super::role::{Role, Trust};
use super::server::lock;
use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

/// A role with everything decided that [`Role`] leaves open.
#[derive(Clone, Debug)]
pub(super) struct InstalledRole {
    pub(super) account: String,
    pub(super) arn: String,
    pub(super) name: String,
    pub(super) id: String,
    pub(super) trust: Trust,
    pub(super) max_session: Duration,
}

/// What is attached to the instance: an instance profile with one role.
#[derive(Clone, Debug)]
pub(super) struct InstanceProfile {
    pub(super) name: String,
    pub(super) id: String,
    pub(super) role_arn: String,
}

#[derive(Debug)]
pub(super) struct Account {
    pub(super) id: String,
    pub(super) region: String,
    pub(super) instance_id: String,
    pub(super) session_lifetime: Option<Duration>,
    pub(super) clock: SharedTimeSource,
    pub(super) keys: KeyRing,
    roles: Mutex<HashMap<String, Arc<InstalledRole>>>,
    profile: Mutex<Option<InstanceProfile>>,
}

impl Account {
    pub(super) fn new(
        id: String,
        region: String,
        instance_id: String,
        session_lifetime: Option<Duration>,
        clock: SharedTimeSource,
    ) -> Self {
        Account {
            id,
            region,
            instance_id,
            session_lifetime,
            clock,
            keys: KeyRing::default(),
            roles: Mutex::default(),
            profile: Mutex::default(),
        }
    }

    pub(super) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// How long a session really lasts for which AWS would allow `granted`.
    pub(super) fn lifetime(&self, granted: Duration) -> Duration {
        self.session_lifetime
            .map_or(granted, |lifetime| lifetime.min(granted))
    }

    /// Adds a role, or replaces the one with the same ARN; sessions of the old one live on.
    pub(super) fn install(&self, role: Role) -> String {
        let Role {
            name,
            path,
            account,
            trust,
            max_session,
            id,
        } = role;
        let account = account.unwrap_or_else(|| self.id.clone());
        let arn = format!("arn:aws:iam::{account}:role{path}{name}");
        let installed = InstalledRole {
            trust: trust.unwrap_or_else(|| Trust::account(&account)),
            arn: arn.clone(),
            account,
            name,
            id,
            max_session,
        };
        lock(&self.roles).insert(arn.clone(), Arc::new(installed));
        arn
    }

    pub(super) fn remove_role(&self, arn: &str) -> bool {
        lock(&self.roles).remove(arn).is_some()
    }

    pub(super) fn role(&self, arn: &str) -> Option<Arc<InstalledRole>> {
        lock(&self.roles).get(arn).cloned()
    }

    /// A role of the cloud's own account by its name, wherever its path is.
    pub(super) fn role_named(&self, name: &str) -> Option<Arc<InstalledRole>> {
        lock(&self.roles)
            .values()
            .find(|role| role.account == self.id && role.name == name)
            .cloned()
    }

    pub(super) fn attach(&self, profile: Option<InstanceProfile>) {
        *lock(&self.profile) = profile;
    }

    /// The instance profile, and its role where that still exists.
    pub(super) fn attached(&self) -> Option<(InstanceProfile, Arc<InstalledRole>)> {
        let profile = lock(&self.profile).clone()?;
        let role = self.role(&profile.role_arn)?;
        Some((profile, role))
    }

    /// The key that a request was signed with, if it still holds.
    pub(super) fn admit(&self, id: &str, token: Option<&str>) -> Result<AccessKey, KeyFault> {
        self.keys.admit(id, token, self.now())
    }

    /// A session of `identity` that lasts as long as AWS would grant, or as this cloud is set to.
    pub(super) fn issue_session(&self, identity: Identity, granted: Duration) -> AccessKey {
        self.keys
            .issue_session(identity, self.now(), self.lifetime(granted))
    }

    /// For the `Date` header of answers.
    pub(super) fn http_date(&self) -> String {
        format_time(self.now(), Format::HttpDate)
    }
}

/// A point in time as AWS's documents write it, for example `2026-01-31T12:00:00Z`.
pub(super) fn timestamp(time: SystemTime) -> String {
    // documents carry whole seconds
    let seconds = DateTime::from(time).secs();
    DateTime::from_secs(seconds)
        .fmt(Format::DateTime)
        .unwrap_or_default()
}

fn format_time(time: SystemTime, format: Format) -> String {
    DateTime::from_secs(DateTime::from(time).secs())
        .fmt(format)
        .unwrap_or_default()
}
