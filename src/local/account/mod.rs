//! What the embedded cloud knows and decides: identities, their keys, roles, policies. It knows no
//! sockets; the servers ask it, and put its answers into AWS's words.

mod access;
mod authorize;
mod expression;
mod federation;
mod handout;
mod identity;
mod partiql;
mod policy;
mod role;
mod schema;
mod state;
mod variable;

pub use role::{DEFAULT_MAX_SESSION, Role, Trust};
pub use state::ROTATION_SHARE;

pub(super) use access::{Access, names_members, needed};
pub(super) use authorize::{
    Assumption, NewSession, ServiceCall, may_access, may_assume, may_federate, service_may_assume,
};
pub(super) use federation::{ClaimFault, OidcProvider, WebIdentity};
pub(super) use handout::Handout;
pub(super) use identity::{
    AccessKey, Identity, KeyFault, RoleSession, random_text, request_id, unique_id,
};
pub(super) use policy::{Policy, PolicySet, document};
pub(super) use role::check_account;
pub(super) use state::{Account, InstalledRole, InstanceProfile, timestamp};
