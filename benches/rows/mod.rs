//! The rows of the comparison.

mod blip;
mod cancel;
pub(crate) mod first_item;
mod fleet;
mod herd;
mod many;
mod outage;
mod outage_sessions;
mod refresh_cost;
mod rejected;
mod resolve;
mod stall;
mod stores;
mod table_op;
mod tenants;
mod terminal;

use crate::figures::Figures;
use crate::instructions::Kernel;
use crate::{Failure, Plan};
use std::future::Future;
use tokio::runtime::Builder;

/// One row.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) run: fn(&Plan, &mut Figures) -> Result<(), Failure>,
}

/// Rows that run one after the other.
pub(crate) type Lane = &'static [Row];

/// In order; the lanes of a group run at once: those that mostly wait, and beside them one of a clock that is simulated,
/// whose figures do not depend on it and which takes one core. What else simulates comes when `outage` has looked.
pub(crate) const GROUPS: [&[Lane]; 8] = [
    &[&[resolve::ROW]],
    &[&[refresh_cost::ROW]],
    &[&[first_item::ROW]],
    &[&[stall::ROW]],
    &[
        &[outage::ROW],
        &[herd::ROW],
        &[cancel::ROW],
        &[
            stores::ROW,
            outage_sessions::ROW,
            blip::ROW,
            terminal::ROW,
            rejected::ROW,
        ],
        &[fleet::ROW, fleet::COLD],
    ],
    &[&[table_op::ROW]],
    &[&[many::ROW]],
    &[&[tenants::ROW]],
];

impl Row {
    /// Whether a name on the command line means it: its own, or what that begins with, up to a dot.
    pub(crate) fn is_of(&self, name: &str) -> bool {
        self.name
            .strip_prefix(name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}

pub(crate) fn all() -> impl Iterator<Item = &'static Row> {
    GROUPS.iter().copied().flatten().copied().flatten()
}

/// What callgrind counts.
pub(crate) const KERNELS: [Kernel; 5] = [
    many::kernel,
    refresh_cost::kernel,
    resolve::kernel,
    table_op::kernel,
    tenants::kernel,
];

/// Runs on the two threads that every row has.
fn on_two_threads<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(work)
}

fn median(values: Vec<f64>) -> f64 {
    let middle = values.len() / 2;
    in_order(values, middle)
}

fn lower_quartile(values: Vec<f64>) -> f64 {
    let quarter = values.len() / 4;
    in_order(values, quarter)
}

/// The value at this place, from the least on.
fn in_order(mut values: Vec<f64>, place: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(place).copied().unwrap_or(f64::NAN)
}
