//! The one list of what AWS's error codes mean, in the spellings of JSON, query and S3 services, for
//! whoever reads one: the sources, SDK clients, the table.

/// What a code, or a status without one, says about trying again and about who mends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Known caller, and a policy refuses what it asked. A person mends it.
    Denied,
    /// The session is over; new credentials help.
    Expired,
    /// The request is wrong in itself, or nobody knows better. A person mends it.
    Invalid,
    /// Another call was in the way; passes.
    Contention,
    /// The service failed; passes.
    Failed,
    /// The signature is not the one of this key: secret or clock. A person mends it.
    Signature,
    /// Too many calls; passes, later.
    Throttled,
    /// The key is not known, or its session token is missing or wrong; new credentials help.
    Unrecognized,
    /// The signature is incomplete or not there. A person mends it.
    Unsigned,
}

impl Meaning {
    /// This key is dead: another one helps, the same one never will.
    pub(crate) fn is_dead_key(self) -> bool {
        matches!(self, Meaning::Expired | Meaning::Unrecognized)
    }

    /// Somebody has to change something first.
    pub(crate) fn needs_a_person(self) -> bool {
        matches!(
            self,
            Meaning::Denied | Meaning::Invalid | Meaning::Signature | Meaning::Unsigned
        )
    }
}

/// The codes after which new credentials may help, in the spellings of JSON, query and S3 services.
///
/// `AccessDenied` is not among them: there the identity is fine and a policy is not. EC2 says
/// `RequestExpired` when a session is over.
pub(crate) const DEAD_KEY_CODES: [&str; 8] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidToken",
    "RequestExpired",
    "TokenRefreshRequired",
    "UnrecognizedClientException",
];

/// Codes without the `Exception` that some services put at their end.
const CODES: [(&str, Meaning); 66] = {
    use Meaning::{
        Contention, Denied, Expired, Failed, Invalid, Signature, Throttled, Unrecognized, Unsigned,
    };
    [
        ("AccessDenied", Denied),
        ("AuthorizationError", Denied),
        ("NotAuthorized", Denied),
        ("UnauthorizedAccess", Denied),
        ("UnauthorizedOperation", Denied),
        ("ExpiredToken", Expired),
        ("RequestExpired", Expired),
        ("TokenRefreshRequired", Expired),
        ("InvalidAccessKeyId", Unrecognized),
        ("InvalidClientTokenId", Unrecognized),
        ("InvalidToken", Unrecognized),
        ("UnrecognizedClient", Unrecognized),
        ("InvalidSignature", Signature),
        ("RequestTimeTooSkewed", Signature),
        ("SignatureDoesNotMatch", Signature),
        ("AuthorizationHeaderMalformed", Unsigned),
        ("IncompleteSignature", Unsigned),
        ("MissingAuthenticationToken", Unsigned),
        ("MissingSecurityHeader", Unsigned),
        ("BandwidthLimitExceeded", Throttled),
        ("EC2Throttled", Throttled),
        ("LimitExceeded", Throttled),
        ("PriorRequestNotComplete", Throttled),
        ("ProvisionedThroughputExceeded", Throttled),
        ("RequestLimitExceeded", Throttled),
        ("RequestThrottled", Throttled),
        ("SlowDown", Throttled),
        ("Throttled", Throttled),
        ("Throttling", Throttled),
        ("ThrottlingError", Throttled),
        ("TooManyRequests", Throttled),
        ("ConcurrentModification", Contention),
        ("OperationAborted", Contention),
        ("ReplicatedWriteConflict", Contention),
        ("TransactionConflict", Contention),
        ("TransactionInProgress", Contention),
        ("IDPCommunicationError", Failed),
        ("InternalError", Failed),
        ("InternalFailure", Failed),
        ("InternalServer", Failed),
        ("InternalServerError", Failed),
        ("InternalService", Failed),
        ("InternalServiceError", Failed),
        ("RequestTimeout", Failed),
        ("ServiceUnavailable", Failed),
        ("Unavailable", Failed),
        ("IDPRejectedClaim", Invalid),
        ("IdempotentParameterMismatch", Invalid),
        ("InvalidAction", Invalid),
        ("InvalidAuthorizationMessage", Invalid),
        ("InvalidIdentityToken", Invalid),
        ("InvalidParameterCombination", Invalid),
        ("InvalidParameterValue", Invalid),
        ("InvalidQueryParameter", Invalid),
        ("MalformedPolicyDocument", Invalid),
        ("MalformedQueryString", Invalid),
        ("MissingAction", Invalid),
        ("MissingParameter", Invalid),
        ("NotImplemented", Invalid),
        ("OptInRequired", Invalid),
        ("PackedPolicyTooLarge", Invalid),
        ("RegionDisabled", Invalid),
        ("Serialization", Invalid),
        ("UnknownOperation", Invalid),
        ("Validation", Invalid),
        ("ValidationError", Invalid),
    ]
};

/// What a code means, where the list has it.
pub(crate) fn known(code: &str) -> Option<Meaning> {
    let code = bare(code);
    let listed = CODES
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(code));
    match listed {
        Some((_, meaning)) => Some(*meaning),
        // a service's own word for the same
        None if code.contains("Throttl") => Some(Meaning::Throttled),
        None => None,
    }
}

/// What an answer means, by its code and else by its status: a `4xx` that is not known to pass and a
/// `501` need a person, every other failure passes.
///
/// With `501` an emulator says that it has no such call, whatever it calls that: LocalStack `InternalFailure`.
pub(crate) fn meaning(code: Option<&str>, status: u16) -> Meaning {
    match code.and_then(known) {
        Some(Meaning::Failed) if status == 501 => return Meaning::Invalid,
        Some(meaning) => return meaning,
        None => {}
    }
    match status {
        408 | 425 => Meaning::Failed,
        409 => Meaning::Contention,
        429 => Meaning::Throttled,
        400..=499 | 501 => Meaning::Invalid,
        _ => Meaning::Failed,
    }
}

/// Whether a code says that the key is dead.
pub(crate) fn is_dead_key(code: &str) -> bool {
    known(code).is_some_and(Meaning::is_dead_key)
}

/// Whether the refusal of a signature says that it is the time of the request that is wrong: STS and the
/// services of JSON do so in the message alone.
pub(crate) fn is_about_the_clock(code: &str, message: &str) -> bool {
    bare(code).eq_ignore_ascii_case("RequestTimeTooSkewed")
        || message.starts_with("Signature expired")
        || message.starts_with("Signature not yet current")
}

/// `com.amazon.coral.service#ExpiredTokenException:http://…` as `ExpiredToken`.
pub(crate) fn bare(code: &str) -> &str {
    let code = without_address(code);
    code.strip_suffix("Exception").unwrap_or(code)
}

/// The code as it is written in documentation: without the namespace before and the address behind.
pub(crate) fn without_address(code: &str) -> &str {
    let code = code.rsplit_once('#').map_or(code, |(_, code)| code);
    code.split_once(':').map_or(code, |(code, _)| code).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_list_is_what_the_codes_say() {
        for code in DEAD_KEY_CODES {
            assert!(is_dead_key(code), "{code}");
        }
        let dead = CODES.iter().filter(|(_, meaning)| meaning.is_dead_key());
        for (code, _) in dead {
            assert!(
                DEAD_KEY_CODES.iter().any(|public| bare(public) == *code),
                "{code}"
            );
        }
    }

    #[test]
    fn a_code_is_found_in_each_of_its_spellings() {
        for code in [
            "ExpiredToken",
            "ExpiredTokenException",
            "com.amazon.coral.service#ExpiredTokenException",
            "ExpiredTokenException:http://internal.amazon.com/coral/",
            " expiredtoken ",
        ] {
            assert_eq!(known(code), Some(Meaning::Expired), "{code}");
        }
        assert_eq!(known("Brand.New"), None);
        assert_eq!(known("KMSThrottledException"), Some(Meaning::Throttled));
    }

    #[test]
    fn without_a_code_the_status_tells_what_passes() {
        for (status, person) in [
            (400, true),
            (403, true),
            (404, true),
            (408, false),
            (409, false),
            (413, true),
            (425, false),
            (429, false),
            (500, false),
            (501, true),
            (502, false),
            (503, false),
        ] {
            assert_eq!(meaning(None, status).needs_a_person(), person, "{status}");
            assert_eq!(
                meaning(Some("New"), status).needs_a_person(),
                person,
                "{status}"
            );
        }
        assert_eq!(meaning(Some("InternalFailure"), 501), Meaning::Invalid);
        assert_eq!(meaning(Some("InternalFailure"), 500), Meaning::Failed);
        assert_eq!(meaning(Some("Throttling"), 400), Meaning::Throttled);
        assert_eq!(meaning(Some("IDPCommunicationError"), 400), Meaning::Failed);
    }
}
