//! When credentials are refreshed, and what a caller gets meanwhile.
//!
//! In one sentence: while credentials are valid nobody waits and nobody fails, and the source is asked
//! by one task at a pace it can bear; once they are not, everybody waits for the same single fetch, for
//! a bounded time, and learns why it failed.
//!
//! | [`Stage`] | when | what a call gets under the default policy |
//! |---|---|---|
//! | `Cold` | nothing has been fetched yet | waits for the fetch, then its credentials or its error; during a pause the last error, at once |
//! | `Fresh` | more life is left than the advisory window: 5, 15 or 60 min, by lifetime | the credentials, at once |
//! | `Advisory` | within the advisory window | the same, while a task fetches new ones |
//! | `Mandatory` | within the mandatory window, the last minute at most, or a service rejected them | waits for the fetch, unless an attempt has failed or a pause is in force; then the credentials |
//! | `Expired` | their life is over | waits for the fetch, unless an attempt failed in the last minute; then the expired credentials, or the error if it is terminal |
//!
//! So while credentials are valid a call waits only where a service rejected them, or where their last
//! minute has come before any attempt has ended: after an idle time in [`RefreshMode::OnDemand`], or with
//! sessions of seconds.
//!
//! An error is *terminal* if a person has to mend something
//! ([`Error::is_terminal`](crate::Error::is_terminal)), else *recoverable*. A *pause* is how long the
//! source is left alone after an attempt ([`Backoff`]).
//!
//! [`CredentialCache`] is the shell that spawns, waits and counts. What it does and when is decided by
//! pure functions of state, policy and time below it.

mod attempt;
mod cache;
mod cell;
mod clock;
mod decide;
mod hot_path;
mod policy;
mod schedule;
mod state;
mod status;
mod window;

pub use cache::CredentialCache;
pub use clock::{Clock, Jitter};
pub use policy::{
    AWS_BACKOFF, Backoff, DEFAULT_FETCH_TIMEOUT, DEFAULT_WAIT_TIMEOUT, FREE_COLD_FAILURES,
    GONE_AFTER, IDLE_AFTER, INTERACTIVE_WAIT_TIMEOUT, LONG_ADVISORY_WINDOW, LONG_LIFETIME,
    MAX_ATTEMPTS_PER_SECOND, MAX_MANDATORY_WINDOW, MAX_TIMER_SLEEP, MAX_URGENT_WAIT,
    MEDIUM_ADVISORY_WINDOW, MIN_ATTEMPT_SPACING, MIN_FORCED_SPACING, MIN_PAUSE_AFTER_ANSWER,
    NO_WAIT_AFTER_FAILURE, OVERDUE, RefreshMode, RefreshPolicy, SHORT_ADVISORY_WINDOW,
    SHORT_LIFETIME, TERMINAL_RERAISE,
};
pub use status::{LastError, Rejection, Status};
pub use window::Stage;
