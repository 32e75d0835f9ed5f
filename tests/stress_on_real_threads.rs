//! Promise: on real threads, with sessions of seconds and services that reject keys, no answer is torn, none
//! has expired, no two fetches are alive at once, and who rejects a key while another comes is told so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use aws_credential_strategies::{
    CredentialCache, CredentialSource, Credentials, RefreshPolicy, Rejection, Result,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use tokio::runtime::Builder;

const THREADS: u64 = 20;
const READS: u64 = 4_000;
const LIFETIME: Duration = Duration::from_secs(4);

/// Answers in 5 ms, with a key, a secret and a token that belong together.
#[derive(Debug, Default)]
struct Short {
    fetches: AtomicU64,
    alive: AtomicU64,
    together: AtomicU64,
}

impl CredentialSource for Short {
    fn name(&self) -> &'static str {
        "Short"
    }

    async fn fetch(&self) -> Result<Credentials> {
        struct Gone<'a>(&'a AtomicU64);
        impl Drop for Gone<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        if self.alive.fetch_add(1, Ordering::SeqCst) > 0 {
            self.together.fetch_add(1, Ordering::SeqCst);
        }
        let _gone = Gone(&self.alive);
        tokio::time::sleep(Duration::from_millis(5)).await;
        let number = self.fetches.fetch_add(1, Ordering::SeqCst) + 1;
        Ok(Credentials::new(
            format!("KEY-{number}"),
            format!("secret of KEY-{number}"),
            Some(format!("token of KEY-{number}")),
            Some(SystemTime::now() + LIFETIME),
            "test",
        ))
    }
}

#[test]
fn nothing_is_torn_nothing_has_expired_and_no_two_fetches_are_alive() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .unwrap();
    let cache = CredentialCache::new(Short::default(), RefreshPolicy::default());
    let reads = Arc::new(AtomicU64::new(0));
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (cache, runtime) = (cache.clone(), runtime.handle().clone());
            let reads = Arc::clone(&reads);
            std::thread::spawn(move || {
                let (mut torn, mut expired) = (0, 0);
                for read in 0..READS {
                    let served = runtime.block_on(cache.credentials()).unwrap();
                    let key = served.access_key_id();
                    if served.secret_access_key() != format!("secret of {key}")
                        || served.session_token() != Some(&format!("token of {key}"))
                    {
                        torn += 1;
                    }
                    if served.expiry().unwrap() <= SystemTime::now() {
                        expired += 1;
                    }
                    // Some services reject, others accept.
                    if read % 997 == thread {
                        cache.invalidate(key);
                    }
                    if read % 101 == thread {
                        cache.accepted(key);
                    }
                    if read % 4 == 0 {
                        std::thread::sleep(Duration::from_millis(6));
                    }
                    reads.fetch_add(1, Ordering::Relaxed);
                }
                (torn, expired)
            })
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), (0, 0), "torn, expired");
    }
    assert_eq!(reads.load(Ordering::Relaxed), THREADS * READS);
    let source = cache.source();
    assert_eq!(source.together.load(Ordering::SeqCst), 0, "alive at once");
    let fetches = source.fetches.load(Ordering::SeqCst);
    assert!(fetches > 3, "sessions and keys were replaced: {fetches}");
}

/// The answer of the one fetch may come in the middle of anybody's rejection: whoever rejects the key that it
/// replaces is told to repeat.
#[test]
fn who_rejects_while_the_replacement_comes_is_told_to_repeat() {
    const ROUNDS: usize = 400;
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let mut told = [0; 2];
    for _ in 0..ROUNDS {
        let cache = CredentialCache::new(Short::default(), RefreshPolicy::default());
        let first = runtime.block_on(cache.credentials()).unwrap();
        let rejecting: Vec<_> = (0..2)
            .map(|_| {
                let (cache, key) = (cache.clone(), first.access_key_id().to_owned());
                std::thread::spawn(move || {
                    loop {
                        match cache.invalidate(&key) {
                            Rejection::Invalidated => std::hint::spin_loop(),
                            other => return other,
                        }
                    }
                })
            })
            .collect();
        runtime.block_on(cache.credentials()).unwrap();
        for thread in rejecting {
            match thread.join().unwrap() {
                Rejection::NotCurrent => told[0] += 1,
                _ => told[1] += 1,
            }
        }
    }
    assert_eq!(told, [2 * ROUNDS, 0], "to repeat, not to repeat");
}
