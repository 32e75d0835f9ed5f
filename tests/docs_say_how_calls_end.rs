//! Promise: the docs of each public async function say how it fails and what dropping its future does; those of
//! what many may call at once say that too; each public module begins with what it is for, and it and each public
//! type that one makes have an example, which is compiled as all are.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Rooms whose async functions are called by many at once on one value.
const SHARED: [&str; 2] = ["refresh/", "strategy/"];

/// The files of the library: path below `src/` and text.
fn sources() -> Vec<(String, String)> {
    fn walk(root: &Path, folder: &Path, into: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, into);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let below = path.strip_prefix(root).unwrap().to_str().unwrap();
                into.push((below.to_owned(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&root, &root, &mut files);
    files.retain(|(path, _)| !path.starts_with("bin/"));
    files.sort();
    files
}

/// A public async function: its line in the file, its docs, and its signature.
struct AsyncFn {
    line: usize,
    docs: Vec<String>,
    signature: String,
}

/// Methods of traits among them, whose `pub` is the trait's.
fn async_fns(text: &str) -> Vec<AsyncFn> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut in_public_trait = false;
    let mut found = Vec::new();
    for (at, (line, indented)) in lines.iter().zip(text.lines()).enumerate() {
        if indented.starts_with("pub trait ") {
            in_public_trait = true;
        } else if indented == "}" {
            in_public_trait = false;
        }
        let is_methods = in_public_trait && line.starts_with("async fn ");
        if !(is_methods || line.starts_with("pub async fn ")) {
            continue;
        }
        let of_it = |line: &&&str| line.starts_with("///") || line.starts_with("#[");
        let docs = lines[..at].iter().rev().take_while(of_it);
        let signature = lines[at..].iter().scan(false, |over, line| {
            let before = *over;
            *over = line.contains('{') || line.ends_with(';');
            (!before).then_some(*line)
        });
        found.push(AsyncFn {
            line: at + 1,
            docs: docs.map(|line| line.replace("///", "")).collect(),
            signature: signature.collect::<Vec<_>>().join(" "),
        });
    }
    found
}

/// What the docs of each function in this file lack.
fn lacking(path: &str, text: &str) -> Vec<String> {
    let mut lacking = Vec::new();
    for function in async_fns(text) {
        let has = |section: &str| function.docs.iter().any(|line| line.trim() == section);
        let mut expect = |section: &str, wanted: bool| {
            if wanted && !has(section) {
                lacking.push(format!("{path}:{}: {section}", function.line));
            }
        };
        expect("# Errors", function.signature.contains("Result<"));
        expect("# Cancel safety", true);
        let shared = SHARED.iter().any(|room| path.starts_with(room));
        expect(
            "# Concurrent calls",
            shared && function.signature.contains("&self"),
        );
    }
    lacking
}

#[test]
fn of_each_public_async_function() {
    let sources = sources();
    let lacking: Vec<_> = sources
        .iter()
        .flat_map(|(path, text)| lacking(path, text))
        .collect();
    assert!(lacking.is_empty(), "{}", lacking.join("\n"));
    let functions: usize = sources.iter().map(|(_, text)| async_fns(text).len()).sum();
    assert!(functions > 50, "only {functions} were found");
}

#[test]
fn what_is_missing_is_noticed() {
    let whole = "pub trait Asks {
    /// Asks.
    ///
    /// # Errors
    ///
    /// Its own.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Concurrent calls
    ///
    /// Share one.
    async fn ask(
        &self,
    ) -> Result<()>;
}
async fn private() {}
";
    assert!(lacking("refresh/asks.rs", whole).is_empty());
    for section in ["# Errors", "# Cancel safety", "# Concurrent calls"] {
        let without = whole.replace(section, "");
        let expected = [format!("refresh/asks.rs:15: {section}")];
        assert_eq!(lacking("refresh/asks.rs", &without), expected);
    }
}

#[test]
fn each_module_begins_with_what_it_is_for() {
    for (path, text) in sources() {
        let first = text.lines().next().unwrap_or_default();
        assert!(first.starts_with("//! "), "{path} begins with {first:?}");
    }
}

/// Public modules, by the file that has their docs.
const MODULES: [&str; 11] = [
    "diagnose/mod.rs",
    "guide/mod.rs",
    "iam/mod.rs",
    "lib.rs",
    "local/mod.rs",
    "refresh/mod.rs",
    "sdk/mod.rs",
    "source/mod.rs",
    "strategy/mod.rs",
    "table/mod.rs",
    "token/mod.rs",
];

/// Pages that people meet first: code stands right after what they are for.
const BEGIN_WITH_CODE: [&str; 20] = [
    "Table",
    "AssumeRole",
    "InstanceProfile",
    "LocalCloud",
    "Fault",
    "RolePool",
    "RdsToken",
    "ElastiCacheToken",
    "MskToken",
    "Doctor",
    "TrustPolicy",
    "PermissionPolicy",
    "PolicyRecorder",
    "lib.rs",
    "table/mod.rs",
    "strategy/mod.rs",
    "local/mod.rs",
    "token/mod.rs",
    "iam/mod.rs",
    "diagnose/mod.rs",
];

/// The docs of a module: its inner comment.
fn module_docs(text: &str) -> Vec<&str> {
    let docs = text.lines().take_while(|line| line.starts_with("//!"));
    docs.map(|line| line.trim_start_matches("//!").trim_start())
        .collect()
}

/// The public types of a file, each with its docs.
fn types(text: &str) -> Vec<(&str, Vec<&str>)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let rest = ["pub struct ", "pub enum "]
            .iter()
            .find_map(|start| line.strip_prefix(start));
        let Some(rest) = rest else { continue };
        let name = rest.split(|c: char| !c.is_alphanumeric()).next().unwrap();
        // an attribute may stand on several lines
        let start = lines[..at].iter().rposition(|line| line.is_empty());
        let docs = &lines[start.map_or(0, |start| start + 1)..at];
        let docs = docs.iter().filter_map(|line| line.strip_prefix("///"));
        found.push((name, docs.map(str::trim_start).collect()));
    }
    found
}

/// The types that have a function which makes one, or begins to; each with whether its docs have an example.
fn made(text: &str) -> BTreeMap<&str, bool> {
    let mut made = BTreeMap::new();
    let mut of = None;
    let lines: Vec<&str> = text.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        if let Some(rest) = line.strip_prefix("impl") {
            let head = rest.split(" where ").next().unwrap();
            let head = match head.strip_prefix('<') {
                Some(generics) => generics.split_once("> ").map_or(head, |(_, head)| head),
                None => head,
            };
            let name = head.trim().split(|c: char| !c.is_alphanumeric()).next();
            of = name.filter(|_| !head.contains(" for "));
        }
        let Some(name) = of.filter(|_| line.starts_with("    pub ") && line.contains("fn ")) else {
            continue;
        };
        let end = lines[at..]
            .iter()
            .position(|line| line.trim_end().ends_with('{'));
        let signature = lines[at..=at + end.unwrap_or(0)].join(" ");
        let Some((arguments, returned)) = signature.split_once("->") else {
            continue;
        };
        let takes_self = arguments
            .split(['(', ',', ' ', '&'])
            .any(|word| word.starts_with("self"));
        if !takes_self && (returned.contains("Self") || returned.contains(name)) {
            let above = lines[..at].iter().rev();
            let mut docs =
                above.take_while(|line| line.starts_with("    ///") || line.starts_with("    #["));
            *made.entry(name).or_default() |= docs.any(|line| line.contains("```"));
        }
    }
    made
}

fn has_code(docs: &[&str]) -> bool {
    docs.iter().any(|line| line.starts_with("```"))
}

/// A paragraph, then code.
fn begins_with_code(docs: &[&str]) -> bool {
    let mut rest = docs.iter().skip_while(|line| !line.is_empty());
    rest.nth(1).is_some_and(|line| line.starts_with("```"))
}

#[test]
fn a_type_without_an_example_is_noticed() {
    let text = "/// A thing.
#[derive(Debug)]
pub struct Thing(u8);

impl Thing {
    /// Makes one.
    pub fn new() -> Self {
        Thing(0)
    }
}
";
    assert_eq!(made(text), BTreeMap::from([("Thing", false)]));
    let docs = |text: &'static str| types(text).remove(0).1;
    assert!(!has_code(&docs(text)));
    const WITH: &str = "/// A thing.\n///\n/// ```\n/// ```\npub struct Thing(u8);\n";
    assert!(has_code(&docs(WITH)) && begins_with_code(&docs(WITH)));
}

#[test]
fn each_public_module_and_each_type_that_one_makes_has_an_example() {
    let sources = sources();
    let mut lacking = Vec::new();
    for module in MODULES {
        let (_, text) = sources.iter().find(|(path, _)| path == module).unwrap();
        let docs = module_docs(text);
        if !has_code(&docs) {
            lacking.push(format!("{module}: an example"));
        }
        if BEGIN_WITH_CODE.contains(&module) && !begins_with_code(&docs) {
            lacking.push(format!("{module}: code right after its first paragraph"));
        }
    }
    let mut made_by: BTreeMap<&str, bool> = BTreeMap::new();
    for (name, has_example) in sources.iter().flat_map(|(_, text)| made(text)) {
        *made_by.entry(name).or_default() |= has_example;
    }
    let mut count = 0;
    for (path, text) in &sources {
        for (name, docs) in types(text) {
            if let Some(by_what_makes_it) = made_by.get(name).filter(|_| !name.ends_with("Builder"))
            {
                count += 1;
                if !has_code(&docs) && !by_what_makes_it {
                    lacking.push(format!("{path}: {name}: an example"));
                }
            }
            if BEGIN_WITH_CODE.contains(&name) && !begins_with_code(&docs) {
                lacking.push(format!(
                    "{path}: {name}: code right after its first paragraph"
                ));
            }
        }
    }
    assert!(lacking.is_empty(), "{}", lacking.join("\n"));
    assert!(count > 30, "only {count} were found");
}
