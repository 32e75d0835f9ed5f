//! What happens on a simulated clock; the program of `examples/fleet`.

#[path = "../examples/fleet/simulation.rs"]
pub(crate) mod simulation;
#[path = "../examples/fleet/cold.rs"]
mod starting;

pub(crate) use starting::{Served, Starting, idle_pool, start};
