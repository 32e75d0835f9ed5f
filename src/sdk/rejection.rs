//! The answers of a service that say: this key will not do.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

/// The answers after which new credentials may help, in the spellings of JSON, query and S3 services.
///
/// `AccessDenied` is not among them: there the identity is fine and a policy is not.
pub const REJECTION_CODES: [&str; 6] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidToken",
    "UnrecognizedClientException",
];

pub(super) fn is_rejection(response: &HttpResponse) -> bool {
    if let Some(code) = response.headers().get("x-amzn-errortype") {
        return REJECTION_CODES.contains(&bare_code(code));
    }
    response
        .body()
        .bytes()
        .and_then(error_code)
        .is_some_and(|code| REJECTION_CODES.contains(&code))
}

/// The code in a JSON, an XML or a CBOR error body.
fn error_code(body: &[u8]) -> Option<&str> {
    // What a CBOR map begins with is never the beginning of a text.
    let Ok(body) = std::str::from_utf8(body) else {
        return code_in_cbor(body);
    };
    if let Some((_, rest)) = body.split_once("<Code>") {
        return rest.split_once("</Code>").map(|(code, _)| code.trim());
    }
    ["\"__type\"", "\"code\"", "\"Code\""]
        .into_iter()
        .find_map(|member| {
            let (_, rest) = body.split_once(member)?;
            let value = rest.trim_start().strip_prefix(':')?.trim_start();
            let (code, _) = value.strip_prefix('"')?.split_once('"')?;
            Some(bare_code(code))
        })
}

/// The text behind the key `__type`: up to 23 bytes long, or its length is in a byte of its own.
fn code_in_cbor(body: &[u8]) -> Option<&str> {
    const KEY: &[u8] = b"\x66__type";
    let key = body.windows(KEY.len()).position(|part| part == KEY)?;
    let (head, rest) = body.get(key + KEY.len()..)?.split_first()?;
    let (length, rest) = match head {
        0x60..=0x77 => (head - 0x60, rest),
        0x78 => rest.split_first().map(|(length, rest)| (*length, rest))?,
        _ => return None,
    };
    let code = std::str::from_utf8(rest.get(..length.into())?).ok()?;
    Some(bare_code(code))
}

/// `com.amazon.coral.service#ExpiredTokenException:http://…` without what is around it.
fn bare_code(code: &str) -> &str {
    let code = code.split_once('#').map_or(code, |(_, code)| code);
    code.split_once(':').map_or(code, |(code, _)| code).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_in_every_spelling() {
        let cases: [(&[u8], Option<&str>); 11] = [
            (b"\xa1\x66__type\x6cExpiredToken", Some("ExpiredToken")),
            (b"\xbf\x67message\x61x\x66__type\x78\x2ecom.amazon.coral.service#ExpiredTokenException\xff", Some("ExpiredTokenException")),
            (b"\xbf\x66__type\x78\x2ecom.amazon.coral", None),
            (b"\xbf\x66__type\x01\xff", None),
            (br#"{"__type":"com.amazon.coral.service#ExpiredTokenException","message":"x"}"#, Some("ExpiredTokenException")),
            (br#"{"message":"x", "__type" : "UnrecognizedClientException"}"#, Some("UnrecognizedClientException")),
            (br#"{"code":"ExpiredToken:http://internal.amazon.com/"}"#, Some("ExpiredToken")),
            (b"<ErrorResponse><Error><Type>Sender</Type><Code>InvalidClientTokenId</Code></Error></ErrorResponse>", Some("InvalidClientTokenId")),
            (br#"{"message":"ExpiredToken"}"#, None),
            (b"", None),
            (&[0xff, 0xfe], None),
        ];
        for (body, code) in cases {
            assert_eq!(
                error_code(body),
                code,
                "{:?}",
                String::from_utf8_lossy(body)
            );
        }
    }
}
