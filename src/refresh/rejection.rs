//! What a rejection leads to.

/// What became of an [`invalidate`](crate::CredentialStrategy::invalidate).
///
/// A rejection is evidence against the key, or against the service that rejected it: a region that is not
/// enabled, the wrong partition, a revoked account refuse every key. Which of the two it is shows in what
/// becomes of the replacement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rejection {
    /// The key was in use and is now being replaced: repeat the request.
    Invalidated,
    /// The key is not the one in use, as when it has been replaced already: repeat the request.
    NotCurrent,
    /// Nothing but this key is to be had for now: a refresh since the rejection brought it again, or failed.
    /// Do not repeat.
    SameKeyAgain,
    /// The key replaced one that was rejected, and nobody has [accepted](crate::CredentialCache::accepted)
    /// a key since: do not repeat. It is served on, at once, and replaced after a pause that grows with
    /// the row of rejections.
    Suspected,
}
