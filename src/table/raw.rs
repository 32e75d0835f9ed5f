//! What a caller does to the SDK's request just before it is sent.

use crate::error::{Error, Result};
use std::sync::Arc;

type Change<F> = Box<dyn FnOnce(F) -> F + Send>;

/// Changes to the SDK's fluent builder, in the order given; none as a rule.
pub(crate) struct Raw<F>(Option<Change<F>>);

impl<F: 'static> Raw<F> {
    pub(crate) fn none() -> Self {
        Raw(None)
    }

    pub(crate) fn then(self, change: impl FnOnce(F) -> F + Send + 'static) -> Self {
        Raw(Some(match self.0 {
            Some(first) => Box::new(move |fluent| change(first(fluent))),
            None => Box::new(change),
        }))
    }

    pub(crate) fn apply(self, fluent: F) -> F {
        match self.0 {
            Some(change) => change(fluent),
            None => fluent,
        }
    }

    pub(crate) fn is_some(&self) -> bool {
        self.0.is_some()
    }

    /// A change to one request cannot be made to a part of another.
    pub(crate) fn refuse_in(&self, whole: &'static str) -> Result<()> {
        if self.is_some() {
            return Err(Error::usage(
                "raw",
                format!(
                    "expected an operation without raw(..) in a {whole}: it has no request of its own"
                ),
            ));
        }
        Ok(())
    }
}

/// Changes to each of the requests that a batch makes.
pub(crate) struct RawEach<F>(Option<Arc<dyn Fn(F) -> F + Send + Sync>>);

impl<F: 'static> RawEach<F> {
    pub(crate) fn none() -> Self {
        RawEach(None)
    }

    pub(crate) fn then(self, change: impl Fn(F) -> F + Send + Sync + 'static) -> Self {
        RawEach(Some(match self.0 {
            Some(first) => Arc::new(move |fluent| change(first(fluent))),
            None => Arc::new(change),
        }))
    }

    pub(crate) fn apply(&self, fluent: F) -> F {
        match &self.0 {
            Some(change) => change(fluent),
            None => fluent,
        }
    }
}

impl<F> Clone for RawEach<F> {
    fn clone(&self) -> Self {
        RawEach(self.0.clone())
    }
}
