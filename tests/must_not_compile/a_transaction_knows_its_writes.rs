use aws_credential_strategies::table::{Dynamo, Table};
use aws_credential_strategies::InstanceProfile;

fn example(db: &Dynamo<InstanceProfile>, table: &Table<InstanceProfile>) {
    let _ = db.transact_write().put(table.update(("id", "1")).add("n", 1));
}

fn main() {}
