use aws_credential_strategies::table::{Table, attr};
use aws_credential_strategies::InstanceProfile;

fn example(table: &Table<InstanceProfile>) {
    let _ = table.query("pk", "a").sort(attr("sk").eq(1));
}

fn main() {}
