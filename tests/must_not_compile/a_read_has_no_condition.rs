use aws_credential_strategies::InstanceProfile;
use aws_credential_strategies::table::{Table, attr};

fn example(table: &Table<InstanceProfile>) {
    let _ = table.get(("id", "1")).only_if(attr("n").exists());
}

fn main() {}
