use aws_credential_strategies::InstanceProfile;
use aws_credential_strategies::table::Table;

async fn example(table: &Table<InstanceProfile>) -> aws_credential_strategies::Result<()> {
    let delete = table.delete(("id", "1"));
    delete.send().await?;
    delete.send().await?;
    Ok(())
}

fn main() {}
