//! Reading: one item, the items of a partition, a whole table.

pub(crate) mod cursor;
mod fetch;
pub(crate) mod get;
pub(crate) mod lanes;
pub(crate) mod options;
pub(crate) mod page;
pub(crate) mod query;
pub(crate) mod scan;
pub(crate) mod sort;
pub(crate) mod stream;
