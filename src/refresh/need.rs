//! Why the source is asked, and since when.

use tokio::time::Instant;

/// Why the source is asked, the weakest first. A stronger need takes the place of a weaker one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    /// Somebody asked for a fetch, or for a longer life than is left: theirs alone, nobody else waits.
    Forced,
    /// The advisory window is open.
    Window,
    /// The key in use is one of a row of rejected ones: it is replaced at a pace, and served meanwhile.
    Suspected,
    /// Nothing has been fetched yet.
    Cold,
    /// The last minute has come, or it is over.
    Mandatory,
    /// A service rejected the key in use.
    Rejected,
}

impl Reason {
    /// Whether calls wait for it.
    pub(super) fn is_urgent(self) -> bool {
        self >= Reason::Cold
    }
}

/// One need: at most one stands at a time.
///
/// Invariant: numbers only grow, and an attempt carries the number of the need that it began for. So an
/// attempt whose number is lower than that of the need at hand began before it, and neither its failure
/// nor its pause nor its bringing the old key says anything about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Need {
    pub(super) reason: Reason,
    /// When it was first seen.
    pub(super) since: Instant,
    pub(super) number: u64,
}
