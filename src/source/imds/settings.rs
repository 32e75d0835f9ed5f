//! What an [`ImdsSource`](super::ImdsSource) is told: by its builder, else the environment, else a
//! named constant.

use super::host::Host;
use crate::arn::is_role_name;
use crate::error::{Error, Result};
use crate::source::env::Env;
use hyper::Uri;
use std::fmt;
use std::time::Duration;

/// `true` (any case) switches the source off.
pub(crate) const DISABLED_VARIABLE: &str = "AWS_EC2_METADATA_DISABLED";
const ENDPOINT_VARIABLE: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
const MODE_VARIABLE: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE";
const PROFILE_VARIABLE: &str = "AWS_EC2_INSTANCE_PROFILE_NAME";
const TIMEOUT_VARIABLE: &str = "AWS_METADATA_SERVICE_TIMEOUT";
const ATTEMPTS_VARIABLE: &str = "AWS_METADATA_SERVICE_NUM_ATTEMPTS";

/// The metadata service of EC2 over IPv4:
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html>.
pub const DEFAULT_ENDPOINT: &str = "http://169.254.169.254";
/// The metadata service of EC2 over IPv6, on instances of the Nitro system.
pub const DEFAULT_ENDPOINT_IPV6: &str = "http://[fd00:ec2::254]";
/// How long connecting may take. The service is on the host itself: one second is already long, and
/// the AWS SDKs use the same.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long one answer may take, body included; as above.
pub const DEFAULT_ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
/// Attempts for each request of a fetch: the first and two more, so that a fetch from a service that
/// hangs ends well before callers stop waiting for it.
pub const DEFAULT_MAX_ATTEMPTS: u32 = 3;
/// How long a session token is asked to live: six hours, the most that the service grants.
pub const DEFAULT_TOKEN_TTL: Duration = Duration::from_secs(21_600);

/// The most attempts that can be configured: beyond, a fetch would only run into its own time limit.
const MAX_ATTEMPTS_LIMIT: u32 = 10;
/// The longest time limit that can be configured, for the same reason.
const TIMEOUT_LIMIT: Duration = Duration::from_secs(30);

/// Everything an [`ImdsSource`](super::ImdsSource) has been told, checked.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) endpoint: Endpoint,
    pub(crate) profile: Option<String>,
    pub(crate) connect_timeout: Duration,
    pub(crate) answer_timeout: Duration,
    pub(crate) max_attempts: u32,
    pub(crate) token_ttl: Duration,
    pub(crate) disabled: bool,
    pub(super) host: Host,
}

/// Where the metadata service is: scheme `http`, host, port, and a path that goes before every other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Without the brackets of an IPv6 address.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// `Host` header: as written in the URI.
    pub(crate) authority: String,
    /// Empty, or with a leading and without a trailing slash.
    pub(crate) prefix: String,
}

impl Endpoint {
    const HTTP_PORT: u16 = 80;

    /// Reads a URI; `field` names where it came from.
    pub(crate) fn parse(field: &'static str, text: &str) -> Result<Self> {
        let refuse = |what: &str| {
            Error::usage(
                field,
                format!(
                    "expected an http URI such as {DEFAULT_ENDPOINT} or {DEFAULT_ENDPOINT_IPV6}; {what}"
                ),
            )
        };
        let uri: Uri = text.parse().map_err(|_| refuse("this is not a URI"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => {
                return Err(refuse("the metadata service speaks http without TLS"));
            }
            _ => return Err(refuse("this has no scheme http")),
        }
        let authority = uri
            .authority()
            .ok_or_else(|| refuse("this has no host"))?
            .as_str();
        if authority.contains('@') {
            return Err(refuse("this has a user or password"));
        }
        let host = uri.host().unwrap_or_default();
        let host = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(host);
        if host.is_empty() {
            return Err(refuse("this has no host"));
        }
        let port = match authority.rsplit_once(':') {
            // The last colon of a bare IPv6 address stands inside its brackets.
            Some((_, port)) if !port.ends_with(']') => port
                .parse()
                .ok()
                .filter(|port| *port != 0)
                .ok_or_else(|| refuse("the port is not a number from 1 to 65535"))?,
            _ => Self::HTTP_PORT,
        };
        if uri.query().is_some() {
            return Err(refuse("this has a query"));
        }
        Ok(Endpoint {
            host: host.to_owned(),
            port,
            authority: authority.to_owned(),
            prefix: uri.path().trim_end_matches('/').to_owned(),
        })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.prefix)
    }
}

/// What the builder was given; `None` means: environment, else the constant.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wishes {
    pub(crate) endpoint: Option<String>,
    pub(crate) profile: Option<String>,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) answer_timeout: Option<Duration>,
    pub(crate) max_attempts: Option<u32>,
    pub(crate) token_ttl: Option<Duration>,
}

impl Settings {
    pub(crate) fn resolve(wishes: Wishes, env: &Env) -> Result<Self> {
        let Wishes {
            endpoint,
            profile,
            connect_timeout,
            answer_timeout,
            max_attempts,
            token_ttl,
        } = wishes;
        let disabled = env
            .var(DISABLED_VARIABLE)?
            .is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let env_timeout = match connect_timeout.and(answer_timeout) {
            Some(_) => None,
            None => timeout_from(env)?,
        };
        let (field, profile) = match profile {
            Some(profile) => ("profile", Some(profile)),
            None => (PROFILE_VARIABLE, env.var(PROFILE_VARIABLE)?),
        };
        if let Some(profile) = &profile
            && !is_role_name(profile)
        {
            return Err(Error::usage(
                field,
                "expected the name of the role in the instance profile: 1 to 64 of A-Z a-z 0-9 _ + = , . @ -",
            ));
        }
        let token_ttl = token_ttl.unwrap_or(DEFAULT_TOKEN_TTL);
        if token_ttl < Duration::from_secs(1) || token_ttl > DEFAULT_TOKEN_TTL {
            return Err(Error::usage("token_ttl", "expected 1 second to 6 hours"));
        }
        Ok(Settings {
            endpoint: match endpoint {
                Some(text) => Endpoint::parse("endpoint", &text)?,
                None => endpoint_from(env)?,
            },
            profile,
            connect_timeout: checked_timeout("connect_timeout", connect_timeout)?
                .or(env_timeout)
                .unwrap_or(DEFAULT_CONNECT_TIMEOUT),
            answer_timeout: checked_timeout("answer_timeout", answer_timeout)?
                .or(env_timeout)
                .unwrap_or(DEFAULT_ANSWER_TIMEOUT),
            max_attempts: match max_attempts {
                Some(attempts) => checked_attempts("max_attempts", attempts)?,
                None => attempts_from(env)?.unwrap_or(DEFAULT_MAX_ATTEMPTS),
            },
            token_ttl: Duration::from_secs(token_ttl.as_secs()),
            disabled,
            host: host_by(env),
        })
    }
}

/// Where this runs, by the variables that the place sets; what they say is not for this source to check.
fn host_by(env: &Env) -> Host {
    for (variable, host) in [
        ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", Host::Container),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", Host::Container),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", Host::WebIdentity),
        ("AWS_LAMBDA_FUNCTION_NAME", Host::Lambda),
    ] {
        if !matches!(env.var(variable), Ok(None)) {
            return host;
        }
    }
    Host::Unknown
}

fn endpoint_from(env: &Env) -> Result<Endpoint> {
    if let Some(text) = env.var(ENDPOINT_VARIABLE)? {
        return Endpoint::parse(ENDPOINT_VARIABLE, &text);
    }
    let text = match env.var(MODE_VARIABLE)? {
        None => DEFAULT_ENDPOINT,
        Some(mode) if mode.eq_ignore_ascii_case("ipv4") => DEFAULT_ENDPOINT,
        Some(mode) if mode.eq_ignore_ascii_case("ipv6") => DEFAULT_ENDPOINT_IPV6,
        Some(_) => return Err(Error::usage(MODE_VARIABLE, "expected IPv4 or IPv6")),
    };
    Endpoint::parse(MODE_VARIABLE, text)
}

fn timeout_from(env: &Env) -> Result<Option<Duration>> {
    let Some(text) = env.var(TIMEOUT_VARIABLE)? else {
        return Ok(None);
    };
    let timeout = text
        .parse::<f64>()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| Error::usage(TIMEOUT_VARIABLE, timeout_expected()))?;
    if timeout > TIMEOUT_LIMIT {
        tracing::warn!(
            "{TIMEOUT_VARIABLE} is cut to {} seconds",
            TIMEOUT_LIMIT.as_secs()
        );
    }
    checked_timeout(TIMEOUT_VARIABLE, Some(timeout.min(TIMEOUT_LIMIT)))
}

fn attempts_from(env: &Env) -> Result<Option<u32>> {
    let Some(text) = env.var(ATTEMPTS_VARIABLE)? else {
        return Ok(None);
    };
    let attempts: u32 = text
        .parse()
        .map_err(|_| Error::usage(ATTEMPTS_VARIABLE, attempts_expected()))?;
    if attempts > MAX_ATTEMPTS_LIMIT {
        // Other tools take more.
        tracing::warn!("{ATTEMPTS_VARIABLE} is cut to {MAX_ATTEMPTS_LIMIT}");
    }
    checked_attempts(ATTEMPTS_VARIABLE, attempts.min(MAX_ATTEMPTS_LIMIT)).map(Some)
}

fn checked_timeout(field: &'static str, timeout: Option<Duration>) -> Result<Option<Duration>> {
    match timeout {
        Some(timeout) if timeout.is_zero() || timeout > TIMEOUT_LIMIT => {
            Err(Error::usage(field, timeout_expected()))
        }
        other => Ok(other),
    }
}

fn checked_attempts(field: &'static str, attempts: u32) -> Result<u32> {
    if (1..=MAX_ATTEMPTS_LIMIT).contains(&attempts) {
        Ok(attempts)
    } else {
        Err(Error::usage(field, attempts_expected()))
    }
}

fn timeout_expected() -> String {
    format!(
        "expected a number of seconds above 0, at most {}",
        TIMEOUT_LIMIT.as_secs()
    )
}

fn attempts_expected() -> String {
    format!("expected a whole number from 1 to {MAX_ATTEMPTS_LIMIT}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    fn resolve<const N: usize>(pairs: [(&str, &str); N]) -> Result<Settings> {
        Settings::resolve(Wishes::default(), &Env::from_pairs(pairs))
    }

    #[test]
    fn nothing_given_means_the_constants() {
        let settings = resolve([]).unwrap();
        assert_eq!(settings.endpoint.to_string(), DEFAULT_ENDPOINT);
        assert_eq!(settings.endpoint.port, 80);
        assert_eq!(settings.connect_timeout, DEFAULT_CONNECT_TIMEOUT);
        assert_eq!(settings.answer_timeout, DEFAULT_ANSWER_TIMEOUT);
        assert_eq!(settings.max_attempts, DEFAULT_MAX_ATTEMPTS);
        assert_eq!(settings.token_ttl, DEFAULT_TOKEN_TTL);
        assert_eq!(settings.profile, None);
        assert!(!settings.disabled);
    }

    #[test]
    fn the_environment_comes_before_the_constants() {
        let settings = resolve([
            (ENDPOINT_VARIABLE, "http://127.0.0.1:1338/some/where/"),
            (MODE_VARIABLE, "IPv6"),
            (TIMEOUT_VARIABLE, "2.5"),
            (ATTEMPTS_VARIABLE, "1"),
            (DISABLED_VARIABLE, "TRUE"),
        ])
        .unwrap();
        assert_eq!(
            settings.endpoint,
            Endpoint {
                host: "127.0.0.1".to_owned(),
                port: 1338,
                authority: "127.0.0.1:1338".to_owned(),
                prefix: "/some/where".to_owned(),
            }
        );
        assert_eq!(settings.connect_timeout, Duration::from_millis(2_500));
        assert_eq!(settings.answer_timeout, Duration::from_millis(2_500));
        assert_eq!(settings.max_attempts, 1);
        assert!(settings.disabled);
    }

    #[test]
    fn the_builder_comes_before_the_environment() {
        let settings = Settings::resolve(
            Wishes {
                endpoint: Some("http://localhost:1".to_owned()),
                profile: Some("App".to_owned()),
                connect_timeout: Some(Duration::from_secs(3)),
                answer_timeout: Some(Duration::from_secs(4)),
                max_attempts: Some(5),
                token_ttl: Some(Duration::from_secs(60)),
            },
            &Env::from_pairs([
                (ENDPOINT_VARIABLE, "nonsense"),
                (TIMEOUT_VARIABLE, "nonsense"),
                (ATTEMPTS_VARIABLE, "nonsense"),
            ]),
        )
        .unwrap();
        assert_eq!(settings.endpoint.to_string(), "http://localhost:1");
        assert_eq!(settings.connect_timeout, Duration::from_secs(3));
        assert_eq!(settings.answer_timeout, Duration::from_secs(4));
        assert_eq!(settings.max_attempts, 5);
        assert_eq!(settings.token_ttl, Duration::from_secs(60));
    }

    #[test]
    fn the_mode_chooses_the_address_and_blank_means_unset() {
        let v6 = resolve([(MODE_VARIABLE, "ipV6")]).unwrap().endpoint;
        assert_eq!(v6.host, "fd00:ec2::254");
        assert_eq!(v6.port, 80);
        assert_eq!(v6.to_string(), DEFAULT_ENDPOINT_IPV6);
        let v4 = resolve([(MODE_VARIABLE, "IPv4"), (ENDPOINT_VARIABLE, " ")]).unwrap();
        assert_eq!(v4.endpoint.to_string(), DEFAULT_ENDPOINT);
        for (value, disabled) in [("false", false), ("1", false), ("True", true), ("", false)] {
            let settings = resolve([(DISABLED_VARIABLE, value)]).unwrap();
            assert_eq!(settings.disabled, disabled, "{value}");
        }
    }

    #[test]
    fn what_other_tools_take_is_cut_to_our_limits() {
        let settings = resolve([(TIMEOUT_VARIABLE, "31"), (ATTEMPTS_VARIABLE, "11")]).unwrap();
        assert_eq!(settings.answer_timeout, TIMEOUT_LIMIT);
        assert_eq!(settings.max_attempts, MAX_ATTEMPTS_LIMIT);
    }

    #[test]
    fn the_environment_tells_where_this_runs() {
        for (variable, host) in [
            ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", Host::Container),
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", Host::Container),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", Host::WebIdentity),
            ("AWS_LAMBDA_FUNCTION_NAME", Host::Lambda),
        ] {
            assert_eq!(resolve([(variable, "x")]).unwrap().host, host);
            // it is a hint for errors, and what it says is for others
            let garbled = Settings::resolve(Wishes::default(), &Env::garbled(variable));
            assert_eq!(garbled.unwrap().host, host);
        }
        assert_eq!(resolve([]).unwrap().host, Host::Unknown);
    }

    #[test]
    fn the_profile_can_come_from_the_environment() {
        let settings = resolve([(PROFILE_VARIABLE, "App")]).unwrap();
        assert_eq!(settings.profile.as_deref(), Some("App"));
    }

    #[test]
    fn a_bad_variable_is_named() {
        for (variable, value) in [
            (ENDPOINT_VARIABLE, "https://169.254.169.254"),
            (ENDPOINT_VARIABLE, "169.254.169.254"),
            (ENDPOINT_VARIABLE, "http://user@host"),
            (ENDPOINT_VARIABLE, "http://host:99999"),
            (ENDPOINT_VARIABLE, "http://host:0"),
            (ENDPOINT_VARIABLE, "http://[::1"),
            (ENDPOINT_VARIABLE, "http://host/?q"),
            (ENDPOINT_VARIABLE, "http://"),
            (MODE_VARIABLE, "IPv5"),
            (TIMEOUT_VARIABLE, "soon"),
            (TIMEOUT_VARIABLE, "0"),
            (TIMEOUT_VARIABLE, "-1"),
            (TIMEOUT_VARIABLE, "NaN"),
            (TIMEOUT_VARIABLE, "1e300"),
            (ATTEMPTS_VARIABLE, "0"),
            (PROFILE_VARIABLE, "a/b"),
            (ATTEMPTS_VARIABLE, "many"),
        ] {
            let error = resolve([(variable, value)]).unwrap_err();
            assert_eq!(error.field(), Some(variable), "{value}: {error}");
            assert!(error.is_terminal());
        }
    }
}
