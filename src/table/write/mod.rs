//! Writing one item: put, update, delete.

#![expect(
    private_bounds,
    private_interfaces,
    reason = "the trait of the verbs is sealed: nobody else can name its methods"
)]

pub(crate) mod attempt;
mod changes;
pub(crate) mod core;
pub(crate) mod delete;
pub(crate) mod put;
pub(crate) mod update;
