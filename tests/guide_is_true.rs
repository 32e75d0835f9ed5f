//! Promise: each page of the guide begins with code and ends with what to do when it does not work; what it quotes
//! as a text of this crate is one; what it shows of other crates stands in a program that is compiled; its table
//! for who knows boto3 is the README's; its constants are all there are, with the values that they have.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The heading that every page ends with.
const LAST: &str = "# When it does not work";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files below a folder with this ending, sorted; none where there is no such folder.
fn files(folder: &str, ending: &str) -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, ending: &str, into: &mut Vec<(PathBuf, String)>) {
        let Ok(entries) = fs::read_dir(folder) else {
            return;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if path.file_name().is_none_or(|name| name != "target") {
                    walk(&path, ending, into);
                }
            } else if path.extension().is_some_and(|found| found == ending) {
                into.push((path.clone(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(folder), ending, &mut found);
    found.sort();
    found
}

/// Name and text of each page.
fn pages() -> Vec<(String, String)> {
    let pages = files("src/guide", "md").into_iter();
    let pages = pages.map(|(path, text)| {
        let name = path.file_stem().unwrap().to_str().unwrap();
        (name.to_owned(), text)
    });
    let pages: Vec<_> = pages.collect();
    assert!(pages.len() >= 18, "{}", pages.len());
    pages
}

/// What a page lacks of its form.
fn lacking(text: &str) -> Option<&'static str> {
    let mut blocks = text.split("\n\n");
    if blocks.next().unwrap().contains("```") {
        return Some("a first line that says what for");
    }
    if !blocks.next().is_some_and(|block| block.starts_with("```")) {
        return Some("code right after its first line");
    }
    // in code a line that begins so is a hidden one
    let is_heading =
        |line: &&str| line.starts_with("# ") && text.contains(&format!("\n\n{line}\n\n"));
    if text.lines().rfind(is_heading) != Some(LAST) {
        return Some("a last section \"When it does not work\"");
    }
    let (_, section) = text.rsplit_once(LAST).unwrap();
    let says_something = section.lines().filter(|line| !line.is_empty()).count() > 2;
    (!says_something).then_some("what mends it, in its last section")
}

#[test]
fn each_page_begins_with_code_and_ends_with_what_to_do() {
    let listed = fs::read_to_string(root().join("src/guide/mod.rs")).unwrap();
    for (name, text) in pages() {
        assert_eq!(lacking(&text), None, "{name}");
        assert!(listed.contains(&format!("\n    {name}\n")), "{name}");
        assert!(listed.contains(&format!("[`{name}`]")), "{name}");
    }
}

#[test]
fn what_a_page_lacks_is_noticed() {
    let whole = format!("On X.\n\n```rust\nlet x = 1;\n```\n\n{LAST}\n\n| a |\n|---|\n| b |\n");
    assert_eq!(lacking(&whole), None);
    assert!(lacking(&whole.replace("```rust\nlet x = 1;\n```", "Words.")).is_some());
    assert!(lacking(&whole.replace(LAST, "# Else")).is_some());
    assert!(lacking(&format!("{whole}\n\n# Behind\n\nWords.")).is_some());
    assert!(lacking(whole.split_once("| a |").unwrap().0).is_some());
}

/// Without the line ends that string literals skip, and with quotes as they are.
fn literals(text: &str) -> String {
    let mut joined = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\\\n") {
        joined.push_str(before);
        rest = after.trim_start();
    }
    joined.push_str(rest);
    joined
        .replace("\\\"", "\"")
        .replace("{{", "{")
        .replace("}}", "}")
}

/// All that the crate can say: its string literals, and what its tests have seen it say.
fn said() -> String {
    let sources = files("src", "rs").into_iter().chain(files("tests", "rs"));
    let sources = sources.filter(|(path, _)| !path.ends_with("guide_is_true.rs"));
    let code = |text: &str| {
        let lines = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        lines.collect::<Vec<_>>().join("\n")
    };
    let said: Vec<_> = sources.map(|(_, text)| literals(&code(&text))).collect();
    said.join("\n")
}

/// The cells of tables that are nothing but a text of this crate, in the column that quotes them: the first of the
/// tables of errors, the second of the table of events.
fn quoted(name: &str, text: &str) -> Vec<String> {
    let mut column = None;
    let mut quoted = Vec::new();
    for line in text.lines() {
        if line.starts_with("| it says |") {
            column = Some(1);
        } else if name == "what_to_watch" && line.starts_with("| level | event |") {
            column = Some(2);
        } else if !line.starts_with('|') {
            column = None;
        } else if let Some(column) = column {
            let cell = line.split(" | ").nth(column - 1).unwrap_or_default();
            let cell = cell.trim_start_matches('|').trim().replace("\\`", "\u{1}");
            let inner = cell
                .strip_prefix('`')
                .and_then(|cell| cell.strip_suffix('`'));
            if let Some(inner) = inner.filter(|inner| !inner.contains('`')) {
                quoted.push(inner.replace('\u{1}', "`"));
            }
        }
    }
    quoted
}

#[test]
fn every_text_of_the_crate_that_is_quoted_is_one() {
    let said = said();
    let (mut count, mut unsaid) = (0, Vec::new());
    for (name, text) in pages() {
        for quoted in quoted(&name, &text) {
            count += 1;
            // what differs from time to time stands as …
            let is_said = quoted.split('…').all(|part| said.contains(part));
            if !is_said {
                unsaid.push(format!("{name}: {quoted}"));
            }
        }
    }
    assert!(unsaid.is_empty(), "{}", unsaid.join("\n"));
    assert!(count > 80, "only {count} were found");
    assert!(!said.contains("a text that nobody ever says"));
}

/// The listings of a kind, by what stands behind the fence.
fn listings<'a>(text: &'a str, kind: &str) -> Vec<&'a str> {
    let fence = format!("```{kind}\n");
    let listings = text.split(&fence).skip(1);
    listings
        .map(|rest| rest.split("```").next().unwrap())
        .collect()
}

/// Each line without its indentation, as a quotation may have another.
fn lines(code: &str) -> String {
    let lines = code.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("\n")
}

/// Listings that need other crates are quoted from programs of the integrations, which are not in the package.
#[test]
fn what_is_shown_of_other_crates_is_compiled_elsewhere() {
    let mut compiled = files("integrations", "rs");
    if compiled.is_empty() {
        return;
    }
    compiled.extend(files("integrations", "md"));
    let compiled: Vec<_> = compiled.iter().map(|(_, text)| lines(text)).collect();
    let mut count = 0;
    for (name, text) in pages() {
        for listing in listings(&text, "rust,ignore") {
            count += 1;
            let wanted = lines(listing);
            assert!(
                compiled.iter().any(|text| text.contains(&wanted)),
                "{name}:\n{listing}"
            );
        }
    }
    assert!(count > 5, "only {count} were found");
}

/// The rows for who knows boto3.
fn boto3(text: &str) -> &str {
    let at = text.find("| boto3 (`table").expect("the table");
    text[at..].split("\n\n").next().unwrap()
}

#[test]
fn the_table_of_boto3_is_the_readmes() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let page = fs::read_to_string(root().join("src/guide/from_boto3.md")).unwrap();
    assert_eq!(boto3(&page), boto3(&readme));
}

#[test]
fn every_crate_whose_types_are_public_is_told() {
    let list = fs::read_to_string(root().join("tests/foreign_types_are_allowed.rs")).unwrap();
    let list = list
        .split("const ALLOWED")
        .nth(1)
        .unwrap()
        .split("\n];")
        .next()
        .unwrap();
    let tuples: Vec<_> = list.split('(').skip(2).collect();
    assert!(tuples.len() > 10, "{}", tuples.len());
    let page = fs::read_to_string(root().join("src/guide/versions.md")).unwrap();
    for tuple in tuples {
        let name = tuple.split('"').nth(1).unwrap();
        let told = [name.to_owned(), name.replace('_', "-")];
        assert!(
            told.iter().any(|name| page.contains(&format!("`{name}`"))),
            "{name}"
        );
    }
}

/// The product in `from_secs(..)`, in milliseconds, or a plain number; `None` for what is neither.
fn value_of(expression: &str) -> Option<u64> {
    let product = |text: &str| {
        let factors = text
            .split('*')
            .map(|factor| factor.trim().replace('_', "").parse::<u64>());
        factors
            .collect::<Result<Vec<_>, _>>()
            .ok()
            .map(|factors| factors.iter().product::<u64>())
    };
    let between = |start: &str| expression.strip_prefix(start)?.strip_suffix(')');
    if let Some(seconds) = between("Duration::from_secs(") {
        return Some(product(seconds)? * 1000);
    }
    match between("Duration::from_millis(") {
        Some(millis) => product(millis),
        None => product(expression),
    }
}

/// What a cell says, in the same unit.
fn value_told(cell: &str) -> Option<u64> {
    let (number, unit) = cell.split_once(' ').unwrap_or((cell, ""));
    let factor = match unit {
        "" | "ms" => 1,
        "s" => 1000,
        "min" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    Some(number.parse::<u64>().ok()? * factor)
}

#[test]
fn every_constant_has_its_place_and_its_value() {
    let mut there = BTreeMap::new();
    for (path, text) in files("src", "rs") {
        if path.starts_with(root().join("src/bin")) {
            continue;
        }
        for line in text.lines().map(str::trim) {
            let Some((name, rest)) = line
                .strip_prefix("pub const ")
                .and_then(|rest| rest.split_once(": "))
            else {
                continue;
            };
            // words and not numbers: the names of calls
            if ["CONFIGURE", "FETCH"].contains(&name) || name.starts_with("fn ") {
                continue;
            }
            let expression = rest.split_once(" = ").map_or("", |(_, value)| value);
            there.insert(name.to_owned(), expression.trim_end_matches(';').to_owned());
        }
    }
    assert!(there.len() > 70, "{}", there.len());
    let page = fs::read_to_string(root().join("src/guide/constants.md")).unwrap();
    let mut told = BTreeSet::new();
    for row in page.lines().filter(|line| line.starts_with("| [`")) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let name = cells[1].split('`').nth(1).unwrap();
        let name = name.rsplit("::").next().unwrap();
        let value = there
            .get(name)
            .unwrap_or_else(|| panic!("there is no {name}"));
        if let (Some(is), Some(says)) = (value_of(value), value_told(cells[2])) {
            assert_eq!(is, says, "{name}");
        } else if let Some(text) = value.strip_prefix('"') {
            assert_eq!(
                cells[2].trim_matches('`'),
                text.trim_end_matches('"'),
                "{name}"
            );
        }
        told.insert(name.to_owned());
    }
    let missing: Vec<_> = there.keys().filter(|name| !told.contains(*name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
