//! Promise: a client whose service refuses every key costs the other clients of its strategy nothing. No call
//! of theirs waits, and the source is asked a few times.
#![cfg(feature = "table")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod recovery_support;
mod support;

use aws_credential_strategies::local::{LocalCloud, Role, Trust};
use aws_credential_strategies::refresh::{Backoff, Clock, MAX_ATTEMPTS_IN_PERIOD};
use aws_credential_strategies::sdk;
use aws_credential_strategies::source::Base;
use aws_credential_strategies::{
    AssumeRole, CredentialCache, CredentialStrategy, Credentials, Dynamo, Provided, RefreshMode,
    RefreshPolicy, Region,
};
use aws_smithy_runtime_api::client::http::{SharedHttpConnector, http_client_fn};
use recovery_support::{Answer, Issuer, LIFE, Recorded, Service, StillTime, UNKNOWN, get, list};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use support::{Call, Gate, GatedSource, Shared, World, seconds};
use tokio::task::yield_now;
use tokio::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);

fn policies() -> [(&'static str, RefreshPolicy); 4] {
    [
        ("background", RefreshPolicy::default()),
        (
            "on demand",
            RefreshPolicy::default().mode(RefreshMode::OnDemand),
        ),
        ("aws_spec", RefreshPolicy::aws_spec()),
        (
            "fixed",
            RefreshPolicy::default().backoff(Backoff::fixed(seconds(5))),
        ),
    ]
}

/// A strategy whose every fetch the test holds open, one service that accepts its keys, and clients.
struct Scene {
    time: StillTime,
    cache: CredentialCache<Shared<GatedSource>>,
    gate: Gate,
    wall: support::Wall,
    accepting: Service,
    healthy: aws_sdk_dynamodb::Client,
    asked: Vec<Instant>,
    reads: u32,
    /// Calls of the healthy client that waited.
    stalled: u32,
}

impl Scene {
    /// After the first read, and the fetch that fills the cache for it.
    async fn new(policy: RefreshPolicy) -> Self {
        let time = StillTime::begin();
        let World { cache, gate, wall } = World::new(policy);
        let accepting = Service::accepting().await;
        let mut scene = Scene {
            time,
            healthy: accepting.dynamodb(cache.clone()),
            cache,
            gate,
            wall,
            accepting,
            asked: Vec::new(),
            reads: 0,
            stalled: 0,
        };
        scene.read(None).await;
        assert_eq!(std::mem::take(&mut scene.stalled), 1, "the first waits");
        // The source is not asked twice within 20 ms.
        scene.pass(seconds(1)).await;
        scene
    }

    /// One read by the healthy client while this fetch is open, if any; counted if it waits, and then all
    /// fetches are answered.
    async fn read(&mut self, mut fetch: Option<Call>) {
        self.reads += 1;
        let client = self.healthy.clone();
        let waits = self.cache.status().waits;
        let read = tokio::spawn(async move { get(&client).await });
        let mut stalled = false;
        while !read.is_finished() {
            yield_now().await;
            if self.cache.status().waits > waits {
                stalled = true;
                if let Some(call) = fetch.take().or_else(|| self.gate.pending()) {
                    self.answer(call);
                }
            }
        }
        read.await.unwrap().unwrap();
        self.stalled += u32::from(stalled);
        if let Some(call) = fetch {
            self.answer(call);
        }
    }

    fn answer(&mut self, call: Call) {
        self.asked.push(call.at);
        let expiry = aws_smithy_async::time::TimeSource::now(&self.wall) + LIFE;
        let key = support::session(&format!("KEY-{}", call.number), expiry);
        call.answer(Ok(key));
    }

    /// One request of a refused client. Whenever the source is asked meanwhile, the healthy client reads before
    /// it answers.
    async fn refuse(&mut self, client: &aws_sdk_sqs::Client) {
        let client = client.clone();
        let request = tokio::spawn(async move { list(&client).await });
        while !request.is_finished() {
            self.read_during_fetches().await;
            yield_now().await;
        }
        request.await.unwrap().unwrap_err();
    }

    async fn read_during_fetches(&mut self) {
        if let Some(call) = self.gate.pending() {
            self.read(Some(call)).await;
        }
    }

    async fn pass(&mut self, time: Duration) {
        for _ in 0..(time.as_millis() / StillTime::STEP.as_millis()) {
            self.time.pass(StillTime::STEP).await;
            self.read_during_fetches().await;
        }
    }

    /// How often the source was asked within any ten minutes, at most.
    fn most_in_ten_minutes(&self) -> usize {
        let within = |start: &Instant| {
            let until = *start + 10 * MINUTE;
            let later = self
                .asked
                .iter()
                .filter(|at| *start <= **at && **at < until);
            later.count()
        };
        self.asked.iter().map(within).max().unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn no_call_of_the_others_waits_and_a_refused_client_costs_one_fetch_each_ten_minutes() {
    for (name, policy) in policies() {
        let mut scene = Scene::new(policy).await;
        let refusing = Service::refusing().await;
        let client = refusing.sqs(scene.cache.clone());
        for _ in 0..25 * 4 {
            scene.refuse(&client).await;
            scene.read(None).await;
            scene.pass(seconds(15)).await;
        }
        assert_eq!(scene.stalled, 0, "{name}");
        // The first, the one of the first rejection, and those of a try after ten and twenty minutes.
        assert_eq!(scene.asked.len(), 4, "{name}");
        assert_eq!(refusing.keys().len(), 25 * 4 + 3, "and as many repeats");
        assert_eq!(scene.accepting.keys().len(), scene.reads as usize, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_many_refused_clients_no_call_of_the_others_waits_and_46_fetches_in_ten_minutes_are_the_most()
 {
    for (name, policy) in policies() {
        let mut scene = Scene::new(policy).await;
        let refusing = [Service::refusing().await, Service::refusing().await];
        for round in 0..25 * 6 {
            // Each with a recovery of its own, of services in turn.
            let client = refusing[round % 2].sqs(scene.cache.clone());
            scene.refuse(&client).await;
            scene.read(None).await;
            scene.pass(StillTime::STEP).await;
            scene.refuse(&client).await;
            if round % 3 == 0 {
                // What comes of it is the callers' own matter.
                let (forced, wish) = (scene.cache.clone(), scene.cache.clone());
                tokio::spawn(async move { forced.refresh().await });
                tokio::spawn(async move { wish.credentials_valid_for(LIFE).await });
            }
            scene.pass(seconds(9)).await;
        }
        assert_eq!(scene.stalled, 0, "{name}");
        let most = scene.most_in_ten_minutes();
        assert!(most <= MAX_ATTEMPTS_IN_PERIOD, "{name}: {most}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_one_service_just_rejected_is_still_shown_to_those_that_accept_keys() {
    let mut scene = Scene::new(RefreshPolicy::default()).await;
    let refusing = Service::refusing().await;
    let (client, again) = (
        refusing.sqs(scene.cache.clone()),
        refusing.sqs(scene.cache.clone()),
    );
    let request = tokio::spawn(async move { list(&client).await });
    let fetch = scene.gate.call().await;
    assert!(scene.cache.status().invalidated);
    assert_eq!(scene.cache.current(), None);
    scene.accepting.new_keys();
    let waits = scene.cache.status().waits;
    get(&scene.healthy).await.unwrap();
    assert_eq!(scene.accepting.new_keys(), ["KEY-1"]);
    assert_eq!(scene.cache.status().waits, waits);
    // Who was never accepted waits.
    let second = tokio::spawn(async move { list(&again).await });
    while scene.cache.status().waits == waits {
        yield_now().await;
    }
    scene.answer(fetch);
    request.await.unwrap().unwrap_err();
    second.await.unwrap().unwrap_err();
    assert_eq!(refusing.keys(), ["KEY-1", "KEY-2", "KEY-2"]);
    assert_eq!(scene.gate.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_was_never_accepted_waits_for_the_key_to_come() {
    let time = StillTime::begin();
    let World {
        cache,
        mut gate,
        wall,
    } = World::new(RefreshPolicy::default());
    let expiry = aws_smithy_async::time::TimeSource::now(&wall) + LIFE;
    let filled = tokio::spawn({
        let cache = cache.clone();
        async move { cache.credentials().await }
    });
    gate.call()
        .await
        .answer(Ok(support::session("KEY-1", expiry)));
    filled.await.unwrap().unwrap();
    time.pass(seconds(1)).await;
    let (refusing, accepting) = (Service::refusing().await, Service::accepting().await);
    let (refused, healthy) = (
        refusing.sqs(cache.clone()),
        accepting.dynamodb(cache.clone()),
    );
    let request = tokio::spawn(async move { list(&refused).await });
    let fetch = gate.call().await;
    let waits = cache.status().waits;
    let read = tokio::spawn(async move { get(&healthy).await });
    while cache.status().waits == waits {
        yield_now().await;
    }
    fetch.answer(Ok(support::session("KEY-2", expiry)));
    read.await.unwrap().unwrap();
    request.await.unwrap().unwrap_err();
    assert_eq!(accepting.keys(), ["KEY-2"]);
}

#[tokio::test]
async fn with_mfa_a_person_is_asked_for_one_code_more() {
    const DEVICE: &str = "arn:aws:iam::123456789012:mfa/alice";
    let cloud = LocalCloud::start().await.unwrap();
    let trust = Trust::account(cloud.account()).mfa();
    cloud.add_role(Role::new("App").trust(trust)).unwrap();
    cloud.add_mfa_device(DEVICE, "123456");
    let codes = Arc::new(AtomicU64::new(0));
    let asked = Arc::clone(&codes);
    let strategy = AssumeRole::builder(cloud.role_arn("App"))
        .region(cloud.region())
        .sts_endpoint(cloud.sts_endpoint())
        .base_provider(cloud.create_access_key("alice"))
        .mfa(DEVICE, move || {
            asked.fetch_add(1, Ordering::SeqCst);
            async { Ok("123456".to_owned()) }
        })
        .build()
        .unwrap();
    let (accepting, refusing) = (Service::accepting().await, Service::refusing().await);
    let (healthy, refused) = (
        accepting.dynamodb(strategy.clone()),
        refusing.sqs(strategy.clone()),
    );
    get(&healthy).await.unwrap();
    for _ in 0..20 {
        list(&refused).await.unwrap_err();
        get(&healthy).await.unwrap();
    }
    assert_eq!(codes.load(Ordering::SeqCst), 2);
    assert_eq!(refusing.keys().len(), 20 + 1);
    assert_eq!(accepting.keys().len(), 21);
}

/// Rounds of a request that is refused, with a strategy put in for it alone or for all, and one that is accepted: the
/// fetches that they cost.
async fn fetches_of_rounds(for_each_request: bool) -> u64 {
    let issuer = Issuer::new();
    let cache = issuer.cache(RefreshPolicy::default());
    let refusing = Recorded::answering(|_| Answer::error(UNKNOWN));
    let accepting = Recorded::answering(|_| Answer::ok());
    // one whose region is not enabled for the account
    let [refused, accepted] =
        [(refusing, "ap-east-1"), (accepting, "us-east-1")].map(|(service, region)| {
            let settings = service.settings().into_builder();
            let settings = settings.region(Region::from_static(region)).build();
            Dynamo::new(Provided::fixed(key()), &settings)
        });
    let kept = refused.with_strategy(cache.clone());
    let healthy = accepted.with_strategy(cache.clone());
    for _ in 0..40 {
        let anew = refused.with_strategy(cache.clone());
        let of_this_request = if for_each_request { &anew } else { &kept };
        read(of_this_request).await.unwrap_err();
        read(&healthy).await.unwrap();
        tokio::time::sleep(seconds(10)).await;
    }
    issuer.fetches()
}

fn key() -> Credentials {
    Credentials::new("AKIANOBODY", "secret", None, None, "test")
}

async fn read<S: CredentialStrategy>(
    db: &Dynamo<S>,
) -> aws_credential_strategies::Result<Option<serde_json::Value>> {
    db.table("Items").get(("id", "123")).send().await
}

#[tokio::test(start_paused = true)]
async fn nor_does_one_whose_strategy_is_put_in_for_each_request() {
    let kept = fetches_of_rounds(false).await;
    assert_eq!(fetches_of_rounds(true).await, kept);
    assert!(kept <= 4, "{kept}");
}

/// STS as a client of the base: a region that is not enabled, another partition, another vendor.
#[tokio::test(start_paused = true)]
async fn nor_does_a_role_whose_sts_refuses_every_key_of_the_base() {
    for code in [UNKNOWN, "InvalidClientTokenId", "ExpiredToken"] {
        for (name, policy) in policies() {
            let issuer = Issuer::new();
            let base = issuer.cache(policy);
            let accepting = Recorded::answering(|_| Answer::ok());
            let healthy = aws_sdk_dynamodb::Client::from_conf(sdk::client_config!(
                aws_sdk_dynamodb,
                &accepting.settings(),
                base.clone()
            ));
            let body = format!(
                "<ErrorResponse><Error><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>"
            );
            let refusing = Recorded::answering(move |_| Answer::new(403, body.clone()));
            let connector = SharedHttpConnector::new(refusing.clone());
            let role = AssumeRole::builder("arn:aws:iam::123456789012:role/App")
                .region("ap-east-1")
                .http_client(http_client_fn(move |_, _| connector.clone()))
                .base(Base::strategy(base.clone()))
                .clock(Clock::with_wall(issuer.wall()))
                .refresh(policy)
                .build()
                .unwrap();
            get(&healthy).await.unwrap();
            for _ in 0..59 {
                role.credentials().await.unwrap_err();
                get(&healthy).await.unwrap();
                tokio::time::sleep(seconds(10)).await;
            }
            // The first, and those of the first two keys that were refused.
            assert!(
                issuer.fetches() <= 3,
                "{code}, {name}: {}",
                issuer.fetches()
            );
        }
    }
}
