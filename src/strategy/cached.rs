//! What every strategy of this crate does with the cache it is.

/// A strategy with a field `cache`: the methods it has without the trait, the trait, the SDK's provider, and
/// itself as the base of another role.
macro_rules! strategy_of_a_cache {
    ($strategy:ty, $source:ty) => {
        impl $strategy {
            /// Fetches now, whatever pause is in force, and returns what came; see
            /// [`CredentialCache::refresh`](crate::CredentialCache::refresh).
            ///
            /// # Errors
            ///
            /// That of the fetch, even while the credentials held are valid, of the kinds that
            /// [`CredentialCache::refresh`](crate::CredentialCache::refresh) names.
            ///
            /// # Panics
            ///
            /// In a tokio runtime without its time driver, as every tokio timer does.
            ///
            /// # Cancel safety
            ///
            /// The fetch goes on without the caller, for all others and for the cache.
            ///
            /// # Concurrent calls
            ///
            /// Share one fetch; there is at most one a second.
            pub async fn refresh(&self) -> $crate::Result<aws_credential_types::Credentials> {
                self.cache.refresh().await
            }

            /// Credentials that live for at least `min`, for presigned URLs and long uploads; see
            /// [`CredentialCache::credentials_valid_for`](crate::CredentialCache::credentials_valid_for).
            ///
            /// # Errors
            ///
            /// When even new credentials live shorter; else as in [`refresh`](Self::refresh).
            ///
            /// # Panics
            ///
            /// As in [`refresh`](Self::refresh).
            ///
            /// # Cancel safety
            ///
            /// As in [`refresh`](Self::refresh).
            ///
            /// # Concurrent calls
            ///
            /// Share one fetch.
            pub async fn credentials_valid_for(
                &self,
                min: std::time::Duration,
            ) -> $crate::Result<aws_credential_types::Credentials> {
                self.cache.credentials_valid_for(min).await
            }

            /// News of every fetch that ended and every rejection that counted, as a
            /// [`Status`](crate::Status) at that moment; see
            /// [`CredentialCache::subscribe`](crate::CredentialCache::subscribe).
            #[must_use]
            pub fn subscribe(&self) -> tokio::sync::watch::Receiver<$crate::refresh::Status> {
                self.cache.subscribe()
            }

            /// The source below, for what it can tell beyond credentials.
            #[must_use]
            pub fn source(&self) -> &$source {
                self.cache.source()
            }
        }

        #[async_trait::async_trait]
        impl $crate::strategy::CredentialStrategy for $strategy {
            fn name(&self) -> &'static str {
                $crate::source::CredentialSource::name(self.cache.source())
            }

            async fn credentials(&self) -> $crate::Result<aws_credential_types::Credentials> {
                self.cache.credentials().await
            }

            async fn warm(&self) -> $crate::Result<()> {
                $crate::strategy::CredentialStrategy::warm(&self.cache).await
            }

            async fn credentials_valid_for(
                &self,
                min: std::time::Duration,
            ) -> $crate::Result<aws_credential_types::Credentials> {
                self.cache.credentials_valid_for(min).await
            }

            async fn refresh(&self) -> $crate::Result<aws_credential_types::Credentials> {
                self.cache.refresh().await
            }

            fn current(&self) -> Option<std::sync::Arc<aws_credential_types::Credentials>> {
                self.cache.current()
            }

            #[inline(always)]
            fn current_identity(
                &self,
            ) -> Option<aws_smithy_runtime_api::client::identity::Identity> {
                self.cache.current_identity()
            }

            fn invalidate(&self, rejected: &str) -> $crate::refresh::Rejection {
                self.cache.invalidate(rejected)
            }

            fn accepted(&self, key_id: &str) {
                $crate::strategy::CredentialStrategy::accepted(&self.cache, key_id);
            }

            fn disputed_identity(
                &self,
            ) -> Option<aws_smithy_runtime_api::client::identity::Identity> {
                self.cache.disputed_identity()
            }

            fn weak(&self) -> Option<$crate::strategy::WeakStrategy> {
                self.cache.weak()
            }

            fn remembered(&self) -> Option<&$crate::refresh::Remembered> {
                Some(self.cache.remembered())
            }

            fn status(&self) -> $crate::refresh::Status {
                self.cache.status()
            }

            fn subscribe(&self) -> tokio::sync::watch::Receiver<$crate::refresh::Status> {
                self.cache.subscribe()
            }
        }

        impl aws_credential_types::provider::ProvideCredentials for $strategy {
            fn provide_credentials<'a>(
                &'a self,
            ) -> aws_credential_types::provider::future::ProvideCredentials<'a>
            where
                Self: 'a,
            {
                self.cache.provide_credentials()
            }

            fn fallback_on_interrupt(&self) -> Option<aws_credential_types::Credentials> {
                self.cache.fallback_on_interrupt()
            }
        }

        impl From<$strategy> for $crate::source::Base {
            fn from(strategy: $strategy) -> Self {
                $crate::source::Base::strategy(strategy)
            }
        }
    };
}
pub(super) use strategy_of_a_cache;
