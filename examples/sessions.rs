//! A web-session store on one table: create-only put, get, touch with a condition, a user's sessions
//! through an index, an optimistic version, batch clean-up. Runs on the embedded cloud.

use aws_credential_strategies::local::{KeyType, LocalCloud, NewIndex, NewTable};
use aws_credential_strategies::table::{Attempt, attr, sort};
use aws_credential_strategies::{Dynamo, InstanceProfile, Result, Table};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Session {
    id: String,
    user: String,
    created: u64,
    expires: u64,
    #[serde(default)]
    cart: Vec<String>,
    #[serde(default)]
    version: u64,
}

struct Sessions(Table<InstanceProfile>);

impl Sessions {
    /// A session id is given out once: put, only if there is none.
    async fn create(&self, session: &Session) -> Result<bool> {
        let put = self.0.put(session).if_absent("id");
        Ok(put.attempt::<Session>().await?.is_written())
    }

    async fn get(&self, id: &str) -> Result<Option<Session>> {
        self.0.get(("id", id)).consistent().send().await
    }

    /// Keeps a session alive, if it still is; the one that is over comes back, and is no error.
    async fn touch(&self, id: &str, now: u64) -> Result<Attempt<Session>> {
        let touch = self.0.update(("id", id)).set("expires", now + 900);
        touch.only_if(attr("expires").gt(now)).attempt().await
    }

    /// Adds to the cart that was read; when somebody else was faster, reads again.
    async fn add_to_cart(&self, id: &str, article: &str) -> Result<()> {
        while let Some(mut session) = self.get(id).await? {
            let read = session.version;
            session.cart.push(article.to_owned());
            let put = self.0.put(&session).version("version", Some(read));
            if put.attempt::<Session>().await?.is_written() {
                break;
            }
        }
        Ok(())
    }

    /// The user's sessions since a moment, newest first, by the index.
    async fn of_user(&self, user: &str, since: u64) -> Result<Vec<Session>> {
        let query = self.0.query("user", user).index("byUser");
        query
            .sort(sort("created").ge(since))
            .descending()
            .all()
            .await?
            .complete()
    }

    /// Deletes what is over, in batches; says how many.
    async fn clean_up(&self, now: u64) -> Result<usize> {
        let over = self.0.scan().filter(attr("expires").le(now));
        let mut over = over.stream::<Session>();
        let mut batch = self.0.batch_write();
        while let Some(session) = over.next().await {
            batch = batch.delete(("id", session?.id));
        }
        let report = batch.send().await?;
        let written = report.written;
        report.complete().map(|()| written)
    }
}

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
            version: 0,
        };
        let new = sessions.create(&session).await?;
        let again = sessions.create(&session).await?;
        assert!(new && !again, "an id is given out once");
    }
    println!("touch s1 at 105: {:?}", sessions.touch("s1", 105).await?);
    println!("touch s0 at 105: {:?}", sessions.touch("s0", 105).await?);
    let tea = sessions.add_to_cart("s7", "tea");
    let jam = sessions.add_to_cart("s7", "jam");
    tokio::try_join!(tea, jam)?; // at the same time: the version sorts it out
    println!("s7 is now {:?}", sessions.get("s7").await?);
    for session in sessions.of_user("ada", 20).await? {
        println!("ada since 20: {} of {}", session.id, session.created);
    }
    println!("deleted at 205: {}", sessions.clean_up(205).await?);
    let policy = db
        .recorder()
        .policy("aws", cloud.region(), cloud.account())?;
    println!("this program needs the policy\n{policy}");
    Ok(())
}
