//! Which host a request went to, worked out only when an error has to say it.

use crate::settings::endpoint_url;
use crate::strategy::CredentialStrategy;
use aws_sdk_dynamodb::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
use aws_types::SdkConfig;
use std::future::Future as _;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// The SDK's default: the account's own endpoint where the credentials know their account.
const DEFAULT_MODE: &str = "preferred";

/// What of the configuration decides the endpoint.
///
/// Credentials with an account id give `https://<account>.ddb.<region>.amazonaws.com` and others
/// `https://dynamodb.<region>.amazonaws.com`, so changing the strategy can change the host.
#[derive(Debug, Default)]
pub(crate) struct EndpointSettings {
    pub(crate) url: Option<String>,
    region: Option<String>,
    fips: Option<bool>,
    dual_stack: Option<bool>,
    account_id_mode: Option<String>,
    /// The rest is a client's, which does not tell.
    is_hidden: bool,
}

impl EndpointSettings {
    pub(crate) fn of(sdk: &SdkConfig) -> Self {
        EndpointSettings {
            url: endpoint_url(sdk, "DynamoDB"),
            region: sdk.region().map(ToString::to_string),
            fips: sdk.use_fips(),
            dual_stack: sdk.use_dual_stack(),
            account_id_mode: sdk.account_id_endpoint_mode().map(ToString::to_string),
            is_hidden: false,
        }
    }

    /// Of a client that was made elsewhere: where its requests go only the SDK knows.
    pub(crate) fn of_client(region: Option<String>) -> Self {
        EndpointSettings {
            region,
            is_hidden: true,
            ..EndpointSettings::default()
        }
    }

    pub(crate) fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// Whether the URL that was given is none, as one without a scheme.
    pub(crate) fn is_no_url(&self) -> bool {
        let is_url = |url: &String| {
            url.split_once("://").is_some_and(|(scheme, rest)| {
                ["http", "https"]
                    .iter()
                    .any(|known| known.eq_ignore_ascii_case(scheme))
                    && !rest.is_empty()
            })
        };
        self.url.as_ref().is_some_and(|url| !is_url(url))
    }

    /// The URL by the SDK's own rules, where all is known that decides it.
    pub(crate) fn resolve(
        &self,
        strategy: &dyn CredentialStrategy,
        table: Option<&str>,
    ) -> Option<String> {
        if self.is_hidden {
            return None;
        }
        let credentials = strategy.current();
        let account = credentials.and_then(|c| c.account_id().map(|id| id.as_str().to_owned()));
        let params = Params::builder()
            .set_endpoint(self.url.clone())
            .set_region(self.region.clone())
            .set_use_fips(self.fips)
            .set_use_dual_stack(self.dual_stack)
            .set_account_id(account)
            .account_id_endpoint_mode(self.account_id_mode.as_deref().unwrap_or(DEFAULT_MODE))
            .set_resource_arn(table.map(str::to_owned))
            .build()
            .ok()?;
        let resolver = DefaultResolver::new();
        let resolving = pin!(ResolveEndpoint::resolve_endpoint(&resolver, &params));
        // the rules are computed, not asked for: the future is ready at once
        match resolving.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(endpoint) => endpoint.ok().map(|endpoint| endpoint.url().to_owned()),
            Poll::Pending => None,
        }
    }
}
