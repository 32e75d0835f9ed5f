//! What STS answers, read without a socket.

use super::failure::{ASSUME_ROLE, Call};
use super::observe::{Observer, has_sections};
use crate::arn::account_in;
use crate::error::body::{Refusal, elements};
use crate::error::{Error, ErrorKind, Result};
use crate::source::ASSUME_ROLE_NAME;
use crate::source::expiry::moment;
use crate::source::sendable::sendable;
use aws_credential_types::Credentials;
use aws_credential_types::credential_feature::AwsCredentialFeature;
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::assume_role::{AssumeRole, AssumeRoleError, AssumeRoleOutput};
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityOutput;
use aws_sdk_sts::types;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::runtime_plugin::RuntimePlugin;
use aws_smithy_runtime_api::client::ser_de::{DeserializeResponse, SharedResponseDeserializer};
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::DateTime;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use std::borrow::Cow;
use std::time::SystemTime;

/// Credentials from a successful answer. The SDK fills what is missing with `""` and the epoch, so
/// those count as missing.
pub(crate) fn credentials(output: AssumeRoleOutput) -> Result<Credentials> {
    whole(output.credentials, output.assumed_role_user, BY_CREDENTIALS)
}

/// The same from the answer to an external identity.
pub(crate) fn credentials_by_token(output: AssumeRoleWithWebIdentityOutput) -> Result<Credentials> {
    whole(output.credentials, output.assumed_role_user, BY_TOKEN)
}

fn whole(
    given: Option<types::Credentials>,
    user: Option<types::AssumedRoleUser>,
    feature: AwsCredentialFeature,
) -> Result<Credentials> {
    let given = given.ok_or_else(|| lacks("Credentials"))?;
    let access_key_id = part("Credentials.AccessKeyId", &given.access_key_id)?;
    let secret_access_key = present("Credentials.SecretAccessKey", &given.secret_access_key)?;
    let session_token = part("Credentials.SessionToken", &given.session_token)?;
    // Go's zero time is in the year 1
    if given.expiration.secs() <= 0 {
        return Err(lacks("Credentials.Expiration"));
    }
    let expiry = SystemTime::try_from(given.expiration)
        .map_err(|_| malformed("Credentials.Expiration is out of range"))?;
    // What decorates may be missing: only what signs has to be there.
    let account = user.as_ref().and_then(|user| account_in(&user.arn));
    if account.is_none() {
        tracing::debug!("the answer of STS names no account in AssumedRoleUser.Arn");
    }
    let mut credentials = Credentials::builder()
        .access_key_id(access_key_id)
        .secret_access_key(secret_access_key)
        .session_token(session_token)
        .expiry(expiry)
        .provider_name(ASSUME_ROLE_NAME);
    credentials.set_account_id(account.map(Into::into));
    let mut credentials = credentials.build();
    credentials
        .get_property_mut_or_default::<Vec<AwsCredentialFeature>>()
        .push(feature);
    Ok(credentials)
}

fn present(name: &'static str, value: &str) -> Result<String> {
    match value.trim() {
        "" => Err(lacks(name)),
        value => Ok(value.to_owned()),
    }
}

/// What stands in the headers of requests, as the secret does not.
fn part(name: &'static str, value: &str) -> Result<String> {
    let value = present(name, value)?;
    match sendable(&value) {
        true => Ok(value),
        false => Err(malformed(format!(
            "{name} in the answer of STS holds characters that no request can"
        ))),
    }
}

fn lacks(part: &'static str) -> Error {
    malformed(format!("the answer of STS lacks {part}"))
}

fn malformed(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Malformed, ASSUME_ROLE, message)
}

pub(crate) const BY_CREDENTIALS: AwsCredentialFeature =
    AwsCredentialFeature::CredentialsStsAssumeRole;
pub(crate) const BY_TOKEN: AwsCredentialFeature =
    AwsCredentialFeature::CredentialsStsAssumeRoleWebId;

/// Credentials from a successful answer that the SDK's parser does not take, as that of a vendor who puts
/// a prefix before each element: by the names of the elements alone. `None` where it holds none.
pub(crate) fn read_by_name<E>(
    error: &SdkError<E, HttpResponse>,
    feature: AwsCredentialFeature,
) -> Option<Result<Credentials>> {
    let raw = error.raw_response()?;
    if !raw.status().is_success() {
        return None;
    }
    by_name(raw.body().bytes()?, feature)
}

/// Credentials from a successful answer with CDATA sections, whose texts the SDK's parser takes for empty.
/// `None` where it has none.
pub(crate) fn with_sections(
    observer: &Observer,
    feature: AwsCredentialFeature,
) -> Option<Result<Credentials>> {
    by_name(&observer.with_sections()?, feature)
}

fn by_name(body: &[u8], feature: AwsCredentialFeature) -> Option<Result<Credentials>> {
    let mut found: [Option<String>; 5] = Default::default();
    const NAMES: [&str; 5] = [
        "AccessKeyId",
        "SecretAccessKey",
        "SessionToken",
        "Expiration",
        "Arn",
    ];
    for (name, text) in elements(&String::from_utf8_lossy(body)) {
        let places = NAMES.iter().zip(&mut found);
        for (_, place) in places.filter(|(known, _)| **known == name) {
            place.get_or_insert_with(|| text.trim().to_owned());
        }
    }
    let [key_id, secret, token, expiration, arn] = found;
    if key_id.is_none() && secret.is_none() && token.is_none() {
        return None;
    }
    let expiration = expiration.unwrap_or_default();
    let expiration = match moment(&expiration) {
        Some(when) => DateTime::from(when),
        None if expiration.is_empty() => DateTime::from_secs(0),
        None => return Some(Err(malformed("Credentials.Expiration is not a date-time"))),
    };
    // what is missing counts as empty, as the SDK has it
    let given = types::Credentials::builder()
        .access_key_id(key_id.unwrap_or_default())
        .secret_access_key(secret.unwrap_or_default())
        .session_token(token.unwrap_or_default())
        .expiration(expiration)
        .build()
        .ok();
    let user = types::AssumedRoleUser::builder()
        .arn(arn.unwrap_or_default())
        .assumed_role_id("")
        .build()
        .ok();
    Some(whole(given, user, feature))
}

/// An answer from its bytes, by the SDK's own parser and then ours: what a call does with them.
pub(crate) fn read(status: u16, body: &[u8]) -> Result<Credentials> {
    let observer = Observer::default();
    let call = Call::new(ASSUME_ROLE, "us-east-1", &observer);
    let code = StatusCode::try_from(status).map_err(|_| malformed("this is no HTTP status"))?;
    let response = HttpResponse::new(code, SdkBody::from(body));
    let layer = AssumeRole::new().config();
    let parser = layer
        .as_ref()
        .and_then(|layer| layer.load::<SharedResponseDeserializer>())
        .ok_or_else(|| malformed("the SDK has no parser for this call"))?;
    if code.is_success()
        && has_sections(body)
        && let Some(found) = by_name(body, BY_CREDENTIALS)
    {
        return found.map_err(|error| call.finish(error, None));
    }
    let parsed = parser.deserialize_nonstreaming_with_config(&response, &ConfigBag::base());
    match parsed.map(|output| output.downcast::<AssumeRoleOutput>()) {
        Ok(Ok(output)) => credentials(output).map_err(|error| call.finish(error, None)),
        Ok(Err(_)) => Err(malformed("the SDK's parser made something else")),
        Err(error) => {
            let signer = Credentials::new("AKIDEXAMPLE", "", None, None, ASSUME_ROLE_NAME);
            if code.is_success()
                && let Some(found) = by_name(body, BY_CREDENTIALS)
            {
                return found.map_err(|error| call.finish(error, None));
            }
            let said = error
                .as_operation_error()
                .and_then(|error| error.downcast_ref::<AssumeRoleError>())
                .map(|error| Refusal::said(error.code(), error.message()));
            Err(call.answered(&response, said.unwrap_or_default(), &signer))
        }
    }
}
