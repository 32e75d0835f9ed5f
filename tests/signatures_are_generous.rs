//! Promise: what looks generous in a signature is. Every form that a reader would try compiles, and means
//! the same.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use aws_credential_strategies::local::{LocalCloud, Role, Trust};
use aws_credential_strategies::source::Base;
use aws_credential_strategies::strategy::AssumeRoleBuilder;
use aws_credential_strategies::{
    AssumeRole, CredentialCache, CredentialStrategy, InstanceProfile, RefreshPolicy, Region,
    SharedCredentialsProvider,
};
use std::io;
use std::sync::Arc;

const ROLE: &str = "arn:aws:iam::123456789012:role/App";

fn role() -> AssumeRoleBuilder {
    AssumeRole::builder(ROLE)
}

#[test]
fn a_region_is_a_text_or_a_region() {
    let region = Region::from_static("us-east-1");
    let name = String::from("us-east-1");
    let forms = [
        role().region("us-east-1"),
        role().region(name.as_str()),
        role().region(&name),
        role().region(name.clone()),
        role().region(&region),
        role().region(region.clone()),
        role().region(Region::new("us-east-1")),
    ];
    for form in forms {
        assert!(format!("{:?}", form.build().unwrap()).contains("\"us-east-1\""));
    }
    let error = role().region("nowhere").build().unwrap_err();
    assert_eq!(error.field(), Some("region"), "{error}");
}

/// The role, assumed by way of `base`, in whatever form that is.
async fn assumed_by(cloud: &LocalCloud, base: impl Into<Base>) -> AssumeRole {
    let strategy = AssumeRole::builder(cloud.role_arn("App"))
        .sdk_config(&cloud.sdk_config())
        .base(base)
        .build()
        .unwrap();
    strategy.credentials().await.unwrap();
    strategy
}

#[tokio::test]
async fn a_base_is_a_strategy_by_value_by_reference_or_behind_a_pointer() {
    let cloud = LocalCloud::start().await.unwrap();
    cloud
        .add_role(Role::new("App").trust(Trust::account(cloud.account())))
        .unwrap();
    let profile = InstanceProfile::builder()
        .endpoint(cloud.imds_endpoint())
        .build()
        .unwrap();
    let shared: Arc<InstanceProfile> = Arc::new(profile.clone());
    let any: Arc<dyn CredentialStrategy> = shared.clone();
    let boxed: Box<dyn CredentialStrategy> = Box::new(profile.clone());
    let for_ever: &'static InstanceProfile = Box::leak(Box::new(profile.clone()));
    let cache = CredentialCache::new(
        aws_credential_strategies::source::ImdsSource::builder()
            .endpoint(cloud.imds_endpoint())
            .build()
            .unwrap(),
        RefreshPolicy::default(),
    );

    let by_reference = assumed_by(&cloud, &profile).await;
    assumed_by(&cloud, profile).await;
    assumed_by(&cloud, &shared).await;
    assumed_by(&cloud, shared).await;
    assumed_by(&cloud, &any).await;
    assumed_by(&cloud, any).await;
    assumed_by(&cloud, boxed).await;
    assumed_by(&cloud, for_ever).await;
    assumed_by(&cloud, Base::strategy(for_ever)).await;
    assert_eq!(
        cloud.imds().calls().documents(),
        1,
        "all of them share one cache"
    );
    assumed_by(&cloud, &cache).await;
    assumed_by(&cloud, cache).await;
    assumed_by(&cloud, &by_reference).await;
    assumed_by(&cloud, by_reference).await;
    let keys = cloud.create_access_key("deployer");
    assumed_by(&cloud, SharedCredentialsProvider::new(keys.clone())).await;
    assumed_by(&cloud, Base::provider(keys)).await;
}

async fn from_a_phone() -> Result<String, aws_credential_strategies::BoxError> {
    let read = Err(io::Error::other("no phone"));
    Ok(read?)
}

#[test]
fn an_mfa_code_comes_from_any_async_function() {
    let serial = "arn:aws:iam::123456789012:mfa/alice";
    let with = |builder: AssumeRoleBuilder| builder.region("us-east-1").build().unwrap();
    with(role().mfa(serial, || async { Ok("123456".into()) }));
    with(role().mfa(serial, || async { Err("no phone".into()) }));
    with(role().mfa(serial, || async {
        Err(io::Error::other("no phone").into())
    }));
    with(role().mfa(serial, from_a_phone));
    let code = Arc::new(String::from("123456"));
    with(role().mfa(serial, move || {
        let code = Arc::clone(&code);
        async move { Ok(code.to_string()) }
    }));
}
