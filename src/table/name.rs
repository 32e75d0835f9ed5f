//! Table and index names, checked before anything is sent.

use crate::error::{Error, Result};

/// The longest table or index name; <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html>.
pub(crate) const LONGEST_NAME: usize = 255;
/// The shortest one.
pub(crate) const SHORTEST_NAME: usize = 3;
const ACCOUNT_DIGITS: usize = 12;

/// A table as a request names it: by name, or by ARN for a table of another account or region.
#[derive(Debug)]
pub(crate) struct TableName {
    text: String,
    problem: Option<Error>,
}

impl TableName {
    /// A prefix belongs to names; an ARN says exactly which table is meant.
    pub(crate) fn new(name_or_arn: &str, prefix: Option<&str>) -> Self {
        let text = match prefix {
            Some(prefix) if !is_arn(name_or_arn) => format!("{prefix}{name_or_arn}"),
            _ => name_or_arn.to_owned(),
        };
        let problem = check_table(&text).err();
        TableName { text, problem }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn check(&self) -> Result<()> {
        self.problem.clone().map_or(Ok(()), Err)
    }
}

/// An index named by the caller.
pub(crate) fn check_index(name: &str) -> Result<()> {
    check_plain("index", name)
}

fn is_arn(text: &str) -> bool {
    text.starts_with("arn:")
}

fn check_table(text: &str) -> Result<()> {
    if !is_arn(text) {
        return check_plain("table", text);
    }
    let expected = || {
        Error::usage(
            "table",
            format!(
                "expected arn:<partition>:dynamodb:<region>:<12 digits>:table/<name>, not {text:?}"
            ),
        )
    };
    let mut parts = text.splitn(6, ':').skip(1);
    let (Some(partition), Some(service), Some(region), Some(account), Some(resource)) = (
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
    ) else {
        return Err(expected());
    };
    let account_is_one =
        account.len() == ACCOUNT_DIGITS && account.bytes().all(|b| b.is_ascii_digit());
    if partition.is_empty() || service != "dynamodb" || region.is_empty() || !account_is_one {
        return Err(expected());
    }
    let name = resource.strip_prefix("table/").ok_or_else(expected)?;
    if name.contains('/') {
        return Err(Error::usage(
            "table",
            format!("expected the ARN of a table, without an index or a stream, not {text:?}"),
        ));
    }
    check_plain("table", name)
}

fn check_plain(field: &'static str, name: &str) -> Result<()> {
    let characters = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    if characters && (SHORTEST_NAME..=LONGEST_NAME).contains(&name.len()) {
        return Ok(());
    }
    Err(Error::usage(
        field,
        format!(
            "expected {SHORTEST_NAME} to {LONGEST_NAME} of the characters a-z, A-Z, 0-9, '_', '-' and '.', not {name:?}"
        ),
    ))
}
