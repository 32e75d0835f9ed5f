//! What the services behind the clients of one [`Recovery`](super::Recovery) have made of its keys: which they accepted,
//! which they refused, and whether another key is worth a refresh.

use crate::source::key_mark::KeyMark;
use crate::source::restraint::{Refusal, Restraint};
use arc_swap::ArcSwap;
use aws_smithy_runtime::client::retries::RetryPartition;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_types::config_bag::ConfigBag;
use aws_types::endpoint_config::EndpointUrl;
use aws_types::region::Region;
use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// So many keys are remembered beside the last one. A client whose own cache lags by more than these is told how
/// to be wired, instead of being helped.
const REMEMBERED_KEYS: usize = 4;

/// More services than a program talks to; who makes up endpoints at run time starts anew then.
const SERVICES: usize = 256;

/// Every service that was asked, found by what the clients are configured with.
#[derive(Debug, Default)]
pub(super) struct Services {
    known: ArcSwap<Vec<Arc<Service>>>,
    /// Whether a recovery was found to be given to a client in one place of two.
    half_wired: AtomicBool,
}

impl Services {
    /// The one that an operation with this configuration goes to.
    pub(super) fn of(&self, cfg: &ConfigBag) -> Arc<Service> {
        let asked = Asked {
            name: cfg.load::<Metadata>().map_or("", Metadata::service),
            region: cfg.load::<Region>().map(AsRef::as_ref),
            endpoint: cfg.load::<EndpointUrl>().map(|url| url.0.as_str()),
        };
        match self.find(&asked) {
            Some(service) => service,
            None => self.add(&asked),
        }
    }

    /// Whether this is the first time that a client is found to have half of a recovery.
    pub(super) fn is_first_half_wired(&self) -> bool {
        !self.half_wired.swap(true, Ordering::Relaxed)
    }

    fn find(&self, asked: &Asked<'_>) -> Option<Arc<Service>> {
        let known = self.known.load();
        known.iter().find(|service| service.is(asked)).cloned()
    }

    #[cold]
    fn add(&self, asked: &Asked<'_>) -> Arc<Service> {
        let new = Arc::new(Service::new(asked));
        self.known.rcu(|known| {
            let mut grown = Vec::with_capacity(known.len() + 1);
            if known.len() < SERVICES {
                grown.extend(known.iter().cloned());
            }
            if !grown.iter().any(|service| service.is(asked)) {
                grown.push(Arc::clone(&new));
            }
            grown
        });
        // Somebody else's, where two were first at once.
        self.find(asked).unwrap_or(new)
    }
}

/// What tells one service from another: name, region, and the URL where one is set. Hosts do not: those of
/// one service differ by bucket and account, and a key that one of them refuses the others refuse too.
struct Asked<'a> {
    name: &'a str,
    region: Option<&'a str>,
    endpoint: Option<&'a str>,
}

/// A key that may not have been seen yet.
#[derive(Debug, Default)]
struct AtomicMark(AtomicU64);

impl AtomicMark {
    // Relaxed, both: a mark guards no other memory, and who reads an old one looks closer, under the lock
    // or at the strategy.
    fn is(&self, key: KeyMark) -> bool {
        self.0.load(Ordering::Relaxed) == key.0.get()
    }

    fn is_any(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }

    fn set(&self, key: KeyMark) {
        self.0.store(key.0.get(), Ordering::Relaxed);
    }
}

/// A few keys, the last ones.
#[derive(Debug, Default)]
struct LastKeys(VecDeque<KeyMark>);

impl LastKeys {
    fn add(&mut self, key: KeyMark) {
        self.forget(key);
        self.0.truncate(REMEMBERED_KEYS - 1);
        self.0.push_front(key);
    }

    fn forget(&mut self, key: KeyMark) {
        self.0.retain(|known| *known != key);
    }

    fn contains(&self, key: KeyMark) -> bool {
        self.0.contains(&key)
    }
}

/// One service, for all clients of it that share one recovery.
pub(super) struct Service {
    name: String,
    region: Option<String>,
    endpoint: Option<String>,
    /// The key that was last accepted. Changed under the lock of `past`.
    accepted: AtomicMark,
    /// The key that was last seen to be both the strategy's and a request's. Changed under the lock of `past`.
    shared: AtomicMark,
    /// A refused key that a client signs with although the strategy holds another by now.
    stale: AtomicMark,
    /// Whether `past` has anything that an acceptance ends. Changed under its lock; read without it, so an
    /// acceptance may miss a refusal of the same moment, and the next one ends it.
    refusing: AtomicBool,
    miswired: AtomicBool,
    past: Mutex<Past>,
}

#[derive(Debug, Default)]
struct Past {
    /// Accepted before the last one: its late answers are no news.
    accepted_before: Option<KeyMark>,
    /// New keys refused since the last acceptance.
    restraint: Restraint,
    /// The keys that were last refused and not accepted since: the answers to requests with an older one may come
    /// after those with the next.
    lately_refused: LastKeys,
    /// Keys that were `shared` before, the last ones: a client with a cache of its own goes on to sign with one
    /// while its neighbours have the next.
    shared: LastKeys,
}

impl Service {
    fn new(asked: &Asked<'_>) -> Self {
        Service {
            name: asked.name.to_owned(),
            region: asked.region.map(str::to_owned),
            endpoint: asked.endpoint.map(str::to_owned),
            accepted: AtomicMark::default(),
            shared: AtomicMark::default(),
            stale: AtomicMark::default(),
            refusing: AtomicBool::new(false),
            miswired: AtomicBool::new(false),
            past: Mutex::default(),
        }
    }

    fn is(&self, asked: &Asked<'_>) -> bool {
        self.name == asked.name
            && self.region.as_deref() == asked.region
            && self.endpoint.as_deref() == asked.endpoint
    }

    /// A retry quota for this service alone, of the size and costs that the SDK gives to each.
    pub(super) fn retry_partition(&self) -> RetryPartition {
        RetryPartition::new(self.to_string())
    }

    /// A request with this key was answered with success; whether that is news. While nothing changes, one
    /// comparison and one flag. `held` says whether it is the strategy's, and is asked of the key before alone.
    pub(super) fn accept(&self, key: KeyMark, held: impl FnOnce() -> bool) -> bool {
        if self.refusing.load(Ordering::Relaxed) {
            let mut past = self.past();
            past.restraint.end();
            past.lately_refused.forget(key);
            // A late success of another key says nothing of the one that was accepted last, and is refused now.
            let last = NonZeroU64::new(self.accepted.0.load(Ordering::Relaxed)).map(KeyMark);
            let stays = last.is_some_and(|last| past.lately_refused.contains(last));
            self.refusing.store(stays, Ordering::Relaxed);
        }
        !self.accepted.is(key) && self.accept_new(key, held)
    }

    #[cold]
    fn accept_new(&self, key: KeyMark, held: impl FnOnce() -> bool) -> bool {
        // A late answer of the key before, unless a source brings its keys in turn. Without the lock: it may ask
        // the strategy.
        let was_before = self.past().accepted_before == Some(key);
        let is_late = was_before && !held();
        let mut past = self.past();
        past.lately_refused.forget(key);
        if is_late || self.accepted.is(key) {
            return false;
        }
        let before = self.accepted.0.swap(key.0.get(), Ordering::Relaxed);
        past.accepted_before = NonZeroU64::new(before).map(KeyMark);
        true
    }

    /// A request with this key was refused.
    pub(super) fn refuse(&self, key: KeyMark, now: Instant) -> Refusal {
        let mut past = self.past();
        past.lately_refused.add(key);
        self.refusing.store(true, Ordering::Relaxed);
        let was_accepted = self.accepted.is(key) || past.accepted_before == Some(key);
        past.restraint.refuse(key, was_accepted, now)
    }

    /// Whether this key may be shown to it although another service rejects it: it takes the strategy's keys,
    /// and has not refused this one.
    pub(super) fn may_accept(&self, key: KeyMark) -> bool {
        self.accepted.is_any() && !self.past().lately_refused.contains(key)
    }

    /// Notes the key of a request if `held` says that it is the strategy's; asked once per key.
    pub(super) fn note_if_held(&self, key: KeyMark, held: impl FnOnce() -> bool) {
        if !self.shared.is(key) {
            self.note_other_if_held(key, held);
        }
    }

    #[cold]
    fn note_other_if_held(&self, key: KeyMark, held: impl FnOnce() -> bool) {
        // without the lock: it may ask the strategy
        if self.was_held(key) || !held() {
            return;
        }
        let mut past = self.past();
        if self.shared.is(key) || past.shared.contains(key) {
            return;
        }
        let before = self.shared.0.swap(key.0.get(), Ordering::Relaxed);
        if let Some(before) = NonZeroU64::new(before).map(KeyMark) {
            past.shared.add(before);
        }
    }

    /// Whether this key, of a request, was the strategy's when it was looked at.
    pub(super) fn was_held(&self, key: KeyMark) -> bool {
        self.shared.is(key) || self.past().shared.contains(key)
    }

    pub(super) fn mark_stale(&self, key: KeyMark) {
        self.stale.set(key);
    }

    pub(super) fn is_stale(&self, key: KeyMark) -> bool {
        self.stale.is(key)
    }

    /// Whether this is the first time that a client of it is found to sign with something else than what
    /// the strategy holds.
    pub(super) fn is_first_miswired(&self) -> bool {
        !self.miswired.swap(true, Ordering::Relaxed)
    }

    pub(super) fn has_miswired(&self) -> bool {
        self.miswired.load(Ordering::Relaxed)
    }

    /// A panic cannot leave it torn: nothing in between can fail.
    fn past(&self) -> MutexGuard<'_, Past> {
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        for part in [&self.region, &self.endpoint].into_iter().flatten() {
            write!(f, " {part}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Service({self})")
    }
}

#[cfg(test)]
#[allow(clippy::panic)]
mod tests {
    use super::Refusal::{HoldBack, PassOn, PassOnLast};
    use super::*;
    use std::time::Duration;

    fn service() -> Service {
        Service::new(&Asked {
            name: "SQS",
            region: Some("us-east-1"),
            endpoint: None,
        })
    }

    fn key(number: u32) -> KeyMark {
        KeyMark::of(&format!("ASIA{number}"), None)
    }

    #[test]
    fn an_acceptance_is_news_once_per_key_late_answers_of_the_key_before_included() {
        let service = service();
        let news: Vec<_> = [1, 1, 2, 1, 2, 1, 3, 2]
            .into_iter()
            .filter(|number| service.accept(key(*number), || false))
            .collect();
        assert_eq!(news, [1, 2, 3]);
    }

    #[test]
    fn a_key_that_comes_back_in_turn_is_news_each_time() {
        let service = service();
        let news = [1, 2, 1, 2].map(|number| service.accept(key(number), || true));
        assert_eq!(news, [true; 4]);
    }

    #[test]
    fn two_new_keys_refused_in_a_row_are_the_last_for_ten_minutes() {
        let (service, start) = (service(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(service.refuse(key(1), start), PassOn);
        assert_eq!(service.refuse(key(1), after(1)), PassOn, "no new key");
        assert_eq!(service.refuse(key(2), after(2)), PassOnLast);
        assert_eq!(service.refuse(key(2), after(3)), HoldBack);
        assert_eq!(service.refuse(key(3), after(601)), HoldBack);
        assert_eq!(service.refuse(key(3), after(602)), PassOn, "one try");
        assert_eq!(service.refuse(key(4), after(603)), HoldBack);
        assert_eq!(service.refuse(key(4), after(1201)), HoldBack);
        assert_eq!(service.refuse(key(4), after(1202)), PassOn);
    }

    #[test]
    fn keys_that_were_the_strategys_are_known_for_a_while() {
        let service = service();
        for number in 1..=6 {
            service.note_if_held(key(number), || true);
        }
        service.note_if_held(key(3), || panic!("is known"));
        service.note_if_held(key(7), || false);
        let known: Vec<_> = (1..=7).filter(|n| service.was_held(key(*n))).collect();
        assert_eq!(known, [2, 3, 4, 5, 6]);
    }

    #[test]
    fn a_late_refusal_of_the_key_before_leaves_the_next_one_refused() {
        let (service, now) = (service(), Instant::now());
        service.accept(key(1), || false);
        for refused in [1, 2, 1] {
            service.refuse(key(refused), now);
        }
        assert!(!service.may_accept(key(1)) && !service.may_accept(key(2)));
        assert!(service.may_accept(key(3)));
        service.accept(key(2), || false);
        assert!(service.may_accept(key(2)), "an acceptance is newer");
        // whatever else is accepted between its refusal and its acceptance
        for late in [1, 3] {
            service.refuse(key(2), now);
            service.accept(key(late), || false);
            service.accept(key(2), || false);
            assert!(service.may_accept(key(2)), "after {late}");
        }
    }

    #[test]
    fn an_acceptance_ends_it() {
        let (service, now) = (service(), Instant::now());
        service.refuse(key(1), now);
        assert_eq!(service.refuse(key(2), now), PassOnLast);
        assert!(service.accept(key(2), || false));
        assert_eq!(service.refuse(key(3), now), PassOn);
        assert_eq!(service.refuse(key(4), now), PassOnLast);
    }

    #[test]
    fn a_key_that_worked_before_is_not_counted() {
        let (service, now) = (service(), Instant::now());
        service.accept(key(1), || false);
        service.accept(key(2), || false);
        for refused in [2, 1, 2, 3] {
            assert_eq!(service.refuse(key(refused), now), PassOn);
        }
        assert_eq!(service.refuse(key(4), now), PassOnLast);
    }
}
