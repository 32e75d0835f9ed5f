//! Promise: a client that has `Recovery` and does not sign with what the strategy holds now is noticed: it
//! recovers where it can and is told how to be wired where it cannot, once, without a second request, and
//! `Status` shows the key that requests bear.
//!
//! One test, as a log is of the process; see `refused_clients_are_told_of.rs`.
#![cfg(feature = "table")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/pace.rs"]
mod pace;
mod recovery_support;
mod support;

use aws_credential_strategies::sdk::{self, Recovery, SdkProvider};
use aws_credential_strategies::{CredentialCache, RefreshPolicy};
use aws_sdk_sqs::config::Builder;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use pace::Log;
use recovery_support::{Issuer, LIFE, Service, StillTime, list};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use support::{seconds, session};

const FOREIGN: &str = "FOREIGN-KEY";
const REQUESTS: usize = 20;

struct Scene {
    time: StillTime,
    issuer: Issuer,
    cache: CredentialCache<Issuer>,
    service: Service,
    log: Log,
}

impl Scene {
    async fn refusing<const N: usize>(keys: [&'static str; N]) -> Self {
        let time = StillTime::begin();
        let issuer = Issuer::new();
        let cache = issuer.cache(RefreshPolicy::default());
        cache.credentials().await.unwrap();
        time.pass(seconds(2)).await;
        Scene {
            time,
            issuer,
            cache,
            service: Service::refusing_keys(keys).await,
            log: Log::default(),
        }
    }

    /// A client with recovery, and with whatever else `wire` gives it.
    fn client(&self, wire: impl FnOnce(Builder) -> Builder) -> aws_sdk_sqs::Client {
        let settings = self.service.settings().into_builder();
        let settings = settings.time_source(self.issuer.wall()).build();
        self.client_from(&settings, wire)
    }

    fn client_from(
        &self,
        settings: &aws_credential_strategies::SdkConfig,
        wire: impl FnOnce(Builder) -> Builder,
    ) -> aws_sdk_sqs::Client {
        let recovery = Recovery::new(self.cache.clone());
        let builder = Builder::from(settings)
            .interceptor(recovery.clone())
            .retry_classifier(recovery);
        aws_sdk_sqs::Client::from_conf(wire(builder).build())
    }

    fn provider(&self) -> SdkProvider<CredentialCache<Issuer>> {
        SdkProvider::new(self.cache.clone())
    }

    async fn list(&self, client: &aws_sdk_sqs::Client) -> Result<(), String> {
        let client = client.clone();
        self.time.end(async move { list(&client).await }).await
    }

    fn warnings_of_wiring(&self) -> usize {
        self.log.lines_with("goes on signing with a key")
    }
}

/// Puts this header in before the request is signed.
#[derive(Debug)]
struct WithHeader(&'static str, &'static str);

#[dyn_dispatch_hint]
impl Intercept for WithHeader {
    fn name(&self) -> &'static str {
        "WithHeader"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        context.request_mut().headers_mut().insert(self.0, self.1);
        Ok(())
    }
}

/// The SDK's own cache keeps the rejected key: requests are signed anew, each goes out once but the first.
async fn only_a_provider() {
    let scene = Scene::refusing(["KEY-1"]).await;
    let guard = scene.log.collecting(tracing::Level::WARN);
    let client = scene.client(|builder| builder.credentials_provider(scene.provider()));
    for _ in 0..REQUESTS {
        scene.list(&client).await.unwrap();
    }
    let keys = scene.service.keys();
    assert_eq!(keys[0], "KEY-1");
    assert_eq!(keys[1..], vec!["KEY-2"; REQUESTS]);
    assert_eq!(scene.issuer.fetches(), 2);
    assert_eq!(scene.warnings_of_wiring(), 1);
    let status = scene.cache.status();
    assert_eq!(status.key_id.as_deref(), Some("KEY-2"));
    assert!(!status.invalidated && !status.suspected);
    assert_eq!(status.rejections_in_a_row, 0);
    drop(guard);
}

/// The same, and the next key is rejected too, and the next: each costs one request more, no warning more.
async fn only_a_provider_and_key_after_key_is_revoked() {
    let scene = Scene::refusing([]).await;
    let guard = scene.log.collecting(tracing::Level::WARN);
    let revoked = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(1));
    let upto = std::sync::Arc::clone(&revoked);
    let scene = Scene {
        service: Service::answering(move |seen| {
            let number: u64 = seen.key.trim_start_matches("KEY-").parse().unwrap();
            if number <= upto.load(std::sync::atomic::Ordering::SeqCst) {
                recovery_support::Answer::error(recovery_support::UNKNOWN)
            } else {
                recovery_support::Answer::ok()
            }
        })
        .await,
        ..scene
    };
    let client = scene.client(|builder| builder.credentials_provider(scene.provider()));
    for key in 1..=5 {
        revoked.store(key, std::sync::atomic::Ordering::SeqCst);
        for _ in 0..REQUESTS {
            scene.list(&client).await.unwrap();
        }
        let held = format!("KEY-{}", key + 1);
        assert_eq!(scene.cache.status().key_id, Some(held));
        scene.time.pass(seconds(60)).await;
    }
    assert_eq!(scene.service.keys().len(), 5 * (REQUESTS + 1));
    assert_eq!(scene.warnings_of_wiring(), 1);
    drop(guard);
}

/// Beside a client that signs with the strategy: the neighbour has the new key first, and shows it.
async fn only_a_provider_beside_one_that_is_wired() {
    let revoked = Arc::new(AtomicBool::new(false));
    let is_revoked = Arc::clone(&revoked);
    let service = Service::answering(move |seen| {
        if seen.key == "KEY-1" && is_revoked.load(Ordering::SeqCst) {
            recovery_support::Answer::error(recovery_support::UNKNOWN)
        } else {
            recovery_support::Answer::ok()
        }
    });
    let scene = Scene {
        service: service.await,
        ..Scene::refusing([]).await
    };
    let guard = scene.log.collecting(tracing::Level::WARN);
    let settings = scene.service.settings().into_builder();
    let settings = settings.time_source(scene.issuer.wall()).build();
    let recovery = Recovery::new(scene.cache.clone());
    let client_of = |settings, wire: &dyn Fn(Builder) -> Builder| {
        let builder = Builder::from(&settings)
            .interceptor(recovery.clone())
            .retry_classifier(recovery.clone());
        aws_sdk_sqs::Client::from_conf(wire(builder).build())
    };
    let wired = client_of(sdk::config(&settings, scene.cache.clone()), &|builder| {
        builder
    });
    let lags = client_of(settings, &|builder| {
        builder.credentials_provider(scene.provider())
    });
    scene.list(&lags).await.unwrap();
    revoked.store(true, Ordering::SeqCst);
    scene.list(&wired).await.unwrap();
    scene.list(&lags).await.unwrap();
    assert_eq!(
        scene.service.keys(),
        ["KEY-1", "KEY-1", "KEY-2", "KEY-1", "KEY-2"]
    );
    assert_eq!(scene.issuer.fetches(), 2);
    assert_eq!(scene.warnings_of_wiring(), 1);
    drop(guard);
}

/// Of settings with the strategy's cache the builder may have the provider once more: nothing is amiss.
async fn a_provider_beside_the_settings_that_have_it() {
    let scene = Scene::refusing(["KEY-1"]).await;
    let guard = scene.log.collecting(tracing::Level::WARN);
    let settings = sdk::config(&scene.service.settings(), scene.cache.clone());
    let client = scene.client_from(&settings, |builder| {
        builder.credentials_provider(scene.provider())
    });
    for _ in 0..REQUESTS {
        scene.list(&client).await.unwrap();
    }
    let keys = scene.service.keys();
    assert_eq!(keys[0], "KEY-1");
    assert_eq!(keys[1..], vec!["KEY-2"; REQUESTS]);
    assert_eq!(scene.issuer.fetches(), 2);
    assert_eq!(scene.warnings_of_wiring(), 0);
    drop(guard);
}

/// The same in a copy of the configuration of a client that was wired in one call.
async fn a_provider_beside_a_configuration_that_has_it() {
    let scene = Scene::refusing(["KEY-1"]).await;
    let guard = scene.log.collecting(tracing::Level::WARN);
    let config = sdk::client_config!(aws_sdk_sqs, &scene.service.settings(), scene.cache.clone());
    let again = config.to_builder().credentials_provider(scene.provider());
    drop(config);
    let client = aws_sdk_sqs::Client::from_conf(again.build());
    for _ in 0..REQUESTS {
        scene.list(&client).await.unwrap();
    }
    let keys = scene.service.keys();
    assert_eq!(keys[0], "KEY-1");
    assert_eq!(keys[1..], vec!["KEY-2"; REQUESTS]);
    assert_eq!(scene.issuer.fetches(), 2);
    assert_eq!(scene.warnings_of_wiring(), 0);
    drop(guard);
}

/// What signs is not the strategy's at all: one request each, an error that says how to wire, no fetch.
async fn another_provider() {
    let scene = Scene::refusing([FOREIGN]).await;
    let guard = scene.log.collecting(tracing::Level::WARN);
    let expiry = aws_smithy_async::time::TimeSource::now(&scene.issuer.wall()) + LIFE;
    let client = scene.client(|builder| builder.credentials_provider(session(FOREIGN, expiry)));
    let before = tokio::time::Instant::now();
    for request in 1..=REQUESTS {
        let error = scene.list(&client).await.unwrap_err();
        assert_eq!(scene.service.keys().len(), request);
        if request <= 2 {
            assert!(
                error.contains("sdk::config(&settings, strategy)"),
                "{error}"
            );
        }
    }
    assert!(before.elapsed().is_zero(), "and nothing is waited for");
    assert_eq!(scene.service.keys(), vec![FOREIGN; REQUESTS]);
    assert_eq!(scene.issuer.fetches(), 1);
    assert_eq!(scene.warnings_of_wiring(), 1);
    let status = scene.cache.status();
    assert!(!status.invalidated && !status.suspected);
    assert_eq!(status.key_id.as_deref(), Some("KEY-1"));
    drop(guard);
}

/// A signature that goes on in the body is not exchanged: the request is not sent a second time with the
/// key that was rejected.
async fn only_a_provider_and_signed_bodies() {
    let scene = Scene::refusing(["KEY-1"]).await;
    let guard = scene.log.collecting(tracing::Level::WARN);
    let streaming = WithHeader("content-type", "application/vnd.amazon.eventstream");
    let client = scene.client(|builder| {
        builder
            .credentials_provider(scene.provider())
            .interceptor(streaming)
    });
    for request in 1..=REQUESTS {
        let error = scene.list(&client).await.unwrap_err();
        assert_eq!(scene.service.keys().len(), request, "{error}");
        assert!(
            error.contains("sdk::config(&settings, strategy)"),
            "{error}"
        );
    }
    assert_eq!(scene.issuer.fetches(), 2);
    assert_eq!(scene.warnings_of_wiring(), 1);
    drop(guard);
}

/// In one place of the two that a recovery has to be given to: nothing is repeated, and once it is said what is missing.
async fn half_a_recovery() {
    for missing in ["retry_classifier", "interceptor", "neither"] {
        let scene = Scene::refusing(["KEY-1"]).await;
        let guard = scene.log.collecting(tracing::Level::WARN);
        let settings = sdk::config(&scene.service.settings(), scene.cache.clone());
        let recovery = Recovery::new(scene.cache.clone());
        let builder = Builder::from(&settings);
        let builder = match missing {
            "retry_classifier" => builder.interceptor(recovery),
            "interceptor" => builder.retry_classifier(recovery),
            // Each in its own place, of one strategy.
            _ => builder
                .interceptor(recovery)
                .retry_classifier(Recovery::new(scene.cache.clone())),
        };
        let client = aws_sdk_sqs::Client::from_conf(builder.build());
        let first = scene.list(&client).await;
        assert_eq!(first.is_ok(), missing == "neither", "{missing}");
        let second = scene.list(&client).await;
        assert_eq!(second.is_ok(), missing != "interceptor", "{missing}");
        let said = scene.log.lines_with("one place of two");
        assert_eq!(said, usize::from(missing != "neither"), "{missing}");
        let names_it = scene.log.lines_with(&format!("missing=\"{missing}\""));
        assert_eq!(names_it, said, "{missing}");
        drop(guard);
    }
}

#[tokio::test(start_paused = true)]
async fn however_a_client_is_wired() {
    only_a_provider().await;
    only_a_provider_and_key_after_key_is_revoked().await;
    only_a_provider_beside_one_that_is_wired().await;
    a_provider_beside_the_settings_that_have_it().await;
    a_provider_beside_a_configuration_that_has_it().await;
    another_provider().await;
    only_a_provider_and_signed_bodies().await;
    half_a_recovery().await;
}
