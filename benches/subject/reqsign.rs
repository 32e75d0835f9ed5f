//! reqsign: its `Signer` holds the cache, so a request is "signed" by a signer that does nothing.

use super::Resolve;
use crate::source::Source;
use aws_credential_types::Credentials;
use http::request::Parts;
use reqsign_aws_v4::Credential;
use reqsign_core::time::Timestamp;
use reqsign_core::{Context, SignRequest, Signer};
use std::hint::black_box;
use std::sync::Mutex;
use std::time::{Duration, UNIX_EPOCH};

/// A session as reqsign's own sources give it; it knows when it is due.
pub(crate) fn credential(session: &Credentials) -> reqsign_core::Result<Credential> {
    let end = session
        .expiry()
        .and_then(|end| end.duration_since(UNIX_EPOCH).ok());
    let end = end.map(|end| i64::try_from(end.as_millis()).unwrap_or(i64::MAX));
    Ok(Credential {
        access_key_id: session.access_key_id().to_owned(),
        secret_access_key: session.secret_access_key().to_owned(),
        session_token: session.session_token().map(ToOwned::to_owned),
        expires_in: end.map(Timestamp::from_millisecond).transpose()?,
    })
}

/// Leaves the key id in a header: the only way out of a `Signer`.
#[derive(Debug)]
struct KeyIdInHeader;

impl SignRequest for KeyIdInHeader {
    type Credential = Credential;

    async fn sign_request(
        &self,
        _: &Context,
        request: &mut Parts,
        session: Option<&Credential>,
        _: Option<Duration>,
    ) -> reqsign_core::Result<()> {
        let session = session.ok_or_else(|| reqsign_core::Error::unexpected("no session"))?;
        if let Ok(value) = session.access_key_id.parse() {
            request.headers.insert("authorization", value);
        }
        Ok(())
    }
}

/// Takes the session and leaves the request alone.
#[derive(Debug)]
struct NoSignature;

impl SignRequest for NoSignature {
    type Credential = Credential;

    async fn sign_request(
        &self,
        _: &Context,
        _: &mut Parts,
        session: Option<&Credential>,
        _: Option<Duration>,
    ) -> reqsign_core::Result<()> {
        black_box(session);
        Ok(())
    }
}

pub(crate) struct Reqsign {
    answers: Signer<Credential>,
    /// For the micro rows: an empty request, so that copying it costs next to nothing.
    silent: Signer<Credential>,
    empty: Mutex<Option<Parts>>,
}

impl Reqsign {
    pub(crate) fn new(source: Source) -> Self {
        let answers = Signer::new(Context::new(), source, KeyIdInHeader);
        Reqsign {
            silent: answers.clone().with_request_signer(NoSignature),
            answers,
            empty: Mutex::new(Some(empty())),
        }
    }
}

impl Resolve for Reqsign {
    async fn resolve(&self) -> Option<String> {
        let mut request = empty();
        self.answers.sign(&mut request, None).await.ok()?;
        let key_id = request.headers.get("authorization")?;
        Some(key_id.to_str().ok()?.to_owned())
    }

    async fn once(&self) {
        let spare = self
            .empty
            .try_lock()
            .ok()
            .and_then(|mut empty| empty.take());
        let mut request = spare.unwrap_or_else(empty);
        let _ = black_box(self.silent.sign(&mut request, None).await);
        if let Ok(mut empty) = self.empty.try_lock() {
            *empty = Some(request);
        }
    }
}

fn empty() -> Parts {
    http::Request::new(()).into_parts().0
}
