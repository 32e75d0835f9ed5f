//! Opening a connection of an SDK client before there is anything to send over it.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextMut,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

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
