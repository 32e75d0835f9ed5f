//! How batches of reads are sent.

use super::backoff::Backoff;
use super::found::{BatchTables, Found};
use super::identity::identity_of;
use super::schedule::{Answer, Entry, Kind, Schedule, unknown_table};
use crate::error::{Error, Result};
use crate::table::error::{Call, Subject, incomplete};
use crate::table::expression::expressions::Expressions;
use crate::table::expression::path::{Path, projection};
use crate::table::item::Attributes;
use crate::table::key::Key;
use crate::table::name::meant_by;
use crate::table::operations::BATCH_GET;
use crate::table::raw::RawEach;
use crate::table::target::{Shared, Target, send};
use aws_sdk_dynamodb::operation::batch_get_item::BatchGetItemOutput;
use aws_sdk_dynamodb::operation::batch_get_item::builders::BatchGetItemFluentBuilder;
use aws_sdk_dynamodb::types::{KeysAndAttributes, ReturnConsumedCapacity};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The keys of one table, and how they are read.
pub(super) struct Part {
    pub(super) target: Target,
    pub(super) keys: Result<Vec<Key>>,
    pub(super) consistent: bool,
    pub(super) projection: Option<Vec<Path>>,
}

/// A batch of reads before it is sent.
pub(super) struct Plan {
    pub(super) parts: Vec<Part>,
    pub(super) backoff: Backoff,
    pub(super) concurrency: usize,
    pub(super) capacity: bool,
    pub(super) raw: RawEach<BatchGetItemFluentBuilder>,
}

impl Plan {
    pub(super) async fn send(self, shared: &Arc<Shared>) -> Result<BatchTables> {
        let targets: Vec<Target> = self.parts.iter().map(|part| part.target.clone()).collect();
        let tables: Vec<&str> = targets.iter().map(Target::table).collect();
        let call = Call::about(shared, BATCH_GET, Subject::Tables(&tables));
        let (mut found, mut reads) = (HashMap::new(), Vec::new());
        for part in self.parts {
            let target = part.target.clone();
            if !Arc::ptr_eq(&target.shared, shared) {
                let expected = format!("expected tables of this client, not {}", target.table());
                return Err(call.explain(Error::usage("table", expected)));
            }
            reads.extend(part.into_reads().map_err(|error| call.explain(error))?);
            let nothing = Found {
                target,
                items: Vec::new(),
                unprocessed: Vec::new(),
                refused: Vec::new(),
            };
            let table = nothing.target.table().to_owned();
            if found.insert(table, nothing).is_some() {
                let expected =
                    "expected each table once: give it all its keys in one batch_get(..)";
                return Err(call.explain(Error::usage("table", expected)));
            }
        }
        let reading = Reading {
            shared: Arc::clone(shared),
            capacity: self.capacity,
            raw: self.raw,
        };
        let schedule = Schedule::new(reading, reads, self.backoff, self.concurrency);
        let account = schedule.run(None).await;
        for (table, mut items) in account.found.into_iter().flatten() {
            if let Some(found) = found.get_mut(&table) {
                found.items.append(&mut items);
            }
        }
        for read in account.unprocessed {
            if let Some(found) = found.get_mut(read.target().table()) {
                found.unprocessed.push(read.key);
            }
        }
        for (read, error) in account.refused {
            if let Some(found) = found.get_mut(read.target().table()) {
                found.refused.push((read.key, error));
            }
        }
        Ok(BatchTables {
            error: account.error,
            requests: account.requests,
            capacity: account.capacity,
            shared: Arc::clone(shared),
            found,
        })
    }
}

impl Part {
    /// Each key once.
    fn into_reads(self) -> Result<Vec<Read>> {
        let Part {
            target,
            keys,
            consistent,
            projection: paths,
        } = self;
        target.name.check()?;
        let mut expressions = Expressions::default();
        let projection = paths
            .map(|paths| projection(&paths, &mut expressions))
            .transpose()?;
        let (names, _) = expressions.into_maps();
        let how = Arc::new(How {
            target,
            consistent,
            projection,
            names,
        });
        let mut seen = HashSet::new();
        let keys = keys?.into_iter().filter(|key| {
            let attributes = key.attributes().iter();
            seen.insert(identity_of(
                attributes.map(|(name, value)| (name.as_str(), value)),
            ))
        });
        let reads = keys.map(|key| Read {
            how: Arc::clone(&how),
            key,
        });
        Ok(reads.collect())
    }
}

/// How the items of one table are read.
struct How {
    target: Target,
    consistent: bool,
    projection: Option<String>,
    names: Option<HashMap<String, String>>,
}

/// A key as a batch sends it.
struct Read {
    how: Arc<How>,
    key: Key,
}

impl Entry for Read {
    fn target(&self) -> &Target {
        &self.how.target
    }

    fn is(&self, left: &Self) -> bool {
        self.key == left.key && Arc::ptr_eq(&self.how, &left.how)
    }
}

struct Reading {
    shared: Arc<Shared>,
    capacity: bool,
    raw: RawEach<BatchGetItemFluentBuilder>,
}

impl Kind for Reading {
    const MOST: usize = super::get::MOST_KEYS_PER_REQUEST;
    type Entry = Read;
    type Found = HashMap<String, Vec<Attributes>>;

    fn send(
        &self,
        reads: &[Read],
    ) -> Result<impl Future<Output = Result<Answer<Self>>> + Send + 'static> {
        let mut asked: Vec<(Arc<How>, Vec<Attributes>)> = Vec::with_capacity(1);
        for read in reads {
            let key = read.key.attributes().clone();
            match asked
                .iter_mut()
                .find(|(how, _)| Arc::ptr_eq(how, &read.how))
            {
                Some((_, keys)) => keys.push(key),
                None => asked.push((Arc::clone(&read.how), vec![key])),
            }
        }
        let mut requests = HashMap::with_capacity(asked.len());
        let mut hows = Vec::with_capacity(asked.len());
        for (how, keys) in asked {
            let request = KeysAndAttributes::builder()
                .set_keys(Some(keys))
                .set_consistent_read(how.consistent.then_some(true))
                .set_projection_expression(how.projection.clone())
                .set_expression_attribute_names(how.names.clone());
            let request = request.build().map_err(incomplete)?;
            requests.insert(how.target.table().to_owned(), request);
            hows.push(how);
        }
        let capacity = self.capacity.then_some(ReturnConsumedCapacity::Total);
        let request = self
            .shared
            .batch_client()
            .batch_get_item()
            .set_request_items(Some(requests))
            .set_return_consumed_capacity(capacity);
        let request = self.raw.apply(request);
        let shared = Arc::clone(&self.shared);
        Ok(async move {
            let tables: Vec<&str> = hows.iter().map(|how| how.target.table()).collect();
            let call = Call::about(&shared, BATCH_GET, Subject::Tables(&tables));
            let output = send!(shared, request).map_err(|error| call.failed(error))?;
            answer(output, &hows).map_err(|error| call.explain(error))
        })
    }
}

/// Whatever the table is called in an answer about one.
fn meant_how<'a>(table: &str, hows: &'a [Arc<How>]) -> Result<&'a Arc<How>> {
    let only = hows.first().filter(|_| hows.len() == 1);
    let meant = meant_by(table, hows, |how| how.target.table());
    let meant = meant.and_then(|at| hows.get(at)).or(only);
    meant.ok_or_else(|| unknown_table(BATCH_GET, table))
}

fn answer(output: BatchGetItemOutput, hows: &[Arc<How>]) -> Result<Answer<Reading>> {
    let meant = |table: &str| meant_how(table, hows);
    let mut left = Vec::new();
    for (table, keys) in output.unprocessed_keys.unwrap_or_default() {
        let how = meant(&table)?;
        for key in keys.keys {
            left.push(Read {
                how: Arc::clone(how),
                key: Key::new(key)?,
            });
        }
    }
    let units = output.consumed_capacity.unwrap_or_default();
    let units = units.into_iter().filter_map(|c| c.capacity_units);
    let found = output.responses.unwrap_or_default().into_iter();
    let found = found.map(|(table, items)| Ok((meant(&table)?.target.table().to_owned(), items)));
    Ok(Answer {
        found: found.collect::<Result<_>>()?,
        left,
        capacity: units.reduce(|sum, units| sum + units),
    })
}
