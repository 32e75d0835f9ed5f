//! A failed condition as a value.

use crate::error::{Error, ErrorKind, Result};
use crate::table::decode::decode;
use crate::table::error::Call;
use crate::table::target::Target;
use serde::de::DeserializeOwned;

/// What became of a write with a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a rejected write is a value, no error"]
#[non_exhaustive]
pub enum Attempt<T> {
    /// The condition did not hold; this is the item that was there, if any.
    Rejected(Option<T>),
    /// The condition held, and this is what was asked for: the item as it was, or as it is now.
    Returned(Option<T>),
    /// The condition did not hold for the last of several tries, and an earlier one got no answer: it may
    /// have been done, and then it is the reason. This is the item that was there, if any; compare it with
    /// what was to be written.
    Unclear(Option<T>),
    /// The condition held.
    Written,
}

impl<T> Attempt<T> {
    /// Whether the condition held for certain.
    pub fn is_written(&self) -> bool {
        matches!(self, Attempt::Written | Attempt::Returned(_))
    }
}

impl<T: DeserializeOwned> Attempt<T> {
    /// Makes a value of a failed condition; every other error stays one.
    pub(super) fn from_error(target: &Target, error: Error) -> Result<Self> {
        if *error.kind() != ErrorKind::Conflict {
            return Err(error);
        }
        let there = error.conflict_item().filter(|item| !item.is_empty());
        let there = there.map(|item| decode(item.clone(), None)).transpose();
        let there = there.map_err(|decode| Call::on(target, error.operation()).explain(decode))?;
        Ok(if error.may_be_done() {
            Attempt::Unclear(there)
        } else {
            Attempt::Rejected(there)
        })
    }
}
