//! Who may do what: the one place that decides.
//!
//! The servers ask here and put the answer into AWS's words; nothing else in `local` looks at a trust.

use super::account::InstalledRole;
use super::identity::Identity;
use super::role::{Principal, Trust};

/// An `AssumeRole` call, as far as a trust policy can see it.
pub(super) struct Assumption<'a> {
    pub(super) caller: &'a Identity,
    pub(super) external_id: Option<&'a str>,
    pub(super) with_mfa: bool,
}

/// Whether the role's trust admits the call.
pub(super) fn may_assume(role: &InstalledRole, call: &Assumption<'_>) -> bool {
    let Trust {
        principals,
        external_id,
        needs_mfa,
    } = &role.trust;
    let named = principals
        .iter()
        .any(|principal| names(principal, call.caller));
    // a role without an external id condition ignores the one it is given, as AWS does
    let external_id_holds = external_id
        .as_deref()
        .is_none_or(|expected| call.external_id == Some(expected));
    named && external_id_holds && (call.with_mfa || !needs_mfa)
}

/// Whether the role's trust admits a service, for example `ec2.amazonaws.com`.
pub(super) fn service_may_assume(role: &InstalledRole, service: &str) -> bool {
    role.trust
        .principals
        .iter()
        .any(|principal| matches!(principal, Principal::Service(admitted) if admitted == service))
}

fn names(principal: &Principal, caller: &Identity) -> bool {
    match principal {
        Principal::Account(account) => account == caller.account(),
        Principal::Arn(arn) => match caller {
            Identity::Role(session) => *arn == session.role_arn || *arn == caller.arn(),
            Identity::User { .. } => *arn == caller.arn(),
        },
        Principal::Service(_) => false,
    }
}
