//! Where the keys of an identity provider come from: its discovery document, then its key set.

use bytes::Bytes;
use http::Uri;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jsonwebtoken::jwk::JwkSet;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;

/// How long a provider may take for both answers together; AWS asks for no more than 5 s.
const PROVIDER_TIMEOUT: Duration = Duration::from_secs(5);

/// The largest document that is read of a provider.
const MAX_DOCUMENT_BYTES: usize = 256 * 1024;

/// Why there are no keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoKeys {
    /// The provider does not answer, or not well.
    Unreachable,
    /// It answers with something else.
    Unreadable,
}

/// Asks identity providers for their keys, each time anew: what is wrong with one shows at once.
#[derive(Debug)]
pub(super) struct IssuerKeys {
    client: Client<HttpConnector, Empty<Bytes>>,
    /// Where the cloud's own issuer listens, which stands in for those that would need TLS.
    stand_in: String,
}

impl IssuerKeys {
    pub(super) fn new(stand_in: String) -> Self {
        IssuerKeys {
            client: Client::builder(TokioExecutor::new()).build_http(),
            stand_in,
        }
    }

    /// The keys of the provider with this URL.
    pub(super) async fn of(&self, url: &str) -> Result<JwkSet, NoKeys> {
        let url = if url.starts_with("http://") {
            url.trim_end_matches('/')
        } else {
            &self.stand_in
        };
        let both = async {
            let discovery = format!("{url}/.well-known/openid-configuration");
            let document: Value = self.fetch(&discovery).await?;
            let keys = document.get("jwks_uri").and_then(Value::as_str);
            self.fetch(keys.ok_or(NoKeys::Unreadable)?).await
        };
        tokio::time::timeout(PROVIDER_TIMEOUT, both)
            .await
            .unwrap_or(Err(NoKeys::Unreachable))
    }

    async fn fetch<T: DeserializeOwned>(&self, url: &str) -> Result<T, NoKeys> {
        let url: Uri = url.parse().map_err(|_| NoKeys::Unreadable)?;
        let response = self
            .client
            .get(url)
            .await
            .map_err(|_| NoKeys::Unreachable)?;
        if !response.status().is_success() {
            return Err(NoKeys::Unreachable);
        }
        let body = Limited::new(response.into_body(), MAX_DOCUMENT_BYTES)
            .collect()
            .await
            .map_err(|_| NoKeys::Unreachable)?;
        serde_json::from_slice(&body.to_bytes()).map_err(|_| NoKeys::Unreadable)
    }
}
