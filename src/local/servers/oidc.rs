//! An OpenID Connect issuer: a discovery document, its public keys, and tokens with whatever claims a
//! test asks for.

use super::server::{Respond, Server, Service};
use crate::base64url;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::local::account::{Account, random_text};
use crate::local::fault::{Answer, Fault, plain};
use crate::local::lock::lock;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
    RsaPublicKeyComponents,
};
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use jsonwebtoken::jwk::JwkSet;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

/// How long a token holds whose claims do not say.
pub const DEFAULT_TOKEN_LIFETIME: Duration = Duration::from_secs(60 * 60);

/// Whom a token is for whose claims do not say; what GitHub, EKS and AWS's documentation use.
pub const DEFAULT_TOKEN_AUDIENCE: &str = "sts.amazonaws.com";

const MINT: Operation = Operation::new("mint identity token");

/// The OpenID Connect issuer of a [`LocalCloud`](crate::local::LocalCloud); its handle is
/// [`Server<OidcIssuer>`](Server).
///
/// It stands for GitHub Actions, the issuer of an EKS cluster, Entra and their like: a test makes it
/// say what they would say, and STS checks what it says against the keys that it publishes.
#[derive(Debug)]
pub struct OidcIssuer {
    account: Arc<Account>,
    keys: Mutex<Keys>,
}

/// What a token is signed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenAlgorithm {
    /// ECDSA on P-256.
    Es256,
    /// RSA, 2,048 bits; what nearly every issuer signs with.
    #[default]
    Rs256,
}

/// A kind of call to the issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum OidcCall {
    /// The discovery document, `/.well-known/openid-configuration`.
    Discovery,
    /// The public keys, `/keys`.
    Keys,
    /// Anything else.
    Other,
}

/// How many calls of each kind the issuer had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OidcCalls {
    /// The discovery document.
    pub discovery: u64,
    /// The public keys.
    pub keys: u64,
    /// Anything else.
    pub other: u64,
}

impl OidcCalls {
    /// All calls.
    #[must_use]
    pub fn total(&self) -> u64 {
        let OidcCalls {
            discovery,
            keys,
            other,
        } = *self;
        discovery + keys + other
    }
}

impl Server<OidcIssuer> {
    /// A token with these claims, signed with [RS256](TokenAlgorithm::Rs256): anything that serialises
    /// to a JSON object.
    ///
    /// What is not among them is added: `iss`, this issuer; `aud`, [`DEFAULT_TOKEN_AUDIENCE`]; `iat`,
    /// now; `exp`, [an hour](DEFAULT_TOKEN_LIFETIME) later; a `jti`. A claim that is null is left out
    /// of the token. Session tags go into the claim `https://aws.amazon.com/tags`, a source identity
    /// into `https://aws.amazon.com/source_identity`.
    ///
    /// ```
    /// # async fn example() -> aws_credential_strategies::Result<()> {
    /// use aws_credential_strategies::local::LocalCloud;
    /// use serde_json::json;
    ///
    /// let cloud = LocalCloud::start().await?;
    /// let token = cloud.oidc_issuer().token(&json!({ "sub": "system:serviceaccount:default:app" }))?;
    /// assert_eq!(token.split('.').count(), 3);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Encode`] when the claims serialise to something else than an object;
    /// [`ErrorKind::Other`] when the machine's source of randomness fails.
    pub fn token(&self, claims: &impl Serialize) -> Result<String> {
        self.token_signed_with(TokenAlgorithm::default(), claims)
    }

    /// As [`token`](Server::token), signed as told.
    ///
    /// # Errors
    ///
    /// As [`token`](Server::token).
    pub fn token_signed_with(
        &self,
        algorithm: TokenAlgorithm,
        claims: &impl Serialize,
    ) -> Result<String> {
        let encode = |message| Error::new(ErrorKind::Encode, MINT, message);
        let claims = serde_json::to_value(claims)
            .map_err(|error| encode("the claims do not serialise").caused_by(error))?;
        let Value::Object(asked) = claims else {
            return Err(encode("expected claims that serialise to a JSON object"));
        };
        let now = seconds(self.service.account.now());
        let mut claims = Map::new();
        claims.insert("iss".to_owned(), self.endpoint().into());
        claims.insert("aud".to_owned(), DEFAULT_TOKEN_AUDIENCE.into());
        claims.insert("iat".to_owned(), now.into());
        claims.insert(
            "exp".to_owned(),
            (now + DEFAULT_TOKEN_LIFETIME.as_secs()).into(),
        );
        claims.insert("jti".to_owned(), random_text(32).into());
        claims.extend(asked);
        claims.retain(|_, value| !value.is_null());
        lock(&self.service.keys)
            .sign(algorithm, &Value::Object(claims))
            .map_err(|_| Error::new(ErrorKind::Other, MINT, "no key can be made"))
    }

    /// Signs with new keys from now on; those before are no longer published, so that tokens signed
    /// with them are refused.
    pub fn rotate_keys(&self) {
        *lock(&self.service.keys) = Keys::default();
    }
}

impl OidcIssuer {
    pub(in crate::local) fn new(account: Arc<Account>) -> Self {
        OidcIssuer {
            account,
            keys: Mutex::default(),
        }
    }

    /// The public keys.
    pub(super) fn keys(&self) -> Option<JwkSet> {
        let keys = lock(&self.keys).public().ok()?;
        serde_json::from_value(json!({ "keys": keys })).ok()
    }

    fn discovery(request: &Request<Bytes>) -> Answer {
        let host = request.headers().get(http::header::HOST);
        let Some(host) = host.and_then(|host| host.to_str().ok()) else {
            return plain(StatusCode::BAD_REQUEST, "text/plain", "no Host");
        };
        let issuer = format!("http://{host}");
        json_answer(&json!({
            "issuer": issuer,
            "jwks_uri": format!("{issuer}{KEYS}"),
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
            "claims_supported": ["iss", "sub", "aud", "iat", "exp", "nbf", "jti"],
            "scopes_supported": ["openid"],
        }))
    }
}

const DISCOVERY: &str = "/.well-known/openid-configuration";
const KEYS: &str = "/keys";

impl Service for OidcIssuer {
    type Call = OidcCall;
    type Calls = OidcCalls;

    fn calls(counts: &BTreeMap<OidcCall, u64>) -> OidcCalls {
        let of = |call| counts.get(&call).copied().unwrap_or_default();
        OidcCalls {
            discovery: of(OidcCall::Discovery),
            keys: of(OidcCall::Keys),
            other: of(OidcCall::Other),
        }
    }
}

impl Respond for OidcIssuer {
    fn classify(&self, request: &Request<Bytes>) -> OidcCall {
        match request.uri().path() {
            DISCOVERY => OidcCall::Discovery,
            KEYS => OidcCall::Keys,
            _ => OidcCall::Other,
        }
    }

    async fn respond(&self, request: Request<Bytes>, _fault: Option<&Fault>) -> Answer {
        match request.uri().path() {
            DISCOVERY | KEYS if request.method() != Method::GET => {
                self.refuse(StatusCode::METHOD_NOT_ALLOWED, None, None)
            }
            DISCOVERY => OidcIssuer::discovery(&request),
            KEYS => match lock(&self.keys).public() {
                Ok(keys) => json_answer(&json!({ "keys": keys })),
                Err(NoKey) => self.refuse(StatusCode::INTERNAL_SERVER_ERROR, None, None),
            },
            _ => self.refuse(StatusCode::NOT_FOUND, None, None),
        }
    }

    fn refuse(&self, status: StatusCode, _code: Option<&str>, message: Option<&str>) -> Answer {
        let reason = status.canonical_reason().unwrap_or("Error");
        plain(status, "text/plain", message.unwrap_or(reason).to_owned())
    }
}

/// The keys that tokens are signed with, each made when it is first needed: one of RSA takes a while.
#[derive(Default)]
struct Keys {
    ec: Option<(String, EcdsaKeyPair)>,
    rsa: Option<(String, RsaKeyPair)>,
}

/// A key could not be made or used.
#[derive(Clone, Copy, Debug)]
struct NoKey;

impl Keys {
    /// The token: header, claims and signature.
    fn sign(
        &mut self,
        algorithm: TokenAlgorithm,
        claims: &Value,
    ) -> std::result::Result<String, NoKey> {
        let random = SystemRandom::new();
        let unsigned = |name: &str, kid: &str| {
            let header = json!({ "alg": name, "kid": kid, "typ": "JWT" });
            format!(
                "{}.{}",
                base64url::encode(header.to_string()),
                base64url::encode(claims.to_string())
            )
        };
        let (unsigned, signature) = match algorithm {
            TokenAlgorithm::Es256 => {
                let (kid, key) = self.ec()?;
                let unsigned = unsigned("ES256", kid);
                let signature = key.sign(&random, unsigned.as_bytes()).map_err(|_| NoKey)?;
                (unsigned, signature.as_ref().to_vec())
            }
            TokenAlgorithm::Rs256 => {
                let (kid, key) = self.rsa()?;
                let unsigned = unsigned("RS256", kid);
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(
                    &RSA_PKCS1_SHA256,
                    &random,
                    unsigned.as_bytes(),
                    &mut signature,
                )
                .map_err(|_| NoKey)?;
                (unsigned, signature)
            }
        };
        Ok(format!("{unsigned}.{}", base64url::encode(signature)))
    }

    /// The public half of each, as a JSON web key.
    fn public(&mut self) -> std::result::Result<[Value; 2], NoKey> {
        let (kid, key) = self.rsa()?;
        let RsaPublicKeyComponents { n, e } =
            RsaPublicKeyComponents::<Vec<u8>>::from(key.public_key());
        let rsa = json!({
            "alg": "RS256",
            "e": base64url::encode(e),
            "kid": kid,
            "kty": "RSA",
            "n": base64url::encode(n),
            "use": "sig",
        });
        let (kid, key) = self.ec()?;
        // uncompressed: 4, then both coordinates
        let point = key.public_key().as_ref();
        let coordinate = |range| point.get(range).map(base64url::encode);
        let ec = json!({
            "alg": "ES256",
            "crv": "P-256",
            "kid": kid,
            "kty": "EC",
            "use": "sig",
            "x": coordinate(1..33),
            "y": coordinate(33..65),
        });
        Ok([rsa, ec])
    }

    fn ec(&mut self) -> std::result::Result<&(String, EcdsaKeyPair), NoKey> {
        if self.ec.is_none() {
            let key =
                EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| NoKey)?;
            self.ec = Some((random_text(KID_CHARS), key));
        }
        self.ec.as_ref().ok_or(NoKey)
    }

    fn rsa(&mut self) -> std::result::Result<&(String, RsaKeyPair), NoKey> {
        if self.rsa.is_none() {
            let key = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| NoKey)?;
            self.rsa = Some((random_text(KID_CHARS), key));
        }
        self.rsa.as_ref().ok_or(NoKey)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

/// The length of a key's id.
const KID_CHARS: usize = 32;

fn json_answer(document: &Value) -> Answer {
    plain(StatusCode::OK, "application/json", document.to_string())
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
