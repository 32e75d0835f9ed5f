//! How fast a batch sends: as fast as the table takes what is sent, and no faster.

use super::backoff::Backoff;
use std::time::Duration;
use tokio::time::Instant;

/// An answer that took less than this share says that the table is being asked too much.
const ENOUGH: f64 = 0.9;
/// Twice the time between two requests has to bring more than this many times as much, else the time
/// was not what was lacking: such a table leaves as much undone however it is asked.
const GAIN: f64 = 1.4;
/// How many answers are looked at before the pace is changed.
const SAMPLES: u32 = 3;
/// How many such answers are let go by after a slower pace brought nothing.
const HOLD: u32 = 10;
/// The gap shrinks to this after an answer that took all: what a table has to spare is found within a few
/// dozen requests, and most of them are taken whole.
const SHRINK: f64 = 0.95;
/// So many times as many whole answers are wanted before more is put in flight than was too much last time.
const CAUTION: usize = 4;
/// The most of them for each request in flight.
const MOST_CAUTION: usize = 64;
/// The shortest gap worth keeping; there is none below it.
const SHORTEST_GAP: Duration = Duration::from_millis(5);
/// The longest gap between requests of which something is taken: a table that takes one write a second.
const LONGEST_GAP: Duration = Duration::from_secs(1);

/// When the next request may go out, and how many may be in flight.
///
/// Requests that are taken whole go out at once, `most` at a time. After leftovers fewer are in flight,
/// and the gap between them doubles as long as that brings more of each: so a throttled table gets about
/// as many requests as its capacity is worth, not as many as it can refuse. After an answer that took
/// nothing, [`Backoff`] says when the next one goes out, and when it is enough.
#[derive(Debug)]
pub(super) struct Pace {
    backoff: Backoff,
    most: usize,
    in_flight: usize,
    window: usize,
    /// How many whole answers, for each request that may be in flight, bring one more.
    caution: usize,
    gap: Duration,
    next: Instant,
    /// Answers in a row that took nothing, of requests sent one after the other.
    idle: u32,
    /// Grows whenever the window was cut: what was sent before says nothing about what is sent now.
    generation: u64,
    whole: usize,
    samples: u32,
    sum: f64,
    since: Option<Instant>,
    /// What a request was worth before the gap was doubled last.
    before: Option<f64>,
    hold: u32,
}

/// A request under way, for what its answer says about the pace.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket(u64);

impl Pace {
    pub(super) fn new(backoff: Backoff, most: usize) -> Self {
        let most = most.max(1);
        Pace {
            backoff,
            most,
            in_flight: 0,
            window: most,
            caution: 1,
            gap: Duration::ZERO,
            next: Instant::now(),
            idle: 0,
            generation: 0,
            whole: 0,
            samples: 0,
            sum: 0.0,
            since: None,
            before: None,
            hold: 0,
        }
    }

    /// Whether a request may go out now; else when, if it is a matter of time.
    pub(super) fn may_send(&self, now: Instant) -> Result<(), Option<Instant>> {
        if self.in_flight >= self.window {
            return Err(None);
        }
        if self.next > now {
            return Err(Some(self.next));
        }
        Ok(())
    }

    pub(super) fn sent(&mut self, now: Instant) -> Ticket {
        self.in_flight += 1;
        self.next = self.next.max(now) + self.gap;
        Ticket(self.generation)
    }

    /// A request was refused for what was in it: that says nothing about the pace.
    pub(super) fn refused(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// So many of those that were given were taken.
    pub(super) fn answered(&mut self, now: Instant, ticket: Ticket, taken: usize, given: usize) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if taken == 0 {
            return self.nothing(now, ticket);
        }
        self.idle = 0;
        // both are at most 100
        let share = taken as f64 / given as f64;
        if share >= ENOUGH {
            return self.enough(share);
        }
        self.whole = 0;
        if self.is_current(ticket) && self.window > 1 {
            self.cut(self.window / 2);
        }
        if self.hold > 0 {
            self.hold -= 1;
            return;
        }
        self.sum += share;
        self.samples += 1;
        let since = *self.since.get_or_insert(now);
        if self.samples < SAMPLES {
            return;
        }
        let mean = self.sum / f64::from(self.samples);
        if self.before.is_some_and(|before| mean < GAIN * before) {
            self.set_gap(self.gap / 4);
            self.hold = HOLD;
            self.before = None;
        } else {
            let between = now.saturating_duration_since(since) / (SAMPLES - 1);
            let doubled = self.gap.max(between) * 2;
            self.gap = doubled.clamp(SHORTEST_GAP, LONGEST_GAP);
            self.before = Some(mean);
        }
        self.forget_samples();
        self.next = self.next.max(now + self.gap);
    }

    /// Whether so many requests in a row brought nothing that more would not either.
    pub(super) fn is_over(&self) -> bool {
        self.backoff.is_over(self.idle)
    }

    /// Whether the last answer took nothing: others may be more fortunate than those that were sent.
    pub(super) fn is_idle(&self) -> bool {
        self.idle > 0
    }

    fn nothing(&mut self, now: Instant, ticket: Ticket) {
        self.whole = 0;
        if !self.is_current(ticket) {
            return;
        }
        self.idle += 1;
        // they were of the gap before
        self.forget_samples();
        self.cut(1);
        self.gap = (self.gap * 2).clamp(SHORTEST_GAP, LONGEST_GAP);
        self.next = self.next.max(now + self.backoff.wait(self.idle));
    }

    /// Nearly all was taken: more in flight, and a gap that is worth just what is sent.
    fn enough(&mut self, share: f64) {
        self.whole += 1;
        if self.whole >= self.window.saturating_mul(self.caution) {
            self.whole = 0;
            self.caution = (self.caution / 2).max(1);
            self.window = self.most.min(self.window + 1);
        }
        let change = if share < 1.0 { 1.0 / share } else { SHRINK };
        self.set_gap(self.gap.mul_f64(change).min(LONGEST_GAP));
        self.before = None;
        self.forget_samples();
    }

    fn set_gap(&mut self, gap: Duration) {
        self.gap = if gap < SHORTEST_GAP {
            Duration::ZERO
        } else {
            gap
        };
    }

    fn cut(&mut self, window: usize) {
        if self.window > 1 {
            self.caution = MOST_CAUTION.min(self.caution * CAUTION);
        }
        self.window = window.max(1);
        self.generation += 1;
    }

    fn is_current(&self, ticket: Ticket) -> bool {
        ticket.0 == self.generation
    }

    fn forget_samples(&mut self) {
        self.samples = 0;
        self.sum = 0.0;
        self.since = None;
    }
}

#[cfg(test)]
#[allow(clippy::panic, clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Sends so many, 25 a request, to a table that says how many of each it takes at which second: the
    /// number of requests.
    fn requests(
        mut left: usize,
        latency: Duration,
        mut takes: impl FnMut(f64, usize) -> usize,
    ) -> usize {
        let begin = Instant::now();
        let mut now = begin;
        let mut pace = Pace::new(Backoff::new(), 4);
        let mut in_flight: Vec<(Instant, Ticket, usize)> = Vec::new();
        let (mut sent, mut waiting) = (0, left);
        while left > 0 {
            let may = pace.may_send(now);
            if waiting > 0 && may.is_ok() {
                let given = waiting.min(25);
                waiting -= given;
                in_flight.push((now + latency, pace.sent(now), given));
                sent += 1;
                continue;
            }
            let answer = in_flight.first().map(|(at, ..)| *at);
            let wake = may.err().flatten().filter(|_| waiting > 0);
            now = answer.into_iter().chain(wake).min().unwrap();
            if answer == Some(now) {
                let (_, ticket, given) = in_flight.remove(0);
                let taken = takes((now - begin).as_secs_f64(), given);
                left -= taken;
                waiting += given - taken;
                pace.answered(now, ticket, taken, given);
                assert!(!pace.is_over());
            }
        }
        sent
    }

    /// Of 50,000 runs of each the worst sent 472, the mean 443: the waits are drawn.
    #[tokio::test(start_paused = true)]
    async fn a_throttled_table_gets_a_fifth_more_requests_than_its_capacity_is_worth() {
        for latency in [1, 5, 20, 100] {
            for rate in [50.0, 100.0, 300.0, 601.0, 1_000.0, 3_000.0] {
                // what it has saved up, in seconds of its rate
                for saved in [0.1, 1.0, 10.0] {
                    let most = f64::max(25.0, rate * saved);
                    let sent = (0..20).map(|_| {
                        let (mut tokens, mut at) = (most, 0.0);
                        requests(10_000, Duration::from_millis(latency), |now, given| {
                            tokens = f64::min(most, tokens + rate * (now - at));
                            at = now;
                            let taken = given.min(tokens as usize);
                            tokens -= taken as f64;
                            taken
                        })
                    });
                    let worst = sent.max().unwrap_or_default();
                    assert!(
                        worst <= 480,
                        "{worst} at {rate}/s and {latency} ms, {saved} s"
                    );
                }
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_table_that_takes_one_of_25_however_it_is_asked_is_not_asked_ever_slower() {
        let mut end = 0.0;
        let sent = requests(10_000, Duration::from_millis(1), |now, _| {
            end = now;
            1
        });
        assert_eq!(sent, 10_000);
        assert!(end < 60.0, "{end} s");
    }

    #[tokio::test(start_paused = true)]
    async fn a_table_that_takes_everything_is_never_kept_waiting() {
        let mut end = 0.0;
        let sent = requests(10_000, Duration::from_millis(10), |now, given| {
            end = now;
            given
        });
        assert_eq!(sent, 400);
        assert!((0.99..1.01).contains(&end), "{end} s");
    }
}
