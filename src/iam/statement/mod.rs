//! What a statement is made of: effect, actions, resources, conditions.

mod condition;
mod pattern;

pub(super) use condition::Conditions;
pub(super) use pattern::{Applies, OneOrMany, Patterns};

use super::decode::Element;
use super::grant::Grant;
use crate::error::{Error, Result};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::fmt;

/// Whether a statement allows or denies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Effect {
    /// Allows what no other statement denies.
    Allow,
    /// Denies, whatever else allows.
    Deny,
}

/// The version of the policy language.
///
/// To AWS it decides whether `${…}` is a policy variable. Here it is taken for one in either, which errs on
/// the safe side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Version {
    /// `2008-10-17`: what a document without a version means; `${…}` is plain text.
    V2008,
    /// `2012-10-17`: today's.
    #[default]
    V2012,
}

/// One statement of a [`PermissionPolicy`](super::PermissionPolicy).
///
/// ```
/// use aws_credential_strategies::iam::Statement;
///
/// let statement = Statement::allow(
///     ["dynamodb:GetItem", "dynamodb:Query"],
///     ["arn:aws:dynamodb:us-east-1:123456789012:table/MyTable"],
/// );
/// assert_eq!(
///     statement.to_string(),
///     r#"{"Effect":"Allow","Action":["dynamodb:GetItem","dynamodb:Query"],"Resource":"arn:aws:dynamodb:us-east-1:123456789012:table/MyTable"}"#,
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    sid: Option<String>,
    effect: Effect,
    action: Patterns,
    resource: Patterns,
    conditions: Conditions,
}

impl Statement {
    /// Allows the actions on the resources; both may hold `*` and `?`.
    #[must_use]
    pub fn allow<A, R>(actions: A, resources: R) -> Self
    where
        A: IntoIterator<Item: Into<String>>,
        R: IntoIterator<Item: Into<String>>,
    {
        Statement::new(
            Effect::Allow,
            Patterns::of(actions),
            Patterns::of(resources),
        )
    }

    /// Denies the actions on the resources; both may hold `*` and `?`.
    #[must_use]
    pub fn deny<A, R>(actions: A, resources: R) -> Self
    where
        A: IntoIterator<Item: Into<String>>,
        R: IntoIterator<Item: Into<String>>,
    {
        Statement::new(Effect::Deny, Patterns::of(actions), Patterns::of(resources))
    }

    pub(super) fn new(effect: Effect, action: Patterns, resource: Patterns) -> Self {
        Statement {
            sid: None,
            effect,
            action,
            resource,
            conditions: Conditions::default(),
        }
    }

    /// Names the statement: ASCII letters and digits.
    #[must_use]
    pub fn sid(mut self, sid: impl Into<String>) -> Self {
        self.sid = Some(sid.into());
        self
    }

    /// Restricts it by a condition, for example `("StringEquals", "aws:RequestedRegion", ["eu-west-1"])`.
    ///
    /// A second one with the same operator and key adds values, one of which must match.
    #[must_use]
    pub fn when<V>(mut self, operator: impl Into<String>, key: impl Into<String>, values: V) -> Self
    where
        V: IntoIterator<Item: Into<String>>,
    {
        self.conditions.add(operator.into(), key.into(), values);
        self
    }

    /// Whether it allows or denies.
    #[must_use]
    pub fn effect(&self) -> Effect {
        self.effect
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.sid.as_deref()
    }

    pub(super) fn with_conditions(mut self, conditions: Conditions) -> Self {
        self.conditions = conditions;
        self
    }

    pub(super) fn with_sid(mut self, sid: Option<String>) -> Self {
        self.sid = sid;
        self
    }

    pub(super) fn conditions(&self) -> &Conditions {
        &self.conditions
    }

    pub(super) fn resources(&self) -> &Patterns {
        &self.resource
    }

    /// Checks what IAM would check, apart from whether the actions exist.
    pub(super) fn validate(&self, path: &str) -> Result<()> {
        let Statement {
            sid,
            effect: _,
            action,
            resource,
            conditions,
        } = self;
        if let Some(sid) = sid
            && !sid.bytes().all(|b| b.is_ascii_alphanumeric())
        {
            return Err(Error::usage(
                format!("{path}.Sid"),
                format!("expected ASCII letters and digits, not `{sid}`"),
            ));
        }
        action.validate_actions(path)?;
        resource.validate_resources(path)?;
        conditions.validate(path)
    }

    pub(super) fn decode(element: &Element<'_>) -> Result<Self> {
        let mut sid = None;
        let mut effect = None;
        let mut action = None;
        let mut resource = None;
        let mut conditions = Conditions::default();
        for (name, member) in element.members()? {
            match name {
                "Sid" => sid = Some(member.text()?.to_owned()),
                "Effect" => effect = Some(Effect::decode(&member)?),
                "Action" | "NotAction" => {
                    Patterns::decode_once(&mut action, name == "NotAction", &member)?;
                }
                "Resource" | "NotResource" => {
                    Patterns::decode_once(&mut resource, name == "NotResource", &member)?;
                }
                "Condition" => conditions = Conditions::decode(&member)?,
                "Principal" | "NotPrincipal" => {
                    return Err(member.refuse(
                        "a permission policy has no principal: it speaks of whoever it is attached to; \
                         who may assume a role stands in the role's trust policy",
                    ));
                }
                _ => return Err(member.refuse("no such element in a statement")),
            }
        }
        let missing = |name: &str| {
            Error::usage(
                format!("{}.{name}", element.path()),
                "missing from the statement",
            )
        };
        let effect = effect.ok_or_else(|| missing("Effect"))?;
        let action = action.ok_or_else(|| missing("Action"))?;
        let resource = resource.ok_or_else(|| missing("Resource"))?;
        let statement = Statement::new(effect, action, resource)
            .with_sid(sid)
            .with_conditions(conditions);
        statement.validate(element.path())?;
        Ok(statement)
    }

    /// Cuts off as many resources, or else actions of one resource, as `fits` takes: the part, and what
    /// is left, the next last. `None` where it cannot be cut, or where no part fits.
    pub(super) fn cut(
        &self,
        fits: impl Fn(&Statement) -> bool,
    ) -> Option<(Statement, Vec<Statement>)> {
        let resources = self.resource.values().len();
        let largest = largest_cut(resources, |at| self.cut_resource(at), &fits);
        if let Some((part, rest)) = largest {
            return Some((part, vec![rest]));
        }
        let (first, others) = match self.cut_resource(1).filter(|_| resources > 1) {
            Some((first, others)) => (first, vec![others]),
            None => (self.clone(), Vec::new()),
        };
        let actions = first.action.values().len();
        let (part, rest) = largest_cut(actions, |at| first.cut_action(at), &fits)?;
        Some((part, others.into_iter().chain([rest]).collect()))
    }

    fn cut_resource(&self, at: usize) -> Option<(Statement, Statement)> {
        let (before, after) = self.resource.cut(at)?;
        let with = |resource| Statement {
            resource,
            ..self.clone()
        };
        Some((with(before), with(after)))
    }

    fn cut_action(&self, at: usize) -> Option<(Statement, Statement)> {
        let (before, after) = self.action.cut(at)?;
        let with = |action| Statement {
            action,
            ..self.clone()
        };
        Some((with(before), with(after)))
    }

    /// Whether it speaks about the grant.
    pub(super) fn applies_to(&self, grant: &Grant) -> Applies {
        let action = self.action.applies_to_action(grant.action());
        let resource = self.resource.applies_to_target(&grant.target());
        let both = action.min(resource);
        if both == Applies::Surely && !self.conditions.is_empty() {
            return Applies::Perhaps;
        }
        both
    }
}

/// The cut with the largest part that fits; parts only grow with where they are cut.
fn largest_cut(
    values: usize,
    cut: impl Fn(usize) -> Option<(Statement, Statement)>,
    fits: impl Fn(&Statement) -> bool,
) -> Option<(Statement, Statement)> {
    let (mut largest, mut too_large) = (0, values);
    while too_large - largest > 1 {
        let middle = largest.midpoint(too_large);
        if fits(&cut(middle)?.0) {
            largest = middle;
        } else {
            too_large = middle;
        }
    }
    // none of the parts is empty
    (largest > 0).then(|| cut(largest)).flatten()
}

impl fmt::Display for Statement {
    /// Compact JSON, on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl Serialize for Statement {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Statement {
            sid,
            effect,
            action,
            resource,
            conditions,
        } = self;
        let mut map = serializer.serialize_map(None)?;
        if let Some(sid) = sid {
            map.serialize_entry("Sid", sid)?;
        }
        map.serialize_entry("Effect", effect)?;
        map.serialize_entry(action.element("Action", "NotAction"), action)?;
        map.serialize_entry(resource.element("Resource", "NotResource"), resource)?;
        if !conditions.is_empty() {
            map.serialize_entry("Condition", conditions)?;
        }
        map.end()
    }
}

impl Effect {
    pub(super) fn decode(element: &Element<'_>) -> Result<Self> {
        match element.text()? {
            "Allow" => Ok(Effect::Allow),
            "Deny" => Ok(Effect::Deny),
            other => Err(element.refuse(format_args!("expected `Allow` or `Deny`, not `{other}`"))),
        }
    }
}

impl Serialize for Effect {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Effect::Allow => "Allow",
            Effect::Deny => "Deny",
        })
    }
}

impl Version {
    pub(super) fn decode(element: &Element<'_>) -> Result<Self> {
        match element.text()? {
            "2008-10-17" => Ok(Version::V2008),
            "2012-10-17" => Ok(Version::V2012),
            other => Err(element.refuse(format_args!(
                "expected `2012-10-17` or `2008-10-17`, not `{other}`: it is the version of the policy \
                 language, not of the document"
            ))),
        }
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Version::V2008 => "2008-10-17",
            Version::V2012 => "2012-10-17",
        })
    }
}
