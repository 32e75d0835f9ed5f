//! What a person or a dashboard sees of a pool.

use crate::refresh::{LastError, Stage, Status};
use serde::Serialize;

/// Of so many failing roles [`PoolStatus::failing`] tells; `failing_roles` counts all.
pub const MAX_FAILING_TOLD: usize = 100;

/// A snapshot of a [`RolePool`](super::RolePool); it holds no secret.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct PoolStatus {
    /// Roles that the pool holds now, those that only others hold not counted.
    pub roles: usize,
    /// Of these, nothing fetched yet.
    pub cold: usize,
    /// Of these, with more life left than their refresh window.
    pub fresh: usize,
    /// Of these, within it.
    pub advisory: usize,
    /// Of these, in their last minute or rejected by a service.
    pub mandatory: usize,
    /// Of these, expired.
    pub expired: usize,
    /// Of these, with a failure that stands.
    pub failing_roles: usize,
    /// Which ones, the first [`MAX_FAILING_TOLD`].
    pub failing: Vec<FailingRole>,
    /// Roles for which a refresh is planned; the others have nothing to wake for.
    pub planned: usize,
    /// How often the one timer has woken.
    pub wake_ups: u64,
    /// Roles that were let go because the pool was full.
    pub evicted: u64,
    /// Calls to STS under way.
    pub in_flight: usize,
    /// Fetches that wait for their turn.
    pub queued: usize,
    /// Calls to STS in the last 60 s.
    pub calls_last_minute: u64,
    /// Calls to STS so far.
    pub calls: u64,
    /// Of these, throttled.
    pub throttled: u64,
    /// How many calls a second are made at most, since STS throttled; `None` while it did not.
    pub calls_per_second: Option<f64>,
}

/// A role of a pool whose last fetch failed.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct FailingRole {
    /// The ARN of the role.
    pub role_arn: String,
    /// The name of the session.
    pub session_name: Option<String>,
    /// What became of its last fetch.
    pub last_error: LastError,
}

impl PoolStatus {
    pub(super) fn count(&mut self, role_arn: &str, session_name: Option<&str>, status: Status) {
        self.roles += 1;
        match status.stage {
            Stage::Cold => self.cold += 1,
            Stage::Fresh => self.fresh += 1,
            Stage::Advisory => self.advisory += 1,
            Stage::Mandatory => self.mandatory += 1,
            Stage::Expired => self.expired += 1,
        }
        if let Some(last_error) = status.last_error {
            self.failing_roles += 1;
            if self.failing.len() < MAX_FAILING_TOLD {
                self.failing.push(FailingRole {
                    role_arn: role_arn.to_owned(),
                    session_name: session_name.map(str::to_owned),
                    last_error,
                });
            }
        }
    }
}
