//! The doctor: walks the way to credentials step by step, says what is wrong in one line each, what
//! mends it, and which of the two options fits.
//!
//! ```no_run
//! use aws_credential_strategies::diagnose::Doctor;
//! use aws_types::region::Region;
//!
//! # async fn example() -> aws_credential_strategies::Result<()> {
//! let diagnosis = Doctor::new()
//!     .region(Region::new("us-east-1"))
//!     .role_arn("arn:aws:iam::123456789012:role/App")
//!     .examine()
//!     .await?;
//! println!("{diagnosis}");
//! # Ok(())
//! # }
//! ```

mod remedy;
mod report;

pub use report::{Choice, Diagnosis, Outcome, Recommendation, Step, StepKind};

use crate::arn::account_in;
use crate::error::{Error, ErrorKind, Result};
use crate::source::{
    CallerIdentity, CredentialSource, ImdsSource, ImdsSourceBuilder, StsSettings, StsSource,
    TokenCheck,
};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource, TimeSource};
use aws_smithy_runtime_api::client::http::HttpClient;
use aws_types::SdkConfig;
use aws_types::region::Region;
use std::fmt;
use std::time::{Duration, SystemTime};

/// How far this host's clock may be from the metadata service's. AWS refuses requests that are signed
/// more than five minutes off.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(300);

/// Examines a machine, or whatever its settings point at.
///
/// It sends what the strategies send and `sts:GetCallerIdentity`, which needs no permission; it changes
/// nothing.
#[derive(Clone)]
#[must_use = "nothing is examined before `examine`"]
pub struct Doctor {
    imds: ImdsSourceBuilder,
    sts: StsSettings,
    base: Option<SharedCredentialsProvider>,
    role_arn: Option<String>,
    external_id: Option<String>,
    clock: SharedTimeSource,
}

impl Doctor {
    /// Examines this machine's metadata service; more with the settings below.
    pub fn new() -> Self {
        Doctor {
            imds: ImdsSource::builder(),
            sts: StsSettings::default(),
            base: None,
            role_arn: None,
            external_id: None,
            clock: SharedTimeSource::new(SystemTimeSource::new()),
        }
    }

    /// How the metadata service is asked; default: as the environment says.
    pub fn imds(mut self, source: ImdsSourceBuilder) -> Self {
        self.imds = source;
        self
    }

    /// The region whose STS is asked who the caller is; default: that of the `SdkConfig`, else STS is
    /// not asked.
    pub fn region(mut self, region: impl Into<Region>) -> Self {
        self.sts.region = Some(region.into().to_string());
        self
    }

    /// How STS is reached: region, endpoint, retry, timeout and transport settings; its credentials
    /// play no part.
    pub fn sdk_config(mut self, config: &SdkConfig) -> Self {
        self.sts.sdk_config = Some(config.clone());
        self
    }

    /// Where STS is; default: the regional endpoint, or that of the `SdkConfig`.
    pub fn sts_endpoint(mut self, uri: impl Into<String>) -> Self {
        self.sts.endpoint = Some(uri.into());
        self
    }

    /// What carries the requests to STS; default: that of the `SdkConfig`, else the SDK's own.
    pub fn http_client(mut self, client: impl HttpClient + 'static) -> Self {
        self.sts.set_http_client(client);
        self
    }

    /// An identity from elsewhere that calls AWS in place of the instance's role; default: none.
    pub fn base_provider(mut self, provider: impl ProvideCredentials + 'static) -> Self {
        self.base = Some(SharedCredentialsProvider::new(provider));
        self
    }

    /// The role that Option B would assume; default: none, so that step is left out.
    pub fn role_arn(mut self, arn: impl Into<String>) -> Self {
        self.role_arn = Some(arn.into());
        self
    }

    /// The external id that goes with the role; default: none.
    pub fn external_id(mut self, id: impl Into<String>) -> Self {
        self.external_id = Some(id.into());
        self
    }

    /// This host's clock; default: the system's.
    pub fn time_source(mut self, clock: impl TimeSource + 'static) -> Self {
        self.clock = SharedTimeSource::new(clock);
        self
    }

    /// Walks all the steps.
    ///
    /// # Errors
    ///
    /// [`Usage`](ErrorKind::Usage) for a setting that is not as expected. What is wrong with the
    /// machine is in the [`Diagnosis`].
    pub async fn examine(self) -> Result<Diagnosis> {
        self.examine_with(|_| {}).await
    }

    /// The same, and tells each step as soon as it is done.
    ///
    /// # Errors
    ///
    /// As [`examine`](Self::examine).
    pub async fn examine_with(self, tell: impl FnMut(&Step) + Send) -> Result<Diagnosis> {
        let Doctor {
            imds,
            sts,
            base,
            role_arn,
            external_id,
            clock,
        } = self;
        if let Some(arn) = &role_arn {
            // Refuses what is not a role before anything is sent.
            crate::source::check_role_arn(arn)?;
        }
        let mut visit = Visit {
            steps: Vec::new(),
            tell,
        };
        let instance = visit.instance(&imds.build()?, clock.now()).await;
        let external = base.is_some();
        let base = match (base, &instance.credentials) {
            (Some(base), _) => Some(base),
            (None, Some(credentials)) => Some(SharedCredentialsProvider::new(credentials.clone())),
            (None, None) => None,
        };
        let caller = visit.caller(&sts, base.as_ref()).await?;
        if let Some(arn) = &role_arn {
            visit
                .assumption(arn, external_id, sts, base, caller.as_ref())
                .await?;
        }
        let own_account = caller.as_ref().map(|caller| caller.account.clone());
        let instance_account = instance
            .credentials
            .as_ref()
            .and_then(|credentials| Some(credentials.account_id()?.as_str().to_owned()))
            .or_else(|| own_account.filter(|_| !external));
        let recommendation = Recommendation::for_facts(&report::Facts {
            on_ec2: instance.is_there,
            external,
            instance_account: instance_account.as_deref(),
            role_account: role_arn.as_deref().and_then(account_in),
        });
        Ok(Diagnosis::new(visit.steps, recommendation))
    }
}

impl Default for Doctor {
    fn default() -> Self {
        Doctor::new()
    }
}

impl fmt::Debug for Doctor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Doctor")
            .field("imds", &self.imds)
            .field("role_arn", &self.role_arn)
            .finish_non_exhaustive()
    }
}

/// What the metadata service's steps found.
struct Instance {
    is_there: bool,
    credentials: Option<Credentials>,
}

/// The steps so far.
struct Visit<T> {
    steps: Vec<Step>,
    tell: T,
}

impl<T: FnMut(&Step) + Send> Visit<T> {
    fn note(&mut self, kind: StepKind, outcome: Outcome) {
        let step = Step::new(kind, outcome);
        (self.tell)(&step);
        self.steps.push(step);
    }

    fn passed(&mut self, kind: StepKind, what: impl Into<String>) {
        self.note(kind, Outcome::Passed(what.into()));
    }

    fn failed(&mut self, kind: StepKind, error: &Error, remedy: String) {
        let cause = remedy::in_one_line(error);
        self.note(kind, Outcome::Failed { cause, remedy });
    }

    fn skip(&mut self, kinds: &[StepKind], why: &str) {
        for kind in kinds {
            self.note(*kind, Outcome::Skipped(why.to_owned()));
        }
    }

    /// The metadata service, from the connection to the document.
    async fn instance(&mut self, source: &ImdsSource, now: SystemTime) -> Instance {
        use StepKind::{Clock, Document, HopLimit, Reachable, Role, Token};
        let nothing = |is_there| Instance {
            is_there,
            credentials: None,
        };
        if let Err(error) = source.check_connection().await {
            self.failed(Reachable, &error, remedy::unreachable(&error));
            let rest = [Token, HopLimit, Role, Document, Clock];
            self.skip(&rest, "there is no metadata service to ask");
            return nothing(false);
        }
        self.passed(Reachable, source.endpoint());
        let token = match source.check_token().await {
            Ok(token) => token,
            Err(error) => {
                let (broken, rest) = match error.kind() {
                    ErrorKind::Timeout => {
                        self.passed(Token, "the request goes out");
                        (HopLimit, &[Role, Document, Clock][..])
                    }
                    _ => (Token, &[HopLimit, Role, Document, Clock][..]),
                };
                self.failed(broken, &error, remedy::no_token(&error));
                self.skip(rest, "there is no session token to ask with");
                return nothing(true);
            }
        };
        self.passed(
            Token,
            match token.ttl {
                Some(ttl) => format!("for {} s", ttl.as_secs()),
                None => "without a stated life".to_owned(),
            },
        );
        self.passed(HopLimit, "the answer to the request for a token arrives");
        let credentials = self.role_and_document(source, now).await;
        self.clock(token, now);
        Instance {
            is_there: true,
            credentials,
        }
    }

    async fn role_and_document(
        &mut self,
        source: &ImdsSource,
        now: SystemTime,
    ) -> Option<Credentials> {
        use StepKind::{Document, Role};
        match source.attached_roles().await {
            Ok(roles) => self.passed(Role, roles.join(", ")),
            Err(error) => {
                self.failed(Role, &error, remedy::no_role(&error));
                self.skip(&[Document], "there is no role whose document to read");
                return None;
            }
        }
        match source.fetch().await {
            Ok(credentials) => {
                self.document(&credentials, now);
                Some(credentials)
            }
            Err(error) => {
                self.failed(
                    Document,
                    &error,
                    remedy::no_document(&error, source.subject().as_deref()),
                );
                None
            }
        }
    }

    fn clock(&mut self, token: TokenCheck, now: SystemTime) {
        let Some(theirs) = token.date else {
            self.skip(
                &[StepKind::Clock],
                "the metadata service does not tell the time",
            );
            return;
        };
        let (apart, behind) = match theirs.duration_since(now) {
            Ok(apart) => (apart, true),
            Err(error) => (error.duration(), false),
        };
        if apart <= CLOCK_TOLERANCE {
            let seconds = apart.as_secs();
            self.passed(StepKind::Clock, format!("{seconds} s apart"));
            return;
        }
        self.note(
            StepKind::Clock,
            Outcome::Failed {
                cause: format!(
                    "this host's clock is {} s {} the metadata service's, and AWS refuses requests \
                     signed more than {} s off",
                    apart.as_secs(),
                    if behind { "behind" } else { "ahead of" },
                    CLOCK_TOLERANCE.as_secs()
                ),
                remedy: remedy::CLOCK.to_owned(),
            },
        );
    }

    fn document(&mut self, credentials: &Credentials, now: SystemTime) {
        let left = credentials
            .expiry()
            .map(|expiry| expiry.duration_since(now).unwrap_or_default());
        match left {
            Some(left) if left.is_zero() => self.note(
                StepKind::Document,
                Outcome::Failed {
                    cause: format!(
                        "the credentials {} have expired",
                        credentials.access_key_id()
                    ),
                    remedy: remedy::EXPIRED.to_owned(),
                },
            ),
            left => self.passed(
                StepKind::Document,
                format!(
                    "{}{}{}",
                    credentials.access_key_id(),
                    credentials
                        .account_id()
                        .map(|id| format!(" of account {}", id.as_str()))
                        .unwrap_or_default(),
                    left.map(|left| format!(", {} min left", left.as_secs() / 60))
                        .unwrap_or_default()
                ),
            ),
        }
    }

    /// Who AWS takes the caller for.
    async fn caller(
        &mut self,
        sts: &StsSettings,
        base: Option<&SharedCredentialsProvider>,
    ) -> Result<Option<CallerIdentity>> {
        let Some(base) = base else {
            self.skip(&[StepKind::Caller], "there are no credentials to ask with");
            return Ok(None);
        };
        if !sts.has_region() {
            self.skip(
                &[StepKind::Caller],
                "no region was given, so STS was not asked",
            );
            return Ok(None);
        }
        let sts = sts.clone().build()?;
        let signer = match base.provide_credentials().await {
            Ok(signer) => signer,
            Err(error) => {
                let error =
                    Error::recoverable("the credentials provider gave none").caused_by(error);
                self.failed(StepKind::Caller, &error, remedy::CALLER.to_owned());
                return Ok(None);
            }
        };
        match sts.caller_identity(&signer).await {
            Ok(identity) => {
                self.passed(StepKind::Caller, identity.arn.clone());
                Ok(Some(identity))
            }
            Err(error) => {
                self.failed(StepKind::Caller, &error, remedy::caller(&error));
                Ok(None)
            }
        }
    }

    /// What Option B does.
    async fn assumption(
        &mut self,
        arn: &str,
        external_id: Option<String>,
        sts: StsSettings,
        base: Option<SharedCredentialsProvider>,
        caller: Option<&CallerIdentity>,
    ) -> Result<()> {
        let Some(base) = base else {
            self.skip(
                &[StepKind::Assume],
                "there are no credentials to assume it with",
            );
            return Ok(());
        };
        if !sts.has_region() {
            self.skip(
                &[StepKind::Assume],
                "no region was given, so STS was not asked",
            );
            return Ok(());
        }
        let mut builder = StsSource::builder(arn).settings(sts).base(base);
        if let Some(id) = &external_id {
            builder = builder.external_id(id);
        }
        match builder.build()?.fetch().await {
            Ok(credentials) => {
                let account = credentials.account_id().map_or("", |id| id.as_str());
                self.passed(StepKind::Assume, format!("{arn} in account {account}"));
            }
            Err(error) => {
                let remedy = remedy::assumption(&error, arn, external_id.as_deref(), caller);
                self.failed(StepKind::Assume, &error, remedy);
            }
        }
        Ok(())
    }
}
