//! A rejected key is replaced, and the request repeated.

use crate::signed::Signed;
use aws_credential_strategies::{CredentialStrategy, Rejection, sdk};
use futures_util::stream;
use http::{Method, Request, Response, StatusCode};
use opendal_core::{Buffer, Error, ErrorKind, HttpBody, HttpTransport, HttpTransporter, Result};
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// The transport that sends each request by the key that the strategy has then, and repeats one that was
/// refused because of its key.
///
/// # What happens
///
/// opendal's signer keeps a key until two minutes before its end, whatever a service says of it. So a request
/// that is signed by another key than the strategy's is signed anew before it is sent.
///
/// S3 refuses a request with 400, 401 or 403 and one of [`sdk::REJECTION_CODES`]: the strategy is told, one
/// fetch follows, however many requests were refused, and the request is signed with the new key and sent
/// once more. Bodies are in memory and are sent again as they are. A refusal of the repeat is returned as it
/// came. Where no other key could be had, the error says why, and the strategy's is its source. Where that is
/// retryable the error is temporary, so that opendal's `RetryLayer` repeats the operation.
///
/// `HEAD` is refused without a reason. Where a header does not name it and the key is still the strategy's, the
/// object's first byte is asked for with the same key, which needs the same permission; that refusal says why. So
/// each `HEAD` that is refused for another reason, a policy for instance, costs one request more.
///
/// Sessions of S3 Express are opendal's own, and left alone; the keys that they are made with are not.
pub struct Recovery<S, T = HttpTransporter> {
    strategy: Arc<S>,
    transport: T,
}

impl<S: CredentialStrategy> Recovery<S> {
    /// Over opendal's [default transport](HttpTransporter::install_default). `strategy` is the one that the
    /// service signs with.
    pub fn new(strategy: S) -> Self {
        Recovery {
            strategy: Arc::new(strategy),
            transport: HttpTransporter::default(),
        }
    }

    /// Over a transport of your own.
    #[must_use]
    pub fn over<T: HttpTransport>(self, transport: T) -> Recovery<S, T> {
        Recovery {
            strategy: self.strategy,
            transport,
        }
    }
}

impl<S: CredentialStrategy, T> fmt::Debug for Recovery<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recovery")
            .field("strategy", &self.strategy)
            .finish_non_exhaustive()
    }
}

impl<S: CredentialStrategy, T: HttpTransport> HttpTransport for Recovery<S, T> {
    async fn fetch(&self, request: Request<Buffer>) -> Result<Response<HttpBody>> {
        let Some(mut signed) = Signed::of(request.headers()) else {
            return self.transport.fetch(request).await;
        };
        let request = self.by_the_key_in_use(request, &mut signed).await?;
        let response = self.transport.fetch(request.clone()).await?;
        if !may_be_about_the_key(response.status()) {
            self.note(&response, &signed.key_id);
            return Ok(response);
        }
        let (code, response) = self.code_of(response, &request, &signed).await?;
        let Some(code) = code else {
            return Ok(response);
        };
        match self.strategy.invalidate(&signed.key_id) {
            Rejection::Invalidated | Rejection::NotCurrent => {}
            Rejection::SameKeyAgain => return self.or_the_failure(&signed, &code, response),
            _ => return Ok(response),
        }
        self.repeat(request, &signed, &code, response).await
    }
}

impl<S: CredentialStrategy, T: HttpTransport> Recovery<S, T> {
    /// What opendal signed may be by a key that it has kept and the strategy has replaced.
    async fn by_the_key_in_use(
        &self,
        request: Request<Buffer>,
        signed: &mut Signed,
    ) -> Result<Request<Buffer>> {
        let current = match self.strategy.current() {
            Some(current) if current.access_key_id() == signed.key_id => return Ok(request),
            Some(current) => current,
            // opendal waited for this very key, or has kept one that is dead
            None => match self.strategy.credentials().await {
                Ok(credentials) => Arc::new(credentials),
                Err(error) => {
                    let passes = error.is_retryable();
                    return Err(unsigned(error, passes));
                }
            },
        };
        let request = signed
            .sign(request, &current)
            .await
            .map_err(refused_to_sign)?;
        current.access_key_id().clone_into(&mut signed.key_id);
        Ok(request)
    }

    /// The code of the refusal where it is about the key, and the refusal, whole.
    async fn code_of(
        &self,
        response: Response<HttpBody>,
        request: &Request<Buffer>,
        signed: &Signed,
    ) -> Result<(Option<String>, Response<HttpBody>)> {
        let (code, response) = read_code(response).await?;
        if code.is_some() || request.method() != Method::HEAD {
            return Ok((code, response));
        }
        match self.strategy.current() {
            Some(current) if current.access_key_id() == signed.key_id => {
                let asked = signed.for_one_byte(request, &current).await;
                let answer = self
                    .transport
                    .fetch(asked.map_err(refused_to_sign)?)
                    .await?;
                if !may_be_about_the_key(answer.status()) {
                    return Ok((None, response));
                }
                let (code, _) = read_code(answer).await?;
                Ok((code, response))
            }
            // It has been replaced, so the repeat will tell.
            _ => Ok((Some("refused without a code".to_owned()), response)),
        }
    }

    /// Sends the request once more, by the key that the strategy has then.
    async fn repeat(
        &self,
        request: Request<Buffer>,
        signed: &Signed,
        code: &str,
        refusal: Response<HttpBody>,
    ) -> Result<Response<HttpBody>> {
        let credentials = match self.strategy.credentials().await {
            Ok(credentials) if credentials.access_key_id() != signed.key_id => credentials,
            Ok(_) => return self.or_the_failure(signed, code, refusal),
            Err(error) => {
                let passes = error.is_retryable();
                return Err(without_another(signed, code, passes).set_source(error));
            }
        };
        let request = signed
            .sign(request, &credentials)
            .await
            .map_err(refused_to_sign)?;
        let response = self.transport.fetch(request).await?;
        let key_id = credentials.access_key_id();
        if !may_be_about_the_key(response.status()) {
            self.note(&response, key_id);
            return Ok(response);
        }
        let (code, response) = read_code(response).await?;
        if code.is_some() {
            self.strategy.invalidate(key_id);
        }
        Ok(response)
    }

    /// A key that is served on for want of another: what the service said is not the whole of it.
    fn or_the_failure(
        &self,
        signed: &Signed,
        code: &str,
        refusal: Response<HttpBody>,
    ) -> Result<Response<HttpBody>> {
        match self.strategy.status().last_error {
            Some(failed) => {
                let error = without_another(signed, code, !failed.terminal);
                Err(error.set_source(LastFailure(failed.line)))
            }
            None => Ok(refusal),
        }
    }

    fn note(&self, response: &Response<HttpBody>, key_id: &str) {
        if response.status().is_success() {
            self.strategy.accepted(key_id);
        }
    }
}

fn may_be_about_the_key(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
    )
}

/// opendal itself reads the whole of a refusal, so nothing is lost by reading it here.
async fn read_code(response: Response<HttpBody>) -> Result<(Option<String>, Response<HttpBody>)> {
    let (parts, mut body) = response.into_parts();
    let body = body.to_buffer().await?;
    let bytes = body.to_bytes();
    let header = |name: &str| parts.headers.get(name)?.to_str().ok();
    let code = sdk::rejection_code(header, &bytes);
    let length = u64::try_from(body.len()).ok();
    let whole = HttpBody::new(stream::iter([Ok(body)]), length);
    Ok((code, Response::from_parts(parts, whole)))
}

fn without_another(signed: &Signed, code: &str, passes: bool) -> Error {
    let key_id = &signed.key_id;
    let line = format!("S3 rejects the key {key_id} ({code}), and no other could be had");
    repeatable(Error::new(ErrorKind::PermissionDenied, line), passes)
}

fn refused_to_sign(error: reqsign_core::Error) -> Error {
    let passes = error.is_retryable();
    unsigned(error, passes)
}

fn unsigned(error: impl StdError + Send + Sync + 'static, passes: bool) -> Error {
    let told = Error::new(ErrorKind::Unexpected, "the request cannot be signed");
    repeatable(told, passes).set_source(error)
}

/// Temporary where it passes: opendal's `RetryLayer` repeats nothing else.
fn repeatable(error: Error, passes: bool) -> Error {
    let error = error.with_operation("Recovery::fetch");
    match passes {
        true => error.set_temporary(),
        false => error,
    }
}

/// Why the strategy has no other key, as it says itself.
#[derive(Debug)]
struct LastFailure(String);

impl fmt::Display for LastFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for LastFailure {}
