//! The strategy as a setting: chosen by configuration, checked with the setting's name in each error.

use super::{AssumeRole, CredentialStrategy, InstanceProfile};
use crate::error::{Error, Result};
use crate::refresh::{RefreshMode, RefreshPolicy};
use crate::source::Base;
use aws_types::SdkConfig;
use serde::de::{Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Which strategy to use, with its options, from a configuration in any serde format.
///
/// `strategy` is `instance_profile` or `assume_role`. Durations are whole seconds, as their names say.
/// Each setting has the default of the builder's setter of that name.
/// What is unknown, missing, of the wrong type, or an option of the other strategy is refused by name.
/// A configuration holds no secret: base credentials come from another strategy, by default the
/// instance's own.
///
/// | `instance_profile` | `assume_role` | both, under `refresh` |
/// |---|---|---|
/// | `profile` | `role_arn` (required) | `rules`: `default` or `aws_spec` |
/// | `endpoint` | `region` (required, here or in [`build_with`](Self::build_with)) | `mode`: `background` or `on_demand` |
/// | `connect_timeout_seconds` | `base`: another configuration | `advisory_window_seconds` |
/// | `answer_timeout_seconds` | `session_name`, `external_id`, `source_identity` | `fetch_timeout_seconds` |
/// | `max_attempts` | `duration_seconds` | `wait_timeout_seconds` |
/// | `token_ttl_seconds` | `policy` (an object), `policy_arns` | `serve_expired` |
/// | | `tags` (an object), `transitive_tags`, `sts_endpoint` | |
///
/// MFA asks a person, and a transport is code: these are for [`AssumeRole::builder`].
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

/// Every setting there is. One flat type, so that an error knows the path of what it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "an object with the member `strategy`"
)]
struct Settings {
    strategy: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    profile: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    connect_timeout_seconds: Option<Seconds>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answer_timeout_seconds: Option<Seconds>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_attempts: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token_ttl_seconds: Option<Seconds>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role_arn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base: Option<Box<StrategyConfig>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    duration_seconds: Option<Seconds>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    policy: Option<serde_json::Map<String, serde_json::Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    policy_arns: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tags: Option<BTreeMap<String, String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    transitive_tags: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source_identity: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sts_endpoint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh: Option<Refresh>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    AssumeRole,
    InstanceProfile,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Kind::AssumeRole => "assume_role",
            Kind::InstanceProfile => "instance_profile",
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

impl From<Seconds> for Duration {
    fn from(Seconds(seconds): Seconds) -> Self {
        Duration::from_secs(seconds)
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

    /// `instance_profile` or `assume_role`.
    #[must_use]
    pub fn strategy(&self) -> &'static str {
        self.0.strategy.as_str()
    }

    /// The strategy, without any I/O.
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

    fn assemble(&self, sdk: Option<&SdkConfig>) -> Result<Arc<dyn CredentialStrategy>> {
        let built = match self.0.strategy {
            Kind::AssumeRole => self.0.assume_role(sdk),
            Kind::InstanceProfile => self.0.instance_profile(),
        };
        built.map_err(|error| match error.field() {
            Some(field) if SECONDS.contains(&field) => {
                let named = format!("{field}_seconds");
                error.naming(named)
            }
            _ => error,
        })
    }
}

/// Options whose settings carry the unit in the name.
const SECONDS: [&str; 4] = ["answer_timeout", "connect_timeout", "duration", "token_ttl"];

impl Settings {
    fn instance_profile(&self) -> Result<Arc<dyn CredentialStrategy>> {
        let mut builder = InstanceProfile::builder().refresh(self.refresh()?);
        if let Some(profile) = &self.profile {
            builder = builder.profile(profile);
        }
        if let Some(endpoint) = &self.endpoint {
            builder = builder.endpoint(endpoint);
        }
        if let Some(seconds) = self.connect_timeout_seconds {
            builder = builder.connect_timeout(seconds.into());
        }
        if let Some(seconds) = self.answer_timeout_seconds {
            builder = builder.answer_timeout(seconds.into());
        }
        if let Some(attempts) = self.max_attempts {
            builder = builder.max_attempts(attempts);
        }
        if let Some(seconds) = self.token_ttl_seconds {
            builder = builder.token_ttl(seconds.into());
        }
        Ok(Arc::new(builder.build()?))
    }

    fn assume_role(&self, sdk: Option<&SdkConfig>) -> Result<Arc<dyn CredentialStrategy>> {
        let role_arn = self.role_arn.clone().unwrap_or_default();
        let mut builder = AssumeRole::builder(role_arn).refresh(self.refresh()?);
        if let Some(sdk) = sdk {
            builder = builder.sdk_config(sdk);
        }
        if let Some(region) = &self.region {
            builder = builder.region(region);
        }
        if let Some(base) = &self.base {
            let base = base.assemble(sdk).map_err(|error| match error.field() {
                Some(field) => {
                    let named = format!("base.{field}");
                    error.naming(named)
                }
                None => error,
            })?;
            builder = builder.base(Base::from(base));
        }
        if let Some(name) = &self.session_name {
            builder = builder.session_name(name);
        }
        if let Some(id) = &self.external_id {
            builder = builder.external_id(id);
        }
        if let Some(seconds) = self.duration_seconds {
            builder = builder.duration(seconds.into());
        }
        if let Some(policy) = &self.policy {
            builder = builder.policy(serde_json::Value::Object(policy.clone()).to_string());
        }
        if let Some(arns) = &self.policy_arns {
            builder = builder.policy_arns(arns);
        }
        if let Some(tags) = &self.tags {
            builder = builder.tags(tags);
        }
        if let Some(keys) = &self.transitive_tags {
            builder = builder.transitive_tags(keys);
        }
        if let Some(identity) = &self.source_identity {
            builder = builder.source_identity(identity);
        }
        if let Some(endpoint) = &self.sts_endpoint {
            builder = builder.sts_endpoint(endpoint);
        }
        Ok(Arc::new(builder.build()?))
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
            policy = policy.advisory_window(seconds.into());
        }
        if let Some(seconds) = refresh.fetch_timeout_seconds {
            policy = policy.fetch_timeout(seconds.into());
        }
        if let Some(seconds) = refresh.wait_timeout_seconds {
            policy = policy.wait_timeout(seconds.into());
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

    /// Settings of the other strategy, by name.
    fn foreign(&self) -> Vec<&'static str> {
        let of_instance_profile = [
            ("profile", self.profile.is_some()),
            ("endpoint", self.endpoint.is_some()),
            (
                "connect_timeout_seconds",
                self.connect_timeout_seconds.is_some(),
            ),
            (
                "answer_timeout_seconds",
                self.answer_timeout_seconds.is_some(),
            ),
            ("max_attempts", self.max_attempts.is_some()),
            ("token_ttl_seconds", self.token_ttl_seconds.is_some()),
        ];
        let of_assume_role = [
            ("role_arn", self.role_arn.is_some()),
            ("region", self.region.is_some()),
            ("base", self.base.is_some()),
            ("session_name", self.session_name.is_some()),
            ("external_id", self.external_id.is_some()),
            ("duration_seconds", self.duration_seconds.is_some()),
            ("policy", self.policy.is_some()),
            ("policy_arns", self.policy_arns.is_some()),
            ("tags", self.tags.is_some()),
            ("transitive_tags", self.transitive_tags.is_some()),
            ("source_identity", self.source_identity.is_some()),
            ("sts_endpoint", self.sts_endpoint.is_some()),
        ];
        let others: &[(&'static str, bool)] = match self.strategy {
            Kind::AssumeRole => &of_instance_profile,
            Kind::InstanceProfile => &of_assume_role,
        };
        others
            .iter()
            .filter(|(_, is_set)| *is_set)
            .map(|(name, _)| *name)
            .collect()
    }
}

impl TryFrom<Settings> for StrategyConfig {
    type Error = String;

    fn try_from(settings: Settings) -> Result<Self, String> {
        if let Some(name) = settings.foreign().first() {
            return Err(format!(
                "unknown field `{name}` for strategy `{}`",
                settings.strategy.as_str()
            ));
        }
        if settings.strategy == Kind::AssumeRole && settings.role_arn.is_none() {
            return Err("missing field `role_arn` for strategy `assume_role`".to_owned());
        }
        Ok(StrategyConfig(settings))
    }
}

impl From<StrategyConfig> for Settings {
    fn from(config: StrategyConfig) -> Self {
        config.0
    }
}
