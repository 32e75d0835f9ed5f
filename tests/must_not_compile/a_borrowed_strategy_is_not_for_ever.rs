use aws_credential_strategies::{InstanceProfile, SdkProvider};

fn main() {
    let profile = InstanceProfile::new().unwrap();
    let _provider = SdkProvider::new(&profile);
}
