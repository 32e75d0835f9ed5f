//! What the metadata service says, read from bytes; no socket needed.

use crate::arn::{is_account, is_role_name};
use crate::error::body::Refusal;
use crate::error::text::{Quoted, Secrets};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::source::INSTANCE_PROFILE_NAME;
use crate::source::expiry::moment;
use crate::source::sendable::sendable;
use aws_credential_types::Credentials;
use aws_credential_types::credential_feature::AwsCredentialFeature;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::borrow::Cow;
use std::time::SystemTime;

/// The `Code` for a role whose trust policy does not admit EC2.
pub(super) const UNAUTHORIZED: &str = "AssumeRoleUnauthorizedAccess";

/// The roles in the answer to a listing: its non-empty lines, trimmed.
pub(crate) fn role_list(body: &[u8]) -> Result<Vec<String>> {
    let text = std::str::from_utf8(body).map_err(|_| malformed("the role list is not UTF-8"))?;
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| {
            if is_role_name(line) {
                Ok(line.to_owned())
            } else {
                Err(malformed(
                    "the role list holds something that is not a role name",
                ))
            }
        })
        .collect()
}

/// The first role of a listing; `None` when it is empty. Later lines do not matter.
pub(crate) fn first_role(body: &[u8]) -> Result<Option<String>> {
    let text = std::str::from_utf8(body).map_err(|_| malformed("the role list is not UTF-8"))?;
    match text.lines().map(str::trim).find(|line| !line.is_empty()) {
        None => Ok(None),
        Some(name) if is_role_name(name) => Ok(Some(name.to_owned())),
        Some(_) => Err(malformed("the role list does not begin with a role name")),
    }
}

/// What decorates a document: a text, or whatever else some service writes there.
#[derive(Deserialize)]
#[serde(untagged)]
enum Loose<'a> {
    #[serde(borrow)]
    Text(Cow<'a, str>),
    Else(IgnoredAny),
}

impl Loose<'_> {
    fn text(&self) -> Option<&str> {
        match self {
            Loose::Text(text) => Some(text.trim()).filter(|text| !text.is_empty()),
            Loose::Else(_) => None,
        }
    }
}

/// When credentials end: a date as a text, or a number of seconds.
#[derive(Deserialize)]
#[serde(untagged)]
enum Moment<'a> {
    #[serde(borrow)]
    Text(Cow<'a, str>),
    Number(f64),
}

/// A credential document as the service writes it; members that are not listed do not matter.
///
/// Key id, secret, token and expiration sign, so they have to be there and to be texts; of the rest, what
/// is missing, empty or of another type counts as absent.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document<'a> {
    #[serde(borrow)]
    code: Option<Loose<'a>>,
    #[serde(borrow)]
    message: Option<Loose<'a>>,
    #[serde(borrow)]
    access_key_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    secret_access_key: Option<Cow<'a, str>>,
    #[serde(borrow)]
    token: Option<Cow<'a, str>>,
    #[serde(borrow)]
    expiration: Option<Moment<'a>>,
    #[serde(borrow)]
    account_id: Option<Loose<'a>>,
}

/// Whether bytes are a document, and what is wrong otherwise.
pub(crate) enum Reading {
    /// Credentials.
    Credentials(Credentials),
    /// Not JSON: it may have been cut on the way, so asking again can help.
    Garbled(Error),
    /// A document without credentials; asking again at once does not help.
    Refusal(Error),
    /// The role's trust policy does not admit EC2.
    Unauthorized,
}

/// Reads a credential document. `role` appears in errors only.
///
/// `secrets` are those of the request.
pub(crate) fn credential_document(body: &[u8], role: &str, secrets: &Secrets) -> Reading {
    let mut json = serde_json::Deserializer::from_slice(body);
    let document: Document<'_> = match serde_path_to_error::deserialize(&mut json) {
        Ok(document) => document,
        Err(error) => return unreadable(&error),
    };
    if json.end().is_err() {
        return Reading::Garbled(malformed(
            "the credential document is followed by more bytes",
        ));
    }
    match document.code.as_ref().and_then(Loose::text) {
        None => {}
        Some(code) if code.eq_ignore_ascii_case("success") => {}
        Some(code) if code.eq_ignore_ascii_case(UNAUTHORIZED) => return Reading::Unauthorized,
        Some(code) => {
            let said = Refusal::said(Some(code), document.message.as_ref().and_then(Loose::text));
            return Reading::Refusal(refused(said, &document, role, secrets));
        }
    }
    if document.holds_nothing() {
        let said = Refusal::in_body(body);
        if (said.code.is_some() || said.message.is_some()) && document.code.is_none() {
            return Reading::Refusal(refused(said, &document, role, secrets));
        }
    }
    match document.into_credentials() {
        Ok(credentials) => Reading::Credentials(credentials),
        Err(error) => Reading::Refusal(error),
    }
}

impl Document<'_> {
    /// Whether this is a document of something else, such as an error in a form of its own.
    fn holds_nothing(&self) -> bool {
        self.access_key_id.is_none() && self.secret_access_key.is_none() && self.token.is_none()
    }

    fn into_credentials(self) -> Result<Credentials> {
        let Document {
            code: _,
            message: _,
            access_key_id,
            secret_access_key,
            token,
            expiration,
            account_id,
        } = self;
        let given = account_id.as_ref().and_then(Loose::text);
        // it goes into the host of DynamoDB's account-based endpoint
        let account = given.filter(|id| is_account(id));
        if account.is_none() && account_id.is_some() {
            tracing::debug!("AccountId of the credential document is not 12 digits");
        }
        let access_key_id = part("AccessKeyId", access_key_id)?;
        let secret_access_key = present("SecretAccessKey", secret_access_key)?;
        let token = part("Token", token)?;
        let expiration = expiration.map(|moment| match moment {
            Moment::Text(text) => text,
            Moment::Number(number) => Cow::Owned(number.to_string()),
        });
        let expiry = expiry(&present("Expiration", expiration)?)?;
        let mut credentials = Credentials::builder()
            .access_key_id(access_key_id)
            .secret_access_key(secret_access_key)
            .session_token(token)
            .expiry(expiry)
            .provider_name(INSTANCE_PROFILE_NAME);
        credentials.set_account_id(account.map(|id| id.to_owned().into()));
        let mut credentials = credentials.build();
        credentials
            .get_property_mut_or_default::<Vec<AwsCredentialFeature>>()
            .push(AwsCredentialFeature::CredentialsImds);
        Ok(credentials)
    }
}

fn present(field: &'static str, value: Option<Cow<'_, str>>) -> Result<String> {
    match value.as_deref().map(str::trim) {
        None => Err(malformed(format!("the credential document lacks {field}"))),
        Some("") => Err(malformed(format!(
            "{field} is empty in the credential document"
        ))),
        Some(value) => Ok(value.to_owned()),
    }
}

/// What stands in the headers of requests, as the secret does not.
fn part(field: &'static str, value: Option<Cow<'_, str>>) -> Result<String> {
    let value = present(field, value)?;
    match sendable(&value) {
        true => Ok(value),
        false => Err(malformed(format!(
            "{field} of the credential document holds characters that no request can"
        ))),
    }
}

fn expiry(text: &str) -> Result<SystemTime> {
    moment(text).ok_or_else(|| {
        malformed(
            "Expiration of the credential document is not a date-time like 2026-01-31T12:00:00Z",
        )
    })
}

/// The parser's own message can quote the document, so only the place is told.
fn unreadable(error: &serde_path_to_error::Error<serde_json::Error>) -> Reading {
    let inner = error.inner();
    let path = error.path().to_string();
    if inner.is_data() {
        let what = match path.as_str() {
            "." => "the credential document is not a JSON object with each member once".to_owned(),
            field => format!("{field} of the credential document is not a string"),
        };
        return Reading::Refusal(malformed(what));
    }
    Reading::Garbled(malformed(format!(
        "the credential document is not JSON from line {} column {} on",
        inner.line(),
        inner.column()
    )))
}

fn refused(said: Refusal<'_>, document: &Document<'_>, role: &str, secrets: &Secrets) -> Error {
    let held = [&document.secret_access_key, &document.token];
    let secrets = held
        .into_iter()
        .flatten()
        .fold(secrets.clone(), |secrets, held| secrets.and(held));
    let message = match said.message {
        Some(text) => format!(
            "the metadata service has no credentials: {}",
            Quoted::new(&text, &secrets)
        ),
        None => "the metadata service has no credentials".to_owned(),
    };
    let error =
        Error::new(ErrorKind::Service, Operation::FETCH, message).on(format!("role {role}"));
    match said.code {
        Some(code) => error.with_code(Quoted::new(&code, &secrets)),
        None => error,
    }
}

pub(super) fn malformed(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Malformed, Operation::FETCH, message)
}
