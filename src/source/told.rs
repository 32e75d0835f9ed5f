//! The causes of somebody else's error, as text.

use std::error::Error as StdError;
use std::fmt;

/// How many layers are kept; a longer chain is a loop or noise.
const DEPTH_LIMIT: usize = 16;

/// One layer of a chain of causes: what it says, without what it holds.
///
/// An SDK error holds the raw response, and its `Debug` prints it; a chain that is kept as text cannot
/// show more than its `Display` did.
pub(crate) struct Told {
    text: String,
    next: Option<Box<Told>>,
}

impl Told {
    /// The chain that starts with this error.
    pub(crate) fn chain(error: &(dyn StdError + 'static)) -> Self {
        Self::layers(error, DEPTH_LIMIT)
    }

    fn layers(error: &(dyn StdError + 'static), left: usize) -> Self {
        Told {
            text: error.to_string(),
            next: error
                .source()
                .filter(|_| left > 0)
                .map(|next| Box::new(Self::layers(next, left - 1))),
        }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl StdError for Told {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.next
            .as_deref()
            .map(|next| next as &(dyn StdError + 'static))
    }
}
