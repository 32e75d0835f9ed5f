//! The names of the operations in errors.

use crate::error::Operation;

pub(crate) const BATCH_GET: Operation = Operation::new("batch get");
pub(crate) const BATCH_WRITE: Operation = Operation::new("batch write");
pub(crate) const DELETE: Operation = Operation::new("delete");
pub(crate) const DESCRIBE: Operation = Operation::new("describe");
pub(crate) const GET: Operation = Operation::new("get");
pub(crate) const PUT: Operation = Operation::new("put");
pub(crate) const QUERY: Operation = Operation::new("query");
pub(crate) const SCAN: Operation = Operation::new("scan");
pub(crate) const TRANSACT_GET: Operation = Operation::new("transact get");
pub(crate) const TRANSACT_WRITE: Operation = Operation::new("transact write");
pub(crate) const UPDATE: Operation = Operation::new("update");
