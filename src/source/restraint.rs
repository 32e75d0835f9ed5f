//! How who is refused whatever key it shows is held back, so that it costs the other users of the keys nothing.

use super::key_mark::KeyMark;
use std::time::Duration;
use tokio::time::Instant;

/// How long a service that refused [`FRESH_KEYS_REFUSED`] new keys in a row brings about no further refresh: 10 min.
///
/// Long against any refresh, so that it costs the others nothing; short against a working day, so that a
/// region that was enabled or an account that was restored is found without a restart.
pub const HELD_BACK_FOR: Duration = Duration::from_secs(600);

/// After so many new keys that a service refused in a row the keys are not what is wrong: 2.
///
/// One may be refused because it was revoked too, or has not reached the service yet.
pub const FRESH_KEYS_REFUSED: usize = 2;

/// What one service has refused since it last accepted a key.
#[derive(Debug, Default)]
pub(crate) struct Restraint {
    /// New keys, [`FRESH_KEYS_REFUSED`] at most.
    refused: Vec<KeyMark>,
    held_back_since: Option<Instant>,
}

/// Whether a rejection is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Another key may help.
    PassOn,
    /// The same, and it is the last for some time.
    PassOnLast,
    /// The service refuses whatever it is shown.
    HoldBack,
}

impl Restraint {
    /// The service accepted a key.
    pub(crate) fn end(&mut self) {
        self.refused.clear();
        self.held_back_since = None;
    }

    /// The service refused this key.
    ///
    /// The same key again is no further evidence, and neither is one that was accepted: it has been revoked.
    pub(crate) fn refuse(&mut self, key: KeyMark, was_accepted: bool, now: Instant) -> Refusal {
        if let Some(since) = self.held_back_since {
            if now.saturating_duration_since(since) < HELD_BACK_FOR {
                return Refusal::HoldBack;
            }
            // One more try; only an acceptance gives more.
            self.held_back_since = Some(now);
            return Refusal::PassOn;
        }
        if was_accepted || self.refused.contains(&key) {
            return Refusal::PassOn;
        }
        self.refused.push(key);
        if self.refused.len() < FRESH_KEYS_REFUSED {
            return Refusal::PassOn;
        }
        self.held_back_since = Some(now);
        Refusal::PassOnLast
    }
}
