//! A web identity token: where it is read from, and what can be said of it without its issuer.

use crate::base64url;
use crate::error::text::Text;
use crate::error::{Error, ErrorKind, Operation};
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde_json::{Value, json};
use std::fmt;
use std::io;
use std::path::Path;
use tokio::io::AsyncReadExt;
use zeroize::Zeroize;

/// The longest token that STS takes:
/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html>.
pub const MAX_TOKEN_BYTES: usize = 20_000;
/// The most that is read of a token's file: the longest token, and room for blanks around it.
const FILE_LIMIT: usize = 2 * MAX_TOKEN_BYTES;
/// The longest claim that is shown of a token.
const CLAIM_LIMIT: usize = 200;

/// A token that is whole enough to be sent; what it says is for STS to judge.
pub(crate) struct WebIdentityToken(String);

impl Drop for WebIdentityToken {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl WebIdentityToken {
    /// Reads the file anew: it is replaced under the same name, in Kubernetes even with equal times.
    pub(crate) async fn read(path: &Path) -> Result<Self, TokenFault> {
        let file = tokio::fs::File::open(path).await?;
        let mut bytes = Vec::new();
        // One more than may be, so that what is too long is seen without being read whole.
        let limit = u64::try_from(FILE_LIMIT).map_or(u64::MAX, |limit| limit + 1);
        file.take(limit).read_to_end(&mut bytes).await?;
        if bytes.len() > FILE_LIMIT {
            // what was read may be a token by itself, and not the one that was meant
            bytes.zeroize();
            return Err(TokenFault::TooLarge);
        }
        match String::from_utf8(bytes) {
            Ok(text) => Self::check(text),
            Err(error) => {
                error.into_bytes().zeroize();
                Err(TokenFault::NotText)
            }
        }
    }

    /// A token without the line ends and spaces that files have around it.
    pub(crate) fn check(mut text: String) -> Result<Self, TokenFault> {
        // some editors and shells begin a file with a byte order mark
        let token = text.trim().trim_start_matches('\u{feff}').trim().to_owned();
        text.zeroize();
        let token = WebIdentityToken(token);
        if token.0.len() > MAX_TOKEN_BYTES {
            return Err(TokenFault::TooLarge);
        }
        if token.0.is_empty() {
            return Err(TokenFault::Empty);
        }
        if !token.0.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenFault::NotText);
        }
        Ok(token)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// What it claims, if it is a JSON web token.
    pub(crate) fn claims(&self) -> Option<TokenClaims> {
        TokenClaims::of(&self.0)
    }
}

impl fmt::Debug for WebIdentityToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebIdentityToken(** redacted **)")
    }
}

/// Why there is no token to send.
#[derive(Debug)]
pub(crate) enum TokenFault {
    Empty,
    Missing,
    NotText,
    TooLarge,
    Unreadable(io::Error),
}

impl From<io::Error> for TokenFault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => TokenFault::Missing,
            _ => TokenFault::Unreadable(error),
        }
    }
}

impl TokenFault {
    /// In words, with what mends it; `place` is the file, or how else the token came.
    pub(crate) fn into_error(self, operation: Operation, place: String) -> Error {
        let unavailable = ErrorKind::Credential(crate::error::CredentialFault::Unavailable);
        let error = match self {
            TokenFault::Missing => Error::new(
                unavailable,
                operation,
                "the file of the web identity token is not there",
            )
            .hint(
                "is it mounted: in Kubernetes as a projected volume of the service account, which needs the \
                 annotation eks.amazonaws.com/role-arn and a pod started after it?",
            ),
            TokenFault::Unreadable(cause) => Error::new(
                unavailable,
                operation,
                "the file of the web identity token could not be read",
            )
            .hint("may this process read it: user, group (securityContext.fsGroup), mount?")
            .caused_by(cause),
            TokenFault::Empty => Error::new(unavailable, operation, "the web identity token is empty")
                .hint("whoever writes it has not done so yet, or failed"),
            TokenFault::NotText => Error::new(
                ErrorKind::Invalid,
                operation,
                "the web identity token is not one line of printable characters",
            )
            .hint("a JSON web token is expected: three parts of letters, digits, - and _, with points between"),
            TokenFault::TooLarge => Error::new(
                ErrorKind::TooLarge,
                operation,
                format!("the web identity token is longer than {MAX_TOKEN_BYTES} bytes, the most that STS takes"),
            )
            .hint("have the issuer put fewer claims (groups, roles) into it")
            .needs_human(),
        };
        error.via(place)
    }
}

/// What a token says of itself, whole and unverified: for an error, never for a decision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TokenClaims {
    pub(crate) issuer: Option<String>,
    pub(crate) audiences: Vec<String>,
    /// Who it was issued for; goes before the audience where both stand in a token.
    pub(crate) authorized_party: Option<String>,
    pub(crate) subject: Option<String>,
    /// Seconds since 1970.
    pub(crate) expires_at: Option<i64>,
}

impl TokenClaims {
    /// Reads the middle part of a JSON web token.
    pub(crate) fn of(token: &str) -> Option<Self> {
        let mut parts = token.split('.');
        let (_header, payload, _signature) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let bytes = base64url::decode(payload)?;
        let claims: Value = serde_json::from_slice(&bytes).ok()?;
        let claims = claims.as_object()?;
        let text = |name: &str| Some(claims.get(name)?.as_str()?.to_owned());
        let audiences = match claims.get("aud") {
            Some(Value::String(one)) => vec![one.clone()],
            Some(Value::Array(many)) => many
                .iter()
                .filter_map(|one| Some(one.as_str()?.to_owned()))
                .collect(),
            _ => Vec::new(),
        };
        let number = |name: &str| {
            let value = claims.get(name)?;
            value
                .as_i64()
                .or_else(|| value.as_f64().map(|seconds| seconds as i64))
        };
        Some(TokenClaims {
            issuer: text("iss"),
            audiences,
            authorized_party: text("azp"),
            subject: text("sub"),
            expires_at: number("exp"),
        })
    }

    /// The issuer as IAM writes it: without the scheme.
    pub(crate) fn provider(&self) -> Option<&str> {
        let issuer = self.issuer.as_deref()?;
        // AWS knows issuers by https alone; a stand-in on loopback has no TLS
        let issuer = ["https://", "http://"]
            .iter()
            .find_map(|scheme| issuer.strip_prefix(scheme))
            .unwrap_or(issuer);
        Some(issuer.trim_end_matches('/'))
    }

    /// What a condition on `aud` has to name: IAM compares `azp` where there is one.
    fn audience(&self) -> Option<&str> {
        let party = self.authorized_party.as_deref();
        party.or_else(|| self.audiences.first().map(String::as_str))
    }

    /// The statement of the role's trust policy that admits exactly this identity; `None` also where an error
    /// would not show it as it is.
    pub(crate) fn trust_statement(&self, partition: &str, account: &str) -> Option<String> {
        let provider = self.provider()?;
        let mut conditions = serde_json::Map::new();
        if let Some(audience) = self.audience() {
            conditions.insert(format!("{provider}:aud"), json!(audience));
        }
        if let Some(subject) = &self.subject {
            conditions.insert(format!("{provider}:sub"), json!(subject));
        }
        let statement = json!({
            "Effect": "Allow",
            "Principal": {
                "Federated": format!("arn:{partition}:iam::{account}:oidc-provider/{provider}")
            },
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": { "StringEquals": conditions }
        });
        let statement = statement.to_string();
        // a condition with a part struck out or escaped admits nobody
        let shown = Text::prose(statement.clone().into());
        (shown.as_str() == statement).then_some(statement)
    }
}

/// `iss …, aud …, sub …, exp …`, as far as they are there.
impl fmt::Display for TokenClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expiry = self.expires_at.map(|seconds| {
            let time = DateTime::from_secs(seconds).fmt(Format::DateTime);
            time.unwrap_or_else(|_| seconds.to_string())
        });
        let audiences = (!self.audiences.is_empty()).then(|| {
            let each: Vec<String> = self.audiences.iter().map(|one| shown(one)).collect();
            each.join(" ")
        });
        let claims = [
            ("iss", self.issuer.as_deref().map(shown)),
            ("aud", audiences),
            ("azp", self.authorized_party.as_deref().map(shown)),
            ("sub", self.subject.as_deref().map(shown)),
            ("exp", expiry),
        ];
        let mut first = true;
        for (name, value) in claims {
            let Some(value) = value else { continue };
            let between = if first { "" } else { ", " };
            first = false;
            write!(f, "{between}{name} {value}")?;
        }
        if first {
            f.write_str("no claims")?;
        }
        Ok(())
    }
}

/// A claim as far as it is shown.
fn shown(claim: &str) -> String {
    let mut text: String = claim
        .chars()
        .take(CLAIM_LIMIT)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if claim.chars().count() > CLAIM_LIMIT {
        text.push('…');
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A token with this payload; its signature is not one.
    fn token(payload: &str) -> String {
        format!("eyJhbGciOiJSUzI1NiJ9.{}.c2ln", base64url::encode(payload))
    }

    #[test]
    fn claims_are_read_and_shown() {
        let claims = TokenClaims::of(&token(
            r#"{"iss":"https://token.actions.githubusercontent.com","aud":"sts.amazonaws.com",
                "sub":"repo:octo/app:ref:refs/heads/main","exp":1767225600}"#,
        ))
        .unwrap();
        assert_eq!(
            claims.to_string(),
            "iss https://token.actions.githubusercontent.com, aud sts.amazonaws.com, \
             sub repo:octo/app:ref:refs/heads/main, exp 2026-01-01T00:00:00Z"
        );
        assert_eq!(
            claims.trust_statement("aws", "123456789012").unwrap(),
            r#"{"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"token.actions.githubusercontent.com:aud":"sts.amazonaws.com","token.actions.githubusercontent.com:sub":"repo:octo/app:ref:refs/heads/main"}},"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"}}"#
        );
    }

    #[test]
    fn entras_authorized_party_and_path_are_what_iam_compares() {
        let claims = TokenClaims::of(&token(
            r#"{"iss":"https://login.microsoftonline.com/tenant/v2.0","aud":["api://a","b"],
                "azp":"client","sub":"s","exp":1.5e9}"#,
        ))
        .unwrap();
        assert_eq!(claims.audiences, ["api://a", "b"]);
        assert_eq!(claims.expires_at, Some(1_500_000_000));
        let statement = claims.trust_statement("aws-cn", "123456789012").unwrap();
        assert!(statement.contains(r#""login.microsoftonline.com/tenant/v2.0:aud":"client""#));
        assert!(statement.contains(
            "arn:aws-cn:iam::123456789012:oidc-provider/login.microsoftonline.com/tenant/v2.0"
        ));
    }

    #[test]
    fn what_is_no_web_token_has_no_claims() {
        for text in [
            "",
            "a",
            "a.b",
            "a.b.c",
            "a.!!.c",
            "a.bnVsbA.c",
            "a.W10.c",
            "a.e30.c.d",
        ] {
            assert_eq!(TokenClaims::of(text), None, "{text}");
        }
        assert_eq!(TokenClaims::of("a.e30.c").unwrap().to_string(), "no claims");
        let odd = TokenClaims::of(&token(r#"{"iss":1,"aud":{},"sub":"a\nb","exp":"x"}"#)).unwrap();
        assert_eq!(odd.to_string(), "sub a b");
    }

    #[test]
    fn a_long_claim_is_shown_cut_and_stands_whole_in_a_condition() {
        let long = "x".repeat(500);
        let payload = format!(r#"{{"iss":"https://{long}","aud":"a{long}","sub":"s{long}"}}"#);
        let claims = TokenClaims::of(&token(&payload)).unwrap();
        assert_eq!(claims.to_string().chars().count(), 3 * CLAIM_LIMIT + 19);
        let statement = claims.trust_statement("aws", "123456789012").unwrap();
        for whole in [
            format!(r#""{long}:aud":"a{long}""#),
            format!(r#""{long}:sub":"s{long}""#),
            format!(r#"oidc-provider/{long}""#),
        ] {
            assert!(statement.contains(&whole), "{statement}");
        }
    }

    /// An error strikes out what looks like a secret; a condition without it would admit nobody.
    #[test]
    fn a_statement_that_an_error_cannot_show_whole_is_not_offered() {
        let lookalike = format!("{}Xy1Z", "aB3/".repeat(9));
        for subject in [lookalike.as_str(), "a\\u202eb"] {
            let payload = format!(r#"{{"iss":"https://i","sub":"{subject}"}}"#);
            let claims = TokenClaims::of(&token(&payload)).unwrap();
            assert_eq!(claims.trust_statement("aws", "123456789012"), None);
        }
    }

    #[tokio::test]
    async fn a_file_is_sent_whole_or_not_at_all() {
        let most = "x".repeat(MAX_TOKEN_BYTES);
        let path = std::env::temp_dir().join(format!("a-token-{}", std::process::id()));
        for (around, length) in [("\u{feff}", 0), ("\u{feff}\r\n", 2), ("  \n", 1)] {
            std::fs::write(&path, format!("{around}{most}{}", "\n".repeat(length))).unwrap();
            let read = WebIdentityToken::read(&path).await;
            assert_eq!(read.unwrap().as_str(), most, "{around:?}");
        }
        for more in [1, 5_000, 1_000_000] {
            std::fs::write(&path, format!("\u{feff} {most}{}", "x".repeat(more))).unwrap();
            let read = WebIdentityToken::read(&path).await;
            assert!(matches!(read, Err(TokenFault::TooLarge)), "{more}");
        }
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_token_is_trimmed_and_of_a_length_that_sts_takes() {
        let check = |text: &str| WebIdentityToken::check(text.to_owned());
        assert_eq!(check("a.b.c\r\n").unwrap().as_str(), "a.b.c");
        assert!(check(&"x".repeat(MAX_TOKEN_BYTES)).is_ok());
        assert!(matches!(
            check(&"x".repeat(MAX_TOKEN_BYTES + 1)),
            Err(TokenFault::TooLarge)
        ));
        assert!(matches!(check(" \r\n"), Err(TokenFault::Empty)));
        assert!(matches!(check("a b"), Err(TokenFault::NotText)));
        assert!(!format!("{:?}", check("secret").unwrap()).contains("secret"));
    }
}
