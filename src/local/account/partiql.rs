//! What a PartiQL statement asks for: its verb, table and index, the attributes it names, and the values
//! of the partition key that it is confined to.

use super::expression::{UNKNOWN, plain};
use super::schema::Schema;
use serde_json::Value;
use std::collections::BTreeSet;

/// A statement, as far as permissions go.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) action: &'static str,
    /// `table/T` or `table/T/index/I`; what is not understood is every table.
    pub(super) resource: String,
    /// `None` where it is not confined to any.
    pub(super) leading_keys: Option<BTreeSet<String>>,
    pub(super) attributes: BTreeSet<String>,
    pub(super) select: Option<&'static str>,
}

/// Reads a statement with the values of its `?`.
pub(super) fn read(statement: &str, parameters: &[Value], schema: &dyn Schema) -> Statement {
    let words = words(statement, parameters);
    let mut rest = &words[..];
    let verb = match rest {
        // a condition of a transaction
        [Word::Name(exists), Word::Sign('('), inner @ ..] if exists.is("EXISTS") => {
            rest = inner;
            inner.first()
        }
        all => all.first(),
    };
    let verb = verb.map_or("", Word::keyword).to_ascii_uppercase();
    rest = rest.get(1..).unwrap_or_default();
    let mut attributes = BTreeSet::new();
    let (action, mut rest, select) = match verb.as_str() {
        "DELETE" => ("PartiQLDelete", past(rest, "FROM"), None),
        "INSERT" => ("PartiQLInsert", past(rest, "INTO"), None),
        "UPDATE" => ("PartiQLUpdate", rest, None),
        _ => {
            let from = past(rest, "FROM");
            let projection = rest.len().saturating_sub(from.len() + 1);
            let projection = rest.get(..projection).unwrap_or_default();
            let all = matches!(projection, [Word::Sign('*')]);
            attributes.extend(columns(projection));
            let select = if all {
                "ALL_ATTRIBUTES"
            } else {
                "SPECIFIC_ATTRIBUTES"
            };
            ("PartiQLSelect", from, Some(select))
        }
    };
    let mut table = None;
    let mut index = None;
    if let [Word::Name(name), after @ ..] = rest {
        table = Some(name.text.clone());
        rest = after;
        if let [Word::Sign('.'), Word::Name(name), after @ ..] = rest {
            index = Some(name.text.clone());
            rest = after;
        }
    }
    let key = table
        .as_deref()
        .and_then(|table| schema.partition_key(table, index.as_deref()));
    let mut leading_keys = None;
    if action == "PartiQLInsert" {
        for (name, value) in members(rest) {
            if Some(&name) == key.as_ref() {
                leading_keys = Some(BTreeSet::from([value]));
            }
            attributes.insert(name);
        }
    } else {
        attributes.extend(columns(rest));
        if let Some(key) = &key {
            let condition = past(rest, "WHERE");
            leading_keys = Condition {
                key,
                words: condition,
            }
            .confined();
        }
    }
    let resource = match (table, index) {
        (Some(table), Some(index)) => format!("table/{table}/index/{index}"),
        (Some(table), None) => format!("table/{table}"),
        (None, _) => "table/*".to_owned(),
    };
    Statement {
        action,
        resource,
        leading_keys,
        attributes,
        select,
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    Name(Name),
    Sign(char),
    /// A literal or a parameter, as a policy writes it.
    Value(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Name {
    text: String,
    /// In double quotes, so that it is no keyword.
    quoted: bool,
}

impl Name {
    fn is(&self, keyword: &str) -> bool {
        !self.quoted && self.text.eq_ignore_ascii_case(keyword)
    }
}

impl Word {
    fn is(&self, keyword: &str) -> bool {
        matches!(self, Word::Name(name) if name.is(keyword))
    }

    fn keyword(&self) -> &str {
        match self {
            Word::Name(name) if !name.quoted => &name.text,
            _ => "",
        }
    }
}

const KEYWORDS: [&str; 26] = [
    "ADD",
    "ALL",
    "AND",
    "ASC",
    "BETWEEN",
    "BY",
    "DESC",
    "EXISTS",
    "FALSE",
    "IN",
    "IS",
    "MISSING",
    "MODIFIED",
    "NEW",
    "NOT",
    "NULL",
    "OLD",
    "OR",
    "ORDER",
    "REMOVE",
    "RETURNING",
    "SET",
    "TRUE",
    "VALUE",
    "VALUES",
    "WHERE",
];

fn words(statement: &str, parameters: &[Value]) -> Vec<Word> {
    let mut words = Vec::new();
    let mut rest = statement;
    let mut asked = 0;
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else {
            return words;
        };
        let plain_char = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
        if first.is_ascii_digit() || (first == '-' && starts_number(rest)) {
            let end = rest
                .char_indices()
                .skip(1)
                .find(|(_, c)| !c.is_alphanumeric() && *c != '.')
                .map_or(rest.len(), |(at, _)| at);
            let (number, after) = rest.split_at(end);
            words.push(Word::Value(number.to_owned()));
            rest = after;
            continue;
        }
        if plain_char(first) {
            let end = rest.find(|c| !plain_char(c)).unwrap_or(rest.len());
            let (text, after) = rest.split_at(end);
            words.push(Word::Name(Name {
                text: text.to_owned(),
                quoted: false,
            }));
            rest = after;
            continue;
        }
        let after = rest.get(first.len_utf8()..).unwrap_or_default();
        match first {
            '"' => {
                let (text, after) = until(after, '"');
                words.push(Word::Name(Name { text, quoted: true }));
                rest = after;
            }
            '\'' => {
                let (text, after) = until(after, '\'');
                words.push(Word::Value(text));
                rest = after;
            }
            '?' => {
                words.push(Word::Value(plain(parameters.get(asked))));
                asked += 1;
                rest = after;
            }
            sign => {
                words.push(Word::Sign(sign));
                rest = after;
            }
        }
    }
}

fn starts_number(text: &str) -> bool {
    text.chars().nth(1).is_some_and(|c| c.is_ascii_digit())
}

/// Up to the closing quote, two of which stand for one, and what follows it.
fn until(mut rest: &str, quote: char) -> (String, &str) {
    let mut text = String::new();
    while let Some((before, after)) = rest.split_once(quote) {
        text.push_str(before);
        let Some(more) = after.strip_prefix(quote) else {
            return (text, after);
        };
        text.push(quote);
        rest = more;
    }
    text.push_str(rest);
    (text, "")
}

/// What follows a keyword; nothing where it is not there.
fn past<'a>(words: &'a [Word], keyword: &str) -> &'a [Word] {
    let at = words.iter().position(|word| word.is(keyword));
    at.and_then(|at| words.get(at + 1..)).unwrap_or_default()
}

/// The top-level attributes that stand among the words: names that are no keywords, functions or paths
/// within another.
fn columns(words: &[Word]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, word) in words.iter().enumerate() {
        let Word::Name(name) = word else { continue };
        let keyword = !name.quoted && KEYWORDS.iter().any(|known| name.is(known));
        let nested = at > 0 && words.get(at - 1) == Some(&Word::Sign('.'));
        let function = words.get(at + 1) == Some(&Word::Sign('('));
        if !keyword && !nested && !function {
            found.insert(name.text.clone());
        }
    }
    found
}

/// The members of the item of an `INSERT`: `{'name': value, …}`.
fn members(words: &[Word]) -> Vec<(String, String)> {
    let mut depth = 0;
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        match word {
            Word::Sign('{' | '[' | '(' | '<') => depth += 1,
            Word::Sign('}' | ']' | ')' | '>') => depth -= 1,
            Word::Value(name) if depth == 1 => {
                let (Some(Word::Sign(':')), Some(value)) = (words.get(at + 1), words.get(at + 2))
                else {
                    continue;
                };
                let value = match value {
                    Word::Value(value) => value.clone(),
                    _ => UNKNOWN.to_owned(),
                };
                found.push((name.clone(), value));
            }
            _ => {}
        }
    }
    found
}

/// A condition, read for what it says about the partition key.
struct Condition<'a> {
    key: &'a str,
    words: &'a [Word],
}

impl Condition<'_> {
    /// The values that the key has in every item that fits; `None` where it may have any.
    fn confined(mut self) -> Option<BTreeSet<String>> {
        self.either()
    }

    fn either(&mut self) -> Option<BTreeSet<String>> {
        let mut all = self.both();
        while self.take("OR") {
            let other = self.both();
            all = all.zip(other).map(|(mut one, other)| {
                one.extend(other);
                one
            });
        }
        all
    }

    fn both(&mut self) -> Option<BTreeSet<String>> {
        let mut confined = self.one();
        while self.take("AND") {
            let other = self.one();
            confined = confined.or(other);
        }
        confined
    }

    fn one(&mut self) -> Option<BTreeSet<String>> {
        if self.take("NOT") {
            self.one();
            return None;
        }
        if let [Word::Sign('('), rest @ ..] = self.words {
            self.words = rest;
            let inner = self.either();
            if let [Word::Sign(')'), rest @ ..] = self.words {
                self.words = rest;
                return inner;
            }
            // not understood, so not confined
            self.words = &[];
            return None;
        }
        let confined = self.predicate();
        self.skip_predicate();
        confined
    }

    /// `key = value`, `value = key`, `key IN [values]`.
    fn predicate(&self) -> Option<BTreeSet<String>> {
        let is_key = |word: &Word| matches!(word, Word::Name(name) if name.text == self.key);
        match self.words {
            [name, Word::Sign('='), Word::Value(value), ..]
            | [Word::Value(value), Word::Sign('='), name, ..]
                if is_key(name) =>
            {
                Some(BTreeSet::from([value.clone()]))
            }
            [name, within, Word::Sign('[' | '('), rest @ ..] if is_key(name) && within.is("IN") => {
                let mut values = BTreeSet::new();
                for word in rest {
                    match word {
                        Word::Value(value) => {
                            values.insert(value.clone());
                        }
                        Word::Sign(',') => {}
                        Word::Sign(']' | ')') => return Some(values),
                        _ => return None,
                    }
                }
                None
            }
            _ => None,
        }
    }

    /// Goes on to the next `AND`, `OR` or closing parenthesis of this level.
    fn skip_predicate(&mut self) {
        let mut depth = 0;
        let mut between = false;
        while let [word, rest @ ..] = self.words {
            match word {
                Word::Sign('(' | '[' | '{') => depth += 1,
                Word::Sign(')') if depth == 0 => return,
                Word::Sign(')' | ']' | '}') => depth -= 1,
                word if depth == 0 && word.is("BETWEEN") => between = true,
                word if depth == 0 && word.is("AND") && between => between = false,
                word if depth == 0 && (word.is("AND") || word.is("OR")) => return,
                _ => {}
            }
            self.words = rest;
        }
    }

    fn take(&mut self, keyword: &str) -> bool {
        match self.words {
            [word, rest @ ..] if word.is(keyword) => {
                self.words = rest;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Statement, read};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn schema(table: &str, index: Option<&str>) -> Option<String> {
        match (table, index) {
            ("T", None) => Some("id".to_owned()),
            ("T", Some("I")) => Some("name".to_owned()),
            _ => None,
        }
    }

    fn of(statement: &str, parameters: &[Value]) -> Statement {
        read(statement, parameters, &schema)
    }

    #[test]
    fn a_condition_confines_to_partitions_or_not() {
        let parameters = [json!({ "S": "a" }), json!({ "S": "b" })];
        for (condition, expected) in [
            ("id = 'a'", Some("a")),
            ("\"id\" = 'it''s'", Some("it's")),
            ("'a' = id", Some("a")),
            ("id = ?", Some("a")),
            ("x = ? AND id = ?", Some("b")),
            ("id IN ['a', ?]", Some("a")),
            ("id in ('b', 'c') and x > 1", Some("b c")),
            ("(id = 'a' OR id = 'b') AND x = 1", Some("a b")),
            ("x BETWEEN 1 AND 2 AND id = 'a'", Some("a")),
            ("contains(x, 'id') AND (((id = 'a')))", Some("a")),
            ("id = 5", Some("5")),
            ("id = -5.5", Some("-5.5")),
            ("id = 'a' OR x = 1", None),
            ("NOT id = 'a'", None),
            ("NOT (id = 'a') AND x = 1", None),
            ("id > 'a'", None),
            ("id <> 'a'", None),
            ("m.id = 'a'", None),
            ("x = 'id = ''a'''", None),
            ("id IN [x]", None),
            ("", None),
        ] {
            let read = of(&format!("SELECT * FROM T WHERE {condition}"), &parameters);
            let keys = read
                .leading_keys
                .map(|keys| keys.into_iter().collect::<Vec<_>>().join(" "));
            assert_eq!(keys.as_deref(), expected, "{condition}");
        }
    }

    #[test]
    fn each_verb_is_read_whole() {
        for (statement, action, resource, keys, attributes) in [
            (
                "select * from \"T\".\"I\" where name = 'x'",
                "PartiQLSelect",
                "table/T/index/I",
                "x",
                "name",
            ),
            (
                "SELECT id, \"from\" FROM T WHERE id = 'a'",
                "PartiQLSelect",
                "table/T",
                "a",
                "from id",
            ),
            (
                "INSERT INTO T VALUE {'id': 'a', 'm': {'id': 'z'}}",
                "PartiQLInsert",
                "table/T",
                "a",
                "id m",
            ),
            (
                "UPDATE \"T\" SET x = 1 SET y.id = 2 WHERE id = 'a' RETURNING ALL NEW *",
                "PartiQLUpdate",
                "table/T",
                "a",
                "id x y",
            ),
            (
                "DELETE FROM T WHERE id = 'a'",
                "PartiQLDelete",
                "table/T",
                "a",
                "id",
            ),
            (
                "EXISTS(SELECT * FROM T WHERE id = 'a')",
                "PartiQLSelect",
                "table/T",
                "a",
                "id",
            ),
            ("nonsense", "PartiQLSelect", "table/*", "", ""),
        ] {
            let read = of(statement, &[]);
            let join = |set: std::collections::BTreeSet<String>| {
                set.into_iter().collect::<Vec<_>>().join(" ")
            };
            assert_eq!(
                (read.action, read.resource.as_str()),
                (action, resource),
                "{statement}"
            );
            assert_eq!(
                join(read.leading_keys.unwrap_or_default()),
                keys,
                "{statement}"
            );
            assert_eq!(join(read.attributes), attributes, "{statement}");
        }
    }

    /// A condition on `id` and `x`, as text and as what it says about an item.
    #[derive(Clone, Debug)]
    enum Says {
        Id(&'static str),
        IdAmong(Vec<&'static str>),
        XBetween(u8, u8),
        Not(Box<Says>),
        And(Box<Says>, Box<Says>),
        Or(Box<Says>, Box<Says>),
    }

    impl Says {
        fn text(&self) -> String {
            match self {
                Says::Id(id) => format!("id = '{id}'"),
                Says::IdAmong(ids) => {
                    let ids: Vec<_> = ids.iter().map(|id| format!("'{id}'")).collect();
                    format!("\"id\" IN [{}]", ids.join(", "))
                }
                Says::XBetween(from, to) => format!("x BETWEEN {from} AND {to}"),
                Says::Not(inner) => format!("NOT ({})", inner.text()),
                Says::And(a, b) => format!("({}) AND ({})", a.text(), b.text()),
                // by precedence, without parentheses where they are not needed
                Says::Or(a, b) => format!("{} or {}", a.text(), b.text()),
            }
        }

        fn holds(&self, id: &str, x: u8) -> bool {
            match self {
                Says::Id(wanted) => *wanted == id,
                Says::IdAmong(ids) => ids.contains(&id),
                Says::XBetween(from, to) => (*from..=*to).contains(&x),
                Says::Not(inner) => !inner.holds(id, x),
                Says::And(a, b) => a.holds(id, x) && b.holds(id, x),
                Says::Or(a, b) => a.holds(id, x) || b.holds(id, x),
            }
        }
    }

    const IDS: [&str; 3] = ["a", "b", "c"];

    fn says() -> impl Strategy<Value = Says> {
        let id = || proptest::sample::select(&IDS[..]);
        let leaf = prop_oneof![
            id().prop_map(Says::Id),
            proptest::collection::vec(id(), 1..3).prop_map(Says::IdAmong),
            (0..3_u8, 0..3_u8).prop_map(|(from, to)| Says::XBetween(from, to)),
        ];
        leaf.prop_recursive(4, 16, 2, |inner| {
            let pair = (inner.clone(), inner.clone());
            prop_oneof![
                inner.prop_map(|inner| Says::Not(Box::new(inner))),
                pair.clone()
                    .prop_map(|(a, b)| Says::And(Box::new(a), Box::new(b))),
                pair.prop_map(|(a, b)| Says::Or(Box::new(a), Box::new(b))),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_item_outside_of_the_partitions_fits(says in says()) {
            let read = of(&format!("SELECT * FROM T WHERE {}", says.text()), &[]);
            if let Some(keys) = read.leading_keys {
                for id in IDS {
                    let fits = (0..3).any(|x| says.holds(id, x));
                    prop_assert!(!fits || keys.contains(id), "{id} fits {}", says.text());
                }
            }
        }

        #[test]
        fn any_text_is_read(text in r#"(SELECT|INSERT INTO|UPDATE|é| |T|id|WHERE|=|'|"|\?|\(|\[|\{|<|:|,|\.|-1|AND|NOT|IN){0,20}"#) {
            of(&text, &[]);
        }
    }
}
