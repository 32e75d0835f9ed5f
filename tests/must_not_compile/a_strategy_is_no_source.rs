use aws_credential_strategies::{CredentialCache, InstanceProfile, RefreshPolicy};

fn main() {
    let profile = InstanceProfile::new().unwrap();
    let _ = CredentialCache::new(profile, RefreshPolicy::default());
}
