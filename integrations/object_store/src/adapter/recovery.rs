//! A rejected key is replaced, and the request repeated.

use super::credentials::StrategyCredentials;
use super::object_store;
use super::object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
    ReqwestConnector,
};
use super::object_store::{ClientOptions, CredentialProvider};
use super::signed::Signed;
use async_trait::async_trait;
use aws_credential_strategies::{CredentialStrategy, Rejection, sdk};
use http::{Method, StatusCode};
use std::error::Error as StdError;
use std::fmt;

/// The connector whose clients repeat a request that was refused because of its key.
///
/// # What happens
///
/// S3 refuses a request with 400, 401 or 403 and one of [`sdk::REJECTION_CODES`]: the strategy is told, one
/// fetch follows, however many requests were refused, and the request is signed with the new key and sent
/// once more. Bodies are in memory and are sent again as they are. A refusal of the repeat is returned as it came. Where
/// no other key could be had, the error says why: [`RejectedKey`].
///
/// This works below the store's own retries, which repeat a request as it was signed first: a repeat of theirs
/// whose key has ended meanwhile is signed anew here.
///
/// `HEAD` is refused without a reason. Where a header does not name it and the key is still the strategy's, the
/// object's first byte is asked for with the same key, which needs the same permission; that refusal says why. So
/// each `HEAD` that is refused for another reason, a policy for instance, costs one request more.
///
/// Sessions of S3 Express are the store's own, and left alone; the keys that they are made with are not.
pub struct Recovery<S, C = ReqwestConnector> {
    credentials: StrategyCredentials<S>,
    connector: C,
}

impl<S: CredentialStrategy> Recovery<S> {
    /// Over the store's own connector. `credentials` are those that the store signs with.
    pub fn new(credentials: StrategyCredentials<S>) -> Self {
        Recovery {
            credentials,
            connector: ReqwestConnector::default(),
        }
    }

    /// Over a connector of your own.
    #[must_use]
    pub fn over<C: HttpConnector>(self, connector: C) -> Recovery<S, C> {
        Recovery {
            credentials: self.credentials,
            connector,
        }
    }
}

impl<S: CredentialStrategy, C: HttpConnector> HttpConnector for Recovery<S, C> {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Recovering {
            credentials: self.credentials.clone(),
            client: self.connector.connect(options)?,
        }))
    }
}

impl<S: CredentialStrategy, C: fmt::Debug> fmt::Debug for Recovery<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recovery")
            .field("credentials", &self.credentials)
            .field("connector", &self.connector)
            .finish()
    }
}

/// S3 rejects a key, and no other could be had: in the chain of the store's error, with the reason below it.
#[derive(Debug)]
pub struct RejectedKey {
    key_id: String,
    code: String,
    cause: Box<dyn StdError + Send + Sync>,
}

impl RejectedKey {
    /// The access key id.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// S3's code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }
}

impl fmt::Display for RejectedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RejectedKey { key_id, code, .. } = self;
        write!(
            f,
            "S3 rejects the key {key_id} ({code}), and no other could be had"
        )
    }
}

impl StdError for RejectedKey {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.cause)
    }
}

#[derive(Debug)]
struct Recovering<S: CredentialStrategy> {
    credentials: StrategyCredentials<S>,
    client: HttpClient,
}

#[async_trait]
impl<S: CredentialStrategy> HttpService for Recovering<S> {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let Some(signed) = Signed::of(request.headers()) else {
            return self.client.execute(request).await;
        };
        let again = request.clone();
        let response = self.client.execute(request).await?;
        if !may_be_about_the_key(response.status()) {
            if response.status().is_success() {
                self.credentials.strategy().accepted(&signed.key_id);
            }
            return Ok(response);
        }
        let (code, response) = self.code_of(response, &again, &signed).await?;
        let Some(code) = code else {
            return Ok(response);
        };
        match self.credentials.strategy().invalidate(&signed.key_id) {
            Rejection::Invalidated | Rejection::NotCurrent => {}
            _ => return Ok(response),
        }
        self.repeat(again, &signed, code, response).await
    }
}

impl<S: CredentialStrategy> Recovering<S> {
    /// The code of the refusal where it is about the key, and the refusal, whole.
    async fn code_of(
        &self,
        response: HttpResponse,
        request: &HttpRequest,
        signed: &Signed,
    ) -> Result<(Option<String>, HttpResponse), HttpError> {
        let (code, response) = read_code(response).await?;
        if code.is_some() || request.method() != Method::HEAD {
            return Ok((code, response));
        }
        match self.credentials.in_use() {
            Ok(Some(credential)) if credential.key_id == signed.key_id => {
                let asked = signed.for_one_byte(request, &credential).map_err(unsent)?;
                let answer = self.client.execute(asked).await?;
                if !may_be_about_the_key(answer.status()) {
                    return Ok((None, response));
                }
                let (code, _) = read_code(answer).await?;
                Ok((code, response))
            }
            // It has been replaced, so the repeat will tell.
            Ok(_) => Ok((Some("refused without a code".to_owned()), response)),
            Err(_) => Ok((None, response)),
        }
    }

    /// Sends the request once more, by the key that the strategy has then.
    async fn repeat(
        &self,
        mut request: HttpRequest,
        signed: &Signed,
        code: String,
        refusal: HttpResponse,
    ) -> Result<HttpResponse, HttpError> {
        let credential = match self.credentials.get_credential().await {
            Ok(credential) if credential.key_id != signed.key_id => credential,
            // Served on for want of another: what the service said is not the whole of it.
            Ok(_) => match self.credentials.strategy().status().last_error {
                Some(failed) => return Err(without_another(signed, code, failed.line.into())),
                None => return Ok(refusal),
            },
            Err(error) => return Err(without_another(signed, code, cause_of(error))),
        };
        signed.sign(&mut request, &credential).map_err(unsent)?;
        let response = self.client.execute(request).await?;
        let key_id = &credential.key_id;
        if response.status().is_success() {
            self.credentials.strategy().accepted(key_id);
        } else if may_be_about_the_key(response.status()) {
            let (code, response) = read_code(response).await?;
            if code.is_some() {
                self.credentials.strategy().invalidate(key_id);
            }
            return Ok(response);
        }
        Ok(response)
    }
}

fn without_another(
    signed: &Signed,
    code: String,
    cause: Box<dyn StdError + Send + Sync>,
) -> HttpError {
    let rejected = RejectedKey {
        key_id: signed.key_id.clone(),
        code,
        cause,
    };
    HttpError::new(HttpErrorKind::Unknown, rejected)
}

fn may_be_about_the_key(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
    )
}

/// The store itself reads the whole of a refusal, so nothing is lost by reading it here.
async fn read_code(response: HttpResponse) -> Result<(Option<String>, HttpResponse), HttpError> {
    let (parts, body) = response.into_parts();
    let body = body.bytes().await?;
    let header = |name: &str| parts.headers.get(name)?.to_str().ok();
    let code = sdk::rejection_code(header, &body);
    Ok((code, HttpResponse::from_parts(parts, body.into())))
}

/// The strategy's error, without the store's around it.
fn cause_of(error: object_store::Error) -> Box<dyn StdError + Send + Sync> {
    match error {
        object_store::Error::Generic { source, .. } => source,
        other => Box::new(other),
    }
}

fn unsent(error: object_store::Error) -> HttpError {
    HttpError::new(HttpErrorKind::Unknown, error)
}
