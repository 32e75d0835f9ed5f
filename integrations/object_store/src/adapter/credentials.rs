//! What a store signs with.

use super::object_store;
use super::object_store::CredentialProvider;
use super::object_store::aws::AwsCredential;
use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use aws_credential_strategies::{CredentialStrategy, Credentials};
use http::HeaderValue;
use std::fmt;
use std::sync::Arc;

/// A strategy as the credentials of an S3 store; clones share what they keep.
///
/// A store asks for credentials with each request. What it gets is made once for each session: while a session
/// is in use a call costs two reads of shared memory and a reference count.
///
/// # Errors
///
/// An error of the strategy is the source of the store's [`Error::Generic`](super::object_store::Error::Generic), as it
/// is: `error.source()` downcasts to [`aws_credential_strategies::Error`].
pub struct StrategyCredentials<S>(Arc<Inner<S>>);

struct Inner<S> {
    strategy: S,
    /// What the last session looks like to the store. It may lag behind the strategy, and is only used for the
    /// very session that it was made of: whoever finds it to be of another one replaces it.
    made: ArcSwapOption<Made>,
}

struct Made {
    of: Arc<Credentials>,
    credential: Arc<AwsCredential>,
}

impl<S: CredentialStrategy> StrategyCredentials<S> {
    /// The credentials of `strategy`.
    pub fn new(strategy: S) -> Self {
        StrategyCredentials(Arc::new(Inner {
            strategy,
            made: ArcSwapOption::empty(),
        }))
    }

    /// The strategy.
    pub fn strategy(&self) -> &S {
        &self.0.strategy
    }

    /// What the session in use looks like to the store; nothing while there is none.
    pub(crate) fn in_use(&self) -> object_store::Result<Option<Arc<AwsCredential>>> {
        let Some(current) = self.0.strategy.current() else {
            return Ok(None);
        };
        if let Some(made) = &*self.0.made.load()
            && Arc::ptr_eq(&made.of, &current)
        {
            return Ok(Some(Arc::clone(&made.credential)));
        }
        let credential = Arc::new(form_of(&current)?);
        self.0.made.store(Some(Arc::new(Made {
            of: current,
            credential: Arc::clone(&credential),
        })));
        Ok(Some(credential))
    }
}

impl<S> Clone for StrategyCredentials<S> {
    fn clone(&self) -> Self {
        StrategyCredentials(Arc::clone(&self.0))
    }
}

impl<S: CredentialStrategy> fmt::Debug for StrategyCredentials<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StrategyCredentials")
            .field(&self.0.strategy)
            .finish()
    }
}

#[async_trait]
impl<S: CredentialStrategy> CredentialProvider for StrategyCredentials<S> {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        if let Some(credential) = self.in_use()? {
            return Ok(credential);
        }
        let fetched = self.0.strategy.credentials().await.map_err(generic)?;
        // From now on it is in use, unless it was rejected or ended meanwhile.
        match self.in_use()? {
            Some(credential) => Ok(credential),
            None => form_of(&fetched).map(Arc::new),
        }
    }
}

/// The store puts key and token into headers and panics where they do not fit, so that is looked at here.
fn form_of(credentials: &Credentials) -> object_store::Result<AwsCredential> {
    let key_id = credentials.access_key_id();
    let token = credentials.session_token();
    for (what, text) in [("access key id", Some(key_id)), ("session token", token)] {
        if text.is_some_and(|text| HeaderValue::from_str(text).is_err()) {
            return Err(generic(aws_credential_strategies::Error::terminal(
                format!("the {what} cannot be sent: it does not fit into a header"),
            )));
        }
    }
    Ok(AwsCredential {
        key_id: key_id.to_owned(),
        secret_key: credentials.secret_access_key().to_owned(),
        token: token.map(ToOwned::to_owned),
    })
}

pub(crate) fn generic(error: aws_credential_strategies::Error) -> object_store::Error {
    object_store::Error::Generic {
        store: "S3",
        source: Box::new(error),
    }
}
