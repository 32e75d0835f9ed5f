//! What STS answers, read without a socket.

use super::failure::{ASSUME_ROLE, Call};
use super::observe::Observer;
use crate::arn::account_in;
use crate::error::{Error, ErrorKind, Result};
use crate::source::ASSUME_ROLE_NAME;
use aws_credential_types::Credentials;
use aws_credential_types::credential_feature::AwsCredentialFeature;
use aws_sdk_sts::operation::assume_role::{AssumeRole, AssumeRoleError, AssumeRoleOutput};
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityOutput;
use aws_sdk_sts::types;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::runtime_plugin::RuntimePlugin;
use aws_smithy_runtime_api::client::ser_de::{DeserializeResponse, SharedResponseDeserializer};
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use std::borrow::Cow;
use std::time::SystemTime;

/// Credentials from a successful answer. The SDK fills what is missing with `""` and the epoch, so
/// those count as missing.
pub(crate) fn credentials(output: AssumeRoleOutput) -> Result<Credentials> {
    whole(
        output.credentials,
        output.assumed_role_user,
        AwsCredentialFeature::CredentialsStsAssumeRole,
    )
}

/// The same from the answer to an external identity.
pub(crate) fn credentials_by_token(output: AssumeRoleWithWebIdentityOutput) -> Result<Credentials> {
    whole(
        output.credentials,
        output.assumed_role_user,
        AwsCredentialFeature::CredentialsStsAssumeRoleWebId,
    )
}

fn whole(
    given: Option<types::Credentials>,
    user: Option<types::AssumedRoleUser>,
    feature: AwsCredentialFeature,
) -> Result<Credentials> {
    let given = given.ok_or_else(|| lacks("Credentials"))?;
    if given.access_key_id.is_empty() {
        return Err(lacks("Credentials.AccessKeyId"));
    }
    if given.secret_access_key.is_empty() {
        return Err(lacks("Credentials.SecretAccessKey"));
    }
    if given.session_token.is_empty() {
        return Err(lacks("Credentials.SessionToken"));
    }
    if given.expiration.secs() == 0 {
        return Err(lacks("Credentials.Expiration"));
    }
    let expiry = SystemTime::try_from(given.expiration)
        .map_err(|_| malformed("Credentials.Expiration is out of range"))?;
    let user = user.ok_or_else(|| lacks("AssumedRoleUser"))?;
    if user.arn.is_empty() {
        return Err(lacks("AssumedRoleUser.Arn"));
    }
    let account = account_in(&user.arn)
        .ok_or_else(|| malformed("AssumedRoleUser.Arn is not an ARN with an account id"))?;
    let mut credentials = Credentials::builder()
        .access_key_id(given.access_key_id)
        .secret_access_key(given.secret_access_key)
        .session_token(given.session_token)
        .expiry(expiry)
        .account_id(account)
        .provider_name(ASSUME_ROLE_NAME)
        .build();
    credentials
        .get_property_mut_or_default::<Vec<AwsCredentialFeature>>()
        .push(feature);
    Ok(credentials)
}

fn lacks(part: &'static str) -> Error {
    malformed(format!("the answer of STS lacks {part}"))
}

fn malformed(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Malformed, ASSUME_ROLE, message)
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
    let parsed = parser.deserialize_nonstreaming_with_config(&response, &ConfigBag::base());
    match parsed.map(|output| output.downcast::<AssumeRoleOutput>()) {
        Ok(Ok(output)) => credentials(output).map_err(|error| call.finish(error, None)),
        Ok(Err(_)) => Err(malformed("the SDK's parser made something else")),
        Err(error) => {
            let signer = Credentials::new("AKIDEXAMPLE", "", None, None, ASSUME_ROLE_NAME);
            let refused = error
                .as_operation_error()
                .and_then(|error| error.downcast_ref::<AssumeRoleError>())
                .map(|error| call.refused(status, error, &signer));
            Err(refused.unwrap_or_else(|| malformed("the answer is not one of STS")))
        }
    }
}
