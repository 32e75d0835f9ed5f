use aws_credential_strategies::token::Token;

fn example(token: &Token) {
    println!("{token}");
}

fn main() {}
