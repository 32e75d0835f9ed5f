//! Where in an item a value is: an attribute, a member of a map, an element of a list.

use super::expressions::{Expressions, checked_length};
use crate::error::{Error, Result};
use std::fmt::{self, Write as _};

/// A document path: which part of an item is meant.
///
/// A text is split at `.` and `[n]`, as in DynamoDB's own expressions: `"address.lines[0]"`. A name
/// that contains a dot or a bracket is written with [`path!`](crate::path), which splits nothing.
/// Every name travels as a placeholder, so reserved words need no care.
///
/// ```
/// use aws_credential_strategies::{path, table::Path};
///
/// let street = Path::from("address.lines[0]");
/// assert_eq!(street, path!["address", "lines", 0]);
/// assert_ne!(Path::from("a.b"), path!["a.b"]);
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Path(Vec<Step>);

/// One step of a [`Path`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// Into a list, counted from 0.
    Index(usize),
    /// A text that cannot be read as a path; the error comes at `send`.
    Malformed(String),
    /// Into an item or a map.
    Name(String),
}

impl Path {
    /// The path of these steps, each taken literally.
    #[must_use]
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Path(steps.into_iter().collect())
    }

    /// One top-level attribute, whatever characters are in its name.
    pub(crate) fn attribute(name: impl Into<String>) -> Self {
        Path(vec![Step::Name(name.into())])
    }

    pub(crate) fn check(&self) -> Result<()> {
        let problem = match self.0.first() {
            None => Some("expected at least one attribute name".to_owned()),
            Some(Step::Index(_)) => {
                Some("expected an attribute name first, then an index".to_owned())
            }
            _ => self.0.iter().find_map(|step| match step {
                Step::Malformed(text) => Some(format!(
                    "expected a path such as a.b[0], not {text:?}; a name with a dot or a bracket is written path![{text:?}]"
                )),
                Step::Name(name) if name.is_empty() => {
                    Some("expected attribute names that are not empty".to_owned())
                }
                _ => None,
            }),
        };
        problem.map_or(Ok(()), |problem| {
            Err(Error::usage(format!("attribute {self}"), problem))
        })
    }

    pub(crate) fn render(&self, out: &mut String, expressions: &mut Expressions) -> Result<()> {
        self.check()?;
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => {
                    // writing to a String does not fail
                    let _ = write!(out, "[{index}]");
                }
                Step::Malformed(name) | Step::Name(name) => {
                    if position > 0 {
                        out.push('.');
                    }
                    expressions.name(name, out);
                }
            }
        }
        Ok(())
    }

    fn parse(text: &str) -> Option<Vec<Step>> {
        let mut steps = Vec::new();
        for part in text.split('.') {
            let (name, mut rest) = match part.find('[') {
                Some(bracket) => part.split_at(bracket),
                None => (part, ""),
            };
            if name.is_empty() {
                return None;
            }
            steps.push(Step::Name(name.to_owned()));
            while !rest.is_empty() {
                let (index, after) = rest.strip_prefix('[')?.split_once(']')?;
                if index.is_empty() || !index.bytes().all(|b| b.is_ascii_digit()) {
                    return None;
                }
                steps.push(Step::Index(index.parse().ok()?));
                rest = after;
            }
        }
        Some(steps)
    }
}

impl From<&str> for Path {
    fn from(text: &str) -> Self {
        Path(Path::parse(text).unwrap_or_else(|| vec![Step::Malformed(text.to_owned())]))
    }
}

impl From<&&str> for Path {
    fn from(text: &&str) -> Self {
        Path::from(*text)
    }
}

impl From<String> for Path {
    fn from(text: String) -> Self {
        Path::from(text.as_str())
    }
}

impl From<&String> for Path {
    fn from(text: &String) -> Self {
        Path::from(text.as_str())
    }
}

impl From<&Path> for Path {
    fn from(path: &Path) -> Self {
        path.clone()
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Malformed(name) | Step::Name(name) => {
                    let dot = if position > 0 { "." } else { "" };
                    write!(f, "{dot}{name}")?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

impl From<&str> for Step {
    fn from(name: &str) -> Self {
        Step::Name(name.to_owned())
    }
}

impl From<String> for Step {
    fn from(name: String) -> Self {
        Step::Name(name)
    }
}

impl From<usize> for Step {
    fn from(index: usize) -> Self {
        Step::Index(index)
    }
}

/// A projection expression: these paths and no others.
pub(crate) fn projection(paths: &[Path], expressions: &mut Expressions) -> Result<String> {
    if paths.is_empty() {
        return Err(Error::usage("project", "expected at least one path"));
    }
    let mut text = String::new();
    for (position, path) in paths.iter().enumerate() {
        if position > 0 {
            text.push_str(", ");
        }
        path.render(&mut text, expressions)?;
    }
    checked_length("project", text)
}

/// A [`Path`](crate::table::Path) whose names are taken literally: `path!["a.b", 0, "c"]`.
#[macro_export]
macro_rules! path {
    [$($step:expr),+ $(,)?] => {
        $crate::table::Path::new([$($crate::table::Step::from($step)),+])
    };
}
