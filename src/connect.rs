//! What a connection of an SDK client can be spared before there is anything to send over it.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextMut,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use aws_types::endpoint_config::EndpointUrl;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// Whether this process has begun to seed its random numbers.
static SEEDING: Seeding = Seeding(AtomicBool::new(false));

/// Begins what the first TLS handshake of a process would else stand still for: AWS-LC gathers its first entropy from
/// the jitter of the processor, some 55 ms of computing. It goes on beside whatever the credentials are waited for, on a
/// thread for blocking work, as the look-up of a name does later; a handshake that comes sooner waits for the rest of it.
///
/// For an endpoint that is reached by TLS; `None` for one that is not known, as it is then.
pub(crate) fn prepare_handshake(endpoint: Option<&str>) {
    let plain = endpoint.is_some_and(|endpoint| endpoint.starts_with("http:"));
    if cfg!(feature = "https") && !plain {
        // Nobody waits for it here.
        drop(SEEDING.begin(seed));
    }
}

fn seed() {
    // Failing is for the handshake to tell of, which needs the same.
    #[cfg(feature = "https")]
    let _ = aws_lc_rs::rand::fill(&mut [0]);
}

struct Seeding(AtomicBool);

impl Seeding {
    /// Once, and not before there is a runtime to do it on.
    fn begin(&self, seed: fn()) -> Option<JoinHandle<()>> {
        // Relaxed: nothing is handed over but who begins.
        if self.0.load(Ordering::Relaxed) {
            return None;
        }
        let runtime = Handle::try_current().ok()?;
        let is_first = !self.0.swap(true, Ordering::Relaxed);
        is_first.then(|| runtime.spawn_blocking(seed))
    }
}

/// On one unsigned call: `GET /` goes out in its place, which asks a service for nothing, and which it answers all the
/// same. The client's pool keeps the connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpensConnection;

/// In the configuration of such a call, for who would take it for one of the program's.
impl Storable for OpensConnection {
    type Storer = StoreReplace<Self>;
}

#[dyn_dispatch_hint]
impl Intercept for OpensConnection {
    fn name(&self) -> &'static str {
        "OpensConnection"
    }

    fn read_before_execution(
        &self,
        _context: &BeforeSerializationInterceptorContextRef<'_>,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        prepare_handshake(cfg.load::<EndpointUrl>().map(|url| &*url.0));
        cfg.interceptor_state().store_put(OpensConnection);
        Ok(())
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _runtime_components: &RuntimeComponents,
        _cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        request.set_method("GET")?;
        for of_a_call in ["content-type", "content-length", "x-amz-target"] {
            request.headers_mut().remove(of_a_call);
        }
        *request.body_mut() = SdkBody::empty();
        Ok(())
    }
}

/// Until both have ended, or at once where `needed` fails.
pub(crate) async fn both<E>(
    needed: impl Future<Output = Result<(), E>>,
    beside: impl Future<Output = ()>,
) -> Result<(), E> {
    let (mut needed, mut beside) = (pin!(needed), pin!(beside));
    let (mut has_needed, mut has_beside) = (false, false);
    poll_fn(move |cx| {
        if !has_needed {
            match needed.as_mut().poll(cx) {
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                polled => has_needed = polled.is_ready(),
            }
        }
        has_beside = has_beside || beside.as_mut().poll(cx).is_ready();
        if has_needed && has_beside {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    })
    .await
}

/// What `needed` comes to, with `beside` going on as long as that takes and no longer.
pub(crate) async fn with_beside<T>(
    needed: impl Future<Output = T>,
    beside: impl Future<Output = ()>,
) -> T {
    let (mut needed, mut beside) = (pin!(needed), pin!(beside));
    let mut is_done = false;
    poll_fn(move |cx| {
        let polled = needed.as_mut().poll(cx);
        if polled.is_pending() && !is_done {
            is_done = beside.as_mut().poll(cx).is_ready();
        }
        polled
    })
    .await
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;
    use tokio::runtime::Builder;

    #[test]
    fn random_numbers_are_seeded_once_and_on_a_runtime() {
        static TIMES: AtomicU32 = AtomicU32::new(0);
        fn count() {
            TIMES.fetch_add(1, Ordering::SeqCst);
        }
        let seeding = Seeding(AtomicBool::new(false));
        assert!(seeding.begin(count).is_none());
        let runtime = Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let begun = seeding.begin(count).unwrap();
            assert!(seeding.begin(count).is_none());
            begun.await.unwrap();
            assert!(seeding.begin(count).is_none());
        });
        assert_eq!(TIMES.load(Ordering::SeqCst), 1);
    }
}
