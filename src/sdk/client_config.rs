//! One call that wires a client of any service.

/// The configuration of any service's client with everything of this crate in it: the strategy's
/// credentials and its identity cache, recovery from rejected credentials as interceptor and as classifier,
/// and the retry quota for its repeats, so that none of them can be forgotten.
///
/// Takes the service's crate, a reference to the settings and the strategy; gives the crate's
/// `config::Config`, for `Client::from_conf`. Further settings of the service go on with `to_builder()`.
/// Where the settings have no behaviour version it is the latest.
///
/// ```
/// use aws_credential_strategies::{CredentialStrategy, SdkConfig, sdk};
/// use std::sync::Arc;
///
/// # fn example(settings: SdkConfig, strategy: Arc<dyn CredentialStrategy>) {
/// let config = sdk::client_config!(aws_sdk_sqs, &settings, strategy);
/// let client = aws_sdk_sqs::Client::from_conf(config);
/// # }
/// ```
#[macro_export]
#[doc(hidden)]
macro_rules! __client_config {
    ($($service:ident)::+, $settings:expr, $strategy:expr $(,)?) => {{
        let strategy = ::std::sync::Arc::new($strategy);
        let settings = $crate::sdk::config($settings, ::std::sync::Arc::clone(&strategy));
        let recovery = $crate::sdk::Recovery::new(strategy);
        let mut builder = $($service)::+::config::Builder::from(&settings)
            .interceptor(recovery.clone())
            .retry_classifier(recovery.clone())
            .retry_partition(recovery.retry_partition());
        if settings.behavior_version().is_none() {
            let latest = $($service)::+::config::BehaviorVersion::latest();
            builder.set_behavior_version(::std::option::Option::Some(latest));
        }
        builder.build()
    }};
}

#[doc(inline)]
pub use __client_config as client_config;
