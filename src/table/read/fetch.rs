//! One page of a query or a scan.

use crate::error::{Error, ErrorKind, Operation, Result};
use crate::table::error::Call;
use crate::table::item::Attributes;
use crate::table::target::{Target, send};
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder;
use aws_sdk_dynamodb::types::{ConsumedCapacity, Select};

/// A request for one page, the same for every page but for where it starts.
#[derive(Clone, Debug)]
pub(crate) enum PageRequest {
    Query(Box<QueryFluentBuilder>),
    Scan(Box<ScanFluentBuilder>),
}

impl PageRequest {
    pub(crate) fn counting(self) -> Self {
        match self {
            PageRequest::Query(query) => PageRequest::Query(Box::new(query.select(Select::Count))),
            PageRequest::Scan(scan) => PageRequest::Scan(Box::new(scan.select(Select::Count))),
        }
    }

    /// Whether the caller's `select(..)` or `raw(..)` made it a count.
    pub(crate) fn is_counting(&self) -> bool {
        let select = match self {
            PageRequest::Query(query) => query.get_select(),
            PageRequest::Scan(scan) => scan.get_select(),
        };
        *select == Some(Select::Count)
    }

    /// One page; what is not given stays as the caller's `raw(..)` may have set it.
    fn page(self, start: Option<Attributes>, limit: Option<i32>) -> Self {
        match self {
            PageRequest::Query(query) => {
                PageRequest::Query(Box::new(query_page(*query, start, limit)))
            }
            PageRequest::Scan(scan) => PageRequest::Scan(Box::new(scan_page(*scan, start, limit))),
        }
    }

    pub(crate) fn of_segment(self, segment: u32, total: u32) -> Self {
        match self {
            PageRequest::Scan(scan) if total > 1 => {
                // both are at most a million
                let (segment, total) = (i32::try_from(segment), i32::try_from(total));
                let scan = scan
                    .set_segment(segment.ok())
                    .set_total_segments(total.ok());
                PageRequest::Scan(Box::new(scan))
            }
            whole => whole,
        }
    }
}

pub(crate) fn query_page(
    mut query: QueryFluentBuilder,
    start: Option<Attributes>,
    limit: Option<i32>,
) -> QueryFluentBuilder {
    if limit.is_some() {
        query = query.set_limit(limit);
    }
    if start.is_some() {
        query = query.set_exclusive_start_key(start);
    }
    query
}

pub(crate) fn scan_page(
    mut scan: ScanFluentBuilder,
    start: Option<Attributes>,
    limit: Option<i32>,
) -> ScanFluentBuilder {
    if limit.is_some() {
        scan = scan.set_limit(limit);
    }
    if start.is_some() {
        scan = scan.set_exclusive_start_key(start);
    }
    scan
}

/// A page as it came.
pub(crate) struct RawPage {
    pub(crate) items: Vec<Attributes>,
    pub(crate) last_key: Option<Attributes>,
    pub(crate) count: u64,
    pub(crate) scanned: u64,
    pub(crate) capacity: Option<ConsumedCapacity>,
}

/// Asks for one page.
pub(crate) async fn fetch(
    target: &Target,
    operation: Operation,
    request: PageRequest,
    start: Option<Attributes>,
    limit: Option<i32>,
) -> Result<RawPage> {
    let call = Call::on(target, operation);
    let page = match request.page(start.clone(), limit) {
        PageRequest::Query(query) => {
            let output = send!(target.shared, query);
            let output = output.map_err(|error| call.failed(error))?;
            RawPage {
                items: output.items.unwrap_or_default(),
                last_key: output.last_evaluated_key,
                count: not_negative(output.count),
                scanned: not_negative(output.scanned_count),
                capacity: output.consumed_capacity,
            }
        }
        PageRequest::Scan(scan) => {
            let output = send!(target.shared, scan);
            let output = output.map_err(|error| call.failed(error))?;
            RawPage {
                items: output.items.unwrap_or_default(),
                last_key: output.last_evaluated_key,
                count: not_negative(output.count),
                scanned: not_negative(output.scanned_count),
                capacity: output.consumed_capacity,
            }
        }
    };
    let last_key = page.last_key.filter(|key| !key.is_empty());
    if last_key.is_some() && last_key == start {
        let message = "DynamoDB returned the LastEvaluatedKey that the page started at: reading on would never end";
        let error = Error::new(ErrorKind::Malformed, operation, message);
        return Err(call.explain(error));
    }
    Ok(RawPage { last_key, ..page })
}

fn not_negative(count: i32) -> u64 {
    u64::try_from(count).unwrap_or_default()
}
