//! Environment variables, readable from a map in tests.

use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Where variables are read from; a variable that is empty counts as unset, as in the AWS SDKs.
#[derive(Clone)]
pub(crate) struct Env(Arc<Read>);

type Read = dyn Fn(&str) -> Option<Result<String>> + Send + Sync;

impl Env {
    /// The process's own variables.
    pub(crate) fn process() -> Self {
        Env(Arc::new(|name| {
            let value = std::env::var_os(name)?;
            Some(value.into_string().map_err(|_| {
                Error::usage(
                    name.to_owned(),
                    "expected UTF-8 in this environment variable",
                )
            }))
        }))
    }

    /// No variables.
    pub(crate) fn empty() -> Self {
        Env(Arc::new(|_| None))
    }

    /// Exactly these variables.
    pub(crate) fn from_variables<N: Into<String>, V: Into<String>>(
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let variables: BTreeMap<String, String> = variables
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        Env(Arc::new(move |name| variables.get(name).cloned().map(Ok)))
    }

    #[cfg(test)]
    pub(crate) fn from_pairs<const N: usize>(pairs: [(&str, &str); N]) -> Self {
        Env::from_variables(pairs)
    }

    /// These, until they are unset.
    #[cfg(test)]
    pub(crate) fn until<const N: usize>(
        unset: Arc<std::sync::atomic::AtomicBool>,
        pairs: [(&str, &str); N],
    ) -> Self {
        let set = Env::from_pairs(pairs);
        Env(Arc::new(move |name| {
            let is_unset = unset.load(std::sync::atomic::Ordering::SeqCst);
            (set.0)(name).filter(|_| !is_unset)
        }))
    }

    /// This one alone, which is not UTF-8.
    #[cfg(test)]
    pub(crate) fn garbled(variable: &'static str) -> Self {
        Env(Arc::new(move |name| {
            (name == variable).then(|| Err(Error::usage(variable, "expected UTF-8")))
        }))
    }

    /// The value, trimmed; `None` when unset or blank.
    pub(crate) fn var(&self, name: &str) -> Result<Option<String>> {
        let Some(value) = (self.0)(name) else {
            return Ok(None);
        };
        let value = value?;
        let value = value.trim();
        Ok((!value.is_empty()).then(|| value.to_owned()))
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Env")
    }
}
