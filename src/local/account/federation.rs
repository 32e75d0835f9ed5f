//! Identities that a provider outside of AWS vouches for: OpenID Connect providers, what their tokens
//! claim, and which of the claims a trust policy may ask about.

use iam_rs::{Context, ContextValue};
use serde_json::{Map, Value};
use std::time::{Duration, SystemTime};

/// Claims that are condition keys for every provider (IAM User Guide, "Available keys for AWS OIDC
/// federation").
const CLAIM_KEYS: [&str; 6] = ["amr", "aud", "azp", "email", "oaud", "sub"];

/// Those of GitHub's tokens besides, from the same table.
const GITHUB_CLAIM_KEYS: [&str; 9] = [
    "actor",
    "actor_id",
    "enterprise_id",
    "environment",
    "job_workflow_ref",
    "ref",
    "repository",
    "repository_id",
    "workflow",
];

/// The issuer of GitHub Actions' tokens.
const GITHUB: &str = "token.actions.githubusercontent.com";

/// Where an identity provider puts the source identity of a session.
const SOURCE_IDENTITY: &str = "https://aws.amazon.com/source_identity";

/// An OpenID Connect provider of an account, as `aws iam create-open-id-connect-provider` makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::local) struct OidcProvider {
    pub(in crate::local) arn: String,
    /// What tokens name as `iss`.
    pub(in crate::local) url: String,
    /// The audiences that tokens may be for.
    pub(in crate::local) client_ids: Vec<String>,
}

impl OidcProvider {
    /// How condition keys and ARNs name it.
    fn issuer(&self) -> &str {
        without_scheme(&self.url)
    }
}

/// The URL of an issuer as ARNs and condition keys have it.
pub(in crate::local) fn without_scheme(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest)
}

/// Why the claims of a token that is truly signed do not get in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::local) enum ClaimFault {
    /// It is for somebody else.
    Audience,
    /// It was over at this time.
    Expired {
        now: u64,
        end: u64,
    },
    Missing(&'static str),
    /// It holds from a later time on.
    NotYetValid,
}

/// Somebody whom a provider vouches for.
#[derive(Clone, Debug)]
pub(in crate::local) struct WebIdentity {
    pub(in crate::local) provider_arn: String,
    pub(in crate::local) subject: String,
    pub(in crate::local) audience: String,
    pub(in crate::local) source_identity: Option<String>,
    /// How condition keys name the provider.
    issuer: String,
    claims: Map<String, Value>,
}

impl WebIdentity {
    /// Reads the claims of a token whose signature holds.
    pub(in crate::local) fn from_claims(
        provider: &OidcProvider,
        claims: Map<String, Value>,
        now: SystemTime,
    ) -> Result<Self, ClaimFault> {
        let text = |name: &'static str| {
            let text = claims.get(name).and_then(Value::as_str);
            text.map(str::to_owned).ok_or(ClaimFault::Missing(name))
        };
        let second = |name: &'static str| {
            let number = claims.get(name).and_then(Value::as_f64);
            number
                .filter(|number| *number >= 0.0)
                .map(|number| number as u64)
        };
        let now = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or(Duration::ZERO)
            .as_secs();
        let end = second("exp").ok_or(ClaimFault::Missing("exp"))?;
        let issued_at = second("iat").ok_or(ClaimFault::Missing("iat"))?;
        if now >= end {
            return Err(ClaimFault::Expired { now, end });
        }
        if second("nbf").unwrap_or(issued_at) > now {
            return Err(ClaimFault::NotYetValid);
        }
        let subject = text("sub")?;
        let audiences = strings(claims.get("azp").or_else(|| claims.get("aud")));
        if audiences.is_empty() {
            return Err(ClaimFault::Missing("aud"));
        }
        let known = |audience: &&String| provider.client_ids.contains(audience);
        let audience = audiences.iter().find(known).ok_or(ClaimFault::Audience)?;
        Ok(WebIdentity {
            provider_arn: provider.arn.clone(),
            subject,
            audience: audience.clone(),
            source_identity: claims
                .get(SOURCE_IDENTITY)
                .and_then(Value::as_str)
                .map(str::to_owned),
            issuer: provider.issuer().to_owned(),
            claims,
        })
    }

    pub(in crate::local) fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// Adds what a trust policy may ask about the claims.
    pub(super) fn describe(&self, mut context: Context) -> Context {
        let mut add = |name: &str, value: Option<&Value>| {
            let value = match value {
                Some(Value::String(text)) => ContextValue::String(text.clone()),
                Some(Value::Bool(truth)) => ContextValue::Boolean(*truth),
                Some(Value::Number(number)) => ContextValue::String(number.to_string()),
                Some(list @ Value::Array(_)) => ContextValue::StringList(strings(Some(list))),
                _ => return,
            };
            context.insert(format!("{}:{name}", self.issuer), value);
        };
        // where a token names its authorized party, that is the audience
        let party = self.claims.get("azp");
        add("aud", party.or_else(|| self.claims.get("aud")));
        add("oaud", party.and_then(|_| self.claims.get("aud")));
        let others = CLAIM_KEYS.iter().chain(&GITHUB_CLAIM_KEYS);
        for name in others.filter(|name| !matches!(**name, "aud" | "oaud")) {
            if is_claim_key(&self.issuer, name) {
                add(name, self.claims.get(*name));
            }
        }
        context
    }
}

/// Whether `<issuer>:<claim>` is a condition key.
pub(super) fn is_claim_key(issuer: &str, claim: &str) -> bool {
    let among = |keys: &[&str]| keys.iter().any(|key| key.eq_ignore_ascii_case(claim));
    among(&CLAIM_KEYS) || (issuer == GITHUB && among(&GITHUB_CLAIM_KEYS))
}

/// One string or several.
fn strings(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(several)) => several
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        _ => Vec::new(),
    }
}
