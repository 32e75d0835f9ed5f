//! Whether the answer to a write may be about the write itself: an earlier try of the same request got no
//! answer, and DynamoDB may have done it.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::FinalizerInterceptorContextMut;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::retries::RequestAttempts;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};

/// Marks the answers that refuse a request of which an earlier try was not answered.
#[derive(Debug)]
pub(crate) struct MarkRepeats;

impl MarkRepeats {
    pub(crate) const NAME: &str = "MarkRepeats";
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

#[dyn_dispatch_hint]
impl Intercept for MarkRepeats {
    fn name(&self) -> &'static str {
        MarkRepeats::NAME
    }

    fn modify_before_attempt_completion(
        &self,
        context: &mut FinalizerInterceptorContextMut<'_>,
        _runtime_components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(response) = context.response_mut() else {
            return Ok(());
        };
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
