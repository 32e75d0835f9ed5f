//! Which host a request went to, worked out only when an error has to say it.

use crate::arn::account_in;
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
        let credentials = strategy.current();
        let account = credentials.and_then(|c| c.account_id().map(|id| id.as_str().to_owned()));
        self.resolve_for(account, table)
    }

    /// The account's own endpoint, where requests will go to one, as far as the account is known: also before there
    /// are credentials, since those of a role that is assumed belong to the role's account.
    pub(crate) fn of_account_ahead(&self, strategy: &dyn CredentialStrategy) -> Option<String> {
        if self.url.is_some() {
            return None;
        }
        let status = strategy.status();
        let of_role = || status.subject.as_deref().and_then(account_in);
        let account = match status.key_id {
            Some(_) => status.account_id.as_deref(),
            None => of_role(),
        }?;
        self.resolve_for(Some(account.to_owned()), None)
            .filter(|own| self.resolve_for(None, None).as_ref() != Some(own))
    }

    fn resolve_for(&self, account: Option<String>, table: Option<&str>) -> Option<String> {
        if self.is_hidden {
            return None;
        }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::EndpointSettings;
    use crate::strategy::{AssumeRole, CredentialStrategy, InstanceProfile};
    use aws_types::SdkConfig;
    use aws_types::endpoint_config::AccountIdEndpointMode;
    use aws_types::region::Region;

    const OF_ACCOUNT: &str = "https://123456789012.ddb.us-east-1.amazonaws.com";

    fn ahead(settings: &SdkConfig, strategy: &dyn CredentialStrategy) -> Option<String> {
        EndpointSettings::of(settings).of_account_ahead(strategy)
    }

    #[test]
    fn a_roles_account_is_known_before_its_credentials() {
        let role = AssumeRole::builder("arn:aws:iam::123456789012:role/App")
            .region("us-east-1")
            .build();
        let role = role.unwrap();
        let instance = InstanceProfile::new().unwrap();
        let settings = || SdkConfig::builder().region(Region::from_static("us-east-1"));
        assert_eq!(
            ahead(&settings().build(), &role).as_deref(),
            Some(OF_ACCOUNT)
        );
        assert_eq!(ahead(&settings().build(), &instance), None);
        let regional = settings().account_id_endpoint_mode(AccountIdEndpointMode::Disabled);
        assert_eq!(ahead(&regional.build(), &role), None);
        let own = settings().endpoint_url("http://127.0.0.1:8000");
        assert_eq!(ahead(&own.build(), &role), None);
        assert_eq!(ahead(&SdkConfig::builder().build(), &role), None);
    }
}
