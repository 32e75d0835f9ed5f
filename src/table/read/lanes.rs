//! The pages of a query or a scan as they come: of one segment one after the other, of several at the
//! same time.
//!
//! The loop is ours instead of the SDK's paginator: that one ends in silence when a page repeats its
//! `LastEvaluatedKey`, and overwrites `Limit`.

use super::cursor::{Cursor, Positions};
use super::fetch::{PageRequest, RawPage, fetch};
use super::options::Limits;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::table::error::Call;
use crate::table::item::Attributes;
use crate::table::target::Target;
use std::task::{Context, Poll};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::{JoinError, JoinSet};
use tracing::Instrument as _;

/// How many segments of a scan are read at the same time, however many there are: each has a request in
/// flight or a page in memory.
pub const MOST_SEGMENTS_AT_ONCE: usize = 16;

/// A query or a scan under way.
///
/// Each request runs on a task of its own, so that its timers never depend on when the consumer asks
/// next: who drops a `next`, or works for a minute between two items, finds the page there. A lane has one
/// request in flight or one page that has come, never both, so no more than a page a lane is in memory.
///
/// A consumer that blocks the thread of a single-threaded runtime stops those tasks too. There, nothing
/// is in flight while items are handed out.
pub(super) struct Lanes {
    pub(super) target: Target,
    pub(super) operation: Operation,
    limits: Limits,
    request: Option<PageRequest>,
    /// What was wrong before the first request, or what the first request that failed said.
    problem: Option<Error>,
    total: u32,
    /// The segments that are begun and not finished.
    lanes: Vec<Lane>,
    /// From this segment on none is begun.
    rest: u32,
    in_flight: JoinSet<(u32, Result<RawPage>)>,
    pub(super) requests: usize,
    pub(super) scanned: u64,
    pub(super) capacity: Option<f64>,
}

/// One segment: its pages come one after the other.
struct Lane {
    segment: u32,
    /// The key that the page after those handed out begins after.
    after: Option<Attributes>,
    state: LaneState,
}

enum LaneState {
    Idle,
    /// With the `Limit` of the request, where it has one.
    Asked(Option<i32>),
    Arrived(Box<RawPage>),
}

/// A page that is handed out, and where it began.
pub(super) struct Taken {
    pub(super) page: RawPage,
    pub(super) place: Place,
}

/// Where in a table a page begins.
#[derive(Clone)]
pub(super) struct Place {
    segment: u32,
    after: Option<Attributes>,
}

impl Lanes {
    pub(super) fn new(
        target: Target,
        operation: Operation,
        limits: Limits,
        request: Result<(PageRequest, Positions)>,
    ) -> Self {
        let (request, positions, problem) = match request {
            Ok((request, positions)) => (Some(request), positions, None),
            Err(error) => {
                let error = Call::on(&target, operation).explain(error);
                (None, Positions::beginning(1), Some(error))
            }
        };
        let lanes = positions.open.into_iter().map(|(segment, after)| Lane {
            segment,
            after,
            state: LaneState::Idle,
        });
        Lanes {
            target,
            operation,
            limits,
            request,
            problem,
            total: positions.total,
            lanes: lanes.collect(),
            rest: positions.rest,
            in_flight: JoinSet::new(),
            requests: 0,
            scanned: 0,
            capacity: None,
        }
    }

    /// Whether something was wrong before anything was read.
    pub(super) fn is_refused(&self) -> bool {
        self.requests == 0 && self.problem.is_some()
    }

    /// The next page of any segment, no more than `left` items if every item read is wanted; `None` at
    /// the end or at the ceiling. After an error, which comes behind what the other segments had read,
    /// nothing more is read.
    pub(super) fn poll_page(
        &mut self,
        cx: &mut Context<'_>,
        left: Option<usize>,
    ) -> Poll<Option<Result<Taken>>> {
        if let Err(error) = self.ask(left) {
            self.failed(error);
        }
        while let Poll::Ready(Some(answered)) = self.in_flight.poll_join_next(cx) {
            self.arrived(answered);
        }
        if (self.in_flight.is_empty() || self.reads_ahead())
            && let Some(taken) = self.take()
        {
            return Poll::Ready(Some(Ok(taken)));
        }
        if !self.in_flight.is_empty() {
            return Poll::Pending;
        }
        Poll::Ready(self.problem.take().map(Err))
    }

    /// Where to go on; `unfinished` is a page of which not all was handed out.
    pub(super) fn cursor(&self, unfinished: Option<&Place>) -> Option<Cursor> {
        let mut open: Vec<_> = self
            .lanes
            .iter()
            .map(|lane| (lane.segment, lane.after.clone()))
            .collect();
        if let Some(Place { segment, after }) = unfinished {
            open.retain(|(other, _)| other != segment);
            open.push((*segment, after.clone()));
        }
        open.sort_unstable_by_key(|(segment, _)| *segment);
        Cursor::of(Positions {
            total: self.total,
            open,
            rest: self.rest,
        })
    }

    /// Whether every page was handed out, and it was not the ceiling that ended it.
    pub(super) fn is_complete(&self) -> bool {
        self.lanes.is_empty() && self.rest == self.total
    }

    pub(super) fn check_complete(&self) -> Result<()> {
        if self.is_complete() {
            return Ok(());
        }
        let message = format!("max_requests({}) was reached before the end", self.requests);
        let error = Error::new(ErrorKind::Other, self.operation, message).needs_human();
        Err(Call::on(&self.target, self.operation).explain(error))
    }

    /// Asks for the next page of every lane that has none, as far as it may.
    fn ask(&mut self, left: Option<usize>) -> Result<()> {
        if self.problem.is_some() || self.request.is_none() {
            return Ok(());
        }
        let all_idle = self.lanes.iter().all(|lane| lane.is_idle());
        if !all_idle && !self.reads_ahead() {
            return Ok(());
        }
        while self.rest < self.total && self.lanes.len() < MOST_SEGMENTS_AT_ONCE {
            self.lanes.push(Lane {
                segment: self.rest,
                after: None,
                state: LaneState::Idle,
            });
            self.rest += 1;
        }
        let Some(request) = &self.request else {
            return Ok(());
        };
        let runtime = Handle::try_current()
            .map_err(|error| Error::usage("runtime", "expected one of tokio's").caused_by(error));
        let coming = self.lanes.iter().map(Lane::coming);
        let coming = coming.fold(0_usize, usize::saturating_add);
        // every item read is wanted, unless some are dropped afterwards
        let mut wanted = left
            .filter(|_| !self.limits.filtered)
            .map(|left| left.saturating_sub(coming));
        let mut idle = self.lanes.iter().filter(|lane| lane.is_idle()).count();
        for lane in self.lanes.iter_mut().filter(|lane| lane.is_idle()) {
            let share = wanted.map(|wanted| wanted.div_ceil(idle));
            let most = self.limits.max_requests;
            if share == Some(0) || most.is_some_and(|most| self.requests >= most) {
                break;
            }
            idle -= 1;
            let limit = self.limits.page_limit(share);
            wanted = wanted.map(|wanted| {
                let asked = limit.and_then(|limit| usize::try_from(limit).ok());
                wanted.saturating_sub(asked.unwrap_or_default())
            });
            let (target, operation) = (self.target.clone(), self.operation);
            let (segment, after) = (lane.segment, lane.after.clone());
            let request = request.clone().of_segment(segment, self.total);
            let page = async move {
                let page = fetch(&target, operation, request, after, limit).await;
                (segment, page)
            };
            self.in_flight.spawn_on(
                page.in_current_span(),
                runtime.as_ref().map_err(Error::clone)?,
            );
            self.requests += 1;
            lane.state = LaneState::Asked(limit);
        }
        Ok(())
    }

    fn arrived(&mut self, answered: Result<(u32, Result<RawPage>), JoinError>) {
        let (segment, page) = match answered {
            Ok(answered) => answered,
            Err(error) => return self.failed(self.no_answer(error)),
        };
        let lane = self.lanes.iter_mut().find(|lane| lane.segment == segment);
        let Some(lane) = lane else { return };
        match page {
            Ok(page) => {
                self.scanned += page.scanned;
                let units = page.capacity.as_ref().and_then(|c| c.capacity_units);
                if let Some(units) = units {
                    self.capacity = Some(self.capacity.unwrap_or_default() + units);
                }
                lane.state = LaneState::Arrived(Box::new(page));
            }
            Err(error) => {
                lane.state = LaneState::Idle;
                self.failed(error);
            }
        }
    }

    /// The page of a lane that has one; the lane ends with its last.
    fn take(&mut self) -> Option<Taken> {
        let has_arrived = |lane: &Lane| matches!(lane.state, LaneState::Arrived(_));
        let at = self.lanes.iter().position(has_arrived)?;
        let lane = self.lanes.get_mut(at)?;
        let LaneState::Arrived(page) = std::mem::replace(&mut lane.state, LaneState::Idle) else {
            return None;
        };
        let place = Place {
            segment: lane.segment,
            after: std::mem::replace(&mut lane.after, page.last_key.clone()),
        };
        // at the end, the others have their turn first
        let lane = self.lanes.remove(at);
        if page.last_key.is_some() {
            self.lanes.push(lane);
        }
        Some(Taken { page: *page, place })
    }

    /// Whether requests are in flight while items are handed out: where there are threads for them, and
    /// more than one segment, since who reads in order may stop at any item.
    fn reads_ahead(&self) -> bool {
        self.total > 1
            && Handle::try_current()
                .is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread)
    }

    /// The first error stands; where each segment has got to is still known.
    fn failed(&mut self, error: Error) {
        self.problem.get_or_insert(error);
        self.request = None;
    }

    fn no_answer(&self, error: JoinError) -> Error {
        let described = if error.is_panic() {
            let message = "the request panicked";
            Error::new(ErrorKind::Panicked, self.operation, message).needs_human()
        } else {
            let message = "the runtime that the request ran on has ended";
            Error::new(ErrorKind::NoRuntime, self.operation, message)
        };
        Call::on(&self.target, self.operation).explain(described)
    }
}

impl Lane {
    fn is_idle(&self) -> bool {
        matches!(self.state, LaneState::Idle)
    }

    /// How many items will come of what was asked for, at most.
    fn coming(&self) -> usize {
        match &self.state {
            LaneState::Idle => 0,
            LaneState::Asked(limit) => limit
                .and_then(|limit| usize::try_from(limit).ok())
                .unwrap_or(usize::MAX),
            LaneState::Arrived(page) => page.items.len(),
        }
    }
}
