//! One source for all: in memory, counted, as slow and as broken as a row wants it.

use aws_credential_strategies::{CredentialSource, Credentials, Error};
use aws_credential_types::credential_feature::AwsCredentialFeature;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;
use tokio::time::sleep;

/// Sessions on demand. Cloning shares it.
#[derive(Clone, Debug)]
pub(crate) struct Source(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    lifetime: Duration,
    latency: Duration,
    health: watch::Sender<Health>,
    calls: AtomicU64,
    answers: AtomicU64,
    last: Mutex<Option<Credentials>>,
}

/// How the source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    Good,
    /// It refuses at once.
    FailsFast,
    /// It refuses after its usual time.
    FailsLate,
    /// It does not answer until it is good again, and then too late.
    Hangs,
    /// It has no role.
    NoRole,
    /// It answers with the session it gave last.
    SameDocument,
}

impl Source {
    pub(crate) fn new(lifetime: Duration, latency: Duration) -> Self {
        Source(Arc::new(Inner {
            lifetime,
            latency,
            health: watch::Sender::new(Health::Good),
            calls: AtomicU64::new(0),
            answers: AtomicU64::new(0),
            last: Mutex::new(None),
        }))
    }

    /// How often it was asked.
    pub(crate) fn calls(&self) -> u64 {
        self.0.calls.load(Ordering::Relaxed)
    }

    pub(crate) fn becomes(&self, health: Health) {
        self.0.health.send_replace(health);
    }

    async fn answer(&self) -> Result<Credentials, Refused> {
        let Inner {
            latency,
            health,
            calls,
            last,
            ..
        } = &*self.0;
        calls.fetch_add(1, Ordering::Relaxed);
        let mut health = health.subscribe();
        let now = *health.borrow_and_update();
        if now != Health::FailsFast && !latency.is_zero() {
            sleep(*latency).await;
        }
        match now {
            Health::Good => Ok(self.session()),
            Health::FailsFast | Health::FailsLate => Err(Refused("the source is down")),
            Health::Hangs => {
                let _ = health.changed().await;
                Err(Refused("the connection was lost"))
            }
            Health::NoRole => Err(Refused("there is no role")),
            Health::SameDocument => {
                let last = last.lock().unwrap_or_else(PoisonError::into_inner).clone();
                Ok(last.unwrap_or_else(|| self.session()))
            }
        }
    }

    /// A new session; its key id says when it ends, see [`end_of`].
    fn session(&self) -> Credentials {
        let Inner {
            lifetime,
            answers,
            last,
            ..
        } = &*self.0;
        let end = SystemTime::now() + *lifetime;
        let millis = end
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis();
        let number = answers.fetch_add(1, Ordering::Relaxed);
        let session = session(format!("ASIA{number:04}-{millis}"), end);
        *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(session.clone());
        session
    }
}

/// A session as a real one is: token, account id, and the feature id of where it came from.
pub(crate) fn session(key_id: String, end: SystemTime) -> Credentials {
    let mut session = Credentials::builder()
        .access_key_id(key_id)
        .secret_access_key("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
        .session_token("IQoJb3JpZ2luX2VjEXAMPLE".repeat(20))
        .account_id("123456789012")
        .expiry(end)
        .provider_name("benches")
        .build();
    session
        .get_property_mut_or_default::<Vec<AwsCredentialFeature>>()
        .push(AwsCredentialFeature::CredentialsImds);
    session
}

/// When a session of a [`Source`] ends, from its key id.
pub(crate) fn end_of(key_id: &str) -> Option<SystemTime> {
    let (_, millis) = key_id.split_once('-')?;
    Some(UNIX_EPOCH + Duration::from_millis(millis.parse().ok()?))
}

/// Why there is no session.
#[derive(Debug)]
pub(crate) struct Refused(pub(crate) &'static str);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Refused {}

impl CredentialSource for Source {
    fn name(&self) -> &'static str {
        "benches"
    }

    async fn fetch(&self) -> aws_credential_strategies::Result<Credentials> {
        self.answer()
            .await
            .map_err(|refused| Error::recoverable(refused.0))
    }
}

impl ProvideCredentials for Source {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            self.answer()
                .await
                .map_err(CredentialsError::provider_error)
        })
    }
}

impl reqsign_core::ProvideCredential for Source {
    type Credential = reqsign_aws_v4::Credential;

    async fn provide_credential(
        &self,
        _: &reqsign_core::Context,
    ) -> reqsign_core::Result<Option<Self::Credential>> {
        match self.answer().await {
            Ok(session) => crate::subject::reqsign::credential(&session).map(Some),
            Err(refused) => Err(reqsign_core::Error::unexpected(refused.0)),
        }
    }
}
