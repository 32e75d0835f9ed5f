//! ARNs, partitions, regions and the names in them: the one place that says what they look like.

use crate::error::{Error, Result};
use std::fmt;
use std::ops::RangeInclusive;

/// Account ids have exactly this many digits.
const ACCOUNT_DIGITS: usize = 12;
/// The longest IAM role, user or session name (IAM and STS quotas).
const NAME_MAX: usize = 64;
/// Path and name of a role: IAM allows 512 and 64 characters.
const ROLE_PATH_MAX: usize = 512 + NAME_MAX;
/// Lengths of a role's ARN in a request to STS:
/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>.
const GIVEN_ROLE_LENGTHS: RangeInclusive<usize> = 20..=2_048;
/// A region is a label of a host name.
const LABEL_MAX: usize = 63;
/// Shortest and longest DynamoDB table and index name:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html>.
pub(crate) const TABLE_NAME_LENGTHS: RangeInclusive<usize> = 3..=255;

/// The parts of `arn:partition:service:region:account:resource`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arn<'a> {
    pub(crate) partition: &'a str,
    pub(crate) service: &'a str,
    pub(crate) region: &'a str,
    pub(crate) account: &'a str,
    pub(crate) resource: &'a str,
}

impl<'a> Arn<'a> {
    /// Splits without checking what the parts hold.
    pub(crate) fn split(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        if parts.next()? != "arn" {
            return None;
        }
        Some(Arn {
            partition: parts.next()?,
            service: parts.next()?,
            region: parts.next()?,
            account: parts.next()?,
            resource: parts.next()?,
        })
    }

    /// The ARN of a table, or of what is below one: whole but for the name, which the caller judges.
    pub(crate) fn of_table(text: &'a str) -> Option<(Self, &'a str)> {
        let arn = Arn::split(text)?;
        let whole = is_partition(arn.partition)
            && arn.service == "dynamodb"
            && is_region(arn.region)
            && is_account(arn.account);
        let name = arn.resource.strip_prefix("table/")?;
        whole.then_some((arn, name))
    }
}

/// A part of AWS that shares nothing with the others: no accounts, no IAM, no host names.
///
/// ```
/// use aws_credential_strategies::iam::Partition;
///
/// let china = Partition::of_region("cn-north-1");
/// assert_eq!(china.to_string(), "aws-cn");
/// assert_eq!(china.service_principal("ec2"), "ec2.amazonaws.com.cn");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Partition(&'static Row);

/// What regions of a partition begin with, its name, and what its host names end in; from the
/// partition table of the AWS SDKs, longest first where one begins another.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Row {
    regions: &'static str,
    name: &'static str,
    dns_suffix: &'static str,
}

const fn row(regions: &'static str, name: &'static str, dns_suffix: &'static str) -> Row {
    Row {
        regions,
        name,
        dns_suffix,
    }
}

static PARTITIONS: [Row; 8] = [
    row("us-isob-", "aws-iso-b", "sc2s.sgov.gov"),
    row("us-isof-", "aws-iso-f", "csp.hci.ic.gov"),
    row("us-iso-", "aws-iso", "c2s.ic.gov"),
    row("eu-isoe-", "aws-iso-e", "cloud.adc-e.uk"),
    row("us-gov-", "aws-us-gov", "amazonaws.com"),
    row("eusc-", "aws-eusc", "amazonaws.eu"),
    row("cn-", "aws-cn", "amazonaws.com.cn"),
    // of all regions that no other claims
    row("", "aws", "amazonaws.com"),
];

/// What regions of the partition `aws` begin with (partition table of the AWS SDKs).
const COMMERCIAL_AREAS: [&str; 9] = ["af", "ap", "ca", "eu", "il", "me", "mx", "sa", "us"];
/// Services whose principal in China ends as its hosts do, as the console there writes it.
const CHINESE_PRINCIPALS: [&str; 5] = ["codedeploy", "ec2", "elasticmapreduce", "logs", "s3"];

impl Partition {
    /// The one that a region belongs to; `aws` where no other claims it.
    ///
    /// ```
    /// use aws_credential_strategies::iam::Partition;
    ///
    /// let china = Partition::of_region("cn-north-1");
    /// assert_eq!((china.name(), china.dns_suffix()), ("aws-cn", "amazonaws.com.cn"));
    /// assert_eq!(Partition::of_region("eu-central-1").name(), "aws");
    /// ```
    #[must_use]
    pub fn of_region(region: &str) -> Self {
        // `aws-cn-global` and its like stand for a whole partition.
        if let Some(global) = region.strip_suffix("-global")
            && let Some(partition) = Self::named(global)
        {
            return partition;
        }
        let [others @ .., commercial] = &PARTITIONS;
        let claims = |row: &&Row| region.starts_with(row.regions);
        Partition(others.iter().find(claims).unwrap_or(commercial))
    }

    /// The same for a region that AWS has, or could have: `None` for what is of no form that regions of
    /// a known partition have.
    ///
    /// ```
    /// use aws_credential_strategies::iam::Partition;
    ///
    /// let china = Partition::of_known_region("cn-north-1").map(Partition::name);
    /// assert_eq!(china, Some("aws-cn"));
    /// assert_eq!(Partition::of_known_region("mars-north-1"), None);
    /// ```
    #[must_use]
    pub fn of_known_region(region: &str) -> Option<Self> {
        let partition = Self::of_region(region);
        let area = match partition.0.regions {
            "" => COMMERCIAL_AREAS
                .iter()
                .find(|area| region.split('-').next() == Some(area))?
                .len(),
            "eusc-" => "eusc-de".len(),
            others => others.len() - 1,
        };
        // the place and its number: `north-1`
        let (place, number) = region.get(area..)?.strip_prefix('-')?.split_once('-')?;
        let known = !place.is_empty()
            && place.bytes().all(|byte| byte.is_ascii_lowercase())
            && !number.is_empty()
            && number.bytes().all(|byte| byte.is_ascii_digit())
            && (partition.0.regions != "eusc-" || region.starts_with("eusc-de-"));
        known.then_some(partition)
    }

    /// The one with this name, where it is known.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        PARTITIONS
            .iter()
            .find(|row| row.name == name)
            .map(Partition)
    }

    /// Its name, the second part of an ARN: `aws`, `aws-cn`, `aws-us-gov`, `aws-eusc`, …
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// The name by which a service is trusted, for example `lambda`: of a form of its own in few
    /// partitions, and for few services, whatever the host names there end in.
    ///
    /// China has `ec2.amazonaws.com.cn`; the European Sovereign Cloud refuses `ec2.amazonaws.eu`.
    #[must_use]
    pub fn service_principal(self, service: &str) -> String {
        let suffix = match self.name() {
            "aws-cn" if CHINESE_PRINCIPALS.contains(&service) => self.dns_suffix(),
            _ => "amazonaws.com",
        };
        format!("{service}.{suffix}")
    }

    /// What the host names of its services end in: `amazonaws.com`, `amazonaws.com.cn`, …
    #[must_use]
    pub fn dns_suffix(self) -> &'static str {
        self.0.dns_suffix
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the names of hosts end in that speak IPv6 as well, where a partition has them.
const DUAL_STACK_SUFFIXES: [&str; 7] = [
    "api.aws",
    "api.aws.hci.ic.gov",
    "api.aws.ic.gov",
    "api.aws.scloud",
    "api.cloud-aws.adc-e.uk",
    "api.amazonwebservices.com.cn",
    "api.amazonwebservices.eu",
];

/// Whether a host is one of AWS's own, VPC endpoints included.
pub(crate) fn is_host_of_aws(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    PARTITIONS
        .iter()
        .map(|row| row.dns_suffix)
        .chain(DUAL_STACK_SUFFIXES)
        .any(|suffix| {
            host.strip_suffix(suffix)
                .is_some_and(|rest| rest.ends_with('.'))
        })
}

pub(crate) fn is_account(text: &str) -> bool {
    text.len() == ACCOUNT_DIGITS && text.bytes().all(|b| b.is_ascii_digit())
}

/// `aws`, `aws-cn`, `aws-us-gov`, `aws-iso-b`, …, also one that is not known yet.
pub(crate) fn is_partition(text: &str) -> bool {
    text == "aws"
        || text.strip_prefix("aws-").is_some_and(|rest| {
            !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
        })
}

/// `us-east-1`, `local`, …: a host label, as whatever speaks the protocol may call its region.
pub(crate) fn is_region(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= LABEL_MAX
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && text.bytes().any(|b| b.is_ascii_lowercase())
}

/// Whether AWS itself could have a region of this name: `us-east-1`, not `us-east-1a` and not `local`.
pub(crate) fn is_region_of_aws(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    // `fips-us-east-1` stands for a setting, and no host goes by it
    is_region(text)
        && !text.starts_with("fips-")
        && parts.len() >= 3
        && parts.iter().all(|part| !part.is_empty())
        && parts
            .last()
            .is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A role, user or session name: 1–64 of `[\w+=,.@-]`.
pub(crate) fn is_iam_name(text: &str) -> bool {
    (1..=NAME_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b))
}

/// A name that can stand in a path as well: one of dots is not a name there but a direction.
pub(crate) fn is_role_name(text: &str) -> bool {
    is_iam_name(text) && !text.bytes().all(|byte| byte == b'.')
}

/// The name of a role session: as above, and at least two characters (STS API reference, `AssumeRole`).
pub(crate) fn is_session_name(text: &str) -> bool {
    text.len() >= 2 && is_iam_name(text)
}

/// A name with an optional path before it: `App`, `team/app/App`. Paths hold any printable ASCII.
pub(crate) fn is_path_and_name(text: &str) -> bool {
    let (path, name) = text.rsplit_once('/').unwrap_or(("", text));
    is_iam_name(name)
        && path
            .bytes()
            .all(|b| b.is_ascii_graphic() && !b"*?$".contains(&b))
}

/// The name without its path.
pub(crate) fn without_path(text: &str) -> &str {
    text.rsplit_once('/').map_or(text, |(_, name)| name)
}

/// Whether DynamoDB would take it as the name of a table or an index: 3–255 of `[a-zA-Z0-9_.-]`.
///
/// So it holds no wildcard, and can stand in a policy as it is.
pub(crate) fn is_table_name(text: &str) -> bool {
    TABLE_NAME_LENGTHS.contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

/// Whether it is the ARN of one table.
#[cfg(feature = "table")]
pub(crate) fn is_table_arn(text: &str) -> bool {
    Arn::of_table(text).is_some_and(|(_, name)| is_table_name(name))
}

/// The account id in any ARN.
pub(crate) fn account_in(arn: &str) -> Option<&str> {
    Arn::split(arn)
        .filter(|arn| is_account(arn.account) && !arn.resource.is_empty())
        .map(|arn| arn.account)
}

/// The ARN of a role that can be assumed, taken apart.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RoleArn {
    text: String,
    partition: String,
    account: String,
    /// Without the path.
    name: String,
}

impl RoleArn {
    const FIELD: &str = "role_arn";
    const EXPECTED: &str = "expected a role ARN such as arn:aws:iam::123456789012:role/App";

    /// Reads the ARN of a role; one of something else is refused with what to name instead.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let refuse =
            |what: String| Error::usage(Self::FIELD, format!("{}; {what}", Self::EXPECTED));
        if text.splitn(6, ':').count() < 6 {
            return Err(refuse(
                "this does not have the six parts of an ARN".to_owned(),
            ));
        }
        let Some(Arn {
            partition,
            service,
            region,
            account,
            resource,
        }) = Arn::split(text)
        else {
            return Err(refuse("this does not begin with arn:".to_owned()));
        };
        if !is_partition(partition) {
            return Err(refuse("its partition is not aws or aws-…".to_owned()));
        }
        match service {
            "iam" => {}
            "sts" => return Err(refuse(instead_of_session(partition, account, resource))),
            "ec2" => {
                return Err(refuse(
                    "this is an EC2 resource: an instance is no principal and no role, its instance \
                     profile holds the role"
                        .to_owned(),
                ));
            }
            other => return Err(refuse(format!("this is of the service {other:?}"))),
        }
        if !region.is_empty() {
            return Err(refuse("ARNs of IAM have no region".to_owned()));
        }
        if !is_account(account) {
            return Err(refuse("its account is not 12 digits".to_owned()));
        }
        let path = match resource.split_once('/') {
            Some(("role", path)) => path,
            Some(("user", _)) => {
                return Err(refuse(
                    "this is a user, and users cannot be assumed: sign with the user's keys as base and \
                     assume a role"
                        .to_owned(),
                ));
            }
            Some(("instance-profile", _)) => {
                return Err(refuse(
                    "this is an instance profile: name the role in it, which aws iam \
                     get-instance-profile shows"
                        .to_owned(),
                ));
            }
            Some(("assumed-role", _)) => {
                return Err(refuse(instead_of_session(partition, account, resource)));
            }
            _ if resource == "root" => {
                return Err(refuse("this is the account itself".to_owned()));
            }
            _ => return Err(refuse("its resource does not begin with role/".to_owned())),
        };
        if path.len() > ROLE_PATH_MAX {
            return Err(refuse("its path and name are too long".to_owned()));
        }
        let name = without_path(path);
        let well_formed = path
            .split('/')
            .all(|segment| !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_graphic()));
        if !well_formed || !is_role_name(name) {
            return Err(refuse(
                "its name is not 1 to 64 of A-Z a-z 0-9 _ + = , . @ -".to_owned(),
            ));
        }
        Ok(RoleArn {
            text: text.to_owned(),
            partition: partition.to_owned(),
            account: account.to_owned(),
            name: name.to_owned(),
        })
    }

    /// What another vendor's STS calls a role, as it was given; taken apart where it has the form of AWS.
    pub(crate) fn as_given(text: &str) -> Result<Self> {
        if let Ok(role) = Self::parse(text) {
            return Ok(role);
        }
        let printable = text.chars().all(|c| !c.is_control() && !c.is_whitespace());
        if !printable || !GIVEN_ROLE_LENGTHS.contains(&text.chars().count()) {
            return Err(Error::usage(
                Self::FIELD,
                "expected 20 to 2048 printable characters: this endpoint is not one of AWS, so its STS \
                 judges what they say, such as arn:aws:iam::123456789012:role/App",
            ));
        }
        Ok(RoleArn {
            text: text.to_owned(),
            partition: String::new(),
            account: String::new(),
            name: without_path(text).to_owned(),
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
    format!("this is a session: name the role itself, arn:{partition}:iam::{account}:role/{role}")
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
        for (region, partition, suffix) in [
            ("us-east-1", "aws", "amazonaws.com"),
            ("il-central-1", "aws", "amazonaws.com"),
            ("cn-north-1", "aws-cn", "amazonaws.com.cn"),
            ("us-gov-west-1", "aws-us-gov", "amazonaws.com"),
            ("us-iso-east-1", "aws-iso", "c2s.ic.gov"),
            ("us-isob-east-1", "aws-iso-b", "sc2s.sgov.gov"),
            ("us-isof-south-1", "aws-iso-f", "csp.hci.ic.gov"),
            ("eu-isoe-west-1", "aws-iso-e", "cloud.adc-e.uk"),
            ("eusc-de-east-1", "aws-eusc", "amazonaws.eu"),
        ] {
            assert!(is_region_of_aws(region), "{region}");
            let found = Partition::of_region(region);
            assert_eq!((found.name(), found.dns_suffix()), (partition, suffix));
            assert_eq!(Partition::named(partition), Some(found));
            assert!(is_partition(partition));
            assert!(is_host_of_aws(&format!("sts.{region}.{suffix}")));
        }
        for text in [
            "",
            "us",
            "us-east",
            "us-east-1a",
            "US-EAST-1",
            "us--1",
            "aws-global",
            "fips-us-east-1",
            "us-east-1-fips",
            "a b-c-1",
        ] {
            assert!(!is_region_of_aws(text), "{text}");
        }
        assert_eq!(Partition::of_region("aws-cn-global").name(), "aws-cn");
        assert_eq!(Partition::of_region("aws-global").name(), "aws");
        assert_eq!(Partition::named("aws-xy"), None);
    }

    #[test]
    fn hosts_of_others_are_not_those_of_aws() {
        for host in [
            "localhost",
            "evilamazonaws.com",
            "amazonaws.com.example",
            "",
        ] {
            assert!(!is_host_of_aws(host), "{host}");
        }
        for host in [
            "vpce-1.sts.us-east-1.vpce.amazonaws.com",
            "STS.us-east-1.AmazonAWS.com",
            "sts.us-east-1.amazonaws.com.",
            "sts.us-iso-east-1.api.aws.ic.gov",
            "sts.us-isob-east-1.api.aws.scloud",
            "sts.eu-isoe-west-1.api.cloud-aws.adc-e.uk",
            "sts.us-isof-south-1.api.aws.hci.ic.gov",
        ] {
            assert!(is_host_of_aws(host), "{host}");
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
            "arn:aws:sts::123456789012:",
            "urn:aws:sts::123456789012:x",
        ] {
            assert_eq!(account_in(arn), None, "{arn}");
        }
    }
}
