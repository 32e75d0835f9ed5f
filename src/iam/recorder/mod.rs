//! Which permissions a program used.

mod dynamodb;
mod partiql;

use super::grant::{Grant, Requires};
use super::permission::PermissionPolicy;
use crate::arn;
use crate::error::{Error, Operation, Result};
use arc_swap::ArcSwap;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

/// Sees every call of a DynamoDB client and knows the least policy that would do.
///
/// ```
/// use aws_credential_strategies::iam::{Grant, PolicyRecorder};
///
/// let recorder = PolicyRecorder::new();
/// recorder.record(Grant::on_table("dynamodb:GetItem", "MyTable"));
/// let policy = recorder.policy("aws", "us-east-1", "123456789012")?;
/// recorder.assert_within(&policy)?;
///
/// recorder.record(Grant::on_index("dynamodb:Query", "MyTable", "byDate"));
/// let missing = recorder.assert_within(&policy).map_err(|e| e.to_string());
/// assert!(missing.is_err_and(|e| e.contains("dynamodb:Query on table/MyTable/index/byDate")));
/// # Ok::<(), aws_credential_strategies::Error>(())
/// ```
///
/// It is an SDK interceptor: a `Dynamo` carries one, so calls through the raw client are seen as well,
/// paginators included; any other DynamoDB client takes [`interceptor`](PolicyRecorder::interceptor).
/// Clones share what they have seen.
///
/// Recorded is what the program asks for, before the request is sent, whether or not it is allowed or
/// succeeds. A table or index name that DynamoDB would refuse is left out, so that no name can become a
/// wildcard in a policy; [`unnamed`](PolicyRecorder::unnamed) says that there was such a call.
///
/// A table that is encrypted with a key of its account's own (a customer managed key) needs more than is
/// recorded: DynamoDB uses the key on behalf of the caller, which must be allowed `kms:Decrypt` on it, and
/// `kms:Encrypt`, `kms:ReEncrypt*`, `kms:GenerateDataKey*`, `kms:DescribeKey` and `kms:CreateGrant` to write
/// or to create tables. No request shows which key that is, so
/// [`record`](PolicyRecorder::record) it: `Grant::on_arn("kms:Decrypt", key_arn)`. The key's own policy has to
/// allow it too;
/// <https://docs.aws.amazon.com/kms/latest/developerguide/services-dynamodb.html>.
///
/// | call | action | resource |
/// |---|---|---|
/// | single items | its own | table |
/// | `Query`, `Scan` | its own | the index if one is named, else the table |
/// | `BatchGetItem`, `BatchWriteItem` | its own | each table |
/// | `TransactGetItems`, `TransactWriteItems` | of each item: `GetItem`, `PutItem`, `UpdateItem`, `DeleteItem`, `ConditionCheckItem` | its table |
/// | PartiQL | of each statement: `PartiQLSelect`, `PartiQLInsert`, `PartiQLUpdate`, `PartiQLDelete` | its table, or the index selected from |
/// | about one table, by its name or ARN: `DescribeTable`, `UpdateTimeToLive`, … | its own | table |
/// | everything else: `ListTables`, … | its own | `*` |
///
/// Restoring a backup, exporting or replicating a table need more than their own action, partly of other
/// services; that is not known here. A call of another service and a PartiQL statement that is not
/// understood make [`policy`](PolicyRecorder::policy) fail, rather than be left out of it.
///
/// # Concurrent calls
///
/// A call seen before costs one lookup: no lock, no allocation.
#[derive(Clone, Default)]
pub struct PolicyRecorder(Arc<ArcSwap<Seen>>);

/// As many tables as an account can have in a region (DynamoDB quotas), so that names that come from a
/// user cannot fill the memory.
const TABLES_MAX: usize = 10_000;
/// As many indexes as a table can have, five local ones included, with room for those replaced
/// meanwhile.
const INDEXES_MAX: usize = 100;
/// Far more control operations on other resources than a program makes.
const OTHERS_MAX: usize = 10_000;

/// What has been seen; replaced by a copy when something new comes.
#[derive(Clone, Default)]
struct Seen {
    /// By name or ARN.
    tables: HashMap<Arc<str>, Table>,
    others: BTreeSet<Arc<Grant>>,
    /// Calls whose permission is not known, and whatever did not fit.
    unclear: BTreeSet<Arc<str>>,
    /// Calls on what no service would take for a name.
    unnamed: BTreeSet<Arc<str>>,
}

#[derive(Clone, Default)]
struct Table {
    actions: Actions,
    indexes: Vec<(Arc<str>, Actions)>,
}

/// What is asked of tables and indexes request by request, as a set of bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Actions(u16);

/// The order is that of [`ACTIONS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    BatchGetItem,
    BatchWriteItem,
    ConditionCheckItem,
    DeleteItem,
    GetItem,
    PartiQlDelete,
    PartiQlInsert,
    PartiQlSelect,
    PartiQlUpdate,
    PutItem,
    Query,
    Scan,
    UpdateItem,
}

const ACTIONS: [(Action, &str); 13] = [
    (Action::BatchGetItem, "dynamodb:BatchGetItem"),
    (Action::BatchWriteItem, "dynamodb:BatchWriteItem"),
    (Action::ConditionCheckItem, "dynamodb:ConditionCheckItem"),
    (Action::DeleteItem, "dynamodb:DeleteItem"),
    (Action::GetItem, "dynamodb:GetItem"),
    (Action::PartiQlDelete, "dynamodb:PartiQLDelete"),
    (Action::PartiQlInsert, "dynamodb:PartiQLInsert"),
    (Action::PartiQlSelect, "dynamodb:PartiQLSelect"),
    (Action::PartiQlUpdate, "dynamodb:PartiQLUpdate"),
    (Action::PutItem, "dynamodb:PutItem"),
    (Action::Query, "dynamodb:Query"),
    (Action::Scan, "dynamodb:Scan"),
    (Action::UpdateItem, "dynamodb:UpdateItem"),
];

impl PolicyRecorder {
    /// A recorder that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        PolicyRecorder::default()
    }

    /// Adds what some other part of the program needs.
    pub fn record(&self, grant: Grant) {
        if self.0.load().others.contains(&grant) {
            return;
        }
        let grant = Arc::new(grant);
        self.add(|seen| {
            if seen.others.len() < OTHERS_MAX {
                seen.others.insert(Arc::clone(&grant));
            } else {
                seen.unclear
                    .insert("more resources than can be recorded".into());
            }
        });
    }

    /// The least policy that allows what has been recorded, for tables in this region and account.
    ///
    /// Region and account may be `*`. With many tables, compare its [`size`](PermissionPolicy::size) with
    /// IAM's quotas.
    ///
    /// # Errors
    ///
    /// As [`PermissionPolicy::for_grants`], which takes at least one grant; and naming the calls whose
    /// permission the recorder does not know: a call of another service, a PartiQL statement that is not
    /// understood.
    pub fn policy(&self, partition: &str, region: &str, account: &str) -> Result<PermissionPolicy> {
        self.refuse_unclear()?;
        PermissionPolicy::for_grants(self.grants(), partition, region, account)
    }

    /// Checks that a policy allows everything recorded, so that a test fails when the program makes a
    /// call that its role does not cover yet.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage), listing each grant that the policy does not allow
    /// for certain ([`PermissionPolicy::coverage`]), with the statements to add; and as
    /// [`policy`](PolicyRecorder::policy) where a call is not known.
    pub fn assert_within(&self, policy: &PermissionPolicy) -> Result<()> {
        self.refuse_unclear()?;
        policy.assert_covers(self)
    }

    /// The calls that stand in no policy, by their IAM action, since DynamoDB would refuse the name of the
    /// table or the index that they were for. A name of that kind is never shown: it may be anything.
    ///
    /// Calls that make [`policy`](PolicyRecorder::policy) fail are named by its error.
    #[must_use]
    pub fn unnamed(&self) -> Vec<String> {
        let seen = self.0.load();
        seen.unnamed
            .iter()
            .map(|call| (**call).to_owned())
            .collect()
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.0.store(Arc::default());
    }

    fn refuse_unclear(&self) -> Result<()> {
        let seen = self.0.load();
        if seen.unclear.is_empty() {
            return Ok(());
        }
        let calls = seen
            .unclear
            .iter()
            .map(|call| &**call)
            .collect::<Vec<_>>()
            .join("; ");
        let error = Error::usage(
            "recorder",
            format!("cannot tell which permissions were used: {calls}"),
        );
        Err(error.during(Operation::new("derive policy")))
    }

    /// Notes one action on a table, or on one of its indexes.
    #[inline]
    fn note(&self, action: Action, table: &str, index: Option<&str>) {
        if !self.0.load().holds(action, table, index) {
            self.note_new(action, table, index);
        }
    }

    #[cold]
    fn note_new(&self, action: Action, table: &str, index: Option<&str>) {
        let valid = (arn::is_table_name(table) || arn::is_table_arn(table))
            && index.is_none_or(arn::is_table_name);
        if !valid {
            self.note_unnamed(action.name());
            return;
        }
        let table: Arc<str> = table.into();
        let index: Option<Arc<str>> = index.map(Into::into);
        self.add(|seen| seen.insert(action, &table, index.as_ref()));
    }

    /// Notes a call whose permission is not known.
    #[cold]
    fn note_unclear(&self, call: &str) {
        if self.0.load().unclear.contains(call) {
            return;
        }
        let call: Arc<str> = call.into();
        self.add(|seen| {
            seen.unclear.insert(Arc::clone(&call));
        });
    }

    /// Notes a call whose table or index cannot stand in a policy.
    #[cold]
    fn note_unnamed(&self, action: &str) {
        if self.0.load().unnamed.contains(action) {
            return;
        }
        let action: Arc<str> = action.into();
        self.add(|seen| {
            seen.unnamed.insert(Arc::clone(&action));
        });
    }

    fn add(&self, change: impl Fn(&mut Seen)) {
        self.0.rcu(|seen| {
            let mut seen = Seen::clone(seen);
            change(&mut seen);
            seen
        });
    }
}

impl Requires for PolicyRecorder {
    /// What has been recorded so far, in a stable order.
    fn grants(&self) -> Vec<Grant> {
        let seen = self.0.load();
        let mut grants: BTreeSet<Grant> = seen
            .others
            .iter()
            .map(|grant| Grant::clone(grant))
            .collect();
        for (name, table) in &seen.tables {
            grants.extend(
                table
                    .actions
                    .names()
                    .map(|action| Grant::on_table(action, &**name)),
            );
            for (index, actions) in &table.indexes {
                let names = actions.names();
                grants.extend(names.map(|action| Grant::on_index(action, &**name, &**index)));
            }
        }
        grants.into_iter().collect()
    }
}

impl fmt::Debug for PolicyRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seen = self.0.load();
        f.debug_struct("PolicyRecorder")
            .field("tables", &seen.tables.len())
            .field("others", &seen.others.len())
            .field("unclear", &seen.unclear)
            .field("unnamed", &seen.unnamed)
            .finish()
    }
}

impl Seen {
    #[inline]
    fn holds(&self, action: Action, table: &str, index: Option<&str>) -> bool {
        let Some(table) = self.tables.get(table) else {
            return false;
        };
        match index {
            None => table.actions.contains(action),
            Some(index) => table
                .indexes
                .iter()
                .any(|(name, actions)| **name == *index && actions.contains(action)),
        }
    }

    fn insert(&mut self, action: Action, table: &Arc<str>, index: Option<&Arc<str>>) {
        if self.tables.len() >= TABLES_MAX && !self.tables.contains_key(table) {
            self.unclear
                .insert("more tables than can be recorded".into());
            return;
        }
        let table = self.tables.entry(Arc::clone(table)).or_default();
        let Some(index) = index else {
            table.actions.insert(action);
            return;
        };
        if let Some((_, actions)) = table.indexes.iter_mut().find(|(name, _)| name == index) {
            actions.insert(action);
        } else if table.indexes.len() < INDEXES_MAX {
            let mut actions = Actions::default();
            actions.insert(action);
            table.indexes.push((Arc::clone(index), actions));
        } else {
            self.unclear
                .insert("more indexes than can be recorded".into());
        }
    }
}

impl Action {
    fn name(self) -> &'static str {
        ACTIONS
            .iter()
            .find(|(action, _)| *action == self)
            .map_or("", |(_, name)| name)
    }
}

impl Actions {
    #[inline]
    fn contains(self, action: Action) -> bool {
        self.0 & (1 << action as u16) != 0
    }

    fn insert(&mut self, action: Action) {
        self.0 |= 1 << action as u16;
    }

    fn names(self) -> impl Iterator<Item = &'static str> {
        ACTIONS
            .iter()
            .filter(move |(action, _)| self.0 & (1 << *action as u16) != 0)
            .map(|(_, name)| *name)
    }
}
