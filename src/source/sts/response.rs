//! What STS answers, read without a socket.

use crate::error::{Error, ErrorKind, Result};
use crate::source::arn::account_in;
use aws_credential_types::Credentials;
use aws_credential_types::credential_feature::AwsCredentialFeature;
use aws_sdk_sts::operation::assume_role::AssumeRoleOutput;
use std::time::SystemTime;

use super::ASSUME_ROLE;

/// Credentials from a successful answer. The SDK fills what is missing with `""` and the epoch, so
/// those count as missing.
pub(crate) fn credentials(output: AssumeRoleOutput) -> Result<Credentials> {
    let given = output.credentials.ok_or_else(|| lacks("Credentials"))?;
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
    let user = output
        .assumed_role_user
        .ok_or_else(|| lacks("AssumedRoleUser"))?;
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
        .provider_name(crate::source::ASSUME_ROLE)
        .build();
    credentials
        .get_property_mut_or_default::<Vec<AwsCredentialFeature>>()
        .push(AwsCredentialFeature::CredentialsStsAssumeRole);
    Ok(credentials)
}

fn lacks(part: &'static str) -> Error {
    malformed(format!("the answer of STS lacks {part}"))
}

fn malformed(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Malformed, ASSUME_ROLE, message)
}
