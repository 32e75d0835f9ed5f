//! What tells one session of a pool from another: the whole request, part by part.

use crate::source::{DEFAULT_SESSION_DURATION, StsSourceBuilder};
use std::borrow::{Borrow, Cow};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

type Text<'a> = Cow<'a, str>;

/// One request of a pool. Two are equal if every part is; tags and policies are sets, so their order is nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RoleKey<'a> {
    pub(super) role: Text<'a>,
    pub(super) session_name: Option<Text<'a>>,
    pub(super) external_id: Option<Text<'a>>,
    /// `None` for the pool's. Once the key is [in its form](RoleKey::normalize), never the same as those, so that
    /// keys of a pool are equal where what they ask for is. In an `Arc`: to drop none takes one look.
    own: Option<Arc<Terms<'a>>>,
}

/// What few requests say for themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Terms<'a> {
    pub(super) duration: Duration,
    pub(super) policy: Option<Text<'a>>,
    pub(super) policy_arns: Vec<Text<'a>>,
    pub(super) tags: Vec<(Text<'a>, Text<'a>)>,
    pub(super) transitive_tags: Vec<Text<'a>>,
    pub(super) source_identity: Option<Text<'a>>,
}

/// What requests start from.
pub(super) struct Defaults {
    session_name: Option<String>,
    external_id: Option<String>,
    terms: Terms<'static>,
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

/// By every part that is set. Where two differ by how texts run together alone, `==` says so, which looks at each.
impl Hash for RoleKey<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.role.as_bytes());
        if let Some(name) = &self.session_name {
            state.write(name.as_bytes());
        }
        if let Some(id) = &self.external_id {
            state.write(id.as_bytes());
        }
        if let Some(terms) = &self.own {
            terms.hash_into(state);
        }
    }
}

impl Defaults {
    pub(super) fn of(template: &StsSourceBuilder) -> Self {
        let parts = template.asked();
        let text = |text: &Option<String>| text.clone().map(Cow::Owned);
        let all = |texts: &[String]| texts.iter().cloned().map(Cow::Owned).collect();
        let tags = parts.tags.iter().cloned();
        let mut terms = Terms {
            duration: parts.duration.unwrap_or(DEFAULT_SESSION_DURATION),
            policy: text(&parts.policy),
            policy_arns: all(&parts.policy_arns),
            tags: tags
                .map(|(key, value)| (Cow::Owned(key), Cow::Owned(value)))
                .collect(),
            transitive_tags: all(&parts.transitive_tags),
            source_identity: text(&parts.source_identity),
        };
        terms.normalize();
        Defaults {
            session_name: parts.session_name.clone(),
            external_id: parts.external_id.clone(),
            terms,
        }
    }

    /// The template, asking for this in the form in which it is compared: what plain requests send.
    pub(super) fn asked_of(&self, template: StsSourceBuilder) -> StsSourceBuilder {
        self.terms.asked_of(template)
    }

    /// A request that says nothing but the role.
    #[inline]
    pub(super) fn for_role<'a>(&'a self, role: &'a str) -> RoleKey<'a> {
        RoleKey {
            role: Cow::Borrowed(role),
            session_name: self.session_name.as_deref().map(Cow::Borrowed),
            external_id: self.external_id.as_deref().map(Cow::Borrowed),
            own: None,
        }
    }
}

fn owned(text: Text<'_>) -> Text<'static> {
    Cow::Owned(text.into_owned())
}

fn all_owned(texts: Vec<Text<'_>>) -> Vec<Text<'static>> {
    texts.into_iter().map(owned).collect()
}

fn lent<'b>(text: &'b Text<'_>) -> Text<'b> {
    Cow::Borrowed(text)
}

impl Terms<'_> {
    /// Apart from what each request has, which so keeps to registers.
    #[inline(never)]
    fn hash_into<H: Hasher>(&self, state: &mut H) {
        self.duration.as_secs().hash(state);
        let set = self.policy.iter().chain(&self.source_identity);
        for text in set.chain(&self.policy_arns) {
            state.write(text.as_bytes());
        }
        for key in &self.transitive_tags {
            state.write(key.as_bytes());
        }
        for (key, value) in &self.tags {
            // With their lengths: else who chooses tags could choose some that run together alike.
            (key.len(), value.len()).hash(state);
            state.write(key.as_bytes());
            state.write(value.as_bytes());
        }
    }

    /// Brings what means the same to STS into one form. Tags stay as often as they are: two of one key are refused.
    fn normalize(&mut self) {
        self.duration = Duration::from_secs(self.duration.as_secs());
        self.policy_arns.sort_unstable();
        self.policy_arns.dedup();
        self.tags.sort_unstable();
        self.transitive_tags.sort_unstable();
        self.transitive_tags.dedup();
    }

    fn asked_of(&self, mut builder: StsSourceBuilder) -> StsSourceBuilder {
        let Terms {
            duration,
            policy,
            policy_arns,
            tags,
            transitive_tags,
            source_identity,
        } = self;
        if let Some(json) = policy {
            builder = builder.policy(&**json);
        }
        if let Some(identity) = source_identity {
            builder = builder.source_identity(&**identity);
        }
        builder
            .duration(*duration)
            .policy_arns(policy_arns.iter().map(|arn| &**arn))
            .tags(tags.iter().map(|(key, value)| (&**key, &**value)))
            .transitive_tags(transitive_tags.iter().map(|key| &**key))
    }

    fn lend(&self) -> Terms<'_> {
        let tags = self.tags.iter();
        Terms {
            duration: self.duration,
            policy: self.policy.as_ref().map(lent),
            policy_arns: self.policy_arns.iter().map(lent).collect(),
            tags: tags.map(|(key, value)| (lent(key), lent(value))).collect(),
            transitive_tags: self.transitive_tags.iter().map(lent).collect(),
            source_identity: self.source_identity.as_ref().map(lent),
        }
    }

    fn into_owned(self) -> Terms<'static> {
        let Terms {
            duration,
            policy,
            policy_arns,
            tags,
            transitive_tags,
            source_identity,
        } = self;
        let tags = tags.into_iter();
        Terms {
            duration,
            policy: policy.map(owned),
            policy_arns: all_owned(policy_arns),
            tags: tags
                .map(|(key, value)| (owned(key), owned(value)))
                .collect(),
            transitive_tags: all_owned(transitive_tags),
            source_identity: source_identity.map(owned),
        }
    }
}

impl<'a> RoleKey<'a> {
    /// Terms of its own, which are those of the pool until they are changed.
    pub(super) fn with_terms(
        mut self,
        of_pool: &'a Defaults,
        change: impl FnOnce(&mut Terms<'a>),
    ) -> Self {
        let own = self
            .own
            .get_or_insert_with(|| Arc::new(of_pool.terms.lend()));
        change(Arc::make_mut(own));
        self
    }

    /// Brings it into the form in which keys of a pool are compared.
    #[inline]
    pub(super) fn normalize(&mut self, of_pool: &Defaults) {
        if self.own.is_some() {
            self.normalize_terms(of_pool);
        }
    }

    #[inline(never)]
    fn normalize_terms(&mut self, of_pool: &Defaults) {
        if let Some(own) = &mut self.own {
            Arc::make_mut(own).normalize();
            if **own == of_pool.terms {
                self.own = None;
            }
        }
    }

    pub(super) fn into_owned(self) -> RoleKey<'static> {
        let RoleKey {
            role,
            session_name,
            external_id,
            own,
        } = self;
        RoleKey {
            role: owned(role),
            session_name: session_name.map(owned),
            external_id: external_id.map(owned),
            own: own.map(|terms| Arc::new(Arc::unwrap_or_clone(terms).into_owned())),
        }
    }

    /// How long its sessions last, where it has terms of its own.
    pub(super) fn duration(&self) -> Option<Duration> {
        self.own.as_ref().map(|terms| terms.duration)
    }

    /// The builder of the source for this request, and for nothing beside it.
    pub(super) fn request(&self, template: &StsSourceBuilder) -> StsSourceBuilder {
        let mut builder = template.clone().for_role(self.role.to_string());
        if let Some(name) = &self.session_name {
            builder = builder.session_name(&**name);
        }
        if let Some(id) = &self.external_id {
            builder = builder.external_id(&**id);
        }
        match &self.own {
            Some(terms) => terms.asked_of(builder),
            None => builder,
        }
    }
}
