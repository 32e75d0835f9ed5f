//! Amazon Resource Names, as far as policies need them.

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
}

/// Account ids have exactly this many digits.
const ACCOUNT_DIGITS: usize = 12;
/// The longest IAM role, user or session name (IAM and STS quotas).
const NAME_MAX: usize = 64;
/// Shortest and longest DynamoDB table and index name (DynamoDB naming rules).
const TABLE_NAME_LENGTHS: std::ops::RangeInclusive<usize> = 3..=255;

pub(crate) fn is_account(text: &str) -> bool {
    text.len() == ACCOUNT_DIGITS && text.bytes().all(|b| b.is_ascii_digit())
}

/// `aws`, `aws-cn`, `aws-us-gov`, `aws-iso-b`, …
pub(crate) fn is_partition(text: &str) -> bool {
    (text == "aws" || text.starts_with("aws-"))
        && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
}

/// `us-east-1`, `local`, …: a host label.
pub(crate) fn is_region(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 63
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && text.bytes().any(|b| b.is_ascii_lowercase())
}

/// A role, user or session name: 1–64 of `[\w+=,.@-]`.
pub(crate) fn is_iam_name(text: &str) -> bool {
    (1..=NAME_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b))
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
    Arn::split(text).is_some_and(|arn| {
        is_partition(arn.partition)
            && arn.service == "dynamodb"
            && is_region(arn.region)
            && is_account(arn.account)
            && arn
                .resource
                .strip_prefix("table/")
                .is_some_and(is_table_name)
    })
}
