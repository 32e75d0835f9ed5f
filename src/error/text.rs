//! Texts that may be shown: what the other side said, without what it must not say.
//!
//! A service may quote the request in its refusal: the canonical request with the session token, the
//! signature, the key. So nothing of the other side goes into an [`Error`](super::Error) but as
//! [`Quoted`], and every text that is put together at run time passes the same sieve as [`Text`].

use aws_credential_types::Credentials;
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::ops::Range;
use zeroize::Zeroizing;

/// How many characters of a text of the other side are shown.
pub(crate) const QUOTED_LIMIT: usize = 300;
/// How much of it is looked at. Struck out secrets make it shorter, so it is more than is shown.
const READ_LIMIT: usize = 16 * 1024;
/// What stands in place of a secret.
const STRUCK: &str = "***";
/// So many letters and digits in a row that also stand in a secret are a part of it.
const PART: usize = 10;
/// A secret of fewer bytes than this would strike out ordinary words.
const SHORTEST_SECRET: usize = 4;

/// What a request or a cache holds that no text may show.
#[derive(Clone, Default)]
pub(crate) struct Secrets {
    /// As they are; a part of one is as bad as the whole. How else they may be written is worked out when a text is
    /// to be shown: with most requests none is.
    long: Vec<Zeroizing<String>>,
    /// As they are; only the whole counts.
    whole: Vec<String>,
}

impl Secrets {
    /// Nothing is known; what looks like a secret is struck out all the same.
    pub(crate) fn unknown() -> Self {
        Secrets::default()
    }

    /// Secret, session token and key id.
    pub(crate) fn of(credentials: &Credentials) -> Self {
        let secrets = Secrets::default()
            .and(credentials.secret_access_key())
            .and_whole(credentials.access_key_id());
        match credentials.session_token() {
            Some(token) => secrets.and(token),
            None => secrets,
        }
    }

    /// One more, of which no part may be shown.
    pub(crate) fn and(mut self, secret: &str) -> Self {
        self.long.push(Zeroizing::new(secret.to_owned()));
        self
    }

    /// These and those.
    pub(crate) fn with(mut self, others: Secrets) -> Self {
        self.long.extend(others.long);
        self.whole.extend(others.whole);
        self
    }

    fn and_whole(mut self, secret: &str) -> Self {
        if secret.len() >= SHORTEST_SECRET {
            self.whole.push(secret.to_owned());
        }
        self
    }

    /// Whether one of them, or a part of one, stands in a text.
    pub(crate) fn stand_in(&self, text: &str) -> bool {
        let mut found = Vec::new();
        self.find(text, &mut found);
        !found.is_empty()
    }

    /// Where they stand in a text.
    fn find(&self, text: &str, found: &mut Vec<Range<usize>>) {
        let (long, short): (Vec<_>, Vec<_>) = self
            .long
            .iter()
            .map(|secret| (&**secret, letters(secret)))
            .partition(|(_, letters)| letters.len() >= PART);
        let short = short.into_iter().map(|(secret, _)| secret);
        let short = short.filter(|secret| secret.len() >= SHORTEST_SECRET);
        for secret in self.whole.iter().chain(short) {
            found.extend(
                text.match_indices(secret)
                    .map(|(at, _)| at..at + secret.len()),
            );
        }
        if long.is_empty() {
            return;
        }
        let encoded = long
            .iter()
            .filter(|(secret, _)| secret.len() <= LONGEST_ENCODED)
            .flat_map(|(secret, _)| encodings(secret.as_bytes()));
        let encoded: Vec<Vec<u8>> = encoded.collect();
        let written = long.iter().map(|(_, letters)| letters).chain(&encoded);
        let parts: HashSet<&[u8]> = written.flat_map(|letters| letters.windows(PART)).collect();
        let (letters, places): (Vec<u8>, Vec<Range<usize>>) = squeeze(text).into_iter().unzip();
        for (at, window) in letters.windows(PART).enumerate() {
            if parts.contains(window)
                && let (Some(first), Some(last)) = (places.get(at), places.get(at + PART - 1))
            {
                found.push(widen(text, first.start..last.end, is_token));
            }
        }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}

/// Longer ones are looked for as they are and escaped, but not encoded as a whole.
const LONGEST_ENCODED: usize = 4 * 1024;

/// What is left of a secret's Base64, wherever in a text it begins, of its bytes in hexadecimal, and in
/// decimal, as a list of bytes is printed.
fn encodings(secret: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let base64 = (0..3).map(|skipped| {
        let groups = secret.get(skipped..).unwrap_or_default().chunks_exact(3);
        aws_smithy_types::base64::encode(groups.flatten().copied().collect::<Vec<_>>())
    });
    let hexadecimal = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let decimal = secret.iter().map(u8::to_string).collect();
    base64
        .chain([hexadecimal, decimal])
        .map(|text: String| letters(&text))
}

/// Letters and digits only, lower case.
fn letters(text: &str) -> Vec<u8> {
    squeeze(text).into_iter().map(|(byte, _)| byte).collect()
}

/// Letters and digits, lower case, each with its place: a secret reads the same whether it is quoted
/// raw, percent-encoded, in JSON, in XML, or broken into lines.
fn squeeze(text: &str) -> Vec<(u8, Range<usize>)> {
    let bytes = text.as_bytes();
    let mut letters = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let (length, byte) = unescaped(rest);
        let end = bytes.len().min(at + length);
        if byte.is_ascii_alphanumeric() {
            letters.push((byte.to_ascii_lowercase(), at..end));
        }
        at = end;
    }
    letters
}

/// How many bytes the first character takes as it is escaped, and the character; 0 where it is none that a
/// secret's letters are.
fn unescaped(bytes: &[u8]) -> (usize, u8) {
    // what begins an escape, and how many digits follow it
    const HEXADECIMAL: [(&[u8], usize); 4] = [(b"%25", 2), (b"%", 2), (b"\\u", 4), (b"\\x", 2)];
    for (start, digits) in HEXADECIMAL {
        let rest = bytes.strip_prefix(start);
        if let Some(byte) = number(rest.and_then(|rest| rest.get(..digits)), 16) {
            return (start.len() + digits, byte);
        }
    }
    for start in [&b"&amp;#"[..], b"&#"] {
        if let Some(rest) = bytes.strip_prefix(start) {
            let (length, byte) = entity(rest);
            return (start.len() + length, byte);
        }
    }
    match bytes {
        [b'\\', b'u', _, _, _, _, ..] => (6, 0),
        [b'\\', _, ..] => (2, 0),
        [b'&', rest @ ..] => match rest.iter().take(8).position(|byte| *byte == b';') {
            Some(end) => (end + 2, 0),
            None => (1, 0),
        },
        [byte, ..] => (1, *byte),
        [] => (1, 0),
    }
}

/// What follows `&#`: a number, up to its semicolon.
fn entity(bytes: &[u8]) -> (usize, u8) {
    let Some(end) = bytes.iter().take(8).position(|byte| *byte == b';') else {
        return (0, 0);
    };
    let byte = match bytes.get(..end) {
        Some([b'x' | b'X', hexadecimal @ ..]) => number(Some(hexadecimal), 16),
        decimal => number(decimal, 10),
    };
    (end + 1, byte.unwrap_or_default())
}

/// A number that is an ASCII character.
fn number(digits: Option<&[u8]>, radix: u32) -> Option<u8> {
    let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_alphanumeric))?;
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "+/=%_-".contains(c)
}

/// The range, and all around it that is of the same make.
fn widen(text: &str, range: Range<usize>, same: fn(char) -> bool) -> Range<usize> {
    let before = text.get(..range.start).unwrap_or_default();
    let start = before.trim_end_matches(same).len();
    let after = text.get(range.end..).unwrap_or_default();
    let end = text.len() - after.trim_start_matches(same).len();
    start..end.max(range.end)
}

/// What the values behind these names are, is nobody's business.
const LABELS: [&str; 14] = [
    "authorization",
    "aws_secret_access_key",
    "aws_session_token",
    "credential",
    "password",
    "secretaccesskey",
    "secret_access_key",
    "security-token",
    "sessiontoken",
    "session_token",
    "signature",
    "tokencode",
    "webidentitytoken",
    "metadata-token",
];

/// Values behind a name that tells what they are, wherever they come from.
fn find_labelled(text: &str, found: &mut Vec<Range<usize>>) {
    let lower = text.to_ascii_lowercase();
    for label in LABELS {
        for (at, _) in lower.match_indices(label) {
            let start = at + label.len();
            let Some(lead) = Lead::of(lower.get(start..).unwrap_or_default()) else {
                continue;
            };
            let value = lower.get(start + lead.length..).unwrap_or_default();
            let value = value.get(..lead.end_of(value)).unwrap_or_default();
            let from = start + lead.length;
            let secret = match label {
                AUTHORIZATION => in_authorization(value, lead.opened.is_some()),
                _ if lead.opened.is_some() => 0..value.len(),
                _ => 0..end_of_word(value),
            };
            if !secret.is_empty() {
                found.push(from + secret.start..from + secret.end);
            }
        }
    }
}

/// What stands between a name and its value.
struct Lead {
    length: usize,
    /// What the value ends with, and how many backslashes go before it, where quotes or tags are around it.
    opened: Option<(&'static str, usize)>,
}

impl Lead {
    /// `None` where no value follows.
    fn of(text: &str) -> Option<Self> {
        const QUOTES: [&str; 8] = [
            "\"", "'", "&quot;", "&apos;", "&#34;", "&#39;", "&#x22;", "&#x27;",
        ];
        let mut length = 0;
        let mut escapes = 0;
        let mut told = false;
        let mut opened = None;
        // what follows the opening is the value, be it blank or escaped
        while opened.is_none()
            && let Some(rest) = text.get(length..).filter(|rest| !rest.is_empty())
        {
            let before = escapes;
            escapes = 0;
            if let Some(quote) = QUOTES.into_iter().find(|quote| rest.starts_with(quote)) {
                // the first may end the name
                opened = told.then_some((quote, before));
                length += quote.len();
                continue;
            }
            let tag = [(">", "<"), ("&gt;", "&lt;")]
                .into_iter()
                .find(|(tag, _)| length == 0 && rest.starts_with(tag));
            if let Some((tag, end)) = tag {
                (told, opened) = (true, Some((end, 0)));
                length += tag.len();
                continue;
            }
            match rest.as_bytes().first() {
                Some(b':' | b'=' | b'>') => told = true,
                Some(b' ' | b'\t' | b'[') => {}
                Some(b'\\') => escapes = before + 1,
                _ => break,
            }
            length += 1;
        }
        told.then_some(Lead { length, opened })
    }

    /// Where the value ends at the latest; one that was cut ends with the text.
    fn end_of(&self, value: &str) -> usize {
        let Some((end, escapes)) = self.opened else {
            return value.len();
        };
        value
            .match_indices(end)
            .map(|(at, _)| {
                let before = value.get(..at).unwrap_or_default();
                (at, at - before.trim_end_matches('\\').len())
            })
            .find(|(_, before)| *before <= escapes)
            .map_or(value.len(), |(at, before)| at - before)
    }
}

/// Where a value ends that nothing is around.
fn end_of_word(value: &str) -> usize {
    value
        .find(|c: char| c.is_whitespace() || "\"'<>&,;".contains(c))
        .unwrap_or(value.len())
}

const AUTHORIZATION: &str = "authorization";
/// What is shown of an authorization: how it is done
/// (<https://www.iana.org/assignments/http-authschemes>). Another word may be the secret itself.
const SCHEMES: [&str; 7] = [
    "basic",
    "bearer",
    "digest",
    "dpop",
    "negotiate",
    "ntlm",
    "token",
];
/// The schemes of AWS; what is secret in them has names of its own.
const SCHEMES_OF_AWS: [&str; 2] = ["aws4-hmac-sha256", "aws4-ecdsa-p256-sha256"];

/// The secret in the value of the header, in lower case; `whole` where its end is known.
fn in_authorization(value: &str, whole: bool) -> Range<usize> {
    let first = end_of_word(value);
    let word = value.get(..first).unwrap_or_default();
    let rest = value.get(first..).unwrap_or_default();
    let blank = rest.len() - rest.trim_start().len();
    let between = rest.get(..blank).unwrap_or_default();
    // the next line is another header, unless it begins with a blank
    let is_scheme = between.ends_with([' ', '\t'])
        && word
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let second = first + blank;
    if is_scheme && SCHEMES_OF_AWS.contains(&word) {
        let parts = value.get(second..).unwrap_or_default();
        return second..second + end_of_word(parts);
    }
    let start = match is_scheme && SCHEMES.contains(&word) {
        true => second,
        false => 0,
    };
    if whole {
        return start..value.len();
    }
    match is_scheme {
        true => start..second + end_of_credentials(value.get(second..).unwrap_or_default()),
        false => start..first,
    }
}

/// Where `a68==` or `name="a value", name=value` ends.
fn end_of_credentials(text: &str) -> usize {
    let mut end = 0;
    loop {
        end += end_of_parameter(text.get(end..).unwrap_or_default());
        let rest = text.get(end..).unwrap_or_default();
        let next = rest.trim_start_matches([' ', '\t', ',']);
        let name = next.find(|c: char| !c.is_ascii_alphanumeric() && !"-_*".contains(c));
        let is_parameter = next.len() < rest.len()
            && name.is_some_and(|end| {
                let value = next.get(end..).unwrap_or_default().trim_start();
                end > 0 && value.starts_with('=')
            });
        if !is_parameter {
            return end;
        }
        end = text.len() - next.len();
    }
}

/// Where a value or a `name="a value"` ends; the quotes may be escaped.
fn end_of_parameter(text: &str) -> usize {
    let word = end_of_word(text);
    let named = text.find('=').filter(|at| *at <= word);
    let lead = named.and_then(|at| Some((at, Lead::of(text.get(at..)?)?)));
    match lead {
        Some((at, lead)) if lead.opened.is_some() => {
            let start = at + lead.length;
            let value = text.get(start..).unwrap_or_default();
            let end = start + lead.end_of(value);
            let rest = text.get(end..).unwrap_or_default();
            let quote = rest.trim_start_matches('\\');
            let closing = lead.opened.map_or(0, |(quote, _)| quote.len());
            (end + rest.len() - quote.len() + closing).min(text.len())
        }
        _ => word,
    }
}

/// User and password in a URL.
fn find_userinfo(text: &str, found: &mut Vec<Range<usize>>) {
    for (at, scheme) in text.match_indices("://") {
        let start = at + scheme.len();
        let rest = text.get(start..).unwrap_or_default();
        let end = rest
            .find(|c: char| c.is_whitespace() || "/?#\"'<>".contains(c))
            .unwrap_or(rest.len());
        let authority = rest.get(..end).unwrap_or_default();
        if let Some((userinfo, _)) = authority.rsplit_once('@') {
            found.push(start..start + userinfo.len());
        }
    }
}

/// The digits of a signature, and the three parts of a JSON web token.
const HEX_SIGNATURE: usize = 64;
const SHORTEST_JWT: usize = 20;

fn find_tokens(text: &str, found: &mut Vec<Range<usize>>) {
    for (at, word) in words(text, |c| c.is_ascii_alphanumeric() || "_-.".contains(c)) {
        let hex = word.len() >= HEX_SIGNATURE && word.bytes().all(|b| b.is_ascii_hexdigit());
        let jwt = word.len() >= SHORTEST_JWT && word.starts_with("eyJ") && word.contains('.');
        if hex || jwt {
            found.push(at..at + word.len());
        }
    }
}

/// The length of a secret access key.
const SECRET_KEY: usize = 40;
/// No name and no word is as long as a session token.
const SHORTEST_TOKEN: usize = 100;

/// What looks like a secret access key or a session token in a text of the other side.
fn find_lookalikes(text: &str, found: &mut Vec<Range<usize>>) {
    let mixed = |word: &str| {
        word.bytes().any(|b| b.is_ascii_digit())
            && word.bytes().any(|b| b.is_ascii_uppercase())
            && word.bytes().any(|b| b.is_ascii_lowercase())
    };
    for (at, word) in words(text, |c| c.is_ascii_alphanumeric() || "+/".contains(c)) {
        // one that stands in a path has slashes around it
        if word.trim_matches('/').len() == SECRET_KEY && mixed(word) {
            found.push(at..at + word.len());
        }
    }
    for (at, word) in words(text, |c| c.is_ascii_alphanumeric() || "+/%\\".contains(c)) {
        let plain = ["%2F", "%2f", "%2B", "%2b", "\\/"]
            .iter()
            .fold(Cow::Borrowed(word), |word, escape| {
                Cow::Owned(word.replace(escape, "/"))
            });
        if plain.len() != word.len() && plain.len() == SECRET_KEY && mixed(&plain) {
            found.push(at..at + word.len());
        }
    }
    for (at, word) in words(text, |c| is_token(c) || c == '\\') {
        if word.len() >= SHORTEST_TOKEN && mixed(word) {
            found.push(at..at + word.len());
        }
    }
}

/// The longest runs of such characters, with their places.
fn words(text: &str, is_part: fn(char) -> bool) -> impl Iterator<Item = (usize, &str)> {
    text.split(move |c| !is_part(c))
        .filter(|word| !word.is_empty())
        .map(move |word| (word.as_ptr() as usize - text.as_ptr() as usize, word))
}

/// The text with `***` for each of the ranges; they may overlap.
fn strike(text: &str, mut ranges: Vec<Range<usize>>) -> Cow<'_, str> {
    if ranges.is_empty() {
        return Cow::Borrowed(text);
    }
    ranges.sort_by_key(|range| range.start);
    let mut struck = String::with_capacity(text.len());
    let mut from = 0;
    for range in ranges {
        if range.end <= from {
            continue;
        }
        if range.start >= from {
            struck.push_str(text.get(from..range.start).unwrap_or_default());
            struck.push_str(STRUCK);
        }
        from = range.end;
    }
    struck.push_str(text.get(from..).unwrap_or_default());
    Cow::Owned(struck)
}

/// Whether a character would break the line, or change how it reads: controls, and Unicode's marks that
/// are not seen or turn the direction of writing.
fn breaks_the_line(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn on_one_line(text: Cow<'_, str>) -> Cow<'_, str> {
    if !text.contains(breaks_the_line) {
        return text;
    }
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if breaks_the_line(c) {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    Cow::Owned(line)
}

/// At most so many characters, the last of which says that there were more.
fn shortened(text: &str, limit: usize) -> String {
    if text.chars().nth(limit).is_none() {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(limit.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// Where a service begins to repeat the request that it was sent.
const QUOTES_THE_REQUEST: [&str; 5] = [
    "canonical string",
    "canonical request",
    "canonicalrequest",
    "string-to-sign",
    "string to sign",
];

/// The text up to where it repeats the request, or the sentence that announces it.
fn before_the_request(text: &str) -> &str {
    let lower = text.to_ascii_lowercase();
    // how the SDK says that an endpoint is none
    if let Some(at) = lower.find(" to request `request {") {
        return text.get(..at).unwrap_or_default();
    }
    let quoted = QUOTES_THE_REQUEST
        .iter()
        .filter_map(|sign| lower.find(sign));
    let Some(at) = quoted.min() else { return text };
    let before = text.get(..at).unwrap_or_default();
    let sentence = before
        .rfind(['\n', '.'])
        .and_then(|end| before.get(..=end))
        .unwrap_or_default();
    sentence.trim_end()
}

/// What the other side said, on one line of at most 300 characters: what the request or the cache holds
/// that is secret, and what looks like it, is struck out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Quoted(String);

impl Quoted {
    pub(crate) fn new(text: &str, secrets: &Secrets) -> Self {
        let text = Self::struck(text, secrets);
        Quoted(shortened(&on_one_line(Cow::Borrowed(&text)), QUOTED_LIMIT))
    }

    /// Only the first line: what follows in the refusal of a signature is the request.
    pub(crate) fn first_line(text: &str, secrets: &Secrets) -> Self {
        let text = text.trim_start();
        let end = ["\n", "\r", "\\n"]
            .iter()
            .filter_map(|end| text.find(end))
            .min()
            .unwrap_or(text.len());
        Self::new(text.get(..end).unwrap_or_default(), secrets)
    }

    /// Without the secrets, but not shortened: for what is read out of a text word by word.
    pub(crate) fn struck(text: &str, secrets: &Secrets) -> String {
        let end = text.floor_char_boundary(READ_LIMIT);
        let text = before_the_request(text.get(..end).unwrap_or_default()).trim();
        let mut found = Vec::new();
        secrets.find(text, &mut found);
        find_labelled(text, &mut found);
        find_tokens(text, &mut found);
        find_userinfo(text, &mut found);
        let mut lookalikes = Vec::new();
        find_lookalikes(text, &mut lookalikes);
        // who was refused what is read out of it
        lookalikes.retain(|range| !is_in_arn(text, range.start));
        found.extend(lookalikes);
        strike(text, found).into_owned()
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// This, or other words where nothing was said.
    pub(crate) fn or(self, otherwise: &'static str) -> Cow<'static, str> {
        if self.is_empty() {
            Cow::Borrowed(otherwise)
        } else {
            Cow::Owned(self.0)
        }
    }
}

impl fmt::Display for Quoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A part of an error's line: our own words, or [`Quoted`]. What is put together at run time is put on
/// one line, and what a name or a shape shows to be a secret is struck out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text(Cow<'static, str>);

impl Text {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Both, told one after the other.
    pub(crate) fn then(self, more: &Text) -> Text {
        Text(Cow::Owned(format!("{}: {}", self.0, more.0)))
    }

    /// A sentence: beside what [`From`] strikes out, whatever looks like a key or a session token, as in a
    /// text of the other side. A name that is as long as one belongs into a part of its own, or into an ARN.
    pub(crate) fn prose(text: Cow<'static, str>) -> Self {
        let Cow::Owned(composed) = text else {
            return text.into();
        };
        let mut found = Vec::new();
        find_lookalikes(&composed, &mut found);
        found.retain(|range| !is_in_arn(&composed, range.start));
        strike(&composed, found).into_owned().into()
    }
}

/// Whether the place is within an ARN: its names may be long.
fn is_in_arn(text: &str, at: usize) -> bool {
    let before = text.get(..at).unwrap_or_default();
    let start = before.rfind(|c: char| c.is_whitespace() || "\"'`(,".contains(c));
    let word = before
        .get(start.map_or(0, |at| at + 1)..)
        .unwrap_or_default();
    word.starts_with("arn:")
}

impl From<&'static str> for Text {
    fn from(ours: &'static str) -> Self {
        Text(on_one_line(Cow::Borrowed(ours)))
    }
}

impl From<String> for Text {
    fn from(composed: String) -> Self {
        let mut found = Vec::new();
        find_labelled(&composed, &mut found);
        find_tokens(&composed, &mut found);
        find_userinfo(&composed, &mut found);
        let struck = strike(&composed, found);
        Text(Cow::Owned(on_one_line(struck).into_owned()))
    }
}

impl From<Cow<'static, str>> for Text {
    fn from(text: Cow<'static, str>) -> Self {
        match text {
            Cow::Borrowed(ours) => ours.into(),
            Cow::Owned(composed) => composed.into(),
        }
    }
}

impl From<Quoted> for Cow<'static, str> {
    fn from(theirs: Quoted) -> Self {
        Cow::Owned(theirs.0)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "IQoJb3JpZ2luX2VjEJ//////////wEaCXVzLWVhc3QtMSJHMEUCIQDx+abc/def==";
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

    fn secrets() -> Secrets {
        Secrets::of(&Credentials::new(
            "ASIAIOSFODNN7EXAMPLE",
            SECRET,
            Some(TOKEN.to_owned()),
            None,
            "test",
        ))
    }

    #[test]
    fn a_secret_is_struck_out_however_it_is_quoted() {
        let percent = TOKEN
            .replace('/', "%2F")
            .replace('+', "%2b")
            .replace('=', "%3D");
        let json = TOKEN.replace('/', "\\/");
        let xml = TOKEN.replace('/', "&#x2F;").replace('+', "&#43;");
        let broken = format!("{}\n  {}", &TOKEN[..20], &TOKEN[20..]);
        let part = &TOKEN[12..40];
        let each = |write: fn(u8) -> String| SECRET.bytes().map(write).collect::<String>();
        let all_percent = each(|byte| format!("%{byte:02X}"));
        let all_twice = each(|byte| format!("%25{byte:02x}"));
        let all_json = each(|byte| format!("\\u{byte:04x}"));
        let all_xml = each(|byte| format!("&#{byte};"));
        let all_xml_twice = each(|byte| format!("&amp;#x{byte:x};"));
        let rust = each(|byte| format!("\\x{byte:02x}"));
        let base64 = [0, 1, 2].map(|before| {
            aws_smithy_types::base64::encode(format!("{}{TOKEN}!", "k".repeat(before)))
        });
        let hexadecimal = each(|byte| format!("{byte:02x}"));
        for form in [
            TOKEN,
            SECRET,
            &percent,
            &json,
            &xml,
            &broken,
            part,
            &TOKEN.to_lowercase(),
            &all_percent,
            &all_twice,
            &all_json,
            &all_xml,
            &all_xml_twice,
            &rust,
            &base64[0],
            &base64[1],
            &base64[2],
            &hexadecimal,
        ] {
            let quoted = Quoted::new(&format!("no: x-y {form} (end)"), &secrets());
            assert_eq!(quoted.as_str(), "no: x-y *** (end)", "{form}");
        }
        let bytes = format!("{:?}", SECRET.as_bytes());
        let spaced = each(|byte| format!("{byte:02x} "));
        for form in [&bytes, &spaced] {
            let quoted = Quoted::new(&format!("no: {form} (end)"), &secrets());
            assert!(!quoted.as_str().contains(&form[8..20]), "{quoted}");
            assert!(quoted.as_str().len() < 20, "{quoted}");
        }
        let key = Quoted::new("the key ASIAIOSFODNN7EXAMPLE is not known", &secrets());
        assert_eq!(key.as_str(), "the key *** is not known");
    }

    #[test]
    fn what_looks_like_a_secret_is_struck_out_without_knowing_it() {
        for (text, shown) in [
            (
                "x-amz-security-token:abcdef rest",
                "x-amz-security-token:*** rest",
            ),
            (
                "Authorization: AWS4-HMAC-SHA256 Credential=AKIA/1, Signature=00",
                "Authorization: AWS4-HMAC-SHA256 ***, Signature=***",
            ),
            (
                "no answer from http://user:word@minio:9000/a@b",
                "no answer from http://***@minio:9000/a@b",
            ),
            (
                r#"{"SecretAccessKey":"abc","x":1}"#,
                r#"{"SecretAccessKey":"***","x":1}"#,
            ),
            (
                "<SessionToken>abc</SessionToken>",
                "<SessionToken>***</SessionToken>",
            ),
            (
                "sent eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx.c2ln back",
                "sent *** back",
            ),
            (
                "key wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY bad",
                "key *** bad",
            ),
            (
                "key wJalrXUtnFEMI%2FK7MDENG%2fbPxRfiCYEXAMPLEKEY bad",
                "key *** bad",
            ),
            // a name as long as a secret is one where it stands in an ARN
            (
                "may not sts:TagSession on arn:aws:iam::123456789012:role/ProdStackMyFunctionServiceRole1A2B3",
                "may not sts:TagSession on arn:aws:iam::123456789012:role/ProdStackMyFunctionServiceRole1A2B3",
            ),
            (
                "The security token included in the request is expired",
                "The security token included in the request is expired",
            ),
            (
                "Signature expired: 20260101T000000Z is now earlier than 20260101T000500Z",
                "Signature expired: 20260101T000000Z is now earlier than 20260101T000500Z",
            ),
        ] {
            assert_eq!(Quoted::new(text, &Secrets::unknown()).as_str(), shown);
        }
    }

    #[test]
    fn what_authorizes_is_struck_out_whole_whatever_its_scheme() {
        for (text, shown) in [
            (
                "Authorization: Basic dXNlcjpwYXNz was refused",
                "Authorization: Basic *** was refused",
            ),
            (
                "proxy-authorization:\tbasic  dXNlcjpwYXNz",
                "proxy-authorization:\\tbasic  ***",
            ),
            (
                "Authorization: Bearer a/b, Host: x",
                "Authorization: Bearer ***, Host: x",
            ),
            (
                "Authorization: Negotiate YIIJvw==\nHost: x",
                "Authorization: Negotiate ***\\nHost: x",
            ),
            (
                "Authorization: abc\nHost: x",
                "Authorization: ***\\nHost: x",
            ),
            (
                "Authorization: Corp-Key dXNl and more",
                "Authorization: *** and more",
            ),
            ("authorization=dXNl&x=1", "authorization=***&x=1"),
            (
                "Authorization: Digest username=\"M\", realm=\"a b, c\", nc=1, response=\"66\" and more",
                "Authorization: Digest *** and more",
            ),
            (
                "-H 'Authorization: Digest username=\"M\", response=\"66\"' http://x",
                "-H 'Authorization: Digest ***' http://x",
            ),
            (
                r#"{"Authorization": "Basic dXNl", "Host": "x"}"#,
                r#"{"Authorization": "Basic ***", "Host": "x"}"#,
            ),
            (
                r#"{"Authorization":"Digest username=\"M\", response=\"66\"","x":1}"#,
                r#"{"Authorization":"Digest ***","x":1}"#,
            ),
            (
                r#"{"sent":"{\"authorization\":\"Corp dXNl, cut\",\"x\":1}"}"#,
                r#"{"sent":"{\"authorization\":\"***\",\"x\":1}"}"#,
            ),
            (
                r#"{"Authorization":["Basic dXNl"],"x":1}"#,
                r#"{"Authorization":["Basic ***"],"x":1}"#,
            ),
            (
                "<Authorization>Basic dXNl</Authorization>",
                "<Authorization>Basic ***</Authorization>",
            ),
            (
                "<Authorization>Basic&#32;dXNl</Authorization>",
                "<Authorization>***</Authorization>",
            ),
            (
                "<header authorization='Basic dXNl' host='x'/>",
                "<header authorization='Basic ***' host='x'/>",
            ),
            (
                "&lt;Authorization&gt;Basic dXNl&lt;/Authorization&gt;",
                "&lt;Authorization&gt;Basic ***&lt;/Authorization&gt;",
            ),
            (
                "{&quot;Authorization&quot;:&quot;Basic dXNl&quot;,&quot;x&quot;:1}",
                "{&quot;Authorization&quot;:&quot;Basic ***&quot;,&quot;x&quot;:1}",
            ),
            // cut on the way
            (
                r#"{"Authorization":"Basic dX"#,
                r#"{"Authorization":"Basic ***"#,
            ),
            ("Authorization: Basic", "Authorization: ***"),
            (
                r#"{"Authorization":"AWS4-HMAC-SHA256 Credential=A/1, SignedHeaders=host, Signature=0"}"#,
                r#"{"Authorization":"AWS4-HMAC-SHA256 ***, SignedHeaders=host, Signature=***"}"#,
            ),
            // no value, and no name
            (
                r#"{"Authorization":"","x":1}"#,
                r#"{"Authorization":"","x":1}"#,
            ),
            (
                "Authorization header requires Date",
                "Authorization header requires Date",
            ),
        ] {
            let quoted = Quoted::new(text, &Secrets::unknown());
            assert_eq!(quoted.as_str(), shown, "{text}");
        }
    }

    #[test]
    fn a_value_in_quotes_or_tags_ends_with_them() {
        for (text, shown) in [
            (
                r#"{"password":"two words, or <more>; & so on","x":1}"#,
                r#"{"password":"***","x":1}"#,
            ),
            (
                "<Password>two words &amp; more</Password>",
                "<Password>***</Password>",
            ),
            (
                r#"{"password":"\"two\" words\\n","x":1}"#,
                r#"{"password":"***","x":1}"#,
            ),
            (r#"{"password":"","x":"y"}"#, r#"{"password":"","x":"y"}"#),
            (
                "password => 'two words', x => 1",
                "password => '***', x => 1",
            ),
            ("password=two words", "password=*** words"),
        ] {
            let quoted = Quoted::new(text, &Secrets::unknown());
            assert_eq!(quoted.as_str(), shown, "{text}");
        }
    }

    #[test]
    fn the_request_is_not_repeated() {
        let text = "The request signature we calculated does not match. Check your key.\n\nThe Canonical String \
                    for this request should have been\n'POST\n/\n";
        assert_eq!(
            Quoted::new(text, &Secrets::unknown()).as_str(),
            "The request signature we calculated does not match. Check your key."
        );
        assert_eq!(
            Quoted::new(
                "failed to apply endpoint `127.0.0.1:8000` to request `Request { body: SdkBody { inner: \
                 Once(Some(b\"an item\")) } }`",
                &Secrets::unknown()
            )
            .as_str(),
            "failed to apply endpoint `127.0.0.1:8000`"
        );
        assert_eq!(
            Quoted::first_line("no match\nPOST / AKID", &Secrets::unknown()).as_str(),
            "no match"
        );
    }

    #[test]
    fn a_text_is_one_line_of_three_hundred_characters() {
        let quoted = Quoted::new(&"ä\n\u{202e}".repeat(1_000), &Secrets::unknown());
        assert_eq!(quoted.as_str().chars().count(), QUOTED_LIMIT);
        assert!(quoted.as_str().starts_with("ä\\n\\u{202e}ä") && quoted.as_str().ends_with('…'));
        let huge = Quoted::new(&"x".repeat(900_000), &Secrets::unknown());
        assert_eq!(huge.as_str().chars().count(), QUOTED_LIMIT);
    }

    #[test]
    fn our_own_words_stay_whole() {
        let arn = format!(
            "arn:aws:dynamodb:us-east-1:123456789012:table/{}",
            "Xy1".repeat(60)
        );
        assert_eq!(Text::from(arn.clone()).as_str(), arn);
        let statement = format!(r#"add {{"Resource":"{arn}"}} to the policy"#);
        assert_eq!(Text::prose(statement.clone().into()).as_str(), statement);
    }

    #[test]
    fn a_sentence_of_ours_shows_no_secret_that_was_put_into_it() {
        for secret in [SECRET.to_owned(), "Xy1".repeat(60)] {
            let text = format!("the command said {secret}, and ended");
            assert_eq!(
                Text::prose(text.into()).as_str(),
                "the command said ***, and ended"
            );
        }
    }
}
