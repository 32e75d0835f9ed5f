//! Expressions: conditions and paths, and the placeholders that every one of them is written with.

pub(crate) mod condition;
pub(crate) mod expressions;
pub(crate) mod path;
mod raw_condition;
