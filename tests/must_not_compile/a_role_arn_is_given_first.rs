use aws_credential_strategies::AssumeRole;

fn main() {
    let _ = AssumeRole::builder().region("us-east-1").build();
}
