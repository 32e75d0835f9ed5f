use aws_credential_strategies::{CredentialStrategy, InstanceProfile};

fn example(profile: InstanceProfile) {
    let strategy: std::sync::Arc<dyn CredentialStrategy> = profile;
    let _ = strategy.status();
}

fn main() {}
