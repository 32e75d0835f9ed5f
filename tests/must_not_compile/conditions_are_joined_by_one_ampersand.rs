use aws_credential_strategies::table::attr;

fn main() {
    let _ = attr("a").eq(1) && attr("b").eq(2);
}
