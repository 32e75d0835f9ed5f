//! What the README shows of the two options is what they are.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

const README: &str = include_str!("../README.md");
const OPTION_A: &str = include_str!("../examples/option_a.rs");
const OPTION_B: &str = include_str!("../examples/option_b.rs");
const CI: &str = include_str!("../.ci/run");

/// The lines of `these` that are not in `those`, but for blank ones and documentation.
fn only_in<'a>(these: &'a str, those: &str) -> Vec<&'a str> {
    let those: BTreeSet<_> = those.lines().collect();
    these
        .lines()
        .filter(|line| !those.contains(line) && !line.starts_with("//!"))
        .map(str::trim)
        .collect()
}

/// The whole programs.
fn programs() -> Vec<&'static str> {
    README
        .split("```rust")
        .skip(1)
        .map(|rest| rest.split_once('\n').unwrap().1)
        .map(|rest| rest.split_once("\n```").unwrap().0)
        .filter(|code| code.contains("fn main"))
        .collect()
}

#[test]
fn the_two_programs_differ_in_the_constructor_only() {
    let [option_a, option_b] = programs()[..] else {
        panic!("expected the two options");
    };
    assert_eq!(
        only_in(option_a, option_b),
        [
            "use aws_credential_strategies::{Dynamo, InstanceProfile};",
            "let strategy = InstanceProfile::new()?;",
        ]
    );
    assert_eq!(
        only_in(option_b, option_a),
        [
            "use aws_credential_strategies::{AssumeRole, Dynamo};",
            r#"let role = "arn:aws:iam::123456789012:role/EC2DynamoDBRole";"#,
            "let strategy = AssumeRole::builder(role).from_env().await.build()?;",
        ]
    );
}

#[test]
fn the_two_examples_differ_in_the_constructor_only() {
    let [imports, constructor] = only_in(OPTION_A, OPTION_B)[..] else {
        panic!("expected two lines: {:?}", only_in(OPTION_A, OPTION_B));
    };
    assert!(imports.starts_with("use "), "{imports}");
    assert!(constructor.starts_with("let strategy = "), "{constructor}");
    let of_b = only_in(OPTION_B, OPTION_A);
    assert!(of_b[0].starts_with("use "), "{of_b:?}");
    assert!(of_b[1].starts_with("let strategy = AssumeRole"), "{of_b:?}");
    assert!(
        of_b[2..].iter().all(|line| line.starts_with('.')),
        "{of_b:?}"
    );
}

#[test]
fn every_example_and_program_of_the_readme_is_run_in_ci() {
    for command in README.split('`').filter(|code| code.contains("--example ")) {
        let (_, rest) = command.split_once("--example ").unwrap();
        let name = rest.split_whitespace().next().unwrap();
        assert!(CI.contains(name), "{name}");
    }
    assert!(CI.contains(".ci/readme_crates"));
}
