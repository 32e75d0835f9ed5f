//! The answers of a service that say: this key will not do.

use crate::error::CredentialFault;
use crate::error::body::Refusal;
use crate::error::codes;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

/// The answers after which new credentials may help, in the spellings of JSON, query and S3 services.
///
/// `AccessDenied` is not among them: there the identity is fine and a policy is not.
pub const REJECTION_CODES: [&str; 8] = codes::DEAD_KEY_CODES;

/// The code of a refusal, if it is one after which new credentials may help; for clients that are none of
/// the SDK's.
///
/// `header` looks up a header by its name in lower case, `body` is the whole of the refusal: XML, JSON or
/// CBOR. An answer without a body, as to S3's `HEAD`, has its code in a header or has none.
///
/// ```
/// use aws_credential_strategies::sdk;
///
/// let body = b"<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>";
/// assert_eq!(sdk::rejection_code(|_| None, body).as_deref(), Some("ExpiredToken"));
/// assert_eq!(sdk::rejection_code(|_| None, b"<Error><Code>AccessDenied</Code></Error>"), None);
/// ```
pub fn rejection_code<'a>(
    header: impl Fn(&str) -> Option<&'a str>,
    body: &'a [u8],
) -> Option<String> {
    let refusal = Refusal::read(header, body);
    let code = refusal.code.filter(|code| codes::is_dead_key(code))?;
    Some(code.into_owned())
}

/// The same of an answer to the SDK.
pub(super) fn code_in(response: &HttpResponse) -> Option<String> {
    let body = response.body().bytes().unwrap_or_default();
    rejection_code(|name| response.headers().get(name), body)
}

/// What such a code says of the credentials.
pub(super) fn fault(code: &str) -> CredentialFault {
    if code.contains("Expired") {
        CredentialFault::Expired
    } else {
        CredentialFault::Unrecognized
    }
}
