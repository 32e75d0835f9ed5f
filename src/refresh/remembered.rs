//! What other rooms remember of a cache, without this one knowing what it is.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// One value that lives as long as the cache, whoever made it: what services made of its keys.
#[derive(Default)]
pub struct Remembered(OnceLock<Arc<dyn Any + Send + Sync>>);

impl Remembered {
    /// The one of all that ask, made by who asks first; there is one type of it.
    pub(crate) fn of_all<T: Default + Any + Send + Sync>(&self) -> Arc<T> {
        let any = self.0.get_or_init(|| Arc::new(T::default()));
        Arc::clone(any).downcast().unwrap_or_default()
    }
}

impl fmt::Debug for Remembered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Remembered")
    }
}
