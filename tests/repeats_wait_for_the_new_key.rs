//! Promise: a repeat waits for the key that replaces the rejected one. It is never signed with the key whose
//! rejection brought it about, whatever other requests of the same service say of that key meanwhile.
#![cfg(feature = "table")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod recovery_support;
mod support;

use aws_credential_strategies::{RefreshMode, RefreshPolicy, sdk};
use aws_smithy_async::rt::sleep::{AsyncSleep, Sleep};
use aws_smithy_types::retry::RetryConfig;
use recovery_support::{Answer, LIFE, Recorded, UNKNOWN, list};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::{World, pass, seconds, settle};
use tokio::sync::Notify;

/// Takes `KEY-1` of the first request, but says so only after it has refused it to the second, as where a
/// revocation has not reached every host.
fn revoking() -> Recorded {
    let refused = Arc::new(Notify::new());
    let requests = AtomicUsize::new(0);
    Recorded::answering_later(move |seen| {
        let number = requests.fetch_add(1, Ordering::SeqCst);
        let refused = Arc::clone(&refused);
        async move {
            match number {
                0 => refused.notified().await,
                _ if seen.key == "KEY-1" => {
                    refused.notify_one();
                    return Answer::error(UNKNOWN);
                }
                _ => {}
            }
            Answer::ok()
        }
    })
}

/// A pause of no length, as there is before a repeat, in which all others run as far as they can.
#[derive(Debug)]
struct OthersFirst;

impl AsyncSleep for OthersFirst {
    fn sleep(&self, duration: Duration) -> Sleep {
        Sleep::new(async move {
            settle().await;
            tokio::time::sleep(duration).await;
        })
    }
}

#[tokio::test(start_paused = true)]
async fn though_the_rejected_key_is_accepted_once_more() {
    let ours = RefreshPolicy::default();
    let policies = [
        ("background", ours),
        ("on demand", ours.mode(RefreshMode::OnDemand)),
        ("aws_spec", RefreshPolicy::aws_spec()),
    ];
    for (name, policy) in policies {
        let mut world = World::new(policy).filled("KEY-1", LIFE).await;
        let service = revoking();
        let config = sdk::client_config!(aws_sdk_sqs, &service.settings(), world.cache.clone());
        let config = config.to_builder();
        // as many as a repeat needs
        let config = config
            .retry_config(RetryConfig::standard().with_max_attempts(2))
            .sleep_impl(OthersFirst);
        let client = aws_sdk_sqs::Client::from_conf(config.build());
        let [accepted, rejected] =
            [client.clone(), client].map(|client| tokio::spawn(async move { list(&client).await }));
        accepted.await.unwrap().unwrap();
        // by then it waits, or has been put off and given up
        pass(seconds(1)).await;
        let fetch = world.gate.pending().expect(name);
        fetch.answer(Ok(world.session("KEY-2", LIFE)));
        rejected.await.unwrap().expect(name);
        assert_eq!(service.keys(), ["KEY-1", "KEY-1", "KEY-2"], "{name}");
    }
}
