//! What every call that makes a session asks for: the role, a name, a length, session policies.

use super::query::{Checks, Parameters, Refusal, invalid, name_char};
use super::tags::SessionTags;
use crate::local::account::{Policy, document};
use std::time::Duration;

/// Bounds of the API reference, version 2011-06-15.
mod bounds {
    use std::ops::RangeInclusive;

    pub(super) const DURATION: RangeInclusive<u64> = 900..=43_200;
    pub(super) const POLICY: RangeInclusive<usize> = 1..=2_048;
    pub(super) const POLICY_ARNS: usize = 10;
    pub(super) const ROLE_ARN: RangeInclusive<usize> = 20..=2_048;
    pub(super) const SESSION_NAME: RangeInclusive<usize> = 2..=64;

    /// Session policy and tags share this many bytes, packed; AWS does not publish the packing.
    pub(super) const PACKED_BYTES: usize = 8_192;
}

/// Word characters and the punctuation that names may have.
pub(super) const NAME_PATTERN: &str = r"[\w+=,.@-]*";

/// A well-formed wish for a session.
#[derive(Debug)]
pub(super) struct SessionRequest {
    pub(super) role_arn: String,
    pub(super) session_name: String,
    pub(super) duration: Option<Duration>,
    /// The session policy.
    pub(super) policy: Option<Policy>,
    /// ARNs of managed session policies.
    pub(super) policy_arns: Vec<String>,
    /// Bytes of the session policy and of the ARNs.
    plain_text: usize,
}

impl SessionRequest {
    /// Notes what is wrong with single parameters.
    pub(super) fn check(parameters: &Parameters, checks: &mut Checks) -> Result<(), Refusal> {
        let role_arn = parameters.one("RoleArn");
        checks.required("roleArn", role_arn);
        checks.length("roleArn", role_arn, &bounds::ROLE_ARN);
        let session_name = parameters.one("RoleSessionName");
        checks.required("roleSessionName", session_name);
        checks.length("roleSessionName", session_name, &bounds::SESSION_NAME);
        checks.pattern("roleSessionName", session_name, NAME_PATTERN, name_char);
        checks.length("policy", parameters.one("Policy"), &bounds::POLICY);
        if let Some(text) = parameters.one("DurationSeconds") {
            check_duration(text, checks)?;
        }
        let policy_arns = parameters.members("PolicyArns", ".arn");
        checks.count("policyArns", policy_arns.len(), bounds::POLICY_ARNS);
        Ok(())
    }

    /// Reads what [`check`](SessionRequest::check) had nothing against; `partition` is the cloud's.
    pub(super) fn read(parameters: &Parameters, partition: &str) -> Result<Self, Refusal> {
        let role_arn = parameters.one("RoleArn").unwrap_or_default();
        if !is_role_arn(role_arn) {
            return Err(invalid(format!("{role_arn} is invalid")));
        }
        let policy_arns = parameters.members("PolicyArns", ".arn");
        let policies = format!("arn:{partition}:iam::");
        if !policy_arns.iter().all(|arn| arn.starts_with(&policies)) {
            return Err(invalid("Invalid arn in PolicyArns".to_owned()));
        }
        let policy = parameters.one("Policy");
        let texts = || policy.iter().chain(&policy_arns);
        let characters: usize = texts().map(|text| text.chars().count()).sum();
        let session_policy = read_policy(policy)?;
        if characters > *bounds::POLICY.end() {
            return Err(invalid(format!(
                "The plaintext of the session policies exceeds {} characters.",
                bounds::POLICY.end()
            )));
        }
        let seconds = parameters.one("DurationSeconds");
        Ok(SessionRequest {
            role_arn: role_arn.to_owned(),
            session_name: parameters
                .one("RoleSessionName")
                .unwrap_or_default()
                .to_owned(),
            duration: seconds
                .and_then(|text| text.parse().ok())
                .map(Duration::from_secs),
            policy: session_policy,
            plain_text: texts().map(|text| text.len()).sum(),
            policy_arns: policy_arns.into_iter().map(str::to_owned).collect(),
        })
    }

    /// How full the packed policy and tags are, in percent, if there are any.
    pub(super) fn packed_size(&self, tags: &SessionTags) -> Result<Option<usize>, Refusal> {
        if self.plain_text == 0 && tags.is_empty() {
            return Ok(None);
        }
        let bytes = self.plain_text
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
}

fn check_duration(text: &str, checks: &mut Checks) -> Result<(), Refusal> {
    let Ok(seconds) = text.parse::<u64>() else {
        return Err(Refusal::bad_request(
            "MalformedInput",
            "Could not parse DurationSeconds: an integer is expected",
        ));
    };
    let (than, bound) = if seconds < *bounds::DURATION.start() {
        ("greater", bounds::DURATION.start())
    } else if seconds > *bounds::DURATION.end() {
        ("less", bounds::DURATION.end())
    } else {
        return Ok(());
    };
    checks.add(
        text,
        "durationSeconds",
        &format!("Member must have value {than} than or equal to {bound}"),
    );
    Ok(())
}

fn read_policy(policy: Option<&str>) -> Result<Option<Policy>, Refusal> {
    let Some(text) = policy else { return Ok(None) };
    let malformed = |message: String| Refusal::bad_request("MalformedPolicyDocument", message);
    let value: serde_json::Value = serde_json::from_str(text)
        .map_err(|_| malformed("This policy contains invalid Json".to_owned()))?;
    document(&value)
        .map(Some)
        .map_err(|reason| malformed(format!("Syntax errors in policy. ({reason})")))
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
