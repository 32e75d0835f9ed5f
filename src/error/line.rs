//! The parts of an error's line that are figures.

use std::fmt;
use std::time::Duration;

/// Writes the facts that are known, in one pair of parentheses, or nothing.
pub(super) struct Facts<'a, 'f> {
    f: &'a mut fmt::Formatter<'f>,
    open: bool,
}

impl<'a, 'f> Facts<'a, 'f> {
    pub(super) fn new(f: &'a mut fmt::Formatter<'f>) -> Self {
        Facts { f, open: false }
    }

    pub(super) fn add(&mut self, name: &str, fact: Option<impl fmt::Display>) -> fmt::Result {
        let Some(fact) = fact else { return Ok(()) };
        let start = if self.open { ", " } else { " (" };
        self.open = true;
        write!(self.f, "{start}{name} {fact}")
    }

    pub(super) fn close(self) -> fmt::Result {
        if self.open {
            self.f.write_str(")")?;
        }
        Ok(())
    }
}

/// A time as people say it.
pub(super) struct Seconds(pub(super) Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < Duration::from_secs(1) {
            write!(f, "{} ms", self.0.as_millis())
        } else {
            write!(f, "{:.1} s", self.0.as_secs_f64())
        }
    }
}
