use aws_credential_strategies::table::{Table, sort};
use aws_credential_strategies::InstanceProfile;

fn example(table: &Table<InstanceProfile>) {
    let _ = table.query("pk", "a").sort(sort("sk").ge(1) & sort("sk").lt(9));
}

fn main() {}
