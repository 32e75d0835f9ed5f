//! What a statement is made of: effect, actions, resources, conditions.

use super::decode::Element;
use super::grant::{Grant, Target};
use super::pattern;
use crate::error::{Error, Result};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::collections::BTreeMap;
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
/// It decides whether `${…}` is a policy variable; nothing else that this module does depends on it.
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

/// Whether a statement speaks about a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Applies {
    No,
    /// It depends on what only the request knows.
    Perhaps,
    Surely,
}

impl Applies {
    fn not(self) -> Self {
        match self {
            Applies::No => Applies::Surely,
            Applies::Perhaps => Applies::Perhaps,
            Applies::Surely => Applies::No,
        }
    }
}

/// `Action` or `NotAction`, `Resource` or `NotResource`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Patterns {
    negated: bool,
    values: Vec<String>,
}

impl Patterns {
    pub(super) fn of(values: impl IntoIterator<Item: Into<String>>) -> Self {
        Patterns {
            negated: false,
            values: values.into_iter().map(Into::into).collect(),
        }
    }

    pub(super) fn values(&self) -> &[String] {
        &self.values
    }

    /// Takes one of a pair of elements that exclude each other.
    pub(super) fn decode_once(
        slot: &mut Option<Patterns>,
        negated: bool,
        element: &Element<'_>,
    ) -> Result<()> {
        let values = element.texts()?.into_iter().map(|(_, text)| text).collect();
        if slot.replace(Patterns { negated, values }).is_some() {
            return Err(
                element.refuse("excluded by its positive or negative twin: keep one of them")
            );
        }
        Ok(())
    }

    /// The name under which it stands in the statement.
    pub(super) fn element(&self, positive: &'static str, negative: &'static str) -> &'static str {
        if self.negated { negative } else { positive }
    }

    pub(super) fn validate_actions(&self, path: &str) -> Result<()> {
        let element = self.element("Action", "NotAction");
        self.validate(
            &format!("{path}.{element}"),
            "expected `service:Operation` or `*`",
            |value| {
                value == "*"
                    || value.split_once(':').is_some_and(|(service, action)| {
                        let plain = |b: u8| b.is_ascii_alphanumeric();
                        !service.is_empty()
                            && service.bytes().all(|b| plain(b) || b == b'-')
                            && !action.is_empty()
                            && action.bytes().all(|b| plain(b) || b"*?_-".contains(&b))
                    })
            },
        )
    }

    fn validate_resources(&self, path: &str) -> Result<()> {
        let element = self.element("Resource", "NotResource");
        self.validate(
            &format!("{path}.{element}"),
            "expected an ARN or `*`",
            |value| {
                value == "*" || (value.starts_with("arn:") && !value.contains(char::is_whitespace))
            },
        )
    }

    fn validate(&self, path: &str, expected: &str, valid: impl Fn(&str) -> bool) -> Result<()> {
        if self.values.is_empty() {
            return Err(Error::usage(path.to_owned(), "expected at least one"));
        }
        for value in &self.values {
            if !valid(value) {
                return Err(Error::usage(
                    path.to_owned(),
                    format!("{expected}, not `{value}`"),
                ));
            }
        }
        Ok(())
    }

    fn applies_to_action(&self, action: &str) -> Applies {
        let action = action.to_ascii_lowercase();
        // actions are compared without regard to case, resources with
        let any = self
            .values
            .iter()
            .any(|pattern| pattern::matches(&pattern.to_ascii_lowercase(), &action));
        let applies = if any { Applies::Surely } else { Applies::No };
        if self.negated { applies.not() } else { applies }
    }

    fn applies_to_target(&self, target: &Target<'_>) -> Applies {
        let applies = self
            .values
            .iter()
            .map(|pattern| resource_applies(pattern, target))
            .max()
            .unwrap_or(Applies::No);
        if self.negated { applies.not() } else { applies }
    }
}

impl Serialize for Patterns {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        OneOrMany(&self.values).serialize(serializer)
    }
}

/// Compares segment by segment: in IAM a wildcard stays between its colons, except that a `*` at the
/// end of the pattern runs to the end of the ARN. Parts of the target that are not known yet take
/// whatever the pattern says.
fn resource_applies(pattern: &str, target: &Target<'_>) -> Applies {
    if pattern == "*" {
        return Applies::Surely;
    }
    let Target::Arn {
        place,
        service,
        resource,
    } = target
    else {
        return Applies::No;
    };
    let [partition, region, account] = match place {
        Some(place) => place.map(Some),
        None => [None; 3],
    };
    let parts = [
        Some("arn"),
        partition,
        Some(*service),
        region,
        account,
        Some(&**resource),
    ];
    if pattern.contains("${") {
        let whole = parts.map(|part| part.unwrap_or("*")).join(":");
        return if pattern::overlap(&blank_variables(pattern), &whole) {
            Applies::Perhaps
        } else {
            Applies::No
        };
    }
    let mut patterns = pattern.splitn(parts.len(), ':').peekable();
    for part in parts {
        let Some(wanted) = patterns.next() else {
            return Applies::No;
        };
        if part.is_some_and(|part| !pattern::matches(wanted, part)) {
            return Applies::No;
        }
        if patterns.peek().is_none() && wanted.ends_with('*') {
            return Applies::Surely;
        }
    }
    Applies::Surely
}

/// The pattern with every `${…}` as a wildcard.
fn blank_variables(pattern: &str) -> String {
    let mut blank = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once("${") {
        blank.push_str(before);
        blank.push('*');
        rest = after.split_once('}').map_or("", |(_, after)| after);
    }
    blank.push_str(rest);
    blank
}

/// The `Condition` element: operator → key → values. All operators and keys must hold, one value each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Conditions(BTreeMap<String, BTreeMap<String, Vec<String>>>);

/// Condition operators without `ForAllValues:`, `ForAnyValue:` and `IfExists`
/// (IAM User Guide, "Condition operators").
const OPERATORS: [&str; 28] = [
    "ArnEquals",
    "ArnLike",
    "ArnNotEquals",
    "ArnNotLike",
    "BinaryEquals",
    "Bool",
    "DateEquals",
    "DateGreaterThan",
    "DateGreaterThanEquals",
    "DateLessThan",
    "DateLessThanEquals",
    "DateNotEquals",
    "IpAddress",
    "NotIpAddress",
    "Null",
    "NumericEquals",
    "NumericGreaterThan",
    "NumericGreaterThanEquals",
    "NumericLessThan",
    "NumericLessThanEquals",
    "NumericNotEquals",
    "StringEquals",
    "StringEqualsIgnoreCase",
    "StringLike",
    "StringNotEquals",
    "StringNotEqualsIgnoreCase",
    "StringNotLike",
    "BinaryNotEquals",
];

impl Conditions {
    pub(super) fn add(
        &mut self,
        operator: String,
        key: String,
        values: impl IntoIterator<Item: Into<String>>,
    ) {
        self.0
            .entry(operator)
            .or_default()
            .entry(key)
            .or_default()
            .extend(values.into_iter().map(Into::into));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn validate(&self, path: &str) -> Result<()> {
        for (operator, keys) in &self.0 {
            let base = operator
                .strip_prefix("ForAllValues:")
                .or_else(|| operator.strip_prefix("ForAnyValue:"))
                .unwrap_or(operator);
            let plain = base.strip_suffix("IfExists").unwrap_or(base);
            // `Null` asks whether a key is there, so it has no `IfExists`
            if !OPERATORS.contains(&plain) || base == "NullIfExists" {
                return Err(Error::usage(
                    format!("{path}.Condition.{operator}"),
                    "no such condition operator",
                ));
            }
            for (key, values) in keys {
                let expected = if key.is_empty() || key.contains(char::is_whitespace) {
                    "expected the name of a condition key"
                } else if values.is_empty() {
                    "expected at least one value"
                } else {
                    continue;
                };
                return Err(Error::usage(
                    format!("{path}.Condition.{operator}.{key}"),
                    expected,
                ));
            }
        }
        Ok(())
    }

    pub(super) fn decode(element: &Element<'_>) -> Result<Self> {
        let mut conditions = Conditions::default();
        for (operator, keys) in element.members()? {
            for (key, values) in keys.members()? {
                let values = values
                    .one_or_many()
                    .iter()
                    .map(Element::scalar)
                    .collect::<Result<Vec<_>>>()?;
                conditions.add(operator.to_owned(), key.to_owned(), values);
            }
        }
        Ok(conditions)
    }

    /// The policy variables in the values, without `${` and `}`, each once.
    ///
    /// `${*}`, `${?}` and `${$}` are no variables but the plain character.
    pub(super) fn variables(&self) -> Vec<&str> {
        let mut found = Vec::new();
        for value in self.0.values().flat_map(BTreeMap::values).flatten() {
            let mut rest = value.as_str();
            while let Some((_, after)) = rest.split_once("${") {
                let (name, after) = after.split_once('}').unwrap_or((after, ""));
                if !matches!(name, "*" | "?" | "$") && !found.contains(&name) {
                    found.push(name);
                }
                rest = after;
            }
        }
        found
    }
}

impl Serialize for Conditions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (operator, keys) in &self.0 {
            let keys: BTreeMap<_, _> = keys
                .iter()
                .map(|(key, values)| (key, OneOrMany(values)))
                .collect();
            map.serialize_entry(operator, &keys)?;
        }
        map.end()
    }
}

/// One string as itself, several as an array: as IAM documents are written.
pub(super) struct OneOrMany<'a>(pub(super) &'a [String]);

impl Serialize for OneOrMany<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            [one] => serializer.serialize_str(one),
            many => serializer.collect_seq(many),
        }
    }
}
