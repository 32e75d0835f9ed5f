//! Sessions that are handed out to everybody who asks, until it is time for a new one.

use super::identity::AccessKey;
use std::time::{Duration, SystemTime};

/// The session that is handed out at the moment, if one is.
#[derive(Clone, Debug, Default)]
pub(in crate::local) struct Handout(Option<Current>);

#[derive(Clone, Debug)]
struct Current {
    key: AccessKey,
    role_arn: String,
    rotate_at: SystemTime,
}

impl Handout {
    /// The key handed out already, or a new one: at the point of rotation unless it is to be kept, and
    /// when the role is another. `issue` makes it, and says for how long it is handed out.
    pub(in crate::local) fn key(
        &mut self,
        role_arn: &str,
        now: SystemTime,
        keep: bool,
        issue: impl FnOnce() -> (AccessKey, Duration),
    ) -> AccessKey {
        if let Some(current) = &self.0
            && current.role_arn == role_arn
            && (keep || now < current.rotate_at)
        {
            return current.key.clone();
        }
        let (key, rotate_after) = issue();
        self.0 = Some(Current {
            key: key.clone(),
            role_arn: role_arn.to_owned(),
            rotate_at: now + rotate_after,
        });
        key
    }

    /// Hands out a new one next time, if the current one is this or in any case; what is to be kept
    /// is kept.
    pub(in crate::local) fn renew(&mut self, key_id: Option<&str>) {
        if let Some(current) = &mut self.0
            && key_id.is_none_or(|id| id == current.key.id)
        {
            current.rotate_at = SystemTime::UNIX_EPOCH;
        }
    }

    /// Hands out a new one next time, whatever happens.
    pub(in crate::local) fn forget(&mut self) {
        self.0 = None;
    }
}
