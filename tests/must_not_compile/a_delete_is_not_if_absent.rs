use aws_credential_strategies::InstanceProfile;
use aws_credential_strategies::table::Table;

fn example(table: &Table<InstanceProfile>) {
    let _ = table.delete(("id", "1")).if_absent("id");
}

fn main() {}
