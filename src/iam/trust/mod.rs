//! Trust policies: who may assume a role.

mod builder;
mod oidc_provider;
mod policy;

pub use builder::TrustPolicyBuilder;
pub use oidc_provider::OidcProvider;
pub use policy::{TrustPolicy, TrustStatement};
