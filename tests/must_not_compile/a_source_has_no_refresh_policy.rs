use aws_credential_strategies::RefreshPolicy;
use aws_credential_strategies::source::StsSource;

fn main() {
    let builder = StsSource::builder("arn:aws:iam::123456789012:role/App");
    let _ = builder.refresh(RefreshPolicy::default());
}
