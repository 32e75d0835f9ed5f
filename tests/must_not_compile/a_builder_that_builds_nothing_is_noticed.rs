#![deny(unused_must_use)]

use aws_credential_strategies::{AssumeRole, InstanceProfile, Provided};

fn main() {
    AssumeRole::builder("arn:aws:iam::123456789012:role/App").region("us-east-1");
    InstanceProfile::builder().profile("App");
    Provided::container();
}
