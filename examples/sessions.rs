//! A web-session store on one table: create-only put, a touch that only goes forward, a cart, a user's
//! sessions through an index, clean-up that never deletes what lives. Runs on the embedded cloud.

#[path = "sessions/store.rs"]
mod store;

use aws_credential_strategies::local::{KeyType, LocalCloud, NewIndex, NewTable};
use aws_credential_strategies::{Dynamo, InstanceProfile, Result};
use store::{Session, Sessions};

#[tokio::main]
async fn main() -> Result<()> {
    let cloud = LocalCloud::start().await?;
    let by_user = NewIndex::new("byUser", "user").sort_key("created", KeyType::Number);
    cloud.create_table(NewTable::new("Sessions", "id").index(by_user))?;

    let strategy = InstanceProfile::builder().endpoint(cloud.imds_endpoint());
    let db = Dynamo::new(strategy.build()?, &cloud.sdk_config());
    let sessions = Sessions(db.table("Sessions"));

    for n in 0..30 {
        let session = Session {
            id: format!("s{n}"),
            user: ["ada", "bob"][n % 2].to_owned(),
            created: n as u64,
            expires: 100 + 10 * n as u64,
            cart: Vec::new(),
        };
        let new = sessions.create(&session).await?;
        let again = sessions.create(&session).await?;
        assert!(new && !again, "an id is given out once");
    }
    println!("s1 lives at 105: {}", sessions.touch("s1", 105).await?);
    println!("s0 lives at 105: {}", sessions.touch("s0", 105).await?);
    let tea = sessions.add_to_cart("s7", "tea", 105);
    let jam = sessions.add_to_cart("s7", "jam", 105);
    let touch = sessions.touch("s7", 110);
    tokio::try_join!(tea, jam, touch)?; // at the same time: none is lost
    println!("s7 is now {:?}", sessions.get("s7", 110).await?);
    for session in sessions.of_user("ada", 20, 210).await? {
        println!("ada since 20: {} of {}", session.id, session.created);
    }
    println!("deleted at 205: {}", sessions.clean_up(205).await?);
    let policy = db
        .recorder()
        .policy("aws", cloud.region(), cloud.account())?;
    println!("this program needs the policy\n{policy}");
    Ok(())
}
