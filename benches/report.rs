use crate::figures::Figures;
use crate::{Failure, Plan};
use std::path::Path;
pub(crate) fn write(directory: &Path, figures: &Figures, _: &Plan) -> Result<(), Failure> {
    std::fs::write(directory.join("figures.json"), serde_json::to_string_pretty(figures)?)?;
    Ok(())
}
