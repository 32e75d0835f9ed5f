use aws_credential_strategies::Provided;

fn main() {
    let _ = Provided::new("keys", "AKIAEXAMPLE");
}
