use aws_credential_strategies::{InstanceProfile, SharedCredentialsProvider};
use std::sync::Arc;

fn main() {
    let profile = Arc::new(InstanceProfile::new().unwrap());
    let _ = SharedCredentialsProvider::new(profile);
}
