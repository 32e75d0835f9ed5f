use aws_credential_strategies::AssumeRole;

fn main() {
    let builder = AssumeRole::builder("arn:aws:iam::123456789012:role/App");
    let _ = builder.mfa("arn:aws:iam::123456789012:mfa/alice", || {
        "123456".to_owned()
    });
}
