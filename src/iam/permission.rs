//! Permission policies: what somebody may do.

use super::decode::{self, Element};
use super::grant::{Grant, Requires};
use super::statement::{Applies, Effect, Statement, Version};
use crate::arn::{self, Arn};
use crate::error::{Error, Operation, Result};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::str::FromStr;

/// A permission policy: attached to a role or user, or handed to `AssumeRole` as a session policy.
///
/// ```
/// use aws_credential_strategies::iam::{Grant, PermissionPolicy};
///
/// let grants = ["dynamodb:GetItem", "dynamodb:PutItem"].map(|action| Grant::on_table(action, "MyTable"));
/// let policy = PermissionPolicy::for_grants(grants, "aws", "us-east-1", "123456789012")?;
/// assert_eq!(policy.to_string(), r#"{
///   "Version": "2012-10-17",
///   "Statement": [
///     {
///       "Effect": "Allow",
///       "Action": [
///         "dynamodb:GetItem",
///         "dynamodb:PutItem"
///       ],
///       "Resource": "arn:aws:dynamodb:us-east-1:123456789012:table/MyTable"
///     }
///   ]
/// }"#);
/// assert_eq!(policy, policy.to_string().parse()?);
/// # Ok::<(), aws_credential_strategies::Error>(())
/// ```
///
/// `Display` is the pretty JSON that `aws iam` takes, the same bytes for the same policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PermissionPolicy {
    version: Version,
    id: Option<String>,
    statements: Vec<Statement>,
}

/// What a policy says about a [`Grant`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Coverage {
    /// Allowed whatever the request looks like.
    Allowed,
    /// It depends on a condition or a policy variable, which only the request can settle.
    Conditional,
    /// Denied by a statement, so that no other can allow it.
    Denied,
    /// No statement allows it.
    Missing,
}

impl PermissionPolicy {
    /// Characters of all inline policies of a role together (IAM and STS quotas).
    pub const INLINE_SIZE_MAX: usize = 10_240;
    /// Characters of a managed policy (IAM and STS quotas).
    pub const MANAGED_SIZE_MAX: usize = 6_144;
    /// Characters of a session policy (STS API reference, `AssumeRole`).
    pub const SESSION_SIZE_MAX: usize = 2_048;

    /// A policy of these statements, in this order.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage), naming the element that IAM would refuse: no
    /// statement, no action or resource, one that is not of its form, an unknown condition operator, a
    /// `Sid` that stands twice.
    pub fn new(statements: impl IntoIterator<Item = Statement>) -> Result<Self> {
        let policy = PermissionPolicy {
            version: Version::default(),
            id: None,
            statements: statements.into_iter().collect(),
        };
        policy.validate()?;
        Ok(policy)
    }

    /// The smallest policy that allows the grants and nothing else.
    ///
    /// Resources that need the same actions share a statement. Partition (`aws`), region and account
    /// are those of the tables; region and account may be `*`.
    ///
    /// # Errors
    ///
    /// As [`Grant::arn`], and when there is no grant: IAM takes no policy without a statement.
    pub fn for_grants(
        grants: impl IntoIterator<Item = Grant>,
        partition: &str,
        region: &str,
        account: &str,
    ) -> Result<Self> {
        let mut actions_of: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for grant in grants {
            let arn = grant.arn(partition, region, account)?;
            let actions = actions_of.entry(arn).or_default();
            if let Err(place) = actions.binary_search_by(|known| known.as_str().cmp(grant.action()))
            {
                actions.insert(place, grant.action().to_owned());
            }
        }
        // in the order of their first resource, so that the same grants make the same bytes
        let mut together: Vec<(Vec<String>, Vec<String>)> = Vec::new();
        let mut position: BTreeMap<Vec<String>, usize> = BTreeMap::new();
        for (arn, actions) in actions_of {
            match position.entry(actions) {
                Entry::Occupied(known) => {
                    if let Some((_, resources)) = together.get_mut(*known.get()) {
                        resources.push(arn);
                    }
                }
                Entry::Vacant(new) => {
                    together.push((new.key().clone(), vec![arn]));
                    new.insert(together.len() - 1);
                }
            }
        }
        if together.is_empty() {
            return Err(Error::usage(
                "grants",
                "expected at least one: IAM takes no policy without a statement",
            ));
        }
        PermissionPolicy::new(
            together
                .into_iter()
                .map(|(actions, resources)| Statement::allow(actions, resources)),
        )
    }

    /// Reads a document as `aws iam` or the console shows it.
    ///
    /// Strings and arrays are taken where IAM takes both, and one statement without an array. Nothing
    /// is dropped: what is not understood is refused by name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage), naming the element and what was expected.
    pub fn from_json(json: &str) -> Result<Self> {
        let document = decode::document("policy", json)?;
        let mut version = Version::V2008;
        let mut id = None;
        let mut statements = None;
        for (name, member) in Element::new("policy", &document).members()? {
            match name {
                "Version" => version = Version::decode(&member)?,
                "Id" => id = Some(member.text()?.to_owned()),
                "Statement" => {
                    let elements = member.one_or_many();
                    let decoded = elements.iter().map(Statement::decode);
                    statements = Some(decoded.collect::<Result<Vec<_>>>()?);
                }
                _ => return Err(member.refuse("no such element in a policy")),
            }
        }
        let Some(statements) = statements else {
            return Err(Error::usage("policy.Statement", "missing from the policy"));
        };
        let policy = PermissionPolicy {
            version,
            id,
            statements,
        };
        policy.validate()?;
        Ok(policy)
    }

    /// The same policy with one more statement at its end, for example
    /// [`Denied::statement_to_add`](crate::Denied::statement_to_add).
    ///
    /// # Errors
    ///
    /// As [`new`](PermissionPolicy::new).
    pub fn with(mut self, statement: Statement) -> Result<Self> {
        self.statements.push(statement);
        self.validate()?;
        Ok(self)
    }

    /// How much of IAM's quota it takes: characters, white space not counted.
    ///
    /// [`MANAGED_SIZE_MAX`](PermissionPolicy::MANAGED_SIZE_MAX) for a managed policy,
    /// [`INLINE_SIZE_MAX`](PermissionPolicy::INLINE_SIZE_MAX) for all inline policies of a role together,
    /// [`SESSION_SIZE_MAX`](PermissionPolicy::SESSION_SIZE_MAX) for a session policy.
    #[must_use]
    pub fn size(&self) -> usize {
        size_of(&self.to_compact_json())
    }

    /// The same permissions in as many policies as it takes for each to be at most `limit` characters
    /// long by [`size`](PermissionPolicy::size); one that fits is returned as it is.
    ///
    /// For [`MANAGED_SIZE_MAX`](PermissionPolicy::MANAGED_SIZE_MAX) these are the managed policies to
    /// attach: a role takes 10 of them unless its account has asked for more. Inline policies share one
    /// quota, so more than one of [`INLINE_SIZE_MAX`](PermissionPolicy::INLINE_SIZE_MAX) is for more than
    /// one role. A session takes one policy of [`SESSION_SIZE_MAX`](PermissionPolicy::SESSION_SIZE_MAX);
    /// what is more goes into managed policies that are named to `AssumeRole`.
    ///
    /// Statements stay in order. One that is too long by itself is cut between its resources, or between
    /// its actions; each part keeps its `Sid` and its conditions.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage), naming the statement that is too long and cannot be
    /// cut: a single action on a single resource, or a `NotAction` or `NotResource`, which cut in two
    /// would say something else.
    ///
    /// ```
    /// use aws_credential_strategies::iam::{Grant, PermissionPolicy};
    ///
    /// let grants = (0..200).map(|n| Grant::on_table("dynamodb:GetItem", format!("Tenant-{n}")));
    /// let policy = PermissionPolicy::for_grants(grants, "aws", "us-east-1", "123456789012")?;
    /// assert!(policy.size() > PermissionPolicy::MANAGED_SIZE_MAX);
    /// let managed = policy.split(PermissionPolicy::MANAGED_SIZE_MAX)?;
    /// assert_eq!(managed.len(), 2);
    /// # Ok::<(), aws_credential_strategies::Error>(())
    /// ```
    pub fn split(&self, limit: usize) -> Result<Vec<PermissionPolicy>> {
        let of = |statements: Vec<Statement>| PermissionPolicy {
            version: self.version,
            id: self.id.clone(),
            statements,
        };
        if self.size() <= limit {
            return Ok(vec![self.clone()]);
        }
        let fits = |statements: &[Statement]| of(statements.to_vec()).size() <= limit;
        let mut policies = Vec::new();
        let mut filling: Vec<Statement> = Vec::new();
        for (i, statement) in self.statements.iter().enumerate() {
            let mut left = vec![statement.clone()];
            while let Some(statement) = left.pop() {
                filling.push(statement);
                if fits(&filling) {
                    continue;
                }
                left.extend(filling.pop());
                if !filling.is_empty() {
                    policies.push(of(std::mem::take(&mut filling)));
                    continue;
                }
                let statement = left.pop();
                let cut = statement.and_then(|s| s.cut(|part| fits(std::slice::from_ref(part))));
                let Some((part, mut rest)) = cut else {
                    let expected =
                        format!("expected a statement that can be cut to {limit} characters");
                    return Err(Error::usage(format!("policy.Statement[{i}]"), expected));
                };
                policies.push(of(vec![part]));
                left.append(&mut rest);
            }
        }
        if !filling.is_empty() {
            policies.push(of(filling));
        }
        Ok(policies)
    }

    /// The policy as one line without spaces, for a session policy.
    #[must_use]
    pub fn to_compact_json(&self) -> String {
        format!("{self:#}")
    }

    /// The statements, in order.
    pub fn statements(&self) -> impl ExactSizeIterator<Item = &Statement> {
        self.statements.iter()
    }

    /// What the policy says about a grant, before any request is made.
    ///
    /// Conservative: only a statement without conditions and policy variables counts as certain. A
    /// conditional deny makes [`Coverage::Conditional`] of what another statement allows. A table known
    /// by name is taken to lie where the policy says: region and account are not compared.
    #[must_use]
    pub fn coverage(&self, grant: &Grant) -> Coverage {
        let strongest = |effect: Effect| {
            self.statements
                .iter()
                .filter(|statement| statement.effect() == effect)
                .map(|statement| statement.applies_to(grant))
                .max()
                .unwrap_or(Applies::No)
        };
        match (strongest(Effect::Allow), strongest(Effect::Deny)) {
            (_, Applies::Surely) => Coverage::Denied,
            (Applies::No, _) => Coverage::Missing,
            (Applies::Perhaps, _) | (_, Applies::Perhaps) => Coverage::Conditional,
            (Applies::Surely, Applies::No) => Coverage::Allowed,
        }
    }

    /// Whether the policy allows the grant for certain: [`Coverage::Allowed`].
    #[must_use]
    pub fn covers(&self, grant: &Grant) -> bool {
        self.coverage(grant) == Coverage::Allowed
    }

    /// Checks that the policy allows everything that something requires: an operation, a recorder.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage), listing each grant that is not
    /// [`covered`](PermissionPolicy::covers), with the reason, and the statements to add.
    pub fn assert_covers<R: Requires + ?Sized>(&self, what: &R) -> Result<()> {
        let mut lacking = Vec::new();
        let mut to_add = Vec::new();
        for grant in what.grants() {
            let coverage = self.coverage(&grant);
            if coverage == Coverage::Allowed {
                continue;
            }
            lacking.push(format!("{grant} ({coverage})"));
            // against a denial there is nothing to add
            if coverage != Coverage::Denied {
                to_add.push(grant);
            }
        }
        if lacking.is_empty() {
            return Ok(());
        }
        let error = Error::usage("policy", format!("does not cover {}", lacking.join(", ")))
            .during(Operation::new("check policy"));
        let [partition, region, account] = self.place();
        match PermissionPolicy::for_grants(to_add, partition, region, account) {
            Ok(addition) => {
                let statements = addition.statements.iter().map(ToString::to_string);
                Err(error.hint(format!("add {}", statements.collect::<Vec<_>>().join(","))))
            }
            Err(_) => Err(error),
        }
    }

    /// The policy variables in condition values, without `${` and `}`, each once.
    #[must_use]
    pub fn condition_variables(&self) -> Vec<&str> {
        unique(
            self.statements
                .iter()
                .flat_map(|s| s.conditions().variables()),
        )
    }

    /// Statements that have been checked already; `None` if there are none.
    pub(super) fn evaluable(version: Version, statements: Vec<Statement>) -> Option<Self> {
        if statements.is_empty() {
            return None;
        }
        Some(PermissionPolicy {
            version,
            id: None,
            statements,
        })
    }

    /// Partition, region and account of the first table that the policy names, wildcards where it
    /// names none.
    fn place(&self) -> [&str; 3] {
        let table = self
            .statements
            .iter()
            .flat_map(|statement| statement.resources().values())
            .filter_map(|arn| Arn::split(arn))
            .find(|arn| arn.service == "dynamodb" && arn::is_partition(arn.partition));
        let Some(table) = table else {
            return ["aws", "*", "*"];
        };
        let region = Some(table.region).filter(|region| arn::is_region(region));
        let account = Some(table.account).filter(|account| arn::is_account(account));
        [
            table.partition,
            region.unwrap_or("*"),
            account.unwrap_or("*"),
        ]
    }

    fn validate(&self) -> Result<()> {
        if self.statements.is_empty() {
            return Err(Error::usage("policy.Statement", "expected at least one"));
        }
        let mut sids = Vec::new();
        for (i, statement) in self.statements.iter().enumerate() {
            let path = format!("policy.Statement[{i}]");
            statement.validate(&path)?;
            if let Some(sid) = statement.name().filter(|sid| !sid.is_empty()) {
                if sids.contains(&sid) {
                    return Err(Error::usage(
                        format!("{path}.Sid"),
                        format!("`{sid}` names another statement already"),
                    ));
                }
                sids.push(sid);
            }
        }
        Ok(())
    }
}

impl fmt::Display for PermissionPolicy {
    /// Pretty JSON; `{:#}` is one line without spaces.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_json(self, f)
    }
}

impl FromStr for PermissionPolicy {
    type Err = Error;

    fn from_str(json: &str) -> Result<Self> {
        PermissionPolicy::from_json(json)
    }
}

impl Serialize for PermissionPolicy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let PermissionPolicy {
            version,
            id,
            statements,
        } = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("Version", version)?;
        if let Some(id) = id {
            map.serialize_entry("Id", id)?;
        }
        map.serialize_entry("Statement", statements)?;
        map.end()
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Coverage::Allowed => "allowed",
            Coverage::Conditional => "depends on a condition",
            Coverage::Denied => "denied by a statement",
            Coverage::Missing => "not allowed by any statement",
        })
    }
}

/// Pretty JSON, or with `{:#}` compact.
pub(super) fn write_json(document: &impl Serialize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let json = if f.alternate() {
        serde_json::to_string(document)
    } else {
        serde_json::to_string_pretty(document)
    };
    f.write_str(&json.map_err(|_| fmt::Error)?)
}

/// As IAM counts a document: characters, white space left out.
pub(super) fn size_of(json: &str) -> usize {
    json.chars().filter(|c| !c.is_whitespace()).count()
}

/// Each once, in the order of the first.
pub(super) fn unique<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut all = Vec::new();
    for name in names {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    all
}
