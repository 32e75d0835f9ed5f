//! Promise: the rooms of the crate know each other in one direction only, and what a room alone may use
//! (the STS client, `hyper`, a task of its own) is used nowhere else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Each room, with the rooms that it may use.
const ROOMS: [(&str, &[&str]); 12] = [
    ("arn", &["error"]),
    ("error", &[]),
    ("jitter", &[]),
    ("source", &["arn", "error", "jitter"]),
    ("refresh", &["error", "jitter", "source"]),
    ("strategy", &["error", "source", "refresh"]),
    ("sdk", &["error", "source", "refresh", "strategy"]),
    ("iam", &["arn", "error"]),
    ("token", &["arn", "error", "refresh", "strategy"]),
    (
        "table",
        &[
            "arn", "error", "jitter", "refresh", "strategy", "sdk", "iam",
        ],
    ),
    ("diagnose", &["arn", "error", "source", "strategy", "iam"]),
    ("local", &["arn", "error", "iam"]),
];

/// What only some places may use: the words, and the beginnings of the paths where they may stand.
const RESERVED: [(&[&str], &[&str]); 4] = [
    (&["aws_sdk_sts"], &["source/sts"]),
    (&["hyper", "hyper_util"], &["source/imds", "local/"]),
    (
        &["spawn", "spawn_local", "spawn_blocking", "spawn_on"],
        &["refresh/", "local/", "table/read/lanes"],
    ),
    (&["aws_sdk_dynamodb"], &["table/", "iam/recorder/"]),
];

/// The files of the library: path below `src/` and text. Programs are users like any other.
fn sources() -> Vec<(String, String)> {
    fn walk(root: &Path, folder: &Path, into: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, into);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let below = path.strip_prefix(root).unwrap().components();
                let below: Vec<_> = below
                    .map(|part| part.as_os_str().to_str().unwrap())
                    .collect();
                into.push((below.join("/"), fs::read_to_string(&path).unwrap()));
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

/// The text without its comments; a `//` after a colon is a URL.
fn code(text: &str) -> String {
    let line = |line: &str| {
        let mut from = 0;
        while let Some(at) = line[from..].find("//").map(|at| from + at) {
            if !line[..at].ends_with(':') {
                return line[..at].to_owned();
            }
            from = at + 2;
        }
        line.to_owned()
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn first_word(text: &str) -> &str {
    let text = text.trim_start();
    &text[..text.find(|c| !is_word(c)).unwrap_or(text.len())]
}

/// The first words of a use tree: one, or those in braces.
fn heads(tree: &str) -> Vec<&str> {
    let Some(group) = tree.trim_start().strip_prefix('{') else {
        return vec![first_word(tree)];
    };
    let mut heads = vec![first_word(group)];
    let mut depth = 1;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => heads.push(first_word(&group[at + 1..])),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    heads.retain(|head| !head.is_empty());
    heads
}

/// Where each name lives that the crate's root exports.
fn exports(root: &str) -> BTreeMap<String, String> {
    let mut homes = BTreeMap::new();
    let root = code(root);
    for (at, _) in root.match_indices("pub use ") {
        let path = &root[at + "pub use ".len()..];
        let room = first_word(path);
        let names = path[room.len()..].trim_start_matches("::");
        if ROOMS.iter().any(|(known, _)| *known == room) {
            for name in heads(names) {
                homes.insert(name.to_owned(), room.to_owned());
            }
        }
    }
    homes
}

/// How many modules lie between a file and the root of the crate.
fn depth(path: &str) -> usize {
    let parts = path.split('/').count();
    if path.ends_with("/mod.rs") {
        parts - 1
    } else {
        parts
    }
}

/// Every rule that the files break, as `path: what`.
fn violations(files: &[(String, String)]) -> Vec<String> {
    let root = files.iter().find(|(path, _)| path == "lib.rs");
    let exports = root.map(|(_, text)| exports(text)).unwrap_or_default();
    let mut found = Vec::new();
    for (path, text) in files.iter().filter(|(path, _)| path != "lib.rs") {
        let text = code(text);
        let room = first_word(path);
        let Some((_, may_use)) = ROOMS.iter().find(|(known, _)| *known == room) else {
            found.push(format!(
                "{path}: {room} is a room that the rule does not know"
            ));
            continue;
        };
        for (at, _) in text.match_indices("crate::") {
            if text[..at].ends_with(is_word) {
                continue;
            }
            for name in heads(&text[at + "crate::".len()..]) {
                let home = exports.get(name).map_or(name, String::as_str);
                if home != room && !may_use.contains(&home) {
                    found.push(format!("{path}: {room} uses {home}"));
                }
            }
        }
        // a path of `super` must not leave the room; a module inside the file has one more
        for line in text.lines() {
            let inside = usize::from(line.starts_with(' '));
            if line.matches("super::").count() >= depth(path) + inside
                && line.contains(&"super::".repeat(depth(path) + inside))
            {
                found.push(format!("{path}: leaves {room} by super"));
            }
        }
        for (words, places) in RESERVED {
            if places.iter().any(|place| path.starts_with(place)) {
                continue;
            }
            for word in text.split(|c| !is_word(c)) {
                if words.contains(&word) {
                    found.push(format!("{path}: {word}"));
                }
            }
        }
    }
    found
}

#[test]
fn every_room_uses_only_rooms_to_its_left() {
    let files = sources();
    for (room, _) in ROOMS {
        assert!(
            files.iter().any(|(path, _)| first_word(path) == room),
            "no file in {room}"
        );
    }
    assert_eq!(violations(&files), Vec::<String>::new());
}

#[test]
fn what_is_reserved_is_used_where_it_may_be() {
    // else a renamed crate would make its rule an empty one
    let files = sources();
    for (words, places) in RESERVED {
        for place in places {
            let used = files
                .iter()
                .filter(|(path, _)| path.starts_with(place))
                .any(|(_, text)| {
                    code(text)
                        .split(|c| !is_word(c))
                        .any(|w| words.contains(&w))
                });
            assert!(used, "{words:?} in {place}");
        }
    }
}

#[test]
fn a_planted_violation_is_found() {
    let planted = [
        (
            "source/imds/mod.rs",
            "use crate::refresh::Clock;",
            "source/imds/mod.rs: source uses refresh",
        ),
        (
            "error.rs",
            "use crate::{source::Told};",
            "error.rs: error uses source",
        ),
        (
            "refresh/state.rs",
            "use crate::{error::{Error, Result}, strategy::Base};",
            "refresh/state.rs: refresh uses strategy",
        ),
        (
            "refresh/state.rs",
            "fn f() -> crate::AssumeRole {}",
            "refresh/state.rs: refresh uses strategy",
        ),
        (
            "table/get.rs",
            "    use crate::source::ImdsSource;",
            "table/get.rs: table uses source",
        ),
        (
            "iam/grant.rs",
            "use crate::sdk;",
            "iam/grant.rs: iam uses sdk",
        ),
        (
            "diagnose/mod.rs",
            "use crate::table::Table;",
            "diagnose/mod.rs: diagnose uses table",
        ),
        (
            "local/sts.rs",
            "use crate::refresh::Clock;",
            "local/sts.rs: local uses refresh",
        ),
        (
            "refresh/mod.rs",
            "use super::strategy;",
            "refresh/mod.rs: leaves refresh by super",
        ),
        (
            "refresh/cell.rs",
            "use super::super::strategy;",
            "refresh/cell.rs: leaves refresh by super",
        ),
        ("sdk.rs", "use aws_sdk_sts::Client;", "sdk.rs: aws_sdk_sts"),
        (
            "source/sts/client.rs",
            "use hyper::Uri;",
            "source/sts/client.rs: hyper",
        ),
        (
            "table/scan.rs",
            "let url = \"http://a\"; tokio::spawn(f());",
            "table/scan.rs: spawn",
        ),
        (
            "strategy/config.rs",
            "runtime.spawn(f());",
            "strategy/config.rs: spawn",
        ),
        (
            "refresh/cache.rs",
            "use aws_sdk_dynamodb::Client;",
            "refresh/cache.rs: aws_sdk_dynamodb",
        ),
        (
            "helpers.rs",
            "",
            "helpers.rs: helpers is a room that the rule does not know",
        ),
    ];
    let root = sources()
        .into_iter()
        .find(|(path, _)| path == "lib.rs")
        .unwrap();
    for (path, line, expected) in planted {
        let file = (path.to_owned(), format!("//! crate::local\n{line}\n"));
        assert_eq!(violations(&[root.clone(), file]), [expected], "{line}");
    }
}

#[test]
fn what_is_allowed_is_not_reported() {
    let allowed = [
        (
            "table/client.rs",
            "use crate::iam::PolicyRecorder;\nuse crate::{sdk, Error};",
        ),
        (
            "strategy/mod.rs",
            "use crate::{error::Result, source::CredentialSource};",
        ),
        (
            "refresh/state.rs",
            "mod tests {\n    use super::super::Clock;\n}\nuse super::Clock;",
        ),
        ("refresh/state.rs", "// crate::table, tokio::spawn"),
        ("iam/statement/mod.rs", "pub(in crate::iam) fn f() {}"),
    ];
    let root = sources()
        .into_iter()
        .find(|(path, _)| path == "lib.rs")
        .unwrap();
    for (path, text) in allowed {
        let file = (path.to_owned(), text.to_owned());
        assert_eq!(
            violations(&[root.clone(), file]),
            Vec::<String>::new(),
            "{text}"
        );
    }
}

/// What may follow `arn:aws:` in code: the account of all examples, and the name that the DynamoDB engine
/// below the embedded one gives itself.
const NO_ARN_OF_OURS: [&str; 2] = ["iam::123456789012:", "dynamodb:dynoxide:"];

/// Places where an ARN is put together for the commercial partition alone.
fn fixed_partitions(files: &[(String, String)]) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in files {
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        for line in code(text).lines() {
            let ours = line
                .match_indices("arn:aws:")
                .map(|(at, literal)| &line[at + literal.len()..])
                .any(|rest| !NO_ARN_OF_OURS.iter().any(|known| rest.starts_with(known)));
            if ours {
                found.push(format!("{path}: {}", line.trim()));
            }
        }
    }
    found
}

#[test]
fn no_arn_is_written_for_one_partition_alone() {
    assert_eq!(fixed_partitions(&sources()), Vec::<String>::new());
    let planted = r#"let arn = format!("arn:aws:iam::{account}:role/App"); // arn:aws:s3:::x"#;
    let file = ("local/x.rs".to_owned(), planted.to_owned());
    assert_eq!(fixed_partitions(&[file]).len(), 1);
}
