//! What a person or a dashboard sees of a cache.

use super::clock::Now;
use super::decide::is_idle;
use super::held::Standing;
use super::policy::RefreshPolicy;
use super::state::State;
use super::window::Stage;
use crate::error::ErrorKind;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde::{Serialize, Serializer};
use std::time::{Duration, SystemTime};

/// A snapshot of what a cache holds and what became of its refreshes.
///
/// It holds no secret: the key id is not one. Serialises with points in time as RFC 3339.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Status {
    /// How urgent a refresh is.
    pub stage: Stage,
    /// The access key id in use.
    pub key_id: Option<String>,
    /// The account that the credentials belong to, where the source said so.
    pub account_id: Option<String>,
    /// The role or profile that the source asks for, where known.
    pub subject: Option<String>,
    /// Different credentials held so far.
    pub generation: u64,
    /// When those in use were first fetched: the same document again leaves it as it is.
    #[serde(serialize_with = "rfc3339")]
    pub fetched_at: Option<SystemTime>,
    /// When they expire.
    #[serde(serialize_with = "rfc3339")]
    pub expires_at: Option<SystemTime>,
    /// How long before expiry refreshing begins; for those in use.
    pub advisory_window: Option<Duration>,
    /// When the source is asked next, as planned now; where calls start refreshes, the earliest point at
    /// which one does.
    #[serde(serialize_with = "rfc3339")]
    pub next_attempt_at: Option<SystemTime>,
    /// A service rejected those in use; they are being replaced, and callers wait for it.
    pub invalidated: bool,
    /// A service rejected those in use, as it did those before them, or the limit of attempts is reached:
    /// they are served on, and replaced after a pause ([`Suspected`](super::Rejection::Suspected)).
    pub suspected: bool,
    /// Rejections in a row, of keys of which none was [accepted](crate::CredentialCache::accepted).
    pub rejections_in_a_row: u32,
    /// A service rejected those in use and a refresh brought the same key again: the account or the
    /// session is revoked, or the rejection has another cause.
    pub rejected_key_returned: bool,
    /// The failure that stands; none after a success.
    pub last_error: Option<LastError>,
    /// Failures since the last success.
    pub consecutive_failures: u32,
    /// Fetches started. Beside `generation`: how many of them brought nothing new.
    pub fetches: u64,
    /// Calls that waited for a fetch; see [who waits when](crate::refresh).
    pub waits: u64,
    /// Calls that were answered with expired credentials.
    pub served_expired: u64,
}

/// The failure of the last fetch.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct LastError {
    /// The cause.
    #[serde(serialize_with = "kind_name")]
    pub kind: ErrorKind,
    /// The error in one line.
    pub line: String,
    /// Whether somebody has to change something before it can work.
    pub terminal: bool,
    /// Whether the refresh that failed is the one that is needed now. If not, it is history: a forced refresh
    /// that failed while nothing was due, or an attempt that began before the present need arose.
    pub for_present_need: bool,
    /// When it happened.
    #[serde(serialize_with = "rfc3339")]
    pub at: Option<SystemTime>,
}

/// What callers did, which the state does not count.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) waits: u64,
    pub(super) served_expired: u64,
}

impl Status {
    pub(super) fn of(
        state: &State,
        policy: &RefreshPolicy,
        now: Now,
        subject: Option<String>,
        tally: Tally,
    ) -> Self {
        let held = state.held.as_ref();
        let need = state.need(now);
        let stands = |standing| held.is_some_and(|held| held.standing == standing);
        Status {
            stage: state.stage(now),
            key_id: held.map(|held| held.credentials.access_key_id().to_owned()),
            account_id: held
                .and_then(|held| held.credentials.account_id())
                .map(|account| account.as_str().to_owned()),
            subject,
            generation: state.generation,
            fetched_at: held.map(|held| held.fetched_at),
            expires_at: held.and_then(|held| held.life.expiry),
            advisory_window: held
                .filter(|held| held.life.expiry.is_some())
                .map(|held| held.life.advisory),
            next_attempt_at: state
                .until_next(policy, now)
                .filter(|wait| {
                    !(wait.is_zero() && policy.has_timer() && is_idle(state, policy, now))
                })
                .and_then(|wait| now.wall.checked_add(wait)),
            invalidated: stands(Standing::Rejected),
            suspected: stands(Standing::Suspected),
            rejections_in_a_row: state.rejections,
            rejected_key_returned: stands(Standing::Returned),
            last_error: state.failure.as_ref().map(|failure| LastError {
                kind: failure.error.kind().clone(),
                line: format!("{:#}", failure.error),
                terminal: failure.error.is_terminal(),
                for_present_need: need.is_some_and(|need| failure.is_of(need)),
                at: Some(failure.at.wall),
            }),
            consecutive_failures: state.failures,
            fetches: state.fetches,
            waits: tally.waits,
            served_expired: tally.served_expired,
        }
    }
}

fn rfc3339<S: Serializer>(
    time: &Option<SystemTime>,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    let text = time.and_then(|time| DateTime::from(time).fmt(Format::DateTime).ok());
    text.serialize(serializer)
}

/// The variant alone, without what it carries.
fn kind_name<S: Serializer>(
    kind: &ErrorKind,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    let debug = format!("{kind:?}");
    let name = debug.split(['(', ' ', '{']).next().unwrap_or_default();
    name.serialize(serializer)
}
