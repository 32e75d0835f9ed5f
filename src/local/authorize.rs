//! Who may do what: the one place that decides.
//!
//! The servers ask here and put the answer into AWS's words; nothing else in `local` looks at a trust
//! or at a policy. The order is that of the IAM user guide, "Policy evaluation logic", as far as one
//! account without organization policies goes: an explicit deny anywhere, then the session policy,
//! then the policies of the identity.

use super::access::Access;
use super::account::{Account, InstalledRole, timestamp};
use super::identity::{AccessKey, Identity};
use super::policy::{PolicySet, Verdict};
use super::role::{Principal, Trust};
use iam_rs::Context;
use serde_json::Value;
use std::time::SystemTime;

/// An access that is refused: what AWS says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Denial {
    pub(super) message: String,
}

/// Whether the holder of a key may do this to a table; `request` is the body, for condition keys.
pub(super) fn may_access(
    account: &Account,
    key: &AccessKey,
    access: &Access,
    request: &Value,
) -> Result<(), Denial> {
    let mut context = context(account, key);
    if let Some(enclosing) = access.enclosing {
        context = context.with_string("dynamodb:EnclosingOperation", enclosing);
    }
    for (member, condition_key) in [
        ("ReturnValues", "dynamodb:ReturnValues"),
        ("Select", "dynamodb:Select"),
    ] {
        if let Some(value) = request.get(member).and_then(Value::as_str) {
            context = context.with_string(condition_key, value);
        }
    }
    let Access {
        action, resource, ..
    } = access;
    let verdicts = Verdicts::of(account, key, action, resource, &context);
    verdicts
        .refusal()
        .map_or(Ok(()), |why| Err(denial(key, action, resource, &why)))
}

/// An `AssumeRole` call, as far as a trust policy can see it.
pub(super) struct Assumption<'a> {
    pub(super) caller: &'a AccessKey,
    pub(super) external_id: Option<&'a str>,
    pub(super) with_mfa: bool,
}

/// Whether the role admits the call, and whether the caller's own policies let it be made.
pub(super) fn may_assume(account: &Account, role: &InstalledRole, call: &Assumption<'_>) -> bool {
    let Trust {
        principals,
        external_id,
        needs_mfa,
    } = &role.trust;
    let identity = &call.caller.identity;
    let named = principals
        .iter()
        .filter_map(|principal| admission(principal, identity))
        .max();
    let Some(admission) = named else {
        return false;
    };
    // a role without an external id condition ignores the one it is given, as AWS does
    let external_id_holds = external_id
        .as_deref()
        .is_none_or(|expected| call.external_id == Some(expected));
    if !external_id_holds || (*needs_mfa && !call.with_mfa) {
        return false;
    }
    let context = context(account, call.caller);
    let verdicts = Verdicts::of(account, call.caller, "sts:AssumeRole", &role.arn, &context);
    // named itself, and in the role's account, a caller needs no permission of its own
    if admission == Admission::Named && role.account == identity.account() {
        verdicts.session == Verdict::Allowed && verdicts.identity != Verdict::Forbidden
    } else {
        verdicts.refusal().is_none()
    }
}

/// Whether the role's trust admits a service, for example `ec2.amazonaws.com`.
pub(super) fn service_may_assume(role: &InstalledRole, service: &str) -> bool {
    role.trust
        .principals
        .iter()
        .any(|principal| matches!(principal, Principal::Service(admitted) if admitted == service))
}

/// How a trust admits a caller; the later is the stronger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Admission {
    /// Through its account, which leaves the rest to the caller's own policies.
    ByAccount,
    /// By its own ARN.
    Named,
}

fn admission(principal: &Principal, caller: &Identity) -> Option<Admission> {
    match principal {
        Principal::Account(account) => {
            (account == caller.account()).then_some(Admission::ByAccount)
        }
        Principal::Arn(arn) => {
            let named = match caller {
                Identity::Role(session) => *arn == session.role_arn || *arn == caller.arn(),
                Identity::User { .. } => *arn == caller.arn(),
            };
            named.then_some(Admission::Named)
        }
        Principal::Service(_) => None,
    }
}

/// What the two kinds of policies say; where there are none, everything is allowed.
struct Verdicts {
    session: Verdict,
    identity: Verdict,
}

impl Verdicts {
    fn of(
        account: &Account,
        key: &AccessKey,
        action: &str,
        resource: &str,
        context: &Context,
    ) -> Self {
        let principal = key.identity.arn();
        let verdict = |policies: Option<&PolicySet>| {
            policies.map_or(Verdict::Allowed, |policies| {
                policies.verdict(&principal, action, resource, context)
            })
        };
        Verdicts {
            session: verdict(key.session_policies.as_deref()),
            identity: verdict(account.policies_of(&key.identity).as_ref()),
        }
    }

    /// Why it is refused, if it is.
    fn refusal(&self) -> Option<Why> {
        match (self.identity, self.session) {
            (Verdict::Forbidden, _) => Some(Why::Forbidden("an identity-based policy")),
            (_, Verdict::Forbidden) => Some(Why::Forbidden("a session policy")),
            (_, Verdict::NotAllowed) => Some(Why::NotAllowed("session")),
            (Verdict::NotAllowed, _) => Some(Why::NotAllowed("identity-based")),
            (Verdict::Allowed, Verdict::Allowed) => None,
        }
    }
}

enum Why {
    Forbidden(&'static str),
    NotAllowed(&'static str),
}

/// AWS's sentence.
fn denial(key: &AccessKey, action: &str, resource: &str, why: &Why) -> Denial {
    let caller = key.identity.arn();
    let because = match why {
        Why::Forbidden(policy) => format!("with an explicit deny in {policy}"),
        Why::NotAllowed(kind) => format!("because no {kind} policy allows the {action} action"),
    };
    Denial {
        message: format!(
            "User: {caller} is not authorized to perform: {action} on resource: {resource} {because}"
        ),
    }
}

/// The condition keys that every request carries.
fn context(account: &Account, key: &AccessKey) -> Context {
    let now = account.now();
    let epoch = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs() as f64);
    let identity = &key.identity;
    let mut context = Context::new()
        .with_string("aws:CurrentTime", timestamp(now))
        .with_number("aws:EpochTime", epoch)
        .with_string("aws:PrincipalAccount", identity.account())
        .with_string("aws:RequestedRegion", &account.region)
        .with_string("aws:ResourceAccount", identity.account())
        .with_boolean("aws:SecureTransport", false)
        .with_string("aws:SourceIp", "127.0.0.1")
        .with_string("aws:userid", identity.user_id());
    match identity {
        Identity::Role(session) => {
            context = context
                .with_string("aws:PrincipalArn", &session.role_arn)
                .with_string("aws:PrincipalType", "AssumedRole")
                .with_string("aws:TokenIssueTime", timestamp(key.issued_at));
            if let Some(source) = &session.source_identity {
                context = context.with_string("aws:SourceIdentity", source);
            }
            for (tag, value) in &session.tags {
                context = context.with_string(format!("aws:PrincipalTag/{tag}"), value);
            }
        }
        Identity::User { name, .. } => {
            context = context
                .with_string("aws:PrincipalArn", identity.arn())
                .with_string("aws:PrincipalType", "User")
                .with_string("aws:username", name);
        }
    }
    context
}
