//! What points to a strategy is a strategy: `Arc`, `Box` and `&'static`.

use super::{CredentialStrategy, WeakStrategy};
use crate::error::Result;
use crate::refresh::{Rejection, Remembered, Status};
use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::identity::Identity;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// What an async method of the trait returns, written out: `#[async_trait]` would put the strategy's box
/// into another one.
type Answer<'a, T = Credentials> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

macro_rules! forward {
    ($($pointer:ty),+) => {$(
        /// Every method is that of the strategy pointed to, those with a default included.
        impl<S: CredentialStrategy + ?Sized> CredentialStrategy for $pointer {
            fn name(&self) -> &'static str {
                (**self).name()
            }

            fn credentials<'life0, 'async_trait>(&'life0 self) -> Answer<'async_trait>
            where
                'life0: 'async_trait,
                Self: 'async_trait,
            {
                (**self).credentials()
            }

            fn warm<'life0, 'async_trait>(&'life0 self) -> Answer<'async_trait, ()>
            where
                'life0: 'async_trait,
                Self: 'async_trait,
            {
                (**self).warm()
            }

            fn credentials_valid_for<'life0, 'async_trait>(
                &'life0 self,
                min: Duration,
            ) -> Answer<'async_trait>
            where
                'life0: 'async_trait,
                Self: 'async_trait,
            {
                (**self).credentials_valid_for(min)
            }

            fn refresh<'life0, 'async_trait>(&'life0 self) -> Answer<'async_trait>
            where
                'life0: 'async_trait,
                Self: 'async_trait,
            {
                (**self).refresh()
            }

            fn current(&self) -> Option<Arc<Credentials>> {
                (**self).current()
            }

            #[inline]
            fn current_identity(&self) -> Option<Identity> {
                (**self).current_identity()
            }

            fn invalidate(&self, rejected: &str) -> Rejection {
                (**self).invalidate(rejected)
            }

            fn accepted(&self, key_id: &str) {
                (**self).accepted(key_id);
            }

            fn disputed_identity(&self) -> Option<Identity> {
                (**self).disputed_identity()
            }

            fn weak(&self) -> Option<WeakStrategy> {
                (**self).weak()
            }

            fn remembered(&self) -> Option<&Remembered> {
                (**self).remembered()
            }

            fn status(&self) -> Status {
                (**self).status()
            }

            fn subscribe(&self) -> watch::Receiver<Status> {
                (**self).subscribe()
            }
        }
    )+};
}

forward!(Arc<S>, Box<S>, &'static S);
