//! Promise: whatever bytes a metadata service or STS answers with, the parsers neither panic nor make
//! half a credential nor quote a secret. The bounded form of the targets in `fuzz/`, from the same seeds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use aws_credential_strategies::source::fuzzing;
use aws_credential_strategies::{Credentials, Error};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use std::error::Error as StdError;

const ROLE_LISTS: &[&[u8]] = &[
    include_bytes!("data/hostile/role_list/empty"),
    include_bytes!("data/hostile/role_list/one"),
    include_bytes!("data/hostile/role_list/page"),
    include_bytes!("data/hostile/role_list/path"),
    include_bytes!("data/hostile/role_list/several"),
];
const DOCUMENTS: &[&[u8]] = &[
    include_bytes!("data/hostile/credential_document/escaped"),
    include_bytes!("data/hostile/credential_document/failure"),
    include_bytes!("data/hostile/credential_document/other"),
    include_bytes!("data/hostile/credential_document/unauthorized"),
    include_bytes!("data/hostile/credential_document/whole"),
];
const ANSWERS: &[&[u8]] = &[
    include_bytes!("data/hostile/sts_response/denied"),
    include_bytes!("data/hostile/sts_response/expired"),
    include_bytes!("data/hostile/sts_response/page"),
    include_bytes!("data/hostile/sts_response/whole"),
];

const REFUSALS: &[&[u8]] = &[
    include_bytes!("data/hostile/refusal/cbor"),
    include_bytes!("data/hostile/refusal/header_error_type"),
    include_bytes!("data/hostile/refusal/header_query_error"),
    include_bytes!("data/hostile/refusal/json"),
    include_bytes!("data/hostile/refusal/json_nested"),
    include_bytes!("data/hostile/refusal/nested"),
    include_bytes!("data/hostile/refusal/prefixed"),
];

/// What the secrets of the seeds end in; the seeds have it nowhere else.
const HIDDEN: &str = "do-not-show";

/// One way to spoil bytes.
#[derive(Clone, Debug)]
enum Spoil {
    Cut(Index),
    Flip(Index, u8),
    Insert(Index, Vec<u8>),
    Move(Index, Index, Index),
    Remove(Index, Index),
    Repeat(Index, Index, u8),
}

fn spoil() -> impl Strategy<Value = Spoil> {
    let token = select(vec![
        "\"",
        "\\",
        "\\u0000",
        "\\ud800",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "null",
        "1e999",
        "\u{0}",
        "<",
        ">",
        "</",
        "<!--",
        "<![CDATA[",
        "]]>",
        "&amp;",
        "&#x0;",
        "&bogus;",
        "\r\n",
        "-",
        "T",
        "Z",
        "9",
        "0000-00-00T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "99999-01-01T00:00:00Z",
    ]);
    prop_oneof![
        any::<Index>().prop_map(Spoil::Cut),
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Spoil::Flip(at, byte)),
        (any::<Index>(), token).prop_map(|(at, text)| Spoil::Insert(at, text.as_bytes().to_vec())),
        (any::<Index>(), vec(any::<u8>(), 1..8)).prop_map(|(at, bytes)| Spoil::Insert(at, bytes)),
        (any::<Index>(), any::<Index>(), any::<Index>()).prop_map(|(a, b, c)| Spoil::Move(a, b, c)),
        (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Spoil::Remove(a, b)),
        (any::<Index>(), any::<Index>(), 1..64u8).prop_map(|(a, b, n)| Spoil::Repeat(a, b, n)),
    ]
}

impl Spoil {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            bytes.push(b' ');
        }
        let length = bytes.len();
        let range = |a: &Index, b: &Index| {
            let (a, b) = (a.index(length), b.index(length));
            a.min(b)..a.max(b)
        };
        match self {
            Spoil::Cut(at) => bytes.truncate(at.index(length)),
            Spoil::Flip(at, byte) => bytes[at.index(length)] = *byte,
            Spoil::Insert(at, more) => {
                let at = at.index(length);
                bytes.splice(at..at, more.iter().copied());
            }
            Spoil::Move(a, b, to) => {
                let part: Vec<u8> = bytes.drain(range(a, b)).collect();
                let at = to.index(bytes.len().max(1)).min(bytes.len());
                bytes.splice(at..at, part);
            }
            Spoil::Remove(a, b) => drop(bytes.drain(range(a, b))),
            Spoil::Repeat(a, b, times) => {
                let part = bytes[range(a, b)].repeat(usize::from(*times));
                bytes.extend(part);
            }
        }
    }
}

/// So many cases, unless `PROPTEST_CASES` says otherwise.
fn cases(usual: u32) -> ProptestConfig {
    let wished = std::env::var("PROPTEST_CASES").ok();
    ProptestConfig {
        cases: wished.and_then(|n| n.parse().ok()).unwrap_or(usual),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// A seed, spoiled a few times, or any bytes at all.
fn hostile(seeds: &'static [&'static [u8]]) -> impl Strategy<Value = Vec<u8>> {
    let spoiled = (select(seeds), vec(spoil(), 0..6)).prop_map(|(seed, spoils)| {
        let mut bytes = seed.to_vec();
        for spoil in spoils {
            spoil.apply(&mut bytes);
        }
        bytes
    });
    prop_oneof![8 => spoiled, 1 => vec(any::<u8>(), 0..512), 1 => any::<String>().prop_map(String::into_bytes)]
}

/// Nested far deeper than any answer.
fn deep(open: &'static str, close: &'static str) -> impl Strategy<Value = Vec<u8>> {
    (1..20_000usize).prop_map(move |depth| (open.repeat(depth) + &close.repeat(depth)).into_bytes())
}

fn is_whole(credentials: &Credentials) {
    assert!(!credentials.access_key_id().is_empty());
    assert!(!credentials.secret_access_key().is_empty());
    assert!(
        credentials
            .session_token()
            .is_some_and(|token| !token.is_empty())
    );
    assert!(credentials.expiry().is_some());
    // Key id and account may be shown, and spoiling can move a secret there.
    let account = credentials
        .account_id()
        .map_or("", |account| account.as_str());
    if !credentials.access_key_id().contains(HIDDEN) && !account.contains(HIDDEN) {
        shows_nothing(&format!("{credentials:?}"));
    }
}

fn shows_nothing(text: &str) {
    assert!(!text.contains(HIDDEN), "{text}");
}

/// `may_quote`: somebody moved the secret into what an error rightly quotes.
fn is_discreet(error: &Error, may_quote: bool) {
    let mut layer: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(current) = layer {
        let (display, debug) = (current.to_string(), format!("{current:?}"));
        assert!(!display.contains('\n'), "{display}");
        assert!(display.len() < 64 * 1024);
        if !may_quote {
            shows_nothing(&display);
            shows_nothing(&debug);
        }
        layer = current.source();
    }
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn role_lists(body in hostile(ROLE_LISTS)) {
        match fuzzing::role_list(&body) {
            Ok((first, all)) => {
                prop_assert_eq!(first.as_ref(), all.first());
                for name in all {
                    prop_assert!((1..=64).contains(&name.len()));
                    prop_assert!(!name.contains(['/', '\r', '\n', ' ']), "{}", name);
                    prop_assert!(name != "." && name != "..");
                }
            }
            Err(error) => is_discreet(&error, false),
        }
    }

    #[test]
    fn credential_documents(body in hostile(DOCUMENTS)) {
        match fuzzing::credential_document(&body) {
            Ok(credentials) => is_whole(&credentials),
            Err(error) => is_discreet(&error, error.code().is_some()),
        }
    }

    #[test]
    fn sts_responses(body in hostile(ANSWERS), status in select(vec![200u16, 400, 403, 429, 500, 503])) {
        match fuzzing::sts_response(status, &body) {
            Ok(credentials) => is_whole(&credentials),
            Err(error) => is_discreet(&error, error.code().is_some()),
        }
    }
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn refusals(answer in hostile(REFUSALS)) {
        let (code, message) = fuzzing::refusal(&answer);
        if let Some(code) = code {
            prop_assert!(!code.is_empty() && code.trim() == code, "{:?}", code);
        }
        prop_assert!(message.is_none_or(|message| !message.trim().is_empty()));
    }

    #[test]
    fn texts_of_the_other_side(body in hostile(REFUSALS), at in any::<Index>()) {
        const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let mut text = String::from_utf8_lossy(&body).into_owned();
        let at = text.floor_char_boundary(at.index(text.len() + 1));
        text.insert_str(at, SECRET);
        let shown = fuzzing::quoted(&text, SECRET);
        prop_assert!(shown.chars().count() <= 300);
        prop_assert!(!shown.chars().any(char::is_control), "{}", shown);
        prop_assert!(!shown.contains(&SECRET[..20]) && !shown.contains(&SECRET[20..]), "{}", shown);
    }
}

proptest! {
    #![proptest_config(cases(16))]

    #[test]
    fn deep_nesting(
        arrays in deep("[", "]"),
        objects in deep("{\"Code\":", "}"),
        elements in deep("<AssumeRoleResponse>", "</AssumeRoleResponse>"),
    ) {
        prop_assert!(fuzzing::credential_document(&arrays).is_err());
        prop_assert!(fuzzing::credential_document(&objects).is_err());
        prop_assert!(fuzzing::sts_response(200, &elements).is_err());
        prop_assert!(fuzzing::sts_response(400, &elements).is_err());
        for body in [&arrays, &objects, &elements] {
            let _ = fuzzing::refusal(body);
        }
    }
}

#[test]
fn codes_in_headers_are_read() {
    for (answer, expected) in [
        (REFUSALS[1], "ExpiredTokenException"),
        (REFUSALS[2], "InvalidClientTokenId"),
    ] {
        assert_eq!(fuzzing::refusal(answer).0.as_deref(), Some(expected));
    }
}

#[test]
fn the_whole_seeds_are_credentials() {
    is_whole(&fuzzing::credential_document(DOCUMENTS[0]).unwrap());
    is_whole(&fuzzing::credential_document(DOCUMENTS[4]).unwrap());
    is_whole(&fuzzing::sts_response(200, ANSWERS[3]).unwrap());
    assert!(fuzzing::role_list(ROLE_LISTS[3]).is_err());
    let (first, all) = fuzzing::role_list(ROLE_LISTS[4]).unwrap();
    assert_eq!(
        (first.as_deref(), all.len()),
        (Some("First_Role+=,.@-1"), 2)
    );
}
