//! What tells the keys that requests are signed with from each other, without keeping them.

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::identity::Identity;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZeroU64;

/// A key as requests show it, told from others by a hash: 64 bits against a handful of keys.
///
/// Of its session token both ends, which differ where the token does: a source may bring another one under the same
/// id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyMark(pub(crate) NonZeroU64);

impl KeyMark {
    /// So many bytes from either end of a session token.
    const TOKEN_ENDS: usize = 32;

    pub(crate) fn of(key_id: &str, token: Option<&str>) -> Self {
        let mut hasher = DefaultHasher::new();
        key_id.hash(&mut hasher);
        if let Some(token) = token.map(str::as_bytes) {
            let end = token.len().min(Self::TOKEN_ENDS);
            token.len().hash(&mut hasher);
            token[..end].hash(&mut hasher);
            token[token.len() - end..].hash(&mut hasher);
        }
        KeyMark(NonZeroU64::MIN | hasher.finish())
    }

    pub(crate) fn of_credentials(credentials: &Credentials) -> Self {
        KeyMark::of(credentials.access_key_id(), credentials.session_token())
    }

    /// `None` where it is no AWS credentials.
    pub(crate) fn of_identity(identity: &Identity) -> Option<Self> {
        identity.data().map(KeyMark::of_credentials)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_token_tells_keys_of_one_id_apart() {
        let of = |token| KeyMark::of("ASIA", token);
        let long = "t".repeat(1000);
        let (first, last) = (format!("u{long}"), format!("{long}u"));
        let tokens = [None, Some("t"), Some(&*long), Some(&*first), Some(&*last)];
        let marks: Vec<_> = tokens.iter().map(|token| of(*token).0).collect();
        for (nth, mark) in marks.iter().enumerate() {
            assert!(!marks[..nth].contains(mark), "{nth}");
        }
        assert_eq!(of(Some(&first)), of(Some(&first)));
    }
}
