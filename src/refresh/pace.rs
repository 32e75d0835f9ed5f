//! How often the source is asked at most, whoever asks and why. Pure.

use super::policy::{
    ATTEMPT_PERIOD, FORCED_ATTEMPTS, FORCED_ATTEMPTS_IN_TROUBLE, MAX_ATTEMPTS_IN_PERIOD,
    MAX_ATTEMPTS_PER_SECOND, MIN_ATTEMPT_SPACING,
};
use std::time::Duration;
use tokio::time::Instant;

/// What [`MAX_ATTEMPTS_PER_SECOND`] counts in.
const SECOND: Duration = Duration::from_secs(1);

/// When the source was asked last, the oldest first.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    starts: [Option<Start>; MAX_ATTEMPTS_IN_PERIOD],
}

#[derive(Clone, Copy, Debug)]
struct Start {
    at: Instant,
    /// Not by the plan: forced, asked for by a life, or because of a rejection.
    extra: bool,
    /// What was held then lived for less than a minute: the plan itself needs more than ten minutes allow.
    short: bool,
}

impl Default for Pace {
    fn default() -> Self {
        Pace {
            starts: [None; MAX_ATTEMPTS_IN_PERIOD],
        }
    }
}

impl Pace {
    /// Notes that the source is asked now, or a moment later where attempts crowd, and says when.
    pub(super) fn start(&mut self, now: Instant, extra: bool, short: bool) -> Instant {
        let at = self.earliest().map_or(now, |earliest| earliest.max(now));
        self.starts.rotate_left(1);
        if let Some(last) = self.starts.last_mut() {
            *last = Some(Start { at, extra, short });
        }
        at
    }

    /// A start ahead that came to nothing must not push the next one further.
    pub(super) fn forget_ahead(&mut self, now: Instant) {
        if let Some(Some(last)) = self.starts.last_mut() {
            last.at = last.at.min(now);
        }
    }

    /// When the source was asked last.
    pub(super) fn last(&self) -> Option<Instant> {
        Some(self.starts.last().copied().flatten()?.at)
    }

    /// When the next attempt may start, whatever the clocks do.
    fn earliest(&self) -> Option<Instant> {
        let spaced = self.last()? + MIN_ATTEMPT_SPACING;
        let eighth = self.starts[MAX_ATTEMPTS_IN_PERIOD - MAX_ATTEMPTS_PER_SECOND];
        Some(eighth.map_or(spaced, |start| spaced.max(start.at + SECOND)))
    }

    /// How long until the attempts of the last ten minutes leave room for one more.
    pub(super) fn until_room(&self, now: Instant) -> Duration {
        let counted = |start: &Option<Start>| start.is_some_and(|start| !start.short);
        let oldest = self.starts[0].filter(|_| self.starts.iter().all(counted));
        oldest.map_or(Duration::ZERO, |start| {
            (start.at + ATTEMPT_PERIOD).saturating_duration_since(now)
        })
    }

    /// Attempts of the last ten minutes, and how many of them were not by the plan.
    fn recent(&self, now: Instant) -> (usize, usize) {
        let recent = self
            .starts
            .iter()
            .flatten()
            .filter(|start| now.saturating_duration_since(start.at) < ATTEMPT_PERIOD);
        recent.fold((0, 0), |(all, extra), start| {
            (
                all + usize::from(!start.short),
                extra + usize::from(start.extra),
            )
        })
    }

    /// Whether one more attempt that is not by the plan leaves room enough for those that are.
    pub(super) fn has_room_for_extra(
        &self,
        now: Instant,
        is_short: bool,
        in_trouble: bool,
    ) -> bool {
        let (all, extra) = self.recent(now);
        let most = if in_trouble {
            FORCED_ATTEMPTS_IN_TROUBLE
        } else {
            FORCED_ATTEMPTS
        };
        // Sessions of less than a minute need more attempts by the plan than the limit has.
        if is_short { extra < most } else { all < most }
    }

    /// Whether the plan has to spare attempts, because others took part of what ten minutes allow.
    pub(super) fn is_strained(&self, now: Instant) -> bool {
        let (all, extra) = self.recent(now);
        extra > 0 && all >= FORCED_ATTEMPTS_IN_TROUBLE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_minutes_hold_46_and_then_one_has_to_leave() {
        let now = Instant::now();
        let mut pace = Pace::default();
        let mut at = now;
        for _ in 0..MAX_ATTEMPTS_IN_PERIOD {
            assert_eq!(pace.until_room(at), Duration::ZERO);
            at = pace.start(at, true, false) + SECOND;
        }
        assert_eq!(pace.until_room(at), now + ATTEMPT_PERIOD - at);
        assert_eq!(pace.until_room(now + ATTEMPT_PERIOD), Duration::ZERO);
    }

    #[test]
    fn extras_leave_room_for_the_plan() {
        let now = Instant::now();
        let mut pace = Pace::default();
        let mut taken = 0;
        while pace.has_room_for_extra(now + SECOND * taken, false, false) {
            pace.start(now + SECOND * taken, true, false);
            taken += 1;
        }
        assert_eq!(taken as usize, FORCED_ATTEMPTS);
        assert!(pace.is_strained(now + SECOND * taken));
        assert!(!pace.is_strained(now + ATTEMPT_PERIOD * 2));
    }
}
