use aws_credential_strategies::{SdkConfig, sdk};

fn example(settings: &SdkConfig) {
    let _ = sdk::client_config!(aws_sdk_sqs, settings);
}

fn main() {}
