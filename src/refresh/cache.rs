//! The cache around a source: single attempt, background refresh, bounded waiting.

use super::attempt::{AttemptGuard, log_landing, run};
use super::cell::Cell;
use super::clock::{Clock, Jitter, Now};
use super::decide::{Tick, answer, decide, tick, timed_out};
use super::hot_path::AtOnce;
use super::policy::{MIN_FORCED_SPACING, RefreshPolicy};
use super::state::{Attempt, Held, Outcome, State};
use super::status::{Rejection, Status, Tally};
use super::window::Stage;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::source::CredentialSource;
use arc_swap::ArcSwap;
use aws_credential_types::Credentials;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

/// A call starts the fetch again when it was abandoned with its runtime, this often at most: a runtime
/// that is shutting down drops what it is given at once.
const MAX_ABANDONED: usize = 3;

/// Keeps the credentials of one source valid, for any number of callers.
///
/// While credentials are valid calls are answered at once, and a task replaces them ahead of time; once
/// they are not, all callers wait for the same single fetch, for a bounded time
/// ([by stage](crate::refresh)). Cloning shares the cache: one fetch, however many clients hold a clone.
///
/// The constructor does no I/O, spawns nothing and needs no runtime; the first call starts the task. The
/// last clone dropped ends it.
///
/// A third strategy is a [`CredentialSource`] in this cache:
///
/// ```
/// use aws_credential_strategies::{CredentialCache, CredentialSource, Credentials, RefreshPolicy};
///
/// #[derive(Debug)]
/// struct FromVault;
///
/// impl CredentialSource for FromVault {
///     fn name(&self) -> &'static str {
///         "FromVault"
///     }
///     async fn fetch(&self) -> aws_credential_strategies::Result<Credentials> {
///         Ok(Credentials::new("AKIAEXAMPLE", "secret", None, None, "FromVault"))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> aws_credential_strategies::Result<()> {
/// let cache = CredentialCache::new(FromVault, RefreshPolicy::default());
/// assert_eq!(cache.credentials().await?.access_key_id(), "AKIAEXAMPLE");
/// # Ok(())
/// # }
/// ```
///
/// # Known limit
///
/// A host clock that is *behind* when the answer arrives cannot be seen locally: dead credentials then
/// live longer by that much, until a service rejects them and
/// [`Recovery`](crate::sdk::Recovery) replaces them.
pub struct CredentialCache<F>(pub(super) Arc<Shared<F>>);

pub(super) struct Shared<F> {
    source: Arc<F>,
    pub(super) policy: RefreshPolicy,
    pub(super) clock: Clock,
    jitter: Jitter,
    pub(super) state: ArcSwap<State>,
    /// News for callers that wait, for the timer and for subscribers. Closed with the last handle.
    news: watch::Sender<Status>,
    timer_runs: AtomicBool,
    born: Instant,
    /// When a call last had to look past the hot path, in ms since `born`, plus one; 0 for never.
    last_call: AtomicU64,
    waits: AtomicU64,
    served_expired: AtomicU64,
    clamp_warned: AtomicBool,
}

impl<F: CredentialSource> CredentialCache<F> {
    /// A cache around `source`: no I/O, no task, no runtime needed yet.
    #[must_use]
    pub fn new(source: F, policy: RefreshPolicy) -> Self {
        CredentialCache(Arc::new(Shared::new(
            Arc::new(source),
            policy,
            Clock::system(),
            Jitter::random(),
        )))
    }

    /// An empty cache around the same source and policy, on another clock; for tests and simulations.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        let Shared {
            source,
            policy,
            jitter,
            ..
        } = &*self.0;
        CredentialCache(Arc::new(Shared::new(
            Arc::clone(source),
            *policy,
            clock,
            jitter.clone(),
        )))
    }

    /// An empty cache around the same source and policy, with random numbers from elsewhere; for tests
    /// and simulations.
    #[must_use]
    pub fn with_jitter(self, jitter: Jitter) -> Self {
        let Shared {
            source,
            policy,
            clock,
            ..
        } = &*self.0;
        CredentialCache(Arc::new(Shared::new(
            Arc::clone(source),
            *policy,
            clock.clone(),
            jitter,
        )))
    }

    /// Credentials to sign a request with, now.
    ///
    /// Valid ones are returned at once, whatever the source does, unless a service rejected them or
    /// their last minute has come ([`MAX_MANDATORY_WINDOW`](super::MAX_MANDATORY_WINDOW)), and no attempt
    /// has failed yet. Then, and when there are none, the call starts or joins the one fetch and waits
    /// for it, until that fetch is [`wait_timeout`](RefreshPolicy::wait_timeout) old. After that, or
    /// after its failure, it is answered with the credentials held, even if they have expired
    /// ([`serve_expired`](RefreshPolicy::serve_expired)).
    ///
    /// # Errors
    ///
    /// Only when nothing is held, or what is held has expired and `serve_expired` is off or the last
    /// error terminal; under [`aws_spec`](RefreshPolicy::aws_spec), also for
    /// [some seconds](super::TERMINAL_RERAISE) after a terminal error:
    ///
    /// - the error of the last fetch, of whatever kind the source gave it;
    ///   [`Timeout`](ErrorKind::Timeout) when the fetch took too long or is still under way,
    ///   [`Panicked`](ErrorKind::Panicked) when the source did,
    ///   [`Credential`](ErrorKind::Credential) when it answered with expired credentials;
    /// - [`NoRuntime`](ErrorKind::NoRuntime) outside a tokio runtime, or in one that is shutting down;
    /// - [`Usage`](ErrorKind::Usage) for a policy that does not pass its
    ///   [check](RefreshPolicy::validate).
    ///
    /// # Panics
    ///
    /// In a tokio runtime that was built without its time driver (`enable_time`), as every tokio timer
    /// does, when it has to wait.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing for other callers: the fetch goes on, and the next call is
    /// served from it.
    ///
    /// # Concurrent calls
    ///
    /// Any number; they share one fetch.
    pub async fn credentials(&self) -> Result<Credentials> {
        if let Some(credentials) = self.current() {
            return Ok((*credentials).clone());
        }
        self.0
            .settle()
            .await
            .map(|credentials| (*credentials).clone())
    }

    /// Fetches now, whatever pause is in force, and returns what came.
    ///
    /// Joins a fetch under way. Asks the source at most once a second
    /// ([`MIN_FORCED_SPACING`](super::MIN_FORCED_SPACING)): within that time the last answer stands.
    ///
    /// # Errors
    ///
    /// That of the fetch, even while the credentials held are valid; [`ErrorKind::Timeout`],
    /// [`ErrorKind::NoRuntime`] and [`ErrorKind::Usage`] as in [`credentials`](Self::credentials).
    ///
    /// # Panics
    ///
    /// As in [`credentials`](Self::credentials).
    ///
    /// # Cancel safety
    ///
    /// As in [`credentials`](Self::credentials).
    ///
    /// # Concurrent calls
    ///
    /// Any number; they share one fetch.
    pub async fn refresh(&self) -> Result<Credentials> {
        self.forced(|held| (*held.credentials).clone()).await
    }

    async fn forced<T>(&self, part: impl Fn(&Held) -> T) -> Result<T> {
        let shared = &self.0;
        shared.policy.validate()?;
        let mut deadline = None;
        for _ in 0..=MAX_ABANDONED {
            let Some(attempt) = shared.start(Shared::is_wanted_by_force)? else {
                return shared.last_answer(part);
            };
            match shared.wait(attempt, &mut deadline).await? {
                Waited::Landed => return shared.last_answer(part),
                Waited::TooLong => return Err(timed_out(&shared.policy)),
                Waited::Abandoned => {}
            }
        }
        Err(abandoned())
    }

    /// Credentials that live for at least `min`: for presigned URLs and long uploads.
    ///
    /// At once if those held do, be they about to expire; else, and where a service rejected those held,
    /// after one [`refresh`](Self::refresh).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`], naming `min`, when even new credentials live shorter; else as in
    /// [`refresh`](Self::refresh).
    ///
    /// # Panics
    ///
    /// As in [`credentials`](Self::credentials).
    ///
    /// # Cancel safety
    ///
    /// As in [`credentials`](Self::credentials).
    ///
    /// # Concurrent calls
    ///
    /// Any number; they share one fetch.
    pub async fn credentials_valid_for(&self, min: Duration) -> Result<Credentials> {
        if let Some(credentials) = self.0.lives_for(min) {
            return Ok((*credentials).clone());
        }
        // Credentials and life of one answer: another may take its place between two looks.
        let of_one = |held: &Held| (Arc::clone(&held.credentials), held.life);
        let (fetched, life) = self.forced(of_one).await?;
        let left = life.remaining(self.0.clock.now());
        if left >= min {
            return Ok((*fetched).clone());
        }
        Err(Error::usage(
            "min",
            format!(
                "asked for credentials that live for {} s, new ones live for {} s",
                min.as_secs(),
                left.as_secs()
            ),
        )
        .during(Operation::FETCH)
        .via(self.0.source.name())
        .hint("ask for less, or for a longer session where the source lets you choose"))
    }

    /// Tells the cache that a service rejected the credentials with this access key id.
    ///
    /// Ignored unless it is the key in use, and once a refresh has brought that key again. Otherwise the
    /// next call waits for a refresh, unless one has failed already; the value stays as what is served
    /// should the refresh fail. Any number of rejections of one key make one refresh.
    pub fn invalidate(&self, rejected: &str) -> Rejection {
        let shared = &self.0;
        let now = shared.clock.now();
        let (changed, said) =
            shared.change(|state| state.invalidate(rejected, &shared.policy, now));
        if changed.is_some() {
            tracing::warn!(
                source = shared.source.name(),
                key_id = rejected,
                "a service rejected the credentials in use, they are being replaced"
            );
            shared.publish();
        }
        said
    }

    /// Tells the cache that a service accepted the credentials with this access key id.
    ///
    /// A success with the key in use, anybody's, ends a row of rejections: the next one is taken for
    /// evidence against the key again. Any other key id is ignored. Once per key and client is enough;
    /// it costs no more than a look while there is no row to end.
    pub fn accepted(&self, key_id: &str) {
        self.0.change(|state| (state.accepted(key_id), ()));
    }

    /// A snapshot; no I/O, no lock.
    #[must_use]
    pub fn status(&self) -> Status {
        self.0.status()
    }

    /// News of every fetch that ended and every rejection that counted, as a [`Status`] at that moment;
    /// also of the nearer plan when somebody asks again for what has long expired.
    ///
    /// Like any `watch` channel it holds the latest news only. A receiver does not keep the cache alive: it
    /// is closed with the last handle. Clone what it [borrows](watch::Receiver::borrow) and let go: while
    /// it is held, no fetch can end.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Status> {
        self.0.news.subscribe()
    }

    /// The source, for what it can tell beyond credentials.
    #[must_use]
    pub fn source(&self) -> &F {
        &self.0.source
    }
}

impl<F: CredentialSource> Shared<F> {
    fn new(source: Arc<F>, policy: RefreshPolicy, clock: Clock, jitter: Jitter) -> Self {
        let shared = Shared {
            source,
            policy,
            clock,
            jitter,
            state: ArcSwap::from_pointee(State::default()),
            news: watch::Sender::new(Status::default()),
            timer_runs: AtomicBool::new(false),
            born: Instant::now(),
            last_call: AtomicU64::new(0),
            waits: AtomicU64::new(0),
            served_expired: AtomicU64::new(0),
            clamp_warned: AtomicBool::new(false),
        };
        shared.publish();
        shared
    }

    fn load(&self) -> Arc<State> {
        self.state.load_full()
    }

    /// Replaces the state by what `change` makes of it, ready for the hot path.
    fn change<R>(
        &self,
        mut change: impl FnMut(&State) -> (Option<State>, R),
    ) -> (Option<Arc<State>>, R) {
        self.state.update(|state| {
            let (mut next, said) = change(state);
            if let Some(next) = &mut next {
                next.at_once = AtOnce::of(next, &self.policy);
            }
            (next, said)
        })
    }

    /// The slow path: starts, joins and waits as the state asks for, then answers.
    async fn settle(self: &Arc<Self>) -> Result<Arc<Credentials>> {
        self.policy.validate()?;
        self.note_call();
        self.wake_idle_timer();
        let mut deadline = None;
        for _ in 0..=MAX_ABANDONED {
            let now = self.clock.now();
            let state = self.load();
            let verdict = decide(&state, &self.policy, now);
            let attempt = if verdict.starts {
                self.start(Self::is_wanted_by_a_call)
            } else {
                Ok(state.attempt(&self.policy, now))
            };
            let waited = match attempt {
                Ok(Some(attempt)) if verdict.waits => self.wait(attempt, &mut deadline).await,
                Ok(_) => return self.reply(),
                Err(error) => Err(error),
            };
            match waited {
                Ok(Waited::Abandoned) => {}
                Ok(Waited::Landed | Waited::TooLong) => return self.reply(),
                Err(error) => return self.reply().map_err(|_| error),
            }
        }
        self.reply().map_err(|_| abandoned())
    }

    /// What is held, if it lives that long; a refresh that is due is started beside it.
    fn lives_for(self: &Arc<Self>, min: Duration) -> Option<Arc<Credentials>> {
        let now = self.clock.now();
        let state = self.load();
        state.left(now).filter(|left| *left >= min)?;
        if decide(&state, &self.policy, now).starts {
            // Without a runtime it is started by a call that has one.
            let _ = self.start(Self::is_wanted_by_a_call);
        }
        answer(&state, &self.policy, now).ok()
    }

    /// What the last fetch brought, be it an error.
    fn last_answer<T>(&self, part: impl Fn(&Held) -> T) -> Result<T> {
        let state = self.load();
        match (&state.failure, &state.held) {
            (Some(failure), _) => Err(failure.error.clone()),
            (None, Some(held)) => Ok(part(held)),
            (None, None) => Err(timed_out(&self.policy)),
        }
    }

    /// The answer that the state calls for now.
    fn reply(&self) -> Result<Arc<Credentials>> {
        let now = self.clock.now();
        let state = self.state.load();
        let answer = answer(&state, &self.policy, now);
        if answer.is_ok() && state.stage(now) == Stage::Expired {
            self.served_expired.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }

    /// Waits until this fetch is over, as long as a caller waits, counted from the start of the first
    /// fetch that it waited for.
    async fn wait(&self, attempt: Attempt, deadline: &mut Option<Instant>) -> Result<Waited> {
        let is_first = deadline.is_none();
        let until = *deadline.get_or_insert_with(|| attempt.deadline(&self.policy));
        if until <= self.clock.now().mono {
            return Ok(Waited::TooLong);
        }
        if is_first {
            self.waits.fetch_add(1, Ordering::Relaxed);
        }
        if Handle::try_current().is_err() {
            return Err(no_runtime());
        }
        let mut news = self.news.subscribe();
        let over = async {
            while self.load().attempt == Some(attempt) {
                if news.changed().await.is_err() {
                    break;
                }
            }
        };
        // Late is not an error here: the state says what there is to serve.
        let _ = timeout_at(until, over).await;
        Ok(if self.load().settled >= attempt.number {
            Waited::Landed
        } else if self.clock.now().mono >= until {
            Waited::TooLong
        } else {
            Waited::Abandoned
        })
    }

    /// Starts a fetch or joins the one under way; `None` where none is wanted any more by the time that it
    /// would start.
    pub(super) fn start(
        self: &Arc<Self>,
        is_wanted: impl Fn(&Self, &State, Now) -> bool,
    ) -> Result<Option<Attempt>> {
        let runtime = Handle::try_current().map_err(|_| no_runtime())?;
        let now = self.clock.now();
        let (started, attempt) = self.change(|state| match state.attempt(&self.policy, now) {
            None if is_wanted(self, state, now) => {
                let (next, attempt) = state.begin(now);
                (Some(next), Some(attempt))
            }
            under_way => (None, under_way),
        });
        let (Some(_), Some(attempt)) = (started, attempt) else {
            return Ok(attempt);
        };
        let guard = AttemptGuard::new(self, attempt);
        runtime.spawn(run(
            Arc::clone(&self.source),
            guard,
            self.policy.fetch_timeout,
            self.news.subscribe(),
        ));
        self.run_timer(&runtime);
        Ok(Some(attempt))
    }

    pub(super) fn is_wanted_by_a_call(&self, state: &State, now: Now) -> bool {
        decide(state, &self.policy, now).starts
    }

    fn is_wanted_by_the_timer(&self, state: &State, now: Now) -> bool {
        tick(state, &self.policy, now) == Tick::Fetch
    }

    /// Whatever waits are in force, unless the last answer is too recent.
    fn is_wanted_by_force(&self, state: &State, now: Now) -> bool {
        !state.is_answered_within(MIN_FORCED_SPACING, now)
    }

    /// Takes in what became of a fetch, and tells everybody.
    pub(super) fn land(&self, attempt: Attempt, outcome: Outcome) {
        let now = self.clock.now();
        let jitter = self.jitter.unit();
        let last_call = self.last_call();
        let (landed, landing) = self
            .change(|state| state.land(attempt, &outcome, &self.policy, now, jitter, last_call));
        let Some(state) = landed else { return };
        let elapsed = now.mono.saturating_duration_since(attempt.asks_at);
        log_landing(
            self.source.name(),
            attempt.number,
            landing,
            &state,
            &self.policy,
            now,
            elapsed,
        );
        self.warn_of_clamp(&state);
        self.publish();
    }

    fn publish(&self) {
        let (subject, now) = (self.subject(), self.clock.now());
        // Under the lock of the channel: what two threads send arrives in the order of the states.
        self.news
            .send_modify(|news| *news = self.status_of(subject, now));
    }

    fn status(&self) -> Status {
        self.status_of(self.subject(), self.clock.now())
    }

    /// A source that panics here, as over a lock that its fetch has poisoned, takes nobody with it.
    fn subject(&self) -> Option<String> {
        catch_unwind(AssertUnwindSafe(|| self.source.subject())).unwrap_or_default()
    }

    fn status_of(&self, subject: Option<String>, now: Now) -> Status {
        Status::of(
            &self.state.load(),
            &self.policy,
            now,
            subject,
            Tally {
                waits: self.waits.load(Ordering::Relaxed),
                served_expired: self.served_expired.load(Ordering::Relaxed),
            },
        )
    }

    fn warn_of_clamp(&self, state: &State) {
        let clamped = state
            .held
            .as_ref()
            .filter(|held| held.life.is_clamped(&self.policy));
        if let Some(held) = clamped
            && !self.clamp_warned.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                source = self.source.name(),
                lifetime = ?held.life.lifetime,
                advisory_window = ?held.life.advisory,
                "the session is short for its refresh window, which was cut to three quarters of it"
            );
        }
    }

    /// Somebody asks again for what the timer refreshes less often because nobody did.
    fn wake_idle_timer(&self) {
        let (woken, ()) = self.change(|state| (state.asked_for(), ()));
        if woken.is_some() {
            self.publish();
        }
    }

    fn note_call(&self) {
        let since = Instant::now().saturating_duration_since(self.born);
        let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        self.last_call
            .store(millis.saturating_add(1), Ordering::Relaxed);
    }

    fn last_call(&self) -> Option<Instant> {
        let noted = self.last_call.load(Ordering::Relaxed).checked_sub(1)?;
        self.born.checked_add(Duration::from_millis(noted))
    }

    /// Starts the timer, unless it runs or the policy has none.
    fn run_timer(self: &Arc<Self>, runtime: &Handle) {
        if !self.policy.has_timer() || self.timer_runs.swap(true, Ordering::AcqRel) {
            return;
        }
        let mark = TimerMark(Arc::downgrade(self));
        runtime.spawn(keep_fresh(mark, self.news.subscribe()));
    }

    /// What the timer does now; how long it sleeps then.
    fn tick(self: &Arc<Self>, now: Now) -> Duration {
        match tick(&self.state.load(), &self.policy, now) {
            Tick::Sleep(nap) => nap,
            Tick::Fetch => {
                let _ = self.start(Self::is_wanted_by_the_timer);
                super::policy::MAX_TIMER_SLEEP
            }
        }
    }
}

/// Says that the timer runs, until its task is over for whatever reason.
struct TimerMark<F: CredentialSource>(Weak<Shared<F>>);

impl<F: CredentialSource> Drop for TimerMark<F> {
    fn drop(&mut self) {
        if let Some(shared) = self.0.upgrade() {
            shared.timer_runs.store(false, Ordering::Release);
        }
    }
}

/// The timer: holds no handle while it sleeps, and ends with the last one.
async fn keep_fresh<F: CredentialSource>(mark: TimerMark<F>, mut news: watch::Receiver<Status>) {
    loop {
        news.mark_unchanged();
        let nap = match mark.0.upgrade() {
            None => return,
            Some(shared) => shared.tick(shared.clock.now()),
        };
        // Woken by time, or by news; the sender is gone with the last handle.
        if let Ok(Err(_)) = timeout(nap, news.changed()).await {
            return;
        }
    }
}

/// How a wait for a fetch ended.
enum Waited {
    Landed,
    TooLong,
    /// Its runtime ended: no answer yet, so look again.
    Abandoned,
}

fn abandoned() -> Error {
    Error::new(
        ErrorKind::NoRuntime,
        Operation::FETCH,
        "the fetch was dropped with its runtime, each time it was started",
    )
    .hint("make the call on a tokio runtime that is not shutting down")
}

fn no_runtime() -> Error {
    Error::new(
        ErrorKind::NoRuntime,
        Operation::FETCH,
        "there is no tokio runtime to fetch on",
    )
    .hint("make the first call from within a tokio runtime")
}

impl<F> Clone for CredentialCache<F> {
    fn clone(&self) -> Self {
        CredentialCache(Arc::clone(&self.0))
    }
}

impl<F: CredentialSource> fmt::Debug for CredentialCache<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialCache")
            .field("source", &self.0.source)
            .field("policy", &self.0.policy)
            .field("status", &self.status())
            .finish()
    }
}
