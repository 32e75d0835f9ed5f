//! The elements `Action` and `Resource`, their negations, and whether they apply to a grant.

use crate::error::{Error, Result};
use crate::iam::decode::Element;
use crate::iam::grant::Target;
use crate::iam::wildcard;
use serde::ser::{Serialize, Serializer};

/// Whether a statement speaks about a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::iam) enum Applies {
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
pub(in crate::iam) struct Patterns {
    negated: bool,
    values: Vec<String>,
}

impl Patterns {
    pub(in crate::iam) fn of(values: impl IntoIterator<Item: Into<String>>) -> Self {
        Patterns {
            negated: false,
            values: values.into_iter().map(Into::into).collect(),
        }
    }

    pub(in crate::iam) fn values(&self) -> &[String] {
        &self.values
    }

    /// The values before a place, and those from there on; negated, the two would not say the same as
    /// the whole.
    pub(super) fn cut(&self, at: usize) -> Option<(Patterns, Patterns)> {
        let (before, after) = self.values.split_at_checked(at)?;
        (!self.negated).then(|| (Patterns::of(before), Patterns::of(after)))
    }

    /// Takes one of a pair of elements that exclude each other.
    pub(in crate::iam) fn decode_once(
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
    pub(in crate::iam) fn element(
        &self,
        positive: &'static str,
        negative: &'static str,
    ) -> &'static str {
        if self.negated { negative } else { positive }
    }

    pub(in crate::iam) fn validate_actions(&self, path: &str) -> Result<()> {
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

    pub(super) fn validate_resources(&self, path: &str) -> Result<()> {
        let element = self.element("Resource", "NotResource");
        self.validate(
            &format!("{path}.{element}"),
            "expected an ARN or `*`",
            |value| {
                value == "*" || (value.starts_with("arn:") && !value.contains(char::is_control))
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

    pub(super) fn applies_to_action(&self, action: &str) -> Applies {
        let action = action.to_ascii_lowercase();
        // actions are compared without regard to case, resources with
        let any = self
            .values
            .iter()
            .any(|pattern| wildcard::matches(&pattern.to_ascii_lowercase(), &action));
        let applies = if any { Applies::Surely } else { Applies::No };
        if self.negated { applies.not() } else { applies }
    }

    pub(super) fn applies_to_target(&self, target: &Target<'_>) -> Applies {
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

/// Compares segment by segment: a wildcard stays between its colons, except that a `*` which is the last character
/// of a segment may run over them (IAM User Guide, "IAM JSON policy elements: Resource", "Using wildcards in
/// resource ARNs"). The resource itself, the sixth part, is one segment here, whatever colons it has. Parts of the
/// target that are not known yet take whatever the pattern says.
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
        return if wildcard::overlap(&blank_variables(pattern), &whole) {
            Applies::Perhaps
        } else {
            Applies::No
        };
    }
    match covers(pattern, &parts) {
        true => Applies::Surely,
        false => Applies::No,
    }
}

/// Whether the pattern matches the parts that the resource consists of, colons between them.
fn covers(pattern: &str, parts: &[Option<&str>]) -> bool {
    let Some((part, rest)) = parts.split_first() else {
        return false;
    };
    let fits = |pattern: &str| part.is_none_or(|part| wildcard::matches(pattern, part));
    if rest.is_empty() {
        return fits(pattern);
    }
    let (segment, after) = match pattern.split_once(':') {
        Some((segment, after)) => (segment, Some(after)),
        None => (pattern, None),
    };
    if !fits(segment) {
        return false;
    }
    let crosses = segment.ends_with('*');
    let Some(after) = after else {
        return crosses;
    };
    covers(after, rest) || crosses && beyond(after, rest)
}

/// Whether a `*` that has run to the end of a part, and goes on, lets the rest of the pattern match further on.
fn beyond(pattern: &str, parts: &[Option<&str>]) -> bool {
    match parts {
        [] => false,
        // to any colon in the resource
        [resource] => {
            resource.is_none_or(|resource| wildcard::matches(&format!("*:{pattern}"), resource))
        }
        [_, rest @ ..] => covers(pattern, rest) || beyond(pattern, rest),
    }
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

/// One string as itself, several as an array: as IAM documents are written.
pub(in crate::iam) struct OneOrMany<'a>(pub(in crate::iam) &'a [String]);

impl Serialize for OneOrMany<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            [one] => serializer.serialize_str(one),
            many => serializer.collect_seq(many),
        }
    }
}
