//! The state that the servers share: clock, keys, roles, the instance.

use super::federation::{OidcProvider, without_scheme};
use super::identity::{AccessKey, Identity, KeyRing, RoleSession, unique_id};
use super::policy::{self, Policy, PolicySet};
use super::role::{Role, Trust};
use crate::arn::Partition;
use crate::error::{Error, Result};
use crate::iam::TrustPolicy;
use crate::local::lock::lock;
use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

/// A document is replaced when this part of its life has passed: EC2 renews documents of six hours
/// about every hour. It promises no more than five minutes before they expire.
pub const ROTATION_SHARE: u32 = 6;

/// A role with everything decided that [`Role`] leaves open.
#[derive(Clone, Debug)]
pub(in crate::local) struct InstalledRole {
    partition: &'static str,
    pub(in crate::local) account: String,
    pub(in crate::local) arn: String,
    pub(in crate::local) name: String,
    pub(in crate::local) id: String,
    /// Without any, nobody is admitted.
    pub(in crate::local) trust: Option<TrustPolicy>,
    /// What it may do; without any, everything.
    pub(in crate::local) permissions: Option<PolicySet>,
    pub(in crate::local) max_session: Duration,
}

impl InstalledRole {
    /// A session with this name and nothing special about it.
    pub(in crate::local) fn session(&self, name: &str) -> RoleSession {
        RoleSession {
            partition: self.partition,
            account: self.account.clone(),
            role_arn: self.arn.clone(),
            role_name: self.name.clone(),
            role_id: self.id.clone(),
            session_name: name.to_owned(),
            tags: BTreeMap::new(),
            transitive: Vec::new(),
            source_identity: None,
            federated_provider: None,
        }
    }
}

/// What is attached to the instance: an instance profile with one role.
#[derive(Clone, Debug)]
pub(in crate::local) struct InstanceProfile {
    pub(in crate::local) name: String,
    pub(in crate::local) id: String,
    pub(in crate::local) role_arn: String,
}

#[derive(Debug)]
pub(in crate::local) struct Account {
    pub(in crate::local) id: String,
    pub(in crate::local) region: String,
    pub(in crate::local) instance_id: String,
    pub(in crate::local) session_lifetime: Option<Duration>,
    pub(in crate::local) clock: SharedTimeSource,
    pub(in crate::local) keys: KeyRing,
    roles: Mutex<HashMap<String, Arc<InstalledRole>>>,
    profile: Mutex<Option<InstanceProfile>>,
    /// The role of containers, by ARN.
    container_role: Mutex<Option<String>>,
    /// What users may do, by name; who is not there may do everything.
    user_policies: Mutex<HashMap<String, PolicySet>>,
    /// Managed policies, by ARN, for `PolicyArns`.
    managed_policies: Mutex<HashMap<String, Policy>>,
    /// The code that each multi-factor device shows, by serial number.
    mfa_codes: Mutex<HashMap<String, String>>,
    /// OpenID Connect providers, by ARN.
    oidc_providers: Mutex<HashMap<String, OidcProvider>>,
}

impl Account {
    pub(in crate::local) fn new(
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
            keys: KeyRing::new(),
            roles: Mutex::default(),
            profile: Mutex::default(),
            container_role: Mutex::default(),
            user_policies: Mutex::default(),
            managed_policies: Mutex::default(),
            mfa_codes: Mutex::default(),
            oidc_providers: Mutex::default(),
        }
    }

    /// The partition that the region belongs to, as ARNs name it.
    pub(in crate::local) fn partition(&self) -> &'static str {
        Partition::of_region(&self.region).name()
    }

    /// The ARN of what IAM keeps for an account.
    pub(in crate::local) fn iam_arn(&self, account: &str, resource: &str) -> String {
        format!("arn:{}:iam::{account}:{resource}", self.partition())
    }

    /// The ARN of what a service keeps for the cloud's account in its region.
    pub(in crate::local) fn arn(&self, service: &str, resource: &str) -> String {
        let Account { id, region, .. } = self;
        format!(
            "arn:{}:{service}:{region}:{id}:{resource}",
            self.partition()
        )
    }

    /// How long a session is handed out that lasts as AWS would allow `granted`.
    pub(in crate::local) fn rotation(
        &self,
        rotate_after: Option<Duration>,
        granted: Duration,
    ) -> Duration {
        rotate_after.unwrap_or_else(|| self.lifetime(granted) / ROTATION_SHARE)
    }

    pub(in crate::local) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// How long a session really lasts for which AWS would allow `granted`.
    pub(in crate::local) fn lifetime(&self, granted: Duration) -> Duration {
        self.session_lifetime
            .map_or(granted, |lifetime| lifetime.min(granted))
    }

    /// Adds a role, or changes the one with the same ARN; sessions of it live on, under the new rules.
    pub(in crate::local) fn install(&self, role: Role) -> Result<String> {
        let Role {
            name,
            path,
            account,
            trust,
            max_session,
            permissions,
        } = role;
        let account = account.unwrap_or_else(|| self.id.clone());
        let arn = self.iam_arn(&account, &format!("role{path}{name}"));
        let permissions = permissions
            .map(|documents| {
                let mut policies = PolicySet::empty();
                for document in documents {
                    let document = policy::document(&document)
                        .map_err(|reason| Error::usage("permissions", reason))?;
                    policies.add(document);
                }
                Ok::<_, Error>(policies)
            })
            .transpose()?;
        let trust = trust
            .unwrap_or_else(|| Trust::account(&account))
            .into_policy()?;
        if let Some(trust) = &trust {
            policy::check_trust(trust).map_err(|reason| Error::usage("trust", reason))?;
        }
        let mut roles = lock(&self.roles);
        let id = match roles.get(&arn) {
            Some(old) => old.id.clone(),
            None => unique_id("AROA", 21),
        };
        let installed = InstalledRole {
            partition: self.partition(),
            trust,
            arn: arn.clone(),
            account,
            name,
            id,
            permissions,
            max_session,
        };
        roles.insert(arn.clone(), Arc::new(installed));
        Ok(arn)
    }

    pub(in crate::local) fn remove_role(&self, arn: &str) -> bool {
        lock(&self.roles).remove(arn).is_some()
    }

    pub(in crate::local) fn role(&self, arn: &str) -> Option<Arc<InstalledRole>> {
        lock(&self.roles).get(arn).cloned()
    }

    /// A role of the cloud's own account by its name, wherever its path is.
    pub(in crate::local) fn role_named(&self, name: &str) -> Option<Arc<InstalledRole>> {
        lock(&self.roles)
            .values()
            .find(|role| role.account == self.id && role.name == name)
            .cloned()
    }

    pub(in crate::local) fn attach(&self, profile: Option<InstanceProfile>) {
        *lock(&self.profile) = profile;
    }

    /// The instance profile, and its role where that still exists.
    pub(in crate::local) fn attached(&self) -> Option<(InstanceProfile, Arc<InstalledRole>)> {
        let profile = lock(&self.profile).clone()?;
        let role = self.role(&profile.role_arn)?;
        Some((profile, role))
    }

    pub(in crate::local) fn attach_to_containers(&self, role_arn: Option<String>) {
        *lock(&self.container_role) = role_arn;
    }

    /// The role of containers, where it still exists.
    pub(in crate::local) fn container_role(&self) -> Option<Arc<InstalledRole>> {
        let arn = lock(&self.container_role).clone()?;
        self.role(&arn)
    }

    /// A session of `identity` that lasts as long as AWS would grant, or as this cloud is set to.
    pub(in crate::local) fn issue_session(
        &self,
        identity: Identity,
        session_policies: Option<Arc<PolicySet>>,
        granted: Duration,
    ) -> AccessKey {
        let lifetime = self.lifetime(granted);
        self.keys
            .issue_session(identity, session_policies, self.now(), lifetime)
    }

    /// Adds to what a user may do; until then it may do everything.
    pub(in crate::local) fn permit_user(&self, user: &str, policy: Policy) {
        lock(&self.user_policies)
            .entry(user.to_owned())
            .or_insert_with(PolicySet::empty)
            .add(policy);
    }

    /// What an identity may do; `None` is everything.
    pub(in crate::local) fn policies_of(&self, identity: &Identity) -> Option<PolicySet> {
        match identity {
            Identity::Role(session) => self.role(&session.role_arn)?.permissions.clone(),
            Identity::User { name, .. } => lock(&self.user_policies).get(name).cloned(),
        }
    }

    /// Adds a managed policy and says its ARN.
    pub(in crate::local) fn add_managed_policy(&self, name: &str, policy: Policy) -> String {
        let arn = self.iam_arn(&self.id, &format!("policy/{name}"));
        lock(&self.managed_policies).insert(arn.clone(), policy);
        arn
    }

    pub(in crate::local) fn managed_policy(&self, arn: &str) -> Option<Policy> {
        let own = lock(&self.managed_policies).get(arn).cloned();
        own.or_else(|| policy::aws_managed(arn, self.partition()))
    }

    /// Adds an OpenID Connect provider, or changes the one with the same URL, and says its ARN.
    pub(in crate::local) fn add_oidc_provider(
        &self,
        url: String,
        client_ids: Vec<String>,
    ) -> String {
        let arn = self.oidc_provider_arn(&self.id, &url);
        let provider = OidcProvider {
            arn: arn.clone(),
            url,
            client_ids,
        };
        lock(&self.oidc_providers).insert(arn.clone(), provider);
        arn
    }

    /// The provider with this URL in the account of a role.
    pub(in crate::local) fn oidc_provider(
        &self,
        role_arn: &str,
        url: &str,
    ) -> Option<OidcProvider> {
        let account = role_arn.split(':').nth(4)?;
        let arn = self.oidc_provider_arn(account, url);
        let provider = lock(&self.oidc_providers).get(&arn).cloned()?;
        (provider.url == url).then_some(provider)
    }

    /// The ARN of a provider in an account.
    pub(in crate::local) fn oidc_provider_arn(&self, account: &str, url: &str) -> String {
        self.iam_arn(account, &format!("oidc-provider/{}", without_scheme(url)))
    }

    pub(in crate::local) fn add_mfa_device(&self, serial: String, code: String) {
        lock(&self.mfa_codes).insert(serial, code);
    }

    /// Whether the device with this serial number is there and shows this code.
    pub(in crate::local) fn shows_code(&self, serial: &str, code: &str) -> bool {
        lock(&self.mfa_codes)
            .get(serial)
            .is_some_and(|shown| shown == code)
    }

    /// For the `Date` header of answers.
    pub(in crate::local) fn http_date(&self) -> String {
        format_time(self.now(), Format::HttpDate)
    }
}

/// A point in time as AWS's documents write it, for example `2026-01-31T12:00:00Z`.
pub(in crate::local) fn timestamp(time: SystemTime) -> String {
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
