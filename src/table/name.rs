//! Table and index names, checked before anything is sent.

use crate::arn::{Arn, TABLE_NAME_LENGTHS, is_table_name};
use crate::error::{Error, Result};

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

/// Which of these tables an answer means: as it was asked for, or a name for an ARN, or the other way round.
/// `None` where that is none of them, or may be several.
pub(crate) fn meant_by<T>(answer: &str, tables: &[T], text: impl Fn(&T) -> &str) -> Option<usize> {
    let as_asked = tables.iter().position(|table| text(table) == answer);
    as_asked.or_else(|| {
        let named = |table: &T| plain(text(table)) == plain(answer);
        let mut alike = tables.iter().enumerate().filter(|(_, table)| named(table));
        let (first, _) = alike.next()?;
        alike.next().is_none().then_some(first)
    })
}

/// The name alone.
fn plain(name_or_arn: &str) -> &str {
    Arn::of_table(name_or_arn).map_or(name_or_arn, |(_, name)| name)
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
    let (_, name) = Arn::of_table(text).ok_or_else(expected)?;
    if name.contains('/') {
        return Err(Error::usage(
            "table",
            format!("expected the ARN of a table, without an index or a stream, not {text:?}"),
        ));
    }
    check_plain("table", name)
}

fn check_plain(field: &'static str, name: &str) -> Result<()> {
    if is_table_name(name) {
        return Ok(());
    }
    let (shortest, longest) = TABLE_NAME_LENGTHS.into_inner();
    Err(Error::usage(
        field,
        format!(
            "expected {shortest} to {longest} of the characters a-z, A-Z, 0-9, '_', '-' and '.', not {name:?}"
        ),
    ))
}
