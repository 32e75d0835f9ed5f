//! The 24 public vectors of the AWS SDKs' credential refresh: all of them under `aws_spec()`, and 21
//! under the default policy. The other three differ by design: the default serves valid credentials
//! through a terminal error.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use aws_credential_strategies::refresh::{Backoff, MAX_TIMER_SLEEP, MIN_ATTEMPT_SPACING, Stage};
use aws_credential_strategies::{Credentials, Error, RefreshPolicy, Result, Status};
use aws_smithy_async::time::TimeSource;
use serde::Deserialize;
use std::time::Duration;
use support::{HOUR, World, pass, seconds, settle};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// The default serves valid credentials through a terminal error; see [`differs_by_design`].
const DIFFER_BY_DESIGN: [&str; 3] = [
    "advisory-non-recoverable-raises-then-recovers",
    "mandatory-non-recoverable-raises-then-recovers",
    "non-recoverable-error-cached-on-retry",
];

const TERMINAL: &str = "the trust policy does not admit the caller";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Vector {
    id: String,
    given: Given,
    steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Given {
    cached_credentials: Cached,
    access_key_id: Option<String>,
    refresh_backoff_seconds: Option<u64>,
    configured_advisory_window_seconds: Option<u64>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
enum Cached {
    None,
    Valid,
    Advisory,
    Mandatory,
    Expired,
}

#[derive(Debug, Deserialize)]
#[serde(
    deny_unknown_fields,
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
enum Step {
    GetCredentials {
        response: Option<Response>,
        lifetime_seconds: Option<u64>,
        expected: Expected,
    },
    AdvanceTime {
        seconds: u64,
    },
    Invalidate {
        rejected_access_key_id: String,
    },
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Response {
    FreshCredentials,
    StaleCredentials,
    Error,
    NonRecoverableError,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Expected {
    result: Outcome,
    source_contacted: bool,
    rate_limited: bool,
    advisory_window_seconds: Option<u64>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
enum Outcome {
    CachedCredentials,
    NewCredentials,
    NoCredentialsError,
    NonRecoverableError,
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("data/credential-refresh-vectors.json")).unwrap()
}

/// A cache as the vector starts with, placed by one clock jump in a session of one hour.
async fn given(given: &Given, policy: RefreshPolicy) -> World {
    let mut policy = policy;
    if let Some(backoff) = given.refresh_backoff_seconds {
        policy = policy.backoff(Backoff::fixed(seconds(backoff)));
    }
    if let Some(window) = given.configured_advisory_window_seconds {
        policy = policy.advisory_window(seconds(window));
    }
    let world = World::new(policy);
    let left = match given.cached_credentials {
        Cached::None => return world,
        Cached::Valid => 1800,
        Cached::Advisory => 300,
        Cached::Mandatory => 30,
        Cached::Expired => -10,
    };
    let key = given.access_key_id.as_deref().unwrap_or("AKID-CACHED");
    let world = world.filled(key, HOUR).await;
    pass(seconds(1)).await;
    world.wall.step_forward(seconds((3599 - left) as u64));
    world
}

/// Lets a call that has been made reach the source; attempts keep at least [`MIN_ATTEMPT_SPACING`].
async fn contact(world: &mut World) -> Option<support::Call> {
    pass(MIN_ATTEMPT_SPACING).await;
    world.gate.pending()
}

impl World {
    fn response(&self, response: Response, number: usize, life: Duration) -> Result<Credentials> {
        let key = format!("AKID-NEW-{number}");
        match response {
            Response::FreshCredentials => Ok(self.session(&key, life)),
            Response::StaleCredentials => Ok(support::session(
                &key,
                aws_smithy_async::time::TimeSource::now(&self.wall) - seconds(10),
            )),
            Response::Error => Err(Error::recoverable("the source is down")),
            Response::NonRecoverableError => Err(Error::terminal(TERMINAL)),
        }
    }
}

/// A refresh was due on entry, and a wait was in force; an error kept from before is not that.
fn is_rate_limited(before: &Status, now: std::time::SystemTime) -> bool {
    // The drawn point of a first try is not a wait.
    let due = before.stage >= Stage::Advisory && before.consecutive_failures > 0;
    let paused = before.next_attempt_at.is_some_and(|next| next > now);
    let terminal = before.last_error.as_ref().is_some_and(|last| last.terminal);
    due && paused && !terminal
}

fn outcome(answer: &Result<Credentials>, before: &Status) -> Outcome {
    match answer {
        Ok(served) if before.key_id.as_deref() == Some(served.access_key_id()) => {
            Outcome::CachedCredentials
        }
        Ok(_) => Outcome::NewCredentials,
        Err(error) if error.is_terminal() => Outcome::NonRecoverableError,
        Err(_) => Outcome::NoCredentialsError,
    }
}

async fn answer_of(call: JoinHandle<Result<Credentials>>) -> Result<Credentials> {
    call.await.unwrap()
}

/// One vector, to the letter: each call is answered by the response that the vector gives it.
async fn run_literally(vector: &Vector) {
    let mut world = given(&vector.given, RefreshPolicy::aws_spec()).await;
    for (number, step) in vector.steps.iter().enumerate() {
        let at = format!("{} step {number}", vector.id);
        match step {
            Step::AdvanceTime { seconds: by } => pass(seconds(*by)).await,
            Step::Invalidate {
                rejected_access_key_id,
            } => {
                world.cache.invalidate(rejected_access_key_id);
            }
            Step::GetCredentials {
                response,
                lifetime_seconds,
                expected,
            } => {
                let before = world.cache.status();
                let limited = is_rate_limited(&before, world.wall.now());
                let call = world.call();
                let contacted = contact(&mut world).await;
                assert_eq!(
                    contacted.is_some(),
                    expected.source_contacted,
                    "{at}: source"
                );
                if let Some(contacted) = contacted {
                    let response = response.unwrap_or_else(|| panic!("{at}: source contacted"));
                    let life = lifetime_seconds.map_or(HOUR, seconds);
                    contacted.answer(world.response(response, number, life));
                }
                let answer = answer_of(call).await;
                assert_eq!(
                    outcome(&answer, &before),
                    expected.result,
                    "{at}: {answer:?}"
                );
                assert_eq!(limited, expected.rate_limited, "{at}: rate limited");
                if let Some(window) = expected.advisory_window_seconds {
                    let own = world.cache.status().advisory_window;
                    assert_eq!(own, Some(seconds(window)), "{at}: window");
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn all_24_under_the_aws_rules() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 24);
    for vector in &vectors {
        run_literally(vector).await;
    }
}

/// One vector under the default policy: let the refresh settle (advance to the next attempt where there
/// is one, finish the fetch), then ask again.
async fn run_settled(vector: &Vector) {
    // The timer's own attempts, made while time is advanced, are answered by the step that follows.
    let mut world = given(&vector.given, RefreshPolicy::default().fetch_timeout(HOUR)).await;
    for (number, step) in vector.steps.iter().enumerate() {
        let at = format!("{} step {number}", vector.id);
        match step {
            Step::AdvanceTime { seconds: by } => pass(seconds(*by)).await,
            Step::Invalidate {
                rejected_access_key_id,
            } => {
                world.cache.invalidate(rejected_access_key_id);
            }
            Step::GetCredentials {
                response,
                lifetime_seconds,
                expected,
            } => {
                let before = world.cache.status();
                let limited = is_rate_limited(&before, world.wall.now());
                let call = world.call();
                let mut contacted = contact(&mut world).await;
                if contacted.is_none() && expected.source_contacted {
                    // Served at once; the refresh comes on its own, at its planned point.
                    let now = world.wall.now();
                    let next = world
                        .cache
                        .status()
                        .next_attempt_at
                        .expect("an attempt planned");
                    let wait = next.duration_since(now).unwrap_or_default();
                    // The clock was jumped under a timer that reads it again once a minute.
                    contacted = timeout(wait + MAX_TIMER_SLEEP, world.gate.call())
                        .await
                        .ok();
                }
                assert_eq!(
                    contacted.is_some(),
                    expected.source_contacted,
                    "{at}: source"
                );
                if let Some(contacted) = contacted {
                    let response = response.unwrap_or_else(|| panic!("{at}: source contacted"));
                    let life = lifetime_seconds.map_or(HOUR, seconds);
                    contacted.answer(world.response(response, number, life));
                    settle().await;
                }
                let first = answer_of(call).await;
                // Nothing to serve: the answer is the error, and asking again would be another attempt.
                let answer = match first {
                    Err(error) if before.key_id.is_none() => Err(error),
                    _ => world.cache.credentials().await,
                };
                assert_eq!(
                    outcome(&answer, &before),
                    expected.result,
                    "{at}: {answer:?}"
                );
                assert_eq!(limited, expected.rate_limited, "{at}: rate limited");
                if let Some(window) = expected.advisory_window_seconds {
                    let own = world.cache.status().advisory_window;
                    assert_eq!(own, Some(seconds(window)), "{at}: window");
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_21_that_agree_under_the_default_policy() {
    let mut agreed = 0;
    for vector in vectors() {
        if !DIFFER_BY_DESIGN.contains(&vector.id.as_str()) {
            run_settled(&vector).await;
            agreed += 1;
        }
    }
    assert_eq!(agreed, 21);
}

#[tokio::test(start_paused = true)]
async fn differs_by_design_valid_credentials_are_served_through_a_terminal_error() {
    for id in DIFFER_BY_DESIGN {
        let vector = vectors()
            .into_iter()
            .find(|vector| vector.id == id)
            .unwrap();
        let mut world = given(&vector.given, RefreshPolicy::default()).await;
        let mut news = world.cache.subscribe();
        let answer = world.call();
        let call = match contact(&mut world).await {
            Some(call) => call,
            None => timeout(MAX_TIMER_SLEEP, world.gate.call())
                .await
                .expect("the overdue refresh"),
        };
        call.answer(Err(Error::terminal(TERMINAL)));
        settle().await;
        assert_eq!(
            answer.await.unwrap().unwrap().access_key_id(),
            "AKID-CACHED",
            "{id}: served"
        );
        // The error stands in the status and on the subscription instead.
        for status in [world.cache.status(), news.borrow_and_update().clone()] {
            let last = status.last_error.expect("the error stands");
            assert!(last.terminal, "{id}");
            assert!(last.line.contains(TERMINAL), "{id}: {}", last.line);
        }
        let again = world.cache.credentials().await.unwrap();
        assert_eq!(again.access_key_id(), "AKID-CACHED", "{id}: served again");
        // Trust policies get mended: it is asked again, within ten minutes at most.
        let next = world
            .cache
            .status()
            .next_attempt_at
            .expect("no error ends refreshing");
        let wait = next.duration_since(world.wall.now()).unwrap_or_default();
        assert!(wait <= seconds(600), "{id}: {wait:?}");
        pass(wait + seconds(1)).await;
        let fetched = world.session("AKID-NEW", HOUR);
        world.gate.call().await.answer(Ok(fetched));
        settle().await;
        let healed = world.cache.credentials().await.unwrap();
        assert_eq!(healed.access_key_id(), "AKID-NEW", "{id}: healed");
        assert!(world.cache.status().last_error.is_none(), "{id}");
    }
}
