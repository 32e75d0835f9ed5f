//! When the source is asked next. Pure: jitter comes in as a number in `[0, 1)`.

use super::clock::Now;
use super::policy::{
    AWS_BACKOFF, FREE_COLD_FAILURES, LAST_LOOK, LONG_ROW, LONGEST_WAIT, MAX_TRIES, MAX_URGENT_WAIT,
    MIN_PAUSE_AFTER_ANSWER, RefreshPolicy, Rules, TERMINAL_RERAISE,
};
use super::window::{Life, Stage};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// First pause after a failure: 1 s, and five times that where fewer calls were asked for.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const THROTTLED_FACTOR: u32 = 5;
/// In the mandatory window, the pause after the same document came again: 15–30 s.
const SAME_DOCUMENT_PAUSE: (Duration, Duration) = (Duration::from_secs(15), MAX_URGENT_WAIT);

/// A point in the future, kept on both clocks; the one that gets there first ends the wait.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Due {
    mono: Instant,
    wall: Option<SystemTime>,
    /// Not before this, even if the wall clock jumps.
    floor: Instant,
}

impl Due {
    pub(super) fn after(wait: Duration, now: Now) -> Self {
        let wait = wait.min(LONGEST_WAIT);
        Due {
            mono: now.mono + wait,
            wall: now.wall.checked_add(wait),
            floor: now.mono + wait.min(MIN_PAUSE_AFTER_ANSWER),
        }
    }

    pub(super) fn is_over(&self, now: Now) -> bool {
        self.until(now).is_zero()
    }

    pub(super) fn until(&self, now: Now) -> Duration {
        let by_mono = self.mono.saturating_duration_since(now.mono);
        let by_wall = self.wall.map_or(by_mono, |wall| {
            wall.duration_since(now.wall).unwrap_or(Duration::ZERO)
        });
        let floor = self.floor.saturating_duration_since(now.mono);
        by_mono.min(by_wall).max(floor)
    }

    /// The point on each clock, so much later.
    pub(super) fn later_by(&self, grace: Duration) -> Option<Now> {
        Some(Now {
            wall: self.wall?.checked_add(grace)?,
            mono: self.mono.checked_add(grace)?,
        })
    }

    /// The point on each clock, so much earlier.
    pub(super) fn earlier_by(&self, time: Duration) -> Option<Now> {
        Some(Now {
            wall: self.wall?.checked_sub(time)?,
            mono: self.mono.checked_sub(time)?,
        })
    }

    /// By how much it is past, on the clock that says more.
    pub(super) fn overdue(&self, now: Now) -> Duration {
        let by_mono = now.mono.saturating_duration_since(self.mono);
        let by_wall = self.wall.map_or(by_mono, |wall| {
            now.wall.duration_since(wall).unwrap_or(Duration::ZERO)
        });
        by_mono.max(by_wall)
    }
}

/// The pause before the first try to replace a new credential; `None` if it never expires.
///
/// Drawn between the opening of the advisory window and the last point at which a fetch as slow as the
/// last one, twice, still ends before the mandatory window; hosts that started together spread out.
pub(super) fn first_try(
    life: &Life,
    now: Now,
    last_fetch: Duration,
    jitter: f64,
) -> Option<Duration> {
    life.expiry?;
    let left = life.left(now).duration();
    let earliest = left.saturating_sub(life.advisory);
    let reserve = (life.advisory / 3).max(life.mandatory.saturating_add(last_fetch * 2));
    let latest = left.saturating_sub(reserve).max(earliest);
    Some(between((earliest, latest), jitter).max(MIN_PAUSE_AFTER_ANSWER))
}

/// The pause after the source answered with the document that is held already, for so many attempts now.
///
/// In the mandatory window half of what is left, or 15–30 s where that is less: a source that renews 10 s
/// before expiry is noticed before expiry. Halving goes on while the credential's ten attempts last; then
/// one look is left for [`LAST_LOOK`] before expiry, and in any case one for expiry itself.
pub(super) fn after_same_document(
    life: &Life,
    stage: Stage,
    (now, tries): (Now, u32),
    jitter: f64,
) -> Duration {
    let left = life.left(now).duration();
    if stage >= Stage::Mandatory {
        let halving = between(SAME_DOCUMENT_PAUSE, jitter).min((left / 2).max(FIRST_PAUSE));
        let pause = if tries + 2 < MAX_TRIES {
            halving
        } else if tries < MAX_TRIES && left > LAST_LOOK {
            left - LAST_LOOK
        } else {
            left
        };
        let until_expiry = if left.is_zero() { pause } else { left };
        return pause.min(until_expiry).max(MIN_PAUSE_AFTER_ANSWER);
    }
    let at_least = Duration::from_secs(60).min(life.advisory / 4);
    let pause = (left / 2).max(at_least).max(MIN_PAUSE_AFTER_ANSWER);
    sparing(pause, life, stage, (now, tries))
}

/// This pause, longer where the ten attempts of one credential would not last else, whatever mixture of failures
/// and old answers takes them: two are kept for the mandatory window, and there the last three are spread over
/// what is left.
fn sparing(pause: Duration, life: &Life, stage: Stage, (now, tries): (Now, u32)) -> Duration {
    let left = life.left(now).duration();
    match stage {
        Stage::Advisory if tries + 2 >= MAX_TRIES => pause.max(left.saturating_sub(life.mandatory)),
        Stage::Mandatory if tries + 3 >= MAX_TRIES => {
            let shares = (MAX_TRIES + 1).saturating_sub(tries).max(1);
            pause.max(left / shares)
        }
        _ => pause,
    }
}

/// The pause before the key is replaced that is the last of so many rejected in a row, two at least: ½–1 ×
/// 1 s, doubling; 5–10 min from [`LONG_ROW`] on.
pub(super) fn after_rejections(in_a_row: u32, jitter: f64) -> Duration {
    if in_a_row >= LONG_ROW {
        return between(AWS_BACKOFF, jitter);
    }
    upper_half(
        doubled(FIRST_PAUSE, in_a_row.saturating_sub(2)).min(MAX_URGENT_WAIT),
        jitter,
    )
}

/// The pause before a longer life is asked for again, after so many times: as after so many failures.
pub(super) fn after_asking_for_life(times: u32, jitter: f64) -> Duration {
    upper_half(
        doubled(FIRST_PAUSE, times.saturating_sub(1)).min(MAX_URGENT_WAIT),
        jitter,
    )
}

/// The pause before a life longer than any seen is tried once more: 5–10 min.
pub(super) fn before_longer_life(jitter: f64) -> Duration {
    between(AWS_BACKOFF, jitter)
}

/// The longest pause after a rejected key came back: 5–10 min.
pub(super) fn after_rejected_key_returned(jitter: f64) -> Duration {
    between(AWS_BACKOFF, jitter)
}

/// The pause of a timer that refreshes what nobody asks for: 5–10 min.
pub(super) fn idle_pause(jitter: f64) -> Duration {
    between(AWS_BACKOFF, jitter)
}

/// A failed attempt, as far as the pause after it goes.
pub(super) struct FailedAttempt<'a> {
    /// What is held, if anything.
    pub(super) life: Option<&'a Life>,
    pub(super) stage: Stage,
    /// Failures in a row, this one included.
    pub(super) failures: u32,
    pub(super) terminal: bool,
    pub(super) throttled: bool,
    /// A service rejected the key in use, and it is served for want of another.
    pub(super) rejected: bool,
    /// The key in use is one of a row of rejected ones, however long it lives.
    pub(super) suspected: bool,
    /// Others took part of what ten minutes allow: the plan spares attempts.
    pub(super) strained: bool,
    /// Attempts by the plan since what is held came, this one included.
    pub(super) tries: u32,
    /// The pause that the third failure in the advisory window set.
    pub(super) steady: Option<Duration>,
}

/// What follows a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct AfterFailure {
    /// `None`: the next call may try at once.
    pub(super) wait: Option<Duration>,
    pub(super) steady: Option<Duration>,
}

impl FailedAttempt<'_> {
    pub(super) fn pause(&self, policy: &RefreshPolicy, now: Now, jitter: f64) -> AfterFailure {
        let wait = match (policy.rules, self.life) {
            (Rules::AwsSpec, life) => self.aws_pause(policy, life.is_some(), jitter),
            (Rules::Ours, None) => self.cold_pause(policy, jitter),
            // Asked for out of turn: what never expires is not due again, unless services reject it.
            (Rules::Ours, Some(life))
                if self.stage == Stage::Fresh && life.expiry.is_none() && !self.rejected =>
            {
                None
            }
            (Rules::Ours, Some(_)) if policy.backoff.0.is_some() => policy.backoff.0,
            (Rules::Ours, Some(life)) if self.suspected => Some(self.urgent_pause(life, jitter)),
            (Rules::Ours, Some(life)) => match self.stage {
                Stage::Advisory => return self.advisory_pause(life, now, jitter),
                Stage::Cold | Stage::Fresh => Some(between(AWS_BACKOFF, jitter)),
                Stage::Mandatory | Stage::Expired => {
                    let pause = self.urgent_pause(life, jitter);
                    Some(self.sparing(pause, life, now))
                }
            },
        };
        AfterFailure {
            wait,
            steady: self.steady,
        }
    }

    fn aws_pause(&self, policy: &RefreshPolicy, held: bool, jitter: f64) -> Option<Duration> {
        if self.terminal {
            Some(between(TERMINAL_RERAISE, jitter))
        } else if held {
            Some(
                policy
                    .backoff
                    .0
                    .unwrap_or_else(|| between(AWS_BACKOFF, jitter)),
            )
        } else {
            None
        }
    }

    fn cold_pause(&self, policy: &RefreshPolicy, jitter: f64) -> Option<Duration> {
        if !self.terminal && self.failures <= FREE_COLD_FAILURES {
            return None;
        }
        if policy.backoff.0.is_some() {
            return policy.backoff.0;
        }
        let pause = match (self.terminal, self.failures) {
            (true, 0 | 1) => return Some(between(TERMINAL_RERAISE, jitter)),
            (true, failures) => doubled(FIRST_PAUSE * 5, failures - 2),
            (false, failures) => doubled(FIRST_PAUSE, failures - FREE_COLD_FAILURES - 1),
        };
        let pause = upper_half(pause.min(MAX_URGENT_WAIT), jitter);
        Some(if self.strained {
            MAX_URGENT_WAIT
        } else {
            pause
        })
    }

    fn advisory_pause(&self, life: &Life, now: Now, jitter: f64) -> AfterFailure {
        let mut steady = self.steady;
        let short = FIRST_PAUSE.min(life.advisory / 16) * self.factor();
        let pause = if self.terminal {
            between(AWS_BACKOFF, jitter).max(life.advisory / 6)
        } else {
            match self.failures {
                0 | 1 => upper_half(short, jitter),
                2 => upper_half(short * 2, jitter),
                _ => *steady.get_or_insert_with(|| {
                    let until_mandatory = life.until_mandatory(now).unwrap_or(Duration::ZERO);
                    (until_mandatory / 4).max(Duration::from_secs(4).min(life.advisory / 8))
                }),
            }
        };
        // An attempt just short of the mandatory window would be followed at once by the one on
        // entering it: they become one.
        let until_mandatory = life.until_mandatory(now).unwrap_or(LONGEST_WAIT);
        let wait = if pause + pause / 8 >= until_mandatory {
            until_mandatory
        } else {
            pause
        };
        AfterFailure {
            wait: Some(self.sparing(wait, life, now)),
            steady,
        }
    }

    /// What is rejected is replaced at a pace of its own.
    fn sparing(&self, pause: Duration, life: &Life, now: Now) -> Duration {
        if self.rejected {
            return pause;
        }
        sparing(pause, life, self.stage, (now, self.tries))
    }

    fn urgent_pause(&self, life: &Life, jitter: f64) -> Duration {
        let cap = if life.lifetime.is_zero() || life.lifetime >= Duration::from_secs(60) {
            MAX_URGENT_WAIT
        } else {
            FIRST_PAUSE.max(life.lifetime / 2)
        };
        if self.strained {
            return cap;
        }
        let pause = doubled(FIRST_PAUSE * self.factor(), self.failures.saturating_sub(1));
        upper_half(pause.min(cap), jitter)
    }

    fn factor(&self) -> u32 {
        if self.throttled { THROTTLED_FACTOR } else { 1 }
    }
}

/// `base` × 2ⁿ; the caller caps it far below where the exponent is cut.
fn doubled(base: Duration, exponent: u32) -> Duration {
    base * (1 << exponent.min(10))
}

fn upper_half(pause: Duration, jitter: f64) -> Duration {
    between((pause / 2, pause), jitter)
}

fn between((low, high): (Duration, Duration), jitter: f64) -> Duration {
    low + high.saturating_sub(low).mul_f64(jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_document_is_looked_for_by_halves_and_the_last_look_is_kept_for_the_end() {
        let now = Now {
            wall: SystemTime::UNIX_EPOCH,
            mono: Instant::now(),
        };
        let left = Duration::from_secs(50);
        let after = |left: Duration, tries| {
            let life = Life::starting(Some(now.wall + left), now, &RefreshPolicy::default());
            after_same_document(&life, Stage::Mandatory, (now, tries), 0.5)
        };
        let pause = |tries| after(left, tries);
        assert_eq!(pause(MAX_TRIES - 3), Duration::from_millis(22_500));
        assert_eq!(pause(MAX_TRIES - 2), left - LAST_LOOK);
        assert_eq!(pause(MAX_TRIES - 1), left - LAST_LOOK);
        assert_eq!(pause(MAX_TRIES), left);
        // It is over when the last look would be now.
        assert_eq!(after(LAST_LOOK, MAX_TRIES - 2), LAST_LOOK);
    }

    #[test]
    fn a_longer_life_is_asked_for_again_after_pauses_that_double() {
        let pauses = |times| [0.0, 1.0].map(|jitter| after_asking_for_life(times, jitter));
        let seconds = |low, high| [low, high].map(Duration::from_secs_f64);
        assert_eq!(pauses(1), seconds(0.5, 1.0));
        assert_eq!(pauses(3), seconds(2.0, 4.0));
        assert_eq!(pauses(9), seconds(15.0, 30.0));
    }

    #[test]
    fn a_suspected_key_is_replaced_at_the_pace_of_urgent_failures_however_long_it_lives() {
        let now = Now {
            wall: SystemTime::UNIX_EPOCH,
            mono: Instant::now(),
        };
        let policy = RefreshPolicy::default();
        let an_hour = Some(now.wall + Duration::from_secs(3600));
        let life = Life::starting(an_hour, now, &policy);
        let pause = |suspected| {
            let failed = FailedAttempt {
                life: Some(&life),
                stage: Stage::Fresh,
                failures: 1,
                terminal: false,
                throttled: false,
                rejected: false,
                suspected,
                strained: false,
                tries: 1,
                steady: None,
            };
            failed.pause(&policy, now, 0.0).wait
        };
        assert_eq!(pause(true), Some(FIRST_PAUSE / 2));
        assert_eq!(pause(false), Some(AWS_BACKOFF.0));
    }
}
