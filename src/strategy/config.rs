//! The strategy as a setting: chosen by configuration, checked with the setting's name in each error.

#[cfg(feature = "pool")]
use super::pool::{DEFAULT_POOL_WAIT_TIMEOUT, RolePool};
use super::{AssumeRole, CredentialStrategy, InstanceProfile, Provided};
use crate::error::{Error, Result};
use crate::refresh::{RefreshMode, RefreshPolicy};
use crate::source::ProviderSource;
use aws_credential_types::Credentials;
use aws_types::SdkConfig;
use serde::de::{Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Which strategy to use, with its options, from a configuration in any serde format.
///
/// `strategy` is one of the names below. Durations are whole seconds, as their names say. Each setting has
/// the meaning and the default of the builder's setter of that name.
/// What is unknown, missing, of the wrong type, or an option of another strategy is refused by name.
///
/// | `strategy` | builds | settings |
/// |---|---|---|
/// | `instance_profile` | [`InstanceProfile`] | `profile`, `endpoint`, `connect_timeout_seconds`, `answer_timeout_seconds`, `max_attempts`, `token_ttl_seconds` |
/// | `assume_role` | [`AssumeRole`] | `role_arn` (required, unless `web_identity_from_env` is `true`), `region` (required, here or in [`build_with`](Self::build_with)); `base` (another configuration), or `web_identity_token_file`, or `web_identity_from_env`; `throttled_spread_seconds`; `session_name`, `external_id`, `source_identity`, `duration_seconds`, `policy` (an object), `policy_arns`, `tags` (an object), `transitive_tags`, `sts_endpoint` |
/// | `role_pool` | a `RolePool`, by `build_pool`, which needs the cargo feature `pool` | `region` (required, as above); `max_roles`, `max_in_flight`; what all its sessions start from: `base`, `session_name`, `external_id`, `source_identity`, `duration_seconds`, `policy`, `policy_arns`, `tags`, `transitive_tags`, `sts_endpoint` |
/// | `container`, `environment`, `default_chain` | [`Provided`] | none; they need the cargo feature `env`, as the next two do |
/// | `profile` | [`Provided`] | `name` (required) |
/// | `process` | [`Provided`] | `command` (required) |
/// | `fixed` | [`Provided`] | `access_key_id`, `secret_access_key` (both required), `session_token` |
/// | any of them, under `refresh` | | `rules` (`default` or `aws_spec`), `mode` (`background` or `on_demand`), `advisory_window_seconds`, `fetch_timeout_seconds`, `wait_timeout_seconds`, `idle_after_seconds`, `serve_expired` |
///
/// MFA asks a person, and a transport is code: these are for [`AssumeRole::builder`]. Of all settings only
/// those of `fixed` are secrets; they are shown nowhere, and a configuration that has them is not serialised.
///
/// # Example
///
/// ```
/// use aws_credential_strategies::StrategyConfig;
///
/// # fn main() -> aws_credential_strategies::Result<()> {
/// let config = StrategyConfig::from_json(r#"{
///     "strategy": "assume_role",
///     "role_arn": "arn:aws:iam::123456789012:role/App",
///     "region": "us-east-1",
///     "duration_seconds": 3600,
///     "base": { "strategy": "instance_profile" },
///     "refresh": { "mode": "on_demand" }
/// }"#)?;
/// assert_eq!(config.strategy(), "assume_role");
/// # #[cfg(feature = "https")]
/// let strategy = config.build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Settings", into = "Settings")]
pub struct StrategyConfig(Settings);

/// Lists every setting once: of which strategies it is, its type, and the builder's setter that takes it.
macro_rules! settings {
    ($(
        $kinds:pat => {
            $($setting:ident: $type:ty;)+
        }
    )+) => {
        /// Every setting there is. One flat type, so that an error knows the path of what it is about.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(
            deny_unknown_fields,
            expecting = "an object with the member `strategy`"
        )]
        struct Settings {
            strategy: Kind,
            $($(
                #[serde(default, skip_serializing_if = "Option::is_none")]
                $setting: Option<$type>,
            )+)+
            #[serde(default, skip_serializing_if = "Option::is_none")]
            refresh: Option<Refresh>,
        }

        impl Settings {
            /// The first setting that is given and not one of the strategy.
            fn foreign(&self) -> Option<&'static str> {
                $(
                    if !matches!(self.strategy, $kinds) {
                        $(if self.$setting.is_some() {
                            return Some(stringify!($setting));
                        })+
                    }
                )+
                None
            }
        }
    };
}

settings! {
    Kind::InstanceProfile => {
        profile: String;
        endpoint: String;
        connect_timeout_seconds: Seconds;
        answer_timeout_seconds: Seconds;
        max_attempts: u32;
        token_ttl_seconds: Seconds;
    }
    Kind::AssumeRole => {
        role_arn: String;
        web_identity_token_file: String;
        web_identity_from_env: bool;
        throttled_spread_seconds: Seconds;
    }
    Kind::RolePool => {
        max_roles: usize;
        max_in_flight: usize;
    }
    Kind::AssumeRole | Kind::RolePool => {
        region: String;
        base: Box<StrategyConfig>;
        session_name: String;
        external_id: String;
        duration_seconds: Seconds;
        policy: Policy;
        policy_arns: Vec<String>;
        tags: BTreeMap<String, String>;
        transitive_tags: Vec<String>;
        source_identity: String;
        sts_endpoint: String;
    }
    Kind::Profile => {
        name: String;
    }
    Kind::Process => {
        command: String;
    }
    Kind::Fixed => {
        access_key_id: String;
        secret_access_key: Secret;
        session_token: Secret;
    }
}

/// Hands those settings that are given to the builder's setters of their names.
macro_rules! set {
    ($settings:expr, $builder:expr; $($setting:ident => $setter:ident),+ $(,)?) => {{
        let mut builder = $builder;
        $(if let Some(given) = &$settings.$setting {
            builder = builder.$setter(given.as_given());
        })+
        builder
    }};
}

/// The same for what a session is asked for, of one role or of many.
macro_rules! set_session {
    ($settings:expr, $builder:expr) => {
        set!($settings, $builder;
            region => region,
            session_name => session_name,
            external_id => external_id,
            duration_seconds => duration,
            policy => policy,
            policy_arns => policy_arns,
            tags => tags,
            transitive_tags => transitive_tags,
            source_identity => source_identity,
            sts_endpoint => sts_endpoint,
        )
    };
}

/// A setting as the builder's setter takes it.
trait AsGiven {
    type Given<'a>
    where
        Self: 'a;

    fn as_given(&self) -> Self::Given<'_>;
}

/// Those that are taken as they are, by reference.
macro_rules! given_by_reference {
    ($($type:ty => $given:ty),+) => {$(
        impl AsGiven for $type {
            type Given<'a> = &'a $given;

            fn as_given(&self) -> &$given {
                self
            }
        }
    )+};
}

given_by_reference!(
    String => String,
    Vec<String> => Vec<String>,
    BTreeMap<String, String> => BTreeMap<String, String>
);

impl AsGiven for u32 {
    type Given<'a> = u32;

    fn as_given(&self) -> u32 {
        *self
    }
}

#[cfg(feature = "pool")]
impl AsGiven for usize {
    type Given<'a> = usize;

    fn as_given(&self) -> usize {
        *self
    }
}

impl AsGiven for Seconds {
    type Given<'a> = Duration;

    fn as_given(&self) -> Duration {
        Duration::from_secs(self.0)
    }
}

/// A session policy, as the object that it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct Policy(serde_json::Map<String, serde_json::Value>);

impl AsGiven for Policy {
    type Given<'a> = String;

    fn as_given(&self) -> String {
        serde_json::Value::Object(self.0.clone()).to_string()
    }
}

/// A text that is shown and written nowhere.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("** redacted **")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, _serializer: S) -> std::result::Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom(
            "a configuration with keys in it is not written: they are secrets",
        ))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    AssumeRole,
    Container,
    DefaultChain,
    Environment,
    Fixed,
    InstanceProfile,
    Process,
    Profile,
    RolePool,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Kind::AssumeRole => "assume_role",
            Kind::Container => "container",
            Kind::DefaultChain => "default_chain",
            Kind::Environment => "environment",
            Kind::Fixed => "fixed",
            Kind::InstanceProfile => "instance_profile",
            Kind::Process => "process",
            Kind::Profile => "profile",
            Kind::RolePool => "role_pool",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "an object with settings of the refresh"
)]
struct Refresh {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rules: Option<Rules>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mode: Option<Mode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    advisory_window_seconds: Option<Seconds>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fetch_timeout_seconds: Option<Seconds>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wait_timeout_seconds: Option<Seconds>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    idle_after_seconds: Option<Seconds>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    serve_expired: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Rules {
    AwsSpec,
    Default,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Background,
    OnDemand,
}

/// A duration; its own type so that an error says what the number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
struct Seconds(u64);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_u64(SecondsVisitor)
    }
}

struct SecondsVisitor;

impl Visitor<'_> for SecondsVisitor {
    type Value = Seconds;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number of seconds")
    }

    fn visit_u64<E: serde::de::Error>(self, seconds: u64) -> Result<Seconds, E> {
        Ok(Seconds(seconds))
    }

    /// Formats with signed integers only, for example TOML.
    fn visit_i64<E: serde::de::Error>(self, seconds: i64) -> Result<Seconds, E> {
        u64::try_from(seconds)
            .map(Seconds)
            .map_err(|_| E::invalid_value(Unexpected::Signed(seconds), &self))
    }
}

impl StrategyConfig {
    /// Reads a JSON object.
    ///
    /// # Errors
    ///
    /// [`Usage`](crate::ErrorKind::Usage); [`Error::field`] is the path of the setting, for example
    /// `base.role_arn`, and the message says what was expected.
    pub fn from_json(json: &str) -> Result<Self> {
        let mut reader = serde_json::Deserializer::from_str(json);
        let config = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let path = error.path().to_string();
            let field = if path == "." {
                "strategy configuration"
            } else {
                &path
            };
            Error::usage(field.to_owned(), error.inner().to_string())
        })?;
        reader
            .end()
            .map_err(|error| Error::usage("strategy configuration", error.to_string()))?;
        Ok(config)
    }

    /// The strategy's name, as it is configured: `instance_profile`, `assume_role`, …
    #[must_use]
    pub fn strategy(&self) -> &'static str {
        self.0.strategy.as_str()
    }

    /// The strategy, without any I/O; a `role_pool` is built by `build_pool`.
    ///
    /// # Errors
    ///
    /// [`Usage`](crate::ErrorKind::Usage) for a setting that is not as expected; [`Error::field`] is
    /// its path.
    pub fn build(&self) -> Result<Arc<dyn CredentialStrategy>> {
        self.assemble(None)
    }

    /// The same, with region, endpoint, retry, timeout and transport settings for STS from `sdk`, as
    /// far as they are not configured here; its credentials play no part.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn build_with(&self, sdk: &SdkConfig) -> Result<Arc<dyn CredentialStrategy>> {
        self.assemble(Some(sdk))
    }

    /// The pool that `role_pool` describes, without any I/O: what its requests start from, and its limits.
    ///
    /// ```
    /// # #[cfg(feature = "https")]
    /// # fn main() -> aws_credential_strategies::Result<()> {
    /// use aws_credential_strategies::StrategyConfig;
    ///
    /// let config = StrategyConfig::from_json(r#"{
    ///     "strategy": "role_pool",
    ///     "region": "us-east-1",
    ///     "base": { "strategy": "instance_profile" },
    ///     "duration_seconds": 900,
    ///     "max_roles": 2000
    /// }"#)?;
    /// let pool = config.build_pool(None)?;
    /// let tenant = pool.role("arn:aws:iam::123456789012:role/App").external_id("42").build()?;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "https"))]
    /// # fn main() {}
    /// ```
    ///
    /// `sdk` is for what is not configured here, as in [`build_with`](Self::build_with).
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build); and for another strategy.
    #[cfg(feature = "pool")]
    pub fn build_pool(&self, sdk: Option<&SdkConfig>) -> Result<RolePool> {
        if self.0.strategy != Kind::RolePool {
            let got = self.strategy();
            return Err(Error::usage(
                "strategy",
                format!("expected role_pool, got {got}: it is built by `build`"),
            ));
        }
        self.0.role_pool(sdk).map_err(with_unit)
    }

    fn assemble(&self, sdk: Option<&SdkConfig>) -> Result<Arc<dyn CredentialStrategy>> {
        let built = match self.0.strategy {
            Kind::RolePool => Err(Error::usage(
                "strategy",
                "expected a strategy: role_pool is many of them, and built by `build_pool`",
            )),
            Kind::AssumeRole => self.0.assume_role(sdk),
            Kind::InstanceProfile => self.0.instance_profile(),
            Kind::Container
            | Kind::DefaultChain
            | Kind::Environment
            | Kind::Fixed
            | Kind::Process
            | Kind::Profile => self.0.provided(),
        };
        built.map_err(with_unit)
    }
}

/// The error with the name that the option has as a setting.
fn with_unit(error: Error) -> Error {
    match error.field() {
        Some(field) if SECONDS.contains(&field) => {
            let named = format!("{field}_seconds");
            error.naming(named)
        }
        _ => error,
    }
}

/// Options whose settings carry the unit in the name.
const SECONDS: [&str; 5] = [
    "answer_timeout",
    "connect_timeout",
    "duration",
    "throttled_spread",
    "token_ttl",
];

impl Settings {
    fn instance_profile(&self) -> Result<Arc<dyn CredentialStrategy>> {
        let builder = InstanceProfile::builder().refresh(self.refresh()?);
        let builder = set!(self, builder;
            profile => profile,
            endpoint => endpoint,
            connect_timeout_seconds => connect_timeout,
            answer_timeout_seconds => answer_timeout,
            max_attempts => max_attempts,
            token_ttl_seconds => token_ttl,
        );
        Ok(Arc::new(builder.build()?))
    }

    fn assume_role(&self, sdk: Option<&SdkConfig>) -> Result<Arc<dyn CredentialStrategy>> {
        let role_arn = self.role_arn.clone().unwrap_or_default();
        let mut builder = AssumeRole::builder(role_arn).refresh(self.refresh()?);
        if let Some(sdk) = sdk {
            builder = builder.sdk_config(sdk);
        }
        if let Some(base) = self.base(sdk)? {
            builder = builder.base(base);
        }
        if self.web_identity_from_env == Some(true) {
            builder = builder.web_identity_from_env();
        }
        let builder = set!(self, builder;
            web_identity_token_file => web_identity_token_file,
            throttled_spread_seconds => throttled_spread,
        );
        Ok(Arc::new(set_session!(self, builder).build()?))
    }

    fn base(&self, sdk: Option<&SdkConfig>) -> Result<Option<Arc<dyn CredentialStrategy>>> {
        let Some(base) = &self.base else {
            return Ok(None);
        };
        base.assemble(sdk)
            .map(Some)
            .map_err(|error| match error.field() {
                Some(field) => {
                    let named = format!("base.{field}");
                    error.naming(named)
                }
                None => error,
            })
    }

    #[cfg(feature = "pool")]
    fn role_pool(&self, sdk: Option<&SdkConfig>) -> Result<RolePool> {
        let mut builder = RolePool::builder();
        if let Some(sdk) = sdk {
            builder = builder.sdk_config(sdk);
        }
        if let Some(base) = self.base(sdk)? {
            builder = builder.base(base);
        }
        if self.refresh.is_some() {
            let mut policy = self.refresh()?;
            let waits = self.refresh.as_ref().and_then(|r| r.wait_timeout_seconds);
            if waits.is_none() {
                policy = policy.wait_timeout(DEFAULT_POOL_WAIT_TIMEOUT);
            }
            builder = builder.refresh(policy);
        }
        let builder = set!(self, builder;
            max_roles => max_roles,
            max_in_flight => max_in_flight,
        );
        set_session!(self, builder).build()
    }

    fn provided(&self) -> Result<Arc<dyn CredentialStrategy>> {
        let source = match self.strategy {
            Kind::Fixed => ProviderSource::fixed(self.keys()?),
            _ => self.provider()?,
        };
        let builder = Provided::builder_over(source).refresh(self.refresh()?);
        Ok(Arc::new(builder.build()?))
    }

    /// Keys as they are given; a base of long-lived ones has no session token.
    fn keys(&self) -> Result<Credentials> {
        let (Some(id), Some(secret)) = (&self.access_key_id, &self.secret_access_key) else {
            return Err(Error::usage(
                "access_key_id",
                "expected it and secret_access_key",
            ));
        };
        for (field, text) in [
            ("access_key_id", Some(id)),
            ("secret_access_key", Some(&secret.0)),
            (
                "session_token",
                self.session_token.as_ref().map(|token| &token.0),
            ),
        ] {
            if text.is_some_and(|text| text.trim().is_empty()) {
                return Err(Error::usage(field, "expected a text that is not empty"));
            }
        }
        let mut keys = Credentials::builder()
            .access_key_id(id)
            .secret_access_key(&secret.0)
            .provider_name("StrategyConfig");
        keys.set_session_token(self.session_token.as_ref().map(|token| token.0.clone()));
        Ok(keys.build())
    }

    /// One of aws-config's own.
    #[cfg(feature = "env")]
    fn provider(&self) -> Result<ProviderSource> {
        let given = |setting: &'static str, text: &Option<String>| match text {
            Some(text) if !text.trim().is_empty() => Ok(text.clone()),
            _ => Err(Error::usage(setting, "expected a text that is not empty")),
        };
        Ok(match self.strategy {
            Kind::Container => ProviderSource::container(),
            Kind::Environment => ProviderSource::environment(),
            Kind::Process => ProviderSource::process(given("command", &self.command)?),
            Kind::Profile => ProviderSource::profile(given("name", &self.name)?),
            _ => ProviderSource::default_chain(),
        })
    }

    #[cfg(not(feature = "env"))]
    fn provider(&self) -> Result<ProviderSource> {
        Err(Error::usage(
            "strategy",
            format!(
                "expected another one: {} is one of aws-config's, and needs the cargo feature env of this crate",
                self.strategy.as_str()
            ),
        ))
    }

    fn refresh(&self) -> Result<RefreshPolicy> {
        let Some(refresh) = &self.refresh else {
            return Ok(RefreshPolicy::default());
        };
        let mut policy = match refresh.rules {
            None | Some(Rules::Default) => RefreshPolicy::default(),
            Some(Rules::AwsSpec) => RefreshPolicy::aws_spec(),
        };
        match refresh.mode {
            None => {}
            Some(Mode::Background) => policy = policy.mode(RefreshMode::Background),
            Some(Mode::OnDemand) => policy = policy.mode(RefreshMode::OnDemand),
        }
        if let Some(seconds) = refresh.advisory_window_seconds {
            policy = policy.advisory_window(seconds.as_given());
        }
        if let Some(seconds) = refresh.fetch_timeout_seconds {
            policy = policy.fetch_timeout(seconds.as_given());
        }
        if let Some(seconds) = refresh.wait_timeout_seconds {
            policy = policy.wait_timeout(seconds.as_given());
        }
        if let Some(seconds) = refresh.idle_after_seconds {
            policy = policy.idle_after(seconds.as_given());
        }
        if let Some(serve) = refresh.serve_expired {
            policy = policy.serve_expired(serve);
        }
        policy.validate().map_err(|error| match error.field() {
            Some(field) => {
                let named = format!("refresh.{field}_seconds");
                error.naming(named)
            }
            None => error,
        })?;
        Ok(policy)
    }
}

impl TryFrom<Settings> for StrategyConfig {
    type Error = String;

    fn try_from(settings: Settings) -> Result<Self, String> {
        let strategy = settings.strategy.as_str();
        if let Some(name) = settings.foreign() {
            return Err(format!("unknown field `{name}` for strategy `{strategy}`"));
        }
        let required: &[(&str, bool)] = match settings.strategy {
            Kind::AssumeRole if settings.web_identity_from_env == Some(true) => &[],
            Kind::AssumeRole => &[("role_arn", settings.role_arn.is_some())],
            Kind::Fixed => &[
                ("access_key_id", settings.access_key_id.is_some()),
                ("secret_access_key", settings.secret_access_key.is_some()),
            ],
            Kind::Process => &[("command", settings.command.is_some())],
            Kind::Profile => &[("name", settings.name.is_some())],
            Kind::Container
            | Kind::DefaultChain
            | Kind::Environment
            | Kind::InstanceProfile
            | Kind::RolePool => &[],
        };
        if let Some((name, _)) = required.iter().find(|(_, is_there)| !is_there) {
            return Err(format!("missing field `{name}` for strategy `{strategy}`"));
        }
        Ok(StrategyConfig(settings))
    }
}

impl From<StrategyConfig> for Settings {
    fn from(config: StrategyConfig) -> Self {
        config.0
    }
}
