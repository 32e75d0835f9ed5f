//! The answers of a service that say: this key will not do.

use crate::error::CredentialFault;
use crate::error::body::Refusal;
use crate::error::codes;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

/// The answers after which new credentials may help, in the spellings of JSON, query and S3 services.
///
/// `AccessDenied` is not among them: there the identity is fine and a policy is not.
pub const REJECTION_CODES: [&str; 8] = codes::DEAD_KEY_CODES;

/// The code of an answer after which new credentials may help.
pub(super) fn rejection_code(response: &HttpResponse) -> Option<String> {
    let body = response.body().bytes().unwrap_or_default();
    let refusal = Refusal::read(|name| response.headers().get(name), body);
    let code = refusal.code.filter(|code| codes::is_dead_key(code))?;
    Some(code.into_owned())
}

/// What such a code says of the credentials.
pub(super) fn fault(code: &str) -> CredentialFault {
    if code.contains("Expired") {
        CredentialFault::Expired
    } else {
        CredentialFault::Unrecognized
    }
}
