//! Which IAM permissions each operation needs, known without sending it.

use super::batch::get::BatchGet;
use super::batch::several::BatchGetTables;
use super::batch::write::BatchWrite;
use super::read::get::Get;
use super::read::query::Query;
use super::read::scan::Scan;
use super::transaction::Part;
use super::transaction::{Check, TransactGet, TransactWrite};
use super::write::delete::Delete;
use super::write::put::Put;
use super::write::update::Update;
use crate::iam::{Grant, Requires};

macro_rules! on_table {
    ($($operation:ident: $action:literal),+ $(,)?) => {
        $(impl Requires for $operation {
            fn grants(&self) -> Vec<Grant> {
                vec![Grant::on_table($action, self.target.table())]
            }
        })+
    };
}

// conditions and returned items need no action of their own
on_table! {
    BatchGet: "dynamodb:BatchGetItem",
    Check: "dynamodb:ConditionCheckItem",
    Delete: "dynamodb:DeleteItem",
    Get: "dynamodb:GetItem",
    Put: "dynamodb:PutItem",
    Update: "dynamodb:UpdateItem",
}

macro_rules! on_table_or_index {
    ($($operation:ident: $action:literal),+ $(,)?) => {
        $(impl Requires for $operation {
            /// An index is a resource of its own: a grant on the table does not cover it.
            fn grants(&self) -> Vec<Grant> {
                let table = self.target.table();
                vec![match &self.options.index {
                    Some(index) => Grant::on_index($action, table, index),
                    None => Grant::on_table($action, table),
                }]
            }
        })+
    };
}

on_table_or_index! {
    Query: "dynamodb:Query",
    Scan: "dynamodb:Scan",
}

impl Requires for BatchGetTables {
    fn grants(&self) -> Vec<Grant> {
        let tables = self.tables();
        tables
            .map(|table| Grant::on_table("dynamodb:BatchGetItem", table))
            .collect()
    }
}

impl Requires for BatchWrite {
    /// Of several tables, those that writes were added for.
    fn grants(&self) -> Vec<Grant> {
        let tables = self.tables().into_iter();
        tables
            .map(|table| Grant::on_table("dynamodb:BatchWriteItem", table))
            .collect()
    }
}

impl Requires for TransactGet {
    /// There is no action for the transaction itself.
    fn grants(&self) -> Vec<Grant> {
        of_parts(self.parts())
    }
}

impl Requires for TransactWrite {
    /// There is no action for the transaction itself.
    fn grants(&self) -> Vec<Grant> {
        of_parts(self.parts())
    }
}

fn of_parts<'a>(parts: impl Iterator<Item = (Part, &'a str)>) -> Vec<Grant> {
    let grants = parts.map(|(part, table)| {
        let action = match part {
            Part::Check => "dynamodb:ConditionCheckItem",
            Part::Delete => "dynamodb:DeleteItem",
            Part::Get => "dynamodb:GetItem",
            Part::Put => "dynamodb:PutItem",
            Part::Update => "dynamodb:UpdateItem",
        };
        Grant::on_table(action, table)
    });
    let mut grants: Vec<_> = grants.collect();
    grants.sort();
    grants.dedup();
    grants
}
