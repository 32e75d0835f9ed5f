//! Policy documents of identities and sessions, evaluated by `iam-rs`.
//!
//! A document is refused at the door when it says something that would not be evaluated here as AWS
//! does, rather than being understood by half.

use iam_rs::{
    Arn, Context, Decision, IAMPolicy, IAMRequest, PolicyEvaluator, Principal, PrincipalId,
    Validate as _,
};
use serde::Serialize;
use serde_json::Value;

/// The condition keys that requests carry here; `aws:PrincipalTag/` and a tag key, besides.
const CONDITION_KEYS: [&str; 16] = [
    "aws:CurrentTime",
    "aws:EpochTime",
    "aws:PrincipalAccount",
    "aws:PrincipalArn",
    "aws:PrincipalType",
    "aws:RequestedRegion",
    "aws:ResourceAccount",
    "aws:SecureTransport",
    "aws:SourceIdentity",
    "aws:SourceIp",
    "aws:TokenIssueTime",
    "aws:userid",
    "aws:username",
    "dynamodb:EnclosingOperation",
    "dynamodb:ReturnValues",
    "dynamodb:Select",
];

/// What policies together say about one access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Allowed,
    /// A statement forbids it; nothing can outweigh that.
    Forbidden,
    /// No statement speaks for it.
    NotAllowed,
}

/// Policies that are evaluated together: what one allows is allowed, what one denies is not.
#[derive(Clone, Debug)]
pub(super) struct PolicySet(PolicyEvaluator);

impl PolicySet {
    pub(super) fn empty() -> Self {
        PolicySet(PolicyEvaluator::new())
    }

    pub(super) fn add(&mut self, policy: IAMPolicy) {
        self.0.add_policy(policy);
    }

    /// What they say about an access of `principal`; a document that cannot be evaluated forbids.
    pub(super) fn verdict(
        &self,
        principal: &str,
        action: &str,
        resource: &str,
        context: &Context,
    ) -> Verdict {
        let Ok(resource) = Arn::parse(resource) else {
            return Verdict::Forbidden;
        };
        let request = IAMRequest::new_with_context(
            Principal::Aws(PrincipalId::String(principal.to_owned())),
            action,
            resource,
            context.clone(),
        );
        match self.0.evaluate(&request).map(|result| result.decision) {
            Ok(Decision::Allow) => Verdict::Allowed,
            Ok(Decision::NotApplicable) => Verdict::NotAllowed,
            Ok(Decision::Deny) | Err(_) => Verdict::Forbidden,
        }
    }
}

/// Reads a document from whatever serialises to one, or to its text.
///
/// # Errors
///
/// Why it is not taken, in one line.
pub(super) fn document(policy: &impl Serialize) -> Result<IAMPolicy, String> {
    let document = match serde_json::to_value(policy) {
        Ok(Value::String(text)) => {
            serde_json::from_str(&text).map_err(|error| format!("no JSON: {error}"))?
        }
        Ok(document) => document,
        Err(error) => return Err(format!("does not serialise: {error}")),
    };
    let policy: IAMPolicy =
        serde_json::from_value(document).map_err(|error| format!("no policy document: {error}"))?;
    policy
        .validate_result()
        .map_err(|error| error.to_string())?;
    for statement in &policy.statement {
        if statement.principal.is_some() || statement.not_principal.is_some() {
            return Err(
                "a policy of an identity or a session has no Principal: it is whoever holds it"
                    .to_owned(),
            );
        }
        let conditions = statement
            .condition
            .iter()
            .flat_map(|block| &block.conditions);
        for (key, value) in conditions.flat_map(|(_, keys)| keys) {
            if !is_known(key) {
                return Err(format!(
                    "condition key {key} is not evaluated by the embedded cloud"
                ));
            }
            if value.to_json_value().to_string().contains("${") {
                return Err(format!(
                    "condition key {key}: policy variables are not substituted in conditions by the embedded cloud"
                ));
            }
        }
    }
    Ok(policy)
}

fn is_known(key: &str) -> bool {
    let tag = key
        .split_once('/')
        .is_some_and(|(prefix, _)| prefix.eq_ignore_ascii_case("aws:PrincipalTag"));
    tag || CONDITION_KEYS
        .iter()
        .any(|known| known.eq_ignore_ascii_case(key))
}
