//! What of credentials can go into a request.

/// Whether a key id or a session token can stand in a header: visible ASCII, as all of them are.
pub(super) fn sendable(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}
