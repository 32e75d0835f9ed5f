//! The doctor: walks the way to credentials step by step, says what is wrong in one line each, what
//! mends it, and which option fits, as far as that could be seen.
//!
//! ```no_run
//! use aws_credential_strategies::diagnose::Doctor;
//!
//! # async fn example() -> aws_credential_strategies::Result<()> {
//! let diagnosis = Doctor::new()
//!     .region("us-east-1")
//!     .role_arn("arn:aws:iam::123456789012:role/App")
//!     .examine()
//!     .await?;
//! println!("{diagnosis}");
//! # Ok(())
//! # }
//! ```
//!
//! As a program: `cargo install aws-credential-strategies --features doctor --bin aws-credential-doctor`.

mod providers;
mod recommend;
mod remedy;
mod report;
mod stand_in;
mod surroundings;
mod visit;

pub use recommend::{Choice, Recommendation};
pub use report::{Diagnosis, JSON_VERSION, Outcome, Progress, Step, StepKind};
pub use surroundings::Host;
pub use visit::CLOCK_TOLERANCE;

use self::providers::Providers;
use self::visit::{Asked, Visit};
use crate::error::Result;
use crate::source::{Env, ImdsSource, ImdsSourceBuilder, IntoRegion, StsSettings};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource, TimeSource};
use aws_smithy_runtime_api::client::http::HttpClient;
use aws_types::SdkConfig;
use std::fmt;

/// Examines a machine, or whatever its settings point at.
///
/// ```no_run
/// use aws_credential_strategies::diagnose::{Doctor, Outcome};
///
/// # async fn example() -> aws_credential_strategies::Result<()> {
/// let diagnosis = Doctor::new().region("us-east-1").examine().await?;
/// println!("{diagnosis}"); // step by step, and what mends what failed
/// # Ok(())
/// # }
/// ```
///
/// It sends what the strategies send and `sts:GetCallerIdentity`, which needs no permission; it changes
/// nothing.
#[derive(Clone)]
#[must_use = "nothing is examined before `examine`"]
pub struct Doctor {
    imds: ImdsSourceBuilder,
    sts: StsSettings,
    env: Env,
    base: Option<SharedCredentialsProvider>,
    providers: Providers,
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
            env: Env::empty(),
            base: None,
            providers: Providers::default(),
            role_arn: None,
            external_id: None,
            clock: SharedTimeSource::new(SystemTimeSource::new()),
        }
    }

    /// Examines what an application on this machine would use: region, endpoints, profile and where it
    /// runs are read from environment and profile, as [`Dynamo::from_env`](crate::table::Dynamo::from_env)
    /// and the AWS SDKs read them.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    #[cfg(feature = "env")]
    pub async fn from_env() -> Self {
        Doctor::from_loader(None).await
    }

    /// The same with this profile of the AWS CLI's files, in place of `AWS_PROFILE`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    #[cfg(feature = "env")]
    pub async fn from_profile(name: impl Into<String>) -> Self {
        Doctor::from_loader(Some(name.into())).await
    }

    #[cfg(feature = "env")]
    async fn from_loader(profile: Option<String>) -> Self {
        let settings = crate::settings::of_environment(profile.as_deref()).await;
        let env = Env::process();
        // one that is not UTF-8 is named when the environment is read
        let profile = profile.or_else(|| env.var("AWS_PROFILE").ok().flatten());
        let doctor = Doctor {
            env,
            providers: Providers::of_process(profile),
            ..Doctor::new()
        };
        doctor.sdk_config(&settings)
    }

    /// The environment variables by which the host is known (ECS, EKS, Lambda, GitHub Actions and
    /// others) and the metadata service is found, as names and values; default: none for the host,
    /// the process's own for the metadata service.
    pub fn environment<N: Into<String>, V: Into<String>>(
        mut self,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        self.env = Env::from_variables(variables);
        self.imds = self.imds.environment(self.env.clone());
        self
    }

    /// How the metadata service is asked; default: as the environment says.
    pub fn imds(mut self, source: ImdsSourceBuilder) -> Self {
        self.imds = source;
        self
    }

    /// The region whose STS is asked who the caller is; default: that of the `SdkConfig`, else STS is
    /// not asked.
    pub fn region(mut self, region: impl IntoRegion) -> Self {
        self.sts.region = Some(region.into_region().to_string());
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
    /// [`Usage`](crate::ErrorKind::Usage) for a setting that is not as expected. What is wrong with the
    /// machine is in the [`Diagnosis`].
    ///
    /// # Cancel safety
    ///
    /// Nothing is changed anywhere, so it may be dropped at any time.
    pub async fn examine(self) -> Result<Diagnosis> {
        self.walk(|_| {}).await
    }

    /// The same, and tells each step as soon as it is done.
    ///
    /// # Errors
    ///
    /// As [`examine`](Self::examine).
    ///
    /// # Cancel safety
    ///
    /// As [`examine`](Self::examine).
    pub async fn examine_with(self, mut tell: impl FnMut(&Step) + Send) -> Result<Diagnosis> {
        self.walk(|progress| {
            if let Progress::Done(step) = progress {
                tell(step);
            }
        })
        .await
    }

    /// The same, and tells also which step begins, for who shows that something goes on.
    ///
    /// # Errors
    ///
    /// As [`examine`](Self::examine).
    ///
    /// # Cancel safety
    ///
    /// As [`examine`](Self::examine).
    pub async fn examine_telling(self, tell: impl FnMut(Progress<'_>) + Send) -> Result<Diagnosis> {
        self.walk(tell).await
    }

    async fn walk(self, tell: impl FnMut(Progress<'_>) + Send) -> Result<Diagnosis> {
        let Doctor {
            imds,
            sts,
            env,
            base,
            providers,
            role_arn,
            external_id,
            clock,
        } = self;
        if let Some(arn) = &role_arn {
            // Refuses what is not a role before anything is sent.
            crate::source::check_role_arn(arn, &sts)?;
        }
        let asked = Asked {
            imds,
            sts,
            env,
            base,
            providers,
            role_arn,
            external_id,
            now: clock.now(),
        };
        Visit::new(tell).examine(asked).await
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
