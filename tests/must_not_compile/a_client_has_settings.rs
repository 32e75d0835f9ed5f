use aws_credential_strategies::{Dynamo, InstanceProfile};

fn main() {
    let _ = Dynamo::new(InstanceProfile::new().unwrap());
}
