//! Promise: what must not compile does not, and the compiler says why in words that help.
//!
//! It compiles the dependencies a second time, so it is run by hand, with `-- --ignored`. The messages are not
//! held yet: `TRYBUILD=overwrite` writes them, as those of the toolchain at hand.
#![allow(missing_docs)]

#[test]
#[ignore = "compiles the dependencies a second time"]
fn what_must_not_compile_does_not() {
    trybuild::TestCases::new().compile_fail("tests/must_not_compile/*.rs");
}
