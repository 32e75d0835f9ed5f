//! The one scheduler of batches, of reads and of writes: it makes requests of entries, sends them at the
//! pace that the table keeps, repeats what was left undone, and finds the entry for which a request was
//! refused. What becomes of each entry is accounted for.

use super::backoff::Backoff;
use super::pace::{Pace, Ticket};
use super::running::Running;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::jitter;
use crate::table::target::Target;
use futures_core::Stream;
use std::collections::{HashMap, VecDeque};
use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use tokio::time::{Instant, sleep_until};

/// How many full requests of a stream's leftovers wait before no more is taken from it, for each request
/// that may be in flight.
const MOST_WAITING: usize = 2;

/// So many entries of a table refused in a row, one by one, and none taken: what they have in common is refused.
const REFUSED_ALIKE: usize = 100;

/// So many requests for a table denied and none taken: the table is denied, and not one entry of it, as by a policy on
/// leading keys. Enough to come from a full request down to one entry.
const DENIED_ALIKE: usize = 8;
/// The same in a row where some were taken: it is denied by now.
const DENIED_SINCE: usize = 200;

/// What DynamoDB says of two writes to one item in one request.
const DUPLICATES: &str = "contains duplicates";

/// A kind of batch: how its requests are sent and read.
pub(super) trait Kind {
    /// How many entries DynamoDB takes in one request.
    const MOST: usize;
    type Entry: Entry;
    /// What an answer brings beside leftovers.
    type Found: Send;

    fn send(
        &self,
        entries: &[Self::Entry],
    ) -> Result<impl Future<Output = Result<Answer<Self>>> + Send + 'static>;

    /// Takes out those that others of the same request stand for.
    fn superseded(&self, entries: &mut Vec<Self::Entry>) {
        let _ = entries;
    }
}

/// An answer about a table that nobody asked about: nothing is known of what was sent.
pub(super) fn unknown_table(operation: Operation, table: &str) -> Error {
    Error::new(
        ErrorKind::Malformed,
        operation,
        format!("the answer is about a table {table:?} that was not asked about"),
    )
}

/// One read or write.
pub(super) trait Entry: Send + 'static {
    fn target(&self) -> &Target;

    /// Whether DynamoDB means this entry by what it left undone.
    fn is(&self, left: &Self) -> bool;
}

/// What DynamoDB made of a request.
pub(super) struct Answer<K: Kind + ?Sized> {
    pub(super) found: K::Found,
    pub(super) left: Vec<K::Entry>,
    pub(super) capacity: Option<f64>,
}

/// What became of the entries: found, unprocessed and refused together are what was given.
pub(super) struct Account<K: Kind> {
    /// What each answer brought, as they came.
    pub(super) found: Vec<K::Found>,
    /// How many entries were processed.
    pub(super) processed: usize,
    pub(super) unprocessed: Vec<K::Entry>,
    /// Each with the reason, which is its own: alone it is refused too.
    pub(super) refused: Vec<(K::Entry, Error)>,
    /// What could not be made an entry of.
    pub(super) invalid: Vec<(usize, Error)>,
    /// What ended the batch, or a table's part of it, or the last throttling.
    pub(super) error: Option<Error>,
    pub(super) requests: usize,
    pub(super) capacity: Option<f64>,
}

/// What a table has refused since it last took anything.
#[derive(Default)]
struct Trouble {
    /// Requests that were denied.
    denied: usize,
    /// Entries that were refused one by one.
    refused: usize,
    /// It has taken something.
    takes: bool,
}

impl Trouble {
    fn ends(&mut self) {
        (self.denied, self.refused, self.takes) = (0, 0, true);
    }

    /// Another request was denied; whether that is enough of them.
    fn is_denied_again(&mut self) -> bool {
        self.denied += 1;
        let most = if self.takes {
            DENIED_SINCE
        } else {
            DENIED_ALIKE
        };
        self.denied >= most
    }
}

/// A batch under way.
pub(super) struct Schedule<K: Kind> {
    kind: K,
    pace: Pace,
    /// Entries that were not sent yet.
    fresh: VecDeque<K::Entry>,
    /// Entries that were left undone.
    left: VecDeque<K::Entry>,
    /// Parts of a request that was refused: they are not joined with others again.
    parts: VecDeque<Vec<K::Entry>>,
    /// What tables refuse.
    troubles: HashMap<String, Trouble>,
    /// Tables that nothing is sent to any more.
    stopped: Vec<String>,
    /// There is no other table to go on with when one is stopped.
    is_of_one_table: bool,
    ended: bool,
    most_waiting: usize,
    account: Account<K>,
}

/// An entry, or the position of one that could not be made, and why.
pub(super) type Given<K> = Result<<K as Kind>::Entry, (usize, Error)>;

type Sent<K> = (Vec<<K as Kind>::Entry>, Ticket, Result<Answer<K>>);

impl<K: Kind> Schedule<K> {
    pub(super) fn new(
        kind: K,
        entries: impl IntoIterator<Item = K::Entry>,
        backoff: Backoff,
        concurrency: usize,
    ) -> Self {
        let concurrency = concurrency.max(1);
        Schedule {
            kind,
            pace: Pace::new(backoff, concurrency),
            fresh: entries.into_iter().collect(),
            left: VecDeque::new(),
            parts: VecDeque::new(),
            troubles: HashMap::new(),
            stopped: Vec::new(),
            is_of_one_table: false,
            ended: false,
            most_waiting: MOST_WAITING
                .saturating_mul(concurrency)
                .saturating_mul(K::MOST),
            account: Account {
                found: Vec::new(),
                processed: 0,
                unprocessed: Vec::new(),
                refused: Vec::new(),
                invalid: Vec::new(),
                error: None,
                requests: 0,
                capacity: None,
            },
        }
    }

    pub(super) fn of_one_table(mut self, is_of_one_table: bool) -> Self {
        self.is_of_one_table = is_of_one_table;
        self
    }

    /// Sends what was given, and `more` as it comes, of which no more than a few requests are in memory.
    /// When the batch ends before that, the rest is left in it, as it is when too much of it is for a table that
    /// nothing is sent to any more.
    pub(super) async fn run(
        mut self,
        mut more: Option<Pin<&mut (dyn Stream<Item = Given<K>> + Send)>>,
    ) -> Account<K> {
        let mut running = Running::<Sent<K>>::new();
        loop {
            let now = Instant::now();
            let mut due = None;
            while !self.ended && self.has_request(more.is_none(), running.len()) {
                match self.pace.may_send(now) {
                    Ok(()) => self.send(&mut running, now, more.is_none()),
                    Err(when) => {
                        due = when;
                        break;
                    }
                }
            }
            let takes_more = !self.ended && more.is_some() && self.takes_more();
            if running.len() == 0 && due.is_none() && !takes_more {
                break;
            }
            let timer = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => pending().await,
                }
            };
            let mut timer = pin!(timer);
            let answer = poll_fn(|cx| {
                if let Poll::Ready(Some(sent)) = running.poll_next(cx) {
                    return Poll::Ready(Some(sent));
                }
                if takes_more && self.take_more(&mut more, cx) {
                    return Poll::Ready(None);
                }
                timer.as_mut().poll(cx).map(|()| None)
            });
            if let Some((entries, ticket, result)) = answer.await {
                self.answered(entries, ticket, result);
            }
        }
        let rest = self.parts.into_iter().flatten();
        let rest = rest.chain(self.fresh).chain(self.left);
        self.account.unprocessed.extend(rest);
        if self.account.unprocessed.is_empty() {
            self.account.error = None;
        }
        self.account
    }

    /// Whether there is enough for a request.
    fn has_request(&self, given_all: bool, in_flight: usize) -> bool {
        let waiting = self.fresh.len() + self.left.len();
        let enough = if given_all { 1 } else { K::MOST };
        !self.parts.is_empty()
            || waiting >= enough
            || !self.left.is_empty() && (in_flight == 0 || self.left.len() >= self.most_waiting)
    }

    fn takes_more(&self) -> bool {
        self.fresh.len() < K::MOST && self.left.len() < self.most_waiting
    }

    /// Takes entries for one request; whether anything came.
    fn take_more(
        &mut self,
        more: &mut Option<Pin<&mut (dyn Stream<Item = Given<K>> + Send)>>,
        cx: &mut Context<'_>,
    ) -> bool {
        let mut came = false;
        while self.takes_more() {
            let Some(entries) = more else { break };
            let Poll::Ready(entry) = entries.as_mut().poll_next(cx) else {
                break;
            };
            came = true;
            match entry {
                Some(Ok(entry)) if self.is_stopped(&entry) => {
                    self.account.unprocessed.push(entry);
                    // others may follow, but not at the cost of all that cannot be sent
                    if self.account.unprocessed.len() >= self.most_waiting {
                        *more = None;
                    }
                }
                Some(Ok(entry)) => self.fresh.push_back(entry),
                Some(Err(problem)) => self.account.invalid.push(problem),
                None => *more = None,
            }
        }
        came
    }

    fn send(&mut self, running: &mut Running<Sent<K>>, now: Instant, given_all: bool) {
        let entries = match self.parts.pop_front() {
            Some(part) => part,
            None => self.next_request(given_all),
        };
        let (stopped, entries): (Vec<_>, Vec<_>) = match self.stopped.is_empty() {
            true => (Vec::new(), entries),
            false => entries
                .into_iter()
                .partition(|entry| self.is_stopped(entry)),
        };
        self.account.unprocessed.extend(stopped);
        let mut entries = entries;
        self.kind.superseded(&mut entries);
        if entries.is_empty() {
            return;
        }
        let sending = match self.kind.send(&entries) {
            Ok(sending) => sending,
            // the request cannot be made: nothing will change that
            Err(error) => return self.end(entries, error),
        };
        let ticket = self.pace.sent(now);
        self.account.requests += 1;
        running.push(async move { (entries, ticket, sending.await) });
    }

    /// Leftovers come after what was not sent yet, unless they wait too long. After an answer that took
    /// nothing, entries from anywhere: those that were sent may share what is throttled.
    fn next_request(&mut self, given_all: bool) -> Vec<K::Entry> {
        let mut entries = Vec::with_capacity(K::MOST);
        if self.pace.is_idle() {
            self.fresh.append(&mut self.left);
            while entries.len() < K::MOST && !self.fresh.is_empty() {
                let at = jitter::unit() * self.fresh.len() as f64;
                entries.extend(self.fresh.swap_remove_back(at as usize));
            }
            return entries;
        }
        if self.left.len() >= self.most_waiting && !given_all {
            entries.extend(self.left.drain(..self.left.len().min(K::MOST)));
        }
        for queue in [&mut self.fresh, &mut self.left] {
            let room = K::MOST - entries.len();
            entries.extend(queue.drain(..queue.len().min(room)));
        }
        entries
    }

    fn answered(&mut self, mut entries: Vec<K::Entry>, ticket: Ticket, result: Result<Answer<K>>) {
        let given = entries.len();
        let now = Instant::now();
        match result {
            Ok(answer) => {
                let taken = given.saturating_sub(answer.left.len());
                if taken > 0 {
                    let mut table = None;
                    for entry in &entries {
                        if table.replace(entry.target().table()) != Some(entry.target().table()) {
                            trouble(&mut self.troubles, entry.target().table()).ends();
                        }
                    }
                }
                self.pace.answered(now, ticket, taken, given);
                self.account.processed += taken;
                self.account.found.push(answer.found);
                if let Some(units) = answer.capacity {
                    let before = self.account.capacity.unwrap_or_default();
                    self.account.capacity = Some(before + units);
                }
                let left = answer.left.into_iter().map(|left| {
                    // what was given, since DynamoDB may spell it differently
                    let same = entries.iter().position(|entry| entry.is(&left));
                    same.map_or(left, |at| entries.swap_remove(at))
                });
                self.left.extend(left);
            }
            Err(error) if is_of_an_entry(&error) => {
                self.pace.refused();
                self.divide(entries, error);
            }
            Err(error) if is_of_a_table(&error) => {
                self.pace.refused();
                let first = entries
                    .first()
                    .map(|entry| entry.target().table().to_owned());
                let table = first.unwrap_or_default();
                let (ours, others): (Vec<_>, Vec<_>) = entries
                    .into_iter()
                    .partition(|entry| entry.target().table() == table);
                if others.is_empty() {
                    let is_denied = matches!(error.kind(), ErrorKind::AccessDenied(_));
                    if is_denied && !trouble(&mut self.troubles, &table).is_denied_again() {
                        return self.divide(ours, error);
                    }
                    return self.give_up(ours, error);
                }
                self.parts.push_front(others);
                self.parts.push_front(ours);
            }
            Err(error) if error.is_retryable() => {
                self.pace.answered(now, ticket, 0, given);
                self.left.extend(entries);
                // what passes does not take the place of what stopped a table
                let stopped = |error: &Error| !error.is_retryable();
                if !self.account.error.as_ref().is_some_and(stopped) {
                    self.account.error = Some(error);
                }
            }
            Err(error) => {
                self.pace.refused();
                self.end(entries, error);
            }
        }
        if self.pace.is_over() {
            self.ended = true;
        }
    }

    /// Halves what was refused, down to the one that is to blame.
    fn divide(&mut self, mut entries: Vec<K::Entry>, error: Error) {
        if entries.len() == 1 || error.to_string().contains(DUPLICATES) {
            // which of two writes to one item is meant cannot be told: halves would write both
            let error = if entries.len() == 1 {
                error
            } else {
                error.hint(
                    "two writes of this request are to one item; dedupe_by(..) keeps the last",
                )
            };
            let table = entries
                .first()
                .map(|entry| entry.target().table().to_owned());
            let trouble = trouble(&mut self.troubles, &table.unwrap_or_default());
            trouble.refused += entries.len();
            if trouble.refused > REFUSED_ALIKE {
                // it is not this entry or that
                return self.give_up(entries, error);
            }
            let refused = entries.into_iter().map(|entry| (entry, error.clone()));
            return self.account.refused.extend(refused);
        }
        let half = entries.split_off(entries.len() / 2);
        self.parts.push_front(half);
        self.parts.push_front(entries);
    }

    /// Sends nothing to the table of these any more; the others go on.
    fn give_up(&mut self, entries: Vec<K::Entry>, error: Error) {
        let first = entries.first().map(|entry| entry.target().table());
        let table = first.unwrap_or_default().to_owned();
        if self.is_of_one_table {
            self.end(entries, error);
        } else {
            self.stop(table, entries, error);
        }
    }

    fn stop(&mut self, table: String, entries: Vec<K::Entry>, error: Error) {
        self.account.unprocessed.extend(entries);
        self.account.error = Some(error);
        for queue in [&mut self.fresh, &mut self.left] {
            for entry in std::mem::take(queue) {
                if entry.target().table() == table {
                    self.account.unprocessed.push(entry);
                } else {
                    queue.push_back(entry);
                }
            }
        }
        self.stopped.push(table);
    }

    fn is_stopped(&self, entry: &K::Entry) -> bool {
        let table = entry.target().table();
        self.stopped.iter().any(|stopped| stopped == table)
    }

    fn end(&mut self, entries: Vec<K::Entry>, error: Error) {
        self.account.unprocessed.extend(entries);
        self.account.error = Some(error);
        self.ended = true;
    }
}

/// What this table has refused.
fn trouble<'a>(of: &'a mut HashMap<String, Trouble>, table: &str) -> &'a mut Trouble {
    of.entry(table.to_owned()).or_default()
}

/// Whether an entry is to blame: it is not valid, or too large.
fn is_of_an_entry(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Invalid | ErrorKind::TooLarge)
}

/// Whether a table is to blame.
fn is_of_a_table(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::AccessDenied(_) | ErrorKind::NoSuchTable
    )
}
