//! Which host a request went to, worked out only when an error has to say it, or a connection is opened ahead.

use crate::arn::account_in;
use crate::settings::endpoint_url;
use crate::strategy::CredentialStrategy;
use aws_credential_types::Credentials;
use aws_sdk_dynamodb::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
use aws_types::SdkConfig;
use std::future::Future as _;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// The SDK's default: the account's own endpoint where the credentials know their account.
const DEFAULT_MODE: &str = "preferred";

/// One to try the rules with.
const ANY_ACCOUNT: &str = "000000000000";

/// Where requests will go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ahead {
    /// Where the configuration says, whoever signs; or, of a client that does not tell, where it says for nobody.
    AsConfigured,
    /// To the endpoint of the account that signs.
    OfAccount(String),
    /// To one of those, and the account is not known yet.
    DependsOnAccount,
}

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

    /// What is known of the endpoint before a request: also before there are credentials, since those of a role that is
    /// assumed belong to the role's account.
    pub(crate) fn ahead(&self, strategy: &dyn CredentialStrategy) -> Ahead {
        let regional = self.resolve_for(None, None);
        // What is served says most; one that is about to be replaced is told of by the status.
        let held = strategy.current();
        let status = strategy.status();
        let of_held = |held: &Arc<Credentials>| held.account_id().map(|id| id.as_str().to_owned());
        let (account, is_known) = match (&held, &status.key_id) {
            (Some(held), _) => (of_held(held), true),
            (None, Some(_)) => (status.account_id.clone(), true),
            (None, None) => {
                let of_role = status.subject.as_deref().and_then(account_in);
                (of_role.map(str::to_owned), false)
            }
        };
        let own = |account: &str| {
            let own = self.resolve_for(Some(account.to_owned()), None);
            own.filter(|own| regional.as_ref() != Some(own))
        };
        match &account {
            Some(account) => own(account).map_or(Ahead::AsConfigured, Ahead::OfAccount),
            None if !is_known && own(ANY_ACCOUNT).is_some() => Ahead::DependsOnAccount,
            None => Ahead::AsConfigured,
        }
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

    use super::{Ahead, EndpointSettings};
    use crate::strategy::{AssumeRole, CredentialStrategy, InstanceProfile};
    use aws_types::SdkConfig;
    use aws_types::endpoint_config::AccountIdEndpointMode;
    use aws_types::region::Region;

    const OF_ACCOUNT: &str = "https://123456789012.ddb.us-east-1.amazonaws.com";

    fn ahead(settings: aws_types::sdk_config::Builder, strategy: &dyn CredentialStrategy) -> Ahead {
        EndpointSettings::of(&settings.build()).ahead(strategy)
    }

    #[test]
    fn a_roles_account_is_known_before_its_credentials() {
        let role = AssumeRole::builder("arn:aws:iam::123456789012:role/App");
        let role = role.region("us-east-1").build().unwrap();
        let instance = InstanceProfile::new().unwrap();
        let settings = || SdkConfig::builder().region(Region::from_static("us-east-1"));
        let of_account = Ahead::OfAccount(OF_ACCOUNT.to_owned());
        assert_eq!(ahead(settings(), &role), of_account);
        assert_eq!(ahead(settings(), &instance), Ahead::DependsOnAccount);
        let regional = || settings().account_id_endpoint_mode(AccountIdEndpointMode::Disabled);
        let own = || settings().endpoint_url("http://127.0.0.1:8000");
        for strategy in [&role as &dyn CredentialStrategy, &instance] {
            for known in [regional(), own(), SdkConfig::builder()] {
                assert_eq!(ahead(known, strategy), Ahead::AsConfigured);
            }
        }
        let hidden = EndpointSettings::of_client(Some("us-east-1".to_owned()));
        assert_eq!(hidden.ahead(&role), Ahead::AsConfigured);
    }
}
