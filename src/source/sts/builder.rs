//! What a [`StsSource`] is told.

use super::StsSource;
use super::base::Base;
use super::client::StsSettings;
use super::proof::Proof;
use super::rules::{Mfa, Parts, Request, Rules};
use super::web_identity::{Named, Told, WebIdentity};
use crate::arn::{Partition, RoleArn};
use crate::error::{BoxError, Error, Result};
use crate::source::{Env, IntoRegion};
use aws_credential_types::provider::ProvideCredentials;
use aws_smithy_runtime_api::client::http::HttpClient;
use aws_types::SdkConfig;
use std::fmt;
use std::future::Future;
use std::path::Path;
use std::time::Duration;

/// Builds a [`StsSource`]; region and base are required, the rest has defaults.
///
/// `W` is what a strategy's builder has beside the source's settings; nothing here.
#[derive(Clone)]
#[must_use = "nothing is fetched before `build` and a first call"]
pub struct StsSourceBuilder<W = ()> {
    role_arn: String,
    base: Option<Base>,
    settings: StsSettings,
    parts: Parts,
    /// An `SdkConfig` was given as the base, and had no credentials.
    base_is_empty: bool,
    /// Instead of a base, with the option that told it.
    identity: Option<(&'static str, Told)>,
    /// Two options that told of different ones.
    two_identities: Option<(&'static str, &'static str)>,
    pub(crate) with: W,
}

impl StsSource {
    /// Starts with the ARN of the role, for example `arn:aws:iam::123456789012:role/App`.
    pub fn builder(role_arn: impl Into<String>) -> StsSourceBuilder {
        StsSourceBuilder::new(role_arn.into(), ())
    }
}

impl<W> StsSourceBuilder<W> {
    pub(crate) fn new(role_arn: String, with: W) -> Self {
        StsSourceBuilder {
            role_arn,
            base: None,
            settings: StsSettings::default(),
            parts: Parts::default(),
            base_is_empty: false,
            identity: None,
            two_identities: None,
            with,
        }
    }

    /// The source's settings apart from what a strategy has beside them.
    pub(crate) fn part(self) -> (StsSourceBuilder, W) {
        let StsSourceBuilder {
            role_arn,
            base,
            settings,
            parts,
            base_is_empty,
            identity,
            two_identities,
            with,
        } = self;
        let source = StsSourceBuilder {
            role_arn,
            base,
            settings,
            parts,
            base_is_empty,
            identity,
            two_identities,
            with: (),
        };
        (source, with)
    }

    /// The region whose STS is asked, `"us-east-1"` or a `Region`; required here or in the `SdkConfig`.
    /// It belongs to the partition of the role.
    pub fn region(mut self, region: impl IntoRegion) -> Self {
        self.settings.region = Some(region.into_region().to_string());
        self
    }

    /// Who signs the call: a strategy of this crate or a reference to it, any strategy in an `Arc` or a
    /// `Box`, or a [`SharedCredentialsProvider`](aws_credential_types::provider::SharedCredentialsProvider).
    /// A strategy's session is replaced when STS finds it expired. Required for a source; an
    /// [`AssumeRole`](crate::AssumeRole) without one is signed by an
    /// [`InstanceProfile`](crate::InstanceProfile), as on EC2.
    pub fn base(mut self, base: impl Into<Base>) -> Self {
        self.base = Some(base.into());
        self.base_is_empty = false;
        self
    }

    /// Who signs the call: any of the SDK's credential providers.
    pub fn base_provider(self, provider: impl ProvideCredentials + 'static) -> Self {
        self.base(Base::provider(provider))
    }

    /// Who signs the call, and how STS is reached: credentials, region, endpoint, retry, timeout and
    /// transport settings of this configuration, as far as they are not set here.
    pub fn base_from(mut self, config: &SdkConfig) -> Self {
        match config.credentials_provider() {
            Some(provider) => self = self.base(provider),
            None => {
                self.base = None;
                self.base_is_empty = true;
            }
        }
        self.sdk_config(config)
    }

    /// How STS is reached: region, endpoint, retry, timeout and transport settings of this
    /// configuration, as far as they are not set here; its credentials play no part.
    pub fn sdk_config(mut self, config: &SdkConfig) -> Self {
        self.settings.sdk_config = Some(config.clone());
        self
    }

    /// Instead of a base: the file of a token that an OpenID Connect provider issued, for
    /// `sts:AssumeRoleWithWebIdentity`, which nobody signs. EKS, GitHub Actions, Entra and any other.
    ///
    /// The file is read anew at each fetch, as its token is replaced from time to time; line ends around the
    /// token are not part of it. Up to [`MAX_TOKEN_BYTES`](crate::source::MAX_TOKEN_BYTES).
    ///
    /// External id, tags, MFA and source identity are not for this call, and are refused beside it, as a second
    /// web identity is.
    pub fn web_identity_token_file(self, path: impl AsRef<Path>) -> Self {
        let path = path.as_ref().to_owned();
        let identity = WebIdentity::file(path);
        self.told("web_identity_token_file", Told::Identity(identity))
    }

    /// The same with a token from an async function, which is asked at each fetch. When it fails, STS is not
    /// asked.
    pub fn web_identity<A, F>(self, token: A) -> Self
    where
        A: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<String, BoxError>> + Send + 'static,
    {
        let identity = WebIdentity::function(token);
        self.told("web_identity", Told::Identity(identity))
    }

    /// The same as EKS and others tell a process: the token's file from `AWS_WEB_IDENTITY_TOKEN_FILE`, and,
    /// where they are not set here, the role from `AWS_ROLE_ARN` and the session's name from
    /// `AWS_ROLE_SESSION_NAME`. They are read in `build`.
    pub fn web_identity_from_env(self) -> Self {
        self.told("web_identity_from_env", Told::Environment(Env::process()))
    }

    /// The name of the session, 2 to 64 of `A-Z a-z 0-9 _ + = , . @ -`, as it stands in CloudTrail;
    /// default: this crate's name, the host's where known, and the process id.
    pub fn session_name(mut self, name: impl Into<String>) -> Self {
        self.parts.session_name = Some(name.into());
        self
    }

    /// The external id that the trust policy of a third party's role asks for, 2 to 1224 of
    /// `A-Z a-z 0-9 _ + = , . @ : / -`; default: none.
    pub fn external_id(mut self, id: impl Into<String>) -> Self {
        self.parts.external_id = Some(id.into());
        self
    }

    /// How long the session lasts, [`MIN_SESSION_DURATION`](super::MIN_SESSION_DURATION) to
    /// [`MAX_SESSION_DURATION`](super::MAX_SESSION_DURATION) in whole seconds, at most 1 hour from
    /// another role session; default: [`DEFAULT_SESSION_DURATION`](super::DEFAULT_SESSION_DURATION).
    pub fn duration(mut self, duration: Duration) -> Self {
        self.parts.duration = Some(duration);
        self
    }

    /// A session policy, a JSON object of at most 2048 characters, that narrows what the session may
    /// do; default: none.
    pub fn policy(mut self, json: impl Into<String>) -> Self {
        self.parts.policy = Some(json.into());
        self
    }

    /// Managed policies, at most 10, that narrow what the session may do; default: none.
    pub fn policy_arns<A: Into<String>>(mut self, arns: impl IntoIterator<Item = A>) -> Self {
        self.parts.policy_arns = arns.into_iter().map(Into::into).collect();
        self
    }

    /// Session tags, at most 50; default: none.
    pub fn tags<K: Into<String>, V: Into<String>>(
        mut self,
        tags: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.parts.tags = tags
            .into_iter()
            .map(|(key, value)| (key.into(), value.into()))
            .collect();
        self
    }

    /// The keys of those session tags that go on to sessions assumed from this one; default: none.
    pub fn transitive_tags<K: Into<String>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.parts.transitive_tags = keys.into_iter().map(Into::into).collect();
        self
    }

    /// The source identity, 2 to 64 of `A-Z a-z 0-9 _ + = , . @ -`, which later role sessions keep;
    /// default: none.
    pub fn source_identity(mut self, identity: impl Into<String>) -> Self {
        self.parts.source_identity = Some(identity.into());
        self
    }

    /// The MFA device by serial number or ARN, and an async function that gives its 6-digit code each
    /// time the role is assumed; default: no MFA. When it fails, STS is not asked.
    ///
    /// A background refresh cannot ask a person, so an [`AssumeRole`](crate::AssumeRole) with MFA is
    /// refreshed [on demand](crate::RefreshMode::OnDemand), and a fetch, with those who wait for it, has
    /// [`INTERACTIVE_WAIT_TIMEOUT`](crate::refresh::INTERACTIVE_WAIT_TIMEOUT), whatever the policy says.
    pub fn mfa<A, F>(mut self, serial: impl Into<String>, code: A) -> Self
    where
        A: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<String, BoxError>> + Send + 'static,
    {
        self.parts.mfa = Some(Mfa::new(serial.into(), code));
        self
    }

    /// Where STS is, as an `http` or `https` URI; default: the regional endpoint, or that of the
    /// `SdkConfig`. A path in it is kept.
    ///
    /// Where its host is not one of AWS, its STS judges (MinIO, Ceph, Dell ECS, StorageGRID, RustFS,
    /// LocalStack): role, region, duration and tags are sent as they are given, as long as they are
    /// printable and within STS's lengths, the partition plays no part, and the account may stay unknown.
    pub fn sts_endpoint(mut self, uri: impl Into<String>) -> Self {
        self.settings.endpoint = Some(uri.into());
        self
    }

    /// What carries the requests to STS; default: that of the `SdkConfig`, else the SDK's own HTTPS
    /// client with the cargo feature `https`. Required without that feature.
    pub fn http_client(mut self, client: impl HttpClient + 'static) -> Self {
        self.settings.set_http_client(client);
        self
    }

    /// For a fleet whose hosts start at once: over how long those that STS throttles spread their next try;
    /// default: none, and a throttled call is tried again [within seconds](crate::source::DEFAULT_STS_MAX_ATTEMPTS).
    ///
    /// Hosts that know nothing of each other share STS best if each draws a point in the time that STS needs for
    /// all of them: their number by the calls a second that it admits, and a quarter more. So 10,000 hosts at
    /// 600 calls a second are served within 25 s with two calls each, where tries within seconds make six and
    /// more. Each fetch is one call then, and until the point is reached callers that have no credentials yet
    /// get the error, whose [`retry_after`](crate::Error::retry_after) says how long. From 1 s to 10 min; a
    /// `RolePool` paces itself, and takes none.
    pub fn throttled_spread(mut self, time: Duration) -> Self {
        self.settings.spread = Some(time);
        self
    }

    /// How STS is reached, from environment and profile as other AWS tools read them, and as
    /// [`Dynamo::from_env`](crate::Dynamo::from_env) does: region, endpoint (`AWS_ENDPOINT_URL_STS`), FIPS,
    /// dual-stack, retries, time limits. Credentials play no part. Takes the place of an `SdkConfig` given
    /// before.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    #[cfg(feature = "env")]
    pub async fn from_env(self) -> Self {
        let settings = crate::settings::of_environment(None).await;
        self.sdk_config(&settings)
    }

    /// Sources built from here on share one client, which tries no call again; the source's own settings
    /// of how STS is reached have to be complete.
    #[cfg(feature = "pool")]
    pub(crate) fn share_client(mut self) -> Result<Self> {
        if self.settings.spread.is_some() {
            return Err(Error::usage(
                "throttled_spread",
                "expected none: a pool paces all its calls",
            ));
        }
        self.settings.single_attempt = true;
        self.settings.client = Some(self.settings.clone().build()?);
        Ok(self)
    }

    /// The same with what the environment says of a web identity read now, once for all sources built from here on:
    /// neither a variable that is unset later nor its role is for them.
    #[cfg(feature = "pool")]
    pub(crate) fn with_environment_read(mut self) -> Result<Self> {
        if let Some((option, told)) = self.identity.take() {
            let role = self.role_arn.clone();
            let (identity, _, parts) = told.resolve(role, self.parts, &mut Named::default())?;
            self.parts = parts;
            self.identity = Some((option, Told::Identity(identity)));
        }
        Ok(self)
    }

    /// The same for another role.
    #[cfg(feature = "pool")]
    pub(crate) fn for_role(mut self, role_arn: String) -> Self {
        self.role_arn = role_arn;
        self
    }

    /// The parts of a request as they were given.
    #[cfg(feature = "pool")]
    pub(crate) fn asked(&self) -> &Parts {
        &self.parts
    }

    /// The region, as far as one is given.
    #[cfg(feature = "pool")]
    pub(crate) fn region_given(&self) -> Option<String> {
        self.settings.region()
    }

    pub(crate) fn settings(mut self, settings: StsSettings) -> Self {
        self.settings = settings;
        self
    }

    fn told(mut self, option: &'static str, identity: Told) -> Self {
        if let Some((first, _)) = self.identity
            && first != option
        {
            self.two_identities.get_or_insert((first, option));
        }
        self.identity = Some((option, identity));
        self
    }

    /// Whether it has been said how the caller proves who it is.
    pub(crate) fn has_proof(&self) -> bool {
        self.base.is_some() || self.base_is_empty || self.identity.is_some()
    }

    pub(crate) fn has_mfa(&self) -> bool {
        self.parts.mfa.is_some()
    }
}

impl StsSourceBuilder {
    /// The source, without any I/O.
    ///
    /// # Errors
    ///
    /// [`Usage`](crate::ErrorKind::Usage) for an option that is missing or not as expected;
    /// [`Error::field`] names it.
    pub fn build(self) -> Result<StsSource> {
        let StsSourceBuilder {
            role_arn,
            base,
            settings,
            parts,
            base_is_empty,
            identity,
            two_identities,
            with: (),
        } = self;
        if base_is_empty {
            return Err(Error::usage(
                "base_from",
                "expected an SdkConfig with a credentials provider",
            ));
        }
        if let Some((first, second)) = two_identities {
            return Err(Error::usage(
                second,
                format!("expected one web identity, and {first} is given too"),
            ));
        }
        let mut named = Named::default();
        let (proof, role_arn, parts) = match (base, identity) {
            (Some(_), Some(_)) => {
                return Err(Error::usage(
                    "base",
                    "expected either a base that signs the call or a web identity, not both",
                ));
            }
            (Some(base), None) => (Proof::Base(base), role_arn, parts),
            (None, Some((_, told))) => {
                let (identity, role_arn, parts) = told.resolve(role_arn, parts, &mut named)?;
                (Proof::WebIdentity(identity), role_arn, parts)
            }
            (None, None) => {
                return Err(Error::usage(
                    "base",
                    "expected who signs the call: a strategy, a credentials provider or an SdkConfig",
                ));
            }
        };
        // There the vendor's STS judges; what it may not like is sent as it was given.
        let own_endpoint = settings.is_own_endpoint();
        let (role, rules) = if own_endpoint {
            (RoleArn::as_given(&role_arn), Rules::Vendor)
        } else {
            (RoleArn::parse(&role_arn), Rules::Aws)
        };
        let request = role
            .and_then(|role| Request::check(role, parts, proof.origin(), rules))
            .map_err(|error| named.as_set(error))?;
        let sts = settings.build()?;
        let partition = Partition::of_region(sts.region());
        if !own_endpoint
            && Partition::named(request.role.partition()).is_some_and(|role| role != partition)
        {
            return Err(Error::usage(
                "region",
                format!(
                    "expected a region of the role's partition {}, and {} is of {partition}",
                    request.role.partition(),
                    sts.region()
                ),
            ));
        }
        Ok(StsSource {
            sts,
            proof,
            request,
        })
    }
}

impl<W> fmt::Debug for StsSourceBuilder<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StsSourceBuilder")
            .field("role_arn", &self.role_arn)
            .field("region", &self.settings.region)
            .field("base", &self.base)
            .field(
                "web_identity",
                &self.identity.as_ref().map(|(_, told)| told),
            )
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "pool"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn the_environment_is_read_once_for_all_sources() {
        let unset = Arc::new(AtomicBool::new(false));
        let variables = [
            ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"),
            ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/Service"),
            ("AWS_ROLE_SESSION_NAME", "service"),
        ];
        let env = Env::until(Arc::clone(&unset), variables);
        let template = StsSource::builder("arn:aws:iam::123456789012:role/Any")
            .told("web_identity_from_env", Told::Environment(env))
            .region("us-east-1");
        let template = template.with_environment_read().unwrap();
        unset.store(true, Ordering::SeqCst);
        let tenant = "arn:aws:iam::123456789012:role/Tenant";
        let source = template
            .clone()
            .for_role(tenant.to_owned())
            .build()
            .unwrap();
        assert_eq!(source.role_arn(), tenant);
        assert_eq!(source.request.session_name, "service");
        let nobody = template.for_role(String::new()).build().unwrap_err();
        assert_eq!(nobody.field(), Some("role_arn"));
    }
}
