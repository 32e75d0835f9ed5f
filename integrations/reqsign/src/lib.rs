#![doc = include_str!("../README.md")]

use aws_credential_strategies::{CredentialStrategy, Credentials, Error as StrategyError};
use http::request::Parts;
use reqsign_aws_core::Credential;
use reqsign_core::time::Timestamp;
use reqsign_core::{Context, Error, ProvideCredential, Result, SignRequest};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long the credentials of a request that is sent at once have to live at least: the 10 s that reqsign's
/// signer of AWS requests insists on, and one until it looks.
pub const REQUEST_HEADROOM: Duration = Duration::from_secs(11);

/// A strategy as the credentials of a signer; `expires_in` is their true end.
///
/// The signer asks under a lock. The strategy answers from memory while it has credentials that live for
/// [`REQUEST_HEADROOM`], which is less than reqsign signs with, so nobody waits there but for the very first ones.
///
/// # Errors
///
/// An error of the strategy is the source of reqsign's, and retryable where it is.
#[derive(Clone, Debug)]
pub struct StrategyCredentials<S>(S);

impl<S: CredentialStrategy> StrategyCredentials<S> {
    /// The credentials of `strategy`.
    pub fn new(strategy: S) -> Self {
        StrategyCredentials(strategy)
    }
}

impl<S: CredentialStrategy + Unpin> ProvideCredential for StrategyCredentials<S> {
    type Credential = Credential;

    async fn provide_credential(&self, _: &Context) -> Result<Option<Credential>> {
        let lives = self.0.credentials_valid_for(REQUEST_HEADROOM).await;
        credential(&lives.map_err(told)?).map(Some)
    }
}

/// Signs each request with what the strategy holds at that moment, whatever the signer around it has kept.
///
/// With `expires_in`, for a presigned URL, the credentials are made to
/// [live as long](CredentialStrategy::credentials_valid_for).
#[derive(Clone, Debug)]
pub struct CurrentSigner<S, R> {
    strategy: S,
    signer: R,
}

impl<S: CredentialStrategy, R: SignRequest<Credential = Credential>> CurrentSigner<S, R> {
    /// `signer` with the credentials of `strategy`.
    pub fn new(strategy: S, signer: R) -> Self {
        CurrentSigner { strategy, signer }
    }
}

impl<S, R> SignRequest for CurrentSigner<S, R>
where
    S: CredentialStrategy + Unpin,
    R: SignRequest<Credential = Credential>,
{
    type Credential = Credential;

    /// Nothing is required of what the signer keeps: it is not what signs.
    fn required_valid_until(&self, _: &Credential, _: Option<Duration>) -> Timestamp {
        Timestamp::default()
    }

    async fn sign_request(
        &self,
        context: &Context,
        request: &mut Parts,
        _: Option<&Credential>,
        expires_in: Option<Duration>,
    ) -> Result<()> {
        let credentials = self
            .strategy
            .credentials_valid_for(expires_in.unwrap_or(REQUEST_HEADROOM))
            .await
            .map_err(told)?;
        let current = credential(&credentials)?;
        self.signer
            .sign_request(context, request, Some(&current), expires_in)
            .await
    }
}

/// What `credentials` look like to reqsign; for signers that are asked in another way than by a provider.
///
/// # Errors
///
/// Where the end of them is a time that reqsign has no form for.
pub fn credential(credentials: &Credentials) -> Result<Credential> {
    let expires_in = credentials.expiry().map(timestamp).transpose()?;
    Ok(Credential {
        access_key_id: credentials.access_key_id().to_owned(),
        secret_access_key: credentials.secret_access_key().to_owned(),
        session_token: credentials.session_token().map(ToOwned::to_owned),
        expires_in,
    })
}

/// To the millisecond.
fn timestamp(time: SystemTime) -> Result<Timestamp> {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let millis = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(millis)
}

fn told(error: StrategyError) -> Error {
    let told = if error.is_throttled() {
        Error::rate_limited(error.to_string())
    } else {
        Error::credential_invalid(error.to_string())
    };
    let retryable = error.is_retryable();
    told.with_source(error).set_retryable(retryable)
}
