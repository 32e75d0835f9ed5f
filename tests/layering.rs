//! Promise: the rooms of the crate know each other in one direction only, the files inside a room form no
//! circle of imports, and what a room alone may use (the STS client, `hyper`, a task of its own) is used
//! nowhere else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Each room, with the rooms that it may use.
const ROOMS: [(&str, &[&str]); 16] = [
    ("arn", &["error"]),
    ("error", &[]),
    ("base64url", &[]),
    ("connect", &[]),
    ("guide", &[]),
    ("jitter", &[]),
    ("settings", &[]),
    (
        "source",
        &["arn", "base64url", "connect", "error", "jitter", "settings"],
    ),
    ("refresh", &["error", "jitter", "source"]),
    (
        "strategy",
        &["arn", "connect", "error", "jitter", "source", "refresh"],
    ),
    (
        "sdk",
        &["connect", "error", "source", "refresh", "strategy"],
    ),
    ("iam", &["arn", "connect", "error"]),
    (
        "token",
        &["arn", "base64url", "error", "refresh", "strategy"],
    ),
    (
        "table",
        &[
            "arn",
            "base64url",
            "connect",
            "error",
            "jitter",
            "settings",
            "refresh",
            "strategy",
            "sdk",
            "iam",
        ],
    ),
    (
        "diagnose",
        &["arn", "error", "settings", "source", "strategy", "iam"],
    ),
    ("local", &["arn", "base64url", "error", "iam"]),
];

/// What only some places may use: the words, and the beginnings of the paths where they may stand.
const RESERVED: [(&[&str], &[&str]); 4] = [
    (&["aws_sdk_sts"], &["source/sts"]),
    // `connect` knows it by what an HTTP client says that it is.
    (
        &["hyper", "hyper_util"],
        &["connect", "source/imds", "local/"],
    ),
    (
        &["spawn", "spawn_local", "spawn_blocking", "spawn_on"],
        &["connect", "refresh/", "local/", "table/read/lanes"],
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

/// The module of a file, as its names below the crate's root.
fn module(path: &str) -> Vec<&str> {
    let path = path.trim_end_matches(".rs");
    let mut names: Vec<_> = path.split('/').collect();
    if names.last() == Some(&"mod") {
        names.pop();
    }
    names
}

/// The paths of a use tree: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn paths(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else {
        let path = tree.split(" as ").next().unwrap_or_default();
        return vec![path.split_whitespace().collect()];
    };
    let (before, group) = tree.split_at(open);
    let group = group.trim_start_matches('{').trim_end();
    let group = group.strip_suffix('}').unwrap_or(group);
    let (mut depth, mut from, mut found) = (0, 0, Vec::new());
    for (at, c) in group.char_indices().chain([(group.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if !group[from..at].trim().is_empty() {
                    let inner = paths(&group[from..at]);
                    found.extend(
                        inner
                            .into_iter()
                            .map(|path| format!("{}{path}", before.trim())),
                    );
                }
                from = at + 1;
            }
            _ => {}
        }
    }
    found
}

/// The modules of its own room that a file imports. What a `mod.rs` makes public of its own files is no
/// import; tests may look anywhere.
fn imports(path: &str, text: &str, modules: &BTreeSet<Vec<&str>>) -> BTreeSet<Vec<String>> {
    let text = code(text);
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    let own = module(path);
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("use ") {
        let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
        let visibility = text[line..at].trim();
        let begins = visibility.is_empty() || visibility.starts_with("pub");
        let Some(end) = text[at..].find(';').filter(|_| begins) else {
            continue;
        };
        for used in paths(&text[at + "use ".len()..at + end]) {
            let mut names = used.split("::").peekable();
            let mut target: Vec<&str> = match names.peek() {
                Some(&"crate") => {
                    names.next();
                    Vec::new()
                }
                Some(&"super" | &"self") => own.clone(),
                _ => own.clone(),
            };
            while let Some(name) = names.next_if(|name| matches!(*name, "super" | "self")) {
                if name == "super" {
                    target.pop();
                }
            }
            for name in names {
                target.push(name);
                if !modules.contains(&target) {
                    target.pop();
                    break;
                }
            }
            let in_room = target.first() == own.first() && target != own;
            let shown = !visibility.is_empty() && target.starts_with(&own);
            if in_room && !shown && modules.contains(&target) {
                found.insert(target.iter().map(|name| (*name).to_owned()).collect());
            }
        }
    }
    found
}

/// A circle of imports among the files of a room, if there is one.
fn circle(room: &str, files: &[(String, String)]) -> Option<String> {
    let modules: BTreeSet<_> = files.iter().map(|(path, _)| module(path)).collect();
    let mut open: BTreeMap<Vec<String>, BTreeSet<Vec<String>>> = files
        .iter()
        .filter(|(path, _)| module(path).first() == Some(&room))
        .map(|(path, text)| {
            let own = module(path).iter().map(|name| (*name).to_owned()).collect();
            (own, imports(path, text, &modules))
        })
        .collect();
    // Files that import none of those left are no part of a circle; what remains is one.
    loop {
        let done: Vec<_> = open
            .iter()
            .filter(|(_, uses)| !uses.iter().any(|used| open.contains_key(used)))
            .map(|(own, _)| own.clone())
            .collect();
        if done.is_empty() {
            break;
        }
        for own in done {
            open.remove(&own);
        }
    }
    let names: Vec<_> = open.keys().map(|names| names.join("::")).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

#[test]
fn the_files_of_a_room_form_no_circle() {
    let files = sources();
    for (room, _) in ROOMS {
        assert_eq!(circle(room, &files), None, "a circle in {room}");
    }
}

#[test]
fn a_planted_circle_is_found() {
    let plant = |files: &[(&str, &str)]| {
        let files: Vec<_> = files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
            .collect();
        circle("room", &files)
    };
    for other in [
        "use super::one::One;",
        "use crate::room::one::One;",
        "use super::{one::{self, One}, three};",
        "use super::{\n    three,\n    one,\n};",
        "pub use super::one::One;",
    ] {
        let found = plant(&[
            (
                "room/mod.rs",
                "mod one; mod two; mod three; pub use one::One;",
            ),
            ("room/one.rs", "use super::two::Two;"),
            ("room/two.rs", other),
            ("room/three.rs", "use super::two::Two;"),
        ]);
        // `three` imports a file of the circle and is listed with it where that is imported back.
        let found = found.unwrap_or_else(|| panic!("not found: {other}"));
        assert!(
            found.contains("room::one, ") && found.contains("room::two"),
            "{found}"
        );
    }
    // A room and its own file.
    let found = plant(&[
        ("room/mod.rs", "use one::One; pub struct Of;"),
        ("room/one.rs", "use super::Of;"),
    ]);
    assert_eq!(found.as_deref(), Some("room, room::one"));
    // What is shown is no import, nor what tests look at.
    let none = plant(&[
        ("room/mod.rs", "pub use one::One; pub struct Of;"),
        (
            "room/one.rs",
            "use super::Of;\n#[cfg(test)]\nmod tests { use super::super::two::Two; }",
        ),
        ("room/two.rs", "use super::one::One;"),
    ]);
    assert_eq!(none, None);
}
