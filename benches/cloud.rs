//! Both options against the embedded cloud: ours, and the SDK's own providers.

use crate::Failure;
use aws_config::imds;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_credential_strategies::local::{DEFAULT_ROLE, LocalCloud};
use aws_credential_strategies::{AssumeRole, InstanceProfile, RefreshPolicy};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_types::SdkConfig;
use aws_types::region::Region;

/// The name of every session.
pub(crate) const SESSION: &str = "benches";
/// Who assumes the role: an identity outside of EC2, whose key needs no fetch.
const USER: &str = "benches";

pub(crate) fn instance_profile(
    imds: &str,
    refresh: RefreshPolicy,
) -> Result<InstanceProfile, Failure> {
    Ok(InstanceProfile::builder()
        .endpoint(imds)
        .refresh(refresh)
        .build()?)
}

pub(crate) fn assume_role(
    cloud: &LocalCloud,
    sts: &str,
    refresh: RefreshPolicy,
) -> Result<AssumeRole, Failure> {
    Ok(AssumeRole::builder(cloud.role_arn(DEFAULT_ROLE))
        .sdk_config(&cloud.sdk_config())
        .base_provider(cloud.create_access_key(USER))
        .session_name(SESSION)
        .sts_endpoint(sts)
        .refresh(refresh)
        .build()?)
}

pub(crate) fn sdk_imds(endpoint: &str) -> Result<ImdsCredentialsProvider, Failure> {
    let settings = ProviderConfig::without_region()
        .with_http_client(aws_smithy_http_client::Builder::new().build_http());
    let client = imds::Client::builder()
        .configure(&settings)
        .endpoint(endpoint)?
        .build();
    Ok(ImdsCredentialsProvider::builder()
        .configure(&settings)
        .imds_client(client)
        .build())
}

pub(crate) async fn sdk_assume_role(cloud: &LocalCloud, sts: &str) -> AssumeRoleProvider {
    // The cloud's own settings name its STS, and would go before this wire to it.
    let settings = cloud.sdk_config();
    let mut with_wire = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(cloud.region().to_owned()))
        .time_source(SharedTimeSource::new(SystemTimeSource::new()))
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .endpoint_url(sts)
        .credentials_provider(SharedCredentialsProvider::new(
            cloud.create_access_key(USER),
        ));
    with_wire.set_http_client(settings.http_client());
    let settings = with_wire.build();
    AssumeRoleProvider::builder(cloud.role_arn(DEFAULT_ROLE))
        .session_name(SESSION)
        .configure(&settings)
        .build()
        .await
}

/// The cloud's settings with what `aws_config` puts into every `SdkConfig`.
pub(crate) fn sdk_settings(cloud: &LocalCloud) -> SdkConfig {
    cloud
        .sdk_config()
        .into_builder()
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .build()
}
