//! What serde finds on the way between Rust values and attributes, with the place where it is.

use std::fmt;

/// What does not fit, and which attribute it is; the place is put together on the way out, so that it
/// costs nothing where all is well.
#[derive(Debug)]
pub(crate) struct Fault {
    message: String,
    place: Option<String>,
}

impl Fault {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Fault {
            message: message.into(),
            place: None,
        }
    }

    /// The attribute, as a path such as `list[1].x`; `None` for the whole.
    pub(crate) fn place(&self) -> Option<&str> {
        self.place.as_deref()
    }

    pub(crate) fn in_member(self, name: &str) -> Self {
        self.within(name.to_owned())
    }

    pub(crate) fn in_element(self, index: usize) -> Self {
        self.within(format!("[{index}]"))
    }

    fn within(mut self, step: String) -> Self {
        self.place = Some(match self.place {
            None => step,
            Some(rest) if rest.starts_with('[') => step + &rest,
            Some(rest) => format!("{step}.{rest}"),
        });
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

impl serde::ser::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Fault::new(message.to_string())
    }
}

impl serde::de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Fault::new(message.to_string())
    }
}
