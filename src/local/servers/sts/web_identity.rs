//! `AssumeRoleWithWebIdentity`: its parameters, and whether the token is what it says it is.

use super::issuer_keys::{IssuerKeys, NoKeys};
use super::query::{Checks, Parameters, Refusal};
use super::session::SessionRequest;
use crate::local::account::{Account, ClaimFault, WebIdentity};
use crate::local::servers::jwt::{Unproven, claimed, proven};
use serde_json::Value;
use std::ops::RangeInclusive;

/// Bounds of the API reference of `AssumeRoleWithWebIdentity`, version 2011-06-15.
const TOKEN: RangeInclusive<usize> = 4..=20_000;
const PROVIDER_ID: RangeInclusive<usize> = 4..=2_048;

/// A well-formed `AssumeRoleWithWebIdentity` request, its token not yet believed.
pub(super) struct WebIdentityRequest {
    pub(super) session: SessionRequest,
    token: String,
}

impl WebIdentityRequest {
    pub(super) fn read(parameters: &Parameters, partition: &str) -> Result<Self, Refusal> {
        let mut checks = Checks::default();
        SessionRequest::check(parameters, &mut checks)?;
        let token = parameters.one("WebIdentityToken");
        checks.required("webIdentityToken", token);
        checks.secret_length("webIdentityToken", token, &TOKEN);
        let provider = parameters.one("ProviderId");
        checks.length("providerId", provider, &PROVIDER_ID);
        checks.finish()?;
        // that of an OAuth 2.0 provider, whose tokens are no JWTs
        if provider.is_some() {
            return Err(invalid_token(
                "Provided Token is not a Login With Amazon token",
            ));
        }
        Ok(WebIdentityRequest {
            session: SessionRequest::read(parameters, partition)?,
            token: token.unwrap_or_default().to_owned(),
        })
    }

    /// Whom the token speaks of: signed by a provider of the account, in time, for one of its clients.
    pub(super) async fn identity(
        &self,
        account: &Account,
        keys: &IssuerKeys,
    ) -> Result<WebIdentity, Refusal> {
        let Some(unproven) = claimed(&self.token) else {
            return Err(invalid_token(
                "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)",
            ));
        };
        let Some(issuer) = unproven.get("iss").and_then(Value::as_str) else {
            return Err(missing("iss"));
        };
        let Some(provider) = account.oidc_provider(&self.session.role_arn, issuer) else {
            return Err(invalid_token(format!(
                "No OpenIDConnect provider found in your account for {issuer}"
            )));
        };
        let claims = match keys.of(&provider.url).await {
            Ok(keys) => proven(&self.token, &keys),
            Err(NoKeys::Unreachable) => return Err(Refusal::of("IDPCommunicationError")),
            Err(NoKeys::Unreadable) => Err(Unproven::Key),
        };
        let claims = claims.map_err(|unproven| match unproven {
            Unproven::Key => invalid_token(
                "Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity documentation for requirements",
            ),
            Unproven::Signature => Refusal::of("InvalidIdentityToken"),
        })?;
        WebIdentity::from_claims(&provider, claims, account.now()).map_err(|fault| match fault {
            ClaimFault::Audience => invalid_token("Incorrect token audience"),
            ClaimFault::Expired { now, end } => Refusal::bad_request(
                "ExpiredTokenException",
                format!(
                    "Token expired: current date/time {now} must be before the expiration date/time {end}"
                ),
            ),
            ClaimFault::Missing(claim) => missing(claim),
            ClaimFault::NotYetValid => Refusal::of("IDPRejectedClaim"),
        })
    }
}

fn invalid_token(message: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::bad_request("InvalidIdentityToken", message)
}

fn missing(claim: &str) -> Refusal {
    invalid_token(format!("Missing a required claim: {claim}"))
}
