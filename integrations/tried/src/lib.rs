//! What works without an adapter, each tried against a stand-in that counts how often the source is asked; and
//! recipes for tokens of databases and queues, to be copied.
//!
//! See `README.md` for what is run where.
#![allow(clippy::missing_errors_doc, clippy::missing_panics_doc)]

pub mod checked;
pub mod recipes;
pub mod stand_in;
