//! Who may do what: the one place that decides.
//!
//! The servers ask here and put the answer into AWS's words; nothing else in `local` looks at a trust
//! or at a policy. The order is that of the IAM user guide, "Policy evaluation logic", as far as one
//! account without organization policies goes: an explicit deny anywhere, then the session policy,
//! then the policies of the identity.

use super::access::Access;
use super::federation::WebIdentity;
use super::identity::{AccessKey, Identity};
use super::policy::{PolicySet, Verdict};
use super::state::{Account, InstalledRole, timestamp};
use crate::arn::account_in;
use crate::iam::{Admission, Caller, Effect, TrustPolicy};
use iam_rs::{Context, ContextValue};
use std::time::SystemTime;

/// An access that is refused: what AWS says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::local) struct Denial {
    pub(in crate::local) message: String,
}

/// Whether the holder of a key may do this to a table.
pub(in crate::local) fn may_access(
    account: &Account,
    key: &AccessKey,
    access: &Access,
) -> Result<(), Denial> {
    let Access {
        action, resource, ..
    } = access;
    let context = access.describe(context(account, key, resource));
    let verdicts = Verdicts::of(account, key, action, resource, &context);
    verdicts
        .refusal()
        .map_or(Ok(()), |why| Err(denial(key, action, resource, &why)))
}

/// An `AssumeRole` call, as far as a trust policy can see it.
pub(in crate::local) struct Assumption<'a> {
    pub(in crate::local) caller: &'a AccessKey,
    pub(in crate::local) external_id: Option<&'a str>,
    pub(in crate::local) with_mfa: bool,
    pub(in crate::local) session: NewSession<'a>,
}

/// A session that somebody wants, as far as policies can see it.
pub(in crate::local) struct NewSession<'a> {
    pub(in crate::local) name: &'a str,
    /// The session tags asked for.
    pub(in crate::local) tags: Vec<(&'a str, &'a str)>,
    /// The keys of those that are to be inherited.
    pub(in crate::local) transitive: &'a [String],
    /// Asked for, or inherited from the session that calls.
    pub(in crate::local) source_identity: Option<&'a str>,
}

impl<'a> NewSession<'a> {
    /// One with nothing special about it.
    pub(in crate::local) fn named(name: &'a str) -> Self {
        NewSession {
            name,
            tags: Vec::new(),
            transitive: &[],
            source_identity: None,
        }
    }

    /// The actions that making it consists of; `tagged` says whether tags are inherited.
    fn actions(&self, assume: &'static str, tagged: bool) -> Vec<&'static str> {
        let mut actions = vec![assume];
        if tagged || !self.tags.is_empty() {
            actions.push("sts:TagSession");
        }
        if self.source_identity.is_some() {
            actions.push("sts:SetSourceIdentity");
        }
        actions
    }

    /// Adds what policies may ask about it.
    fn describe(&self, context: Context) -> Context {
        let mut context = context.with_string("sts:RoleSessionName", self.name);
        if let Some(source) = self.source_identity {
            context = context.with_string("sts:SourceIdentity", source);
        }
        let mut keys = Vec::new();
        for &(key, value) in &self.tags {
            context = context.with_string(format!("aws:RequestTag/{key}"), value);
            keys.push(key.to_owned());
        }
        let mut list = |name: &str, keys: Vec<String>| {
            if !keys.is_empty() {
                context.insert(name.to_owned(), ContextValue::StringList(keys));
            }
        };
        list("aws:TagKeys", keys);
        list("sts:TransitiveTagKeys", self.transitive.to_vec());
        context
    }
}

/// Whether the role admits the call, and whether the caller's own policies let it be made; if not, for
/// which of the actions that the call consists of.
pub(in crate::local) fn may_assume(
    account: &Account,
    role: &InstalledRole,
    call: &Assumption<'_>,
) -> Result<(), &'static str> {
    const ASSUME: &str = "sts:AssumeRole";
    let identity = &call.caller.identity;
    let caller = match identity {
        Identity::Role(session) => Caller::session(&session.role_arn, &session.session_name),
        Identity::User { .. } => Caller::from_arn(&identity.arn()),
    };
    let (Some(trust), Ok(caller)) = (&role.trust, caller) else {
        return Err(ASSUME);
    };
    let inherits = match identity {
        Identity::Role(session) => session.passed_on().next().is_some(),
        Identity::User { .. } => false,
    };
    let context = assumption_context(account, role, call);
    let principal = identity.arn();
    for action in call.session.actions(ASSUME, inherits) {
        let trusts = |least: Admission| {
            admitting(trust, &caller, least).verdict(&principal, action, &role.arn, &context)
        };
        if trusts(Admission::Delegated) != Verdict::Allowed {
            return Err(action);
        }
        let own = Verdicts::of(account, call.caller, action, &role.arn, &context);
        // named itself, and in the role's account, a caller needs no permission of its own
        let direct =
            role.account == identity.account() && trusts(Admission::Direct) == Verdict::Allowed;
        let allowed = if direct {
            own.session == Verdict::Allowed && own.identity != Verdict::Forbidden
        } else {
            own.refusal().is_none()
        };
        if !allowed {
            return Err(action);
        }
    }
    Ok(())
}

/// Whether the role admits an identity that a provider vouches for; if not, for which of the actions
/// that the call consists of. The trust policy alone decides: such an identity has no policies.
pub(in crate::local) fn may_federate(
    account: &Account,
    role: &InstalledRole,
    identity: &WebIdentity,
    session: &NewSession<'_>,
) -> Result<(), &'static str> {
    const ASSUME: &str = "sts:AssumeRoleWithWebIdentity";
    let caller = Caller::federated(&identity.provider_arn);
    let (Some(trust), Ok(caller)) = (&role.trust, caller) else {
        return Err(ASSUME);
    };
    let context = on_resource(place_context(account), &role.arn);
    let context = identity.describe(session.describe(context));
    let context = context.with_string("aws:FederatedProvider", &identity.provider_arn);
    let trusted = admitting(trust, &caller, Admission::Delegated);
    let root = account.iam_arn(&role.account, "root");
    for action in session.actions(ASSUME, false) {
        if trusted.verdict(&root, action, &role.arn, &context) != Verdict::Allowed {
            return Err(action);
        }
    }
    Ok(())
}

/// A service that assumes a role for something of the cloud's account.
pub(in crate::local) struct ServiceCall<'a> {
    /// For example `ec2.amazonaws.com`.
    pub(in crate::local) service: &'static str,
    /// For what: an instance, a task.
    pub(in crate::local) source_arn: String,
    pub(in crate::local) session: NewSession<'a>,
}

/// Whether the role's trust lets a service assume it.
pub(in crate::local) fn service_may_assume(
    account: &Account,
    role: &InstalledRole,
    call: &ServiceCall<'_>,
) -> bool {
    let (Some(trust), Ok(caller)) = (&role.trust, Caller::service(call.service)) else {
        return false;
    };
    let context = call
        .session
        .describe(on_resource(clock_context(account), &role.arn))
        .with_string("aws:SourceAccount", &account.id)
        .with_string("aws:SourceArn", &call.source_arn);
    let trusted = admitting(trust, &caller, Admission::Delegated);
    let root = account.iam_arn(&account.id, "root");
    let actions = call.session.actions("sts:AssumeRole", false);
    actions
        .iter()
        .all(|action| trusted.verdict(&root, action, &role.arn, &context) == Verdict::Allowed)
}

/// The statements that speak about the caller, without principal: those that deny, and those that
/// allow and admit it at least this directly.
fn admitting(trust: &TrustPolicy, caller: &Caller, least: Admission) -> PolicySet {
    let mut policies = PolicySet::empty();
    for (statement, admission) in trust.admitting(caller) {
        if statement.effect() == Effect::Allow && admission < least {
            continue;
        }
        policies.add_statement(&statement.without_principal());
    }
    policies
}

/// What a trust policy's conditions, and those of the caller's own policies, may ask about the call.
fn assumption_context(account: &Account, role: &InstalledRole, call: &Assumption<'_>) -> Context {
    let context = context(account, call.caller, &role.arn);
    let mut context = call.session.describe(context);
    if let Some(id) = call.external_id {
        context = context.with_string("sts:ExternalId", id);
    }
    let from_session = matches!(call.caller.identity, Identity::Role(_));
    // absent for long-lived keys without a code, as on AWS
    if call.with_mfa || from_session {
        context = context.with_boolean("aws:MultiFactorAuthPresent", call.with_mfa);
    }
    if call.with_mfa {
        context = context.with_number("aws:MultiFactorAuthAge", 0.0);
    }
    context
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
fn context(account: &Account, key: &AccessKey, resource: &str) -> Context {
    let identity = &key.identity;
    let mut context = on_resource(place_context(account), resource)
        .with_string("aws:PrincipalAccount", identity.account())
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
            if let Some(provider) = &session.federated_provider {
                context = context.with_string("aws:FederatedProvider", provider);
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

/// Whose the resource is, which need not be the caller's account: a role that is assumed may be of another.
fn on_resource(context: Context, resource: &str) -> Context {
    match account_in(resource) {
        Some(owner) => context.with_string("aws:ResourceAccount", owner),
        None => context,
    }
}

/// The condition keys of a request that do not depend on who sends it.
fn place_context(account: &Account) -> Context {
    clock_context(account)
        .with_string("aws:RequestedRegion", &account.region)
        .with_boolean("aws:SecureTransport", false)
        .with_string("aws:SourceIp", "127.0.0.1")
}

fn clock_context(account: &Account) -> Context {
    let now = account.now();
    let epoch = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs() as f64);
    Context::new()
        .with_string("aws:CurrentTime", timestamp(now))
        .with_number("aws:EpochTime", epoch)
}
