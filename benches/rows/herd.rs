use super::Row;
use crate::figures::Figures;
use crate::{Failure, Plan};
pub(crate) const ROW: Row = Row { name: "herd", what: "", run };
fn run(_: &Plan, _: &mut Figures) -> Result<(), Failure> { Ok(()) }
