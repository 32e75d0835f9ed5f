//! Reading a whole table or index.

use super::cursor::Cursor;
use super::fetch::{PageRequest, scan_page};
use super::options::{ReadOptions, reads_items};
use super::pages::{ItemStream, Page, Reading};
use crate::error::{Error, Result};
use crate::table::error::Call;
use crate::table::expression::condition::Cond;
use crate::table::expression::expressions::Expressions;
use crate::table::expression::path::{Path, projection};
use crate::table::operations::SCAN;
use crate::table::raw::Raw;
use crate::table::target::Target;
use aws_sdk_dynamodb::operation::scan::ScanOutput;
use aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder;
use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use serde::de::DeserializeOwned;
use std::fmt;

/// The most segments that DynamoDB divides a scan into;
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Scan.html>.
pub const MOST_SEGMENTS: u32 = 1_000_000;

/// Reads a whole table or index, in no order; made by [`Table::scan`](crate::table::Table::scan).
///
/// Everything is read and paid for, whatever a filter lets through.
#[must_use = "an operation does nothing until it is sent"]
pub struct Scan {
    pub(crate) target: Target,
    segments: u32,
    pub(crate) options: ReadOptions,
    raw: Raw<ScanFluentBuilder>,
}

impl Scan {
    pub(crate) fn new(target: Target) -> Self {
        Scan {
            target,
            segments: 1,
            options: ReadOptions::default(),
            raw: Raw::none(),
        }
    }

    /// Divides the table into so many segments, 1 to [`MOST_SEGMENTS`], and reads up to
    /// [`MOST_SEGMENTS_AT_ONCE`](crate::table::MOST_SEGMENTS_AT_ONCE) of them at the same time, within one
    /// stream. Default 1.
    pub fn segments(mut self, segments: u32) -> Self {
        self.segments = segments;
        self
    }

    /// The SDK's whole answer to one request.
    ///
    /// # Errors
    ///
    /// As [`page`](Self::page), without decoding.
    pub async fn output(self) -> Result<ScanOutput> {
        let target = self.target.clone();
        let call = Call::on(&target, SCAN);
        let start = self.options.start.clone().map(Cursor::into_key);
        let limit = self.options.page_size;
        if self.segments != 1 {
            let expected = "expected one segment for one answer";
            return Err(call.explain(Error::usage("segments", expected)));
        }
        let request = self.into_request().map_err(|error| call.explain(error))?;
        scan_page(request, start, limit)
            .send()
            .await
            .map_err(|error| call.failed(error))
    }

    fn into_reading(self) -> Reading {
        let limits = self.options.limits(self.raw.is_some());
        let (target, segments) = (self.target.clone(), self.segments);
        let several = segments > 1;
        let from_cursor = several && self.options.start.is_some();
        let request = self.into_request().and_then(|request| {
            if from_cursor {
                let expected =
                    "expected no cursor beside several segments: it belongs to none of them";
                return Err(Error::usage("start_at", expected));
            }
            Ok(PageRequest::Scan(Box::new(request)))
        });
        Reading::new(target, SCAN, limits, request).segments(segments)
    }

    fn into_request(self) -> Result<ScanFluentBuilder> {
        let Scan {
            target,
            segments,
            options,
            raw,
        } = self;
        target.name.check()?;
        options.check()?;
        if !(1..=MOST_SEGMENTS).contains(&segments) {
            return Err(Error::usage(
                "segments",
                format!("expected 1 to {MOST_SEGMENTS}, not {segments}"),
            ));
        }
        let mut expressions = Expressions::default();
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
            .scan()
            .table_name(target.table())
            .set_filter_expression(filter)
            .set_projection_expression(paths)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .set_index_name(options.index)
            .set_consistent_read(options.consistent.then_some(true))
            .set_return_consumed_capacity(
                options.capacity.then_some(ReturnConsumedCapacity::Total),
            );
        Ok(raw.apply(request))
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
