//! The one reader of refusals: code and message wherever they stand in an answer.
//!
//! AWS's services, and those of others that speak their protocols, put them into headers, XML under any
//! nesting and with any prefix, JSON, or CBOR. Whoever needs them reads them here.

use super::codes::without_address;
use serde_json::Value;
use std::borrow::Cow;
use xmlparser::{ElementEnd, Token, Tokenizer};

/// Where services name the code outside of the body, as S3 has to for `HEAD`. Those that spoke the query
/// protocol before JSON say `Code;Sender` in the second:
/// <https://smithy.io/2.0/aws/protocols/aws-query-protocol.html>.
const CODE_HEADERS: [&str; 4] = [
    "x-amzn-errortype",
    "x-amzn-query-error",
    "x-amz-error-code",
    "x-minio-error-code",
];
const MESSAGE_HEADERS: [&str; 3] = [
    "x-amzn-error-message",
    "x-amz-error-message",
    "x-minio-error-desc",
];
/// How deep in JSON a refusal is looked for; AWS's stands on top, others' one or two levels down.
const JSON_DEPTH: usize = 4;

/// What an answer says about why it is a refusal; raw, as the other side wrote it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Refusal<'a> {
    /// Without namespace and address.
    pub(crate) code: Option<Cow<'a, str>>,
    pub(crate) message: Option<Cow<'a, str>>,
}

impl<'a> Refusal<'a> {
    /// Reads headers, then the body.
    pub(crate) fn read(header: impl Fn(&str) -> Option<&'a str>, body: &'a [u8]) -> Self {
        let of_headers = Refusal {
            code: CODE_HEADERS
                .into_iter()
                .find_map(|name| trimmed(Cow::Borrowed(header(name)?), code_in_header)),
            message: MESSAGE_HEADERS
                .into_iter()
                .find_map(|name| text(header(name)?)),
        };
        if of_headers.code.is_some() && of_headers.message.is_some() {
            return of_headers;
        }
        of_headers.or(Self::in_body(body))
    }

    /// Reads a body alone, whatever it is written in.
    pub(crate) fn in_body(body: &'a [u8]) -> Self {
        let text = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        let text = text.trim_ascii_start();
        // What a CBOR map begins with is never the beginning of such a text.
        let read = match text.first() {
            Some(b'<') => in_xml,
            Some(b'{' | b'[') => in_json,
            _ => return in_cbor(body).without_blanks(),
        };
        let found = match std::str::from_utf8(text) {
            Ok(text) => read(text),
            // cut within a character, or in an encoding of its own: the code is ASCII all the same
            Err(_) => read(&String::from_utf8_lossy(text)).into_owned(),
        };
        found.without_blanks()
    }

    /// What the SDK found; what is blank counts as not found.
    pub(crate) fn said(code: Option<&'a str>, message: Option<&'a str>) -> Self {
        let said = Refusal {
            code: code.map(Cow::Borrowed),
            message: message.map(Cow::Borrowed),
        };
        said.without_blanks()
    }

    /// What is missing here, from there.
    pub(crate) fn or(self, other: Self) -> Self {
        Refusal {
            code: self.code.or(other.code),
            message: self.message.or(other.message),
        }
    }

    fn without_blanks(self) -> Self {
        Refusal {
            code: self.code.and_then(|code| trimmed(code, without_address)),
            message: self.message.and_then(|message| trimmed(message, str::trim)),
        }
    }

    fn into_owned<'b>(self) -> Refusal<'b> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Refusal {
            code: self.code.map(owned),
            message: self.message.map(owned),
        }
    }
}

fn code_in_header(value: &str) -> &str {
    let (code, _whose_fault) = value.split_once(';').unwrap_or((value, ""));
    without_address(code)
}

fn text(text: &str) -> Option<Cow<'_, str>> {
    trimmed(Cow::Borrowed(text), str::trim)
}

/// A part of a text; `None` where that is empty.
fn trimmed<'a>(text: Cow<'a, str>, part: fn(&str) -> &str) -> Option<Cow<'a, str>> {
    let text = match text {
        Cow::Borrowed(text) => Cow::Borrowed(part(text)),
        Cow::Owned(text) => Cow::Owned(part(&text).to_owned()),
    };
    (!text.is_empty()).then_some(text)
}

/// The texts of elements, by their local names and without those of the elements within; what is broken
/// ends the reading, not what was read.
pub(crate) fn elements(xml: &str) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
    let mut tokens = Tokenizer::from(xml);
    let mut open: Vec<(&str, String)> = Vec::new();
    std::iter::from_fn(move || {
        loop {
            match tokens.next()?.ok()? {
                Token::ElementStart { local, .. } => open.push((local.as_str(), String::new())),
                Token::Text { text } => {
                    if let Some((_, content)) = open.last_mut() {
                        content.push_str(&unescaped(text.as_str()));
                    }
                }
                Token::Cdata { text, .. } => {
                    if let Some((_, content)) = open.last_mut() {
                        content.push_str(text.as_str());
                    }
                }
                Token::ElementEnd { end, .. } => match end {
                    ElementEnd::Open => {}
                    ElementEnd::Empty | ElementEnd::Close(..) => {
                        if let Some((name, content)) = open.pop() {
                            return Some((name, Cow::Owned(content)));
                        }
                    }
                },
                _ => {}
            }
        }
    })
}

/// Whether this is a page for people: what its elements are called says nothing about calls.
fn is_page(xml: &str) -> bool {
    let root = Tokenizer::from(xml).find_map(|token| match token {
        Ok(Token::ElementStart { local, .. }) => Some(local.eq_ignore_ascii_case("html")),
        Ok(_) => None,
        // `<!doctype html>` in small letters is no XML
        Err(_) => Some(true),
    });
    root.unwrap_or(true)
}

/// The first element of each name with a text in it.
fn in_xml(xml: &str) -> Refusal<'_> {
    let mut found = Refusal::default();
    if is_page(xml) {
        return found;
    }
    for (name, content) in elements(xml) {
        let place = match name {
            _ if content.trim().is_empty() => continue,
            "Code" | "code" | "ErrorCode" | "errorCode" => &mut found.code,
            "Message" | "message" | "ErrorMessage" | "errorMessage" => &mut found.message,
            _ => continue,
        };
        place.get_or_insert(content);
        if found.code.is_some() && found.message.is_some() {
            break;
        }
    }
    found
}

/// The five entities of XML and numbers; what is none of them stays as it is.
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        plain.push_str(before);
        let known = after.split_once(';').and_then(|(name, after)| {
            let c = match name {
                "amp" => '&',
                "apos" => '\'',
                "gt" => '>',
                "lt" => '<',
                "quot" => '"',
                _ => {
                    let number = name.strip_prefix('#')?;
                    let code = match number.strip_prefix('x') {
                        Some(hex) => u32::from_str_radix(hex, 16),
                        None => number.parse(),
                    };
                    char::from_u32(code.ok()?)?
                }
            };
            Some((c, after))
        });
        match known {
            Some((c, after)) => {
                plain.push(c);
                rest = after;
            }
            None => {
                plain.push('&');
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

const JSON_CODES: [&str; 5] = ["__type", "code", "Code", "errorCode", "ErrorCode"];
/// The last three are what services say that have no codes.
const JSON_MESSAGES: [&str; 7] = [
    "message",
    "Message",
    "errorMessage",
    "ErrorMessage",
    "error_description",
    "error",
    "detail",
];

fn in_json(text: &str) -> Refusal<'_> {
    // whatever follows the first value
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    match values.next() {
        Some(Ok(value)) => in_value(&value, JSON_DEPTH).unwrap_or_default(),
        // cut on the way, or nested deeper than a parser bears
        _ => {
            let first = |names: &[&str]| {
                let found = names.iter().find_map(|name| member(text, name));
                found.map(Cow::Borrowed)
            };
            Refusal {
                code: first(&JSON_CODES),
                message: first(&JSON_MESSAGES),
            }
        }
    }
}

/// The uppermost object with a code in it; where there is none, the uppermost with a message.
fn in_value<'a>(value: &Value, depth: usize) -> Option<Refusal<'a>> {
    with_code(value, depth).or_else(|| with_message(value, depth))
}

fn with_code<'a>(value: &Value, depth: usize) -> Option<Refusal<'a>> {
    if let Some(code) = first_of(value, &JSON_CODES) {
        return Some(Refusal {
            code: Some(code),
            message: first_of(value, &JSON_MESSAGES),
        });
    }
    let depth = depth.checked_sub(1)?;
    below(value).find_map(|value| with_code(value, depth))
}

fn with_message<'a>(value: &Value, depth: usize) -> Option<Refusal<'a>> {
    if let Some(message) = first_of(value, &JSON_MESSAGES) {
        return Some(Refusal {
            code: None,
            message: Some(message),
        });
    }
    let depth = depth.checked_sub(1)?;
    below(value).find_map(|value| with_message(value, depth))
}

/// The first of these members that is a text with something in it.
fn first_of<'a>(value: &Value, names: &[&str]) -> Option<Cow<'a, str>> {
    let members = value.as_object()?;
    let texts = names.iter().filter_map(|name| members.get(*name)?.as_str());
    let mut texts = texts.filter(|text| !text.trim().is_empty());
    texts.next().map(|text| Cow::Owned(text.to_owned()))
}

fn below(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Object(members) => Box::new(members.values()),
        Value::Array(values) => Box::new(values.iter()),
        _ => Box::new(std::iter::empty()),
    }
}

/// The text of a member in what is almost JSON.
fn member<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("\"{name}\""))?;
    let value = rest.trim_start().strip_prefix(':')?.trim_start();
    let (value, _) = value.strip_prefix('"')?.split_once('"')?;
    Some(value)
}

fn in_cbor(body: &[u8]) -> Refusal<'_> {
    Refusal {
        code: cbor_text(body, b"\x66__type").map(Cow::Borrowed),
        message: cbor_text(body, b"\x67message")
            .or_else(|| cbor_text(body, b"\x67Message"))
            .map(Cow::Borrowed),
    }
}

/// The text behind a key, with its length in the head itself or in one or two bytes after it.
fn cbor_text<'a>(body: &'a [u8], key: &[u8]) -> Option<&'a str> {
    let at = body.windows(key.len()).position(|part| part == key)?;
    let (length, rest) = match body.get(at + key.len()..)? {
        [head @ 0x60..=0x77, rest @ ..] => (usize::from(head - 0x60), rest),
        [0x78, length, rest @ ..] => (usize::from(*length), rest),
        [0x79, high, low, rest @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), rest),
        _ => return None,
    };
    std::str::from_utf8(rest.get(..length)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &[u8]) -> (Option<String>, Option<String>) {
        let Refusal { code, message } = Refusal::read(|_| None, body);
        (code.map(Cow::into_owned), message.map(Cow::into_owned))
    }

    #[test]
    fn code_and_message_are_found_in_every_spelling() {
        let cases: [(&[u8], Option<&str>, Option<&str>); 39] = [
            (b"\xa1\x66__type\x6cExpiredToken", Some("ExpiredToken"), None),
            (b"\xbf\x67message\x61x\x66__type\x78\x2ecom.amazon.coral.service#ExpiredTokenException\xff", Some("ExpiredTokenException"), Some("x")),
            (b"\xbf\x66__type\x79\x00\x0cExpiredToken\xff", Some("ExpiredToken"), None),
            (b"\xbf\x66__type\x78\x2ecom.amazon.coral", None, None),
            (b"\xbf\x66__type\x01\xff", None, None),
            (br#"{"__type":"com.amazon.coral.service#ExpiredTokenException","message":"x"}"#, Some("ExpiredTokenException"), Some("x")),
            (br#"{"message":"x", "__type" : "UnrecognizedClientException"}"#, Some("UnrecognizedClientException"), Some("x")),
            (br#"{"code":"ExpiredToken:http://internal.amazon.com/"}"#, Some("ExpiredToken"), None),
            (br#"{"Error":{"Code":"InvalidClientTokenId","Message":"m","Type":"Sender"}}"#, Some("InvalidClientTokenId"), Some("m")),
            (br#"{"error":{"code":403,"errors":[{"code":"Forbidden","message":{"a":1}}]}}"#, Some("Forbidden"), None),
            (br#"{"__type":"ExpiredTokenException","mess"#, Some("ExpiredTokenException"), None),
            (br#"{"message":"ExpiredToken"}"#, None, Some("ExpiredToken")),
            (b"{\"__type\":\"X\",\"message\":\"m\"}\0\n", Some("X"), Some("m")),
            (br#"{"__type":"X","message":"m","a":["#, Some("X"), Some("m")),
            (b"{\"__type\":\"X\",\"message\":\"f\xfcr\"}", Some("X"), Some("f\u{fffd}r")),
            (br#"{"error":{"code":403,"status":"x","message":"Forbidden by policy"}}"#, None, Some("Forbidden by policy")),
            (br#"{"error":"invalid_grant","error_description":"has ended"}"#, None, Some("has ended")),
            (br#"{"error":"no such user"}"#, None, Some("no such user")),
            (b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><Error><Code>X</Code><Message>f\xfcr</Message></Error>", Some("X"), Some("f\u{fffd}r")),
            (b"<Error><Message>User <b>x</b> may not</Message><Code>X</Code></Error>", Some("X"), Some("User  may not")),
            (b"<Error><ErrorCode>X</ErrorCode><ErrorMessage>m</ErrorMessage></Error>", Some("X"), Some("m")),
            (b"<Error><Code><![CDATA[X]]></Code><Message> <![CDATA[m]]> </Message></Error>", Some("X"), Some("m")),
            (b"\xef\xbb\xbf\r\n{\"code\":\"X\"}", Some("X"), None),
            (b"\xa2\x66__type\x60\x67message\x60", None, None),
            (br#"{"__type":"TransactionCanceledException","CancellationReasons":[{"Code":"None"}]}"#, Some("TransactionCanceledException"), None),
            (b"<ErrorResponse><Error><Type>Sender</Type><Code>InvalidClientTokenId</Code><Message>a &lt;b&gt; &#99;</Message></Error></ErrorResponse>", Some("InvalidClientTokenId"), Some("a <b> c")),
            (b"<Response><Errors><Error><Code>RequestExpired</Code><Message>Request has expired.</Message></Error></Errors><RequestID>1</RequestID></Response>", Some("RequestExpired"), Some("Request has expired.")),
            (b"<?xml version=\"1.0\"?>\n<ns2:ErrorResponse xmlns:ns2=\"x\"><ns2:Error><ns2:Code>AccessDenied</ns2:Code><ns2:Message><![CDATA[no <b>]]></ns2:Message></ns2:Error></ns2:ErrorResponse>", Some("AccessDenied"), Some("no <b>")),
            (b"<Error><Message/><Code> ExpiredToken </Code>", Some("ExpiredToken"), None),
            (b"<Error><Code>Cut</Code><Mess", Some("Cut"), None),
            (b"\xef\xbb\xbf<Error><Code>ByteOrder</Code></Error>", Some("ByteOrder"), None),
            (b"<html><body>It works!</body></html>", None, None),
            (b"<html><body><h1>502</h1><code>upstream gone</code></body></html>", None, None),
            (b"<!doctype html>\n<HTML><body><code>upstream gone</code></body></HTML>", None, None),
            (b"<?xml version=\"1.0\"?><!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0//EN\" \"x\"><html xmlns=\"x\"><code>403</code></html>", None, None),
            (b"", None, None),
            (&[0xff, 0xfe], None, None),
            (b"[[[[[[[[{\"code\":\"TooDeep\"}]]]]]]]]", None, None),
            (b"not found", None, None),
        ];
        for (body, code, message) in cases {
            let found = read(body);
            let shown = String::from_utf8_lossy(body);
            assert_eq!(found.0.as_deref(), code, "{shown:?}");
            assert_eq!(found.1.as_deref(), message, "{shown:?}");
        }
        let deep = "{\"a\":".repeat(500) + "{\"__type\":\"Deep\"}" + &"}".repeat(500);
        assert_eq!(read(deep.as_bytes()).0.as_deref(), Some("Deep"));
    }

    #[test]
    fn headers_come_first() {
        let header = |name: &str| match name {
            "x-amzn-errortype" => Some("ExpiredTokenException:http://internal/"),
            _ => None,
        };
        let found = Refusal::read(header, br#"{"__type":"Other","message":"m"}"#);
        assert_eq!(found.code.as_deref(), Some("ExpiredTokenException"));
        assert_eq!(found.message.as_deref(), Some("m"));
        // services that speak JSON by REST have the code in the header, and in the body a message alone
        for body in [
            &br#"{"message":"m"}"#[..],
            br#"{"Message":"m"}"#,
            b"<Error><Message>m</Message></Error>",
        ] {
            assert_eq!(Refusal::read(header, body).message.as_deref(), Some("m"));
        }
        let minio = |name: &str| match name {
            "x-minio-error-code" => Some("AccessDenied"),
            "x-minio-error-desc" => Some("\"Access Denied.\""),
            _ => None,
        };
        let found = Refusal::read(minio, b"");
        assert_eq!(found.code.as_deref(), Some("AccessDenied"));
        let query = |name: &str| match name {
            "x-amzn-errortype" => Some(" "),
            "x-amzn-query-error" => Some("InvalidClientTokenId;Sender"),
            _ => None,
        };
        let found = Refusal::read(query, br#"{"__type":"com.amazonaws.sqs#Other"}"#);
        assert_eq!(found.code.as_deref(), Some("InvalidClientTokenId"));
    }
}
