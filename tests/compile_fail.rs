//! Promise: what must not compile does not, and the compiler says why in words that help.
//!
//! The messages are those of the toolchain in `Cargo.toml`; `TRYBUILD=overwrite` writes them anew. It compiles
//! the dependencies a second time, so it is run by `.ci/run`, and by hand with `-- --ignored`.
#![allow(missing_docs)]

#[test]
#[ignore = "compiles the dependencies a second time"]
fn what_must_not_compile_does_not() {
    trybuild::TestCases::new().compile_fail("tests/must_not_compile/*.rs");
}
