//! A presigned request, as text: what the three kinds of token have in common.

use super::{MAX_TOKEN_LIFE, Token};
use crate::arn;
use crate::error::{CredentialFault, Error, ErrorKind, Operation, Result};
use crate::refresh::Clock;
use crate::strategy::CredentialStrategy;
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::time::{Duration, SystemTime};

const SIGN: Operation = Operation::new("sign a token");

/// All but what Signature Version 4 leaves as it is.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The longest host name there can be (RFC 1035, section 2.3.4).
const MAX_HOST: usize = 253;

/// One request, signed anew for each token.
#[derive(Clone, Debug)]
pub(super) struct Signer<S> {
    strategy: S,
    clock: Clock,
    region: String,
    /// The name in the scope of the signature.
    service: &'static str,
    /// With its scheme, which the tokens leave out again where their service wants that.
    url: String,
}

impl<S: CredentialStrategy> Signer<S> {
    pub(super) fn new(
        strategy: S,
        clock: Clock,
        region: String,
        service: &'static str,
        url: String,
    ) -> Self {
        Signer {
            strategy,
            clock,
            region,
            service,
            url,
        }
    }

    /// The signed URL by credentials as they are now, waiting where the strategy waits.
    pub(super) async fn token(&self, text: fn(&str) -> String) -> Result<Token> {
        if let Some(held) = self.strategy.current() {
            return self.sign(&held, text);
        }
        self.sign(&self.strategy.credentials().await?, text)
    }

    /// The same for callers that cannot wait.
    pub(super) fn current(&self, text: fn(&str) -> String) -> Result<Token> {
        match self.strategy.current() {
            Some(held) => self.sign(&held, text),
            None => Err(Error::new(
                ErrorKind::Credential(CredentialFault::Unavailable),
                SIGN,
                "there are no credentials to sign with yet",
            )
            .via(self.strategy.name())
            .hint("await `token()` once before the first call that cannot wait")),
        }
    }

    /// The same, good for at least `min`.
    pub(super) async fn valid_for(&self, min: Duration, text: fn(&str) -> String) -> Result<Token> {
        if min > MAX_TOKEN_LIFE {
            return Err(Error::usage(
                "min",
                format!(
                    "expected at most {} s, the life of a token, got {} s",
                    MAX_TOKEN_LIFE.as_secs(),
                    min.as_secs()
                ),
            )
            .hint("make a token for each connection instead of keeping one"));
        }
        self.sign(&self.strategy.credentials_valid_for(min).await?, text)
    }

    fn sign(&self, credentials: &Credentials, text: fn(&str) -> String) -> Result<Token> {
        let now = self.clock.now().wall;
        let url = self
            .presign(credentials, now)
            .ok_or_else(|| Error::new(ErrorKind::Other, SIGN, "the request cannot be signed"))?;
        let end = now + MAX_TOKEN_LIFE;
        Ok(Token {
            text: text(&url),
            expires_at: credentials.expiry().map_or(end, |session| session.min(end)),
        })
    }

    /// `None` only for a URL or a time that the signer does not take, which `build()` has ruled out.
    fn presign(&self, credentials: &Credentials, now: SystemTime) -> Option<String> {
        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(MAX_TOKEN_LIFE);
        let identity = Identity::from(credentials.clone());
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(self.service)
            .time(now)
            .settings(settings)
            .build()
            .ok()?
            .into();
        let body = SignableBody::Bytes(&[]);
        let request = SignableRequest::new("GET", &self.url, std::iter::empty(), body).ok()?;
        let (instructions, _) = sign(request, &params).ok()?.into_parts();
        let mut signed = http::Request::builder().uri(&self.url).body(()).ok()?;
        instructions.apply_to_request_http1x(&mut signed);
        Some(signed.uri().to_string())
    }
}

/// What a token begins with: its URL less the scheme.
pub(super) fn without_scheme(url: &str) -> String {
    url.split_once("://")
        .map_or(url, |(_, rest)| rest)
        .to_owned()
}

/// A value of the query, encoded as Signature Version 4 wants it.
pub(super) fn encoded(value: &str) -> String {
    utf8_percent_encode(value, QUERY).to_string()
}

/// The setting, or an error that names it.
pub(super) fn required<T>(value: Option<T>, field: &'static str, what: &'static str) -> Result<T> {
    value.ok_or_else(|| Error::usage(field, format!("missing: {what}")))
}

/// A region, checked.
pub(super) fn region(value: Option<String>) -> Result<String> {
    let region = required(
        value,
        "region",
        "the region of the service, such as us-east-1",
    )?;
    if arn::is_region(&region) {
        Ok(region)
    } else {
        Err(Error::usage(
            "region",
            format!("expected a region such as us-east-1, got {region:?}"),
        ))
    }
}

/// A user name, checked: the services differ in what they take, so only what can be none is refused.
pub(super) fn user(value: Option<String>) -> Result<String> {
    let user = required(value, "user", "the name of the database user")?;
    if user.trim().is_empty() || user.chars().any(char::is_control) {
        return Err(Error::usage(
            "user",
            format!("expected the name of a user, without control characters, got {user:?}"),
        ));
    }
    Ok(user)
}

/// The name of a host or a cache, checked: what is signed is what the service compares.
pub(super) fn host(
    value: Option<String>,
    field: &'static str,
    what: &'static str,
) -> Result<String> {
    let host = required(value, field, what)?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if host.is_empty() || host.len() > MAX_HOST || !host.bytes().all(fits) {
        return Err(Error::usage(
            field,
            format!("expected {what}, without scheme, port and path, got {host:?}"),
        ));
    }
    Ok(host)
}

/// The three ways to a token, the same for each kind.
macro_rules! ways_to_a_token {
    ($token:ident, $text:expr) => {
        impl<S: $crate::strategy::CredentialStrategy> $token<S> {
            /// A token signed now.
            ///
            /// At once, without I/O, while the strategy has credentials to give; else it waits for the one
            /// fetch that all callers share.
            ///
            /// # Errors
            ///
            /// Those of [`credentials`](crate::CredentialStrategy::credentials).
            ///
            /// # Cancel safety
            ///
            /// Dropping the future changes nothing for other callers.
            ///
            /// # Concurrent calls
            ///
            /// Any number.
            pub async fn token(&self) -> $crate::error::Result<super::Token> {
                self.0.token($text).await
            }

            /// A token signed now, for callers that cannot wait, such as the callback of a driver.
            ///
            /// No I/O, no waiting, no lock. Await [`token`](Self::token) once at the start, so that there
            /// are credentials.
            ///
            /// # Errors
            ///
            /// [`Credential`](crate::ErrorKind::Credential) while the strategy has none to give
            /// ([`current`](crate::CredentialStrategy::current)).
            pub fn current(&self) -> $crate::error::Result<super::Token> {
                self.0.current($text)
            }

            /// A token that is good for at least `min`, at most [`MAX_TOKEN_LIFE`](super::MAX_TOKEN_LIFE).
            ///
            /// # Errors
            ///
            /// [`Usage`](crate::ErrorKind::Usage), naming `min`, when it is longer than a token lives; else
            /// those of [`credentials_valid_for`](crate::CredentialStrategy::credentials_valid_for).
            ///
            /// # Cancel safety
            ///
            /// Dropping the future changes nothing for other callers.
            ///
            /// # Concurrent calls
            ///
            /// Any number; they share one fetch.
            pub async fn valid_for(
                &self,
                min: std::time::Duration,
            ) -> $crate::error::Result<super::Token> {
                self.0.valid_for(min, $text).await
            }
        }
    };
}
pub(super) use ways_to_a_token;
