//! The answers of a service that say: this key will not do.

use crate::error::body::Refusal;
use crate::error::codes;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

/// The answers after which new credentials may help, in the spellings of JSON, query and S3 services.
///
/// `AccessDenied` is not among them: there the identity is fine and a policy is not.
pub const REJECTION_CODES: [&str; 8] = codes::DEAD_KEY_CODES;

pub(super) fn is_rejection(response: &HttpResponse) -> bool {
    let body = response.body().bytes().unwrap_or_default();
    let refusal = Refusal::read(|name| response.headers().get(name), body);
    refusal.code.is_some_and(|code| codes::is_dead_key(&code))
}
