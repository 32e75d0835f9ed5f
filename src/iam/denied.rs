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
                &["not authorized to perform: ", "not authorized to perform "],
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
            return Some(
                "a policy denies it, which no other can outweigh: change the statement that denies"
                    .to_owned(),
            );
        }
        match self.policy() {
            Policy::Trust => Some(format!(
                "add to {}: {}",
                self.trust_policy(),
                self.trusting()
            )),
            Policy::Other(place) => {
                let statement = self.statement_to_add()?;
                Some(format!("add to {place}: {statement}"))
            }
        }
    }

    /// The trust policy that decides, by the name of its role.
    fn trust_policy(&self) -> String {
        let role = self.resource.as_deref().and_then(Arn::split);
        match role.and_then(|arn| arn.resource.strip_prefix("role/")) {
            Some(role) => format!("the trust policy of the role {}", without_path(role)),
            None => "the trust policy of the role".to_owned(),
        }
    }

    /// The statement of a trust policy that admits this caller to the action, beside assuming the role.
    fn trusting(&self) -> String {
        let action = self.action.as_deref().unwrap_or(ASSUME_ROLE);
        let principal = self.principal.as_deref().map_or_else(
            || "THE CALLER'S ROLE OR USER".to_owned(),
            |principal| role_of_session(principal).unwrap_or_else(|| principal.to_owned()),
        );
        let actions = if action.starts_with(ASSUME_ROLE) {
            serde_json::json!(action)
        } else {
            serde_json::json!([ASSUME_ROLE, action])
        };
        let principal = serde_json::json!({ "AWS": principal });
        format!(r#"{{"Effect":"Allow","Principal":{principal},"Action":{actions}}}"#)
    }

    /// Whether a policy denies, rather than none allowing.
    fn is_explicit(&self) -> bool {
        self.reason
            .as_ref()
            .is_some_and(|reason| reason.to_ascii_lowercase().contains("explicit deny"))
    }

    /// The policy that lacks the statement: by the reason where it names one, and by the action, since some
    /// are for the role's or the key's own policy to allow.
    fn policy(&self) -> Policy {
        let reason = self
            .reason
            .as_deref()
            .unwrap_or_default()
            .to_ascii_lowercase();
        let action = self.action.as_deref().unwrap_or_default();
        let of_role = action.starts_with("sts:");
        let of_key = action.starts_with("kms:");
        Policy::Other(if reason.contains("session policy") {
            "the session policy that the role was assumed with"
        } else if reason.contains("permissions boundary") {
            "the permissions boundary of the caller"
        } else if reason.contains("service control policy") {
            "the service control policy of the organization"
        } else if reason.contains("resource control policy") {
            "the resource control policy of the organization"
        } else if reason.contains("vpc endpoint policy") {
            "the policy of the VPC endpoint"
        } else if reason.contains("resource-based policy") {
            if of_role {
                return Policy::Trust;
            } else if of_key {
                "the key policy, with the caller as principal"
            } else {
                "the policy of the resource, with the caller as principal"
            }
        } else if reason.contains("identity-based policy") {
            "the caller's permission policy"
        } else if BESIDE_ASSUMING.contains(&action) || BY_TOKEN.contains(&action) {
            // the caller needs nothing for these that the role does not allow
            return Policy::Trust;
        } else if action.starts_with(ASSUME_ROLE) {
            "the caller's permission policy, and see that the role's trust policy admits the caller"
        } else if of_key {
            "the caller's permission policy, and see that the key policy lets the account's IAM policies \
             decide, or admits the caller itself"
        } else if self.crosses_accounts() {
            "the caller's permission policy, and to the policy of the resource, which is of another account, \
             with the caller as principal"
        } else {
            "the caller's permission policy"
        })
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

/// Where the statement belongs that is missing.
enum Policy {
    /// The trust policy of the role that is assumed.
    Trust,
    /// In words.
    Other(&'static str),
}

const ASSUME_ROLE: &str = "sts:AssumeRole";
/// What a trust policy allows beside assuming the role:
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html>.
const BESIDE_ASSUMING: [&str; 3] = ["sts:TagSession", "sts:SetSourceIdentity", "sts:SetContext"];
/// Nobody signs these, so that no permission policy speaks of them.
const BY_TOKEN: [&str; 2] = ["sts:AssumeRoleWithWebIdentity", "sts:AssumeRoleWithSAML"];

/// The role behind a session, as far as its ARN tells: a path is not in it.
fn role_of_session(principal: &str) -> Option<String> {
    let arn = Arn::split(principal)?;
    let (role, _) = arn
        .resource
        .strip_prefix("assumed-role/")?
        .split_once('/')?;
    let (partition, account) = (arn.partition, arn.account);
    Some(format!("arn:{partition}:iam::{account}:role/{role}"))
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

/// The first word, without the full stop or comma after it.
fn word(text: &str) -> Option<String> {
    let word = text
        .split_whitespace()
        .next()?
        .trim_end_matches(['.', ',', ';']);
    ((1..=WORD_LIMIT).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_graphic()))
        .then(|| word.to_owned())
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
