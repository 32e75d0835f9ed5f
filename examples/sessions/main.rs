//! A web-session store on one table: create-only put, a touch that only goes forward, a cart, a user's
//! sessions through an index, clean-up that never deletes what lives. Runs on the embedded cloud.

mod store;
#[path = "../support/mod.rs"]
mod support;

use aws_credential_strategies::local::{KeyType, LocalCloud, NewIndex, NewTable};
use aws_credential_strategies::{Dynamo, InstanceProfile};
use store::{Session, Sessions};
use support::arguments::Program;
use support::{Failure, NAME, tell};

const PROGRAM: Program = Program {
    name: NAME,
    about: "A web-session store on one table, right under races: an id is given out once, a touch only goes forward, no \
            article of a cart is lost, a clean-up deletes nothing that lives.",
    options: &[],
    notes: "takes: a second\ncosts: nothing, it runs on the embedded cloud",
};

#[tokio::main]
async fn main() -> Result<(), Failure> {
    PROGRAM.read_or_exit();
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
        if !new || again {
            return Err(Failure::new("an id was not given out once"));
        }
    }
    for id in ["s1", "s0"] {
        let lives = sessions.touch(id, 105).await?;
        tell!(
            "{id} at 105: {}",
            if lives { "lives on" } else { "is over" }
        );
    }
    // at the same time: none is lost
    let tea = sessions.add_to_cart("s7", "tea", 105);
    let jam = sessions.add_to_cart("s7", "jam", 105);
    tokio::try_join!(tea, jam, sessions.touch("s7", 110))?;
    if let Some(Session { expires, cart, .. }) = sessions.get("s7", 110).await? {
        tell!("s7 lasts until {expires}, its cart has {}", cart.join(", "));
    }
    let of_ada = sessions.of_user("ada", 20, 210).await?;
    let of_ada: Vec<_> = of_ada.iter().map(|session| session.id.as_str()).collect();
    tell!("ada's since 20, newest first: {}", of_ada.join(", "));
    tell!(
        "over at 205, and deleted: {}",
        sessions.clean_up(205).await?
    );
    let policy = db
        .recorder()
        .policy("aws", cloud.region(), cloud.account())?;
    tell!("\nthe policy that this program needs:\n{policy}");
    Ok(())
}
