//! Policy documents of identities and sessions, evaluated by `iam-rs`.
//!
//! A document is refused at the door when it says something that would not be evaluated here as AWS
//! does, rather than being understood by half. Policy variables are put in here, request by request.

use super::federation::is_claim_key;
use super::variable;
use crate::iam::{Statement, TrustPolicy};
use iam_rs::{
    Arn, Context, Decision, IAMAction, IAMEffect, IAMPolicy, IAMRequest, IAMResource, IAMStatement,
    PolicyEvaluator, Principal, PrincipalId, Validate as _,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// The condition keys that requests carry here; `aws:PrincipalTag/` and a tag key, besides.
const CONDITION_KEYS: [&str; 21] = [
    "aws:CurrentTime",
    "aws:EpochTime",
    "aws:FederatedProvider",
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
    "dynamodb:Attributes",
    "dynamodb:EnclosingOperation",
    "dynamodb:FullTableScan",
    "dynamodb:LeadingKeys",
    "dynamodb:ReturnConsumedCapacity",
    "dynamodb:ReturnValues",
    "dynamodb:Select",
];

/// Those that `AssumeRole` carries besides, and services that assume a role.
const TRUST_CONDITION_KEYS: [&str; 9] = [
    "aws:MultiFactorAuthAge",
    "aws:MultiFactorAuthPresent",
    "aws:SourceAccount",
    "aws:SourceArn",
    "aws:TagKeys",
    "sts:ExternalId",
    "sts:RoleSessionName",
    "sts:SourceIdentity",
    "sts:TransitiveTagKeys",
];

/// What policies together say about one access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::local) enum Verdict {
    Allowed,
    /// A statement forbids it; nothing can outweigh that.
    Forbidden,
    /// No statement speaks for it.
    NotAllowed,
}

/// A policy document that can be evaluated.
#[derive(Clone, Debug)]
pub(in crate::local) struct Policy {
    read: IAMPolicy,
    /// The document, where it has variables: without their values it says nothing.
    template: Option<Value>,
}

/// Policies that are evaluated together: what one allows is allowed, what one denies is not.
#[derive(Clone, Debug)]
pub(in crate::local) struct PolicySet {
    fixed: PolicyEvaluator,
    templates: Vec<Value>,
}

impl PolicySet {
    pub(in crate::local) fn empty() -> Self {
        PolicySet {
            fixed: PolicyEvaluator::new(),
            templates: Vec::new(),
        }
    }

    pub(in crate::local) fn add(&mut self, policy: Policy) {
        match policy.template {
            Some(template) => self.templates.push(template),
            None => self.fixed.add_policy(policy.read),
        }
    }

    /// Adds one statement of a trust policy; one that cannot be read forbids everything.
    pub(super) fn add_statement(&mut self, statement: &Statement) {
        let document = json!({ "Version": "2012-10-17", "Statement": [statement] });
        let policy = normal(document).and_then(Policy::read);
        self.add(policy.unwrap_or_else(|_| Policy {
            read: forbidding(),
            template: None,
        }));
    }

    /// What they say about an access of `principal`; a document that cannot be evaluated forbids.
    pub(in crate::local) fn verdict(
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
        let with_values;
        let policies = if self.templates.is_empty() {
            &self.fixed
        } else {
            with_values = self.with_values(context);
            &with_values
        };
        match policies.evaluate(&request).map(|result| result.decision) {
            Ok(Decision::Allow) => Verdict::Allowed,
            Ok(Decision::NotApplicable) => Verdict::NotAllowed,
            Ok(Decision::Deny) | Err(_) => Verdict::Forbidden,
        }
    }

    fn with_values(&self, context: &Context) -> PolicyEvaluator {
        let mut policies = self.fixed.clone();
        for template in &self.templates {
            let document = variable::put_in(template, context);
            policies.add_policy(serde_json::from_value(document).unwrap_or_else(|_| forbidding()));
        }
        policies
    }
}

impl Policy {
    /// Reads a document in its normal form.
    fn read(document: Value) -> Result<Self, String> {
        let template = variable::has_any(&document).then(|| document.clone());
        let read: IAMPolicy = serde_json::from_value(document)
            .map_err(|error| format!("no policy document: {error}"))?;
        Ok(Policy { read, template })
    }
}

/// What stands for a document that cannot be evaluated.
fn forbidding() -> IAMPolicy {
    IAMPolicy::new().add_statement(
        IAMStatement::new(IAMEffect::Deny)
            .with_action(IAMAction::Single("*".to_owned()))
            .with_resource(IAMResource::Single("*".to_owned())),
    )
}

/// Reads a document from whatever serialises to one, or to its text.
///
/// # Errors
///
/// Why it is not taken, in one line.
pub(in crate::local) fn document(policy: &impl Serialize) -> Result<Policy, String> {
    let document = match serde_json::to_value(policy) {
        Ok(Value::String(text)) => {
            serde_json::from_str(&text).map_err(|error| format!("no JSON: {error}"))?
        }
        Ok(document) => document,
        Err(error) => return Err(format!("does not serialise: {error}")),
    };
    let document = normal(document)?;
    let policy = Policy::read(document.clone())?;
    // no statement at all allows nothing, which is sound, if seldom meant
    if !policy.read.statement.is_empty() {
        policy
            .read
            .validate_result()
            .map_err(|error| error.to_string())?;
    }
    for statement in &policy.read.statement {
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
        for (key, _) in conditions.flat_map(|(_, keys)| keys) {
            if !is_known(key) {
                return Err(format!(
                    "condition key {key} is not evaluated by the embedded cloud"
                ));
            }
        }
    }
    variable::check(&document, is_known)?;
    Ok(policy)
}

/// A document as the evaluator takes it: of the newer version, and with the ARN operators that know
/// wildcards, since AWS treats `ArnEquals` as `ArnLike`.
fn normal(mut document: Value) -> Result<Value, String> {
    // IAM's default is the older version, which differs in one thing only: it has no variables
    let version = document.get("Version").and_then(Value::as_str);
    if matches!(version, None | Some("2008-10-17")) && document.is_object() {
        if document.to_string().contains("${") {
            return Err("policy variables need version 2012-10-17".to_owned());
        }
        if let Some(members) = document.as_object_mut() {
            members.insert("Version".to_owned(), "2012-10-17".into());
        }
    }
    for statement in variable::statements_mut(&mut document) {
        let conditions = statement
            .get_mut("Condition")
            .and_then(Value::as_object_mut);
        let Some(conditions) = conditions else {
            continue;
        };
        for (operator, keys) in std::mem::take(conditions) {
            let like = operator
                .replace("ArnEquals", "ArnLike")
                .replace("ArnNotEquals", "ArnNotLike");
            match (conditions.get_mut(&like), keys) {
                (Some(Value::Object(known)), Value::Object(keys)) => {
                    for (key, values) in keys {
                        if known.insert(key.clone(), values).is_some() {
                            return Err(format!(
                                "condition key {key} stands under ArnEquals and ArnLike, which are the same"
                            ));
                        }
                    }
                }
                (_, keys) => {
                    conditions.insert(like, keys);
                }
            }
        }
    }
    Ok(document)
}

/// The policies that AWS manages and that are most used with DynamoDB, as far as they concern it and
/// STS; by the name in their ARN.
pub(in crate::local) fn aws_managed(arn: &str, partition: &str) -> Option<Policy> {
    const READ: &[&str] = &[
        "dynamodb:BatchGet*",
        "dynamodb:Describe*",
        "dynamodb:Get*",
        "dynamodb:List*",
        "dynamodb:PartiQLSelect",
        "dynamodb:Query",
        "dynamodb:Scan",
    ];
    let actions = match arn.strip_prefix(&format!("arn:{partition}:iam::aws:policy/"))? {
        "AdministratorAccess" | "PowerUserAccess" => &["*"],
        "AmazonDynamoDBFullAccess" | "AmazonDynamoDBFullAccess_v2" => &["dynamodb:*"][..],
        "AmazonDynamoDBReadOnlyAccess" | "ReadOnlyAccess" => READ,
        _ => return None,
    };
    let actions = actions.iter().map(|&action| action.to_owned()).collect();
    let statement = IAMStatement::new(IAMEffect::Allow)
        .with_action(IAMAction::Multiple(actions))
        .with_resource(IAMResource::Single("*".to_owned()));
    Some(Policy {
        read: IAMPolicy::new().add_statement(statement),
        template: None,
    })
}

/// Refuses a trust whose conditions would not be evaluated as on AWS.
///
/// # Errors
///
/// Why it is not taken, in one line.
pub(in crate::local) fn check_trust(trust: &TrustPolicy) -> Result<(), String> {
    let document = normal(serde_json::to_value(trust).unwrap_or_default())?;
    variable::check(&document, |key| is_known(key) || is_known_of_trust(key))?;
    let statements = document.get("Statement").and_then(Value::as_array);
    for statement in statements.into_iter().flatten() {
        let issuers = match federated(statement) {
            Federated::Unheard => continue,
            Federated::Oidc(issuers) => issuers,
        };
        let conditions = statement.get("Condition").and_then(Value::as_object);
        let keys = conditions
            .into_iter()
            .flat_map(Map::values)
            .filter_map(Value::as_object)
            .flat_map(Map::keys);
        for key in keys {
            let known = is_known_of_trust(key);
            let of_token = issuers.iter().any(|issuer| {
                key.get(issuer.len()..)
                    .and_then(|rest| rest.strip_prefix(':'))
                    .is_some_and(|claim| key.starts_with(issuer) && is_claim_key(issuer, claim))
            });
            if !known && !of_token && !is_known(key) {
                return Err(format!(
                    "condition key {key} is not evaluated by the embedded cloud"
                ));
            }
        }
    }
    Ok(())
}

/// Which identity providers a statement of a trust policy is about.
enum Federated<'a> {
    /// These OpenID Connect providers, or none.
    Oidc(Vec<&'a str>),
    /// Only such as never call here, so that its conditions do not matter.
    Unheard,
}

fn federated(statement: &Value) -> Federated<'_> {
    let principal = statement.get("Principal").and_then(Value::as_object);
    let named = principal.and_then(|kinds| kinds.get("Federated"));
    let providers = match named {
        Some(Value::Array(several)) => several.iter().collect(),
        Some(one) => vec![one],
        None => return Federated::Oidc(Vec::new()),
    };
    let issuers: Vec<&str> = providers
        .into_iter()
        .filter_map(|provider| provider.as_str()?.split_once(":oidc-provider/"))
        .map(|(_, issuer)| issuer)
        .collect();
    let others = principal.is_some_and(|kinds| kinds.len() > 1);
    if issuers.is_empty() && !others {
        return Federated::Unheard;
    }
    Federated::Oidc(issuers)
}

fn is_known_of_trust(key: &str) -> bool {
    TRUST_CONDITION_KEYS
        .iter()
        .any(|known| known.eq_ignore_ascii_case(key))
}

fn is_known(key: &str) -> bool {
    let tag = key.split_once('/').is_some_and(|(prefix, _)| {
        ["aws:PrincipalTag", "aws:RequestTag"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(prefix))
    });
    tag || CONDITION_KEYS
        .iter()
        .any(|known| known.eq_ignore_ascii_case(key))
}
