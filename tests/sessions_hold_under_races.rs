//! The sessions of the example under races: a touch is never lost, a live session never deleted, an expired
//! one never handed out, nothing falls out of a cart.
#![cfg(all(feature = "table", feature = "local"))]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../examples/sessions/store.rs"]
#[allow(unreachable_pub, missing_debug_implementations)]
mod store;

use aws_credential_strategies::local::{KeyType, LocalCloud, NewIndex, NewTable};
use aws_credential_strategies::{Dynamo, InstanceProfile};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use store::{LIFETIME, Session, Sessions};

const TASKS: u64 = 64;
const STEPS: usize = 14;
const SESSIONS: usize = 12;

/// What the table has promised of one session.
#[derive(Debug, Default)]
struct Promised {
    /// The latest time that a touch was told the session lives until.
    until: AtomicU64,
    in_cart: AtomicUsize,
    created: AtomicUsize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_tasks_at_once_break_no_promise() {
    let cloud = LocalCloud::start().await.unwrap();
    let by_user = NewIndex::new("byUser", "user").sort_key("created", KeyType::Number);
    cloud
        .create_table(NewTable::new("Sessions", "id").index(by_user))
        .unwrap();
    let strategy = InstanceProfile::builder().endpoint(cloud.imds_endpoint());
    let db = Dynamo::new(strategy.build().unwrap(), &cloud.sdk_config());
    let sessions = Arc::new(Sessions(db.table("Sessions")));
    let promised: Arc<Vec<Promised>> =
        Arc::new((0..SESSIONS).map(|_| Promised::default()).collect());
    // a second of this clock passes with every call, so that sessions end while others are touched
    let clock = Arc::new(AtomicU64::new(1_000));

    let task = |seed: u64| {
        let (sessions, promised) = (Arc::clone(&sessions), Arc::clone(&promised));
        let clock = Arc::clone(&clock);
        async move {
            let mut chance = fastrand::Rng::with_seed(seed);
            for _ in 0..STEPS {
                // the second half of them is never touched, and ends
                let number = chance.usize(0..SESSIONS);
                let (id, promise) = (format!("s{number}"), &promised[number]);
                let tick = || clock.fetch_add(3, Ordering::SeqCst);
                match chance.u8(0..12) {
                    0..=1 => {
                        let now = tick();
                        let session = Session {
                            id,
                            user: format!("u{}", number % 3),
                            created: now,
                            expires: now + LIFETIME,
                            cart: Vec::new(),
                        };
                        if sessions.create(&session).await.unwrap() {
                            promise.until.fetch_max(session.expires, Ordering::SeqCst);
                            promise.created.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                    2..=5 if number < SESSIONS / 2 => {
                        let now = tick();
                        if sessions.touch(&id, now).await.unwrap() {
                            promise.until.fetch_max(now + LIFETIME, Ordering::SeqCst);
                        }
                    }
                    6..=7 if number < SESSIONS / 2 => {
                        let article = format!("{seed}-{}", chance.u64(..));
                        if sessions.add_to_cart(&id, &article, tick()).await.unwrap() {
                            promise.in_cart.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                    8..=9 => {
                        let until = promise.until.load(Ordering::SeqCst);
                        let now = clock.load(Ordering::SeqCst);
                        let read = sessions.get(&id, now).await.unwrap();
                        let lives = read.as_ref().is_some_and(|read| read.expires > now);
                        assert_eq!(lives, read.is_some(), "an expired one is handed out");
                        // it may have ended, and been deleted, since
                        let now = clock.load(Ordering::SeqCst);
                        assert!(
                            lives || until <= now,
                            "{id} was promised to {until}, gone at {now}"
                        );
                    }
                    10 => {
                        let now = clock.load(Ordering::SeqCst);
                        let user = format!("u{}", number % 3);
                        let all = sessions.of_user(&user, 0, now).await.unwrap();
                        assert!(all.iter().all(|session| session.expires > now));
                    }
                    _ => {
                        let now = tick();
                        sessions.clean_up(now).await.unwrap();
                    }
                }
            }
        }
    };
    let tasks: Vec<_> = (0..TASKS).map(|seed| tokio::spawn(task(seed))).collect();
    for task in tasks {
        task.await.unwrap();
    }

    let now = clock.load(Ordering::SeqCst);
    sessions.clean_up(now).await.unwrap();
    let mut live = 0;
    for (number, promise) in promised.iter().enumerate() {
        let until = promise.until.load(Ordering::SeqCst);
        let id = format!("s{number}");
        let read = sessions.get(&id, now).await.unwrap();
        if until <= now {
            assert!(
                read.is_none(),
                "{id} was promised to {until}, and is there at {now}"
            );
            continue;
        }
        live += 1;
        let read = read.unwrap_or_else(|| panic!("{id} was promised to {until}, gone at {now}"));
        assert_eq!(read.expires, until, "a touch of {id} was lost");
        let in_cart = promise.in_cart.load(Ordering::SeqCst);
        // one that was created again began with an empty cart
        if promise.created.load(Ordering::SeqCst) == 1 {
            assert_eq!(
                read.cart.len(),
                in_cart,
                "something fell out of the cart of {id}"
            );
        }
    }
    let again = |promise: &&Promised| promise.created.load(Ordering::SeqCst) > 1;
    assert!(
        live > 0 && promised.iter().any(|promise| again(&promise)),
        "some ended, some live"
    );
}
