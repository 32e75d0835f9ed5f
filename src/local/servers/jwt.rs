//! JSON web tokens, read and checked; when they hold is judged elsewhere, by the cloud's clock.

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Map, Value};

/// What a token may be signed with: RSA and ECDSA, no secrets shared with the issuer.
const ALGORITHMS: [Algorithm; 5] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::ES256,
    Algorithm::ES384,
];

/// Why a token proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unproven {
    /// It is signed with a key that the issuer does not publish.
    Key,
    /// The signature is not that of the key.
    Signature,
}

/// What a token claims, true or not; `None` where it is no token.
pub(super) fn claimed(token: &str) -> Option<Map<String, Value>> {
    jsonwebtoken::decode_header(token).ok()?;
    jsonwebtoken::dangerous::insecure_decode_claims(token).ok()
}

/// What a token claims that is signed with one of the keys.
pub(super) fn proven(token: &str, keys: &JwkSet) -> Result<Map<String, Value>, Unproven> {
    let header = jsonwebtoken::decode_header(token).map_err(|_| Unproven::Signature)?;
    let key = keys
        .keys
        .iter()
        .find(|key| key.common.key_id == header.kid)
        .ok_or(Unproven::Key)?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(Unproven::Signature);
    }
    // so that another crate that takes jsonwebtoken with other features leaves it a choice
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    let mut validation = Validation::new(header.alg);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    DecodingKey::from_jwk(key)
        .and_then(|key| jsonwebtoken::decode(token, &key, &validation))
        .map(|token| token.claims)
        .map_err(|_| Unproven::Signature)
}
