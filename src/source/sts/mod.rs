//! Option B's source: the session of a role, from `sts:AssumeRole`.

mod base;
mod budget;
mod builder;
mod client;
mod failure;
mod observe;
mod proof;
mod provider_failure;
mod response;
mod rules;
mod web_identity;

pub use base::Base;
pub(crate) use base::{BaseCredentials, Origin};
pub use builder::StsSourceBuilder;
pub use client::{
    CallerIdentity, DEFAULT_STS_ATTEMPT_TIMEOUT, DEFAULT_STS_CALL_TIMEOUT,
    DEFAULT_STS_CONNECT_TIMEOUT, DEFAULT_STS_MAX_ATTEMPTS,
};
pub(crate) use client::{Sts, StsSettings};
pub(crate) use provider_failure::ProviderFailure;
pub(crate) use response::read as read_response;
pub use rules::{DEFAULT_SESSION_DURATION, MAX_SESSION_DURATION, MIN_SESSION_DURATION};

use self::budget::Budget;
use self::failure::{ASSUME_ROLE, Assumed, Call, GET_CALLER_IDENTITY, NO_ANSWER};
use self::observe::Observer;
use self::proof::Proof;
use self::rules::Request;
use self::web_identity::{ASSUME_ROLE_WITH_WEB_IDENTITY, WebIdentity};
use crate::connect::both;
use crate::error::{CredentialFault, Error, ErrorKind, Operation, Result};
use crate::source::CredentialSource;
use crate::source::progress::report_step;
use crate::source::restraint::{HELD_BACK_FOR, Refusal};
use crate::source::token::TokenClaims;
use aws_credential_types::Credentials;
use std::fmt;
use std::time::Duration;

/// Credentials of a role that is assumed: one call of [`fetch`](CredentialSource::fetch) is one
/// `sts:AssumeRole`, signed with the base credentials of that moment, or one
/// `sts:AssumeRoleWithWebIdentity` with the token of that moment.
///
/// ```no_run
/// use aws_credential_strategies::source::StsSource;
/// use aws_credential_strategies::{CredentialSource, InstanceProfile};
///
/// # async fn example() -> aws_credential_strategies::Result<()> {
/// let source = StsSource::builder("arn:aws:iam::123456789012:role/App")
///     .region("us-east-1")
///     .base(InstanceProfile::new()?)
///     .build()?;
/// let session = source.fetch().await?; // asks STS, each time
/// # Ok(())
/// # }
/// ```
///
/// A fetch fails with [`AccessDenied`](crate::ErrorKind::AccessDenied),
/// [`Invalid`](crate::ErrorKind::Invalid) and what else only a person can mend as a
/// [terminal](crate::Error::is_terminal) error, and with everything else as one that heals by itself.
/// Throttling and failures of the service are tried [again](DEFAULT_STS_MAX_ATTEMPTS) within the fetch.
/// When STS finds the base's key dead (session over, key deleted, role made anew), the base is told, and
/// the call made once more with what replaces it. Where STS refuses one new key of the base after the other, as in a
/// region that is not enabled, the base is left alone from the [second](crate::sdk::FRESH_KEYS_REFUSED) on, until STS
/// takes a key or [10 minutes](crate::sdk::HELD_BACK_FOR) have passed; one WARN event says so.
///
/// It remembers no credentials: for that put it into a [`CredentialCache`](crate::CredentialCache), or
/// use [`AssumeRole`](crate::AssumeRole).
pub struct StsSource {
    sts: Sts,
    proof: Proof,
    request: Request,
}

impl StsSource {
    /// The ARN of the role.
    #[must_use]
    pub fn role_arn(&self) -> &str {
        self.request.role.as_str()
    }

    /// Who AWS takes the holder of the base credentials for, by `sts:GetCallerIdentity`, which needs no
    /// permission.
    ///
    /// # Errors
    ///
    /// As [`fetch`](CredentialSource::fetch), without those about the role.
    ///
    /// # Cancel safety
    ///
    /// A read: dropping the future changes nothing.
    pub async fn caller_identity(&self) -> Result<CallerIdentity> {
        let Proof::Base(base) = &self.proof else {
            return Err(Error::usage(
                "base",
                "expected a base: before it has assumed the role, a web identity is nobody to AWS",
            )
            .during(GET_CALLER_IDENTITY));
        };
        let signer = base.credentials().await?;
        self.sts.caller_identity(&signer).await
    }

    async fn assume_from(&self, base: &Base) -> Result<Credentials> {
        let mut time = Budget::of_fetch(self.sts.call_timeout());
        let signer = self.base_credentials(base, &mut time).await?;
        if self.request.mfa.is_some() {
            report_step("waiting for the code of the MFA device");
        }
        let code = self.request.mfa_code().await?;
        let code = code.as_deref();
        let refusal = match self.assume_by_key(base, &signer, code, &mut time).await {
            Err(error) if is_of_a_dead_key(&error) => error,
            outcome => return outcome,
        };
        // The base's session ended, or was ended, before its stated time; or this STS refuses whatever it is shown.
        if self.is_held_back(&signer) || !base.invalidate(signer.access_key_id()) {
            return Err(refusal);
        }
        let renewed = self.base_credentials(base, &mut time).await?;
        if is_same_key(&renewed, &signer) {
            return Err(refusal);
        }
        let outcome = self.assume_by_key(base, &renewed, code, &mut time).await;
        if outcome.as_ref().is_err_and(is_of_a_dead_key) {
            self.is_held_back(&renewed);
        }
        outcome
    }

    /// STS refused this key: whether another is no use.
    fn is_held_back(&self, signer: &Credentials) -> bool {
        let refusal = self.sts.refused(signer);
        if refusal == Refusal::PassOnLast {
            tracing::warn!(
                role = self.role_arn(),
                region = self.sts.region(),
                held_back_for = ?HELD_BACK_FOR,
                "STS refuses one new key of the base after the other, and brings about no further refresh of it until \
                 it accepts one: the region may not be enabled for the account, or the endpoint is of another \
                 partition or not of AWS"
            );
        }
        refusal == Refusal::HoldBack
    }

    async fn assume_by_key(
        &self,
        base: &Base,
        signer: &Credentials,
        code: Option<&str>,
        time: &mut Budget,
    ) -> Result<Credentials> {
        let assumed = self.assume(signer, code, time).await?;
        self.sts.took(signer);
        base.accepted(signer.access_key_id());
        Ok(assumed)
    }

    async fn base_credentials(&self, base: &Base, time: &mut Budget) -> Result<Credentials> {
        let observer = Observer::default();
        let call = self.call(ASSUME_ROLE, &observer);
        report_step("waiting for the base's credentials");
        match time.spend(base.credentials()).await {
            Some(signer) => signer.map_err(|error| call.finish(base_failed(error), None)),
            None => Err(call.late("the base has given no credentials in time", time)),
        }
    }

    async fn assume(
        &self,
        signer: &Credentials,
        code: Option<&str>,
        time: &mut Budget,
    ) -> Result<Credentials> {
        report_step("waiting for STS");
        let observer = Observer::default();
        let call = self.call(ASSUME_ROLE, &observer);
        if let Some(code) = code {
            observer.hide(code);
        }
        if let Some(id) = self.request.secret_external_id() {
            observer.hide(id);
        }
        observer.limit(self.time_of_call(time));
        let sent = self
            .request
            .fill(self.sts.client().assume_role(), code)
            .customize()
            .config_override(Sts::signed_with(signer, &observer))
            .send();
        let Some(outcome) = time.spend(sent).await else {
            return Err(call.late(NO_ANSWER, time));
        };
        let credentials = match outcome {
            Ok(output) => response::with_sections(&observer, response::BY_CREDENTIALS)
                .unwrap_or_else(|| response::credentials(output)),
            Err(error) => response::read_by_name(&error, response::BY_CREDENTIALS)
                .unwrap_or_else(|| Err(call.failed(&error, signer))),
        };
        credentials.map_err(|error| call.finish(error, Some(signer)))
    }

    async fn assume_by(&self, identity: &WebIdentity) -> Result<Credentials> {
        let observer = Observer::default();
        let call = self.call(ASSUME_ROLE_WITH_WEB_IDENTITY, &observer);
        let mut time = Budget::of_fetch(self.sts.call_timeout());
        report_step("waiting for the web identity token");
        let Some(token) = time.spend(identity.token()).await else {
            return Err(call.late("there is no web identity token in time", &time));
        };
        let token = token.map_err(|error| call.finish(error, None))?;
        observer.hide(token.as_str());
        report_step("waiting for STS");
        let request = self.sts.client().assume_role_with_web_identity();
        observer.limit(self.time_of_call(&time));
        let sent = self
            .request
            .fill_unsigned(request, token.as_str())
            .customize()
            .config_override(Sts::unsigned(&observer))
            .send();
        let Some(outcome) = time.spend(sent).await else {
            return Err(call.late(NO_ANSWER, &time));
        };
        let credentials = match outcome {
            Ok(output) => response::with_sections(&observer, response::BY_TOKEN)
                .unwrap_or_else(|| response::credentials_by_token(output)),
            Err(error) => response::read_by_name(&error, response::BY_TOKEN).unwrap_or_else(|| {
                Err(web_identity::failed(
                    &call,
                    &self.request.role,
                    &error,
                    &token,
                ))
            }),
        };
        credentials.map_err(|error| call.finish(error, None))
    }

    /// What the token claims that a fetch would send now; `None` where credentials sign instead.
    #[allow(dead_code)]
    pub(crate) async fn look_at_token(&self) -> Option<Result<Option<TokenClaims>>> {
        let Proof::WebIdentity(identity) = &self.proof else {
            return None;
        };
        let token = identity.token().await;
        Some(token.map(|token| token.claims()))
    }

    /// What one call may take of what is left.
    fn time_of_call(&self, time: &Budget) -> Duration {
        let limit = self.sts.call_timeout();
        limit.unwrap_or(Duration::MAX).min(time.left())
    }

    fn call<'a>(&'a self, operation: Operation, observer: &'a Observer) -> Call<'a> {
        Call::new(operation, self.sts.region(), observer).assuming(Assumed {
            arn: &self.request.role,
            duration: self.request.duration,
            base: self.proof.name(),
            origin: self.proof.origin(),
            with_mfa: self.request.mfa.is_some(),
        })
    }
}

impl CredentialSource for StsSource {
    fn name(&self) -> &'static str {
        crate::source::ASSUME_ROLE_NAME
    }

    fn subject(&self) -> Option<String> {
        Some(self.role_arn().to_owned())
    }

    fn endpoint(&self) -> Option<String> {
        Some(self.sts.whereabouts())
    }

    async fn fetch(&self) -> Result<Credentials> {
        self.sts.prepare_handshake();
        let fetched = match &self.proof {
            Proof::Base(base) => self.assume_from(base).await,
            Proof::WebIdentity(identity) => self.assume_by(identity).await,
        };
        fetched.map_err(|error| self.sts.spread_out(error))
    }

    async fn connect(&self) {
        match &self.proof {
            Proof::Base(base) if !base.is_at_hand() => {
                // Its error is that of the fetch, which asks it too.
                let _ = both(base.warm(), self.sts.connect()).await;
            }
            // What is at hand, or in a file, leaves no time: the call itself opens the connection just as soon.
            Proof::Base(_) if self.request.mfa.is_none() => {}
            Proof::WebIdentity(identity) if identity.is_file() => {}
            _ => self.sts.connect().await,
        }
    }
}

impl fmt::Debug for StsSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StsSource")
            .field("role_arn", &self.request.role)
            .field("region", &self.sts.region())
            .field("proof", &self.proof)
            .field("session_name", &self.request.session_name)
            .field("duration", &self.request.duration)
            .field("mfa", &self.request.mfa.is_some())
            .finish_non_exhaustive()
    }
}

/// A secret or a session token may be changed in place.
fn is_same_key(one: &Credentials, other: &Credentials) -> bool {
    one.access_key_id() == other.access_key_id()
        && one.secret_access_key() == other.secret_access_key()
        && one.session_token() == other.session_token()
}

fn is_of_a_dead_key(error: &Error) -> bool {
    use CredentialFault::{Expired, Unrecognized};
    matches!(error.kind(), ErrorKind::Credential(Expired | Unrecognized))
}

/// Whether STS was not asked, because the base had no credentials to sign the call with.
#[cfg(feature = "pool")]
pub(crate) fn is_of_base(error: &Error) -> bool {
    // No other error of this source is caused by another of this crate.
    std::error::Error::source(error).is_some_and(|cause| cause.is::<Error>())
}

/// The cause decides whether waiting helps; the outer line says whose credentials are missing.
fn base_failed(error: Error) -> Error {
    let kind = error.kind().clone();
    let (terminal, throttled) = (error.is_terminal(), error.is_throttled());
    let outer = Error::new(
        kind,
        ASSUME_ROLE,
        "no base credentials to sign the call with",
    );
    let outer = match (terminal, throttled) {
        (true, _) => outer.needs_human(),
        (_, true) => outer.asks_for_fewer_calls(),
        _ => outer.heals_by_itself(),
    };
    outer.because_of(error)
}
