use aws_credential_strategies::AssumeRole;

fn main() {
    let _ = AssumeRole::builder("arn:aws:iam::123456789012:role/App").duration(3600);
}
