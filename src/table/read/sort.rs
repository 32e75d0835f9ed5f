//! Conditions on the sort key of a query.

use crate::error::Result;
use crate::table::expression::condition::Cond;
use crate::table::expression::operand::Attr;
use crate::table::expression::path::Path;
use crate::table::value::IntoValue;
use aws_sdk_dynamodb::types::AttributeValue;

/// Begins a condition on the sort key of a query: `sort("sk").begins_with("2026-")`.
#[must_use]
pub fn sort(attribute: impl Into<String>) -> Sort {
    Sort(attribute.into())
}

/// The sort key of a query; made by [`sort`].
#[derive(Clone, Debug)]
pub struct Sort(String);

/// A condition on the sort key, for [`Query::sort`](crate::table::Query::sort).
#[derive(Clone, Debug)]
#[must_use = "a condition does nothing until a query has it"]
pub struct SortCond(Cond);

impl Sort {
    /// Equal.
    pub fn eq(self, value: impl IntoValue) -> SortCond {
        SortCond(self.attr().eq(given(value)))
    }

    /// Less.
    pub fn lt(self, value: impl IntoValue) -> SortCond {
        SortCond(self.attr().lt(given(value)))
    }

    /// Less or equal.
    pub fn le(self, value: impl IntoValue) -> SortCond {
        SortCond(self.attr().le(given(value)))
    }

    /// Greater.
    pub fn gt(self, value: impl IntoValue) -> SortCond {
        SortCond(self.attr().gt(given(value)))
    }

    /// Greater or equal.
    pub fn ge(self, value: impl IntoValue) -> SortCond {
        SortCond(self.attr().ge(given(value)))
    }

    /// From `low` to `high`, both included.
    pub fn between(self, low: impl IntoValue, high: impl IntoValue) -> SortCond {
        SortCond(self.attr().between(given(low), given(high)))
    }

    /// A string or binary that begins so.
    pub fn begins_with(self, prefix: impl IntoValue) -> SortCond {
        SortCond(self.attr().begins_with(given(prefix)))
    }

    fn attr(self) -> Attr {
        Attr(Path::attribute(self.0))
    }
}

impl SortCond {
    pub(crate) fn into_cond(self) -> Cond {
        self.0
    }
}

/// A value that has been converted already, or the error of it.
struct Given(Result<AttributeValue>);

fn given(value: impl IntoValue) -> Given {
    Given(value.into_value())
}

impl IntoValue for Given {
    fn into_value(self) -> Result<AttributeValue> {
        self.0
    }
}
