//! What the README shows of the two options is what they are; its first screen has a program; its links lead to what
//! is in the package, or to the documentation of what is there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::Path;

const README: &str = include_str!("../README.md");
const OPTION_A: &str = include_str!("../examples/option_a.rs");
const OPTION_B: &str = include_str!("../examples/option_b.rs");
const CI: &str = include_str!("../.ci/run");
/// The test that runs each example there is.
const RUN: &str = include_str!("examples_are_usable.rs");

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
            "use aws_credential_strategies::{Dynamo, InstanceProfile, table::Item};",
            "let strategy = InstanceProfile::new()?;",
        ]
    );
    assert_eq!(
        only_in(option_b, option_a),
        [
            "use aws_credential_strategies::{AssumeRole, Dynamo, table::Item};",
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
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        let is_run = RUN.contains(r#".join("examples");"#)
            && (examples.join(format!("{name}.rs")).exists()
                || examples.join(name).join("main.rs").exists());
        assert!(is_run, "{name}");
    }
    assert!(CI.contains(".ci/readme_crates"));
}

#[test]
fn the_first_screen_has_a_program_of_eight_lines() {
    let first = README.lines().take(32).collect::<Vec<_>>().join("\n");
    let program = first.split("```rust").nth(1).expect("a program");
    let program = program.split("```").next().unwrap();
    let lines = program.lines().skip(1).filter(|line| line.len() > 1);
    assert_eq!(lines.count(), 8, "{program}");
    assert!(first.contains("| | Option A | Option B |"));
}

/// Where links lead, pictures included.
fn links() -> Vec<&'static str> {
    let links = README.split("](").skip(1);
    links
        .filter_map(|rest| rest.split_once(')'))
        .map(|(link, _)| link)
        .collect()
}

#[test]
fn links_lead_to_what_is_in_the_package() {
    let manifest = include_str!("../Cargo.toml");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let links = links();
    assert!(links.len() > 20, "{links:?}");
    for link in links {
        if link.starts_with("https://") {
            continue;
        }
        if let Some(heading) = link.strip_prefix('#') {
            let heading = heading.replace('-', " ");
            let is_there = README
                .lines()
                .any(|line| line.to_lowercase() == format!("## {heading}"));
            assert!(is_there, "{link}");
            continue;
        }
        assert!(root.join(link).exists(), "{link}");
        let (folder, _) = link.split_once('/').unwrap_or((link, ""));
        // in the unpacked package the list is gone, and what is there is what it said
        let is_packed =
            manifest.contains(&format!("\"/{folder}\"")) || !manifest.contains("\ninclude = ");
        assert!(is_packed, "{link} is not in the package");
    }
}

#[test]
fn links_to_the_guide_lead_to_its_pages() {
    let start = "https://docs.rs/aws-credential-strategies/latest/aws_credential_strategies/guide/";
    let pages = include_str!("../src/guide/mod.rs");
    let mut linked = BTreeSet::new();
    for link in links()
        .into_iter()
        .filter_map(|link| link.strip_prefix(start))
    {
        let page = link.trim_end_matches("index.html").trim_end_matches('/');
        assert!(
            page.is_empty() || pages.contains(&format!("\n    {page}\n")),
            "{link}"
        );
        linked.insert(page);
    }
    assert!(linked.len() > 18, "{linked:?}");
}
