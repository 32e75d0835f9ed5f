//! Reading the items of one partition.

use super::cursor::{Cursor, Positions};
use super::fetch::{PageRequest, query_page};
use super::options::{ReadOptions, reads_items};
use super::page::Page;
use super::sort::SortCond;
use super::stream::{ItemStream, Reading};
use crate::error::{Error, Result};
use crate::table::error::Call;
use crate::table::expression::condition::Cond;
use crate::table::expression::expressions::Expressions;
use crate::table::expression::operand::attr;
use crate::table::expression::path::Path;
use crate::table::key::check_key_attribute;
use crate::table::operations::QUERY;
use crate::table::raw::Raw;
use crate::table::target::{Target, send};
use crate::table::value::Value;
use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity, Select};
use serde::de::DeserializeOwned;
use std::fmt;

/// Reads the items of one partition, in the order of the sort key; made by
/// [`Table::query`](crate::table::Table::query).
///
/// Three numbers are three things: [`take`](Self::take) counts items returned,
/// [`page_size`](Self::page_size) items evaluated per request, [`max_requests`](Self::max_requests)
/// requests.
#[must_use = "an operation does nothing until it is sent"]
pub struct Query {
    pub(crate) target: Target,
    attribute: String,
    partition: Result<AttributeValue>,
    sort: Option<SortCond>,
    /// What else holds of the key.
    key: Option<Cond>,
    descending: bool,
    pub(crate) options: ReadOptions,
    raw: Raw<QueryFluentBuilder>,
    problem: Option<Error>,
}

impl Query {
    pub(crate) fn new(target: Target, attribute: &str, partition: Result<AttributeValue>) -> Self {
        Query {
            target,
            attribute: attribute.to_owned(),
            partition,
            sort: None,
            key: None,
            descending: false,
            options: ReadOptions::default(),
            raw: Raw::none(),
            problem: None,
        }
    }

    /// Reads only the sort keys that satisfy this: `sort("sk").begins_with("2026-")`.
    ///
    /// There can be one such condition; [`Sort::between`](crate::table::Sort::between) has two bounds.
    pub fn sort(mut self, condition: SortCond) -> Self {
        if self.sort.replace(condition).is_some() {
            let expected = "expected one condition on the sort key, not two: between(low, high) has two bounds, and an index with several sort key attributes takes key(..)";
            self.problem = Some(Error::usage("sort", expected));
        }
        self
    }

    /// What else must hold of the key: further attributes, of an index that has several on a side, or the
    /// sort key's condition in the words of [`attr`](crate::table::attr) and [`Cond::raw`].
    ///
    /// DynamoDB takes `=` for every partition key attribute, and for the sort key attributes `=` from the
    /// first on and one range behind them.
    ///
    /// ```
    /// # use aws_credential_strategies::{CredentialStrategy, Table, table::attr};
    /// # fn example<S: CredentialStrategy>(table: Table<S>) {
    /// let query = table.query("tenant", "t-1").index("byRegionAndDay");
    /// let query = query.key(attr("region").eq("eu") & attr("year").eq(2026) & attr("day").ge(120));
    /// # }
    /// ```
    pub fn key(mut self, condition: Cond) -> Self {
        self.key = Some(condition.and_also(self.key.take()));
        self
    }

    /// Reads from the largest sort key down.
    pub fn descending(mut self) -> Self {
        self.descending = true;
        self
    }

    /// The SDK's whole answer to one request.
    ///
    /// # Errors
    ///
    /// As [`page`](Self::page), without decoding; `Select::Count` is answered with the number.
    ///
    /// # Cancel safety
    ///
    /// A read: dropping the future changes nothing.
    pub async fn output(self) -> Result<QueryOutput> {
        let target = self.target.clone();
        let call = Call::on(&target, QUERY);
        let limit = self.options.limit_of_one(self.raw.is_some());
        let limit = limit.map_err(|error| call.explain(error))?;
        let (request, after) = self
            .into_request()
            .and_then(|(request, positions)| {
                let (_, after) = positions.only().ok_or_else(not_a_querys)?;
                Ok((request, after))
            })
            .map_err(|error| call.explain(error))?;
        let request = query_page(request, after, limit);
        send!(target.shared, request).map_err(|error| call.failed(error))
    }

    fn into_reading(self) -> Reading {
        let limits = self.options.limits(self.raw.is_some());
        let target = self.target.clone();
        let request = self.into_request();
        Reading {
            target,
            operation: QUERY,
            limits,
            request: request
                .map(|(request, positions)| (PageRequest::Query(Box::new(request)), positions)),
        }
    }

    fn into_request(self) -> Result<(QueryFluentBuilder, Positions)> {
        let Query {
            target,
            attribute,
            partition,
            sort,
            key,
            descending,
            mut options,
            raw,
            problem,
        } = self;
        target.name.check()?;
        options.check()?;
        if let Some(problem) = problem {
            return Err(problem);
        }
        let partition = partition.map_err(|e| e.naming(format!("key attribute {attribute:?}")))?;
        if attribute.is_empty() {
            let expected = "expected the name of the partition key attribute";
            return Err(Error::usage("query", expected));
        }
        check_key_attribute(&attribute, &partition)?;
        let positions = options.positions();
        if positions.total != 1 {
            return Err(not_a_querys());
        }
        let mut expressions = Expressions::default();
        let mut keys = attr(Path::attribute(attribute)).eq(Value(partition));
        if let Some(sort) = sort {
            keys = keys & sort.into_cond();
        }
        if let Some(key) = key {
            keys = keys & key;
        }
        let key_condition = keys.into_text("key condition", &mut expressions)?;
        let (filter, paths) = options.render(&mut expressions)?;
        let (names, values) = expressions.into_maps();
        let request = target
            .client()
            .query()
            .table_name(target.table())
            .key_condition_expression(key_condition)
            .set_filter_expression(filter)
            .set_projection_expression(paths)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .set_index_name(options.index)
            .set_select(options.select)
            .set_scan_index_forward(descending.then_some(false))
            .set_consistent_read(options.consistent.then_some(true))
            .set_return_consumed_capacity(
                options.capacity.then_some(ReturnConsumedCapacity::Total),
            );
        Ok((raw.apply_beside_placeholders(request)?, positions))
    }
}

fn not_a_querys() -> Error {
    Error::usage(
        "start_at",
        "expected a cursor of a query, not that of a scan in segments",
    )
}

reads_items!(Query, QueryFluentBuilder);

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Query")
            .field("table", &self.target)
            .field("attribute", &self.attribute)
            .field("sort", &self.sort)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
