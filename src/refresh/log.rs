//! What is logged: one event an attempt that ended, one a row of rejections, one a cache of what looks
//! wrong; nothing per request.

use super::clock::Now;
use super::policy::RefreshPolicy;
use super::state::{Landing, State};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What each cache warns of once.
#[derive(Debug, Default)]
pub(super) struct Warned {
    clamped: AtomicBool,
    endless: AtomicBool,
    sooner: AtomicBool,
}

/// One event a fetch; nothing is logged per request.
pub(super) fn log_landing(
    (source, attempt, landing): (&'static str, u64, Landing),
    state: &State,
    policy: &RefreshPolicy,
    (now, elapsed): (Now, Duration),
) {
    let next = state.until_next(policy, now);
    let Some(failure) = &state.failure else {
        match landing {
            Landing::Ignored => {}
            _ => tracing::debug!(
                source,
                attempt,
                ?elapsed,
                ?next,
                ?landing,
                "credentials refreshed"
            ),
        }
        return;
    };
    let error = &failure.error;
    let live = state
        .held
        .as_ref()
        .is_some_and(|held| !held.life.left(now).is_over());
    match landing {
        Landing::Ignored => {}
        Landing::ExpiredDocumentAdopted => tracing::warn!(
            source, attempt, ?elapsed, ?next, %error,
            "expired credentials adopted, there is nothing better"
        ),
        _ if error.is_terminal() => tracing::error!(
            source, attempt, ?elapsed, ?next, %error,
            "credential refresh failed, somebody has to mend it"
        ),
        _ if live => tracing::warn!(
            source, attempt, ?elapsed, ?next, %error,
            "credential refresh failed, the present credentials are still valid"
        ),
        _ => tracing::error!(
            source, attempt, ?elapsed, ?next, %error,
            "credential refresh failed, there are no valid credentials"
        ),
    }
}

/// Once a cache each: a window that was cut, a session token that never ends, an answer that ends too soon.
pub(super) fn warn_of_answer(
    source: &'static str,
    landing: Landing,
    state: &State,
    policy: &RefreshPolicy,
    warned: &Warned,
) {
    let first = |warned: &AtomicBool| !warned.swap(true, Ordering::Relaxed);
    let Some(held) = &state.held else { return };
    if held.life.is_clamped(policy) && first(&warned.clamped) {
        tracing::warn!(
            source,
            lifetime = ?held.life.lifetime,
            advisory_window = ?held.life.advisory,
            "the session is short for its refresh window, which was cut to three quarters of it"
        );
    }
    let is_endless = held.life.expiry.is_none() && held.credentials.session_token().is_some();
    if is_endless && first(&warned.endless) {
        tracing::warn!(
            source,
            "a session token came without its expiry: it is not replaced ahead of time, only once a service rejects it"
        );
    }
    let is_sooner = matches!(landing, Landing::KeptLonger | Landing::ReplacedSooner);
    if is_sooner && first(&warned.sooner) {
        tracing::warn!(
            source,
            kept = landing == Landing::KeptLonger,
            "the source answered with credentials that end sooner than those held, which are kept while nothing has to replace them"
        );
    }
}

/// A rejection that counts: the first of a key, and the one that begins a row.
pub(super) fn warn_of_rejection(
    source: &'static str,
    key_id: &str,
    state: &State,
    suspected: bool,
) {
    if !suspected {
        tracing::warn!(
            source,
            key_id,
            "a service rejected the credentials in use, they are being replaced"
        );
    } else if state.rejections == 2 {
        tracing::warn!(
            source,
            key_id,
            "a service rejected also the key that replaced a rejected one: it may refuse every key, as where \
             the region is not enabled for the account, in the wrong partition, with a vendor that is not AWS, \
             or when the account was revoked; this key is served on and replaced ever less often, until a \
             service accepts one"
        );
    }
}
