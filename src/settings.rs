//! What environment and profile say about region and endpoints, for all who read it.

#[cfg(feature = "env")]
use aws_config::BehaviorVersion;
#[cfg(feature = "env")]
use aws_config::imds::region::ImdsRegionProvider;
#[cfg(feature = "env")]
use aws_config::meta::region::RegionProviderChain;
#[cfg(feature = "env")]
use aws_config::profile::ProfileFileRegionProvider;
use aws_types::SdkConfig;
#[cfg(feature = "env")]
use aws_types::region::Region;
use aws_types::service_config::ServiceConfigKey;

#[cfg(feature = "env")]
const REGION_VARIABLES: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];

/// Region, endpoints, retries and time limits from environment and profile, as other AWS tools read them;
/// without credentials.
///
/// A variable that is blank counts as unset, as for those tools; the SDK by itself takes a blank
/// `AWS_REGION` for a region.
#[cfg(feature = "env")]
pub(crate) async fn of_environment(profile: Option<&str>) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).no_credentials();
    if let Some(name) = profile {
        loader = loader.profile_name(name);
    }
    let is_there = REGION_VARIABLES
        .iter()
        .any(|name| std::env::var_os(name).is_some());
    if is_there {
        loader = loader.region(region_provider(profile));
    }
    loader.load().await
}

/// The region by the same order: environment, profile, instance.
#[cfg(feature = "env")]
pub(crate) fn region_provider(profile: Option<&str>) -> RegionProviderChain {
    let mut of_profile = ProfileFileRegionProvider::builder();
    if let Some(name) = profile {
        of_profile = of_profile.profile_name(name);
    }
    RegionProviderChain::first_try(region_variable())
        .or_else(of_profile.build())
        .or_else(ImdsRegionProvider::builder().build())
}

/// The region that a variable names.
#[cfg(feature = "env")]
pub(crate) fn region_variable() -> Option<Region> {
    REGION_VARIABLES
        .into_iter()
        .find_map(|name| not_blank(&std::env::var(name).ok()?))
        .map(Region::new)
}

/// The URL that configuration gives a service in place of its regional one.
///
/// By the SDK's order: set in the program, else for the service by environment or profile, else for all
/// services. One that is blank counts as unset; the SDK would take it for a URL, and panic.
pub(crate) fn endpoint_url(sdk: &SdkConfig, service_id: &str) -> Option<String> {
    let general = || not_blank(sdk.endpoint_url()?);
    if sdk.get_origin("endpoint_url").is_client_config() {
        return general();
    }
    let key = ServiceConfigKey::builder()
        .service_id(service_id)
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build()
        .ok();
    key.and_then(|key| sdk.service_config()?.load_config(key))
        .and_then(|url| not_blank(&url))
        .or_else(general)
}

fn not_blank(text: &str) -> Option<String> {
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}
