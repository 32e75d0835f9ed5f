//! The promises of `suite/`, with object_store 0.13.
#![allow(clippy::unwrap_used, missing_docs)]

use aws_credential_strategies_object_store::v0_13 as adapter;
use object_store_0_13 as object_store;

#[path = "suite/errors_are_kept.rs"]
mod errors_are_kept;
#[path = "suite/nobody_waits.rs"]
mod nobody_waits;
#[path = "suite/rotates_and_recovers.rs"]
mod rotates_and_recovers;
