//! The credential that is served.

use super::clock::Now;
use super::policy::RefreshPolicy;
use super::window::{Life, Stage};
use aws_credential_types::Credentials;
use aws_credential_types::credential_feature::AwsCredentialFeature;
use aws_smithy_runtime_api::client::identity::Identity;
use std::sync::Arc;
use std::time::SystemTime;

/// The credential that is served.
#[derive(Clone, Debug)]
pub(super) struct Held {
    /// Without the properties that the SDK puts on credentials: they would be copied with each clone.
    pub(super) credentials: Arc<Credentials>,
    /// The same in the same memory, ready for the SDK, and with what its user agent tells of the source.
    pub(super) identity: Identity,
    pub(super) life: Life,
    pub(super) fetched_at: SystemTime,
    pub(super) standing: Standing,
}

/// What services said of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing against it.
    #[default]
    Good,
    /// Rejected, and being replaced at once.
    Rejected,
    /// Rejected as one of a row: the service may be at fault. It is served, and replaced at a pace.
    Suspected,
    /// Rejected, and the source brought it again for that.
    Returned,
}

impl Held {
    pub(super) fn new(
        (source, fetched): (&'static str, &Credentials),
        policy: &RefreshPolicy,
        now: Now,
    ) -> Self {
        let (credentials, identity) = plain_and_decorated(source, fetched);
        Held {
            credentials,
            identity,
            life: Life::starting(fetched.expiry(), now, policy),
            fetched_at: now.wall,
            standing: Standing::Good,
        }
    }

    /// The same document came again: what decorates it is taken from the newest answer.
    pub(super) fn confirm(&mut self, (source, fetched): (&'static str, &Credentials), now: Now) {
        (self.credentials, self.identity) = plain_and_decorated(source, fetched);
        self.life = self.life.confirmed(now);
    }

    /// What is rejected is mandatory at least.
    pub(super) fn stage(&self, now: Now) -> Stage {
        let by_time = self.life.stage(now);
        if self.standing == Standing::Rejected {
            by_time.max(Stage::Mandatory)
        } else {
            by_time
        }
    }

    /// Whether nothing speaks against it but a service that rejected it: it is being replaced, and may be as good
    /// as before for whoever was not rejected.
    pub(super) fn is_disputed(&self, now: Now) -> bool {
        self.standing == Standing::Rejected && self.life.stage(now) < Stage::Mandatory
    }

    pub(super) fn is_live(&self, now: Now) -> bool {
        !self.life.left(now).is_over()
    }

    pub(super) fn key_id(&self) -> &str {
        self.credentials.access_key_id()
    }

    /// Whether this is the very same key: id, secret and session token.
    pub(super) fn is_key(&self, other: &Credentials) -> bool {
        self.key_id() == other.access_key_id()
            && self.credentials.secret_access_key() == other.secret_access_key()
            && self.credentials.session_token() == other.session_token()
    }

    /// Whether this is the same document: the same key, ending at the same time.
    pub(super) fn is_document(&self, other: &Credentials) -> bool {
        self.is_key(other) && self.life.expiry == other.expiry()
    }

    /// Whether this key came with another secret or token, ending at the same time.
    pub(super) fn is_mended_by(&self, other: &Credentials) -> bool {
        self.key_id() == other.access_key_id() && self.life.expiry == other.expiry()
    }

    /// Whether an answer that arrives now ends before this does, by the life that either has left.
    pub(super) fn outlives(&self, other: &Life, now: Now) -> bool {
        let both_end = self.life.expiry.is_some() && other.expiry.is_some();
        both_end && self.life.remaining(now) > other.lifetime
    }
}

/// The fetched credentials without properties, and as an identity that has them.
fn plain_and_decorated(
    source: &'static str,
    fetched: &Credentials,
) -> (Arc<Credentials>, Identity) {
    let Some(features) = fetched.get_property::<Vec<AwsCredentialFeature>>() else {
        return (Arc::new(fetched.clone()), Identity::from(fetched.clone()));
    };
    let mut plain = Credentials::builder()
        .access_key_id(fetched.access_key_id())
        .secret_access_key(fetched.secret_access_key())
        .provider_name(source);
    plain.set_session_token(fetched.session_token().map(str::to_owned));
    plain.set_expiry(fetched.expiry());
    plain.set_account_id(fetched.account_id().cloned());
    let plain = plain.build();
    let mut decorated = plain.clone();
    decorated.set_property(features.clone());
    (Arc::new(plain), Identity::from(decorated))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::Instant;

    #[test]
    fn only_what_ends_can_outlive_or_be_outlived() {
        let now = Now {
            wall: SystemTime::UNIX_EPOCH,
            mono: Instant::now(),
        };
        let held = |seconds: Option<u64>| {
            let expiry = seconds.map(|seconds| now.wall + Duration::from_secs(seconds));
            let credentials = Credentials::new("KEY", "s", None, expiry, "test");
            Held::new(("test", &credentials), &RefreshPolicy::default(), now)
        };
        let outlives = |one, other| held(one).outlives(&held(other).life, now);
        assert!(outlives(Some(3600), Some(900)));
        assert!(!outlives(Some(900), Some(3600)) && !outlives(Some(900), Some(900)));
        assert!(!outlives(None, Some(3600)) && !outlives(Some(3600), None));
    }
}
