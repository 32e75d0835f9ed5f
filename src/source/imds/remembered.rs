//! What a source keeps from one fetch to the next: never credentials.

use arc_swap::ArcSwapOption;
use hyper::header::HeaderValue;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// Roles and documents with the account id, where the service has it.
const EXTENDED_PATH: &str = "/latest/meta-data/iam/security-credentials-extended/";
const PLAIN_PATH: &str = "/latest/meta-data/iam/security-credentials/";

/// What makes the next fetch cheaper.
#[derive(Default)]
pub(super) struct Remembered {
    /// The role that the service listed. Read without a lock, since a `Status` shows it.
    role: ArcSwapOption<String>,
    memory: Mutex<Memory>,
}

#[derive(Default)]
pub(super) struct Memory {
    pub(super) token: Option<Token>,
    pub(super) tree: Tree,
    /// The extended path has answered once.
    pub(super) extended_answered: bool,
}

/// Which of the two paths the service has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tree {
    /// With account id; also what is assumed before the first answer.
    #[default]
    Extended,
    Plain,
}

impl Tree {
    pub(super) fn path(self) -> &'static str {
        match self {
            Tree::Extended => EXTENDED_PATH,
            Tree::Plain => PLAIN_PATH,
        }
    }
}

#[derive(Clone)]
pub(super) struct Token {
    /// Marked sensitive, so that no log shows it.
    pub(super) value: HeaderValue,
    pub(super) reuse_until: Instant,
}

impl Remembered {
    pub(super) fn listed_role(&self) -> Option<String> {
        self.role.load().as_deref().cloned()
    }

    pub(super) fn list_role(&self, role: Option<String>) {
        self.role.store(role.map(Arc::new));
    }

    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        // Each change is a single assignment, so a panic elsewhere leaves nothing half done.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
