//! `Status` tells what is held, what became of the refreshes and what comes next, in every situation.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use aws_credential_strategies::refresh::{Backoff, Clock, Jitter, Stage};
use aws_credential_strategies::{
    CredentialCache, CredentialFault, CredentialSource, Credentials, Error, ErrorKind, RefreshMode,
    RefreshPolicy, Rejection, Result, Status,
};
use aws_smithy_async::time::TimeSource;
use futures_util::FutureExt;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use support::{GatedSource, HOUR, SECRET, Shared, TOKEN, Wall, World, pass, seconds, settle};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// A point of the wall clock, so many milliseconds after its start at 2027-01-15T08:00:00Z.
fn at(millis: u64) -> Option<SystemTime> {
    Some(UNIX_EPOCH + seconds(1_800_000_000) + Duration::from_millis(millis))
}

fn on_demand() -> RefreshPolicy {
    RefreshPolicy::default().mode(RefreshMode::OnDemand)
}

async fn filled(policy: RefreshPolicy) -> World {
    World::new(policy).filled("KEY-1", HOUR).await
}

/// The source's next answer, however it comes to be asked.
async fn answer(world: &mut World, answer: Result<Credentials>) {
    assert!(world.gate.call().await.answer(answer));
    settle().await;
}

/// A call that finds no valid credentials, answered by a failure of the source.
async fn failed_call(world: &mut World, error: Error) {
    let caller = world.call();
    answer(world, Err(error)).await;
    let _ = caller.await.unwrap();
}

fn forced(world: &World) -> JoinHandle<Result<Credentials>> {
    let cache = world.cache.clone();
    tokio::spawn(async move { cache.refresh().await })
}

fn json_of(status: &Status) -> Value {
    serde_json::to_value(status).unwrap()
}

/// What an empty cache says, with these fields changed.
fn cold_but(changes: Value) -> Value {
    let mut all = json!({
        "stage": "cold",
        "key_id": null,
        "account_id": null,
        "subject": null,
        "generation": 0,
        "fetched_at": null,
        "expires_at": null,
        "advisory_window": null,
        "next_attempt_at": null,
        "invalidated": false,
        "suspected": false,
        "rejections_in_a_row": 0,
        "rejected_key_returned": false,
        "last_error": null,
        "consecutive_failures": 0,
        "fetches": 0,
        "waits": 0,
        "served_expired": 0,
    });
    change(&mut all, changes);
    all
}

/// What a cache says that was filled by its first call with an hour's session, with these fields
/// changed.
fn filled_but(changes: Value) -> Value {
    let mut all = cold_but(json!({
        "stage": "fresh",
        "key_id": "KEY-1",
        "generation": 1,
        "fetched_at": "2027-01-15T08:00:00Z",
        "expires_at": "2027-01-15T09:00:00Z",
        "advisory_window": { "secs": 900, "nanos": 0 },
        // The draw for jitter 0.5 lies in the middle of [E − 900 s, E − 300 s].
        "next_attempt_at": "2027-01-15T08:50:00Z",
        "fetches": 1,
        "waits": 1,
    }));
    change(&mut all, changes);
    all
}

fn change(all: &mut Value, changes: Value) {
    let Value::Object(changes) = changes else {
        panic!("an object of fields");
    };
    for (field, value) in changes {
        assert!(all.get(&field).is_some(), "no field {field}");
        all[field] = value;
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_cache_has_nothing_to_tell() {
    let world = World::new(RefreshPolicy::default());
    assert_eq!(json_of(&world.cache.status()), cold_but(json!({})));
}

#[tokio::test(start_paused = true)]
async fn a_fetch_under_way_is_counted_when_it_starts() {
    let mut world = World::new(RefreshPolicy::default());
    let _caller = world.call();
    let _under_way = world.gate.call().await;
    assert_eq!(
        json_of(&world.cache.status()),
        cold_but(json!({ "fetches": 1, "waits": 1 }))
    );
}

#[tokio::test(start_paused = true)]
async fn the_stages_of_a_session_and_the_attempt_planned_in_each() {
    let world = filled(on_demand()).await;
    assert_eq!(json_of(&world.cache.status()), filled_but(json!({})));
    // E − 900 s is Advisory, and the draw is still to come.
    pass(Duration::from_millis(2_699_999)).await;
    assert_eq!(json_of(&world.cache.status()), filled_but(json!({})));
    pass(Duration::from_millis(1)).await;
    assert_eq!(
        json_of(&world.cache.status()),
        filled_but(json!({ "stage": "advisory" }))
    );
    // Past the draw: now, as soon as somebody calls.
    pass(seconds(400)).await;
    assert_eq!(
        json_of(&world.cache.status()),
        filled_but(json!({ "stage": "advisory", "next_attempt_at": "2027-01-15T08:51:40Z" }))
    );
    // E − 60 s is Mandatory.
    pass(Duration::from_millis(439_999)).await;
    assert_eq!(world.cache.status().stage, Stage::Advisory);
    pass(Duration::from_millis(1)).await;
    assert_eq!(
        json_of(&world.cache.status()),
        filled_but(json!({ "stage": "mandatory", "next_attempt_at": "2027-01-15T08:59:00Z" }))
    );
    pass(Duration::from_millis(59_999)).await;
    assert_eq!(world.cache.status().stage, Stage::Mandatory);
    pass(Duration::from_millis(1)).await;
    assert_eq!(
        json_of(&world.cache.status()),
        filled_but(json!({ "stage": "expired", "next_attempt_at": "2027-01-15T09:00:00Z" }))
    );
}

#[tokio::test(start_paused = true)]
async fn credentials_that_never_expire_have_no_times_but_their_fetch() {
    let mut world = World::new(RefreshPolicy::default());
    let caller = world.call();
    let keys = Credentials::new("KEY-1", SECRET, None, None, "test");
    answer(&mut world, Ok(keys)).await;
    caller.await.unwrap().unwrap();
    pass(HOUR * 24).await;
    assert_eq!(
        json_of(&world.cache.status()),
        filled_but(json!({ "expires_at": null, "advisory_window": null, "next_attempt_at": null }))
    );
}

#[tokio::test(start_paused = true)]
async fn the_advisory_window_is_that_of_the_lifetime_or_the_configured_one() {
    for (lifetime, window) in [
        // ≤ 20 min: 5 min; < 90 min: 15 min; else 60 min; never more than ¾ of the lifetime.
        (300, 225),
        (1200, 300),
        (1201, 900),
        (5399, 900),
        (5400, 3600),
    ] {
        let world = World::new(on_demand())
            .filled("KEY-1", seconds(lifetime))
            .await;
        let told = world.cache.status().advisory_window;
        assert_eq!(told, Some(seconds(window)), "{lifetime} s");
    }
    let world = filled(on_demand().advisory_window(seconds(120))).await;
    let told = world.cache.status().advisory_window;
    assert_eq!(told, Some(seconds(120)));
}

#[tokio::test(start_paused = true)]
async fn a_failure_stands_with_its_kind_line_and_time_until_a_success() {
    let mut world = filled(RefreshPolicy::default()).await;
    pass(seconds(3000)).await;
    let call = world.gate.call().await;
    pass(seconds(2)).await;
    call.fail();
    settle().await;
    let told = world.cache.status();
    assert_eq!(
        json_of(&told),
        filled_but(json!({
            "stage": "advisory",
            // The first pause: the middle of 0.5–1 s.
            "next_attempt_at": "2027-01-15T08:50:02.75Z",
            "last_error": {
                "kind": "Other",
                "line": "fetch credentials: the test said no",
                "terminal": false,
                "for_present_need": true,
                "at": "2027-01-15T08:50:02Z",
            },
            "consecutive_failures": 1,
            "fetches": 2,
        }))
    );
    let last = told.last_error.unwrap();
    assert_eq!(last.kind, ErrorKind::Other);
    assert_eq!(last.at, at(3_002_000));

    answer(&mut world, Err(Error::throttled("slow down"))).await;
    let told = world.cache.status();
    assert_eq!(
        json_of(&told),
        filled_but(json!({
            "stage": "advisory",
            // The second: twice that, times five where fewer calls were asked for.
            "next_attempt_at": "2027-01-15T08:50:10.25Z",
            "last_error": {
                "kind": "Throttled",
                "line": "fetch credentials: slow down",
                "terminal": false,
                "for_present_need": true,
                "at": "2027-01-15T08:50:02.75Z",
            },
            "consecutive_failures": 2,
            "fetches": 3,
        }))
    );

    let call = world.gate.call().await;
    call.answer(Ok(world.session("KEY-2", HOUR)));
    settle().await;
    assert_eq!(
        json_of(&world.cache.status()),
        filled_but(json!({
            "key_id": "KEY-2",
            "generation": 2,
            "fetched_at": "2027-01-15T08:50:10.25Z",
            "expires_at": "2027-01-15T09:50:10.25Z",
            "next_attempt_at": "2027-01-15T09:40:10.25Z",
            "fetches": 4,
        }))
    );
}

#[tokio::test(start_paused = true)]
async fn a_terminal_failure_is_told_as_such() {
    let mut world = filled(RefreshPolicy::default()).await;
    pass(seconds(3000)).await;
    answer(&mut world, Err(Error::terminal("denied"))).await;
    let told = world.cache.status();
    let last = told.last_error.unwrap();
    assert!(last.terminal);
    assert_eq!(last.line, "fetch credentials: denied");
    // The middle of 300–600 s.
    assert_eq!(told.next_attempt_at, at(3_450_000));
}

#[tokio::test(start_paused = true)]
async fn a_kind_is_serialised_by_its_name_alone() {
    let mut world = World::new(RefreshPolicy::default());
    let caller = world.call();
    let over = support::session("KEY-1", world.wall.now());
    answer(&mut world, Ok(over)).await;
    caller.await.unwrap().unwrap();
    let told = world.cache.status();
    assert_eq!(json_of(&told)["last_error"]["kind"], "Credential");
    let kind = told.last_error.unwrap().kind;
    assert_eq!(kind, ErrorKind::Credential(CredentialFault::Expired));
}

#[tokio::test(start_paused = true)]
async fn the_next_attempt_is_the_wait_or_the_mandatory_window_whichever_is_first() {
    let policy = RefreshPolicy::default().backoff(Backoff::fixed(seconds(420)));
    let mut world = filled(policy).await;
    pass(seconds(3000)).await;
    answer(&mut world, Err(Error::recoverable("not now"))).await;
    assert_eq!(world.cache.status().next_attempt_at, at(3_420_000));
    // Another 420 s would end after the opening of the mandatory window at E − 60 s.
    answer(&mut world, Err(Error::recoverable("not now"))).await;
    assert_eq!(world.cache.status().next_attempt_at, at(3_540_000));
    // Its one attempt has been made: now the wait counts.
    answer(&mut world, Err(Error::recoverable("not now"))).await;
    assert_eq!(world.wall.now(), at(3_540_000).unwrap());
    assert_eq!(world.cache.status().next_attempt_at, at(3_960_000));
}

#[tokio::test(start_paused = true)]
async fn a_forced_refresh_that_failed_long_before_expiry_changes_no_plan() {
    let mut world = filled(RefreshPolicy::default()).await;
    pass(seconds(10)).await;
    let asked = forced(&world);
    answer(&mut world, Err(Error::recoverable("not now"))).await;
    asked.await.unwrap().unwrap_err();
    let told = world.cache.status();
    assert_eq!(told.next_attempt_at, at(3_000_000));
    assert_eq!(told.consecutive_failures, 1);
    assert_eq!(told.waits, 2, "who forces a refresh waits for it");
}

#[tokio::test(start_paused = true)]
async fn pauses_of_an_empty_cache_are_told_by_the_third_failure() {
    let mut world = World::new(RefreshPolicy::default());
    // The middle of 0.5–1 s, on from the third of three attempts that are 20 ms apart.
    for (failure, next) in [(1, None), (2, None), (3, at(790))] {
        failed_call(&mut world, Error::recoverable("not now")).await;
        let told = world.cache.status();
        assert_eq!(told.stage, Stage::Cold);
        assert_eq!(told.consecutive_failures, failure);
        assert_eq!(told.next_attempt_at, next, "failure {failure}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_plan_for_nobody_is_minutes_away_until_somebody_asks() {
    let mut world = filled(RefreshPolicy::default()).await;
    // Past expiry the source is asked each 22.5 s; the attempt at 4,215 s is the first that comes more
    // than 10 min after expiry, with no call since.
    world.outage(seconds(4200)).await;
    assert_eq!(world.cache.status().next_attempt_at, at(4_215_000));
    world.outage(seconds(20)).await;
    assert_eq!(world.cache.status().next_attempt_at, at(4_665_000));

    // A look is no call.
    assert!(world.cache.current().is_none());
    let mut news = world.cache.subscribe();
    assert_eq!(world.cache.status().next_attempt_at, at(4_665_000));
    let served = world.cache.credentials().now_or_never();
    assert_eq!(served.expect("at once").unwrap().access_key_id(), "KEY-1");
    assert_eq!(world.cache.status().next_attempt_at, at(4_237_500));
    assert!(
        news.has_changed().unwrap(),
        "the timer and subscribers learn of the new plan"
    );
    let told = news.borrow_and_update().next_attempt_at;
    assert_eq!(told, at(4_237_500));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_planned_for_nobody_where_calls_drive() {
    let mut world = filled(on_demand()).await;
    pass(seconds(4300)).await;
    let asked = forced(&world);
    answer(&mut world, Err(Error::recoverable("not now"))).await;
    asked.await.unwrap().unwrap_err();
    // Failure 1 past expiry: the middle of 0.5–1 s.
    assert_eq!(world.cache.status().next_attempt_at, at(4_300_750));
}

#[tokio::test(start_paused = true)]
async fn under_the_aws_rules_only_a_wait_is_a_plan() {
    let mut world = filled(RefreshPolicy::aws_spec()).await;
    assert_eq!(world.cache.status().next_attempt_at, None);
    pass(seconds(3540)).await;
    assert_eq!(world.cache.status().next_attempt_at, None);
    failed_call(&mut world, Error::recoverable("not now")).await;
    // The middle of 300–600 s.
    assert_eq!(world.cache.status().next_attempt_at, at(3_990_000));
}

#[tokio::test(start_paused = true)]
async fn a_rejection_is_told_until_its_refresh_has_answered() {
    let mut world = filled(on_demand()).await;
    pass(seconds(10)).await;
    assert_eq!(world.cache.invalidate("KEY-1"), Rejection::Invalidated);
    assert_eq!(
        json_of(&world.cache.status()),
        filled_but(json!({
            "stage": "mandatory",
            "invalidated": true,
            "rejections_in_a_row": 1,
            "next_attempt_at": "2027-01-15T08:00:10Z",
        }))
    );
    let caller = world.call();
    let replacement = world.session("KEY-2", HOUR);
    answer(&mut world, Ok(replacement)).await;
    caller.await.unwrap().unwrap();
    assert_eq!(
        json_of(&world.cache.status()),
        filled_but(json!({
            "key_id": "KEY-2",
            "generation": 2,
            "rejections_in_a_row": 1,
            "fetched_at": "2027-01-15T08:00:10Z",
            "expires_at": "2027-01-15T09:00:10Z",
            "next_attempt_at": "2027-01-15T08:50:10Z",
            "fetches": 2,
            "waits": 2,
        }))
    );
}

#[tokio::test(start_paused = true)]
async fn a_rejected_key_that_returned_is_told_until_another_comes() {
    let mut world = filled(RefreshPolicy::default()).await;
    pass(seconds(10)).await;
    world.cache.invalidate("KEY-1");
    let same = support::session("KEY-1", at(3_600_000).unwrap());
    answer(&mut world, Ok(same)).await;
    let returned = filled_but(json!({
        "rejected_key_returned": true,
        "rejections_in_a_row": 1,
        // The middle of 300–600 s.
        "next_attempt_at": "2027-01-15T08:07:40Z",
        "fetches": 2,
    }));
    assert_eq!(json_of(&world.cache.status()), returned);
    // A further rejection of that key changes nothing.
    assert_eq!(world.cache.invalidate("KEY-1"), Rejection::SameKeyAgain);
    assert_eq!(json_of(&world.cache.status()), returned);

    // The same key with a later expiry is a new credential, but the rejected key all the same.
    let longer = support::session("KEY-1", at(7_200_000).unwrap());
    answer(&mut world, Ok(longer)).await;
    let told = world.cache.status();
    assert_eq!(told.generation, 2);
    assert_eq!(told.expires_at, at(7_200_000));
    assert!(told.rejected_key_returned);
    assert_eq!(told.next_attempt_at, at(910_000));

    let call = world.gate.call().await;
    call.answer(Ok(world.session("KEY-2", HOUR)));
    settle().await;
    let told = world.cache.status();
    assert!(!told.rejected_key_returned);
    assert_eq!(told.generation, 3);
    assert_eq!(world.cache.invalidate("KEY-2"), Rejection::Invalidated);
}

#[tokio::test(start_paused = true)]
async fn the_same_document_is_no_new_generation() {
    let mut world = filled(RefreshPolicy::default()).await;
    pass(seconds(3000)).await;
    let same = support::session("KEY-1", at(3_600_000).unwrap());
    answer(&mut world, Ok(same)).await;
    assert_eq!(
        json_of(&world.cache.status()),
        filled_but(json!({
            "stage": "advisory",
            // Half of the 600 s that are left.
            "next_attempt_at": "2027-01-15T08:55:00Z",
            "fetches": 2,
        }))
    );
}

/// A gated source that knows whom it asks for.
#[derive(Debug)]
struct Named(Shared<GatedSource>);

impl CredentialSource for Named {
    fn name(&self) -> &'static str {
        "Named"
    }

    fn subject(&self) -> Option<String> {
        Some("app-role".to_owned())
    }

    async fn fetch(&self) -> Result<Credentials> {
        self.0.fetch().await
    }
}

#[tokio::test(start_paused = true)]
async fn role_and_account_are_told_where_the_source_knows_them() {
    let (source, mut gate) = GatedSource::pair();
    let wall = Wall::starting();
    let cache = CredentialCache::new(Named(source), RefreshPolicy::default())
        .with_clock(Clock::with_wall(wall.clone()))
        .with_jitter(Jitter::from_fn(|| 0.5));
    assert_eq!(
        json_of(&cache.status()),
        cold_but(json!({ "subject": "app-role" }))
    );
    let session = Credentials::builder()
        .access_key_id("KEY-1")
        .secret_access_key(SECRET)
        .session_token(TOKEN)
        .expiry(wall.now() + HOUR)
        .account_id("123456789012")
        .provider_name("test")
        .build();
    let answering = async { gate.call().await.answer(Ok(session)) };
    let (served, _) = tokio::join!(cache.credentials(), answering);
    served.unwrap();
    assert_eq!(
        json_of(&cache.status()),
        filled_but(json!({ "subject": "app-role", "account_id": "123456789012" }))
    );
}

#[tokio::test(start_paused = true)]
async fn waits_are_the_calls_that_waited_whatever_they_got() {
    let mut world = World::new(RefreshPolicy::default());
    let callers: Vec<_> = (0..3).map(|_| world.call()).collect();
    let call = world.gate.call().await;
    settle().await;
    // Two that give up have waited all the same; one that comes after `wait_timeout` has not.
    callers[0].abort();
    callers[1].abort();
    pass(seconds(11)).await;
    world.call().await.unwrap().unwrap_err();
    assert_eq!(world.cache.status().waits, 3);
    call.answer(Ok(world.session("KEY-1", HOUR)));
    settle().await;
    for _ in 0..1000 {
        world.cache.credentials().await.unwrap();
        world.cache.current().unwrap();
    }
    assert_eq!(world.cache.status().waits, 3);
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn a_call_that_waits_on_through_an_abandoned_fetch_is_one_wait() {
    let (source, mut gate) = GatedSource::pair();
    let cache = CredentialCache::new(source, RefreshPolicy::default());
    let first = runtime();
    let _unanswered = first.block_on(async {
        let forced = cache.clone();
        tokio::spawn(async move { forced.refresh().await });
        gate.call().await
    });
    let second = runtime();
    let waiting = second.spawn({
        let cache = cache.clone();
        async move { cache.credentials().await }
    });
    second.block_on(settle());
    assert_eq!(cache.status().waits, 2, "the one that forced it, and one");
    drop(first);
    second.block_on(async {
        let call = gate.call().await;
        call.answer(Ok(support::session("KEY-2", SystemTime::now() + HOUR)));
        waiting.await.unwrap().unwrap();
    });
    assert_eq!(cache.status().fetches, 2);
    assert_eq!(cache.status().waits, 2);
}

#[tokio::test(start_paused = true)]
async fn served_expired_counts_each_call_answered_with_expired_credentials() {
    let mut world = filled(on_demand()).await;
    pass(HOUR).await;
    failed_call(&mut world, Error::recoverable("not now")).await;
    assert_eq!(world.cache.status().served_expired, 1);
    for _ in 0..1000 {
        world.cache.credentials().await.unwrap();
        assert!(world.cache.current().is_none());
    }
    assert_eq!(world.cache.status().served_expired, 1001);
    // An error is no answer with expired credentials.
    pass(seconds(1)).await;
    let caller = world.call();
    settle().await;
    assert_eq!(world.cache.status().served_expired, 1002);
    answer(&mut world, Err(Error::terminal("denied"))).await;
    caller.await.unwrap().unwrap();
    world.cache.credentials().await.unwrap_err();
    assert_eq!(world.cache.status().served_expired, 1002);
}

#[tokio::test(start_paused = true)]
async fn served_expired_counts_nothing_that_is_valid_or_refused() {
    let mut world = filled(on_demand().serve_expired(false)).await;
    pass(seconds(3599)).await;
    failed_call(&mut world, Error::recoverable("not now")).await;
    world.cache.credentials().await.unwrap();
    pass(seconds(1)).await;
    world.cache.credentials().await.unwrap_err();
    assert_eq!(world.cache.status().served_expired, 0);
}

#[tokio::test(start_paused = true)]
async fn a_subscription_tells_of_each_landing_and_each_rejection_once() {
    let mut world = filled(RefreshPolicy::default()).await;
    let mut news = world.cache.subscribe();
    assert!(!news.has_changed().unwrap());
    // Neither calls nor time nor the start of a fetch are news.
    world.cache.credentials().await.unwrap();
    pass(seconds(3000)).await;
    let call = world.gate.call().await;
    assert!(!news.has_changed().unwrap());

    call.fail();
    settle().await;
    assert!(news.has_changed().unwrap());
    assert_eq!(news.borrow_and_update().consecutive_failures, 1);

    assert_eq!(world.cache.invalidate("KEY-0"), Rejection::NotCurrent);
    assert!(!news.has_changed().unwrap());
    assert_eq!(world.cache.invalidate("KEY-1"), Rejection::Invalidated);
    assert!(news.has_changed().unwrap());
    assert!(news.borrow_and_update().invalidated);
    assert_eq!(world.cache.invalidate("KEY-1"), Rejection::Invalidated);
    assert!(!news.has_changed().unwrap(), "known already");

    let call = world.gate.call().await;
    assert!(!news.has_changed().unwrap());
    call.answer(Ok(world.session("KEY-2", HOUR)));
    settle().await;
    assert!(news.has_changed().unwrap());
    let told = news.borrow_and_update().clone();
    assert_eq!(json_of(&told), json_of(&world.cache.status()));
    assert_eq!(told.key_id.as_deref(), Some("KEY-2"));
    pass(seconds(60)).await;
    assert!(!news.has_changed().unwrap());
}

#[test]
fn a_subscription_begins_with_the_status_of_an_empty_cache() {
    let (source, _gate) = GatedSource::pair();
    let cache = CredentialCache::new(Named(source), RefreshPolicy::default());
    let told = cache.subscribe().borrow().clone();
    assert_eq!(json_of(&told), cold_but(json!({ "subject": "app-role" })));
}

#[tokio::test(start_paused = true)]
async fn a_subscription_closes_with_the_last_handle() {
    let world = filled(RefreshPolicy::default()).await;
    let mut news = world.cache.subscribe();
    let another = world.cache.clone();
    drop(world);
    assert!(news.changed().now_or_never().is_none(), "a handle is left");
    drop(another);
    assert!(news.changed().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn the_cache_shows_its_source_policy_and_status_and_no_secret() {
    let mut world = filled(RefreshPolicy::default()).await;
    pass(seconds(3000)).await;
    answer(&mut world, Err(Error::recoverable("not now"))).await;
    let status = world.cache.status();
    let shown = format!("{:?}", world.cache);
    for part in [
        "CredentialCache { source: Shared(GatedSource",
        "policy: RefreshPolicy { ",
        "status: Status { stage: Advisory, key_id: Some(\"KEY-1\")",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    for text in [shown, format!("{status:?}"), json_of(&status).to_string()] {
        assert!(text.contains("KEY-1"), "{text}");
        assert!(!text.contains(SECRET), "{text}");
        assert!(!text.contains(TOKEN), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_cache_has_a_plan_until_it_is_due_and_none_while_nobody_asks() {
    let idle = RefreshPolicy::default().idle_after(seconds(600));
    let world = World::new(idle).filled("KEY-1", HOUR).await;
    let next = || world.cache.status().next_attempt_at;
    // The middle of [E − 900 s, E − 300 s].
    let due = next().unwrap();
    pass(seconds(2500)).await;
    assert_eq!(next(), Some(due));
    pass(seconds(501)).await;
    assert_eq!(next(), None);
    assert_eq!(world.gate.count(), 1);
}
