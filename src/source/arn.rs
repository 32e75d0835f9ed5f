//! ARNs, partitions and regions, as far as assuming a role needs them.

use crate::error::{Error, Result};
use std::fmt;

/// The partition of all regions that no other partition claims.
const COMMERCIAL: &str = "aws";
/// Region prefixes of the other partitions, longest first where one begins another; from the
/// partition table of the AWS SDKs.
const PARTITIONS: [(&str, &str); 8] = [
    ("us-isob-", "aws-iso-b"),
    ("us-isof-", "aws-iso-f"),
    ("us-iso-", "aws-iso"),
    ("eu-isoe-", "aws-iso-e"),
    ("us-gov-", "aws-us-gov"),
    ("eusc-", "aws-eusc"),
    ("cn-", "aws-cn"),
    ("", COMMERCIAL),
];
const ACCOUNT_DIGITS: usize = 12;
/// Path and name of a role: IAM allows 512 and 64 characters.
const ROLE_PATH_LIMIT: usize = 512 + 64;
const FIELD: &str = "role_arn";
const EXPECTED: &str = "expected a role ARN such as arn:aws:iam::123456789012:role/App";

/// The ARN of a role, taken apart.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RoleArn {
    text: String,
    partition: String,
    account: String,
    /// Without the path.
    name: String,
}

impl RoleArn {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let refuse = |what: String| Error::usage(FIELD, format!("{EXPECTED}, {what}"));
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let [arn, partition, service, region, account, resource] = parts[..] else {
            return Err(refuse("not a text without its six parts".to_owned()));
        };
        if arn != "arn" {
            return Err(refuse("not a text that begins otherwise".to_owned()));
        }
        if !is_partition(partition) {
            return Err(refuse("the partition is not aws or aws-…".to_owned()));
        }
        match service {
            "iam" => {}
            "sts" => return Err(refuse(instead_of_session(partition, account, resource))),
            "ec2" => {
                return Err(refuse(
                    "not of an EC2 resource: an instance is no principal and no role, its instance \
                     profile holds the role"
                        .to_owned(),
                ));
            }
            other => return Err(refuse(format!("not one of the service {other:?}"))),
        }
        if !region.is_empty() {
            return Err(refuse("IAM ARNs have no region".to_owned()));
        }
        if !is_account_id(account) {
            return Err(refuse("the account is not 12 digits".to_owned()));
        }
        let path = match resource.split_once('/') {
            Some(("role", path)) => path,
            Some(("user", _)) => {
                return Err(refuse(
                    "not a user's: users cannot be assumed, sign in as the user and assume a role"
                        .to_owned(),
                ));
            }
            Some(("instance-profile", _)) => {
                return Err(refuse(
                    "not an instance profile's: name the role in it, see aws iam \
                     get-instance-profile"
                        .to_owned(),
                ));
            }
            Some(("assumed-role", _)) => {
                return Err(refuse(instead_of_session(partition, account, resource)));
            }
            _ if resource == "root" => {
                return Err(refuse("not the account's root".to_owned()));
            }
            _ => return Err(refuse("the resource does not begin with role/".to_owned())),
        };
        if path.len() > ROLE_PATH_LIMIT {
            return Err(refuse("the path and name are too long".to_owned()));
        }
        let name = path.rsplit('/').next().unwrap_or_default();
        let well_formed = path
            .split('/')
            .all(|segment| !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_graphic()));
        if !well_formed || !super::imds::is_role_name(name) {
            return Err(refuse(
                "the role's name is not 1 to 64 of A-Z a-z 0-9 _ + = , . @ -".to_owned(),
            ));
        }
        Ok(RoleArn {
            text: text.to_owned(),
            partition: partition.to_owned(),
            account: account.to_owned(),
            name: name.to_owned(),
        })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn partition(&self) -> &str {
        &self.partition
    }

    pub(crate) fn account(&self) -> &str {
        &self.account
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Debug for RoleArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

fn instead_of_session(partition: &str, account: &str, resource: &str) -> String {
    let role = resource.split('/').nth(1).unwrap_or("ROLE");
    format!("not a session's: name the role itself, arn:{partition}:iam::{account}:role/{role}")
}

pub(crate) fn is_account_id(text: &str) -> bool {
    text.len() == ACCOUNT_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_partition(text: &str) -> bool {
    text == COMMERCIAL
        || text.strip_prefix("aws-").is_some_and(|rest| {
            !rest.is_empty()
                && rest
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'-')
        })
}

/// Whether a text has the form of a region, for example `us-east-1`.
pub(crate) fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    parts.len() >= 3
        && parts.iter().all(|part| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        })
        && parts
            .last()
            .is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The partition that a region belongs to.
pub(crate) fn partition_of(region: &str) -> &'static str {
    PARTITIONS
        .iter()
        .find(|(prefix, _)| region.starts_with(prefix))
        .map_or(COMMERCIAL, |(_, partition)| partition)
}

/// Whether the partition is one whose regions are known.
pub(crate) fn is_known_partition(partition: &str) -> bool {
    PARTITIONS.iter().any(|(_, known)| *known == partition)
}

/// The account id in any ARN.
pub(crate) fn account_in(arn: &str) -> Option<&str> {
    let mut parts = arn.splitn(6, ':');
    let account = parts.nth(4).filter(|account| is_account_id(account))?;
    parts.next().filter(|resource| !resource.is_empty())?;
    arn.starts_with("arn:").then_some(account)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_taken_apart() {
        let role = RoleArn::parse("arn:aws-cn:iam::123456789012:role/team/a/App").unwrap();
        assert_eq!(role.partition(), "aws-cn");
        assert_eq!(role.account(), "123456789012");
        assert_eq!(role.name(), "App");
        assert_eq!(
            role.as_str(),
            "arn:aws-cn:iam::123456789012:role/team/a/App"
        );
    }

    #[test]
    fn regions_belong_to_partitions() {
        for (region, partition) in [
            ("us-east-1", "aws"),
            ("il-central-1", "aws"),
            ("cn-north-1", "aws-cn"),
            ("us-gov-west-1", "aws-us-gov"),
            ("us-iso-east-1", "aws-iso"),
            ("us-isob-east-1", "aws-iso-b"),
            ("us-isof-south-1", "aws-iso-f"),
            ("eu-isoe-west-1", "aws-iso-e"),
            ("eusc-de-east-1", "aws-eusc"),
        ] {
            assert!(is_region(region), "{region}");
            assert_eq!(partition_of(region), partition, "{region}");
        }
        for text in [
            "",
            "us",
            "us-east",
            "us-east-1a",
            "US-EAST-1",
            "us--1",
            "aws-global",
            "a b-c-1",
        ] {
            assert!(!is_region(text), "{text}");
        }
    }

    #[test]
    fn an_account_is_read_from_an_arn() {
        assert_eq!(
            account_in("arn:aws:sts::123456789012:assumed-role/App/s"),
            Some("123456789012")
        );
        for arn in [
            "",
            "arn:aws:sts::12:x",
            "arn:aws:sts::123456789012",
            "urn:aws:sts::123456789012:x",
        ] {
            assert_eq!(account_in(arn), None, "{arn}");
        }
    }
}
