//! What the README shows of the examples is what they are.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

const README: &str = include_str!("../README.md");
const OPTION_A: &str = include_str!("../examples/option_a.rs");
const OPTION_B: &str = include_str!("../examples/option_b.rs");
const CI: &str = include_str!("../.ci/run");

/// The lines of `these` that are not in `those`.
fn only_in<'a>(these: &'a str, those: &str) -> BTreeSet<&'a str> {
    let those: BTreeSet<_> = those.lines().collect();
    these.lines().filter(|line| !those.contains(line)).collect()
}

#[test]
fn the_diff_of_the_two_options_is_the_one_shown() {
    let (_, rest) = README.split_once("```diff\n").expect("a diff is shown");
    let (shown, _) = rest.split_once("\n```").expect("its end");
    let marked = |mark| -> BTreeSet<_> {
        let lines = shown.lines().filter_map(|line| line.strip_prefix(mark));
        lines.collect()
    };
    assert_eq!(marked('-'), only_in(OPTION_A, OPTION_B));
    assert_eq!(marked('+'), only_in(OPTION_B, OPTION_A));
}

#[test]
fn every_example_of_the_readme_is_run_in_ci() {
    for command in README.split('`').filter(|code| code.contains("--example ")) {
        let (_, rest) = command.split_once("--example ").unwrap();
        let name = rest.split_whitespace().next().unwrap();
        assert!(CI.contains(name), "{name}");
    }
}
