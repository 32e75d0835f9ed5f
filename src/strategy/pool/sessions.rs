//! The sessions of a pool: those that it keeps, the least recently used the first to go, and all that live.

use super::key::{KeptKey, RoleKey};
use super::role::PooledRole;
use super::source::PooledSource;
use crate::refresh::WeakCache;
use lru::LruCache;
use rapidhash::fast::RandomState;
use std::collections::HashMap;
use std::num::NonZeroUsize;

pub(super) struct Sessions {
    /// Those that the pool keeps. Bounded here and not by itself: it would take the room for all of them at once.
    kept: LruCache<KeptKey, PooledRole, RandomState>,
    max_kept: NonZeroUsize,
    /// All that live, whoever keeps them, and some that do not any more.
    known: HashMap<KeptKey, WeakCache<PooledSource>>,
    /// Those that do not are swept out when there are so many; twice what was left last time, so that a new
    /// session costs the same however many are held.
    sweep_at: usize,
}

impl Sessions {
    pub(super) fn new(max_kept: NonZeroUsize) -> Self {
        Sessions {
            kept: LruCache::unbounded_with_hasher(RandomState::new()),
            max_kept,
            known: HashMap::new(),
            sweep_at: max_kept.get().saturating_mul(2),
        }
    }

    /// One that is kept, from now on the most recently used.
    pub(super) fn used(&mut self, key: &RoleKey<'_>) -> Option<PooledRole> {
        self.kept.get(key).cloned()
    }

    /// The session of this key, kept from now on: the one that lives, or a new one. Also the one that went for it,
    /// to be let go by the caller: not under the lock.
    pub(super) fn add(
        &mut self,
        key: KeptKey,
        new: impl FnOnce(&KeptKey) -> PooledRole,
    ) -> (PooledRole, Option<PooledRole>) {
        // Another caller may have been here since it was looked for.
        if let Some(role) = self.used(&key.0) {
            return (role, None);
        }
        let alive = self.known.get(&key).and_then(WeakCache::upgrade);
        let role = match alive {
            Some(cache) => PooledRole { cache },
            None => {
                let role = new(&key);
                self.know(key.clone(), &role);
                role
            }
        };
        self.kept.put(key, role.clone());
        let is_full = self.kept.len() > self.max_kept.get();
        let let_go = if is_full { self.kept.pop_lru() } else { None };
        (role, let_go.map(|(_, role)| role))
    }

    fn know(&mut self, key: KeptKey, role: &PooledRole) {
        if self.known.len() >= self.sweep_at {
            self.known.retain(|_, role| !role.is_gone());
            let left = self.known.len().max(self.max_kept.get());
            self.sweep_at = left.saturating_mul(2);
        }
        // With its key, which one that is dead would else keep.
        self.known.remove(&key);
        self.known.insert(key, role.cache.downgrade());
    }

    /// All that are kept, the most recently used first.
    pub(super) fn kept(&self) -> Vec<PooledRole> {
        self.kept.iter().map(|(_, role)| role.clone()).collect()
    }
}
