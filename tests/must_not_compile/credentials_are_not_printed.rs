use aws_credential_strategies::Credentials;

fn example(credentials: &Credentials) {
    println!("{credentials}");
}

fn main() {}
