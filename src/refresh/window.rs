//! How much life is left, and what that means.

use super::clock::Now;
use super::policy::{
    LONG_ADVISORY_WINDOW, LONG_LIFETIME, MAX_MANDATORY_WINDOW, MEDIUM_ADVISORY_WINDOW,
    RefreshPolicy, Rules, SHORT_ADVISORY_WINDOW, SHORT_LIFETIME,
};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// How urgent a refresh is; what a call gets in each is in the table of [`refresh`](crate::refresh).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stage {
    /// Nothing has been fetched yet.
    #[default]
    Cold,
    /// Nothing to do.
    Fresh,
    /// A refresh is wanted; there is time for it ([`RefreshPolicy::advisory_window`]).
    Advisory,
    /// A refresh is needed: expiry is near ([`MAX_MANDATORY_WINDOW`]), or a service rejected the
    /// credentials.
    Mandatory,
    /// The life that the source gave is over.
    Expired,
}

/// Nanoseconds of life, below zero once it is over; saturating at 292 years either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Left(i64);

impl Left {
    const FOREVER: Left = Left(i64::MAX);

    pub(super) fn is_over(self) -> bool {
        self.0 <= 0
    }

    pub(super) fn is_within(self, window: Duration) -> bool {
        self.0 <= nanos(window)
    }

    /// What is left, or zero.
    pub(super) fn duration(self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0).unwrap_or(0))
    }
}

/// The times of one fetched credential.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    /// When it ends, as the source said; `None` for never.
    pub(super) expiry: Option<SystemTime>,
    /// How long it was to live when the answer arrived, in whole seconds, rounded up.
    pub(super) lifetime: Duration,
    /// How long it was to live when it was last confirmed; what the monotonic clock counts down from.
    pub(super) confirmed_for: Duration,
    /// When the answer arrived.
    pub(super) since: Instant,
    pub(super) advisory: Duration,
    pub(super) mandatory: Duration,
}

impl Life {
    /// The life of an answer that arrives now.
    pub(super) fn starting(expiry: Option<SystemTime>, now: Now, policy: &RefreshPolicy) -> Self {
        let lifetime = expiry.map_or(Duration::MAX, |expiry| lifetime(expiry, now.wall));
        let advisory = match expiry {
            Some(_) => advisory_window(lifetime, policy),
            None => Duration::ZERO,
        };
        Life {
            expiry,
            lifetime,
            confirmed_for: lifetime,
            since: now.mono,
            advisory,
            mandatory: mandatory_window(advisory, policy),
        }
    }

    /// The same document came again: the monotonic reading starts anew, the windows stay.
    pub(super) fn confirmed(self, now: Now) -> Self {
        let confirmed_for = self
            .expiry
            .map_or(Duration::MAX, |expiry| lifetime(expiry, now.wall));
        Life {
            confirmed_for,
            since: now.mono,
            ..self
        }
    }

    /// The smaller of the two clocks' readings.
    pub(super) fn left(&self, now: Now) -> Left {
        let Some(expiry) = self.expiry else {
            return Left::FOREVER;
        };
        let by_wall = match expiry.duration_since(now.wall) {
            Ok(left) => nanos(left),
            Err(over) => -nanos(over.duration()),
        };
        let lived = nanos(now.mono.saturating_duration_since(self.since));
        Left(by_wall.min(nanos(self.confirmed_for).saturating_sub(lived)))
    }

    /// What is left, or zero; `Duration::MAX` if it never ends.
    pub(super) fn remaining(&self, now: Now) -> Duration {
        match self.expiry {
            None => Duration::MAX,
            Some(_) => self.left(now).duration(),
        }
    }

    pub(super) fn stage(&self, now: Now) -> Stage {
        let left = self.left(now);
        if left.is_over() {
            Stage::Expired
        } else if left.is_within(self.mandatory) {
            Stage::Mandatory
        } else if left.is_within(self.advisory) {
            Stage::Advisory
        } else {
            Stage::Fresh
        }
    }

    /// Time until the mandatory window opens, by the clock that gets there first; `None` for never.
    pub(super) fn until_mandatory(&self, now: Now) -> Option<Duration> {
        self.expiry?;
        Some(self.left(now).duration().saturating_sub(self.mandatory))
    }

    /// The point on each clock at which only `window` is left; `None` for never.
    pub(super) fn end_before(&self, window: Duration) -> Option<Now> {
        let lasts = self.confirmed_for.saturating_sub(window);
        Some(Now {
            wall: self.expiry?.checked_sub(window)?,
            mono: self.since.checked_add(lasts)?,
        })
    }

    /// Whether a window had to give way to a lifetime that is too short for it.
    pub(super) fn is_clamped(&self, policy: &RefreshPolicy) -> bool {
        // An answer that has expired already is not short: it is warned of as what it is.
        let has_lifetime = self.expiry.is_some() && !self.lifetime.is_zero();
        has_lifetime && self.advisory < wanted_window(self.lifetime, policy)
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

fn lifetime(expiry: SystemTime, wall: SystemTime) -> Duration {
    let left = expiry.duration_since(wall).unwrap_or(Duration::ZERO);
    let up = u64::from(left.subsec_nanos() > 0);
    Duration::from_secs(left.as_secs().saturating_add(up))
}

/// The tier of the lifetime, unless configured.
fn wanted_window(lifetime: Duration, policy: &RefreshPolicy) -> Duration {
    policy.advisory_window.unwrap_or({
        if lifetime <= SHORT_LIFETIME {
            SHORT_ADVISORY_WINDOW
        } else if lifetime < LONG_LIFETIME {
            MEDIUM_ADVISORY_WINDOW
        } else {
            LONG_ADVISORY_WINDOW
        }
    })
}

/// Never more than three quarters of the lifetime: a window as long as the session refreshes on every
/// call, which took STS down for .NET users (aws-sdk-net#4313).
fn advisory_window(lifetime: Duration, policy: &RefreshPolicy) -> Duration {
    wanted_window(lifetime, policy).min(lifetime / 4 * 3)
}

fn mandatory_window(advisory: Duration, policy: &RefreshPolicy) -> Duration {
    match policy.rules {
        Rules::Ours => MAX_MANDATORY_WINDOW.min(advisory / 4),
        Rules::AwsSpec => MAX_MANDATORY_WINDOW.min(advisory),
    }
}
