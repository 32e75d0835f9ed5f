//! Who assumes the role.

use super::base::{Base, Origin};
use super::web_identity::WebIdentity;

/// By what the caller proves who it is.
#[derive(Debug)]
pub(super) enum Proof {
    /// AWS credentials, which sign the call.
    Base(Base),
    /// A token that somebody else issued; nobody signs.
    WebIdentity(WebIdentity),
}

impl Proof {
    pub(super) fn origin(&self) -> Origin {
        match self {
            Proof::Base(base) => base.origin(),
            Proof::WebIdentity(_) => Origin::Unknown,
        }
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Proof::Base(base) => base.name(),
            Proof::WebIdentity(identity) => identity.name(),
        }
    }
}
