//! Reading a whole table or index.

use super::cursor::{Cursor, MOST_SEGMENTS, Positions};
use super::fetch::{PageRequest, scan_page};
use super::options::{ReadOptions, reads_items};
use super::page::Page;
use super::stream::{ItemStream, Reading};
use crate::error::{Error, Result};
use crate::table::error::Call;
use crate::table::expression::condition::Cond;
use crate::table::expression::expressions::Expressions;
use crate::table::expression::path::Path;
use crate::table::operations::SCAN;
use crate::table::raw::Raw;
use crate::table::target::{Target, send};
use aws_sdk_dynamodb::operation::scan::ScanOutput;
use aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder;
use aws_sdk_dynamodb::types::{ReturnConsumedCapacity, Select};
use serde::de::DeserializeOwned;
use std::fmt;

/// Reads a whole table or index, in no order; made by [`Table::scan`](crate::table::Table::scan).
///
/// Everything is read and paid for, whatever a filter lets through.
#[must_use = "an operation does nothing until it is sent"]
pub struct Scan {
    pub(crate) target: Target,
    /// Not given: as many as the cursor has, or one.
    segments: Option<u32>,
    pub(crate) options: ReadOptions,
    raw: Raw<ScanFluentBuilder>,
}

impl Scan {
    pub(crate) fn new(target: Target) -> Self {
        Scan {
            target,
            segments: None,
            options: ReadOptions::default(),
            raw: Raw::none(),
        }
    }

    /// Divides the table into so many segments, 1 to [`MOST_SEGMENTS`], and reads up to
    /// [`MOST_SEGMENTS_AT_ONCE`](crate::table::MOST_SEGMENTS_AT_ONCE) of them at the same time, within one
    /// stream. Default 1, or as many as the cursor of [`start_at`](Self::start_at) has.
    ///
    /// The segments get on whatever the consumer does with the items. On a runtime with several threads
    /// pages are read while items are handed out, one a segment and no more; on a runtime with one, all
    /// are asked for at once when there are no more items.
    ///
    /// To read the segments in several processes: [`Cursor::segments`].
    pub fn segments(mut self, segments: u32) -> Self {
        self.segments = Some(segments);
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
    pub async fn output(self) -> Result<ScanOutput> {
        let target = self.target.clone();
        let call = Call::on(&target, SCAN);
        let limit = self.options.limit_of_one(self.raw.is_some());
        let limit = limit.map_err(|error| call.explain(error))?;
        let (request, after) = self
            .into_request()
            .and_then(|(request, positions)| {
                let expected = "expected one segment for one answer";
                let only = positions.only().filter(|_| positions.total == 1);
                let (_, after) = only.ok_or_else(|| Error::usage("segments", expected))?;
                Ok((request, after))
            })
            .map_err(|error| call.explain(error))?;
        let request = scan_page(request, after, limit);
        send!(target.shared, request).map_err(|error| call.failed(error))
    }

    fn into_reading(self) -> Reading {
        let limits = self.options.limits(self.raw.is_some());
        let target = self.target.clone();
        let request = self.into_request();
        Reading {
            target,
            operation: SCAN,
            limits,
            request: request
                .map(|(request, positions)| (PageRequest::Scan(Box::new(request)), positions)),
        }
    }

    fn into_request(self) -> Result<(ScanFluentBuilder, Positions)> {
        let Scan {
            target,
            segments,
            mut options,
            raw,
        } = self;
        target.name.check()?;
        options.check()?;
        if segments.is_some_and(|segments| !(1..=MOST_SEGMENTS).contains(&segments)) {
            let expected = format!("expected 1 to {MOST_SEGMENTS}");
            return Err(Error::usage("segments", expected));
        }
        let positions = match (segments, options.start.is_some()) {
            (Some(segments), false) => Positions::beginning(segments),
            (_, _) => options.positions(),
        };
        if segments.is_some_and(|segments| segments != positions.total) {
            let total = positions.total;
            let expected = format!("expected no segments(..) beside a cursor that is of {total}");
            return Err(Error::usage("start_at", expected));
        }
        let mut expressions = Expressions::default();
        let (filter, paths) = options.render(&mut expressions)?;
        let (names, values) = expressions.into_maps();
        let request = target
            .client()
            .scan()
            .table_name(target.table())
            .set_filter_expression(filter)
            .set_projection_expression(paths)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .set_index_name(options.index)
            .set_select(options.select)
            .set_consistent_read(options.consistent.then_some(true))
            .set_return_consumed_capacity(
                options.capacity.then_some(ReturnConsumedCapacity::Total),
            );
        Ok((raw.apply_beside_placeholders(request)?, positions))
    }
}

reads_items!(Scan, ScanFluentBuilder);

impl fmt::Debug for Scan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scan")
            .field("table", &self.target)
            .field("segments", &self.segments)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
