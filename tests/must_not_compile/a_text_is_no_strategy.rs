use aws_credential_strategies::SdkProvider;

fn main() {
    let _ = SdkProvider::new("AKIAEXAMPLE");
}
