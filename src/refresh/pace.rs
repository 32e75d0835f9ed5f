//! How often the source is asked at most, whoever asks and why. Pure.

use super::policy::{
    ATTEMPT_PERIOD, FORCED_ATTEMPTS, FORCED_ATTEMPTS_IN_TROUBLE, MAX_ATTEMPTS_IN_PERIOD,
    MAX_ATTEMPTS_PER_SECOND, MIN_ATTEMPT_SPACING,
};
use std::time::Duration;
use tokio::time::Instant;

/// What [`MAX_ATTEMPTS_PER_SECOND`] counts in.
const SECOND: Duration = Duration::from_secs(1);

/// Sessions shorter than this are asked for more often than [`MAX_ATTEMPTS_IN_PERIOD`] allows, by the plan.
const SHORTEST_LIMITED: Duration = Duration::from_secs(60);
/// Sessions from this on need nothing by the plan for ten minutes after they came: the shortest that STS
/// and the metadata service give.
const COMFORTABLE: Duration = Duration::from_secs(15 * 60);

/// When the source was asked in the last ten minutes, the oldest first, and when last.
///
/// It is copied with each change of the state and held by each cache, idle or not: a word a start, and mostly there
/// is one.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace {
    /// What the starts are counted from.
    origin: Option<Instant>,
    /// At most [`MAX_ATTEMPTS_IN_PERIOD`].
    starts: Vec<Packed>,
}

/// How long sessions last, as far as pace goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sessions {
    /// Less than [`SHORTEST_LIMITED`]: the plan itself needs more than ten minutes allow.
    Short,
    /// The plan needs some of what ten minutes allow.
    Brief,
    /// [`COMFORTABLE`] or longer: for ten minutes after they came the plan needs nothing.
    Long,
}

impl Sessions {
    /// By the life that what is held had when it came. Before anything is held nothing is known of it.
    pub(super) fn lasting(lifetime: Option<Duration>) -> Self {
        match lifetime {
            Some(over) if over.is_zero() => Sessions::Brief,
            Some(lifetime) if lifetime < SHORTEST_LIMITED => Sessions::Short,
            Some(lifetime) if lifetime < COMFORTABLE => Sessions::Brief,
            _ => Sessions::Long,
        }
    }
}

/// A [`Start`] in 64 bits: nanoseconds since the origin, 73 years of them, above its flags.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Packed(u64);

#[derive(Clone, Copy, Debug)]
struct Start {
    at: Instant,
    /// Not by the plan: forced, asked for by a life, or because of a rejection.
    extra: bool,
    /// What was held then.
    sessions: Sessions,
}

impl Packed {
    const EXTRA: u64 = 1;
    const SHORT: u64 = 2;
    const BRIEF: u64 = 4;
    const SESSIONS: u64 = Self::SHORT + Self::BRIEF;
    const FLAGS: u32 = 3;

    fn of(start: Start, origin: Instant) -> Self {
        let nanos = start.at.saturating_duration_since(origin).as_nanos();
        let most = u64::MAX >> Self::FLAGS;
        let nanos = u64::try_from(nanos).unwrap_or(most).min(most);
        let extra = if start.extra { Self::EXTRA } else { 0 };
        let sessions = match start.sessions {
            Sessions::Short => Self::SHORT,
            Sessions::Brief => Self::BRIEF,
            Sessions::Long => 0,
        };
        Packed((nanos << Self::FLAGS) + extra + sessions)
    }

    fn start(self, origin: Instant) -> Start {
        Start {
            at: origin + Duration::from_nanos(self.0 >> Self::FLAGS),
            extra: self.0 & Self::EXTRA != 0,
            sessions: match self.0 & Self::SESSIONS {
                0 => Sessions::Long,
                Self::BRIEF => Sessions::Brief,
                _ => Sessions::Short,
            },
        }
    }
}

impl Pace {
    /// Notes that the source is asked now, or a moment later where attempts crowd, and says when.
    pub(super) fn start(&mut self, now: Instant, extra: bool, sessions: Sessions) -> Instant {
        let at = self.earliest().map_or(now, |earliest| earliest.max(now));
        let origin = *self.origin.get_or_insert(at);
        let is_over = |start: &Packed| {
            now.saturating_duration_since(start.start(origin).at) >= ATTEMPT_PERIOD
        };
        let over = self
            .starts
            .iter()
            .take_while(|start| is_over(start))
            .count();
        let full = self.starts.len() >= MAX_ATTEMPTS_IN_PERIOD;
        self.starts.drain(..over.max(usize::from(full)));
        self.starts.push(Packed::of(
            Start {
                at,
                extra,
                sessions,
            },
            origin,
        ));
        at
    }

    /// A start ahead that came to nothing must not push the next one further.
    pub(super) fn forget_ahead(&mut self, now: Instant) {
        if let (Some(mut last), Some(origin)) = (self.newest(), self.origin) {
            last.at = last.at.min(now);
            if let Some(packed) = self.starts.last_mut() {
                *packed = Packed::of(last, origin);
            }
        }
    }

    /// When the source was asked last.
    pub(super) fn last(&self) -> Option<Instant> {
        Some(self.newest()?.at)
    }

    fn newest(&self) -> Option<Start> {
        self.all().next()
    }

    /// All of them, the newest first.
    fn all(&self) -> impl Iterator<Item = Start> {
        let newest_first = self.starts.iter().rev().zip(self.origin.iter().cycle());
        newest_first.map(|(packed, origin)| packed.start(*origin))
    }

    /// When the next attempt may start, whatever the clocks do.
    fn earliest(&self) -> Option<Instant> {
        let spaced = self.last()? + MIN_ATTEMPT_SPACING;
        let eighth = self.all().nth(MAX_ATTEMPTS_PER_SECOND - 1);
        Some(eighth.map_or(spaced, |start| spaced.max(start.at + SECOND)))
    }

    /// How long until the attempts of the last ten minutes leave room for one more.
    pub(super) fn until_room(&self, now: Instant) -> Duration {
        let oldest = self
            .all()
            .nth(MAX_ATTEMPTS_IN_PERIOD - 1)
            .filter(|_| self.all().all(|start| start.counts()));
        oldest.map_or(Duration::ZERO, |start| {
            (start.at + ATTEMPT_PERIOD).saturating_duration_since(now)
        })
    }

    fn recent(&self, now: Instant) -> impl Iterator<Item = Start> {
        self.all()
            .filter(move |start| now.saturating_duration_since(start.at) < ATTEMPT_PERIOD)
    }

    /// Whether one more attempt that is not by the plan leaves room enough for those that are. In trouble they
    /// need more of it, and also while a session of the last ten minutes was brief, whatever is held now: the
    /// next one may be so again.
    pub(super) fn has_room_for_extra(
        &self,
        now: Instant,
        sessions: Sessions,
        in_trouble: bool,
    ) -> bool {
        let brief = self
            .recent(now)
            .any(|start| start.sessions != Sessions::Long);
        let most = if in_trouble || brief || sessions != Sessions::Long {
            FORCED_ATTEMPTS_IN_TROUBLE
        } else {
            FORCED_ATTEMPTS
        };
        // Sessions of less than a minute need more attempts by the plan than the limit has.
        let taken = if sessions == Sessions::Short {
            self.recent(now).filter(|start| start.extra).count()
        } else {
            self.recent(now).filter(Start::counts).count()
        };
        taken < most
    }

    /// Whether the plan has to spare attempts, because others took part of what ten minutes allow.
    pub(super) fn is_strained(&self, now: Instant) -> bool {
        self.recent(now).any(|start| start.extra)
            && self.recent(now).filter(Start::counts).count() >= FORCED_ATTEMPTS_IN_TROUBLE
    }
}

impl Start {
    /// Whether it is one of those that ten minutes allow [`MAX_ATTEMPTS_IN_PERIOD`] of.
    fn counts(&self) -> bool {
        self.sessions != Sessions::Short
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
            at = pace.start(at, true, Sessions::Long) + SECOND;
        }
        assert_eq!(pace.until_room(at), now + ATTEMPT_PERIOD - at);
        assert_eq!(pace.until_room(now + ATTEMPT_PERIOD), Duration::ZERO);
    }

    #[test]
    fn a_start_fits_into_a_word() {
        let origin = Instant::now();
        let at = origin + Duration::from_nanos(1_234_567_890_123_457);
        for extra in [true, false] {
            for sessions in [Sessions::Short, Sessions::Brief, Sessions::Long] {
                let start = Start {
                    at,
                    extra,
                    sessions,
                };
                let back = Packed::of(start, origin).start(origin);
                assert_eq!((back.at, back.extra, back.sessions), (at, extra, sessions));
            }
        }
    }

    #[test]
    fn a_start_too_far_for_a_word_is_as_far_as_one_holds() {
        let origin = Instant::now();
        let start = Start {
            at: origin + Duration::from_secs(100 * 365 * 86_400),
            extra: false,
            sessions: Sessions::Long,
        };
        let back = Packed::of(start, origin).start(origin);
        assert_eq!(back.at, origin + Duration::from_nanos(u64::MAX >> 3));
        assert_eq!((back.extra, back.sessions), (false, Sessions::Long));
    }

    #[test]
    fn sessions_are_short_below_a_minute_and_long_from_a_quarter_of_an_hour() {
        let lasting = |millis| Sessions::lasting(Some(Duration::from_millis(millis)));
        assert_eq!(Sessions::lasting(None), Sessions::Long);
        assert_eq!(lasting(0), Sessions::Brief);
        assert_eq!(
            (lasting(1), lasting(59_999)),
            (Sessions::Short, Sessions::Short)
        );
        assert_eq!(
            (lasting(60_000), lasting(899_999)),
            (Sessions::Brief, Sessions::Brief)
        );
        assert_eq!(lasting(900_000), Sessions::Long);
    }

    #[test]
    fn a_start_ahead_that_came_to_nothing_does_not_push_the_next_one() {
        let now = Instant::now();
        let mut pace = Pace::default();
        pace.forget_ahead(now);
        pace.start(now, false, Sessions::Long);
        let ahead = pace.start(now, false, Sessions::Long);
        assert_eq!(ahead, now + MIN_ATTEMPT_SPACING);
        pace.forget_ahead(now);
        assert_eq!(pace.start(now, false, Sessions::Long), ahead);
    }

    #[test]
    fn sessions_of_less_than_a_minute_are_not_of_those_that_are_counted() {
        let now = Instant::now();
        let mut pace = Pace::default();
        let mut at = now;
        for _ in 0..MAX_ATTEMPTS_IN_PERIOD {
            at = pace.start(at, false, Sessions::Short) + SECOND;
        }
        assert_eq!(pace.until_room(at), Duration::ZERO);
        assert!(pace.has_room_for_extra(at, Sessions::Short, false));
    }

    #[test]
    fn a_start_leaves_room_when_ten_minutes_are_over() {
        let now = Instant::now();
        let mut pace = Pace::default();
        extras(&mut pace, now, Sessions::Long);
        let over = now + ATTEMPT_PERIOD;
        assert!(!pace.has_room_for_extra(over - Duration::from_nanos(1), Sessions::Long, false));
        assert!(pace.has_room_for_extra(over, Sessions::Long, false));
    }

    /// How many attempts that are not by the plan there is room for, one a second.
    fn extras(pace: &mut Pace, mut now: Instant, sessions: Sessions) -> usize {
        let mut taken = 0;
        while pace.has_room_for_extra(now, sessions, false) {
            pace.start(now, true, sessions);
            now += SECOND;
            taken += 1;
        }
        taken
    }

    #[test]
    fn extras_leave_room_for_the_plan() {
        let now = Instant::now();
        let mut pace = Pace::default();
        assert_eq!(extras(&mut pace, now, Sessions::Long), FORCED_ATTEMPTS);
        assert!(pace.is_strained(now + SECOND * 40));
        assert!(!pace.is_strained(now + ATTEMPT_PERIOD * 2));
        let mut pace = Pace::default();
        assert_eq!(
            extras(&mut pace, now, Sessions::Brief),
            FORCED_ATTEMPTS_IN_TROUBLE
        );
    }

    #[test]
    fn after_brief_sessions_a_long_one_is_no_reason_to_take_their_room() {
        let now = Instant::now();
        let mut pace = Pace::default();
        pace.start(now, false, Sessions::Brief);
        let later = now + SECOND;
        let taken = extras(&mut pace, later, Sessions::Long);
        assert_eq!(taken, FORCED_ATTEMPTS_IN_TROUBLE - 1);
    }
}
