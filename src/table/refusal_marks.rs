//! What an answer that refuses is told by of its request: whether an earlier try of it got no answer, so that
//! DynamoDB may have done it; and what the request held that no text may show.

use crate::error::text::Secrets;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::FinalizerInterceptorContextMut;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::retries::RequestAttempts;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};

/// Marks the answers that refuse a request: with what was sent, and where an earlier try was not answered.
#[derive(Debug)]
pub(crate) struct MarkRefusals;

impl MarkRefusals {
    pub(crate) const NAME: &str = "MarkRefusals";
}

/// How many tries of this request were refused, and so not done.
#[derive(Clone, Copy, Debug, Default)]
struct Refused(u32);

impl Storable for Refused {
    type Storer = StoreReplace<Self>;
}

/// On a response: an earlier try may have been done.
#[derive(Clone, Copy, Debug)]
struct EarlierTryLost;

pub(crate) fn earlier_try_lost(response: &HttpResponse) -> bool {
    response.extension::<EarlierTryLost>().is_some()
}

/// On a response: what its request held that is secret.
#[derive(Clone, Debug)]
struct Sent(Secrets);

pub(crate) fn what_was_sent(response: &HttpResponse) -> Option<Secrets> {
    response
        .extension::<Sent>()
        .map(|Sent(secrets)| secrets.clone())
}

impl Sent {
    fn with(request: &HttpRequest) -> Self {
        let headers = request.headers();
        let signature = headers
            .get("authorization")
            .and_then(|signed| signed.rsplit("Signature=").next());
        let token = headers.get("x-amz-security-token");
        let sent = signature.into_iter().chain(token);
        Sent(sent.fold(Secrets::unknown(), Secrets::and))
    }
}

#[dyn_dispatch_hint]
impl Intercept for MarkRefusals {
    fn name(&self) -> &'static str {
        MarkRefusals::NAME
    }

    fn modify_before_attempt_completion(
        &self,
        context: &mut FinalizerInterceptorContextMut<'_>,
        _runtime_components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let refused = |response: &HttpResponse| !response.status().is_success();
        let sent = match (context.request(), context.response()) {
            (Some(request), Some(response)) if refused(response) => Some(Sent::with(request)),
            _ => None,
        };
        let Some(response) = context.response_mut() else {
            return Ok(());
        };
        if let Some(sent) = sent {
            response.add_extension(sent);
        }
        // what failed in the service may have been done
        if !(400..500).contains(&response.status().as_u16()) {
            return Ok(());
        }
        let refused = cfg.load::<Refused>().copied().unwrap_or_default().0 + 1;
        let tries = cfg
            .load::<RequestAttempts>()
            .map_or(1, RequestAttempts::attempts);
        if tries > refused {
            response.add_extension(EarlierTryLost);
        }
        cfg.interceptor_state().store_put(Refused(refused));
        Ok(())
    }
}
