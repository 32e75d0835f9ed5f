//! How long a batch waits before it repeats what was not processed.

use crate::jitter;
use std::time::Duration;

/// No wait is longer, whatever the cap: beyond it a time may not be expressible.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// The back-off of a batch: full jitter, doubling from `base` to `cap`, given up after so many rounds
/// that got nothing through. A round with progress starts it again.
///
/// ```
/// use aws_credential_strategies::table::Backoff;
/// use std::time::Duration;
///
/// let patient = Backoff::new().cap(Duration::from_secs(20)).idle_rounds(20);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a back-off does nothing until a batch has it"]
pub struct Backoff {
    base: Duration,
    cap: Duration,
    idle_rounds: u32,
}

impl Backoff {
    /// The longest first wait, as AWS recommends for unprocessed items: 50 ms.
    pub const DEFAULT_BASE: Duration = Duration::from_millis(50);
    /// The longest wait: 5 s.
    pub const DEFAULT_CAP: Duration = Duration::from_secs(5);
    /// Rounds without progress before a batch gives up: 10, which are 8 s of waiting on average and 17 s at
    /// most.
    pub const DEFAULT_IDLE_ROUNDS: u32 = 10;

    /// [`DEFAULT_BASE`](Self::DEFAULT_BASE), [`DEFAULT_CAP`](Self::DEFAULT_CAP),
    /// [`DEFAULT_IDLE_ROUNDS`](Self::DEFAULT_IDLE_ROUNDS).
    pub const fn new() -> Self {
        Backoff {
            base: Backoff::DEFAULT_BASE,
            cap: Backoff::DEFAULT_CAP,
            idle_rounds: Backoff::DEFAULT_IDLE_ROUNDS,
        }
    }

    /// The longest first wait.
    pub const fn base(mut self, base: Duration) -> Self {
        self.base = base;
        self
    }

    /// The longest wait of all, a day at most.
    pub const fn cap(mut self, cap: Duration) -> Self {
        self.cap = cap;
        self
    }

    /// How many rounds in a row may get nothing through before the batch returns what is left; 0 is as 1.
    pub const fn idle_rounds(mut self, rounds: u32) -> Self {
        self.idle_rounds = rounds;
        self
    }

    pub(crate) fn is_over(&self, idle: u32) -> bool {
        idle >= self.idle_rounds.max(1)
    }

    /// Anything from nothing to the doubled base, so that many batches that failed together come back
    /// apart.
    pub(crate) fn wait(&self, idle: u32) -> Duration {
        let doublings = idle.saturating_sub(1);
        let doubled = self.base.saturating_mul(2_u32.saturating_pow(doublings));
        doubled
            .min(self.cap)
            .min(LONGEST_WAIT)
            .mul_f64(jitter::unit())
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_the_constants() {
        let explicit = Backoff::new()
            .base(Backoff::DEFAULT_BASE)
            .cap(Backoff::DEFAULT_CAP)
            .idle_rounds(Backoff::DEFAULT_IDLE_ROUNDS);
        assert_eq!(Backoff::default(), explicit);
    }

    #[test]
    fn waits_double_from_the_base_to_the_cap() {
        let longest = |idle: u32| {
            let waits = (0..2_000).map(|_| Backoff::new().wait(idle));
            waits.max().unwrap_or_default()
        };
        for (idle, bound) in [
            (0, 50),
            (1, 50),
            (2, 100),
            (3, 200),
            (8, 5_000),
            (u32::MAX, 5_000),
        ] {
            let bound = Duration::from_millis(bound);
            let longest = longest(idle);
            assert!(
                longest <= bound && longest > bound.mul_f64(0.9),
                "{idle}: {longest:?}"
            );
        }
    }

    #[test]
    fn no_wait_is_longer_than_a_day() {
        let patient = Backoff::new().base(Duration::MAX).cap(Duration::MAX);
        for idle in [0, 1, 2, u32::MAX] {
            assert!(patient.wait(idle) <= LONGEST_WAIT);
        }
    }

    #[test]
    fn it_is_over_after_so_many_idle_rounds() {
        assert!(!Backoff::new().is_over(9) && Backoff::new().is_over(10));
        assert!(
            !Backoff::new().idle_rounds(0).is_over(0) && Backoff::new().idle_rounds(0).is_over(1)
        );
    }
}
