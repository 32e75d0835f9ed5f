//! What a fetch is doing, for whoever waits for it in vain.

use crate::error::text::{Quoted, Secrets};
use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

tokio::task_local! {
    /// The fetch that this task is about.
    static CURRENT: Progress;
}

/// What a fetch is doing and what failed within it so far: said by the source, read by the cache when a
/// caller stops waiting.
#[derive(Clone, Default)]
pub(crate) struct Progress(Arc<Mutex<Doing>>);

#[derive(Clone, Debug, Default)]
struct Doing {
    step: Option<Cow<'static, str>>,
    failure: Option<String>,
}

impl Progress {
    /// Runs a fetch that reports here.
    pub(crate) async fn of<T>(&self, fetch: impl Future<Output = T>) -> T {
        CURRENT.scope(self.clone(), fetch).await
    }

    /// The last step that was reported.
    pub(crate) fn step(&self) -> Option<Cow<'static, str>> {
        self.doing().step.clone()
    }

    /// The last failure within the fetch.
    pub(crate) fn failure(&self) -> Option<String> {
        self.doing().failure.clone()
    }

    /// Never held across an await or a call of anybody's.
    fn doing(&self) -> MutexGuard<'_, Doing> {
        self.0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let doing = self.doing();
        f.debug_struct("Progress")
            .field("step", &doing.step)
            .field("failure", &doing.failure)
            .finish()
    }
}

/// Says what the fetch of this task does now, in words that fit behind "it was": "connecting", "waiting
/// for the session token". For [`CredentialSource`](crate::CredentialSource)s; without effect elsewhere.
///
/// Whoever waits for the fetch in vain finds it in the error. It costs a lock that nobody contends for.
pub fn report_step(step: impl Into<Cow<'static, str>>) {
    let _ = CURRENT.try_with(|progress| progress.doing().step = Some(step.into()));
}

/// Says what has failed within the fetch of this task, which goes on: a try that is followed by another.
/// Cut to 300 characters, and whatever looks like a secret is struck out; without effect outside of a fetch.
pub fn report_failure(failure: impl fmt::Display) {
    let _ = CURRENT.try_with(|progress| {
        let line = Quoted::new(&failure.to_string(), &Secrets::unknown());
        progress.doing().failure = Some(line.as_str().to_owned());
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_fetch_reports_is_seen_by_who_holds_its_progress_and_by_nobody_else() {
        let (one, other) = (Progress::default(), Progress::default());
        one.of(async {
            report_step("connecting");
            report_failure("refused");
        })
        .await;
        report_step("outside");
        assert_eq!(one.step().as_deref(), Some("connecting"));
        assert_eq!(one.failure().as_deref(), Some("refused"));
        assert_eq!((other.step(), other.failure()), (None, None));
    }
}
