//! Promise: the docs of each public async function say how it fails and what dropping its future does; those of
//! what many may call at once say that too; each public module begins with what it is for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

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
