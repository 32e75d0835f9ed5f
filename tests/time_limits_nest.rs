//! Promise: the limits of a fetch nest: whatever is slow, base, token or STS or all of them, the source's own
//! error says so before callers give up on it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use aws_credential_strategies::refresh::DEFAULT_WAIT_TIMEOUT;
use aws_credential_strategies::{AssumeRole, CredentialStrategy, Credentials, Error, ErrorKind};
use aws_credential_types::provider::{self, ProvideCredentials, future};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const ROLE: &str = "arn:aws:iam::123456789012:role/App";

/// Gives credentials after a while.
#[derive(Debug)]
struct Slow(Duration);

impl ProvideCredentials for Slow {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            sleep(self.0).await;
            provider::Result::Ok(Credentials::for_tests())
        })
    }
}

/// Answers nobody.
#[derive(Debug)]
struct Silent;

impl HttpConnector for Silent {
    fn call(&self, _request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(std::future::pending())
    }
}

/// The error, which has to come before a caller stops waiting.
async fn in_time(role: AssumeRole) -> Error {
    let begun = Instant::now();
    let error = role.credentials().await.unwrap_err();
    let taken = begun.elapsed();
    assert!(taken < DEFAULT_WAIT_TIMEOUT, "{taken:?}: {error}");
    assert_eq!(*error.kind(), ErrorKind::Timeout, "{error}");
    let line = error.to_string();
    assert!(line.starts_with("assume role"), "{line}");
    assert!(line.contains(ROLE), "{line}");
    error
}

fn silent() -> aws_credential_strategies::strategy::AssumeRoleBuilder {
    AssumeRole::builder(ROLE)
        .region("us-east-1")
        .http_client(http_client_fn(|_, _| SharedHttpConnector::new(Silent)))
}

#[tokio::test(start_paused = true)]
async fn a_slow_base_and_a_silent_sts_together_end_in_time() {
    for seconds in [0, 3, 6, 8, 9] {
        let role = silent().base_provider(Slow(Duration::from_secs(seconds)));
        let error = in_time(role.build().unwrap()).await;
        assert!(error.to_string().contains("no answer in time"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_base_that_never_answers_is_named() {
    let role = silent().base_provider(Slow(Duration::MAX));
    let error = in_time(role.build().unwrap()).await;
    assert_eq!(
        error.to_string(),
        format!(
            "assume role on {ROLE} via a credentials provider at us-east-1: the base has given no credentials \
             in time (after 9.5 s); a fetch has 9.5 s in all, base, token and STS together"
        )
    );
}

#[tokio::test(start_paused = true)]
async fn so_is_a_token_that_never_comes() {
    let role = silent().web_identity(std::future::pending);
    let line = in_time(role.build().unwrap()).await.to_string();
    assert!(
        line.contains("there is no web identity token in time"),
        "{line}"
    );
    let role = silent().web_identity(|| async {
        sleep(Duration::from_secs(7)).await;
        Ok("token".to_owned())
    });
    let line = in_time(role.build().unwrap()).await.to_string();
    assert!(line.contains("no answer in time"), "{line}");
}
