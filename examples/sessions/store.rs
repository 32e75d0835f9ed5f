//! Sessions in one table, right under races: a touch is never lost, a live session is never deleted, an
//! expired one is never handed out, whoever else writes meanwhile.

use aws_credential_strategies::table::{Attempt, attr, sort};
use aws_credential_strategies::{CredentialStrategy, Result, Table};
use futures_util::TryStreamExt as _;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicUsize, Ordering};

/// How long a session lives after it was touched last, in seconds.
pub(crate) const LIFETIME: u64 = 900;

/// How many deletes are in flight at the same time.
const DELETES_AT_ONCE: usize = 8;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) user: String,
    pub(crate) created: u64,
    pub(crate) expires: u64,
    #[serde(default)]
    pub(crate) cart: Vec<String>,
}

pub(crate) struct Sessions<S: CredentialStrategy>(pub(crate) Table<S>);

impl<S: CredentialStrategy> Sessions<S> {
    /// A session id is given out once: put, only if there is none.
    pub(crate) async fn create(&self, session: &Session) -> Result<bool> {
        let put = self.0.put(session).if_absent("id");
        Ok(match put.attempt::<Session>().await? {
            // an earlier try got no answer: it was ours if what is there is ours
            Attempt::Unclear(there) => there.is_some_and(|there| {
                there.user == session.user && there.created == session.created
            }),
            other => other.is_written(),
        })
    }

    /// The session, if it lives. DynamoDB deletes what is over some time later, so the time is compared.
    pub(crate) async fn get(&self, id: &str, now: u64) -> Result<Option<Session>> {
        let read: Option<Session> = self.0.get(("id", id)).consistent().send().await?;
        Ok(read.filter(|session| session.expires > now))
    }

    /// Keeps a session alive, if it still is; whether it is. Only ever to a later time: a touch that was
    /// overtaken by a later one changes nothing.
    pub(crate) async fn touch(&self, id: &str, now: u64) -> Result<bool> {
        let until = now + LIFETIME;
        let touch = self.0.update(("id", id)).set("expires", until);
        let touch = touch.only_if(attr("expires").gt(now) & attr("expires").lt(until));
        Ok(match touch.attempt::<Session>().await? {
            Attempt::Rejected(there) | Attempt::Unclear(there) => {
                there.is_some_and(|session| session.expires >= until)
            }
            _ => true,
        })
    }

    /// Adds to the cart of a live session; whether it is. Nothing else of the session is written, so a
    /// touch in between stays.
    pub(crate) async fn add_to_cart(&self, id: &str, article: &str, now: u64) -> Result<bool> {
        let add = self.0.update(("id", id)).append("cart", article);
        let add = add.only_if(attr("expires").gt(now));
        Ok(match add.attempt::<Session>().await? {
            // an earlier try got no answer: the article is there if it was done
            Attempt::Unclear(there) => {
                there.is_some_and(|session| session.cart.iter().any(|known| known == article))
            }
            other => other.is_written(),
        })
    }

    /// The user's live sessions since a moment, newest first. The index says which there are, a moment
    /// late; the table says which of them live.
    pub(crate) async fn of_user(&self, user: &str, since: u64, now: u64) -> Result<Vec<Session>> {
        let query = self.0.query("user", user).index("byUser");
        let known = query.sort(sort("created").ge(since)).project(["id"]);
        let known = known.all::<serde_json::Value>().await?.complete()?;
        let keys: Vec<_> = known
            .iter()
            .filter_map(|known| Some(("id", known["id"].as_str()?)))
            .collect();
        let read = self.0.batch_get(keys).consistent().send::<Session>();
        let mut sessions = read.await?.complete()?;
        sessions.retain(|session| session.expires > now);
        sessions.sort_by_key(|session| std::cmp::Reverse(session.created));
        Ok(sessions)
    }

    /// Deletes what is over; says how many. A batch cannot check a condition, so each is deleted by
    /// itself: one that was touched since it was read stays.
    pub(crate) async fn clean_up(&self, now: u64) -> Result<usize> {
        let over = self.0.scan().segments(4).filter(attr("expires").le(now));
        let deleted = AtomicUsize::new(0);
        let delete = |session: Session| {
            let delete = self.0.delete(("id", session.id));
            let delete = delete.only_if(attr("expires").le(now));
            let deleted = &deleted;
            async move {
                if delete.attempt::<Session>().await?.is_written() {
                    deleted.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            }
        };
        over.stream::<Session>()
            .try_for_each_concurrent(DELETES_AT_ONCE, delete)
            .await?;
        Ok(deleted.into_inner())
    }
}
