//! What an `AssumeRole` request holds, and the rules that AWS has for each part:
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>.

use super::base::Origin;
use super::failure::{ASSUME_ROLE, CHAINED_LIMIT};
use crate::arn::{Arn, RoleArn, is_account, is_session_name};
use crate::error::{BoxError, Error, ErrorKind, Result};
use aws_sdk_sts::operation::assume_role::builders::AssumeRoleFluentBuilder;
use aws_sdk_sts::operation::assume_role_with_web_identity::builders::AssumeRoleWithWebIdentityFluentBuilder;
use aws_sdk_sts::types::{PolicyDescriptorType, Tag};
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// How long a session lasts when nothing else is asked: one hour, which every role allows and a chained
/// session may have.
pub const DEFAULT_SESSION_DURATION: Duration = Duration::from_secs(3_600);
/// The shortest session that STS gives: 15 minutes.
pub const MIN_SESSION_DURATION: Duration = Duration::from_secs(900);
/// The longest session that a role can allow: 12 hours.
pub const MAX_SESSION_DURATION: Duration = Duration::from_secs(43_200);

/// A request has 31 bits for the seconds.
const LONGEST_DURATION: u64 = i32::MAX as u64;
const SESSION_NAME_LIMIT: usize = 64;
const EXTERNAL_ID_LIMIT: usize = 1_224;
const POLICY_LIMIT: usize = 2_048;
const POLICY_ARNS_LIMIT: usize = 10;
const POLICY_ARN_LIMIT: usize = 2_048;
const TAGS_LIMIT: usize = 50;
const TAG_KEY_LIMIT: usize = 128;
const TAG_VALUE_LIMIT: usize = 256;
const MFA_SERIAL_LIMIT: usize = 256;
const MFA_CODE_DIGITS: usize = 6;

type CodeFuture = Pin<Box<dyn Future<Output = Result<String, BoxError>> + Send>>;

/// A device of multi-factor authentication, and whoever reads the code off it.
#[derive(Clone)]
pub(super) struct Mfa {
    serial: String,
    ask: Arc<dyn Fn() -> CodeFuture + Send + Sync>,
}

impl Mfa {
    pub(super) fn new<A, F>(serial: String, ask: A) -> Self
    where
        A: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<String, BoxError>> + Send + 'static,
    {
        Mfa {
            serial,
            ask: Arc::new(move || Box::pin(ask())),
        }
    }
}

/// The parts of a request as they were given.
#[derive(Clone, Default)]
pub(crate) struct Parts {
    pub(crate) session_name: Option<String>,
    pub(crate) external_id: Option<String>,
    pub(crate) duration: Option<Duration>,
    pub(crate) policy: Option<String>,
    pub(crate) policy_arns: Vec<String>,
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) transitive_tags: Vec<String>,
    pub(crate) source_identity: Option<String>,
    pub(super) mfa: Option<Mfa>,
}

/// A request that keeps the rules, but for the MFA code of the moment.
pub(super) struct Request {
    pub(super) role: RoleArn,
    pub(super) session_name: String,
    pub(super) duration: Duration,
    pub(super) mfa: Option<Mfa>,
    external_id: Option<String>,
    policy: Option<String>,
    policy_arns: Vec<PolicyDescriptorType>,
    tags: Vec<Tag>,
    transitive_tags: Vec<String>,
    source_identity: Option<String>,
}

/// Whose rules a request has to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rules {
    Aws,
    /// Another vendor's, which only its STS knows.
    Vendor,
}

impl Request {
    pub(super) fn check(role: RoleArn, parts: Parts, origin: Origin, rules: Rules) -> Result<Self> {
        let Parts {
            session_name,
            external_id,
            duration,
            policy,
            policy_arns,
            tags,
            transitive_tags,
            source_identity,
            mfa,
        } = parts;
        let session_name = match session_name {
            Some(name) => checked_name("session_name", name)?,
            None => default_session_name(),
        };
        let external_id = external_id.map(checked_external_id).transpose()?;
        let source_identity = source_identity
            .map(|name| checked_name("source_identity", name))
            .transpose()?;
        if let Some(mfa) = &mfa {
            check_serial(&mfa.serial)?;
        }
        Ok(Request {
            duration: checked_duration(duration, origin, rules)?,
            policy: policy.map(checked_policy).transpose()?,
            policy_arns: checked_policy_arns(policy_arns, role.partition(), rules)?,
            transitive_tags: checked_transitive(transitive_tags, &tags)?,
            tags: checked_tags(tags, rules)?,
            role,
            session_name,
            external_id,
            source_identity,
            mfa,
        })
    }

    /// The external id, where it is made to be guessed by nobody, and no name or ARN.
    pub(super) fn secret_external_id(&self) -> Option<&str> {
        let drawn = |id: &&str| {
            id.len() >= SECRET_EXTERNAL_ID
                && id.bytes().any(|b| b.is_ascii_digit())
                && !id.contains([':', '/', '@'])
        };
        self.external_id.as_deref().filter(drawn)
    }

    /// The code of this moment; `None` without MFA.
    pub(super) async fn mfa_code(&self) -> Result<Option<String>> {
        let Some(mfa) = &self.mfa else {
            return Ok(None);
        };
        let code = (mfa.ask)().await.map_err(|cause| {
            Error::new(
                ErrorKind::Other,
                ASSUME_ROLE,
                "there is no MFA code, so STS was not asked",
            )
            .on(self.role.as_str().to_owned())
            .via(mfa.serial.clone())
            .caused_by(cause)
        })?;
        let code = code.trim();
        if code.len() == MFA_CODE_DIGITS && code.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Some(code.to_owned()));
        }
        Err(Error::new(
            ErrorKind::Other,
            ASSUME_ROLE,
            "what was given as MFA code is not 6 digits, so STS was not asked",
        )
        .on(self.role.as_str().to_owned())
        .via(mfa.serial.clone()))
    }

    pub(super) fn fill(
        &self,
        call: AssumeRoleFluentBuilder,
        code: Option<&str>,
    ) -> AssumeRoleFluentBuilder {
        // `check` keeps the duration within twelve hours of seconds.
        let seconds = i32::try_from(self.duration.as_secs()).unwrap_or(i32::MAX);
        call.role_arn(self.role.as_str())
            .role_session_name(&self.session_name)
            .duration_seconds(seconds)
            .set_external_id(self.external_id.clone())
            .set_policy(self.policy.clone())
            .set_policy_arns(some(&self.policy_arns))
            .set_tags(some(&self.tags))
            .set_transitive_tag_keys(some(&self.transitive_tags))
            .set_source_identity(self.source_identity.clone())
            .set_serial_number(self.mfa.as_ref().map(|mfa| mfa.serial.clone()))
            .set_token_code(code.map(ToOwned::to_owned))
    }

    /// The same for an external identity; what this call has not was refused before.
    pub(super) fn fill_unsigned(
        &self,
        call: AssumeRoleWithWebIdentityFluentBuilder,
        token: &str,
    ) -> AssumeRoleWithWebIdentityFluentBuilder {
        let seconds = i32::try_from(self.duration.as_secs()).unwrap_or(i32::MAX);
        call.role_arn(self.role.as_str())
            .role_session_name(&self.session_name)
            .duration_seconds(seconds)
            .web_identity_token(token)
            .set_policy(self.policy.clone())
            .set_policy_arns(some(&self.policy_arns))
    }
}

fn some<T: Clone>(list: &[T]) -> Option<Vec<T>> {
    (!list.is_empty()).then(|| list.to_vec())
}

/// Tells sessions of different hosts and processes apart in CloudTrail.
fn default_session_name() -> String {
    session_name_on(&host_name(), std::process::id())
}

/// As the kernel tells it, which needs no crate; nothing where it does not.
#[cfg(target_os = "linux")]
fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default()
}

#[cfg(not(target_os = "linux"))]
fn host_name() -> String {
    hostname::get()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// The crate, the host's name without its domain, as far as there is room, and the process.
fn session_name_on(host: &str, process: u32) -> String {
    let start = env!("CARGO_PKG_NAME");
    let end = process.to_string();
    let room = SESSION_NAME_LIMIT.saturating_sub(start.len() + end.len() + 2);
    let label = host.split('.').next().unwrap_or_default();
    let host: String = label
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .take(room)
        .collect();
    if host.is_empty() {
        format!("{start}-{end}")
    } else {
        format!("{start}-{host}-{end}")
    }
}

fn checked_name(field: &'static str, name: String) -> Result<String> {
    if is_session_name(&name) {
        return Ok(name);
    }
    Err(Error::usage(
        field,
        "expected 2 to 64 of A-Z a-z 0-9 _ + = , . @ -",
    ))
}

/// Shorter ones are words, and stand in messages for themselves.
const SECRET_EXTERNAL_ID: usize = 20;

fn checked_external_id(id: String) -> Result<String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&byte);
    if (2..=EXTERNAL_ID_LIMIT).contains(&id.len()) && id.bytes().all(allowed) {
        return Ok(id);
    }
    Err(Error::usage(
        "external_id",
        "expected 2 to 1224 of A-Z a-z 0-9 _ + = , . @ : / -",
    ))
}

fn checked_duration(duration: Option<Duration>, origin: Origin, rules: Rules) -> Result<Duration> {
    let duration = duration.unwrap_or(DEFAULT_SESSION_DURATION);
    if rules == Rules::Vendor {
        if (1..=LONGEST_DURATION).contains(&duration.as_secs()) {
            return Ok(duration);
        }
        return Err(Error::usage(
            "duration",
            "expected at least 1 second, and no more than a request can hold",
        ));
    }
    if !(MIN_SESSION_DURATION..=MAX_SESSION_DURATION).contains(&duration) {
        return Err(Error::usage(
            "duration",
            "expected 15 minutes to 12 hours (900 to 43200 seconds)",
        ));
    }
    if duration > CHAINED_LIMIT && origin.is_role_session() {
        return Err(Error::usage(
            "duration",
            "expected at most 1 hour: the base is itself a role session, and AWS caps a chained session \
             at 1 hour",
        ));
    }
    Ok(duration)
}

fn checked_policy(policy: String) -> Result<String> {
    let expected = "expected a JSON object, a policy document of at most 2048 characters";
    if policy.chars().count() > POLICY_LIMIT {
        return Err(Error::usage("policy", expected));
    }
    match serde_json::from_str::<serde_json::Value>(&policy) {
        Ok(serde_json::Value::Object(_)) => Ok(policy),
        _ => Err(Error::usage("policy", expected)),
    }
}

fn checked_policy_arns(
    arns: Vec<String>,
    partition: &str,
    rules: Rules,
) -> Result<Vec<PolicyDescriptorType>> {
    let is_one = |arn: &String| match rules {
        Rules::Aws => is_policy_arn(arn, partition),
        Rules::Vendor => {
            (1..=POLICY_ARN_LIMIT).contains(&arn.chars().count()) && !arn.contains(char::is_control)
        }
    };
    let partition = if partition.is_empty() {
        "aws"
    } else {
        partition
    };
    let expected = || {
        Error::usage(
            "policy_arns",
            format!(
                "expected at most 10 ARNs of managed policies such as \
                 arn:{partition}:iam::aws:policy/ReadOnlyAccess"
            ),
        )
    };
    if arns.len() > POLICY_ARNS_LIMIT || !arns.iter().all(is_one) {
        return Err(expected());
    }
    Ok(arns
        .into_iter()
        .map(|arn| PolicyDescriptorType::builder().arn(arn).build())
        .collect())
}

fn is_policy_arn(arn: &str, partition: &str) -> bool {
    let Some(parts) = Arn::split(arn) else {
        return false;
    };
    arn.len() <= POLICY_ARN_LIMIT
        && parts.partition == partition
        && (parts.service, parts.region) == ("iam", "")
        && (parts.account == "aws" || is_account(parts.account))
        && parts
            .resource
            .strip_prefix("policy/")
            .is_some_and(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic()))
}

fn checked_tags(tags: Vec<(String, String)>, rules: Rules) -> Result<Vec<Tag>> {
    let is_tag_char = |c: char| match rules {
        Rules::Aws => is_tag_char(c),
        Rules::Vendor => !c.is_control(),
    };
    if tags.len() > TAGS_LIMIT {
        return Err(Error::usage("tags", "expected at most 50"));
    }
    let mut seen = BTreeSet::new();
    tags.into_iter()
        .map(|(key, value)| {
            if !(1..=TAG_KEY_LIMIT).contains(&key.chars().count()) || !key.chars().all(is_tag_char) {
                return Err(Error::usage(
                    "tags",
                    "expected keys of 1 to 128 letters, digits, spaces and _ . : / = + - @",
                ));
            }
            if value.chars().count() > TAG_VALUE_LIMIT || !value.chars().all(is_tag_char) {
                return Err(Error::usage(
                    "tags",
                    format!(
                        "expected a value of at most 256 letters, digits, spaces and _ . : / = + - @ \
                         for the key {key:?}"
                    ),
                ));
            }
            if rules == Rules::Aws && key.to_ascii_lowercase().starts_with("aws:") {
                return Err(Error::usage(
                    "tags",
                    format!("expected no key that begins with aws:, as {key:?} does: those are AWS's own"),
                ));
            }
            // STS compares keys without regard to case.
            if !seen.insert(key.to_lowercase()) {
                return Err(Error::usage(
                    "tags",
                    format!("expected each key once, in whatever case, and {key:?} comes twice"),
                ));
            }
            Tag::builder()
                .key(key)
                .value(value)
                .build()
                .map_err(|_| Error::usage("tags", "expected key and value"))
        })
        .collect()
}

fn is_tag_char(c: char) -> bool {
    c.is_alphanumeric()
        || c == ' '
        || c.is_whitespace() && !c.is_control()
        || "_.:/=+-@".contains(c)
}

fn checked_transitive(keys: Vec<String>, tags: &[(String, String)]) -> Result<Vec<String>> {
    for key in &keys {
        if !tags.iter().any(|(tag, _)| tag == key) {
            return Err(Error::usage(
                "transitive_tags",
                format!("expected keys of the session tags, and {key:?} is none"),
            ));
        }
    }
    Ok(keys)
}

fn check_serial(serial: &str) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=/:,.@-".contains(&byte);
    if (9..=MFA_SERIAL_LIMIT).contains(&serial.len()) && serial.bytes().all(allowed) {
        return Ok(());
    }
    Err(Error::usage(
        "mfa",
        "expected the serial number of a device, or an ARN such as \
         arn:aws:iam::123456789012:mfa/alice",
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn default_session_names_tell_hosts_and_processes_apart_within_the_limit() {
        let name = |host: &str, process| {
            checked_name("session_name", session_name_on(host, process)).unwrap()
        };
        assert_eq!(
            name("ip-10-0-0-1.ec2.internal", 42),
            "aws-credential-strategies-ip-10-0-0-1-42"
        );
        assert_eq!(name("", 42), "aws-credential-strategies-42");
        assert_eq!(name("\u{fc}", 42), "aws-credential-strategies-42");
        let long = name(&"x".repeat(200), u32::MAX);
        assert_eq!(long.len(), SESSION_NAME_LIMIT);
        assert!(long.ends_with("x-4294967295"), "{long}");
        assert!(default_session_name().ends_with(&std::process::id().to_string()));
    }
}
