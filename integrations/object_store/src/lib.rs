#![doc = include_str!("../README.md")]
// the adapter is compiled once for each version of object_store
#![allow(clippy::duplicate_mod)]

#[cfg(feature = "v0_13")]
pub mod v0_13;
#[cfg(feature = "v0_14")]
mod v0_14;

#[cfg(feature = "v0_14")]
pub use v0_14::{Recovery, RejectedKey, StrategyCredentials, WithStrategy};
