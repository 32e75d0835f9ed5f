//! Who is who in the embedded cloud: identities, their access keys, and which of them still hold.

use super::policy::PolicySet;
use crate::local::lock::lock;
use aws_credential_types::Credentials;
use aws_smithy_types::base64;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

/// From this many keys on, those long expired are forgotten now and then.
const KEYS_BEFORE_PRUNING: usize = 10_000;

/// How long an expired key is told apart from one that never was, and how long where there are so many that they
/// would fill the memory.
const EXPIRED_KEYS_REMEMBERED_FOR: [Duration; 2] =
    [Duration::from_secs(60 * 60), Duration::from_secs(60)];

/// Who a request comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::local) enum Identity {
    Role(RoleSession),
    User {
        partition: &'static str,
        account: String,
        name: String,
        id: String,
    },
}

/// One session of a role: what `AssumeRole` made, or the metadata service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::local) struct RoleSession {
    pub(in crate::local) partition: &'static str,
    pub(in crate::local) account: String,
    /// The ARN of the role itself, path included.
    pub(in crate::local) role_arn: String,
    pub(in crate::local) role_name: String,
    pub(in crate::local) role_id: String,
    pub(in crate::local) session_name: String,
    pub(in crate::local) tags: BTreeMap<String, String>,
    /// The keys of `tags` that sessions assumed from this one inherit.
    pub(in crate::local) transitive: Vec<String>,
    pub(in crate::local) source_identity: Option<String>,
    /// The provider that vouched for who assumed it, by ARN.
    pub(in crate::local) federated_provider: Option<String>,
}

impl RoleSession {
    /// The tags that sessions assumed from this one inherit.
    pub(in crate::local) fn passed_on(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tags
            .iter()
            .filter(|(tag, _)| {
                let tag = tag.to_lowercase();
                self.transitive.iter().any(|key| key.to_lowercase() == tag)
            })
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

impl Identity {
    pub(in crate::local) fn account(&self) -> &str {
        match self {
            Identity::Role(session) => &session.account,
            Identity::User { account, .. } => account,
        }
    }

    pub(in crate::local) fn arn(&self) -> String {
        match self {
            Identity::Role(session) => format!(
                "arn:{}:sts::{}:assumed-role/{}/{}",
                session.partition, session.account, session.role_name, session.session_name
            ),
            Identity::User {
                partition,
                account,
                name,
                ..
            } => format!("arn:{partition}:iam::{account}:user/{name}"),
        }
    }

    /// The `UserId` of `GetCallerIdentity`.
    pub(in crate::local) fn user_id(&self) -> String {
        match self {
            Identity::Role(session) => format!("{}:{}", session.role_id, session.session_name),
            Identity::User { id, .. } => id.clone(),
        }
    }
}

/// An access key, long-lived or of a session.
#[derive(Clone)]
pub(in crate::local) struct AccessKey {
    pub(in crate::local) id: String,
    pub(in crate::local) secret: String,
    pub(in crate::local) token: Option<String>,
    pub(in crate::local) identity: Identity,
    pub(in crate::local) issued_at: SystemTime,
    pub(in crate::local) expires_at: Option<SystemTime>,
    /// What the session was cut down to when it was assumed, if it was.
    pub(in crate::local) session_policies: Option<Arc<PolicySet>>,
    standing: Standing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Refused as expired, whatever its expiry says.
    Ended,
    /// As good as never issued.
    Revoked,
    Valid,
}

impl AccessKey {
    pub(in crate::local) fn credentials(&self, provider: &'static str) -> Credentials {
        let mut credentials = Credentials::builder()
            .access_key_id(&self.id)
            .secret_access_key(&self.secret)
            .account_id(self.identity.account())
            .provider_name(provider);
        credentials.set_session_token(self.token.clone());
        credentials.set_expiry(self.expires_at);
        credentials.build()
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey")
            .field("id", &self.id)
            .field("identity", &self.identity)
            .field("issued_at", &self.issued_at)
            .field("expires_at", &self.expires_at)
            .field("standing", &self.standing)
            .finish_non_exhaustive()
    }
}

/// Why a key does not get in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::local) enum KeyFault {
    Expired,
    Unknown,
}

/// Every key that was issued; the one table that all servers share.
#[derive(Debug)]
pub(in crate::local) struct KeyRing(Mutex<Keys>);

#[derive(Debug)]
struct Keys {
    by_id: HashMap<String, AccessKey>,
    /// The number of keys at which the next look for long expired ones is due.
    prune_at: usize,
}

impl KeyRing {
    pub(in crate::local) fn new() -> Self {
        KeyRing(Mutex::new(Keys {
            by_id: HashMap::new(),
            prune_at: KEYS_BEFORE_PRUNING,
        }))
    }

    /// A session key that ends at a whole second, as AWS writes them, and not before `lifetime`.
    pub(in crate::local) fn issue_session(
        &self,
        identity: Identity,
        session_policies: Option<Arc<PolicySet>>,
        now: SystemTime,
        lifetime: Duration,
    ) -> AccessKey {
        self.insert(AccessKey {
            id: key_id("ASIA"),
            secret: random_text(SECRET_CHARS),
            token: Some(session_token()),
            identity,
            issued_at: now,
            expires_at: Some(whole_second_from(now + lifetime)),
            session_policies,
            standing: Standing::Valid,
        })
    }

    /// A session key that was over before it was handed out.
    pub(in crate::local) fn issue_expired(
        &self,
        identity: Identity,
        ended_at: SystemTime,
    ) -> AccessKey {
        self.insert(AccessKey {
            id: key_id("ASIA"),
            secret: random_text(SECRET_CHARS),
            token: Some(session_token()),
            identity,
            issued_at: ended_at,
            expires_at: Some(whole_second_from(ended_at)),
            session_policies: None,
            standing: Standing::Ended,
        })
    }

    pub(in crate::local) fn issue_long_lived(
        &self,
        identity: Identity,
        now: SystemTime,
    ) -> AccessKey {
        self.insert(AccessKey {
            id: key_id("AKIA"),
            secret: random_text(SECRET_CHARS),
            token: None,
            identity,
            issued_at: now,
            expires_at: None,
            session_policies: None,
            standing: Standing::Valid,
        })
    }

    /// Finds the key that a request was signed with; key id and session token belong together.
    pub(in crate::local) fn admit(
        &self,
        id: &str,
        token: Option<&str>,
        now: SystemTime,
    ) -> Result<AccessKey, KeyFault> {
        let keys = lock(&self.0);
        let key = keys.by_id.get(id).ok_or(KeyFault::Unknown)?;
        if key.standing == Standing::Revoked || key.token.as_deref() != token {
            return Err(KeyFault::Unknown);
        }
        let over = key.expires_at.is_some_and(|end| end <= now);
        if over || key.standing == Standing::Ended {
            return Err(KeyFault::Expired);
        }
        Ok(key.clone())
    }

    /// Ends every session issued so far; long-lived keys stay.
    pub(in crate::local) fn expire_sessions(&self) {
        for key in lock(&self.0).by_id.values_mut() {
            if key.token.is_some() && key.standing == Standing::Valid {
                key.standing = Standing::Ended;
            }
        }
    }

    /// Makes a key unknown; says whether it was known.
    pub(in crate::local) fn revoke(&self, id: &str) -> bool {
        match lock(&self.0).by_id.get_mut(id) {
            Some(key) => {
                key.standing = Standing::Revoked;
                true
            }
            None => false,
        }
    }

    fn insert(&self, key: AccessKey) -> AccessKey {
        let mut keys = lock(&self.0);
        if keys.by_id.len() >= keys.prune_at {
            let now = key.issued_at;
            for remembered_for in EXPIRED_KEYS_REMEMBERED_FOR {
                if keys.by_id.len() < KEYS_BEFORE_PRUNING {
                    break;
                }
                keys.by_id
                    .retain(|_, old| old.expires_at.is_none_or(|end| now < end + remembered_for));
            }
            keys.prune_at = KEYS_BEFORE_PRUNING.max(2 * keys.by_id.len());
        }
        keys.by_id.insert(key.id.clone(), key.clone());
        key
    }
}

/// The length of AWS's secret access keys.
const SECRET_CHARS: usize = 40;

/// Key ids are 20 characters: a prefix that names the kind, then base32.
fn key_id(prefix: &str) -> String {
    unique_id(prefix, 20)
}

/// An id such as AWS gives to keys, roles and users: prefix and base32 characters, `length` in all.
pub(in crate::local) fn unique_id(prefix: &str, length: usize) -> String {
    const BASE32: [char; 32] = [
        'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P', 'Q', 'R',
        'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', '2', '3', '4', '5', '6', '7',
    ];
    let random = std::iter::repeat_with(|| fastrand::choice(BASE32).unwrap_or('A'));
    prefix.chars().chain(random).take(length).collect()
}

pub(in crate::local) fn random_text(length: usize) -> String {
    std::iter::repeat_with(fastrand::alphanumeric)
        .take(length)
        .collect()
}

/// Session tokens are long and base64; their length is not fixed on AWS either.
fn session_token() -> String {
    const TOKEN_BYTES: usize = 240;
    let bytes: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..))
        .take(TOKEN_BYTES)
        .collect();
    base64::encode(bytes)
}

/// The first whole second at or after `time`.
fn whole_second_from(time: SystemTime) -> SystemTime {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) if since.subsec_nanos() > 0 => {
            SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs() + 1)
        }
        _ => time,
    }
}

/// A request id as STS and DynamoDB write them: a version 4 UUID.
pub(in crate::local) fn request_id() -> String {
    let mut bits = fastrand::u128(..);
    bits = (bits & !(0xf << 76)) | (0x4 << 76);
    bits = (bits & !(0x3 << 62)) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default();
    format!(
        "{}-{}-{}-{}-{}",
        part(0..8),
        part(8..12),
        part(12..16),
        part(16..20),
        part(20..32)
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn of_many_keys_the_expired_ones_are_forgotten_after_a_minute() {
        let keys = KeyRing::new();
        let nobody = Identity::User {
            partition: "aws",
            account: "123456789012".to_owned(),
            name: "nobody".to_owned(),
            id: "AIDA".to_owned(),
        };
        let long_lived = keys.issue_long_lived(nobody.clone(), SystemTime::now());
        let begin = SystemTime::now();
        for second in 0..100_000_u32 {
            let now = begin + Duration::from_millis(100) * second;
            let lifetime = Duration::from_secs(20);
            keys.issue_session(nobody.clone(), None, now, lifetime);
        }
        let held = lock(&keys.0).by_id.len();
        assert!(held <= 2 * KEYS_BEFORE_PRUNING, "{held}");
        let end = begin + Duration::from_secs(10_000);
        assert!(keys.admit(&long_lived.id, None, end).is_ok());
    }
}
