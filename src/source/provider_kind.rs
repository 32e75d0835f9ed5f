//! What is known of a provider beside that it is one.

/// Which of the providers that this crate makes, for errors that say what mends them.
// Those by name are made with feature `env`.
#[cfg_attr(not(feature = "env"), allow(dead_code))]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ProviderKind {
    Container,
    DefaultChain,
    Environment,
    /// Somebody else's, or of a kind that has nothing to add.
    Other,
    Process,
    /// By its name; `None` for the one that the environment names.
    Profile(Option<String>),
}

impl ProviderKind {
    pub(crate) fn subject(&self) -> Option<String> {
        match self {
            ProviderKind::Profile(Some(name)) => Some(name.clone()),
            _ => None,
        }
    }
}
