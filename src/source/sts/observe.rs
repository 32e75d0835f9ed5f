//! What a call really did: where it went and how often. Also where an answer without end is cut.

use crate::error::text::Secrets;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    AfterDeserializationInterceptorContextRef, BeforeDeserializationInterceptorContextMut,
    BeforeTransmitInterceptorContextRef,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use http_body_util::Limited;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// The largest answer that is read. AWS's own are a few KiB; the SDK by itself reads any size.
const BODY_LIMIT: usize = 1024 * 1024;

/// Watches one call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observer(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    endpoint: Option<String>,
    /// When the call has to have ended.
    until: Option<Instant>,
    attempts: u32,
    secrets: Secrets,
    /// A good answer with CDATA sections, which the SDK's parser passes over.
    with_sections: Option<Zeroizing<Vec<u8>>>,
}

/// On an answer: what is left of its call's time.
#[derive(Clone, Copy, Debug)]
pub(super) struct TimeLeft(pub(super) Duration);

impl Observer {
    /// From now on the call may take so long.
    pub(super) fn limit(&self, time: Duration) {
        self.seen().until = Instant::now().checked_add(time);
    }

    /// Scheme, host and port of the last request.
    pub(super) fn endpoint(&self) -> Option<String> {
        self.seen().endpoint.clone()
    }

    /// Keeps a part of the request out of every text.
    pub(super) fn hide(&self, secret: &str) {
        let mut seen = self.seen();
        seen.secrets = std::mem::take(&mut seen.secrets).and(secret);
    }

    /// What no text may repeat of the requests that were sent.
    pub(super) fn secrets(&self) -> Secrets {
        self.seen().secrets.clone()
    }

    /// The good answer that the SDK's parser cannot be trusted with.
    pub(super) fn with_sections(&self) -> Option<Zeroizing<Vec<u8>>> {
        self.seen().with_sections.take()
    }

    /// Requests sent.
    pub(super) fn attempts(&self) -> u32 {
        self.seen().attempts
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // Counters and a text: there is nothing a panic could leave half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether there are CDATA sections in it.
pub(super) fn has_sections(body: &[u8]) -> bool {
    const START: &[u8] = b"<![CDATA[";
    body.windows(START.len()).any(|part| part == START)
}

impl Intercept for Observer {
    fn name(&self) -> &'static str {
        "StsObserver"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let uri = context.request().uri();
        let end = uri
            .find("://")
            .and_then(|scheme| Some(scheme + 3 + uri.get(scheme + 3..)?.find('/')?))
            .unwrap_or(uri.len());
        let signature = context.request().headers().get("authorization");
        if let Some((_, signature)) = signature.and_then(|value| value.split_once("Signature=")) {
            self.hide(signature);
        }
        let mut seen = self.seen();
        seen.endpoint = uri.get(..end).map(ToOwned::to_owned);
        seen.attempts += 1;
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(until) = self.seen().until {
            let left = until.saturating_duration_since(Instant::now());
            context.response_mut().add_extension(TimeLeft(left));
        }
        let body = context.response_mut().body_mut();
        if body.bytes().is_none() {
            let unlimited = std::mem::replace(body, SdkBody::taken());
            *body = SdkBody::from_body_1_x(Limited::new(unlimited, BODY_LIMIT));
        }
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response().body().bytes().unwrap_or_default();
        if context.response().status().is_success() && has_sections(body) {
            self.seen().with_sections = Some(Zeroizing::new(body.to_vec()));
        }
        Ok(())
    }
}
