//! When credentials are refreshed, and what a caller gets meanwhile.
//!
//! ```
//! use aws_credential_strategies::{CredentialCache, CredentialSource, RefreshMode, RefreshPolicy};
//! use std::time::Duration;
//!
//! # async fn example(source: impl CredentialSource) -> aws_credential_strategies::Result<()> {
//! let policy = RefreshPolicy::default()
//!     .mode(RefreshMode::OnDemand)
//!     .wait_timeout(Duration::from_secs(5));
//! let cache = CredentialCache::new(source, policy);
//! let credentials = cache.credentials().await?;
//! println!("{:?} until {:?}", cache.status().stage, credentials.expiry());
//! # Ok(())
//! # }
//! ```
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
//! | `Mandatory` | within the mandatory window, the last minute at most, or a service rejected them | waits for the fetch, unless an attempt for this need has failed or its pause is in force; then the credentials |
//! | `Expired` | their life is over | waits for the fetch, unless an attempt for this need failed in the last minute; then the expired credentials, or the error if it is terminal |
//!
//! So while credentials are valid a call waits only where a service rejected them, or where their last
//! minute has come: for the one attempt that it begins with, and first for one that is under way then.
//!
//! # Needs
//!
//! The source is asked because of a *need*: nothing is held, a window is open, a service rejected the key, or
//! somebody asked for a fetch. An attempt that began before a need arose may meet it by its answer, but
//! neither its failure nor its pause nor its bringing the old key says anything about it.
//!
//! A rejection is evidence against the key or against the service that rejected it. The first rejection of a
//! key is a need at once, and those who were rejected wait for its one fetch. If the key that came for it is
//! rejected too, with no [success](CredentialCache::accepted) of anybody's in between, it is served on, at
//! once, and the next one is asked for after ½–1 s, doubling; from the sixth on after 5–10 min
//! ([`LONG_ROW`]). So a service that refuses every key costs nobody else a wait. Whatever is rejected, forced
//! or asked for, no ten minutes see more than [`MAX_ATTEMPTS_IN_PERIOD`] attempts, where sessions last a
//! minute or longer.
//!
//! No credential that no service rejects is asked about more than ten times while it is valid, but by force or
//! for a longer life. So where a plain reading of the pauses leads further these rules differ from it: a source
//! that renews late is asked again after half of what is left only while the ten last; then once [`LAST_LOOK`]
//! before expiry and once on expiring. And where failures and the old document take turns, each of which begins
//! the row of pauses anew, nothing follows the eighth attempt before the mandatory window. Also, an answer that
//! ends sooner than what is held is refused only while nothing has to be replaced, since in a refresh window it is
//! what the AWS rules serve.
//!
//! # Runtimes
//!
//! An attempt runs on a task where the call is made that begins it, or where the cache was
//! [told to](CredentialCache::on). If it does not run within [`RUNNING_WITHIN`], or is not polled for
//! [`ALIVE_WITHIN`], whoever waits for it begins it anew on their own runtime, and the old one is not polled
//! any more. The timer is on such a runtime too; where that one stands still, it is the next call elsewhere that
//! finds the timer late and has another begin there.
//!
//! # Metrics
//!
//! Recorded with the meter provider of the AWS SDK (`aws_smithy_observability::global`), scope
//! `aws_credential_strategies`; nothing until an application sets one, and nothing per request. All have the
//! attribute `source`.
//!
//! | name | kind, unit | what |
//! |---|---|---|
//! | `aws.credentials.attempts` | counter, `{attempt}` | attempts that ended, by `outcome`: `replaced`, `same_document`, `ends_sooner`, `expired_document`, `failed` |
//! | `aws.credentials.attempt.duration` | histogram, `s` | how long they took, by `outcome` |
//! | `aws.credentials.seconds_left` | histogram, `s` | life left of what was held when they ended |
//! | `aws.credentials.waits` | counter, `{call}` | calls that waited for an attempt, told when one ends |
//! | `aws.credentials.served_expired` | counter, `{call}` | calls answered with expired credentials, told when an attempt ends |
//! | `aws.credentials.rejections` | counter, `{rejection}` | rejections that counted, by `verdict`: `invalidated`, `suspected` |
//!
//! # Words
//!
//! An error is *terminal* if a person has to mend something
//! ([`Error::is_terminal`](crate::Error::is_terminal)), else *recoverable*. A *pause* is how long the
//! source is left alone after an attempt ([`Backoff`]).
//!
//! [`CredentialCache`] is the shell that spawns, waits and counts. What it does and when is decided by
//! pure functions of state, policy and time below it.

mod at_once;
mod attempt;
mod cache;
mod cell;
mod clock;
mod decide;
mod held;
mod hot_path;
mod log;
mod metrics;
mod need;
mod news;
mod pace;
mod policy;
mod rejection;
mod remembered;
mod schedule;
mod shared;
mod state;
mod status;
mod task;
mod timer;
#[cfg_attr(not(feature = "pool"), allow(dead_code))]
mod timetable;
#[cfg(test)]
mod walk;
mod window;

pub use cache::CredentialCache;
#[cfg(feature = "pool")]
pub(crate) use cache::WeakCache;
pub use clock::{Clock, Jitter};
pub use policy::{
    ALIVE_WITHIN, ATTEMPT_PERIOD, AWS_BACKOFF, Backoff, DEFAULT_FETCH_TIMEOUT,
    DEFAULT_WAIT_TIMEOUT, FORCED_ATTEMPTS, FORCED_ATTEMPTS_IN_TROUBLE, FREE_COLD_FAILURES,
    IDLE_AFTER, INTERACTIVE_WAIT_TIMEOUT, LAST_LOOK, LONG_ADVISORY_WINDOW, LONG_LIFETIME, LONG_ROW,
    MAX_ATTEMPTS_IN_PERIOD, MAX_ATTEMPTS_PER_SECOND, MAX_MANDATORY_WINDOW, MAX_TIMER_SLEEP,
    MAX_URGENT_WAIT, MEDIUM_ADVISORY_WINDOW, MIN_ATTEMPT_SPACING, MIN_FORCED_SPACING,
    MIN_PAUSE_AFTER_ANSWER, NO_WAIT_AFTER_FAILURE, OVERDUE, RUNNING_WITHIN, RefreshMode,
    RefreshPolicy, SHORT_ADVISORY_WINDOW, SHORT_LIFETIME, TERMINAL_RERAISE,
};
pub use rejection::Rejection;
#[doc(hidden)]
pub use remembered::Remembered;
pub use status::{LastError, Status};
#[cfg(feature = "pool")]
pub(crate) use timetable::Timetable;
pub use window::Stage;
