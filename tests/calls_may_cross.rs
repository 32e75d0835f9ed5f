//! Promise: what a call finds out still holds when another call's whole fetch comes in between, at
//! whatever point.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use aws_credential_strategies::refresh::Clock;
use aws_credential_strategies::{
    CredentialCache, CredentialSource, Credentials, ErrorKind, RefreshMode, RefreshPolicy, Result,
};
use aws_smithy_async::time::TimeSource;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::SystemTime;
use support::{seconds, settle};
use tokio::runtime::{Builder, Runtime};

/// More readings of the clock than any call makes; beyond its last one nothing comes in between.
const READINGS: u32 = 8;

/// The host's clock, at one reading of which something happens first.
#[derive(Clone, Default)]
struct Interrupted(Arc<Mutex<Option<Interruption>>>);

struct Interruption {
    thread: ThreadId,
    readings_left: u32,
    act: Box<dyn FnOnce() + Send>,
}

impl Interrupted {
    /// Lets `act` happen in the middle of this thread's reading with this number.
    fn at(&self, reading: u32, act: impl FnOnce() + Send + 'static) {
        *self.0.lock().unwrap() = Some(Interruption {
            thread: thread::current().id(),
            readings_left: reading,
            act: Box::new(act),
        });
    }

    fn due(&self) -> Option<Interruption> {
        let mut planned = self.0.lock().unwrap();
        let own = planned
            .as_mut()
            .filter(|plan| plan.thread == thread::current().id())?;
        own.readings_left -= 1;
        if own.readings_left == 0 {
            planned.take()
        } else {
            None
        }
    }
}

impl fmt::Debug for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Interrupted")
    }
}

impl TimeSource for Interrupted {
    fn now(&self) -> SystemTime {
        if let Some(interruption) = self.due() {
            (interruption.act)();
        }
        SystemTime::now()
    }
}

/// Answers at once: KEY-1 lives for the first of these lifetimes, all others for the second.
#[derive(Debug)]
struct Prompt {
    lifetimes: [u64; 2],
    fetches: AtomicU64,
}

impl CredentialSource for Prompt {
    fn name(&self) -> &'static str {
        "Prompt"
    }

    async fn fetch(&self) -> Result<Credentials> {
        let number = self.fetches.fetch_add(1, Ordering::SeqCst) + 1;
        let [first, others] = self.lifetimes;
        let lifetime = seconds(if number == 1 { first } else { others });
        Ok(support::session(
            &format!("KEY-{number}"),
            SystemTime::now() + lifetime,
        ))
    }
}

/// Fetches run on two threads of their own, calls on that of the test.
struct Crossing {
    runtime: Runtime,
    cache: CredentialCache<Prompt>,
    clock: Interrupted,
}

impl Crossing {
    fn with_lifetimes(lifetimes: [u64; 2]) -> Self {
        let clock = Interrupted::default();
        let source = Prompt {
            lifetimes,
            fetches: AtomicU64::new(0),
        };
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build();
        Crossing {
            runtime: runtime.unwrap(),
            cache: CredentialCache::new(source, RefreshPolicy::default())
                .with_clock(Clock::with_wall(clock.clone())),
            clock,
        }
    }

    /// At this reading of the clock, another thread makes a call and gets its answer.
    fn another_call_at<O: Future<Output = Result<Credentials>>>(
        &self,
        reading: u32,
        call: impl FnOnce(CredentialCache<Prompt>) -> O + Send + 'static,
    ) {
        let (cache, runtime) = (self.cache.clone(), self.runtime.handle().clone());
        self.clock.at(reading, move || {
            let other = thread::spawn(move || runtime.block_on(call(cache)).unwrap());
            other.join().unwrap();
        });
    }

    fn fetches(&self) -> u64 {
        self.cache.source().fetches.load(Ordering::SeqCst)
    }
}

#[test]
fn an_empty_cache_that_another_call_has_filled_is_not_filled_again() {
    for reading in 1..=READINGS {
        let crossing = Crossing::with_lifetimes([3600, 3600]);
        crossing.another_call_at(reading, |cache| async move { cache.credentials().await });
        let served = crossing.runtime.block_on(crossing.cache.credentials());
        assert_eq!(served.unwrap().access_key_id(), "KEY-1", "{reading}");
        assert_eq!(crossing.fetches(), 1, "{reading}");
    }
}

#[test]
fn two_forced_refreshes_within_a_second_are_one() {
    for reading in 1..=READINGS {
        let crossing = Crossing::with_lifetimes([3600, 3600]);
        crossing.another_call_at(reading, |cache| async move { cache.refresh().await });
        let served = crossing.runtime.block_on(crossing.cache.refresh());
        assert_eq!(served.unwrap().access_key_id(), "KEY-1", "{reading}");
        assert_eq!(crossing.fetches(), 1, "{reading}");
    }
}

#[test]
fn credentials_asked_for_by_their_life_live_that_long() {
    let mut served = Vec::new();
    for reading in 1..=READINGS {
        let crossing = Crossing::with_lifetimes([1000, 3600]);
        let filled = crossing.runtime.block_on(crossing.cache.credentials());
        assert_eq!(filled.unwrap().access_key_id(), "KEY-1");
        crossing.another_call_at(reading, |cache| async move {
            cache.invalidate("KEY-1");
            cache.credentials().await
        });
        let call = crossing.cache.credentials_valid_for(seconds(3000));
        match crossing.runtime.block_on(call) {
            Ok(credentials) => {
                assert_eq!(credentials.access_key_id(), "KEY-2", "{reading}");
                served.push(reading);
            }
            // Nothing came in between: within a second of KEY-1 the source is not asked.
            Err(error) => assert_eq!(*error.kind(), ErrorKind::TooShort, "{reading}"),
        }
    }
    assert!(served.contains(&1), "served with {served:?}");
}

#[test]
fn a_timer_that_another_call_has_overtaken_fetches_no_second_time() {
    // One of the rejection, two of the timer before its fetch starts.
    for reading in 1..=3 {
        let crossing = Crossing::with_lifetimes([3600, 3600]);
        // The timer is where the first fetch was: on this thread, whenever it is driven.
        let here = Builder::new_current_thread().enable_all().build().unwrap();
        here.block_on(async {
            assert!(crossing.cache.credentials().await.is_ok());
            settle().await;
        });
        crossing.another_call_at(reading, |cache| async move { cache.credentials().await });
        crossing.cache.invalidate("KEY-1");
        here.block_on(settle());
        let served = here.block_on(crossing.cache.credentials());
        assert_eq!(served.unwrap().access_key_id(), "KEY-2", "{reading}");
        assert_eq!(crossing.cache.status().fetches, 2, "{reading}");
    }
}

/// Rejects its own key when it is first asked for its subject after a fetch: as the news is put together.
#[derive(Debug)]
struct Rejecting(Arc<Mutex<Option<CredentialCache<Rejecting>>>>);

impl CredentialSource for Rejecting {
    fn name(&self) -> &'static str {
        "Rejecting"
    }

    fn subject(&self) -> Option<String> {
        let cache = self.0.lock().unwrap().take()?;
        if cache.status().generation == 0 {
            *self.0.lock().unwrap() = Some(cache);
        } else {
            let other = thread::spawn(move || cache.invalidate("KEY-1"));
            other.join().unwrap();
        }
        None
    }

    async fn fetch(&self) -> Result<Credentials> {
        Ok(support::session("KEY-1", SystemTime::now() + support::HOUR))
    }
}

#[tokio::test]
async fn the_last_news_tells_the_newest_state() {
    let itself = Arc::new(Mutex::new(None));
    let on_demand = RefreshPolicy::default().mode(RefreshMode::OnDemand);
    let cache = CredentialCache::new(Rejecting(Arc::clone(&itself)), on_demand);
    *itself.lock().unwrap() = Some(cache.clone());
    let news = cache.subscribe();
    assert!(cache.credentials().await.is_ok());
    assert!(cache.status().invalidated);
    assert!(news.borrow().invalidated);
}
