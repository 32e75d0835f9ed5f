//! Session tags: asked for by parameters or by the claims of a token, and inherited along a chain.

use super::query::{Checks, Parameters, Refusal, invalid};
use crate::local::account::RoleSession;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Bounds of the API reference of `AssumeRole`, version 2011-06-15.
const KEY: RangeInclusive<usize> = 1..=128;
const VALUE: RangeInclusive<usize> = 0..=256;
const TAGS: usize = 50;

const PATTERN: &str = r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*";

/// Where an identity provider puts session tags (IAM User Guide, "Passing session tags using
/// AssumeRoleWithWebIdentity").
const CLAIM: &str = "https://aws.amazon.com/tags";

/// Tags of a session that is to be made.
#[derive(Debug, Default)]
pub(super) struct SessionTags {
    tags: Vec<(String, String)>,
    /// The keys of those that are to be inherited.
    transitive: Vec<String>,
}

impl SessionTags {
    /// Notes what is wrong with single parameters.
    pub(super) fn from_parameters(parameters: &Parameters, checks: &mut Checks) -> Self {
        let keys = parameters.members("Tags", ".Key");
        let tags = keys.into_iter().enumerate().map(|(n, key)| {
            let value = parameters.one(&format!("Tags.member.{}.Value", n + 1));
            (key.to_owned(), value.unwrap_or_default().to_owned())
        });
        let transitive = parameters.members("TransitiveTagKeys", "");
        let tags = SessionTags {
            tags: tags.collect(),
            transitive: transitive.into_iter().map(str::to_owned).collect(),
        };
        tags.note(checks);
        tags
    }

    /// Tags that a token asks for: as one claim, or flattened into one for each key.
    pub(super) fn from_claims(claims: &Map<String, Value>) -> Result<Self, Refusal> {
        let mut tags = SessionTags::default();
        if let Some(claim) = claims.get(CLAIM) {
            let members = claim.get("principal_tags").and_then(Value::as_object);
            for (key, value) in members.into_iter().flatten() {
                tags.add(key, value)?;
            }
            tags.inherit(claim.get("transitive_tag_keys"));
        }
        for (name, value) in claims {
            let Some(part) = name
                .strip_prefix(CLAIM)
                .and_then(|part| part.strip_prefix('/'))
            else {
                continue;
            };
            match part.strip_prefix("principal_tags/") {
                Some(key) => tags.add(key, value)?,
                None if part == "transitive_tag_keys" => tags.inherit(Some(value)),
                None => {}
            }
        }
        let mut checks = Checks::default();
        tags.note(&mut checks);
        checks.finish()?;
        tags.consistent()?;
        Ok(tags)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tags.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tags
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    pub(super) fn transitive(&self) -> &[String] {
        &self.transitive
    }

    /// Refuses what only several of them together do wrong.
    pub(super) fn consistent(&self) -> Result<(), Refusal> {
        for (n, (key, _)) in self.tags.iter().enumerate() {
            let mut earlier = self.tags.iter().take(n);
            if earlier.any(|(earlier, _)| same_key(earlier, key)) {
                return Err(Refusal::bad_request(
                    "InvalidInput",
                    "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
                ));
            }
        }
        let known = |key: &String| self.tags.iter().any(|(tag, _)| same_key(tag, key));
        if !self.transitive.iter().all(known) {
            return Err(invalid(
                "The specified transitive tag key must be included in the requested tags."
                    .to_owned(),
            ));
        }
        Ok(())
    }

    /// All tags of the new session, those that go on to the next one among them: these, and the
    /// transitive ones of the session that it is chained to, which cannot be given again.
    pub(super) fn with_inherited(
        &self,
        chained_to: Option<&RoleSession>,
    ) -> Result<(BTreeMap<String, String>, Vec<String>), Refusal> {
        let mut tags: BTreeMap<_, _> = self.tags.iter().cloned().collect();
        let mut transitive = self.transitive.clone();
        for (key, value) in chained_to.into_iter().flat_map(RoleSession::passed_on) {
            if tags.keys().any(|asked| same_key(asked, key)) {
                return Err(invalid(format!(
                    "Session tag {key} is inherited from the calling session and cannot be passed again"
                )));
            }
            tags.insert(key.to_owned(), value.to_owned());
            transitive.push(key.to_owned());
        }
        Ok((tags, transitive))
    }

    fn note(&self, checks: &mut Checks) {
        checks.count("tags", self.tags.len(), TAGS);
        for (n, (key, value)) in self.tags.iter().enumerate() {
            let member = format!("tags.{}.member.", n + 1);
            checks.length(&format!("{member}key"), Some(key), &KEY);
            checks.length(&format!("{member}value"), Some(value), &VALUE);
            checks.pattern(&format!("{member}key"), Some(key), PATTERN, tag_char);
            checks.pattern(&format!("{member}value"), Some(value), PATTERN, tag_char);
        }
    }

    /// A value is a string, or a list that holds one.
    fn add(&mut self, key: &str, value: &Value) -> Result<(), Refusal> {
        let value = match value {
            Value::Array(values) => match &values[..] {
                [one] => one,
                _ => value,
            },
            one => one,
        };
        let Some(value) = value.as_str() else {
            return Err(Refusal::bad_request(
                "InvalidIdentityToken",
                format!("The principal tag {key} in the claim {CLAIM} must have one string value"),
            ));
        };
        self.tags.push((key.to_owned(), value.to_owned()));
        Ok(())
    }

    fn inherit(&mut self, keys: Option<&Value>) {
        let keys = keys.and_then(Value::as_array).into_iter().flatten();
        self.transitive
            .extend(keys.filter_map(Value::as_str).map(str::to_owned));
    }
}

/// Letters, separators and numbers of any script, and some punctuation.
fn tag_char(c: char) -> bool {
    c.is_alphanumeric() || c.is_whitespace() && !c.is_control() || "_.:/=+-@".contains(c)
}

/// Tag keys keep their case and are told apart without it.
fn same_key(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}
