//! Reading the items of one partition.

use super::cursor::Cursor;
use super::fetch::{PageRequest, query_page};
use super::options::{ReadOptions, reads_items};
use super::pages::{ItemStream, Page, Reading};
use super::sort::SortCond;
use crate::error::{Error, Result};
use crate::table::error::Call;
use crate::table::expression::condition::{Cond, attr};
use crate::table::expression::expressions::Expressions;
use crate::table::expression::path::{Path, projection};
use crate::table::operations::QUERY;
use crate::table::raw::Raw;
use crate::table::target::Target;
use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
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
    descending: bool,
    pub(crate) options: ReadOptions,
    raw: Raw<QueryFluentBuilder>,
}

impl Query {
    pub(crate) fn new(target: Target, attribute: &str, partition: Result<AttributeValue>) -> Self {
        Query {
            target,
            attribute: attribute.to_owned(),
            partition,
            sort: None,
            descending: false,
            options: ReadOptions::default(),
            raw: Raw::none(),
        }
    }

    /// Reads only the sort keys that satisfy this: `sort("sk").begins_with("2026-")`.
    pub fn sort(mut self, condition: SortCond) -> Self {
        self.sort = Some(condition);
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
    /// As [`page`](Self::page), without decoding.
    pub async fn output(self) -> Result<QueryOutput> {
        let target = self.target.clone();
        let call = Call::on(&target, QUERY);
        let start = self.options.start.clone().map(Cursor::into_key);
        let limit = self.options.page_size;
        let request = self.into_request().map_err(|error| call.explain(error))?;
        query_page(request, start, limit)
            .send()
            .await
            .map_err(|error| call.failed(error))
    }

    fn into_reading(self) -> Reading {
        let limits = self.options.limits(self.raw.is_some());
        let target = self.target.clone();
        let request = self.into_request();
        let request = request.map(|request| PageRequest::Query(Box::new(request)));
        Reading::new(target, QUERY, limits, request)
    }

    fn into_request(self) -> Result<QueryFluentBuilder> {
        let Query {
            target,
            attribute,
            partition,
            sort,
            descending,
            options,
            raw,
        } = self;
        target.name.check()?;
        options.check()?;
        let partition = partition.map_err(|e| e.naming(format!("key attribute {attribute:?}")))?;
        if attribute.is_empty() {
            return Err(Error::usage(
                "query",
                "expected the name of the partition key attribute",
            ));
        }
        let mut expressions = Expressions::default();
        let mut keys = attr(Path::attribute(attribute)).eq(crate::table::value::Value(partition));
        if let Some(sort) = sort {
            keys = keys & sort.into_cond();
        }
        let mut key_condition = String::new();
        keys.render(&mut key_condition, &mut expressions)?;
        let filter = options.filter.map(|filter| {
            let mut text = String::new();
            filter.render(&mut text, &mut expressions).map(|()| text)
        });
        let filter = filter.transpose()?;
        let paths = options.projection.as_deref();
        let paths = paths.map(|paths| projection(paths, &mut expressions));
        let paths = paths.transpose()?;
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
            .set_scan_index_forward(descending.then_some(false))
            .set_consistent_read(options.consistent.then_some(true))
            .set_return_consumed_capacity(
                options.capacity.then_some(ReturnConsumedCapacity::Total),
            );
        Ok(raw.apply(request))
    }
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
