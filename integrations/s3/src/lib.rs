//! An S3 in the process for the tests of the integrations: `s3s` over a directory, which checks signatures
//! and session tokens, and whose keys end in the middle of what a client does.
//!
//! [`S3`] is both sides of an identity: the [source](S3::source) that hands a new session out at each fetch,
//! and the server that takes it until it [ends](Ends). Both count.
#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used
)]

mod objects;
mod send;
mod server;
mod sessions;

pub use send::send;
pub use server::S3;
pub use sessions::{Ends, REGION, Refused, Sessions, Source, rotate};
