//! What is the matter when one of the SDK's providers gives no credentials.
//!
//! A provider's own errors are private types below one public enum, so beside that enum, the AWS codes and
//! the transport's errors there are only their words. Those that are read here are held by tests against
//! the providers themselves.

use crate::error::chain::Told;
use crate::error::codes;
use crate::error::text::{Quoted, Secrets};
use crate::error::{CredentialFault, Error, ErrorKind, Operation};
use crate::source::provider_kind::ProviderKind;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sts::error::ErrorMetadata;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_sdk_sts::operation::assume_role_with_saml::AssumeRoleWithSAMLError;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;
use aws_smithy_runtime_api::client::result::ConnectorError;
use std::borrow::Cow;
use std::error::Error as StdError;
use std::io::{self, Read as _};

/// The container's token, by file.
const CONTAINER_TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";

const SECRET_VARIABLES: [&str; 3] = [
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
];
const SECRET_FILE_VARIABLES: [&str; 2] = [CONTAINER_TOKEN_FILE, "AWS_WEB_IDENTITY_TOKEN_FILE"];
/// More than the longest token that STS takes.
const SECRET_FILE_LIMIT: u64 = 32 * 1024;

/// What a chain of causes holds.
pub(crate) struct ProviderFailure<'a> {
    error: &'a CredentialsError,
    /// The innermost AWS code.
    code: Option<String>,
    /// The HTTP status that the container's endpoint answered with.
    status: Option<u16>,
    no_file: bool,
    timed_out: bool,
    unreachable: bool,
    /// What every layer says.
    words: String,
}

/// How it is told, and whether it passes.
struct Verdict {
    kind: ErrorKind,
    message: Cow<'static, str>,
    hint: Option<Cow<'static, str>>,
    needs_a_person: bool,
}

impl<'a> ProviderFailure<'a> {
    pub(crate) fn read(error: &'a CredentialsError) -> Self {
        let mut failure = ProviderFailure {
            error,
            code: None,
            status: None,
            no_file: false,
            timed_out: matches!(error, CredentialsError::ProviderTimedOut(_)),
            unreachable: false,
            words: String::new(),
        };
        let mut layer: Option<&(dyn StdError + 'static)> = Some(error);
        while let Some(current) = layer {
            let words = current.to_string();
            if let Some(code) = code_of(current).or_else(|| code_in(&words)) {
                failure.code = Some(code);
            }
            failure.status = failure.status.or_else(|| status_in(&words));
            if let Some(connector) = current.downcast_ref::<ConnectorError>() {
                failure.timed_out |= connector.is_timeout();
                failure.unreachable |= connector.is_io();
            }
            if let Some(io) = current.downcast_ref::<io::Error>() {
                failure.no_file |= io.kind() == io::ErrorKind::NotFound;
                failure.timed_out |= io.kind() == io::ErrorKind::TimedOut;
            }
            failure.words.push_str(&words);
            failure.words.push('\n');
            layer = current.source();
        }
        failure
    }

    pub(crate) fn into_error(self, kind: &ProviderKind) -> Error {
        let Verdict {
            kind,
            message,
            hint,
            needs_a_person,
        } = self.verdict(kind);
        let throttled = kind == ErrorKind::Throttled;
        let mut error = Error::new(kind, Operation::FETCH, message);
        let secrets = secrets_of_the_environment();
        if let Some(told) = Told::chain(self.error, &secrets) {
            error = error.over(told);
        }
        if let Some(code) = self.code {
            error = error.with_code(Quoted::new(&code, &secrets));
        }
        if let Some(status) = self.status {
            error = error.with_status(status);
        }
        if let Some(hint) = hint {
            error = error.hint(hint);
        }
        match (needs_a_person, throttled) {
            (true, _) => error.needs_human(),
            (false, true) => error.asks_for_fewer_calls(),
            (false, false) => error.heals_by_itself(),
        }
    }

    fn says(&self, words: &str) -> bool {
        self.words.contains(words)
    }

    fn verdict(&self, kind: &ProviderKind) -> Verdict {
        let unavailable = ErrorKind::Credential(CredentialFault::Unavailable);
        let person =
            |kind: ErrorKind, message: &'static str, hint: Option<Cow<'static, str>>| Verdict {
                kind,
                message: message.into(),
                hint,
                needs_a_person: true,
            };
        let passing =
            |kind: ErrorKind, message: &'static str, hint: Option<Cow<'static, str>>| Verdict {
                kind,
                message: message.into(),
                hint,
                needs_a_person: false,
            };
        if self.says("SSO token") {
            let profile = match kind {
                ProviderKind::Profile(Some(name)) => name.clone(),
                _ => std::env::var("AWS_PROFILE").unwrap_or_else(|_| "default".to_owned()),
            };
            return Verdict {
                kind: ErrorKind::Credential(CredentialFault::Expired),
                message: format!("the SSO session of profile {profile} has ended").into(),
                hint: Some(format!("aws sso login --profile {profile}").into()),
                needs_a_person: true,
            };
        }
        if let Some(feature) = self.missing_feature() {
            return Verdict {
                kind: ErrorKind::Invalid,
                message: format!("aws-config was built without its feature {feature}").into(),
                hint: Some(
                    format!(
                        "in the application's Cargo.toml: aws-config = {{ version = \"1\", default-features = \
                         false, features = [\"{feature}\"] }}"
                    )
                    .into(),
                ),
                needs_a_person: true,
            };
        }
        if self.says("did not refer to an allowed IP address") {
            return person(
                ErrorKind::Invalid,
                "the container's credentials endpoint is not one of a container",
                Some(
                    "AWS_CONTAINER_CREDENTIALS_FULL_URI has to be https, or http to loopback, 169.254.170.2, \
                     169.254.170.23 or [fd00:ec2::23]"
                        .into(),
                ),
            );
        }
        if self.says("auth token could not be used as an HTTP header") {
            return person(
                ErrorKind::Invalid,
                "the container's authorization token cannot be a header",
                Some("does it end in a line break? write it without".into()),
            );
        }
        if self.no_file {
            return self.without_file(kind);
        }
        let needs_a_person =
            |code: &str| codes::known(code).is_some_and(codes::Meaning::needs_a_person);
        if self.code.as_deref().is_some_and(needs_a_person) {
            return person(unavailable, GAVE_NONE, None);
        }
        if let Some(status) = self.status {
            return match status {
                429 => passing(ErrorKind::Throttled, "the endpoint asks for fewer calls", None),
                400..=407 | 410..=424 => person(
                    unavailable,
                    "the credentials endpoint refuses this container",
                    Some(
                        "does the task or pod still have a role (task definition, pod identity association), \
                         and is the authorization token that of this container?"
                            .into(),
                    ),
                ),
                500.. => passing(ErrorKind::Service, "the credentials endpoint failed", None),
                _ => passing(unavailable, GAVE_NONE, None),
            };
        }
        if self.timed_out {
            return passing(
                ErrorKind::Timeout,
                "the credentials provider got no answer in time",
                None,
            );
        }
        if self.unreachable {
            return passing(
                ErrorKind::Unreachable,
                "the credentials provider reached nobody",
                Some("is the endpoint that it asks there, and not behind a proxy?".into()),
            );
        }
        match (self.error, kind) {
            (CredentialsError::CredentialsNotLoaded(_), _) => self.found_nothing(kind),
            (CredentialsError::InvalidConfiguration(_), _) => person(
                ErrorKind::Invalid,
                "the credentials provider is not configured as it should be",
                None,
            ),
            (_, ProviderKind::Process) => passing(
                unavailable,
                "the command gave no credentials",
                Some("run it by hand: it has to print one JSON object with Version 1, AccessKeyId and SecretAccessKey".into()),
            ),
            _ => passing(unavailable, GAVE_NONE, None),
        }
    }

    /// A file that is not there: which one the provider does not say.
    fn without_file(&self, kind: &ProviderKind) -> Verdict {
        let of_container = matches!(
            kind,
            ProviderKind::Container | ProviderKind::DefaultChain | ProviderKind::Other
        );
        let (message, hint): (Cow<'static, str>, Cow<'static, str>) =
            match std::env::var(CONTAINER_TOKEN_FILE) {
                Ok(path) if of_container => (
                    "the container's authorization token file is not there".into(),
                    format!(
                        "{CONTAINER_TOKEN_FILE} names {path}: is it mounted into this container?"
                    )
                    .into(),
                ),
                _ if *kind == ProviderKind::Container => (
                    "the container's authorization token file is not there".into(),
                    "is it mounted into this container?".into(),
                ),
                _ => (
                    "a file that the credentials provider reads is not there".into(),
                    "is it mounted, and is its path right?".into(),
                ),
            };
        Verdict {
            kind: ErrorKind::Credential(CredentialFault::Unavailable),
            message,
            hint: Some(hint),
            // It may be mounted yet.
            needs_a_person: false,
        }
    }

    /// The provider has looked and there are none.
    fn found_nothing(&self, kind: &ProviderKind) -> Verdict {
        let (message, hint): (Cow<'static, str>, Option<Cow<'static, str>>) = match kind {
            ProviderKind::Container => (
                "this is no container with a role".into(),
                Some(
                    "neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor AWS_CONTAINER_CREDENTIALS_FULL_URI is \
                     set: ECS sets them for a task with a task role, EKS for a pod with a pod identity \
                     association"
                        .into(),
                ),
            ),
            ProviderKind::Environment => (
                "there are no credentials in the environment".into(),
                Some("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY have to be set".into()),
            ),
            ProviderKind::Profile(Some(name))
                if self.says("was not defined")
                    && !self.says(&format!("profile `{name}` was not defined")) =>
            (
                "the profile names another one that is not there".into(),
                Some(LIST_PROFILES.into()),
            ),
            ProviderKind::Profile(name) => {
                let name = name.as_deref().unwrap_or("default");
                (
                    format!(
                        "there is no profile {name} with credentials in {}",
                        profile_files()
                    )
                    .into(),
                    Some(LIST_PROFILES.into()),
                )
            }
            ProviderKind::DefaultChain => (
                "nobody in the default chain has credentials".into(),
                Some("say which is meant, and the error will say what it lacks".into()),
            ),
            ProviderKind::Other | ProviderKind::Process => {
                ("the credentials provider found none where it looks".into(), None)
            }
        };
        Verdict {
            kind: ErrorKind::Credential(CredentialFault::Unavailable),
            message,
            hint,
            // A metadata service that has no role yet may have one in a moment.
            needs_a_person: !self.says("IMDS"),
        }
    }

    fn missing_feature(&self) -> Option<&str> {
        let (_, rest) = self.words.split_once("cargo feature(s) enabled: ")?;
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))?;
        rest.get(..end).filter(|feature| !feature.is_empty())
    }
}

const GAVE_NONE: &str = "the credentials provider gave none";
const LIST_PROFILES: &str = "aws configure list-profiles shows those that there are";

fn profile_files() -> String {
    let file =
        |variable, default: &str| std::env::var(variable).unwrap_or_else(|_| default.to_owned());
    format!(
        "{} and {}",
        file("AWS_CONFIG_FILE", "~/.aws/config"),
        file("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")
    )
}

/// What a provider may have sent, as far as the environment has it: an endpoint that refuses may repeat it.
fn secrets_of_the_environment() -> Secrets {
    let given = SECRET_VARIABLES
        .iter()
        .filter_map(|name| std::env::var(name).ok());
    let in_files = SECRET_FILE_VARIABLES.iter().filter_map(|name| {
        let mut text = String::new();
        let file = std::fs::File::open(std::env::var_os(name)?).ok()?;
        file.take(SECRET_FILE_LIMIT)
            .read_to_string(&mut text)
            .ok()?;
        Some(text)
    });
    given
        .chain(in_files)
        .fold(Secrets::unknown(), |secrets, secret| {
            secrets.and(secret.trim())
        })
}

/// The AWS code of one layer of somebody else's error, where it has one.
fn code_of(layer: &(dyn StdError + 'static)) -> Option<String> {
    let meta = layer.downcast_ref::<ErrorMetadata>();
    let plain = layer
        .downcast_ref::<AssumeRoleError>()
        .map(AssumeRoleError::meta);
    let web = layer
        .downcast_ref::<AssumeRoleWithWebIdentityError>()
        .map(AssumeRoleWithWebIdentityError::meta);
    let saml = layer
        .downcast_ref::<AssumeRoleWithSAMLError>()
        .map(AssumeRoleWithSAMLError::meta);
    let code = meta.or(plain).or(web).or(saml)?.code()?;
    Some(code.to_owned())
}

/// `failed to load credentials [Code]: …`, as a container's endpoint has it.
fn code_in(words: &str) -> Option<String> {
    let (_, rest) = words.split_once("failed to load credentials [")?;
    let (code, _) = rest.split_once(']')?;
    let is_code =
        !code.is_empty() && code.len() <= 64 && code.bytes().all(|b| b.is_ascii_graphic());
    is_code.then(|| code.to_owned())
}

/// `Non-success status from HTTP credential provider: StatusCode(404)`.
fn status_in(words: &str) -> Option<u16> {
    let (_, rest) = words.split_once("status from HTTP credential provider: ")?;
    let digits: String = rest.chars().filter(char::is_ascii_digit).take(3).collect();
    digits.parse().ok()
}
