use aws_credential_strategies::InstanceProfile;
use aws_credential_strategies::table::Table;

fn example(table: &Table<InstanceProfile>) {
    let _ = table.scan().descending();
}

fn main() {}
