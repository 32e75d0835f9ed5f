//! The settings of a refresh, and every number it goes by.

use crate::error::{Error, Result};
use std::time::Duration;

/// Longest that a caller waits for a fetch, counted from the start of that fetch: 10 s.
///
/// Long enough for a slow STS answer with one retry, short enough to be noticed as an error rather than
/// as a hang.
pub const DEFAULT_WAIT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest that one fetch may take, the source's own retries included: 30 s.
///
/// More than [`DEFAULT_WAIT_TIMEOUT`]: a slow answer that no caller waits for any more still serves the
/// next one.
pub const DEFAULT_FETCH_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest wait and longest fetch where the source asks a person for a code: 2 min.
pub const INTERACTIVE_WAIT_TIMEOUT: Duration = Duration::from_secs(120);

/// Lifetimes up to this are short: 20 min (the AWS SDKs' refresh rules of 2026).
pub const SHORT_LIFETIME: Duration = Duration::from_secs(20 * 60);
/// Lifetimes from this on are long: 90 min (the AWS SDKs' refresh rules of 2026).
pub const LONG_LIFETIME: Duration = Duration::from_secs(90 * 60);
/// Advisory window of a short lifetime: 5 min.
pub const SHORT_ADVISORY_WINDOW: Duration = Duration::from_secs(5 * 60);
/// Advisory window of a lifetime between short and long: 15 min.
pub const MEDIUM_ADVISORY_WINDOW: Duration = Duration::from_secs(15 * 60);
/// Advisory window of a long lifetime: 60 min.
pub const LONG_ADVISORY_WINDOW: Duration = Duration::from_secs(60 * 60);
/// Widest mandatory window: 60 s. It is a quarter of the advisory window where that is less; under
/// [`RefreshPolicy::aws_spec`], the whole of it.
pub const MAX_MANDATORY_WINDOW: Duration = Duration::from_secs(60);

/// A call starts the fetch itself when the background task is overdue by more than this: 5 s.
pub const OVERDUE: Duration = Duration::from_secs(5);
/// An attempt whose task has not run this long after it was started is taken over by whoever waits for it:
/// 100 ms, as on a runtime that computes, ends, or is driven only now and then.
pub const RUNNING_WITHIN: Duration = Duration::from_millis(100);
/// An attempt whose task has not been polled in this time is taken over likewise: 1 s.
pub const ALIVE_WITHIN: Duration = Duration::from_secs(1);
/// The task of an attempt wakes itself this often: 0.3 s, several times within [`ALIVE_WITHIN`].
pub(super) const HEARTBEAT: Duration = Duration::from_millis(300);
/// Once credentials have expired, nobody waits for this long after a failed attempt: 60 s.
pub const NO_WAIT_AFTER_FAILURE: Duration = Duration::from_secs(60);
/// Longest [adaptive](Backoff::adaptive) pause between attempts once credentials are needed: 30 s.
pub const MAX_URGENT_WAIT: Duration = Duration::from_secs(30);
/// Credentials that expired this long ago, and that nobody asked for in this time, are refreshed less
/// often, after pauses of [`AWS_BACKOFF`]: 10 min.
pub const IDLE_AFTER: Duration = Duration::from_secs(10 * 60);
/// Recoverable failures of an empty cache after which the next call tries again at once: 2.
pub const FREE_COLD_FAILURES: u32 = 2;
/// Longest that a timer sleeps before it reads both clocks again: 60 s. A suspended host is noticed
/// within that time after it wakes.
pub const MAX_TIMER_SLEEP: Duration = Duration::from_secs(60);
/// Shortest pause after an answer, before the source is asked again: 0.25 s, unless a service rejects
/// what came. A source that answers with nearly dead credentials is not asked in a loop.
pub const MIN_PAUSE_AFTER_ANSWER: Duration = Duration::from_millis(250);
/// No two attempts start closer together than this: 20 ms.
pub const MIN_ATTEMPT_SPACING: Duration = Duration::from_millis(20);
/// No more attempts than this start in any second, whatever the clocks do: 8.
pub const MAX_ATTEMPTS_PER_SECOND: usize = 8;
/// What [`MAX_ATTEMPTS_IN_PERIOD`] counts in: 10 min.
pub const ATTEMPT_PERIOD: Duration = Duration::from_secs(10 * 60);
/// No more attempts than this start in any ten minutes, whatever is rejected, forced or asked for, where
/// sessions last a minute or longer: 46.
///
/// It is what an outage takes whose pauses are the shortest there are: each 15 s, and six at first.
pub const MAX_ATTEMPTS_IN_PERIOD: usize = 46;
/// Of these, what forced refreshes, wishes for a long life and rejections may take: 40. The others are left
/// to the plan.
pub const FORCED_ATTEMPTS: usize = 40;
/// The same while attempts fail, near the end of a session, and where one of the last ten minutes was shorter
/// than 15 min: 20. The plan then needs one attempt each [`MAX_URGENT_WAIT`] and a few more.
pub const FORCED_ATTEMPTS_IN_TROUBLE: usize = 20;
/// From this many rejections in a row on, the next key is asked for after [`AWS_BACKOFF`]: 6.
pub const LONG_ROW: u32 = 6;
/// A source that renews late is asked again this long before expiry: 9 s, within the 10 s that caches in
/// front of it commonly renew ahead.
pub const LAST_LOOK: Duration = Duration::from_secs(9);
/// Most attempts by the plan while one credential is valid, as long as no service rejects it: 10.
pub(super) const MAX_TRIES: u32 = 10;
/// [`refresh`](crate::CredentialCache::refresh) asks the source at most once in this time: 1 s.
pub const MIN_FORCED_SPACING: Duration = Duration::from_secs(1);
/// Shortest and longest pause of the AWS rules after a failure: 5 and 10 min. By the rules of this crate,
/// where asking sooner is of no use: after a failure long before expiry, after a terminal one in the
/// advisory window, at most after a rejected key came back, and where nobody asks ([`IDLE_AFTER`]).
pub const AWS_BACKOFF: (Duration, Duration) = (Duration::from_secs(300), Duration::from_secs(600));
/// Shortest and longest time for which a terminal error is repeated from memory: 1 and 5 s, under the AWS
/// rules and the first time in an empty cache.
pub const TERMINAL_RERAISE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));

/// Waits beyond this are cut to it, so that no clock arithmetic overflows: ten years.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// When credentials are refreshed, how long callers wait, and what they get when a refresh fails.
///
/// A plain value: build it once, hand it to any number of caches.
///
/// ```
/// use aws_credential_strategies::{RefreshMode, RefreshPolicy};
/// use std::time::Duration;
///
/// let policy = RefreshPolicy::default()
///     .mode(RefreshMode::OnDemand)
///     .wait_timeout(Duration::from_secs(3));
/// assert!(policy.validate().is_ok());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshPolicy {
    pub(super) rules: Rules,
    pub(super) mode: RefreshMode,
    pub(super) advisory_window: Option<Duration>,
    pub(super) backoff: Backoff,
    pub(super) serve_expired: bool,
    pub(super) fetch_timeout: Duration,
    pub(super) wait_timeout: Duration,
    pub(super) idle_after: Option<Duration>,
}

/// Which book of rules is followed where the two differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rules {
    /// Nobody waits for, or fails because of, a refresh while credentials are valid.
    Ours,
    /// What AWS gives its own SDKs in 2026.
    AwsSpec,
}

/// Who starts a refresh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefreshMode {
    /// A task refreshes ahead of time, even if nobody calls. The default.
    #[default]
    Background,
    /// The first call after the planned point starts the refresh, and returns at once with what is
    /// still valid; no traffic while idle.
    OnDemand,
}

/// How long the source is left alone after a failed attempt.
///
/// ```
/// use aws_credential_strategies::RefreshPolicy;
/// use aws_credential_strategies::refresh::Backoff;
/// use std::time::Duration;
///
/// let policy = RefreshPolicy::default().backoff(Backoff::fixed(Duration::from_secs(30)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Backoff(pub(super) Option<Duration>);

impl Backoff {
    /// Pauses that grow with the failures and shrink with the life that is left. The default.
    #[must_use]
    pub const fn adaptive() -> Self {
        Backoff(None)
    }

    /// The same pause after every failure but the first [`FREE_COLD_FAILURES`] of an empty cache that heal by
    /// themselves. The attempt that the mandatory window opens with is made all the same.
    ///
    /// Under [`RefreshPolicy::aws_spec`] it stands in for [`AWS_BACKOFF`] alone.
    #[must_use]
    pub const fn fixed(pause: Duration) -> Self {
        Backoff(Some(pause))
    }
}

impl RefreshPolicy {
    /// This crate's rules: while credentials are valid nobody waits and nobody fails.
    #[must_use]
    pub const fn new() -> Self {
        RefreshPolicy {
            rules: Rules::Ours,
            mode: RefreshMode::Background,
            advisory_window: None,
            backoff: Backoff::adaptive(),
            serve_expired: true,
            fetch_timeout: DEFAULT_FETCH_TIMEOUT,
            wait_timeout: DEFAULT_WAIT_TIMEOUT,
            idle_after: None,
        }
    }

    /// The rules that AWS gives its own SDKs in 2026, to the letter: driven by calls, of which the first
    /// in the advisory window waits for the refresh; a terminal error is raised even while credentials
    /// are valid; any other failure with something cached is followed by a pause of 5–10 min
    /// ([`AWS_BACKOFF`]). [`mode`](Self::mode) has no effect on it.
    #[must_use]
    pub const fn aws_spec() -> Self {
        let mut policy = RefreshPolicy::new();
        policy.rules = Rules::AwsSpec;
        policy.mode = RefreshMode::OnDemand;
        policy
    }

    /// Who starts a refresh; by default [`RefreshMode::Background`].
    #[must_use]
    pub const fn mode(mut self, mode: RefreshMode) -> Self {
        self.mode = mode;
        self
    }

    /// How long before expiry refreshing begins; by default 5, 15 or 60 min, by lifetime
    /// ([`SHORT_ADVISORY_WINDOW`], [`MEDIUM_ADVISORY_WINDOW`], [`LONG_ADVISORY_WINDOW`]).
    ///
    /// Never more than three quarters of the lifetime: a window as long as the session would refresh on
    /// every call. Zero is refused by [`validate`](Self::validate).
    #[must_use]
    pub const fn advisory_window(mut self, window: Duration) -> Self {
        self.advisory_window = Some(window);
        self
    }

    /// How long the source is left alone after a failure; by default [`Backoff::adaptive`].
    #[must_use]
    pub const fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Whether expired credentials are handed out while no new ones can be had; by default `true`.
    ///
    /// AWS extends the life of sessions when it cannot issue new ones, and the service is the judge
    /// anyway. With `false` such a call returns the error of the last attempt; after a terminal one it
    /// does so always.
    #[must_use]
    pub const fn serve_expired(mut self, serve: bool) -> Self {
        self.serve_expired = serve;
        self
    }

    /// Longest that one fetch may take; by default [`DEFAULT_FETCH_TIMEOUT`]. Zero is refused by
    /// [`validate`](Self::validate).
    #[must_use]
    pub const fn fetch_timeout(mut self, timeout: Duration) -> Self {
        self.fetch_timeout = timeout;
        self
    }

    /// Longest that a caller waits for a fetch, counted from the start of the fetch; by default
    /// [`DEFAULT_WAIT_TIMEOUT`]. Zero means never to wait.
    #[must_use]
    pub const fn wait_timeout(mut self, timeout: Duration) -> Self {
        self.wait_timeout = timeout;
        self
    }

    /// Stops refreshing in the background what nobody asked for in this time, until the next call; by
    /// default never. Zero is refused by [`validate`](Self::validate).
    ///
    /// For programs with many strategies of which each is used now and then. A call that comes after it is
    /// served at once while credentials are valid, and waits for a fetch once they have expired. It has no
    /// effect in [`RefreshMode::OnDemand`], where only calls refresh.
    #[must_use]
    pub const fn idle_after(mut self, time: Duration) -> Self {
        self.idle_after = Some(time);
        self
    }

    /// Checks the settings against each other.
    ///
    /// The builders of the strategies call it; a [`CredentialCache`](crate::CredentialCache) made with
    /// a policy that does not pass answers every call for credentials with this error.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage), naming the setting: an `advisory_window`, a
    /// `fetch_timeout` or an `idle_after` of zero.
    pub fn validate(&self) -> Result<()> {
        if self.advisory_window.is_some_and(|window| window.is_zero()) {
            return Err(Error::usage(
                "advisory_window",
                "must be longer than zero; leave it unset for 5, 15 or 60 min by lifetime",
            ));
        }
        if self.fetch_timeout.is_zero() {
            return Err(Error::usage("fetch_timeout", "must be longer than zero"));
        }
        if self.idle_after.is_some_and(|time| time.is_zero()) {
            return Err(Error::usage(
                "idle_after",
                "must be longer than zero; leave it unset to refresh whether anybody asks or not",
            ));
        }
        Ok(())
    }

    /// How old an attempt may be before nobody waits for it any more, and how long any call waits.
    pub(super) fn longest_wait(&self) -> Duration {
        self.wait_timeout.min(LONGEST_WAIT)
    }

    /// Longest that one fetch may take.
    #[cfg(feature = "pool")]
    pub(crate) fn fetch_timeout_given(&self) -> Duration {
        self.fetch_timeout
    }

    /// From when on nobody's refreshes are left, if ever.
    #[cfg(feature = "pool")]
    pub(crate) fn idle_after_given(&self) -> Option<Duration> {
        self.idle_after
    }

    /// Whether a task refreshes ahead of calls.
    pub(super) fn has_timer(&self) -> bool {
        self.rules == Rules::Ours && self.mode == RefreshMode::Background
    }
}

impl Default for RefreshPolicy {
    fn default() -> Self {
        RefreshPolicy::new()
    }
}
