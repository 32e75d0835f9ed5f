//! What may be given as a region.

use aws_types::region::Region;
use std::borrow::Cow;

/// What setters take as a region: a text such as `"us-east-1"`, or a [`Region`].
///
/// Whether it is one is checked in `build`, with the name of the setting in the error.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no region",
    label = "expected a text such as `\"us-east-1\"`, or a `Region`"
)]
pub trait IntoRegion {
    /// The region by its name.
    fn into_region(self) -> Region;
}

impl IntoRegion for Region {
    fn into_region(self) -> Region {
        self
    }
}

impl IntoRegion for &Region {
    fn into_region(self) -> Region {
        self.clone()
    }
}

impl IntoRegion for String {
    fn into_region(self) -> Region {
        Region::new(self)
    }
}

impl IntoRegion for &String {
    fn into_region(self) -> Region {
        Region::new(self.clone())
    }
}

impl IntoRegion for &str {
    fn into_region(self) -> Region {
        Region::new(self.to_owned())
    }
}

impl IntoRegion for Cow<'static, str> {
    fn into_region(self) -> Region {
        Region::new(self)
    }
}
