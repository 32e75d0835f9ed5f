use aws_credential_strategies::{CredentialCache, RefreshPolicy, SharedCredentialsProvider};

fn example(provider: SharedCredentialsProvider) {
    let _ = CredentialCache::new(provider, RefreshPolicy::default());
}

fn main() {}
