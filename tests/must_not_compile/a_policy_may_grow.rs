use aws_credential_strategies::RefreshPolicy;

fn main() {
    let _ = RefreshPolicy {
        ..RefreshPolicy::default()
    };
}
