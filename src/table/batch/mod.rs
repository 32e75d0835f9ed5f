//! Many reads or writes in as few requests as DynamoDB takes.

mod backoff;
pub(crate) mod found;
pub(crate) mod get;
mod identity;
mod listed;
mod pace;
mod reading;
mod running;
mod schedule;
pub(crate) mod several;
pub(crate) mod write;

pub use backoff::Backoff;
