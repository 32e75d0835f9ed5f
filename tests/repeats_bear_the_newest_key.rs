//! Promise: a repeat bears the key that the strategy holds when it is sent, though it came only after the client
//! had waited in vain for it; and such a client is not taken for one that caches keys itself.
//!
//! One test, as a log is of the process; see `refused_clients_are_told_of.rs`.
#![cfg(feature = "table")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/pace.rs"]
mod pace;
mod recovery_support;
mod support;

use aws_credential_strategies::{CredentialCache, RefreshPolicy, sdk};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use pace::Log;
use recovery_support::{Answer, LIFE, Recorded, UNKNOWN, list};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use support::{Gate, GatedSource, Shared, session};
use tokio::runtime::Builder;

type Cache = CredentialCache<Shared<GatedSource>>;

/// Lets the new key come when the client has its identity and has not signed yet.
#[derive(Debug)]
struct ComesBeforeTheSignature {
    cache: Cache,
    gate: Mutex<Gate>,
    attempts: AtomicU64,
}

#[dyn_dispatch_hint]
impl Intercept for ComesBeforeTheSignature {
    fn name(&self) -> &'static str {
        "ComesBeforeTheSignature"
    }

    fn modify_before_signing(
        &self,
        _: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if self.attempts.fetch_add(1, Ordering::SeqCst) != 1 {
            return Ok(());
        }
        let call = self.gate.lock().unwrap().pending().expect("is waited for");
        call.answer(Ok(session("KEY-2", SystemTime::now() + LIFE)));
        // Fetches run elsewhere: this thread may be blocked.
        let has_come = || {
            let current = self.cache.current();
            current.is_some_and(|current| current.access_key_id() == "KEY-2")
        };
        while !has_come() {
            std::thread::yield_now();
        }
        Ok(())
    }
}

#[tokio::test]
async fn though_it_comes_between_the_wait_and_the_signature() {
    let elsewhere = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let (source, mut gate) = GatedSource::pair();
    let policy = RefreshPolicy::default().wait_timeout(Duration::from_millis(200));
    let cache = CredentialCache::new(source, policy).on(elsewhere.handle().clone());
    let first = tokio::spawn({
        let cache = cache.clone();
        async move { cache.credentials().await }
    });
    let expiry = SystemTime::now() + LIFE;
    gate.call().await.answer(Ok(session("KEY-1", expiry)));
    first.await.unwrap().unwrap();

    let service = Recorded::answering(|seen| {
        if seen.key == "KEY-1" {
            Answer::error(UNKNOWN)
        } else {
            Answer::ok()
        }
    });
    let log = Log::default();
    let guard = log.collecting(tracing::Level::WARN);
    let config = sdk::client_config!(aws_sdk_sqs, &service.settings(), cache.clone());
    let comes = ComesBeforeTheSignature {
        cache: cache.clone(),
        gate: Mutex::new(gate),
        attempts: AtomicU64::new(0),
    };
    let client = aws_sdk_sqs::Client::from_conf(config.to_builder().interceptor(comes).build());
    list(&client).await.unwrap();
    assert_eq!(service.keys(), ["KEY-1", "KEY-2"]);
    assert_eq!(log.lines_with("goes on signing with a key"), 0);
    drop(guard);
    elsewhere.shutdown_background();
}
