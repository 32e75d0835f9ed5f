#![deny(unused_must_use)]

use aws_credential_strategies::{CredentialStrategy, InstanceProfile};

async fn example(profile: InstanceProfile) {
    CredentialStrategy::credentials(&profile);
    profile.refresh();
}

fn main() {}
