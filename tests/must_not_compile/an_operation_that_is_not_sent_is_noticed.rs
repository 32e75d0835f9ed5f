#![deny(unused_must_use)]

use aws_credential_strategies::InstanceProfile;
use aws_credential_strategies::table::Table;

fn example(table: &Table<InstanceProfile>) {
    table.put(&1);
    table.delete(("id", "1"));
    table.update(("id", "1")).add("n", 1);
}

fn main() {}
