use aws_credential_strategies::{Provided, SharedCredentialsProvider};

fn example(provider: SharedCredentialsProvider) {
    let _ = Provided::new(provider);
}

fn main() {}
