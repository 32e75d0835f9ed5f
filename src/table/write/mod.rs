//! Writing one item: put, update, delete.

pub(crate) mod attempt;
pub(crate) mod delete;
pub(crate) mod put;
pub(crate) mod update;
