//! How STS is reached, and the SDK client that does it.

use super::failure::{self, Call};
use super::observe::{Observer, TimeLeft};
use crate::arn::{Partition, account_in, is_host_of_aws, is_region_of_aws};
use crate::connect::{OpensConnection, prepare_handshake};
use crate::error::{Error, Result};
use crate::jitter;
use crate::settings::endpoint_url;
use crate::source::key_mark::KeyMark;
use crate::source::restraint::{Refusal, Restraint};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sts::Client;
use aws_sdk_sts::config::{BehaviorVersion, Builder, IdentityCache, Region};
use aws_smithy_runtime_api::client::http::{HttpClient, SharedHttpClient};
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::retries::classifiers::{
    ClassifyRetry, RetryAction, RetryClassifierPriority, RetryReason,
};
use aws_smithy_runtime_api::shared::IntoShared;
use aws_smithy_types::retry::{ErrorKind, RetryConfig};
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How often STS is asked in one call: the first attempt and two more for throttling and failures of
/// the service, as the SDK's standard retry mode has it.
pub const DEFAULT_STS_MAX_ATTEMPTS: u32 = 3;
/// How long connecting to STS may take.
pub const DEFAULT_STS_CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long one attempt may take, connecting included. STS answers well within a second.
pub const DEFAULT_STS_ATTEMPT_TIMEOUT: Duration = Duration::from_millis(2_500);
/// How long a call may take with all its attempts and the pauses between them; under the time that
/// callers wait ([`DEFAULT_WAIT_TIMEOUT`](crate::refresh::DEFAULT_WAIT_TIMEOUT)), so that the error is
/// the one that names STS.
pub const DEFAULT_STS_CALL_TIMEOUT: Duration = Duration::from_secs(9);
/// Of an attempt that is shorter than what connecting may take, the part for connecting.
const CONNECTING: f64 = 0.8;
/// What the pauses between attempts grow from: small enough for three attempts within a call.
const FIRST_PAUSE: Duration = Duration::from_millis(300);
/// The longest pause that STS can ask for by `Retry-After` and get within a call.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What an attempt after a pause needs of a call's time, to be worth the pause.
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);
/// Tries of one call, whatever an `SdkConfig` asks for: STS is not what a program's own retries are for.
const MOST_ATTEMPTS: u32 = 8;

/// What a fleet can be told to spread its tries over.
const SPREADS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(600);

/// How STS is reached: region, endpoint, transport.
#[derive(Clone, Debug, Default)]
pub(crate) struct StsSettings {
    pub(crate) region: Option<String>,
    pub(crate) endpoint: Option<String>,
    pub(crate) http_client: Option<SharedHttpClient>,
    pub(crate) sdk_config: Option<SdkConfig>,
    /// A client that was built of these settings before, which sources share.
    pub(crate) client: Option<Sts>,
    /// Who calls tries again, and paces that: the client does not.
    pub(crate) single_attempt: bool,
    /// Over how long those who are throttled spread their next try.
    pub(crate) spread: Option<Duration>,
}

/// A client without credentials of its own: each call brings them.
#[derive(Clone, Debug)]
pub(crate) struct Sts {
    client: Client,
    region: String,
    /// Where it is not the regional one.
    endpoint: Option<String>,
    call_timeout: Option<Duration>,
    spread: Option<Duration>,
    /// For all sources that share it.
    base_keys: Arc<Mutex<BaseKeys>>,
}

/// What it made of the keys of bases.
#[derive(Debug, Default)]
struct BaseKeys {
    accepted: Option<KeyMark>,
    restraint: Restraint,
}

/// Who AWS takes the holder of some credentials for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct CallerIdentity {
    /// The account id; empty where another vendor's STS knows none.
    pub account: String,
    /// The ARN of the user, role session or federated user.
    pub arn: String,
    /// The unique id, for a role session `AROA…:session-name`; empty likewise.
    pub user_id: String,
}

impl StsSettings {
    pub(crate) fn build(self) -> Result<Sts> {
        let own_endpoint = self.is_own_endpoint();
        let named = match self.endpoint {
            Some(_) => "sts_endpoint",
            None => "endpoint_url",
        };
        let endpoint_url = self
            .endpoint_url()
            .map(|url| checked_endpoint(named, url))
            .transpose()?;
        let StsSettings {
            region,
            endpoint: _,
            http_client,
            sdk_config,
            client,
            single_attempt,
            spread,
        } = self;
        if let Some(client) = client {
            return Ok(client);
        }
        if spread.is_some_and(|spread| !SPREADS.contains(&spread)) {
            let (least, most) = (SPREADS.start().as_secs(), SPREADS.end().as_secs());
            return Err(Error::usage(
                "throttled_spread",
                format!("expected {least} to {most} s"),
            ));
        }
        let given = sdk_config.as_ref();
        let region = region
            .or_else(|| Some(given?.region()?.to_string()))
            .ok_or_else(|| {
                Error::usage(
                    "region",
                    "expected the region whose STS to ask, for example us-east-1; the region of the \
                     application is usually right",
                )
            })?;
        if own_endpoint {
            if !is_given_region(&region) {
                return Err(Error::usage(
                    "region",
                    format!(
                        "expected at most {GIVEN_REGION_MAX} printable characters, as this endpoint calls \
                         its region, not {region:?}"
                    ),
                ));
            }
        } else if !is_region_of_aws(&region) {
            return Err(Error::usage(
                "region",
                format!("expected a region such as us-east-1, not {region:?}"),
            ));
        }
        let mut config = given.map_or_else(Builder::new, Builder::from);
        config = config
            .retry_classifier(PausesAsAsked)
            .region(Region::new(region.clone()))
            // The key that signs a call is the one that was chosen for it, never one kept from before.
            .identity_cache(IdentityCache::no_cache());
        if given.is_none_or(|given| given.behavior_version().is_none()) {
            config.set_behavior_version(Some(BehaviorVersion::latest()));
        }
        if given.is_none_or(|given| given.retry_config().is_none()) {
            config.set_retry_config(Some(
                RetryConfig::standard()
                    .with_max_attempts(DEFAULT_STS_MAX_ATTEMPTS)
                    .with_initial_backoff(FIRST_PAUSE),
            ));
        }
        if let Some(given) = given.and_then(SdkConfig::retry_config)
            && given.max_attempts() > MOST_ATTEMPTS
        {
            let fewer = given.clone().with_max_attempts(MOST_ATTEMPTS);
            config.set_retry_config(Some(fewer));
        }
        if single_attempt || spread.is_some() {
            config.set_retry_config(Some(RetryConfig::disabled()));
        }
        let timeouts = timeouts(given.and_then(SdkConfig::timeout_config));
        let call_timeout = timeouts.operation_timeout();
        config.set_timeout_config(Some(timeouts));
        config.set_endpoint_url(endpoint_url.clone());
        let has_client = http_client.is_some() || given.is_some_and(|c| c.http_client().is_some());
        if !has_client && !cfg!(feature = "https") {
            return Err(Error::usage(
                "http_client",
                "expected an HTTP client, here or in the SdkConfig: without the cargo feature https \
                 this crate brings none",
            ));
        }
        if http_client.is_some() {
            config.set_http_client(http_client);
        }
        Ok(Sts {
            client: Client::from_conf(config.build()),
            region,
            endpoint: endpoint_url,
            call_timeout,
            spread,
            base_keys: Arc::default(),
        })
    }

    pub(crate) fn has_region(&self) -> bool {
        self.region().is_some()
    }

    /// The region whose STS is asked, as far as one is given.
    pub(crate) fn region(&self) -> Option<String> {
        let given = || Some(self.sdk_config.as_ref()?.region()?.to_string());
        self.region.clone().or_else(given)
    }

    /// The endpoint, where it is not the regional one: given here, else by the program, else for STS or
    /// for all services by environment or profile.
    pub(crate) fn endpoint_url(&self) -> Option<String> {
        let given = || endpoint_url(self.sdk_config.as_ref()?, "STS");
        self.endpoint.clone().or_else(given)
    }

    /// Where STS is asked, as far as a region or an endpoint is given.
    pub(crate) fn url(&self) -> Option<String> {
        let regional = || {
            let region = self.region()?;
            let suffix = Partition::of_region(&region).dns_suffix();
            Some(format!("https://sts.{region}.{suffix}"))
        };
        self.endpoint_url().or_else(regional)
    }

    /// Whether another vendor's STS, or an emulation, judges what is sent.
    pub(crate) fn is_own_endpoint(&self) -> bool {
        self.endpoint_url()
            .is_some_and(|url| !is_host_of_aws(host_in(&url)))
    }

    pub(crate) fn set_http_client(&mut self, client: impl HttpClient + 'static) {
        self.http_client = Some(client.into_shared());
    }
}

impl Sts {
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn region(&self) -> &str {
        &self.region
    }

    /// The error, with the pause of this host where STS asked for fewer calls and not for how long.
    pub(super) fn spread_out(&self, error: Error) -> Error {
        match self.spread {
            Some(spread) if error.is_throttled() && error.retry_after().is_none() => {
                error.with_retry_after(spread.mul_f64(jitter::unit()))
            }
            _ => error,
        }
    }

    /// How long one call may take; `None` where whoever set the limits wanted none.
    pub(crate) fn call_timeout(&self) -> Option<Duration> {
        self.call_timeout
    }

    /// Where it asks: the endpoint that was given, or the region whose own it is.
    pub(crate) fn whereabouts(&self) -> String {
        let regional = || format!("STS in {}", self.region);
        self.endpoint.clone().unwrap_or_else(regional)
    }

    /// The configuration of one call: signed with these credentials, watched by this observer.
    pub(crate) fn signed_with(credentials: &Credentials, observer: &Observer) -> Builder {
        Self::unsigned(observer)
            .credentials_provider(SharedCredentialsProvider::new(credentials.clone()))
    }

    /// The configuration of one call that nobody signs.
    pub(crate) fn unsigned(observer: &Observer) -> Builder {
        Builder::new().interceptor(observer.clone())
    }

    /// It took this key of a base.
    pub(super) fn took(&self, signer: &Credentials) {
        let mut keys = self.base_keys();
        keys.restraint.end();
        keys.accepted = Some(KeyMark::of_credentials(signer));
    }

    /// It refused this key of a base.
    pub(super) fn refused(&self, signer: &Credentials) -> Refusal {
        let key = KeyMark::of_credentials(signer);
        let mut keys = self.base_keys();
        let was_accepted = keys.accepted == Some(key);
        keys.restraint.refuse(key, was_accepted, Instant::now())
    }

    /// A panic cannot leave it torn: nothing in between can fail.
    fn base_keys(&self) -> MutexGuard<'_, BaseKeys> {
        let keys = self.base_keys.lock();
        keys.unwrap_or_else(PoisonError::into_inner)
    }

    /// While whatever signs the call is asked for.
    pub(super) fn prepare_handshake(&self) {
        let client = self.client.config().http_client();
        prepare_handshake(client.as_ref(), self.endpoint.as_deref());
    }

    /// Opens a connection that the next call finds in the client's pool. Nobody asks what came of it.
    pub(super) async fn connect(&self) {
        // Modelled as a call that nobody signs.
        let call = self.client.assume_role_with_web_identity().customize();
        let config = Builder::new().retry_config(RetryConfig::disabled());
        let _ = call
            .config_override(config)
            .interceptor(OpensConnection)
            .send()
            .await;
    }

    pub(crate) async fn caller_identity(
        &self,
        credentials: &Credentials,
    ) -> Result<CallerIdentity> {
        let observer = Observer::default();
        let call = Call::new(failure::GET_CALLER_IDENTITY, &self.region, &observer);
        let output = self
            .client
            .get_caller_identity()
            .customize()
            .config_override(Self::signed_with(credentials, &observer))
            .send()
            .await
            .map_err(|error| call.failed(&error, credentials))?;
        let present = |part: &'static str, value: Option<String>| {
            value
                .filter(|value| !value.is_empty())
                .ok_or_else(|| call.malformed(format!("the answer of STS lacks {part}")))
        };
        let arn = present("Arn", output.arn)?;
        let account = output.account.filter(|account| !account.is_empty());
        Ok(CallerIdentity {
            account: account
                .or_else(|| account_in(&arn).map(str::to_owned))
                .unwrap_or_default(),
            arn,
            user_id: output.user_id.unwrap_or_default(),
        })
    }
}

/// What another vendor calls its region: `auto`, `garage`, `default`.
const GIVEN_REGION_MAX: usize = 64;

fn is_given_region(text: &str) -> bool {
    // a slash would end the part of a signature's scope that the region is
    (1..=GIVEN_REGION_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_graphic() && b != b'/')
}

fn host_in(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    authority.split(':').next().unwrap_or_default()
}

/// Leaves STS alone as long as it asks for, where that fits into a call; else the call ends, and its
/// error says how long.
#[derive(Debug)]
struct PausesAsAsked;

impl ClassifyRetry for PausesAsAsked {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let left = context
            .response()
            .and_then(|response| response.extension::<TimeLeft>());
        let fits =
            |asked: Duration| left.is_none_or(|TimeLeft(left)| asked + ANSWERS_WITHIN <= *left);
        let asked = context
            .response()
            .filter(|response| matches!(response.status().as_u16(), 429 | 500 | 502..=599))
            .and_then(failure::retry_after);
        match asked {
            None => RetryAction::NoActionIndicated,
            Some(asked) if asked > LONGEST_PAUSE || !fits(asked) => RetryAction::RetryForbidden,
            Some(asked) => RetryAction::RetryIndicated(RetryReason::RetryableError {
                kind: ErrorKind::ThrottlingError,
                retry_after: Some(asked),
            }),
        }
    }

    fn name(&self) -> &'static str {
        "PausesAsAsked"
    }

    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::transient_error_classifier())
    }
}

fn checked_endpoint(named: &'static str, endpoint: String) -> Result<String> {
    if is_endpoint(&endpoint) {
        return Ok(endpoint);
    }
    Err(Error::usage(
        named,
        "expected an http or https URI such as https://sts.us-east-1.amazonaws.com, without user, \
         password or query",
    ))
}

fn is_endpoint(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else {
        return false;
    };
    let authority = rest.split('/').next().unwrap_or_default();
    // The last colon of a bare IPv6 address stands inside its brackets.
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    ["http", "https"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(scheme))
        && !host.is_empty()
        && port.is_none_or(|port| port.parse::<u16>().is_ok())
        && text
            .chars()
            .all(|c| c.is_ascii_graphic() && !matches!(c, '@' | '?' | '#'))
}

/// What the caller set, and ours where the caller set nothing.
fn timeouts(given: Option<&TimeoutConfig>) -> TimeoutConfig {
    let ours = TimeoutConfig::builder()
        .connect_timeout(DEFAULT_STS_CONNECT_TIMEOUT)
        .operation_attempt_timeout(DEFAULT_STS_ATTEMPT_TIMEOUT)
        .operation_timeout(DEFAULT_STS_CALL_TIMEOUT)
        .build();
    let mut timeouts = given.map_or_else(|| TimeoutConfig::builder().build(), TimeoutConfig::clone);
    timeouts.take_defaults_from(&ours);
    // An attempt that ends first says nothing of the connection: what loads an `SdkConfig` sets 3.1 s.
    let attempt = timeouts.operation_attempt_timeout();
    match (timeouts.connect_timeout(), attempt) {
        (Some(connect), Some(attempt)) if connect >= attempt => timeouts
            .to_builder()
            .connect_timeout(attempt.mul_f64(CONNECTING))
            .build(),
        _ => timeouts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_told_from_other_texts() {
        for good in [
            "https://sts.us-east-1.amazonaws.com",
            "http://127.0.0.1:4566/",
            "http://[::1]:4566/prefix",
            "HTTPS://minio.example",
            "https://[fd00::1]",
        ] {
            assert!(is_endpoint(good), "{good}");
        }
        for bad in [
            "",
            "sts.us-east-1.amazonaws.com",
            "https://",
            "https:///path",
            "https://:443",
            "https://host:port",
            "https://host:99999",
            "https://a b",
            "https://user@host",
            "https://host?query",
            "ftp://host",
        ] {
            assert!(!is_endpoint(bad), "{bad}");
        }
    }

    #[test]
    fn time_limits_that_were_given_stay_and_the_others_are_ours() {
        let ours = timeouts(None);
        assert_eq!(ours.connect_timeout(), Some(DEFAULT_STS_CONNECT_TIMEOUT));
        assert_eq!(
            ours.operation_attempt_timeout(),
            Some(DEFAULT_STS_ATTEMPT_TIMEOUT)
        );
        assert_eq!(ours.operation_timeout(), Some(DEFAULT_STS_CALL_TIMEOUT));
        let given = TimeoutConfig::builder()
            .operation_timeout(Duration::from_secs(1))
            .build();
        let both = timeouts(Some(&given));
        assert_eq!(both.operation_timeout(), Some(Duration::from_secs(1)));
        assert_eq!(both.connect_timeout(), Some(DEFAULT_STS_CONNECT_TIMEOUT));
        // as aws-config sets it
        let loaded = TimeoutConfig::builder().connect_timeout(Duration::from_millis(3_100));
        let both = timeouts(Some(&loaded.build()));
        assert_eq!(both.connect_timeout(), Some(DEFAULT_STS_CONNECT_TIMEOUT));
    }
}
