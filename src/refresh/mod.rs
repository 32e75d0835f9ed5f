//! When credentials are refreshed, and what a caller gets meanwhile.
//!
//! In one sentence: while credentials are valid nobody waits and nobody fails, and the source is asked
//! by one task at a pace it can bear; once they are not, everybody waits for the same single fetch, for
//! a bounded time, and learns why it failed.
//!
//! [`CredentialCache`] is the shell that spawns, waits and counts. What it does and when is decided by
//! pure functions of state, policy and time below it.

mod cache;
mod cell;
mod clock;
mod decide;
mod flight;
mod hot_path;
mod policy;
mod schedule;
mod state;
mod status;
mod window;

pub use cache::CredentialCache;
pub use clock::{Clock, Jitter};
pub use policy::{
    AWS_BACKOFF, Backoff, DEFAULT_FETCH_TIMEOUT, DEFAULT_WAIT_TIMEOUT, EXPIRED_PATIENCE,
    FREE_COLD_FAILURES, GONE_AFTER, IDLE_AFTER, INTERACTIVE_WAIT_TIMEOUT, LONG_ADVISORY_WINDOW,
    LONG_LIFETIME, LONGEST_NAP, MAX_ATTEMPTS_PER_SECOND, MAX_MANDATORY_WINDOW, MAX_URGENT_WAIT,
    MEDIUM_ADVISORY_WINDOW, MIN_ATTEMPT_SPACING, MIN_FORCED_SPACING, MIN_PAUSE_AFTER_ANSWER,
    OVERDUE, RefreshMode, RefreshPolicy, SHORT_ADVISORY_WINDOW, SHORT_LIFETIME, TERMINAL_RERAISE,
};
pub use status::{LastError, Rejection, Status};
pub use window::Stage;
