use aws_credential_strategies::Rejection;

fn main() {
    let rejection = Rejection::NotCurrent;
    match rejection {
        Rejection::Invalidated
        | Rejection::NotCurrent
        | Rejection::SameKeyAgain
        | Rejection::Suspected => {}
    }
}
