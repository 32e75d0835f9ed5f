//! The parameters of `AssumeRole`, checked as AWS checks them, in AWS's words.

use super::query::{Checks, Parameters, Refusal, invalid, name_char};
use crate::local::account::{RoleSession, document};
use iam_rs::IAMPolicy;
use std::collections::BTreeMap;
use std::time::Duration;

/// Bounds of the API reference of `AssumeRole`, version 2011-06-15.
mod bounds {
    use std::ops::RangeInclusive;

    pub(super) const DURATION: RangeInclusive<u64> = 900..=43_200;
    pub(super) const EXTERNAL_ID: RangeInclusive<usize> = 2..=1_224;
    pub(super) const POLICY: RangeInclusive<usize> = 1..=2_048;
    pub(super) const POLICY_ARNS: usize = 10;
    pub(super) const ROLE_ARN: RangeInclusive<usize> = 20..=2_048;
    pub(super) const SERIAL: RangeInclusive<usize> = 9..=256;
    pub(super) const SESSION_NAME: RangeInclusive<usize> = 2..=64;
    pub(super) const SOURCE_IDENTITY: RangeInclusive<usize> = 2..=64;
    pub(super) const TAG_KEY: RangeInclusive<usize> = 1..=128;
    pub(super) const TAG_VALUE: RangeInclusive<usize> = 0..=256;
    pub(super) const TAGS: usize = 50;
    pub(super) const TOKEN_CODE: RangeInclusive<usize> = 6..=6;

    /// Session policy and tags share this many bytes, packed; AWS does not publish the packing.
    pub(super) const PACKED_BYTES: usize = 8_192;
}

/// Word characters and the punctuation that names may have.
const NAME_PATTERN: &str = r"[\w+=,.@-]*";
const EXTERNAL_ID_PATTERN: &str = r"[\w+=,.@:\/-]*";
const SERIAL_PATTERN: &str = r"[\w+=/:,.@-]*";
const CODE_PATTERN: &str = r"[\d]*";

/// A well-formed `AssumeRole` request.
#[derive(Debug)]
pub(super) struct AssumeRoleRequest {
    pub(super) role_arn: String,
    pub(super) session_name: String,
    pub(super) duration: Option<Duration>,
    pub(super) external_id: Option<String>,
    /// Serial number and code.
    pub(super) mfa: Option<(String, String)>,
    pub(super) source_identity: Option<String>,
    /// The session policy.
    pub(super) policy: Option<IAMPolicy>,
    /// ARNs of managed session policies.
    pub(super) policy_arns: Vec<String>,
    tags: Vec<(String, String)>,
    transitive: Vec<String>,
    /// How full the packed policy and tags are, in percent, if there are any.
    pub(super) packed_size: Option<usize>,
}

impl AssumeRoleRequest {
    pub(super) fn read(parameters: &Parameters) -> Result<Self, Refusal> {
        let mut checks = Checks::default();
        let role_arn = parameters.one("RoleArn");
        checks.required("roleArn", role_arn);
        checks.length("roleArn", role_arn, &bounds::ROLE_ARN);
        let session_name = parameters.one("RoleSessionName");
        checks.required("roleSessionName", session_name);
        checks.length("roleSessionName", session_name, &bounds::SESSION_NAME);
        checks.pattern("roleSessionName", session_name, NAME_PATTERN, name_char);
        let external_id = parameters.one("ExternalId");
        checks.length("externalId", external_id, &bounds::EXTERNAL_ID);
        checks.pattern("externalId", external_id, EXTERNAL_ID_PATTERN, |c| {
            name_char(c) || matches!(c, ':' | '/')
        });
        let source_identity = parameters.one("SourceIdentity");
        checks.length("sourceIdentity", source_identity, &bounds::SOURCE_IDENTITY);
        checks.pattern("sourceIdentity", source_identity, NAME_PATTERN, name_char);
        let serial = parameters.one("SerialNumber");
        checks.length("serialNumber", serial, &bounds::SERIAL);
        checks.pattern("serialNumber", serial, SERIAL_PATTERN, |c| {
            name_char(c) || matches!(c, ':' | '/')
        });
        let code = parameters.one("TokenCode");
        checks.length("tokenCode", code, &bounds::TOKEN_CODE);
        checks.pattern("tokenCode", code, CODE_PATTERN, |c| c.is_ascii_digit());
        let policy = parameters.one("Policy");
        checks.length("policy", policy, &bounds::POLICY);
        let duration = duration(parameters, &mut checks)?;
        let tags = tags(parameters, &mut checks);
        let transitive = parameters.members("TransitiveTagKeys", "");
        let policy_arns = parameters.members("PolicyArns", ".arn");
        checks.count("policyArns", policy_arns.len(), bounds::POLICY_ARNS);
        checks.finish()?;

        let role_arn = role_arn.unwrap_or_default();
        if !is_role_arn(role_arn) {
            return Err(invalid(format!("{role_arn} is invalid")));
        }
        for arn in &policy_arns {
            if !arn.starts_with("arn:aws:iam::") {
                return Err(invalid("Invalid arn in PolicyArns".to_owned()));
            }
        }
        let session_policy = read_policy(policy)?;
        let plain_text =
            policy.map_or(0, str::len) + policy_arns.iter().map(|arn| arn.len()).sum::<usize>();
        if plain_text > *bounds::POLICY.end() {
            return Err(invalid(format!(
                "The plaintext of the session policies exceeds {} characters.",
                bounds::POLICY.end()
            )));
        }
        check_tags(&tags, &transitive)?;
        if serial.is_some() != code.is_some() {
            return Err(invalid(
                "Both MFA serial number and one-time pass code are required.".to_owned(),
            ));
        }
        Ok(AssumeRoleRequest {
            packed_size: packed_size(policy, &policy_arns, &tags)?,
            role_arn: role_arn.to_owned(),
            session_name: session_name.unwrap_or_default().to_owned(),
            duration,
            policy: session_policy,
            policy_arns: policy_arns.into_iter().map(str::to_owned).collect(),
            external_id: external_id.map(str::to_owned),
            mfa: serial
                .zip(code)
                .map(|(serial, code)| (serial.to_owned(), code.to_owned())),
            source_identity: source_identity.map(str::to_owned),
            tags: tags
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
            transitive: transitive.into_iter().map(str::to_owned).collect(),
        })
    }

    /// The session tags asked for.
    pub(super) fn tags(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tags
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The keys of those that are to be inherited.
    pub(super) fn transitive(&self) -> &[String] {
        &self.transitive
    }

    /// The tags of the new session: those asked for, and the transitive ones of the session it is
    /// chained to, which cannot be given again.
    pub(super) fn session_tags(
        &self,
        chained_to: Option<&RoleSession>,
    ) -> Result<(BTreeMap<String, String>, Vec<String>), Refusal> {
        let mut tags: BTreeMap<_, _> = self.tags.iter().cloned().collect();
        let mut transitive = self.transitive.clone();
        let Some(session) = chained_to else {
            return Ok((tags, transitive));
        };
        for key in &session.transitive {
            let Some((key, value)) = session.tags.iter().find(|(tag, _)| same_key(tag, key)) else {
                continue;
            };
            if tags.keys().any(|asked| same_key(asked, key)) {
                return Err(invalid(format!(
                    "Session tag {key} is inherited from the calling session and cannot be passed again"
                )));
            }
            tags.insert(key.clone(), value.clone());
            transitive.push(key.clone());
        }
        Ok((tags, transitive))
    }
}

fn duration(parameters: &Parameters, checks: &mut Checks) -> Result<Option<Duration>, Refusal> {
    let Some(text) = parameters.one("DurationSeconds") else {
        return Ok(None);
    };
    let Ok(seconds) = text.parse::<u64>() else {
        return Err(Refusal::bad_request(
            "MalformedInput",
            "Could not parse DurationSeconds: an integer is expected",
        ));
    };
    let bound = if seconds < *bounds::DURATION.start() {
        Some(("greater", bounds::DURATION.start()))
    } else if seconds > *bounds::DURATION.end() {
        Some(("less", bounds::DURATION.end()))
    } else {
        None
    };
    if let Some((than, bound)) = bound {
        checks.add(
            text,
            "durationSeconds",
            &format!("Member must have value {than} than or equal to {bound}"),
        );
    }
    Ok(Some(Duration::from_secs(seconds)))
}

fn tags<'a>(parameters: &'a Parameters, checks: &mut Checks) -> Vec<(&'a str, &'a str)> {
    let keys = parameters.members("Tags", ".Key");
    let tags: Vec<_> = keys
        .into_iter()
        .enumerate()
        .map(|(n, key)| {
            let value = parameters.one(&format!("Tags.member.{}.Value", n + 1));
            (key, value.unwrap_or_default())
        })
        .collect();
    checks.count("tags", tags.len(), bounds::TAGS);
    for (n, (key, value)) in tags.iter().enumerate() {
        let member = format!("tags.{}.member.", n + 1);
        checks.length(&format!("{member}key"), Some(key), &bounds::TAG_KEY);
        checks.length(&format!("{member}value"), Some(value), &bounds::TAG_VALUE);
    }
    tags
}

fn check_tags(tags: &[(&str, &str)], transitive: &[&str]) -> Result<(), Refusal> {
    for (n, (key, _)) in tags.iter().enumerate() {
        if tags
            .iter()
            .take(n)
            .any(|(earlier, _)| same_key(earlier, key))
        {
            return Err(Refusal::bad_request(
                "InvalidInput",
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
    }
    let known = |key: &&str| tags.iter().any(|(tag, _)| same_key(tag, key));
    if !transitive.iter().all(known) {
        return Err(invalid(
            "The specified transitive tag key must be included in the requested tags.".to_owned(),
        ));
    }
    Ok(())
}

/// Tag keys keep their case and are told apart without it.
fn same_key(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

fn read_policy(policy: Option<&str>) -> Result<Option<IAMPolicy>, Refusal> {
    let Some(text) = policy else { return Ok(None) };
    let malformed = |message: String| Refusal::bad_request("MalformedPolicyDocument", message);
    let value: serde_json::Value = serde_json::from_str(text)
        .map_err(|_| malformed("This policy contains invalid Json".to_owned()))?;
    document(&value)
        .map(Some)
        .map_err(|reason| malformed(format!("Syntax errors in policy. ({reason})")))
}

fn packed_size(
    policy: Option<&str>,
    policy_arns: &[&str],
    tags: &[(&str, &str)],
) -> Result<Option<usize>, Refusal> {
    if policy.is_none() && policy_arns.is_empty() && tags.is_empty() {
        return Ok(None);
    }
    let bytes = policy.map_or(0, str::len)
        + policy_arns.iter().map(|arn| arn.len()).sum::<usize>()
        + tags
            .iter()
            .map(|(key, value)| key.len() + value.len())
            .sum::<usize>();
    let percent = (bytes * 100).div_ceil(bounds::PACKED_BYTES);
    if percent > 100 {
        return Err(Refusal::bad_request(
            "PackedPolicyTooLarge",
            format!(
                "Packed policy consumes {percent}% of allotted space, please use smaller policy."
            ),
        ));
    }
    Ok(Some(percent))
}

/// `arn:aws:iam::<12 digits>:role/<path and name>`, in any partition.
fn is_role_arn(arn: &str) -> bool {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [scheme, partition, service, region, account, resource] = parts[..] else {
        return false;
    };
    scheme == "arn"
        && partition.starts_with("aws")
        && service == "iam"
        && region.is_empty()
        && account.len() == 12
        && account.bytes().all(|digit| digit.is_ascii_digit())
        && resource
            .strip_prefix("role/")
            .is_some_and(|name| !name.is_empty())
}
