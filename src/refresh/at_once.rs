//! Until when every call is answered at once, with nothing to decide.

use super::clock::Now;

/// What the hot path compares both clocks with. Its tag is a byte of its own: one that is hidden in a nanosecond count
/// takes each call five instructions more to read.
#[repr(u8)]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum AtOnce {
    /// Until one of the clocks gets there.
    Until(Now),
    /// Each call has to be decided.
    #[default]
    Never,
    /// For as long as nothing changes.
    Always,
}

impl AtOnce {
    #[inline]
    pub(super) fn lasts(self, now: Now) -> bool {
        match self {
            AtOnce::Until(end) => now.wall < end.wall && now.mono < end.mono,
            AtOnce::Always => true,
            AtOnce::Never => false,
        }
    }

    /// No longer than until this point, where there is one.
    pub(super) fn at_most(self, bound: Option<Now>) -> Self {
        match (self, bound) {
            (AtOnce::Until(end), Some(bound)) => AtOnce::Until(end.earlier(bound)),
            (AtOnce::Always, Some(bound)) => AtOnce::Until(bound),
            (other, _) => other,
        }
    }
}
