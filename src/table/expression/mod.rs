//! Expressions: conditions, operands and paths, and the placeholders that every one of them is written
//! with.

pub(crate) mod condition;
pub(crate) mod expressions;
pub(crate) mod operand;
pub(crate) mod path;
pub(crate) mod raw_expression;
