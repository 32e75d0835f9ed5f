//! Environment variables, readable from a map in tests.

use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Where variables are read from; a variable that is empty counts as unset, as in the AWS SDKs.
#[derive(Clone)]
pub(crate) struct Env(Arc<dyn Fn(&str) -> Option<Result<String>> + Send + Sync>);

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

    /// Exactly these variables.
    #[cfg_attr(not(test), expect(dead_code, reason = "unit tests"))]
    pub(crate) fn from_pairs<const N: usize>(pairs: [(&str, &str); N]) -> Self {
        let variables: BTreeMap<String, String> = pairs
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Env(Arc::new(move |name| variables.get(name).cloned().map(Ok)))
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
