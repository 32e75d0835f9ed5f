use aws_credential_strategies::{AssumeRole, BoxError};

fn main() {
    let builder = AssumeRole::builder("arn:aws:iam::123456789012:role/App");
    let _ = builder.mfa("arn:aws:iam::123456789012:mfa/alice", || async {
        Ok::<_, BoxError>(123456)
    });
}
