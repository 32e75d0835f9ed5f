//! The promises of `suite/`, with object_store 0.14.
#![allow(clippy::unwrap_used, missing_docs)]

use ::object_store;
use aws_credential_strategies_object_store as adapter;

#[path = "suite/errors_are_kept.rs"]
mod errors_are_kept;
#[path = "suite/nobody_waits.rs"]
mod nobody_waits;
#[path = "suite/rotates_and_recovers.rs"]
mod rotates_and_recovers;
