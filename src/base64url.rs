//! Base64 as URLs, JSON web tokens and cursors have it (RFC 4648, section 5), without padding: the SDK's own
//! encoder in the other alphabet.

use aws_smithy_types::base64;

#[cfg(any(feature = "local", feature = "table", feature = "token", test))]
pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    let text = base64::encode(bytes);
    let text = text.trim_end_matches('=');
    text.replace('+', "-").replace('/', "_")
}

/// `None` for what is not Base64 in this alphabet; padding is taken.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    if text.contains(['+', '/']) {
        return None;
    }
    let mut text = text
        .trim_end_matches('=')
        .replace('-', "+")
        .replace('_', "/");
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    base64::decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

    /// RFC 4648, section 10, and the two letters that tell the alphabets apart.
    #[test]
    fn the_examples_of_the_standard_without_their_padding() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "Zg"),
            (b"fo", "Zm8"),
            (b"foo", "Zm9v"),
            (b"foob", "Zm9vYg"),
            (b"\xfb\xff\xfe", "-__-"),
        ] {
            assert_eq!(encode(bytes), text);
            assert_eq!(decode(text).as_deref(), Some(bytes));
        }
        assert_eq!(decode("Zg==").as_deref(), Some(&b"f"[..]));
        for text in ["+//+", "Z", "Zm9v!", "Zm 9v", "é"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
