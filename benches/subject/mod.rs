//! What is compared: anything that answers with credentials.

pub(crate) mod google;
pub(crate) mod naive;
pub(crate) mod object_store;
pub(crate) mod reqsign;

use crate::sdk;
use aws_credential_strategies::{CredentialStrategy, Credentials};
use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::sync::Arc;

/// The names that figures have.
pub(crate) const OURS: &str = "ours";
pub(crate) const LAZY: &str = "sdk_lazy";
pub(crate) const NAIVE: &str = "naive_rwlock";
pub(crate) const REQSIGN: &str = "reqsign";
pub(crate) const OBJECT_STORE: &str = "object_store";
pub(crate) const GOOGLE: &str = "google_cloud_auth";

/// One resolve; the key id, or `None` where it failed.
pub(crate) trait Resolve: Send + Sync + 'static {
    fn resolve(&self) -> impl Future<Output = Option<String>> + Send;

    /// The same without looking at what came: what the micro rows repeat.
    fn once(&self) -> impl Future<Output = ()> + Send {
        async {
            black_box(self.resolve().await);
        }
    }

    /// So many, with a turn for other tasks now and then.
    fn repeat(&self, count: u64) -> impl Future<Output = ()> + Send {
        async move {
            for done in 0..count {
                self.once().await;
                turn(done).await;
            }
        }
    }
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// [`Resolve`] whatever the type.
pub(crate) trait Subject: Send + Sync + 'static {
    fn resolve(&self) -> Boxed<'_, Option<String>>;

    /// So many resolves; one box for all.
    fn repeat(&self, count: u64) -> Boxed<'_, ()>;
}

impl<R: Resolve> Subject for R {
    fn resolve(&self) -> Boxed<'_, Option<String>> {
        Box::pin(Resolve::resolve(self))
    }

    fn repeat(&self, count: u64) -> Boxed<'_, ()> {
        Box::pin(Resolve::repeat(self, count))
    }
}

pub(crate) fn shared(subject: impl Resolve) -> Arc<dyn Subject> {
    Arc::new(subject)
}

/// Ours, as an application calls it.
pub(crate) struct Ours(pub(crate) Arc<dyn CredentialStrategy>);

impl Resolve for Ours {
    async fn resolve(&self) -> Option<String> {
        self.0
            .credentials()
            .await
            .ok()
            .map(|session| key_id(&session))
    }

    async fn once(&self) {
        let _ = black_box(self.0.credentials().await);
    }
}

/// Ours without waiting.
pub(crate) struct OursCurrent<S>(pub(crate) S);

impl<S: CredentialStrategy> Resolve for OursCurrent<S> {
    async fn resolve(&self) -> Option<String> {
        self.0.current().map(|session| key_id(&session))
    }

    async fn once(&self) {
        black_box(self.0.current());
    }
}

/// Lets other tasks run after every so many calls.
pub(crate) async fn turn(done: u64) {
    const TURN: u64 = 64;
    if done % TURN == TURN - 1 {
        tokio::task::yield_now().await;
    }
}

impl Resolve for sdk::Client {
    async fn resolve(&self) -> Option<String> {
        let identity = self.ask().await.ok()?;
        identity.data::<Credentials>().map(key_id)
    }
}

impl Resolve for sdk::InRequest {
    async fn resolve(&self) -> Option<String> {
        self.send(0).await.then(String::new)
    }

    async fn repeat(&self, count: u64) {
        self.send(count).await;
    }
}

pub(crate) fn key_id(session: &Credentials) -> String {
    session.access_key_id().to_owned()
}
