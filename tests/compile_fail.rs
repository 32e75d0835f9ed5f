//! Promise: what must not compile does not, and the compiler says why in words that help.
//!
//! Each file of `must_not_compile/` is given to the compiler with the very library that this test is linked
//! with, so that nothing is compiled a second time. What the compiler says stands beside it in a `.stderr`,
//! written by `MESSAGES=overwrite cargo test --test compile_fail`. It is held to the letter on the toolchain
//! that wrote it; on others, whose wording is their own, the lines that begin an error are, ours among them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use serde_json::Value;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

/// Whose words the `.stderr` files are.
const TOOLCHAIN: &str = "rustc 1.95.";

/// So many at a time, each some 200 MB.
const AT_ONCE: usize = 4;

#[test]
fn what_must_not_compile_does_not() {
    let compiler = Compiler::of_this_test();
    let exact = compiler.version().starts_with(TOOLCHAIN);
    let overwrite = std::env::var_os("MESSAGES").is_some_and(|value| value == "overwrite");
    let mut cases: Vec<PathBuf> = fs::read_dir(compiler.cases())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect();
    cases.sort();
    assert!(cases.len() > 20, "the cases are found: {}", cases.len());
    let mut wrong = String::new();
    for some in cases.chunks(AT_ONCE) {
        let said: Vec<Option<String>> = thread::scope(|scope| {
            let running: Vec<_> = some
                .iter()
                .map(|case| scope.spawn(|| compiler.refusal_of(case)))
                .collect();
            running.into_iter().map(|one| one.join().unwrap()).collect()
        });
        for (case, said) in some.iter().zip(said) {
            let name = case.file_name().unwrap().to_str().unwrap();
            let held = case.with_extension("stderr");
            match said {
                None => writeln!(wrong, "== {name} compiles").unwrap(),
                Some(said) if overwrite => fs::write(held, said).unwrap(),
                Some(said) => {
                    let expected = fs::read_to_string(&held).unwrap_or_default();
                    let as_expected = if exact {
                        said == expected
                    } else {
                        heads(&said) == heads(&expected)
                    };
                    if !as_expected {
                        writeln!(
                            wrong,
                            "== {name}: expected\n{expected}\n== but it says\n{said}"
                        )
                        .unwrap();
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// The lines that begin an error.
fn heads(text: &str) -> Vec<&str> {
    text.lines()
        .filter(|line| line.starts_with("error") && !line.starts_with("error: aborting"))
        .collect()
}

struct Compiler {
    root: PathBuf,
    library: PathBuf,
}

impl Compiler {
    /// Asks cargo, for which there is nothing left to build, what this test is linked with.
    fn of_this_test() -> Self {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .current_dir(&root)
            .args(["test", "--all-features", "--no-run", "--quiet"])
            .arg("--message-format=json")
            .args(["--test", "compile_fail"]);
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        let said = cargo.output().unwrap();
        let library = String::from_utf8(said.stdout)
            .unwrap()
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|message| message["target"]["name"] == "aws_credential_strategies")
            .find_map(|message| {
                let files = message["filenames"].as_array()?.iter();
                let mut files = files.filter_map(Value::as_str);
                files
                    .find(|file| file.ends_with(".rlib"))
                    .map(PathBuf::from)
            });
        let library = library.unwrap_or_else(|| {
            panic!("no library: {}", String::from_utf8_lossy(&said.stderr));
        });
        Compiler { root, library }
    }

    fn cases(&self) -> PathBuf {
        self.root.join("tests/must_not_compile")
    }

    fn rustc(&self) -> Command {
        let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        rustc.current_dir(self.cases());
        rustc
    }

    fn version(&self) -> String {
        let version = self.rustc().arg("--version").output().unwrap();
        String::from_utf8(version.stdout).unwrap()
    }

    /// What the compiler says against a case, without the paths of this machine; nothing if it takes it.
    fn refusal_of(&self, case: &Path) -> Option<String> {
        let name = case.file_name().unwrap();
        let out = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(name)
            .with_extension("rmeta");
        let mut library = std::ffi::OsString::from("aws_credential_strategies=");
        library.push(&self.library);
        let said = self
            .rustc()
            .args(["--edition=2024", "--emit=metadata", "--color=never"])
            .args(["--diagnostic-width=120", "--verbose", "--extern"])
            .arg(library)
            .arg("-L")
            .arg(self.library.parent().unwrap())
            .arg("-o")
            .arg(out)
            .arg(name)
            .output()
            .unwrap();
        if said.status.success() {
            return None;
        }
        let text = String::from_utf8(said.stderr).unwrap();
        Some(without_places(&text, self.root.to_str().unwrap()))
    }
}

/// A text without where in our sources something stands, and without what stands in those of others.
fn without_places(text: &str, here: &str) -> String {
    let mut kept = String::new();
    let mut elsewhere = false;
    for line in text.lines() {
        let place = line
            .trim_start()
            .strip_prefix("--> ")
            .or_else(|| line.trim_start().strip_prefix("::: "));
        match place {
            // rustc names files of this crate by where cargo was called
            Some(place) if place.starts_with("src/") || place.starts_with(here) => {
                elsewhere = true;
                let file = place.trim_start_matches(here).trim_start_matches('/');
                let file = file.split(':').next().unwrap();
                writeln!(kept, " --> {file}").unwrap();
            }
            Some(place) if place.contains('/') => elsewhere = true,
            Some(_) => {
                elsewhere = false;
                writeln!(kept, "{line}").unwrap();
            }
            None if elsewhere && is_quoted(line) => {}
            None => {
                elsewhere = false;
                writeln!(kept, "{line}").unwrap();
            }
        }
    }
    kept
}

/// A line of source with what is drawn under it: behind a bar, and before it a number at most.
fn is_quoted(line: &str) -> bool {
    line.split_once('|')
        .is_some_and(|(margin, _)| margin.chars().all(|c| c == ' ' || c.is_ascii_digit()))
}
