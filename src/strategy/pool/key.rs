//! What tells one session of a pool from another: the whole request, part by part.

use crate::source::StsSourceBuilder;
use std::borrow::{Borrow, Cow};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

type Text<'a> = Cow<'a, str>;

/// One request. Two are equal if every part is; tags and policies are sets, so their order is nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RoleKey<'a> {
    pub(super) role: Text<'a>,
    pub(super) session_name: Option<Text<'a>>,
    pub(super) external_id: Option<Text<'a>>,
    pub(super) duration: Duration,
    pub(super) policy: Option<Text<'a>>,
    pub(super) policy_arns: Vec<Text<'a>>,
    pub(super) tags: Vec<(Text<'a>, Text<'a>)>,
    pub(super) transitive_tags: Vec<Text<'a>>,
    pub(super) source_identity: Option<Text<'a>>,
}

/// By the texts alone: what is not set, and how long the session is to last, tells few requests apart, and costs as much
/// as a text. Whether two are equal is for `==` to say, which looks at every part.
impl Hash for RoleKey<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut add = |text: &Text<'_>| state.write(text.as_bytes());
        add(&self.role);
        let single = [
            &self.session_name,
            &self.external_id,
            &self.policy,
            &self.source_identity,
        ];
        single.into_iter().flatten().for_each(&mut add);
        self.policy_arns.iter().for_each(&mut add);
        for (key, value) in &self.tags {
            add(key);
            add(value);
        }
    }
}

/// A key as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct KeptKey(pub(super) Arc<RoleKey<'static>>);

/// So that a request is looked up as it stands, its texts borrowed.
impl<'a> Borrow<RoleKey<'a>> for KeptKey {
    fn borrow(&self) -> &RoleKey<'a> {
        &self.0
    }
}

fn owned(text: Text<'_>) -> Text<'static> {
    Cow::Owned(text.into_owned())
}

fn all_owned(texts: Vec<Text<'_>>) -> Vec<Text<'static>> {
    texts.into_iter().map(owned).collect()
}

impl RoleKey<'_> {
    /// Brings what means the same to STS into one form. Tags stay as often as they are: two of one key are refused.
    pub(super) fn normalize(&mut self) {
        self.duration = Duration::from_secs(self.duration.as_secs());
        self.policy_arns.sort_unstable();
        self.policy_arns.dedup();
        self.tags.sort_unstable();
        self.transitive_tags.sort_unstable();
        self.transitive_tags.dedup();
    }

    pub(super) fn into_owned(self) -> RoleKey<'static> {
        let RoleKey {
            role,
            session_name,
            external_id,
            duration,
            policy,
            policy_arns,
            tags,
            transitive_tags,
            source_identity,
        } = self;
        RoleKey {
            role: owned(role),
            session_name: session_name.map(owned),
            external_id: external_id.map(owned),
            duration,
            policy: policy.map(owned),
            policy_arns: all_owned(policy_arns),
            tags: tags
                .into_iter()
                .map(|(key, value)| (owned(key), owned(value)))
                .collect(),
            transitive_tags: all_owned(transitive_tags),
            source_identity: source_identity.map(owned),
        }
    }

    /// The same, lent: what a request starts from.
    pub(super) fn lend(&self) -> RoleKey<'_> {
        fn some<'b>(text: &'b Option<Text<'_>>) -> Option<Text<'b>> {
            text.as_deref().map(Cow::Borrowed)
        }
        fn all<'b>(texts: &'b [Text<'_>]) -> Vec<Text<'b>> {
            texts.iter().map(|text| Cow::Borrowed(&**text)).collect()
        }
        RoleKey {
            role: Cow::Borrowed(&*self.role),
            session_name: some(&self.session_name),
            external_id: some(&self.external_id),
            duration: self.duration,
            policy: some(&self.policy),
            policy_arns: all(&self.policy_arns),
            tags: self
                .tags
                .iter()
                .map(|(key, value)| (Cow::Borrowed(&**key), Cow::Borrowed(&**value)))
                .collect(),
            transitive_tags: all(&self.transitive_tags),
            source_identity: some(&self.source_identity),
        }
    }

    /// The builder of the source for this request, and for nothing beside it.
    pub(super) fn request(&self, template: &StsSourceBuilder) -> StsSourceBuilder {
        let RoleKey {
            role,
            session_name,
            external_id,
            duration,
            policy,
            policy_arns,
            tags,
            transitive_tags,
            source_identity,
        } = self;
        let mut builder = template
            .clone()
            .for_role(role.to_string())
            .duration(*duration);
        if let Some(name) = session_name {
            builder = builder.session_name(&**name);
        }
        if let Some(id) = external_id {
            builder = builder.external_id(&**id);
        }
        if let Some(json) = policy {
            builder = builder.policy(&**json);
        }
        if let Some(identity) = source_identity {
            builder = builder.source_identity(&**identity);
        }
        builder
            .policy_arns(policy_arns.iter().map(|arn| &**arn))
            .tags(tags.iter().map(|(key, value)| (&**key, &**value)))
            .transitive_tags(transitive_tags.iter().map(|key| &**key))
    }
}
