//! Many reads or writes in as few requests as DynamoDB takes.

mod backoff;
pub(crate) mod get;
mod identity;
mod running;
pub(crate) mod write;

pub use backoff::Backoff;
