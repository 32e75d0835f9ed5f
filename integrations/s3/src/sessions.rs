//! The sessions that the server believes in, and the source that hands them out.

use aws_credential_strategies::{CredentialSource, CredentialStrategy, Credentials, Result};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};
use tokio::sync::Semaphore;

/// The one region of the server.
pub const REGION: &str = "us-east-1";

/// When the server takes a session for dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ends {
    /// With the time in it.
    AtItsEnd,
    /// After so many requests, and not before each request that an earlier end struck has been admitted. Only the
    /// last session that ended is refused, one before it no longer: a client that repeats once is never struck twice,
    /// however late its requests arrive.
    AfterRequests(usize),
}

/// What is known of all sessions.
#[derive(Clone)]
pub struct Sessions(Arc<Inner>);

struct Inner {
    ends: Ends,
    life: Duration,
    /// A fetch takes one.
    gate: Semaphore,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    asked: usize,
    /// How many sessions were handed out; the last one is number `fetches`.
    fetches: usize,
    ended: usize,
    /// By number: the time in each session.
    ends: HashMap<usize, SystemTime>,
    admitted: usize,
    admitted_by_last: usize,
    rejected: usize,
    /// What was rejected and has not been admitted since.
    struck: HashSet<String>,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// The session has ended.
    Expired,
    /// The same, as some services say it.
    UnknownKey,
    /// The token is not the one of the key.
    WrongToken,
}

impl Sessions {
    pub(crate) fn new(ends: Ends, life: Duration) -> Self {
        Sessions(Arc::new(Inner {
            ends,
            life,
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            state: Mutex::default(),
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }

    /// How often a session was asked for; those that [wait](Self::hold_fetches) count.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.state().asked
    }

    /// How many sessions were handed out.
    #[must_use]
    pub fn fetches(&self) -> usize {
        self.state().fetches
    }

    /// How many sessions ended while they were in use.
    #[must_use]
    pub fn ended(&self) -> usize {
        self.state().ended
    }

    /// How many requests were let in.
    #[must_use]
    pub fn admitted(&self) -> usize {
        self.state().admitted
    }

    /// How many requests were refused because of their key.
    #[must_use]
    pub fn rejected(&self) -> usize {
        self.state().rejected
    }

    /// Ends the session in use, whatever the [rule](Ends) is.
    pub fn end_it(&self) {
        let mut state = self.state();
        state.ended = state.fetches;
    }

    /// From now on a fetch waits until it is [let through](Self::let_through).
    pub fn hold_fetches(&self) {
        self.0.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    /// Lets one fetch through that [waits](Self::hold_fetches), or the next one.
    pub fn let_through(&self) {
        self.0.gate.add_permits(1);
    }

    /// The secret of a key that was ever handed out.
    #[must_use]
    pub fn secret(&self, key_id: &str) -> Option<String> {
        let number = number_of(key_id)?;
        (1..=self.state().fetches)
            .contains(&number)
            .then(|| secret(number))
    }

    /// Whether a request with a right signature is let in; `what` tells it from others.
    pub fn admit(&self, key_id: &str, token: Option<&str>, what: String) -> Option<Refused> {
        let mut state = self.state();
        let number = number_of(key_id).unwrap_or_default();
        let last = state.fetches;
        if let Ends::AfterRequests(requests) = self.0.ends
            && number == last
            && state.admitted_by_last >= requests
            && state.struck.is_empty()
        {
            state.ended = last;
        }
        let over = |end: &SystemTime| *end <= SystemTime::now();
        let ended = match self.0.ends {
            Ends::AtItsEnd => number <= state.ended,
            Ends::AfterRequests(_) => number == state.ended,
        };
        if ended || state.ends.get(&number).is_some_and(over) {
            state.rejected += 1;
            state.struck.insert(what);
            return Some(match number % 3 {
                1 => Refused::Expired,
                2 => Refused::UnknownKey,
                _ => Refused::WrongToken,
            });
        }
        if token != Some(&session_token(number)) {
            return Some(Refused::WrongToken);
        }
        state.struck.remove(&what);
        state.admitted += 1;
        state.admitted_by_last += usize::from(number == last);
        None
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Sessions")
            .field("fetches", &state.fetches)
            .field("ended", &state.ended)
            .field("admitted", &state.admitted)
            .field("rejected", &state.rejected)
            .field("struck", &state.struck)
            .finish_non_exhaustive()
    }
}

/// Hands a new session out at each fetch.
#[derive(Clone, Debug)]
pub struct Source(pub(crate) Sessions);

impl Source {
    /// How often it was asked.
    #[must_use]
    pub fn fetches(&self) -> usize {
        self.0.fetches()
    }
}

impl CredentialSource for Source {
    fn name(&self) -> &'static str {
        "sessions of the test"
    }

    async fn fetch(&self) -> Result<Credentials> {
        self.0.state().asked += 1;
        if let Ok(permit) = self.0.0.gate.acquire().await {
            permit.forget();
        }
        let mut state = self.0.state();
        state.fetches += 1;
        state.admitted_by_last = 0;
        let number = state.fetches;
        let end = SystemTime::now() + self.0.0.life;
        state.ends.insert(number, end);
        drop(state);
        Ok(Credentials::new(
            key_id(number),
            secret(number),
            Some(session_token(number)),
            Some(end),
            "test",
        ))
    }
}

/// Replaces the session of `strategy`, as a refresh before its end does.
///
/// # Errors
///
/// That of the fetch.
pub async fn rotate(strategy: &impl CredentialStrategy) -> Result<()> {
    // within a second of the last fetch nothing is fetched again
    tokio::time::sleep(Duration::from_millis(1100)).await;
    strategy.refresh().await.map(|_| ())
}

fn key_id(number: usize) -> String {
    format!("ASIA{number:012}")
}

fn number_of(key_id: &str) -> Option<usize> {
    key_id.strip_prefix("ASIA")?.parse().ok()
}

fn secret(number: usize) -> String {
    format!("do-not-show-secret-{number:020}")
}

fn session_token(number: usize) -> String {
    format!("do-not-show-token-{number}")
}
