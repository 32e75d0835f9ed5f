//! What a denial says, and what would end it.

use super::statement::Statement;
use crate::arn::{Arn, is_account, without_path};
use crate::error::Denied;

impl Denied {
    /// Reads the message of an `AccessDenied` or `AccessDeniedException`:
    /// `User: <arn> is not authorized to perform: <action> on resource: <arn> because <why>`.
    ///
    /// The text is no contract, so every part that is not found stays `None`; the message itself
    /// belongs in the error as it came.
    ///
    /// ```
    /// use aws_credential_strategies::Denied;
    ///
    /// let denied = Denied::parse(
    ///     "User: arn:aws:sts::123456789012:assumed-role/App/i-0abc is not authorized to perform: \
    ///      dynamodb:Scan on resource: arn:aws:dynamodb:us-east-1:123456789012:table/MyTable because no \
    ///      identity-based policy allows the dynamodb:Scan action",
    /// );
    /// assert_eq!(denied.action.as_deref(), Some("dynamodb:Scan"));
    /// assert_eq!(
    ///     denied.statement_to_add().map(|statement| statement.to_string()).as_deref(),
    ///     Some(r#"{"Effect":"Allow","Action":"dynamodb:Scan","Resource":"arn:aws:dynamodb:us-east-1:123456789012:table/MyTable"}"#),
    /// );
    /// ```
    #[must_use]
    pub fn parse(message: &str) -> Self {
        Denied {
            principal: after(message, &["User: ", "Principal: "]).and_then(word),
            action: after(
                message,
                // STS writes the second with a capital where nobody signs
                &["ot authorized to perform: ", "ot authorized to perform "],
            )
            .and_then(word)
            .filter(|action| action.contains(':')),
            resource: after(message, &["on resource: ", "on resource "]).and_then(word),
            reason: reason(message).map(|reason| reason.chars().take(REASON_LIMIT).collect()),
        }
    }

    /// The one statement that would allow the call, as far as a statement can.
    ///
    /// `None` when action or resource is not known, or when a policy denies: no statement outweighs a
    /// denial. Where it belongs is said by [`remedy`](Denied::remedy).
    #[must_use]
    pub fn statement_to_add(&self) -> Option<Statement> {
        if self.is_explicit() {
            return None;
        }
        let (action, resource) = (self.action.as_ref()?, self.resource.as_ref()?);
        let statement = Statement::allow([action], [resource]);
        statement.validate("statement").ok()?;
        Some(statement)
    }

    /// What to do about it, in one line: the statement to add and where, or that a policy denies.
    #[must_use]
    pub fn remedy(&self) -> Option<String> {
        if self.is_explicit() {
            let named = self.named_policy().map(|named| named.words(self));
            let policy = named.as_deref().and_then(|words| words.split(", ").next());
            return Some(format!(
                "{} denies it, which no other can outweigh: change the statement that denies",
                policy.unwrap_or("a policy")
            ));
        }
        let action = self.action.as_deref()?;
        let policy = self.policy();
        let place = policy.words(self);
        Some(match policy {
            Policy::Trust if self.resource.is_some() => {
                format!("add to {place}: {}", self.trusting())
            }
            _ => match self.statement_to_add() {
                Some(statement) => format!("add to {place}: {statement}"),
                // on what, is not said, or nothing that a policy can name
                None => format!("allow {action} in {place}"),
            },
        })
    }

    /// Whether the service says which policy it is that lacks the statement, or denies.
    pub(crate) fn names_its_policy(&self) -> bool {
        self.is_explicit() || self.named_policy().is_some()
    }

    /// The statement of a trust policy that admits this caller to the action, beside assuming the role.
    fn trusting(&self) -> String {
        let action = self.action.as_deref().unwrap_or(ASSUME_ROLE);
        let caller = match self.principal.as_deref() {
            None => Admitted::Named("THE CALLER'S ROLE OR USER".to_owned()),
            Some(principal) => Admitted::of(principal),
        };
        let actions = if action.starts_with(ASSUME_ROLE) {
            serde_json::json!(action)
        } else {
            serde_json::json!([ASSUME_ROLE, action])
        };
        let principal = serde_json::json!({ "AWS": caller.principal() });
        let condition = match &caller {
            Admitted::Named(_) => String::new(),
            Admitted::Like { role, .. } => {
                let condition = serde_json::json!({ "ArnLike": { "aws:PrincipalArn": role } });
                format!(r#","Condition":{condition}"#)
            }
        };
        format!(r#"{{"Effect":"Allow","Principal":{principal},"Action":{actions}{condition}}}"#)
    }

    /// Whether a policy denies, rather than none allowing.
    fn is_explicit(&self) -> bool {
        self.reason
            .as_ref()
            .is_some_and(|reason| reason.to_ascii_lowercase().contains("explicit deny"))
    }

    fn is_of(&self, service: &str) -> bool {
        let action = self.action.as_deref().unwrap_or_default();
        action
            .split_once(':')
            .is_some_and(|(of, _)| of.eq_ignore_ascii_case(service))
    }

    /// The policy that the reason names.
    fn named_policy(&self) -> Option<Policy> {
        let reason = self.reason.as_deref()?.to_ascii_lowercase();
        let named = |kind: &str| reason.contains(kind);
        Some(if named("no resource-based policies allow access, or") {
            // KMS names whatever there can be
            return None;
        } else if named("session policy") {
            Policy::Session
        } else if named("permissions boundary") {
            Policy::Boundary
        } else if named("service control policy") {
            Policy::ServiceControl
        } else if named("resource control policy") {
            Policy::ResourceControl
        } else if named("vpc endpoint policy") {
            Policy::VpcEndpoint
        } else if named("resource-based policy") {
            if self.is_of("sts") {
                Policy::Trust
            } else if self.is_of("kms") {
                Policy::Key
            } else {
                Policy::Resource
            }
        } else if named("identity-based policy") {
            Policy::Permission
        } else {
            return None;
        })
    }

    /// The policy that lacks the statement: by the reason where it names one, and by the action, since some
    /// are for the role's or the key's own policy to allow.
    fn policy(&self) -> Policy {
        let action = self.action.as_deref().unwrap_or_default();
        let is_one_of =
            |actions: &[&str]| actions.iter().any(|one| one.eq_ignore_ascii_case(action));
        match self.named_policy() {
            Some(named) => named,
            // the caller needs nothing for these that the role does not allow
            None if is_one_of(&BESIDE_ASSUMING) || is_one_of(&BY_TOKEN) => Policy::Trust,
            None if action.starts_with(ASSUME_ROLE) => Policy::Assuming,
            None if self.is_of("kms") => Policy::PermissionAndKey,
            None if self.crosses_accounts() => Policy::PermissionAndResource,
            None => Policy::Permission,
        }
    }

    /// Whether caller and resource are known to be of different accounts.
    fn crosses_accounts(&self) -> bool {
        let account = |arn: &Option<String>| {
            let arn = Arn::split(arn.as_deref()?)?;
            is_account(arn.account).then(|| arn.account.to_owned())
        };
        match (account(&self.principal), account(&self.resource)) {
            (Some(caller), Some(owner)) => caller != owner,
            _ => false,
        }
    }
}

/// Where a statement is missing, or stands that denies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Policy {
    /// The caller's own and the role's trust policy.
    Assuming,
    Boundary,
    Key,
    Permission,
    PermissionAndKey,
    PermissionAndResource,
    Resource,
    ResourceControl,
    ServiceControl,
    Session,
    /// The trust policy of the role that is assumed.
    Trust,
    VpcEndpoint,
}

impl Policy {
    /// In words, of this denial.
    fn words(self, denied: &Denied) -> String {
        let words = match self {
            Policy::Assuming => {
                "the caller's permission policy, and see that the role's trust policy admits the caller"
            }
            Policy::Boundary => "the permissions boundary of the caller",
            Policy::Key => "the key policy, with the caller as principal",
            Policy::Permission => "the caller's permission policy",
            Policy::PermissionAndKey => {
                "the caller's permission policy, and see that the key policy lets the account's IAM policies \
                 decide, or admits the caller itself"
            }
            Policy::PermissionAndResource => {
                "the caller's permission policy, and to the policy of the resource, which is of another \
                 account, with the caller as principal"
            }
            Policy::Resource => "the policy of the resource, with the caller as principal",
            Policy::ResourceControl => "the resource control policy of the organization",
            Policy::ServiceControl => "the service control policy of the organization",
            Policy::Session => "the session policy that the role was assumed with",
            Policy::Trust => {
                let role = denied.resource.as_deref().and_then(Arn::split);
                return match role.and_then(|arn| arn.resource.strip_prefix("role/")) {
                    Some(role) => format!("the trust policy of the role {}", without_path(role)),
                    None => "the trust policy of the role".to_owned(),
                };
            }
            Policy::VpcEndpoint => "the policy of the VPC endpoint",
        };
        words.to_owned()
    }
}

const ASSUME_ROLE: &str = "sts:AssumeRole";
/// What a trust policy allows beside assuming the role:
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html>.
const BESIDE_ASSUMING: [&str; 3] = ["sts:TagSession", "sts:SetSourceIdentity", "sts:SetContext"];
/// Nobody signs these, so that no permission policy speaks of them.
const BY_TOKEN: [&str; 2] = ["sts:AssumeRoleWithWebIdentity", "sts:AssumeRoleWithSAML"];

/// How a trust policy names a caller.
pub(crate) enum Admitted {
    /// By its own ARN, or that of the role behind its session.
    Named(String),
    /// By its account and a pattern, since the path of its role does not show in the session.
    Like {
        account: String,
        role: String,
        permission_set: String,
    },
}

impl Admitted {
    pub(crate) fn of(principal: &str) -> Self {
        let session = || {
            let arn = Arn::split(principal)?;
            let (role, _) = arn
                .resource
                .strip_prefix("assumed-role/")?
                .split_once('/')?;
            Some((arn.partition, arn.account, role))
        };
        match session() {
            None => Admitted::Named(principal.to_owned()),
            Some((partition, account, role)) => match permission_set(role) {
                Some(set) => Admitted::Like {
                    account: format!("arn:{partition}:iam::{account}:root"),
                    role: format!(
                        "arn:{partition}:iam::{account}:role/aws-reserved/sso.amazonaws.com*/\
                         {OF_IDENTITY_CENTER}{set}_*"
                    ),
                    permission_set: set.to_owned(),
                },
                None => Admitted::Named(format!("arn:{partition}:iam::{account}:role/{role}")),
            },
        }
    }

    pub(crate) fn principal(&self) -> &str {
        match self {
            Admitted::Named(principal) => principal,
            Admitted::Like { account, .. } => account,
        }
    }
}

/// Roles of IAM Identity Center begin so, end in a suffix that is another when the permission set is assigned anew,
/// and have a path, with the region or without:
/// <https://docs.aws.amazon.com/singlesignon/latest/userguide/referencingpermissionsets.html>.
const OF_IDENTITY_CENTER: &str = "AWSReservedSSO_";

/// The permission set that a role is made from.
fn permission_set(role: &str) -> Option<&str> {
    let (set, _) = role.strip_prefix(OF_IDENTITY_CENTER)?.rsplit_once('_')?;
    (!set.is_empty()).then_some(set)
}

/// What follows the first of the markers that is found.
fn after<'a>(message: &'a str, markers: &[&str]) -> Option<&'a str> {
    markers
        .iter()
        .find_map(|marker| message.split_once(marker))
        .map(|(_, after)| after)
}

/// The longest ARN that is read out of a message: that of an index with the longest names.
const WORD_LIMIT: usize = 600;
/// How many characters of a reason are kept.
const REASON_LIMIT: usize = 300;

/// The first word, or what stands in quotes or brackets, without the full stop or comma after it.
fn word(text: &str) -> Option<String> {
    let word = match enclosed(text) {
        Some(enclosed) => enclosed,
        None => text.split_whitespace().next()?,
    };
    let word = word.trim_end_matches(['.', ',', ';']);
    let is_one =
        (1..=WORD_LIMIT).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_graphic());
    // what was struck out of it would be a wildcard in a policy
    (is_one && !word.contains("***")).then(|| word.to_owned())
}

/// S3 puts a resource into quotes, others into brackets.
fn enclosed(text: &str) -> Option<&str> {
    let end = match text.chars().next()? {
        quote @ ('"' | '\'') => quote,
        '[' => ']',
        _ => return None,
    };
    let (enclosed, _) = text.get(1..)?.split_once(end)?;
    Some(enclosed)
}

fn reason(message: &str) -> Option<&str> {
    let start = message
        .find("because ")
        .map(|at| at + "because ".len())
        .or_else(|| message.find("with an explicit deny"))?;
    let reason = message.get(start..)?;
    // EC2 adds a text for DecodeAuthorizationMessage, which no one reads
    let reason = reason
        .split_once(". Encoded authorization failure message")
        .map_or(reason, |(reason, _)| reason);
    let reason = reason.trim().trim_end_matches('.');
    (!reason.is_empty()).then_some(reason)
}
